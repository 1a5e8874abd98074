//! A relay in memory: octets in, octets out, virtual time.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use msrp_core::{
    digest::{self, Algorithm, Ha1},
    grammar::{Challenge, Credentials, Scheme},
    node::{
        Action, ConnectFailure, ConnectToken, ConnectionHandle, ListenerId, Node, PeerInfo, Refused,
        Security, Target, Ticket, TlsPeer,
    },
};
use msrp_relay::{
    MemoryAuthStore, Relay, RelayAnswer, RelayCommand, RelayConfig, RelayEvent, RelayQuery, RelayRejected,
};

pub const REALM: &str = "relay.example.com";
pub const RELAY: &str = "msrps://relay.example.com;tcp";
pub const ALICE: &str = "msrps://alice.example.com:9892/98cjs;tcp";
pub const BOB: &str = "msrps://bob.example.com:8493/foo12;tcp";

/// What the driver holds of a connection.
#[derive(Debug, Default)]
pub struct Socket {
    out: Vec<u8>,
    pub closed: bool,
    /// Octets that the peer still takes; none for any number.
    pub room: Option<usize>,
    pub reading: bool,
}

impl Socket {
    /// Octets written and not yet looked at.
    pub fn len(&self) -> usize {
        self.out.len()
    }
}

pub struct World {
    pub relay: Relay,
    pub now: Instant,
    start: Instant,
    pub sockets: BTreeMap<ConnectionHandle, Socket>,
    pub connects: Vec<(ConnectToken, Target)>,
    pub lookups: Vec<(Ticket, RelayQuery)>,
    /// Connections to other shards that the relay asked for.
    pub pipes: Vec<(ConnectToken, u16, PeerInfo)>,
    /// Connections that it gave to other shards.
    pub moved: Vec<(ConnectionHandle, u16, PeerInfo, BytesMut)>,
    pub events: Vec<RelayEvent>,
    /// Octets that the driver asks for at a time.
    pub budget: usize,
}

/// A relay with alice and bob, a TLS listener (0) and a plain one (1).
pub fn config() -> RelayConfig {
    RelayConfig::new(REALM)
        .listener(ListenerId(0), Scheme::Msrps, 2855)
        .listener(ListenerId(1), Scheme::Msrp, 2856)
        .auth_store(
            MemoryAuthStore::new()
                .with_password("alice", REALM, "secret")
                .with_password("bob", REALM, "hidden"),
        )
}

pub fn tls() -> PeerInfo {
    PeerInfo::new()
        .with_listener(ListenerId(0))
        .with_remote("192.0.2.7:40000".parse().unwrap())
        .with_security(Security::Tls(Arc::new(TlsPeer::default())))
}

/// A connection whose other end has shown a certificate with these names.
pub fn certified(names: &[&str]) -> PeerInfo {
    let mut peer = TlsPeer::default();
    peer.verified_names = names.iter().map(|&name| name.to_owned()).collect();
    tls().with_security(Security::Tls(Arc::new(peer)))
}

pub fn plain() -> PeerInfo {
    PeerInfo::new()
        .with_listener(ListenerId(1))
        .with_remote("192.0.2.8:40001".parse().unwrap())
}

