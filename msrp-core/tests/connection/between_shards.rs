//! What a driver needs that moves octets, or a connection, to another thread.

use bytes::{Buf, Bytes, BytesMut};
use msrp_core::{
    codec::{HeadEdit, Own},
    connection::{Connection, ConnectionConfig, Event},
    grammar::{ByteRange, ContinuationFlag, FailureReport},
};

use crate::pair::{Pair, connection, template};

/// Sends bodies of these lengths, and gives what leaves as blocks of at most `most` octets.
fn blocks(lengths: &[usize], most: usize) -> (Vec<BytesMut>, usize) {
    let mut pair = Pair::new();
    let template = template(FailureReport::No, Some("text/plain"));
    let a = &mut pair.a.connection;
    for &len in lengths {
        let body = Bytes::from(vec![b'x'; len]);
        // An open end lets a chunk be of any length.
        let range = ByteRange {
            end: None,
            ..ByteRange::whole(len as u64)
        };
        a.send_chunk(
            pair.now,
            &template,
            range,
            &body,
            ContinuationFlag::Complete,
            FailureReport::No,
            1,
        )
        .unwrap();
    }
    let total = a.buffered();
    let mut blocks = Vec::new();
    while let Some(mut transmit) = a.poll_transmit(pair.now, 256 * 1024) {
        while transmit.has_remaining() {
            blocks.push(transmit.take_block(most));
        }
    }
    assert_eq!(a.buffered(), 0);
    assert_eq!(a.stats().octets_out, total as u64);
    (blocks, total)
}

#[test]
fn output_is_taken_as_blocks_of_a_bounded_length() {
    for lengths in [&[5][..], &[200; 40], &[100_000, 3, 70_000]] {
        let (whole, total) = blocks(lengths, usize::MAX);
        assert_eq!(whole.len(), 1, "what is there is one block");
        for most in [1, 10, 4096, 64 * 1024] {
            let (parts, _) = blocks(lengths, most);
            assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= most));
            assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), total);
            // All but the identifiers, which are drawn from the same seed.
            assert_eq!(parts.concat(), whole.concat());
        }
    }
}

const REQUEST: &str = "MSRP abcd SEND\r\nTo-Path: msrp://r.example.com:1/t;tcp msrp://b.example.com:2/b;tcp\r\n\
                       From-Path: msrp://a.example.com:3/a;tcp\r\nMessage-ID: 12345\r\nByte-Range: 1-5/5\r\n\
                       Content-Type: text/plain\r\n\r\nhello\r\n-------abcd$\r\n";

fn fresh() -> (Connection, std::time::Instant) {
    let pair = Pair::new();
    (connection(pair.now, ConnectionConfig::new(), 9), pair.now)
}

#[test]
fn what_was_received_and_not_pulled_can_be_seen_and_taken_back() {
    for cut in 1..REQUEST.len() {
        for pulled in [false, true] {
            let (mut connection, now) = fresh();
            connection.handle_read(now, BytesMut::from(&REQUEST[..cut]));
            let head_is_whole = cut >= REQUEST.find("hello").unwrap();
            if pulled && !head_is_whole {
                // An incomplete head is looked at and stays.
                assert!(connection.poll_event(now).is_none());
            }
            connection.handle_read(now, BytesMut::from(&REQUEST[cut..]));
            assert_eq!(connection.peek_received(20), &REQUEST.as_bytes()[..20]);
            assert_eq!(connection.peek_received(4096), REQUEST.as_bytes());
            assert_eq!(connection.into_received(), REQUEST.as_bytes());
        }
    }
}

#[test]
fn paths_stay_as_they_are_where_no_uri_is_ours() {
    let (mut connection, now) = fresh();
    connection.handle_read(now, BytesMut::from(REQUEST));
    let Some(Event::Request { head, .. }) = connection.poll_event(now) else {
        panic!("a request");
    };
    let edit = HeadEdit::with_own(&head, 16, Own::None).unwrap();
    assert_eq!(edit.own_uri(), b"msrp://r.example.com:1/t;tcp");
    let (mut out, now) = fresh();
    out.send_chunk(
        now,
        &edit,
        ByteRange::whole(5),
        &Bytes::from_static(b"hello"),
        ContinuationFlag::Complete,
        FailureReport::No,
        1,
    )
    .unwrap();
    let sent = out.poll_transmit(now, 4096).unwrap().take_block(4096);
    let sent = String::from_utf8(sent.to_vec()).unwrap();
    let id = sent.split(' ').nth(1).unwrap();
    assert_eq!(sent.replace(id, "abcd"), REQUEST);
}
