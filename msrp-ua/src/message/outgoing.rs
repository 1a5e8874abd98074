//! Messages that we send: from a source into a lane, and what becomes of them.

use bytes::Bytes;
use msrp_core::{
    codec::{HeadTemplate, SendHeaders},
    connection::{Outcome, OutgoingId, WriteError},
    grammar::{
        ByteRange, ContinuationFlag, FailureReport, MediaType, MessageId, Path, StatusCode, SuccessReport,
    },
    node::ConnectionHandle,
};

use super::source::{FromBytes, MessageSource, Pull};
use crate::{
    error::CommandError,
    event::{SessionLoss, UserAgentEvent},
    intervals::IntervalSet,
    names::{OutgoingKey, SessionId},
    session::SessionState,
    user_agent::{UserAgent, tag},
};

/// Octets pulled from a source at a time.
const PULL: usize = 64 * 1024;

/// A message to be sent.
pub struct OutgoingMessage {
    pub(crate) content_type: String,
    pub(crate) source: Box<dyn MessageSource>,
    pub(crate) success_report: SuccessReport,
    pub(crate) failure_report: FailureReport,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) message_id: Option<MessageId>,
}

impl std::fmt::Debug for OutgoingMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutgoingMessage")
            .field("content_type", &self.content_type)
            .field("size", &self.source.size())
            .finish_non_exhaustive()
    }
}

impl OutgoingMessage {
    /// A message of this media type from a source.
    pub fn new(content_type: impl Into<String>, source: impl MessageSource + 'static) -> Self {
        Self {
            content_type: content_type.into(),
            source: Box::new(source),
            success_report: SuccessReport::No,
            failure_report: FailureReport::Yes,
            headers: Vec::new(),
            message_id: None,
        }
    }

    /// A line of text, `text/plain` in UTF-8.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(
            "text/plain;charset=UTF-8",
            FromBytes::new(text.into().into_bytes()),
        )
    }

    /// A message that is all there.
    pub fn bytes(content_type: impl Into<String>, octets: impl Into<Bytes>) -> Self {
        Self::new(content_type, FromBytes::new(octets))
    }

    /// Asks the peer to report what it has received.
    pub fn with_success_report(mut self) -> Self {
        self.success_report = SuccessReport::Yes;
        self
    }

    /// Sets who has to tell of failures. Default `yes`: every hop answers.
    pub fn with_failure_report(mut self, report: FailureReport) -> Self {
        self.failure_report = report;
        self
    }

    /// Adds a header, such as Content-Disposition.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends it under an identifier of a message whose delivery was not confirmed in a session that this one replaces
    /// (RFC 4975 §5.4).
    pub fn with_message_id(mut self, id: MessageId) -> Self {
        self.message_id = Some(id);
        self
    }
}

/// A message under way.
pub(crate) struct Outgoing {
    pub(crate) session: SessionId,
    pub(crate) message_id: MessageId,
    message: OutgoingMessage,
    pub(crate) lane: Option<(ConnectionHandle, OutgoingId)>,
    /// Octets that the lane did not take.
    held: Option<Bytes>,
    /// Octets given to the lane.
    written: u64,
    /// All octets have been given to the lane, or never will be.
    finished: bool,
    /// Octets handed to the transport.
    sent: u64,
    /// The last chunk has been handed to the transport.
    all_sent: bool,
    /// Chunks whose response is awaited.
    outstanding: usize,
    /// Octets that the peer has reported.
    reported: IntervalSet,
    failed: bool,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing")
            .field("session", &self.session)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

impl UserAgent {
    /// Sends a message in a session. It waits until the session is bound; then it goes by its own lane, a long one cut
    /// where others want to be heard.
    ///
    /// # Errors
    /// [`CommandError`]; nothing will be sent.
    pub fn send(
        &mut self,
        session: SessionId,
        message: OutgoingMessage,
    ) -> Result<OutgoingKey, CommandError> {
        let limit = self.config.max_outgoing;
        let entry = self.sessions.get(session).ok_or(CommandError::UnknownSession)?;
        if entry.outgoing.len() >= limit {
            return Err(CommandError::TooManyMessages { limit });
        }
        let media_type = MediaType::parse(message.content_type.as_bytes())?;
        let name = format!("{}/{}", media_type.main_type(), media_type.subtype()).to_ascii_lowercase();
        if entry.params.peer_accepts.accepts(&media_type).is_none() || entry.refused_types.contains(&name) {
            return Err(CommandError::NotAccepted(name));
        }
        if let (Some(size), Some(limit)) = (message.source.size(), entry.params.peer_max_size)
            && size > limit
        {
            return Err(CommandError::TooLarge { size, limit });
        }
        let message_id = message.message_id.unwrap_or_else(|| self.ids.message_id());
        if entry.outgoing.contains_key(&message_id) {
            return Err(CommandError::MessageIdInUse(message_id));
        }
        // Whether the headers can be sent is known now, not when the session is bound.
        self.template(session, &message, message_id)?;
        self.next_key += 1;
        let key = OutgoingKey(self.next_key);
        self.outgoing.insert(
            key,
            Outgoing {
                session,
                message_id,
                message,
                lane: None,
                held: None,
                written: 0,
                finished: false,
                sent: 0,
                all_sent: false,
                outstanding: 0,
                reported: IntervalSet::new(),
                failed: false,
            },
        );
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.outgoing.insert(message_id, key);
            entry.waiting.push_back(key);
        }
        self.start_waiting(session);
        Ok(key)
    }

