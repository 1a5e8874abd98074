//! A relay node without sockets, one client that sends and one that receives.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use msrp_core::{
    digest::{self, Algorithm, Ha1},
    grammar::{Challenge, Credentials, Scheme},
    node::{ConnectionHandle, ListenerId, Node, PeerInfo},
};
use msrp_relay::{MemoryAuthStore, Relay, RelayConfig};

const RELAY: &str = "msrp://127.0.0.1:2855;tcp";
const REALM: &str = "bench.example.com";

struct Bench {
    relay: Relay,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let config = RelayConfig::new("127.0.0.1")
            .allow_address_host(true)
            .realm(REALM)
            .listener(ListenerId(0), Scheme::Msrp, 2855)
            .allow_plain_auth(true)
            .auth_store(MemoryAuthStore::new().with_password("load", REALM, "secret"));
        Self {
            relay: Relay::new(now, config, [7; 32]).expect("a sound configuration"),
            now,
        }
    }

    /// What the relay has for this connection.
    fn drain(&mut self, handle: ConnectionHandle, into: &mut Vec<u8>) {
        while let Some(mut transmit) = self.relay.poll_transmit(self.now, handle, 64 * 1024) {
            while transmit.has_remaining() {
                let chunk = transmit.chunk();
                into.extend_from_slice(chunk);
                let len = chunk.len();
                transmit.advance(len);
            }
        }
    }

    fn ask(&mut self, handle: ConnectionHandle, octets: &str) -> String {
        self.relay
            .handle_read(self.now, handle, BytesMut::from(octets.as_bytes()));
        let mut out = Vec::new();
        self.drain(handle, &mut out);
        String::from_utf8(out).expect("text")
    }

    /// An authenticated client; gives its Use-Path.
    fn client(&mut self, name: &str) -> (ConnectionHandle, String) {
        let peer = PeerInfo::new()
            .with_listener(ListenerId(0))
            .with_remote("127.0.0.1:40000".parse().expect("address"));
        let handle = self.relay.handle_accepted(self.now, peer).expect("room");
        let head =
            format!("MSRP aut1 AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: msrp://127.0.0.1:9/{name};tcp\r\n");
        let answer = self.ask(handle, &format!("{head}-------aut1$\r\n"));
        let challenge = header(&answer, "WWW-Authenticate");
        let challenge = Challenge::parse(challenge.as_bytes()).expect("challenge");
        let ha1 = Ha1::compute(Algorithm::Md5, "load", &challenge.realm, "secret");
        let response = digest::response(
            Algorithm::Md5,
            &ha1,
            &challenge.nonce,
            1,
            "0a4f113b",
            "auth",
            "AUTH",
            RELAY.as_bytes(),
        );
        let credentials = Credentials {
            username: "load".into(),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            response,
            algorithm: None,
            cnonce: "0a4f113b".into(),
            nc: 1,
            qop: "auth".into(),
            uri: None,
            opaque: challenge.opaque.clone(),
        };
        let credentials = credentials.to_bytes().expect("credentials");
        let credentials = str::from_utf8(&credentials).expect("text");
        let answer = self.ask(
            handle,
            &format!("{head}Authorization: {credentials}\r\n-------aut1$\r\n"),
        );
        (handle, header(&answer, "Use-Path").to_owned())
    }
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    answer
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("no {name} in {answer}"))
}

/// The answers of a receiver to everything that has come to him.
fn answers(octets: &[u8], to: &str, from: &str, into: &mut String) {
    for at in memchr::memmem::find_iter(octets, b" SEND\r\n") {
        let start = octets[..at].iter().rposition(|&o| o == b' ').expect("start line") + 1;
        let id = str::from_utf8(&octets[start..at]).expect("identifier");
        let _ = write!(
            into,
            "MSRP {id} 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{id}$\r\n"
        );
    }
}

/// What a driver reads is a part of a block that several reads share.
fn part_of_a_block(octets: &[u8]) -> BytesMut {
    let mut block = BytesMut::with_capacity(octets.len() + 1);
    block.extend_from_slice(octets);
    block.extend_from_slice(b"x");
    block.split_to(octets.len())
}

/// Messages of one size, from one client of a relay to the other.
pub(crate) struct Forwarding {
    bench: Bench,
    alice: ConnectionHandle,
    bob: ConnectionHandle,
    bob_path: String,
    /// What alice sends in one go.
    sends: String,
    out: Vec<u8>,
    back: String,
}

const BOB: &str = "msrp://127.0.0.1:9/bob;tcp";

impl Forwarding {
    /// `window` messages of `size` octets arrive in one read.
    pub(crate) fn new(size: usize, window: usize) -> Self {
        let mut bench = Bench::new();
        let (alice, alice_path) = bench.client("alice");
        let (bob, bob_path) = bench.client("bob");
        let mut sends = String::new();
        let body = "x".repeat(size);
        for number in 0..window {
            let id = format!("tid{number:08}");
            let _ = write!(
                sends,
                "MSRP {id} SEND\r\nTo-Path: {alice_path} {bob_path} {BOB}\r\n\
                 From-Path: msrp://127.0.0.1:9/alice;tcp\r\nMessage-ID: m{id}\r\nByte-Range: 1-{size}/{size}\r\n\
                 Content-Type: text/plain\r\n\r\n{body}\r\n-------{id}$\r\n"
            );
        }
        Self {
            bench,
            alice,
            bob,
            bob_path,
            out: Vec::with_capacity(4 * sends.len()),
            back: String::with_capacity(2 * sends.len()),
            sends,
        }
    }

    /// The messages go to the relay and on, and so does what the receiver answers. `measure` is given the two parts that
    /// are the relay's work.
    pub(crate) fn batch(&mut self, mut measure: impl FnMut(&mut dyn FnMut())) {
        let Self { bench, out, back, .. } = self;
        let mut block = Some(part_of_a_block(self.sends.as_bytes()));
        measure(&mut || {
            if let Some(block) = block.take() {
                bench.relay.handle_read(bench.now, self.alice, block);
            }
            while let Some(handle) = bench.relay.poll_ready() {
                if handle == self.bob {
                    bench.drain(handle, out);
                } else {
                    while let Some(mut transmit) = bench.relay.poll_transmit(bench.now, handle, 64 * 1024) {
                        let len = transmit.remaining();
                        transmit.advance(len);
                    }
                }
            }
        });
        back.clear();
        answers(out, &self.bob_path, BOB, back);
        out.clear();
        let mut block = Some(part_of_a_block(back.as_bytes()));
        measure(&mut || {
            if let Some(block) = block.take() {
                bench.relay.handle_read(bench.now, self.bob, block);
            }
            while let Some(handle) = bench.relay.poll_ready() {
                bench.drain(handle, out);
            }
        });
        assert!(out.is_empty());
        assert_eq!(bench.relay.open_transactions(), 0);
    }

    /// The time that the relay takes for so many batches.
    #[allow(dead_code, reason = "only the benchmark asks")]
    pub(crate) fn time(&mut self, batches: u64) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..batches {
            self.batch(|work| {
                let begin = Instant::now();
                work();
                spent += begin.elapsed();
            });
        }
        spent
    }
}
