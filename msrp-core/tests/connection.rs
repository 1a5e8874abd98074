//! The rules of RFC 4975 §5.3, §7 on one connection.

mod liveness;
mod naive;
mod pair;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use msrp_core::{
    connection::{Event, Outcome, Responded, WriteError},
    grammar::{ByteRange, ContinuationFlag, FailureReport, StatusCode},
};
use naive::frames;
use pair::{A_URI, B_URI, Pair, received, template};

fn send_text(pair: &mut Pair, text: &'static str, failure_report: FailureReport) {
    let template = template(failure_report, Some("text/plain"));
    let range = ByteRange::whole(text.len() as u64);
    let body = Bytes::from_static(text.as_bytes());
    pair.a
        .connection
        .send_chunk(
            pair.now,
            &template,
            range,
            &body,
            ContinuationFlag::Complete,
            failure_report,
            7,
        )
        .unwrap();
}

// shows: 4975-X-02, 4975-7.2-03, 4975-7.2-06, 4975-7.2-08, 4975-7.1.1-13, 4975-10-02
#[test]
fn a_message_is_told_and_answered() {
    let mut pair = Pair::new();
    send_text(&mut pair, "Hey Bob, are you there?", FailureReport::Yes);
    let events = pair.b_events();
    assert!(matches!(events[0], Event::Request { .. }));
    assert!(
        matches!(&events[1], Event::Body { data, offset: 1, .. } if &data[..] == b"Hey Bob, are you there?")
    );
    assert!(matches!(
        events[2],
        Event::RequestEnd {
            flag: ContinuationFlag::Complete,
            received: 23,
            ..
        }
    ));
    assert_eq!(events.len(), 3);
    let request = frames(&pair.a.sent).remove(0);
    let response = String::from_utf8(pair.b.sent.clone()).unwrap();
    assert_eq!(
        response,
        format!(
            "MSRP {id} 200 OK\r\nTo-Path: {A_URI}\r\nFrom-Path: {B_URI}\r\n-------{id}$\r\n",
            id = request.id
        )
    );
    let events = pair.a_events();
    assert!(
        matches!(&events[..], [Event::TransactionEnded { tag: 7, outcome: Outcome::Response { code, .. }, .. }] if code.is_success())
    );
    assert_eq!(pair.a.connection.poll_timeout(), None);
}

// shows: 4975-5.3-06, 4975-5.3-07, 4975-7.1.4-03, 4975-7.1.4-04, 4975-7.1.4-05, 4975-G-02, 4975-7.2-01, 4975-7.2-02
#[test]
fn the_matrix_of_answers() {
    for (report, code, expected) in [
        (FailureReport::Yes, StatusCode::OK, Responded::Queued),
        (
            FailureReport::Yes,
            StatusCode::UNSUPPORTED_MEDIA,
            Responded::Queued,
        ),
        (FailureReport::Partial, StatusCode::OK, Responded::Suppressed),
        (
            FailureReport::Partial,
            StatusCode::WRONG_CONNECTION,
            Responded::Queued,
        ),
        (FailureReport::No, StatusCode::OK, Responded::Suppressed),
        (
            FailureReport::No,
            StatusCode::NO_SUCH_SESSION,
            Responded::Suppressed,
        ),
    ] {
        let mut pair = Pair::new();
        send_text(&mut pair, "x", report);
        let octets = pair.a.take(pair.now, usize::MAX).unwrap();
        pair.b
            .connection
            .handle_read(pair.now, BytesMut::from(&octets[..]));
        let Some(Event::Request { id, .. }) = pair.b.connection.poll_event(pair.now) else {
            panic!()
        };
        assert_eq!(
            pair.b.connection.respond(id, code, code.phrase()),
            Ok(expected),
            "{report:?} {code}"
        );
        pair.drive();
        assert_eq!(
            pair.b.sent.is_empty(),
            expected == Responded::Suppressed,
            "{report:?} {code}"
        );
        assert!(frames(&pair.b.sent).len() <= 1, "one answer at the most");
    }
}

// shows: 4975-7.1.1-08, 4975-7.1.1-09, 4975-G-04, 4975-7.1.1-12
#[test]
fn the_time_of_a_transaction_runs_from_its_last_octet() {
    for report in [FailureReport::Yes, FailureReport::Partial, FailureReport::No] {
        let mut pair = Pair::new();
        send_text(&mut pair, "hello", report);
        // Queued only: no time runs.
        pair.advance(Duration::from_secs(20));
        assert!(pair.a.connection.poll_event(pair.now).is_none());
        let mut transmit = pair.a.connection.poll_transmit(pair.now, 65536).unwrap();
        let all = bytes::Buf::remaining(&transmit);
        bytes::Buf::advance(&mut transmit, all - 1);
        pair.advance(Duration::from_secs(29));
        let mut transmit = pair.a.connection.poll_transmit(pair.now, 65536).unwrap();
        bytes::Buf::advance(&mut transmit, 1);
        pair.advance(Duration::from_millis(29_999));
        assert!(pair.a.connection.poll_event(pair.now).is_none(), "{report:?}");
        pair.advance(Duration::from_millis(1));
        let event = pair.a.connection.poll_event(pair.now);
        match report {
            FailureReport::Yes => assert!(matches!(
                event,
                Some(Event::TransactionEnded {
                    outcome: Outcome::TimedOut,
                    tag: 7,
                    ..
                })
            )),
            FailureReport::Partial => {
                assert!(matches!(
                    event,
                    Some(Event::TransactionEnded {
                        outcome: Outcome::Unanswered,
                        ..
                    })
                ));
            }
            FailureReport::No => assert!(event.is_none()),
        }
    }
}

#[test]
fn a_response_that_has_arrived_beats_its_timeout() {
    let mut pair = Pair::new();
    send_text(&mut pair, "hello", FailureReport::Yes);
    let octets = pair.a.take(pair.now, usize::MAX).unwrap();
    pair.b
        .connection
        .handle_read(pair.now, BytesMut::from(&octets[..]));
    while pair.b.connection.poll_event(pair.now).is_some() {}
    let response = pair.b.take(pair.now, usize::MAX).unwrap();
    pair.now += Duration::from_secs(31);
    pair.a
        .connection
        .handle_read(pair.now, BytesMut::from(&response[..]));
    pair.a.connection.handle_timeout(pair.now);
    let event = pair.a.connection.poll_event(pair.now);
    assert!(matches!(
        event,
        Some(Event::TransactionEnded {
            outcome: Outcome::Response { .. },
            ..
        })
    ));
}

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
