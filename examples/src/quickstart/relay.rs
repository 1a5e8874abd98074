//! A relay on a thread of its own.

use std::{
    net::Ipv4Addr,
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use msrp_core::{
    grammar::{Scheme, Uri},
    node::ListenerId,
};
use msrp_relay::{MemoryAuthStore, Relay, RelayConfig, RelayEvent, RelayStats};
use msrp_transport::{
    DriverConfig,
    listen::{ListenOptions, bind},
    mio_driver::{Handle, Host, Server},
    resolve::SystemResolver,
    tls_config::{ClientCertificates, ClientTls, format_fingerprint, roots_from_pem, server_config},
};
use msrp_ua::RelayAccount;

use super::Trouble;
use crate::{hosts::HostTable, identity::Authority};

/// A relay of this process.
pub(super) struct RunningRelay {
    host: &'static str,
    pub(super) port: u16,
    pub(super) fingerprint: String,
    handle: Handle<Relay>,
    events: Receiver<RelayEvent>,
    thread: Option<JoinHandle<Option<RelayStats>>>,
}

fn password_of(name: &str, host: &str) -> String {
    format!("{name}'s secret at {host}")
}

impl RunningRelay {
    /// Starts a relay of this name with a certificate from the authority, for these users, and for those that come by way
    /// of its peer.
    pub(super) fn start(
        authority: &Authority,
        host: &'static str,
        users: &[&str],
        peer: Option<&str>,
        hosts: HostTable<SystemResolver>,
    ) -> Result<Self, Trouble> {
        let identity = authority.issue(&[host.to_owned()])?.identity()?;
        let fingerprint = format_fingerprint(&identity.fingerprint())
            .chars()
            .take(19)
            .collect();
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into(), ListenOptions::default())?;
        let port = socket.local_addr()?.port();
        let store = users.iter().fold(MemoryAuthStore::new(), |store, user| {
            store.with_password(user, host, &password_of(user, host))
        });
        let mut config =
            RelayConfig::new(host)
                .auth_store(store)
                .listener(ListenerId(0), Scheme::Msrps, port);
        if let Some(peer) = peer {
            config = config.peer_relay(peer);
        }
        let relay = Relay::new(Instant::now(), config, crate::seed()?)?;
        let mut server = Server::with_resolver(relay, DriverConfig::new(), hosts)?;
        let roots = || roots_from_pem(authority.pem().as_bytes());
        // Relays show certificates to each other; clients need none.
        server.set_client_tls(ClientTls::new(roots()?, Some(identity.clone()))?);
        let tls = server_config(&identity, ClientCertificates::Verified(roots()?))?;
        server.listen_on(socket, Scheme::Msrps, Some(tls))?;
        let handle = server.handle();
        let (told, events) = channel();
        let thread = std::thread::Builder::new().name(host.to_owned()).spawn(move || {
            let mut host = Told(told);
            server.run(&mut host).ok().map(|()| *server.node().stats())
        })?;
        Ok(Self {
            host,
            port,
            fingerprint,
            handle,
            events,
            thread: Some(thread),
        })
    }

    /// What a user needs to ask this relay for a path.
    pub(super) fn account(&self, user: &str) -> Result<RelayAccount, Trouble> {
        let uri = Uri::build(Scheme::Msrps, self.host, self.port, None, "tcp")?;
        Ok(RelayAccount::new(uri, user, password_of(user, self.host)))
    }

    pub(super) fn wait_for_goodbye(&self) -> Result<(), Trouble> {
        loop {
            let event = self.events.recv_timeout(Duration::from_secs(10))?;
            if matches!(event, RelayEvent::ConnectionClosed { .. }) {
                return Ok(());
            }
        }
    }

    pub(super) fn stop(&mut self) -> Result<RelayStats, Trouble> {
        // Nobody is left who has anything to say.
        self.handle.shutdown(Duration::ZERO)?;
        let ended = self.thread.take().and_then(|thread| thread.join().ok()).flatten();
        ended.ok_or_else(|| Trouble("the relay ended badly".to_owned()))
    }
}

struct Told(Sender<RelayEvent>);

impl Host<Relay> for Told {
    fn event(&mut self, _relay: &mut Relay, event: RelayEvent) {
        let _listener_may_be_gone = self.0.send(event);
    }
}
