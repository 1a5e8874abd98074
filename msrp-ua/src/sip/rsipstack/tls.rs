//! What the stack presents by TLS, and whom it trusts.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{ClientConfig, ServerConfig};

/// What the stack presents by TLS, and whom it trusts. Clones share it, so that whoever has kept one can replace it while the
/// stack runs, as when a certificate is about to expire.
#[derive(Clone, Default)]
pub struct SipTls(Arc<RwLock<Configs>>);

#[derive(Clone, Default)]
struct Configs {
    client: Option<Arc<ClientConfig>>,
    server: Option<Arc<ServerConfig>>,
}

impl SipTls {
    /// `client` is for connections that we begin, and says whom we trust; `server` for listeners.
    pub fn new(client: Option<Arc<ClientConfig>>, server: Option<Arc<ServerConfig>>) -> Self {
        Self(Arc::new(RwLock::new(Configs { client, server })))
    }

    /// As [`new`](Self::new), for new connections; those that exist stay as they are.
    pub fn replace(&self, client: Option<Arc<ClientConfig>>, server: Option<Arc<ServerConfig>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Configs { client, server };
    }

    pub(super) fn client(&self) -> Option<Arc<ClientConfig>> {
        self.configs().client
    }

    pub(super) fn server(&self) -> Option<Arc<ServerConfig>> {
        self.configs().server
    }

    fn configs(&self) -> Configs {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for SipTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let configs = self.configs();
        f.debug_struct("SipTls")
            .field("client", &configs.client.is_some())
            .field("server", &configs.server.is_some())
            .finish()
    }
}
