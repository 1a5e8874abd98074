//! A whole user agent: MSRP over TCP, and SIP by the adapter.

use std::time::Instant;

use msrp_core::grammar::Scheme;
use msrp_examples::signalling;
use msrp_transport::{
    DriverConfig,
    driver::{Driver, Handle},
    layer::Incoming,
    listen::ListenAddress,
    runtime::TokioRuntime,
};
use msrp_ua::{
    OutgoingMessage, SessionId, UserAgent, UserAgentCommand, UserAgentConfig, UserAgentEvent,
    call::{CallAnswer, CallEnd, CallStream, OutgoingCall},
    sip::{
        CallId, SipParty,
        rsipstack::{RsipAdapter, RsipConfig, SipListen},
    },
};
use tokio::sync::mpsc;

use crate::running::PATIENCE;

pub(crate) struct Agent {
    pub(crate) listening: Vec<SipListen>,
    /// Where it accepts MSRP.
    pub(crate) msrp: u16,
    handle: Handle<UserAgent>,
    events: mpsc::Receiver<UserAgentEvent>,
}

impl Agent {
    pub(crate) fn start(sip: RsipConfig) -> Self {
        let config = UserAgentConfig::new("127.0.0.1", 0, false);
        let agent = UserAgent::new(
            Instant::now(),
            config,
            [7; 32].map(|octet: u8| octet ^ rand_octet()),
        );
        let mut driver = Driver::new(agent, DriverConfig::new(), TokioRuntime::current());
        let address: ListenAddress = "msrp://127.0.0.1:0".parse().unwrap();
        assert_eq!(address.scheme, Scheme::Msrp);
        let (_, local) = driver.listen(address, Incoming::from(None)).unwrap();
        driver.node_mut().set_authority("127.0.0.1", local.port());
        let adapter = RsipAdapter::start(sip).unwrap();
        let listening = adapter.listening().to_vec();
        let (handle, events, _) = signalling::join(driver, adapter);
        Self {
            listening,
            msrp: local.port(),
            handle,
            events,
        }
    }

    async fn next(&mut self) -> UserAgentEvent {
        tokio::time::timeout(PATIENCE, self.events.recv())
            .await
            .expect("nothing has come")
            .expect("the user agent has ended")
    }

    /// Waits for an event; others are passed over, but for the end of a call.
    async fn until<T>(&mut self, mut wanted: impl FnMut(UserAgentEvent) -> Option<T>) -> T {
        loop {
            let event = self.next().await;
            let ended = matches!(event, UserAgentEvent::CallEnded { .. }).then(|| format!("{event:?}"));
            if let Some(found) = wanted(event) {
                return found;
            }
            assert_eq!(ended, None);
        }
    }

    async fn command(
        &self,
        what: impl FnOnce(&mut UserAgent) -> Result<(), msrp_ua::CommandError> + Send + 'static,
    ) {
        self.handle.command(UserAgentCommand::call(what)).await.unwrap();
    }

    pub(crate) async fn call(&self, uri: String) {
        self.command(move |agent| agent.call(OutgoingCall::new(SipParty::new(uri))).map(|_| ()))
            .await;
    }

    /// Answers the next call.
    pub(crate) async fn answer(&mut self) -> CallId {
        let call = self
            .until(|event| match event {
                UserAgentEvent::IncomingCall(call) => Some(call.call),
                _ => None,
            })
            .await;
        self.command(move |agent| agent.answer_call(call, CallAnswer::new()))
            .await;
        call
    }

    pub(crate) async fn established(&mut self) -> (CallId, CallStream) {
        self.until(|event| match event {
            UserAgentEvent::CallEstablished {
                call, mut streams, ..
            } => Some((call, streams.remove(0))),
            _ => None,
        })
        .await
    }

    /// What comes of a call: it is established, or over.
    pub(crate) async fn outcome(&mut self) -> Result<(CallId, CallStream), CallEnd> {
        self.until(|event| match event {
            UserAgentEvent::CallEstablished {
                call, mut streams, ..
            } => Some(Ok((call, streams.remove(0)))),
            UserAgentEvent::CallEnded { reason, .. } => Some(Err(reason)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn say(&self, session: SessionId, text: &str) {
        let message = OutgoingMessage::text(text.to_owned());
        self.command(move |agent| agent.send(session, message).map(|_| ()))
            .await;
    }

    pub(crate) async fn heard(&mut self) -> String {
        self.until(|event| match event {
            UserAgentEvent::Message { body: Some(body), .. } => {
                Some(String::from_utf8(body.to_vec()).unwrap())
            }
            _ => None,
        })
        .await
    }

    /// The next hop has a message of ours.
    pub(crate) async fn accepted(&mut self) {
        self.until(|event| matches!(event, UserAgentEvent::Accepted { .. }).then_some(()))
            .await;
    }

    pub(crate) async fn end(&self, call: CallId) {
        self.command(move |agent| agent.end_call(call)).await;
    }

    pub(crate) async fn ended(&mut self) -> CallEnd {
        self.until(|event| match event {
            UserAgentEvent::CallEnded { reason, .. } => Some(reason),
            _ => None,
        })
        .await
    }
}

fn rand_octet() -> u8 {
    let mut octet = [0];
    getrandom::fill(&mut octet).unwrap();
    octet[0]
}
