//! The relay as a node: what forwarding costs without sockets.
#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]

use std::{
    fmt::Write as _,
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use criterion::{Criterion, Throughput, criterion_group};
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

/// The time that the relay takes for `batches` batches of `window` messages from one client to the other.
fn forward(size: usize, window: usize, batches: u64) -> Duration {
    let mut bench = Bench::new();
    let (alice, alice_path) = bench.client("alice");
    let (bob, bob_path) = bench.client("bob");
    let bob_uri = "msrp://127.0.0.1:9/bob;tcp";
    let mut sends = String::new();
    let body = "x".repeat(size);
    for number in 0..window {
        let id = format!("tid{number:08}");
        let _ = write!(
            sends,
            "MSRP {id} SEND\r\nTo-Path: {alice_path} {bob_path} {bob_uri}\r\n\
             From-Path: msrp://127.0.0.1:9/alice;tcp\r\nMessage-ID: m{id}\r\nByte-Range: 1-{size}/{size}\r\n\
             Content-Type: text/plain\r\n\r\n{body}\r\n-------{id}$\r\n"
        );
    }
    let mut spent = Duration::ZERO;
    let mut out = Vec::with_capacity(4 * sends.len());
    let mut back = String::new();
    for _ in 0..batches {
        let block = BytesMut::from(sends.as_bytes());
        let begin = Instant::now();
        bench.relay.handle_read(bench.now, alice, block);
        while let Some(handle) = bench.relay.poll_ready() {
            if handle == bob {
                bench.drain(handle, &mut out);
            } else {
                while let Some(mut transmit) = bench.relay.poll_transmit(bench.now, handle, 64 * 1024) {
                    let len = transmit.remaining();
                    transmit.advance(len);
                }
            }
        }
        spent += begin.elapsed();
        back.clear();
        answers(&out, &bob_path, bob_uri, &mut back);
        out.clear();
        let block = BytesMut::from(back.as_bytes());
        let begin = Instant::now();
        bench.relay.handle_read(bench.now, bob, block);
        while let Some(handle) = bench.relay.poll_ready() {
            bench.drain(handle, &mut out);
        }
        spent += begin.elapsed();
        assert!(out.is_empty());
    }
    black_box(bench.relay.stats().chunks_whole);
    assert_eq!(bench.relay.open_transactions(), 0);
    spent
}

/// One SEND in and out, its 200 to the sender, and the receiver's 200.
fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("relay");
    for (size, window) in [(200, 1), (200, 32), (2_000, 32)] {
        group.throughput(Throughput::Elements(window as u64));
        group.bench_function(format!("{size} octets, {window} in a read"), |b| {
            b.iter_custom(|batches| forward(size, window, batches));
        });
    }
    group.finish();
}

criterion_group!(benches, messages);

/// `MSRP_BATCHES=N` does N batches of 32 messages and nothing else: a fixed amount of work, whose instructions
/// `perf stat` or callgrind count where wall time is noise.
fn main() {
    match std::env::var("MSRP_BATCHES")
        .ok()
        .and_then(|batches| batches.parse().ok())
    {
        Some(batches) => {
            forward(200, 32, batches);
        }
        None => {
            benches();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}
