//! What tasks tell the core.

use super::flow::Flow;
use rsipstack::{
    sip::{Request, Response},
    transaction::transaction::TransactionEventSender,
};

/// A server transaction of this adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ServerId(pub(super) u64);

/// A client transaction of this adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ClientId(pub(super) u64);

/// What tasks tell the core.
pub(super) enum Happening {
    /// A request that began a server transaction.
    Request {
        id: ServerId,
        request: Box<Request>,
        flow: Flow,
        reply: TransactionEventSender,
    },
    /// The ACK for what a server transaction answered to an INVITE.
    Ack(ServerId, Box<Request>),
    /// A CANCEL for an INVITE; it has been answered.
    Cancel(ServerId),
    /// A server transaction is over.
    ServerEnded(ServerId),
    /// A request of ours has left, in this form and by this way.
    Sent {
        id: ClientId,
        request: Box<Request>,
        flow: Flow,
        stop: TransactionEventSender,
    },
    /// A request of ours cannot be sent: the code that stands for an answer, and why.
    Unsent(ClientId, u16, String),
    /// A response to a request of ours, or 408 of our own where none came.
    Response(ClientId, Box<Response>),
    /// A client transaction is over.
    ClientEnded(ClientId),
    /// A 2xx to an INVITE whose transaction is over: one that is sent again, or of a fork.
    LateAccept(Box<Response>),
    /// An ACK of ours has left, in this form and by this way.
    Acknowledged(Box<Request>, Flow),
    /// A connection is gone.
    Closed(super::flow::StreamKey),
}
