//! Bodies that hold what looks like their own end-line (RFC 4975 §7.1).
//!
//! Identifiers are random; a second connection with the same seed tells which ones will come.

use bytes::Bytes;
use msrp_core::{
    codec::HeadTemplate,
    connection::{ConnectionConfig, OutgoingRequest},
    grammar::{ByteRange, ContinuationFlag, FailureReport, Method},
};

use crate::{
    naive::{Frame, frames},
    pair::{A_URI, B_URI, Pair, received, template},
};

fn head(report: FailureReport) -> HeadTemplate {
    template(report, Some("application/octet-stream"))
}

fn chunk(pair: &mut Pair, body: &Bytes, report: FailureReport) {
    let range = ByteRange::whole(body.len() as u64);
    let flag = ContinuationFlag::Complete;
    let a = &mut pair.a.connection;
    a.send_chunk(pair.now, &head(report), range, body, flag, report, 1)
        .unwrap();
}

/// The first identifiers that a connection draws for its first request, should it reject those before.
fn ids_to_come(report: FailureReport, count: usize) -> Vec<String> {
    let mut pair = Pair::new();
    for _ in 0..count {
        chunk(&mut pair, &Bytes::from_static(b"x"), report);
    }
    while pair.a.take(pair.now, usize::MAX).is_some() {}
    let ids: Vec<_> = frames(&pair.a.sent).into_iter().map(|frame| frame.id).collect();
    // Behind its random part a tracked identifier names a slot, here always the first.
    let tracked = report == FailureReport::Yes;
    let slot = if tracked { &ids[0][13..] } else { "" };
    ids.iter()
        .map(|id| format!("{}{slot}", if tracked { &id[..13] } else { id }))
        .collect()
}

fn check(frames: &[Frame]) {
    for frame in frames {
        let body = frame.body.as_deref().unwrap_or_default();
        let framed = [b"\r\n", body, b"\r\n"].concat();
        let line = format!("\r\n-------{}", frame.id);
        assert!(
            !framed.windows(line.len()).any(|window| window == line.as_bytes()),
            "the body holds its end-line"
        );
    }
}

// shows: 4975-7.1-18, 4975-7.1-19
#[test]
fn a_short_message_gets_an_identifier_that_is_not_in_it() {
    for report in [FailureReport::Yes, FailureReport::No] {
        let ids = ids_to_come(report, 3);
        for (text, expected) in [
            (format!("a\r\n-------{}$\r\nb", ids[0]), &ids[1]),
            // At its edges: the line breaks around a body could complete it.
            (format!("-------{}+\r\nb", ids[0]), &ids[1]),
            (format!("a\r\n-------{}#", ids[0]), &ids[1]),
            (
                format!("\r\n-------{}$\r\n-------{}$\r\n", ids[1], ids[0]),
                &ids[2],
            ),
            // Not at the start of a line it is no end-line.
            (format!("a-------{}$\r\n", ids[0]), &ids[0]),
            (format!("\r\n------{}$\r\n", ids[0]), &ids[0]),
        ] {
            let mut pair = Pair::new();
            let body = Bytes::from(text);
            chunk(&mut pair, &body, report);
            let events = pair.b_events();
            assert_eq!(received(&events), body);
            let frames = frames(&pair.a.sent);
            check(&frames);
            assert_eq!(frames[0].body.as_deref(), Some(&body[..]));
            assert_eq!(&frames[0].id, expected, "{body:?}");
        }
    }
}

// shows: 4975-7.1-18, 4975-7.1-19, 4975-7.1-20
#[test]
fn a_long_message_is_cut_before_what_looks_like_its_end() {
    let id = ids_to_come(FailureReport::Yes, 1).remove(0);
    let look_alike = format!("\r\n-------{id}$\r\n");
    let mut body = vec![b'x'; 5000];
    body.extend_from_slice(look_alike.as_bytes());
    body.extend_from_slice(&[b'y'; 5000]);
    body.extend_from_slice(look_alike.as_bytes());
    // In one piece, and in pieces of every size around the look-alike's own.
    let sizes = (1..=look_alike.len() + 2).chain([body.len()]);
    for (size, known) in sizes.flat_map(|size| [(size, false), (size, true)]) {
        let mut pair = Pair::with_config(ConnectionConfig::new().send_high(64 * 1024 * 1024));
        let a = &mut pair.a.connection;
        let lane = a
            .open_send(head(FailureReport::Yes), 1, None, FailureReport::Yes, 1)
            .unwrap();
        for piece in body.chunks(size) {
            let a = &mut pair.a.connection;
            let octets = Bytes::copy_from_slice(piece);
            // What holds nothing by itself can still make an end-line together with what is before it.
            if known && !piece.windows(9).any(|octets| octets == b"\r\n-------") {
                a.write_plain(pair.now, lane, octets).unwrap();
            } else {
                a.write(pair.now, lane, octets).unwrap();
            }
            // What is written is sent at once, so nothing is known of what comes next.
            while pair.a.take(pair.now, usize::MAX).is_some() {}
        }
        let a = &mut pair.a.connection;
        a.finish(pair.now, lane, ContinuationFlag::Complete).unwrap();
        while pair.a.take(pair.now, usize::MAX).is_some() {}
        let frames = frames(&pair.a.sent);
        check(&frames);
        assert_eq!(frames.len(), 2, "pieces of {size}");
        assert_eq!(frames[0].id, id);
        assert_eq!(frames[0].flag, ContinuationFlag::More);
        let joined: Vec<u8> = frames.into_iter().flat_map(|frame| frame.body.unwrap()).collect();
        assert!(joined == body, "pieces of {size}");
    }
}

// shows: 4975-7.1-18, 4975-7.1-19
#[test]
fn a_message_that_begins_with_its_end_line_goes_under_another_identifier() {
    let ids = ids_to_come(FailureReport::Yes, 1);
    for tail in [0, 3000] {
        let body = [format!("-------{}$\r\n", ids[0]).as_bytes(), &vec![b'x'; tail]].concat();
        let mut pair = Pair::new();
        let a = &mut pair.a.connection;
        let lane = a
            .open_send(head(FailureReport::Yes), 1, None, FailureReport::Yes, 1)
            .unwrap();
        a.write(pair.now, lane, Bytes::from(body.clone())).unwrap();
        a.finish(pair.now, lane, ContinuationFlag::Complete).unwrap();
        let events = pair.b_events();
        assert_eq!(received(&events), body);
        check(&frames(&pair.a.sent));
    }
}

// shows: 4975-7.1-18
#[test]
fn other_requests_too_are_searched_for_their_end_line() {
    let id = ids_to_come(FailureReport::Yes, 1).remove(0);
    let body = Bytes::from(format!("-------{id}$\r\n"));
    let mut pair = Pair::new();
    let request = OutgoingRequest {
        method: Method::Other("FOO"),
        to_path: B_URI.as_bytes(),
        from_path: A_URI.as_bytes(),
        headers: &[],
        body: Some(("text/plain", body.clone())),
        failure_report: FailureReport::Yes,
        tag: Some(1),
    };
    pair.a.connection.send_request(pair.now, &request).unwrap();
    let events = pair.b_events();
    assert_eq!(received(&events), body);
    check(&frames(&pair.a.sent));
}
