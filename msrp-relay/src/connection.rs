//! What the relay keeps beside each connection.

use std::{collections::BTreeSet, time::Instant};

use msrp_core::{
    grammar::{MessageId, StatusCode},
    node::{ConnectToken, ConnectionHandle, Ticket},
};
use smallvec::SmallVec;

use crate::{
    auth::{nonce::Nonces, remote::RemoteFailures},
    bindings::BindingId,
    forward::Repeats,
    hops::HopKey,
    peers::PeerId,
};

/// What the relay keeps beside each connection. Small while the connection is idle: what is rare is boxed.
#[derive(Debug)]
pub(crate) struct RelayConnection {
    /// The listener by which it came in, as an index into the configuration's list; the first for those that we opened.
    pub(crate) listener: u16,
    /// The peer is on the network of that listener; where this is not so, nothing is known of that.
    pub(crate) on_its_network: bool,
    /// It stands in the queue of connections to be pumped.
    pub(crate) queued: bool,
    /// It stands in the list of those whose deadline and readiness are to be looked at.
    pub(crate) touched: bool,
    /// Something was given to it to send.
    pub(crate) output: bool,
    /// Whether the driver was last told to read from it.
    pub(crate) reading: bool,
    /// What it waited for has come: the request at hand is to be tried again.
    pub(crate) retry: bool,
    /// Nothing of what it has sent has been looked at, and it may belong to another shard.
    pub(crate) fresh: bool,
    /// A request of it has succeeded, or we opened it (RFC 4976 §6.1).
    pub(crate) proven: bool,
    /// [`ConnectionClosed`](crate::RelayEvent::ConnectionClosed) has been told.
    pub(crate) ended: bool,
    /// It is counted among the connections of its address.
    pub(crate) by_address: bool,
    /// Requests of more than one session came in here.
    pub(crate) shared: bool,
    /// The session of the latest request: over which URI of ours, and between which ends.
    pub(crate) session: Option<(BindingId, u64)>,
    /// REPORTs that it may send: more for everything that was sent to it.
    pub(crate) report_credit: u32,
    /// Requests that failed while it was in probation, or that were not addressed to us.
    pub(crate) unsuccessful: u8,
    pub(crate) auth_failures: u8,
    pub(crate) challenges: u8,
    pub(crate) since: Instant,
    pub(crate) last_used: Instant,
    /// Octets to send that have been counted for the bound of the node.
    pub(crate) counted: usize,
    /// The request whose octets are coming in, in [`Relay::incoming`](crate::Relay).
    pub(crate) incoming: Option<u32>,
    /// The context of the last chunk from here that is not the last of its message; it may be gone.
    pub(crate) last_context: Option<u32>,
    /// Why no more is pulled from it.
    pub(crate) wait: Option<Wait>,
    /// The URIs of the client that authenticated on it.
    pub(crate) bindings: SmallVec<[BindingId; 1]>,
    pub(crate) nonces: Nonces,
    /// What its latest messages looked like.
    pub(crate) repeats: Option<Box<Repeats>>,
    /// The relay whose connection it is, if its certificate says so and the configuration allows it.
    pub(crate) peer: Option<PeerId>,
    pub(crate) rare: Option<Box<Rare>>,
}

/// Why a connection is not pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until that connection takes more.
    Room(ConnectionHandle),
    /// Until the next hop is connected.
    Connect(ConnectToken),
    /// Until a policy's answer comes.
    Lookup { ticket: Ticket, until: Instant },
    /// Until its user's rate allows more.
    Rate { until: Instant },
    /// Until that connection takes more of a message of which as much is kept as may be, or until it is time to see whether
    /// it takes anything.
    Slow { out: ConnectionHandle, until: Instant },
}

/// What few connections need.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    /// Messages that come in here and leave bit by bit.
    pub(crate) lanes_in: Vec<u32>,
    /// Messages that leave here bit by bit.
    pub(crate) lanes_out: Vec<u32>,
    /// Connections that wait for room here.
    pub(crate) waiters: BTreeSet<ConnectionHandle>,
    /// Messages of which more may come, though they have failed.
    pub(crate) poisoned: Vec<Poisoned>,
    /// The URIs of the sides of anchored sessions that it serves.
    pub(crate) legs: SmallVec<[BindingId; 1]>,
    /// Under which names this connection is found again, if we opened it.
    pub(crate) hops: SmallVec<[HopKey; 1]>,
    /// AUTHs that were forwarded from here and refused.
    pub(crate) remote_failures: RemoteFailures,
}

