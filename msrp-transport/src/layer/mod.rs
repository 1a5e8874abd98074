//! What stands between a socket and a node: nothing, or TLS.
//!
//! Layers do no input or output of their own. They take octets from anything that reads and give octets to anything
//! that writes, so that handshakes, partial records and closes can be played in memory as well.

mod choice;
mod plain;
#[cfg(feature = "tls")]
mod tls;

use std::io::{self, Read, Write};

use bytes::BytesMut;
use msrp_core::{connection::Transmit, node::Security};

pub use self::choice::Incoming;
pub(crate) use self::choice::Outgoing;
#[cfg(feature = "tls")]
pub use self::tls::{Tls, TlsError};
use crate::block::Blocks;

/// The layer of one connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Layer {
    /// Octets pass as they are.
    Plain,
    /// TLS, as client or as server.
    #[cfg(feature = "tls")]
    Tls(Box<Tls>),
}

/// What a read came to.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadOutcome {
    /// Octets for the node (none, where a layer needed all for itself). `more` tells that the source may hold more at
    /// once; without it the source has been read dry.
    Octets {
        /// The octets.
        octets: BytesMut,
        /// Whether to read again without waiting.
        more: bool,
    },
    /// The peer has ended its stream.
    Eof,
    /// There is nothing now.
    WouldBlock,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteOutcome {
    /// Everything that was there has been written.
    Done,
    /// The sink takes no more now.
    WouldBlock,
}

impl Layer {
    /// Whether a handshake is going on, so that the node is not to be told of the connection yet.
    pub fn is_handshaking(&self) -> bool {
        match self {
            Layer::Plain => false,
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.is_handshaking(),
        }
    }

    /// Whether the layer itself has octets to write, whatever the node has.
    pub fn wants_write(&self) -> bool {
        match self {
            Layer::Plain => false,
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.wants_write(),
        }
    }

    /// What protects the connection; meaningful after the handshake.
    pub fn security(&self) -> Security {
        match self {
            Layer::Plain => Security::Plain,
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.security(),
        }
    }

    /// Reads once from `source`, into a block of `blocks`.
    ///
    /// # Errors
    /// Those of the source, and [`io::ErrorKind::InvalidData`] for what the layer's protocol forbids.
    pub fn read(&mut self, source: &mut impl Read, blocks: &mut Blocks) -> io::Result<ReadOutcome> {
        match self {
            Layer::Plain => plain::read(source, blocks),
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.read(source, blocks),
        }
    }

    /// Writes what the node lends, taking from it only what has been written (or what the layer holds within its
    /// bound).
    ///
    /// # Errors
    /// Those of the sink.
    pub fn write(&mut self, sink: &mut impl Write, transmit: &mut Transmit<'_>) -> io::Result<WriteOutcome> {
        match self {
            Layer::Plain => plain::write(sink, transmit),
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.write(sink, transmit),
        }
    }

    /// Writes what the layer itself holds.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn flush(&mut self, sink: &mut impl Write) -> io::Result<WriteOutcome> {
        match self {
            Layer::Plain => {
                let _nothing_held = sink;
                Ok(WriteOutcome::Done)
            }
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.flush(sink),
        }
    }

    /// Says goodbye in the layer's way (TLS: close_notify); [`flush`](Self::flush) sends it.
    pub fn close(&mut self) {
        match self {
            Layer::Plain => {}
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.close(),
        }
    }
}
