//! Heads as relays pass them on: paths move by one, all else stays octet for octet.

use std::{sync::Arc, time::Instant};

use bytes::{Buf, Bytes, BytesMut};
use msrp_core::{
    codec::{
        ChunkHead, DecodeEvent, Decoder, DecoderLimits, Framing, Head, HeadEdit, HeadTemplate, HeaderName,
        Own,
    },
    connection::{Connection, ConnectionConfig},
    grammar::{ByteRange, TransactId},
    node::PeerInfo,
};

const MAX_URIS: usize = 8;

/// Input: a request or response as a peer sends it.
///
/// # Panics
/// When anything changes that should not, or the result is no head.
pub fn head_edit(data: &[u8]) {
    let Some(head) = first_head(data, DecoderLimits::default()) else {
        return;
    };
    for own in [Own::One, Own::Two] {
        match head.method() {
            Some(_) if head.is_send() => send(&head, own),
            Some(_) => request(&head, own),
            None => response(&head, own),
        }
    }
}

fn first_head(octets: &[u8], limits: DecoderLimits) -> Option<Head> {
    let mut decoder = Decoder::new(limits, Framing::Stream);
    match decoder.decode(&mut BytesMut::from(octets)) {
        Ok(Some(DecodeEvent::Head(head))) => Some(head),
        _ => None,
    }
}

/// What was written has to be a head again; the paths have grown, so it may be longer than what came in.
fn again(octets: &[u8]) -> Head {
    let limits = DecoderLimits::default().with_max_head(65_535).with_max_lines(250);
    first_head(octets, limits).unwrap_or_else(|| panic!("no head: {}", octets.escape_ascii()))
}

fn send(head: &Head, own: Own) {
    let Ok(edit) = HeadEdit::with_own(head, MAX_URIS, own) else {
        return;
    };
    let id = TransactId::parse(b"fuzz1234").expect("an identifier");
    let range = ByteRange {
        start: 2049,
        end: None,
        total: Some(1 << 40),
    };
    let mut octets = BytesMut::new();
    edit.put(&mut octets, &id, &range);
    assert!(
        octets.len() <= edit.max_len(),
        "more is written than was announced"
    );
    let mut templated = BytesMut::new();
    HeadTemplate::forward(&edit).put(&mut templated, &id, &range);
    assert_eq!(octets, templated, "both ways to forward write the same");
    if !head.has_body() {
        octets.extend_from_slice(b"-------fuzz1234$\r\n");
    }
    let new = again(&octets);
    assert_eq!((new.transact_id(), new.has_body()), (id, head.has_body()));
    assert_eq!(new.byte_range(), Ok(Some(range)));
    assert_eq!(first_others(&new), first_others(head), "a header changed");
    paths(head, &new, own);
}

/// The headers after the paths, without the first Byte-Range.
fn first_others(head: &Head) -> Vec<(&str, &[u8])> {
    let mut ranges = 0;
    head.headers()
        .skip(2)
        .filter(|(name, _)| {
            let range = HeaderName::from_octets(name.as_bytes()) == HeaderName::ByteRange;
            ranges += usize::from(range);
            !range || ranges > 1
        })
        .collect()
}

fn request(head: &Head, own: Own) {
    let Ok(edit) = HeadEdit::with_own(head, MAX_URIS, own) else {
        return;
    };
    let now = Instant::now();
    let mut connection = connection(now);
    let id = connection
        .forward_request(now, &edit, b"", None)
        .expect("a new connection has room");
    let new = again(&output(&mut connection, now));
    assert_eq!((new.transact_id(), new.has_body()), (id, head.has_body()));
    assert_eq!(new.method(), head.method());
    assert!(
        new.headers().skip(2).eq(head.headers().skip(2)),
        "a header changed"
    );
    paths(head, &new, own);
}

fn response(head: &Head, own: Own) {
    let now = Instant::now();
    let mut connection = connection(now);
    let id = TransactId::parse(b"fuzz1234").expect("an identifier");
    let forwarded = connection.forward_response(now, &id, head, own);
    let octets = output(&mut connection, now);
    if forwarded.is_err() {
        assert!(octets.is_empty(), "what was refused leaves nothing behind");
        return;
    }
    let new = again(&octets);
    assert_eq!((new.transact_id(), new.has_body()), (id, false));
    assert_eq!(new.status_code(), head.status_code());
    assert!(
        new.headers().skip(2).eq(head.headers().skip(2)),
        "a header changed"
    );
    paths(head, &new, own);
}

/// One or two URIs have gone from the front of To-Path to the front of From-Path, the one visited last first.
fn paths(old: &Head, new: &Head, own: Own) {
    let list = |head: &Head, name| {
        let value = head.header(name).unwrap_or_default();
        value
            .split(|&octet| octet == b' ')
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
    };
    let (mut to, mut from) = (list(old, HeaderName::ToPath), list(old, HeaderName::FromPath));
    for _ in 0..if own == Own::One { 1 } else { 2 } {
        from.insert(0, to.remove(0));
    }
    assert_eq!(list(new, HeaderName::ToPath), to);
    assert_eq!(list(new, HeaderName::FromPath), from);
}

fn connection(now: Instant) -> Connection {
    let limits = DecoderLimits::default().with_max_uris(MAX_URIS);
    let config = ConnectionConfig::new().decoder_limits(limits);
    Connection::new(now, Arc::new(config), PeerInfo::new(), Framing::Stream, [7; 32])
}

fn output(connection: &mut Connection, now: Instant) -> Bytes {
    connection
        .poll_transmit(now, usize::MAX)
        .map_or_else(Bytes::new, |mut transmit| {
            let all = transmit.remaining();
            transmit.copy_to_bytes(all)
        })
}
