//! The user agent as a node.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    time::Instant,
};

use bytes::BytesMut;
use hashbrown::HashMap;
use msrp_core::{
    codec::{Head, StartLine},
    connection::{CloseReason, Event, Outcome, OutgoingRequest, Transmit},
    grammar::{FailureReport, MessageId, Method, Scheme, StatusCode, Uri},
    node::{Action, ConnectFailure, ConnectToken, ConnectionHandle, Node, PeerInfo, Refused, Ticket},
    rng::IdSource,
    table::ConnectionTable,
};

use crate::{
    config::UserAgentConfig,
    connect::{Authority, Peer, Pending},
    error::CommandError,
    event::{AbortReason, SessionLoss, UserAgentEvent},
    message::{OutgoingMessage, incoming::Accept, incoming::Incoming, outgoing::Outgoing},
    names::{IncomingKey, OutgoingKey, SessionId},
    relay_client::{Registrations, RelayAccount},
    session::{Role, Session, SessionParams, SessionState, Sessions},
    timers::UaTimer,
};

/// What the transactions of our connections are about, in the 64 bits that come back with their outcome.
pub(crate) mod tag {
    use crate::names::{OutgoingKey, RegistrationId, SessionId};

    const SHIFT: u32 = 62;
    const NUMBER: u64 = (1 << SHIFT) - 1;

    pub(crate) enum Tagged {
        Message(OutgoingKey),
        Registration(RegistrationId),
        KeepAlive(SessionId),
    }

    pub(crate) fn message(key: OutgoingKey) -> u64 {
        key.0
    }

    pub(crate) fn registration(id: RegistrationId) -> u64 {
        id.0 | (1 << SHIFT)
    }

    pub(crate) fn keep_alive(id: SessionId) -> u64 {
        id.0 | (2 << SHIFT)
    }

    pub(crate) fn read(tag: u64) -> Tagged {
        match tag >> SHIFT {
            0 => Tagged::Message(OutgoingKey(tag)),
            1 => Tagged::Registration(RegistrationId(tag & NUMBER)),
            _ => Tagged::KeepAlive(SessionId(tag & NUMBER)),
        }
    }
}

/// The MSRP side of an endpoint: sessions, their messages, and the relays that they go through.
///
/// It is a [`Node`]: a driver of `msrp-transport`, or a loop of your own, moves its octets. What the application wants
/// it says by the methods (or, from another thread, by a [`UserAgentCommand`]); what it should know comes by
/// [`poll_event`](Node::poll_event). Methods take effect at the time that the node was told last; call
/// [`tick`](Self::tick) before them where that may be long ago.
#[derive(Debug)]
pub struct UserAgent {
    pub(crate) config: UserAgentConfig,
    pub(crate) now: Instant,
    pub(crate) ids: IdSource,
    pub(crate) table: ConnectionTable<Peer>,
    pub(crate) sessions: Sessions,
    pub(crate) outgoing: HashMap<OutgoingKey, Outgoing, foldhash::fast::RandomState>,
    /// Messages whose acceptance by the next hop has been told.
    pub(crate) accepted: BTreeSet<OutgoingKey>,
    /// Messages that are kept for late reports only, the oldest first.
    pub(crate) retired: VecDeque<OutgoingKey>,
    pub(crate) incoming: BTreeMap<IncomingKey, Incoming>,
    /// Messages that the application has refused, so that later chunks of them are too.
    pub(crate) refused: VecDeque<(SessionId, MessageId, StatusCode)>,
    pub(crate) registrations: Registrations,
    pub(crate) pending: Vec<Pending>,
    pub(crate) timers: BTreeSet<(Instant, UaTimer)>,
    pub(crate) actions: VecDeque<Action<Infallible>>,
    pub(crate) next_key: u64,
    pub(crate) next_token: u64,
    events: VecDeque<UserAgentEvent>,
    /// Connections that are not pulled because nobody pulls our events, or decides on a message.
    stalled: VecDeque<ConnectionHandle>,
    draining: bool,
}

