//! A peer that keeps no rule: it connects, writes what its siege says, and cares for no answer.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use msrp_core::{
    connection::Transmit,
    node::{ConnectFailure, ConnectToken, ConnectionHandle, PeerInfo, Refused, Target},
};

use crate::{Ask, Rng, SimNode, Turn};

/// How a rogue behaves on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Siege {
    /// Octets of no meaning.
    Garbage,
    /// A head without end.
    OversizedHead,
    /// A head that comes octet by octet, and never ends.
    SlowHead,
    /// Methods that nobody knows, over made-up URIs of the relay.
    UnknownMethods,
    /// Messages over made-up URIs of the relay.
    ForgedPaths,
    /// Messages to others than the relay.
    Misdirected,
    /// AUTH without credentials, again and again.
    AuthFlood,
    /// AUTH with credentials out of thin air.
    Guesses,
    /// Responses that nobody asked for.
    Responses,
    /// REPORTs that nobody asked for.
    Reports,
    /// A request that never ends.
    HalfRequest,
    /// Not a word.
    Silent,
    /// AUTH after AUTH, and no answer is ever read.
    Deaf,
    /// Chunks of one octet.
    TinyChunks,
    /// Good frames with octets changed, doubled and left out.
    Mutations,
}

impl Siege {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Garbage,
        Self::OversizedHead,
        Self::SlowHead,
        Self::UnknownMethods,
        Self::ForgedPaths,
        Self::Misdirected,
        Self::AuthFlood,
        Self::Guesses,
        Self::Responses,
        Self::Reports,
        Self::HalfRequest,
        Self::Silent,
        Self::Deaf,
        Self::TinyChunks,
        Self::Mutations,
    ];

    /// What is written, piece by piece. `relay` is the relay's URI up to the slash.
    fn pieces(self, relay: &str, rng: &mut Rng) -> Vec<Vec<u8>> {
        let count = rng.size(1..=60);
        let me = "msrps://mallory.example:9/m4ll0ry0fTheM4rsh;tcp";
        let token = |rng: &mut Rng| {
            let letters: String = (0..26)
                .map(|_| char::from(rng.pick(b"abcdefghijklmnopqrstuvwxyz234567")))
                .collect();
            format!("{relay}/{letters};tcp")
        };
        let request = |id: usize, method: &str, to: &str, rest: &str| {
            format!("MSRP rogue{id:04} {method}\r\nTo-Path: {to}\r\nFrom-Path: {me}\r\n{rest}-------rogue{id:04}$\r\n")
                .into_bytes()
        };
        let message = "Message-ID: 1234567\r\nByte-Range: 1-5/5\r\nContent-Type: text/plain\r\n\r\nhello\r\n";
        let authorization = "Authorization: Digest username=\"mallory\", realm=\"r\", nonce=\"0123456789abcdef\", qop=auth, \
                             nc=00000001, cnonce=\"abcdef\", response=\"0123456789abcdef0123456789abcdef\"\r\n";
        (0..count)
            .map(|id| match self {
                Self::Garbage => {
                    let mut octets = vec![0; rng.size(1..=3_000)];
                    rng.fill(&mut octets);
                    octets
                }
                Self::OversizedHead if id == 0 => {
                    request(id, "SEND", &token(rng), "")[..60].to_vec()
                }
                Self::OversizedHead => format!("X-Filler-{id}: {}\r\n", "x".repeat(900)).into_bytes(),
                Self::SlowHead => vec![b"MSRP rogue SEND\r\nTo-Path: msrps://relay"[id % 38]],
                Self::UnknownMethods => request(id, "PLUNDER", &format!("{} {me}", token(rng)), ""),
                Self::ForgedPaths => request(id, "SEND", &format!("{} {me}", token(rng)), message),
                Self::Misdirected => request(id, "SEND", "msrps://other.example:2855/abcdefghij;tcp", message),
                Self::AuthFlood | Self::Deaf => request(id, "AUTH", &format!("{relay};tcp"), ""),
                Self::Guesses => request(id, "AUTH", &format!("{relay};tcp"), authorization),
                Self::Responses => format!(
                    "MSRP rogue{id:04} 200 OK\r\nTo-Path: {}\r\nFrom-Path: {me}\r\n-------rogue{id:04}$\r\n",
                    token(rng)
                )
                .into_bytes(),
                Self::Reports => request(
                    id,
                    "REPORT",
                    &format!("{} {me}", token(rng)),
                    "Message-ID: 1234567\r\nByte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n",
                ),
                Self::HalfRequest => {
                    let whole = request(id, "SEND", &format!("{} {me}", token(rng)), message);
                    let cut = whole.len() / 2 + rng.index(whole.len() / 2);
                    if id == 0 { whole[..cut].to_vec() } else { b"\r\n-------rogu".to_vec() }
                }
                Self::Silent => Vec::new(),
                Self::TinyChunks => {
                    let mut chunk = request(
                        id,
                        "SEND",
                        &format!("{} {me}", token(rng)),
                        &format!("Message-ID: 7654321\r\nByte-Range: {0}-{0}/*\r\nContent-Type: text/plain\r\n\r\nx\r\n", id + 1),
                    );
                    let flag = chunk.len() - 3;
                    chunk[flag] = b'+';
                    chunk
                }
                Self::Mutations => {
                    let mut octets = request(id, "SEND", &format!("{} {me}", token(rng)), message);
                    for _ in 0..rng.within(1..=4) {
                        let at = rng.index(octets.len());
                        match rng.below(3) {
                            0 => octets[at] = rng.below(256) as u8,
                            1 => octets.insert(at, octets[at]),
                            _ => {
                                octets.remove(at);
                            }
                        }
                    }
                    octets
                }
            })
            .collect()
    }
}

