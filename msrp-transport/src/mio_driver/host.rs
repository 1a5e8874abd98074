//! What the loop tells its application, and what can go wrong before it runs.

use std::io;

use msrp_core::node::{Node, Ticket};

use super::Handle;
use crate::listen::ListenAddress;

/// Why a server could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address could not be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: ListenAddress,
        /// Why.
        source: io::Error,
    },
    /// A TLS listener needs a certificate.
    #[error("{address} listens for TLS but has no certificate")]
    NoIdentity {
        /// The address.
        address: ListenAddress,
    },
    /// This build is without the feature `websocket`.
    #[error("{address} listens for WebSocket, which this build is without")]
    NoWebSocket {
        /// The address.
        address: ListenAddress,
    },
    /// The operating system refuses something that the loop needs.
    #[error("event loop: {0}")]
    Loop(#[from] io::Error),
}

/// The application of a node that a [`Server`](super::Server) drives. It is called on the server's thread, between two
/// turns of its loop, and should return soon.
pub trait Host<N: Node> {
    /// The node has something to tell.
    fn event(&mut self, node: &mut N, event: N::Event);

    /// The node asks something ([`Action::Lookup`](msrp_core::node::Action::Lookup)). The answer goes back by
    /// [`Handle::answer`], from any thread.
    fn lookup(&mut self, ticket: Ticket, query: N::Query, handle: &Handle<N>) {
        let _no_answer = (ticket, query, handle);
    }

    /// A turn of the loop is over; `false` ends [`Server::run`](super::Server::run).
    fn goes_on(&mut self, node: &mut N) -> bool {
        let _unused = node;
        true
    }
}

/// An application that wants to hear nothing.
impl<N: Node> Host<N> for () {
    fn event(&mut self, _node: &mut N, _event: N::Event) {}
}
