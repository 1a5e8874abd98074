//! What a sender is told when a chunk does not get through (RFC 4976 §3, §6.4.1, §6.4.3).

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::node::{ConnectFailure, ConnectionHandle};

fn respond(world: &mut World, handle: ConnectionHandle, frame: &Frame, status: &str) {
    let to = frame.back_path().split(' ').next().unwrap();
    let from = frame.to_path().split(' ').next().unwrap();
    world.feed(
        handle,
        format!(
            "MSRP {0} {status}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{0}$\r\n",
            frame.id
        ),
    );
}

/// Alice, bob, and the path from her to him.
fn session(world: &mut World) -> (ConnectionHandle, String, ConnectionHandle, String) {
    let ((alice, uri), (bob, bob_uri)) = world.pair();
    let path = format!("{uri} {bob_uri} {BOB}");
    (alice, uri, bob, path)
}

fn report_of(world: &mut World, handle: ConnectionHandle) -> String {
    let text = world.text(handle);
    let frames = split(text.as_bytes());
    assert_eq!(frames.len(), 1, "{text}");
    text.replace(&frames[0].id, "ID")
}

// shows: 4976-6.4.1-04, 4976-6.4.1-06, 4976-3-11, 4976-1-06, 4976-3-14, 4976-E-06, 4976-G-07, 4976-3-09
#[test]
fn a_silent_next_hop_is_reported_after_30_seconds() {
    for header in ["", "Failure-Report: yes\r\n"] {
        let mut world = World::new();
        let (alice, uri, bob, path) = session(&mut world);
        let from = format!("msrps://outer.example.com:1000/x;tcp {ALICE}");
        world.feed(alice, send("6aef", &path, &from, header, "1-5/20", "hello", '+'));
        assert_eq!(world.frames(alice)[0].start_code(), 200);
        world.advance(Duration::from_millis(29_999));
        assert_eq!(world.octets(alice), b"");
        world.advance(Duration::from_millis(1));
        assert_eq!(
            report_of(&mut world, alice),
            format!(
                "MSRP ID REPORT\r\nTo-Path: {from}\r\nFrom-Path: {uri}\r\nMessage-ID: 87652\r\nByte-Range: 1-5/20\r\n\
                 Status: 000 408 Request Timeout\r\n-------ID$\r\n"
            )
        );
        assert_eq!(world.relay.open_transactions(), 0);
        world.advance(Duration::from_secs(100));
        assert_eq!(world.octets(alice), b"");
        assert_eq!(world.frames(bob).len(), 1, "a chunk is never sent twice");
    }
}

// shows: 4976-6.4.1-05, 4976-3-11
#[test]
fn the_time_runs_from_the_last_octet_sent() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    world.set_room(bob, Some(100));
    world.feed(
        alice,
        send("6aef", &path, ALICE, "", "1-1500/1500", &"x".repeat(1500), '$'),
    );
    world.octets(alice);
    world.advance(Duration::from_secs(20));
    world.set_room(bob, Some(100));
    world.advance(Duration::from_secs(20));
    world.set_room(bob, None);
    world.advance(Duration::from_millis(29_999));
    assert_eq!(world.octets(alice), b"");
    world.advance(Duration::from_millis(1));
    assert_eq!(
        world.frames(alice)[0].header("Status"),
        Some("000 408 Request Timeout")
    );
}

// shows: 4976-6.4.3-04
#[test]
fn a_response_in_the_last_moment_stops_the_time() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    world.feed(alice, send("6aef", &path, ALICE, "", "1-5/5", "hello", '$'));
    world.octets(alice);
    let frame = world.frames(bob).remove(0);
    world.advance(Duration::from_millis(29_999));
    respond(&mut world, bob, &frame, "200 OK");
    world.advance(Duration::from_secs(60));
    assert_eq!(world.octets(alice), b"");
    assert_eq!(world.relay.open_transactions(), 0);
}

