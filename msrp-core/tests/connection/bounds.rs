//! What a peer may cost: octets, heads, time (RFC 4975 gives few bounds; see `ConnectionConfig` for ours).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use msrp_core::{
    codec::{DecodeErrorKind, DecoderLimits, ProtocolError},
    connection::{ApiMisuse, CloseReason, ConnectionConfig, Event, SendError, Timer, WriteError},
    grammar::{ByteRange, ContinuationFlag, FailureReport},
};

use crate::{
    lone::{Lone, PATHS, request, send},
    pair::{Pair, template},
};

fn small_heads() -> ConnectionConfig {
    let limits = DecoderLimits::default()
        .with_max_head(1024)
        .with_max_lines(8)
        .with_max_uris(2);
    ConnectionConfig::new().decoder_limits(limits)
}

// shows: 4975-G-07
#[test]
fn heads_end_somewhere() {
    for (head, expected) in [
        (
            format!("MSRP abcd SEND\r\n{PATHS}X: {}", "y".repeat(2000)),
            DecodeErrorKind::HeadTooLong { limit: 1024 },
        ),
        (
            format!("MSRP abcd SEND\r\n{PATHS}{}", "X: y\r\n".repeat(7)),
            DecodeErrorKind::TooManyLines { limit: 8 },
        ),
        (
            format!("MSRP {}", "a".repeat(2000)),
            DecodeErrorKind::HeadTooLong { limit: 1024 },
        ),
    ] {
        let mut lone = Lone::with_config(small_heads());
        for piece in head.as_bytes().chunks(100) {
            lone.connection.handle_read(lone.now, BytesMut::from(piece));
        }
        let end = lone.end();
        assert!(
            matches!(end, Some(CloseReason::Decode(error)) if error.kind == expected),
            "{end:?}"
        );
        assert_eq!(lone.connection.received(), 0, "nothing is kept");
    }
    // More URIs than may be: the request is refused, the connection goes on.
    let mut lone = Lone::with_config(small_heads());
    let paths =
        "To-Path: msrp://b:1/x;tcp\r\nFrom-Path: msrp://a:1/y;tcp msrp://a:2/y;tcp msrp://a:3/y;tcp\r\n";
    assert!(
        lone.feed(format!("MSRP abcd SEND\r\n{paths}-------abcd$\r\n"))
            .is_empty()
    );
    assert_eq!(lone.connection.stats().protocol_errors, 1);
    assert_eq!(lone.feed(send("efgh", "", "fine", '$')).len(), 3);
}

/// The end-line of a head does not count for its bound, in whatever pieces it comes.
#[test]
fn a_head_at_its_bound_is_taken_however_it_is_cut() {
    let filled = |len: usize| {
        let head = format!("MSRP abcd SEND\r\n{PATHS}X: ");
        let fill = "y".repeat(len - head.len() - 2);
        format!("{head}{fill}\r\n-------abcd$\r\n")
    };
    for (len, taken) in [(1023, true), (1024, true), (1025, false)] {
        let octets = filled(len);
        for size in [1, 7, octets.len()] {
            let mut lone = Lone::with_config(small_heads());
            let mut told = 0;
            for piece in octets.as_bytes().chunks(size) {
                told += lone.feed(piece).len();
            }
            assert_eq!(
                told == 2 && !lone.connection.is_closed(),
                taken,
                "{len} octets by {size}"
            );
        }
    }
}

#[test]
fn a_head_that_trickles_in_is_cut_off() {
    let mut lone = Lone::new();
    let head = send("abcd", "X-Long: x\r\n", "hello", '$');
    let mut fed = 0;
    while !lone.connection.is_closed() {
        assert!(fed < 20, "an octet now and then is no progress");
        lone.feed(&head.as_bytes()[fed..=fed]);
        assert_eq!(lone.connection.timeout_reason(), Some(Timer::HeadRead));
        fed += 1;
        lone.advance(Duration::from_secs(1));
    }
    assert_eq!(fed, 15);
    assert_eq!(lone.end(), Some(CloseReason::HeadTimeout));
    // A body may take its time.
    let mut lone = Lone::new();
    let start = head.len() - 20;
    lone.feed(&head.as_bytes()[..start]);
    assert_eq!(lone.connection.poll_timeout(), None);
    lone.advance(Duration::from_secs(100));
    assert!(!lone.feed(&head.as_bytes()[start..]).is_empty());
}

