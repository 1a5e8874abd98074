//! Messages that come in: in any pieces, within bounds, and refused where they are not wanted (RFC 4975 §7.3.1).

mod peer;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use msrp_core::{grammar::StatusCode, node::Node};
use msrp_ua::{
    AbortReason, Accept, IncomingKey, OutgoingMessage, Receive, UserAgentEvent,
    message::{MessageSink, SinkError},
};
use peer::{Peer, config};
use proptest::prelude::*;

/// Bodies of the messages that were told whole.
fn bodies(events: &[UserAgentEvent]) -> Vec<Bytes> {
    events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::Message { body, .. } => body.clone(),
            _ => None,
        })
        .collect()
}

fn aborts(events: &[UserAgentEvent]) -> Vec<AbortReason> {
    events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::MessageAborted { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect()
}

fn asked(events: &[UserAgentEvent]) -> IncomingKey {
    events
        .iter()
        .rev()
        .find_map(|event| match event {
            UserAgentEvent::IncomingMessage { message, .. } => Some(*message),
            _ => None,
        })
        .unwrap()
}

const STOP: AbortReason = AbortReason::Rejected(StatusCode::STOP_SENDING);

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<KeptInner>>);

#[derive(Default)]
struct KeptInner {
    octets: Vec<Option<u8>>,
    twice: bool,
    complete: Option<u64>,
    aborted: bool,
    fails_at: Option<u64>,
    refuses: bool,
}

impl MessageSink for Kept {
    fn write(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        let mut inner = self.0.lock().unwrap();
        let end = offset as usize - 1 + data.len();
        if inner.fails_at.is_some_and(|at| end as u64 >= at) {
            return Err(SinkError);
        }
        if inner.octets.len() < end {
            inner.octets.resize(end, None);
        }
        for (at, &octet) in data.iter().enumerate() {
            let place = &mut inner.octets[offset as usize - 1 + at];
            let twice = place.replace(octet).is_some();
            inner.twice |= twice;
        }
        Ok(())
    }

    fn complete(&mut self, size: u64) -> Result<(), SinkError> {
        let mut inner = self.0.lock().unwrap();
        inner.complete = Some(size);
        if inner.refuses { Err(SinkError) } else { Ok(()) }
    }

    fn abort(&mut self) {
        self.0.lock().unwrap().aborted = true;
    }
}

/// A message in chunks that overlap, each as (start, end); together they cover it.
fn chunks() -> impl Strategy<Value = (Vec<u8>, Vec<(usize, usize)>)> {
    (1_usize..3000, any::<u64>()).prop_flat_map(|(len, seed)| {
        let body: Vec<u8> = (0..len)
            .map(|n| (n as u64).wrapping_mul(seed | 1).to_be_bytes()[3])
            .collect();
        let cuts = proptest::collection::vec((0..len, 1..=len), 0..12);
        let shuffled = cuts.prop_flat_map(move |cuts| {
            let mut chunks: Vec<(usize, usize)> = cuts
                .iter()
                .map(|&(start, long)| (start, (start + long).min(len)))
                .collect();
            // What they leave out is filled in; the end comes by a chunk of its own.
            let mut covered = vec![false; len];
            for &(start, end) in &chunks {
                covered[start..end].fill(true);
            }
            let mut start = 0;
            while start < len {
                let run = covered[start..]
                    .iter()
                    .take_while(|&&it| it == covered[start])
                    .count();
                if !covered[start] {
                    chunks.push((start, start + run));
                }
                start += run;
            }
            Just(chunks).prop_shuffle()
        });
        (Just(body), shuffled)
    })
}

