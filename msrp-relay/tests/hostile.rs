//! Peers that waste what they can: each is answered or closed as it should be, the memory stays within its bound, and the
//! session of two others goes on as if nothing happened.

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::{
    connection::ConnectionConfig,
    node::{ConnectionHandle, PeerInfo},
};
use msrp_relay::{RelayAnswer, RelayConfig, RelayEvent, SlowReceiver, policy::DeferredAuthStore};

const SEND_HIGH: usize = 64 * 1024;
const CONTROL_HIGH: usize = 16 * 1024;
const RX_LIMIT: usize = 64 * 1024;
/// The largest slice that these tests feed.
const BLOCK: usize = 64 * 1024;

fn connection() -> ConnectionConfig {
    ConnectionConfig::new()
        .send_high(SEND_HIGH)
        .control_high(CONTROL_HIGH)
        .rx_limit(RX_LIMIT)
        .lane_watermarks(32 * 1024, 8 * 1024)
}

/// What one connection may make the relay hold, as `ConnectionConfig` says it, with one message under way.
const PER_CONNECTION: usize = RX_LIMIT + BLOCK + SEND_HIGH + CONTROL_HIGH + BLOCK;

fn small() -> RelayConfig {
    config().connection(connection())
}

/// A relay over which alice talks to bob, whatever others do.
struct Besieged {
    world: World,
    alice: ConnectionHandle,
    bob: ConnectionHandle,
    path: String,
    said: u32,
}

impl Besieged {
    fn with(config: RelayConfig) -> Self {
        let mut world = World::with(config);
        let ((alice, uri), (bob, bob_uri)) = world.pair();
        let path = format!("{uri} {bob_uri} {BOB}");
        Self {
            world,
            alice,
            bob,
            path,
            said: 0,
        }
    }

    fn new() -> Self {
        Self::with(small())
    }

    /// Alice says something, and bob hears it at once.
    fn talk(&mut self) {
        self.said += 1;
        let id = format!("talk{:05}", self.said);
        let chunk = send(&id, &self.path, ALICE, "", "1-5/5", "hello", '$').replace("87652", &id);
        self.world.feed(self.alice, chunk);
        let told = self.world.frames(self.alice);
        assert_eq!((told.len(), told[0].start_code()), (1, 200));
        let heard = self.world.frames(self.bob);
        assert_eq!((heard.len(), heard[0].body()), (1, &b"hello"[..]));
        let id = &heard[0].id;
        let back = format!(
            "MSRP {id} 200 OK\r\nTo-Path: {}\r\nFrom-Path: {BOB}\r\n-------{id}$\r\n",
            heard[0].back_path().split(' ').next().unwrap()
        );
        self.world.feed(self.bob, back);
    }

    /// A stranger from an address of its own.
    fn stranger(&mut self, number: u16) -> ConnectionHandle {
        let address = format!("198.51.100.{}:{}", number % 250, 10_000 + number);
        self.world.accept(tls().with_remote(address.parse().unwrap()))
    }

    fn memory(&self) -> usize {
        self.world.relay.memory()
    }
}

fn forged(number: usize) -> String {
    format!("msrps://{REALM}:2855/{number:0>26};tcp {BOB}")
}

// shows: 4976-6.1-06, 4976-6.4-01
#[test]
fn a_flood_of_strangers_with_made_up_uris() {
    let mut siege = Besieged::new();
    for number in 0..200 {
        let stranger = siege.stranger(number);
        for request in 0..5 {
            assert!(!siege.world.closed(stranger));
            let chunk = send("aaaa", &forged(request), ALICE, "", "1-5/5", "hello", '$');
            siege.world.feed(stranger, chunk);
            assert_eq!(siege.world.frames(stranger)[0].start_code(), 481);
        }
        assert!(siege.world.closed(stranger), "five failures are enough");
        siege.talk();
    }
    assert_eq!(siege.world.relay.connections(), 2);
    assert_eq!(siege.memory(), 0);
    assert!(siege.world.connects.is_empty());
}

