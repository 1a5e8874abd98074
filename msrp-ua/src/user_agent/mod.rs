//! Sessions, connections, messages and registrations in one place.

mod bodiless;
mod command;
mod leaving;
mod node;
mod pump;
mod signalling;
pub(crate) mod tag;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    time::{Instant, SystemTime},
};

use hashbrown::HashMap;
use msrp_core::{
    grammar::{Scheme, Uri},
    node::{Action, ConnectionHandle, Fingerprint},
    rng::IdSource,
    table::ConnectionTable,
};

pub use self::command::UserAgentCommand;
use self::leaving::Leaving;
use crate::{
    call::Calls,
    config::UserAgentConfig,
    connect::{Authority, Peer, Pending},
    conversation::Conversation,
    error::CommandError,
    event::{AbortReason, SessionLoss, UserAgentEvent},
    message::{incoming::Incoming, outgoing::Outgoing},
    names::{IncomingKey, OutgoingKey, SessionId},
    relay_client::Registrations,
    session::{Role, Session, SessionParams, SessionState, Sessions},
    sip::CallId,
    sip::SipAction,
    timers::UaTimer,
};

/// The MSRP side of an endpoint: sessions, their messages, and the relays that they go through.
///
/// It is a [`Node`](msrp_core::node::Node): a driver of `msrp-transport`, or a loop of your own, moves its octets. What the application wants
/// it says by the methods (or, from another thread, by a [`UserAgentCommand`]); what it should know comes by
/// [`poll_event`](msrp_core::node::Node::poll_event). Methods take effect at the time that the node was told last; call
/// [`tick`](Self::tick) before them where that may be long ago.
pub struct UserAgent {
    pub(crate) config: UserAgentConfig,
    pub(crate) now: Instant,
    pub(crate) ids: IdSource,
    pub(crate) table: ConnectionTable<Peer>,
    pub(crate) sessions: Sessions,
    pub(crate) outgoing: HashMap<OutgoingKey, Outgoing, foldhash::fast::RandomState>,
    pub(crate) incoming: BTreeMap<IncomingKey, Incoming>,
    /// Sessions in which people talk.
    pub(crate) conversations: BTreeMap<SessionId, Box<Conversation>>,
    /// What the calendar said at an instant.
    calendar: Option<(Instant, SystemTime)>,
    /// Octets of incoming messages that are put together in memory.
    pub(crate) buffered: usize,
    pub(crate) registrations: Registrations,
    pub(crate) calls: Calls,
    pub(crate) pending: Vec<Pending>,
    pub(crate) timers: BTreeSet<(Instant, UaTimer)>,
    pub(crate) actions: VecDeque<Action<Infallible>>,
    pub(crate) next_key: u64,
    pub(crate) next_token: u64,
    events: VecDeque<UserAgentEvent>,
    /// Connections that are not pulled because nobody pulls our events.
    stalled: VecDeque<ConnectionHandle>,
    leaving: Leaving,
}

/// Who the sessions are with is nobody's business, so only how many there are is printed.
impl std::fmt::Debug for UserAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserAgent")
            .field("connections", &self.table.len())
            .field("sessions", &self.sessions.len())
            .field("registrations", &self.registrations.0.len())
            .field("outgoing", &self.outgoing.len())
            .field("incoming", &self.incoming.len())
            .field("buffered", &self.buffered)
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

impl UserAgent {
    /// A user agent. `seed` has to come from a cryptographic source of randomness and to be used once.
    pub fn new(now: Instant, config: UserAgentConfig, seed: [u8; 32]) -> Self {
        Self {
            config,
            now,
            ids: IdSource::from_seed(seed),
            table: ConnectionTable::new(),
            sessions: Sessions::default(),
            outgoing: HashMap::default(),
            incoming: BTreeMap::new(),
            conversations: BTreeMap::new(),
            calendar: None,
            buffered: 0,
            registrations: Registrations::default(),
            calls: Calls::default(),
            pending: Vec::new(),
            timers: BTreeSet::new(),
            actions: VecDeque::new(),
            next_key: 0,
            next_token: 0,
            events: VecDeque::new(),
            stalled: VecDeque::new(),
            leaving: Leaving::default(),
        }
    }

