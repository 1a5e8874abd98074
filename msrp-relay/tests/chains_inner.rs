//! AUTH through this relay to another one further on, as the inner relay sees it (RFC 4976 §5.1, §6.3, §6.4.2, §9.2).

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::{
    grammar::Scheme,
    node::{ConnectFailure, ConnectionHandle, Target, Trust},
};

const OUTER: &str = "msrps://outer.example.com;tcp";
const OUTER_URI: &str = "msrps://outer.example.com:9000/mywdEe1233;tcp";

fn auth(id: &str, to: &str, credentials: bool) -> String {
    // What it proves is for the relay further on to see.
    let credentials = if credentials {
        "Authorization: Digest username=\"alice\", realm=\"outer\", nonce=\"n\", qop=auth, nc=00000001, cnonce=\"c\", \
         response=\"6629fae49393a05397450978507c4ef1\"\r\n"
    } else {
        ""
    };
    format!("MSRP {id} AUTH\r\nTo-Path: {to}\r\nFrom-Path: {ALICE}\r\n{credentials}-------{id}$\r\n")
}

/// The relay further on answers what has come to it.
fn answer(world: &mut World, outer: ConnectionHandle, status: &str, headers: &str) {
    let frame = world.frames(outer).pop().expect("an AUTH");
    assert_eq!(frame.start, "AUTH");
    let (to, from, id) = (frame.back_path(), frame.to_path(), &frame.id);
    world.feed(
        outer,
        format!("MSRP {id} {status}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{headers}-------{id}$\r\n"),
    );
}

const WRONG: (&str, &str) = (
    "401 Unauthorized",
    "WWW-Authenticate: Digest realm=\"outer\", nonce=\"m\", qop=\"auth\"\r\n",
);
const STALE: (&str, &str) = (
    "401 Unauthorized",
    "WWW-Authenticate: Digest realm=\"outer\", nonce=\"m\", stale=TRUE, qop=\"auth\"\r\n",
);

fn granted(inner: &str, outer: &str) -> String {
    format!("Use-Path: {inner} {outer}\r\nExpires: 1800\r\n")
}

/// Alice with a URI here, and the connection to the outer relay that her first AUTH has opened.
fn through() -> (World, ConnectionHandle, String, ConnectionHandle) {
    let mut world = World::with(config().probation(Duration::from_secs(30), 200));
    let (alice, uri) = world.client("alice", "secret");
    world.feed(alice, auth("ask1", &format!("{uri} {OUTER}"), false));
    assert_eq!(world.connects.len(), 1);
    let outer = world.connect(Ok(certified(&["outer.example.com"]))).unwrap();
    (world, alice, uri, outer)
}

// shows: 4976-9.2-05, 4976-9.3-01, 4976-5.1-03
#[test]
fn between_relays_there_is_tls_with_certificates_of_both() {
    let mut world = World::with(config().allow_plain_auth(true));
    let (alice, uri) = world.client("alice", "secret");
    world.feed(alice, auth("ask1", &format!("{uri} {OUTER}"), false));
    let (_, target) = world.connects.remove(0);
    let expected = Target::new(Scheme::Msrps, "outer.example.com", None).with_client_identity();
    assert_eq!(target, expected);
    assert_eq!(target.trust, Trust::Pki);
    // Another client, for another relay.
    let (alice, uri) = world.client("alice", "secret");
    world.feed(
        alice,
        auth("ask2", &format!("{uri} msrp://outer.example.com:2855;tcp"), false),
    );
    assert_eq!(world.frames(alice)[0].start_code(), 403);
    assert!(world.connects.is_empty());
    // Nor by a connection without TLS that is there already.
    let peer = world.accept(plain());
    let plain_uri = "msrp://outer.example.com:2856/x;tcp";
    world.feed(
        peer,
        send(
            "6aef",
            &format!("{uri} {ALICE}"),
            plain_uri,
            "",
            "1-5/5",
            "hello",
            '$',
        ),
    );
    world.octets(alice);
    world.octets(peer);
    world.feed(alice, auth("ask3", &format!("{uri} {plain_uri}"), false));
    assert_eq!(world.frames(alice)[0].start_code(), 403);
    assert_eq!(world.octets(peer), b"");
}

