//! A relay on a thread of its own.

use std::{
    net::Ipv4Addr,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::Trouble;
use crate::identity::Authority;
use msrp_core::{
    grammar::{Scheme, Uri},
    node::ListenerId,
};
use msrp_relay::{MemoryAuthStore, Relay, RelayConfig, RelayStats};
use msrp_transport::{
    DriverConfig,
    listen::{ListenOptions, bind},
    mio_driver::{Handle, Server},
    tls_config::{ClientCertificates, ClientTls, format_fingerprint, roots_from_pem, server_config},
};

/// A relay of this process.
pub(super) struct RunningRelay {
    host: &'static str,
    port: u16,
    pub(super) fingerprint: String,
    handle: Handle<Relay>,
    thread: Option<JoinHandle<Option<RelayStats>>>,
}

/// What somebody proves to relays who they are with.
pub(super) fn password_of(name: &str) -> String {
    format!("{name}'s secret")
}

impl RunningRelay {
    /// Starts a relay of this name with a certificate from the authority, for these users, and for those that come by way
    /// of its peer.
    pub(super) fn start(
        authority: &Authority,
        host: &'static str,
        users: &[&str],
        peer: Option<&str>,
    ) -> Result<Self, Trouble> {
        let identity = authority.issue(&[host.to_owned()])?.identity()?;
        let fingerprint = format_fingerprint(&identity.fingerprint())
            .chars()
            .take(19)
            .collect();
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into(), ListenOptions::default())?;
        let port = socket.local_addr()?.port();
        let store = users.iter().fold(MemoryAuthStore::new(), |store, user| {
            store.with_password(user, host, &password_of(user))
        });
        let mut config = RelayConfig::new(host)
            .auth_store(store)
            // Nobody else's DNS is needed for the story.
            .allow_address_host(true)
            .listener(ListenerId(0), Scheme::Msrps, port);
        if let Some(peer) = peer {
            config = config.peer_relay(peer);
        }
        let relay = Relay::new(Instant::now(), config, crate::seed()?)?;
        let mut server = Server::new(relay, DriverConfig::new())?;
        let roots = || roots_from_pem(authority.pem().as_bytes());
        // Relays show certificates to each other; clients need none.
        server.set_client_tls(ClientTls::new(roots()?, Some(identity.clone()))?);
        let tls = server_config(&identity, ClientCertificates::Verified(roots()?))?;
        server.listen_on(socket, Scheme::Msrps, Some(tls))?;
        let handle = server.handle();
        let thread = std::thread::Builder::new()
            .name(host.to_owned())
            .spawn(move || server.run(&mut ()).ok().map(|()| *server.node().stats()))?;
        Ok(Self {
            host,
            port,
            fingerprint,
            handle,
            thread: Some(thread),
        })
    }

    /// Where users ask it for a path.
    pub(super) fn uri(&self) -> Result<Uri, Trouble> {
        Ok(Uri::build(Scheme::Msrps, self.host, self.port, None, "tcp")?)
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("msrps://{}:{}", self.host, self.port)
    }

    pub(super) fn stop(&mut self) -> Result<RelayStats, Trouble> {
        // Nobody is left who has anything to say.
        self.handle.shutdown(Duration::ZERO)?;
        let ended = self.thread.take().and_then(|thread| thread.join().ok()).flatten();
        ended.ok_or_else(|| Trouble("the relay ended badly".to_owned()))
    }
}