    /// Gives a message up: the peer is told by `#` if it has seen any of it.
    ///
    /// # Errors
    /// [`CommandError::UnknownMessage`].
    pub fn cancel(&mut self, key: OutgoingKey) -> Result<(), CommandError> {
        if !self.outgoing.contains_key(&key) {
            return Err(CommandError::UnknownMessage);
        }
        self.stop_outgoing(key);
        self.forget_outgoing(key);
        Ok(())
    }

    /// A source that said [`Pull::Pending`] has octets again.
    pub fn source_ready(&mut self, key: OutgoingKey) {
        self.pump_outgoing(key);
    }

    /// To-Path and From-Path of what we send in a session.
    pub(crate) fn paths(&self, session: SessionId) -> Option<(Path, Path)> {
        let params = &self.sessions.get(session)?.params;
        let from = Path::from_uris(std::slice::from_ref(&params.local)).ok()?;
        let to = match params.relay.and_then(|relay| self.use_path(relay)) {
            Some(use_path) => {
                let uris: Vec<_> = use_path
                    .uris()
                    .iter()
                    .chain(params.remote.uris())
                    .cloned()
                    .collect();
                Path::from_uris(&uris).ok()?
            }
            None => params.remote.clone(),
        };
        Some((to, from))
    }

    fn template(
        &self,
        session: SessionId,
        message: &OutgoingMessage,
        message_id: MessageId,
    ) -> Result<HeadTemplate, CommandError> {
        let (to_path, from_path) = self.paths(session).ok_or(CommandError::UnknownSession)?;
        let extra: Vec<(&str, &str)> = message
            .headers
            .iter()
            .map(|(name, value)| (&name[..], &value[..]))
            .collect();
        Ok(HeadTemplate::send(&SendHeaders {
            to_path: &to_path,
            from_path: &from_path,
            message_id,
            success_report: message.success_report,
            failure_report: message.failure_report,
            content_type: Some(&message.content_type),
            extra: &extra,
        })?)
    }

    /// Opens lanes for messages that wait.
    pub(crate) fn start_waiting(&mut self, session: SessionId) {
        loop {
            let Some(entry) = self.sessions.get_mut(session) else {
                return;
            };
            let SessionState::Bound(handle) = entry.state else {
                return;
            };
            let Some(key) = entry.waiting.pop_front() else {
                return;
            };
            let Some(outgoing) = self.outgoing.get(&key) else {
                continue;
            };
            let template = self.template(session, &outgoing.message, outgoing.message_id);
            let (total, report) = (outgoing.message.source.size(), outgoing.message.failure_report);
            let Some((connection, peer)) = self.table.get_mut(handle) else {
                return;
            };
            let opened = template
                .ok()
                .map(|template| connection.open_send(template, 1, total, report, tag::message(key)));
            match opened {
                Some(Ok(lane)) => {
                    peer.lanes.insert(lane, key);
                    if let Some(outgoing) = self.outgoing.get_mut(&key) {
                        outgoing.lane = Some((handle, lane));
                    }
                    if let Some(entry) = self.sessions.get_mut(session) {
                        entry.begun = true;
                    }
                    self.pump_outgoing(key);
                }
                Some(Err(_)) => {
                    // All lanes are taken: it goes on when one is free.
                    if let Some(entry) = self.sessions.get_mut(session) {
                        entry.waiting.push_front(key);
                    }
                    return;
                }
                None => self.forget_outgoing(key),
            }
        }
    }

