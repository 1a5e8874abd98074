//! Connections that come in at a shard that their requests are not for.

use super::*;

/// A peer without a relay, and what it says first, at a shard that is not its own.
#[test]
fn a_new_connection_moves_to_the_shard_of_its_first_request() {
    let mut probe = Shards::new(2);
    let (_, uri) = probe.client(1, "bob", "hidden");
    let request = hello(&format!("{uri} {BOB}"), ALICE);
    for cut in 0..request.len() {
        let mut shards = Shards::new(2);
        let (bob, uri) = shards.client(1, "bob", "hidden");
        assert!(request.contains(&uri), "the same seed gives the same");
        let peer = shards.worlds[0].accept(tls());
        shards.feed((0, peer), &request[..cut]);
        let home = match shards.moved.first() {
            Some(&(from, to)) => {
                assert_eq!(from, (0, peer));
                to.unwrap()
            }
            None => {
                shards.feed((0, peer), &request[cut..]);
                shards.moved[0].1.unwrap()
            }
        };
        if shards.frames(bob).is_empty() {
            shards.feed(home, &request[cut..]);
        } else {
            continue;
        }
        let told = shards.frames(home);
        assert_eq!(told.len(), 1, "{cut}");
        assert_eq!(told[0].start_code(), 200);
    }
}

#[test]
fn what_moved_is_a_connection_like_any_other() {
    let mut shards = Shards::new(2);
    let (bob, uri) = shards.client(1, "bob", "hidden");
    let peer = shards.worlds[0].accept(tls());
    let both = hello(&format!("{uri} {BOB}"), ALICE) + &hello(&format!("{uri} {BOB}"), ALICE);
    shards.feed((0, peer), both);
    let home = shards.moved[0].1.unwrap();
    assert_eq!(shards.worlds[0].relay.stats().handed_over, 1);
    assert_eq!(shards.worlds[0].relay.connections(), 0);
    assert_eq!(shards.frames(home).len(), 2);
    let got = shards.frames(bob);
    assert_eq!(got.len(), 2, "nothing is lost on the way");
    // Answers and requests of bob take it too, so there is no pipe.
    shards.feed(bob, answer(&got[0], "200 OK", BOB));
    shards.feed(bob, hello(&format!("{uri} {ALICE}"), BOB));
    assert_eq!(shards.frames(home)[0].to_path(), ALICE);
    assert_eq!(shards.total(Relay::pipes), 0);
}

#[test]
fn what_belongs_here_or_nowhere_does_not_move() {
    let mut shards = Shards::new(2);
    let (_, here) = shards.client(0, "alice", "secret");
    let (_, there) = shards.client(1, "bob", "hidden");
    let foreign = there.replace("relay.example.com", "other.example.com");
    for first in [&here, RELAY, &foreign] {
        let peer = shards.worlds[0].accept(tls());
        shards.feed((0, peer), hello(&format!("{first} {BOB}"), ALICE));
        assert!(shards.moved.is_empty(), "{first}");
    }
    // A first request that takes too long to say whom it is for ends where it is.
    let peer = shards.worlds[0].accept(tls());
    shards.feed((0, peer), format!("MSRP {} SEND\r\n", "a".repeat(40)));
    shards.feed((0, peer), hello(&format!("{there} {BOB}"), ALICE));
    assert!(shards.moved.is_empty());
    let peer = shards.worlds[0].accept(tls());
    shards.feed((0, peer), "MSRP 6aef SEND\r\nTo-Path: msrps:");
    shards.advance(Duration::from_secs(16));
    assert!(shards.worlds[0].closed(peer), "the time for a head is as ever");
}

