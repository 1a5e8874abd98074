//! Connections of a user agent: made, shared among sessions, and given up (RFC 4975 §5.4).

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use msrp_core::{
    connection::{Connection, ConnectionError, OutgoingId},
    grammar::{Scheme, Uri},
    node::{Action, ConnectFailure, ConnectToken, ConnectionHandle, PeerInfo, Target, Trust},
};

use crate::{
    event::{RegistrationLoss, SessionLoss},
    message::incoming::CurrentChunk,
    names::{OutgoingKey, RegistrationId, SessionId},
    relay_client::Turn,
    report::DelayedReport,
    session::{SessionParams, SessionState},
    timers::UaTimer,
    user_agent::UserAgent,
};

/// What a connection that we opened leads to; sessions with the same target share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    scheme: Scheme,
    host: String,
    port: Option<u16>,
    trust: Trust,
    /// A middlebox that is connected to instead.
    instead: Option<(String, u16)>,
    client_identity: bool,
}

impl Authority {
    pub(crate) fn of(uri: &Uri, trust: &Trust) -> Self {
        Self {
            scheme: uri.scheme(),
            host: uri.normalized_host(),
            port: uri.port(),
            // Trust only matters where there is TLS.
            trust: if uri.scheme() == Scheme::Msrps {
                trust.clone()
            } else {
                Trust::Pki
            },
            instead: None,
            client_identity: false,
        }
    }

    /// Where a session that we begin leads to.
    pub(crate) fn of_session(params: &SessionParams) -> Self {
        let authority = Self::of(params.remote.first(), &params.trust);
        Self {
            instead: params.connect.clone(),
            client_identity: params.client_identity && authority.scheme == Scheme::Msrps,
            ..authority
        }
    }

    fn target(&self) -> Target {
        let mut target =
            Target::new(self.scheme, self.host.clone(), self.port).with_trust(self.trust.clone());
        target.instead.clone_from(&self.instead);
        target.client_identity = self.client_identity;
        target
    }
}

/// What a user agent keeps beside a connection.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// Where it leads, if we opened it.
    pub(crate) authority: Option<Authority>,
    /// The sessions that are bound to it.
    pub(crate) sessions: BTreeSet<SessionId>,
    /// The registrations that it carries.
    pub(crate) registrations: BTreeSet<RegistrationId>,
    /// Our messages under way on it.
    pub(crate) lanes: BTreeMap<OutgoingId, OutgoingKey>,
    /// Sessions with messages that wait for a lane; each once.
    pub(crate) want_lanes: VecDeque<SessionId>,
    /// Which registration asks its relay.
    pub(crate) turn: Turn,
    /// Requests that wait for room.
    pub(crate) delayed: Delayed,
    /// The chunk that is coming in.
    pub(crate) current: Option<CurrentChunk>,
    /// Sessions of which the peer knows more than we do: its answer is on its way. Nothing more is read before it is here,
    /// because it says whether this is the peer (RFC 8122).
    pub(crate) early: BTreeSet<SessionId>,
    /// It stands in the queue of those that are not pulled because nobody pulls our events.
    pub(crate) stalled: bool,
    /// An accepted connection has to bind a session by then.
    pub(crate) bind_by: Option<Instant>,
    pub(crate) idle_since: Option<Instant>,
}

impl Peer {
    /// A session is bound to it from now on.
    pub(crate) fn take_session(&mut self, session: SessionId) {
        self.sessions.insert(session);
        self.idle_since = None;
        self.bind_by = None;
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.sessions.is_empty() && self.registrations.is_empty()
    }
}

/// Requests that found no room, as the peer did not read. It is asked for nothing more until there is, so there are few
/// of them.
#[derive(Debug, Default)]
pub(crate) struct Delayed {
    pub(crate) reports: VecDeque<DelayedReport>,
    pub(crate) bodiless: BTreeSet<SessionId>,
    pub(crate) auth: BTreeSet<RegistrationId>,
}

/// Who waits for a connection that is being made.
#[derive(Debug)]
pub(crate) struct Pending {
    token: ConnectToken,
    authority: Authority,
    sessions: Vec<SessionId>,
    registrations: Vec<RegistrationId>,
}

impl Pending {
    /// A session waits no more.
    pub(crate) fn forget(&mut self, session: SessionId) {
        self.sessions.retain(|&waiting| waiting != session);
    }
}

impl UserAgent {
    /// The connection to a target: one that exists, or one that is being made from now on.
    pub(crate) fn connection_to(&mut self, authority: &Authority) -> Option<ConnectionHandle> {
        self.table
            .iter()
            .find(|(_, connection, peer)| {
                !connection.is_closed() && peer.authority.as_ref() == Some(authority)
            })
            .map(|(handle, _, _)| handle)
    }

