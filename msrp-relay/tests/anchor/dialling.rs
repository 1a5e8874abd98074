//! Sides that wait to be connected to (RFC 6135, RFC 6714), and how that may go wrong.

use std::time::Duration;

use msrp_core::{
    grammar::Scheme,
    node::{ConnectFailure, ListenerId, PeerInfo, Target, Trust},
};
use msrp_relay::{
    AnchorOptions, LegOptions, LegState, RelayEvent, Side,
    policy::{RelayPolicy, Verdict},
};

use super::*;

const PASSIVE: &str = "a=setup:passive\r\n";

fn target(world: &World) -> (Scheme, String, Option<u16>) {
    let target = &world.connects[0].1;
    (target.scheme, target.host.clone(), target.port)
}

// Rows: 6135-X-04
#[test]
fn an_answerer_without_setup_is_connected_to_at_once() {
    let mut world = World::new();
    let session = anchored_with(&mut world, &AnchorOptions::new(), (A, ""), (B, ""));
    assert_eq!(
        target(&world),
        (Scheme::Msrp, "bob.example.com".to_owned(), Some(8493))
    );
    assert_eq!(world.connects[0].1.interface, Some(ListenerId(1)));
    assert_eq!(session.state(&world, Side::Answerer), LegState::Connecting);
    let b = world.connect(Ok(PeerInfo::new())).unwrap();
    // Who connects sends first, so that the peer knows which session it is (RFC 4975 §5.4).
    let binding = world.frames(b).remove(0);
    assert_eq!((binding.start.as_str(), binding.to_path()), ("SEND", B));
    assert_eq!(binding.back_path(), session.path_of_b());
    assert_eq!(binding.header("Byte-Range"), Some("1-0/0"));
    assert_eq!(binding.body, None);
    world.feed(
        b,
        format!(
            "MSRP {id} 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {B}\r\n-------{id}$\r\n",
            id = binding.id,
            to = binding.back_path().split(' ').next().unwrap()
        ),
    );
    assert_eq!(session.state(&world, Side::Answerer), LegState::Connected);
    assert_eq!(world.relay.open_transactions(), 0);
    // B may talk before A has said a word.
    assert_eq!(say(&mut world, b, &session.path_of_b(), B), 200);
    let a = world.accept(plain());
    world.feed(a, bind(&session.path_of_a(), A));
    assert_eq!(messages(&mut world, a).len(), 1);
}

#[test]
fn what_waits_for_a_connect_is_its_first_message() {
    let mut world = World::new();
    let session = anchored_with(&mut world, &AnchorOptions::new(), (A, ""), (B, PASSIVE));
    let a = world.accept(plain());
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    let b = world.connect(Ok(PeerInfo::new())).unwrap();
    let frames = world.frames(b);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].body(), b"hello");
}

// Rows: 6135-4.2.1-05
#[test]
fn holdconn_counts_as_nothing_said() {
    let mut world = World::new();
    let session = anchored_with(
        &mut world,
        &AnchorOptions::new(),
        (A, "a=setup:holdconn\r\n"),
        (B, "a=setup:holdconn\r\n"),
    );
    assert!(session.for_a.contains("a=setup:passive\r\n"));
    assert!(!session.for_a.contains("holdconn") && !session.for_b.contains("holdconn"));
    assert_eq!(world.connects.len(), 1);
    assert_eq!(target(&world).1, "bob.example.com");
}

#[test]
fn an_offerer_that_waits_is_connected_to() {
    let mut world = World::new();
    let session = anchored_with(
        &mut world,
        &AnchorOptions::new(),
        (A, PASSIVE),
        (B, "a=setup:active\r\n"),
    );
    assert!(session.for_a.contains("a=setup:active\r\n"));
    assert!(session.for_b.contains("a=setup:actpass\r\n"));
    assert_eq!(target(&world), (Scheme::Msrp, "10.0.0.5".to_owned(), Some(7394)));
}

