//! What the loop tells its application, and what can go wrong before it runs.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::future::BoxFuture;
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

/// An application whose node's lookups are answered by an asynchronous function, on the runtime or threads that it likes.
///
/// ```
/// # use futures::future::BoxFuture;
/// # use msrp_relay::{Relay, policy::AsyncPolicies};
/// # use msrp_transport::mio_driver::{Answering, Host, Server};
/// # fn serve(mut server: Server<Relay>, runtime: tokio::runtime::Handle, policies: AsyncPolicies, host: impl Host<Relay>)
/// #     -> std::io::Result<()> {
/// let look_up = move |query| {
///     let policies = policies.clone();
///     async move { policies.answer(query).await }
/// };
/// let spawn = move |task: BoxFuture<'static, ()>| drop(runtime.spawn(task));
/// server.run(&mut Answering::new(host, 1_024, look_up, spawn))
/// # }
/// ```
#[derive(Debug)]
pub struct Answering<H, F, S> {
    host: H,
    look_up: F,
    spawn: S,
    /// Lookups that may be under way.
    bound: usize,
    under_way: Arc<AtomicUsize>,
}

impl<H, F, S> Answering<H, F, S> {
    /// All but lookups is `host`'s affair. `look_up` makes a future of each question, which `spawn` has to run to its
    /// end, somewhere else than on the server's thread. At most `bound` of them are under way; a lookup beyond that is
    /// dropped, and times out in the node.
    pub fn new(host: H, bound: usize, look_up: F, spawn: S) -> Self {
        Self {
            host,
            look_up,
            spawn,
            bound,
            under_way: Arc::default(),
        }
    }

    /// The application.
    pub fn host(&self) -> &H {
        &self.host
    }
}

/// Counts a lookup until it is over, or given up.
struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<N, H, F, A, S> Host<N> for Answering<H, F, S>
where
    N: Node + 'static,
    N::Command: Send,
    N::Answer: Send,
    H: Host<N>,
    F: FnMut(N::Query) -> A,
    A: Future<Output = N::Answer> + Send + 'static,
    S: FnMut(BoxFuture<'static, ()>),
{
    fn event(&mut self, node: &mut N, event: N::Event) {
        self.host.event(node, event);
    }

    fn lookup(&mut self, ticket: Ticket, query: N::Query, handle: &Handle<N>) {
        if self.under_way.load(Ordering::Relaxed) >= self.bound {
            return tracing::debug!("a lookup is dropped: too many are under way");
        }
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let counted = UnderWay(self.under_way.clone());
        let (answer, handle) = ((self.look_up)(query), handle.clone());
        (self.spawn)(Box::pin(async move {
            let answer = answer.await;
            drop(counted);
            if let Err(error) = handle.answer(ticket, answer) {
                tracing::debug!(%error, "an answer is lost");
            }
        }));
    }

    fn goes_on(&mut self, node: &mut N) -> bool {
        self.host.goes_on(node)
    }
}

/// An application that wants to hear nothing.
impl<N: Node> Host<N> for () {
    fn event(&mut self, _node: &mut N, _event: N::Event) {}
}