/// The connection of another relay, or a WebSocket: its requests are for several shards.
#[test]
fn a_connection_of_several_shards_reaches_them_all() {
    let mut shards = Shards::new(3);
    let clients: Vec<(At, String)> = (0..3)
        .map(|shard| shards.client(shard, "bob", "hidden"))
        .collect();
    let peer = (0, shards.worlds[0].accept(tls()));
    for round in 0..3 {
        for (index, (client, uri)) in clients.iter().enumerate() {
            let text = hello(&format!("{uri} {BOB}"), ALICE).replace("6aef", &format!("r{round}{index}x"));
            shards.feed(peer, text);
            let told = shards.frames(peer);
            assert_eq!((told.len(), told[0].start_code()), (1, 200));
            assert_eq!(told[0].back_path(), uri);
            let got = shards.frames(*client);
            assert_eq!(got.len(), 1);
            assert_eq!(got[0].to_path(), BOB);
            assert_eq!(got[0].back_path(), format!("{uri} {ALICE}"));
            shards.feed(*client, answer(&got[0], "200 OK", BOB));
            // And back, by the pipe that brought it.
            shards.feed(
                *client,
                report(&format!("rep{round}"), &format!("{uri} {ALICE}"), BOB),
            );
            let got = shards.frames(peer);
            assert_eq!(got.len(), 1);
            assert_eq!((got[0].start.as_str(), got[0].to_path()), ("REPORT", ALICE));
            assert_eq!(got[0].back_path(), format!("{uri} {BOB}"));
            shards.feed(*client, hello(&format!("{uri} {ALICE}"), BOB));
            let got = shards.frames(peer);
            assert_eq!((got[0].start.as_str(), got[0].to_path()), ("SEND", ALICE));
            shards.feed(peer, answer(&got[0], "200 OK", ALICE));
            assert_eq!(shards.frames(*client).pop().unwrap().start_code(), 200);
        }
    }
    assert_eq!(shards.pipes.len(), 2);
    assert!(shards.moved.is_empty());
    assert_eq!(shards.total(Relay::open_transactions), 0);
}

#[test]
fn message_framing_uses_pipes_from_the_first_request_on() {
    let mut shards = Shards::new(2);
    let (bob, uri) = shards.client(1, "bob", "hidden");
    let browser = (0, shards.worlds[0].accept(tls().with_framing(Framing::Message)));
    let text = hello(&format!("{uri} {BOB}"), ALICE);
    shards.feed_message(browser, text);
    assert!(shards.moved.is_empty());
    assert_eq!(shards.frames(bob)[0].to_path(), BOB);
    assert_eq!(shards.frames(browser)[0].start_code(), 200);
}

/// RFC 4976 §6.1: whoever guesses at URIs is closed, whichever shard they name.
#[test]
fn guesses_at_another_shard_prove_nothing() {
    let mut shards = Shards::new(2);
    let (_, uri) = shards.client(1, "bob", "hidden");
    let guess = format!("{}aaaa;tcp", &uri[..uri.len() - 8]);
    let peer = (0, shards.worlds[0].accept(tls().with_framing(Framing::Message)));
    for round in 0..4 {
        let text = hello(&format!("{guess} {BOB}"), ALICE)
            .replace("6aef", &format!("g{round}xx"))
            .replace("87652", &format!("m{round}xx"));
        shards.feed_message(peer, text);
        assert!(!shards.worlds[0].closed(peer.1));
    }
    shards.feed_message(
        peer,
        hello(&format!("{guess} {BOB}"), ALICE).replace("87652", "lastx"),
    );
    assert!(shards.worlds[0].closed(peer.1), "five failures");

    let peer = (0, shards.worlds[0].accept(tls().with_framing(Framing::Message)));
    shards.feed_message(peer, hello(&format!("{guess} {BOB}"), ALICE));
    shards.advance(Duration::from_secs(31));
    assert!(shards.worlds[0].closed(peer.1), "the probation is over");
    assert_eq!(shards.total(Relay::pipes), 0);
}

#[test]
fn nobody_speaks_for_the_other_shard() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let mallory = (0, shards.worlds[0].accept(tls()));
    // Knows alice's URI, and claims to be the way to bob's.
    shards.feed(
        mallory,
        hello(&format!("{alice_uri} {ALICE}"), &format!("{bob_uri} {BOB}")),
    );
    assert_eq!(shards.frames(alice).len(), 1);
    shards.frames(mallory);
    shards.feed(alice, hello(&format!("{alice_uri} {bob_uri} {BOB}"), ALICE));
    assert!(shards.frames(mallory).is_empty());
    assert_eq!(shards.frames(bob).len(), 1);
}
