//! Connections that the node asked for: names, addresses in order, handshakes.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Instant};

use mio::net::TcpStream;
use msrp_core::node::{ConnectFailure, ConnectToken, Node, Target};

use super::{
    server::Server,
    socket::{Closing, Connecting, Phase, Socket, Who},
};
use crate::{
    dial::{Attempts, Interfaces, begin_connect},
    failure::{failure_of, unresolved},
    layer::Outgoing,
    resolve::{HostQuery, Resolve},
    threads::Threads,
};

/// A connect that waits for the addresses of its host.
struct Waiting {
    token: ConnectToken,
    target: Target,
    deadline: Instant,
    /// When the whole connect has taken too long.
    until: Instant,
}

/// Tells the loop the addresses of a name; called on another thread.
pub(super) type Tell = dyn Fn(u64, io::Result<Vec<SocketAddr>>) + Send + Sync;

/// What is needed to connect.
pub(super) struct Connector {
    pub(super) outgoing: Outgoing,
    pub(super) interfaces: Interfaces,
    resolver: Arc<dyn Resolve>,
    tell: Arc<Tell>,
    threads: Threads,
    /// Names that are being looked up, oldest first.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
}

impl Connector {
    pub(super) fn new(resolver: impl Resolve, tell: Arc<Tell>, bound: usize) -> Self {
        Self {
            outgoing: Outgoing::default(),
            interfaces: Interfaces::default(),
            resolver: Arc::new(resolver),
            tell,
            threads: Threads::new(bound),
            waiting: BTreeMap::new(),
            next: 0,
        }
    }

    pub(super) fn pending(&self) -> usize {
        self.waiting.len()
    }

    /// When the oldest lookup has taken too long.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting
            .first_key_value()
            .map(|(_, waiting)| waiting.deadline)
    }

    /// Takes out a lookup that has taken too long.
    pub(super) fn pop_overdue(&mut self, now: Instant) -> Option<ConnectToken> {
        self.next_deadline().filter(|&at| at <= now)?;
        self.waiting.pop_first().map(|(_, waiting)| waiting.token)
    }
}

impl<N: Node> Server<N> {
    /// The node wants a connection.
    pub(super) fn connect(&mut self, now: Instant, token: ConnectToken, target: Target) {
        self.stats.connects += 1;
        if self.connecting + self.connector.pending() >= self.config.max_pending_connects
            || self.sockets.len() >= self.config.max_connections
        {
            return self.connect_failed(now, token, ConnectFailure::Limit);
        }
        let until = now + self.config.connect_total;
        let query = HostQuery::from(&target);
        if let Some(address) = query.literal() {
            return self.try_addresses(now, until, token, target, vec![address]);
        }
        self.connector.next += 1;
        let id = self.connector.next;
        let (resolver, tell) = (self.connector.resolver.clone(), self.connector.tell.clone());
        let asked = self
            .connector
            .threads
            .run(move || tell(id, resolver.resolve(&query)));
        if let Err(error) = asked {
            tracing::debug!(%error, "name not looked up");
            return self.connect_failed(now, token, ConnectFailure::Limit);
        }
        let deadline = until.min(now + self.config.connect_timeout);
        let waiting = Waiting {
            token,
            target,
            deadline,
            until,
        };
        self.connector.waiting.insert(id, waiting);
        self.check_at(deadline);
    }

    /// A name has been looked up.
    pub(super) fn resolved(&mut self, now: Instant, id: u64, addresses: io::Result<Vec<SocketAddr>>) {
        // What comes too late is not wanted any more.
        let Some(waiting) = self.connector.waiting.remove(&id) else {
            return;
        };
        let Waiting {
            token, target, until, ..
        } = waiting;
        match addresses {
            Ok(addresses) => self.try_addresses(now, until, token, target, addresses),
            Err(error) => {
                tracing::debug!(%error, "host name not found");
                self.connect_failed(now, token, unresolved(&error));
            }
        }
    }

    /// Tries the addresses in their order (RFC 4975 §6.2), each for its time.
    fn try_addresses(
        &mut self,
        now: Instant,
        until: Instant,
        token: ConnectToken,
        target: Target,
        addresses: Vec<SocketAddr>,
    ) {
        let attempts = self
            .connector
            .interfaces
            .of(&target)
            .and_then(|from| Attempts::new(addresses, from, self.config.max_addresses, until));
        match attempts {
            Ok(attempts) => {
                let connecting = Connecting {
                    token,
                    target,
                    address: attempts.first(),
                    attempts,
                    deadline: now,
                };
                self.try_next(now, Box::new(connecting));
            }
            Err(failure) => self.connect_failed(now, token, failure),
        }
    }

    /// Tries the next address.
    fn try_next(&mut self, now: Instant, mut connecting: Box<Connecting>) {
        let layer = match self.connector.outgoing.layer(&connecting.target) {
            Ok(layer) => layer,
            Err(failure) => return self.connect_failed(now, connecting.token, failure),
        };
        let token = connecting.token;
        while let Some(address) = connecting.attempts.next(now) {
            match begin_connect(address, connecting.attempts.from) {
                Ok(stream) => {
                    connecting.address = address;
                    connecting.deadline = connecting.attempts.until.min(now + self.config.connect_timeout);
                    let stream = TcpStream::from_std(stream);
                    let mut socket = Socket::new(stream, layer, Phase::Connecting(connecting));
                    socket.readable = false;
                    socket.writable = false;
                    self.connecting += 1;
                    if self.register(socket).is_err() {
                        self.connecting -= 1;
                        self.connect_failed(now, token, ConnectFailure::Limit);
                    }
                    return;
                }
                Err(error) => connecting.attempts.failed(address, failure_of(&error)),
            }
        }
        self.connect_failed(now, token, connecting.attempts.outcome());
    }

    pub(super) fn connect_failed(&mut self, now: Instant, token: ConnectToken, failure: ConnectFailure) {
        tracing::debug!(%failure, "connect failed");
        self.stats.connect_failures += 1;
        let unwanted = self.node.handle_connected(now, token, Err(failure));
        debug_assert!(unwanted.is_none(), "there is no connection to have a handle");
    }

    /// A connecting socket has become writable, or has failed.
    pub(super) fn connect_progress(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let outcome = match socket.stream.take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => match socket.stream.peer_addr() {
                Ok(_) => Ok(()),
                // Neither failed nor connected: the readiness was about something else.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return,
                Err(error) => Err(error),
            },
        };
        match outcome {
            Ok(()) => {
                let deadline = now + self.config.handshake_timeout;
                let phase = std::mem::replace(&mut socket.phase, Phase::Closing(Closing::new(deadline)));
                let Phase::Connecting(connecting) = phase else {
                    return;
                };
                self.connecting -= 1;
                socket.phase = Phase::Handshake {
                    deadline,
                    who: Who::Node(connecting.token),
                };
                socket.readable = true;
                socket.writable = true;
                self.check_at(deadline);
                self.handshake_progress(now, key);
            }
            Err(error) => self.connect_retry(now, key, failure_of(&error)),
        }
    }

    /// This address has failed; there may be others.
    pub(super) fn connect_retry(&mut self, now: Instant, key: usize, failure: ConnectFailure) {
        if let Some(Socket {
            phase: Phase::Connecting(mut connecting),
            ..
        }) = self.remove(key)
        {
            self.connecting -= 1;
            let address = connecting.address;
            connecting.attempts.failed(address, failure);
            self.try_next(now, connecting);
        }
    }
}