// shows: 4976-6.4.1-07, 4976-6.4.3-05, 4976-6.4.3-06, 4976-3-08
#[test]
fn an_error_of_the_next_hop_is_reported_to_those_who_want_to_know() {
    for (header, wanted) in [
        ("", true),
        ("Failure-Report: yes\r\n", true),
        ("Failure-Report: partial\r\n", true),
        ("Failure-Report: no\r\n", false),
    ] {
        let mut world = World::new();
        let (alice, uri, bob, path) = session(&mut world);
        world.feed(alice, send("6aef", &path, ALICE, header, "1-5/5", "hello", '$'));
        world.octets(alice);
        let frame = world.frames(bob).remove(0);
        respond(&mut world, bob, &frame, "415 Unsupported Media Type");
        if wanted {
            assert_eq!(
                report_of(&mut world, alice),
                format!(
                    "MSRP ID REPORT\r\nTo-Path: {ALICE}\r\nFrom-Path: {uri}\r\nMessage-ID: 87652\r\n\
                     Byte-Range: 1-5/5\r\nStatus: 000 415 Unsupported Media Type\r\n-------ID$\r\n"
                )
            );
        } else {
            assert_eq!(world.octets(alice), b"");
        }
        assert_eq!(world.relay.open_transactions(), 0);
        respond(&mut world, bob, &frame, "415 Unsupported Media Type");
        assert_eq!(world.octets(alice), b"", "a second response is none");
    }
}

// shows: 4976-6.4.3-05, 4976-6.4.3-06, 4976-9.3-07
#[test]
fn codes_that_nobody_knows_are_passed_on() {
    for code in [400, 403, 413, 415, 481, 499, 506, 599] {
        let mut world = World::new();
        let (alice, _, bob, path) = session(&mut world);
        world.feed(alice, send("6aef", &path, ALICE, "", "1-5/5", "hello", '$'));
        world.octets(alice);
        let frame = world.frames(bob).remove(0);
        // A response needs no comment.
        respond(&mut world, bob, &frame, &code.to_string());
        let report = world.frames(alice).remove(0);
        let status = report.header("Status").unwrap();
        assert!(status.starts_with(&format!("000 {code} ")), "{status}");
    }
}

// shows: 4976-6.4.3-05
#[test]
fn a_message_is_reported_once_and_the_rest_of_it_refused() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    let chunk = |id: &str, start: u64, flag| {
        send(
            id,
            &path,
            ALICE,
            "",
            &format!("{start}-{}/9", start + 2),
            "abc",
            flag,
        )
    };
    world.feed(alice, chunk("aaa1", 1, '+') + &chunk("aaa2", 4, '+'));
    world.octets(alice);
    let frames = world.frames(bob);
    for frame in &frames {
        respond(&mut world, bob, frame, "413 Stop Sending Message");
    }
    let reports = world.frames(alice);
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].header("Byte-Range"), Some("1-3/9"));
    world.feed(alice, chunk("aaa3", 7, '$'));
    assert_eq!(world.frames(alice)[0].start_code(), 413);
    assert_eq!(world.octets(bob), b"");
    // Another message of the session is not concerned.
    world.feed(alice, chunk("aaa4", 1, '$').replace("87652", "87653"));
    assert_eq!(world.frames(alice)[0].start_code(), 200);
    assert_eq!(world.frames(bob).len(), 1);
}

// shows: 4976-6.4.1-07, 4976-6.4.3-05
#[test]
fn a_refused_message_is_cut_short_where_it_is() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    // The first chunk is over, the second under way, when the answer to the first comes.
    world.feed(
        alice,
        send("aaa1", &path, ALICE, "", "1-*/20000", &"a".repeat(5000), '+'),
    );
    let rest = send("aaa2", &path, ALICE, "", "5001-*/20000", &"b".repeat(15_000), '$');
    let (now, later) = rest.as_bytes().split_at(8000);
    world.advance(Duration::from_secs(11));
    world.feed(alice, now);
    assert_eq!(world.frames(alice).len(), 1);
    let text = world.octets(bob);
    let end = text
        .windows(9)
        .position(|window| window == b"\r\n-------")
        .unwrap();
    let first = split(&text[..end + 9 + 18 + 3]).remove(0);
    assert_eq!(first.header("Byte-Range"), Some("1-*/20000"));
    respond(&mut world, bob, &first, "413 Stop Sending Message");
    let frames = world.frames(alice);
    assert_eq!(frames[0].start, "413 Stop Sending Message");
    assert_eq!(frames[0].id, "aaa2");
    assert_eq!(frames[1].header("Status"), Some("000 413 Stop Sending Message"));
    let tail = world.octets(bob);
    assert!(
        tail.starts_with(b"\r\n-------"),
        "{}",
        String::from_utf8_lossy(&tail)
    );
    assert!(tail.ends_with(b"#\r\n"));
    world.feed(alice, later);
    assert_eq!(world.octets(alice), b"");
    assert_eq!(world.octets(bob), b"");
    world.advance(Duration::from_secs(31));
    assert_eq!(world.relay.open_transactions(), 0);
}

