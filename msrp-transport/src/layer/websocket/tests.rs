//! The layer in memory: handshakes, frames of any cut, and what it writes, read by other code than its own.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

mod frames;
mod handshakes;
mod output;

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    sync::Arc,
};

use bytes::BytesMut;

use super::{Below, WebSocket, WebSocketConfig};
use crate::{
    block::Blocks,
    layer::{ReadOutcome, WriteOutcome},
};

/// The handshake of RFC 7977 §4.1.
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://www.example.com\r\nSec-WebSocket-Protocol: msrp\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn octets(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }
}

/// A socket: what the peer has sent in pieces, and what was written to it.
#[derive(Default)]
struct Wire {
    incoming: VecDeque<Vec<u8>>,
    ended: bool,
    written: Vec<u8>,
    /// Octets taken in each write before one is refused; none for all.
    takes: Option<usize>,
    refuses: bool,
}

impl Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Some(mut piece) = self.incoming.pop_front() else {
            return if self.ended {
                Ok(0)
            } else {
                Err(ErrorKind::WouldBlock.into())
            };
        };
        let read = piece.len().min(room.len());
        room[..read].copy_from_slice(&piece[..read]);
        if read < piece.len() {
            self.incoming.push_front(piece.split_off(read));
        }
        Ok(read)
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[io::IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        if std::mem::take(&mut self.refuses) {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.refuses = self.takes.is_some();
        let mut room = self.takes.unwrap_or(usize::MAX);
        let before = self.written.len();
        for slice in slices {
            let taken = slice.len().min(room);
            self.written.extend_from_slice(&slice[..taken]);
            room -= taken;
        }
        Ok(self.written.len() - before)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A layer, its socket, and what came of it for the node.
struct Side {
    layer: WebSocket,
    wire: Wire,
    blocks: Blocks,
    messages: Vec<Vec<u8>>,
    unfinished: Vec<u8>,
    ended: bool,
}

impl Side {
    fn new(layer: WebSocket) -> Self {
        Self {
            layer,
            wire: Wire::default(),
            blocks: Blocks::default(),
            messages: Vec::new(),
            unfinished: Vec::new(),
            ended: false,
        }
    }

    fn asked(config: WebSocketConfig) -> Self {
        Self::new(WebSocket::server(Below::Plain, Arc::new(config)))
    }

    /// A server whose handshake is over.
    fn server(config: WebSocketConfig) -> Self {
        let mut side = Self::asked(config);
        side.feed(REQUEST.as_bytes()).unwrap();
        assert!(!side.layer.is_handshaking());
        side.wire.written.clear();
        side
    }

    /// Octets come; the layer writes what it owes.
    fn feed(&mut self, octets: &[u8]) -> io::Result<()> {
        self.wire.incoming.push_back(octets.to_vec());
        self.settle()
    }

    fn settle(&mut self) -> io::Result<()> {
        let outcome = self.read();
        self.flush();
        outcome
    }

    fn flush(&mut self) {
        while self.layer.wants_write() {
            // A refusal is for once only.
            let _again = self.layer.flush(&mut self.wire).unwrap();
        }
    }

    fn read(&mut self) -> io::Result<()> {
        loop {
            match self.layer.read(&mut self.wire, &mut self.blocks)? {
                ReadOutcome::Octets {
                    octets, message_end, ..
                } => {
                    self.unfinished.extend_from_slice(&octets);
                    if message_end {
                        self.messages.push(std::mem::take(&mut self.unfinished));
                    }
                }
                ReadOutcome::Eof => {
                    self.ended = true;
                    return Ok(());
                }
                ReadOutcome::WouldBlock => return Ok(()),
            }
        }
    }

    fn written(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.wire.written)
    }
}

/// One frame, read by the letter of RFC 6455 §5.2.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    fin: bool,
    opcode: u8,
    masked: bool,
    payload: Vec<u8>,
}

fn frames(mut octets: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = octets {
        let (len, rest) = match second & 0x7f {
            126 => (u16::from_be_bytes([rest[0], rest[1]]) as usize, &rest[2..]),
            127 => (
                u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize,
                &rest[8..],
            ),
            len => (len as usize, rest),
        };
        let masked = second & 0x80 != 0;
        let (mask, rest) = if masked {
            rest.split_at(4)
        } else {
            (&[0; 4][..], rest)
        };
        let payload = rest[..len]
            .iter()
            .zip(mask.iter().cycle())
            .map(|(octet, mask)| octet ^ mask)
            .collect();
        assert_eq!(first & 0x70, 0);
        frames.push(Frame {
            fin: first & 0x80 != 0,
            opcode: first & 0xf,
            masked,
            payload,
        });
        octets = &rest[len..];
    }
    assert!(octets.is_empty(), "half a frame");
    frames
}

/// A frame as a client writes it, or a server.
fn frame(fin: bool, opcode: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![u8::from(fin) << 7 | opcode];
    let bit = u8::from(mask.is_some()) << 7;
    match payload.len() {
        len @ 0..=125 => out.push(bit | len as u8),
        len @ 126..=65_535 => {
            out.push(bit | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(bit | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(
        mask.unwrap_or_default()
            .iter()
            .take(if mask.is_some() { 4 } else { 0 }),
    );
    let mask = mask.unwrap_or_default();
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(octet, mask)| octet ^ mask),
    );
    out
}

/// Messages put together from frames, with the opcode of each; control frames apart.
fn messages(octets: &[u8]) -> (Vec<(u8, Vec<u8>)>, Vec<Frame>) {
    let (mut whole, mut control) = (Vec::new(), Vec::new());
    let mut open: Option<(u8, Vec<u8>)> = None;
    for frame in frames(octets) {
        if frame.opcode & 8 != 0 {
            assert!(frame.fin && frame.payload.len() <= 125);
            control.push(frame);
            continue;
        }
        match (&mut open, frame.opcode) {
            (None, 1 | 2) => open = Some((frame.opcode, frame.payload)),
            (Some((_, message)), 0) => message.extend(frame.payload),
            other => panic!("{other:?}"),
        }
        if frame.fin {
            whole.extend(open.take());
        }
    }
    assert!(open.is_none(), "a message without end");
    (whole, control)
}

fn bytes(octets: &[u8]) -> BytesMut {
    BytesMut::from(octets)
}

/// Whether a write took all.
fn is_done(outcome: WriteOutcome) -> bool {
    outcome == WriteOutcome::Done
}
