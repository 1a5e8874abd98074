//! Finding the session of a request, and binding it to the request's connection.

use msrp_core::{
    codec::Head,
    grammar::{Scheme, StatusCode},
    node::{ConnectionHandle, Fingerprint, Security, Trust},
};

use super::SessionState;
use crate::{
    event::{SessionLoss, UserAgentEvent},
    names::SessionId,
    timers::UaTimer,
    user_agent::UserAgent,
};

impl UserAgent {
    /// The session that a request is for, bound to its connection by now (RFC 4975 §5.4 and §7.3).
    ///
    /// # Errors
    /// 481 where there is none, 506 where it is bound to another connection.
    pub(crate) fn session_of(
        &mut self,
        connection: ConnectionHandle,
        head: &Head,
    ) -> Result<SessionId, StatusCode> {
        let max_uris = self.config.connection.limits().max_uris;
        // Paths that cannot be read were answered 400 before this.
        let to_path = head.to_path(max_uris).map_err(|_| StatusCode::NO_SUCH_SESSION)?;
        let uri = to_path.first().map_err(|_| StatusCode::NO_SUCH_SESSION)?;
        // At an endpoint exactly one URI is left to visit.
        if to_path.len() != 1 {
            return Err(StatusCode::NO_SUCH_SESSION);
        }
        let session_id = uri.session_id().ok_or(StatusCode::NO_SUCH_SESSION)?;
        let id = self
            .sessions
            .find(session_id)
            .ok_or(StatusCode::NO_SUCH_SESSION)?;
        let session = self.sessions.get(id).ok_or(StatusCode::NO_SUCH_SESSION)?;
        if !self.config.match_session_id_only && !session.params.local.same_as(&uri) {
            return Err(StatusCode::NO_SUCH_SESSION);
        }
        // What was promised to be encrypted does not come in the clear (RFC 4975 §6).
        let clear = self
            .table
            .get(connection)
            .is_none_or(|(connection, _)| !connection.peer().is_tls());
        if session.params.local.scheme() == Scheme::Msrps && clear && !self.config.behind_tls_terminator {
            return Err(StatusCode::NO_SUCH_SESSION);
        }
        match session.state {
            SessionState::Bound(bound) | SessionState::Early(bound) if bound == connection => Ok(id),
            SessionState::Bound(_) | SessionState::Early(_) => Err(StatusCode::WRONG_CONNECTION),
            SessionState::Suspended => Err(StatusCode::NO_SUCH_SESSION),
            SessionState::AwaitingBind(_) | SessionState::Connecting | SessionState::Offered => {
                // What goes through a relay comes over the connection on which the relay was asked, and over no other.
                if self.relay_of(id).is_some_and(|relay| relay != connection) {
                    return Err(StatusCode::WRONG_CONNECTION);
                }
                if !self.presents_right_certificate(id, connection) {
                    self.lose_session(id, SessionLoss::Certificate);
                    return Err(StatusCode::FORBIDDEN);
                }
                self.bind(id, connection);
                Ok(id)
            }
        }
    }

    /// Whether a peer that has connected is who its SDP says by the fingerprint of its certificate (RFC 8122 §6.2). Where no
    /// certificate was presented the request has to be enough (RFC 6135 §4.3), unless the configuration demands one.
    pub(super) fn presents_right_certificate(&self, id: SessionId, connection: ConnectionHandle) -> bool {
        let Some(Trust::Fingerprints(expected)) = self.sessions.get(id).map(|session| &session.params.trust)
        else {
            return true;
        };
        let security = self
            .table
            .get(connection)
            .map(|(connection, _)| &connection.peer().security);
        match security {
            Some(Security::Tls(peer)) => match &peer.certificate {
                Some(certificate) => Fingerprint::any_matches(expected, certificate),
                None => !self.config.demand_certificates,
            },
            // Whether it may be in the clear has been decided before.
            _ => true,
        }
    }

    /// The connection to the relay through which a session goes.
    pub(crate) fn relay_of(&self, id: SessionId) -> Option<ConnectionHandle> {
        let relay = self.sessions.get(id)?.params.relay?;
        self.relay_connection(relay)
    }

    /// Binds a session to a connection: what waits can be sent.
    pub(crate) fn bind(&mut self, id: SessionId, connection: ConnectionHandle) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        tracing::debug!(session = id.0, "session bound");
        if session.state == SessionState::Offered {
            session.state = SessionState::Early(connection);
            let through_relay = session.params.relay.is_some();
            if let Some((_, peer)) = self.table.get_mut(connection) {
                peer.take_session(id);
                // What comes through a relay is vouched for by it, and others use its connection too.
                if !through_relay {
                    peer.early.insert(id);
                }
            }
            return;
        }
        session.state = SessionState::Bound(connection);
        session.loss = None;
        session.wants_lane = !session.waiting.is_empty();
        let wants_lane = session.wants_lane;
        if let Some(interval) = self.config.keep_alive {
            session.silent_since = Some(self.now);
            self.timers.insert((self.now + interval, UaTimer::KeepAlive(id)));
        }
        if let Some((_, peer)) = self.table.get_mut(connection) {
            peer.take_session(id);
            if wants_lane {
                peer.want_lanes.push_back(id);
            }
        }
        self.push_event(UserAgentEvent::SessionReady { session: id });
        self.on_session_bound(id);
        self.start_waiting(connection);
    }
}
