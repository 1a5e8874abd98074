//! How calls end: exactly once, and leaving nothing behind.

use std::time::Duration;

use super::{CallEnd, CallState, FileOutcome, StreamId};
use crate::{
    error::CommandError,
    event::UserAgentEvent,
    sip::{CallId, SipAction, SipReply},
    user_agent::UserAgent,
};

/// How long what SIP owes us is awaited after its own patience (64 times T1) must have ended.
const OWED: Duration = Duration::from_secs(40);

impl UserAgent {
    /// Ends a call, in whatever state it is. [`CallEnded`](UserAgentEvent::CallEnded) follows.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`].
    pub fn end_call(&mut self, call: CallId) -> Result<(), CommandError> {
        self.check_call(call)?;
        self.end_with(call, CallEnd::Local);
        Ok(())
    }

    /// Ends a call as [`end_call`](Self::end_call) does, and says why: `reason` is the value of the `Reason` header field of BYE
    /// (RFC 3326), such as `SIP;cause=480;text="Idle"`.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`].
    pub fn end_call_because(&mut self, call: CallId, reason: impl Into<String>) -> Result<(), CommandError> {
        self.check_call(call)?;
        if let Some(call) = self.calls.get_mut(call) {
            call.goodbye = Some(reason.into());
        }
        self.end_call(call)
    }

    /// Refuses a call that has come, with 486 for instance. [`CallEnded`](UserAgentEvent::CallEnded) follows.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`], also for one that was answered.
    pub fn refuse_call(&mut self, call: CallId, reply: SipReply) -> Result<(), CommandError> {
        match self.calls.get(call).map(|call| &call.state) {
            Some(CallState::Offered | CallState::Answering) => {
                self.end_with(call, CallEnd::RefusedByUs(reply));
                Ok(())
            }
            _ => Err(CommandError::UnknownCall),
        }
    }

    /// Errors where a call is not known, or its end has been told.
    pub(super) fn check_call(&self, call: CallId) -> Result<(), CommandError> {
        match self.calls.get(call).map(|call| &call.state) {
            None | Some(CallState::Cancelled | CallState::Ending) => Err(CommandError::UnknownCall),
            Some(_) => Ok(()),
        }
    }

    /// Ends a call: tells SIP what it has to know in this state, ends the sessions, and tells the application.
    pub(super) fn end_with(&mut self, id: CallId, end: CallEnd) {
        let Some(call) = self.calls.get(id) else {
            return;
        };
        let now = self.now;
        // Whether SIP knows already.
        let over = matches!(
            end,
            CallEnd::Peer | CallEnd::Refused(_) | CallEnd::Cancelled | CallEnd::Dialog(_)
        );
        let (action, next) = match call.state {
            CallState::Cancelled | CallState::Ending => return,
            CallState::Preparing(_) => (None, None),
            _ if over => (None, None),
            CallState::Inviting => (Some(SipAction::Cancel { call: id }), Some(CallState::Cancelled)),
            CallState::Offered | CallState::Answering => {
                let reply = self.refusal_of(&end);
                (Some(SipAction::Refuse { call: id, reply }), None)
            }
            CallState::Answered => (None, Some(CallState::Ending)),
            CallState::Established => {
                let reason = call.goodbye.clone().or_else(|| reason_of(&end));
                (Some(SipAction::Bye { call: id, reason }), None)
            }
        };
        tracing::debug!(call = %id, %end, "call ended");
        self.end_streams(id, FileOutcome::Ended);
        if let Some(action) = action {
            self.perform(action);
        }
        if let Some(call) = self.calls.get_mut(id)
            && let Some(next) = next
        {
            call.deadlines = super::Deadlines {
                setup: Some(now + OWED),
                ..super::Deadlines::default()
            };
            call.state = next;
            self.calls.touch(id);
        } else {
            self.drop_call(id);
        }
        self.push_event(UserAgentEvent::CallEnded {
            call: id,
            reason: end,
        });
    }

    /// What SIP owed in a call whose end has been told has come, or will not come.
    pub(super) fn drop_call(&mut self, id: CallId) {
        if let Some(call) = self.calls.by_id.remove(&id)
            && let Some(at) = call.armed
        {
            self.timers.remove(&(at, crate::timers::UaTimer::Call(id)));
        }
        self.calls.dirty.remove(&id);
        self.close_when_heard();
    }

    /// The ACK has come after the call's end, or a 200 after its CANCEL.
    pub(super) fn hang_up_late(&mut self, id: CallId) {
        self.perform(SipAction::Bye {
            call: id,
            reason: None,
        });
        self.drop_call(id);
    }

    /// Ends all streams of a call.
    fn end_streams(&mut self, id: CallId, outcome: FileOutcome) {
        let Some(call) = self.calls.get(id) else {
            return;
        };
        let streams: Vec<_> = call.streams.iter().map(|stream| stream.id).collect();
        for stream in streams {
            self.end_stream(id, stream, outcome.clone());
        }
        if let Some(call) = self.calls.get_mut(id) {
            call.streams.clear();
        }
    }

    /// Ends a stream: its session, what was had for its next path, and its file.
    pub(super) fn end_stream(&mut self, id: CallId, stream: StreamId, outcome: FileOutcome) {
        self.drop_paths(id, stream);
        let Some(entry) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) else {
            return;
        };
        entry.live = false;
        entry.accepted = false;
        entry.want = super::Want::Nothing;
        entry.due = None;
        entry.lost = None;
        if let Some(session) = entry.session.take() {
            // Nobody is to look after it any more.
            if let Some(session) = self.sessions.get_mut(session) {
                session.call = None;
            }
            let _known = self.close_session(session);
        }
        self.end_transfer(id, stream, outcome);
        if let Some(entry) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) {
            entry.transfer = None;
        }
    }

    /// Setting a call up has failed on our side.
    pub(super) fn fail_setup(&mut self, id: CallId, end: CallEnd) {
        self.end_with(id, end);
    }

    /// Ends all calls, when everything ends.
    pub(crate) fn end_calls(&mut self) {
        let calls: Vec<_> = self.calls.by_id.keys().copied().collect();
        for call in calls {
            self.end_with(call, CallEnd::Local);
        }
    }

    /// What a caller hears of a call that we do not take.
    pub(super) fn refusal_of(&self, end: &CallEnd) -> SipReply {
        match end {
            CallEnd::RefusedByUs(reply) => reply.clone(),
            CallEnd::NotAcceptable(refusal) => {
                let mut reply = SipReply::new(refusal.code);
                if let Some(warning) = &refusal.warning {
                    reply = reply.with_header("Warning", warning.header_value(&self.config.host));
                }
                reply
            }
            CallEnd::TimedOut => SipReply::new(480),
            CallEnd::Relay(_) => SipReply::new(503),
            CallEnd::Local if self.is_draining() => SipReply::new(503),
            CallEnd::Local => SipReply::new(603),
            _ => SipReply::new(500),
        }
    }
}

/// What a `Reason` header field of BYE says.
fn reason_of(end: &CallEnd) -> Option<String> {
    let (cause, text) = match end {
        CallEnd::NotAcceptable(refusal) => (refusal.code, "session description not acceptable"),
        CallEnd::NoStreams => (488, "no stream in common"),
        CallEnd::Lost(_) => (480, "MSRP connection lost"),
        CallEnd::Relay(_) => (480, "MSRP relay lost"),
        CallEnd::TimedOut => (408, "no answer"),
        _ => return None,
    };
    Some(format!("SIP;cause={cause};text=\"{text}\""))
}
