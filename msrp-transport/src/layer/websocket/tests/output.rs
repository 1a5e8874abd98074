//! What goes out: one chunk in each message, whatever the sink takes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use msrp_core::{
    codec::{Framing, HeadTemplate, SendHeaders},
    connection::{Connection, ConnectionConfig, OutgoingId},
    grammar::{ContinuationFlag, FailureReport, MessageId, Path, SuccessReport},
    node::PeerInfo,
};

use super::*;

const MASK: [u8; 4] = [1, 2, 3, 4];

fn connection(config: ConnectionConfig) -> (Instant, Connection) {
    let now = Instant::now();
    let peer = PeerInfo::new();
    (
        now,
        Connection::new(now, Arc::new(config), peer, Framing::Message, [9; 32]),
    )
}

fn open(connection: &mut Connection, total: Option<u64>) -> OutgoingId {
    let path = Path::parse(Bytes::from_static(b"msrps://a.example.com:2855/s;tcp"), 1).unwrap();
    let template = HeadTemplate::send(&SendHeaders {
        to_path: &path,
        from_path: &path,
        message_id: MessageId::parse(b"87652").unwrap(),
        success_report: SuccessReport::No,
        failure_report: FailureReport::No,
        content_type: Some("text/plain"),
        extra: &[],
    })
    .unwrap();
    connection
        .open_send(template, 1, total, FailureReport::No, 1)
        .unwrap()
}

fn whole(now: Instant, connection: &mut Connection, body: Vec<u8>) {
    let id = open(connection, Some(body.len() as u64));
    connection.write(now, id, body.into()).unwrap();
    connection.finish(now, id, ContinuationFlag::Complete).unwrap();
}

/// Writes all that there is; how it ended.
fn write_all(side: &mut Side, now: Instant, connection: &mut Connection) -> WriteOutcome {
    let mut outcome = WriteOutcome::Done;
    while let Some(mut transmit) = connection.poll_transmit(now, 64 * 1024) {
        outcome = side.layer.write(&mut side.wire, &mut transmit).unwrap();
        if outcome == WriteOutcome::Incomplete {
            break;
        }
    }
    side.flush();
    outcome
}

/// The body of a chunk, which has to be the only one in its message.
fn body(message: &[u8]) -> &[u8] {
    let line = memchr::memmem::find(message, b"\r\n").unwrap();
    let id = message[5..line].strip_suffix(b" SEND").unwrap();
    let end_line = [b"-------", id].concat();
    let ends: Vec<_> = memchr::memmem::find_iter(message, &end_line).collect();
    let [end] = ends[..] else {
        panic!("{} end-lines", ends.len())
    };
    assert_eq!(end + end_line.len() + 3, message.len());
    let blank = memchr::memmem::find(message, b"\r\n\r\n").unwrap();
    &message[blank + 4..end - 2]
}

fn client() -> Side {
    let config = Arc::new(WebSocketConfig::new());
    let mut side = Side::new(WebSocket::client(Below::Plain, "a.example.com", None, "/", config).unwrap());
    side.settle().unwrap();
    let mut server = Side::asked(WebSocketConfig::new());
    server.feed(&side.written()).unwrap();
    let consent = server.written();
    side.feed(&consent).unwrap();
    side
}

