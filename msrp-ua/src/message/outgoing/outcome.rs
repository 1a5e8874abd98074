//! What becomes of messages that we send: sent, answered, reported (RFC 4975 §7.1.1, §7.3.2, §10).

use bytes::Bytes;
use msrp_core::{
    connection::Outcome,
    grammar::{ByteRange, ContinuationFlag, FailureReport, MediaType, MessageId, StatusCode, SuccessReport},
};

use super::{FromBytes, UserAgent, type_name};
use crate::{
    event::{SessionLoss, UserAgentEvent},
    names::{OutgoingKey, SessionId},
};

/// Media types that are remembered as refused by a peer.
const MAX_REFUSED_TYPES: usize = 64;

/// In how many sessions a message is tried before it has failed: it may be the message that nobody answers.
const MAX_ATTEMPTS: u16 = 3;

impl UserAgent {
    /// A chunk of ours has left.
    pub(crate) fn on_chunk_sent(
        &mut self,
        key: OutgoingKey,
        range: ByteRange,
        flag: ContinuationFlag,
        tracked: bool,
    ) {
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        outgoing.outstanding += i64::from(tracked);
        outgoing.sent = outgoing.sent.max(range.end.unwrap_or(range.start));
        outgoing.all_sent |= flag == ContinuationFlag::Complete;
        let (sent, total, quiet) = (outgoing.sent, outgoing.total, outgoing.message.quiet);
        if flag != ContinuationFlag::More
            && let Some((handle, lane)) = outgoing.lane.take()
            && let Some((_, peer)) = self.table.get_mut(handle)
        {
            peer.lanes.remove(&lane);
        }
        if !quiet {
            self.push_event(UserAgentEvent::Progress {
                message: key,
                sent,
                total,
            });
        }
        self.settle_outgoing(key);
    }

    /// A transaction of a chunk of ours is over.
    pub(crate) fn on_chunk_outcome(&mut self, key: OutgoingKey, range: Option<ByteRange>, outcome: &Outcome) {
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        outgoing.outstanding -= 1;
        let code = match outcome {
            Outcome::Response { code, .. } if code.is_success() => None,
            Outcome::Response { code, .. } => Some(*code),
            Outcome::TimedOut => Some(StatusCode::REQUEST_TIMEOUT),
            _ => None,
        };
        match code {
            None => self.settle_outgoing(key),
            Some(code) => {
                let range = range.and_then(|range| Some((range.start, range.end?)));
                self.fail_outgoing(key, range, code);
            }
        }
    }

    /// A REPORT about a message of ours has come (RFC 4975 §7.3.2).
    pub(crate) fn on_report(
        &mut self,
        session: SessionId,
        message_id: MessageId,
        range: Option<ByteRange>,
        code: StatusCode,
    ) {
        let Some(&key) = self
            .sessions
            .get(session)
            .and_then(|entry| entry.outgoing.get(&message_id))
        else {
            // Nothing is known of it, so it is ignored (RFC 4975 §7.1.2).
            return;
        };
        let max_pieces = self.config.max_holes;
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        // Without a range, or with an open end, the report is about all that has been sent. What has not been sent
        // cannot be reported.
        let sent = outgoing.sent;
        let start = range.map_or(1, |range| range.start);
        let end = range.and_then(|range| range.end).unwrap_or(sent).min(sent);
        if !code.is_success() {
            if outgoing.delivered {
                // What the peer has confirmed has not failed, whatever somebody between us believes.
                return;
            }
            self.fail_outgoing(key, (start <= end).then_some((start, end)), code);
            return;
        }
        if start > end && sent > 0 {
            return;
        }
        outgoing.reported.insert(start, end);
        if outgoing.reported.pieces() > max_pieces {
            // Nobody reports like this in good faith; what is kept of it has its bound.
            outgoing.reported = Default::default();
            return;
        }
        let complete = outgoing.all_sent && outgoing.reported.covers(sent);
        outgoing.delivered |= complete;
        self.push_event(UserAgentEvent::Delivered {
            message: key,
            range: (start, end),
            complete,
        });
        self.settle_outgoing(key);
    }

