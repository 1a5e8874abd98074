//! Large chunks give way (RFC 4975 §5.1, §7.1.1).

use bytes::{Bytes, BytesMut};
use msrp_core::{
    connection::{OutgoingId, OutgoingRequest, WriteError},
    grammar::{ByteRange, ContinuationFlag, FailureReport, Method},
};

use crate::{
    naive::frames,
    pair::{self, Pair, received, template},
};

// shows: 4975-5.1-02, 4975-7.1.1-26, 4975-7.1.1-32, 4975-7.1.1-31
#[test]
fn control_interrupts_a_large_chunk() {
    let mut pair = Pair::new();
    let template = template(FailureReport::Yes, Some("application/octet-stream"));
    let total = 1_000_000_u64;
    let now = pair.now;
    let id = pair
        .a
        .connection
        .open_send(template, 1, Some(total), FailureReport::Yes, 9)
        .unwrap();
    let body: Vec<u8> = (0..total).map(|n| (n % 251) as u8).collect();
    let mut rest = Bytes::from(body.clone());
    let mut got = Vec::new();
    let mut events = Vec::new();
    let mut turn = 0;
    loop {
        if !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(50_000));
            match pair.a.connection.write(now, id, piece) {
                Ok(()) if rest.is_empty() => {
                    pair.a
                        .connection
                        .finish(now, id, ContinuationFlag::Complete)
                        .unwrap();
                }
                Ok(()) => {}
                Err(WriteError::Blocked(piece)) => {
                    rest = Bytes::from([&piece[..], &rest[..]].concat());
                }
                Err(error) => panic!("{error}"),
            }
        }
        // While the large message is under way `b` says something, which `a` has to answer.
        turn += 1;
        if turn == 3 {
            let text = pair::template(FailureReport::Yes, Some("text/plain"));
            pair.b
                .connection
                .send_chunk(
                    now,
                    &text,
                    ByteRange::whole(2),
                    &Bytes::from_static(b"hi"),
                    ContinuationFlag::Complete,
                    FailureReport::Yes,
                    1,
                )
                .unwrap();
        }
        let Some(octets) = pair.a.take(now, 20_000) else {
            break;
        };
        pair.b.connection.handle_read(now, BytesMut::from(&octets[..]));
        while let Some(event) = pair.b.connection.poll_event(now) {
            events.push(event);
        }
        while let Some(octets) = pair.b.take(now, usize::MAX) {
            pair.a.connection.handle_read(now, BytesMut::from(&octets[..]));
        }
        while pair.a.connection.poll_event(now).is_some() {}
    }
    got.extend(received(&events));
    assert_eq!(got, body);
    let sent = frames(&pair.a.sent);
    let chunks: Vec<_> = sent.iter().filter(|frame| frame.third == "SEND").collect();
    let answer = sent
        .iter()
        .position(|frame| frame.third == "200 OK")
        .expect("an answer");
    assert_eq!(chunks.len(), 2, "cut once, for the answer");
    assert_eq!(answer, 1, "the answer stands between the chunks");
    assert_eq!(chunks[0].flag, ContinuationFlag::More);
    assert_eq!(chunks[1].flag, ContinuationFlag::Complete);
    let range = |n: usize| {
        let (_, value) = chunks[n]
            .headers
            .iter()
            .find(|(name, _)| name == "Byte-Range")
            .unwrap();
        ByteRange::parse(value).unwrap()
    };
    assert_eq!(
        range(0),
        ByteRange {
            start: 1,
            end: None,
            total: Some(total)
        }
    );
    let cut = chunks[0].body.as_ref().unwrap().len() as u64;
    assert!(cut >= 2048);
    assert_eq!(range(1).start, cut + 1);
    assert_ne!(chunks[0].id, chunks[1].id);
}

/// Writes all of `body` to a lane as far as it takes it.
fn fill(pair: &mut Pair, lane: OutgoingId, body: &mut Bytes) {
    while !body.is_empty() {
        let piece = body.split_to(body.len().min(10_000));
        match pair.a.connection.write(pair.now, lane, piece) {
            Ok(()) => {}
            Err(WriteError::Blocked(piece)) => {
                *body = Bytes::from([&piece[..], &body[..]].concat());
                return;
            }
            Err(error) => panic!("{error}"),
        }
        if body.is_empty() {
            let flag = ContinuationFlag::Complete;
            pair.a.connection.finish(pair.now, lane, flag).unwrap();
        }
    }
}