/// A message that has failed at a later hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Poisoned {
    pub(crate) binding: BindingId,
    pub(crate) message: MessageId,
    pub(crate) code: StatusCode,
}

/// REPORTs that a connection may send before anything was sent to it, and the most that it can save up.
const REPORT_CREDIT: u32 = 1_024;
const MAX_REPORT_CREDIT: u32 = 1 << 20;

/// Failed messages that are remembered for one connection; the oldest give way.
const MAX_POISONED: usize = 32;

impl RelayConnection {
    pub(crate) fn new(now: Instant, listener: u16, proven: bool) -> Self {
        Self {
            listener,
            on_its_network: false,
            queued: false,
            touched: false,
            output: false,
            reading: false,
            retry: false,
            fresh: false,
            proven,
            ended: false,
            by_address: false,
            shared: false,
            session: None,
            report_credit: REPORT_CREDIT,
            unsuccessful: 0,
            auth_failures: 0,
            challenges: 0,
            since: now,
            last_used: now,
            counted: 0,
            incoming: None,
            last_context: None,
            wait: None,
            bindings: SmallVec::new(),
            nonces: Nonces::default(),
            repeats: None,
            peer: None,
            rare: None,
        }
    }

    /// The connection on whose behalf this pipe to another shard was opened, where it is the opener's end of one.
    pub(crate) fn source(&self) -> Option<ConnectionHandle> {
        match self.rare.as_ref()?.hops.first() {
            Some(&HopKey::Shard { source, .. }) => Some(source),
            _ => None,
        }
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Whether it serves a client that authenticated, or a side of an anchored session.
    pub(crate) fn serves(&self) -> bool {
        !self.bindings.is_empty() || self.rare.as_ref().is_some_and(|rare| !rare.legs.is_empty())
    }

    /// A request has succeeded: the connection has passed its probation.
    pub(crate) fn prove(&mut self) {
        if !self.proven {
            self.proven = true;
            self.unsuccessful = 0;
        }
    }

    /// A request over this URI of ours came in; `ends` tells which two ends the session has. A client that has renewed its
    /// URI goes on with the same session.
    pub(crate) fn note_session(&mut self, binding: BindingId, ends: impl FnOnce() -> u64) {
        if self.shared {
            return;
        }
        match self.session {
            Some((same, _)) if same == binding => {}
            before => {
                let ends = ends();
                self.shared = before.is_some_and(|(_, before)| before != ends);
                self.session = Some((binding, ends));
            }
        }
    }

    /// Octets of a message were sent to this peer, who may report on them.
    pub(crate) fn earn_reports(&mut self, octets: usize) {
        let pieces = u32::try_from(octets / 2048).unwrap_or(u32::MAX).saturating_add(1);
        self.report_credit = self.report_credit.saturating_add(pieces).min(MAX_REPORT_CREDIT);
    }

    /// The code with which a message has failed, if it has.
    pub(crate) fn poison(&self, binding: BindingId, message: &MessageId) -> Option<StatusCode> {
        let rare = self.rare.as_ref()?;
        rare.poisoned
            .iter()
            .find(|poisoned| poisoned.binding == binding && poisoned.message == *message)
            .map(|poisoned| poisoned.code)
    }

    /// Notes that a message has failed; `false` if that was known.
    pub(crate) fn set_poison(&mut self, poisoned: Poisoned) -> bool {
        if self.poison(poisoned.binding, &poisoned.message).is_some() {
            return false;
        }
        let list = &mut self.rare().poisoned;
        if list.len() >= MAX_POISONED {
            list.remove(0);
        }
        list.push(poisoned);
        true
    }
}

#[cfg(test)]
mod tests {
    use msrp_core::connection::Connection;

    use crate::{auth::nonce::Nonces, bindings::Binding};

    /// What an idle connection with one Use-Path URI costs: the connection, what stands beside it, its nonces, its URI,
    /// the user's name, the entries of the tables and the driver's part. 19,000 of them have to stay under 2 KiB each,
    /// with what the allocator rounds up.
    #[test]
    fn an_idle_authenticated_connection_is_small() {
        let beside = size_of::<super::RelayConnection>();
        assert!(beside < 300, "{beside}");
        // It was given two nonces: by the 401 and for the next AUTH.
        let fixed = size_of::<Connection>() + beside + 2 * Nonces::EACH + size_of::<Binding>();
        let tables_and_name = 150;
        let socket = 200;
        assert!(fixed + tables_and_name + socket < 1_860, "{fixed}");
    }
}
