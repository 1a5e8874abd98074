//! Two user agents in memory and in virtual time: quick to set up, easy to read.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]
#![allow(dead_code, reason = "each test file uses its part of it")]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use msrp_core::{
    grammar::Path,
    node::{Action, ConnectFailure, ConnectionHandle, Node, PeerInfo},
};
use msrp_ua::{Role, SessionId, SessionParams, UserAgent, UserAgentConfig, UserAgentEvent};

/// One side: a user agent, what it has told, and what it has put on each wire.
pub(crate) struct Side {
    pub(crate) agent: UserAgent,
    pub(crate) events: Vec<UserAgentEvent>,
    /// What has been sent on the connection to the other side.
    pub(crate) sent: Vec<u8>,
    /// Connects that wait to be answered.
    connects: VecDeque<msrp_core::node::ConnectToken>,
    wire: BTreeMap<ConnectionHandle, ConnectionHandle>,
    /// Connections to be looked at.
    ready: BTreeSet<ConnectionHandle>,
    /// Whether events are pulled.
    pub(crate) listens: bool,
}

/// Two sides, and the time.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) a: Side,
    pub(crate) b: Side,
    pub(crate) refuse: Option<ConnectFailure>,
    /// How much is written, and read, at a time.
    pub(crate) piece: usize,
}

fn side(now: Instant, config: UserAgentConfig, seed: u8) -> Side {
    Side {
        agent: UserAgent::new(now, config, [seed; 32]),
        events: Vec::new(),
        sent: Vec::new(),
        connects: VecDeque::new(),
        wire: BTreeMap::new(),
        ready: BTreeSet::new(),
        listens: true,
    }
}

pub(crate) fn config(host: &str) -> UserAgentConfig {
    UserAgentConfig::new(host, 7777, false)
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with_configs(config("a.example.com"), config("b.example.com"))
    }

    pub(crate) fn with_configs(a: UserAgentConfig, b: UserAgentConfig) -> Self {
        let now = Instant::now();
        Self {
            now,
            a: side(now, a, 1),
            b: side(now, b, 2),
            refuse: None,
            piece: 64 * 1024,
        }
    }

    /// A pair with one session, bound; `a` is active.
    pub(crate) fn connected() -> (Self, SessionId, SessionId) {
        let mut pair = Self::new();
        let (a, b) = pair.open(|_| {}, |_| {});
        pair.drive();
        (pair, a, b)
    }

    /// Opens a session on both sides.
    pub(crate) fn open(
        &mut self,
        adjust_a: impl FnOnce(&mut SessionParams),
        adjust_b: impl FnOnce(&mut SessionParams),
    ) -> (SessionId, SessionId) {
        let (a_uri, b_uri) = (self.a.agent.allocate_uri(), self.b.agent.allocate_uri());
        let (a_path, b_path) = (path(&a_uri), path(&b_uri));
        let mut a = SessionParams::new(a_uri, b_path, Role::Active);
        let mut b = SessionParams::new(b_uri, a_path, Role::Passive);
        adjust_a(&mut a);
        adjust_b(&mut b);
        let b = self.b.agent.open_session(b).unwrap();
        let a = self.a.agent.open_session(a).unwrap();
        (a, b)
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.now += time;
        self.a.agent.handle_timeout(self.now);
        self.b.agent.handle_timeout(self.now);
        self.drive();
    }

    /// Lets everything happen that can happen now.
    pub(crate) fn drive(&mut self) {
        loop {
            let mut moved = false;
            moved |= step(&mut self.a, &mut self.b, self.now, &self.refuse, self.piece);
            moved |= step(&mut self.b, &mut self.a, self.now, &self.refuse, self.piece);
            if !moved {
                return;
            }
        }
    }

    /// Cuts the wire.
    pub(crate) fn reset(&mut self) {
        for (a, b) in std::mem::take(&mut self.a.wire) {
            self.a.agent.handle_reset(self.now, a);
            self.b.agent.handle_reset(self.now, b);
        }
        self.b.wire.clear();
        self.drive();
    }

    /// Opens a further wire that `a` would have opened, without it: what is written on it is up to the test.
    pub(crate) fn raw_connection_to_b(&mut self) -> ConnectionHandle {
        self.b.agent.handle_accepted(self.now, PeerInfo::new()).unwrap()
    }

    /// Writes octets to `b` on a raw connection and answers what `b` has to say on it.
    pub(crate) fn raw(&mut self, handle: ConnectionHandle, octets: &[u8]) -> String {
        self.b.agent.handle_read(self.now, handle, BytesMut::from(octets));
        let mut answer = Vec::new();
        while let Some(mut transmit) = self.b.agent.poll_transmit(self.now, handle, 65536) {
            let len = transmit.remaining();
            answer.extend_from_slice(&transmit.copy_to_bytes(len));
        }
        while let Some(event) = self.b.agent.poll_event() {
            self.b.events.push(event);
        }
        String::from_utf8(answer).unwrap()
    }
}

pub(crate) fn path(uri: &msrp_core::grammar::Uri) -> Path {
    Path::from_uris(std::slice::from_ref(uri)).unwrap()
}

fn step(from: &mut Side, to: &mut Side, now: Instant, refuse: &Option<ConnectFailure>, piece: usize) -> bool {
    let mut moved = false;
    while let Some(action) = from.agent.poll_action() {
        moved = true;
        match action {
            Action::Connect { token, .. } => from.connects.push_back(token),
            Action::Close { connection } => {
                if let Some(other) = from.wire.remove(&connection) {
                    to.wire.remove(&other);
                    to.agent.handle_eof(now, other);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    while let Some(token) = from.connects.pop_front() {
        moved = true;
        match refuse {
            Some(failure) => {
                assert!(
                    from.agent
                        .handle_connected(now, token, Err(failure.clone()))
                        .is_none()
                );
            }
            None => {
                let Some(here) = from.agent.handle_connected(now, token, Ok(PeerInfo::new())) else {
                    continue;
                };
                let there = to.agent.handle_accepted(now, PeerInfo::new()).unwrap();
                from.wire.insert(here, there);
                to.wire.insert(there, here);
            }
        }
    }
    while let Some(handle) = from.agent.poll_ready() {
        from.ready.insert(handle);
        // It may have begun to read again.
        to.ready.extend(from.wire.get(&handle));
    }
    for handle in std::mem::take(&mut from.ready) {
        let Some(&other) = from.wire.get(&handle) else {
            // Nobody is at the other end of a raw connection; what is said there the test asks for itself.
            continue;
        };
        while to.agent.wants_read(other) {
            let Some(mut transmit) = from.agent.poll_transmit(now, handle, piece) else {
                break;
            };
            moved = true;
            let len = transmit.remaining().min(piece);
            let octets = transmit.copy_to_bytes(len);
            from.sent.extend_from_slice(&octets);
            to.agent.handle_read(now, other, BytesMut::from(&octets[..]));
        }
    }
    while from.listens {
        let Some(event) = from.agent.poll_event() else {
            break;
        };
        moved = true;
        from.events.push(event);
    }
    moved
}