#[test]
fn heads_without_end() {
    let mut siege = Besieged::new();
    let long_line = format!("MSRP aaaa SEND\r\nTo-Path: {}", "x".repeat(40_000));
    let many_lines = format!("MSRP aaaa SEND\r\n{}", "X-Y: z\r\n".repeat(4_000));
    let many_uris = format!(
        "MSRP aaaa SEND\r\nTo-Path: {}\r\n",
        format!("{ALICE} ").repeat(2_000)
    );
    for (number, head) in [long_line, many_lines, many_uris].into_iter().enumerate() {
        let stranger = siege.stranger(number as u16);
        for piece in head.as_bytes().chunks(1_000) {
            siege.world.feed(stranger, piece);
            assert!(siege.memory() <= 2 * 16_384, "{}", siege.memory());
        }
        assert!(siege.world.closed(stranger));
        siege.talk();
    }
    assert_eq!(siege.world.relay.connections(), 2);
}

#[test]
fn a_head_that_comes_octet_by_octet() {
    let mut siege = Besieged::new();
    let slow = siege.stranger(1);
    let head = format!("MSRP aaaa SEND\r\nTo-Path: {}\r\n", forged(1));
    let mut seconds = 0;
    for octet in head.as_bytes() {
        siege.world.feed(slow, [*octet]);
        siege.world.advance(Duration::from_secs(1));
        seconds += 1;
        if siege.world.closed(slow) {
            break;
        }
    }
    assert_eq!(seconds, 15);
    siege.talk();
}

// shows: 4976-6.4.2-01
#[test]
fn unknown_methods_of_strangers_go_nowhere() {
    let mut siege = Besieged::new();
    let stranger = siege.stranger(1);
    let uri = siege.path.split(' ').next().unwrap().to_owned();
    // Even over a URI that is valid: it leads to its owner, and nowhere else.
    for (id, to) in [("aaa1", forged(1)), ("aaa2", format!("{uri} {BOB}"))] {
        let request = format!("MSRP {id} PLUNDER\r\nTo-Path: {to}\r\nFrom-Path: {BOB}\r\n-------{id}$\r\n");
        siege.world.feed(stranger, request);
    }
    assert_eq!(siege.world.frames(stranger)[0].start_code(), 481);
    assert!(siege.world.connects.is_empty());
    let to_alice = siege.world.frames(siege.alice);
    assert_eq!(
        to_alice.len(),
        1,
        "the second goes to the owner of the URI, which may refuse it"
    );
    siege.talk();
}

/// A captured proof is worth nothing on another connection.
// shows: 4976-9.1-18
#[test]
fn a_replayed_proof() {
    let mut siege = Besieged::new();
    let carol = siege.world.accept(tls());
    let request = |id: &str, headers: &str| {
        format!("MSRP {id} AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {ALICE}\r\n{headers}-------{id}$\r\n")
    };
    siege.world.feed(carol, request("aaa1", ""));
    let challenge = siege.world.frames(carol)[0]
        .header("WWW-Authenticate")
        .unwrap()
        .to_owned();
    let proof = format!(
        "Authorization: {}\r\n",
        authorize(&challenge, "alice", "secret", 1)
    );
    siege.world.feed(carol, request("aaa2", &proof));
    assert_eq!(siege.world.frames(carol)[0].start_code(), 200);
    let bindings = siege.world.relay.bindings();
    let thief = siege.stranger(1);
    for attempt in 0..50 {
        if siege.world.closed(thief) {
            break;
        }
        siege
            .world
            .feed(thief, request(&format!("bbb{attempt:03}"), &proof));
        let frame = siege.world.frames(thief).remove(0);
        assert_eq!(frame.start_code(), 401);
        assert!(frame.header("WWW-Authenticate").unwrap().contains("stale=true"));
    }
    assert!(siege.world.closed(thief), "it cannot go on for ever");
    assert_eq!(siege.world.relay.bindings(), bindings);
    siege.talk();
}

