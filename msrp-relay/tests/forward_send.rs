//! Forwarding of SEND (RFC 4976 §3, §6.4.1).

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::node::ConnectionHandle;

fn session(world: &mut World) -> (ConnectionHandle, String, ConnectionHandle, String) {
    let ((alice, uri), (bob, bob_uri)) = world.pair();
    let path = format!("{uri} {bob_uri} {BOB}");
    (alice, uri, bob, path)
}

fn body_of(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.body().to_vec()).collect()
}

/// Start and end of each chunk's Byte-Range; the end that a chunk turned out to have where it says `*`.
fn ranges(frames: &[Frame]) -> Vec<(u64, u64)> {
    frames
        .iter()
        .map(|frame| {
            let range = frame.header("Byte-Range").unwrap();
            let (start, rest) = range.split_once('-').unwrap();
            let end = rest.split('/').next().unwrap();
            let start: u64 = start.parse().unwrap();
            let counted = start + frame.body().len() as u64 - 1;
            assert!(end == "*" || end.parse() == Ok(counted), "{range}");
            (start, counted)
        })
        .collect()
}

fn assert_tiles(frames: &[Frame], len: u64) {
    let mut next = 1;
    for (start, end) in ranges(frames) {
        assert_eq!(start, next);
        next = end + 1;
    }
    assert_eq!(next, len + 1);
}

// shows: 4976-3-03, 4976-3-05, 4976-3-07, 4976-6.4.1-01, 4976-6.4.1-03, 4976-6.4.1-15, 4976-6.4.1-18, 4976-6.4-03
// shows: 4976-3-04, 4976-6.2-02
#[test]
fn a_small_chunk_crosses_the_relay_between_two_of_its_clients() {
    let mut world = World::new();
    let ((alice, alice_uri), (bob, bob_uri)) = world.pair();
    let path = format!("{alice_uri} {bob_uri} {BOB}");
    let extra = "Success-Report: yes\r\nX-Unknown:  kept  as is\r\nx-case: 1\r\nX-Unknown: twice\r\n";
    let all = send("6aef", &path, ALICE, extra, "1-5/5", "hello", '$');
    let (head, end) = all.as_bytes().split_at(all.len() - 1);
    world.feed(alice, head);
    assert_eq!(world.octets(alice), b"", "not before the end-line is complete");
    world.feed(alice, end);
    assert_eq!(
        world.text(alice),
        format!("MSRP 6aef 200 OK\r\nTo-Path: {ALICE}\r\nFrom-Path: {alice_uri}\r\n-------6aef$\r\n")
    );
    let out = world.text(bob);
    let frame = split(out.as_bytes()).remove(0);
    assert_eq!(
        out,
        format!(
            "MSRP {id} SEND\r\nTo-Path: {BOB}\r\nFrom-Path: {bob_uri} {alice_uri} {ALICE}\r\nMessage-ID: 87652\r\n\
             {extra}Byte-Range: 1-5/5\r\nContent-Type: text/plain\r\n\r\nhello\r\n-------{id}$\r\n",
            id = frame.id
        )
    );
    assert_ne!(frame.id, "6aef");
    world.feed(
        bob,
        format!(
            "MSRP {0} 200 OK\r\nTo-Path: {bob_uri}\r\nFrom-Path: {BOB}\r\nMessage-ID: 87652\r\n-------{0}$\r\n",
            frame.id
        ),
    );
    assert_eq!(world.relay.open_transactions(), 0);
    assert_eq!(world.octets(alice), b"");
}

// shows: 4976-3-07, 4976-6.4.1-01, 4976-E-06, 4976-E-07
#[test]
fn the_previous_hop_is_answered_as_failure_report_says() {
    for (header, answered) in [
        ("", true),
        ("Failure-Report: yes\r\n", true),
        ("Failure-Report: partial\r\n", false),
        ("Failure-Report: no\r\n", false),
    ] {
        for body in ["hello".to_owned(), "x".repeat(5000)] {
            let mut world = World::new();
            let (alice, _, bob, path) = session(&mut world);
            let range = format!("1-*/{}", body.len());
            world.feed(alice, send("6aef", &path, ALICE, header, &range, &body, '$'));
            let answers = world.frames(alice);
            assert_eq!(answers.len(), usize::from(answered), "{header}");
            assert_eq!(body_of(&world.frames(bob)), body.as_bytes());
            // Whoever wants no answer is told nothing later either; nor does a timer run.
            world.advance(Duration::from_secs(31));
            assert_eq!(world.frames(alice).len(), usize::from(answered), "{header}");
            assert_eq!(world.relay.open_transactions(), 0);
        }
    }
}

