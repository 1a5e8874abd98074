//! What carries WebSocket: a plain stream, or TLS.

use std::io::{self, IoSlice, Read, Write};

use msrp_core::node::Security;

#[cfg(feature = "tls")]
use crate::layer::Tls;
use crate::{
    block::Blocks,
    layer::{ReadOutcome, WriteOutcome, plain},
};

/// The layer below.
#[derive(Debug)]
pub(crate) enum Below {
    Plain,
    #[cfg(feature = "tls")]
    Tls(Box<Tls>),
}

impl Below {
    pub(super) fn is_handshaking(&self) -> bool {
        match self {
            Below::Plain => false,
            #[cfg(feature = "tls")]
            Below::Tls(tls) => tls.is_handshaking(),
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        !matches!(self, Below::Plain)
    }

    pub(super) fn security(&self) -> Security {
        match self {
            Below::Plain => Security::Plain,
            #[cfg(feature = "tls")]
            Below::Tls(tls) => tls.security(),
        }
    }

    pub(super) fn read(&mut self, source: &mut impl Read, blocks: &mut Blocks) -> io::Result<ReadOutcome> {
        match self {
            Below::Plain => plain::read(source, blocks),
            #[cfg(feature = "tls")]
            Below::Tls(tls) => tls.read(source, blocks),
        }
    }

    pub(super) fn holds_received(&self) -> bool {
        match self {
            Below::Plain => false,
            #[cfg(feature = "tls")]
            Below::Tls(tls) => tls.holds_received(),
        }
    }

    /// Writes some of these octets; TLS may hold them until [`flush`](Self::flush).
    pub(super) fn write(&mut self, sink: &mut impl Write, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Below::Plain => plain::write_some(sink, slices),
            #[cfg(feature = "tls")]
            Below::Tls(tls) => tls.write_some(sink, slices),
        }
    }

    pub(super) fn flush(&mut self, sink: &mut impl Write) -> io::Result<WriteOutcome> {
        match self {
            Below::Plain => {
                let _nothing_held = sink;
                Ok(WriteOutcome::Done)
            }
            #[cfg(feature = "tls")]
            Below::Tls(tls) => tls.flush(sink),
        }
    }

    pub(super) fn wants_write(&self) -> bool {
        match self {
            Below::Plain => false,
            #[cfg(feature = "tls")]
            Below::Tls(tls) => tls.wants_write(),
        }
    }

    pub(super) fn close(&mut self) {
        match self {
            Below::Plain => {}
            #[cfg(feature = "tls")]
            Below::Tls(tls) => tls.close(),
        }
    }
}
