//! Sessions that have lost their connection get another, without the user noticing (RFC 4975 §5.4).

use std::time::{Duration, Instant};

use super::{CallChange, CallEnd, FileOutcome, StreamId, stream::Want};
use crate::{
    event::{SessionLoss, UserAgentEvent},
    names::SessionId,
    session::SessionState,
    sip::CallId,
    user_agent::UserAgent,
};

/// How long the called side leaves it to the caller to offer anew, so that the two do not meet.
const COURTESY: Duration = Duration::from_secs(1);

/// How a session has lost its connection.
#[derive(Debug)]
pub(crate) struct Loss {
    reason: SessionLoss,
    /// When it is given up.
    end: Instant,
    since: Instant,
    attempts: u8,
    /// Another one is being offered, or was agreed on and is not there yet.
    trying: bool,
    /// When the next offer may go.
    next: Instant,
}

impl Loss {
    /// Another offer may go after this time; twice as long after each.
    fn put_off(&mut self, now: Instant, courtesy: Duration) -> Instant {
        let backoff = match self.attempts {
            0 => Duration::ZERO,
            tries => Duration::from_secs(1 << tries.min(5)),
        };
        self.trying = false;
        self.next = now + backoff + courtesy;
        self.due()
    }

    /// When it has to be looked at.
    fn due(&self) -> Instant {
        self.next.min(self.end)
    }
}

impl UserAgent {
    /// A session of a call is lost. True if the call sees to it.
    pub(crate) fn recover(&mut self, session: SessionId, reason: &SessionLoss) -> bool {
        let Some((id, stream)) = self.sessions.get(session).and_then(|session| session.call) else {
            return false;
        };
        // Somebody else than was told is no loss to be made good (RFC 8122 §6.2).
        if matches!(reason, SessionLoss::Certificate) {
            return false;
        }
        let now = self.now;
        let state = self.sessions.get(session).map(|session| session.state);
        let (attempts, time) = (
            self.config.calls.recovery_attempts,
            self.config.calls.recovery_time,
        );
        self.calls.touch(id);
        let Some(call) = self.calls.get_mut(id) else {
            return false;
        };
        let (outgoing, up) = (call.outgoing, call.is_up());
        let Some(entry) = call.stream_mut(stream) else {
            return false;
        };
        match state {
            // Nobody has agreed on it yet; it loses nothing but a connection that came early.
            Some(SessionState::Offered | SessionState::Early(_)) => {
                let again = entry.path.is_some();
                self.suspend_session(session);
                if again && let Err(error) = self.await_session(id, stream) {
                    tracing::debug!(%error, "session not awaited");
                }
                return true;
            }
            Some(SessionState::Suspended) => return true,
            _ => {}
        }
        let known = entry.lost.is_some()
            || self
                .sessions
                .get(session)
                .is_some_and(|session| session.was_ready);
        if !up || attempts == 0 || !known {
            return false;
        }
        let first = entry.lost.is_none();
        let loss = entry.lost.get_or_insert_with(|| {
            Box::new(Loss {
                reason: reason.clone(),
                end: now + time,
                since: now,
                attempts: 0,
                trying: false,
                next: now,
            })
        });
        if entry.want != Want::End {
            entry.want = Want::Renew;
        }
        // The caller first.
        let courtesy = if outgoing { Duration::ZERO } else { COURTESY };
        entry.due = Some(loss.put_off(now, courtesy));
        if let Some(session) = self.sessions.get_mut(session) {
            session.loss = Some(Box::new(reason.clone()));
        }
        self.suspend_session(session);
        if first {
            self.push_event(UserAgentEvent::SessionSuspended {
                session,
                reason: reason.clone(),
            });
        }
        true
    }

