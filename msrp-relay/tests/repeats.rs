//! Messages that say what the one before said take a short way through the relay. It has to lead to the same octets as the
//! long way, which messages take that come octet by octet.

mod harness;

use harness::*;
use msrp_core::node::ConnectionHandle;

/// What came of some traffic: what was written to alice and to bob, and how the relay stood, after each turn.
type Seen = Vec<[String; 3]>;

fn feed(world: &mut World, handle: ConnectionHandle, octets: &[u8], piece: usize) {
    for part in octets.chunks(piece) {
        if !world.closed(handle) {
            world.feed(handle, part);
        }
    }
}

/// Alice sends the turns that `turns` makes for her path, each in pieces of this size; bob answers each SEND with `answer`,
/// and sends as much back to alice.
fn play(piece: usize, turns: &[Vec<String>], answer: impl Fn(&Frame, usize) -> String) -> Seen {
    let mut world = World::new();
    let ((alice, alice_uri), (bob, bob_uri)) = world.pair();
    let there = format!("To-Path: {alice_uri} {bob_uri} {BOB}\r\nFrom-Path: {ALICE}");
    let back = format!("To-Path: {bob_uri} {alice_uri} {ALICE}\r\nFrom-Path: {BOB}");
    let mut seen = Vec::new();
    for turn in turns {
        for (from, to, paths) in [(alice, bob, &there), (bob, alice, &back)] {
            if world.closed(from) || world.closed(to) {
                continue;
            }
            let octets = turn.concat().replace("PATHS", paths);
            feed(&mut world, from, octets.as_bytes(), piece);
            let (answered, out) = (world.octets(from), world.octets(to));
            let answers: String = split(&out)
                .iter()
                .filter(|frame| frame.start == "SEND")
                .enumerate()
                .map(|(at, frame)| answer(frame, at))
                .collect();
            feed(&mut world, to, answers.as_bytes(), piece);
            let after = String::from_utf8_lossy(&world.octets(from)).into_owned();
            // What waits in between depends on the pieces, and is counted by how it waits.
            let mut stats = *world.relay.stats();
            stats.waiting = Default::default();
            seen.push([
                String::from_utf8_lossy(&answered).into_owned(),
                String::from_utf8_lossy(&out).into_owned(),
                format!("{} open, {stats:?}, {after}", world.relay.open_transactions()),
            ]);
        }
    }
    seen
}

fn ok(frame: &Frame, _: usize) -> String {
    let (to, from) = (first(frame.back_path()), first(frame.to_path()));
    format!(
        "MSRP {0} 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{0}$\r\n",
        frame.id
    )
}

fn first(path: &str) -> &str {
    path.split(' ').next().unwrap()
}

/// A SEND with these parts; `more` stands before the Byte-Range.
fn message(id: &str, message_id: &str, more: &str, range: &str, body: &str, flag: char) -> String {
    format!(
        "MSRP {id} SEND\r\nPATHS\r\nMessage-ID: {message_id}\r\n{more}Byte-Range: {range}\r\nContent-Type: text/plain\r\n\r\n\
         {body}\r\n-------{id}{flag}\r\n"
    )
}

/// Three that teach the relay the pattern of the last, which follows them in the same turn and once more alone.
fn after_usual(odd: &str) -> Vec<Vec<String>> {
    let usual = |id: &str| message(id, &format!("m.{id}"), "", "1-5/5", "hello", '$');
    vec![
        vec![usual("aaaa"), usual("aaab")],
        vec![usual("aaac"), odd.to_owned(), usual("aaad"), usual("aaae")],
        vec![odd.to_owned(), usual("aaaf")],
    ]
}

#[track_caller]
fn assert_same(turns: &[Vec<String>], answer: impl Fn(&Frame, usize) -> String) {
    let (short, long) = (play(usize::MAX, turns, &answer), play(1, turns, &answer));
    assert!(!short.is_empty());
    for (short, long) in short.iter().zip(&long) {
        assert_eq!(short, long);
    }
    assert_eq!(short.len(), long.len());
    for piece in [7, 100, 333] {
        assert_eq!(play(piece, turns, &answer), long, "in pieces of {piece}");
    }
}

