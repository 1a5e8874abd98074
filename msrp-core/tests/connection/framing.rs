//! Transports that carry one chunk in each message (RFC 7977 §5.1, RFC 8873 §5.4).

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use msrp_core::{
    codec::{DecodeErrorKind, Framing, Own},
    connection::{CloseReason, Connection, ConnectionConfig, Event},
    grammar::{ByteRange, ContinuationFlag, FailureReport, TransactId},
    node::PeerInfo,
};

use crate::{
    lone::send,
    naive::frames,
    pair::{Pair, template},
};

fn connection() -> (std::time::Instant, Connection) {
    connection_with(ConnectionConfig::new())
}

fn connection_with(config: ConnectionConfig) -> (std::time::Instant, Connection) {
    let now = Pair::new().now;
    let config = Arc::new(config);
    let connection = Connection::new(now, config, PeerInfo::new(), Framing::Message, [5; 32]);
    (now, connection)
}

/// What a message of these octets, in pieces of this size, leads to.
fn received(message: &str, size: usize) -> Vec<Event> {
    let (now, mut connection) = connection();
    for piece in message.as_bytes().chunks(size) {
        connection.handle_read(now, BytesMut::from(piece));
    }
    connection.handle_message_end(now);
    std::iter::from_fn(|| connection.poll_event(now)).collect()
}

#[test]
fn a_message_is_one_chunk_no_more_and_no_less() {
    let chunk = send("abcd", "", "hello", '$');
    for size in [1, 10, 1000] {
        let events = received(&chunk, size);
        assert!(
            matches!(events.last(), Some(Event::RequestEnd { received: 5, .. })),
            "{events:?}"
        );
        for (message, expected) in [
            (chunk.clone() + &chunk, DecodeErrorKind::TrailingOctets),
            (chunk.clone() + "\r\n", DecodeErrorKind::TrailingOctets),
            (
                chunk[..chunk.len() - 1].to_owned(),
                DecodeErrorKind::TruncatedMessage,
            ),
            (chunk[..40].to_owned(), DecodeErrorKind::TruncatedMessage),
        ] {
            let events = received(&message, size);
            assert!(
                matches!(
                    events.last(),
                    Some(Event::Closed { reason }) if matches!(reason.kind, CloseReason::Decode(error) if error.kind == expected)
                ),
                "{events:?}"
            );
        }
    }
}

#[test]
fn output_tells_where_its_chunks_end() {
    let (now, mut connection) = connection();
    let head = template(FailureReport::No, Some("a/b"));
    for len in [3, 2000, 0] {
        let body = Bytes::from(vec![b'x'; len]);
        let range = ByteRange::whole(len as u64);
        let flag = ContinuationFlag::Complete;
        connection
            .send_chunk(now, &head, range, &body, flag, FailureReport::No, 1)
            .unwrap();
    }
    let mut incoming = BytesMut::from(send("abcd", "", "hello", '$').as_bytes());
    connection.handle_read(now, incoming.split());
    connection.handle_message_end(now);
    while connection.poll_event(now).is_some() {}
    // A response that cannot be passed on leaves nothing behind, not even an empty message.
    let mut lone = crate::lone::Lone::new();
    let events = lone.feed(send("abcd", "", "hello", '$'));
    let Some(Event::Request { head, .. }) = events.first() else {
        panic!("{events:?}")
    };
    let id = TransactId::parse(b"abcd").unwrap();
    assert!(connection.forward_response(now, &id, head, Own::One).is_err());
    let mut messages = Vec::new();
    while let Some(mut transmit) = connection.poll_transmit(now, 64 * 1024) {
        let end = transmit.chunk_end().expect("whole chunks");
        assert!(end > 0);
        messages.push(transmit.copy_to_bytes(end));
    }
    assert_eq!(messages.len(), 4);
    for message in messages {
        assert_eq!(frames(&message).len(), 1, "{}", message.escape_ascii());
    }
}

// shows: 7977-5.1-06
#[test]
fn a_long_message_is_cut_into_chunks_that_fit_a_message_of_the_transport() {
    const LEN: usize = 100_000;
    for (config, longest) in [
        (ConnectionConfig::new(), 16 * 1024),
        (ConnectionConfig::new().message_chunk(4_000), 4_000),
        (ConnectionConfig::new().message_chunk(1), 2_048),
        (
            ConnectionConfig::new()
                .message_chunk(4_000)
                .max_chunk(Some(3_000)),
            3_000,
        ),
    ] {
        let (now, mut connection) = connection_with(config);
        let head = template(FailureReport::No, Some("a/b"));
        let id = connection
            .open_send(head, 1, Some(LEN as u64), FailureReport::No, 1)
            .unwrap();
        connection.write(now, id, Bytes::from(vec![b'x'; LEN])).unwrap();
        connection.finish(now, id, ContinuationFlag::Complete).unwrap();
        let mut next = 1;
        while let Some(mut transmit) = connection.poll_transmit(now, 64 * 1024) {
            let end = transmit.chunk_end().expect("every chunk ends");
            let message = transmit.copy_to_bytes(end);
            let [chunk] = &frames(&message)[..] else {
                panic!("one chunk in a message")
            };
            let range = ByteRange::parse(chunk.header("Byte-Range").unwrap().as_bytes()).unwrap();
            assert_eq!((range.start, range.total), (next, Some(LEN as u64)));
            next += chunk.body_len();
            assert!(chunk.body_len() <= longest);
            let last = next > LEN as u64;
            assert!(last || chunk.body_len() == longest);
            assert_eq!(chunk.flag == ContinuationFlag::Complete, last);
        }
        assert_eq!(next, LEN as u64 + 1);
    }
}

#[test]
fn a_whole_chunk_that_no_message_holds_is_not_taken() {
    let (now, mut connection) = connection();
    let head = template(FailureReport::No, Some("a/b"));
    let range = ByteRange {
        end: None,
        ..ByteRange::whole(20_000)
    };
    for (len, taken) in [(16 * 1024, true), (16 * 1024 + 1, false)] {
        let body = Bytes::from(vec![b'x'; len]);
        let flag = ContinuationFlag::Complete;
        let sent = connection.send_chunk(now, &head, range, &body, flag, FailureReport::No, 1);
        assert_eq!(sent.is_ok(), taken, "{len}: {sent:?}");
    }
}

#[test]
fn messages_of_nothing_fill_the_receive_buffer_too() {
    let (now, mut connection) = connection();
    let mut messages = 0;
    while connection.wants_read() {
        connection.handle_message_end(now);
        messages += 1;
        assert!(messages < 10_000);
    }
    assert!(matches!(
        connection.poll_event(now),
        Some(Event::Closed { reason }) if matches!(reason.kind, CloseReason::Decode(error) if error.kind == DecodeErrorKind::TruncatedMessage)
    ));
}