#[test]
fn what_is_not_pulled_stops_the_reading() {
    let limit = 32 * 1024;
    let mut lone = Lone::with_config(ConnectionConfig::new().rx_limit(limit));
    let chunk = send("abcd", "Byte-Range: 1-*/*\r\n", &"x".repeat(3000), '+');
    let mut fed = 0;
    while lone.connection.wants_read() {
        lone.connection
            .handle_read(lone.now, BytesMut::from(chunk.as_bytes()));
        fed += 1;
        assert!(fed < 100, "there is a bound");
    }
    let received = lone.connection.received();
    assert!((limit..limit + chunk.len()).contains(&received), "{received}");
    // Pulling a few events does not open the gate at once, pulling half of them does.
    lone.connection.poll_event(lone.now).unwrap();
    assert!(!lone.connection.wants_read());
    let mut pulled = 1;
    while !lone.connection.wants_read() {
        lone.connection.poll_event(lone.now).unwrap();
        pulled += 1;
    }
    assert!(lone.connection.received() <= limit / 2);
    let rest = lone.events().len();
    assert_eq!(pulled + rest, 3 * fed, "and nothing is lost");
}

#[test]
fn a_peer_that_reads_no_answers_is_asked_for_nothing_more() {
    let config = ConnectionConfig::new()
        .send_high(16 * 1024)
        .control_high(16 * 1024);
    let mut lone = Lone::with_config(config);
    let mut told = 0;
    for number in 0..1000 {
        let events = lone.feed(request(&format!("abcd{number}"), "SEND", "", None, '$'));
        told += events
            .iter()
            .filter(|event| matches!(event, Event::Request { .. }))
            .count();
        assert!(lone.connection.buffered() <= 32 * 1024 + 1024);
    }
    assert!(told > 100 && told < 400, "{told}");
    assert!(!lone.connection.is_closed());
    // As soon as it reads it is served, all of it.
    let mut answers = 0;
    for _ in 0..100 {
        answers += lone.frames().len();
        lone.events();
    }
    assert_eq!(answers, 1000);
    // One that never reads is given up.
    lone.feed(request("last", "SEND", "", None, '$'));
    lone.advance(Duration::from_secs(60));
    assert_eq!(lone.end(), Some(CloseReason::WriteTimeout));
}

#[test]
fn rules_are_broken_only_so_often() {
    let mut lone = Lone::with_config(ConnectionConfig::new().max_protocol_errors(5));
    let broken = request("abcd", "SEND", "Byte-Range: x\r\n", None, '$');
    for _ in 0..4 {
        lone.feed(&broken);
        assert!(!lone.connection.is_closed());
    }
    let events = lone.feed(&broken);
    assert!(
        matches!(
            &events[..],
            [Event::Closed { reason }] if matches!(reason.kind, CloseReason::ProtocolErrors { limit: 5, last: ProtocolError::Value { .. } })
        ),
        "{events:?}"
    );
    assert_eq!(lone.frames().len(), 5, "each is answered, the last one too");
}

#[test]
fn a_flood_of_tiny_chunks_is_cut_off_and_a_normal_message_is_not() {
    let tiny = |number: usize| {
        let range = format!("Byte-Range: {number}-*/*\r\n");
        send(&format!("abcd{number}"), &range, "x", '+')
    };
    let mut lone = Lone::with_config(ConnectionConfig::new().small_chunk_credit(10_240));
    let mut taken = 0;
    while !lone.connection.is_closed() {
        taken += 1;
        assert!(taken < 100);
        lone.feed(tiny(taken));
        lone.output();
    }
    assert!((38..=42).contains(&taken), "{taken}");
    // Chunks that carry as much as they cost go on for ever, and so do short messages.
    let mut lone = Lone::with_config(ConnectionConfig::new().small_chunk_credit(10_240));
    for number in 1..500 {
        let range = format!("Byte-Range: {number}-*/*\r\n");
        lone.feed(send(&format!("abcd{number}"), &range, &"x".repeat(256), '+'));
        lone.feed(send("efgh", "", "x", '$'));
        lone.output();
        assert!(!lone.connection.is_closed());
    }
}