impl World {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: RelayConfig) -> Self {
        Self::begun_at(Instant::now(), config)
    }

    pub fn begun_at(now: Instant, config: RelayConfig) -> Self {
        Self {
            relay: Relay::new(now, config, [7; 32]).unwrap(),
            now,
            start: now,
            sockets: BTreeMap::new(),
            connects: Vec::new(),
            lookups: Vec::new(),
            pipes: Vec::new(),
            moved: Vec::new(),
            budget: 64 * 1024,
            events: Vec::new(),
        }
    }

    /// How much time has passed.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub fn accept(&mut self, peer: PeerInfo) -> ConnectionHandle {
        self.try_accept(peer).unwrap()
    }

    pub fn try_accept(&mut self, peer: PeerInfo) -> Result<ConnectionHandle, Refused> {
        let handle = self.relay.handle_accepted(self.now, peer)?;
        self.sockets.insert(handle, Socket::default());
        self.turn();
        Ok(handle)
    }

    /// The outcome of the oldest connect that the relay asked for.
    pub fn connect(&mut self, outcome: Result<PeerInfo, ConnectFailure>) -> Option<ConnectionHandle> {
        let (token, _) = self.connects.remove(0);
        let handle = self.relay.handle_connected(self.now, token, outcome);
        if let Some(handle) = handle {
            self.sockets.insert(handle, Socket::default());
        }
        self.turn();
        handle
    }

    pub fn feed(&mut self, handle: ConnectionHandle, octets: impl AsRef<[u8]>) {
        self.relay
            .handle_read(self.now, handle, BytesMut::from(octets.as_ref()));
        self.turn();
    }

    pub fn eof(&mut self, handle: ConnectionHandle) {
        self.relay.handle_eof(self.now, handle);
        self.turn();
    }

    pub fn reset(&mut self, handle: ConnectionHandle) {
        self.relay.handle_reset(self.now, handle);
        self.sockets.get_mut(&handle).unwrap().closed = true;
        self.turn();
    }

    pub fn answer(&mut self, answer: RelayAnswer) {
        let (ticket, _) = self.lookups.remove(0);
        self.relay.handle_answer(self.now, ticket, answer);
        self.turn();
    }

    pub fn command(&mut self, command: RelayCommand) -> Result<(), RelayRejected> {
        let outcome = self.relay.handle_command(self.now, command);
        self.turn();
        outcome
    }

    /// How many octets the peer takes from now on.
    pub fn set_room(&mut self, handle: ConnectionHandle, room: Option<usize>) {
        self.sockets.get_mut(&handle).unwrap().room = room;
        self.write(handle);
        self.turn();
    }

    fn write(&mut self, handle: ConnectionHandle) {
        let Some(socket) = self.sockets.get_mut(&handle) else {
            return;
        };
        if !socket.closed {
            while let Some(mut transmit) = self.relay.poll_transmit(self.now, handle, self.budget) {
                let room = socket.room.unwrap_or(usize::MAX);
                if room == 0 {
                    break;
                }
                let chunk = transmit.chunk();
                let taken = chunk.len().min(room);
                socket.out.extend_from_slice(&chunk[..taken]);
                transmit.advance(taken);
                if let Some(room) = &mut socket.room {
                    *room -= taken;
                }
            }
        }
        socket.reading = self.relay.wants_read(handle);
    }

    /// One turn of a driver.
    pub fn turn(&mut self) {
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns < 10_000, "the relay never comes to rest");
            let mut rest = true;
            while let Some(handle) = self.relay.poll_ready() {
                rest = false;
                self.write(handle);
            }
            while let Some(action) = self.relay.poll_action() {
                rest = false;
                match action {
                    Action::Connect { token, target } => self.connects.push((token, target)),
                    Action::Close { connection } => self.sockets.get_mut(&connection).unwrap().closed = true,
                    Action::Lookup { ticket, query } => self.lookups.push((ticket, query)),
                    Action::ConnectShard { token, shard, peer } => self.pipes.push((token, shard, peer)),
                    Action::HandOver {
                        connection,
                        shard,
                        peer,
                        octets,
                    } => self.moved.push((connection, shard, peer, octets)),
                    other => panic!("{other:?}"),
                }
            }
            while let Some(event) = self.relay.poll_event() {
                self.events.push(event);
            }
            if rest {
                break;
            }
        }
    }

    /// Lets time pass, from deadline to deadline.
    pub fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        let mut steps = 0;
        while let Some(at) = self.relay.poll_timeout().filter(|&at| at <= until) {
            steps += 1;
            assert!(steps < 100_000, "a deadline that never moves");
            self.now = self.now.max(at);
            self.relay.handle_timeout(self.now);
            self.turn();
        }
        self.now = until;
        self.relay.handle_timeout(self.now);
        self.turn();
    }

    /// What has been written to a connection since the last call.
    pub fn octets(&mut self, handle: ConnectionHandle) -> Vec<u8> {
        std::mem::take(&mut self.sockets.get_mut(&handle).unwrap().out)
    }

    pub fn text(&mut self, handle: ConnectionHandle) -> String {
        String::from_utf8(self.octets(handle)).unwrap()
    }

    /// The frames written since the last call, as text.
    pub fn frames(&mut self, handle: ConnectionHandle) -> Vec<Frame> {
        let octets = self.octets(handle);
        split(&octets)
    }

    pub fn relay_wants_read(&self, handle: ConnectionHandle) -> bool {
        self.relay.wants_read(handle)
    }

    pub fn closed(&self, handle: ConnectionHandle) -> bool {
        self.sockets[&handle].closed
    }

    /// Authenticates on a connection; gives the Use-Path URI.
    pub fn auth(&mut self, handle: ConnectionHandle, user: &str, password: &str) -> String {
        let frame = self.try_auth(handle, user, password, "");
        assert_eq!(frame.start_code(), 200, "{frame:?}");
        frame.header("Use-Path").unwrap().to_owned()
    }

    /// Both steps of an AUTH; gives the last response.
    pub fn try_auth(&mut self, handle: ConnectionHandle, user: &str, password: &str, extra: &str) -> Frame {
        self.feed(
            handle,
            format!("MSRP aut1 AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {ALICE}\r\n-------aut1$\r\n"),
        );
        let frame = self.frames(handle).pop().expect("an answer");
        assert_eq!(frame.start_code(), 401);
        let challenge = frame.header("WWW-Authenticate").unwrap().to_owned();
        let authorization = authorize(&challenge, user, password, 1);
        self.feed(
            handle,
            format!(
                "MSRP aut2 AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {ALICE}\r\nAuthorization: {authorization}\r\n\
                 {extra}-------aut2$\r\n"
            ),
        );
        self.frames(handle).pop().expect("an answer")
    }

    /// Both steps of an AUTH that comes by way of other relays; gives the last response.
    pub fn auth_by_way(
        &mut self,
        relay: ConnectionHandle,
        from_path: &str,
        user: &str,
        password: &str,
        extra: &str,
    ) -> Frame {
        let auth = |id: &str, headers: &str| {
            format!(
                "MSRP {id} AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {from_path}\r\n{headers}-------{id}$\r\n"
            )
        };
        self.feed(relay, auth("way1", ""));
        let frame = self.frames(relay).pop().expect("an answer");
        let Some(challenge) = frame.header("WWW-Authenticate") else {
            return frame;
        };
        let authorization = authorize(challenge, user, password, 1);
        self.feed(
            relay,
            auth("way2", &format!("Authorization: {authorization}\r\n{extra}")),
        );
        self.frames(relay).pop().expect("an answer")
    }

    /// A connection with a URI.
    pub fn client(&mut self, user: &str, password: &str) -> (ConnectionHandle, String) {
        let handle = self.accept(tls());
        let uri = self.auth(handle, user, password);
        (handle, uri)
    }

    /// Alice and bob, each with a URI.
    pub fn pair(&mut self) -> ((ConnectionHandle, String), (ConnectionHandle, String)) {
        let alice = self.client("alice", "secret");
        let bob = self.client("bob", "hidden");
        (alice, bob)
    }
}