    /// A message has failed: it is stopped, and so is what the code says besides (RFC 4975 §10).
    pub(super) fn fail_outgoing(&mut self, key: OutgoingKey, range: Option<(u64, u64)>, code: StatusCode) {
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        let (session, message_id) = (outgoing.session, outgoing.message_id);
        // Row 4975-E-28: these say that the session itself is gone, others only concern the message.
        let gone = [
            StatusCode::NO_SUCH_SESSION,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::WRONG_CONNECTION,
        ]
        .contains(&code);
        // In a session that is set up anew it is sent again, a few times.
        if gone
            && !outgoing.retired
            && outgoing.attempt < MAX_ATTEMPTS
            && self.recover(session, &SessionLoss::Refused(code))
        {
            return;
        }
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        let tell = !outgoing.delivered && !outgoing.message.quiet;
        tracing::debug!(message = key.0, %code, "message failed");
        if code == StatusCode::UNSUPPORTED_MEDIA
            && let Ok(media_type) = MediaType::parse(outgoing.message.content_type.as_bytes())
            && let Some(entry) = self.sessions.get_mut(session)
        {
            let name = type_name(&media_type);
            if entry.refused_types.len() < MAX_REFUSED_TYPES && !entry.refused_types.contains(&name) {
                entry.refused_types.push(name);
            }
        }
        if tell {
            self.push_event(UserAgentEvent::Failed {
                message: key,
                message_id,
                range,
                code,
            });
        }
        self.stop_outgoing(key);
        self.forget_outgoing(key);
        if gone {
            self.lose_session(session, SessionLoss::Refused(code));
        }
    }

    /// Looks whether anything is still awaited about a message.
    fn settle_outgoing(&mut self, key: OutgoingKey) {
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        if !outgoing.all_sent || outgoing.outstanding > 0 || outgoing.retired {
            return;
        }
        let confirmed = outgoing.message.failure_report == FailureReport::Yes;
        let tell = confirmed && !std::mem::replace(&mut outgoing.accepted, true);
        let reports = outgoing.message.success_report == SuccessReport::Yes;
        let settled = !reports || outgoing.delivered;
        let quiet = outgoing.message.quiet;
        if tell {
            self.push_event(UserAgentEvent::Accepted { message: key });
        }
        if settled && quiet {
            self.forget_outgoing(key);
        } else if settled {
            self.retire_outgoing(key);
        }
    }

    /// Nothing is awaited about a message any more; yet a failure REPORT may come from further down the path, and little
    /// is kept for a while to understand it.
    pub(super) fn retire_outgoing(&mut self, key: OutgoingKey) {
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        outgoing.retired = true;
        outgoing.message.source = Box::new(FromBytes::new(Bytes::new()));
        let remembered = self.config.remembered;
        let Some(entry) = self.sessions.get_mut(outgoing.session) else {
            return;
        };
        entry.retired.push_back(key);
        if entry.retired.len() > remembered
            && let Some(&oldest) = entry.retired.front()
        {
            self.forget_outgoing(oldest);
        }
    }

    /// Forgets a message.
    pub(super) fn forget_outgoing(&mut self, key: OutgoingKey) {
        if let Some(outgoing) = self.outgoing.remove(&key)
            && let Some(entry) = self.sessions.get_mut(outgoing.session)
        {
            entry.outgoing.remove(&outgoing.message_id);
            entry.waiting.retain(|&waiting| waiting != key);
            entry.retired.retain(|&retired| retired != key);
        }
    }

    /// The session of a message is over: tells what is not known of it, and why.
    pub(crate) fn abandon_outgoing(&mut self, key: OutgoingKey) {
        self.stop_outgoing(key);
        if let Some(outgoing) = self.outgoing.remove(&key)
            && !outgoing.retired
            && !outgoing.message.quiet
            && !outgoing.delivered
        {
            let loss = self
                .sessions
                .get(outgoing.session)
                .and_then(|entry| entry.loss.as_deref());
            self.push_event(UserAgentEvent::DeliveryUnknown {
                message: key,
                message_id: outgoing.message_id,
                reason: loss.cloned(),
            });
        }
    }
}
