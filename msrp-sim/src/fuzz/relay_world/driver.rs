//! Drives a relay in virtual time, with sockets that are buffers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use msrp_core::{
    digest::{self, Algorithm, Ha1},
    grammar::{Challenge, Credentials},
    node::{
        Action, ConnectFailure, ConnectToken, ConnectionHandle, ListenerId, Node, PeerInfo, Security, TlsPeer,
    },
};
use msrp_relay::{Relay, RelayConfig};

use crate::checker::naive::{self, Frame};

pub(super) const RELAY: &str = "msrps://relay.example.com:2855;tcp";

#[derive(Default)]
struct Socket {
    /// What the relay has sent since somebody looked.
    out: Vec<u8>,
    /// Octets that wait until the relay wants to read.
    pending: VecDeque<u8>,
    /// How much the peer still takes; none for any number.
    room: Option<usize>,
    /// The peer has ended its stream.
    eof: bool,
    closed: bool,
}

pub(super) struct Driver {
    pub(super) relay: Relay,
    /// The last answer to a challenge, to be sent again.
    pub(super) authorization: String,
    now: Instant,
    sockets: BTreeMap<ConnectionHandle, Socket>,
    connects: VecDeque<ConnectToken>,
}

fn peer(tls: bool) -> PeerInfo {
    let peer = PeerInfo::new().with_remote(([192, 0, 2, 7], 40_000).into());
    if tls {
        peer.with_listener(ListenerId(0))
            .with_security(Security::Tls(Arc::new(TlsPeer::default())))
    } else {
        peer.with_listener(ListenerId(1))
    }
}

impl Driver {
    pub(super) fn new(config: RelayConfig) -> Self {
        let now = Instant::now();
        Self {
            relay: Relay::new(now, config, [7; 32]).expect("a sound configuration"),
            authorization: String::new(),
            now,
            sockets: BTreeMap::new(),
            connects: VecDeque::new(),
        }
    }

    pub(super) fn accept(&mut self, tls: bool) -> Option<ConnectionHandle> {
        let handle = self.relay.handle_accepted(self.now, peer(tls)).ok()?;
        self.sockets.insert(handle, Socket::default());
        self.turn();
        Some(handle)
    }

    /// The outcome of the oldest connect that the relay asked for.
    pub(super) fn connected(&mut self, outcome: Result<(), ConnectFailure>) -> Option<ConnectionHandle> {
        let token = self.connects.pop_front()?;
        let handle = self
            .relay
            .handle_connected(self.now, token, outcome.map(|()| peer(true)));
        if let Some(handle) = handle {
            self.sockets.insert(handle, Socket::default());
        }
        self.turn();
        handle
    }

    /// What a peer sends; the relay reads it as it wants to.
    pub(super) fn feed(&mut self, handle: ConnectionHandle, octets: &[u8]) {
        if let Some(socket) = self.sockets.get_mut(&handle)
            && !socket.eof
        {
            socket.pending.extend(octets);
        }
        self.turn();
    }

    pub(super) fn eof(&mut self, handle: ConnectionHandle) {
        if let Some(socket) = self.sockets.get_mut(&handle) {
            socket.eof = true;
        }
        self.turn();
    }

    pub(super) fn reset(&mut self, handle: ConnectionHandle) {
        self.sockets.remove(&handle);
        self.relay.handle_reset(self.now, handle);
        self.turn();
    }

    pub(super) fn set_room(&mut self, handle: ConnectionHandle, room: Option<usize>) {
        if let Some(socket) = self.sockets.get_mut(&handle) {
            socket.room = room;
        }
        self.write(handle);
        self.turn();
    }

    pub(super) fn is_closed(&self, handle: ConnectionHandle) -> bool {
        self.sockets.get(&handle).is_none_or(|socket| socket.closed)
    }

    fn read(&mut self, handle: ConnectionHandle) -> bool {
        let Some(socket) = self.sockets.get_mut(&handle) else {
            return false;
        };
        if socket.closed || !self.relay.wants_read(handle) {
            return false;
        }
        if socket.pending.is_empty() {
            if std::mem::take(&mut socket.eof) {
                self.relay.handle_eof(self.now, handle);
                return true;
            }
            return false;
        }
        let block: BytesMut = socket.pending.drain(..socket.pending.len().min(4096)).collect();
        self.relay.handle_read(self.now, handle, block);
        true
    }

    fn write(&mut self, handle: ConnectionHandle) {
        let Some(socket) = self.sockets.get_mut(&handle) else {
            return;
        };
        while !socket.closed
            && socket.room != Some(0)
            && let Some(mut transmit) = self.relay.poll_transmit(self.now, handle, 16 * 1024)
        {
            let taken = transmit.chunk().len().min(socket.room.unwrap_or(usize::MAX));
            socket.out.extend_from_slice(&transmit.chunk()[..taken]);
            transmit.advance(taken);
            if let Some(room) = &mut socket.room {
                *room -= taken;
            }
        }
    }

