//! What is received, as it is told (RFC 4975 §7.1.1, §7.3.1).

use std::fmt::Write;

use bytes::BytesMut;
use msrp_core::{
    connection::Event,
    grammar::{ContinuationFlag, StatusCode},
};

use crate::{
    lone::{Lone, PATHS, send},
    pair::received,
};

// shows: 4975-7.1.1-29
#[test]
fn chunks_of_any_size_are_taken() {
    for size in [0, 1, 2047, 2048, 2049, 10_000_000] {
        for read in [1448, 65_536] {
            let mut lone = Lone::new();
            let body: Vec<u8> = (0..size).map(|index| (index % 253) as u8).collect();
            let head = format!(
                "MSRP abcd SEND\r\n{PATHS}Message-ID: 87652491\r\nByte-Range: 1-*/{size}\r\nContent-Type: a/b\r\n\r\n"
            );
            let chunk = [head.as_bytes(), &body, b"\r\n-------abcd$\r\n"].concat();
            let mut got = Vec::with_capacity(body.len());
            let mut end = None;
            for piece in chunk.chunks(read) {
                for event in lone.feed(piece) {
                    match event {
                        Event::Body { data, offset, .. } => {
                            assert_eq!(offset, got.len() as u64 + 1);
                            got.extend_from_slice(&data);
                        }
                        Event::RequestEnd { received, flag, .. } => end = Some((received, flag)),
                        Event::Request { .. } => {}
                        other => panic!("{other:?}"),
                    }
                }
                assert!(lone.connection.received() < 1000, "what was pulled is not kept");
            }
            assert_eq!(end, Some((size as u64, ContinuationFlag::Complete)));
            assert!(got == body, "{size} octets");
            assert_eq!(lone.frames()[0].third, "200 OK");
        }
    }
}

// shows: 4975-7.3.1-04, 4975-7.3.1-05, 4975-E-02, 4975-5.1-04
#[test]
fn the_octets_tell_the_length_and_not_the_byte_range() {
    for (range, body, flag, offset) in [
        ("1-100/100", "forty", '+', 1),
        ("1-1/1", "more than one", '$', 1),
        ("5-8/8", "EFGH", '$', 5),
        ("1-*/8", "abcd", '+', 1),
        ("7-*/*", "", '#', 7),
        ("9-5/4", "odd", '$', 9),
    ] {
        let mut lone = Lone::new();
        let events = lone.feed(send("abcd", &format!("Byte-Range: {range}\r\n"), body, flag));
        assert_eq!(received(&events), body.as_bytes());
        for event in &events {
            if let Event::Body { offset: told, .. } = event {
                assert_eq!(*told, offset);
            }
        }
        let Some(Event::RequestEnd {
            received, flag: told, ..
        }) = events.last()
        else {
            panic!("{events:?}")
        };
        assert_eq!((*received, char::from(told.as_byte())), (body.len() as u64, flag));
        assert_eq!(lone.frames()[0].third, "200 OK", "{range}");
    }
}

// shows: 4975-14.5-07
#[test]
fn huge_ranges_are_refused_or_cost_nothing() {
    let mut lone = Lone::new();
    for range in [
        "18446744073709551615-*/*",
        "9223372036854775808-*/*",
        "1-18446744073709551615/*",
        "1-*/18446744073709551615",
        "99999999999999999999999-*/*",
    ] {
        let events = lone.feed(send("abcd", &format!("Byte-Range: {range}\r\n"), "x", '$'));
        assert!(events.is_empty(), "{range}: {events:?}");
        assert_eq!(lone.frames()[0].third, "400 Bad Request", "{range}");
    }
    let range = "Byte-Range: 9223372036854775807-*/9223372036854775807\r\n";
    let events = lone.feed(send("abcd", range, "x", '+'));
    assert!(matches!(
        events[1],
        Event::Body {
            offset: 9_223_372_036_854_775_807,
            ..
        }
    ));
}

// shows: 4975-5.1-05
#[test]
fn chunks_of_several_messages_and_sessions_alternate() {
    let mut stream = String::new();
    for number in 0..6 {
        let session = number % 2;
        write!(
            stream,
            "MSRP abcd{number} SEND\r\nTo-Path: msrp://b:1/s{session};tcp\r\nFrom-Path: msrp://a:1/y;tcp\r\nMessage-ID: \
             mess{session}\r\nByte-Range: {}-*/*\r\nContent-Type: a/b\r\n\r\npart {number}\r\n-------abcd{number}+\r\n",
            1 + number / 2 * 6
        )
        .unwrap();
    }
    let mut lone = Lone::new();
    let mut now = None;
    let mut parts = Vec::new();
    for event in lone.feed(stream) {
        match event {
            Event::Request { id, head } => now = Some((id, head.message_id().unwrap().unwrap())),
            Event::Body { id, data, offset } => {
                let (current, message) = now.unwrap();
                assert_eq!(id, current, "octets belong to the request told last");
                parts.push((message.as_str().to_owned(), offset, data.to_vec()));
            }
            _ => {}
        }
    }
    let expected: Vec<_> = (0..6)
        .map(|number| {
            (
                format!("mess{}", number % 2),
                1 + number / 2 * 6,
                format!("part {number}").into_bytes(),
            )
        })
        .collect();
    assert_eq!(parts, expected);
}

#[test]
fn a_deferred_answer_comes_when_the_node_wants() {
    let mut lone = Lone::new();
    lone.connection.handle_read(
        lone.now,
        BytesMut::from(send("abcd", "", "hello", '$').as_bytes()),
    );
    let Some(Event::Request { id, .. }) = lone.connection.poll_event(lone.now) else {
        panic!("a request")
    };
    lone.connection.defer(id).unwrap();
    lone.events();
    lone.feed(send("efgh", "", "hello", '$'));
    let answered: Vec<_> = lone.frames().into_iter().map(|frame| frame.id).collect();
    assert_eq!(answered, ["efgh"]);
    lone.connection.respond(id, StatusCode::FORBIDDEN, "No").unwrap();
    let frames = lone.frames();
    assert_eq!(
        (frames[0].id.as_str(), frames[0].third.as_str()),
        ("abcd", "403 No")
    );
    assert!(
        lone.connection.respond(id, StatusCode::OK, "OK").is_err(),
        "one answer"
    );
}
