//! What passes over the URI of a client behind another relay, and by which connection (RFC 4976 §6.3, §6.4, §9.4).

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::{
    grammar::Scheme,
    node::{ConnectFailure, ConnectionHandle, Trust},
};
use msrp_relay::{RelayConfig, RelayEvent};

const INNER: &str = "msrps://inner.example.com:2855/jui787s2f;tcp";
const MALLORY: &str = "msrps://mallory.example.com:9999/evil;tcp";

fn outer() -> RelayConfig {
    config()
        .peer_relay("inner.example.com")
        .peer_relay("*.example.net")
}

fn hello(id: &str, to: &str, from: &str) -> String {
    send(id, to, from, "", "1-5/5", "hello", '$')
}

/// A world with the connection of the inner relay, and alice's URI at this one.
fn chain() -> (World, ConnectionHandle, String) {
    let mut world = World::with(outer());
    let inner = world.accept(certified(&["inner.example.com"]));
    let uri = auth(&mut world, inner);
    (world, inner, uri)
}

/// Alice's URI at this relay.
fn auth(world: &mut World, inner: ConnectionHandle) -> String {
    let frame = world.auth_by_way(inner, &format!("{INNER} {ALICE}"), "alice", "secret", "");
    let (_, uri) = frame.header("Use-Path").unwrap().split_once(' ').unwrap();
    uri.to_owned()
}

/// What arrived, with its paths.
fn only(world: &mut World, handle: ConnectionHandle, to: &str, from: &str) {
    let frames = world.frames(handle);
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert_eq!((frames[0].to_path(), frames[0].back_path()), (to, from));
    assert_eq!(frames[0].body(), b"hello");
}

