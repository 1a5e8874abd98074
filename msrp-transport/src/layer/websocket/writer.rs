//! What goes out: one chunk in each message (RFC 7977 §5.1, RFC 6455 §5, §6.1).

use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::{Buf, BufMut, BytesMut};
use msrp_core::connection::Transmit;

use super::{
    Below,
    frame::{CloseCode, MAX_HEADER, Opcode, apply_mask, put_header},
    random::Masks,
};
use crate::layer::WriteOutcome;

/// Chunks up to this size are copied behind their frame's header, so that many leave in one write.
const COPY_BELOW: usize = 4 * 1024;

/// Octets that may wait in the layer.
const SEND_LIMIT: usize = 64 * 1024;

/// The longest frame of a client, whose payload is copied to be masked.
const MASKED_FRAME: usize = 16 * 1024;

/// Slices in one vectored write.
const MAX_SLICES: usize = 64;

/// Writes frames.
#[derive(Debug)]
pub(super) struct Writer {
    /// Frames, or their beginnings, that wait to leave.
    out: BytesMut,
    /// Octets of the frame at hand that the node has still to lend; nothing can come between.
    lent: usize,
    /// A message has begun and not ended.
    in_message: bool,
    /// Masks, for a client.
    masks: Option<Box<Masks>>,
    /// A control frame that waits for the end of the frame at hand.
    pong: Option<Vec<u8>>,
    ping: bool,
    close: Close,
}

/// How far a close of ours has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    No,
    /// It waits to be written.
    Asked(CloseCode),
    /// Nothing may follow it.
    Written,
}

impl Writer {
    pub(super) fn new(masks: Option<Box<Masks>>) -> Self {
        Self {
            out: BytesMut::new(),
            lent: 0,
            in_message: false,
            masks,
            pong: None,
            ping: false,
            close: Close::No,
        }
    }

    /// Octets that are no frame: a handshake's.
    pub(super) fn push(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }

    /// Answers a Ping. Of several, the last is answered (RFC 6455 §5.5.3).
    pub(super) fn pong(&mut self, carried: Vec<u8>) {
        self.pong = Some(carried);
    }

    pub(super) fn ping(&mut self) {
        self.ping = true;
    }

    /// Says goodbye; once.
    pub(super) fn close(&mut self, code: CloseCode) {
        if self.close == Close::No {
            self.close = Close::Asked(code);
        }
    }

    fn has_control(&self) -> bool {
        self.ping || self.pong.is_some() || matches!(self.close, Close::Asked(_))
    }

    /// Whether there is something to write without the node's help.
    pub(super) fn wants_write(&self) -> bool {
        self.lent == 0 && (!self.out.is_empty() || (self.has_control() && self.close != Close::Written))
    }

    /// Whether our Close frame, and all before it, has been handed on.
    pub(super) fn is_done(&self) -> bool {
        self.close == Close::Written && self.out.is_empty()
    }

    /// What waits is the last: the handshake has failed.
    pub(super) fn nothing_follows(&mut self) {
        self.close = Close::Written;
    }

    /// The frame at hand will never be complete.
    pub(super) fn give_up_frame(&mut self) {
        if self.lent > 0 {
            self.out.clear();
            self.lent = 0;
            self.close = Close::Written;
        }
    }

    /// Between two frames: puts control frames behind what waits.
    fn put_control(&mut self) {
        if self.close == Close::Written {
            return;
        }
        if let Some(carried) = self.pong.take() {
            self.put_frame(Opcode::Pong, &carried);
        }
        if std::mem::take(&mut self.ping) {
            self.put_frame(Opcode::Ping, &[]);
        }
        if let Close::Asked(code) = self.close {
            self.put_frame(Opcode::Close, &code.0.to_be_bytes());
            self.close = Close::Written;
        }
    }

    fn put_frame(&mut self, opcode: Opcode, carried: &[u8]) {
        let mask = self.masks.as_mut().map(|masks| masks.next());
        put_header(&mut self.out, true, opcode, carried.len(), mask);
        let start = self.out.len();
        self.out.put_slice(carried);
        if let Some(mask) = mask {
            apply_mask(&mut self.out[start..], mask, 0);
        }
    }