// shows: 4976-1-01
#[test]
fn every_octet_crosses_the_relay_as_it_is() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    let all: Vec<u8> = (0..=255).collect();
    for times in [1, 40] {
        let body = all.repeat(times);
        let mut octets = send("6aef", &path, ALICE, "", &format!("1-*/{}", body.len()), "", '$').into_bytes();
        let at = octets.len() - "\r\n-------6aef$\r\n".len();
        octets.splice(at..at, body.iter().copied());
        for block in octets.chunks(97) {
            world.feed(alice, block);
        }
        assert_eq!(body_of(&world.frames(bob)), body);
    }
}

// shows: 4976-6.4.1-11, 4976-6.4.1-12
#[test]
fn a_long_chunk_crosses_the_relay_bit_by_bit() {
    let mut world = World::new();
    let (alice, uri, bob, path) = session(&mut world);
    let body = "0123456789".repeat(1000);
    let all = send("6aef", &path, ALICE, "", "1-*/10000", &body, '$');
    let mut seen = 0;
    for block in all.as_bytes().chunks(700) {
        world.feed(alice, block);
        let so_far = world.sockets[&bob].len();
        assert!(so_far > seen || so_far == 0, "what has come in leaves at once");
        seen = so_far;
        assert!(world.relay.memory() < 4096);
    }
    let frames = world.frames(bob);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].header("Byte-Range"), Some("1-*/10000"));
    assert_eq!(frames[0].body(), body.as_bytes());
    assert_eq!(world.frames(alice)[0].start_code(), 200);
    assert_eq!(world.relay.open_transactions(), 1);
    world.advance(Duration::from_secs(30));
    let report = world.frames(alice).remove(0);
    assert_eq!(report.start, "REPORT");
    assert_eq!(report.header("Status"), Some("000 408 Request Timeout"));
    assert_eq!(report.header("Byte-Range"), Some("1-10000/10000"));
    assert_eq!(report.to_path(), ALICE);
    assert_eq!(report.back_path(), uri);
    assert_eq!(world.relay.open_transactions(), 0);
}

// shows: 4976-6.4.1-12
#[test]
fn where_the_end_becomes_known_the_range_says_it() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    for (range, flag, out) in [
        ("1-*/*", '$', "1-5/5"),
        ("1-*/*", '+', "1-5/*"),
        ("6-*/10", '$', "6-10/10"),
        ("6-*/*", '#', "6-10/*"),
        // What the sender says of its chunk stays as it is, even where it is wrong.
        ("1-25/25", '$', "1-25/25"),
    ] {
        world.feed(alice, send("6aef", &path, ALICE, "", range, "hello", flag));
        let frame = world.frames(bob).remove(0);
        assert_eq!(frame.header("Byte-Range"), Some(out));
        assert_eq!(frame.flag, flag);
    }
    // Without a Byte-Range the message begins at 1.
    let bare = send("6aef", &path, ALICE, "", "1-*/*", "hello", '$').replace("Byte-Range: 1-*/*\r\n", "");
    world.feed(alice, bare);
    assert_eq!(world.frames(bob)[0].header("Byte-Range"), Some("1-5/5"));
}

