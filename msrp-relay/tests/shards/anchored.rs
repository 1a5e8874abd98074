//! Anchored sessions, whose sides may come in anywhere.

use super::*;

/// The sides of an anchored session come to the shard that anchored it: a connection that has just come in moves there,
/// one that serves another session already reaches it by a pipe.
#[test]
fn an_anchored_session_is_reached_from_any_shard() {
    let sdp = |uri: &str| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=message 9892 TCP/TLS/MSRP *\r\n\
             a=accept-types:text/plain\r\na=setup:active\r\na=path:{uri}\r\n"
        )
    };
    let path = |sdp: Vec<u8>| {
        let sdp = String::from_utf8(sdp).unwrap();
        let path = sdp.lines().find_map(|line| line.strip_prefix("a=path:"));
        path.unwrap().to_owned()
    };
    let mut shards = Shards::new(2);
    let (alice, _) = shards.client(0, "alice", "secret");
    let now = shards.worlds[1].now;
    let relay = &mut shards.worlds[1].relay;
    let (id, for_bob) = relay
        .anchor_offer(now, sdp(ALICE).as_bytes(), &AnchorOptions::new())
        .unwrap();
    let for_alice = relay.anchor_answer(now, id, sdp(BOB).as_bytes()).unwrap();
    let (to_bob, to_alice) = (path(for_alice), path(for_bob));
    let bob = (0, shards.worlds[0].accept(tls()));
    shards.feed(bob, hello(&to_alice, BOB));
    let (_, moved) = shards.moved.pop().unwrap();
    let bob = moved.unwrap();
    assert_eq!(bob.0, 1);
    assert_eq!(shards.frames(bob)[0].start_code(), 200);
    shards.feed(alice, hello(&to_bob, ALICE));
    let got = shards.frames(alice);
    assert!(got.iter().any(|frame| frame.start_code() == 200), "{got:?}");
    let message = got
        .iter()
        .find(|frame| frame.start == "SEND")
        .expect("what bob said");
    assert_eq!((message.to_path(), message.back_path()), (ALICE, to_bob.as_str()));
    let got = shards.frames(bob);
    assert_eq!((got[0].to_path(), got[0].back_path()), (BOB, to_alice.as_str()));
    let now = shards.worlds[1].now;
    let info = shards.worlds[1].relay.anchor_end(now, id).unwrap();
    shards.worlds[1].turn();
    shards.settle();
    assert_eq!(info.streams[0].offerer.stats.passed.messages, 1);
    assert!(shards.worlds[1].closed(bob.1));
    assert!(!shards.worlds[0].closed(alice.1));
}
