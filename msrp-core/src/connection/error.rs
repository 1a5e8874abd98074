//! Why a connection ended, and what callers can do wrong.

use bytes::Bytes;

use crate::codec::{DecodeError, EncodeError, ProtocolError};

/// Who caused the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// We did.
    Local,
    /// The peer did.
    Peer,
    /// The transport below did.
    Transport,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ConnectionError {
    /// Whose doing it was.
    pub origin: Origin,
    /// What happened.
    pub kind: CloseReason,
}

/// What ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The application or the node closed it, in order.
    #[error("closed")]
    Done,
    /// Nothing used it for long enough.
    #[error("idle")]
    Idle,
    /// No acceptable first request came in time (RFC 4976 §6.1).
    #[error("no acceptable request in time")]
    Probation,
    /// Too many requests failed, or credentials were wrong too often (RFC 4976 §6.3).
    #[error("too many failed requests")]
    TooManyFailures,
    /// The peer sent a request that was not addressed to us (RFC 4976 §6.2).
    #[error("request for somebody else")]
    NotAddressedToUs,
    /// The node is going away.
    #[error("shutting down")]
    Shutdown,
    /// The node needs the room.
    #[error("out of resources")]
    Resources,
    /// The peer ended its stream.
    #[error("closed by the peer")]
    Eof,
    /// The transport broke.
    #[error("connection reset")]
    Reset,
    /// Framing was lost.
    #[error("lost framing: {0}")]
    Decode(DecodeError),
    /// The peer broke rules more often than [`max_protocol_errors`](super::ConnectionConfig::max_protocol_errors).
    #[error("more than {limit} protocol errors, the last: {last}")]
    ProtocolErrors {
        /// The bound.
        limit: u32,
        /// The last one.
        last: ProtocolError,
    },
    /// A flood of tiny chunks, see [`small_chunk_credit`](super::ConnectionConfig::small_chunk_credit).
    #[error("too many tiny chunks")]
    TinyChunks,
    /// A head took longer than [`head_timeout`](super::ConnectionConfig::head_timeout).
    #[error("head took too long")]
    HeadTimeout,
    /// The peer read nothing for [`write_timeout`](super::ConnectionConfig::write_timeout).
    #[error("peer does not read")]
    WriteTimeout,
    /// Other policy of the node.
    #[error("policy")]
    Policy,
}

impl CloseReason {
    /// One word for it, for statistics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Idle => "idle",
            Self::Probation => "probation",
            Self::TooManyFailures => "failures",
            Self::NotAddressedToUs => "misdirected",
            Self::Shutdown => "shutdown",
            Self::Resources => "resources",
            Self::Eof => "eof",
            Self::Reset => "reset",
            Self::Decode(_) => "framing",
            Self::ProtocolErrors { .. } => "protocol_errors",
            Self::TinyChunks => "tiny_chunks",
            Self::HeadTimeout => "head_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::Policy => "policy",
        }
    }
}

/// A caller's mistake; nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// The request is not, or no longer, known: it has been answered, or its connection ended.
    #[error("unknown or answered request")]
    UnknownRequest,
    /// The message is not, or no longer, known.
    #[error("unknown or finished outgoing message")]
    UnknownOutgoing,
    /// [`Connection::finish`](super::Connection::finish) takes `$` and `#`; `+` is the connection's own affair.
    #[error("a message is finished by `$` or `#`")]
    NotAnEnd,
    /// Too many answers are outstanding.
    #[error("more than {limit} deferred requests")]
    TooManyDeferred {
        /// The bound.
        limit: usize,
    },
}

/// A request or a message that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing or closed.
    #[error("connection is closed")]
    Closed,
    /// As much waits to be sent as may; [`Event::SendReady`](super::Event::SendReady) tells when there is room.
    #[error("send buffer is full")]
    Blocked,
    /// As many requests await their response as may before others wait for it;
    /// [`Event::SendReady`](super::Event::SendReady) tells when half of them have been answered or timed out.
    #[error("{limit} requests are unanswered")]
    Unanswered {
        /// The bound.
        limit: usize,
    },
    /// As many transactions run as may.
    #[error("more than {limit} transactions await a response")]
    TooManyTransactions {
        /// The bound.
        limit: usize,
    },
    /// As many messages are under way as may.
    #[error("more than {limit} messages under way")]
    TooManyLanes {
        /// The bound.
        limit: usize,
    },
    /// What was asked for is no legal request.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A chunk that cannot be interrupted has at most 2,048 octets, unless its range has an open end; and where a message of
    /// the transport holds a chunk, at most what such a message may hold.
    #[error("chunk of more octets than can go in one piece")]
    ChunkTooLong,
}

/// Octets that were not taken; they come back.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The lane, or the connection, is full; [`Event::Writable`](super::Event::Writable) tells when there is room.
    #[error("outgoing message is blocked")]
    Blocked(Bytes),
    /// The message is not, or no longer, known.
    #[error("unknown or finished outgoing message")]
    Unknown(Bytes),
}

/// Bodies are nobody's business, so only their length is printed.
impl std::fmt::Debug for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WriteError::Blocked(octets) => f.debug_tuple("Blocked").field(&octets.len()).finish(),
            WriteError::Unknown(octets) => f.debug_tuple("Unknown").field(&octets.len()).finish(),
        }
    }
}