/// The answer to a challenge over the relay's URI as these tests write it.
pub fn authorize(challenge: &str, user: &str, password: &str, nc: u32) -> String {
    let challenge = Challenge::parse(challenge.as_bytes()).unwrap();
    let algorithm = challenge.digest_algorithm().unwrap();
    answer(
        &challenge.realm,
        &challenge.nonce,
        algorithm,
        user,
        password,
        nc,
        RELAY,
        None,
    )
}

#[allow(clippy::too_many_arguments)]
pub fn answer(
    realm: &str,
    nonce: &str,
    algorithm: Algorithm,
    user: &str,
    password: &str,
    nc: u32,
    uri: &str,
    uri_parameter: Option<&str>,
) -> String {
    let ha1 = Ha1::compute(algorithm, user, realm, password);
    let response = digest::response(
        algorithm,
        &ha1,
        nonce,
        nc,
        "0a4f113b",
        "auth",
        "AUTH",
        uri.as_bytes(),
    );
    let credentials = Credentials {
        username: user.into(),
        realm: realm.into(),
        nonce: nonce.into(),
        response,
        algorithm: (algorithm == Algorithm::Sha256).then(|| "SHA-256".into()),
        cnonce: "0a4f113b".into(),
        opaque: Some("msrp".into()),
        qop: "auth".into(),
        nc,
        uri: uri_parameter.map(Into::into),
    };
    String::from_utf8(credentials.to_bytes().unwrap().to_vec()).unwrap()
}

/// One request or response, taken apart by other code than the one under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub id: String,
    /// What stands behind the identifier in the first line.
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    pub flag: char,
}

impl Frame {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn start_code(&self) -> u16 {
        self.start
            .get(..3)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0)
    }

    pub fn to_path(&self) -> &str {
        self.header("To-Path").unwrap()
    }

    pub fn back_path(&self) -> &str {
        self.header("From-Path").unwrap()
    }

    pub fn body(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }
}

/// Cuts a stream into frames; panics where it is none.
pub fn split(mut octets: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !octets.is_empty() {
        let line_end = find(octets, b"\r\n").expect("a start line");
        let line = std::str::from_utf8(&octets[..line_end]).unwrap();
        let mut words = line.splitn(3, ' ');
        assert_eq!(words.next(), Some("MSRP"), "{line}");
        let id = words.next().unwrap().to_owned();
        let start = words.next().unwrap().to_owned();
        let end = format!("\r\n-------{id}");
        let at = find(octets, end.as_bytes()).expect("an end-line");
        let flag = octets[at + end.len()] as char;
        assert_eq!(&octets[at + end.len() + 1..at + end.len() + 3], b"\r\n");
        let content = octets.get(line_end + 2..at).unwrap_or_default();
        let (head, body) = match find(content, b"\r\n\r\n") {
            Some(blank) => (&content[..blank], Some(content[blank + 4..].to_vec())),
            None if content.ends_with(b"\r\n") => (&content[..content.len() - 2], Some(Vec::new())),
            None => (content, None),
        };
        let headers = std::str::from_utf8(head)
            .unwrap()
            .split("\r\n")
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.to_owned(), value.to_owned())
            })
            .collect();
        frames.push(Frame {
            id,
            start,
            headers,
            body,
            flag,
        });
        octets = &octets[at + end.len() + 3..];
    }
    frames
}

fn find(octets: &[u8], pattern: &[u8]) -> Option<usize> {
    octets.windows(pattern.len()).position(|window| window == pattern)
}

/// A SEND.
pub fn send(id: &str, to: &str, from: &str, extra: &str, range: &str, body: &str, flag: char) -> String {
    format!(
        "MSRP {id} SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: 87652\r\n{extra}Byte-Range: {range}\r\n\
         Content-Type: text/plain\r\n\r\n{body}\r\n-------{id}{flag}\r\n"
    )
}
