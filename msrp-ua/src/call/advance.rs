//! What can be done about a call by now.

use super::{CallAnswer, CallEnd, CallState, Exchange, FileOutcome, StreamId, stream::Want};
use crate::{
    error::CommandError,
    sip::{CallId, SipReply},
    user_agent::UserAgent,
};

impl UserAgent {
    /// Takes every step that a call can take by now.
    pub(super) fn advance(&mut self, id: CallId) {
        self.run_deadlines(id);
        let Some(call) = self.calls.get(id) else {
            return;
        };
        let preparing = matches!(call.state, CallState::Preparing(_));
        let established = matches!(call.state, CallState::Established);
        let answering = matches!(call.state, CallState::Answering)
            || (call.is_up() && call.exchange == Exchange::Decided);
        let idle = call.exchange == Exchange::Idle;
        if preparing {
            if self.have_paths(id) {
                self.send_invite(id);
            }
        } else if answering {
            if self.have_paths(id) {
                self.send_answer(id);
            }
        } else if established && idle {
            self.advance_streams(id);
        }
    }

    /// An established call in which no exchange is under way: something new may be offered.
    fn advance_streams(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id) else {
            return;
        };
        let over = |stream: &super::Stream| {
            stream.want == Want::End || (!stream.live && stream.want == Want::Nothing)
        };
        if call.streams.iter().all(over) {
            return self.end_with(id, CallEnd::Finished);
        }
        // A response to an INVITE of theirs is not complete before its ACK (RFC 3261 §14.1).
        if call.deadlines.ack.is_some() || call.deadlines.retry.is_some() {
            return;
        }
        let wants: Vec<(StreamId, Want, bool)> = call
            .streams
            .iter()
            .filter(|stream| stream.want != Want::Nothing)
            .map(|stream| (stream.id, stream.want, stream.live))
            .collect();
        let mut any = false;
        for (stream, want, live) in wants {
            match want {
                // What the peer has never heard of is not ended, but forgotten.
                Want::End if !live && !self.has_line(id, stream) => {
                    self.end_stream(id, stream, FileOutcome::Aborted);
                }
                Want::Renew => any |= self.may_renew(id, stream),
                _ => any = true,
            }
        }
        // Giving a stream up may have ended the call.
        if any && self.calls.get(id).is_some_and(super::Call::is_up) && self.have_paths(id) {
            self.send_reoffer(id);
        }
    }

    /// Whether the peer knows of a stream.
    fn has_line(&self, id: CallId, stream: StreamId) -> bool {
        self.calls.get(id).is_some_and(|call| {
            let line = call.streams.iter().position(|other| other.id == stream);
            line.and_then(|line| call.negotiation.streams().get(line))
                .is_some_and(Option::is_some)
        })
    }

    /// Whether all paths are there; those that are not are asked for.
    fn have_paths(&mut self, id: CallId) -> bool {
        match self.ensure_paths(id) {
            Ok(ready) => ready,
            Err(error) => {
                tracing::warn!(call = %id, %error, "no path for a stream");
                self.on_paths_refused(id, &error);
                false
            }
        }
    }

    /// No relay can be asked.
    fn on_paths_refused(&mut self, id: CallId, error: &CommandError) {
        let Some(call) = self.calls.get(id) else {
            return;
        };
        if !call.is_up() {
            let busy = CallEnd::RefusedByUs(SipReply::new(503));
            tracing::debug!(%error, "call not set up");
            return self.end_with(id, busy);
        }
        let waiting: Vec<StreamId> = call
            .streams
            .iter()
            .filter(|stream| stream.needs_path() && stream.chain.is_empty())
            .map(|stream| stream.id)
            .collect();
        for stream in waiting {
            self.on_path_failed(id, stream);
        }
    }

    /// What was waited for has not come.
    fn run_deadlines(&mut self, id: CallId) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        let passed = |at: &mut Option<std::time::Instant>| at.take_if(|at| *at <= now).is_some();
        if passed(&mut call.deadlines.retry) {
            self.calls.touch(id);
        }
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        if passed(&mut call.deadlines.ack) {
            // The adapter says so where the call is lost by that.
            match call.state {
                CallState::Answered => call.state = CallState::Established,
                CallState::Ending => return self.hang_up_late(id),
                _ => {}
            }
            if call.answer_in_ack {
                let lost = crate::sip::SipAnswer::new(408, "no ACK");
                self.perform(crate::sip::SipAction::Bye {
                    call: id,
                    reason: None,
                });
                return self.end_with(id, CallEnd::Dialog(lost));
            }
        }
        if passed(&mut call.deadlines.setup) {
            match call.state {
                CallState::Cancelled => return self.drop_call(id),
                CallState::Ending => return self.hang_up_late(id),
                _ => return self.end_with(id, CallEnd::TimedOut),
            }
        }
        if passed(&mut call.deadlines.decision) {
            if matches!(call.state, CallState::Offered) {
                return self.end_with(id, CallEnd::TimedOut);
            }
            // Nobody wants what was offered within the call.
            let nothing = CallAnswer::none_of(call.streams.iter().map(|stream| stream.id));
            let _known = self.answer_streams(id, nothing);
        }
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        let late: Vec<StreamId> = call
            .streams
            .iter_mut()
            .filter(|stream| stream.due.is_some_and(|due| due <= now))
            .map(|stream| {
                stream.due = None;
                stream.id
            })
            .collect();
        for stream in late {
            self.on_stream_due(id, stream);
        }
    }

    /// The time of a stream has come.
    fn on_stream_due(&mut self, id: CallId, stream: StreamId) {
        let Some(entry) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) else {
            return;
        };
        match &entry.transfer {
            _ if entry.lost.is_some() => self.on_lost_due(id, stream),
            Some(transfer) if transfer.told => entry.want = Want::End,
            Some(_) => self.tell_transfer(id, stream, FileOutcome::Sent { confirmed: false }),
            None => {}
        }
        self.calls.touch(id);
    }
}
