//! Which connection belongs to which side, and who waits for whom.

use std::{sync::Arc, time::Duration};

use msrp_core::{
    grammar::Scheme,
    node::{ListenerId, PeerInfo, Security, TlsPeer},
};
use msrp_relay::{AnchorOptions, LegOptions, LegState, RelayEvent, Side};

use super::*;

#[test]
fn two_clients_without_relays_talk_through_it() {
    let mut world = World::new();
    let session = anchored(&mut world);
    let (to_b, to_a) = (session.path_of_a(), session.path_of_b());
    let (a, b) = (world.accept(plain()), world.accept(plain()));
    // A is there first: what it says is taken, and kept until B has come.
    assert_eq!(say(&mut world, a, &to_b, A), 200);
    assert_eq!(world.octets(b), b"");
    world.feed(b, bind(&to_a, B));
    let message = messages(&mut world, b).remove(0);
    assert_eq!(message.body(), b"hello");
    // To B the sender is who its SDP says, and To-Path is its own URI.
    assert_eq!((message.to_path(), message.back_path()), (B, to_a.as_str()));
    let binding = world.frames(a).remove(0);
    assert_eq!((binding.to_path(), binding.back_path()), (A, to_b.as_str()));
    // And back.
    assert_eq!(say(&mut world, b, &to_a, B), 200);
    let message = messages(&mut world, a).remove(0);
    assert_eq!((message.to_path(), message.back_path()), (A, to_b.as_str()));
    assert!(world.connects.is_empty());
}

#[test]
fn the_answerer_may_be_there_first() {
    let mut world = World::new();
    let session = anchored(&mut world);
    let (a, b) = (world.accept(plain()), world.accept(plain()));
    assert_eq!(say(&mut world, b, &session.path_of_b(), B), 200);
    world.feed(a, bind(&session.path_of_a(), A));
    assert_eq!(messages(&mut world, a).len(), 1);
}

/// B knows where to connect as soon as it has the offer, and its answer may be slower than its connection.
#[test]
fn what_comes_before_the_answer_waits_for_it() {
    let mut world = World::new();
    let (id, for_b) = offer(&mut world, &sdp(A, ""), &AnchorOptions::new()).unwrap();
    let to_a = value(&for_b, "a=path:").unwrap().to_owned();
    let (b, mallory) = (world.accept(plain()), world.accept(plain()));
    world.feed(b, hello(&to_a, B));
    // Somebody who has read the offer, but is not who will answer it.
    world.feed(mallory, hello(&to_a, "msrp://mallory.example.com:9999/evil;tcp"));
    assert_eq!(world.octets(b), b"");
    assert!(!world.relay_wants_read(b));
    let for_a = answer(&mut world, id, &sdp(B, "a=setup:active\r\n")).unwrap();
    assert_eq!(world.frames(b)[0].start_code(), 200);
    assert_eq!(world.frames(mallory)[0].start_code(), 481);
    let a = world.accept(plain());
    world.feed(a, bind(value(&for_a, "a=path:").unwrap(), A));
    assert_eq!(messages(&mut world, a).len(), 1);
}

#[test]
fn an_answer_that_never_comes_leaves_nobody_waiting() {
    let mut world = World::new();
    let (_, for_b) = offer(&mut world, &sdp(A, ""), &AnchorOptions::new()).unwrap();
    let b = world.accept(plain());
    world.feed(b, hello(value(&for_b, "a=path:").unwrap(), B));
    world.advance(Duration::from_secs(29));
    assert_eq!(world.octets(b), b"");
    world.advance(Duration::from_secs(2));
    assert_eq!(world.frames(b)[0].start_code(), 408);
}

/// NAT devices and middleboxes rewrite the hosts of SDP, not those inside messages: the session-id is what counts.
#[test]
fn hosts_may_be_others_than_in_sdp() {
    let mut world = World::new();
    let session = anchored(&mut world);
    let (a, b) = (world.accept(plain()), world.accept(plain()));
    // On A's side a middlebox has replaced both hosts; A knows itself, and B, by other names than we do.
    let own = "msrp://192.168.1.7:7394/2s93i9;tcp";
    let relay = session.path_of_a().split(' ').next().unwrap().to_owned();
    let to_b = format!("{relay} msrp://203.0.113.9:8493/si438ds;tcp");
    world.feed(b, bind(&session.path_of_b(), B));
    assert_eq!(say(&mut world, a, &to_b, own), 200);
    let message = messages(&mut world, b).remove(0);
    assert_eq!(message.to_path(), B);
    assert_eq!(message.back_path(), session.path_of_b());
    // What goes to A is addressed as A addresses itself, or a strict client would not know it.
    world.octets(a);
    assert_eq!(say(&mut world, b, &session.path_of_b(), B), 200);
    assert_eq!(messages(&mut world, a)[0].to_path(), own);
}

