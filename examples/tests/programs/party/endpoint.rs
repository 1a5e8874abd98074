//! One endpoint: a user agent on a thread of its own, and what it tells.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use msrp_core::grammar::{Path, Uri};
use msrp_transport::{
    DriverConfig,
    mio_driver::{Handle, Host, Server},
    resolve::SystemResolver,
    tls_config::ClientTls,
};
use msrp_ua::{
    Accept, RegistrationId, RelayAccount, UserAgent, UserAgentCommand, UserAgentConfig, UserAgentEvent,
};

use super::{
    Trouble,
    file::{Hasher, Meter},
};
use crate::running::PATIENCE;
use msrp_examples::hosts::HostTable;

/// An endpoint, seen from a test.
pub(crate) struct Endpoint {
    /// Who it is.
    pub(crate) name: &'static str,
    handle: Handle<UserAgent>,
    events: Receiver<UserAgentEvent>,
    thread: Option<JoinHandle<()>>,
    /// What has come of a file.
    pub(crate) incoming_file: Meter,
}

impl Endpoint {
    /// Starts an endpoint that trusts what `tls` trusts, and knows the addresses in `hosts`.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(crate) fn start(
        name: &'static str,
        tls: ClientTls,
        hosts: HostTable<SystemResolver>,
    ) -> Result<Self, Trouble> {
        let config = UserAgentConfig::new(format!("{name}.example.com"), 2855, true);
        let agent = UserAgent::new(Instant::now(), config, msrp_examples::seed()?);
        let mut server = Server::with_resolver(agent, DriverConfig::new(), hosts)?;
        server.set_client_tls(tls);
        let handle = server.handle();
        let (told, events) = channel();
        let incoming_file = Meter::default();
        let mut ears = Ears {
            told,
            incoming_file: incoming_file.clone(),
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Err(error) = server.run(&mut ears) {
                tracing::error!(%error, "event loop");
            }
        })?;
        Ok(Self {
            name,
            handle,
            events,
            thread: Some(thread),
            incoming_file,
        })
    }

    /// Tells the user agent something.
    ///
    /// # Errors
    /// [`Trouble`], when it has ended.
    pub(crate) fn command(&self, command: UserAgentCommand) -> Result<(), Trouble> {
        Ok(self.handle.command(command)?)
    }

    /// Asks relays, each through those before it, for a path over all of them, and waits for it: the registration, our URI
    /// in it, and the path for our SDP.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(crate) fn register(&self, relays: Vec<RelayAccount>) -> Result<(RegistrationId, Uri, Path), Trouble> {
        let wanted = relays.len();
        self.command(UserAgentCommand::RegisterChain(relays))?;
        self.wait_for_event("a path from the relay", |event| match event {
            UserAgentEvent::Registered {
                registration,
                local,
                path,
                use_path,
                ..
            } if use_path.len() == wanted => Some((registration, local, path)),
            _ => None,
        })
    }

    /// Waits until an event says what is wanted; others are passed over.
    ///
    /// # Errors
    /// [`Trouble`], when nothing does, or a relay refuses.
    pub(crate) fn wait_for_event<T>(
        &self,
        what: &str,
        mut wanted: impl FnMut(UserAgentEvent) -> Option<T>,
    ) -> Result<T, Trouble> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self
                .events
                .recv_timeout(left)
                .map_err(|_| Trouble(format!("{} waited in vain for {what}", self.name)))?;
            if let UserAgentEvent::RegistrationLost { relay, reason, .. } = &event {
                let host = relay.host_str();
                return Err(Trouble(format!("{host} refused {}: {reason:?}", self.name)));
            }
            if let Some(found) = wanted(event) {
                return Ok(found);
            }
        }
    }

    /// Ends the endpoint without a goodbye, as a phone that loses its network.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(crate) fn vanish(&mut self) -> Result<(), Trouble> {
        self.handle.shutdown(Duration::ZERO)?;
        match self.thread.take() {
            Some(thread) => thread
                .join()
                .map_err(|_| Trouble(format!("{} ended badly", self.name))),
            None => Ok(()),
        }
    }
}

/// Listens to the user agent on its thread.
struct Ears {
    told: Sender<UserAgentEvent>,
    incoming_file: Meter,
}

impl Host<UserAgent> for Ears {
    fn event(&mut self, agent: &mut UserAgent, event: UserAgentEvent) {
        if let UserAgentEvent::IncomingMessage {
            message,
            content_type,
            ..
        } = &event
        {
            // Lines of chat are put together; a file goes where files go, without ever being held whole.
            let how = if content_type.starts_with("text/") {
                Accept::Whole
            } else {
                Accept::sink(Hasher::new(self.incoming_file.clone()))
            };
            if let Err(error) = agent.accept(*message, how) {
                tracing::error!(%error, "message not taken");
            }
        }
        // Nobody listens any more when the story is over.
        let _listener_may_be_gone = self.told.send(event);
    }
}
