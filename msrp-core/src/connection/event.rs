//! What a connection tells, and the names it gives.

use std::{fmt, time::Duration};

use bytes::Bytes;

use super::ConnectionError;
use crate::{
    codec::Head,
    grammar::{ByteRange, ContinuationFlag, StatusCode, TransactId},
};

/// Names a request of the peer; never reused on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// Names an outgoing message that has a lane of its own; never reused on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutgoingId {
    pub(super) slot: u32,
    pub(super) serial: u32,
}

/// What [`Connection::poll_event`](super::Connection::poll_event) tells.
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "a head is handed on at once; boxing it would cost an allocation a chunk"
)]
pub enum Event {
    /// A request has begun: its start line and headers are complete and follow the rules (both paths in their place,
    /// every known value as its production says, a Content-Type if and only if there is a body). Of the paths' URIs
    /// only the scheme has been looked at: who acts on a URI parses it.
    Request {
        /// Names the request in what follows and in the answer.
        id: RequestId,
        /// Start line and headers.
        head: Head,
    },
    /// Octets of its body: a slice of what was read.
    Body {
        /// The request.
        id: RequestId,
        /// The octets.
        data: Bytes,
        /// Position of the first of them in the message, counted from 1 as Byte-Range does.
        offset: u64,
    },
    /// The request is complete. A SEND that is neither answered nor deferred before the next
    /// [`poll_event`](super::Connection::poll_event) is answered 200.
    RequestEnd {
        /// The request.
        id: RequestId,
        /// Whether the message ends here.
        flag: ContinuationFlag,
        /// Octets of body in this request.
        received: u64,
    },
    /// The connection ended in the middle of this request.
    RequestAborted {
        /// The request.
        id: RequestId,
    },
    /// A chunk of a lane has been handed to the transport with all its octets.
    ChunkSent {
        /// The message.
        outgoing: OutgoingId,
        /// The node's name for the message.
        tag: u64,
        /// The chunk's octets in the message; start and end are exact.
        range: ByteRange,
        /// The chunk's flag.
        flag: ContinuationFlag,
        /// Whether a [`TransactionEnded`](Event::TransactionEnded) with this range will follow.
        tracked: bool,
    },
    /// A transaction of ours is over. There is exactly one of these for each tracked transaction, unless the
    /// connection ends first.
    TransactionEnded {
        /// The transaction.
        transaction: TransactId,
        /// The node's name for what was sent.
        tag: u64,
        /// What the chunk carried; none for requests other than SEND chunks.
        range: Option<ByteRange>,
        /// How it ended.
        outcome: Outcome,
        /// How long the response has taken since the last octet of the request was handed to the transport, without the
        /// time in which nothing was read from the peer. Only of responses that come in the order of the requests, as is
        /// the rule.
        after: Option<Duration>,
    },
    /// A lane that was blocked takes octets again.
    Writable {
        /// The message.
        outgoing: OutgoingId,
    },
    /// The connection takes chunks and requests again after [`SendError::Blocked`](super::SendError::Blocked).
    SendReady,
    /// The connection has ended; nothing follows. Output may still be leaving, see
    /// [`is_drained`](super::Connection::is_drained).
    Closed {
        /// Why.
        reason: ConnectionError,
    },
}

/// How a transaction ended.
#[derive(Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "handed on at once")]
pub enum Outcome {
    /// A response came.
    Response {
        /// Its code.
        code: StatusCode,
        /// Its start line and headers.
        head: Head,
    },
    /// None came in 30 s, though one was due (RFC 4975 §7.1.1: to be treated as a 408).
    TimedOut,
    /// None came in 30 s, and with `Failure-Report: partial` this means that no error is known.
    Unanswered,
}

/// What became of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Responded {
    /// It will be sent.
    Queued,
    /// The request wants none: `Failure-Report: no`, a good outcome with `partial`, or a REPORT.
    Suppressed,
}

/// Bodies are nobody's business, so only their length is printed.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Request { id, head } => f
                .debug_struct("Request")
                .field("id", id)
                .field("head", head)
                .finish(),
            Event::Body { id, data, offset } => f
                .debug_struct("Body")
                .field("id", id)
                .field("octets", &data.len())
                .field("offset", offset)
                .finish(),
            Event::RequestEnd { id, flag, received } => f
                .debug_struct("RequestEnd")
                .field("id", id)
                .field("flag", flag)
                .field("received", received)
                .finish(),
            Event::RequestAborted { id } => f.debug_struct("RequestAborted").field("id", id).finish(),
            Event::ChunkSent {
                outgoing,
                tag,
                range,
                flag,
                tracked,
            } => f
                .debug_struct("ChunkSent")
                .field("outgoing", outgoing)
                .field("tag", tag)
                .field("range", range)
                .field("flag", flag)
                .field("tracked", tracked)
                .finish(),
            Event::TransactionEnded {
                transaction,
                tag,
                range,
                outcome,
                after: _,
            } => f
                .debug_struct("TransactionEnded")
                .field("transaction", transaction)
                .field("tag", tag)
                .field("range", range)
                .field("outcome", outcome)
                .finish(),
            Event::Writable { outgoing } => f.debug_struct("Writable").field("outgoing", outgoing).finish(),
            Event::SendReady => f.write_str("SendReady"),
            Event::Closed { reason } => f.debug_struct("Closed").field("reason", reason).finish(),
        }
    }
}
