//! What comes in.

use super::*;
use crate::layer::{
    FrameError,
    websocket::reader::{Incoming, Reader},
};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What a reader makes of these pieces: messages put together, control frames between them.
fn events(from_client: bool, pieces: &[&[u8]]) -> Result<Vec<Incoming>, FrameError> {
    let mut reader = Reader::new(from_client, 1 << 20);
    let mut events: Vec<Incoming> = Vec::new();
    for piece in pieces {
        let mut input = bytes(piece);
        while let Some(event) = reader.decode(&mut input)? {
            // Data is told as it comes: cuts do not matter.
            if let (Some(Incoming::Data { octets, end: false }), Incoming::Data { octets: more, end }) =
                (events.last_mut(), &event)
            {
                octets.extend_from_slice(more);
                let (octets, end) = (std::mem::take(octets), *end);
                *events.last_mut().unwrap() = Incoming::Data { octets, end };
            } else {
                events.push(event);
            }
        }
        assert!(input.is_empty(), "all of a piece is taken");
    }
    Ok(events)
}

/// RFC 6455 §5.7.
#[test]
fn the_examples_of_the_rfc() {
    let data = |text: &[u8]| Incoming::Data {
        octets: bytes(text),
        end: true,
    };
    let hello = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(events(false, &[&hello]), Ok(vec![data(b"Hello")]));
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(events(true, &[&masked]), Ok(vec![data(b"Hello")]));
    let fragments = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(events(false, &[&fragments]), Ok(vec![data(b"Hello")]));
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(
        events(false, &[&ping]),
        Ok(vec![Incoming::Ping(b"Hello".to_vec())])
    );
    let mut long = vec![0x82, 0x7e, 0x01, 0x00];
    long.extend([7; 256]);
    assert_eq!(events(false, &[&long]), Ok(vec![data(&[7; 256])]));
    let mut longer = vec![0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0];
    longer.extend([7; 65_536]);
    assert_eq!(events(false, &[&longer]), Ok(vec![data(&[7; 65_536])]));
}

/// A stream of messages in fragments, with control frames between them, and what it means.
fn script(dice: &mut Dice, from_client: bool) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut stream, mut sent) = (Vec::new(), Vec::new());
    let mask = |dice: &mut Dice| from_client.then(|| dice.octets(4).try_into().unwrap());
    for _ in 0..1 + dice.below(5) {
        let mut whole = Vec::new();
        let fragments = 1 + dice.below(4);
        for index in 0..fragments {
            while dice.below(4) == 0 {
                let (opcode, len) = (9 + dice.below(2) as u8, dice.below(126));
                let carried = dice.octets(len);
                let mask = mask(dice);
                stream.extend(frame(true, opcode, mask, &carried));
            }
            let len = [0, 1, 5, 125, 126, 300, 65_535, 65_536][dice.below(8)];
            let payload = dice.octets(len);
            let opcode = if index == 0 { 1 + dice.below(2) as u8 } else { 0 };
            let mask = mask(dice);
            stream.extend(frame(index + 1 == fragments, opcode, mask, &payload));
            whole.extend(payload);
        }
        sent.push(whole);
    }
    (stream, sent)
}

// shows: 7977-1-03, 7977-4.2-01
#[test]
fn any_cut_of_a_stream_means_the_same() {
    for seed in 0..100 {
        let mut dice = Dice(seed);
        let from_client = seed % 2 == 0;
        let (stream, sent) = script(&mut dice, from_client);
        let whole = events(from_client, &[&stream]).unwrap();
        let data: Vec<Vec<u8>> = whole
            .iter()
            .filter_map(|event| match event {
                Incoming::Data { octets, end: true } => Some(octets.to_vec()),
                _ => None,
            })
            .collect();
        // Control frames may stand within a message, so what is put together here may be in parts.
        let all: Vec<u8> = whole
            .iter()
            .filter_map(|event| match event {
                Incoming::Data { octets, .. } => Some(&octets[..]),
                _ => None,
            })
            .collect::<Vec<_>>()
            .concat();
        assert_eq!(all, sent.concat(), "seed {seed}");
        assert_eq!(data.len(), sent.len(), "seed {seed}");
        for _ in 0..4 {
            let longest = [1, 3, 20, 70_000][dice.below(4)];
            let mut rest = &stream[..];
            let mut pieces = Vec::new();
            while !rest.is_empty() {
                let (piece, more) = rest.split_at((1 + dice.below(longest)).min(rest.len()));
                pieces.push(piece);
                rest = more;
            }
            assert_eq!(events(from_client, &pieces).unwrap(), whole, "seed {seed}");
        }
    }
}

/// The same through the whole layer.
#[test]
fn messages_reach_the_node_whole_and_in_order() {
    for seed in 0..100 {
        let mut dice = Dice(seed);
        let (stream, sent) = script(&mut dice, true);
        let mut side = Side::server(WebSocketConfig::new().max_message(1 << 20));
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let longest = [3, 200, 70_000][dice.below(3)];
            let (piece, more) = rest.split_at((1 + dice.below(longest)).min(rest.len()));
            side.feed(piece).unwrap();
            rest = more;
        }
        assert!(side.messages == sent, "seed {seed}");
    }
}