// shows: 4976-6.4.2-02, 4976-1-05, 4976-5.2-03
#[test]
fn one_connection_to_the_outer_relay_serves_all() {
    let (mut world, alice, uri, outer) = through();
    answer(&mut world, outer, "200 OK", &granted(&uri, OUTER_URI));
    assert_eq!(
        world.frames(alice)[0].header("Use-Path"),
        Some(&*format!("{uri} {OUTER_URI}"))
    );
    // The AUTH named no port; what follows does.
    let path = format!("{uri} {OUTER_URI} {BOB}");
    world.feed(alice, send("6aef", &path, ALICE, "", "1-5/5", "hello", '$'));
    assert_eq!(world.frames(outer).len(), 1);
    // Another session, and another user.
    let (bob, bob_uri) = world.client("bob", "hidden");
    world.feed(bob, auth("ask2", &format!("{bob_uri} {OUTER}"), false));
    answer(&mut world, outer, WRONG.0, WRONG.1);
    let other = "msrps://outer.example.com:9000/other;tcp";
    world.feed(
        bob,
        send(
            "6aeg",
            &format!("{bob_uri} {other} {ALICE}"),
            ALICE,
            "",
            "1-5/5",
            "hello",
            '$',
        ),
    );
    assert_eq!(world.frames(outer).len(), 1);
    assert!(world.connects.is_empty());
    // When it is gone, it is gone under both names.
    world.reset(outer);
    world.octets(bob);
    world.feed(bob, auth("ask3", &format!("{bob_uri} {OUTER}"), false));
    assert_eq!(world.connects.remove(0).1.port, None);
    let carol = world.client("bob", "hidden");
    let path = format!("{} {other} {ALICE}", carol.1);
    world.feed(carol.0, send("6aeh", &path, BOB, "", "1-5/5", "hello", '$'));
    assert_eq!(world.connects.remove(0).1.port, Some(9000));
}

/// A relay is believed about the names only that its certificate has.
#[test]
fn a_relay_cannot_draw_what_is_meant_for_another() {
    for (names, use_path) in [
        (vec!["outer.example.com"], "msrps://other.example.com:9000/x;tcp"),
        (vec![], OUTER_URI),
        (vec!["outer.example.com"], "msrp://outer.example.com:9000/x;tcp"),
    ] {
        let mut world = World::new();
        let (alice, uri) = world.client("alice", "secret");
        world.feed(alice, auth("ask1", &format!("{uri} {OUTER}"), false));
        let outer = world.connect(Ok(certified(&names))).unwrap();
        answer(&mut world, outer, "200 OK", &granted(&uri, use_path));
        world.octets(alice);
        world.feed(
            alice,
            send(
                "6aef",
                &format!("{uri} {use_path} {BOB}"),
                ALICE,
                "",
                "1-5/5",
                "hello",
                '$',
            ),
        );
        assert_eq!(world.octets(outer), b"", "{use_path}");
        assert_eq!(world.connects.len(), 1);
    }
}

/// The outer relay has lost the connection, and calls for its part: with one connection there is enough.
// shows: 4976-6.4.2-02
#[test]
fn a_call_from_the_outer_relay_serves_both_ways() {
    let mut world = World::with(config().peer_relay("outer.example.com"));
    let (alice, uri) = world.client("alice", "secret");
    let outer = world.accept(certified(&["outer.example.com"]));
    let from = format!("{OUTER_URI} {BOB}");
    world.feed(
        outer,
        send(
            "6aef",
            &format!("{uri} {ALICE}"),
            &from,
            "",
            "1-5/5",
            "hello",
            '$',
        ),
    );
    assert_eq!(world.frames(alice).len(), 1);
    world.octets(outer);
    // Another session whose relay it is too.
    let (bob, bob_uri) = world.client("bob", "hidden");
    let path = format!("{bob_uri} msrps://outer.example.com:9000/other;tcp {ALICE}");
    world.feed(bob, send("6aeg", &path, BOB, "", "1-5/5", "hello", '$'));
    assert_eq!(world.frames(outer).len(), 1);
    assert!(world.connects.is_empty());
    // By another port there may be another one.
    let path = format!("{bob_uri} msrps://outer.example.com:9001/other;tcp {ALICE}");
    world.feed(bob, send("6aeh", &path, BOB, "", "1-5/5", "hello", '$'));
    assert_eq!(world.connects.len(), 1);
}

// shows: 4976-6.3-18, 4976-6.3-19
#[test]
fn a_client_that_fails_at_another_relay_loses_its_connection() {
    let (mut world, alice, uri, outer) = through();
    let path = format!("{uri} {OUTER}");
    // Without credentials, and with an old nonce, it is no failure.
    answer(&mut world, outer, WRONG.0, WRONG.1);
    for _ in 0..20 {
        world.feed(alice, auth("ask2", &path, false));
        answer(&mut world, outer, WRONG.0, WRONG.1);
        world.feed(alice, auth("ask3", &path, true));
        answer(&mut world, outer, STALE.0, STALE.1);
    }
    // Four, and a success.
    for round in 0..2 {
        for _ in 0..4 {
            world.feed(alice, auth("ask4", &path, true));
            answer(&mut world, outer, WRONG.0, WRONG.1);
        }
        assert!(!world.closed(alice), "round {round}");
        world.feed(alice, auth("ask5", &path, true));
        answer(&mut world, outer, "200 OK", &granted(&uri, OUTER_URI));
    }
    // Another relay counts for itself.
    for _ in 0..4 {
        world.feed(alice, auth("ask6", &path, true));
        answer(&mut world, outer, WRONG.0, WRONG.1);
    }
    let path = format!("{uri} {OUTER_URI} msrps://outermost.example.com;tcp");
    for _ in 0..4 {
        world.feed(alice, auth("ask7", &path, true));
        answer(&mut world, outer, WRONG.0, WRONG.1);
    }
    world.octets(alice);
    world.feed(alice, auth("ask8", &path, true));
    answer(&mut world, outer, WRONG.0, WRONG.1);
    // After it has been told.
    let told = world.frames(alice);
    assert_eq!((&*told[0].id, told[0].start_code()), ("ask8", 401));
    assert!(world.closed(alice) && !world.closed(outer));
    assert_eq!(world.relay.stats().auth_remote_failures, 17);
}