proptest! {
    // shows: 4975-2-01, 4975-7.3.1-02, 4975-7.3.1-03, 4975-7.1.1-24, 4975-7.3.1-06, 4975-E-02, 4975-E-18
    #[test]
    fn any_order_overlap_and_repetition_of_chunks_gives_the_same_message((body, chunks) in chunks(), way in 0_usize..3) {
        let kept = Kept::default();
        let mut peer = Peer::bound_with(config(), |params| {
            params.receive = [Receive::Whole, Receive::Stream, Receive::Ask][way];
        });
        let len = body.len();
        for (at, &(start, end)) in chunks.iter().enumerate() {
            // The range's end is made up; nobody may rely on it.
            let range = format!("{}-{}/{}", start + 1, if at % 2 == 0 { "*" } else { "7" }, if at % 3 == 0 { "*" } else { "9" });
            let flag = if end == len { '$' } else { '+' };
            let answer = peer.chunk_with("message", &range, "", "text/plain", &body[start..end], flag);
            if at == 0 && way == 2 {
                prop_assert!(answer.is_empty());
                let message = asked(&peer.events);
                peer.agent.accept(message, Accept::sink(kept.clone())).unwrap();
                prop_assert_eq!(&peer.read()[0].start, "200 OK");
            } else {
                prop_assert_eq!(&answer[0].start, "200 OK");
            }
            if matches!(peer.events.last(), Some(UserAgentEvent::Message { .. })) {
                // What repeats some of it would begin the message again.
                break;
            }
        }
        let received: Vec<u8> = match way {
            0 => bodies(&peer.events)[0].to_vec(),
            1 => {
                let mut received = vec![None; len];
                for event in &peer.events {
                    if let UserAgentEvent::MessageData { offset, data, .. } = event {
                        for (at, &octet) in data.iter().enumerate() {
                            prop_assert!(received[*offset as usize - 1 + at].replace(octet).is_none(), "twice");
                        }
                    }
                }
                received.into_iter().map(Option::unwrap).collect()
            }
            _ => {
                let inner = kept.0.lock().unwrap();
                prop_assert!(!inner.twice);
                prop_assert_eq!(inner.complete, Some(len as u64));
                inner.octets.iter().map(|octet| octet.unwrap()).collect()
            }
        };
        prop_assert!(received == body);
    }
}

// shows: 4975-7.1.1-29
#[test]
fn chunks_of_any_size_are_taken() {
    let mut peer = Peer::bound_with(config(), |params| params.max_size = 10_000_000);
    for size in [0, 1, 2047, 2048, 2049, 10_000_000] {
        let body = vec![b'x'; size];
        let answer = peer.chunk_with(&format!("size{size}"), "1-*/*", "", "text/plain", &body, '$');
        assert_eq!(answer[0].start, "200 OK");
        assert!(bodies(&peer.events).pop().unwrap() == body);
    }
}

// shows: 4975-7.3.1-14, 4975-7.3.1-15
#[test]
fn a_type_that_is_not_accepted_is_refused_but_containers_always_are() {
    let mut peer = Peer::bound_with(config(), |params| params.accepts = "text/plain".parse().unwrap());
    let answer = peer.chunk_with("image", "1-1/1", "", "image/png", b"x", '$');
    assert_eq!(
        answer[0].start,
        format!("415 {}", StatusCode::UNSUPPORTED_MEDIA.phrase())
    );
    let quiet = peer.chunk_with("other", "1-1/1", "Failure-Report: no\r\n", "image/png", b"x", '$');
    assert!(quiet.is_empty());
    assert!(peer.events.is_empty());
    for container in ["multipart/mixed", "multipart/alternative"] {
        let content_type = format!("{container};boundary=b");
        let answer = peer.chunk_with("parts", "1-5/5", "", &content_type, b"--b--", '$');
        assert_eq!(answer[0].start, "200 OK");
        assert_eq!(bodies(&peer.events).pop().unwrap(), "--b--");
    }
}

