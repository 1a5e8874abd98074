//! Sessions whose two ends are at different shards.

use super::*;

#[test]
fn a_uri_names_its_shard() {
    let mut shards = Shards::new(3);
    for (shard, letter) in ["a", "b", "c"].iter().enumerate() {
        for _ in 0..5 {
            let (_, uri) = shards.client(shard, "alice", "secret");
            let token = uri.rsplit('/').next().unwrap();
            assert!(token.starts_with(letter) && token.len() == 26 + 4, "{uri}");
        }
    }
    let wrong = config().shard(3, 3);
    let error = Relay::new(shards.worlds[0].now, wrong, [9; 32]).err();
    assert!(matches!(
        error,
        Some(ConfigError::Shard {
            index: 3,
            count: 3,
            ..
        })
    ));
}

#[test]
fn a_session_crosses_shards_in_both_directions_by_one_pipe() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    let to_alice = format!("{bob_uri} {alice_uri} {ALICE}");
    for round in 0..3 {
        shards.feed(alice, hello(&to_bob, ALICE));
        assert_eq!(shards.frames(alice)[0].start_code(), 200);
        let got = shards.frames(bob);
        assert_eq!(got.len(), 1);
        assert_eq!((got[0].start.as_str(), got[0].body()), ("SEND", &b"hello"[..]));
        assert_eq!(got[0].to_path(), BOB);
        assert_eq!(got[0].back_path(), format!("{bob_uri} {alice_uri} {ALICE}"));
        shards.feed(bob, answer(&got[0], "200 OK", BOB));
        shards.feed(bob, report(&format!("rep{round}"), &to_alice, BOB));
        let got = shards.frames(alice);
        assert_eq!(got.len(), 1, "{got:?}");
        assert_eq!(got[0].start, "REPORT");
        assert_eq!(got[0].to_path(), ALICE);
        assert_eq!(got[0].back_path(), format!("{alice_uri} {bob_uri} {BOB}"));
        shards.feed(bob, hello(&to_alice, BOB));
        assert_eq!(shards.frames(bob)[0].start_code(), 200);
        let got = shards.frames(alice);
        assert_eq!(got[0].to_path(), ALICE);
        assert_eq!(got[0].back_path(), format!("{alice_uri} {bob_uri} {BOB}"));
        shards.feed(alice, answer(&got[0], "200 OK", ALICE));
    }
    let opened: u64 = shards
        .worlds
        .iter()
        .map(|world| world.relay.stats().pipes_opened)
        .sum();
    assert_eq!(opened, 1, "what one end opened serves both");
    assert_eq!(shards.total(Relay::open_transactions), 0);
    assert_eq!(shards.total(Relay::connections), 2);
}

#[test]
fn two_pipes_opened_at_once_stay_each_in_its_direction() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    let to_alice = format!("{bob_uri} {alice_uri} {ALICE}");
    shards.worlds[0].feed(alice.1, hello(&to_bob, ALICE));
    shards.worlds[1].feed(bob.1, hello(&to_alice, BOB));
    shards.settle();
    assert_eq!(shards.pipes.len(), 2);
    let ends: Vec<At> = shards.pipes.iter().map(|pipe| pipe.0).collect();
    for _ in 0..3 {
        // Each goes by the pipe that its own connection has.
        shards.worlds[0].feed(alice.1, hello(&to_bob, ALICE));
        shards.worlds[1].feed(bob.1, hello(&to_alice, BOB));
        for end in &ends {
            assert!(shards.worlds[end.0].sockets[&end.1].len() > 0);
        }
        shards.settle();
    }
    let got = |frames: Vec<Frame>| frames.iter().filter(|frame| frame.start == "SEND").count();
    assert_eq!((got(shards.frames(alice)), got(shards.frames(bob))), (4, 4));
}