/// From many connections of one address, against many users: each connection ends after a few guesses, then the address is
/// locked out; others get in.
// shows: 4976-6.3-17
#[test]
fn guessing_at_passwords() {
    let mut siege = Besieged::new();
    let mut refused = 0;
    for number in 0..20_u16 {
        let peer: PeerInfo = tls().with_remote(format!("203.0.113.9:{}", 10_000 + number).parse().unwrap());
        let thief = siege.world.accept(peer);
        let first = siege.world.try_auth(thief, &format!("user{number}"), "guess", "");
        if first.start_code() == 403 {
            refused += 1;
        } else {
            let challenge = first.header("WWW-Authenticate").unwrap().to_owned();
            for nc in 1..10 {
                if siege.world.closed(thief) {
                    break;
                }
                let guess = authorize(&challenge, &format!("user{number}"), "guess", nc);
                let id = format!("guess{nc}");
                siege.world.feed(
                    thief,
                    format!(
                        "MSRP {id} AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {ALICE}\r\nAuthorization: {guess}\r\n-------{id}$\r\n"
                    ),
                );
            }
            assert!(siege.world.closed(thief), "after five failures");
        }
        siege.talk();
    }
    assert!(
        refused >= 15,
        "{refused} of 20 connections found the address locked out"
    );
    let other = siege.stranger(1);
    assert!(!siege.world.auth(other, "alice", "secret").is_empty());
    assert!(
        siege
            .world
            .events
            .iter()
            .any(|event| matches!(event, RelayEvent::AuthFailed { .. }))
    );
}

#[test]
fn responses_that_nobody_asked_for() {
    let mut siege = Besieged::new();
    let (eve, _) = siege.world.client("alice", "secret");
    for round in 0..1_000 {
        let id = format!("none{round:04}");
        siege.world.feed(
            eve,
            format!("MSRP {id} 200 OK\r\nTo-Path: {ALICE}\r\nFrom-Path: {BOB}\r\n-------{id}$\r\n"),
        );
    }
    assert_eq!(siege.world.octets(eve), b"");
    assert_eq!(siege.memory(), 0);
    siege.talk();
}

/// Two that conspire: one asks and reads nothing, the other gives the longest answers there are.
#[test]
fn long_answers_for_one_who_does_not_read() {
    let mut siege = Besieged::new();
    let (eve, eve_uri) = siege.world.client("alice", "secret");
    let (mallory, mallory_uri) = siege.world.client("bob", "hidden");
    let path = format!("{eve_uri} {mallory_uri} {BOB}");
    for round in 0..300 {
        let id = format!("ask{round:04}");
        siege.world.feed(
            eve,
            format!("MSRP {id} PLUNDER\r\nTo-Path: {path}\r\nFrom-Path: {ALICE}\r\n-------{id}$\r\n"),
        );
    }
    siege.world.set_room(eve, Some(0));
    let filler = format!("X-Filler: {}\r\n", "x".repeat(15_000));
    let mut most = 0;
    for asked in siege.world.frames(mallory) {
        let id = &asked.id;
        siege.world.feed(
            mallory,
            format!(
                "MSRP {id} 200 OK\r\nTo-Path: {}\r\nFrom-Path: {BOB}\r\n{filler}-------{id}$\r\n",
                asked.back_path()
            ),
        );
        most = most.max(siege.memory());
    }
    siege.talk();
    assert!(most <= 2 * PER_CONNECTION + 300 * 512, "{most} octets held");
    assert!(siege.world.relay.stats().responses_dropped > 200);
}