// shows: 4976-3-10, 4976-6.4.1-01, 4976-6.4.1-02, 4976-6.4.1-07
#[test]
fn a_next_hop_that_cannot_be_reached_is_reported() {
    for (header, answers, reports) in [
        ("", 1, 1),
        ("Failure-Report: partial\r\n", 0, 1),
        ("Failure-Report: no\r\n", 0, 0),
    ] {
        let mut world = World::new();
        let (alice, uri) = world.client("alice", "secret");
        let path = format!("{uri} {BOB}");
        world.feed(alice, send("6aef", &path, ALICE, header, "1-5/20", "hello", '+'));
        // The answer does not wait for the next hop.
        assert_eq!(world.frames(alice).len(), answers);
        world.connect(Err(ConnectFailure::Refused));
        let told = world.frames(alice);
        assert_eq!(told.len(), reports, "{header}");
        if let Some(report) = told.first() {
            assert_eq!(report.start, "REPORT");
            assert_eq!(report.to_path(), ALICE);
            assert_eq!(report.back_path(), uri);
            assert_eq!(report.header("Status"), Some("000 408 Request Timeout"));
            assert_eq!(report.header("Byte-Range"), Some("1-5/20"));
        }
        assert_eq!(world.relay.open_transactions(), 0);
        assert_eq!(world.relay.memory(), 0);
    }
}

/// A message of which a chunk is lost is of no use: the rest of it is neither sent nor reported piece by piece.
// shows: 4976-6.4.3-05
#[test]
fn a_message_that_lost_a_chunk_is_refused_from_then_on() {
    let chunk = |id: &str, path: &str, range: &str| send(id, path, ALICE, "", range, "hello", '+');
    let mut world = World::new();
    let (alice, uri) = world.client("alice", "secret");
    let path = format!("{uri} {BOB}");
    // Lost before the next hop is there: three chunks, one REPORT.
    for (id, range) in [("aaa1", "1-5/99"), ("aaa2", "6-10/99"), ("aaa3", "11-15/99")] {
        world.feed(alice, chunk(id, &path, range));
    }
    world.octets(alice);
    world.connect(Err(ConnectFailure::Refused));
    assert_eq!(world.frames(alice).len(), 1);
    world.feed(alice, chunk("aaa4", &path, "16-20/99"));
    let told = world.frames(alice);
    assert_eq!((told.len(), told[0].start_code()), (1, 408));
    // Lost with the next hop.
    world.feed(alice, chunk("bbb1", &path, "1-5/99").replace("87652", "other"));
    let hop = world.connect(Ok(tls())).unwrap();
    world.octets(alice);
    world.reset(hop);
    assert_eq!(world.frames(alice).len(), 1);
    world.feed(alice, chunk("bbb2", &path, "6-10/99").replace("87652", "other"));
    let told = world.frames(alice);
    assert_eq!((told.len(), told[0].start_code()), (1, 408));
    assert!(world.connects.is_empty(), "nobody is called for it");
    assert_eq!((world.relay.open_transactions(), world.relay.memory()), (0, 0));
}

#[test]
fn a_long_message_waits_for_its_next_hop_and_is_refused_without() {
    let mut world = World::new();
    let (alice, uri) = world.client("alice", "secret");
    let path = format!("{uri} {BOB}");
    let body = "x".repeat(10_000);
    world.feed(alice, send("6aef", &path, ALICE, "", "1-*/10000", &body, '$'));
    assert_eq!(world.octets(alice), b"");
    assert!(!world.relay_wants_read(alice));
    world.connect(Err(ConnectFailure::TimedOut));
    assert_eq!(world.frames(alice)[0].start_code(), 408);
    assert!(world.relay_wants_read(alice));
    world.feed(alice, send("6aeg", &path, ALICE, "", "1-*/10000", &body, '$'));
    let bob = world.connect(Ok(tls())).unwrap();
    assert_eq!(world.frames(alice)[0].start_code(), 200);
    assert_eq!(world.frames(bob)[0].body(), body.as_bytes());
}

