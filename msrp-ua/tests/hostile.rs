//! Peers that lie, break off, and talk nonsense: everything stays within its bounds, and nothing falls over.

mod peer;

use std::time::Duration;

use bytes::BytesMut;
use msrp_core::node::Node;
use msrp_ua::{OutgoingMessage, Receive, UserAgentEvent};
use peer::{PEER, Peer, config};
use proptest::prelude::*;

/// One of everything that a peer may say, sound.
fn corpus(to: &str, id: &str, tid: &str) -> Vec<u8> {
    let paths = format!("To-Path: {to}\r\nFrom-Path: {PEER}\r\n");
    format!(
        "MSRP keepal00 SEND\r\n{paths}Message-ID: alive\r\nByte-Range: 1-0/0\r\n-------keepal00$\r\n\
         MSRP chunk001 SEND\r\n{paths}Message-ID: chunked\r\nByte-Range: 1-*/9\r\nSuccess-Report: yes\r\n\
         Content-Type: text/plain\r\n\r\nabcd\r\n-------chunk001+\r\n\
         MSRP report00 REPORT\r\n{paths}Message-ID: {id}\r\nByte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n-------report00$\r\n\
         MSRP chunk002 SEND\r\n{paths}Message-ID: chunked\r\nByte-Range: 5-9/9\r\nSuccess-Report: yes\r\n\
         Content-Type: text/plain\r\n\r\nefghi\r\n-------chunk002$\r\n\
         MSRP other000 NICKNAME\r\n{paths}Use-Nickname: \"x\"\r\n-------other000$\r\n\
         MSRP {tid} 200 OK\r\n{paths}-------{tid}$\r\n"
    )
    .into_bytes()
}

/// A session in which a message of ours awaits its answer and its report.
fn waiting() -> (Peer, Vec<u8>) {
    let mut peer = Peer::bound();
    let message = OutgoingMessage::text("Hello").with_success_report();
    peer.agent.send(peer.session, message).unwrap();
    let sent = peer.read().remove(0);
    peer.events.clear();
    let octets = corpus(&peer.to, sent.header("Message-ID").unwrap(), &sent.tid);
    (peer, octets)
}

fn feed(peer: &mut Peer, octets: &[u8]) {
    peer.agent.handle_read(peer.now, peer.wire, octets.into());
    peer.read_octets(peer.wire, usize::MAX);
    peer.listen();
}

/// However it has gone: when everything is over nothing is left.
fn ends_cleanly(mut peer: Peer) {
    peer.now += Duration::from_secs(3600);
    peer.agent.handle_timeout(peer.now);
    peer.read_octets(peer.wire, usize::MAX);
    peer.listen();
    assert_eq!((peer.agent.buffered(), peer.agent.incoming_count()), (0, 0));
    peer.agent.shut_down();
    peer.now += Duration::from_secs(10);
    peer.agent.handle_timeout(peer.now);
    peer.read_octets(peer.wire, usize::MAX);
    assert_eq!(
        (
            peer.agent.session_count(),
            peer.agent.outgoing_count(),
            peer.agent.connection_count()
        ),
        (0, 0, 0)
    );
}

#[test]
fn sound_octets_do_what_they_say_however_they_are_cut() {
    let (_, octets) = waiting();
    for cut in 0..octets.len() {
        let (mut peer, octets) = waiting();
        feed(&mut peer, &octets[..cut]);
        feed(&mut peer, &octets[cut..]);
        assert!(matches!(
            peer.events[..],
            [
                UserAgentEvent::Delivered { complete: true, .. },
                UserAgentEvent::Message { .. },
                UserAgentEvent::Accepted { .. }
            ]
        ));
    }
}

#[test]
fn octets_may_be_flipped_left_out_repeated_and_made_up_anywhere() {
    let (_, octets) = waiting();
    for at in 0..octets.len() {
        for way in 0..5 {
            let (mut peer, mut octets) = waiting();
            match way {
                0 => octets[at] ^= 1 << (at % 8),
                1 => {
                    octets.remove(at);
                }
                2 => octets.insert(at, octets[at]),
                3 => octets.truncate(at),
                _ => {
                    octets.splice(at..at, *b"\r\n-------chunk001$\r\n");
                }
            }
            feed(&mut peer, &octets);
            if way == 3 {
                peer.agent.handle_eof(peer.now, peer.wire);
            }
            ends_cleanly(peer);
        }
    }
}

