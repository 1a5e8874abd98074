//! Adapters for tests, and what is expected of them.

use std::time::Duration;

use bytes::Bytes;
use msrp_ua::sip::{
    CallId, SipAction, SipAdapter, SipInput, SipInvite, SipParty,
    rsipstack::{RsipAdapter, RsipConfig, SipListen},
};

pub(crate) const OFFER: &[u8] = b"v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/secret;tcp\r\n";
pub(crate) const ANSWER: &[u8] = b"v=0\r\no=b 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:8/secret;tcp\r\n";

/// By how much the timers of SIP are shorter than in life.
pub(crate) const T1: Duration = Duration::from_millis(30);

/// What goes wrong is seen sooner by the adapter's own timers.
const PATIENCE: Duration = Duration::from_secs(120);

/// An adapter, with a name.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) adapter: RsipAdapter,
}

pub(crate) fn config(name: &'static str, transport: &str) -> RsipConfig {
    let listen: SipListen = format!("{transport}://127.0.0.1:0").parse().unwrap();
    let mut config = RsipConfig::new(format!("sip:{name}@127.0.0.1")).with_listen(listen);
    config.timers.t1 = T1;
    config
}

impl Side {
    pub(crate) fn new(name: &'static str, transport: &str) -> Self {
        Self::with(name, config(name, transport))
    }

    pub(crate) fn with(name: &'static str, config: RsipConfig) -> Self {
        Self {
            name,
            adapter: RsipAdapter::start(config).unwrap(),
        }
    }

    /// A URI by which this side is reached.
    pub(crate) fn uri(&self) -> String {
        let listen = self.adapter.listening()[0];
        format!(
            "sip:{}@{};transport={}",
            self.name, listen.address, listen.transport
        )
    }

    pub(crate) fn party(&self) -> SipParty {
        SipParty::new(self.uri())
    }

    pub(crate) async fn next(&mut self) -> SipInput {
        tokio::time::timeout(PATIENCE, self.adapter.next())
            .await
            .unwrap_or_else(|_| panic!("{}: nothing has come", self.name))
            .unwrap_or_else(|| panic!("{}: it has ended", self.name))
    }

    /// That nothing comes for a while, which is many times what a message takes.
    pub(crate) async fn silent(&mut self) {
        let input = tokio::time::timeout(10 * T1, self.adapter.next()).await;
        assert!(input.is_err(), "{}: {input:?}", self.name);
    }

    pub(crate) async fn perform(&mut self, action: SipAction) {
        let text = format!("{action:?}");
        if let Err(fault) = self.adapter.perform(action).await {
            panic!("{}: {text}: {fault}", self.name);
        }
    }

    pub(crate) async fn invite(&mut self, number: u64, to: &Self) -> CallId {
        self.invite_uri(number, to.uri()).await
    }

    pub(crate) async fn invite_uri(&mut self, number: u64, to: String) -> CallId {
        let call = CallId::outgoing(number);
        let invite = SipInvite::new(call, SipParty::new(to), Bytes::from_static(OFFER));
        self.perform(SipAction::Invite(Box::new(invite))).await;
        call
    }

    pub(crate) async fn invited(&mut self) -> CallId {
        match self.next().await {
            SipInput::Invite(invite) => invite.call,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    pub(crate) async fn answer(&mut self, call: CallId) {
        let sdp = Bytes::from_static(ANSWER);
        self.perform(SipAction::Answer { call, sdp }).await;
    }

    /// Our INVITE is accepted.
    pub(crate) async fn accepted(&mut self) -> Option<Bytes> {
        match self.next().await {
            SipInput::Accepted { answer, .. } => answer,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    pub(crate) async fn acknowledged(&mut self) -> Option<Bytes> {
        match self.next().await {
            SipInput::Acknowledged { answer, .. } => answer,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    /// Our INVITE is refused, with this code.
    pub(crate) async fn refused(&mut self, code: u16) -> msrp_ua::sip::SipAnswer {
        match self.next().await {
            SipInput::Refused { answer, .. } if answer.code == code => answer,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    /// Our BYE has been answered.
    pub(crate) async fn bye_answered(&mut self, bye: CallId) {
        match self.next().await {
            SipInput::ByeAnswered { call } if call == bye => {}
            other => panic!("{}: {other:?}", self.name),
        }
    }

    pub(crate) async fn ended(&mut self) -> Option<msrp_ua::sip::SipAnswer> {
        match self.next().await {
            SipInput::Ended { answer, .. } => answer,
            other => panic!("{}: {other:?}", self.name),
        }
    }
}

/// Two sides with a call between them.
pub(crate) async fn in_call(transport: &str) -> (Side, Side, CallId, CallId) {
    let (mut alice, mut bob) = (Side::new("alice", transport), Side::new("bob", transport));
    let out = alice.invite(1, &bob).await;
    let into = bob.invited().await;
    bob.answer(into).await;
    assert_eq!(alice.accepted().await.as_deref(), Some(ANSWER));
    assert_eq!(bob.acknowledged().await, None);
    (alice, bob, out, into)
}