// shows: 4976-1-05, 4976-6.4.1-08, 4976-6.4.1-12, 4976-6.4.1-13
#[test]
fn a_long_message_is_cut_where_others_want_to_go() {
    let mut world = World::new();
    let ((alice, uri), (bob, bob_uri)) = world.pair();
    let (carol, carol_uri) = world.client("alice", "secret");
    let long = "x".repeat(100_000);
    let path = format!("{uri} {bob_uri} {BOB}");
    let all = send("6aef", &path, ALICE, "", "1-*/100000", &long, '$');
    let (first, rest) = all.as_bytes().split_at(50_000);
    world.feed(alice, first);
    let begun = world.octets(bob);
    assert!(begun.len() > 40_000);
    let path = format!("{carol_uri} {bob_uri} {BOB}");
    world.feed(
        carol,
        send("caro", &path, ALICE, "", "1-5/5", "hello", '$').replace("87652", "short"),
    );
    let between = world.octets(bob);
    world.feed(alice, rest);
    let octets = [begun, between, world.octets(bob)].concat();
    let frames = split(&octets);
    let (short, parts): (Vec<Frame>, Vec<Frame>) = frames
        .iter()
        .cloned()
        .partition(|frame| frame.header("Message-ID") == Some("short"));
    assert_eq!(short.len(), 1);
    assert_ne!(frames.last().unwrap().header("Message-ID"), Some("short"));
    assert!(parts.len() > 1);
    assert_eq!(body_of(&parts), long.as_bytes());
    assert_tiles(&parts, 100_000);
    let (last, before) = parts.split_last().unwrap();
    assert!(before.iter().all(|frame| frame.flag == '+'));
    assert_eq!(last.flag, '$');
    assert!(
        parts
            .iter()
            .all(|frame| frame.header("Byte-Range").unwrap().ends_with("/100000"))
    );
}

// shows: 4976-6.4.1-08, 4976-6.4.1-09, 4976-6.4.1-11, 4976-6.4.1-13, 4976-3-12, 4976-X-04
#[test]
fn chunks_come_out_in_order_whatever_their_sizes() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    let body: Vec<u8> = (0..60_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    let mut at = 0;
    for (size, star) in [
        (3, false),
        (4, true),
        (3000, true),
        (2048, false),
        (20_000, true),
        (1, false),
        (10_000, false),
        (24_944, true),
    ] {
        let part = &body[at..at + size];
        let end = if star {
            "*".to_owned()
        } else {
            (at + size).to_string()
        };
        let flag = if at + size == body.len() { '$' } else { '+' };
        let range = format!("{}-{end}/60000", at + 1);
        world.feed(
            alice,
            send(
                "6aef",
                &path,
                ALICE,
                "",
                &range,
                std::str::from_utf8(part).unwrap(),
                flag,
            ),
        );
        at += size;
    }
    assert_eq!(at, body.len());
    let frames = world.frames(bob);
    assert_eq!(body_of(&frames), body);
    assert_tiles(&frames, 60_000);
    assert_eq!(frames.iter().filter(|frame| frame.flag == '$').count(), 1);
    assert_eq!(world.frames(alice).len(), 8);
}

// shows: 4976-6.4.1-12
#[test]
fn a_message_may_be_sent_out_of_order_and_leaves_as_it_came() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    let part = |id, start: u64, octet: &str, flag| {
        send(
            id,
            &path,
            ALICE,
            "",
            &format!("{start}-*/15000"),
            &octet.repeat(5000),
            flag,
        )
    };
    world.feed(alice, part("aaa1", 1, "a", '+'));
    world.feed(alice, part("aaa2", 10_001, "c", '+'));
    world.feed(alice, part("aaa3", 5001, "b", '$'));
    let mut octets = vec![0; 15_000];
    for frame in world.frames(bob) {
        let (start, end) = ranges(std::slice::from_ref(&frame))[0];
        octets[start as usize - 1..end as usize].copy_from_slice(frame.body());
    }
    let whole = ["a".repeat(5000), "b".repeat(5000), "c".repeat(5000)].concat();
    assert_eq!(octets, whole.as_bytes());
}

// shows: 4976-6.4.1-10
#[test]
fn messages_never_mix() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    let part = |id: &str, message: &str, start: u64, flag| {
        send(
            id,
            &path,
            ALICE,
            "",
            &format!("{start}-*/9000"),
            &message[..1].repeat(3000),
            flag,
        )
        .replace("87652", message)
    };
    for (index, start) in [1, 3001, 6001].into_iter().enumerate() {
        let flag = if start == 6001 { '$' } else { '+' };
        for message in ["aaaa", "bbbb", "cccc"] {
            world.feed(alice, part(&format!("{message}{index}"), message, start, flag));
        }
    }
    let frames = world.frames(bob);
    for message in ["aaaa", "bbbb", "cccc"] {
        let parts: Vec<_> = frames
            .iter()
            .filter(|frame| frame.header("Message-ID") == Some(message))
            .cloned()
            .collect();
        assert_eq!(body_of(&parts), message[..1].repeat(9000).as_bytes());
        assert_tiles(&parts, 9000);
    }
}