/// In the middle of a chain, the failures are those of clients behind another relay: it is for that one to count them.
// shows: 4976-6.3-20
#[test]
fn in_the_middle_of_a_chain_failures_end_nothing() {
    const INNER: &str = "msrps://inner.example.com:2855/jui787s2f;tcp";
    let mut world = World::with(config().peer_relay("inner.example.com"));
    let inner = world.accept(certified(&["inner.example.com"]));
    let from = format!("{INNER} {ALICE}");
    let frame = world.auth_by_way(inner, &from, "alice", "secret", "");
    let (_, uri) = frame.header("Use-Path").unwrap().split_once(' ').unwrap();
    let path = format!("{uri} {OUTER}");
    let auth = auth("ask1", &path, true).replace(ALICE, &from);
    world.feed(inner, &auth);
    let outer = world.connect(Ok(certified(&["outer.example.com"]))).unwrap();
    for _ in 0..20 {
        answer(&mut world, outer, WRONG.0, WRONG.1);
        let back = world.frames(inner).remove(0);
        assert_eq!((back.start_code(), back.to_path()), (401, &*from));
        assert_eq!(back.back_path(), path);
        world.feed(inner, &auth);
    }
    assert!(!world.closed(inner));
    assert_eq!(world.relay.stats().auth_remote_failures, 0);
}

#[test]
fn a_relay_that_cannot_be_reached_is_told_at_once() {
    let mut world = World::new();
    let (alice, uri) = world.client("alice", "secret");
    let path = format!("{uri} {OUTER}");
    world.feed(alice, auth("ask1", &path, false));
    let failure = ConnectFailure::Tls("certificate has expired".to_owned());
    world.connect(Err(failure));
    let frame = world.frames(alice).remove(0);
    assert_eq!(frame.start, "408 Request Timeout");
    // It is this relay that says so.
    assert_eq!(frame.back_path(), uri);
    assert!(!world.closed(alice));
}

#[test]
fn an_auth_does_not_come_back_to_the_relay_that_sends_it() {
    let mut world = World::new();
    let (alice, uri) = world.client("alice", "secret");
    for to in [
        RELAY,
        "msrps://Relay.Example.COM;tcp",
        "msrps://relay.example.com:2855;tcp",
        &uri,
    ] {
        world.feed(alice, auth("ask1", &format!("{uri} {to}"), false));
        assert_eq!(world.frames(alice)[0].start_code(), 481, "{to}");
    }
    assert!(world.connects.is_empty());
}

/// What was on its way when the connection broke is answered at once, to each who asked; what was answered is not answered again.
#[test]
fn when_the_way_breaks_an_auth_is_answered_at_once() {
    let (mut world, alice, uri, outer) = through();
    answer(&mut world, outer, WRONG.0, WRONG.1);
    assert_eq!(world.frames(alice)[0].start_code(), 401);
    let (bob, bob_uri) = world.client("bob", "hidden");
    world.feed(alice, auth("ask2", &format!("{uri} {OUTER}"), true));
    world.feed(bob, auth("ask3", &format!("{bob_uri} {OUTER}"), false));
    assert_eq!(world.frames(outer).len(), 2);
    assert!(world.frames(alice).is_empty() && world.frames(bob).is_empty());
    world.eof(outer);
    for (client, own, id) in [(alice, &uri, "ask2"), (bob, &bob_uri, "ask3")] {
        let frames = world.frames(client);
        assert_eq!(frames.len(), 1, "{frames:?}");
        assert_eq!(
            (&frames[0].start[..], &frames[0].id[..]),
            ("408 Request Timeout", id)
        );
        assert_eq!((frames[0].to_path(), frames[0].back_path()), (ALICE, &own[..]));
    }
    // Those that can be taken back are, so that any number of them may follow.
    for round in 0..1_100 {
        world.feed(
            alice,
            auth(&format!("r{round:04}"), &format!("{uri} {OUTER}"), false),
        );
        let outer = world.connect(Ok(certified(&["outer.example.com"]))).unwrap();
        answer(&mut world, outer, WRONG.0, WRONG.1);
        assert_eq!(world.frames(alice)[0].start_code(), 401);
        world.reset(outer);
        assert!(world.frames(alice).is_empty(), "round {round}");
    }
    world.feed(alice, auth("ask4", &format!("{uri} {OUTER}"), false));
    let outer = world.connect(Ok(certified(&["outer.example.com"]))).unwrap();
    assert_eq!(world.frames(outer).len(), 1);
    world.reset(outer);
    assert_eq!(world.frames(alice)[0].start_code(), 408);
}