#[test]
fn one_who_asks_and_does_not_read_the_answers() {
    let mut siege = Besieged::new();
    let (eve, _) = siege.world.client("alice", "secret");
    siege.world.set_room(eve, Some(0));
    let mut fed = 0;
    while siege.world.relay_wants_read(eve) {
        let id = format!("ask{fed:05}");
        siege.world.feed(
            eve,
            format!("MSRP {id} AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {ALICE}\r\n-------{id}$\r\n"),
        );
        fed += 1;
        assert!(fed < 10_000, "it is asked to write for ever");
    }
    assert!(siege.memory() <= PER_CONNECTION, "{}", siege.memory());
    siege.talk();
    siege.world.advance(Duration::from_secs(60));
    assert!(
        siege.world.closed(eve),
        "who reads nothing for a minute is closed"
    );
    siege.talk();
    assert_eq!(siege.memory(), 0);
}

/// A receiver that reads nothing: what is kept for it is bounded, the sender is told, and others go on.
// shows: 4976-1-05, 4976-6.4.1-07
#[test]
fn a_deaf_receiver() {
    for policy in [
        SlowReceiver::Pause,
        SlowReceiver::Buffer { max: 100_000 },
        SlowReceiver::Auto {
            max: 100_000,
            patience: Duration::from_secs(2),
        },
    ] {
        let mut siege = Besieged::with(small().slow_receiver(policy));
        let (carol, uri) = siege.world.client("alice", "secret");
        let (deaf, deaf_uri) = siege.world.client("bob", "hidden");
        siege.world.set_room(deaf, Some(0));
        let path = format!("{uri} {deaf_uri} {BOB}");
        let head = format!(
            "MSRP long SEND\r\nTo-Path: {path}\r\nFrom-Path: {ALICE}\r\nMessage-ID: long\r\nByte-Range: 1-*/*\r\nContent-Type: text/plain\r\n\r\n"
        );
        siege.world.feed(carol, head);
        let block = vec![b'x'; 10_000];
        let (mut fed, mut most) = (0, 0);
        while siege.world.relay_wants_read(carol) && fed < 50_000_000 {
            siege.world.feed(carol, &block);
            fed += block.len();
            most = most.max(siege.memory());
        }
        assert!(most <= 2 * PER_CONNECTION + 100_000, "{policy:?}: {most}");
        siege.talk();
        match policy {
            SlowReceiver::Buffer { .. } => {
                assert!(fed >= 50_000_000, "who buffers goes on reading");
                assert_eq!(siege.world.frames(carol)[0].start_code(), 413);
            }
            // The one session of the connection waits, with the octets still at the sender.
            _ => assert!(fed <= 2 * PER_CONNECTION, "{policy:?}: {fed}"),
        }
        siege.world.advance(Duration::from_secs(61));
        assert!(siege.world.closed(deaf));
        if policy == SlowReceiver::Pause {
            let told = siege.world.frames(carol);
            assert!(
                told.iter()
                    .any(|frame| frame.start == "REPORT" || frame.start_code() >= 400),
                "{told:?}"
            );
        }
        siege.talk();
        siege.world.feed(carol, "\r\n-------long$\r\n");
        siege.world.advance(Duration::from_secs(31));
        assert_eq!((siege.world.relay.open_transactions(), siege.memory()), (0, 0));
    }
}

/// A client that has renewed its URI has no second session: it still waits for a slow receiver instead of being refused.
#[test]
fn a_renewed_uri_is_the_same_session() {
    let mut siege = Besieged::with(small().slow_receiver(SlowReceiver::Auto {
        max: 10_000,
        patience: Duration::from_secs(2),
    }));
    let (carol, uri) = siege.world.client("alice", "secret");
    let (deaf, deaf_uri) = siege.world.client("bob", "hidden");
    let hello = send(
        "hello",
        &format!("{uri} {deaf_uri} {BOB}"),
        ALICE,
        "",
        "1-5/5",
        "hello",
        '$',
    );
    siege.world.feed(carol, hello);
    let renewed = siege.world.auth(carol, "alice", "secret");
    siege.world.set_room(deaf, Some(0));
    let path = format!("{renewed} {deaf_uri} {BOB}");
    let body = "x".repeat(1_000_000);
    let long = send("long", &path, ALICE, "", "1-*/1000000", &body, '$').replace("87652", "long");
    let mut fed = 0;
    for piece in long.as_bytes().chunks(10_000) {
        if !siege.world.relay_wants_read(carol) {
            break;
        }
        siege.world.feed(carol, piece);
        fed += piece.len();
    }
    assert!(fed < 500_000, "{fed}: it should wait");
    assert!(
        siege
            .world
            .frames(carol)
            .iter()
            .all(|frame| frame.start_code() != 413)
    );
    siege.talk();
}