// shows: 4976-3-10, 4976-6.4.1-07
#[test]
fn what_was_on_its_way_to_a_lost_connection_is_reported() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    world.feed(alice, send("aaa1", &path, ALICE, "", "1-5/5", "hello", '$'));
    let long = send("aaa2", &path, ALICE, "", "1-*/50000", &"x".repeat(50_000), '$').replace("87652", "long");
    world.feed(alice, &long.as_bytes()[..20_000]);
    world.octets(alice);
    world.reset(bob);
    let told = world.frames(alice);
    let reports: Vec<_> = told.iter().filter(|frame| frame.start == "REPORT").collect();
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0].header("Message-ID"), Some("87652"));
    assert_eq!(reports[0].header("Byte-Range"), Some("1-5/5"));
    assert_eq!(reports[1].header("Message-ID"), Some("long"));
    for report in &reports {
        assert_eq!(report.header("Status"), Some("000 408 Request Timeout"));
    }
    let answers: Vec<_> = told.iter().filter(|frame| frame.start_code() > 0).collect();
    assert_eq!(answers.len(), 1, "the chunk at hand is refused");
    assert_eq!(answers[0].id, "aaa2");
    world.feed(alice, &long.as_bytes()[20_000..]);
    assert_eq!(world.octets(alice), b"");
    assert_eq!(world.relay.open_transactions(), 0);
}

/// With `partial` no answer is due, so that a chunk which has left may well have arrived; the rest of an unfinished message
/// has not.
// shows: 4976-3-10
#[test]
fn with_partial_only_what_cannot_have_arrived_is_reported() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    let partial = "Failure-Report: partial\r\n";
    world.feed(alice, send("aaa1", &path, ALICE, partial, "1-5/5", "hello", '$'));
    let long = send(
        "aaa2",
        &path,
        ALICE,
        partial,
        "1-*/50000",
        &"x".repeat(50_000),
        '$',
    )
    .replace("87652", "long");
    world.feed(alice, &long.as_bytes()[..20_000]);
    world.octets(alice);
    world.reset(bob);
    let told = world.frames(alice);
    let reports: Vec<_> = told.iter().filter(|frame| frame.start == "REPORT").collect();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].header("Message-ID"), Some("long"));
}

// shows: 4976-G-04
#[test]
fn a_message_whose_sender_vanishes_is_ended_in_form() {
    for orderly in [true, false] {
        let mut world = World::new();
        let (alice, _, bob, path) = session(&mut world);
        let long = send("aaa2", &path, ALICE, "", "1-*/50000", &"x".repeat(50_000), '$');
        world.feed(alice, &long.as_bytes()[..20_000]);
        if orderly {
            world.eof(alice);
        } else {
            world.reset(alice);
        }
        let frame = world.frames(bob).remove(0);
        assert_eq!(frame.flag, '#');
        assert!(frame.body().iter().all(|&octet| octet == b'x'));
        respond(&mut world, bob, &frame, "200 OK");
        assert_eq!(world.octets(bob), b"");
        assert_eq!(world.relay.open_transactions(), 0);
    }
}

// shows: 4976-6.4.3-09, 4976-3-16
#[test]
fn nobody_is_called_to_be_told_of_a_failure() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    world.feed(alice, send("6aef", &path, ALICE, "", "1-5/5", "hello", '$'));
    let frame = world.frames(bob).remove(0);
    world.eof(alice);
    respond(&mut world, bob, &frame, "403 Forbidden");
    assert!(world.connects.is_empty());
    assert_eq!(world.relay.stats().reports_dropped, 1);
    assert_eq!(world.relay.open_transactions(), 0);
}

// shows: 4976-6.4.3-02
#[test]
fn responses_that_belong_to_nothing_are_dropped() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    world.feed(alice, send("6aef", &path, ALICE, "", "1-5/5", "hello", '$'));
    world.octets(alice);
    let frame = world.frames(bob).remove(0);
    for stray in ["0000", "aaaaaaaaaaaaaaaaaa", "777777777777777777"] {
        world.feed(
            bob,
            format!("MSRP {stray} 403 No\r\nTo-Path: x\r\nFrom-Path: y\r\n-------{stray}$\r\n"),
        );
    }
    assert_eq!(world.octets(alice), b"");
    assert_eq!(world.octets(bob), b"");
    assert!(!world.closed(bob));
    respond(&mut world, bob, &frame, "200 OK");
    assert_eq!(world.relay.open_transactions(), 0);
}

