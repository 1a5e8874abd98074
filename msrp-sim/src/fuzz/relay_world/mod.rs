//! A relay among clients of which some send whatever the input says, while two others go on talking.

mod driver;

use std::time::Duration;

use msrp_core::{
    codec::DecoderLimits,
    connection::ConnectionConfig,
    grammar::{Scheme, StatusCode},
    node::{ConnectFailure, ConnectionHandle, ListenerId},
};
use msrp_relay::{MemoryAuthStore, RelayConfig};

use self::driver::Driver;

/// Between two steps of a script.
const SEPARATOR: u8 = 0x1e;

const MAX_STEPS: usize = 60;
const MAX_CONNECTIONS: usize = 12;
const MAX_MEMORY: usize = 512 * 1024;
const REALM: &str = "relay.example.com";

fn config() -> RelayConfig {
    let limits = DecoderLimits::default().with_max_head(2048);
    let connection = ConnectionConfig::new()
        .decoder_limits(limits)
        .rx_limit(8 * 1024)
        .send_high(16 * 1024)
        .control_high(16 * 1024)
        .lane_watermarks(8 * 1024, 2 * 1024);
    let users = ["alice", "bob", "carol", "dave"]
        .into_iter()
        .fold(MemoryAuthStore::new(), |users, user| {
            users.with_password(user, REALM, user)
        });
    RelayConfig::new(REALM)
        .listener(ListenerId(0), Scheme::Msrps, 2855)
        .listener(ListenerId(1), Scheme::Msrp, 2856)
        .auth_store(users)
        .connection(connection)
        .max_memory(MAX_MEMORY)
        .max_connections(MAX_CONNECTIONS)
        .expires(60, 10_000_000, 10_000_000)
        .max_open_messages(4)
        .max_pending_connects(4)
        .max_bindings(16, 4)
        .event_queue(16)
}

/// Input: steps, with the octet 0x1e between them. The first octet of a step says what is done, see `World::step`; in
/// octets that are sent `{A}` and `{B}` stand for the URIs of alice and bob, `{R}` for the relay's own and `{C}` for a
/// challenge's answer by alice.
///
/// # Panics
/// When the relay breaks a bound, keeps what is over, or lets its other clients down.
pub fn relay_world(data: &[u8]) {
    let mut world = World::new();
    for step in data.split(|&octet| octet == SEPARATOR).take(MAX_STEPS) {
        world.step(step);
        world.driver.check_bounds(MAX_CONNECTIONS, MAX_MEMORY);
    }
    world.witnesses_talk();
    world.everybody_leaves();
}

struct World {
    driver: Driver,
    /// Alice, bob, and two who never prove who they are.
    clients: [Option<ConnectionHandle>; 4],
    uris: [String; 2],
    witnesses: [(ConnectionHandle, String); 2],
    messages: u32,
}

impl World {
    fn new() -> Self {
        let mut driver = Driver::new(config());
        let mut client = |user, extra| {
            let handle = driver.accept(true).expect("there is room");
            let uri = driver.authenticate(handle, user, extra);
            (handle, uri)
        };
        let (alice, a) = client("alice", "Expires: 600\r\n");
        let (bob, b) = client("bob", "Expires: 60\r\n");
        let witnesses = ["carol", "dave"].map(|user| client(user, ""));
        let strangers = [true, false].map(|tls| driver.accept(tls));
        Self {
            driver,
            clients: [Some(alice), Some(bob), strangers[0], strangers[1]],
            uris: [a, b],
            witnesses,
            messages: 0,
        }
    }

