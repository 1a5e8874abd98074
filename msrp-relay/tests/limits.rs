//! What one user, or one address, may take of the relay; and a lack of room.

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::{
    grammar::{Status, StatusCode},
    node::{Node, PeerInfo, Refused},
};
use msrp_relay::{
    RelayConfig, UserLimits,
    policy::{AllowAll, RelayPolicy},
};

fn limited(limits: UserLimits) -> RelayConfig {
    config().user_limits(limits)
}

#[test]
fn a_user_has_as_many_sessions_as_he_may_and_gets_403_for_more() {
    let mut world = World::with(limited(UserLimits::new().sessions(2)));
    let (first, _) = world.client("alice", "secret");
    world.auth(first, "alice", "secret");
    let other = world.accept(tls());
    let refused = world.try_auth(other, "alice", "secret", "");
    assert_eq!(refused.start, "403 Too Many Sessions");
    // Others have their own.
    world.client("bob", "hidden");
    // One of hers runs out: there is room for another.
    world.eof(first);
    assert_eq!(world.relay.bindings(), 1);
    world.auth(other, "alice", "secret");
    let stats = world.relay.stats();
    assert_eq!((stats.auth_too_many_sessions, stats.auth_granted), (1, 4));
}

#[test]
fn a_session_that_runs_out_makes_room() {
    let mut world = World::with(limited(UserLimits::new().sessions(1)));
    let (alice, _) = world.client("alice", "secret");
    assert_eq!(world.try_auth(alice, "alice", "secret", "").start_code(), 403);
    world.advance(Duration::from_secs(601));
    world.auth(alice, "alice", "secret");
}

/// As many chunks as this, one after the other.
fn chunks(count: usize, to: &str) -> String {
    (0..count)
        .map(|number| send(&format!("c{number:03}"), to, ALICE, "", "1-5/5", "hello", '$'))
        .collect()
}

#[test]
fn who_sends_faster_than_he_may_is_read_later_and_loses_nothing() {
    let limits = UserLimits::new().chunks(10).burst(Duration::from_secs(1));
    let mut world = World::with(limited(limits));
    let ((alice, alices), (bob, bobs)) = world.pair();
    let to = format!("{alices} {bobs} {BOB}");
    world.feed(alice, chunks(100, &to));
    // A second's worth, and the one that was too much.
    assert_eq!(world.frames(bob).len(), 11);
    assert!(!world.relay_wants_read(alice), "she is not read");
    let mut got = 11;
    for _ in 0..20 {
        world.advance(Duration::from_millis(500));
        got += world.frames(bob).len();
    }
    assert_eq!(got, 100, "nothing is lost, and 89 take 9 s");
    assert!(world.relay_wants_read(alice));
    let answers = world.frames(alice);
    assert!(answers.iter().all(|answer| answer.start_code() == 200));
    assert_eq!(answers.len(), 100);
    assert_eq!(world.relay.stats().paused_for_rate, 90);
    // Bob is another user.
    let back = format!("{bobs} {alices} {ALICE}");
    world.feed(bob, send("b001", &back, BOB, "", "1-5/5", "hello", '$'));
    assert_eq!(world.frames(alice).len(), 1);
}

#[test]
fn the_rate_of_octets_holds_for_a_message_of_any_length() {
    let limits = UserLimits::new().octets(10_000).burst(Duration::from_secs(1));
    let mut world = World::with(limited(limits));
    let ((alice, alices), (bob, bobs)) = world.pair();
    let to = format!("{alices} {bobs} {BOB}");
    let head = format!(
        "MSRP long SEND\r\nTo-Path: {to}\r\nFrom-Path: {ALICE}\r\nMessage-ID: 87652\r\nByte-Range: 1-*/50000\r\n\
         Content-Type: text/plain\r\n\r\n"
    );
    world.feed(alice, head + &"x".repeat(5_000));
    let begun = world.elapsed();
    for _ in 0..9 {
        while !world.relay_wants_read(alice) {
            world.advance(Duration::from_millis(100));
        }
        world.feed(alice, "x".repeat(5_000));
    }
    let took = world.elapsed() - begun;
    world.feed(alice, "\r\n-------long$\r\n");
    for _ in 0..100 {
        world.advance(Duration::from_millis(100));
    }
    let octets: usize = world.frames(bob).iter().map(|frame| frame.body().len()).sum();
    assert_eq!(octets, 50_000);
    // All but a second's worth, and the slice that made that full.
    assert!(took >= Duration::from_millis(3_500), "{took:?}");
    assert!(world.relay.stats().paused_for_rate > 0);
}