/// One connection of a rogue.
#[derive(Debug)]
struct Attack {
    at: Duration,
    siege: Siege,
    pieces: VecDeque<Vec<u8>>,
    pause: Duration,
    begun: bool,
    handle: Option<ConnectionHandle>,
}

/// A peer that keeps no rule.
#[derive(Debug)]
pub struct Rogue {
    target: Target,
    attacks: Vec<Attack>,
    output: BTreeMap<ConnectionHandle, VecDeque<u8>>,
    ready: VecDeque<ConnectionHandle>,
    asks: VecDeque<Ask>,
    next: u32,
}

impl Rogue {
    /// One that begins these sieges at these times. `uri` is the relay's URI up to the slash.
    pub fn new(target: Target, uri: &str, sieges: &[(Duration, Siege)], rng: &mut Rng) -> Self {
        let attacks = sieges
            .iter()
            .map(|&(at, siege)| Attack {
                at,
                siege,
                pieces: siege.pieces(uri, rng).into(),
                pause: rng.time(Duration::ZERO..Duration::from_millis(300)),
                begun: false,
                handle: None,
            })
            .collect();
        Self {
            target,
            attacks,
            output: BTreeMap::new(),
            ready: VecDeque::new(),
            asks: VecDeque::new(),
            next: 0,
        }
    }

    fn forget(&mut self, handle: ConnectionHandle) {
        self.output.remove(&handle);
        for attack in &mut self.attacks {
            if attack.handle == Some(handle) {
                attack.pieces.clear();
            }
        }
    }
}

impl SimNode for Rogue {
    fn start(&mut self, _: Instant, turn: &mut Turn<'_>) {
        for (index, attack) in self.attacks.iter().enumerate() {
            turn.wake_in(attack.at, index as u64);
        }
    }

    fn handle_accepted(&mut self, _: Instant, _: PeerInfo) -> Result<ConnectionHandle, Refused> {
        Err(Refused::Policy)
    }

    fn handle_connected(
        &mut self,
        _: Instant,
        token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle> {
        outcome.ok()?;
        self.next += 1;
        let handle = ConnectionHandle::from_parts(self.next, 0);
        self.attacks.get_mut(token.0 as usize)?.handle = Some(handle);
        self.output.insert(handle, VecDeque::new());
        self.ready.push_back(handle);
        Some(handle)
    }

    fn handle_read(&mut self, _: Instant, _: ConnectionHandle, _: BytesMut) {}

    fn handle_message_end(&mut self, _: Instant, _: ConnectionHandle) {}

    fn handle_eof(&mut self, _: Instant, connection: ConnectionHandle) {
        self.forget(connection);
        self.asks.push_back(Ask::Close(connection));
    }

    fn handle_reset(&mut self, _: Instant, connection: ConnectionHandle) {
        self.forget(connection);
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn wants_read(&self, connection: ConnectionHandle) -> bool {
        !self
            .attacks
            .iter()
            .any(|attack| attack.handle == Some(connection) && attack.siege == Siege::Deaf)
    }

    fn poll_transmit(&mut self, _: Instant, _: ConnectionHandle, _: usize) -> Option<Transmit<'_>> {
        None
    }

    fn raw_output(&mut self, connection: ConnectionHandle, most: usize) -> Option<Vec<u8>> {
        let output = self.output.get_mut(&connection)?;
        let len = output.len().min(most);
        (len > 0).then(|| output.drain(..len).collect())
    }

    fn poll_ready(&mut self) -> Option<ConnectionHandle> {
        self.ready.pop_front()
    }

    fn poll_ask(&mut self, _: &mut Turn<'_>) -> Option<Ask> {
        self.asks.pop_front()
    }

    fn poll_events(&mut self, _: Instant, _: usize, _: &mut Turn<'_>) -> usize {
        0
    }

    fn wake(&mut self, _: Instant, token: u64, turn: &mut Turn<'_>) {
        let attack = &mut self.attacks[token as usize];
        let Some(handle) = attack.handle else {
            // If it cannot connect, the attack is off.
            if !std::mem::replace(&mut attack.begun, true) {
                turn.ledger.count("sieges");
                self.asks
                    .push_back(Ask::Connect(ConnectToken(token), self.target.clone()));
                turn.wake_in(Duration::from_secs(1), token);
            }
            return;
        };
        let (Some(piece), Some(output)) = (attack.pieces.pop_front(), self.output.get_mut(&handle)) else {
            return;
        };
        output.extend(piece);
        self.ready.push_back(handle);
        turn.wake_in(attack.pause, token);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn buffered(&self) -> usize {
        0
    }
}