// shows: 7977-5.1-04, 7977-5.1-05, 7977-E-11
#[test]
fn each_chunk_is_one_message() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let masked = seed % 2 == 0;
        let mut side = if masked {
            client()
        } else {
            Side::server(WebSocketConfig::new())
        };
        side.wire.takes = [None, Some(1), Some(100), Some(5_000)][dice.below(4)];
        let longest = [2_048, 5_000, 40_000][dice.below(3)];
        let (now, mut connection) = connection(ConnectionConfig::new().message_chunk(longest));
        let mut sent = Vec::new();
        for _ in 0..1 + dice.below(4) {
            let len = [0, 1, 200, 5_000, 90_000][dice.below(5)];
            let octets = dice.octets(len);
            sent.push(octets.clone());
            whole(now, &mut connection, octets);
            if dice.below(3) == 0 {
                write_all(&mut side, now, &mut connection);
                let ping = frame(true, 9, (!masked).then_some(MASK), b"hello");
                side.feed(&ping).unwrap();
            }
        }
        write_all(&mut side, now, &mut connection);
        assert_eq!(connection.buffered(), 0);
        let written = side.written();
        assert!(frames(&written).iter().all(|frame| frame.masked == masked));
        let (messages, control) = messages(&written);
        assert!(
            control
                .iter()
                .all(|frame| frame.opcode == 10 && frame.payload == b"hello")
        );
        let mut bodies: Vec<u8> = Vec::new();
        for (opcode, message) in &messages {
            assert_eq!(*opcode, 2, "seed {seed}");
            let body = body(message);
            assert!(body.len() as u64 <= longest);
            bodies.extend(body);
        }
        // Lanes take turns, so only the number of octets tells, unless there is one message.
        let all = sent.concat();
        assert_eq!(bodies.len(), all.len(), "seed {seed}");
        assert!(sent.len() > 1 || bodies == all);
    }
}

#[test]
fn short_messages_leave_together_and_long_ones_uncopied() {
    let mut side = Side::server(WebSocketConfig::new());
    let (now, mut connection) = connection(ConnectionConfig::new());
    for _ in 0..20 {
        whole(now, &mut connection, vec![b'x'; 200]);
    }
    // One write takes all, so the sink refuses afterwards without being asked.
    side.wire.takes = Some(usize::MAX);
    let mut transmit = connection.poll_transmit(now, 64 * 1024).unwrap();
    assert!(is_done(side.layer.write(&mut side.wire, &mut transmit).unwrap()));
    assert!(!transmit.has_remaining());
    assert_eq!(messages(&side.written()).0.len(), 20);
}

// shows: 7977-4.2-03, 7977-E-10
#[test]
fn text_is_answered_in_text_as_far_as_it_is_text() {
    let text = "Grüße, 世界 🌍!".repeat(1_000).into_bytes();
    let mut side = Side::server(WebSocketConfig::new());
    let (now, mut connection) = connection(ConnectionConfig::new().message_chunk(40_000));
    let kinds = |side: &mut Side, connection: &mut Connection, body: &[u8]| {
        whole(now, connection, body.to_vec());
        assert!(is_done(write_all(side, now, connection)));
        messages(&side.written())
            .0
            .iter()
            .map(|(opcode, _)| *opcode)
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&mut side, &mut connection, &text), [2]);
    side.feed(&frame(true, 1, Some(MASK), b"text")).unwrap();
    assert_eq!(kinds(&mut side, &mut connection, &text), [1]);
    assert_eq!(kinds(&mut side, &mut connection, b"\xff"), [2]);
    assert_eq!(kinds(&mut side, &mut connection, &text[..text.len() - 1]), [1]);
    assert_eq!(
        kinds(&mut side, &mut connection, &[&text[..], b"\xf0\x9f"].concat()),
        [2],
        "cut within a character"
    );
    side.feed(&frame(true, 2, Some(MASK), b"binary")).unwrap();
    assert_eq!(kinds(&mut side, &mut connection, &text), [2]);
}

/// A character that is cut between two slices of memory is one character.
#[test]
fn text_is_looked_at_across_slices() {
    let text = "🌍".repeat(5_000).into_bytes();
    for cut in [4_097, 4_098, 4_099, 4_100] {
        let mut side = Side::server(WebSocketConfig::new());
        side.feed(&frame(true, 1, Some(MASK), b"text")).unwrap();
        let (now, mut connection) = connection(ConnectionConfig::new().message_chunk(40_000));
        let id = open(&mut connection, Some(text.len() as u64));
        for slice in text.chunks(cut) {
            connection.write(now, id, Bytes::copy_from_slice(slice)).unwrap();
        }
        connection.finish(now, id, ContinuationFlag::Complete).unwrap();
        assert!(is_done(write_all(&mut side, now, &mut connection)));
        let (messages, _) = messages(&side.written());
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].0, 1, "cut {cut}");
        assert!(body(&messages[0].1) == text);
    }
}