// shows: 4975-10-07
#[test]
fn too_much_is_refused_however_it_comes_and_stays_refused() {
    let say = |peer: &mut Peer, range: &str, body: &str, flag| {
        peer.chunk("large", range, body, flag)
            .pop()
            .map(|answer| answer.start)
    };
    let stop = Some(format!("413 {}", StatusCode::STOP_SENDING.phrase()));
    let ok = Some("200 OK".to_owned());
    let peer = || Peer::bound_with(config(), |params| params.max_size = 10);
    // By what it says of itself.
    let mut it = peer();
    assert_eq!(say(&mut it, "1-3/11", "abc", '+'), stop);
    assert!(it.events.is_empty());
    assert_eq!(say(&mut it, "4-6/6", "def", '$'), stop);
    // By where it says it is.
    let mut it = peer();
    assert_eq!(say(&mut it, "1-3/*", "abc", '+'), ok);
    assert_eq!(
        say(&mut it, "18446744073709551000-*/*", "def", '+'),
        Some("400 Bad Request".to_owned())
    );
    assert_eq!(say(&mut it, "4611686018427387904-*/*", "def", '+'), stop);
    assert_eq!(aborts(&it.events), [STOP]);
    // By what really comes, whatever it says.
    let mut it = peer();
    assert_eq!(say(&mut it, "1-3/3", "0123456789a", '$'), stop);
    assert_eq!(aborts(&it.events), [STOP]);
    // By never ending.
    let mut it = peer();
    for start in (1..=10).step_by(2) {
        assert_eq!(say(&mut it, &format!("{start}-*/*"), "ab", '+'), ok);
    }
    assert_eq!(say(&mut it, "11-*/*", "a", '+'), stop);
    assert_eq!(aborts(&it.events), [STOP]);
    // It stays refused, from its beginning too; others are not meant.
    assert_eq!(say(&mut it, "1-3/3", "abc", '$'), stop);
    assert_eq!(it.chunk("small", "1-10/10", "0123456789", '$')[0].start, "200 OK");
    assert_eq!(bodies(&it.events).len(), 1);
    assert_eq!(it.agent.buffered(), 0);
}

#[test]
fn a_message_with_two_ends_or_octets_behind_its_end_is_refused() {
    for second in ["7-8/8", "2-3/3"] {
        let mut peer = Peer::bound();
        assert_eq!(peer.chunk("two", "5-6/6", "ef", '$')[0].start, "200 OK");
        assert_eq!(peer.chunk("two", second, "gh", '$').len(), 1);
        assert!(bodies(&peer.events).is_empty());
        assert_eq!(aborts(&peer.events).len(), 1);
    }
    let mut peer = Peer::bound();
    peer.chunk("behind", "1-*/*", "abcdef", '+');
    assert_eq!(
        peer.chunk("behind", "1-3/3", "abc", '$')[0].start,
        "400 Bad Request"
    );
    assert_eq!(
        aborts(&peer.events),
        [AbortReason::Rejected(StatusCode::BAD_REQUEST)]
    );
}

#[test]
fn unfinished_messages_their_holes_and_all_their_octets_are_bounded() {
    let stop = |answer: &peer::frames::Frame| answer.start.starts_with("413 ");
    // How many there are.
    let mut peer = Peer::bound_with(config().max_incoming(3), |_| {});
    for n in 0..3 {
        assert!(!stop(&peer.chunk(&format!("many{n}"), "1-1/*", "x", '+')[0]));
    }
    assert!(stop(&peer.chunk("many3", "1-1/*", "x", '+')[0]));
    assert_eq!(peer.chunk("many0", "2-2/2", "y", '$')[0].start, "200 OK");
    assert!(!stop(&peer.chunk("many4", "1-1/*", "x", '+')[0]));
    // How scattered one is.
    let mut peer = Peer::bound_with(config().max_holes(10), |_| {});
    for n in 0..10 {
        assert!(!stop(
            &peer.chunk("holes", &format!("{}-*/*", 2 * n + 1), "x", '+')[0]
        ));
    }
    assert!(stop(&peer.chunk("holes", "999-*/*", "x", '+')[0]));
    assert_eq!(aborts(&peer.events), [STOP]);
    // How much is kept of all together; what is overwritten counts once, what is gone not at all.
    let mut peer = Peer::bound_with(config().max_buffered(10_000), |_| {});
    let part = "x".repeat(4000);
    assert!(!stop(&peer.chunk("part1", "1-*/*", &part, '+')[0]));
    assert!(!stop(&peer.chunk("part1", "1-*/*", &part, '+')[0]));
    assert_eq!(peer.agent.buffered(), 4000);
    assert!(!stop(&peer.chunk("part2", "1-*/*", &part, '+')[0]));
    assert!(stop(&peer.chunk("part3", "1-*/*", &part, '+')[0]));
    assert_eq!(peer.agent.buffered(), 8000);
    assert!(!stop(&peer.chunk("part1", "4001-*/*", "end", '$')[0]));
    assert_eq!(peer.agent.buffered(), 4000);
    assert!(!stop(&peer.chunk("part4", "1-*/*", &part, '+')[0]));
}

