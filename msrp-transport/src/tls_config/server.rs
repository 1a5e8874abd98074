//! TLS for listeners.

use std::sync::Arc;

use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};

use super::{Identity, TlsConfigError, by_fingerprint::ByFingerprint, provider, refused};

/// Which client certificates a server takes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    Ignored,
    /// One is asked for, and may be withheld; one that is presented has to chain to these roots (RFC 4976 §6.1).
    Verified(RootCertStore),
    /// One has to be presented; its fingerprint is compared with signalling afterwards (RFC 8122 §6).
    AnyWithKey,
}

/// What a TLS listener presents, and what it asks for.
#[derive(Clone, Debug)]
pub struct ServerTls {
    pub(crate) config: Arc<ServerConfig>,
    /// Whether a client certificate that passes has chained to a root.
    pub(crate) chained: bool,
}

impl ServerTls {
    /// A configuration made elsewhere. `chained` says that its verifier takes only client certificates that chain to a
    /// trusted root; only then are the names in them told as
    /// [verified](msrp_core::node::TlsPeer::verified_names).
    pub fn new(config: Arc<ServerConfig>, chained: bool) -> Self {
        Self { config, chained }
    }

    /// The configuration, for listeners of other protocols.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

/// The configuration of a TLS listener: TLS 1.2 with forward secrecy and TLS 1.3.
///
/// # Errors
/// [`TlsConfigError::Refused`].
pub fn server_config(identity: &Identity, clients: ClientCertificates) -> Result<ServerTls, TlsConfigError> {
    let chained = matches!(clients, ClientCertificates::Verified(_));
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    let builder = match clients {
        ClientCertificates::Ignored => builder.with_no_client_auth(),
        ClientCertificates::Verified(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(refused)?;
            builder.with_client_cert_verifier(verifier)
        }
        ClientCertificates::AnyWithKey => {
            builder.with_client_cert_verifier(Arc::new(ByFingerprint::new(provider, None)))
        }
    };
    let mut config = builder
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .map_err(refused)?;
    // Idle connections should be small, and the peers of a relay stay connected for long.
    config.send_tls13_tickets = 1;
    Ok(ServerTls::new(Arc::new(config), chained))
}
