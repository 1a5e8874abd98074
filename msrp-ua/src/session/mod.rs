//! Sessions: what signalling agreed on, and which connection they are bound to (RFC 4975 §5.4).

mod again;
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
    call::{IncomingFile, StreamId},
    event::SessionLoss,
    message::incoming::{Received, RefusedMessage},
    names::{IncomingKey, OutgoingKey, SessionId},
    sip::CallId,
};

/// How far a session has got.
///
/// ```text
///   active:   Connecting ──connected──▶ Bound ──connection lost, 481──▶ (gone), or in a call:
///   passive:  AwaitingBind ──first request──▶ Bound ─────────────▶ Suspended ──re-INVITE──▶ Connecting, AwaitingBind
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// We connect, or wait for a connection that is being made.
    Connecting,
    /// The peer has to send the first request, by then.
    AwaitingBind(Instant),
    /// Bound to this connection.
    Bound(ConnectionHandle),
    /// Its connection is lost, and a call sees to it that there is another.
    Suspended,
    /// Its URI has been offered: the peer, who knows it before we know the peer's, may connect (RFC 3264 §5.1).
    Offered,
    /// The peer has done so. Nothing can be sent before its answer is here.
    Early(ConnectionHandle),
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
    /// How often it was set up anew.
    pub(crate) generation: u16,
    /// Since when the next keep-alive waits for its time.
    pub(crate) silent_since: Option<Instant>,
    /// The call that it belongs to, and which of its streams it is.
    pub(crate) call: Option<(CallId, StreamId)>,
    /// What its connection was lost by, until it has another.
    pub(crate) loss: Option<Box<SessionLoss>>,
    /// It has been bound before, so that it is worth having another connection.
    pub(crate) was_ready: bool,
    /// It is for one file, in either direction.
    pub(crate) for_file: bool,
    /// The one message that is to come in it.
    pub(crate) file: Option<Box<IncomingFile>>,
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
            generation: 0,
            silent_since: None,
            call: None,
            loss: None,
            was_ready: false,
            for_file: false,
            file: None,
        }
    }

    /// How many messages of ours something is awaited about.
    pub(crate) fn under_way(&self) -> usize {
        self.outgoing.len().saturating_sub(self.retired.len())
    }

    pub(crate) fn connection(&self) -> Option<ConnectionHandle> {
        match self.state {
            SessionState::Bound(connection) | SessionState::Early(connection) => Some(connection),
            SessionState::Connecting
            | SessionState::AwaitingBind(_)
            | SessionState::Suspended
            | SessionState::Offered => None,
        }
    }

    /// Its connection, if messages may be sent on it.
    pub(crate) fn sends_on(&self) -> Option<ConnectionHandle> {
        match self.state {
            SessionState::Bound(connection) => Some(connection),
            _ => None,
        }
    }
}

/// All sessions, by name and by the session-id of the local URI.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_id: BTreeMap<SessionId, Box<Session>>,
    by_session_id: HashMap<Box<str>, SessionId, foldhash::fast::RandomState>,
    next: u64,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.by_id.get(&id).map(Box::as_ref)
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.by_id.get_mut(&id).map(Box::as_mut)
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
        self.by_id.insert(id, Box::new(session));
        Some(id)
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Session> {
        self.unlink(id);
        self.by_id.remove(&id).map(|session| *session)
    }

    /// Requests do not find the session any more.
    pub(crate) fn unlink(&mut self, id: SessionId) {
        if let Some(session) = self.by_id.get(&id)
            && let Some(session_id) = session.params.local.session_id()
            && self.by_session_id.get(session_id) == Some(&id)
        {
            self.by_session_id.remove(session_id);
        }
    }

    /// Gives a session that was unlinked what was agreed on anew; false if its session-id is taken.
    pub(crate) fn relink(&mut self, id: SessionId, params: SessionParams) -> bool {
        let (Some(session), Some(session_id)) = (self.by_id.get_mut(&id), params.local.session_id()) else {
            return false;
        };
        if self.by_session_id.contains_key(session_id) {
            return false;
        }
        self.by_session_id.insert(session_id.into(), id);
        session.params = params;
        true
    }

    pub(crate) fn find(&self, session_id: &str) -> Option<SessionId> {
        self.by_session_id.get(session_id).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.by_id.iter().map(|(&id, session)| (id, &**session))
    }
}