    /// Moves octets from a message's source into its lane until either has enough.
    pub(crate) fn pump_outgoing(&mut self, key: OutgoingKey) {
        let now = self.now;
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        let Some((handle, lane)) = outgoing.lane else {
            return;
        };
        let Some((connection, _)) = self.table.get_mut(handle) else {
            return;
        };
        let mut failed = false;
        while !outgoing.finished {
            let octets = match outgoing.held.take() {
                Some(octets) => octets,
                None => match outgoing.message.source.pull(PULL) {
                    Ok(Pull::Octets(octets)) if octets.is_empty() => break,
                    Ok(Pull::Octets(octets)) => octets,
                    Ok(Pull::Pending) => break,
                    Ok(Pull::End) => {
                        // A source that promised more has lied to the peer by then; it learns that by `#`.
                        let short = outgoing
                            .message
                            .source
                            .size()
                            .is_some_and(|size| size != outgoing.written);
                        failed = short;
                        outgoing.finished = true;
                        if !short {
                            let _known = connection.finish(now, lane, ContinuationFlag::Complete);
                        }
                        break;
                    }
                    Err(_) => {
                        outgoing.finished = true;
                        failed = true;
                        break;
                    }
                },
            };
            let len = octets.len() as u64;
            match connection.write(now, lane, octets) {
                Ok(()) => outgoing.written += len,
                Err(WriteError::Blocked(octets)) => {
                    outgoing.held = Some(octets);
                    break;
                }
                Err(_) => {
                    outgoing.finished = true;
                    break;
                }
            }
        }
        self.table.mark_ready(handle);
        self.rearm(handle);
        if failed {
            self.fail_outgoing(key, None, StatusCode::STOP_SENDING);
        }
    }

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
        outgoing.outstanding += usize::from(tracked);
        outgoing.sent = outgoing.sent.max(range.end.unwrap_or(range.start));
        let done = flag == ContinuationFlag::Complete;
        outgoing.all_sent |= done;
        let (sent, total) = (outgoing.sent, outgoing.message.source.size());
        if let Some((handle, lane)) = outgoing.lane
            && flag != ContinuationFlag::More
        {
            outgoing.lane = None;
            let session = outgoing.session;
            if let Some((_, peer)) = self.table.get_mut(handle) {
                peer.lanes.remove(&lane);
            }
            self.start_waiting(session);
        }
        self.push_event(UserAgentEvent::Progress {
            message: key,
            sent,
            total,
        });
        if flag == ContinuationFlag::Abort {
            self.forget_outgoing(key);
        } else {
            self.settle_outgoing(key);
        }
    }

    /// A transaction of a chunk of ours is over.
    pub(crate) fn on_chunk_outcome(&mut self, key: OutgoingKey, range: Option<ByteRange>, outcome: &Outcome) {
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        outgoing.outstanding = outgoing.outstanding.saturating_sub(1);
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
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        // Without a range, or with an open end, the report is about all that has been sent.
        let sent = outgoing.sent;
        let start = range.map_or(1, |range| range.start);
        let end = range.and_then(|range| range.end).unwrap_or(sent).min(sent);
        if !code.is_success() {
            self.fail_outgoing(key, Some((start, end)), code);
            return;
        }
        outgoing.reported.insert(start, end);
        let complete = outgoing.all_sent && outgoing.reported.covers(sent);
        self.push_event(UserAgentEvent::Delivered {
            message: key,
            range: (start, end),
            complete,
        });
        self.settle_outgoing(key);
    }

    /// Something about a message went wrong: it is stopped, and so is what the code says besides (RFC 4975 §10).
    pub(crate) fn fail_outgoing(&mut self, key: OutgoingKey, range: Option<(u64, u64)>, code: StatusCode) {
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        let first = !outgoing.failed;
        outgoing.failed = true;
        let session = outgoing.session;
        if code == StatusCode::UNSUPPORTED_MEDIA
            && let Ok(media_type) = MediaType::parse(outgoing.message.content_type.as_bytes())
        {
            let name = format!("{}/{}", media_type.main_type(), media_type.subtype()).to_ascii_lowercase();
            if let Some(entry) = self.sessions.get_mut(session)
                && entry.refused_types.len() < 64
                && !entry.refused_types.contains(&name)
            {
                entry.refused_types.push(name);
            }
        }
        if first {
            self.push_event(UserAgentEvent::Failed {
                message: key,
                range,
                code,
            });
        }
        self.stop_outgoing(key);
        self.forget_outgoing(key);
        // Row 4975-E-28: these say that the session itself is gone, others only concern the message.
        if [
            StatusCode::NO_SUCH_SESSION,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::WRONG_CONNECTION,
        ]
        .contains(&code)
        {
            self.lose_session(session, SessionLoss::Refused(code));
        }
    }

    /// Ends the lane of a message with `#`.
    fn stop_outgoing(&mut self, key: OutgoingKey) {
        let now = self.now;
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        outgoing.finished = true;
        outgoing.held = None;
        if let Some((handle, lane)) = outgoing.lane.take() {
            if let Some((connection, peer)) = self.table.get_mut(handle) {
                // A lane that has ended by itself is none any more.
                let _known = connection.abort(now, lane);
                peer.lanes.remove(&lane);
            }
            self.table.mark_ready(handle);
        }
    }

    /// Forgets a message about which nothing is awaited any more.
    fn settle_outgoing(&mut self, key: OutgoingKey) {
        let Some(outgoing) = self.outgoing.get(&key) else {
            return;
        };
        if !outgoing.all_sent || outgoing.outstanding > 0 {
            return;
        }
        let reports = outgoing.message.success_report == SuccessReport::Yes;
        let confirmed = outgoing.message.failure_report == FailureReport::Yes;
        if confirmed && !self.accepted.contains(&key) {
            self.accepted.insert(key);
            self.push_event(UserAgentEvent::Accepted { message: key });
        }
        let Some(outgoing) = self.outgoing.get(&key) else {
            return;
        };
        if !reports || outgoing.reported.covers(outgoing.sent) {
            // A failure REPORT may still come from further down the path; what is kept to understand it is little, and
            // bounded by the number of messages of a session.
            self.retire_outgoing(key);
        }
    }

    /// Keeps a message only to understand late reports, as long as there is room.
    fn retire_outgoing(&mut self, key: OutgoingKey) {
        let Some(outgoing) = self.outgoing.get(&key) else {
            return;
        };
        let session = outgoing.session;
        self.accepted.remove(&key);
        let room = self.config.max_outgoing / 2;
        if let Some(entry) = self.sessions.get_mut(session) {
            if entry.outgoing.len() <= room {
                self.retired.push_back(key);
                // What was pulled is not needed any more.
                if let Some(outgoing) = self.outgoing.get_mut(&key) {
                    outgoing.message.source = Box::new(FromBytes::new(Bytes::new()));
                }
                while self.retired.len() > self.config.max_outgoing {
                    if let Some(oldest) = self.retired.pop_front() {
                        self.forget_outgoing(oldest);
                    }
                }
            } else {
                self.forget_outgoing(key);
            }
        }
    }

    /// Forgets a message.
    pub(crate) fn forget_outgoing(&mut self, key: OutgoingKey) {
        self.accepted.remove(&key);
        if let Some(outgoing) = self.outgoing.remove(&key)
            && let Some(entry) = self.sessions.get_mut(outgoing.session)
        {
            entry.outgoing.remove(&outgoing.message_id);
            entry.waiting.retain(|&waiting| waiting != key);
        }
    }

    /// The session of a message is over: tells what is not known of it.
    pub(crate) fn abandon_outgoing(&mut self, key: OutgoingKey) {
        self.stop_outgoing(key);
        let retired = self.retired.iter().position(|&retired| retired == key);
        if let Some(position) = retired {
            self.retired.remove(position);
        } else if let Some(outgoing) = self.outgoing.get(&key)
            && !outgoing.failed
        {
            self.push_event(UserAgentEvent::DeliveryUnknown { message: key });
        }
        self.accepted.remove(&key);
        self.outgoing.remove(&key);
    }
}
