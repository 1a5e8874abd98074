//! Finding the session of a request, and binding it to the request's connection.

use msrp_core::{codec::Head, grammar::StatusCode, node::ConnectionHandle};

use super::SessionState;
use crate::{event::UserAgentEvent, names::SessionId, user_agent::UserAgent};

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
        let none = |_| StatusCode::NO_SUCH_SESSION;
        let to_path = head.to_path(max_uris).map_err(none)?;
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
        let session = self.sessions.get_mut(id).ok_or(StatusCode::NO_SUCH_SESSION)?;
        if !self.config.match_session_id_only && !session.params.local.same_as(&uri) {
            return Err(StatusCode::NO_SUCH_SESSION);
        }
        match session.state {
            SessionState::Bound(bound) if bound == connection => Ok(id),
            SessionState::Bound(_) => Err(StatusCode::WRONG_CONNECTION),
            SessionState::AwaitingBind(_) | SessionState::Connecting => {
                self.bind(id, connection);
                Ok(id)
            }
        }
    }

    /// Binds a session to a connection: what waits can be sent.
    pub(crate) fn bind(&mut self, id: SessionId, connection: ConnectionHandle) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.state = SessionState::Bound(connection);
        let interval = self.config.keep_alive;
        session.keep_alive_at = interval.map(|interval| self.now + interval);
        if let Some(at) = session.keep_alive_at {
            self.timers.insert((at, crate::timers::UaTimer::KeepAlive(id)));
        }
        if let Some((_, peer)) = self.table.get_mut(connection) {
            peer.sessions += 1;
            peer.idle_since = None;
            peer.bind_by = None;
        }
        self.push_event(UserAgentEvent::SessionReady { session: id });
        self.start_waiting(id);
    }
}