#[test]
fn a_connect_that_fails_is_reported_and_tried_again_later() {
    let mut world = World::new();
    let session = anchored_with(&mut world, &AnchorOptions::new(), (A, ""), (B, PASSIVE));
    let a = world.accept(plain());
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    world.connect(Err(ConnectFailure::Refused));
    let report = world.frames(a).remove(0);
    assert_eq!(report.header("Status"), Some("000 408 Request Timeout"));
    assert_eq!(session.state(&world, Side::Answerer), LegState::Failed);
    assert!(
        world
            .events
            .iter()
            .any(|event| matches!(event, RelayEvent::AnchorLegFailed { .. }))
    );
    let again = |id: &str| {
        send(id, &session.path_of_a(), A, "", "1-5/5", "again", '$').replace("87652", &format!("{id}m"))
    };
    // Not for every message that comes.
    world.feed(a, again("tr01"));
    assert_eq!(world.frames(a)[0].start_code(), 408);
    assert!(world.connects.is_empty());
    world.advance(Duration::from_secs(3));
    world.feed(a, again("tr02"));
    assert_eq!(world.frames(a)[0].start_code(), 200);
    let b = world.connect(Ok(PeerInfo::new())).unwrap();
    assert_eq!(messages(&mut world, b)[0].body(), b"again");
    // A connection that is lost is made anew when something is to be said.
    world.reset(b);
    world.octets(a);
    world.feed(a, again("tr03"));
    assert_eq!(world.connects.len(), 1);
}

#[test]
fn a_slow_connect_holds_up_what_is_long_and_nothing_else() {
    let mut world = World::new();
    let session = anchored_with(&mut world, &AnchorOptions::new(), (A, ""), (B, PASSIVE));
    let a = world.accept(plain());
    let body = "x".repeat(50_000);
    world.feed(
        a,
        send("l0ng", &session.path_of_a(), A, "", "1-*/50000", &body, '$'),
    );
    assert_eq!(world.octets(a), b"");
    assert!(!world.relay_wants_read(a));
    world.advance(Duration::from_secs(20));
    let b = world.connect(Ok(PeerInfo::new())).unwrap();
    let octets: usize = messages(&mut world, b)
        .iter()
        .map(|chunk| chunk.body().len())
        .sum();
    assert_eq!(octets, 50_000);
    assert_eq!(world.frames(a)[0].start_code(), 200);
}

#[test]
fn a_peer_that_refuses_the_session_is_not_connected() {
    let mut world = World::new();
    let session = anchored_with(&mut world, &AnchorOptions::new(), (A, ""), (B, PASSIVE));
    let b = world.connect(Ok(PeerInfo::new())).unwrap();
    let binding = world.frames(b).remove(0);
    world.feed(
        b,
        format!(
            "MSRP {id} 481 No Such Session\r\nTo-Path: {to}\r\nFrom-Path: {B}\r\n-------{id}$\r\n",
            id = binding.id,
            to = binding.back_path().split(' ').next().unwrap()
        ),
    );
    assert_eq!(session.state(&world, Side::Answerer), LegState::Failed);
    assert!(world.closed(b));
}

#[test]
fn who_comes_while_it_is_connected_to_is_there() {
    let mut world = World::new();
    let session = anchored_with(&mut world, &AnchorOptions::new(), (A, ""), (B, ""));
    let b = world.accept(plain());
    world.feed(b, bind(&session.path_of_b(), B));
    assert_eq!(session.state(&world, Side::Answerer), LegState::Connected);
    // The connect comes too late, and is not wanted any more.
    assert_eq!(world.connect(Ok(PeerInfo::new())), None);
    let a = world.accept(plain());
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    assert_eq!(messages(&mut world, b).len(), 1);
}

// Rows: 4145-4.1-03, 6714-X-02
#[test]
fn clients_on_websockets_and_active_sides_are_never_connected_to() {
    for (path, setup) in [
        ("msrp://df7jal23ls0d.invalid:2855/98cjs;ws", ""),
        ("msrp://df7jal23ls0d.invalid:2855/98cjs;ws", PASSIVE),
        ("msrp://jk9awp14vj8x.invalid:2855/98cjs;tcp", PASSIVE),
        (B, "a=setup:active\r\n"),
        ("msrp://bob.example.com:9/98cjs;tcp", "a=setup:active\r\n"),
    ] {
        let mut world = World::new();
        let session = anchored_with(&mut world, &AnchorOptions::new(), (A, ""), (path, setup));
        assert!(world.connects.is_empty(), "{path} {setup}");
        assert_eq!(session.state(&world, Side::Answerer), LegState::Awaited);
    }
}

