//! The sessions of a relay, as its operator sees them: listed, and ended.

use std::{fmt, net::SocketAddr, ops::AddAssign, str::FromStr, time::Instant};

use msrp_core::{
    connection::{CloseReason, Connection},
    grammar::ContinuationFlag,
    node::{ConnectionHandle, ListenerId, PeerInfo},
};

use crate::{
    bindings::{Binding, BindingId, Owner},
    command::RelayRejected,
    forward::Route,
    relay::Relay,
};

/// Names a session of a relay, that is, a Use-Path URI that it has given out. It tells nothing of the URI, which is a
/// secret, so it may be shown and logged. Not used again while the relay lives. Written `3-17`: a place in the relay's
/// table, and the number of the session since the relay began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    index: u32,
    serial: u32,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.index, self.serial)
    }
}

/// The text is no [`SessionId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session is named by two numbers, such as 3-17")]
pub struct SessionIdError;

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| match text.bytes().all(|octet| octet.is_ascii_digit()) {
            true => text.parse().map_err(|_| SessionIdError),
            false => Err(SessionIdError),
        };
        let (index, serial) = text.split_once('-').ok_or(SessionIdError)?;
        Ok(Self {
            index: number(index)?,
            serial: number(serial)?,
        })
    }
}

impl From<BindingId> for SessionId {
    fn from(id: BindingId) -> Self {
        let (index, serial) = id.parts();
        Self { index, serial }
    }
}

impl From<SessionId> for BindingId {
    fn from(id: SessionId) -> Self {
        Self::from_parts(id.index, id.serial)
    }
}

/// What has been passed on in one direction of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages that came to their end (a chunk with the flag `$`).
    pub messages: u64,
    /// SEND chunks.
    pub chunks: u64,
    /// Octets of their bodies.
    pub octets: u64,
    /// REPORTs.
    pub reports: u64,
}

impl Traffic {
    pub(crate) const REPORT: Self = Self {
        messages: 0,
        chunks: 0,
        octets: 0,
        reports: 1,
    };

    /// A chunk that has been passed on.
    pub(crate) fn chunk(octets: usize, flag: Option<ContinuationFlag>) -> Self {
        Self {
            messages: u64::from(flag == Some(ContinuationFlag::Complete)),
            chunks: 1,
            octets: octets as u64,
            reports: 0,
        }
    }

    /// Octets of a chunk that is still coming in.
    pub(crate) fn octets(octets: usize) -> Self {
        Self {
            octets: octets as u64,
            ..Self::default()
        }
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Self) {
        self.messages += more.messages;
        self.chunks += more.chunks;
        self.octets += more.octets;
        self.reports += more.reports;
    }
}

/// One session: a URI that was given to a client, and what has passed over it. Two clients of one relay that talk to each
/// other have two.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Session<'a> {
    /// Its name.
    pub id: SessionId,
    /// The user who authenticated for it.
    pub user: &'a str,
    /// When the URI was given out.
    pub since: Instant,
    /// When it runs out.
    pub expires: Instant,
    /// The relay behind which the client is, if it is not connected to this one.
    pub relay: Option<&'a str>,
    /// The connection that leads to the client, or to that relay; none while a relay has none.
    pub connection: Option<ConnectionHandle>,
    /// What the transport knows of its other end; none once it has ended.
    pub peer: Option<&'a PeerInfo>,
    /// The listener with whose name the URI was given out.
    pub listener: Option<ListenerId>,
    /// Whether that connection is being closed, or has ended; a relay is called again when it is needed.
    pub closing: bool,
    /// Octets that wait to be sent on it.
    pub buffered: usize,
    /// Where next hops of this session are, as far as they are known: the other client's address, or the next relay's.
    pub peers: Vec<SocketAddr>,
    /// From the client.
    pub from_client: Traffic,
    /// To the client.
    pub to_client: Traffic,
}

