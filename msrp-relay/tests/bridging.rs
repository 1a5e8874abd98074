//! A relay between networks: by which interface a session leaves, and which of the relay's names each side sees.

mod harness;

use harness::*;
use msrp_core::{
    grammar::Scheme,
    node::{ConnectFailure, ConnectionHandle, ListenerId, PeerInfo, Target},
};
use msrp_relay::{
    RelayConfig, RelayListener,
    policy::{Lookup, NextHop, RoutePolicy, RouteQuery},
};

const OUTSIDE: ListenerId = ListenerId(0);
const INSIDE: ListenerId = ListenerId(2);
const CAROL: &str = "msrp://carol.example.com:7000/k3;tcp";

/// Users whose names begin with a go out by one interface, others by the other.
struct ByUser;

impl RoutePolicy for ByUser {
    fn next_hop(&mut self, query: &RouteQuery<'_>) -> Lookup<NextHop> {
        let interface = if query.user == "alice" { OUTSIDE } else { INSIDE };
        let target = Target::new(
            query.next.scheme(),
            query.next.normalized_host(),
            query.next.port(),
        );
        Lookup::Ready(NextHop::Via(target.with_interface(interface)))
    }
}

fn networks() -> RelayConfig {
    config()
        .listen(RelayListener::new(INSIDE, Scheme::Msrps, 9000).host("inside.example.org"))
        .route_policy(ByUser)
}

fn inside() -> PeerInfo {
    tls().with_listener(INSIDE)
}

/// A client of the inside network.
fn client(world: &mut World, user: &str, password: &str) -> (ConnectionHandle, String) {
    let handle = world.accept(inside());
    let uri = world.auth(handle, user, password);
    assert!(uri.starts_with("msrps://inside.example.org:9000/"), "{uri}");
    (handle, uri)
}

fn under(name: &str, uri: &str) -> String {
    format!("{name}/{}", uri.rsplit_once('/').unwrap().1)
}

fn outside(uri: &str) -> String {
    under("msrps://relay.example.com:2855", uri)
}

#[test]
fn the_policy_chooses_the_interface_of_each_session_and_connections_are_not_shared_between_interfaces() {
    let mut world = World::with(networks());
    let (alice, alice_uri) = client(&mut world, "alice", "secret");
    let (bob, bob_uri) = client(&mut world, "bob", "hidden");
    world.feed(
        alice,
        send(
            "a001",
            &format!("{alice_uri} {CAROL}"),
            ALICE,
            "",
            "1-5/5",
            "hello",
            '$',
        ),
    );
    world.feed(
        bob,
        send(
            "b001",
            &format!("{bob_uri} {CAROL}"),
            BOB,
            "",
            "1-5/5",
            "hello",
            '$',
        ),
    );
    let interfaces: Vec<_> = world
        .connects
        .iter()
        .map(|(_, target)| target.interface)
        .collect();
    assert_eq!(interfaces, [Some(OUTSIDE), Some(INSIDE)]);
    let first = world.connect(Ok(PeerInfo::new())).unwrap();
    let second = world.connect(Ok(PeerInfo::new())).unwrap();
    assert_eq!(world.frames(first)[0].back_path(), format!("{alice_uri} {ALICE}"));
    assert_eq!(world.frames(second)[0].back_path(), format!("{bob_uri} {BOB}"));
    // A second session of the same user shares the connection.
    let again = world.auth(alice, "alice", "secret");
    world.feed(
        alice,
        send(
            "a002",
            &format!("{again} {CAROL}"),
            ALICE,
            "",
            "1-5/5",
            "again",
            '$',
        ),
    );
    assert!(world.connects.is_empty());
    assert_eq!(world.frames(first)[0].body(), b"again");
}