// shows: 4975-7.1.1-33, 4975-7.1.1-30
#[test]
fn messages_progress_together_in_chunks_that_are_not_small() {
    let mut pair = Pair::new();
    let mut lanes = Vec::new();
    for tag in 0..3 {
        let head = template(FailureReport::Yes, Some("a/b"));
        let a = &mut pair.a.connection;
        let id = a
            .open_send(head, 1, Some(1_000_000), FailureReport::Yes, tag)
            .unwrap();
        lanes.push((id, Bytes::from(vec![b'0' + tag as u8; 1_000_000])));
    }
    // What has been handed to the transport of each, after every turn.
    let mut passed = [0_usize; 3];
    let mut turns = 0;
    while passed.iter().any(|&octets| octets < 1_000_000) {
        turns += 1;
        assert!(turns < 1000);
        for (lane, body) in &mut lanes {
            fill(&mut pair, *lane, body);
        }
        let octets = pair.a.take(pair.now, 16_000).unwrap_or_default();
        for octet in octets {
            if let Some(count) = passed.get_mut(usize::from(octet.wrapping_sub(b'0'))) {
                *count += 1;
            }
        }
        while pair.a.connection.poll_event(pair.now).is_some() {}
        let (least, most) = (passed.iter().min().unwrap(), passed.iter().max().unwrap());
        assert!(most - least < 40_000, "one runs away: {passed:?}");
    }
    for frame in frames(&pair.a.sent) {
        let last = frame.flag == ContinuationFlag::Complete;
        assert!(
            last || frame.body_len() >= 2048,
            "a small chunk: {}",
            frame.body_len()
        );
    }
}

// shows: 4975-7.1.1-32, 4975-7.1.1-30
#[test]
fn a_report_too_interrupts_a_large_chunk_and_not_a_small_one() {
    let report = |pair: &mut Pair| {
        let request = OutgoingRequest {
            method: Method::Report,
            to_path: pair::B_URI.as_bytes(),
            from_path: pair::A_URI.as_bytes(),
            headers: &[("Message-ID", b"87652491"), ("Status", b"000 200 OK")],
            body: None,
            failure_report: FailureReport::No,
            tag: None,
        };
        pair.a.connection.send_request(pair.now, &request).unwrap();
    };
    for (len, cut, left) in [(100_000, true, 300), (100_000, true, 1800), (2048, false, 1800)] {
        let mut pair = Pair::new();
        let head = template(FailureReport::Yes, Some("a/b"));
        let a = &mut pair.a.connection;
        let id = a.open_send(head, 1, None, FailureReport::Yes, 1).unwrap();
        a.write(pair.now, id, Bytes::from(vec![b'x'; len])).unwrap();
        a.finish(pair.now, id, ContinuationFlag::Complete).unwrap();
        // Some of the chunk has left when the REPORT comes.
        pair.a.take(pair.now, left).unwrap();
        report(&mut pair);
        pair.drive();
        let sent = frames(&pair.a.sent);
        let kinds: Vec<_> = sent.iter().map(|frame| frame.third.as_str()).collect();
        let expected: &[&str] = if cut {
            &["SEND", "REPORT", "SEND"]
        } else {
            &["SEND", "REPORT"]
        };
        assert_eq!(kinds, expected, "{len} octets");
        // The REPORT waits until the chunk may be cut, and no longer.
        let first = if cut { 2048 } else { len as u64 };
        assert_eq!(sent[0].body_len(), first);
    }
}

// shows: 4975-7.1.1-27
#[test]
fn alone_on_the_connection_a_message_is_one_chunk() {
    let mut pair = Pair::new();
    let head = template(FailureReport::Yes, Some("a/b"));
    let a = &mut pair.a.connection;
    let lane = a.open_send(head, 1, None, FailureReport::Yes, 1).unwrap();
    let mut body = Bytes::from(vec![b'x'; 1_000_000]);
    while !body.is_empty() {
        fill(&mut pair, lane, &mut body);
        while pair.a.take(pair.now, 30_000).is_some() {}
        while pair.a.connection.poll_event(pair.now).is_some() {}
    }
    while pair.a.take(pair.now, 30_000).is_some() {}
    let sent = frames(&pair.a.sent);
    assert_eq!((sent.len(), sent[0].body_len()), (1, 1_000_000));
}
