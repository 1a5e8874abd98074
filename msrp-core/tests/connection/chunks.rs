//! The chunks of one message (RFC 4975 §7.1, §7.1.1).

use bytes::Bytes;
use msrp_core::{
    connection::{ConnectionConfig, OutgoingId},
    grammar::{ByteRange, ContinuationFlag, FailureReport, SuccessReport},
};

use crate::{
    naive::{Frame, frames},
    pair::{Pair, report_template, template},
};

fn octets(len: usize) -> Bytes {
    (0..len).map(|index| (index % 251) as u8).collect()
}

fn range(frame: &Frame) -> ByteRange {
    ByteRange::parse(frame.header("Byte-Range").expect("a Byte-Range").as_bytes()).unwrap()
}

/// Sends a message of which all octets are there at once, and gives its chunks.
fn sent(max_chunk: Option<u64>, len: usize, total: Option<u64>) -> Vec<Frame> {
    let mut pair = Pair::with_config(ConnectionConfig::new().max_chunk(max_chunk));
    let template = report_template(SuccessReport::Yes, FailureReport::Partial);
    let a = &mut pair.a.connection;
    let id = a
        .open_send(template, 1, total, FailureReport::Partial, 1)
        .unwrap();
    a.write(pair.now, id, octets(len)).unwrap();
    a.finish(pair.now, id, ContinuationFlag::Complete).unwrap();
    pair.drive();
    let chunks = frames(&pair.a.sent);
    let joined: Vec<u8> = chunks
        .iter()
        .flat_map(|chunk| chunk.body.clone().unwrap())
        .collect();
    assert_eq!(joined, octets(len));
    chunks
}

// shows: 4975-7.1.1-03, 4975-7.1.1-05, 4975-7.1.1-17, 4975-7.1.1-18, 4975-7.1.1-23, 4975-7.1-15, 4975-7.1-17, 4975-7.1.1-16
#[test]
fn all_chunks_say_what_belongs_to_the_message_and_where_they_stand() {
    for max_chunk in [700, 2048, 3000, 10_000] {
        let chunks = sent(Some(max_chunk), 23_456, Some(23_456));
        assert_eq!(chunks.len() as u64, 23_456_u64.div_ceil(max_chunk));
        let mut next = 1;
        for (number, chunk) in chunks.iter().enumerate() {
            assert_eq!(chunk.header("Message-ID"), Some("87652491"));
            assert_eq!(chunk.header("Success-Report"), Some("yes"));
            assert_eq!(chunk.header("Failure-Report"), Some("partial"));
            assert_eq!(
                range(chunk).start,
                next,
                "each begins where the one before it ended"
            );
            next += chunk.body_len();
            let last = number + 1 == chunks.len();
            let flag = if last {
                ContinuationFlag::Complete
            } else {
                ContinuationFlag::More
            };
            assert_eq!(chunk.flag, flag);
        }
    }
}

// shows: 4975-7.1.1-20, 4975-7.1.1-26, 4975-5.1-02, 4975-7.1.1-19, 4975-7.1.1-21, 4975-7.1.1-28
#[test]
fn only_small_chunks_say_where_they_end() {
    for (len, end) in [
        (2047, Some(2047)),
        (2048, Some(2048)),
        (2049, None),
        (10_000, None),
    ] {
        let chunks = sent(None, len, Some(len as u64));
        assert_eq!(chunks.len(), 1);
        let expected = ByteRange {
            start: 1,
            end,
            total: Some(len as u64),
        };
        assert_eq!(range(&chunks[0]), expected);
    }
    let chunks = sent(Some(2048), 5000, Some(5000));
    let ranges: Vec<_> = chunks.iter().map(|chunk| range(chunk).to_string()).collect();
    assert_eq!(ranges, ["1-2048/5000", "2049-4096/5000", "4097-5000/5000"]);
    let chunks = sent(Some(4000), 5000, Some(5000));
    let ranges: Vec<_> = chunks.iter().map(|chunk| range(chunk).to_string()).collect();
    assert_eq!(
        ranges,
        ["1-*/5000", "4001-5000/5000"],
        "the rest is small, and known"
    );
}

// shows: 4975-7.1.1-22, 4975-7.1.1-20
#[test]
fn a_message_without_known_length_says_so() {
    let mut pair = Pair::new();
    let head = template(FailureReport::Yes, Some("text/plain"));
    let a = &mut pair.a.connection;
    let id = a.open_send(head, 1, None, FailureReport::Yes, 1).unwrap();
    a.write(pair.now, id, octets(100)).unwrap();
    pair.drive();
    let a = &mut pair.a.connection;
    a.write(pair.now, id, octets(5000)).unwrap();
    a.finish(pair.now, id, ContinuationFlag::Complete).unwrap();
    pair.drive();
    let chunks = frames(&pair.a.sent);
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].header("Byte-Range"), Some("1-*/*"));
    assert_eq!(
        (chunks[0].body_len(), chunks[0].flag),
        (5100, ContinuationFlag::Complete)
    );
}