#[test]
fn what_breaks_a_rule_ends_the_connection_and_is_named() {
    let too_long = |len: u64| [&[0x82, 0xff][..], &len.to_be_bytes(), &MASK].concat();
    for (octets, error, code) in [
        (frame(true, 2, None, b"MSRP"), FrameError::NotMasked, 1002),
        (vec![0xc2, 0x80, 0, 0, 0, 0], FrameError::ReservedBits, 1002),
        (vec![0xa2, 0x80], FrameError::ReservedBits, 1002),
        (vec![0x92, 0x80], FrameError::ReservedBits, 1002),
        (vec![0x83, 0x80], FrameError::Opcode(3), 1002),
        (vec![0x8b, 0x80], FrameError::Opcode(11), 1002),
        (vec![0x09, 0x80], FrameError::FragmentedControl, 1002),
        (vec![0x89, 0xfe], FrameError::LongControl, 1002),
        (vec![0x80, 0x80], FrameError::NothingToContinue, 1002),
        (
            [
                frame(false, 2, Some(MASK), b"a"),
                frame(true, 2, Some(MASK), b"b"),
            ]
            .concat(),
            FrameError::Interleaved,
            1002,
        ),
        (vec![0x82, 0xfe, 0, 125, 0, 0, 0, 0], FrameError::Length, 1002),
        (too_long(65_535), FrameError::Length, 1002),
        (too_long(1 << 63), FrameError::Length, 1002),
        (too_long(u64::MAX), FrameError::Length, 1002),
        (too_long(65_537), FrameError::TooBig { limit: 65_536 }, 1009),
        (
            too_long((1 << 63) - 1),
            FrameError::TooBig { limit: 65_536 },
            1009,
        ),
        (
            [
                frame(false, 2, Some(MASK), &[0; 40_000]),
                frame(true, 0, Some(MASK), &[0; 40_000]),
            ]
            .concat(),
            FrameError::TooBig { limit: 65_536 },
            1009,
        ),
        (frame(true, 8, Some(MASK), b"x"), FrameError::Close, 1002),
        (
            frame(true, 8, Some(MASK), &1005_u16.to_be_bytes()),
            FrameError::Close,
            1002,
        ),
        (
            frame(true, 8, Some(MASK), &999_u16.to_be_bytes()),
            FrameError::Close,
            1002,
        ),
    ] {
        let mut side = Side::server(WebSocketConfig::new());
        let told = side.feed(&octets).unwrap_err();
        assert_eq!(told.kind(), ErrorKind::InvalidData);
        assert_eq!(told.to_string(), error.to_string());
        let written = frames(&side.written());
        let [close] = &written[..] else {
            panic!("{error}: {written:?}")
        };
        assert_eq!(
            (close.opcode, &close.payload[..2]),
            (8, &u16::to_be_bytes(code)[..]),
            "{error}"
        );
        // Nothing more is taken.
        side.feed(&frame(true, 2, Some(MASK), b"MSRP")).unwrap();
        assert!(side.ended && side.messages.is_empty());
    }
    // What a client does not take.
    assert_eq!(
        events(false, &[&frame(true, 2, Some(MASK), b"a")]),
        Err(FrameError::Masked)
    );
}

// shows: 7977-6-01
#[test]
fn pings_are_answered_and_pongs_ignored() {
    let mut side = Side::server(WebSocketConfig::new());
    side.feed(&frame(true, 10, Some(MASK), b"unasked")).unwrap();
    assert!(side.written().is_empty());
    side.feed(&frame(true, 9, Some(MASK), b"Hello")).unwrap();
    assert_eq!(side.written(), frame(true, 10, None, b"Hello"));
    // Of many at once the last: a flood of them costs one answer.
    let flood: Vec<u8> = (0..1_000_u16)
        .flat_map(|n| frame(true, 9, Some(MASK), &n.to_be_bytes()))
        .collect();
    side.feed(&flood).unwrap();
    assert_eq!(side.written(), frame(true, 10, None, &999_u16.to_be_bytes()));
}

#[test]
fn a_close_is_answered_and_the_end() {
    for (carried, answer) in [
        (&[][..], 1000_u16),
        (&1001_u16.to_be_bytes(), 1001),
        (&[0x0b, 0xb8, b'b', b'y', b'e'], 3000),
    ] {
        let mut side = Side::server(WebSocketConfig::new());
        side.feed(&frame(true, 8, Some(MASK), carried)).unwrap();
        assert!(side.ended);
        assert_eq!(side.written(), frame(true, 8, None, &answer.to_be_bytes()));
        // Our own goodbye has been said with it.
        side.layer.close();
        side.flush();
        assert!(side.written().is_empty());
    }
    let mut side = Side::server(WebSocketConfig::new());
    side.layer.close();
    side.layer.close();
    side.flush();
    assert_eq!(side.written(), frame(true, 8, None, &1000_u16.to_be_bytes()));
    assert!(!side.layer.wants_write());
}

#[test]
fn a_peer_that_is_silent_is_asked_and_given_up() {
    use std::time::{Duration, Instant};
    let second = Duration::from_secs(1);
    let mut side = Side::server(WebSocketConfig::new().ping_interval(Some(second)));
    let begun = Instant::now();
    side.layer.opened(begun);
    assert_eq!(side.layer.keep_alive_deadline(), Some(begun + second));
    assert!(side.layer.keep_alive(begun + second, false));
    side.flush();
    assert_eq!(side.written(), frame(true, 9, None, b""));
    side.feed(&frame(true, 10, Some(MASK), b"")).unwrap();
    assert!(
        side.layer.keep_alive(begun + 2 * second, false),
        "it has answered"
    );
    assert!(side.layer.keep_alive(begun + 3 * second, false), "one is missed");
    assert!(
        side.layer.keep_alive(begun + 4 * second, true),
        "nobody has looked"
    );
    assert!(side.layer.keep_alive(begun + 5 * second, false));
    assert!(!side.layer.keep_alive(begun + 6 * second, false));
}
