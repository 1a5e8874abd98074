//! Connections to next hops: one for each authority, opened when needed (RFC 4976 §6.4.2).

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use msrp_core::{
    codec::{Head, HeadEdit, HeaderName, Own},
    grammar::{ContinuationFlag, Scheme, StatusCode, UriRef},
    node::{
        Action, ConnectFailure, ConnectToken, ConnectionHandle, ListenerId, PeerInfo, Target, TransportKind,
        Trust,
    },
};

use crate::{
    bindings::BindingId,
    connection::Wait,
    failure::{Context, Tag},
    forward::{
        Route, Way,
        incoming::{Connecting, Incoming},
        send::{refusal, settle_range},
    },
    lookups::RelayQuery,
    relay::Relay,
    session::Traffic,
};

/// What makes two targets share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HopKey {
    Host {
        scheme: Scheme,
        host: String,
        port: Option<u16>,
        transport: TransportKind,
        interface: Option<ListenerId>,
    },
    /// Each connection has a pipe of its own to another shard.
    Shard { source: ConnectionHandle, shard: u16 },
}

impl From<&Target> for HopKey {
    fn from(target: &Target) -> Self {
        Self::Host {
            scheme: target.scheme,
            host: target.host.clone(),
            port: target.port,
            transport: target.transport,
            interface: target.interface,
        }
    }
}

/// The target that a URI names.
pub(crate) fn target_of(uri: &UriRef<'_>) -> Target {
    Target::new(uri.scheme(), uri.normalized_host(), uri.port())
}

/// A connect under way, or another wait for a connection.
#[derive(Debug)]
pub(crate) struct Pending {
    what: Awaited,
    /// Connections whose request at hand needs it.
    waiters: BTreeSet<ConnectionHandle>,
    /// Chunks that are ours to deliver, in the order in which they came.
    parked: Vec<Parked>,
    parked_len: usize,
}

/// What a [`Pending`] waits for.
#[derive(Debug)]
enum Awaited {
    /// A connection to a next hop.
    Hop(HopKey),
    /// A connection to this side of an anchored session.
    Leg(u32, BindingId),
    /// Something that the peer of an anchored session does.
    Peer,
}

impl Pending {
    fn new(what: Awaited, waiter: Option<ConnectionHandle>) -> Self {
        Self {
            what,
            waiters: waiter.into_iter().collect(),
            parked: Vec::new(),
            parked_len: 0,
        }
    }
}

/// A complete chunk that goes out as soon as its next hop is connected.
#[derive(Debug)]
struct Parked {
    from: ConnectionHandle,
    way: Way,
    incoming: Incoming,
}

/// Names under which one connection is found again.
const MAX_NAMES: usize = 8;

/// Octets of chunks that may wait for one connect, and not more than half of what the connection takes at once; what
/// exceeds it waits at its sender.
const MAX_PARKED: usize = 64 * 1024;

/// Open and pending connections to next hops.
#[derive(Debug, Default)]
pub(crate) struct Hops {
    open: HashMap<HopKey, ConnectionHandle>,
    by_key: HashMap<HopKey, ConnectToken>,
    pending: BTreeMap<ConnectToken, Pending>,
    next_token: u64,
    /// How many of those that are pending wait for the peer of an anchored session.
    peers: usize,
}

impl Hops {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// A connection has ended; by now another may have its name.
    pub(crate) fn forget(&mut self, key: &HopKey, handle: ConnectionHandle) {
        if self.open.get(key) == Some(&handle) {
            self.open.remove(key);
        }
    }

    /// Whether another connect may begin.
    pub(crate) fn has_room(&self, limit: usize) -> bool {
        self.pending.len() - self.peers < limit
    }

    fn insert(&mut self, what: Awaited, waiter: Option<ConnectionHandle>) -> ConnectToken {
        self.next_token += 1;
        let token = ConnectToken(self.next_token);
        self.peers += usize::from(matches!(what, Awaited::Peer));
        self.pending.insert(token, Pending::new(what, waiter));
        token
    }

    /// A wait for what the peer of an anchored session does.
    pub(crate) fn expect(&mut self, waiter: Option<ConnectionHandle>) -> ConnectToken {
        self.insert(Awaited::Peer, waiter)
    }

    /// A connect to a side of an anchored session.
    pub(crate) fn dial(
        &mut self,
        leg: u32,
        binding: BindingId,
        waiter: Option<ConnectionHandle>,
    ) -> ConnectToken {
        self.insert(Awaited::Leg(leg, binding), waiter)
    }

