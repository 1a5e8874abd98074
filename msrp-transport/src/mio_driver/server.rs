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
    node::{Action, ConnectFailure, ConnectionHandle, ListenerId, Node},
};
use slab::Slab;

use super::{
    Host, ServerError,
    connect::Connector,
    handle::{Handle, Message},
    socket::{Phase, Socket, Who},
};
use crate::{
    block::Blocks,
    config::DriverConfig,
    handles::Handles,
    layer::{Incoming, Layer, ReadOutcome, WriteOutcome},
    listen::{ListenAddress, bind},
    resolve::{Resolve, SystemResolver},
};

const WAKER: Token = Token(usize::MAX);
/// Tokens of listeners count down from here.
const LISTENERS: usize = usize::MAX - 1;
/// Connections accepted in one go, so that a flood of them does not keep the others waiting.
const ACCEPT_BUDGET: usize = 64;
/// How long accepting rests after the process has run out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

struct Listener {
    socket: TcpListener,
    incoming: Incoming,
    id: ListenerId,
    /// There may be more to accept.
    ready: bool,
}

/// Drives one node over TCP and TLS sockets on the thread that calls [`run`](Self::run).
pub struct Server<N: Node> {
    pub(super) node: N,
    pub(super) config: DriverConfig,
    pub(super) sockets: Slab<Socket>,
    pub(super) connector: Connector,
    /// Sockets that are connecting.
    pub(super) connecting: usize,
    poll: Poll,
    listeners: Vec<Listener>,
    handle: Handle<N>,
    messages: Receiver<Message<N>>,
    handles: Handles,
    to_read: VecDeque<usize>,
    blocks: Blocks,
    /// Sockets with a deadline of the driver's: connecting, shaking hands, closing.
    timed: usize,
    next_check: Option<Instant>,
    accept_after: Option<Instant>,
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
        let mut connector = Connector::new();
        connector.start(resolver, handle.clone(), config.max_pending_connects)?;
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
            to_read: VecDeque::new(),
            timed: 0,
            next_check: None,
            accept_after: None,
            shutdown: None,
        })
    }
}

impl<N: Node> Server<N> {
    /// What other threads reach this server by.
    pub fn handle(&self) -> Handle<N> {
        self.handle.clone()
    }

    /// The node.
    pub fn node(&self) -> &N {
        &self.node
    }

    /// The node, to change. Commands given here take effect at the next turn of the loop.
    pub fn node_mut(&mut self) -> &mut N {
        &mut self.node
    }

    /// What outgoing TLS connections trust, and present.
    #[cfg(feature = "tls")]
    pub fn set_client_tls(&mut self, tls: crate::tls_config::ClientTls) {
        self.connector.outgoing.tls = Some(tls);
    }