    /// Tells the time.
    pub fn tick(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Tells what the calendar says now; messages carry the time of day, and notifications name them by it.
    pub fn set_calendar(&mut self, now: SystemTime) {
        self.calendar = Some((self.now, now));
    }

    /// What the calendar says, if it was [told](Self::set_calendar).
    pub fn calendar(&self) -> Option<SystemTime> {
        let (at, time) = self.calendar?;
        time.checked_add(self.now.saturating_duration_since(at))
    }

    /// The configuration.
    pub fn config(&self) -> &UserAgentConfig {
        &self.config
    }

    /// Sets the authority of URIs allocated from now on, once the port that we listen on is known.
    pub fn set_authority(&mut self, host: impl Into<String>, port: u16) {
        self.config.host = host.into();
        self.config.port = port;
    }

    /// Sets the fingerprints of our certificate ([`CallConfig::fingerprints`](crate::call::CallConfig::fingerprints)) for offers
    /// and answers from now on.
    pub fn set_fingerprints(&mut self, fingerprints: Vec<Fingerprint>) {
        self.config.calls.fingerprints = fingerprints;
    }

    /// A new URI for one session, with 128 random bits (RFC 4975 §14.1 asks for 80).
    pub fn allocate_uri(&mut self) -> Uri {
        let scheme = if self.config.tls {
            Scheme::Msrps
        } else {
            Scheme::Msrp
        };
        let session_id = self.ids.session_id(128);
        let UserAgentConfig { host, port, .. } = &self.config;
        Uri::build(scheme, host, *port, Some(&session_id), "tcp")
            // A host that cannot stand in a URI is a mistake in the configuration; the URI still is one, and unique.
            .inspect_err(|error| tracing::error!(%error, "the configured host cannot stand in a URI"))
            .or_else(|_| Uri::build(scheme, "invalid.invalid", *port, Some(&session_id), "tcp"))
            .unwrap_or_else(|_| unreachable!("a fixed host, a number and base32 make a URI"))
    }

    /// Begins a session that signalling has agreed on.
    ///
    /// The active side connects and says something at once; the passive side waits to be bound (RFC 4975 §5.4). With a
    /// relay the session is bound to the connection over which the relay was asked: the passive side too waits for the
    /// peer's first request, because the relay may learn only from that how to reach the peer, but not for ever.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn open_session(&mut self, params: SessionParams) -> Result<SessionId, CommandError> {
        let id = self.enter_session(params)?;
        self.start_session(id);
        Ok(id)
    }

    /// Enters a session that has not begun.
    pub(crate) fn enter_session(&mut self, params: SessionParams) -> Result<SessionId, CommandError> {
        self.check_running()?;
        let limit = self.config.max_sessions;
        if self.sessions.len() >= limit {
            return Err(CommandError::TooManySessions { limit });
        }
        if let Some(relay) = params.relay {
            self.relay_for(relay, &params.local)?;
        }
        let session = Session::new(params, SessionState::Suspended);
        let id = self.sessions.insert(session).ok_or(CommandError::LocalUri)?;
        Ok(id)
    }

    /// Connects a session whose parameters are known, or waits for the peer to do so.
    pub(crate) fn start_session(&mut self, id: SessionId) {
        let bind_by = self.now + self.config.bind_timeout;
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        let (role, registration) = (entry.params.role, entry.params.relay);
        let authority = Authority::of_session(&entry.params);
        entry.state = match role {
            Role::Active => SessionState::Connecting,
            Role::Passive => SessionState::AwaitingBind(bind_by),
        };
        if let Some(registration) = registration {
            self.use_registration(registration, id);
        }
        let relay = registration.and_then(|relay| self.relay_connection(relay));
        match (relay, role) {
            (Some(handle), Role::Active) => self.begin_session(id, handle),
            (None, Role::Active) => self.connect_session(id, authority),
            (_, Role::Passive) => {
                self.timers.insert((bind_by, UaTimer::Bind(id)));
            }
        }
    }

