//! The asynchronous driver: one task, one node, all its sockets.
//!
//! It runs on any [`Runtime`] and is used in one of two ways.
//!
//! - The application owns the [`Driver`] and pulls its events: [`next_event`](Driver::next_event), or
//!   [`poll_event`](Driver::poll_event) in a loop of its own. Nothing moves while it does not; that is back-pressure.
//! - [`Driver::spawn`] puts it in a task of its own. A [`Handle`] says things to it, [`Events`] tells what happens; both
//!   are bounded.
//!
//! ```text
//!   sockets, timer, connects, lookups ── wake ──▶ ┌─ one turn ────────────────────────────────────────┐
//!                                                 │ read all that are readable ─▶ timeouts ─▶ write   │
//!                                                 │ all that have output, do actions ─▶ events        │
//!                                                 └───────────────────────────────────────────────────┘
//! ```
//!
//! Each socket has wakers of its own, so that a turn touches only the sockets that have something to say, however many
//! there are. A server with thousands of busy connections is better off with
//! [`mio_driver`](crate::mio_driver), which saves the wakers.

mod alarm;
mod connect;
mod connection;
mod socket;
mod spawn;
mod turn;
mod wake;

use std::{
    collections::VecDeque,
    future::Future,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures::{
    FutureExt, Stream,
    future::{BoxFuture, poll_fn},
    stream::FuturesUnordered,
};
use msrp_core::{
    grammar::Scheme,
    node::{ListenerId, Node, PeerInfo, Ticket},
};
use slab::Slab;

pub use self::spawn::{CommandError, Events, Handle};
use self::{
    alarm::Alarm,
    connect::Connector,
    socket::{Socket, Who},
    wake::{Source, SourceWaker, Woken},
};
use crate::{
    block::Blocks,
    config::{DriverConfig, FAR_AWAY},
    handles::Handles,
    io::Io,
    layer::{Incoming, Unfit},
    listen::{ListenAddress, bind},
    resolve::AsyncResolve,
    runtime::{Listener, Runtime},
    throttle::Throttle,
};

/// Why the driver cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The operating system refuses.
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
    /// A socket that was bound elsewhere does not tell its address.
    #[error("not a listening socket: {0}")]
    Socket(#[from] io::Error),
}

struct Listening {
    socket: Box<dyn Listener>,
    incoming: Incoming,
    waker: Waker,
    /// There may be more to accept.
    ready: bool,
}

type Answerer<N> =
    Box<dyn Fn(Ticket, <N as Node>::Query) -> BoxFuture<'static, (Ticket, <N as Node>::Answer)> + Send>;

/// Drives one node over asynchronous streams.
///
/// See the [module](self) for the two ways of using it.
pub struct Driver<N: Node> {
    node: N,
    config: DriverConfig,
    runtime: Arc<dyn Runtime>,
    sockets: Slab<Socket>,
    handles: Handles,
    listeners: Vec<Listening>,
    connector: Connector,
    answerer: Option<Answerer<N>>,
    lookups: FuturesUnordered<BoxFuture<'static, (Ticket, N::Answer)>>,
    lookups_waker: Waker,
    lookups_called: bool,
    blocks: Blocks,
    to_read: VecDeque<usize>,
    woken: Arc<Woken>,
    called: Vec<Arc<SourceWaker>>,
    alarm: Alarm,
    /// Sockets with a deadline of the driver's: shaking hands, closing.
    timed: usize,
    next_check: Option<Instant>,
    accept_after: Option<Instant>,
    /// Warnings of connections beyond the limit.
    refusals: Throttle,
    shutdown: Option<Instant>,
    /// Events told since the last turn.
    burst: usize,
    over: bool,
}

/// The driver moves between tasks as a whole; nothing in it is pinned.
impl<N: Node> Unpin for Driver<N> {}

impl<N: Node> Driver<N> {
    /// A driver for a node.
    pub fn new(node: N, config: DriverConfig, runtime: impl Runtime) -> Self {
        let woken = Arc::new(Woken::default());
        Self {
            node,
            blocks: Blocks::new(config.read_block),
            config,
            runtime: Arc::new(runtime),
            sockets: Slab::new(),
            handles: Handles::default(),
            listeners: Vec::new(),
            connector: Connector::new(woken.waker(Source::Connects)),
            answerer: None,
            lookups: FuturesUnordered::new(),
            lookups_waker: woken.waker(Source::Lookups),
            lookups_called: false,
            to_read: VecDeque::new(),
            called: Vec::new(),
            alarm: Alarm::new(woken.waker(Source::Timer)),
            woken,
            timed: 0,
            next_check: None,
            accept_after: None,
            refusals: Throttle::default(),
            shutdown: None,
            burst: 0,
            over: false,
        }
    }

    /// The node.
    pub fn node(&self) -> &N {
        &self.node
    }

    /// The node, to change. What comes of it takes effect when the driver is polled next.
    pub fn node_mut(&mut self) -> &mut N {
        &mut self.node
    }

    /// Bounds and rules of outgoing WebSocket connections.
    #[cfg(feature = "websocket")]
    pub fn set_client_websocket(&mut self, config: crate::layer::WebSocketConfig) {
        self.connector.outgoing.websocket = Arc::new(config);
    }

    /// What outgoing TLS connections trust, and present. Without it there are none.
    #[cfg(feature = "tls")]
    pub fn set_client_tls(&mut self, tls: crate::tls_config::ClientTls) {
        self.connector.outgoing.tls = Some(tls);
    }

    /// Replaces the TLS configuration of a listener; connections that exist stay as they are.
    #[cfg(feature = "tls")]
    pub fn set_listener_tls(&mut self, id: ListenerId, tls: crate::tls_config::ServerTls) {
        if let Some(listener) = self.listeners.get_mut(usize::from(id.0))
            && listener.incoming.is_tls()
        {
            listener.incoming.set_tls(tls);
        }
    }

    /// Looks host names up by another resolver than the operating system's.
    pub fn set_resolver(&mut self, resolver: impl AsyncResolve) {
        self.connector.resolver = Some(Arc::new(resolver));
    }

    /// Answers the node's lookups ([`Action::Lookup`](msrp_core::node::Action::Lookup)), at most
    /// [`max_lookups`](DriverConfig::max_lookups) at a time. Without it they are dropped, and time out in the node.
    pub fn set_lookup<F, A>(&mut self, look_up: F)
    where
        F: Fn(N::Query) -> A + Send + 'static,
        A: Future<Output = N::Answer> + Send + 'static,
    {
        self.answerer = Some(Box::new(move |ticket, query| {
            look_up(query).map(move |answer| (ticket, answer)).boxed()
        }));
    }

    /// Listens on an address; with the scheme `msrps` or `wss` a TLS configuration is needed, with `msrp` or `ws` it is not
    /// used; with `ws` and `wss` WebSocket has its defaults unless `incoming` has others. Answers the id that the node will see, and the address with its real port.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn listen(
        &mut self,
        address: ListenAddress,
        incoming: impl Into<Incoming>,
    ) -> Result<(ListenerId, SocketAddr), ListenError> {
        let failed = |source| ListenError::Listen { address, source };
        let socket = bind(address.address, self.config.listen).map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        let real = ListenAddress {
            address: local,
            ..address
        };
        let id = self.listen_as(socket, real, incoming.into())?;
        Ok((id, local))
    }

    /// Listens on a socket that is bound already: by [`bind`], so that its port is known before there is a node, or by
    /// whoever started the process. It has to be non-blocking. For WebSocket, `incoming` has to say so.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub fn listen_on(
        &mut self,
        socket: std::net::TcpListener,
        scheme: Scheme,
        incoming: impl Into<Incoming>,
    ) -> Result<ListenerId, ListenError> {
        let incoming = incoming.into();
        let address = ListenAddress {
            scheme,
            transport: incoming.transport(),
            address: socket.local_addr()?,
        };
        self.listen_as(socket, address, incoming)
    }

    fn listen_as(
        &mut self,
        socket: std::net::TcpListener,
        address: ListenAddress,
        incoming: Incoming,
    ) -> Result<ListenerId, ListenError> {
        let incoming = incoming
            .fit(address.scheme, address.transport)
            .map_err(|unfit| match unfit {
                Unfit::NoIdentity => ListenError::NoIdentity { address },
                Unfit::NoWebSocket => ListenError::NoWebSocket { address },
            })?;
        let socket = self
            .runtime
            .listen(socket)
            .map_err(|source| ListenError::Listen { address, source })?;
        let index = self.listeners.len();
        self.connector.interfaces.add(address.address);
        self.listeners.push(Listening {
            socket,
            incoming,
            waker: self.woken.waker(Source::Listener(index)),
            ready: true,
        });
        Ok(ListenerId(index as u16))
    }

    /// Takes a stream that was accepted elsewhere, of which `peer` tells what is known. `false` when a limit forbids it.
    pub fn accept(&mut self, io: impl Io + 'static, peer: PeerInfo, incoming: impl Into<Incoming>) -> bool {
        let Some(layer) = incoming.into().layer() else {
            return false;
        };

        self.enter(self.runtime.now(), Box::new(io), layer, peer, Who::Peer)
    }

    /// Gives the node a command.
    ///
    /// # Errors
    /// The node's own.
    pub fn command(&mut self, command: N::Command) -> Result<(), N::Rejected> {
        self.node.handle_command(self.runtime.now(), command)
    }

    /// Accepts nothing more. The driver ends, which [`next_event`](Self::next_event) tells by `None`, once all
    /// connections are gone or `deadline` has passed. A node that should end its connections has to be told so before.
    pub fn shutdown(&mut self, deadline: Duration) {
        self.shutdown = Some(self.runtime.now() + deadline.min(FAR_AWAY));
        self.listeners.clear();
    }

    /// The node's next event; does what else there is to do meanwhile. `None` after a [`shutdown`](Self::shutdown).
    pub async fn next_event(&mut self) -> Option<N::Event> {
        poll_fn(|context| self.poll_event(context)).await
    }

    /// As [`next_event`](Self::next_event). The task is woken for whatever there is to do.
    pub fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<N::Event>> {
        self.poll(context, true)
    }

    /// Does what there is to do, without pulling events: they wait in the node, which comes to a halt when they are
    /// too many. Ready after a [`shutdown`](Self::shutdown).
    pub fn poll_io(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.poll(context, false).map(drop)
    }
}

impl<N: Node> Stream for Driver<N> {
    type Item = N::Event;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<N::Event>> {
        self.poll_event(context)
    }
}

impl<N: Node> std::fmt::Debug for Driver<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("sockets", &self.sockets.len())
            .field("listeners", &self.listeners.len())
            .finish_non_exhaustive()
    }
}