impl Relay {
    /// The sessions of clients that authenticated, behind this one in the relay's table, or all of them. A session that is there all the while is met
    /// once by a caller who goes on after the last one that he has seen.
    pub fn sessions(&self, after: Option<SessionId>) -> impl Iterator<Item = Session<'_>> {
        self.bindings
            .iter_after(after.map(|id| id.index))
            .filter(|(_, binding)| binding.expires > self.now && !binding.owner.is_anchored())
            .map(|(id, binding)| self.describe(id, binding))
    }

    /// One session.
    pub fn session(&self, id: SessionId) -> Option<Session<'_>> {
        let id = BindingId::from(id);
        let binding = self.bindings.get(id)?;
        (!binding.owner.is_anchored()).then(|| self.describe(id, binding))
    }

    fn describe<'a>(&'a self, id: BindingId, binding: &'a Binding) -> Session<'a> {
        let (relay, handle) = match binding.owner {
            Owner::Client(handle) => (None, Some(handle)),
            Owner::Relay(relay) => (self.peers.name(relay), self.peers.connection_of(relay)),
            Owner::Anchored(leg) => (None, self.anchors.way_to(leg)),
        };
        let connection = handle
            .and_then(|handle| self.table.get(handle))
            .map(|(connection, _)| connection);
        let [from_client, to_client] = binding.traffic();
        let peers = binding
            .peer_connections()
            .filter_map(|peer| self.table.get(peer)?.0.peer().remote)
            .collect();
        Session {
            id: id.into(),
            user: &binding.user,
            since: binding.since(),
            expires: binding.expires,
            relay,
            connection: handle,
            peer: connection.map(Connection::peer),
            listener: self
                .config
                .listeners
                .get(binding.name_index())
                .map(|listener| listener.id),
            closing: relay.is_none() && connection.is_none_or(Connection::is_closed),
            buffered: connection.map_or(0, Connection::buffered),
            peers,
            from_client,
            to_client,
        }
    }

    /// Counts what has been passed on: for the client whose URI it went by, and for the other one where both ends of the
    /// session use this relay.
    pub(crate) fn count(&mut self, route: Route, passed: Traffic) {
        // What goes to another shard is counted there.
        let elsewhere = self.pipes > 0 && self.is_pipe(route.out);
        if let Some(leg) = route.leg {
            if !elsewhere {
                self.stats.passed_anchored += passed;
            }
            return self.anchors.count(leg.index, route.binding, self.now, passed);
        }
        let total = match (route.from_owner, route.second) {
            (true, None) => &mut self.stats.passed_out,
            (true, Some(_)) => &mut self.stats.passed_here,
            (false, _) => &mut self.stats.passed_in,
        };
        if !elsewhere {
            *total += passed;
        }
        if self.config.user_limits.is_some() && route.from_owner {
            self.hold_to_rate(route, passed);
        }
        if let Some(binding) = self.bindings.get_mut(route.binding) {
            binding.count(route.from_owner, passed);
        }
        if let Some(binding) = route.second.and_then(|id| self.bindings.get_mut(id)) {
            binding.count(false, passed);
        }
    }

    /// Counts a chunk that has been handed over with its last octets; it began to come in at `since`.
    pub(crate) fn count_chunk(&mut self, route: Route, passed: Traffic, since: Instant) {
        let held = self.now.saturating_duration_since(since);
        self.stats.held.record_time(held);
        self.count(route, passed);
    }

    /// Ends a session: its URI is worth nothing from now on, and messages of it that are under way are given up. A
    /// connection that has no other URI is closed.
    pub(crate) fn end_session(&mut self, id: SessionId) -> Result<(), RelayRejected> {
        let id = BindingId::from(id);
        let owner = self.bindings.get(id).ok_or(RelayRejected::UnknownSession)?.owner;
        if owner.is_anchored() {
            return Err(RelayRejected::UnknownSession);
        }
        let lanes: Vec<u32> = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.context.binding == id)
            .map(|(index, _)| index as u32)
            .collect();
        self.revoke(id);
        for lane in lanes {
            self.abort_lane(lane);
        }
        self.stats.sessions_ended += 1;
        match owner {
            Owner::Anchored(_) => {}
            Owner::Client(handle) => {
                if let Some((connection, data)) = self.table.get_mut(handle)
                    && !data.serves()
                {
                    connection.close(self.now, CloseReason::Policy);
                    self.touch(handle);
                    self.enqueue(handle);
                }
            }
            // It serves other sessions.
            Owner::Relay(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_and_read() {
        let id = SessionId { index: 3, serial: 17 };
        assert_eq!(id.to_string(), "3-17");
        assert_eq!("3-17".parse(), Ok(id));
        for text in ["", "3", "3-", "-17", "3-17-1", "3-+17", "3-4294967296", "a-b"] {
            assert_eq!(text.parse::<SessionId>(), Err(SessionIdError), "{text}");
        }
    }
}
