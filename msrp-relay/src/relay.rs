//! The relay as a node: what comes in from the driver, and what goes out to it.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use msrp_core::{
    connection::{CloseReason, Connection, ConnectionConfig},
    digest::{Algorithm, Ha1},
    node::{Action, ConnectionHandle, PeerInfo, Ticket},
    rng::IdSource,
    table::ConnectionTable,
};
use slab::Slab;

use crate::{
    anchor::table::Anchors,
    bindings::Bindings,
    buffers::Buffers,
    common::CommonCounts,
    config::RelayConfig,
    connection::RelayConnection,
    error::ConfigError,
    event::RelayEvent,
    failure::Contexts,
    forward::{incoming::Incoming, lane::Lane},
    hops::Hops,
    listener,
    lookups::{PendingLookup, RelayQuery},
    peers::Peers,
    policy::{Admission, Lookup},
    stats::RelayStats,
};

/// An MSRP relay (RFC 4976).
///
/// A [`Node`](msrp_core::node::Node): drive it as described there. Whatever it forwards it forwards at once, in constant memory.
pub struct Relay {
    pub(crate) config: RelayConfig,
    pub(crate) connection_config: Arc<ConnectionConfig>,
    pub(crate) ids: IdSource,
    pub(crate) table: ConnectionTable<RelayConnection>,
    /// How many of these lead to other shards.
    pub(crate) pipes: usize,
    pub(crate) bindings: Bindings,
    /// Requests whose octets are coming in.
    pub(crate) incoming: Slab<Incoming>,
    pub(crate) contexts: Contexts,
    pub(crate) buffers: Buffers,
    pub(crate) lanes: Slab<Lane>,
    /// The serial of the latest lane.
    pub(crate) lane_serial: u32,
    pub(crate) hops: Hops,
    pub(crate) anchors: Anchors,
    pub(crate) peers: Peers,
    pub(crate) lookups: BTreeMap<Ticket, (ConnectionHandle, PendingLookup)>,
    pub(crate) next_ticket: u64,
    /// Stand-ins for the secrets of users that do not exist.
    pub(crate) dummy: [Ha1; 2],
    pub(crate) actions: VecDeque<Action<RelayQuery>>,
    pub(crate) events: VecDeque<RelayEvent>,
    /// Connections that have to be pulled.
    pub(crate) runnable: VecDeque<ConnectionHandle>,
    /// Connections whose deadline and readiness have to be looked at.
    pub(crate) touched: Vec<ConnectionHandle>,
    pub(crate) common: CommonCounts,
    pub(crate) stats: RelayStats,
    /// Octets that wait to be sent or to be looked at, as far as they have been counted.
    pub(crate) buffered: usize,
    /// Octets that are kept for slow receivers, or until a next hop is connected.
    pub(crate) backlog: usize,
    pub(crate) now: Instant,
    /// When a place for a new connection may be searched for again.
    pub(crate) evict_again: Instant,
    pub(crate) draining: bool,
    /// While draining: connections stay, as other shards may hand something over.
    pub(crate) settling: bool,
}

/// About what a chunk or request whose fate is open costs, in octets: the relay's part and the connection's.
const OPEN_COST: usize = 512;

/// What a connection that is not read may have received before that was known.
const READ_BLOCK: usize = 64 * 1024;

/// Octets that a connection may hold without being one of those who use the memory up.
const MODEST: usize = 32 * 1024;

