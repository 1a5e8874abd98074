//! SENDs without a body: the first word in a session, and keep-alives (RFC 4975 §5.4, §7.1).

use msrp_core::{
    connection::{Outcome, OutgoingRequest, SendError},
    grammar::{FailureReport, Method, StatusCode},
};

use super::{UserAgent, tag};
use crate::{event::SessionLoss, names::SessionId, timers::UaTimer};

impl UserAgent {
    /// Sends a SEND without a body: it binds a session, or keeps it alive.
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
        let tag = tag::bodiless(id, entry.generation);
        let Some(handle) = entry.connection() else { return };
        let Some((connection, peer)) = self.table.get_mut(handle) else {
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
                tag: Some(tag),
            },
        );
        match sent {
            Ok(_) => {}
            Err(SendError::Blocked) => {
                peer.delayed.bodiless.insert(id);
            }
            Err(error) => tracing::debug!(%error, "SEND without body not sent"),
        }
        self.table.mark_ready(handle);
        self.rearm(handle);
    }

    /// It is time to send something in a session.
    pub(crate) fn keep_alive(&mut self, id: SessionId) {
        let now = self.now;
        if let Some(interval) = self.config.keep_alive
            && let Some(entry) = self.sessions.get_mut(id)
            // One that was set up anew since has a timer of its own.
            && entry.silent_since.is_some_and(|since| since + interval <= now)
        {
            entry.silent_since = Some(now);
            self.timers.insert((now + interval, UaTimer::KeepAlive(id)));
            self.send_bodiless(id);
        }
    }

    pub(super) fn on_bodiless_outcome(&mut self, id: SessionId, generation: u16, outcome: &Outcome) {
        if self
            .sessions
            .get(id)
            .is_none_or(|entry| entry.generation != generation)
        {
            return;
        }
        let code = match outcome {
            Outcome::Response { code, .. } if code.is_success() => return,
            Outcome::Response { code, .. } => *code,
            Outcome::TimedOut => StatusCode::REQUEST_TIMEOUT,
            _ => return,
        };
        self.lose_session(id, SessionLoss::Refused(code));
    }
}