/// What an application can tell a user agent from another thread.
#[derive(Debug)]
#[non_exhaustive]
pub enum UserAgentCommand {
    /// See [`UserAgent::register`].
    Register(Box<RelayAccount>),
    /// See [`UserAgent::open_session`].
    OpenSession(Box<SessionParams>),
    /// See [`UserAgent::close_session`].
    CloseSession(SessionId),
    /// See [`UserAgent::send`].
    Send(SessionId, Box<OutgoingMessage>),
    /// See [`UserAgent::cancel`].
    Cancel(OutgoingKey),
    /// See [`UserAgent::source_ready`].
    SourceReady(OutgoingKey),
    /// See [`UserAgent::accept`].
    Accept(IncomingKey, Accept),
    /// See [`UserAgent::reject`].
    Reject(IncomingKey, StatusCode),
    /// See [`UserAgent::shut_down`].
    ShutDown,
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
            accepted: BTreeSet::new(),
            retired: VecDeque::new(),
            incoming: BTreeMap::new(),
            refused: VecDeque::new(),
            registrations: Registrations::default(),
            pending: Vec::new(),
            timers: BTreeSet::new(),
            actions: VecDeque::new(),
            next_key: 0,
            next_token: 0,
            events: VecDeque::new(),
            stalled: VecDeque::new(),
            draining: false,
        }
    }

    /// Tells the time.
    pub fn tick(&mut self, now: Instant) {
        self.now = self.now.max(now);
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
            .or_else(|_| Uri::build(scheme, "invalid.invalid", *port, Some(&session_id), "tcp"))
            .unwrap_or_else(|_| unreachable!("a fixed host, a number and base32 make a URI"))
    }

    /// Begins a session that signalling has agreed on.
    ///
    /// The active side connects and says something at once; the passive side waits to be bound (RFC 4975 §5.4). With a
    /// relay the session is bound to the connection over which the relay was asked.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn open_session(&mut self, params: SessionParams) -> Result<SessionId, CommandError> {
        let limit = self.config.max_sessions;
        if self.sessions.len() >= limit {
            return Err(CommandError::TooManySessions { limit });
        }
        let relay = match params.relay {
            Some(relay) => {
                let registration = self
                    .registrations
                    .0
                    .get(&relay)
                    .ok_or(CommandError::UnknownRegistration)?;
                if registration.use_path.is_none() {
                    return Err(CommandError::NotRegistered);
                }
                if registration.used_by.is_some() {
                    return Err(CommandError::RelayPathInUse);
                }
                Some(self.relay_connection(relay).ok_or(CommandError::NotRegistered)?)
            }
            None => None,
        };
        let authority = Authority::of(params.remote.first(), &params.trust);
        let (role, registration) = (params.role, params.relay);
        let state = match role {
            Role::Active => SessionState::Connecting,
            Role::Passive => SessionState::AwaitingBind(self.now + self.config.bind_timeout),
        };
        let session = Session {
            params,
            state,
            begun: false,
            waiting: VecDeque::new(),
            outgoing: HashMap::default(),
            incoming: BTreeMap::new(),
            seen: VecDeque::new(),
            refused_types: Vec::new(),
            keep_alive_at: None,
        };
        let id = self.sessions.insert(session).ok_or(CommandError::LocalUri)?;
        if let Some(registration) = registration
            && let Some(registration) = self.registrations.0.get_mut(&registration)
        {
            registration.used_by = Some(id);
        }
        match (relay, role) {
            (Some(handle), Role::Active) => self.begin_session(id, handle),
            (Some(handle), Role::Passive) => self.bind(id, handle),
            (None, Role::Active) => self.connect_session(id, authority),
            (None, Role::Passive) => {
                self.timers
                    .insert((self.now + self.config.bind_timeout, UaTimer::Bind(id)));
            }
        }
        Ok(id)
    }

    /// Ends a session, as signalling has agreed (BYE). Messages under way are abandoned; late requests get 481.
    ///
    /// # Errors
    /// [`CommandError::UnknownSession`].
    pub fn close_session(&mut self, id: SessionId) -> Result<(), CommandError> {
        self.end_session(id).ok_or(CommandError::UnknownSession)
    }

    /// Ends everything: sessions are closed, connections flushed and closed, and nothing new is taken.
    pub fn shut_down(&mut self) {
        self.draining = true;
        let ids: Vec<_> = self.sessions.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.end_session(id);
        }
        for handle in self.table.handles() {
            if let Some((connection, _)) = self.table.get_mut(handle) {
                connection.close(self.now, CloseReason::Shutdown);
            }
            self.pump(handle);
        }
    }

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.table.len()
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
        let session = self.sessions.remove(id)?;
        self.refused.retain(|&(of, _, _)| of != id);
        if let Some(relay) = session.params.relay
            && let Some(registration) = self.registrations.0.remove(&relay)
        {
            // Its path has served its one session (RFC 4976 §3.1).
            self.release_registration(&registration);
        }
        if let Some(handle) = connection {
            if let Some((_, peer)) = self.table.get_mut(handle) {
                peer.sessions = peer.sessions.saturating_sub(1);
            }
            self.note_unused(handle);
        }
        Some(())
    }

    /// A session is over for a reason of the MSRP side.
    pub(crate) fn lose_session(&mut self, id: SessionId, reason: SessionLoss) {
        if self.end_session(id).is_some() {
            self.push_event(UserAgentEvent::SessionLost { session: id, reason });
        }
    }

    pub(crate) fn push_event(&mut self, event: UserAgentEvent) {
        self.events.push_back(event);
    }

    /// Sends a SEND without a body: it binds a session, or keeps it alive (RFC 4975 §7.1).
    pub(crate) fn send_bodiless(&mut self, id: SessionId) {
        let now = self.now;
        let Some((to_path, from_path)) = self.paths(id) else {
            return;
        };
        let message_id = self.ids.message_id();
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        entry.begun = true;
        let Some(handle) = entry.connection() else { return };
        let Some((connection, _)) = self.table.get_mut(handle) else {
            return;
        };
        let sent = connection.send_request(
            now,
            &OutgoingRequest {
                method: Method::Send,
                to_path: to_path.as_bytes(),
                from_path: from_path.as_bytes(),
                headers: &[("Message-ID", message_id.as_bytes()), ("Byte-Range", b"1-0/0")],
                body: None,
                failure_report: FailureReport::Yes,
                tag: Some(tag::keep_alive(id)),
            },
        );
        if let Err(error) = sent {
            tracing::debug!(%error, "SEND without body not sent");
        }
        self.table.mark_ready(handle);
        self.rearm(handle);
    }

    pub(crate) fn keep_alive(&mut self, id: SessionId) {
        let Some(interval) = self.config.keep_alive else {
            return;
        };
        let at = self.now + interval;
        if let Some(entry) = self.sessions.get_mut(id) {
            entry.keep_alive_at = Some(at);
            self.timers.insert((at, UaTimer::KeepAlive(id)));
            self.send_bodiless(id);
        }
    }

    pub(crate) fn rearm(&mut self, handle: ConnectionHandle) {
        self.table.rearm(handle, None);
    }

    fn events_full(&self) -> bool {
        self.events.len() >= self.config.max_events
    }

    /// Pulls a connection's events, and tells the driver to look at it.
    pub(crate) fn pump(&mut self, handle: ConnectionHandle) {
        self.pull(handle);
        self.table.mark_ready(handle);
    }

    /// Pulls a connection's events until there are none, or somebody has to act first.
    fn pull(&mut self, handle: ConnectionHandle) {
        loop {
            let Some((_, peer)) = self.table.get(handle) else {
                return;
            };
            let undecided = peer.current.map(|chunk| chunk.message);
            let waits = undecided.is_some_and(|message| self.is_undecided(message));
            if waits || self.events_full() {
                if let Some((connection, peer)) = self.table.get_mut(handle)
                    && !peer.stalled
                {
                    peer.stalled = true;
                    connection.settle();
                    self.stalled.push_back(handle);
                }
                break;
            }
            let Some((connection, _)) = self.table.get_mut(handle) else {
                return;
            };
            let Some(event) = connection.poll_event(self.now) else {
                break;
            };
            self.on_event(handle, event);
        }
        self.rearm(handle);
        let drained = self
            .table
            .get(handle)
            .is_some_and(|(connection, _)| connection.is_drained());
        if drained {
            self.table.remove(handle);
            self.actions.push_back(Action::Close { connection: handle });
        }
    }

    /// Goes on with connections that had to wait.
    pub(crate) fn resume_stalled(&mut self) {
        for _ in 0..self.stalled.len() {
            if self.events_full() {
                return;
            }
            let Some(handle) = self.stalled.pop_front() else {
                return;
            };
            if let Some((_, peer)) = self.table.get_mut(handle) {
                peer.stalled = false;
                self.pump(handle);
            }
        }
    }

    fn on_event(&mut self, handle: ConnectionHandle, event: Event) {
        match event {
            Event::Request { id, head } => self.on_request(handle, id, &head),
            Event::Body { id, data, offset } => {
                let Some((_, peer)) = self.table.get(handle) else {
                    return;
                };
                let Some(chunk) = peer.current.filter(|chunk| chunk.request == id) else {
                    return;
                };
                if let Err(code) = self.chunk_data(chunk, offset, data) {
                    self.refuse(handle, id, code);
                }
            }
            Event::RequestEnd { id, flag, received } => {
                let Some((_, peer)) = self.table.get_mut(handle) else {
                    return;
                };
                if let Some(chunk) = peer.current.take_if(|chunk| chunk.request == id) {
                    self.end_chunk(chunk, flag, received);
                }
            }
            Event::RequestAborted { id } => {
                if let Some((_, peer)) = self.table.get_mut(handle) {
                    // What has come of the chunk counts; the session's end decides about the message.
                    let _ended = peer.current.take_if(|chunk| chunk.request == id);
                }
            }
            Event::ChunkSent {
                tag,
                range,
                flag,
                tracked,
                ..
            } => {
                if let tag::Tagged::Message(key) = tag::read(tag) {
                    self.on_chunk_sent(key, range, flag, tracked);
                }
            }
            Event::TransactionEnded {
                tag, range, outcome, ..
            } => match tag::read(tag) {
                tag::Tagged::Message(key) => self.on_chunk_outcome(key, range, &outcome),
                tag::Tagged::Registration(id) => self.on_auth_outcome(id, outcome),
                tag::Tagged::KeepAlive(id) => self.on_keep_alive_outcome(id, &outcome),
            },
            Event::Writable { outgoing } => {
                let key = self
                    .table
                    .get(handle)
                    .and_then(|(_, peer)| peer.lanes.get(&outgoing).copied());
                if let Some(key) = key {
                    self.pump_outgoing(key);
                }
            }
            Event::Closed { reason } => self.on_closed(handle, reason),
            _ => {}
        }
    }

    fn on_keep_alive_outcome(&mut self, id: SessionId, outcome: &Outcome) {
        let code = match outcome {
            Outcome::Response { code, .. } if code.is_success() => return,
            Outcome::Response { code, .. } => *code,
            Outcome::TimedOut => StatusCode::REQUEST_TIMEOUT,
            _ => return,
        };
        self.lose_session(id, SessionLoss::Refused(code));
    }

    /// A request has begun: the checks come in the order of RFC 4975 §7.3 (row 4975-G-01).
    fn on_request(&mut self, handle: ConnectionHandle, id: msrp_core::connection::RequestId, head: &Head) {
        let StartLine::Request { method } = head.start() else {
            return;
        };
        let session = match self.session_of(handle, head) {
            Ok(session) => session,
            Err(code) => return self.refuse(handle, id, code),
        };
        match method {
            Method::Report => self.on_report_request(session, head),
            Method::Send if head.has_body() => {
                if let Some(code) = self.refused_before(session, head) {
                    return self.refuse(handle, id, code);
                }
                match self.begin_chunk(session, id, head) {
                    Ok(chunk) => {
                        if let Some((_, peer)) = self.table.get_mut(handle) {
                            peer.current = Some(chunk);
                        }
                    }
                    Err(code) => self.refuse(handle, id, code),
                }
            }
            // Without a body it binds, or keeps alive; the connection answers it.
            Method::Send => {}
            _ => self.refuse(handle, id, StatusCode::NOT_IMPLEMENTED),
        }
    }

    fn refuse(&mut self, handle: ConnectionHandle, id: msrp_core::connection::RequestId, code: StatusCode) {
        if let Some((connection, peer)) = self.table.get_mut(handle) {
            peer.current = None;
            // The request is the one at hand, so it is known.
            let _known = connection.reject(id, code, code.phrase());
        }
    }
}

