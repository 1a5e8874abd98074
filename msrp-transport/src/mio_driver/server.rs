//! The loop.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker, net::TcpListener};
use msrp_core::{
    grammar::Scheme,
    node::{Action, ListenerId, Node},
};
use slab::Slab;

use super::{
    Host, ServerError,
    accept::Listener,
    connect::Connector,
    handle::{Handle, Message},
    inbox::{Inbox, Links},
    pipe::{PIPES, Pipe},
    socket::Socket,
    stats::{ListenerStats, ServerStats},
};
use crate::{
    block::Blocks,
    config::{DriverConfig, FAR_AWAY},
    handles::Handles,
    layer::{Incoming, Unfit},
    listen::{ListenAddress, bind},
    resolve::{Resolve, SystemResolver},
    throttle::Throttle,
};

/// After so many octets were read, what they led to is written before more is read: it is in the processor's cache still.
/// Short messages of many connections stay below it, and are written together.
const WRITE_AFTER: usize = 64 * 1024;

const WAKER: Token = Token(usize::MAX);
/// Tokens of listeners count down from here.
const LISTENERS: usize = usize::MAX - 1;

/// Drives one node over TCP, TLS and WebSocket connections on the thread that calls [`run`](Self::run).
pub struct Server<N: Node> {
    pub(super) node: N,
    pub(super) config: DriverConfig,
    pub(super) sockets: Slab<Socket>,
    pub(super) connector: Connector,
    /// Sockets that are connecting.
    pub(super) connecting: usize,
    pub(super) poll: Poll,
    pub(super) listeners: Vec<Listener>,
    handle: Handle<N>,
    messages: Receiver<Message<N>>,
    pub(super) handles: Handles,
    /// Connections to other shards, and how to reach these.
    pub(super) pipes: Slab<Pipe>,
    pub(super) links: Option<Box<Links>>,
    pub(super) to_read: VecDeque<usize>,
    pub(super) blocks: Blocks,
    /// Octets read since output was last written.
    pub(super) unwritten: usize,
    /// Sockets with a deadline of the driver's: connecting, shaking hands, closing.
    pub(super) timed: usize,
    pub(super) next_check: Option<Instant>,
    pub(super) accept_after: Option<Instant>,
    /// Warnings of connections beyond the limit.
    pub(super) refusals: Throttle,
    /// Warnings of accepting that fails.
    pub(super) accept_troubles: Throttle,
    pub(super) stats: ServerStats,
    shutdown: Option<Instant>,
}

impl<N> Server<N>
where
    N: Node + 'static,
    N::Command: Send + 'static,
    N::Answer: Send + 'static,
{
    /// A server for a node, with the system's resolver.
    ///
    /// # Errors
    /// [`ServerError::Loop`].
    pub fn new(node: N, config: DriverConfig) -> Result<Self, ServerError> {
        Self::with_resolver(node, config, SystemResolver)
    }

    /// A server that looks names up by another resolver.
    ///
    /// # Errors
    /// [`ServerError::Loop`].
    pub fn with_resolver(node: N, config: DriverConfig, resolver: impl Resolve) -> Result<Self, ServerError> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (handle, messages) = Handle::new(waker, config.max_commands + config.max_pending_connects);
        let loops = handle.clone();
        let tell = Arc::new(move |id, addresses| {
            // A loop that has much to hear is waited for; one that has ended does not want to know.
            let _nobody_waits = loops.wait_to_say(Message::Resolved(id, addresses));
        });
        let connector = Connector::new(resolver, tell, config.max_pending_connects);
        Ok(Self {
            node,
            blocks: Blocks::new(config.read_block),
            config,
            sockets: Slab::new(),
            connector,
            connecting: 0,
            poll,
            listeners: Vec::new(),
            handle,
            messages,
            handles: Handles::default(),
            pipes: Slab::new(),
            links: None,
            to_read: VecDeque::new(),
            unwritten: 0,
            timed: 0,
            next_check: None,
            accept_after: None,
            refusals: Throttle::default(),
            accept_troubles: Throttle::default(),
            stats: ServerStats::default(),
            shutdown: None,
        })
    }
}

