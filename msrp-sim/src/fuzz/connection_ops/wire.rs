//! What left a connection, and what arrived at the other.

use std::collections::BTreeMap;

use super::side::{Message, NO_MESSAGE, Side};
use crate::checker::naive::{self, Frame};

/// Whatever the node and the peer did, what was sent is MSRP and says what was written.
pub(super) fn check_sent(side: &Side) -> Vec<Frame> {
    let frames = naive::decode(&side.sent).unwrap_or_else(|error| panic!("sent: {error}"));
    let mut ids: Vec<_> = frames
        .iter()
        .filter(|frame| frame.method().is_some())
        .map(|frame| &frame.tid)
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an identifier was used twice");
    let mut chunks: BTreeMap<&str, Vec<&Frame>> = BTreeMap::new();
    for frame in &frames {
        if let (true, Some(id)) = (frame.is_send(), frame.header("Message-ID"))
            && id != NO_MESSAGE
        {
            chunks.entry(id).or_default().push(frame);
        }
        if frame.is_report() {
            assert_eq!(
                (frame.count("Success-Report"), frame.count("Failure-Report")),
                (0, 0)
            );
        }
    }
    for (id, chunks) in &chunks {
        check_message(side, &side.messages[*id], chunks);
    }
    if !side.connection.is_closed() {
        for (id, message) in &side.messages {
            let octets = message.written.iter().any(|(_, octets)| !octets.is_empty());
            assert!(
                message.aborted || !octets || chunks.contains_key(id.as_str()),
                "a message is missing"
            );
        }
    }
    frames
}

fn check_message(side: &Side, message: &Message, chunks: &[&Frame]) {
    let mut written = message
        .written
        .iter()
        .flat_map(|(start, octets)| (*start..).zip(octets.iter().copied()));
    for (number, chunk) in chunks.iter().enumerate() {
        let last = number + 1 == chunks.len();
        let body = body(chunk);
        let len = body.len() as u64;
        assert!(last || chunk.flag == Some('+'), "a message goes on after its end");
        if let Some((start, end, _total)) = chunk.range() {
            for octet in (start..).zip(body.iter().copied()) {
                assert_eq!(
                    Some(octet),
                    written.next(),
                    "an octet is not where it was written"
                );
            }
            if let (Some(end), Some('$' | '+')) = (end, chunk.flag) {
                assert_eq!(end + 1, start + len, "range-end is not where the body ends");
            }
            assert!(
                end.is_none() || len <= 2048,
                "a large chunk that cannot be interrupted"
            );
        } else {
            // Only a head that was cut off with the connection lacks it.
            assert!(last && body.is_empty() && side.connection.is_closed());
        }
    }
    let end = chunks.last().and_then(|chunk| chunk.flag);
    if !side.connection.is_closed() {
        let expected = message.end.map_or('+', |flag| char::from(flag.as_byte()));
        assert_eq!(end, Some(expected), "the last chunk's flag");
        assert!(message.aborted || written.next().is_none(), "octets are missing");
    }
}

/// The body of a chunk; of one that was cut off with its connection without what may be a part of its end-line.
fn body(chunk: &Frame) -> &[u8] {
    let body = chunk.body.as_deref().unwrap_or_default();
    if chunk.flag.is_some() {
        return body;
    }
    let end_line = format!("\r\n-------{}", chunk.tid);
    let cut = (0..body.len()).find(|&at| {
        let tail = &body[at..];
        tail.starts_with(end_line.as_bytes()) || end_line.as_bytes().starts_with(tail)
    });
    &body[..cut.unwrap_or(body.len())]
}

/// What was told of the requests is what was sent.
pub(super) fn check_received(frames: &[Frame], to: &Side) {
    let sent: BTreeMap<&str, &Frame> = frames
        .iter()
        .filter(|frame| frame.method().is_some())
        .map(|frame| (frame.tid.as_str(), frame))
        .collect();
    for (id, told) in &to.told {
        let frame = sent[id.as_str()];
        let body = frame.body.as_deref().unwrap_or_default();
        assert!(body.starts_with(&told.body), "a body has changed on its way");
        assert!(!told.ended || body.len() == told.body.len() && frame.flag.is_some());
    }
}