#[test]
fn a_wrong_session_id_is_refused() {
    let mut world = World::new();
    let (session, a, b) = talking(&mut world);
    let relay = session.path_of_a().split(' ').next().unwrap().to_owned();
    let wrong = "msrp://bob.example.com:8493/other;tcp";
    assert_eq!(say(&mut world, a, &format!("{relay} {wrong}"), A), 481);
    let stranger = world.accept(plain());
    assert_eq!(
        say(
            &mut world,
            stranger,
            &session.path_of_a(),
            "msrp://10.0.0.5:7394/else;tcp"
        ),
        481
    );
    assert_eq!(world.octets(b), b"");
    // The session is none the worse.
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    assert_eq!(messages(&mut world, b).len(), 1);
}

/// Each side has a token of its own: one side's does not make anybody the other.
#[test]
fn a_stranger_gets_nowhere_with_a_path_that_it_guesses() {
    let mut world = World::new();
    let session = anchored(&mut world);
    let stranger = world.accept(plain());
    let made_up = format!("msrp://{REALM}:2856/{};tcp {B}", "a".repeat(26));
    assert_eq!(say(&mut world, stranger, &made_up, A), 481);
    // A, who knows the token of its own side, is not taken for B.
    let a = world.accept(plain());
    assert_eq!(say(&mut world, a, &session.path_of_a(), B), 481);
    assert_eq!(session.state(&world, Side::Answerer), LegState::Awaited);
    assert_eq!(session.state(&world, Side::Offerer), LegState::Awaited);
}

#[test]
fn a_second_connection_of_a_side_that_is_there_gets_506() {
    let mut world = World::new();
    let (session, a, b) = talking(&mut world);
    let second = world.accept(plain());
    assert_eq!(say(&mut world, second, &session.path_of_a(), A), 506);
    assert_eq!(world.octets(b), b"");
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    assert_eq!(messages(&mut world, b).len(), 1);
}

#[test]
fn a_side_that_was_lost_may_come_again() {
    let mut world = World::new();
    let (session, a, b) = talking(&mut world);
    world.reset(b);
    assert_eq!(session.state(&world, Side::Answerer), LegState::Lost);
    assert!(world.events.iter().any(
        |event| matches!(event, RelayEvent::AnchorLegLost { anchor, side } if *anchor == session.id && *side == Side::Answerer)
    ));
    // What is said meanwhile waits for it.
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    let again = world.accept(plain());
    world.feed(again, bind(&session.path_of_b(), B));
    assert_eq!(messages(&mut world, again).len(), 1);
    assert_eq!(session.info(&world).streams[0].answerer.stats.connections, 2);
    // The sender is told of what does not arrive.
    world.octets(a);
    world.reset(again);
    let other = hello(&session.path_of_a(), A).replace("87652", "87654");
    world.feed(a, other);
    assert_eq!(world.frames(a).pop().unwrap().start_code(), 200);
    world.advance(Duration::from_secs(31));
    let report = world.frames(a).remove(0);
    assert_eq!(report.start, "REPORT");
    assert_eq!(report.header("Status"), Some("000 408 Request Timeout"));
    let relay = session.path_of_a().split(' ').next().unwrap().to_owned();
    assert_eq!((report.to_path(), report.back_path()), (A, relay.as_str()));
    // It is late now: nobody waits any more.
    let late = send("7aef", &session.path_of_a(), A, "", "1-5/5", "later", '$').replace("87652", "87653");
    world.feed(a, late);
    assert_eq!(world.frames(a)[0].start_code(), 408);
}