#[test]
fn a_policy_may_let_some_users_have_more() {
    struct Generous;
    impl RelayPolicy for Generous {
        fn user_limits(&mut self, user: &str, usual: UserLimits) -> UserLimits {
            if user == "bob" { UserLimits::new() } else { usual }
        }
    }
    let usual = UserLimits::new().sessions(1);
    assert_eq!(AllowAll.user_limits("bob", usual), usual);
    let mut world = World::with(limited(usual).policy(Generous));
    let (alice, _) = world.client("alice", "secret");
    assert_eq!(world.try_auth(alice, "alice", "secret", "").start_code(), 403);
    let (bob, _) = world.client("bob", "hidden");
    world.auth(bob, "bob", "hidden");
}

#[test]
fn an_address_has_as_many_connections_as_it_may() {
    let mut world = World::with(config().max_connections_per_address(2));
    let from = |address: &str| PeerInfo::new().with_remote(address.parse().unwrap());
    let first = world.accept(from("192.0.2.1:1000"));
    world.accept(from("192.0.2.1:1001"));
    assert_eq!(world.try_accept(from("192.0.2.1:1002")), Err(Refused::Policy));
    world.accept(from("192.0.2.2:1000"));
    // A host has all addresses of its IPv6 network to choose from.
    world.accept(from("[2001:db8::1]:1000"));
    world.accept(from("[2001:db8::2]:1000"));
    assert_eq!(world.try_accept(from("[2001:db8::3]:1000")), Err(Refused::Policy));
    world.accept(from("[2001:db8:0:1::1]:1000"));
    world.reset(first);
    world.accept(from("192.0.2.1:1003"));
    assert_eq!(world.relay.stats().refused_by_address, 2);
    assert_eq!(world.relay.stats().refused, 2);
}

// shows: 4976-6.5-03
#[test]
fn when_the_driver_has_no_room_the_longest_idle_connection_is_closed() {
    let mut world = World::new();
    let idle = world.accept(tls());
    world.feed(
        idle,
        format!("MSRP aut1 AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {ALICE}\r\n-------aut1$\r\n"),
    );
    world.advance(Duration::from_secs(20));
    let (alice, uri) = world.client("alice", "secret");
    let bob = world.accept(tls());
    world.feed(
        bob,
        send("6aef", &format!("{uri} {ALICE}"), BOB, "", "1-5/5", "hello", '$'),
    );
    world.advance(Duration::from_secs(5));
    let later = world.accept(tls());
    world.feed(
        later,
        send("6aef", &format!("{uri} {ALICE}"), BOB, "", "1-5/5", "hello", '$'),
    );
    // Nobody has been idle for long enough to be missed by nobody.
    assert!(!world.relay.make_room(world.now));
    world.advance(Duration::from_secs(90));
    assert!(world.relay.make_room(world.now));
    world.turn();
    assert!(
        world.closed(bob),
        "silent for longer than the other, and without a URI"
    );
    assert!(!world.closed(later) && !world.closed(alice));
    assert_eq!(world.relay.stats().evicted, 1);
}