#[test]
fn many_short_messages_for_a_deaf_receiver() {
    let mut siege = Besieged::new();
    let (carol, uri) = siege.world.client("alice", "secret");
    let (deaf, deaf_uri) = siege.world.client("bob", "hidden");
    siege.world.set_room(deaf, Some(0));
    let path = format!("{uri} {deaf_uri} {BOB}");
    let mut fed = 0;
    while siege.world.relay_wants_read(carol) {
        let id = format!("msg{fed:06}");
        let chunk = send(&id, &path, ALICE, "", "1-5/5", "hello", '$').replace("87652", &id);
        siege.world.feed(carol, chunk);
        fed += 1;
        assert!(fed < 100_000, "it is asked to write for ever");
    }
    // Each costs its octets, and what is remembered of a chunk whose fate is open.
    assert!(
        siege.memory() <= 2 * PER_CONNECTION + fed * 512,
        "{}",
        siege.memory()
    );
    assert!(fed <= SEND_HIGH / 100 + RX_LIMIT / 100, "{fed}");
    siege.talk();
    siege.world.advance(Duration::from_secs(61));
    assert!(siege.world.closed(deaf));
    siege.talk();
    siege.world.advance(Duration::from_secs(31));
    assert_eq!(siege.world.relay.open_transactions(), 0);
}

/// One who reads and answers nothing: what is remembered of him is bounded, and his correspondent waits.
#[test]
fn many_short_messages_for_one_who_never_answers() {
    const UNANSWERED: usize = 64;
    let mut siege = Besieged::with(config().connection(connection().unanswered_high(UNANSWERED)));
    let (carol, uri) = siege.world.client("alice", "secret");
    let (mute, mute_uri) = siege.world.client("bob", "hidden");
    let path = format!("{uri} {mute_uri} {BOB}");
    let mut fed = 0;
    let mut feed = |siege: &mut Besieged| {
        while siege.world.relay_wants_read(carol) {
            let id = format!("msg{fed:06}");
            let chunk = send(&id, &path, ALICE, "", "1-5/5", "hello", '$').replace("87652", &id);
            siege.world.feed(carol, chunk);
            fed += 1;
            assert!(fed < 10_000, "it is asked to write for ever");
        }
    };
    feed(&mut siege);
    assert_eq!(siege.world.frames(mute).len(), UNANSWERED);
    assert_eq!(siege.world.relay.open_transactions(), UNANSWERED);
    siege.talk();
    // After 30 s they are given up: carol is told, and asked to go on.
    siege.world.advance(Duration::from_secs(31));
    let told = siege.world.frames(carol);
    let reports = told.iter().filter(|frame| frame.start == "REPORT").count();
    assert_eq!(reports, UNANSWERED);
    assert!(!siege.world.frames(mute).is_empty());
    feed(&mut siege);
    assert_eq!(siege.world.relay.open_transactions(), UNANSWERED);
    siege.talk();
}