#[test]
fn the_side_of_tls_talks_to_the_plain_one() {
    let mut world = World::new();
    let a_uri = "msrps://alice.example.com:7394/2s93i9;tcp";
    let options = AnchorOptions::new().answerer(LegOptions::new().listener(ListenerId(1)));
    let session = anchored_with(&mut world, &options, (a_uri, ""), (B, "a=setup:active\r\n"));
    assert!(session.path_of_a().starts_with("msrps://relay.example.com:2855/"));
    assert!(session.path_of_b().starts_with("msrp://relay.example.com:2856/"));
    let (a, b) = (world.accept(tls()), world.accept(plain()));
    world.feed(b, bind(&session.path_of_b(), B));
    assert_eq!(say(&mut world, a, &session.path_of_a(), a_uri), 200);
    let message = messages(&mut world, b).remove(0);
    // The relay has another URI on each side, and each sees the one of its own.
    assert_eq!(message.back_path(), session.path_of_b());
    world.octets(a);
    assert_eq!(say(&mut world, b, &session.path_of_b(), B), 200);
    assert_eq!(messages(&mut world, a)[0].back_path(), session.path_of_a());
    let info = session.info(&world);
    let stream = &info.streams[0];
    assert_eq!((stream.offerer.scheme, stream.offerer.tls), (Scheme::Msrps, true));
    assert_eq!(
        (stream.answerer.scheme, stream.answerer.tls),
        (Scheme::Msrp, false)
    );
}

#[test]
fn who_was_offered_tls_does_not_come_without() {
    let mut world = World::new();
    let a_uri = "msrps://alice.example.com:7394/2s93i9;tcp";
    let b_uri = "msrps://bob.example.com:8493/si438ds;tcp";
    let session = anchored_with(
        &mut world,
        &AnchorOptions::new(),
        (a_uri, ""),
        (b_uri, "a=setup:active\r\n"),
    );
    let a = world.accept(plain());
    assert_eq!(say(&mut world, a, &session.path_of_a(), a_uri), 481);
    let a = world.accept(tls());
    assert_eq!(say(&mut world, a, &session.path_of_a(), a_uri), 200);
}

// SHA-256 of the five octets "alice".
const ALICES: &str =
    "2B:D8:06:C9:7F:0E:00:AF:1A:1F:C3:32:8F:A7:63:A9:26:97:23:C8:DB:8F:AC:4F:93:AF:71:DB:18:6D:6E:90";

fn tls_with(certificate: &'static [u8]) -> PeerInfo {
    let mut peer = TlsPeer::default();
    peer.certificate = Some(certificate.into());
    tls().with_security(Security::Tls(Arc::new(peer)))
}

#[test]
fn a_certificate_has_to_be_the_one_of_sdp() {
    let mut world = World::new();
    let a_uri = "msrps://alice.example.com:7394/2s93i9;tcp";
    let b_uri = "msrps://bob.example.com:8493/si438ds;tcp";
    let fingerprint = format!("a=fingerprint:SHA-256 {ALICES}\r\n");
    let session = anchored_with(
        &mut world,
        &AnchorOptions::new(),
        (a_uri, &fingerprint),
        (b_uri, "a=setup:active\r\n"),
    );
    assert!(!session.for_b.contains("fingerprint"));
    let mallory = world.accept(tls_with(b"mallory"));
    assert_eq!(say(&mut world, mallory, &session.path_of_a(), a_uri), 481);
    let alice = world.accept(tls_with(b"alice"));
    assert_eq!(say(&mut world, alice, &session.path_of_a(), a_uri), 200);
}

#[test]
fn both_sides_may_come_by_one_connection() {
    let mut world = World::new();
    let session = anchored(&mut world);
    let gateway = world.accept(plain());
    world.feed(gateway, bind(&session.path_of_b(), B));
    world.octets(gateway);
    world.feed(gateway, hello(&session.path_of_a(), A));
    let frames = world.frames(gateway);
    assert!(frames.iter().any(|frame| frame.start_code() == 200), "{frames:?}");
    assert!(
        frames
            .iter()
            .any(|frame| frame.body() == b"hello" && frame.to_path() == B)
    );
}