impl<N: Node> Server<N> {
    /// What other threads reach this server by.
    pub fn handle(&self) -> Handle<N> {
        self.handle.clone()
    }

    /// How other shards give something to this loop.
    pub(super) fn new_inbox(&self) -> Inbox {
        Inbox::new(self.handle.waker())
    }

    /// Makes the loop one of several.
    pub(super) fn link(&mut self, index: u16, inboxes: Arc<[Inbox]>) {
        self.links = Some(Box::new(Links::new(index, inboxes)));
    }

    /// The node.
    pub fn node(&self) -> &N {
        &self.node
    }

    /// Counters.
    pub fn stats(&self) -> &ServerStats {
        &self.stats
    }

    /// The node, to change. Commands given here take effect at the next turn of the loop.
    pub fn node_mut(&mut self) -> &mut N {
        &mut self.node
    }

    /// Bounds and rules of outgoing WebSocket connections.
    #[cfg(feature = "websocket")]
    pub fn set_client_websocket(&mut self, config: crate::layer::WebSocketConfig) {
        self.connector.outgoing.websocket = Arc::new(config);
    }

    /// What outgoing TLS connections trust, and present.
    #[cfg(feature = "tls")]
    pub fn set_client_tls(&mut self, tls: crate::tls_config::ClientTls) {
        self.connector.outgoing.tls = Some(tls);
    }

    /// Listens on an address; with the scheme `msrps` or `wss` a TLS configuration is needed, with `msrp` or `ws` it is not
    /// used; with `ws` and `wss` WebSocket has its defaults unless `incoming` has others. Answers the id that the node will see, and the address with its real port.
    ///
    /// # Errors
    /// [`ServerError::Listen`], [`ServerError::NoIdentity`].
    pub fn listen(
        &mut self,
        address: ListenAddress,
        incoming: impl Into<Incoming>,
    ) -> Result<(ListenerId, SocketAddr), ServerError> {
        let failed = |source| ServerError::Listen { address, source };
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
    ) -> Result<ListenerId, ServerError> {
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
    ) -> Result<ListenerId, ServerError> {
        let incoming = incoming
            .fit(address.scheme, address.transport)
            .map_err(|unfit| match unfit {
                Unfit::NoIdentity => ServerError::NoIdentity { address },
                Unfit::NoWebSocket => ServerError::NoWebSocket { address },
            })?;
        let mut socket = TcpListener::from_std(socket);
        let index = self.listeners.len();
        self.poll
            .registry()
            .register(&mut socket, Token(LISTENERS - index), Interest::READABLE)
            .map_err(|source| ServerError::Listen { address, source })?;
        let id = ListenerId(index as u16);
        self.connector.interfaces.add(address.address);
        self.listeners.push(Listener {
            socket,
            incoming,
            id,
            ready: true,
        });
        self.stats.listeners.push(ListenerStats::default());
        Ok(id)
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

    /// Runs until [`Handle::shutdown`] has done its work or the host says that it is enough.
    ///
    /// # Errors
    /// When the operating system refuses to wait for sockets.
    pub fn run(&mut self, host: &mut impl Host<N>) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut begun = None;
        loop {
            let ended = Instant::now();
            if let Some(begun) = begun {
                self.stats
                    .turns
                    .record_time(ended.saturating_duration_since(begun));
            }
            let timeout = self.timeout(ended);
            let timeout = if self.may_sleep() {
                timeout
            } else {
                Some(Duration::ZERO)
            };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            let now = Instant::now();
            begun = Some(now);
            for event in &events {
                match event.token() {
                    WAKER => {}
                    Token(token) if token > LISTENERS - self.listeners.len() => {
                        if let Some(listener) = self.listeners.get_mut(LISTENERS - token) {
                            listener.ready = true;
                        }
                    }
                    Token(key) => self.note(now, key, event),
                }
            }
            self.turn(now, host);
            if !host.goes_on(&mut self.node) {
                return Ok(());
            }
            if self.is_over(now) {
                self.end();
                return Ok(());
            }
        }
    }

