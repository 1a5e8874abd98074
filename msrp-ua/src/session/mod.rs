//! Sessions: what signalling agreed on, and which connection they are bound to (RFC 4975 §5.4).

mod bind;
mod params;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use hashbrown::HashMap;
use msrp_core::{grammar::MessageId, node::ConnectionHandle};

pub use self::params::{Receive, Role, SessionParams};
use crate::{
    message::incoming::{Received, RefusedMessage},
    names::{IncomingKey, OutgoingKey, SessionId},
};

/// How far a session has got.
///
/// ```text
///   active:   Connecting ──connected──▶ Bound ──connection lost, 481──▶ (gone)
///   passive:  AwaitingBind ──first request──▶ Bound
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// We connect, or wait for a connection that is being made.
    Connecting,
    /// The peer has to send the first request, by then.
    AwaitingBind(Instant),
    /// Bound to this connection.
    Bound(ConnectionHandle),
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) params: SessionParams,
    pub(crate) state: SessionState,
    /// Something has been sent in it, so that the peer could bind it.
    pub(crate) begun: bool,
    /// Messages that wait for the session to be bound, or for a lane.
    pub(crate) waiting: VecDeque<OutgoingKey>,
    /// It stands in the queue of its connection for lanes.
    pub(crate) wants_lane: bool,
    /// Our messages by their identifier; those about which nothing is awaited are in `retired` as well.
    pub(crate) outgoing: HashMap<MessageId, OutgoingKey, foldhash::fast::RandomState>,
    /// Messages that are kept for late reports only, the oldest first.
    pub(crate) retired: VecDeque<OutgoingKey>,
    /// Unfinished incoming messages by their identifier.
    pub(crate) incoming: BTreeMap<MessageId, IncomingKey>,
    /// Messages that were received, the newest last.
    pub(crate) received: VecDeque<Received>,
    /// Messages that were refused, or given up by their sender, so that later chunks of them are refused too.
    pub(crate) refused: VecDeque<RefusedMessage>,
    /// Media types that the peer has answered with 415 (RFC 4975 §10.6).
    pub(crate) refused_types: Vec<String>,
}

impl Session {
    pub(crate) fn new(params: SessionParams, state: SessionState) -> Self {
        Self {
            params,
            state,
            begun: false,
            waiting: VecDeque::new(),
            wants_lane: false,
            outgoing: HashMap::default(),
            retired: VecDeque::new(),
            incoming: BTreeMap::new(),
            received: VecDeque::new(),
            refused: VecDeque::new(),
            refused_types: Vec::new(),
        }
    }

    /// How many messages of ours something is awaited about.
    pub(crate) fn under_way(&self) -> usize {
        self.outgoing.len().saturating_sub(self.retired.len())
    }

    pub(crate) fn connection(&self) -> Option<ConnectionHandle> {
        match self.state {
            SessionState::Bound(connection) => Some(connection),
            SessionState::Connecting | SessionState::AwaitingBind(_) => None,
        }
    }
}

/// All sessions, by name and by the session-id of the local URI.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_id: BTreeMap<SessionId, Session>,
    by_session_id: HashMap<Box<str>, SessionId, foldhash::fast::RandomState>,
    next: u64,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.by_id.get_mut(&id)
    }

    /// Enters a session; none if its session-id is taken.
    pub(crate) fn insert(&mut self, session: Session) -> Option<SessionId> {
        let session_id = session.params.local.session_id()?;
        if self.by_session_id.contains_key(session_id) {
            return None;
        }
        self.next += 1;
        let id = SessionId(self.next);
        self.by_session_id.insert(session_id.into(), id);
        self.by_id.insert(id, session);
        Some(id)
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.by_id.remove(&id)?;
        if let Some(session_id) = session.params.local.session_id() {
            self.by_session_id.remove(session_id);
        }
        Some(session)
    }

    pub(crate) fn find(&self, session_id: &str) -> Option<SessionId> {
        self.by_session_id.get(session_id).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.by_id.iter().map(|(&id, session)| (id, session))
    }
}