// shows: 7977-E-09
#[test]
fn a_chunk_that_has_begun_leaves_in_fragments_unless_it_may_be_text() {
    let (now, mut connection) = connection(ConnectionConfig::new());
    let mut side = Side::server(WebSocketConfig::new());
    let id = open(&mut connection, None);
    connection.write(now, id, Bytes::from(vec![b'a'; 3_000])).unwrap();
    write_all(&mut side, now, &mut connection);
    let first = frames(&side.written());
    assert!(
        first.iter().all(|frame| !frame.fin) && first[0].opcode == 2,
        "what is there leaves"
    );
    // A Ping is answered between two fragments.
    side.feed(&frame(true, 9, Some(MASK), b"hello")).unwrap();
    assert_eq!(side.written(), frame(true, 10, None, b"hello"));
    // The chunk is cut for what waits, which has its own message.
    connection.handle_read(now, bytes(b"MSRP abcd SEND\r\nTo-Path: msrps://a.example.com:2855/s;tcp\r\nFrom-Path: msrps://b.invalid:1/x;ws\r\nMessage-ID: 4321\r\nByte-Range: 1-0/0\r\n-------abcd$\r\n"));
    connection.handle_message_end(now);
    while connection.poll_event(now).is_some() {}
    write_all(&mut side, now, &mut connection);
    let rest = frames(&side.written());
    let fins: Vec<_> = rest.iter().map(|frame| (frame.opcode, frame.fin)).collect();
    assert_eq!(fins, [(0, true), (2, true)], "the end-line, and the response");
    assert!(rest[1].payload.starts_with(b"MSRP abcd 200"));

    // Where the peer speaks text all of a chunk has to be known.
    side.feed(&frame(true, 1, Some(MASK), b"text")).unwrap();
    connection.write(now, id, Bytes::from(vec![b'a'; 3_000])).unwrap();
    assert_eq!(
        write_all(&mut side, now, &mut connection),
        WriteOutcome::Incomplete
    );
    assert!(side.written().is_empty());
    connection.handle_timeout(now + Duration::from_secs(11));
    assert!(is_done(write_all(&mut side, now, &mut connection)));
    let (messages, _) = messages(&side.written());
    assert_eq!((messages.len(), messages[0].0), (1, 1));
    assert_eq!(body(&messages[0].1).len(), 3_000);
}

#[test]
fn nothing_follows_a_close() {
    let (now, mut connection) = connection(ConnectionConfig::new());
    let mut side = Side::server(WebSocketConfig::new());
    side.feed(&frame(true, 8, Some(MASK), b"")).unwrap();
    side.written();
    whole(now, &mut connection, vec![b'x'; 100_000]);
    assert!(is_done(write_all(&mut side, now, &mut connection)));
    assert!(side.written().is_empty());
    assert_eq!(connection.buffered(), 0);
    // A frame that will never be complete is not followed by another.
    let (now, mut connection) = self::connection(ConnectionConfig::new());
    let mut side = Side::server(WebSocketConfig::new());
    whole(now, &mut connection, vec![b'x'; 10_000]);
    side.wire.takes = Some(50);
    let mut transmit = connection.poll_transmit(now, 64 * 1024).unwrap();
    assert_eq!(
        side.layer.write(&mut side.wire, &mut transmit).unwrap(),
        WriteOutcome::WouldBlock
    );
    side.layer.close();
    side.flush();
    assert_eq!(side.written().len(), 50);
}