#[test]
fn an_interface_that_cannot_be_used_is_reported_to_the_sender() {
    for failure in [ConnectFailure::WrongFamily, ConnectFailure::NoInterface] {
        let mut world = World::with(networks());
        let (alice, uri) = client(&mut world, "alice", "secret");
        world.feed(
            alice,
            send(
                "a001",
                &format!("{uri} {CAROL}"),
                ALICE,
                "",
                "1-5/5",
                "hello",
                '$',
            ),
        );
        world.connect(Err(failure));
        let frames = world.frames(alice);
        assert_eq!(frames[0].start_code(), 200);
        assert_eq!(frames[1].header("Status"), Some("000 408 Request Timeout"));
    }
}

/// A client inside, a peer outside that is no client: what each sees of the relay, and that all of it leads back.
#[test]
fn a_peer_sees_the_name_of_its_own_side_and_what_it_sees_leads_back() {
    for hide in [false, true] {
        let mut world = World::with(networks().hide_topology(hide));
        let (alice, uri) = client(&mut world, "alice", "secret");
        let path = format!("{uri} {CAROL}");
        world.feed(
            alice,
            send(
                "a001",
                &path,
                ALICE,
                "Success-Report: yes\r\n",
                "1-5/5",
                "hello",
                '$',
            ),
        );
        let carol = world.connect(Ok(PeerInfo::new())).unwrap();
        let shown = if hide { outside(&uri) } else { uri.clone() };
        let frame = world.frames(carol).remove(0);
        assert_eq!(frame.to_path(), CAROL);
        assert_eq!(frame.back_path(), format!("{shown} {ALICE}"));
        // The answer, a REPORT and a SEND of hers take the path as she saw it.
        world.feed(
            carol,
            format!(
                "MSRP {0} 200 OK\r\nTo-Path: {shown}\r\nFrom-Path: {CAROL}\r\n-------{0}$\r\n",
                frame.id
            ),
        );
        assert_eq!(world.relay.open_transactions(), 0);
        world.frames(alice);
        world.feed(
            carol,
            format!(
                "MSRP r001 REPORT\r\nTo-Path: {shown} {ALICE}\r\nFrom-Path: {CAROL}\r\nMessage-ID: 87652\r\n\
                 Byte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n-------r001$\r\n"
            ),
        );
        world.feed(
            carol,
            send("c001", &format!("{shown} {ALICE}"), CAROL, "", "1-2/2", "hi", '$'),
        );
        let answer = world.frames(carol).remove(0);
        assert_eq!((answer.start_code(), answer.back_path()), (200, shown.as_str()));
        for frame in world.frames(alice) {
            assert_eq!(frame.to_path(), ALICE);
            assert_eq!(frame.back_path(), format!("{uri} {CAROL}"), "{frame:?}");
        }
        // What she is told of a failure of hers has the name that she wrote.
        let lost = world.auth(alice, "alice", "secret");
        world.feed(
            carol,
            send(
                "c002",
                &format!("{} {ALICE}", outside(&lost)),
                CAROL,
                "",
                "1-2/2",
                "hi",
                '$',
            ),
        );
        world.reset(alice);
        let report = world.frames(carol).pop().unwrap();
        assert_eq!(report.header("Status"), Some("000 408 Request Timeout"));
        assert_eq!(
            (report.to_path(), report.back_path()),
            (CAROL, outside(&lost).as_str())
        );
    }
}

