//! What one shard has taken is delivered, whoever drains or goes.

use super::*;

#[test]
fn what_one_shard_has_taken_is_delivered_by_one_that_drains() {
    for first in [true, false] {
        let mut shards = Shards::new(2);
        let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
        let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
        if !first {
            shards.feed(alice, hello(&to_bob, ALICE));
            let got = shards.frames(bob);
            shards.feed(bob, answer(&got[0], "200 OK", BOB));
            shards.frames(alice);
        }
        // Alice's shard takes a message while bob's has been told already.
        shards.worlds[1].command(RelayCommand::Settle).unwrap();
        shards.worlds[0].feed(alice.1, hello(&to_bob, ALICE));
        shards.step();
        shards.worlds[0].command(RelayCommand::Settle).unwrap();
        shards.settle();
        assert_eq!(shards.frames(alice)[0].start_code(), 200);
        let got = shards.frames(bob);
        assert_eq!(got[0].body(), b"hello");
        shards.feed(alice, hello(&to_bob, ALICE).replace("87652", "87653"));
        assert_eq!(shards.frames(alice)[0].start_code(), 413, "nothing new");
        shards.feed(bob, answer(&got[0], "200 OK", BOB));
        assert_eq!(shards.total(Relay::open_transactions), 0);
        assert_eq!(shards.total(Relay::connections), 2, "not yet");
        for world in &mut shards.worlds {
            world.command(RelayCommand::Drain).unwrap();
        }
        shards.settle();
        assert!(shards.worlds.iter().all(|world| world.relay.is_drained()));
    }
}

/// Its sender was told that we have it.
#[test]
fn what_was_taken_arrives_though_its_sender_goes_at_once() {
    let long: String = (0..300_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    for reset in [false, true] {
        for body in ["hello", &long] {
            let mut shards = Shards::new(2);
            let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
            let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
            let range = format!("1-*/{}", body.len());
            shards.worlds[1].set_room(bob.1, Some(0));
            // All in one turn, before there is a pipe: a long message needs one to be taken.
            shards.worlds[0].feed(alice.1, send("6aef", &to_bob, ALICE, "", &range, body, '$'));
            while !shards.worlds[0].relay_wants_read(alice.1) {
                assert!(shards.step(), "alice is waited for");
            }
            assert_eq!(shards.frames(alice)[0].start_code(), 200);
            if reset {
                shards.worlds[0].reset(alice.1);
            } else {
                shards.worlds[0].eof(alice.1);
            }
            shards.settle();
            shards.worlds[1].set_room(bob.1, None);
            shards.settle();
            let got = shards.frames(bob);
            let octets: Vec<u8> = got.iter().flat_map(|frame| frame.body().to_vec()).collect();
            assert_eq!((octets.len(), got.last().unwrap().flag), (body.len(), '$'));
            assert_eq!(octets, body.as_bytes());
            assert_eq!(shards.total(Relay::pipes), 0);
        }
    }
}

#[test]
fn pipes_are_bounded_and_drained() {
    let mut shards = Shards::with(2, || config().max_connections(2));
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    shards.feed(alice, hello(&to_bob, ALICE));
    let got = shards.frames(bob);
    shards.feed(bob, answer(&got[0], "200 OK", BOB));
    // One end at each shard, which is as many as there may be connections there.
    assert_eq!(
        shards.worlds[1].try_accept(tls()).err(),
        Some(Refused::TooManyConnections { limit: 1 })
    );
    let pipe = PeerInfo::new().with_shard(0);
    assert_eq!(
        shards.worlds[1].try_accept(pipe).err(),
        Some(Refused::TooManyConnections { limit: 1 })
    );

    for world in &mut shards.worlds {
        world.command(RelayCommand::Drain).unwrap();
    }
    shards.settle();
    for world in &shards.worlds {
        assert!(world.relay.is_drained(), "nothing was under way");
    }
}

/// Shards cannot hear of a drain at the same moment.
#[test]
fn what_one_shard_has_taken_arrives_at_another_that_takes_nothing_new() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    let to_alice = format!("{bob_uri} {alice_uri} {ALICE}");
    // By the long way, and then by the short one.
    for round in 0..3 {
        if round == 1 {
            shards.worlds[1].command(RelayCommand::Settle).unwrap();
        }
        shards.feed(alice, hello(&to_bob, ALICE));
        assert_eq!(shards.frames(alice)[0].start_code(), 200);
        let got = shards.frames(bob);
        assert_eq!(got[0].body(), b"hello");
        shards.feed(bob, answer(&got[0], "200 OK", BOB));
    }
    // What is new is refused where a client would say it.
    shards.feed(bob, hello(&to_alice, BOB));
    assert_eq!(shards.frames(bob)[0].start_code(), 413);
    shards.worlds[0].command(RelayCommand::Settle).unwrap();
    shards.feed(alice, hello(&to_bob, ALICE));
    assert_eq!(shards.frames(alice)[0].start_code(), 413);
    assert!(shards.frames(bob).is_empty());
    assert_eq!(shards.total(Relay::open_transactions), 0);
    assert_eq!(
        shards.total(Relay::connections),
        2,
        "they stay until all have settled"
    );
    for world in &mut shards.worlds {
        world.command(RelayCommand::Drain).unwrap();
    }
    shards.settle();
    assert!(shards.worlds.iter().all(|world| world.relay.is_drained()));
}