impl Node for UserAgent {
    type Event = UserAgentEvent;
    type Command = UserAgentCommand;
    type Rejected = CommandError;
    type Query = Infallible;
    type Answer = Infallible;

    fn handle_accepted(&mut self, now: Instant, peer: PeerInfo) -> Result<ConnectionHandle, Refused> {
        self.tick(now);
        if self.draining {
            return Err(Refused::Draining);
        }
        let limit = self.config.max_connections;
        if self.table.len() >= limit {
            return Err(Refused::TooManyConnections { limit });
        }
        let bind_by = self.now + self.config.bind_timeout;
        let handle = self.add_connection(
            peer,
            Peer {
                bind_by: Some(bind_by),
                ..Peer::default()
            },
        );
        self.timers.insert((bind_by, UaTimer::Unused(handle)));
        Ok(handle)
    }

    fn handle_connected(
        &mut self,
        now: Instant,
        token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle> {
        self.tick(now);
        self.on_connected(token, outcome)
    }

    fn handle_read(&mut self, now: Instant, connection: ConnectionHandle, block: BytesMut) {
        self.tick(now);
        if let Some((it, _)) = self.table.get_mut(connection) {
            it.handle_read(now, block);
            self.pump(connection);
        }
    }

    fn handle_message_end(&mut self, now: Instant, connection: ConnectionHandle) {
        self.tick(now);
        if let Some((it, _)) = self.table.get_mut(connection) {
            it.handle_message_end(now);
            self.pump(connection);
        }
    }

    fn handle_eof(&mut self, now: Instant, connection: ConnectionHandle) {
        self.tick(now);
        if let Some((it, _)) = self.table.get_mut(connection) {
            it.handle_read_eof(now);
            self.pump(connection);
        }
    }

    fn handle_reset(&mut self, now: Instant, connection: ConnectionHandle) {
        self.tick(now);
        if let Some((it, _)) = self.table.get_mut(connection) {
            it.handle_reset(now);
            while let Some((it, _)) = self.table.get_mut(connection) {
                let Some(event) = it.poll_event(now) else { break };
                self.on_event(connection, event);
            }
            self.table.remove(connection);
        }
    }

    fn handle_command(&mut self, now: Instant, command: UserAgentCommand) -> Result<(), CommandError> {
        self.tick(now);
        match command {
            UserAgentCommand::Register(account) => self.register(*account).map(|_| ()),
            UserAgentCommand::OpenSession(params) => self.open_session(*params).map(|_| ()),
            UserAgentCommand::CloseSession(id) => self.close_session(id),
            UserAgentCommand::Send(id, message) => self.send(id, *message).map(|_| ()),
            UserAgentCommand::Cancel(key) => self.cancel(key),
            UserAgentCommand::SourceReady(key) => {
                self.source_ready(key);
                Ok(())
            }
            UserAgentCommand::Accept(key, how) => self.accept(key, how),
            UserAgentCommand::Reject(key, code) => self.reject(key, code),
            UserAgentCommand::ShutDown => {
                self.shut_down();
                Ok(())
            }
        }
    }

    fn handle_answer(&mut self, now: Instant, _ticket: Ticket, answer: Infallible) {
        self.tick(now);
        match answer {}
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.tick(now);
        while let Some(handle) = self.table.pop_expired(self.now) {
            if let Some((connection, _)) = self.table.get_mut(handle) {
                connection.handle_timeout(now);
                self.pump(handle);
            }
        }
        self.run_timers();
    }

    fn wants_read(&self, connection: ConnectionHandle) -> bool {
        self.table
            .get(connection)
            .is_some_and(|(connection, _)| connection.wants_read())
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        connection: ConnectionHandle,
        budget: usize,
    ) -> Option<Transmit<'_>> {
        self.tick(now);
        // What the last write completed is to be heard before more is asked for: it may make room for more.
        self.pull(connection);
        let (connection, _) = self.table.get_mut(connection)?;
        connection.poll_transmit(now, budget)
    }

    fn poll_ready(&mut self) -> Option<ConnectionHandle> {
        self.table.pop_ready()
    }

    fn poll_action(&mut self) -> Option<Action<Infallible>> {
        self.actions.pop_front()
    }

    fn poll_event(&mut self) -> Option<UserAgentEvent> {
        let event = self.events.pop_front();
        if !self.stalled.is_empty() && self.events.len() <= self.config.max_events / 2 {
            self.resume_stalled();
        }
        event
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.table.next_deadline(), self.timers.first().map(|&(at, _)| at)]
            .into_iter()
            .flatten()
            .min()
    }
}
