//! A peer that says what a test says, by SIP and SDP.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

use std::time::{Duration, Instant};

use msrp_core::node::Node;
use msrp_ua::{
    UserAgent, UserAgentConfig, UserAgentEvent,
    call::CallEnd,
    sip::{CallId, IncomingInvite, SipAction, SipInput, SipParty},
};

/// A user agent alone, what it wants of SIP, and what else it has told.
pub(crate) struct Alone {
    pub(crate) now: Instant,
    pub(crate) agent: UserAgent,
    pub(crate) actions: Vec<SipAction>,
    pub(crate) events: Vec<UserAgentEvent>,
    calls: u64,
}

/// A description with one `m=message` line for each of these session-ids.
pub(crate) fn sdp(version: u64, sessions: &[&str], more: &str) -> Vec<u8> {
    let mut text =
        format!("v=0\r\no=p 7 {version} IN IP4 p.example.com\r\ns=-\r\nc=IN IP4 p.example.com\r\nt=0 0\r\n");
    for session in sessions {
        let port = if session.is_empty() { 0 } else { 7000 };
        text.push_str(&format!(
            "m=message {port} TCP/MSRP *\r\na=accept-types:*\r\n{more}"
        ));
        if !session.is_empty() {
            text.push_str(&format!("a=path:msrp://p.example.com:7000/{session};tcp\r\n"));
        }
    }
    text.into_bytes()
}

impl Alone {
    pub(crate) fn new() -> Self {
        Self::with(UserAgentConfig::new("a.example.com", 2855, false))
    }

    pub(crate) fn with(config: UserAgentConfig) -> Self {
        let now = Instant::now();
        Self {
            now,
            agent: UserAgent::new(now, config, [1; 32]),
            actions: Vec::new(),
            events: Vec::new(),
            calls: 0,
        }
    }

    pub(crate) fn run(&mut self) {
        while let Some(event) = self.agent.poll_event() {
            match event {
                UserAgentEvent::Sip(action) => self.actions.push(*action),
                event => self.events.push(event),
            }
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.run();
        while let Some(at) = self.agent.poll_timeout().filter(|&at| at <= end) {
            self.now = at;
            self.agent.handle_timeout(at);
            self.run();
        }
        self.now = end;
        self.agent.handle_timeout(end);
        self.run();
    }

    pub(crate) fn say(&mut self, input: SipInput) {
        self.agent.handle_sip(self.now, input);
        self.run();
    }

    /// An INVITE with this offer.
    pub(crate) fn invite(&mut self, offer: Option<Vec<u8>>) -> CallId {
        self.calls += 1;
        let call = CallId::incoming(self.calls);
        let party = SipParty::new("sip:p@p.example.com");
        let invite = IncomingInvite::new(
            call,
            party,
            SipParty::new("sip:a@a.example.com"),
            offer.map(Into::into),
        );
        self.say(SipInput::Invite(Box::new(invite)));
        call
    }

    /// The newest action.
    #[track_caller]
    pub(crate) fn last(&self) -> &SipAction {
        self.actions.last().unwrap()
    }

    /// The SDP of the newest action.
    #[track_caller]
    pub(crate) fn said(&self) -> String {
        let sdp = match self.last() {
            SipAction::Invite(invite) => &invite.offer,
            SipAction::Answer { sdp, .. } => sdp,
            SipAction::Reinvite { offer, .. } => offer,
            other => panic!("{other:?}"),
        };
        String::from_utf8(sdp.to_vec()).unwrap()
    }

    /// Code and Warning of the newest action, a refusal.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, Option<String>) {
        match self.last() {
            SipAction::Refuse { reply, .. } => {
                let warning = reply.headers.iter().find(|header| header.name == "Warning");
                (reply.code, warning.map(|header| header.value.clone()))
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn ends(&self) -> Vec<CallEnd> {
        self.events
            .iter()
            .filter_map(|event| match event {
                UserAgentEvent::CallEnded { reason, .. } => Some(reason.clone()),
                _ => None,
            })
            .collect()
    }

    /// Nothing is kept of any call.
    #[track_caller]
    pub(crate) fn is_done(&self) {
        assert_eq!(self.agent.call_count(), 0);
        assert_eq!(self.agent.session_count(), 0);
    }
}