#[test]
fn a_client_with_relays_of_its_own_may_use_several_connections() {
    let mut world = World::new();
    let path = format!("msrp://r2.example.com:2855/k9fj;tcp {A}");
    let session = anchored_with(
        &mut world,
        &AnchorOptions::new(),
        (&path, ""),
        (B, "a=setup:active\r\n"),
    );
    assert_eq!(
        session
            .path_of_b()
            .split(' ')
            .skip(1)
            .collect::<Vec<_>>()
            .join(" "),
        path
    );
    let b = world.accept(plain());
    world.feed(b, bind(&session.path_of_b(), B));
    let (one, other) = (world.accept(plain()), world.accept(plain()));
    assert_eq!(say(&mut world, one, &session.path_of_a(), &path), 200);
    assert_eq!(say(&mut world, other, &session.path_of_a(), &path), 200);
    let arrived = messages(&mut world, b);
    assert_eq!(arrived.len(), 2);
    assert_eq!(arrived[0].back_path(), session.path_of_b());
    assert_eq!(say(&mut world, b, &session.path_of_b(), B), 200);
    // Back by the first; the other relay's URI comes first.
    assert_eq!(messages(&mut world, one)[0].to_path(), path);
    assert_eq!(messages(&mut world, other).len(), 0);
}

#[test]
fn with_hidden_paths_nobody_sees_the_other_side() {
    let mut world = World::new();
    let options = AnchorOptions::new().hide_paths(true);
    let session = anchored_with(&mut world, &options, (A, ""), (B, "a=setup:active\r\n"));
    for path in [session.path_of_a(), session.path_of_b()] {
        assert!(
            !path.contains(' ') && path.starts_with("msrp://relay.example.com:2856/"),
            "{path}"
        );
    }
    let (a, b) = (world.accept(plain()), world.accept(plain()));
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    world.feed(b, bind(&session.path_of_b(), B));
    let message = messages(&mut world, b).remove(0);
    assert_eq!(
        (message.to_path(), message.back_path()),
        (B, session.path_of_b().as_str())
    );
    // REPORTs, and answers from end to end, find their way back.
    world.octets(a);
    world.feed(
        b,
        format!(
            "MSRP r3p0 REPORT\r\nTo-Path: {}\r\nFrom-Path: {B}\r\nMessage-ID: 87652\r\nByte-Range: 1-5/5\r\n\
             Status: 000 200 OK\r\n-------r3p0$\r\n",
            message.back_path()
        ),
    );
    let report = world.frames(a).remove(0);
    assert_eq!((report.start.as_str(), report.to_path()), ("REPORT", A));
    assert_eq!(report.back_path(), session.path_of_a());
    world.feed(
        a,
        format!(
            "MSRP n1ck NICKNAME\r\nTo-Path: {}\r\nFrom-Path: {A}\r\nUse-Nickname: \"Alice\"\r\n-------n1ck$\r\n",
            session.path_of_a()
        ),
    );
    let nickname = world.frames(b).remove(0);
    assert_eq!(nickname.back_path(), session.path_of_b());
    world.feed(
        b,
        format!(
            "MSRP {id} 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {B}\r\n-------{id}$\r\n",
            id = nickname.id,
            to = nickname.back_path()
        ),
    );
    let answer = world.frames(a).remove(0);
    assert_eq!((answer.id.as_str(), answer.start_code()), ("n1ck", 200));
    assert_eq!(answer.to_path(), A);
    assert_eq!(answer.back_path(), session.path_of_a());
    let stats = session.info(&world).streams[0].answerer.stats;
    assert_eq!(stats.passed.reports, 1);
}

#[test]
fn answers_from_end_to_end_are_taken_only_from_the_opposite_side() {
    let mut world = World::new();
    let (session, a, b) = talking(&mut world);
    world.feed(
        a,
        format!(
            "MSRP n1ck NICKNAME\r\nTo-Path: {}\r\nFrom-Path: {A}\r\nUse-Nickname: \"Alice\"\r\n-------n1ck$\r\n",
            session.path_of_a()
        ),
    );
    let nickname = world.frames(b).remove(0);
    // One that names A's own URI is not an answer of B's to A.
    world.feed(
        b,
        format!(
            "MSRP {id} 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {B}\r\n-------{id}$\r\n",
            id = nickname.id,
            to = session.path_of_a()
        ),
    );
    assert_eq!(world.octets(a), b"");
    assert_eq!(world.relay.stats().responses_dropped, 1);
}