#[test]
fn a_long_message_crosses_bit_by_bit_whatever_the_pieces() {
    for piece in [1, 7, 1000, usize::MAX] {
        let mut shards = Shards::new(2);
        shards.piece = piece;
        let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
        let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
        let body: String = (0..20_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        let text = send("long", &to_bob, ALICE, "", "1-*/20000", &body, '$');
        for part in text.as_bytes().chunks(3_000) {
            shards.feed(alice, part);
        }
        assert_eq!(shards.frames(alice)[0].start_code(), 200);
        let mut got = Vec::new();
        for frame in shards.frames(bob) {
            got.extend_from_slice(frame.body());
            shards.feed(bob, answer(&frame, "200 OK", BOB));
        }
        assert_eq!(String::from_utf8(got).unwrap(), body);
        assert_eq!(shards.total(Relay::open_transactions), 0);
    }
}

#[test]
fn a_failure_at_the_far_shard_comes_back_as_a_report() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    shards.feed(alice, hello(&to_bob, ALICE));
    let got = shards.frames(bob);
    shards.frames(alice);
    shards.feed(bob, answer(&got[0], "413 No", BOB));
    let told = shards.frames(alice);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].start, "REPORT");
    assert_eq!(told[0].header("Status"), Some("000 413 Stop Sending Message"));
    assert_eq!(told[0].back_path(), format!("{alice_uri} {bob_uri}"));

    // A URI of that shard that does not exist.
    let mut unknown = bob_uri.clone();
    let end = unknown.len() - 4;
    let last = if unknown.as_bytes()[end - 1] == b'a' {
        "b"
    } else {
        "a"
    };
    unknown.replace_range(end - 1..end, last);
    shards.feed(
        alice,
        send(
            "7aef",
            &format!("{alice_uri} {unknown} {BOB}"),
            ALICE,
            "",
            "1-5/5",
            "hello",
            '$',
        )
        .replace("87652", "87653"),
    );
    let told = shards.frames(alice);
    assert_eq!(told[0].start_code(), 200, "the first shard has it");
    assert_eq!(told[1].header("Status"), Some("000 481 No Such Session"));
}

#[test]
fn a_far_side_that_says_nothing_is_reported_after_30_s() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (_bob, bob_uri)) = shards.pair();
    shards.feed(alice, hello(&format!("{alice_uri} {bob_uri} {BOB}"), ALICE));
    shards.frames(alice);
    shards.advance(Duration::from_secs(31));
    let told = shards.frames(alice);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].header("Status"), Some("000 408 Request Timeout"));
}

#[test]
fn a_slow_receiver_at_another_shard_makes_the_sender_wait() {
    let mut shards = Shards::with(2, || config().slow_receiver(SlowReceiver::Pause));
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    shards.worlds[1].set_room(bob.1, Some(0));
    let head = format!(
        "MSRP bigg SEND\r\nTo-Path: {to_bob}\r\nFrom-Path: {ALICE}\r\nMessage-ID: 87652\r\nByte-Range: 1-*/*\r\n\
         Content-Type: text/plain\r\n\r\n"
    );
    shards.feed(alice, head);
    let block = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    while shards.worlds[0].relay_wants_read(alice.1) {
        shards.feed(alice, &block);
        sent += block.len();
        assert!(sent < 16 * 1024 * 1024, "nobody is slowed down");
    }
    let held = shards.total(Relay::memory);
    assert!(held < 4 * 1024 * 1024, "{held}");
    shards.worlds[1].set_room(bob.1, None);
    shards.settle();
    assert!(shards.worlds[0].relay_wants_read(alice.1));
    shards.feed(alice, "\r\n-------bigg$\r\n");
    let mut got = 0;
    for frame in shards.frames(bob) {
        got += frame.body().len();
    }
    assert_eq!(got, sent);
}

#[test]
fn a_pipe_ends_with_the_connection_it_was_opened_for() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    shards.feed(alice, hello(&to_bob, ALICE));
    let (near, far) = shards.pipes[0];
    assert_eq!((near.0, far.0), (0, 1));
    assert_eq!(shards.total(Relay::pipes), 2);
    shards.reset(alice);
    assert!(shards.worlds[0].closed(near.1) && shards.worlds[1].closed(far.1));
    assert_eq!(shards.total(Relay::pipes), 0);
    assert_eq!(shards.total(Relay::connections), 1);
    // Bob learns that alice is gone, by a pipe of his own.
    shards.frames(bob);
    shards.feed(bob, hello(&format!("{bob_uri} {alice_uri} {ALICE}"), BOB));
    let told = shards.frames(bob);
    assert_eq!(told[0].start_code(), 200);
    assert_eq!(told[1].header("Status"), Some("000 481 No Such Session"));
}

#[test]
fn a_lost_receiver_is_reported_to_the_other_shard() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    shards.feed(alice, hello(&format!("{alice_uri} {bob_uri} {BOB}"), ALICE));
    assert_eq!(shards.frames(alice).len(), 1);
    shards.reset(bob);
    let told = shards.frames(alice);
    assert_eq!(told[0].header("Status"), Some("000 408 Request Timeout"));
}