    pub(crate) fn add_waiter(&mut self, token: ConnectToken, waiter: Option<ConnectionHandle>) {
        if let Some(pending) = self.pending.get_mut(&token) {
            pending.waiters.extend(waiter);
        }
    }

    /// Whether chunks are kept for what this token stands for.
    pub(crate) fn has_parked(&self, token: ConnectToken) -> bool {
        self.pending
            .get(&token)
            .is_some_and(|pending| !pending.parked.is_empty())
    }

    pub(crate) fn take(&mut self, token: ConnectToken) -> Option<Pending> {
        let pending = self.pending.remove(&token)?;
        match &pending.what {
            Awaited::Hop(key) => {
                self.by_key.remove(key);
            }
            Awaited::Peer => self.peers -= 1,
            Awaited::Leg(..) => {}
        }
        Some(pending)
    }

    /// Whether there is a connection, or will be.
    pub(crate) fn is_known(&self, key: &HopKey) -> bool {
        self.open.contains_key(key) || self.by_key.contains_key(key)
    }

    pub(crate) fn open_hop(&self, key: &HopKey) -> Option<ConnectionHandle> {
        self.open.get(key).copied()
    }
}

/// Where a connection to a target stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HopState {
    Open(ConnectionHandle),
    Connecting(ConnectToken),
    /// Too many connects are under way.
    Full,
}

impl Relay {
    /// A connection to this target, or the connect that will make one. `waiter` is told when it is there.
    ///
    /// Where a certificate is asked for, ours is shown too: the far end may be a relay, and we ask it for our clients
    /// (RFC 4976 §9.2).
    pub(crate) fn hop_to(&mut self, mut target: Target, waiter: ConnectionHandle) -> HopState {
        target.client_identity |= target.scheme == Scheme::Msrps;
        let key = HopKey::from(&target);
        if let Some(&handle) = self.hops.open.get(&key)
            && self.table.get(handle).is_some_and(|(c, _)| !c.is_closed())
        {
            return HopState::Open(handle);
        }
        let usual = target.scheme == Scheme::Msrps && target.trust == Trust::Pki;
        // What waits for a connect that is under way goes first.
        if usual
            && !self.hops.by_key.contains_key(&key)
            && let Some(port) = target.port
            && let Some(handle) = self.open_peer(&target.host, port, target.interface)
        {
            // That relay called us.
            return HopState::Open(handle);
        }
        self.await_hop_to(key, waiter, |token| Action::Connect { token, target })
    }

    /// Whether a connection to this URI's authority is being opened: what waits for it goes first.
    pub(crate) fn is_being_called(&self, uri: &[u8]) -> bool {
        !self.hops.by_key.is_empty()
            && UriRef::parse(uri)
                .is_ok_and(|uri| self.hops.by_key.contains_key(&HopKey::from(&target_of(&uri))))
    }

    /// The connect under way to a hop, or a new one.
    pub(crate) fn await_hop_to(
        &mut self,
        key: HopKey,
        waiter: ConnectionHandle,
        connect: impl FnOnce(ConnectToken) -> Action<RelayQuery>,
    ) -> HopState {
        if let Some(&token) = self.hops.by_key.get(&key)
            && let Some(pending) = self.hops.pending.get_mut(&token)
        {
            pending.waiters.insert(waiter);
            return HopState::Connecting(token);
        }
        let has_room = match key {
            HopKey::Host { .. } => true,
            HopKey::Shard { .. } => self.has_room_for_pipe(),
        };
        if !self.hops.has_room(self.config.max_pending_connects) || self.draining || !has_room {
            return HopState::Full;
        }
        let token = self.hops.insert(Awaited::Hop(key.clone()), Some(waiter));
        self.hops.by_key.insert(key, token);
        self.actions.push_back(connect(token));
        HopState::Connecting(token)
    }

