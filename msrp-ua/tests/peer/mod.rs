//! One user agent, and a peer made of strings: exactly these octets in, exactly those octets out.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]
#![allow(dead_code, reason = "each test file uses its part of it")]

pub(crate) mod frames;

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use msrp_core::{
    grammar::{Path, Uri},
    node::{Action, ConnectToken, ConnectionHandle, Node, PeerInfo},
};
use msrp_ua::{Role, SessionId, SessionParams, UserAgent, UserAgentConfig, UserAgentEvent};

use self::frames::{Frame, frames};

pub(crate) const PEER: &str = "msrp://peer.example.com:9000/abcdefgh;tcp";

pub(crate) fn config() -> UserAgentConfig {
    UserAgentConfig::new("agent.example.com", 7777, false)
}

/// The user agent, and the connection to the peer.
pub(crate) struct Peer {
    pub(crate) now: Instant,
    pub(crate) agent: UserAgent,
    pub(crate) events: Vec<UserAgentEvent>,
    pub(crate) session: SessionId,
    /// Our URI in the session, where the peer sends to.
    pub(crate) to: String,
    pub(crate) wire: ConnectionHandle,
    serial: u32,
}

impl Peer {
    /// The peer has connected and bound the session.
    pub(crate) fn bound() -> Self {
        Self::bound_with(config(), |_| {})
    }

    pub(crate) fn bound_with(config: UserAgentConfig, adjust: impl FnOnce(&mut SessionParams)) -> Self {
        let mut peer = Self::connected(config, adjust);
        let answer = peer.write(&format!(
            "MSRP bind0000 SEND\r\nTo-Path: {}\r\nFrom-Path: {PEER}\r\nMessage-ID: bind\r\nByte-Range: 1-0/0\r\n-------bind0000$\r\n",
            peer.to
        ));
        assert_eq!(answer.len(), 1);
        assert_eq!(answer[0].start, "200 OK");
        assert!(matches!(peer.events[..], [UserAgentEvent::SessionReady { .. }]));
        peer.events.clear();
        peer
    }

    /// The peer has connected; a passive session waits for it.
    pub(crate) fn connected(config: UserAgentConfig, adjust: impl FnOnce(&mut SessionParams)) -> Self {
        let now = Instant::now();
        let mut agent = UserAgent::new(now, config, [7; 32]);
        let uri = agent.allocate_uri();
        let to = uri.to_string();
        let mut params = SessionParams::new(uri, peer_path(), Role::Passive);
        adjust(&mut params);
        let session = agent.open_session(params).unwrap();
        let wire = agent.handle_accepted(now, PeerInfo::new()).unwrap();
        Self {
            now,
            agent,
            events: Vec::new(),
            session,
            to,
            wire,
            serial: 0,
        }
    }

    /// We have connected to the peer, and our first SEND has been answered.
    pub(crate) fn called(config: UserAgentConfig, adjust: impl FnOnce(&mut SessionParams)) -> Self {
        let now = Instant::now();
        let mut agent = UserAgent::new(now, config, [7; 32]);
        let uri = agent.allocate_uri();
        let to = uri.to_string();
        let mut params = SessionParams::new(uri, peer_path(), Role::Active);
        adjust(&mut params);
        let session = agent.open_session(params).unwrap();
        let token = connect_of(&mut agent);
        let wire = agent.handle_connected(now, token, Ok(PeerInfo::new())).unwrap();
        let mut peer = Self {
            now,
            agent,
            events: Vec::new(),
            session,
            to,
            wire,
            serial: 0,
        };
        let first = peer.read();
        assert_eq!(first.len(), 1);
        peer.answer(&first[0], "200 OK");
        assert!(matches!(peer.events[..], [UserAgentEvent::SessionReady { .. }]));
        peer.events.clear();
        peer
    }

    /// A further connection.
    pub(crate) fn connect(&mut self) -> ConnectionHandle {
        self.agent.handle_accepted(self.now, PeerInfo::new()).unwrap()
    }

    /// The peer writes; answers what we say to it.
    pub(crate) fn write(&mut self, octets: &str) -> Vec<Frame> {
        self.write_on(self.wire, octets.as_bytes())
    }

