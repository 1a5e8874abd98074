//! What a Use-Path URI lets pass, from whom, and for how long (RFC 4976 §3.1, §6.2 to §6.4, §9.3).

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::node::{ListenerId, Security};
use msrp_relay::{RelayCommand, RelayEvent, RelayRejected};

const MALLORY: &str = "msrps://mallory.example.com:9999/evil;tcp";

fn hello(to: &str, from: &str) -> String {
    send("6aef", to, from, "", "1-5/5", "hello", '$')
}

// shows: 4976-6.4-02, 4976-9.3-04, 4976-3.1-01, 4976-1-02
#[test]
fn a_peer_without_a_relay_reaches_the_client_and_nothing_else() {
    let mut world = World::new();
    let (alice, uri) = world.client("alice", "secret");
    let bob = world.accept(tls());
    world.feed(bob, hello(&format!("{uri} {ALICE}"), BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 200);
    let frame = world.frames(alice).remove(0);
    assert_eq!(frame.to_path(), ALICE);
    assert_eq!(frame.back_path(), format!("{uri} {BOB}"));
    // Whatever stands behind the relay's URI, a third party's request goes to the URI's owner and nowhere else.
    world.feed(bob, hello(&format!("{uri} {MALLORY}"), BOB));
    assert_eq!(world.frames(alice)[0].to_path(), MALLORY);
    assert!(world.connects.is_empty());
}

// shows: 4976-6.4-01, 4976-6.3-13, 4976-6.4.1-14, 4976-6.4.1-16, 4976-9.3-04, 4976-3.1-01, 4976-6.3-14
#[test]
fn a_made_up_token_leads_nowhere() {
    let mut world = World::new();
    let (alice, uri) = world.client("alice", "secret");
    let mallory = world.accept(tls());
    let last = uri.len() - 5;
    let changed = if &uri[last..=last] == "a" { "b" } else { "a" };
    for wrong in [
        format!("msrps://{REALM}:2855/{};tcp", "a".repeat(26)),
        format!("msrps://{REALM}:2855/x;tcp"),
        format!("msrps://{REALM}:2855;tcp"),
        format!("{}{changed};tcp", &uri[..last]),
    ] {
        world.feed(mallory, hello(&format!("{wrong} {ALICE}"), MALLORY));
        let frame = world.frames(mallory).remove(0);
        assert_eq!(frame.start, "481 No Such Session", "{wrong}");
        assert_eq!(frame.back_path(), wrong);
    }
    assert_eq!(world.octets(alice), b"");
    assert_eq!(world.relay.stats().refused_no_session, 4);
}

// shows: 4976-6.3-13, 4976-3.1-01
#[test]
fn nobody_is_told_when_nothing_was_asked_for() {
    let mut world = World::new();
    let (alice, _) = world.client("alice", "secret");
    let path = format!("msrps://{REALM}:2855/{};tcp {ALICE}", "a".repeat(26));
    let mallory = world.accept(tls());
    let silent = send(
        "6aef",
        &path,
        MALLORY,
        "Failure-Report: no\r\n",
        "1-5/5",
        "hello",
        '$',
    );
    world.feed(mallory, silent);
    world.feed(
        mallory,
        format!(
            "MSRP r3p0 REPORT\r\nTo-Path: {path}\r\nFrom-Path: {MALLORY}\r\nMessage-ID: 87652\r\nByte-Range: 1-5/5\r\n\
             Status: 000 200 OK\r\n-------r3p0$\r\n"
        ),
    );
    assert_eq!(world.octets(mallory), b"");
    assert_eq!(world.octets(alice), b"");
    // A partial one wants errors, and is told.
    let partial = send(
        "6aeg",
        &path,
        MALLORY,
        "Failure-Report: partial\r\n",
        "1-5/5",
        "hello",
        '$',
    );
    world.feed(mallory, partial);
    assert_eq!(world.frames(mallory)[0].start_code(), 481);
}

// shows: 4976-6.4-02, 4976-9.3-04, 4976-6.3-09, 4976-6.3-02
#[test]
fn only_the_owner_goes_out_through_a_uri() {
    let mut world = World::new();
    let (alice, uri) = world.client("alice", "secret");
    let (other, _) = world.client("alice", "secret");
    // The same user on another connection is a third party too: it reaches the owner, not the world.
    world.feed(other, hello(&format!("{uri} {BOB}"), ALICE));
    assert!(world.connects.is_empty());
    assert_eq!(world.frames(alice)[0].to_path(), BOB);
    world.feed(alice, hello(&format!("{uri} {BOB}"), ALICE));
    assert_eq!(world.connects.len(), 1);
    assert_eq!(world.connects[0].1.host, "bob.example.com");
}

// shows: 4976-6.3-10, 4976-6.3-09
#[test]
fn a_uri_dies_with_its_connection() {
    let mut world = World::new();
    let ((alice, alice_uri), (bob, _)) = world.pair();
    world.reset(alice);
    assert_eq!(world.relay.bindings(), 1);
    world.feed(bob, hello(&format!("{alice_uri} {ALICE}"), BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 481);
    let (again, fresh) = world.client("alice", "secret");
    world.feed(again, hello(&format!("{alice_uri} {BOB}"), ALICE));
    assert_eq!(world.frames(again)[0].start_code(), 481);
    world.feed(bob, hello(&format!("{fresh} {ALICE}"), BOB));
    assert_eq!(world.frames(again)[0].body(), b"hello");
}

// shows: 4976-6.3-11, 4976-E-16
#[test]
fn a_uri_dies_when_its_time_is_over() {
    let mut world = World::new();
    let alice = world.accept(tls());
    let granted = world.try_auth(alice, "alice", "secret", "Expires: 60\r\n");
    let uri = granted.header("Use-Path").unwrap().to_owned();
    let bob = world.accept(tls());
    world.advance(Duration::from_millis(29_999));
    world.feed(bob, hello(&format!("{uri} {ALICE}"), BOB));
    world.frames(bob);
    world.advance(Duration::from_secs(30));
    world.frames(bob);
    world.feed(bob, hello(&format!("{uri} {ALICE}"), BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 200);
    world.advance(Duration::from_secs(1));
    world.feed(bob, hello(&format!("{uri} {ALICE}"), BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 481);
    assert_eq!(world.relay.bindings(), 0);
    assert!(world.events.iter().any(|event| matches!(
        event,
        RelayEvent::BindingExpired { connection, user, .. } if *connection == Some(alice) && user == "alice"
    )));
    assert!(!world.closed(alice));
}

// shows: 4976-6.2-03, 4976-E-05, 4976-G-05, 4976-6.4.1-16, 4976-6.4.1-17
#[test]
fn a_request_for_another_relay_is_refused_and_ends_a_connection_in_probation() {
    let mut world = World::new();
    let stranger = world.accept(tls());
    let elsewhere = format!("msrps://other.example.com:2855/token;tcp {BOB}");
    world.feed(stranger, hello(&elsewhere, MALLORY));
    assert_eq!(world.frames(stranger)[0].start_code(), 481);
    assert!(world.closed(stranger));
    // A client of ours is told, and ended only when it goes on.
    let (alice, _) = world.client("alice", "secret");
    for time in 1..=5 {
        assert!(!world.closed(alice), "{time}");
        world.feed(alice, hello(&elsewhere, ALICE));
        assert_eq!(world.frames(alice)[0].start_code(), 481);
    }
    assert!(world.closed(alice));
    assert!(world.connects.is_empty());
}

// shows: 4976-6.2-01, 4976-6.2-02, 4976-3-06
#[test]
fn a_request_that_breaks_a_rule_is_answered_400_and_its_neighbours_live() {
    let mut world = World::new();
    let ((alice, uri), (bob, bob_uri)) = world.pair();
    let path = format!("{uri} {bob_uri} {BOB}");
    world.feed(
        alice,
        format!(
            "MSRP 6aef SEND\r\nTo-Path: {path}\r\nFrom-Path: {ALICE}\r\nMessage-ID: 87652\r\nByte-Range: 0-5/5\r\n\
             Content-Type: text/plain\r\n\r\nhello\r\n-------6aef$\r\n"
        ),
    );
    assert_eq!(world.frames(alice)[0].start, "400 Bad Request");
    world.feed(alice, hello(&path, ALICE));
    assert_eq!(world.frames(alice)[0].start_code(), 200);
    assert_eq!(world.frames(bob).len(), 1);
    // A folded line is no header: framing is lost, and with it the connection, and no other.
    world.feed(
        alice,
        format!("MSRP 6aef SEND\r\nTo-Path: {path}\r\n {ALICE}\r\n"),
    );
    assert!(world.closed(alice));
    assert!(!world.closed(bob));
}

#[test]
fn a_path_that_ends_at_the_relay_is_no_session() {
    let mut world = World::new();
    let (alice, uri) = world.client("alice", "secret");
    world.feed(alice, hello(&uri, ALICE));
    assert_eq!(world.frames(alice)[0].start_code(), 481);
    world.feed(
        alice,
        format!("MSRP 6aef SEND\r\nTo-Path: {uri}\r\nFrom-Path: {ALICE}\r\n-------6aef$\r\n"),
    );
    assert_eq!(world.frames(alice)[0].start_code(), 481);
    let bob = world.accept(tls());
    world.feed(bob, hello(&uri, BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 481);
}

// shows: 4976-G-01
#[test]
fn the_relay_twice_with_two_tokens_is_a_way_and_with_one_token_is_none() {
    let mut world = World::new();
    let ((alice, one), (bob, two)) = world.pair();
    world.feed(alice, hello(&format!("{one} {two} {BOB}"), ALICE));
    let frame = world.frames(bob).remove(0);
    assert_eq!(frame.to_path(), BOB);
    assert_eq!(frame.back_path(), format!("{two} {one} {ALICE}"));
    for nowhere in [
        format!("{one} {one} {BOB}"),
        format!("{one} {two}"),
        format!("{one} {one}"),
    ] {
        world.feed(alice, hello(&nowhere, ALICE));
        let answers = world.frames(alice);
        assert_eq!(answers.last().unwrap().start_code(), 481, "{nowhere}");
        assert_eq!(world.octets(bob), b"");
    }
    // Three of ours: the third is for whoever stands behind the second.
    world.feed(alice, hello(&format!("{one} {two} {one} {BOB}"), ALICE));
    assert_eq!(world.frames(bob)[0].to_path(), format!("{one} {BOB}"));
}

#[test]
fn a_client_may_send_to_itself() {
    let mut world = World::new();
    let alice = world.accept(tls());
    let one = world.auth(alice, "alice", "secret");
    let two = world.auth(alice, "alice", "secret");
    let body = "x".repeat(700_000);
    let path = format!("{one} {two} {ALICE}");
    world.feed(alice, send("6aef", &path, ALICE, "", "1-*/700000", &body, '$'));
    let frames = world.frames(alice);
    let received: Vec<u8> = frames.iter().flat_map(|frame| frame.body().to_vec()).collect();
    assert_eq!(received, body.as_bytes());
    assert_eq!(frames.iter().filter(|frame| frame.start_code() == 200).count(), 1);
}

// shows: 4976-3.1-01
#[test]
fn uris_are_compared_by_the_rules_and_not_by_their_letters() {
    let mut world = World::new();
    let (alice, uri) = world.client("alice", "secret");
    let bob = world.accept(tls());
    for (same, code) in [
        (uri.replace("relay.example.com", "RELAY.Example.com"), 200),
        (uri.replace("msrps:", "MSRPS:"), 200),
        (uri.replace(";tcp", ";TCP"), 200),
        (uri.replace("//", "//user@"), 200),
        (format!("{uri};x=y"), 200),
        (uri.replace("msrps:", "msrp:"), 481),
        (uri.replace(":2855", ":2856"), 481),
        (uri.replace(":2855", ""), 481),
        (uri.to_uppercase().replace("MSRPS", "msrps"), 481),
    ] {
        world.feed(bob, hello(&format!("{same} {ALICE}"), BOB));
        assert_eq!(world.frames(bob)[0].start_code(), code, "{same}");
        let forwarded = world.frames(alice);
        assert_eq!(forwarded.len(), usize::from(code == 200), "{same}");
        if let Some(frame) = forwarded.first() {
            assert_eq!(frame.back_path(), format!("{same} {BOB}"));
        }
    }
}

// shows: 4976-8-02
#[test]
fn the_next_hop_of_a_send_spells_its_port() {
    let mut world = World::new();
    let (alice, uri) = world.client("alice", "secret");
    world.feed(
        alice,
        hello(&format!("{uri} msrps://bob.example.com/foo;tcp"), ALICE),
    );
    assert_eq!(world.frames(alice)[0].start_code(), 400);
    assert!(world.connects.is_empty());
}

// A peer says in From-Path where it is; what is meant for TLS must not be drawn to a connection without it, nor what is
// meant for a client of ours away from that client.
#[test]
fn a_peer_cannot_draw_others_messages_to_itself() {
    let mut world = World::new();
    let ((alice, alice_uri), (bob, bob_uri)) = world.pair();
    let mallory = world.accept(plain());
    for drawn in [BOB, bob_uri.as_str()] {
        world.feed(mallory, hello(&format!("{alice_uri} {ALICE}"), drawn));
        world.octets(mallory);
    }
    world.octets(alice);
    world.feed(alice, hello(&format!("{alice_uri} {bob_uri} {BOB}"), ALICE));
    assert_eq!(world.frames(bob).len(), 1);
    world.feed(alice, hello(&format!("{alice_uri} {BOB}"), ALICE));
    assert_eq!(world.octets(mallory), b"");
    assert_eq!(world.connects.len(), 1);
}

// shows: 4976-3-16, 4976-6.4.2-02, 4976-5.3-01
#[test]
fn what_a_client_sends_back_takes_the_connection_its_peer_came_by() {
    let mut world = World::new();
    let (alice, uri) = world.client("alice", "secret");
    let bob = world.accept(tls());
    world.feed(bob, hello(&format!("{uri} {ALICE}"), BOB));
    world.octets(bob);
    world.feed(alice, hello(&format!("{uri} {BOB}"), ALICE));
    assert!(world.connects.is_empty());
    assert_eq!(world.frames(bob)[0].to_path(), BOB);
    // When that is gone there is no other way than to call.
    world.eof(bob);
    let again = hello(&format!("{uri} {BOB}"), ALICE).replace("87652", "another");
    world.feed(alice, again);
    assert_eq!(world.connects.len(), 1);
}

#[test]
fn commands_withdraw_uris_and_end_connections() {
    let mut world = World::new();
    let ((alice, alice_uri), (bob, _)) = world.pair();
    assert_eq!(
        world.command(RelayCommand::RevokeUser("nobody".to_owned())),
        Err(RelayRejected::UnknownUser)
    );
    world
        .command(RelayCommand::RevokeUser("alice".to_owned()))
        .unwrap();
    world.feed(bob, hello(&format!("{alice_uri} {ALICE}"), BOB));
    assert_eq!(world.frames(bob)[0].start_code(), 481);
    assert!(!world.closed(alice));
    world.command(RelayCommand::EndConnection(alice)).unwrap();
    assert!(world.closed(alice));
    assert_eq!(
        world.command(RelayCommand::EndConnection(alice)),
        Err(RelayRejected::UnknownConnection)
    );
    let store = msrp_relay::MemoryAuthStore::new().with_password("carol", REALM, "new");
    world
        .command(RelayCommand::ReplaceAuthStore(Box::new(store)))
        .unwrap();
    let carol = world.accept(tls());
    assert_eq!(world.try_auth(carol, "alice", "secret", "").start_code(), 401);
    assert_eq!(world.try_auth(carol, "carol", "new", "").start_code(), 200);
}

// shows: 4976-9.2-11
#[test]
fn a_peer_without_tls_comes_in_by_a_plain_uri() {
    // Behind a terminator the client's TLS is not seen here, and its URI names the plain port.
    let mut world = World::with(config().allow_plain_auth(true));
    let alice = world.accept(plain());
    let uri = world.auth(alice, "alice", "secret");
    assert!(uri.starts_with("msrp://"));
    let bob = world.accept(plain().with_security(Security::Plain));
    let from = "msrp://bob.example.com:8493/foo12;tcp";
    world.feed(bob, hello(&format!("{uri} {ALICE}"), from));
    assert_eq!(world.frames(bob)[0].start_code(), 200);
    assert_eq!(world.frames(alice)[0].back_path(), format!("{uri} {from}"));
    let unknown = world.accept(plain().with_listener(ListenerId(9)));
    let uri = world.auth(unknown, "bob", "hidden");
    assert!(uri.starts_with("msrps://relay.example.com:2855/"), "{uri}");
}

#[test]
fn what_needs_an_answer_runs_where_the_relay_is() {
    let mut world = World::new();
    world.accept(tls());
    let (answer, answered) = std::sync::mpsc::channel();
    world
        .command(RelayCommand::Call(Box::new(move |relay, now| {
            answer.send((relay.connections(), now)).unwrap();
        })))
        .unwrap();
    assert_eq!(answered.recv(), Ok((1, world.now)));
}