// shows: 4976-6.4-03, 4976-E-22
#[test]
fn the_same_identifier_of_two_senders_is_two_transactions() {
    let mut world = World::new();
    let ((alice, uri), (bob, bob_uri)) = world.pair();
    let (carol, carol_uri) = world.client("alice", "secret");
    for (from, own) in [(alice, &uri), (carol, &carol_uri)] {
        let path = format!("{own} {bob_uri} {BOB}");
        world.feed(from, send("same", &path, ALICE, "", "1-5/5", "hello", '$'));
    }
    let frames = world.frames(bob);
    assert_ne!(frames[0].id, frames[1].id);
    world.octets(alice);
    world.octets(carol);
    world.feed(
        bob,
        format!(
            "MSRP {0} 403 No\r\nTo-Path: {bob_uri}\r\nFrom-Path: {BOB}\r\n-------{0}$\r\n",
            frames[1].id
        ),
    );
    assert_eq!(world.octets(alice), b"");
    assert_eq!(world.frames(carol)[0].header("Status"), Some("000 403 Forbidden"));
}

#[test]
fn a_send_without_a_body_is_passed_on() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    world.feed(
        alice,
        format!(
            "MSRP 6aef SEND\r\nTo-Path: {path}\r\nFrom-Path: {ALICE}\r\nMessage-ID: 87652\r\n-------6aef$\r\n"
        ),
    );
    assert_eq!(world.frames(alice)[0].start_code(), 200);
    let frame = world.frames(bob).remove(0);
    assert_eq!(frame.body, None);
    assert_eq!(frame.header("Byte-Range"), Some("1-0/0"));
    // One without Message-ID cannot be reported on, and is passed on all the same.
    world.feed(
        alice,
        format!("MSRP 6aeg SEND\r\nTo-Path: {path}\r\nFrom-Path: {ALICE}\r\n-------6aeg$\r\n"),
    );
    assert_eq!(world.frames(alice)[0].start_code(), 200);
    assert_eq!(world.frames(bob).len(), 1);
    // An empty body is a body.
    world.feed(alice, send("6aeh", &path, ALICE, "", "1-0/0", "", '$'));
    assert_eq!(world.frames(bob)[0].body, Some(Vec::new()));
}

#[test]
fn a_message_of_which_nothing_more_comes_is_given_up() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    world.feed(
        alice,
        send("6aef", &path, ALICE, "", "1-*/9000", &"x".repeat(3000), '+'),
    );
    let begun = world.octets(bob);
    assert_eq!(world.relay.open_transactions(), 1);
    world.advance(Duration::from_secs(299));
    let more = world.octets(bob);
    world.advance(Duration::from_secs(1));
    let octets = [begun, more, world.octets(bob)].concat();
    let frames = split(&octets);
    assert_eq!(frames.last().unwrap().flag, '#');
    assert_eq!(body_of(&frames), "x".repeat(3000).as_bytes());
    world.advance(Duration::from_secs(31));
    assert_eq!(world.relay.open_transactions(), 0);
}

#[test]
fn only_so_many_messages_are_open_at_a_time() {
    let mut world = World::with(config().max_open_messages(3));
    let (alice, _, _, path) = session(&mut world);
    for number in 0..5 {
        let chunk = send("6aef", &path, ALICE, "", "1-*/9000", &"x".repeat(3000), '+')
            .replace("87652", &format!("message{number}"));
        world.feed(alice, chunk);
        let code = world.frames(alice)[0].start_code();
        assert_eq!(code, if number < 3 { 200 } else { 413 }, "{number}");
    }
}

#[test]
fn a_body_that_looks_like_its_own_end_line_crosses() {
    let mut world = World::new();
    let (alice, _, bob, path) = session(&mut world);
    let body = "\r\n-------6ae\r\n-------6aef\r\n-------6aef%\r\n-------".repeat(100);
    let all = send(
        "6aef",
        &path,
        ALICE,
        "",
        &format!("1-*/{}", body.len()),
        &body,
        '$',
    );
    for size in [1, 7, 64, 5000] {
        for block in all.as_bytes().chunks(size) {
            world.feed(alice, block);
        }
        assert_eq!(body_of(&world.frames(bob)), body.as_bytes());
    }
}
