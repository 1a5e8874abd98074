//! Mistakes of the caller are errors, and change nothing.

use bytes::Bytes;
use msrp_core::{
    connection::{ApiMisuse, CloseReason, ConnectionConfig, SendError, WriteError},
    grammar::{ByteRange, ContinuationFlag, FailureReport},
};

use crate::{
    naive::frames,
    pair::{Pair, template},
};

#[test]
fn a_finished_message_takes_nothing_more() {
    let mut pair = Pair::new();
    let now = pair.now;
    let head = || template(FailureReport::Yes, Some("a/b"));
    let a = &mut pair.a.connection;
    let id = a.open_send(head(), 1, None, FailureReport::Yes, 1).unwrap();
    a.write(now, id, Bytes::from_static(b"hello")).unwrap();
    assert_eq!(
        a.finish(now, id, ContinuationFlag::More),
        Err(ApiMisuse::NotAnEnd)
    );
    a.finish(now, id, ContinuationFlag::Complete).unwrap();
    for sent in [false, true] {
        let a = &mut pair.a.connection;
        let body = Bytes::from_static(b"more");
        assert_eq!(a.write(now, id, body.clone()), Err(WriteError::Unknown(body)));
        assert_eq!(a.restart_at(id, 100), Err(ApiMisuse::UnknownOutgoing));
        let again = a.finish(now, id, ContinuationFlag::Abort);
        assert_eq!(again, Err(ApiMisuse::UnknownOutgoing));
        assert_eq!(a.capacity(id), 0);
        if sent {
            assert_eq!(a.abort(now, id), Err(ApiMisuse::UnknownOutgoing));
        }
        pair.drive();
    }
    let chunks = frames(&pair.a.sent);
    assert_eq!((chunks.len(), chunks[0].flag), (1, ContinuationFlag::Complete));
    // The slot is used again, the name is not.
    let a = &mut pair.a.connection;
    let next = a.open_send(head(), 1, None, FailureReport::Yes, 2).unwrap();
    assert_ne!(next, id);
    let body = Bytes::from_static(b"stale");
    assert_eq!(a.write(now, id, body.clone()), Err(WriteError::Unknown(body)));
    assert_eq!(a.abort(now, id), Err(ApiMisuse::UnknownOutgoing));
}

#[test]
fn a_large_chunk_that_says_where_it_ends_is_refused() {
    let mut pair = Pair::new();
    let head = template(FailureReport::No, Some("a/b"));
    let flag = ContinuationFlag::Complete;
    let body = Bytes::from(vec![0; 2049]);
    let a = &mut pair.a.connection;
    let mut send = |range: ByteRange| {
        a.send_chunk(pair.now, &head, range, &body, flag, FailureReport::No, 1)
            .map(drop)
    };
    assert_eq!(send(ByteRange::whole(2049)), Err(SendError::ChunkTooLong));
    let open = ByteRange {
        end: None,
        ..ByteRange::whole(2049)
    };
    assert_eq!(send(open), Ok(()));
    pair.drive();
    assert_eq!(frames(&pair.a.sent).len(), 1);
}

#[test]
fn after_the_end_nothing_can_be_sent() {
    let mut pair = Pair::new();
    let now = pair.now;
    let head = || template(FailureReport::Yes, Some("a/b"));
    let a = &mut pair.a.connection;
    let id = a.open_send(head(), 1, None, FailureReport::Yes, 1).unwrap();
    a.close(now, CloseReason::Done);
    let body = Bytes::from_static(b"x");
    assert_eq!(
        a.write(now, id, body.clone()),
        Err(WriteError::Unknown(body.clone()))
    );
    let opened = a.open_send(head(), 1, None, FailureReport::Yes, 1);
    assert_eq!(opened, Err(SendError::Closed));
    let flag = ContinuationFlag::Complete;
    let sent = a.send_chunk(
        now,
        &head(),
        ByteRange::whole(1),
        &body,
        flag,
        FailureReport::Yes,
        1,
    );
    assert_eq!(sent, Err(SendError::Closed));
    assert!(pair.a.take(now, 1000).is_none());
}

#[test]
fn bounds_are_kept_within_reason() {
    // Nonsense in a configuration is put right rather than taken at its word.
    let config = ConnectionConfig::new()
        .rx_limit(0)
        .send_high(0)
        .control_high(0)
        .lane_watermarks(0, usize::MAX)
        .max_lanes(0)
        .max_transactions(0)
        .max_deferred(0)
        .max_chunk(Some(0))
        .max_protocol_errors(0)
        .small_chunk_credit(0);
    let mut pair = Pair::with_config(config);
    let head = template(FailureReport::Yes, Some("a/b"));
    let a = &mut pair.a.connection;
    let id = a.open_send(head, 1, None, FailureReport::Yes, 1).unwrap();
    a.write(pair.now, id, Bytes::from_static(b"abc")).unwrap();
    a.finish(pair.now, id, ContinuationFlag::Complete).unwrap();
    let events = pair.b_events();
    assert_eq!(crate::pair::received(&events), b"abc");
}