// shows: 4975-7.3.1-17, 4975-E-17
#[test]
fn what_the_sender_gives_up_is_gone_but_may_come_anew() {
    let mut peer = Peer::bound();
    peer.chunk("given", "1-*/9", "abc", '+');
    assert_eq!(peer.chunk("given", "4-*/9", "d", '#')[0].start, "200 OK");
    assert_eq!(aborts(&peer.events), [AbortReason::Sender]);
    assert_eq!(peer.agent.buffered(), 0);
    assert!(
        peer.chunk("given", "5-9/9", "efghi", '$')[0]
            .start
            .starts_with("413 ")
    );
    assert_eq!(peer.chunk("given", "1-3/3", "new", '$')[0].start, "200 OK");
    assert_eq!(bodies(&peer.events), ["new"]);
}

#[test]
fn a_message_that_does_not_go_on_is_given_up_after_five_minutes() {
    let mut peer = Peer::bound();
    peer.chunk("slow", "1-*/9", "abc", '+');
    peer.advance(Duration::from_secs(200));
    peer.chunk("slow", "4-*/9", "d", '+');
    peer.advance(Duration::from_secs(299));
    assert!(peer.events.is_empty());
    peer.advance(Duration::from_secs(1));
    assert_eq!(aborts(&peer.events), [AbortReason::TimedOut]);
    assert_eq!(peer.agent.buffered(), 0);
    assert!(
        peer.chunk("slow", "5-9/9", "efghi", '$')[0]
            .start
            .starts_with("413 ")
    );
}

// shows: 4975-5.4-26, 4975-5.4-28
#[test]
fn a_message_that_comes_again_is_told_as_such() {
    let mut peer = Peer::bound();
    for (id, again) in [("first", false), ("first", true), ("other", false)] {
        assert_eq!(peer.chunk(id, "1-2/2", "Hi", '$')[0].start, "200 OK");
        let Some(UserAgentEvent::Message { duplicate, .. }) = peer.events.last() else {
            panic!()
        };
        assert_eq!(*duplicate, again);
    }
}

#[test]
fn nothing_more_is_read_until_the_application_has_decided() {
    let mut peer = Peer::bound_with(config(), |params| params.receive = Receive::Ask);
    assert!(peer.chunk("asked", "1-*/*", &"x".repeat(3000), '+').is_empty());
    let message = asked(&peer.events);
    // All that follows waits too, until the receive buffer is full and the peer's window closes.
    let block = "y".repeat(100_000);
    for start in [3001, 103_001, 203_001] {
        assert!(
            peer.chunk("asked", &format!("{start}-*/*"), &block, '+')
                .is_empty()
        );
    }
    assert!(!peer.agent.wants_read(peer.wire));
    assert_eq!(peer.events.len(), 1);
    // What we send goes on in the meantime.
    let key = peer
        .agent
        .send(
            peer.session,
            OutgoingMessage::bytes("text/plain", vec![b'z'; 2_000_000]),
        )
        .unwrap();
    let sent: usize = peer
        .read()
        .iter()
        .map(|frame| frame.body.as_ref().map_or(0, Vec::len))
        .sum();
    assert_eq!(sent, 2_000_000);
    assert!(peer.events.iter().any(
        |event| matches!(event, UserAgentEvent::Progress { message, sent: 2_000_000, .. } if *message == key)
    ));
    let kept = Kept::default();
    peer.agent.accept(message, Accept::sink(kept.clone())).unwrap();
    assert_eq!(peer.read().len(), 4);
    assert!(peer.agent.wants_read(peer.wire));
    peer.chunk("asked", "303001-*/*", "", '$');
    assert_eq!(kept.0.lock().unwrap().complete, Some(303_000));
    assert!(peer.agent.accept(message, Accept::Whole).is_err());
}