impl Relay {
    /// A relay. `seed` feeds everything that must not be guessed: tokens, nonces, transaction identifiers; it has to come
    /// from a cryptographic source of randomness and to be used once.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn new(now: Instant, mut config: RelayConfig, seed: [u8; 32]) -> Result<Self, ConfigError> {
        config.check()?;
        config.take_share();
        let mut ids = IdSource::from_seed(seed);
        let prefixes = config
            .listeners
            .iter()
            .map(|listener| listener.prefix(&config.host))
            .collect::<Result<_, _>>()?;
        let names = listener::names(&config.listeners);
        let hash_seed = u64::from_le_bytes(ids.bytes());
        let secret = ids.session_id(128);
        let dummy = [Algorithm::Md5, Algorithm::Sha256]
            .map(|algorithm| Ha1::compute(algorithm, "", config.digest_realm(), &secret));
        Ok(Self {
            connection_config: Arc::new(config.connection.clone()),
            bindings: Bindings::new(prefixes, names, config.shard, hash_seed),
            common: config.common.clone(),
            config,
            ids,
            table: ConnectionTable::new(),
            pipes: 0,
            incoming: Slab::new(),
            contexts: Contexts::default(),
            buffers: Buffers::default(),
            lanes: Slab::new(),
            lane_serial: 0,
            hops: Hops::default(),
            anchors: Anchors::default(),
            peers: Peers::default(),
            lookups: BTreeMap::new(),
            next_ticket: 0,
            dummy,
            actions: VecDeque::new(),
            events: VecDeque::new(),
            runnable: VecDeque::new(),
            touched: Vec::new(),
            stats: RelayStats::default(),
            buffered: 0,
            backlog: 0,
            now,
            evict_again: now,
            draining: false,
            settling: false,
        })
    }

    /// Counters.
    pub fn stats(&self) -> &RelayStats {
        &self.stats
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.table.len() - self.pipes
    }

    /// How many ends of connections to other shards of this process there are.
    pub fn pipes(&self) -> usize {
        self.pipes
    }

    /// How many of them lead to next hops and were opened by us.
    pub fn hops(&self) -> usize {
        self.hops.len()
    }

    /// How many Use-Path URIs are valid (some may have run out without having been cleared yet), with those of anchored
    /// sessions, two for each stream.
    pub fn bindings(&self) -> usize {
        self.bindings.len()
    }

    /// What is counted for [`max_memory`](RelayConfig::max_memory), in octets: what waits to be sent or to be looked at,
    /// over all connections, and what is remembered of chunks whose fate is open. Exact once the driver has drained
    /// [`poll_ready`](msrp_core::node::Node::poll_ready).
    pub fn memory(&self) -> usize {
        self.buffered + self.backlog + self.open_transactions() * OPEN_COST
    }

    /// The bound of [`memory`](Self::memory).
    pub fn max_memory(&self) -> usize {
        self.config.max_memory
    }

    /// Whether nothing more can be taken for this connection: from seven eighths of the bound on for one that holds much
    /// already, so that those who do no harm have room; for these only when a read block for each connection is used up too.
    pub(crate) fn is_full_for(&self, out: ConnectionHandle) -> bool {
        let most = self.config.max_memory;
        self.memory() >= most.saturating_add(self.table.len() * READ_BLOCK)
            || (self.is_nearly_full()
                && self.table.get(out).is_some_and(|(connection, _)| {
                    connection.buffered() + connection.open_transactions() * OPEN_COST > MODEST
                }))
    }

    /// Whether there is room only for those who do no harm.
    fn is_nearly_full(&self) -> bool {
        let most = self.config.max_memory;
        self.memory() >= most - most / 8
    }

    /// Whether octets are wanted from a connection. When there is little room who does not take his answers is not read: to
    /// what he sends there would be more of them. Connections that we opened and those between shards are read all the same,
    /// so that no two wait for each other.
    pub(crate) fn may_read(&self, connection: &Connection, data: &RelayConnection) -> bool {
        let deaf = connection.buffered() > MODEST
            && connection.peer().listener.is_some()
            && connection.peer().shard.is_none()
            && self.is_nearly_full();
        connection.wants_read() && data.wait.is_none() && !deaf
    }

    /// What a connection has to send has left: it may be one that is read again.
    pub(crate) fn read_again(&mut self, handle: ConnectionHandle) {
        if let Some((connection, data)) = self.table.get(handle)
            && !data.reading
            && self.may_read(connection, data)
            && let Some((_, data)) = self.table.get_mut(handle)
        {
            data.reading = true;
            self.table.mark_ready(handle);
        }
    }

    /// Whether more waits for a connection to take than for most.
    pub(crate) fn is_slow(&self, out: ConnectionHandle) -> bool {
        self.table
            .get(out)
            .is_some_and(|(connection, _)| connection.buffered() > MODEST)
    }

    /// Whether nothing new can be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.memory() >= self.config.max_memory
    }

    /// Chunks, requests and messages whose fate is open; zero 30 s after the last octet was sent.
    pub fn open_transactions(&self) -> usize {
        self.contexts.open() + self.lanes.len()
    }

    /// Questions to the outside that have not been answered; at most one for each connection.
    pub fn open_lookups(&self) -> usize {
        self.lookups.len()
    }

    /// Whether nothing new is taken, since [`RelayCommand::Drain`](crate::RelayCommand::Drain) or
    /// [`RelayCommand::Settle`](crate::RelayCommand::Settle).
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Whether [`RelayCommand::Drain`](crate::RelayCommand::Drain) or
    /// [`RelayCommand::Shutdown`](crate::RelayCommand::Shutdown) has come to its end.
    pub fn is_drained(&self) -> bool {
        self.draining && self.table.is_empty()
    }

    pub(crate) fn max_uris(&self) -> usize {
        self.connection_config.limits().max_uris
    }

    pub(crate) fn clock(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// A peer has connected, has been counted for its address, and is let in; where it is not known yet whether it may stay, nothing is read until then.
    pub(crate) fn accept_connection(
        &mut self,
        peer: PeerInfo,
        admission: Lookup<Admission>,
    ) -> ConnectionHandle {
        let listener = peer
            .listener
            .and_then(|id| {
                self.config
                    .listeners
                    .iter()
                    .position(|listener| listener.id == id)
            })
            .unwrap_or_default();
        let pipe = peer.shard.is_some();
        let fresh = !pipe && self.may_move(peer.framing);
        if pipe {
            self.stats.pipes_accepted += 1;
        } else {
            self.stats.accepted += 1;
        }
        let by_address = !pipe && self.config.max_connections_per_address.is_some();
        let query = (admission == Lookup::Pending).then(|| RelayQuery::Admit { peer: peer.clone() });
        let handle = self.insert_connection(peer, listener as u16, pipe);
        if let Some((_, data)) = self.table.get_mut(handle) {
            data.fresh = fresh;
            data.by_address = by_address;
            data.on_its_network = !pipe;
        }
        if let Some(query) = query {
            let wait = self.look_up(handle, PendingLookup::Admission, query);
            self.set_wait(handle, wait);
        }
        self.run();
        handle
    }

    pub(crate) fn insert_connection(
        &mut self,
        peer: PeerInfo,
        listener: u16,
        proven: bool,
    ) -> ConnectionHandle {
        let framing = peer.framing;
        self.pipes += usize::from(peer.shard.is_some());
        let seed = self.ids.fork_seed();
        let connection = Connection::new(self.now, self.connection_config.clone(), peer, framing, seed);
        let handle = self
            .table
            .insert(connection, RelayConnection::new(self.now, listener, proven));
        self.touch(handle);
        handle
    }

    pub(crate) fn remote_of(&self, handle: ConnectionHandle) -> Option<SocketAddr> {
        self.table.get(handle)?.0.peer().remote
    }

    /// Something was given to a connection to send.
    pub(crate) fn touch(&mut self, handle: ConnectionHandle) {
        if let Some((_, data)) = self.table.get_mut(handle) {
            data.output = true;
        }
        self.review(handle);
    }

    /// A connection's interest in reading or its deadlines may have changed.
    pub(crate) fn review(&mut self, handle: ConnectionHandle) {
        if let Some((_, data)) = self.table.get_mut(handle)
            && !data.touched
        {
            data.touched = true;
            self.touched.push(handle);
        }
    }

    /// A connection has to be pulled.
    pub(crate) fn enqueue(&mut self, handle: ConnectionHandle) {
        if let Some((_, data)) = self.table.get_mut(handle)
            && !data.queued
        {
            data.queued = true;
            self.runnable.push_back(handle);
        }
    }

    pub(crate) fn push_event(&mut self, event: RelayEvent) {
        if self.config.event_queue == 0 {
            self.stats.events_dropped += 1;
            return;
        }
        if self.events.len() >= self.config.event_queue {
            self.events.pop_front();
            self.stats.events_dropped += 1;
        }
        self.events.push_back(event);
    }

    /// Pulls every connection that has to be, until nothing is left to do.
    pub(crate) fn run(&mut self) {
        self.pull_all();
        if self.draining && !self.settling && self.open_transactions() == 0 {
            self.end_silent();
            self.pull_all();
        }
    }

    fn pull_all(&mut self) {
        loop {
            while let Some(handle) = self.runnable.pop_front() {
                if let Some((_, data)) = self.table.get_mut(handle) {
                    data.queued = false;
                    self.pump(handle);
                }
            }
            if self.anchors.is_within_limits() {
                break;
            }
            self.end_full_anchors();
        }
        let mut touched = std::mem::take(&mut self.touched);
        for handle in touched.drain(..) {
            self.look_at(handle);
        }
        self.touched = touched;
    }

    /// Brings the deadline, the readiness and the account of a connection up to date.
    pub(crate) fn look_at(&mut self, handle: ConnectionHandle) {
        let Some((connection, data)) = self.table.get(handle) else {
            return;
        };
        let reading = self.may_read(connection, data);
        let Some((connection, data)) = self.table.get_mut(handle) else {
            return;
        };
        data.touched = false;
        let ready = std::mem::take(&mut data.output) || connection.buffered() > 0 || reading != data.reading;
        data.reading = reading;
        if ready {
            self.table.mark_ready(handle);
        }
        self.settle_account(handle);
    }

    /// Counts what waits to be sent, sees whether the connection is over, and re-arms its deadline.
    pub(crate) fn settle_account(&mut self, handle: ConnectionHandle) {
        let Some((connection, data)) = self.table.get_mut(handle) else {
            return;
        };
        let buffered = connection.buffered() + connection.received();
        self.buffered = self.buffered.wrapping_add(buffered).wrapping_sub(data.counted);
        data.counted = buffered;
        if buffered > 0 {
            self.stats.waiting.record(buffered as u64);
        }
        if connection.is_drained() {
            self.forget(handle);
            self.actions.push_back(Action::Close { connection: handle });
        } else {
            self.rearm(handle);
        }
    }

    pub(crate) fn rearm(&mut self, handle: ConnectionHandle) {
        let Some((connection, data)) = self.table.get(handle) else {
            return;
        };
        let own = if connection.is_closed() {
            None
        } else {
            self.own_deadline(data)
        };
        self.table.rearm(handle, own);
    }

    /// Takes a connection out of the table.
    pub(crate) fn forget(&mut self, handle: ConnectionHandle) -> Option<Connection> {
        if let Some((connection, data)) = self.table.remove(handle) {
            self.buffered = self.buffered.wrapping_sub(data.counted);
            self.pipes -= usize::from(connection.peer().shard.is_some());
            if data.by_address {
                self.common.addresses().leave(connection.peer());
            }
            return Some(connection);
        }
        None
    }

    /// While draining, with nothing under way any more: closes what has nothing left to say.
    fn end_silent(&mut self) {
        for handle in self.table.handles() {
            if let Some((connection, data)) = self.table.get_mut(handle)
                && data.incoming.is_none()
                && connection.buffered() == 0
                && !connection.is_closed()
            {
                connection.close(self.now, CloseReason::Shutdown);
                self.enqueue(handle);
            }
        }
    }

    pub(crate) fn end_all(&mut self, reason: CloseReason) {
        for handle in self.table.handles() {
            if let Some((connection, _)) = self.table.get_mut(handle) {
                connection.close(self.now, reason);
            }
            self.enqueue(handle);
        }
    }
}