    /// One turn of the loop, after readiness has been noted.
    fn turn(&mut self, now: Instant, host: &mut impl Host<N>) {
        self.take_messages(now);
        self.take_parcels(now);
        self.accept(now);
        for _ in 0..self.to_read.len() {
            let Some(key) = self.to_read.pop_front() else {
                break;
            };
            self.read(now, key);
            self.write_if_much(now);
        }
        if self.node.poll_timeout().is_some_and(|at| at <= now) {
            self.node.handle_timeout(now);
        }
        self.check_deadlines(now);
        // Actions and events can lead to more output; each round makes progress, and bounds of the node end it.
        loop {
            let mut worked = false;
            worked |= self.write_ready(now);
            while let Some(action) = self.node.poll_action() {
                self.act(now, action, host);
                worked = true;
            }
            while let Some(event) = self.node.poll_event() {
                host.event(&mut self.node, event);
                worked = true;
            }
            if !worked && !self.flush_links(now) {
                break;
            }
        }
    }

    /// Writes, if much has been read since that was done.
    pub(super) fn write_if_much(&mut self, now: Instant) {
        if self.unwritten >= WRITE_AFTER {
            self.write_ready(now);
        }
    }

    /// Whether no other shard has anything for us.
    fn may_sleep(&self) -> bool {
        self.links
            .as_ref()
            .and_then(|links| links.inbox())
            .is_none_or(Inbox::may_sleep)
    }

    /// Writes what the node has; whether there was anything to do.
    fn write_ready(&mut self, now: Instant) -> bool {
        self.unwritten = 0;
        let mut worked = false;
        while let Some(handle) = self.node.poll_ready() {
            self.write(now, handle);
            worked = true;
        }
        worked
    }

    fn act(&mut self, now: Instant, action: Action<N::Query>, host: &mut impl Host<N>) {
        match action {
            Action::Connect { token, target } => self.connect(now, token, target),
            Action::Close { connection } => match self.handles.key(connection) {
                Some(key) if key >= PIPES => self.close_pipe(key),
                Some(key) => self.close(now, key),
                None => {}
            },
            Action::ConnectShard { token, shard, peer } => self.connect_shard(now, token, shard, peer),
            Action::HandOver {
                connection,
                shard,
                peer,
                octets,
            } => self.hand_over(now, connection, shard, peer, octets),
            Action::Lookup { ticket, query } => host.lookup(ticket, query, &self.handle),
            _ => tracing::warn!("the node asks for something that this driver does not know"),
        }
    }

    fn take_messages(&mut self, now: Instant) {
        while let Ok(message) = self.messages.try_recv() {
            match message {
                Message::Command(command) => {
                    if self.node.handle_command(now, command).is_err() {
                        tracing::warn!("the node rejected a command");
                    }
                }
                Message::Answer(ticket, answer) => self.node.handle_answer(now, ticket, answer),
                Message::Resolved(id, addresses) => self.resolved(now, id, addresses),
                Message::Call(call) => call(self, now),
                Message::Shutdown(deadline) => {
                    self.shutdown = Some(now + deadline.min(FAR_AWAY));
                    for mut listener in self.listeners.drain(..) {
                        // A listener that cannot be deregistered is closed by being dropped.
                        let _closed_anyway = self.poll.registry().deregister(&mut listener.socket);
                    }
                }
            }
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.shutdown
            .is_some_and(|deadline| self.sockets.is_empty() || deadline <= now)
    }

    /// How long to wait for readiness.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        if !self.to_read.is_empty() {
            return Some(Duration::ZERO);
        }
        if self.accept_after.is_none() && self.listeners.iter().any(|listener| listener.ready) {
            return Some(Duration::ZERO);
        }
        [
            self.node.poll_timeout(),
            self.next_check,
            self.accept_after,
            self.shutdown,
        ]
        .into_iter()
        .flatten()
        .min()
        .map(|at| at.saturating_duration_since(now))
    }
}

impl<N: Node> std::fmt::Debug for Server<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("sockets", &self.sockets.len())
            .field("listeners", &self.listeners.len())
            .finish_non_exhaustive()
    }
}
