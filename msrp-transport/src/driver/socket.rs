//! One socket of the driver.

use std::{
    io::{self, Read},
    task::Waker,
    time::Instant,
};

use msrp_core::{
    connection::Transmit,
    node::{ConnectToken, ConnectionHandle, PeerInfo},
};

use crate::{
    block::Blocks,
    io::{BoxedIo, Polled},
    layer::{Layer, ReadOutcome, WriteOutcome},
};

/// A stream, and how far it has got.
pub(super) struct Socket {
    pub(super) io: BoxedIo,
    pub(super) layer: Layer,
    pub(super) phase: Phase,
    pub(super) read_waker: Waker,
    pub(super) write_waker: Waker,
    /// There may be something to read; while it is not set, the stream calls the waker once there is.
    pub(super) readable: bool,
    /// The stream may take something; while it is not set, it calls the waker once it does.
    pub(super) writable: bool,
    /// The peer has ended its stream.
    pub(super) read_closed: bool,
    /// Octets have been written since the stream was flushed.
    pub(super) unflushed: bool,
    /// It stands in the queue of sockets to read.
    pub(super) queued: bool,
}

/// How far a socket has got.
pub(super) enum Phase {
    /// The layer shakes hands.
    Handshake(Box<Handshake>),
    /// The node knows it.
    Open(ConnectionHandle),
    /// Nobody knows it any more.
    Closing(Closing),
}

/// How far a close has got. Octets that the peer sent and nobody read would make the kernel answer with a reset, which
/// can overtake what we wrote last. So our last octets leave, our stream is ended, and the end of the peer's is awaited
/// for a while; what still comes is thrown away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    pub(super) deadline: Instant,
    /// Our stream has been ended.
    ended: bool,
    /// Octets that may still be thrown away.
    patience: usize,
}

/// Octets of a peer that are thrown away at most, while we wait for it to close after us.
const PATIENCE: usize = 4 * 1024 * 1024;

impl Closing {
    pub(super) fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            ended: false,
            patience: PATIENCE,
        }
    }
}

/// What a socket needs to become a connection of the node.
pub(super) struct Handshake {
    pub(super) deadline: Instant,
    pub(super) who: Who,
    pub(super) peer: PeerInfo,
}

/// Who asked for a socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    /// A peer.
    Peer,
    /// The node.
    Node(ConnectToken),
}

impl Socket {
    fn split(&mut self) -> (&mut Layer, Polled<'_>) {
        let polled = Polled {
            io: &mut *self.io,
            read_waker: &self.read_waker,
            write_waker: &self.write_waker,
        };
        (&mut self.layer, polled)
    }

    pub(super) fn read(&mut self, blocks: &mut Blocks) -> io::Result<ReadOutcome> {
        let (layer, mut polled) = self.split();
        let outcome = layer.read(&mut polled, blocks);
        match outcome {
            Ok(ReadOutcome::WouldBlock) => self.readable = false,
            Ok(ReadOutcome::Eof) => {
                self.readable = false;
                self.read_closed = true;
            }
            _ => {}
        }
        outcome
    }

    pub(super) fn write(&mut self, transmit: &mut Transmit<'_>) -> io::Result<WriteOutcome> {
        self.unflushed = true;
        let (layer, mut polled) = self.split();
        let outcome = layer.write(&mut polled, transmit)?;
        if outcome == WriteOutcome::WouldBlock {
            self.writable = false;
        }
        Ok(outcome)
    }

    /// Writes what the layer holds, and has the stream let go of what it holds itself.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.writable && self.layer.wants_write() {
            self.unflushed = true;
            let (layer, mut polled) = self.split();
            if layer.flush(&mut polled)? == WriteOutcome::WouldBlock {
                self.writable = false;
            }
        }
        if self.unflushed {
            match io::Write::flush(&mut self.split().1) {
                Ok(()) => self.unflushed = false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether everything has left.
    pub(super) fn is_flushed(&self) -> bool {
        !self.layer.wants_write() && !self.unflushed
    }

    /// Ends our stream; `false` when it takes longer.
    pub(super) fn end(&mut self) -> io::Result<bool> {
        match self.split().1.close() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Goes on with a close; `true` when it is complete.
    pub(super) fn close_on(&mut self, scrap: &mut [u8]) -> io::Result<bool> {
        let Phase::Closing(mut closing) = self.phase else {
            return Ok(false);
        };
        self.flush()?;
        closing.ended = closing.ended || (self.is_flushed() && self.end()?);
        if closing.ended && self.read_closed {
            return Ok(true);
        }
        while closing.ended && self.readable {
            match self.split().1.read(scrap) {
                Ok(read) if (1..closing.patience).contains(&read) => closing.patience -= read,
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) => return Err(error),
            }
        }
        self.phase = Phase::Closing(closing);
        Ok(false)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Handshake(handshake) => Some(handshake.deadline),
            Phase::Closing(closing) => Some(closing.deadline),
            Phase::Open(_) => self.layer.keep_alive_deadline(),
        }
    }

    pub(super) fn handle(&self) -> Option<ConnectionHandle> {
        match self.phase {
            Phase::Open(handle) => Some(handle),
            _ => None,
        }
    }
}
