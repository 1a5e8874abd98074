//! Deadlines that are not those of one connection.

use crate::{
    names::{IncomingKey, RegistrationId, SessionId},
    session::SessionState,
    sip::CallId,
    user_agent::UserAgent,
};

use crate::event::{AbortReason, SessionLoss};
use msrp_core::connection::CloseReason;

/// What a deadline is about. It is looked at again when it comes, so one that has moved does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UaTimer {
    /// A passive session should have been bound.
    Bind(SessionId),
    /// A session has been silent.
    KeepAlive(SessionId),
    /// Somebody writes in a conversation, or is said to.
    Conversation(SessionId),
    /// An unfinished message has got nothing for long.
    Reassembly(IncomingKey),
    /// A relay's path has to be renewed.
    Refresh(RegistrationId),
    /// Something of a call is due.
    Call(CallId),
    /// Everything ends, and peers have had the time to hear of it.
    Farewell,
    /// A connection has no session.
    Unused(msrp_core::node::ConnectionHandle),
}

impl UserAgent {
    /// Does what is due.
    pub(crate) fn run_timers(&mut self) {
        while let Some(&(at, timer)) = self.timers.first() {
            if at > self.now {
                break;
            }
            self.timers.pop_first();
            match timer {
                UaTimer::Bind(id) => {
                    let late = self.sessions.get(id).is_some_and(
                        |session| matches!(session.state, SessionState::AwaitingBind(by) if by <= self.now),
                    );
                    if !late {
                        continue;
                    }
                    match self.relay_of(id) {
                        // The peer says nothing, but the way to it is there.
                        Some(handle) => self.bind(id, handle),
                        None => self.lose_session(id, SessionLoss::NotBound),
                    }
                }
                UaTimer::KeepAlive(id) => self.keep_alive(id),
                UaTimer::Conversation(id) => self.conversation_due(id),
                UaTimer::Reassembly(key) => {
                    let timeout = self.config.reassembly_timeout;
                    let Some(message) = self.incoming.get(&key) else {
                        continue;
                    };
                    let due = message.touched + timeout;
                    if due <= self.now {
                        self.abort_incoming(key, AbortReason::TimedOut);
                    } else {
                        self.timers.insert((due, UaTimer::Reassembly(key)));
                    }
                }
                UaTimer::Refresh(id) => self.refresh_when_due(id),
                UaTimer::Call(id) => self.on_call_timer(id),
                UaTimer::Farewell => self.farewell_over(),
                UaTimer::Unused(handle) => {
                    let Some((connection, peer)) = self.table.get_mut(handle) else {
                        continue;
                    };
                    let bound_late = peer.bind_by.is_some_and(|by| by <= self.now);
                    let idle = peer
                        .idle_since
                        .is_some_and(|since| since + self.config.idle_timeout <= self.now);
                    if peer.is_unused() && (bound_late || idle) {
                        connection.close(self.now, CloseReason::Idle);
                        self.pump(handle);
                    }
                }
            }
        }
    }
}