// shows: 4976-6.4.1-05
#[test]
fn while_a_sender_is_kept_waiting_its_own_transactions_do_not_time_out() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    let back = {
        let mut uris = path.split(' ');
        let (one, two) = (uris.next().unwrap(), uris.next().unwrap());
        format!("{two} {one} {ALICE}")
    };
    // Bob takes nothing, so alice is not read from: her 200 to bob's chunk may be waiting in her socket.
    world.feed(bob, send("bbb1", &back, BOB, "", "1-2/2", "hi", '$'));
    world.octets(bob);
    let frame = world.frames(alice).remove(0);
    world.set_room(bob, Some(0));
    let flood = send(
        "6aef",
        &path,
        ALICE,
        "",
        "1-*/2000000",
        &"x".repeat(2_000_000),
        '$',
    );
    for block in flood.as_bytes().chunks(65_536) {
        if world.relay_wants_read(alice) {
            world.feed(alice, block);
        }
    }
    assert!(!world.relay_wants_read(alice));
    world.advance(Duration::from_secs(45));
    world.set_room(bob, None);
    respond_later(&mut world, alice, &frame);
    world.advance(Duration::from_secs(1));
    assert!(
        world.text(bob).lines().all(|line| !line.contains("408")),
        "a false alarm"
    );
}

fn respond_later(world: &mut World, handle: ConnectionHandle, frame: &Frame) {
    let mut text = String::new();
    // Alice's chunk was cut off somewhere in its body; her response cannot stand inside of it, so she ends it.
    text.push_str("\r\n-------6aef#\r\n");
    let to = frame.back_path().split(' ').next().unwrap();
    let from = frame.to_path();
    text.push_str(&format!(
        "MSRP {0} 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{0}$\r\n",
        frame.id
    ));
    world.feed(handle, text);
}

/// The last chunk of a message waits to leave when an earlier one is refused: its own answer, which comes later, must not be
/// taken for one about the message that comes next.
// shows: 4976-6.4.3-05
#[test]
fn a_late_answer_is_not_taken_for_one_about_another_message() {
    let connection = msrp_core::connection::ConnectionConfig::new().max_chunk(Some(5_000));
    let mut world = World::with(config().connection(connection));
    let (alice, _, bob, path) = session(&mut world);
    world.set_room(bob, Some(7_000));
    let first = send("aaa1", &path, ALICE, "", "1-*/9000", &"x".repeat(9_000), '$');
    world.feed(alice, first);
    world.octets(alice);
    let refuse = |world: &mut World, id: &str| {
        let (to, _) = path.split_once(' ').unwrap();
        world.feed(
            bob,
            format!("MSRP {id} 413 No\r\nTo-Path: {to}\r\nFrom-Path: {BOB}\r\n-------{id}$\r\n"),
        );
    };
    let ids = |octets: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(octets).into_owned();
        let sends = text
            .lines()
            .filter(|line| line.starts_with("MSRP ") && line.ends_with(" SEND"));
        sends
            .map(|line| line.split(' ').nth(1).unwrap().to_owned())
            .collect()
    };
    let sent = ids(&world.octets(bob));
    assert_eq!(sent.len(), 2, "the second of them is cut short");
    refuse(&mut world, &sent[0]);
    assert_eq!(world.frames(alice).len(), 1);
    // Another long message begins before the rest of the first has left.
    let second =
        send("aaa2", &path, ALICE, "", "1-*/8000", &"y".repeat(8_000), '$').replace("87652", "second");
    world.feed(alice, second);
    world.octets(alice);
    world.set_room(bob, None);
    refuse(&mut world, &sent[1]);
    assert_eq!(
        world.frames(alice),
        [],
        "it had been told of the first message, and nothing of the second"
    );
    let rest = ids(&world.octets(bob));
    refuse(&mut world, &rest[0]);
    let told = world.frames(alice);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].header("Message-ID"), Some("second"));
    assert_eq!(told[0].header("Byte-Range"), Some("1-5000/8000"));
}