#[test]
fn the_short_way_leads_to_the_same_octets() {
    let long_id = "x".repeat(32);
    let odd = [
        message("bbbb", "other", "", "1-2/2", "ok", '$'),
        message(&long_id, &long_id, "", "1-2/2", "ok", '$'),
        // Other headers, another order, another spelling.
        message("bbbb", "m.1234", "Failure-Report: no\r\n", "1-5/5", "hello", '$'),
        message(
            "bbbb",
            "m.1234",
            "Failure-Report: partial\r\n",
            "1-5/5",
            "hello",
            '$',
        ),
        message("bbbb", "m.1234", "X-Extra: kept\r\n", "1-5/5", "hello", '$'),
        message("bbbb", "m.1234", "", "1-5/5", "hello", '$').replace("Byte-Range", "byte-range"),
        message("bbbb", "m.1234", "", "1-5/5", "hello", '$').replace("Message-ID", "message-id"),
        // Ranges. (What comes bit by bit and has an open end leaves bit by bit, so that is no case for this test.)
        message("bbbb", "m.1234", "", "1-5/*", "hello", '$'),
        message("bbbb", "m.1234", "", "01-05/005", "hello", '$'),
        message("bbbb", "m.1234", "", "1-7/7", "hello", '$'),
        message("bbbb", "m.1234", "", "3-7/7", "hello", '$'),
        message("bbbb", "m.1234", "", "1-0/0", "", '$'),
        message("bbbb", "m.1234", "", "0-5/5", "hello", '$'),
        message("bbbb", "m.1234", "", "1-9999999999999999999/5", "hello", '$'),
        message("bbbb", "m.1234", "", "1-5/5 ", "hello", '$'),
        // Chunks, and messages that are given up.
        message("bbbb", "m.1234", "", "1-5/9", "hello", '+'),
        message("bbbb", "m.1234", "", "1-5/5", "hello", '#'),
        // Bodies that look like end-lines, and long ones.
        message("bbbb", "m.1234", "", "1-17/17", "\r\n-------bbbx$\r\n", '$'),
        message("bbbb", "m.1234", "", "1-12/12", "-------bbbb$", '$'),
        message("bbbb", "m.1234", "", "1-7/7", "-------", '$'),
        message("bbbb", "m.1234", "", "1-7/7", "\r\n-----", '$'),
        message("bbbb", "m.1234", "", "1-2047/2047", &"y".repeat(2047), '$'),
        message("bbbb", "m.1234", "", "1-2048/2048", &"y".repeat(2048), '$'),
        // Identifiers that are none.
        message("bb", "m.1234", "", "1-5/5", "hello", '$'),
        message("bb b", "m.1234", "", "1-5/5", "hello", '$'),
        message(".bbb", "m.1234", "", "1-5/5", "hello", '$'),
        message("bbbb", "m12", "", "1-5/5", "hello", '$'),
        message("bbbb", "m/12", "", "1-5/5", "hello", '$'),
        message("bbbb", &"x".repeat(33), "", "1-5/5", "hello", '$'),
        message("bbbb", "m.1234", "", "1-5/5", "hello", '$').replace("-------bbbb$", "-------bbbc$"),
        // Something else than a SEND.
        message("bbbb", "m.1234", "", "1-5/5", "hello", '$').replace(" SEND", " NICKNAME"),
        "MSRP bbbb SEND\r\nPATHS\r\nMessage-ID: m.1234\r\nByte-Range: 1-0/0\r\n-------bbbb$\r\n".to_owned(),
        "MSRP bbbb 200 OK\r\nPATHS\r\n-------bbbb$\r\n".to_owned(),
        "HTTP".to_owned(),
    ];
    for odd in &odd {
        assert_same(&after_usual(odd), ok);
    }
}

#[test]
fn answers_are_read_where_they_differ() {
    let turns = after_usual(&message("bbbb", "m.1234", "", "1-2/2", "ok", '$'));
    type Change = fn(&str, usize) -> String;
    let changes: [Change; 9] = [
        |answer, _| answer.replace("OK", "Fine"),
        |answer, at| answer.replace("OK", if at % 2 == 0 { "OK" } else { "Fine" }),
        |answer, at| answer.replace("200 OK", if at == 2 { "413 Enough" } else { "200 OK" }),
        |answer, at| {
            answer.replace(
                "\r\nFrom",
                if at == 1 {
                    "\r\nX-More: 1\r\nFrom"
                } else {
                    "\r\nFrom"
                },
            )
        },
        |answer, at| if at == 1 { String::new() } else { answer.to_owned() },
        |answer, at| {
            if at == 1 {
                answer.repeat(2)
            } else {
                answer.to_owned()
            }
        },
        |answer, at| answer.replace('$', if at == 2 { "+" } else { "$" }),
        |answer, at| answer.replace("MSRP ", if at == 2 { "MSRP x" } else { "MSRP " }),
        |answer, at| {
            if at == 2 {
                answer.replacen("MSRP a", "MSRP b", 1)
            } else {
                answer.to_owned()
            }
        },
    ];
    for change in changes {
        assert_same(&turns, |frame, at| change(&ok(frame, at), at));
    }
}

#[test]
fn a_way_that_has_ended_is_not_taken() {
    let mut world = World::new();
    let ((alice, alice_uri), (bob, bob_uri)) = world.pair();
    let paths = format!("To-Path: {alice_uri} {bob_uri} {BOB}\r\nFrom-Path: {ALICE}");
    let usual =
        |id: &str| message(id, &format!("m.{id}"), "", "1-5/5", "hello", '$').replace("PATHS", &paths);
    for id in ["aaaa", "aaab"] {
        world.feed(alice, usual(id));
        assert_eq!(world.frames(alice)[0].start_code(), 200);
    }
    world.reset(bob);
    world.octets(alice);
    world.feed(alice, usual("aaac"));
    assert_eq!(world.frames(alice)[0].start_code(), 481);
    assert_eq!(world.relay.stats().chunks_whole, 2);
}

#[test]
fn a_full_receiver_makes_the_short_way_wait_as_the_long_one() {
    let mut world = World::new();
    let ((alice, alice_uri), (bob, bob_uri)) = world.pair();
    let paths = format!("To-Path: {alice_uri} {bob_uri} {BOB}\r\nFrom-Path: {ALICE}");
    let body = "y".repeat(2000);
    let usual = |id: usize| {
        let id = format!("{id:06}");
        message(&id, &id, "", "1-2000/2000", &body, '$').replace("PATHS", &paths)
    };
    world.set_room(bob, Some(0));
    let mut sent = 0;
    while world.relay_wants_read(alice) {
        world.feed(alice, (sent..sent + 10).map(usual).collect::<String>());
        sent += 10;
        assert!(sent < 10_000, "the sender never has to wait");
    }
    // Bob reads again, in small steps.
    let mut out = Vec::new();
    for _ in 0..sent {
        world.set_room(bob, Some(3_000));
        out.append(&mut world.octets(bob));
    }
    let frames = split(&out);
    assert_eq!(frames.len(), sent);
    for (at, frame) in frames.iter().enumerate() {
        assert_eq!(frame.header("Message-ID").unwrap(), format!("{at:06}"));
        assert_eq!(frame.body(), body.as_bytes());
    }
    assert_eq!(world.frames(alice).len(), sent);
}