/// A chunk that says anything.
#[derive(Clone, Debug)]
struct Lie {
    id: usize,
    start: u64,
    end: Option<u64>,
    total: Option<u64>,
    body: usize,
    flag: char,
    reports: usize,
}

fn position() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 1_u64..64,
        1 => Just(0_u64),
        1 => Just(u64::MAX),
        1 => Just(u64::MAX / 2),
        1 => 1_u64..2_000_000,
    ]
}

fn lie() -> impl Strategy<Value = Lie> {
    (
        0_usize..6,
        position(),
        proptest::option::of(position()),
        proptest::option::of(position()),
        prop_oneof![4 => 0_usize..40, 1 => 0_usize..5000],
        proptest::sample::select(vec!['$', '+', '+', '#']),
        0_usize..4,
    )
        .prop_map(|(id, start, end, total, body, flag, reports)| Lie {
            id,
            start,
            end,
            total,
            body,
            flag,
            reports,
        })
}

proptest! {
    #[test]
    fn lies_about_positions_cost_no_more_than_the_octets_that_come(
        lies in proptest::collection::vec(lie(), 1..60),
        stream in any::<bool>(),
    ) {
        let config = config().max_incoming(3).max_holes(4).max_buffered(6_000).remembered(4);
        let mut peer = Peer::bound_with(config, |params| {
            params.max_size = 1_000_000;
            params.receive = if stream { Receive::Stream } else { Receive::Whole };
        });
        let mut told = 0;
        for lie in lies {
            let number = |number: Option<u64>| number.map_or("*".to_owned(), |number| number.to_string());
            let range = format!("{}-{}/{}", lie.start, number(lie.end), number(lie.total));
            let headers = ["", "Success-Report: yes\r\n", "Failure-Report: no\r\n", "Failure-Report: partial\r\n"];
            let body = vec![b'a' + lie.id as u8; lie.body];
            let said = peer.chunk_with(&format!("lie{}", lie.id), &range, headers[lie.reports], "text/plain", &body, lie.flag);
            prop_assert!(said.iter().filter(|frame| frame.start != "REPORT").count() <= 1);
            prop_assert!(peer.agent.incoming_count() <= 3);
            prop_assert!(peer.agent.buffered() <= 6_000);
            // What is told was said: each octet carries its message's letter.
            for event in &peer.events[told..] {
                if let UserAgentEvent::Message { body: Some(body), size, .. } = event {
                    prop_assert_eq!(body.len() as u64, *size);
                    prop_assert!(body.windows(2).all(|pair| pair[0] == pair[1]));
                }
            }
            told = peer.events.len();
        }
        ends_cleanly(peer);
    }

    #[test]
    fn noise_ends_the_connection_or_is_answered(noise in proptest::collection::vec(any::<u8>(), 0..2000), at in 0_usize..900) {
        let (mut peer, mut octets) = waiting();
        let at = at.min(octets.len());
        octets.splice(at..at, noise);
        for block in octets.chunks(97) {
            feed(&mut peer, block);
        }
        ends_cleanly(peer);
    }
}

#[test]
fn a_peer_that_only_connects_and_goes_leaves_nothing() {
    let mut peer = Peer::bound();
    for _ in 0..1000 {
        let wire = peer.connect();
        peer.agent
            .handle_read(peer.now, wire, BytesMut::from("MSRP half"));
        peer.agent.handle_reset(peer.now, wire);
    }
    assert_eq!(peer.agent.connection_count(), 1);
    for _ in 0..50 {
        peer.connect();
    }
    peer.advance(Duration::from_secs(31));
    assert_eq!(peer.agent.connection_count(), 1);
    assert!(peer.events.is_empty());
}