#[test]
fn lanes_and_messages_wait_within_their_bounds() {
    let config = ConnectionConfig::new()
        .send_high(64 * 1024)
        .lane_watermarks(8192, 1024)
        .max_lanes(3);
    let mut pair = Pair::with_config(config);
    let head = || template(FailureReport::Yes, Some("a/b"));
    let now = pair.now;
    let a = &mut pair.a.connection;
    let lanes: Vec<_> = (0..3)
        .map(|tag| a.open_send(head(), 1, None, FailureReport::Yes, tag).unwrap())
        .collect();
    let fourth = a.open_send(head(), 1, None, FailureReport::Yes, 4);
    assert_eq!(fourth, Err(SendError::TooManyLanes { limit: 3 }));
    for &lane in &lanes {
        let mut writes = 0;
        while a.write(now, lane, Bytes::from(vec![b'x'; 1000])).is_ok() {
            writes += 1;
            assert!(writes < 20);
        }
        assert_eq!(a.capacity(lane), 0);
    }
    assert!(a.buffered() <= 3 * 9192);
    // What is blocked gets back what it gave, and hears when there is room.
    let body = Bytes::from_static(b"again");
    let blocked = a.write(now, lanes[0], body.clone());
    assert_eq!(blocked, Err(WriteError::Blocked(body)));
    while pair.a.take(now, 4096).is_some() {}
    let told = std::iter::from_fn(|| pair.a.connection.poll_event(now))
        .filter(|event| matches!(event, Event::Writable { .. }))
        .count();
    assert_eq!(told, 3);
}

#[test]
fn whole_chunks_are_blocked_when_too_much_waits() {
    let mut pair = Pair::with_config(
        ConnectionConfig::new()
            .send_high(16 * 1024)
            .max_transactions(1000),
    );
    let head = template(FailureReport::Yes, Some("a/b"));
    let body = Bytes::from(vec![b'x'; 1000]);
    let mut sent = 0;
    let refused = loop {
        let range = ByteRange::whole(1000);
        let flag = ContinuationFlag::Complete;
        let a = &mut pair.a.connection;
        match a.send_chunk(pair.now, &head, range, &body, flag, FailureReport::Yes, 1) {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 100);
    };
    assert_eq!(refused, SendError::Blocked);
    assert!(pair.a.connection.buffered() < 18 * 1024);
    pair.drive();
    let told = std::mem::take(&mut pair.a.events);
    assert!(told.iter().any(|event| matches!(event, Event::SendReady)));
    assert_eq!(pair.b.events.len(), 3 * sent);
}

#[test]
fn only_so_many_answers_are_put_off() {
    let mut lone = Lone::with_config(ConnectionConfig::new().max_deferred(2));
    for number in 0..3 {
        let octets = request(&format!("abcd{number}"), "SEND", "", None, '$');
        lone.connection
            .handle_read(lone.now, BytesMut::from(octets.as_bytes()));
        let Some(Event::Request { id, .. }) = lone.connection.poll_event(lone.now) else {
            panic!("a request")
        };
        let deferred = lone.connection.defer(id);
        if number < 2 {
            assert_eq!(deferred, Ok(()));
        } else {
            assert_eq!(deferred, Err(ApiMisuse::TooManyDeferred { limit: 2 }));
        }
        lone.events();
    }
    let answered: Vec<_> = lone.frames().into_iter().map(|frame| frame.id).collect();
    assert_eq!(
        answered,
        ["abcd2"],
        "the third is answered as if it had not been put off"
    );
}

/// A peer who reads and answers nothing is sent no more than so many whole chunks; the answers, or their absence for 30 s,
/// make room.
#[test]
fn whole_chunks_wait_until_half_of_them_are_answered() {
    let mut pair = Pair::with_config(ConnectionConfig::new().unanswered_high(16));
    let fill = |pair: &mut Pair| {
        let head = template(FailureReport::Yes, Some("a/b"));
        let body = Bytes::from_static(b"hello");
        let mut sent = 0;
        let refused = loop {
            let a = &mut pair.a.connection;
            let flag = ContinuationFlag::Complete;
            match a.send_chunk(
                pair.now,
                &head,
                ByteRange::whole(5),
                &body,
                flag,
                FailureReport::Yes,
                1,
            ) {
                Ok(_) => sent += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(refused, SendError::Unanswered { limit: 16 });
        sent
    };
    assert_eq!(fill(&mut pair), 16);
    while pair.a.take(pair.now, usize::MAX).is_some() {}
    let ready = |pair: &mut Pair| {
        let told: Vec<_> = std::iter::from_fn(|| pair.a.connection.poll_event(pair.now)).collect();
        told.iter()
            .filter(|event| matches!(event, Event::SendReady))
            .count()
    };
    assert_eq!(ready(&mut pair), 0, "that all have left is not enough");
    pair.advance(Duration::from_secs(30));
    assert_eq!(ready(&mut pair), 1);
    assert_eq!(fill(&mut pair), 16);
    pair.drive();
    let told = std::mem::take(&mut pair.a.events);
    assert_eq!(
        told.iter()
            .filter(|event| matches!(event, Event::SendReady))
            .count(),
        1
    );
    assert_eq!(pair.a.connection.open_transactions(), 0);
}