    /// Turns until nothing happens any more.
    fn turn(&mut self) {
        for turns in 0.. {
            assert!(turns < 10_000, "the relay never comes to rest");
            let mut rest = true;
            let handles: Vec<_> = self.sockets.keys().copied().collect();
            for handle in handles {
                rest &= !self.read(handle);
            }
            while let Some(handle) = self.relay.poll_ready() {
                rest = false;
                self.write(handle);
            }
            while let Some(action) = self.relay.poll_action() {
                rest = false;
                match action {
                    Action::Connect { token, .. } => self.connects.push_back(token),
                    Action::Close { connection } => {
                        let socket = self.sockets.get_mut(&connection).expect("a known connection");
                        assert!(!socket.closed, "a connection is closed once");
                        socket.closed = true;
                    }
                    other => panic!("nothing asks for this: {other:?}"),
                }
            }
            while self.relay.poll_event().is_some() {}
            if rest {
                return;
            }
        }
    }

    /// Lets time pass, from deadline to deadline.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        for steps in 0.. {
            assert!(steps < 10_000, "a deadline that never moves");
            let Some(at) = self.relay.poll_timeout().filter(|&at| at <= until) else {
                break;
            };
            self.now = self.now.max(at);
            self.relay.handle_timeout(self.now);
            self.turn();
        }
        self.now = until;
        self.relay.handle_timeout(self.now);
        self.turn();
    }

    /// The whole frames that were sent to a peer since the last call.
    pub(super) fn frames(&mut self, handle: ConnectionHandle) -> Vec<Frame> {
        let socket = self.sockets.get_mut(&handle).expect("a known connection");
        let octets = std::mem::take(&mut socket.out);
        let frames = naive::decode(&octets);
        frames.unwrap_or_else(|error| panic!("the relay sends no MSRP: {error}"))
    }

    /// Both steps of an AUTH; gives the URI. `extra` are headers of the second.
    pub(super) fn authenticate(&mut self, handle: ConnectionHandle, user: &str, extra: &str) -> String {
        let request = |extra: &str| {
            format!(
                "MSRP auth1234 AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: msrps://{user}.example.com:9/{user};tcp\r\n{extra}\
                 -------auth1234$\r\n"
            )
        };
        self.feed(handle, request("").as_bytes());
        let challenge = self.frames(handle).pop().expect("a challenge");
        let challenge = challenge
            .header("WWW-Authenticate")
            .expect("a challenge")
            .to_owned();
        let challenge = Challenge::parse(challenge.as_bytes()).expect("a challenge");
        let (algorithm, nonce) = (Algorithm::Md5, &*challenge.nonce);
        let ha1 = Ha1::compute(algorithm, user, &challenge.realm, user);
        let credentials = Credentials {
            username: user.into(),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            response: digest::response(
                algorithm,
                &ha1,
                nonce,
                1,
                "0a4f113b",
                "auth",
                "AUTH",
                RELAY.as_bytes(),
            ),
            algorithm: None,
            cnonce: "0a4f113b".into(),
            opaque: challenge.opaque.clone(),
            qop: "auth".into(),
            nc: 1,
            uri: None,
        };
        let text = credentials.to_bytes().expect("sound credentials");
        let text = String::from_utf8(text.to_vec()).expect("text");
        if self.authorization.is_empty() {
            self.authorization.clone_from(&text);
        }
        self.feed(
            handle,
            request(&format!("Authorization: {text}\r\n{extra}")).as_bytes(),
        );
        let granted = self.frames(handle).pop().expect("an answer");
        granted.header("Use-Path").expect("a URI").to_owned()
    }

    pub(super) fn check_bounds(&self, connections: usize, memory: usize) {
        assert!(self.relay.connections() <= connections);
        // What was let in below the bound may be one read of each connection more, and one response to each.
        let slack = connections * (8 + 4 + 16) * 1024;
        assert!(
            self.relay.memory() <= memory + slack,
            "memory: {}",
            self.relay.memory()
        );
        assert!(self.relay.bindings() <= 16);
    }

    pub(super) fn everybody_leaves(&mut self) {
        while self.connected(Err(ConnectFailure::Refused)).is_some() {}
        while let Some(token) = self.connects.pop_front() {
            self.relay
                .handle_connected(self.now, token, Err(ConnectFailure::Refused));
            self.turn();
        }
        let handles: Vec<_> = self.sockets.keys().copied().collect();
        for handle in handles {
            if !self.is_closed(handle) {
                self.reset(handle);
            }
        }
        self.pass(Duration::from_secs(100));
    }
}