fn begun(pair: &mut Pair) -> OutgoingId {
    let head = template(FailureReport::Yes, Some("text/plain"));
    let a = &mut pair.a.connection;
    let id = a
        .open_send(head, 1, Some(100_000), FailureReport::Yes, 1)
        .unwrap();
    a.write(pair.now, id, octets(20_000)).unwrap();
    pair.a.take(pair.now, 5000).unwrap();
    id
}

// shows: 4975-7.1-16
#[test]
fn a_message_that_is_given_up_ends_in_a_hash_and_nothing_follows() {
    let mut pair = Pair::new();
    let id = begun(&mut pair);
    assert_eq!(pair.a.connection.abort(pair.now, id), Ok(true));
    let other = Bytes::from_static(b"next");
    let head = template(FailureReport::No, Some("text/plain"));
    let flag = ContinuationFlag::Complete;
    let a = &mut pair.a.connection;
    a.send_chunk(
        pair.now,
        &head,
        ByteRange::whole(4),
        &other,
        flag,
        FailureReport::No,
        2,
    )
    .unwrap();
    pair.drive();
    let chunks = frames(&pair.a.sent);
    assert_eq!(chunks.len(), 2);
    assert_eq!(chunks[0].flag, ContinuationFlag::Abort);
    assert!(octets(20_000).starts_with(chunks[0].body.as_ref().unwrap()));
    assert!(chunks[0].body_len() < 20_000, "what waited has been dropped");
    assert_eq!(chunks[1].body.as_deref(), Some(&b"next"[..]));
    // Between chunks: the next chunk is an empty one with the flag.
    let mut pair = Pair::with_config(ConnectionConfig::new().max_chunk(Some(2000)));
    let id = begun(&mut pair);
    while pair.a.take(pair.now, usize::MAX).is_some() {}
    assert_eq!(frames(&pair.a.sent).len(), 10, "whole chunks have left");
    pair.a.connection.abort(pair.now, id).unwrap();
    pair.drive();
    let chunks = frames(&pair.a.sent);
    let last = chunks.last().unwrap();
    assert_eq!(
        (chunks.len(), last.flag, last.body_len()),
        (11, ContinuationFlag::Abort, 0)
    );
    assert_eq!(range(last).start, 20_001);
    // Nothing of it has left: there is nothing to give up.
    let mut pair = Pair::new();
    let head = template(FailureReport::Yes, Some("text/plain"));
    let a = &mut pair.a.connection;
    let id = a.open_send(head, 1, None, FailureReport::Yes, 1).unwrap();
    a.write(pair.now, id, octets(10)).unwrap();
    assert_eq!(a.abort(pair.now, id), Ok(false));
    pair.drive();
    assert!(pair.a.sent.is_empty());
}

// shows: 4975-7.1-16
#[test]
fn what_was_written_leaves_before_a_message_is_finished_by_a_hash() {
    let mut pair = Pair::new();
    let id = begun(&mut pair);
    let a = &mut pair.a.connection;
    a.finish(pair.now, id, ContinuationFlag::Abort).unwrap();
    while pair.a.take(pair.now, usize::MAX).is_some() {}
    let chunks = frames(&pair.a.sent);
    assert_eq!(chunks.len(), 1);
    assert_eq!(
        (chunks[0].body_len(), chunks[0].flag),
        (20_000, ContinuationFlag::Abort)
    );
}

#[test]
fn a_jump_ends_the_chunk_and_the_next_one_stands_where_it_was_told() {
    let mut pair = Pair::new();
    let id = begun(&mut pair);
    let a = &mut pair.a.connection;
    a.restart_at(id, 50_001).unwrap();
    a.write(pair.now, id, octets(3000)).unwrap();
    a.finish(pair.now, id, ContinuationFlag::Complete).unwrap();
    pair.drive();
    let chunks = frames(&pair.a.sent);
    let told: Vec<_> = chunks
        .iter()
        .map(|chunk| (range(chunk).start, chunk.body_len(), chunk.flag))
        .collect();
    assert_eq!(
        told,
        [
            (1, 20_000, ContinuationFlag::More),
            (50_001, 3000, ContinuationFlag::Complete)
        ]
    );
}

// shows: 4975-7.1.1-11
#[test]
fn a_hundred_requests_need_not_wait_for_each_other() {
    let mut pair = Pair::new();
    for _ in 0..100 {
        pair.send_text("hello", FailureReport::Yes);
    }
    while pair.a.take(pair.now, usize::MAX).is_some() {}
    assert_eq!(frames(&pair.a.sent).len(), 100);
    assert_eq!(pair.a.connection.open_transactions(), 100);
}