#[test]
fn the_application_refuses_with_its_code() {
    let mut peer = Peer::bound_with(config(), |params| params.receive = Receive::Ask);
    assert!(peer.chunk("unwanted", "1-*/9", "abc", '+').is_empty());
    let message = asked(&peer.events);
    peer.agent.reject(message, StatusCode::FORBIDDEN).unwrap();
    assert!(peer.read()[0].start.starts_with("403 "));
    assert!(
        peer.chunk("unwanted", "4-9/9", "defghi", '$')[0]
            .start
            .starts_with("403 ")
    );
    assert_eq!(
        aborts(&peer.events),
        [AbortReason::Rejected(StatusCode::FORBIDDEN)]
    );
    assert!(peer.agent.reject(message, StatusCode::FORBIDDEN).is_err());
    // A message that is not decided on in time counts as refused.
    assert!(peer.chunk("forgotten", "1-*/9", "abc", '+').is_empty());
    let answers = peer.advance(Duration::from_secs(301));
    assert!(answers[0].start.starts_with("413 "));
    assert_eq!(aborts(&peer.events)[1..], [AbortReason::TimedOut]);
}

#[test]
fn a_sink_that_fails_refuses_the_message() {
    for refuses in [false, true] {
        let kept = Kept::default();
        kept.0.lock().unwrap().refuses = refuses;
        kept.0.lock().unwrap().fails_at = (!refuses).then_some(5);
        let mut peer = Peer::bound_with(config(), |params| params.receive = Receive::Ask);
        peer.chunk_with(
            "sunk",
            "1-*/6",
            "Success-Report: yes\r\n",
            "text/plain",
            b"abc",
            '+',
        );
        let message = asked(&peer.events);
        peer.agent.accept(message, Accept::sink(kept.clone())).unwrap();
        assert_eq!(peer.read()[0].start, "200 OK");
        let said = peer.chunk_with(
            "sunk",
            "4-6/6",
            "Success-Report: yes\r\n",
            "text/plain",
            b"def",
            '$',
        );
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].start.starts_with("413 "));
        assert_eq!(aborts(&peer.events), [AbortReason::Sink]);
        assert!(kept.0.lock().unwrap().aborted);
    }
}

// shows: 4975-5.3-01
#[test]
fn the_answer_does_not_wait_for_the_application() {
    let mut peer = Peer::bound();
    let octets = format!(
        "MSRP quick000 SEND\r\nTo-Path: {}\r\nFrom-Path: {}\r\nMessage-ID: quick\r\nByte-Range: 1-2/2\r\n\
         Content-Type: text/plain\r\n\r\nHi\r\n-------quick000$\r\n",
        peer.to,
        peer::PEER
    );
    peer.agent
        .handle_read(peer.now, peer.wire, octets.as_bytes().into());
    // Nobody has pulled an event yet.
    let answer = peer.read_octets(peer.wire, usize::MAX);
    assert!(answer.starts_with(b"MSRP quick000 200 OK\r\n"));
    assert!(matches!(
        peer.agent.poll_event(),
        Some(UserAgentEvent::Message { .. })
    ));
}

#[test]
fn an_application_that_does_not_listen_stops_the_peer() {
    let mut peer = Peer::bound_with(config().max_events(16), |_| {});
    let mut octets = String::new();
    for n in 0..20_000 {
        octets += &format!(
            "MSRP flood{n:04} SEND\r\nTo-Path: {}\r\nFrom-Path: {}\r\nMessage-ID: flood{n}\r\nByte-Range: 1-2/2\r\n\
             Content-Type: text/plain\r\n\r\nHi\r\n-------flood{n:04}$\r\n",
            peer.to,
            peer::PEER
        );
    }
    let mut blocks = octets.as_bytes().chunks(10_000).peekable();
    let mut taken = 0;
    while peer.agent.wants_read(peer.wire)
        && let Some(block) = blocks.next()
    {
        peer.agent.handle_read(peer.now, peer.wire, block.into());
        peer.read_octets(peer.wire, usize::MAX);
        taken += block.len();
    }
    assert!((200_000..400_000).contains(&taken), "{taken}");
    // When it does listen, everything comes, in order.
    let mut told = 0;
    loop {
        while let Some(event) = peer.agent.poll_event() {
            assert!(matches!(event, UserAgentEvent::Message { .. }));
            told += 1;
        }
        peer.read_octets(peer.wire, usize::MAX);
        match blocks.next() {
            Some(block) => peer.agent.handle_read(peer.now, peer.wire, block.into()),
            None if peer.agent.poll_ready().is_none() => break,
            None => {}
        }
    }
    assert_eq!(told, 20_000);
}
