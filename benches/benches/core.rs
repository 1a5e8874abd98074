//! The codec: heads, bodies of several kinds, and the hostile ones.
#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]

use std::{hint::black_box, sync::Arc, time::Instant};

use bytes::{Buf, Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use msrp_core::{
    codec::{DecodeEvent, Decoder, DecoderLimits, Framing, Head, HeadEdit},
    connection::{Connection, ConnectionConfig, Event},
    grammar::{ByteRange, ContinuationFlag, FailureReport},
    node::PeerInfo,
};

fn small_send(body: &[u8]) -> Vec<u8> {
    let mut octets = format!(
        "MSRP a786hjs2a786hjs2 SEND\r\n\
         To-Path: msrp://relay.example.com:2855/jui787s2fjui787s2fjui78;tcp msrp://bob.example.com:12763/kjhd37s2s20w2a;tcp\r\n\
         From-Path: msrp://alice.example.com:7654/jshA7weztas;tcp\r\n\
         Message-ID: 87652491abcdef\r\n\
         Byte-Range: 1-{len}/{len}\r\n\
         Content-Type: text/plain\r\n\r\n",
        len = body.len()
    )
    .into_bytes();
    octets.extend_from_slice(body);
    octets.extend_from_slice(b"\r\n-------a786hjs2a786hjs2$\r\n");
    octets
}

fn decode_all(decoder: &mut Decoder, input: &mut BytesMut) -> usize {
    let mut octets = 0;
    while let Some(event) = decoder.decode(input).expect("well-formed") {
        match event {
            DecodeEvent::Body(data) => octets += data.len(),
            other => {
                black_box(&other);
            }
        }
    }
    octets
}

fn head_of(octets: &[u8]) -> Head {
    let mut input = BytesMut::from(octets);
    match Decoder::new(DecoderLimits::default(), Framing::Stream).decode(&mut input) {
        Ok(Some(DecodeEvent::Head(head))) => head,
        other => panic!("{other:?}"),
    }
}

/// What a relay reads of a head to decide where it goes.
fn route(head: &Head) -> u64 {
    let to_path = head.to_path(16).expect("path");
    let first = to_path.first().expect("URI");
    let range = head
        .byte_range()
        .expect("range")
        .unwrap_or(ByteRange::WHOLE_UNKNOWN);
    let report = head.failure_report().expect("report");
    let id = head.message_id().expect("id");
    let session = first.session_id().map_or(0, str::len) as u64;
    session + range.start + u64::from(report == FailureReport::Yes) + u64::from(id.is_some())
}

fn heads(c: &mut Criterion) {
    let message = small_send(&[b'x'; 200]);
    let mut group = c.benchmark_group("head");
    // A decoder that has seen traffic, with bodies and end-lines: what a SEND costs a relay until it knows the way.
    let block = message.repeat(100);
    group.throughput(Throughput::Elements(100));
    group.bench_function("decode and route 100 SENDs", |b| {
        let mut decoder = Decoder::new(DecoderLimits::default(), Framing::Stream);
        b.iter_batched_ref(
            || BytesMut::from(&block[..]),
            |input| {
                while let Some(event) = decoder.decode(input).expect("well-formed") {
                    if let DecodeEvent::Head(head) = &event {
                        black_box(route(head));
                    }
                    black_box(&event);
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(1));
    // With everything that a decoder and a block allocate when they are used for the first time.
    group.bench_function("parse and route the first SEND of a connection", |b| {
        b.iter_batched_ref(
            || {
                (
                    Decoder::new(DecoderLimits::default(), Framing::Stream),
                    BytesMut::from(&message[..]),
                    None,
                )
            },
            |(decoder, input, kept)| {
                if let Ok(Some(DecodeEvent::Head(head))) = decoder.decode(input) {
                    black_box(route(&head));
                    *kept = Some(head);
                }
            },
            BatchSize::SmallInput,
        );
    });
    let head = head_of(&message);
    group.bench_function("route only", |b| b.iter(|| black_box(route(black_box(&head)))));
    group.finish();
}

fn small_messages(c: &mut Criterion) {
    let message = small_send(&[b'x'; 200]);
    let block: Vec<u8> = message
        .iter()
        .copied()
        .cycle()
        .take(message.len() * 100)
        .collect();
    let mut group = c.benchmark_group("decode 100 SENDs of 200 octets");
    group.throughput(Throughput::Elements(100));
    group.bench_function("one block", |b| {
        let mut decoder = Decoder::new(DecoderLimits::default(), Framing::Stream);
        b.iter_batched_ref(
            || BytesMut::from(&block[..]),
            |input| black_box(decode_all(&mut decoder, input)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn forward(c: &mut Criterion) {
    let message = small_send(&[b'x'; 200]);
    let block: Vec<u8> = message
        .iter()
        .copied()
        .cycle()
        .take(message.len() * 100)
        .collect();
    let mut group = c.benchmark_group("forward 100 SENDs of 200 octets between two connections");
    group.throughput(Throughput::Elements(100));
    group.bench_function("with their responses", |b| {
        let now = Instant::now();
        let config = Arc::new(ConnectionConfig::new());
        let new = |seed| Connection::new(now, config.clone(), PeerInfo::new(), Framing::Stream, [seed; 32]);
        let (mut from, mut to, mut peer) = (new(1), new(2), new(3));
        b.iter_batched_ref(
            || BytesMut::from(&block[..]),
            |input| {
                from.handle_read(now, input.split());
                let mut held: Option<(Head, Bytes)> = None;
                while let Some(event) = from.poll_event(now) {
                    match event {
                        Event::Request { head, .. } => held = Some((head, Bytes::new())),
                        Event::Body { data, .. } => {
                            if let Some(held) = &mut held {
                                held.1 = data;
                            }
                        }
                        Event::RequestEnd { .. } => {
                            let Some((head, body)) = held.take() else { continue };
                            let edit = HeadEdit::new(&head, 16).expect("two URIs");
                            let range = ByteRange::whole(body.len() as u64);
                            to.send_chunk(
                                now,
                                &edit,
                                range,
                                &body,
                                ContinuationFlag::Complete,
                                FailureReport::Yes,
                                1,
                            )
                            .expect("room");
                        }
                        _ => {}
                    }
                }
                while let Some(mut transmit) = from.poll_transmit(now, 256 * 1024) {
                    let all = transmit.remaining();
                    transmit.advance(all);
                }
                while let Some(mut transmit) = to.poll_transmit(now, 256 * 1024) {
                    let all = transmit.remaining();
                    let octets = transmit.copy_to_bytes(all);
                    peer.handle_read(now, BytesMut::from(&octets[..]));
                }
                while peer.poll_event(now).is_some() {}
                while let Some(mut transmit) = peer.poll_transmit(now, 256 * 1024) {
                    let all = transmit.remaining();
                    let octets = transmit.copy_to_bytes(all);
                    to.handle_read(now, BytesMut::from(&octets[..]));
                }
                while to.poll_event(now).is_some() {}
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn bodies(c: &mut Criterion) {
    const BLOCK: usize = 64 * 1024;
    let look_alike = b"\r\n-------a786hjs2a786hjs".repeat(BLOCK / 24 + 1);
    let mut state = 1_u64;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(BLOCK)
    .collect();
    let text = b"The quick brown fox jumps over the lazy dog.\r\n".repeat(BLOCK / 46 + 1);
    let mut group = c.benchmark_group("decode body");
    group.throughput(Throughput::Bytes(BLOCK as u64));
    for (name, body) in [
        ("random", random),
        ("text", text),
        ("CR only", vec![b'\r'; BLOCK]),
        ("hyphens only", vec![b'-'; BLOCK]),
        ("look-alikes of the end-line", look_alike),
    ] {
        let block = Bytes::copy_from_slice(&body[..BLOCK]);
        group.bench_function(name, |b| {
            let mut decoder = Decoder::new(DecoderLimits::default(), Framing::Stream);
            let mut start = BytesMut::from(&small_send(b"")[..]);
            let end = start.len() - b"\r\n-------a786hjs2a786hjs2$\r\n".len();
            let mut head = start.split_to(end);
            while decoder.decode(&mut head).expect("well-formed").is_some() {}
            // The block is shared, not copied: only the search is measured.
            let mut shared = BytesMut::from(&block[..]);
            b.iter(|| {
                let mut input = shared.split();
                while let Some(DecodeEvent::Body(data)) = decoder.decode(&mut input).expect("well-formed") {
                    shared = data
                        .try_into_mut()
                        .unwrap_or_else(|data| BytesMut::from(&data[..]));
                }
                if shared.len() < BLOCK {
                    shared = BytesMut::from(&block[..]);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, heads, small_messages, forward, bodies);
criterion_main!(benches);