    fn pending_to(&mut self, authority: Authority) -> &mut Pending {
        if let Some(at) = self
            .pending
            .iter()
            .position(|pending| pending.authority == authority)
        {
            return &mut self.pending[at];
        }
        self.next_token += 1;
        let token = ConnectToken(self.next_token);
        self.actions.push_back(Action::Connect {
            token,
            target: authority.target(),
        });
        self.pending.push(Pending {
            token,
            authority,
            sessions: Vec::new(),
            registrations: Vec::new(),
        });
        let last = self.pending.len() - 1;
        &mut self.pending[last]
    }

    /// Binds a session to a connection to `authority`, when there is one.
    pub(crate) fn connect_session(&mut self, session: SessionId, authority: Authority) {
        match self.connection_to(&authority) {
            Some(handle) => self.begin_session(session, handle),
            None => self.pending_to(authority).sessions.push(session),
        }
    }

    pub(crate) fn connect_registration(&mut self, registration: RegistrationId, authority: Authority) {
        match self.connection_to(&authority) {
            Some(handle) => self.begin_registration(registration, handle),
            None => self.pending_to(authority).registrations.push(registration),
        }
    }

    /// Our side of a session has its connection: the session is bound, and the first SEND goes out at once
    /// (RFC 4975 §5.4).
    pub(crate) fn begin_session(&mut self, session: SessionId, handle: ConnectionHandle) {
        self.bind(session, handle);
        let silent = self.sessions.get(session).is_some_and(|entry| !entry.begun);
        if silent {
            self.send_bodiless(session);
        }
    }

    /// A connect has come to an end.
    pub(crate) fn on_connected(
        &mut self,
        token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle> {
        let at = self.pending.iter().position(|pending| pending.token == token)?;
        let pending = self.pending.remove(at);
        let may_be_clear = pending.authority.scheme != Scheme::Msrps || self.config.behind_tls_terminator;
        let outcome = match outcome {
            // A driver that cannot do TLS must not get us to talk in the clear (RFC 4975 §6).
            Ok(peer) if !may_be_clear && !peer.is_tls() => {
                Err(ConnectFailure::Tls("the connection is not encrypted".to_owned()))
            }
            outcome => outcome,
        };
        let peer = match outcome {
            Ok(peer) => peer,
            Err(failure) => {
                for registration in pending.registrations {
                    self.lose_registration(registration, RegistrationLoss::Connect(failure.clone()));
                }
                for session in pending.sessions {
                    self.lose_session(session, SessionLoss::Connect(failure.clone()));
                }
                return None;
            }
        };
        let wanted = pending
            .sessions
            .iter()
            .any(|&session| self.sessions.get(session).is_some())
            || pending
                .registrations
                .iter()
                .any(|&registration| self.knows_registration(registration));
        if !wanted {
            return None;
        }
        let data = Peer {
            authority: Some(pending.authority),
            ..Peer::default()
        };
        let handle = self.add_connection(peer, data);
        for registration in pending.registrations {
            self.begin_registration(registration, handle);
        }
        for session in pending.sessions {
            if self
                .sessions
                .get(session)
                .is_some_and(|entry| entry.state == SessionState::Connecting)
            {
                self.begin_session(session, handle);
            }
        }
        self.note_unused(handle);
        Some(handle)
    }

    pub(crate) fn add_connection(&mut self, peer: PeerInfo, data: Peer) -> ConnectionHandle {
        let framing = peer.framing;
        let seed = self.ids.fork_seed();
        let connection = Connection::new(self.now, self.config.connection.clone(), peer, framing, seed);
        self.table.insert(connection, data)
    }

    /// A connection has lost a user: without any it is closed after a while.
    pub(crate) fn note_unused(&mut self, handle: ConnectionHandle) {
        let now = self.now;
        let idle_timeout = self.config.idle_timeout;
        if let Some((_, peer)) = self.table.get_mut(handle)
            && peer.is_unused()
            && peer.bind_by.is_none()
            && peer.idle_since.is_none()
        {
            peer.idle_since = Some(now);
            self.timers.insert((now + idle_timeout, UaTimer::Unused(handle)));
        }
    }

    /// A connection has ended, and everything on it (RFC 4975 §5.4).
    pub(crate) fn on_closed(&mut self, handle: ConnectionHandle, reason: ConnectionError) {
        let Some((_, peer)) = self.table.get_mut(handle) else {
            return;
        };
        peer.current = None;
        let sessions = std::mem::take(&mut peer.sessions);
        let registrations = std::mem::take(&mut peer.registrations);
        for session in sessions {
            self.lose_session(session, SessionLoss::Connection(reason));
        }
        for registration in registrations {
            self.lose_registration(registration, RegistrationLoss::Connection(reason));
        }
    }
}