    /// One step: the two lowest bits of its first octet name the client, the next three what happens.
    fn step(&mut self, step: &[u8]) {
        let Some((&code, rest)) = step.split_first() else {
            return;
        };
        let number = usize::from(code & 3);
        let first = rest.first().copied().unwrap_or_default();
        match (code >> 2 & 7, self.clients[number]) {
            (0 | 1, Some(client)) => {
                let octets = self.written_out(rest);
                self.driver.feed(client, &octets);
            }
            // Bit by bit, so that the relay cannot know what follows.
            (2, Some(client)) => {
                for piece in self.written_out(rest).chunks(7) {
                    self.driver.feed(client, piece);
                }
            }
            (3, _) => {
                let seconds = [0, 1, 5, 15, 30, 60, 300, 1000][usize::from(first & 7)];
                self.driver
                    .pass(Duration::from_millis(10) + Duration::from_secs(seconds));
                // Two who are silent for long are idle like anybody else.
                self.witnesses_talk();
            }
            (4, Some(client)) => {
                let room = usize::from(first) * 100;
                self.driver.set_room(client, (first != 0xff).then_some(room));
            }
            (5, Some(client)) => {
                self.driver.eof(client);
            }
            (6, Some(client)) => {
                self.driver.reset(client);
                self.clients[number] = None;
            }
            (7, _) => {
                let outcome = if first & 1 == 0 {
                    Ok(())
                } else {
                    Err(ConnectFailure::Refused)
                };
                let connected = self.driver.connected(outcome);
                if number > 1 && connected.is_some() {
                    self.clients[number] = connected;
                }
            }
            // A client that is gone comes again; it has to authenticate anew.
            (_, _) => self.clients[number] = self.driver.accept(number != 3),
        }
        for client in &mut self.clients {
            if client.is_some_and(|handle| self.driver.is_closed(handle)) {
                *client = None;
            }
        }
    }

    fn written_out(&self, text: &[u8]) -> Vec<u8> {
        let mut octets = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&octet, after)) = rest.split_first() {
            let stands_for = match rest {
                [b'{', b'A', b'}', ..] => self.uris[0].as_str(),
                [b'{', b'B', b'}', ..] => self.uris[1].as_str(),
                [b'{', b'R', b'}', ..] => driver::RELAY,
                [b'{', b'C', b'}', ..] => &self.driver.authorization,
                _ => {
                    octets.push(octet);
                    rest = after;
                    continue;
                }
            };
            octets.extend_from_slice(stands_for.as_bytes());
            rest = &rest[3..];
        }
        octets
    }

    /// Carol sends dave a message, whatever the others have done, and hears that it went through.
    fn witnesses_talk(&mut self) {
        self.messages += 1;
        let number = self.messages;
        let [(carol, from), (dave, to)] = &self.witnesses;
        let id = format!("wit{number:05}");
        let body = format!("message {number}");
        let send = format!(
            "MSRP {id} SEND\r\nTo-Path: {from} {to} msrps://dave.example.com:9/d;tcp\r\nFrom-Path: \
             msrps://carol.example.com:9/c;tcp\r\nMessage-ID: {id}\r\nByte-Range: 1-{len}/{len}\r\nContent-Type: \
             text/plain\r\n\r\n{body}\r\n-------{id}$\r\n",
            len = body.len()
        );
        self.driver.feed(*carol, send.as_bytes());
        let answers = self.driver.frames(*carol);
        let ok = |frame: &crate::checker::naive::Frame| {
            frame.tid == id && frame.code() == Some(StatusCode::OK.as_u16())
        };
        assert!(answers.iter().any(ok), "carol is not answered: {answers:?}");
        let messages = self.driver.frames(*dave);
        let arrived = messages
            .iter()
            .find(|frame| frame.body.as_deref() == Some(body.as_bytes()));
        let arrived = arrived.expect("dave gets carol's message");
        let answer = format!(
            "MSRP {} 200 OK\r\nTo-Path: {}\r\nFrom-Path: msrps://dave.example.com:9/d;tcp\r\n-------{}$\r\n",
            arrived.tid,
            arrived.path("From-Path")[0],
            arrived.tid
        );
        self.driver.feed(*dave, answer.as_bytes());
    }

    /// When all have gone nothing is left of them.
    fn everybody_leaves(&mut self) {
        self.driver.everybody_leaves();
        assert_eq!(self.driver.relay.connections(), 0);
        assert_eq!(
            self.driver.relay.open_transactions(),
            0,
            "something is remembered for nobody"
        );
        assert_eq!(self.driver.relay.memory(), 0, "octets wait for nobody");
    }
}