/// The long way and the short way, whole chunks and pieces, all show the same.
#[test]
fn every_way_of_forwarding_hides() {
    let mut world = World::with(networks().hide_topology(true));
    let (alice, uri) = client(&mut world, "alice", "secret");
    let path = format!("{uri} {CAROL}");
    world.feed(alice, send("a000", &path, ALICE, "", "1-5/5", "hello", '$'));
    let carol = world.connect(Ok(PeerInfo::new())).unwrap();
    for number in 1..20 {
        world.feed(
            alice,
            format!(
                "MSRP aaa{number} SEND\r\nTo-Path: {path}\r\nFrom-Path: {ALICE}\r\nMessage-ID: 8765{number}\r\n\
                 Byte-Range: 1-5/5\r\nContent-Type: text/plain\r\n\r\nhello\r\n-------aaa{number}$\r\n"
            ),
        );
    }
    world.feed(
        alice,
        send("long", &path, ALICE, "", "1-*/*", &"x".repeat(10_000), '$'),
    );
    world.feed(
        alice,
        format!("MSRP f001 FOO\r\nTo-Path: {path}\r\nFrom-Path: {ALICE}\r\n-------f001$\r\n"),
    );
    let frames = world.frames(carol);
    assert!(frames.len() >= 22, "{}", frames.len());
    for frame in &frames {
        assert_eq!(
            frame.back_path(),
            format!("{} {ALICE}", outside(&uri)),
            "{frame:?}"
        );
    }
    assert!(world.relay.stats().lanes_opened > 0);
    // An answer from end to end comes back under the name that alice knows.
    let foo = frames.iter().find(|frame| frame.start == "FOO").unwrap();
    world.frames(alice);
    world.feed(
        carol,
        format!(
            "MSRP {0} 200 OK\r\nTo-Path: {1} {ALICE}\r\nFrom-Path: {CAROL}\r\n-------{0}$\r\n",
            foo.id,
            outside(&uri)
        ),
    );
    let answer = world.frames(alice).remove(0);
    assert_eq!((answer.id.as_str(), answer.start_code()), ("f001", 200));
    assert_eq!(answer.back_path(), format!("{uri} {CAROL}"));
}

/// Two clients on two networks: each sees both URIs of the relay under the name that its own URI has.
#[test]
fn two_clients_each_see_the_name_of_their_own_uri() {
    let mut world = World::with(networks().hide_topology(true));
    let (alice, alice_uri) = client(&mut world, "alice", "secret");
    let bob = world.accept(tls());
    let bob_uri = world.auth(bob, "bob", "hidden");
    assert_eq!(bob_uri, outside(&bob_uri));
    let shown_to_bob = format!("{bob_uri} {} {ALICE}", outside(&alice_uri));
    let shown_to_alice = format!(
        "{alice_uri} {} {BOB}",
        under("msrps://inside.example.org:9000", &bob_uri)
    );
    world.feed(
        alice,
        send(
            "a001",
            &format!("{alice_uri} {bob_uri} {BOB}"),
            ALICE,
            "",
            "1-5/5",
            "hello",
            '$',
        ),
    );
    let frame = world.frames(bob).remove(0);
    assert_eq!((frame.to_path(), frame.back_path()), (BOB, shown_to_bob.as_str()));
    // He answers along what he saw.
    world.feed(bob, send("b001", &shown_to_bob, BOB, "", "1-2/2", "hi", '$'));
    let frame = world.frames(alice).pop().unwrap();
    assert_eq!(
        (frame.to_path(), frame.back_path()),
        (ALICE, shown_to_alice.as_str())
    );
    world.feed(
        alice,
        send("a002", &shown_to_alice, ALICE, "", "1-2/2", "ok", '$'),
    );
    assert_eq!(world.frames(bob).pop().unwrap().body(), b"ok");
}

/// Where nothing tells on which network a peer is, the name is not touched.
#[test]
fn a_peer_of_unknown_network_sees_the_name_that_was_given_out() {
    let mut world = World::with(
        config()
            .listen(RelayListener::new(INSIDE, Scheme::Msrps, 9000).host("inside.example.org"))
            .hide_topology(true),
    );
    let (alice, uri) = client(&mut world, "alice", "secret");
    world.feed(
        alice,
        send(
            "a001",
            &format!("{uri} {CAROL}"),
            ALICE,
            "",
            "1-5/5",
            "hello",
            '$',
        ),
    );
    let carol = world.connect(Ok(PeerInfo::new())).unwrap();
    assert_eq!(world.frames(carol)[0].back_path(), format!("{uri} {ALICE}"));
}
