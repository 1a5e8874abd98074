//! Two user agents whose SIP and MSRP meet in memory, and the time.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

use std::time::{Duration, Instant};

use msrp_core::node::Node;
use msrp_ua::{
    SessionId, UserAgent, UserAgentConfig, UserAgentEvent,
    call::{CallAnswer, CallEnd, CallStream, OutgoingCall},
    sip::{CallId, SipFaults, SipLoopback, SipParty},
};

/// One side: a user agent and what it has told.
pub(crate) struct Side {
    pub(crate) agent: UserAgent,
    pub(crate) events: Vec<UserAgentEvent>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) sip: SipLoopback,
    pub(crate) a: Side,
    pub(crate) b: Side,
}

pub(crate) fn config(host: &str) -> UserAgentConfig {
    UserAgentConfig::new(host, 2855, false)
}

pub(crate) fn bob() -> OutgoingCall {
    OutgoingCall::new(SipParty::new("sip:bob@b.example.com"))
        .with_from(SipParty::new("sip:alice@a.example.com"))
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(
            config("a.example.com"),
            config("b.example.com"),
            SipFaults::default(),
        )
    }

    pub(crate) fn with(a: UserAgentConfig, b: UserAgentConfig, faults: SipFaults) -> Self {
        let now = Instant::now();
        let side = |config, seed| Side {
            agent: UserAgent::new(now, config, [seed; 32]),
            events: Vec::new(),
        };
        Self {
            now,
            sip: SipLoopback::with_faults([3; 32], faults),
            a: side(a, 1),
            b: side(b, 2),
        }
    }

    /// Lets everything happen that can happen now.
    pub(crate) fn run(&mut self) {
        loop {
            self.sip.run(self.now, &mut self.a.agent, &mut self.b.agent);
            let mut more = false;
            for side in [&mut self.a, &mut self.b] {
                while let Some(event) = side.agent.poll_event() {
                    more = true;
                    side.events.push(event);
                }
            }
            if !more {
                return;
            }
        }
    }

    /// Lets time pass, and all that happens meanwhile.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.run();
            let next = [
                self.a.agent.poll_timeout(),
                self.b.agent.poll_timeout(),
                self.sip.next_arrival(),
            ]
            .into_iter()
            .flatten()
            .min();
            match next {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
        }
        self.now = end;
        self.run();
    }

    /// Breaks all MSRP connections.
    pub(crate) fn break_connections(&mut self) {
        self.sip
            .reset_connections(self.now, &mut self.a.agent, &mut self.b.agent);
        self.run();
    }

    /// A call from `a` that `b` has answered: its names and sessions at both.
    pub(crate) fn established(&mut self) -> (Ends, Ends) {
        self.call(bob(), CallAnswer::new())
    }

    pub(crate) fn call(&mut self, call: OutgoingCall, answer: CallAnswer) -> (Ends, Ends) {
        let at_a = self.a.agent.call(call).unwrap();
        self.run();
        let at_b = self.b.incoming();
        self.b.agent.answer_call(at_b, answer).unwrap();
        self.run();
        (self.a.ends(at_a), self.b.ends(at_b))
    }
}

/// A call at one side, and its first session.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) call: CallId,
    pub(crate) session: SessionId,
}

impl Side {
    /// The call that has come last.
    pub(crate) fn incoming(&self) -> CallId {
        self.find(|event| match event {
            UserAgentEvent::IncomingCall(call) => Some(call.call),
            _ => None,
        })
    }

    /// What the newest event for which `pick` has something gives.
    #[track_caller]
    pub(crate) fn find<T>(&self, pick: impl FnMut(&UserAgentEvent) -> Option<T>) -> T {
        let found = self.events.iter().rev().find_map(pick);
        found.unwrap_or_else(|| panic!("not among {:#?}", self.events))
    }

    pub(crate) fn count(&self, mut is: impl FnMut(&UserAgentEvent) -> bool) -> usize {
        self.events.iter().filter(|event| is(event)).count()
    }

    pub(crate) fn streams(&self, id: CallId) -> Vec<CallStream> {
        self.find(|event| match event {
            UserAgentEvent::CallEstablished { call, streams, .. } if *call == id => Some(streams.clone()),
            _ => None,
        })
    }

    pub(crate) fn ends(&self, call: CallId) -> Ends {
        let session = self.streams(call)[0].session;
        Ends { call, session }
    }

    pub(crate) fn ended(&self, id: CallId) -> Vec<CallEnd> {
        self.events
            .iter()
            .filter_map(|event| match event {
                UserAgentEvent::CallEnded { call, reason } if *call == id => Some(reason.clone()),
                _ => None,
            })
            .collect()
    }

    /// The bodies of the messages that have come.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.events
            .iter()
            .filter_map(|event| match event {
                UserAgentEvent::Message {
                    body: Some(body),
                    duplicate: false,
                    ..
                } => Some(String::from_utf8_lossy(body).into_owned()),
                _ => None,
            })
            .collect()
    }
}