    pub(crate) fn write_on(&mut self, wire: ConnectionHandle, octets: &[u8]) -> Vec<Frame> {
        self.agent.handle_read(self.now, wire, BytesMut::from(octets));
        self.read_on(wire)
    }

    /// The peer writes; nothing is asked of us yet.
    pub(crate) fn hear(&mut self, octets: &str) {
        self.agent
            .handle_read(self.now, self.wire, octets.as_bytes().into());
    }

    /// What we have to say.
    pub(crate) fn read(&mut self) -> Vec<Frame> {
        self.read_on(self.wire)
    }

    pub(crate) fn read_on(&mut self, wire: ConnectionHandle) -> Vec<Frame> {
        let octets = self.read_octets(wire, usize::MAX);
        self.listen();
        frames(&octets)
    }

    /// About `most` octets of what we have to say, as they are on the wire.
    pub(crate) fn read_octets(&mut self, wire: ConnectionHandle, most: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        while octets.len() < most {
            let Some(mut transmit) = self.agent.poll_transmit(self.now, wire, most.min(65536)) else {
                break;
            };
            let len = transmit.remaining().min(most - octets.len());
            octets.extend_from_slice(&transmit.copy_to_bytes(len));
        }
        octets
    }

    /// Pulls our events.
    pub(crate) fn listen(&mut self) {
        while let Some(event) = self.agent.poll_event() {
            self.events.push(event);
        }
    }

    /// The peer answers a request of ours.
    pub(crate) fn answer(&mut self, request: &Frame, status: &str) -> Vec<Frame> {
        let own = &self.to;
        let tid = &request.tid;
        self.write(&format!(
            "MSRP {tid} {status}\r\nTo-Path: {own}\r\nFrom-Path: {PEER}\r\n-------{tid}$\r\n"
        ))
    }

    /// The peer sends a chunk of text; the Message-ID is `id.` and then `id`.
    pub(crate) fn chunk(&mut self, id: &str, range: &str, body: &str, flag: char) -> Vec<Frame> {
        self.chunk_with(id, range, "", "text/plain", body.as_bytes(), flag)
    }

    /// The peer sends a chunk; `headers` are lines with their ends.
    pub(crate) fn chunk_with(
        &mut self,
        id: &str,
        range: &str,
        headers: &str,
        content_type: &str,
        body: &[u8],
        flag: char,
    ) -> Vec<Frame> {
        self.serial += 1;
        let tid = format!("chunk{:04}", self.serial);
        let mut octets = format!(
            "MSRP {tid} SEND\r\nTo-Path: {}\r\nFrom-Path: {PEER}\r\nMessage-ID: id.{id}\r\nByte-Range: {range}\r\n{headers}\
             Content-Type: {content_type}\r\n\r\n",
            self.to
        )
        .into_bytes();
        octets.extend_from_slice(body);
        octets.extend_from_slice(format!("\r\n-------{tid}{flag}\r\n").as_bytes());
        self.write_on(self.wire, &octets)
    }

    /// The peer reports on a message; what we say to that is nothing.
    pub(crate) fn report(&mut self, id: &str, range: &str, status: &str) {
        self.serial += 1;
        let tid = format!("report{:04}", self.serial);
        let said = self.write(&format!(
            "MSRP {tid} REPORT\r\nTo-Path: {}\r\nFrom-Path: {PEER}\r\nMessage-ID: {id}\r\nByte-Range: {range}\r\n\
             Status: {status}\r\n-------{tid}$\r\n",
            self.to
        ));
        assert!(
            said.iter().all(|frame| frame.start == "SEND"),
            "an answer to a REPORT: {said:?}"
        );
    }

    /// Time passes.
    pub(crate) fn advance(&mut self, time: Duration) -> Vec<Frame> {
        self.now += time;
        self.agent.handle_timeout(self.now);
        self.read()
    }
}

pub(crate) fn peer_path() -> Path {
    Path::from(PEER.parse::<Uri>().unwrap())
}

/// The connect that the agent asks for, which has to be the only thing it asks for.
pub(crate) fn connect_of(agent: &mut UserAgent) -> ConnectToken {
    let Some(Action::Connect { token, .. }) = agent.poll_action() else {
        panic!("no connect")
    };
    assert!(agent.poll_action().is_none());
    token
}
