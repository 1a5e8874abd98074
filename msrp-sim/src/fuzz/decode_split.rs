//! The decoder under a split of its input, against itself and the naive decoder.

use bytes::BytesMut;
use msrp_core::codec::{DecodeErrorKind, DecodeEvent, Decoder, DecoderLimits, Framing, Head, StartLine};

use super::input::{Input, split};
use crate::checker::naive::{self, Frame, Start};

/// What the decoder told of one chunk; body slices are joined.
#[derive(Debug, PartialEq, Eq)]
struct Chunk {
    head: Vec<u8>,
    start: Start,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    flag: Option<char>,
    /// Where its last octet was in the input; zero while it has no end.
    end: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    chunks: Vec<Chunk>,
    error: Option<DecodeErrorKind>,
}

/// Feeds the decoder one way or the other and compares what it tells.
///
/// Input: one octet of options, two octets that decide on the split, then what a peer sends.
///
/// # Panics
/// When a split changes what is told, or when the naive decoder sees other chunks.
pub fn decode_split(data: &[u8]) {
    let mut input = Input(data);
    let options = input.octet();
    let seed = input.number();
    let octets = input.0;
    let strict = options & 1 == 0;
    let mut limits = DecoderLimits::default().with_empty_body_without_crlf(!strict);
    if options & 2 != 0 {
        limits = limits.with_max_head(256).with_max_lines(6);
    }
    let framing = if options & 4 == 0 {
        Framing::Stream
    } else {
        Framing::Message
    };
    let most = [1, 3, 50, 5000][usize::from(options >> 6)];

    let whole = decode(std::iter::once(octets), limits, framing);
    let pieces = decode(split(octets, seed, most), limits, framing);
    // A message of the transport ends where it ends, so with message framing only the same cut is the same input.
    assert_eq!(whole, pieces, "the split changes what is told");
    if strict && framing == Framing::Stream {
        compare(octets, &whole);
    }
}

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>, limits: DecoderLimits, framing: Framing) -> Outcome {
    let mut decoder = Decoder::new(limits, framing);
    let mut input = BytesMut::new();
    let mut fed = 0;
    let mut chunks: Vec<Chunk> = Vec::new();
    let failed = |chunks, error| Outcome {
        chunks,
        error: Some(error),
    };
    for piece in pieces {
        input.extend_from_slice(piece);
        fed += piece.len();
        loop {
            let left = input.len();
            let event = match decoder.decode(&mut input) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => {
                    let again = decoder.decode(&mut input).map(|_| ()).map_err(|error| error.kind);
                    assert_eq!(again, Err(DecodeErrorKind::Failed), "an error is final");
                    return failed(chunks, error.kind);
                }
            };
            assert!(input.len() <= left, "the decoder only takes");
            match event {
                DecodeEvent::Head(head) => {
                    assert!(chunks.last().is_none_or(|chunk| chunk.flag.is_some()));
                    chunks.push(chunk(&head));
                }
                DecodeEvent::Body(data) => {
                    assert!(!data.is_empty(), "an empty slice tells nothing");
                    let body = chunks.last_mut().and_then(|chunk| chunk.body.as_mut());
                    body.expect("a body has a head").extend_from_slice(&data);
                }
                DecodeEvent::EndLine(flag) => {
                    let chunk = chunks.last_mut().expect("an end-line has a head");
                    assert_eq!(chunk.flag, None, "one end-line a chunk");
                    chunk.flag = Some(char::from(flag.as_byte()));
                    chunk.end = fed - input.len();
                }
                other => panic!("unknown to the harness: {other:?}"),
            }
        }
    }
    if framing == Framing::Message {
        let whole = decoder.message_end(&input).map_err(|error| error.kind);
        if let Err(error) = whole {
            return failed(chunks, error);
        }
        assert!(decoder.is_at_boundary());
    }
    Outcome { chunks, error: None }
}

fn chunk(head: &Head) -> Chunk {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("heads are UTF-8");
    Chunk {
        head: head.raw().to_vec(),
        start: match head.start() {
            StartLine::Request { method } => Start::Request(method.as_str().to_owned()),
            StartLine::Response { code, comment } => {
                Start::Response(code.as_u16(), comment.unwrap_or_default().to_owned())
            }
        },
        headers: head
            .headers()
            .map(|(name, value)| (name.to_owned(), text(value)))
            .collect(),
        body: head.has_body().then(Vec::new),
        flag: None,
        end: 0,
    }
}

/// The naive decoder has to see the same in as much of the input as was taken.
fn compare(octets: &[u8], outcome: &Outcome) {
    let open = outcome.chunks.last().filter(|chunk| chunk.flag.is_none());
    let complete = outcome.chunks.len() - usize::from(open.is_some());
    let taken = complete.checked_sub(1).map_or(0, |last| outcome.chunks[last].end);
    // A body that goes on to the end of the input can be compared as well.
    let open = open.filter(|chunk| chunk.body.is_some() && outcome.error.is_none());
    let part = if open.is_some() { octets } else { &octets[..taken] };
    let frames = naive::decode(part).unwrap_or_else(|error| panic!("{error} in what the decoder took"));
    assert_eq!(frames.len(), complete + usize::from(open.is_some()));
    for (frame, chunk) in frames.iter().zip(&outcome.chunks) {
        assert_eq!((&frame.start, &frame.headers), (&chunk.start, &chunk.headers));
        assert_eq!(frame.flag, chunk.flag);
        match chunk.flag {
            Some(_) => assert_eq!((&frame.body, frame.end), (&chunk.body, chunk.end as u64)),
            None => compare_open(frame, chunk),
        }
    }
}

/// Of a body that is still coming all but what could be the beginning of its end-line is told.
fn compare_open(frame: &Frame, chunk: &Chunk) {
    let (there, told) = (frame.body.as_deref(), chunk.body.as_deref());
    let (there, told) = (there.unwrap_or_default(), told.unwrap_or_default());
    assert!(there.starts_with(told));
    let held = &there[told.len()..];
    let end_line = |flag: char| format!("\r\n-------{}{flag}\r\n", frame.tid);
    assert!(
        ['$', '+', '#']
            .into_iter()
            .any(|flag| end_line(flag).as_bytes().starts_with(held)),
        "octets are held back that cannot be the beginning of the end-line: {}",
        held.escape_ascii()
    );
}