#[test]
fn what_happens_is_counted_by_reason() {
    let mut world = World::new();
    let ((alice, alices), (bob, bobs)) = world.pair();
    world.feed(
        alice,
        send(
            "6aef",
            &format!("{alices} {bobs} {BOB}"),
            ALICE,
            "",
            "1-5/5",
            "hello",
            '$',
        ),
    );
    let got = world.frames(bob).remove(0);
    let report = |code: StatusCode| {
        format!(
            "MSRP r{code}x REPORT\r\nTo-Path: {}\r\nFrom-Path: {BOB}\r\nMessage-ID: 87652\r\nByte-Range: 1-5/5\r\nStatus: {}\r\n-------r{code}x$\r\n",
            got.back_path(),
            Status::new(code),
        )
    };
    world.feed(bob, report(StatusCode::OK));
    world.feed(bob, report(StatusCode::STOP_SENDING));
    world.feed(bob, report(StatusCode::STOP_SENDING));
    world.advance(Duration::from_millis(20));
    let answer = format!(
        "MSRP {} 200 OK\r\nTo-Path: {}\r\nFrom-Path: {BOB}\r\n-------{}$\r\n",
        got.id,
        got.back_path().split(' ').next().unwrap(),
        got.id,
    );
    world.feed(bob, answer);
    world.eof(alice);
    let stats = *world.relay.stats();
    fn count(mut counts: impl Iterator<Item = (&'static str, u64)>, label: &str) -> u64 {
        counts.find(|(known, _)| *known == label).unwrap().1
    }
    assert_eq!(count(stats.reports_by_code.iter(), "200"), 1);
    assert_eq!(count(stats.reports_by_code.iter(), "413"), 2);
    assert_eq!(count(stats.closed_by.iter(), "eof"), 1);
    assert_eq!((stats.passed_here.messages, stats.passed_here.octets), (1, 5));
    assert_eq!(stats.held.count(), 1);
    assert_eq!((stats.hop_answers.count(), stats.hop_answers.sum()), (1, 20_000));
    assert!(stats.waiting.count() > 0);
    // What two relays have counted comes together.
    let mut both = stats;
    both += &stats;
    assert_eq!((both.passed_here.messages, both.auth_granted), (2, 4));
}

#[test]
fn a_session_is_ended_by_its_name() {
    let mut world = World::new();
    let (alice, first) = world.client("alice", "secret");
    let second = world.auth(alice, "alice", "secret");
    let names: Vec<_> = world.relay.sessions(None).map(|session| session.id).collect();
    assert_eq!(names.len(), 2);
    let told = world.relay.session(names[0]).unwrap();
    assert_eq!(
        (told.user, told.connection, told.closing),
        ("alice", Some(alice), false)
    );
    assert_eq!(told.expires - told.since, Duration::from_secs(600));
    let rest: Vec<_> = world
        .relay
        .sessions(Some(names[0]))
        .map(|session| session.id)
        .collect();
    assert_eq!(rest, names[1..]);
    // Half a message from alice is under way over the first when that is ended.
    let (bob, bobs) = world.client("bob", "hidden");
    let to = format!("{first} {bobs} {BOB}");
    let whole = send("long", &to, ALICE, "", "1-*/5000", &"x".repeat(5_000), '$');
    world.feed(alice, &whole[..whole.len() - 1_000]);
    world
        .command(msrp_relay::RelayCommand::EndSession(names[0]))
        .unwrap();
    let last = world.frames(bob).pop().unwrap();
    assert_eq!(last.flag, '#', "its receiver is told");
    assert!(world.relay.session(names[0]).is_none());
    assert!(!world.closed(alice), "it has another URI");
    world.feed(
        bob,
        send(
            "6aef",
            &format!("{first} {ALICE}"),
            BOB,
            "",
            "1-5/5",
            "hello",
            '$',
        ),
    );
    assert_eq!(world.frames(bob)[0].start_code(), 481);
    world.feed(
        bob,
        send(
            "6aef",
            &format!("{second} {ALICE}"),
            BOB,
            "",
            "1-5/5",
            "hello",
            '$',
        ),
    );
    assert_eq!(world.frames(bob)[0].start_code(), 200);
    world
        .command(msrp_relay::RelayCommand::EndSession(names[1]))
        .unwrap();
    assert!(world.closed(alice), "it had no other");
    assert_eq!(
        world.command(msrp_relay::RelayCommand::EndSession(names[1])),
        Err(msrp_relay::RelayRejected::UnknownSession)
    );
    assert_eq!(world.relay.stats().sessions_ended, 2);
}

#[test]
fn behind_another_relay_who_sends_too_fast_is_refused_and_the_others_are_not() {
    const INNER: &str = "msrps://inner.example.com:2855/jui787s2f;tcp";
    let limits = UserLimits::new().chunks(10).burst(Duration::from_secs(1));
    let mut world = World::with(limited(limits).peer_relay("inner.example.com"));
    let inner = world.accept(certified(&["inner.example.com"]));
    let back = format!("{INNER} {ALICE}");
    let uri_of = |world: &mut World, user: &str, password: &str| {
        let granted = world.auth_by_way(inner, &back, user, password, "");
        let (_, uri) = granted.header("Use-Path").unwrap().split_once(' ').unwrap();
        uri.to_owned()
    };
    let (alices, bobs) = (
        uri_of(&mut world, "alice", "secret"),
        uri_of(&mut world, "bob", "hidden"),
    );
    // Both talk to a third.
    let (carol, carols) = world.client("bob", "hidden");
    let codes = |world: &mut World, count: usize, uri: &str| {
        let to = format!("{uri} {carols} {BOB}");
        let text: String = (0..count)
            .map(|number| send(&format!("c{number:03}"), &to, &back, "", "1-5/5", "hello", '$'))
            .collect();
        world.feed(inner, text);
        let answers = world.frames(inner);
        assert_eq!(answers.len(), count);
        let of = |code: u16| {
            answers
                .iter()
                .filter(|answer| answer.start_code() == code)
                .count()
        };
        (of(200), of(413))
    };
    assert_eq!(codes(&mut world, 30, &alices), (11, 19));
    assert!(world.relay_wants_read(inner), "others use the same connection");
    assert_eq!(codes(&mut world, 5, &bobs), (5, 0));
    world.advance(Duration::from_secs(1));
    assert_eq!(codes(&mut world, 20, &alices), (10, 10));
    assert_eq!(world.frames(carol).len(), 26);
    let stats = world.relay.stats();
    assert_eq!((stats.refused_over_rate, stats.paused_for_rate), (29, 0));
}