    /// The outcome of a connect.
    pub(crate) fn connected(
        &mut self,
        token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle> {
        if let Awaited::Leg(leg, binding) = self.hops.pending.get(&token)?.what {
            return self.leg_dialled(token, leg, binding, outcome);
        }
        let pending = self.hops.take(token)?;
        let Awaited::Hop(key) = &pending.what else {
            return None;
        };
        let handle = match outcome {
            // A pipe is not kept longer than the connection that it was opened for, and what that one has left to us.
            Ok(_) if !self.is_wanted(key) && pending.parked.is_empty() => None,
            Ok(peer) => {
                // Which of our names the far end knows, if that was chosen. Else a relay that uses the connection both ways
                // gets URIs that begin with msrps.
                let side = match key {
                    HopKey::Host { interface, .. } => interface.and_then(|id| self.config.place_of(id)),
                    HopKey::Shard { .. } => None,
                };
                let listeners = &self.config.listeners;
                let listener = listeners
                    .iter()
                    .position(|listener| listener.scheme == Scheme::Msrps);
                let listener = side.unwrap_or(listener.unwrap_or_default() as u16);
                let handle = self.insert_connection(peer, listener, true);
                if let Some((_, data)) = self.table.get_mut(handle) {
                    data.on_its_network = side.is_some();
                }
                match key {
                    HopKey::Host {
                        scheme, host, port, ..
                    } => {
                        self.stats.connected += 1;
                        if *scheme == Scheme::Msrps {
                            self.identify_as(handle, host, *port);
                        }
                    }
                    HopKey::Shard { .. } => self.stats.pipes_opened += 1,
                }
                self.name_hop(handle, key.clone());
                Some(handle)
            }
            Err(error) => {
                tracing::debug!(%error, "next hop not reached");
                self.stats.connect_failures += 1;
                None
            }
        };
        self.settle_pending(token, pending, handle);
        if let Some(handle) = handle {
            self.end_orphan(handle);
        }
        handle
    }

    /// What was waited for has come, or never will: what is kept goes out or is reported, and who waits goes on.
    pub(crate) fn settle_pending(
        &mut self,
        token: ConnectToken,
        pending: Pending,
        handle: Option<ConnectionHandle>,
    ) {
        self.backlog -= pending.parked_len;
        for parked in pending.parked {
            self.deliver(parked, handle);
        }
        for waiter in pending.waiters {
            if handle.is_none() {
                self.fail_hop(waiter, token);
            }
            self.wake(waiter, Wait::Connect(token));
        }
    }

    fn is_wanted(&self, key: &HopKey) -> bool {
        match *key {
            HopKey::Host { .. } => true,
            HopKey::Shard { source, .. } => self.table.get(source).is_some_and(|(c, _)| !c.is_closed()),
        }
    }

    /// Who waits for this tries again.
    pub(crate) fn wake_waiting(&mut self, token: ConnectToken) {
        for waiter in self
            .hops
            .take(token)
            .into_iter()
            .flat_map(|pending| pending.waiters)
        {
            self.wake(waiter, Wait::Connect(token));
        }
    }

    /// A connection that we opened is found again under this name.
    fn name_hop(&mut self, handle: ConnectionHandle, key: HopKey) {
        let Some((_, data)) = self.table.get_mut(handle) else {
            return;
        };
        let hops = &mut data.rare().hops;
        if !hops.contains(&key) && hops.len() < MAX_NAMES {
            hops.push(key.clone());
            self.hops.open.insert(key, handle);
        }
    }

    /// A relay further on has given a URI of its own: where its certificate names it, the connection leads there too.
    /// So an AUTH for `msrps://relay.example.com;tcp`, which has no port, and the messages over
    /// `msrps://relay.example.com:9000/…` share one.
    pub(crate) fn learn_name(&mut self, handle: ConnectionHandle, response: &Head) {
        let Some(use_path) = response.header(HeaderName::UsePath) else {
            return;
        };
        let last = use_path.rsplit(|octet| *octet == b' ').next().unwrap_or_default();
        let Ok(uri) = UriRef::parse(last) else { return };
        let Some((_, data)) = self.table.get(handle) else {
            return;
        };
        let opened_by = data.rare.as_ref().and_then(|rare| rare.hops.first());
        let Some(&HopKey::Host { interface, .. }) = opened_by else {
            return;
        };
        let host = uri.normalized_host();
        if uri.scheme() != Scheme::Msrps || uri.port().is_none() || !self.proves(handle, &host) {
            return;
        }
        self.identify_as(handle, &host, uri.port());
        let mut target = target_of(&uri);
        target.interface = interface;
        self.name_hop(handle, HopKey::from(&target));
    }

    /// A chunk is complete, and its next hop is not there yet: it is taken now, so that it holds up nobody.
    pub(crate) fn park(&mut self, from: ConnectionHandle, connecting: Connecting) {
        let Connecting { token, way } = connecting;
        let Some(mut incoming) = self.take_incoming(from) else {
            return;
        };
        incoming.detach();
        let len = incoming.head.raw().len() + incoming.held.len();
        let most = MAX_PARKED.min(self.connection_config.send_bound() / 2);
        let Some(pending) = self
            .hops
            .pending
            .get_mut(&token)
            .filter(|pending| pending.parked_len + len <= most)
        else {
            let key = self.put_incoming(from, incoming);
            return self.await_hop(from, key, token);
        };
        let id = incoming.id;
        pending.parked_len += len;
        pending.parked.push(Parked { from, way, incoming });
        self.backlog += len;
        self.stats.chunks_parked += 1;
        self.accept(from, id, way.binding);
    }

    /// The request at hand cannot go on before the next hop is there.
    pub(crate) fn await_hop(&mut self, from: ConnectionHandle, key: u32, token: ConnectToken) {
        if self.hops.pending.contains_key(&token) {
            self.set_wait(from, Wait::Connect(token));
        } else {
            // It has come, or failed, while the chunk was coming in.
            self.start_forwarding(from, key);
            self.resume_send(from, key);
        }
    }

    /// The connect for a parked chunk is over.
    fn deliver(&mut self, parked: Parked, hop: Option<ConnectionHandle>) {
        let Parked { from, way, incoming } = parked;
        let message = incoming.head.message_id().ok().flatten();
        let failed = |message| {
            let (_, data) = self.table.get(from)?;
            data.poison(way.binding, &message)
        };
        if message.and_then(failed).is_some() {
            // Its sender has been told.
            return;
        }
        let key = self.incoming.insert(incoming) as u32;
        self.send_parked(from, key, way, hop);
        self.incoming.try_remove(key as usize);
    }

    /// What comes behind a chunk that waited goes by the same way.
    fn learn_next(&mut self, key: u32, route: Route) {
        let ours = match route.own {
            Own::None => return,
            Own::One => 1,
            Own::Two => 2,
        };
        let max_uris = self.max_uris();
        let is_pipe = |key: &HopKey| matches!(key, HopKey::Shard { .. });
        let by_pipe = self
            .table
            .get(route.out)
            .and_then(|(_, data)| data.rare.as_ref())
            .is_some_and(|rare| rare.hops.iter().any(is_pipe));
        if !by_pipe
            && let Some(incoming) = self.incoming.get(key as usize)
            && let Ok(to_path) = incoming.head.to_path(max_uris)
            && let Some(next) = to_path.iter_raw().nth(ours)
            && route.leg.is_none()
            && let Some(binding) = self.bindings.get_mut(route.second.unwrap_or(route.binding))
        {
            binding.learn(next, route.out);
        }
    }

    fn send_parked(&mut self, from: ConnectionHandle, key: u32, way: Way, hop: Option<ConnectionHandle>) {
        let code = match hop {
            None => StatusCode::REQUEST_TIMEOUT,
            Some(out) => {
                let route = way.by(out);
                self.learn_next(key, route);
                let at_hand = self.incoming.get(key as usize).map(|incoming| {
                    (
                        Traffic::chunk(incoming.held.len(), incoming.ended),
                        incoming.since,
                    )
                });
                match self.dispatch(from, key, route) {
                    Ok(()) => {
                        if let Some((passed, since)) = at_hand {
                            self.count_chunk(route, passed, since);
                        }
                        return;
                    }
                    Err(error) => refusal(error).0,
                }
            }
        };
        // Its sender has been told that we have it, so a REPORT has to follow (RFC 4976 §3).
        let Some(incoming) = self.incoming.get(key as usize) else {
            return;
        };
        let Ok(Some(message)) = incoming.head.message_id() else {
            return;
        };
        // Only what came is needed of it.
        if let Ok(edit) = HeadEdit::readdressed(&incoming.head, self.max_uris(), b"", b"") {
            let report = incoming.failure_report;
            let (own_uri, from_path) = (edit.own_uri(), edit.from_path());
            let context = self
                .contexts
                .chunk(from, way.binding, message, report, own_uri, from_path);
            let len = incoming.held.len() as u64;
            let range = settle_range(incoming.range, len, ContinuationFlag::More);
            let tag = self.contexts.insert(Context::Chunk(context));
            self.report_failure(tag, Some(range), code);
            self.poison(tag, code);
            if let Tag::Context(index) = tag {
                self.contexts.remove(index);
            }
        }
    }

    /// The next hop of the request at hand cannot be reached.
    fn fail_hop(&mut self, handle: ConnectionHandle, token: ConnectToken) {
        let Some((_, data)) = self.table.get(handle) else {
            return;
        };
        let waits = data.wait == Some(Wait::Connect(token));
        if let Some(incoming) = data.incoming.and_then(|key| self.incoming.get_mut(key as usize))
            && (waits
                || incoming
                    .connecting
                    .is_some_and(|connecting| connecting.token == token))
        {
            incoming.unreachable = Some(StatusCode::REQUEST_TIMEOUT);
        }
    }
}
