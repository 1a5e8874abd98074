//! Sessions whose connection is lost, and which signalling sets up anew with other URIs (RFC 4975 §5.4). The user's name for
//! the session stays, and so does what has not been delivered.

use bytes::Bytes;
use msrp_core::grammar::StatusCode;

use super::{SessionParams, SessionState};
use crate::{error::CommandError, event::SessionLoss, names::SessionId, user_agent::UserAgent};

impl UserAgent {
    /// Takes a session off its connection. Its URI is worth nothing any more; messages wait until it is
    /// [set up again](Self::resume_session).
    pub(crate) fn suspend_session(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        let connection = entry.connection();
        let relay = entry.params.relay.take();
        entry.state = SessionState::Suspended;
        entry.begun = false;
        entry.generation = entry.generation.wrapping_add(1);
        entry.silent_since = None;
        // The ways back are gone with the connection.
        for received in &mut entry.received {
            received.back = Bytes::new();
        }
        let unfinished: Vec<_> = entry.incoming.values().copied().collect();
        self.sessions.unlink(id);
        for key in &unfinished {
            if let Some(incoming) = self.incoming.get_mut(key) {
                incoming.back = Bytes::new();
            }
        }
        for pending in &mut self.pending {
            pending.forget(id);
        }
        if let Some(handle) = connection {
            if let Some((connection, peer)) = self.table.get_mut(handle) {
                // What is coming in right now will come again.
                if let Some(chunk) = peer.current.take_if(|chunk| unfinished.contains(&chunk.message)) {
                    let gone = StatusCode::NO_SUCH_SESSION;
                    let _known = connection.reject(chunk.request, gone, gone.phrase());
                }
                peer.sessions.remove(&id);
                peer.early.remove(&id);
                peer.want_lanes.retain(|&session| session != id);
                peer.delayed.bodiless.remove(&id);
            }
            self.table.mark_ready(handle);
            self.note_unused(handle);
        }
        self.requeue_outgoing(id);
        if let Some(relay) = relay {
            self.retire_registration(relay);
        }
    }

    /// Goes on with a session that is [suspended](Self::suspend_session), or changes what was agreed on one that is not.
    ///
    /// # Errors
    /// [`CommandError`]; the session is suspended then.
    pub(crate) fn resume_session(
        &mut self,
        id: SessionId,
        params: SessionParams,
    ) -> Result<(), CommandError> {
        let state = self.sessions.get(id).ok_or(CommandError::UnknownSession)?.state;
        if state != SessionState::Suspended {
            self.suspend_session(id);
        }
        if let Some(relay) = params.relay {
            self.relay_for(relay, &params.local)?;
        }
        if !self.sessions.relink(id, params) {
            return Err(CommandError::LocalUri);
        }
        self.start_session(id);
        Ok(())
    }

    /// The answer to what was offered is here: the session goes on where the peer has connected already, or connects.
    pub(crate) fn confirm_session(&mut self, id: SessionId, params: SessionParams) {
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        entry.params = params;
        match entry.state {
            SessionState::Early(connection) => {
                if let Some((_, peer)) = self.table.get_mut(connection) {
                    peer.early.remove(&id);
                }
                if self.presents_right_certificate(id, connection) {
                    self.bind(id, connection);
                } else {
                    self.lose_session(id, SessionLoss::Certificate);
                }
                // What has come since can be read now.
                self.pump(connection);
            }
            SessionState::Offered => self.start_session(id),
            _ => {}
        }
    }

    /// Something else was agreed on for a session that goes on.
    pub(crate) fn change_session(&mut self, id: SessionId, params: SessionParams) {
        if let Some(entry) = self.sessions.get_mut(id) {
            entry.params = params;
        }
    }
}
