//! No layer: octets go straight between the socket and the node.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use bytes::Buf;
use msrp_core::connection::Transmit;

use super::{ReadOutcome, WriteOutcome};
use crate::block::Blocks;

/// Slices in one vectored write. More would only grow the stack: a slice has a kilobyte or more.
const MAX_SLICES: usize = 64;

pub(super) fn read(source: &mut impl Read, blocks: &mut Blocks) -> io::Result<ReadOutcome> {
    loop {
        let room = blocks.room();
        let offered = room.len();
        match source.read(room) {
            Ok(0) => return Ok(ReadOutcome::Eof),
            Ok(read) => {
                return Ok(ReadOutcome::Octets {
                    octets: blocks.take(read),
                    message_end: false,
                    more: read == offered,
                });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(ReadOutcome::WouldBlock),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes some of these octets, in one call.
#[cfg(feature = "websocket")]
pub(super) fn write_some(sink: &mut impl Write, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    loop {
        let result = match slices {
            [one] => sink.write(one),
            several => sink.write_vectored(several),
        };
        match result {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

pub(super) fn write(sink: &mut impl Write, transmit: &mut Transmit<'_>) -> io::Result<WriteOutcome> {
    while transmit.has_remaining() {
        let first = transmit.chunk();
        let result = if first.len() == transmit.remaining() {
            sink.write(first)
        } else {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let filled = transmit.chunks_vectored(&mut slices);
            sink.write_vectored(&slices[..filled])
        };
        match result {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => transmit.advance(written),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(WriteOutcome::WouldBlock),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(WriteOutcome::Done)
}