#[test]
fn a_side_behind_nat_is_made_active() {
    let mut world = World::new();
    let options = AnchorOptions::new().answerer(LegOptions::new().await_peer(true));
    let session = anchored_with(&mut world, &options, (A, ""), (B, ""));
    assert!(session.for_b.contains("a=setup:passive\r\n"));
    assert!(world.connects.is_empty());
    assert_eq!(session.state(&world, Side::Answerer), LegState::Awaited);
}

// Rows: 6714-4.2-15, 6714-X-02
#[test]
fn with_cema_the_address_is_that_of_c_and_m() {
    let cema = "a=msrp-cema\r\n";
    // B's SDP went through a middlebox that changed c= and m= only: 10.0.0.5:7394 is what it put there.
    let mut world = World::new();
    let session = anchored_with(
        &mut world,
        &AnchorOptions::new(),
        (A, cema),
        (B, &format!("{cema}{PASSIVE}")),
    );
    assert_eq!(target(&world), (Scheme::Msrp, "10.0.0.5".to_owned(), Some(7394)));
    let b = world.connect(Ok(PeerInfo::new())).unwrap();
    // The messages know nothing of that.
    assert_eq!(world.frames(b)[0].to_path(), B);
    // Both legs have it, as A's offer had.
    assert!(session.for_b.contains(cema) && session.for_a.contains(cema));
}

// Rows: 6714-4.2-14
#[test]
fn with_cema_a_relay_that_c_and_m_name_is_connected_to_by_its_uri() {
    let cema = "a=msrp-cema\r\n";
    let path = "msrp://R2.example.com:2855/k9fj;tcp msrp://10.0.0.5:7394/si438ds;tcp";
    let mut world = World::new();
    anchored_with(
        &mut world,
        &AnchorOptions::new(),
        (A, cema),
        (path, &format!("{cema}{PASSIVE}")),
    );
    assert_eq!(target(&world).1, "r2.example.com");
}

// Rows: 6714-4.1-01, 4975-8.1-09, 6714-3-02
#[test]
fn without_cema_the_address_is_that_of_the_path() {
    let mut world = World::new();
    let session = anchored_with(
        &mut world,
        &AnchorOptions::new(),
        (A, "a=msrp-cema\r\n"),
        (B, PASSIVE),
    );
    assert_eq!(target(&world).1, "bob.example.com");
    // The other leg is another matter.
    assert!(session.for_a.contains("a=msrp-cema\r\n"));
}

#[test]
fn the_certificate_to_expect_is_that_of_sdp() {
    let mut world = World::new();
    let b = "msrps://bob.example.com:8493/si438ds;tcp";
    let a = "msrps://alice.example.com:7394/2s93i9;tcp";
    let digits = vec!["AB"; 32].join(":");
    let fingerprint = format!("a=fingerprint:SHA-256 {digits}\r\n");
    anchored_with(&mut world, &AnchorOptions::new(), (a, ""), (b, &fingerprint));
    let Trust::Fingerprints(expected) = &world.connects[0].1.trust else {
        panic!("{:?}", world.connects)
    };
    assert_eq!(
        (expected[0].hash.as_str(), expected[0].value.as_slice()),
        ("sha-256", &[0xab; 32][..])
    );
}

#[test]
fn the_policy_has_a_say_in_where_to_connect() {
    struct Public;
    impl RelayPolicy for Public {
        fn connect(&mut self, target: &Target) -> Verdict {
            if target.host.starts_with("10.") {
                Verdict::Reject(msrp_core::grammar::StatusCode::FORBIDDEN)
            } else {
                Verdict::Allow
            }
        }
    }
    let mut world = World::with(config().policy(Public));
    let inside = "msrp://10.0.0.1:22/x;tcp";
    let session = anchored_with(&mut world, &AnchorOptions::new(), (A, ""), (inside, ""));
    assert!(world.connects.is_empty());
    assert_eq!(session.state(&world, Side::Answerer), LegState::Failed);
    let a = world.accept(plain());
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 408);
}
