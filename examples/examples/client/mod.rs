//! A client that the examples try their relays with.
#![allow(dead_code, unreachable_pub, reason = "each example uses a part of it")]

use std::{
    error::Error,
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, Instant},
};

use msrp_core::grammar::{Path, Scheme, Uri};
use msrp_transport::{
    DriverConfig,
    mio_driver::{Handle, Host, Server},
    tls_config::{ClientTls, roots_from_pem},
};
use msrp_ua::{
    RegistrationId, RelayAccount, Role, SessionParams, UserAgent, UserAgentCommand, UserAgentConfig,
    UserAgentEvent,
};

/// A user agent on a thread of its own.
pub struct Client {
    handle: Handle<UserAgent>,
    events: Receiver<UserAgentEvent>,
}

struct Ears(Sender<UserAgentEvent>);

impl Host<UserAgent> for Ears {
    fn event(&mut self, _: &mut UserAgent, event: UserAgentEvent) {
        let _nobody_listens = self.0.send(event);
    }
}

/// What a client is given.
pub struct Registered {
    registration: RegistrationId,
    own: Uri,
    /// Its path, as SDP would carry it.
    pub path: Path,
}

impl Client {
    /// A client that trusts this certificate.
    pub fn start(certificate: &str) -> Result<Self, Box<dyn Error>> {
        let config = UserAgentConfig::new("client.example.com", 2855, true);
        let agent = UserAgent::new(Instant::now(), config, msrp_examples::seed()?);
        let mut server = Server::new(agent, DriverConfig::new())?;
        server.set_client_tls(ClientTls::new(roots_from_pem(certificate.as_bytes())?, None)?);
        let (tell, events) = channel();
        let handle = server.handle();
        std::thread::spawn(move || server.run(&mut Ears(tell)));
        Ok(Self { handle, events })
    }

    /// Asks the relay at this port of localhost for a URI; tells why not, if it says no.
    pub fn register(&self, port: u16, user: &str, password: &str) -> Result<Registered, Box<dyn Error>> {
        let relay = Uri::build(Scheme::Msrps, "localhost", port, None, "tcp")?;
        let account = RelayAccount::new(relay, user, password);
        self.handle
            .command(UserAgentCommand::Register(Box::new(account)))?;
        loop {
            match self.events.recv_timeout(Duration::from_secs(20))? {
                UserAgentEvent::Registered {
                    registration,
                    local,
                    path,
                    ..
                } => {
                    return Ok(Registered {
                        registration,
                        own: local,
                        path,
                    });
                }
                UserAgentEvent::RegistrationLost { reason, .. } => return Err(format!("{reason:?}").into()),
                _ => {}
            }
        }
    }

    /// Begins a session, which sends a first request along this path.
    pub fn call(&self, registered: &Registered, peer: Path) -> Result<(), Box<dyn Error>> {
        let session = SessionParams::new(registered.own.clone(), peer, Role::Active)
            .with_relay(registered.registration);
        self.handle
            .command(UserAgentCommand::OpenSession(Box::new(session)))?;
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _has_ended = self.handle.shutdown(Duration::ZERO);
    }
}