    /// Ends a session, as signalling has agreed (BYE). Messages under way are abandoned; late requests get 481.
    ///
    /// # Errors
    /// [`CommandError::UnknownSession`].
    pub fn close_session(&mut self, id: SessionId) -> Result<(), CommandError> {
        self.end_session(id).ok_or(CommandError::UnknownSession)
    }

    pub(crate) fn check_running(&self) -> Result<(), CommandError> {
        if self.is_draining() {
            Err(CommandError::ShuttingDown)
        } else {
            Ok(())
        }
    }

    /// Whether a session is bound to a connection, so that messages flow.
    pub fn is_ready(&self, session: SessionId) -> bool {
        self.connection_of(session).is_some()
    }

    /// The call that a session belongs to.
    pub fn call_of(&self, session: SessionId) -> Option<CallId> {
        Some(self.sessions.get(session)?.call?.0)
    }

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.table.len()
    }

    /// Octets of unfinished incoming messages that are held in memory.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// Octets that wait in the connections, to be sent or to be looked at; see
    /// [`ConnectionConfig`](msrp_core::connection::ConnectionConfig) for their bounds.
    pub fn queued(&self) -> usize {
        self.table
            .iter()
            .map(|(_, connection, _)| connection.buffered() + connection.received())
            .sum()
    }

    /// How many messages of ours are kept: those under way, and those that late reports may be about.
    pub fn outgoing_count(&self) -> usize {
        self.outgoing.len()
    }

    /// How many unfinished messages of others are kept.
    pub fn incoming_count(&self) -> usize {
        self.incoming.len()
    }

    /// The connection that a session is bound to.
    pub(crate) fn connection_of(&self, id: SessionId) -> Option<ConnectionHandle> {
        self.sessions.get(id)?.connection()
    }

    fn end_session(&mut self, id: SessionId) -> Option<()> {
        let session = self.sessions.get(id)?;
        let connection = session.connection();
        // In the order in which they were given, so that a seed replays exactly.
        let mut outgoing: Vec<_> = session.outgoing.values().copied().collect();
        outgoing.sort_unstable();
        let incoming: Vec<_> = session.incoming.values().copied().collect();
        for key in outgoing {
            self.abandon_outgoing(key);
        }
        for key in incoming {
            self.abort_incoming(key, AbortReason::SessionEnded);
        }
        self.end_conversation(id);
        let session = self.sessions.remove(id)?;
        if let Some(handle) = connection {
            if let Some((_, peer)) = self.table.get_mut(handle) {
                peer.sessions.remove(&id);
                if peer.early.remove(&id) {
                    self.table.mark_ready(handle);
                }
            }
            self.note_unused(handle);
        }
        if let Some(relay) = session.params.relay {
            // Its path has served its one session (RFC 4976 §3.1).
            self.retire_registration(relay);
        }
        Some(())
    }

    /// A session is over for a reason of the MSRP side.
    pub(crate) fn lose_session(&mut self, id: SessionId, reason: SessionLoss) {
        if self.recover(id, &reason) {
            tracing::debug!(session = id.0, ?reason, "session suspended");
            return;
        }
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.loss = Some(Box::new(reason.clone()));
        let call = session.call;
        match call {
            // The stream goes with its session.
            Some((call, stream)) => self.lose_stream(call, stream, reason),
            None if self.end_session(id).is_some() => {
                tracing::debug!(session = id.0, ?reason, "session lost");
                self.push_event(UserAgentEvent::SessionLost { session: id, reason });
            }
            None => {}
        }
    }

    pub(crate) fn push_event(&mut self, event: UserAgentEvent) {
        if !self.calls.transfers.is_empty() {
            self.note_transfer(&event);
        }
        self.events.push_back(event);
    }

    /// The next action for SIP, out of its turn among other events.
    pub(crate) fn take_sip_action(&mut self) -> Option<SipAction> {
        self.settle_calls();
        let at = self
            .events
            .iter()
            .position(|event| matches!(event, UserAgentEvent::Sip(_)))?;
        match self.events.remove(at) {
            Some(UserAgentEvent::Sip(action)) => Some(*action),
            _ => None,
        }
    }
}