// shows: 4976-6.3-08, 4976-6.4-02, 4976-9.3-05
#[test]
fn a_uri_is_good_over_every_connection_to_its_relay_and_over_no_other() {
    let (mut world, inner, uri) = chain();
    let bob = world.accept(tls());
    let back = format!("{INNER} {ALICE}");
    // Towards alice: by the relay.
    world.feed(bob, hello("6aef", &format!("{uri} {back}"), BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 200);
    only(&mut world, inner, &back, &format!("{uri} {BOB}"));
    // From alice: by any connection of the relay.
    let again = world.accept(certified(&["inner.example.com"]));
    for connection in [again, inner] {
        world.feed(connection, hello("6aeg", &format!("{uri} {BOB}"), &back));
        assert_eq!(world.frames(connection)[0].start_code(), 200);
        only(&mut world, bob, BOB, &format!("{uri} {back}"));
    }
    // By nobody else, whatever it says of itself: neither through the URI to other places ...
    let impostors = [
        tls(),
        plain(),
        certified(&["a.example.net"]),
        certified(&["inner.example.org"]),
    ];
    for peer in impostors {
        let mallory = world.accept(peer);
        world.feed(mallory, hello("6aeh", &format!("{uri} {MALLORY}"), &back));
        let codes: Vec<_> = world.frames(mallory).iter().map(Frame::start_code).collect();
        assert_eq!(codes, [481]);
        world.feed(mallory, hello("6aei", &format!("{uri} {BOB}"), &back));
        let codes: Vec<_> = world.frames(mallory).iter().map(Frame::start_code).collect();
        assert_eq!(codes, [481]);
    }
    assert!(world.connects.is_empty());
    // ... nor what is meant for alice, which still takes the relay's own connection.
    world.feed(bob, hello("6aej", &format!("{uri} {back}"), BOB));
    let arrived: usize = [inner, again]
        .map(|handle| world.frames(handle).len())
        .iter()
        .sum();
    assert_eq!(arrived, 1);
}

/// The next hop has to be the relay that the URI belongs to, by name.
// shows: 4976-6.4-02, 4976-9.3-04, 4976-9.3-05
#[test]
fn through_a_relays_uri_there_is_no_way_to_third_parties() {
    let (mut world, inner, uri) = chain();
    for next in [
        MALLORY,
        "msrps://a.example.net:2855/x;tcp",
        "msrp://inner.example.com:2855/jui787s2f;tcp",
        "msrps://inner.example.com/jui787s2f;tcp",
        BOB,
    ] {
        let bob = world.accept(tls());
        world.feed(bob, hello("6aef", &format!("{uri} {next} {ALICE}"), BOB));
        assert_eq!(world.frames(bob)[0].start_code(), 481, "{next}");
    }
    let bob = world.accept(tls());
    world.feed(bob, hello("6aef", &uri, BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 481);
    assert_eq!(world.octets(inner), b"");
    assert!(world.connects.is_empty());
}

// shows: 4976-6.3-08, 4976-6.4.2-02, 4976-6.4.2-03, 4976-9.2-05
#[test]
fn when_the_relays_connection_breaks_its_uris_stay_and_the_next_message_calls_it() {
    let (mut world, inner, uri) = chain();
    let bob = world.accept(tls());
    let back = format!("{INNER} {ALICE}");
    let path = format!("{uri} {back}");
    // What is on its way is lost, and told of.
    world.feed(bob, hello("6aef", &path, BOB));
    world.reset(inner);
    assert_eq!(world.relay.bindings(), 1);
    let frames = world.frames(bob);
    assert_eq!(
        frames.last().unwrap().header("Status"),
        Some("000 408 Request Timeout")
    );

    let message = |id: &str, message: &str| hello(id, &path, BOB).replace("87652", message);
    world.feed(bob, message("6aeg", "sec0nd") + &message("6aeh", "th1rd"));
    let (_, target) = &world.connects[0];
    assert_eq!(
        (target.scheme, &*target.host, target.port),
        (Scheme::Msrps, "inner.example.com", Some(2855))
    );
    assert_eq!(target.trust, Trust::Pki);
    assert!(
        target.client_identity,
        "between relays both ends show a certificate"
    );
    assert_eq!(world.connects.len(), 1);
    let inner = world.connect(Ok(certified(&["inner.example.com"]))).unwrap();
    let frames = world.frames(inner);
    assert_eq!(frames.len(), 2);
    assert_eq!((frames[0].to_path(), frames[1].to_path()), (&*back, &*back));
    let codes: Vec<_> = world.frames(bob).iter().map(Frame::start_code).collect();
    assert_eq!(codes, [200, 200]);
    // And what alice sends comes back over it.
    world.feed(inner, hello("6aei", &format!("{uri} {BOB}"), &back));
    assert_eq!(world.frames(bob).len(), 1);
    // A new AUTH too: this is that relay, whoever called.
    let frame = world.auth_by_way(inner, &back, "bob", "hidden", "");
    assert_eq!(frame.start_code(), 200);
    assert!(
        frame
            .header("Use-Path")
            .unwrap()
            .contains(" msrps://relay.example.com:2855/")
    );
}

#[test]
fn a_relay_that_calls_again_is_not_called() {
    let (mut world, inner, uri) = chain();
    let bob = world.accept(tls());
    let back = format!("{INNER} {ALICE}");
    world.eof(inner);
    assert!(
        world
            .events
            .iter()
            .any(|event| matches!(event, RelayEvent::ConnectionClosed { .. }))
    );
    let again = world.accept(certified(&["inner.example.com"]));
    world.feed(again, hello("6aef", &format!("{uri} {BOB}"), &back));
    // Bob has not sent anything yet, so he is called.
    assert_eq!(world.connects.remove(0).1.host, "bob.example.com");
    world.feed(bob, hello("6aeg", &format!("{uri} {back}"), BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 200);
    assert!(world.connects.is_empty());
    let to_alice = world
        .frames(again)
        .into_iter()
        .find(|frame| frame.start == "SEND")
        .unwrap();
    assert_eq!(to_alice.to_path(), back);
}

// shows: 4976-6.4.1-07
#[test]
fn a_relay_that_cannot_be_called_again_is_reported() {
    let (mut world, inner, uri) = chain();
    let bob = world.accept(tls());
    world.eof(inner);
    world.feed(bob, hello("6aef", &format!("{uri} {INNER} {ALICE}"), BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 200);
    world.connect(Err(ConnectFailure::Refused));
    let report = world.frames(bob).remove(0);
    assert_eq!(
        (&*report.start, report.header("Status")),
        ("REPORT", Some("000 408 Request Timeout"))
    );
    assert_eq!((report.to_path(), report.back_path()), (BOB, &*uri));
    // Another may answer the call by now.
    let second = hello("6aeg", &format!("{uri} {INNER} {ALICE}"), BOB).replace("87652", "sec0nd");
    world.feed(bob, second);
    let inner = world.connect(Ok(certified(&["inner.example.com"]))).unwrap();
    assert_eq!(world.frames(inner).len(), 1);
    assert_eq!(world.relay.bindings(), 1);
}

/// Both ends of a session use this relay, one of them through another: it stands in the path twice.
#[test]
fn a_client_of_ours_and_one_behind_a_relay_talk_through_us_at_once() {
    let (mut world, inner, uri) = chain();
    let (bob, bob_uri) = world.client("bob", "hidden");
    let back = format!("{INNER} {ALICE}");
    let to_alice = format!("{bob_uri} {uri} {back}");
    let to_bob = format!("{uri} {bob_uri} {BOB}");
    world.feed(bob, hello("6aef", &to_alice, BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 200);
    only(&mut world, inner, &back, &format!("{uri} {bob_uri} {BOB}"));
    world.feed(inner, hello("6aeg", &to_bob, &back));
    assert_eq!(world.frames(inner)[0].start_code(), 200);
    only(&mut world, bob, BOB, &format!("{bob_uri} {uri} {back}"));
    // Nor is this a way past the check of the next hop.
    world.feed(bob, hello("6aeh", &format!("{bob_uri} {uri} {MALLORY}"), BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 481);
    // The relay has gone: called again, and what goes wrong then is told to the whole way back.
    world.eof(inner);
    world.octets(bob);
    let second = hello("6aei", &to_alice, BOB).replace("87652", "sec0nd");
    world.feed(bob, &second);
    let inner = world.connect(Ok(certified(&["inner.example.com"]))).unwrap();
    only(&mut world, inner, &back, &format!("{uri} {bob_uri} {BOB}"));
    assert_eq!(world.frames(bob)[0].start_code(), 200);
    world.eof(inner);
    world.octets(bob);
    world.feed(bob, second.replace("sec0nd", "th1rd").replace("6aei", "6aej"));
    world.connect(Err(ConnectFailure::TimedOut));
    let report = world.frames(bob).pop().unwrap();
    assert_eq!((&*report.start, report.to_path()), ("REPORT", BOB));
    assert_eq!(report.back_path(), bob_uri);
}

/// Two clients behind the same relay, which both go out through us.
#[test]
fn two_clients_behind_one_relay_talk_through_us() {
    let (mut world, inner, uri) = chain();
    let carol_inner = "msrps://inner.example.com:2855/c4r0l;tcp";
    let carol = "msrps://carol.example.com:1/c;tcp";
    let frame = world.auth_by_way(inner, &format!("{carol_inner} {carol}"), "bob", "hidden", "");
    let (_, carol_uri) = frame.header("Use-Path").unwrap().split_once(' ').unwrap();
    let from = format!("{INNER} {ALICE}");
    world.feed(
        inner,
        hello("6aef", &format!("{uri} {carol_uri} {carol_inner} {carol}"), &from),
    );
    let frames = world.frames(inner);
    assert_eq!(frames.len(), 2);
    let passed = frames.iter().find(|frame| frame.start == "SEND").unwrap();
    assert_eq!(passed.to_path(), format!("{carol_inner} {carol}"));
    assert_eq!(passed.back_path(), format!("{carol_uri} {uri} {from}"));
    // Or only one of them does.
    world.feed(
        inner,
        hello("6aeg", &format!("{uri} {carol_inner} {carol}"), &from),
    );
    let frames = world.frames(inner);
    let passed = frames.iter().find(|frame| frame.start == "SEND").unwrap();
    assert_eq!(passed.to_path(), format!("{carol_inner} {carol}"));
    assert!(world.connects.is_empty());
}

/// Nobody draws to itself what is meant for a relay that is known by name, not even with the session's token in hand.
#[test]
fn nobody_passes_for_a_known_relay_on_the_way_back() {
    let mut world = World::with(outer());
    let (alice, uri) = world.client("alice", "secret");
    let theirs = "msrps://a.example.net:2855/t0k3n;tcp";
    let from = format!("{theirs} {BOB}");
    let mallory = world.accept(tls());
    world.feed(mallory, hello("6aef", &format!("{uri} {ALICE}"), &from));
    world.octets(alice);
    world.feed(alice, hello("6aeg", &format!("{uri} {from}"), ALICE));
    assert_eq!(world.connects[0].1.host, "a.example.net");
    world.connect(Err(ConnectFailure::TimedOut));
    let genuine = world.accept(certified(&["a.example.net"]));
    world.feed(genuine, hello("6aeh", &format!("{uri} {ALICE}"), &from));
    world.octets(genuine);
    let second = hello("6aei", &format!("{uri} {from}"), ALICE).replace("87652", "sec0nd");
    world.feed(alice, second);
    assert_eq!(world.frames(genuine).len(), 1);
}

// shows: 4976-G-01
#[test]
fn no_path_leads_in_a_circle() {
    let (mut world, inner, uri) = chain();
    let (alice, other) = world.client("alice", "secret");
    let back = format!("{INNER} {ALICE}");
    let made_up = "msrps://relay.example.com:2855/aaaaaaaaaaaaaaaaaaaaaaaaaa;tcp";
    for (connection, to) in [
        (alice, format!("{other} {other} {ALICE}")),
        (alice, format!("{other} {made_up} {ALICE}")),
        (alice, format!("{other} {other} {uri} {back}")),
        (inner, format!("{uri} {uri} {back}")),
        (inner, format!("{uri} {made_up} {back}")),
        (
            inner,
            format!("{uri} msrps://relay.example.com:2857/x;tcp {back}"),
        ),
    ] {
        world.feed(
            connection,
            hello("6aef", &to, if connection == inner { &back } else { ALICE }),
        );
        let codes: Vec<_> = world.frames(connection).iter().map(Frame::start_code).collect();
        if to.contains(":2857") {
            // Another relay of that name, for all we know.
            assert_eq!(world.connects.remove(0).1.port, Some(2857));
        } else {
            assert_eq!(codes, [481], "{to}");
        }
    }
    // Out to the relay and back with a token that it has not: its last step is refused.
    let path = format!("{other} {uri} {back}");
    world.feed(alice, hello("6aeg", &path, ALICE));
    only(&mut world, inner, &back, &format!("{uri} {other} {ALICE}"));
    world.feed(
        inner,
        hello(
            "6aeh",
            &format!("{made_up} {back}"),
            &format!("{INNER} {uri} {other} {ALICE}"),
        ),
    );
    let frames = world.frames(inner);
    assert_eq!(frames[0].start_code(), 481);
    assert!(!world.closed(inner));
    // A path has an end: 16 URIs.
    let long = [&*uri; 17].join(" ");
    world.feed(inner, hello("6aei", &long, &back));
    assert!(world.frames(inner).iter().all(|frame| frame.start != "SEND"));
    assert!(world.connects.is_empty());
}

#[test]
fn a_uri_behind_a_relay_is_dead_after_its_time_though_the_connection_lives() {
    let (mut world, inner, uri) = chain();
    let bob = world.accept(tls());
    let path = format!("{uri} {INNER} {ALICE}");
    world.advance(Duration::from_secs(20));
    world.feed(bob, hello("6aef", &path, BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 200);
    assert_eq!(world.frames(inner).len(), 1);
    world.advance(Duration::from_secs(581));
    world.feed(bob, hello("6aeg", &path, BOB));
    assert_eq!(world.frames(bob).last().unwrap().start_code(), 481);
}

/// The relay is being called, and a part of a message waits for that; meanwhile it calls by itself. The rest of the message
/// does not overtake the part that waits.
#[test]
fn a_message_that_waits_for_a_relay_is_not_overtaken_by_its_own_end() {
    let (mut world, inner, uri) = chain();
    let bob = world.accept(tls());
    let back = format!("{INNER} {ALICE}");
    world.eof(inner);
    let path = format!("{uri} {back}");
    world.feed(bob, send("6aef", &path, BOB, "", "1-5/10", "first", '+'));
    assert_eq!(world.connects.len(), 1);
    let again = world.accept(certified(&["inner.example.com"]));
    world.feed(again, hello("6aeg", &format!("{uri} {BOB}"), &back));
    world.feed(bob, send("6aeh", &path, BOB, "", "6-10/10", " then", '$'));
    let bodies = |frames: Vec<Frame>| -> Vec<Vec<u8>> {
        let sends = frames.iter().filter(|frame| frame.start == "SEND");
        sends.map(|frame| frame.body().to_vec()).collect()
    };
    assert_eq!(bodies(world.frames(again)), [b""; 0]);
    // Bob is called for what alice says; he is there already, but has said nothing that would tell.
    let relay = world
        .connects
        .iter()
        .position(|(_, target)| target.host == "inner.example.com")
        .unwrap();
    world.connects.swap(0, relay);
    let called = world.connect(Ok(certified(&["inner.example.com"]))).unwrap();
    assert_eq!(
        bodies(world.frames(called)),
        [b"first".to_vec(), b" then".to_vec()]
    );
}

/// Two relays have called each other at the same time. What has begun over one of the connections goes on over it.
#[test]
fn a_way_that_we_opened_is_not_left_for_another() {
    let mut world = World::with(outer());
    let (alice, uri) = world.client("alice", "secret");
    let theirs = "msrps://a.example.net:2855/t0k3n;tcp";
    let path = format!("{uri} {theirs} {BOB}");
    world.feed(alice, send("6aef", &path, ALICE, "", "1-5/10", "first", '+'));
    let opened = world.connect(Ok(certified(&["a.example.net"]))).unwrap();
    let called = world.accept(certified(&["a.example.net"]));
    world.feed(
        called,
        hello("6aeg", &format!("{uri} {ALICE}"), &format!("{theirs} {BOB}")),
    );
    world.octets(called);
    world.feed(alice, send("6aeh", &path, ALICE, "", "6-10/10", " then", '$'));
    assert_eq!(world.octets(called), b"");
    assert_eq!(world.frames(opened).len(), 2);
    // When it ends, the other one is there.
    world.eof(opened);
    world.octets(called);
    world.feed(
        called,
        hello("6aei", &format!("{uri} {ALICE}"), &format!("{theirs} {BOB}")),
    );
    world.octets(called);
    world.feed(alice, hello("6aej", &path, ALICE).replace("87652", "sec0nd"));
    assert_eq!(world.frames(called).len(), 1);
}

/// An endpoint without a relay binds its session to the connection by which it comes, even while it is being called for
/// another session.
#[test]
fn an_endpoint_is_answered_by_the_connection_it_came_by() {
    let mut world = World::with(outer());
    let (alice, uri) = world.client("alice", "secret");
    let (other, other_uri) = world.client("alice", "secret");
    world.feed(other, hello("6aef", &format!("{other_uri} {BOB}"), ALICE));
    let bob = world.accept(tls());
    let second = "msrps://bob.example.com:8493/bar13;tcp";
    world.feed(bob, hello("6aeg", &format!("{uri} {ALICE}"), second));
    let called = world.connect(Ok(tls())).unwrap();
    world.octets(bob);
    world.feed(alice, hello("6aeh", &format!("{uri} {second}"), ALICE));
    assert_eq!((world.frames(called).len(), world.frames(bob).len()), (1, 1));
}
