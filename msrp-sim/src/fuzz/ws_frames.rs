//! The WebSocket layer of a server under a split of what a client sends, against itself.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read},
};

use msrp_transport::{
    block::Blocks,
    layer::{Incoming, Layer, ReadOutcome, WebSocketConfig, WriteOutcome},
};

use super::input::{Input, split};

/// The most octets of a message.
const MAX_MESSAGE: usize = 4096;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: msrp\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// What the layer made of its input.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    messages: Vec<Vec<u8>>,
    unfinished: Vec<u8>,
    ended: bool,
    error: Option<String>,
    /// The answer to the handshake.
    answer: Vec<u8>,
}

/// Pieces that come one after the other.
struct Pieces(VecDeque<Vec<u8>>);

impl Read for Pieces {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut piece = self.0.pop_front().ok_or(ErrorKind::WouldBlock)?;
        let read = piece.len().min(room.len());
        room[..read].copy_from_slice(&piece[..read]);
        if read < piece.len() {
            self.0.push_front(piece.split_off(read));
        }
        Ok(read)
    }
}

/// Feeds the layer one way or the other and compares what comes of it.
///
/// Input: one octet of options, two octets that decide on the split, then what a client sends: with the first option its
/// frames, else its handshake too.
///
/// # Panics
/// When a split changes what reaches the node, or a bound does not hold.
pub fn ws_frames(data: &[u8]) {
    let mut input = Input(data);
    let options = input.octet();
    let seed = input.number();
    let mut octets = Vec::new();
    if options & 1 == 0 {
        octets.extend_from_slice(REQUEST);
    }
    octets.extend_from_slice(input.0);
    let most = [1, 3, 50, 5000][usize::from(options >> 6)];
    let whole = read(std::iter::once(&octets[..]));
    let pieces = read(split(&octets, seed, most));
    assert_eq!(whole, pieces, "the split changes what is told");
    let all: usize = whole.messages.iter().map(Vec::len).sum();
    assert!(all + whole.unfinished.len() <= octets.len());
    assert!(whole.messages.iter().all(|message| message.len() <= MAX_MESSAGE));
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let config = WebSocketConfig::new()
        .max_message(MAX_MESSAGE as u64)
        .max_handshake(1024)
        .max_headers(16);
    let mut layer = Incoming::default()
        .with_websocket(config)
        .layer()
        .expect("nothing to configure wrongly");
    let (mut blocks, mut outcome) = (Blocks::default(), Outcome::default());
    // A read of nothing would be the end of the stream.
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        let mut source = Pieces(VecDeque::from([piece.to_vec()]));
        let handshaking = layer.is_handshaking();
        let over = drain(&mut layer, &mut source, &mut blocks, &mut outcome);
        let mut written = Vec::new();
        assert_eq!(layer.flush(&mut written).ok(), Some(WriteOutcome::Done));
        assert!(!layer.wants_write() && written.len() <= 4096);
        if handshaking {
            // Frames may have been answered together with it.
            let end = written.windows(4).position(|four| four == b"\r\n\r\n");
            outcome
                .answer
                .extend_from_slice(&written[..end.map_or(0, |end| end + 4)]);
        }
        if over {
            break;
        }
    }
    outcome
}

/// Reads all that there is; whether that was the end.
fn drain(layer: &mut Layer, source: &mut Pieces, blocks: &mut Blocks, outcome: &mut Outcome) -> bool {
    loop {
        match layer.read(source, blocks) {
            Ok(ReadOutcome::Octets {
                octets, message_end, ..
            }) => {
                outcome.unfinished.extend_from_slice(&octets);
                if message_end {
                    outcome.messages.push(std::mem::take(&mut outcome.unfinished));
                }
            }
            Ok(ReadOutcome::Eof) => {
                outcome.ended = true;
                return true;
            }
            Ok(_) => return false,
            Err(error) => {
                outcome.error = Some(error.to_string());
                return true;
            }
        }
    }
}