/// Two who send each other so much that neither has answered: neither is kept from being read for the other's sake.
#[test]
fn two_who_wait_for_each_others_answers() {
    const UNANSWERED: usize = 64;
    let mut siege = Besieged::with(config().connection(connection().unanswered_high(UNANSWERED)));
    let ((carol, uri), (dave, dave_uri)) = siege.world.pair();
    let paths = [
        (carol, format!("{uri} {dave_uri} {BOB}"), ALICE),
        (dave, format!("{dave_uri} {uri} {ALICE}"), BOB),
    ];
    let mut unanswered = Vec::new();
    let mut refused = 0;
    for number in 0..4 * UNANSWERED {
        for (from, path, own) in &paths {
            let id = format!("both{number:05}");
            let chunk = send(&id, path, own, "", "1-5/5", "hello", '$').replace("87652", &id);
            siege.world.feed(*from, chunk);
        }
        for (from, ..) in &paths {
            for frame in siege.world.frames(*from) {
                match frame.start.as_str() {
                    "SEND" => unanswered.push((*from, frame)),
                    _ => refused += usize::from(frame.start_code() == 413),
                }
            }
        }
    }
    assert!(refused > 0, "one of the two may not wait");
    assert!(siege.world.relay.open_transactions() <= 2 * UNANSWERED);
    // Their answers are read, and everything goes on without any time having passed.
    let before = unanswered.len();
    while let Some((who, frame)) = unanswered.pop() {
        let own = if who == carol { ALICE } else { BOB };
        let hop = frame.back_path().split(' ').next().unwrap().to_owned();
        let id = &frame.id;
        let back = format!("MSRP {id} 200 OK\r\nTo-Path: {hop}\r\nFrom-Path: {own}\r\n-------{id}$\r\n");
        siege.world.feed(who, back);
        for (who, ..) in &paths {
            let heard = siege.world.frames(*who);
            unanswered.extend(
                heard
                    .into_iter()
                    .filter(|frame| frame.start == "SEND")
                    .map(|frame| (*who, frame)),
            );
        }
    }
    assert!(before >= UNANSWERED);
    assert_eq!(siege.world.relay.open_transactions(), 0);
    assert!(siege.world.relay_wants_read(carol) && siege.world.relay_wants_read(dave));
    siege.talk();
}

/// Messages that never end: as many as may be are open, the others are refused, and in the end all are given up.
#[test]
fn messages_that_never_end() {
    let mut siege = Besieged::with(small().max_open_messages(8));
    let (eve, uri) = siege.world.client("alice", "secret");
    let (bob, bob_uri) = siege.world.client("bob", "hidden");
    let path = format!("{uri} {bob_uri} {BOB}");
    let body = "x".repeat(3_000);
    let mut codes = std::collections::BTreeMap::<u16, usize>::new();
    for number in 0..500 {
        let id = format!("open{number:04}");
        let chunk = send(&id, &path, ALICE, "", "1-*/1000000", &body, '+').replace("87652", &id);
        siege.world.feed(eve, chunk);
        for frame in siege.world.frames(eve) {
            *codes.entry(frame.start_code()).or_default() += 1;
        }
    }
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [(200, 8), (413, 492)]);
    assert_eq!(siege.world.relay.open_transactions(), 8);
    siege.talk();
    // Given up after five minutes; then bob has half a minute to answer the last of each.
    siege.world.advance(Duration::from_secs(331));
    assert_eq!((siege.world.relay.open_transactions(), siege.memory()), (0, 0));
    assert!(!siege.world.closed(eve) && !siege.world.closed(bob));
}

/// Message-IDs without number, each with one chunk that is refused further on: what is remembered of them is bounded.
#[test]
fn message_ids_without_number() {
    let mut siege = Besieged::new();
    let (eve, uri) = siege.world.client("alice", "secret");
    let (mallory, mallory_uri) = siege.world.client("bob", "hidden");
    let path = format!("{uri} {mallory_uri} {BOB}");
    let mut reports = 0;
    for number in 0..5_000 {
        let id = format!("id{number:05}");
        let chunk = send(&id, &path, ALICE, "", "1-5/99", "hello", '+').replace("87652", &id);
        siege.world.feed(eve, chunk);
        for heard in siege.world.frames(mallory) {
            let id = &heard.id;
            let to = heard.back_path().split(' ').next().unwrap().to_owned();
            siege.world.feed(
                mallory,
                format!("MSRP {id} 413 No\r\nTo-Path: {to}\r\nFrom-Path: {BOB}\r\n-------{id}$\r\n"),
            );
        }
        let told = siege.world.frames(eve);
        reports += told.iter().filter(|frame| frame.start == "REPORT").count();
        if siege.world.closed(eve) {
            break;
        }
        assert_eq!((siege.world.relay.open_transactions(), siege.memory()), (0, 0));
    }
    assert!(reports > 1_000, "{reports}");
    siege.talk();
}