    /// Listens on an address; with the scheme `msrps` a TLS configuration is needed, with `msrp` it is not used. Answers
    /// the id that the node will see, and the address with its real port.
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
        let id = self.listen_on(socket, address.scheme, incoming)?;
        Ok((id, local))
    }

    /// Listens on a socket that is bound already: by [`bind`], so that its port is known before there is a node, or by
    /// whoever started the process. It has to be non-blocking.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub fn listen_on(
        &mut self,
        socket: std::net::TcpListener,
        scheme: Scheme,
        incoming: impl Into<Incoming>,
    ) -> Result<ListenerId, ServerError> {
        let address = ListenAddress {
            scheme,
            address: socket.local_addr()?,
        };
        let incoming = incoming
            .into()
            .for_scheme(scheme)
            .ok_or(ServerError::NoIdentity { address })?;
        let mut socket = TcpListener::from_std(socket);
        let index = self.listeners.len();
        self.poll
            .registry()
            .register(&mut socket, Token(LISTENERS - index), Interest::READABLE)
            .map_err(|source| ServerError::Listen { address, source })?;
        let id = ListenerId(index as u16);
        self.listeners.push(Listener {
            socket,
            incoming,
            id,
            ready: true,
        });
        Ok(id)
    }

    /// Replaces the TLS configuration of a listener; connections that exist stay as they are.
    #[cfg(feature = "tls")]
    pub fn set_listener_tls(&mut self, id: ListenerId, tls: Arc<rustls::ServerConfig>) {
        if let Some(listener) = self.listeners.get_mut(usize::from(id.0))
            && listener.incoming.is_tls()
        {
            listener.incoming = tls.into();
        }
    }

    /// Runs until [`Handle::shutdown`] has done its work or the host says that it is enough.
    ///
    /// # Errors
    /// When the operating system refuses to wait for sockets.
    pub fn run(&mut self, host: &mut impl Host<N>) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let timeout = self.timeout(Instant::now());
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            let now = Instant::now();
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
            if !host.goes_on(&mut self.node) || self.is_over(now) {
                return Ok(());
            }
        }
    }

    /// One turn of the loop, after readiness has been noted.
    fn turn(&mut self, now: Instant, host: &mut impl Host<N>) {
        self.take_messages(now);
        self.accept(now);
        for _ in 0..self.to_read.len() {
            let Some(key) = self.to_read.pop_front() else {
                break;
            };
            self.read(now, key);
        }
        if self.node.poll_timeout().is_some_and(|at| at <= now) {
            self.node.handle_timeout(now);
        }
        self.check_deadlines(now);
        // Actions and events can lead to more output; each round makes progress, and bounds of the node end it.
        loop {
            let mut worked = false;
            while let Some(handle) = self.node.poll_ready() {
                self.write(now, handle);
                worked = true;
            }
            while let Some(action) = self.node.poll_action() {
                self.act(now, action, host);
                worked = true;
            }
            while let Some(event) = self.node.poll_event() {
                host.event(&mut self.node, event);
                worked = true;
            }
            if !worked {
                break;
            }
        }
    }

    fn act(&mut self, now: Instant, action: Action<N::Query>, host: &mut impl Host<N>) {
        match action {
            Action::Connect { token, target } => self.connect(now, token, target),
            Action::Close { connection } => {
                if let Some(key) = self.handles.key(connection) {
                    self.close(now, key);
                }
            }
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
                Message::Shutdown(deadline) => {
                    self.shutdown = Some(now + deadline);
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

    /// Notes what an event says of a socket.
    fn note(&mut self, now: Instant, key: usize, event: &mio::event::Event) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        if matches!(socket.phase, Phase::Connecting(_)) {
            if event.is_writable() || event.is_error() || event.is_write_closed() {
                self.connect_progress(now, key);
            }
            return;
        }
        let read_closed = event.is_read_closed() || event.is_error();
        socket.read_closed |= read_closed;
        if event.is_readable() || read_closed {
            socket.readable = true;
        }
        if event.is_writable() && !socket.writable {
            socket.writable = true;
            self.writable_again(now, key);
        }
        self.queue_read(key);
    }

    /// A socket that had refused octets takes some again.
    fn writable_again(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        match socket.phase {
            Phase::Open(handle) => self.write(now, handle),
            Phase::Handshake { .. } => self.handshake_progress(now, key),
            Phase::Closing { .. } => self.finish_close(key),
            Phase::Connecting(_) => {}
        }
    }

    fn queue_read(&mut self, key: usize) {
        if let Some(socket) = self.sockets.get_mut(key)
            && socket.readable
            && !socket.queued
        {
            let wanted = match socket.phase {
                Phase::Open(handle) => self.node.wants_read(handle),
                Phase::Handshake { .. } => true,
                Phase::Connecting(_) | Phase::Closing { .. } => false,
            };
            if wanted {
                socket.queued = true;
                self.to_read.push_back(key);
            }
        }
    }

    /// Reads a socket until it is dry, the node wants no more, or it is the others' turn.
    fn read(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        socket.queued = false;
        let handle = match socket.phase {
            Phase::Open(handle) => handle,
            Phase::Handshake { .. } => return self.handshake_progress(now, key),
            Phase::Connecting(_) | Phase::Closing { .. } => return,
        };
        let mut budget = self.config.read_budget;
        while socket.readable && self.node.wants_read(handle) {
            if budget == 0 {
                socket.queued = true;
                self.to_read.push_back(key);
                return;
            }
            match socket.layer.read(&mut socket.stream, &mut self.blocks) {
                Ok(ReadOutcome::Octets { octets, more }) => {
                    budget = budget.saturating_sub(octets.len().max(512));
                    // After the peer has closed, only the end itself says that all has been read.
                    socket.readable = more || socket.read_closed;
                    if !octets.is_empty() {
                        self.node.handle_read(now, handle, octets);
                    }
                }
                Ok(ReadOutcome::WouldBlock) => socket.readable = false,
                Ok(ReadOutcome::Eof) => {
                    socket.readable = false;
                    self.node.handle_eof(now, handle);
                }
                Err(error) => {
                    tracing::debug!(kind = %error.kind(), "read failed");
                    return self.reset(now, key, handle);
                }
            }
        }
        // A layer may owe its peer something in return (a TLS key update, an alert).
        if socket.layer.wants_write()
            && let Err(error) = socket.flush()
        {
            tracing::debug!(kind = %error.kind(), "write failed");
            self.reset(now, key, handle);
        }
    }

    /// Writes what the node has for a connection, and sees whether it wants to read again.
    fn write(&mut self, now: Instant, handle: ConnectionHandle) {
        let Some(key) = self.handles.key(handle) else {
            return;
        };
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let mut failed = socket.layer.wants_write() && socket.flush().is_err();
        while socket.writable && !failed {
            let Some(mut transmit) = self.node.poll_transmit(now, handle, self.config.transmit_budget) else {
                break;
            };
            match socket.layer.write(&mut socket.stream, &mut transmit) {
                Ok(WriteOutcome::Done) => {}
                Ok(WriteOutcome::WouldBlock) => socket.writable = false,
                Err(_) => failed = true,
            }
        }
        if failed {
            return self.reset(now, key, handle);
        }
        self.queue_read(key);
    }

    fn reset(&mut self, now: Instant, key: usize, handle: ConnectionHandle) {
        self.remove(key);
        self.handles.remove(handle);
        self.node.handle_reset(now, handle);
    }

    /// The layer's handshake goes on; when it is over the node hears of the connection.
    pub(super) fn handshake_progress(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let Phase::Handshake { who, .. } = socket.phase else {
            return;
        };
        let mut early = Vec::new();
        let mut failure = None;
        while socket.layer.is_handshaking() {
            if let Err(error) = socket.flush() {
                failure = Some(error.to_string());
                break;
            }
            if !socket.layer.is_handshaking() || !socket.readable {
                break;
            }
            match socket.layer.read(&mut socket.stream, &mut self.blocks) {
                Ok(ReadOutcome::Octets { octets, .. }) => {
                    if !octets.is_empty() {
                        early.push(octets);
                    }
                }
                Ok(ReadOutcome::WouldBlock) => socket.readable = false,
                Ok(ReadOutcome::Eof) => {
                    failure = Some("the peer closed during the handshake".to_owned());
                    break;
                }
                Err(error) => {
                    failure = Some(error.to_string());
                    break;
                }
            }
        }
        // The last message of a handshake, or the alert that says what went wrong, is still to be sent.
        let flushed = socket.flush();
        if let Some(failure) = failure.or_else(|| flushed.err().map(|error| error.to_string())) {
            tracing::debug!(%failure, "handshake failed");
            self.remove(key);
            if let Who::Node(token) = who {
                self.connect_failed(now, token, ConnectFailure::Tls(failure));
            }
            return;
        }
        if !socket.layer.is_handshaking() {
            self.opened(now, key, who);
            if let Some(handle) = self.handle_of(key) {
                for octets in early {
                    self.node.handle_read(now, handle, octets);
                }
            }
        }
    }

    /// The node hears of a connection.
    fn opened(&mut self, now: Instant, key: usize, who: Who) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let peer = socket.peer_info(who);
        let handle = match who {
            Who::Peer(_) => self.node.handle_accepted(now, peer).ok(),
            Who::Node(token) => self.node.handle_connected(now, token, Ok(peer)),
        };
        let Some(handle) = handle else {
            return self.close(now, key);
        };
        self.timed -= usize::from(socket.deadline().is_some());
        socket.phase = Phase::Open(handle);
        self.handles.insert(handle, key);
        self.queue_read(key);
    }

    fn handle_of(&self, key: usize) -> Option<ConnectionHandle> {
        match self.sockets.get(key)?.phase {
            Phase::Open(handle) => Some(handle),
            _ => None,
        }
    }

    /// Accepts what has come, within a budget.
    fn accept(&mut self, now: Instant) {
        if self.accept_after.is_some_and(|at| at > now) {
            return;
        }
        self.accept_after = None;
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPT_BUDGET {
                let Some(listener) = self.listeners.get_mut(index).filter(|listener| listener.ready) else {
                    break;
                };
                match listener.socket.accept() {
                    Ok((stream, _)) => {
                        let id = listener.id;
                        let Some(layer) = listener.incoming.layer() else {
                            continue;
                        };
                        self.accepted(now, stream, layer, id);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => listener.ready = false,
                    Err(error)
                        if matches!(
                            error.kind(),
                            ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                        ) => {}
                    Err(error) => {
                        // Most likely out of file descriptors: others may close soon.
                        tracing::warn!(%error, "cannot accept");
                        self.accept_after = Some(now + ACCEPT_REST);
                        return;
                    }
                }
            }
        }
    }

    fn accepted(&mut self, now: Instant, stream: mio::net::TcpStream, layer: Layer, id: ListenerId) {
        if self.sockets.len() >= self.config.max_connections {
            tracing::warn!(
                limit = self.config.max_connections,
                "connection refused: limit reached"
            );
            return;
        }
        let who = Who::Peer(id);
        let handshaking = layer.is_handshaking();
        let phase = Phase::Handshake {
            deadline: now + self.config.handshake_timeout,
            who,
        };
        let socket = Socket::new(stream, layer, phase);
        let Ok(key) = self.register(socket) else { return };
        if handshaking {
            self.queue_read(key);
        } else {
            self.opened(now, key, who);
        }
    }

    /// Enters a socket and registers it, once and for all.
    pub(super) fn register(&mut self, socket: Socket) -> io::Result<usize> {
        let deadline = socket.deadline();
        let key = self.sockets.insert(socket);
        if let Some(socket) = self.sockets.get_mut(key) {
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = self
                .poll
                .registry()
                .register(&mut socket.stream, Token(key), interest)
            {
                self.sockets.remove(key);
                return Err(error);
            }
        }
        if let Some(deadline) = deadline {
            self.timed += 1;
            self.next_check = Some(self.next_check.map_or(deadline, |at| at.min(deadline)));
        }
        Ok(key)
    }

    /// Takes a socket out; dropping it closes it.
    pub(super) fn remove(&mut self, key: usize) -> Option<Socket> {
        let mut socket = self.sockets.try_remove(key)?;
        self.timed -= usize::from(socket.deadline().is_some());
        // The kernel forgets a socket that is closed.
        let _closed_anyway = self.poll.registry().deregister(&mut socket.stream);
        Some(socket)
    }

    /// Closes a socket in order: the layer says goodbye, and what it holds leaves.
    fn close(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let deadline = now + self.config.close_timeout;
        self.timed += usize::from(socket.deadline().is_none());
        self.next_check = Some(self.next_check.map_or(deadline, |at| at.min(deadline)));
        let phase = std::mem::replace(&mut socket.phase, Phase::Closing { deadline });
        socket.layer.close();
        if let Phase::Open(handle) = phase {
            self.handles.remove(handle);
        }
        self.finish_close(key);
    }

    fn finish_close(&mut self, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let failed = socket.flush().is_err();
        if failed || !socket.layer.wants_write() {
            // Octets that the peer sent and nobody read would make the kernel answer with a reset, which can overtake
            // what we wrote last; so the end of our stream is said first, and what is there is read away.
            let _closed_anyway = socket.stream.shutdown(std::net::Shutdown::Write);
            if !failed {
                let mut scrap = [0; 4096];
                for _ in 0..16 {
                    match io::Read::read(&mut socket.stream, &mut scrap) {
                        Ok(read) if read > 0 => {}
                        _ => break,
                    }
                }
            }
            self.remove(key);
        }
    }

    /// Ends what has taken too long to connect, shake hands or close.
    fn check_deadlines(&mut self, now: Instant) {
        if self.timed == 0 {
            self.next_check = None;
            return;
        }
        if self.next_check.is_none_or(|at| at > now) {
            return;
        }
        let over: Vec<usize> = self
            .sockets
            .iter()
            .filter(|(_, socket)| socket.deadline().is_some_and(|at| at <= now))
            .map(|(key, _)| key)
            .collect();
        for key in over {
            let Some(socket) = self.sockets.get(key) else {
                continue;
            };
            match socket.phase {
                Phase::Connecting(_) => self.connect_retry(now, key, ConnectFailure::TimedOut),
                Phase::Handshake { who, .. } => {
                    self.remove(key);
                    if let Who::Node(token) = who {
                        self.connect_failed(now, token, ConnectFailure::TimedOut);
                    }
                }
                Phase::Closing { .. } => {
                    self.remove(key);
                }
                Phase::Open(_) => {}
            }
        }
        self.next_check = self
            .sockets
            .iter()
            .filter_map(|(_, socket)| socket.deadline())
            .min();
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