#[test]
fn a_long_message_goes_bit_by_bit() {
    let mut world = World::new();
    let (session, a, b) = talking(&mut world);
    let body = "x".repeat(100_000);
    world.feed(
        a,
        send("l0ng", &session.path_of_a(), A, "", "1-*/100000", &body, '$'),
    );
    let chunks = messages(&mut world, b);
    let octets: usize = chunks.iter().map(|chunk| chunk.body().len()).sum();
    assert_eq!(octets, 100_000);
    for chunk in &chunks {
        assert_eq!(
            (chunk.to_path(), chunk.back_path()),
            (B, session.path_of_b().as_str())
        );
    }
    let passed = session.info(&world).streams[0].offerer.stats.passed;
    // The SEND that bound the session is one too.
    assert_eq!((passed.messages, passed.chunks, passed.octets), (2, 2, 100_000));
}

/// A message that has failed at the next hop is over, and its sender is told, as without anchoring.
#[test]
fn a_failure_is_reported_and_ends_the_message() {
    let mut world = World::new();
    let (session, a, b) = talking(&mut world);
    let chunk = |id, range, body, flag| send(id, &session.path_of_a(), A, "", range, body, flag);
    world.feed(a, chunk("ch01", "1-5/10", "hello", '+'));
    world.octets(a);
    let passed = messages(&mut world, b).remove(0);
    world.feed(
        b,
        format!(
            "MSRP {id} 415 Unsupported Media\r\nTo-Path: {to}\r\nFrom-Path: {B}\r\n-------{id}$\r\n",
            id = passed.id,
            to = passed.back_path().split(' ').next().unwrap()
        ),
    );
    let report = world.frames(a).remove(0);
    assert_eq!(report.header("Status"), Some("000 415 Unsupported Media Type"));
    world.feed(a, chunk("ch02", "6-10/10", "world", '$'));
    assert_eq!(world.frames(a)[0].start_code(), 415);
    assert_eq!(world.octets(b), b"");
}

/// Messages whose heads are as those before are passed on without being read; what they become must follow the other
/// side.
#[test]
fn messages_like_those_before_go_where_the_other_side_is_now() {
    let mut world = World::new();
    let (session, a, b) = talking(&mut world);
    let mut number = 0;
    let mut burst = |world: &mut World| {
        let mut octets = String::new();
        for _ in 0..5 {
            number += 1;
            octets += &hello(&session.path_of_a(), A)
                .replace("87652", &format!("m3ss{number}"))
                .replace("6aef", &format!("tr4n{number}"));
        }
        world.feed(a, octets);
        assert!(world.frames(a).iter().all(|frame| frame.start_code() == 200));
    };
    for _ in 0..2 {
        burst(&mut world);
        let arrived = take(&mut world, b, B);
        assert_eq!(arrived.len(), 5);
        for message in arrived {
            assert_eq!(
                (message.to_path(), message.back_path()),
                (B, session.path_of_b().as_str())
            );
            assert_eq!(message.body(), b"hello");
        }
    }
    // The same connection, by which B now has another address in its own eyes.
    let own = "msrp://192.168.1.9:8493/si438ds;tcp";
    world.reset(b);
    let b = world.accept(plain());
    world.feed(b, bind(&session.path_of_b(), own));
    take(&mut world, a, A);
    burst(&mut world);
    let at_own = take(&mut world, b, B);
    assert_eq!(at_own.len(), 5);
    assert!(at_own.iter().all(|message| message.to_path() == own));
    // And in the eyes of SDP: what A sees of B changes, and what B sees of A.
    let moved = "msrp://10.9.9.9:7394/2s93i9;tcp";
    let for_b = reoffer(&mut world, session.id, Side::Offerer, &sdp(moved, "")).unwrap();
    answer(&mut world, session.id, &sdp(B, "a=setup:active\r\n")).unwrap();
    burst(&mut world);
    let from_moved = take(&mut world, b, B);
    assert_eq!(from_moved.len(), 5);
    let shown = value(&for_b, "a=path:").unwrap();
    assert!(from_moved.iter().all(|message| message.back_path() == shown));
    let passed = session.info(&world).streams[0].offerer.stats.passed;
    assert_eq!((passed.chunks, passed.octets), (21, 100));
}
