//! Connections to next hops: one for each authority, opened when needed (RFC 4976 §6.4.2).

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use msrp_core::{
    codec::HeadEdit,
    grammar::{ContinuationFlag, Scheme, StatusCode, UriRef},
    node::{Action, ConnectFailure, ConnectToken, ConnectionHandle, PeerInfo, Target, TransportKind},
};

use crate::{
    bindings::BindingId,
    connection::Wait,
    failure::{Context, Tag},
    forward::{
        Route,
        incoming::Incoming,
        send::{refusal, settle_range},
    },
    relay::Relay,
};

/// What makes two targets share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HopKey {
    scheme: Scheme,
    host: String,
    port: Option<u16>,
    transport: TransportKind,
}

impl From<&Target> for HopKey {
    fn from(target: &Target) -> Self {
        Self {
            scheme: target.scheme,
            host: target.host.clone(),
            port: target.port,
            transport: target.transport,
        }
    }
}

/// The target that a URI names.
pub(crate) fn target_of(uri: &UriRef<'_>) -> Target {
    Target::new(uri.scheme(), uri.normalized_host(), uri.port())
}

/// A connect under way.
#[derive(Debug)]
struct Pending {
    key: HopKey,
    /// Connections whose request at hand needs it.
    waiters: BTreeSet<ConnectionHandle>,
    /// Chunks that are ours to deliver, in the order in which they came.
    parked: Vec<Parked>,
    parked_len: usize,
}

/// A complete chunk that goes out as soon as its next hop is connected.
#[derive(Debug)]
struct Parked {
    from: ConnectionHandle,
    binding: BindingId,
    incoming: Incoming,
}

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
}

impl Hops {
    pub(crate) fn forget(&mut self, key: &HopKey) {
        self.open.remove(key);
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
    pub(crate) fn hop_to(&mut self, target: Target, waiter: ConnectionHandle) -> HopState {
        let key = HopKey::from(&target);
        if let Some(&handle) = self.hops.open.get(&key)
            && self.table.get(handle).is_some_and(|(c, _)| !c.is_closed())
        {
            return HopState::Open(handle);
        }
        if let Some(&token) = self.hops.by_key.get(&key)
            && let Some(pending) = self.hops.pending.get_mut(&token)
        {
            pending.waiters.insert(waiter);
            return HopState::Connecting(token);
        }
        if self.hops.pending.len() >= self.config.max_pending_connects || self.draining {
            return HopState::Full;
        }
        self.hops.next_token += 1;
        let token = ConnectToken(self.hops.next_token);
        self.hops.by_key.insert(key.clone(), token);
        self.hops.pending.insert(
            token,
            Pending {
                key,
                waiters: BTreeSet::from([waiter]),
                parked: Vec::new(),
                parked_len: 0,
            },
        );
        self.actions.push_back(Action::Connect { token, target });
        HopState::Connecting(token)
    }

    /// The outcome of a connect.
    pub(crate) fn connected(
        &mut self,
        token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle> {
        let pending = self.hops.pending.remove(&token)?;
        self.hops.by_key.remove(&pending.key);
        let handle = match outcome {
            Ok(peer) => {
                self.stats.connected += 1;
                let handle = self.insert_connection(peer, 0, true);
                if let Some((_, data)) = self.table.get_mut(handle) {
                    data.rare().hop = Some(pending.key.clone());
                }
                self.hops.open.insert(pending.key, handle);
                Some(handle)
            }
            Err(error) => {
                tracing::debug!(%error, "next hop not reached");
                self.stats.connect_failures += 1;
                None
            }
        };
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
        handle
    }

    /// A chunk is complete, and its next hop is not there yet: it is taken now, so that it holds up nobody.
    pub(crate) fn park(&mut self, from: ConnectionHandle, token: ConnectToken, binding: BindingId) {
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
        pending.parked.push(Parked {
            from,
            binding,
            incoming,
        });
        self.backlog += len;
        self.stats.chunks_parked += 1;
        self.accept(from, id);
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
        let Parked {
            from,
            binding,
            incoming,
        } = parked;
        let message = incoming.head.message_id().ok().flatten();
        let failed = |message| {
            let (_, data) = self.table.get(from)?;
            data.poison(binding, &message)
        };
        if message.and_then(failed).is_some() {
            // Its sender has been told.
            return;
        }
        let key = self.incoming.insert(incoming) as u32;
        self.send_parked(from, key, binding, hop);
        self.incoming.try_remove(key as usize);
    }

    fn send_parked(
        &mut self,
        from: ConnectionHandle,
        key: u32,
        binding: BindingId,
        hop: Option<ConnectionHandle>,
    ) {
        let code = match hop {
            None => StatusCode::REQUEST_TIMEOUT,
            Some(out) => {
                let route = Route::outward(out, binding);
                let passed = self.chunk_at_hand(key);
                match self.dispatch(from, key, route) {
                    Ok(()) => return self.count(route, passed),
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
        if let Ok(edit) = HeadEdit::new(&incoming.head, self.max_uris()) {
            let report = incoming.failure_report;
            let context = self.contexts.chunk(from, binding, message, report, &edit);
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
                    .is_some_and(|(connecting, _)| connecting == token))
        {
            incoming.unreachable = Some(StatusCode::REQUEST_TIMEOUT);
        }
    }
}