    /// A session is bound again.
    pub(crate) fn on_session_bound(&mut self, session: SessionId) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        entry.was_ready = true;
        if let Some((id, stream)) = entry.call
            && let Some(entry) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream))
            && entry.lost.take().is_some()
        {
            entry.due = None;
            self.calls.touch(id);
        }
    }

    /// No new path could be had for a stream, or the peer does not want it: it is tried again, a few times.
    pub(super) fn on_path_failed(&mut self, id: CallId, stream: StreamId) {
        let now = self.now;
        let Some(entry) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) else {
            return;
        };
        match entry.lost.as_mut() {
            Some(loss) => entry.due = Some(loss.put_off(now, Duration::ZERO)),
            // One that was to begin cannot.
            None if !entry.live => {
                self.end_stream(id, stream, FileOutcome::Ended);
                self.push_event(UserAgentEvent::StreamsChanged {
                    call: id,
                    changes: vec![CallChange::Refused { stream }],
                });
            }
            None => {}
        }
        self.calls.touch(id);
    }

    /// Whether a stream that is to be offered anew may be by now. It is given up where that has been tried often, or long,
    /// enough.
    pub(super) fn may_renew(&mut self, id: CallId, stream: StreamId) -> bool {
        let now = self.now;
        let attempts = self.config.calls.recovery_attempts;
        let Some(entry) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) else {
            return false;
        };
        let Some(loss) = entry.lost.as_mut() else {
            return true;
        };
        if now >= loss.end || (loss.attempts >= attempts && !loss.trying) {
            self.give_up_recovery(id, stream);
            return false;
        }
        if loss.trying {
            return true;
        }
        if now < loss.next {
            entry.due = Some(loss.due());
            return false;
        }
        loss.trying = true;
        loss.attempts += 1;
        // Whatever happens, it is looked at when its time is over.
        entry.due = Some(loss.end);
        true
    }

    /// A session without a connection has to be looked at. When its time is over it is given up, although an offer of it may
    /// still be under way: SIP is patient with a peer that has vanished, whoever waits for a message is not.
    pub(super) fn on_lost_due(&mut self, id: CallId, stream: StreamId) {
        let now = self.now;
        let Some(entry) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) else {
            return;
        };
        match &entry.lost {
            Some(loss) if now >= loss.end => self.give_up_recovery(id, stream),
            Some(loss) => {
                entry.due = Some(loss.end);
                if entry.want != Want::End {
                    entry.want = Want::Renew;
                }
            }
            None => {}
        }
    }

    /// A session that has lost its connection gets no other.
    fn give_up_recovery(&mut self, id: CallId, stream: StreamId) {
        let now = self.now;
        let entry = self.calls.get(id).and_then(|call| call.stream(stream));
        if let Some(loss) = entry.and_then(|entry| entry.lost.as_ref()) {
            let reason = SessionLoss::NotRecovered {
                lost: Box::new(loss.reason.clone()),
                after: now.saturating_duration_since(loss.since),
                attempts: loss.attempts,
            };
            self.lose_stream(id, stream, reason);
        }
    }

    /// A stream cannot be had again.
    pub(crate) fn lose_stream(&mut self, id: CallId, stream: StreamId, reason: SessionLoss) {
        let Some(entry) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) else {
            return;
        };
        let session = entry.session;
        if let Some(session) = session.and_then(|session| self.sessions.get_mut(session)) {
            session.loss = Some(Box::new(reason.clone()));
        }
        self.end_stream(id, stream, FileOutcome::Ended);
        if let Some(session) = session {
            self.push_event(UserAgentEvent::SessionLost {
                session,
                reason: reason.clone(),
            });
        }
        self.on_stream_lost(id, stream, reason);
    }

    /// The session of a stream is lost for good: with the last one the call ends, else the peer is told.
    pub(crate) fn on_stream_lost(&mut self, id: CallId, stream: StreamId, reason: SessionLoss) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        let others = call
            .streams
            .iter()
            .any(|other| other.id != stream && (other.live || other.want == Want::Begin));
        if !others {
            return self.end_with(id, CallEnd::Lost(reason));
        }
        if let Some(entry) = call.stream_mut(stream) {
            entry.want = Want::End;
        }
        self.calls.touch(id);
    }
}