    /// Writes what waits here.
    pub(super) fn flush(&mut self, below: &mut Below, sink: &mut impl Write) -> io::Result<WriteOutcome> {
        if self.lent == 0 {
            self.put_control();
            while !self.out.is_empty() {
                match below.write(sink, &[IoSlice::new(&self.out)]) {
                    Ok(written) => self.out.advance(written),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        return Ok(WriteOutcome::WouldBlock);
                    }
                    Err(error) => return Err(error),
                }
            }
            // An idle connection keeps no buffer.
            self.out = BytesMut::new();
        }
        Ok(WriteOutcome::Done)
    }

    /// Writes what the node lends, each chunk as one message: text where the peer speaks text and the chunk is UTF-8, else
    /// binary.
    pub(super) fn write(
        &mut self,
        below: &mut Below,
        sink: &mut impl Write,
        transmit: &mut Transmit<'_>,
        text: bool,
    ) -> io::Result<WriteOutcome> {
        loop {
            if self.lent > 0 {
                match self.write_lent(below, sink, transmit) {
                    Ok(()) => continue,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        return Ok(WriteOutcome::WouldBlock);
                    }
                    Err(error) => return Err(error),
                }
            }
            self.put_control();
            if self.close == Close::Written {
                // Nobody reads what comes after a Close frame.
                transmit.advance(transmit.remaining());
            }
            let outcome = self.fill(transmit, text);
            if self.lent == 0 {
                if self.out.is_empty() {
                    self.out = BytesMut::new();
                    return Ok(outcome);
                }
                if self.flush(below, sink)? == WriteOutcome::WouldBlock {
                    return Ok(WriteOutcome::WouldBlock);
                }
            }
        }
    }

    /// Writes the frame at hand: its header, and what the node lends of its payload.
    fn write_lent(
        &mut self,
        below: &mut Below,
        sink: &mut impl Write,
        transmit: &mut Transmit<'_>,
    ) -> io::Result<()> {
        let mut left = self.lent;
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut filled = 0;
        let waiting = (!self.out.is_empty()).then_some(&self.out[..]);
        for (slot, slice) in slices
            .iter_mut()
            .zip(waiting.into_iter().chain(transmit.slices()))
        {
            let take = if filled == 0 && waiting.is_some() {
                slice
            } else {
                let take = &slice[..slice.len().min(left)];
                left -= take.len();
                take
            };
            *slot = IoSlice::new(take);
            filled += 1;
            if left == 0 {
                break;
            }
        }
        if filled == usize::from(waiting.is_some()) {
            // The octets that were announced are not there: they were dropped with their connection.
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let written = below.write(sink, &slices[..filled])?;
        let of_header = written.min(self.out.len());
        self.out.advance(of_header);
        let of_payload = written - of_header;
        self.lent -= of_payload;
        transmit.advance(of_payload);
        Ok(())
    }

    /// Puts frames behind what waits, as far as they are short; of a long one the header.
    fn fill(&mut self, transmit: &mut Transmit<'_>, text: bool) -> WriteOutcome {
        while transmit.has_remaining() && self.out.len() < SEND_LIMIT {
            let (mut len, mut fin) = match transmit.chunk_end() {
                Some(end) => (end, true),
                // A text message is sent only when all of it is known to be text.
                None if text && !self.in_message => return WriteOutcome::Incomplete,
                None => (transmit.remaining(), false),
            };
            let mask = self.masks.as_mut().map(|masks| masks.next());
            let opcode = match self.in_message {
                true => Opcode::Continuation,
                false if text && is_utf8(transmit, len) => Opcode::Text,
                false => Opcode::Binary,
            };
            if mask.is_some() && len > MASKED_FRAME {
                (len, fin) = (MASKED_FRAME, false);
            }
            self.in_message = !fin;
            if mask.is_none() && len > COPY_BELOW {
                put_header(&mut self.out, fin, opcode, len, None);
                self.lent = len;
                break;
            }
            self.out.reserve(len + MAX_HEADER);
            put_header(&mut self.out, fin, opcode, len, mask);
            let start = self.out.len();
            let mut left = len;
            while left > 0 {
                let slice = transmit.chunk();
                let take = slice.len().min(left);
                if take == 0 {
                    break;
                }
                self.out.put_slice(&slice[..take]);
                transmit.advance(take);
                left -= take;
            }
            if let Some(mask) = mask {
                apply_mask(&mut self.out[start..], mask, 0);
            }
        }
        WriteOutcome::Done
    }
}

/// Whether the first octets that are lent are UTF-8.
fn is_utf8(transmit: &Transmit<'_>, len: usize) -> bool {
    let mut left = len;
    // The beginning of a character that a slice ends in.
    let mut cut = [0; 4];
    let mut held = 0;
    for slice in transmit.slices() {
        let mut slice = &slice[..slice.len().min(left)];
        left -= slice.len();
        while held > 0 && !slice.is_empty() {
            cut[held] = slice[0];
            held += 1;
            slice = &slice[1..];
            match std::str::from_utf8(&cut[..held]) {
                Ok(_) => held = 0,
                Err(error) if error.error_len().is_none() && held < cut.len() => {}
                Err(_) => return false,
            }
        }
        match std::str::from_utf8(slice) {
            Ok(_) => {}
            Err(error) if error.error_len().is_none() => {
                let rest = &slice[error.valid_up_to()..];
                held = rest.len();
                cut[..held].copy_from_slice(rest);
            }
            Err(_) => return false,
        }
        if left == 0 {
            break;
        }
    }
    held == 0
}