// shows: 4975-5.1-05
#[test]
fn a_flood_of_chunks_of_one_octet() {
    let mut siege = Besieged::new();
    let (eve, uri) = siege.world.client("alice", "secret");
    let (bob, bob_uri) = siege.world.client("bob", "hidden");
    let path = format!("{uri} {bob_uri} {BOB}");
    let mut chunks = 0;
    while !siege.world.closed(eve) {
        chunks += 1;
        assert!(chunks < 10_000, "nobody stops it");
        let id = format!("tiny{chunks:05}");
        let range = format!("{chunks}-{chunks}/*");
        siege
            .world
            .feed(eve, send(&id, &path, ALICE, "", &range, "x", '+'));
        for heard in siege.world.frames(bob) {
            let id = &heard.id;
            let to = heard.back_path().split(' ').next().unwrap().to_owned();
            siege.world.feed(
                bob,
                format!("MSRP {id} 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {BOB}\r\n-------{id}$\r\n"),
            );
        }
        siege.world.octets(eve);
    }
    assert!(chunks > 1_000, "honest peers send short chunks, too: {chunks}");
    assert!(!siege.world.closed(bob));
    siege.talk();
}

/// REPORTs need no answer, so a peer could send them without end to one who has to read them.
#[test]
fn reports_without_a_message() {
    let mut siege = Besieged::new();
    let stranger = siege.stranger(1);
    let uri = siege.path.split(' ').next().unwrap().to_owned();
    for number in 0..5_000 {
        let id = format!("rep{number:05}");
        siege.world.feed(
            stranger,
            format!(
                "MSRP {id} REPORT\r\nTo-Path: {uri} {ALICE}\r\nFrom-Path: {BOB}\r\nMessage-ID: 87652\r\nByte-Range: 1-5/5\r\n\
                 Status: 000 200 OK\r\n-------{id}$\r\n"
            ),
        );
    }
    let told = siege.world.frames(siege.alice);
    assert!(told.len() <= 1_024, "{} REPORTs reached alice", told.len());
    assert!(siege.world.relay.stats().reports_over_budget >= 3_900);
    siege.talk();
}

/// A store that answers late, and peers that do not wait for it: nothing is remembered of them.
#[test]
fn questions_about_peers_that_have_gone() {
    let mut world = World::with(small().auth_store(DeferredAuthStore));
    for number in 0..1_000 {
        let peer = world.accept(tls());
        let request = |id: &str, headers: &str| {
            format!("MSRP {id} AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {ALICE}\r\n{headers}-------{id}$\r\n")
        };
        world.feed(peer, request("aaa1", ""));
        let challenge = world.frames(peer)[0]
            .header("WWW-Authenticate")
            .unwrap()
            .to_owned();
        let proof = authorize(&challenge, "alice", "secret", 1);
        world.feed(peer, request("aaa2", &format!("Authorization: {proof}\r\n")));
        assert_eq!((world.lookups.len(), world.relay.open_lookups()), (1, 1));
        if number % 100 != 99 {
            world.reset(peer);
            assert_eq!(world.relay.open_lookups(), 0);
            world.answer(RelayAnswer::Credentials(None));
        } else {
            // What came before the end is looked at first, as soon as it can be.
            world.eof(peer);
            world.answer(RelayAnswer::Credentials(None));
            assert_eq!(world.relay.open_lookups(), 0);
        }
    }
    assert_eq!((world.relay.connections(), world.relay.memory()), (0, 0));
}

