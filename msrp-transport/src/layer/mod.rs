//! What stands between a socket and a node: nothing, TLS, or WebSocket above either.
//!
//! Layers do no input or output of their own. They take octets from anything that reads and give octets to anything
//! that writes, so that handshakes, partial records and closes can be played in memory as well.

mod choice;
mod plain;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "websocket")]
mod websocket;

use std::{
    io::{self, Read, Write},
    time::Instant,
};

use bytes::BytesMut;
use msrp_core::{
    connection::Transmit,
    node::{ConnectFailure, PeerInfo, Security},
};

pub use self::choice::Incoming;
pub(crate) use self::choice::{Outgoing, Unfit};
#[cfg(feature = "tls")]
pub use self::tls::{Tls, TlsError};
#[cfg(feature = "websocket")]
pub use self::websocket::{FrameError, HandshakePolicy, Refusal, WebSocket, WebSocketConfig};
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
    /// WebSocket, as client or as server, above a plain stream or TLS.
    #[cfg(feature = "websocket")]
    WebSocket(Box<WebSocket>),
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
        /// On a transport of messages: a message of the peer ends with them.
        message_end: bool,
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
    /// What was lent is the beginning of a chunk, whose rest the layer waits for.
    Incomplete,
}

impl Layer {
    /// Whether a handshake is going on, so that the node is not to be told of the connection yet.
    pub fn is_handshaking(&self) -> bool {
        match self {
            Layer::Plain => false,
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.is_handshaking(),
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) => websocket.is_handshaking(),
        }
    }

    /// Whether the layer itself has octets to write, whatever the node has.
    pub fn wants_write(&self) -> bool {
        match self {
            Layer::Plain => false,
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.wants_write(),
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) => websocket.wants_write(),
        }
    }

    /// What protects the connection; meaningful after the handshake.
    pub fn security(&self) -> Security {
        match self {
            Layer::Plain => Security::Plain,
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.security(),
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) => websocket.security(),
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
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) => websocket.read(source, blocks),
        }
    }

    /// Whether the layer holds octets that it has read already, for the next [`read`](Self::read): a driver that goes on with
    /// other connections first does well to take them before.
    pub fn holds_received(&self) -> bool {
        match self {
            Layer::Plain => false,
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.holds_received(),
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) => websocket.holds_received(),
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
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) => websocket.write(sink, transmit),
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
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) => websocket.flush(sink),
        }
    }

    /// Says goodbye in the layer's way (TLS: close_notify; WebSocket: a Close frame); [`flush`](Self::flush) sends it.
    pub fn close(&mut self) {
        match self {
            Layer::Plain => {}
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => tls.close(),
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) => websocket.close(),
        }
    }

    /// What the layer knows of the connection, after the handshake.
    pub fn describe(&self, peer: PeerInfo) -> PeerInfo {
        match self {
            Layer::Plain => peer,
            #[cfg(feature = "tls")]
            Layer::Tls(tls) => peer.with_security(tls.security()),
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) => {
                let peer = peer
                    .with_transport(msrp_core::node::TransportKind::WebSocket)
                    .with_security(websocket.security());
                match websocket.handshake() {
                    Some(handshake) => peer.with_handshake(handshake.clone()),
                    None => peer,
                }
            }
        }
    }

    /// A failure of the handshake, in the node's terms.
    pub(crate) fn handshake_failure(&self, failure: String) -> ConnectFailure {
        match self {
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) if !websocket.is_below_handshaking() => {
                ConnectFailure::WebSocket(failure)
            }
            _ => ConnectFailure::Tls(failure),
        }
    }

    /// The node hears of the connection: its keep-alive begins.
    pub fn opened(&mut self, now: Instant) {
        match self {
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) => websocket.opened(now),
            _ => {
                let _without = now;
            }
        }
    }

    /// When [`keep_alive`](Self::keep_alive) is due.
    pub fn keep_alive_deadline(&self) -> Option<Instant> {
        match self {
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) => websocket.keep_alive_deadline(),
            _ => None,
        }
    }

    /// Asks the peer for a sign of life where it is time; `false` when it has given none for too long. `unread` says that it
    /// may have given one that nobody has read yet.
    pub fn keep_alive(&mut self, now: Instant, unread: bool) -> bool {
        match self {
            #[cfg(feature = "websocket")]
            Layer::WebSocket(websocket) => websocket.keep_alive(now, unread),
            _ => {
                let _without = (now, unread);
                true
            }
        }
    }
}