/// Many who each do the worst under a small bound: deaf receivers of messages that never end, of tiny ones and of chunks.
/// What the relay holds stays within the bound and one read for each, and those who do no harm have room.
#[test]
fn many_deaf_receivers_under_a_small_bound() {
    const MOST: usize = 1 << 20;
    const PAIRS: usize = 40;
    let mut siege = Besieged::with(small().max_memory(MOST));
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let (sender, uri) = siege.world.client("alice", "secret");
        let (deaf, deaf_uri) = siege.world.client("bob", "hidden");
        siege.world.set_room(deaf, Some(0));
        pairs.push((sender, format!("{uri} {deaf_uri} {BOB}")));
    }
    let mut refused = 0;
    for (number, (sender, path)) in pairs.iter().enumerate() {
        let mut octets = Vec::new();
        match number % 3 {
            0 => octets.extend(send("endless1", path, ALICE, "", "1-*/*", &"x".repeat(300_000), '+').bytes()),
            1 => {
                for tiny in 0..2_000 {
                    let id = format!("tiny{tiny:06}");
                    let chunk = send(&id, path, ALICE, "", "1-1/1", "x", '$').replace("87652", &id);
                    octets.extend(chunk.bytes());
                }
            }
            _ => {
                for part in 0..150 {
                    let range = format!("{}-{}/900000", part * 2048 + 1, (part + 1) * 2048);
                    octets.extend(
                        send(
                            &format!("part{part:06}"),
                            path,
                            ALICE,
                            "",
                            &range,
                            &"x".repeat(2048),
                            '+',
                        )
                        .bytes(),
                    );
                }
            }
        }
        for read in octets.chunks(BLOCK) {
            if siege.world.relay_wants_read(*sender) {
                siege.world.feed(*sender, read);
            }
        }
        let told = siege.world.frames(*sender);
        refused += told.iter().filter(|frame| frame.start_code() == 413).count();
        let bound = MOST + siege.world.relay.connections() * BLOCK;
        assert!(siege.memory() <= bound, "{number}: {}", siege.memory());
        siege.talk();
    }
    assert!(refused > 0, "the bound is reached");
    println!("{refused} refused, {} octets held", siege.memory());
    siege.world.advance(Duration::from_secs(120));
    siege.talk();
}

/// Each sends to a receiver who reads everything, and takes none of the answers to it.
#[test]
fn many_senders_who_take_no_answers_under_a_small_bound() {
    const MOST: usize = 1 << 20;
    const PAIRS: usize = 60;
    let mut siege = Besieged::with(config().max_memory(MOST));
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let (sender, uri) = siege.world.client("alice", "secret");
        let (receiver, receiver_uri) = siege.world.client("bob", "hidden");
        siege.world.set_room(sender, Some(0));
        pairs.push((sender, receiver, format!("{uri} {receiver_uri} {BOB}")));
    }
    let mut most = 0;
    for (sender, receiver, path) in &pairs {
        for burst in 0..200 {
            if !siege.world.relay_wants_read(*sender) {
                break;
            }
            let chunks: String = (0..50)
                .map(|tiny| {
                    send(
                        &format!("t{burst:03}{tiny:02}"),
                        path,
                        ALICE,
                        "",
                        "1-1/1",
                        "x",
                        '$',
                    )
                })
                .collect();
            siege.world.feed(*sender, chunks);
            for frame in siege.world.frames(*receiver) {
                siege.world.feed(*receiver, answer_to(&frame));
            }
        }
        most = most.max(siege.memory());
        siege.talk();
    }
    assert!(most <= MOST + PAIRS * BLOCK, "{most}");
    // They are read again once they take what they are owed.
    for (sender, _, _) in &pairs {
        siege.world.set_room(*sender, None);
    }
    siege.world.turn();
    for (sender, _, _) in &pairs {
        assert!(siege.world.relay_wants_read(*sender));
    }
}

fn answer_to(request: &Frame) -> String {
    let (id, previous) = (&request.id, request.back_path().split(' ').next().unwrap());
    format!("MSRP {id} 200 OK\r\nTo-Path: {previous}\r\nFrom-Path: {BOB}\r\n-------{id}$\r\n")
}
