//! Messages that come in: checked, put together or passed on, acknowledged.

use std::time::Instant;

use bytes::Bytes;
use msrp_core::{
    codec::{Head, HeaderName},
    connection::RequestId,
    grammar::{ByteRange, ContinuationFlag, FailureReport, MediaType, MessageId, StatusCode, SuccessReport},
    node::ConnectionHandle,
};

use super::{
    reassembly::{Assembly, Extent},
    sink::MessageSink,
};
use crate::{
    error::CommandError,
    event::{AbortReason, UserAgentEvent},
    names::{IncomingKey, SessionId},
    session::Receive,
    timers::UaTimer,
    user_agent::UserAgent,
};

/// Where the octets of a message go.
enum Destination {
    /// Nobody has decided yet.
    Undecided,
    Whole(Assembly),
    Stream,
    Sink(Box<dyn MessageSink>),
}

/// A message that is coming in.
pub(crate) struct Incoming {
    session: SessionId,
    message_id: MessageId,
    content_type: String,
    destination: Destination,
    extent: Extent,
    duplicate: bool,
    pub(crate) touched: Instant,
    /// What a REPORT about it needs: the path back.
    back: Bytes,
    failure_report: FailureReport,
    success_report: SuccessReport,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// How a message is to be received, see [`UserAgent::accept`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Accept {
    /// Put together in memory, told whole.
    Whole,
    /// Told bit by bit.
    Stream,
    /// Into a sink.
    Sink(SinkBox),
}

/// A sink in a box.
pub struct SinkBox(pub Box<dyn MessageSink>);

impl std::fmt::Debug for SinkBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SinkBox")
    }
}

/// The chunk that is coming in on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CurrentChunk {
    pub(crate) request: RequestId,
    pub(crate) message: IncomingKey,
    start: u64,
}

impl UserAgent {
    /// A SEND with a body begins, in a session bound to its connection. Answers the chunk's state, or the code to refuse
    /// it with.
    pub(crate) fn begin_chunk(
        &mut self,
        session: SessionId,
        request: RequestId,
        head: &Head,
    ) -> Result<CurrentChunk, StatusCode> {
        let bad = |_| StatusCode::BAD_REQUEST;
        let message_id = head.message_id().map_err(bad)?.ok_or(StatusCode::BAD_REQUEST)?;
        let range = head
            .byte_range()
            .map_err(bad)?
            .unwrap_or(ByteRange::WHOLE_UNKNOWN);
        let content_type = head.content_type().ok_or(StatusCode::BAD_REQUEST)?;
        let max_incoming = self.config.max_incoming;
        let entry = self.sessions.get(session).ok_or(StatusCode::NO_SUCH_SESSION)?;
        let params = &entry.params;
        let media_type =
            MediaType::parse(content_type.as_bytes()).map_err(|_| StatusCode::UNSUPPORTED_MEDIA)?;
        let container = media_type.is("multipart", "mixed") || media_type.is("multipart", "alternative");
        if !container && params.accepts.accepts(&media_type).is_none() {
            return Err(StatusCode::UNSUPPORTED_MEDIA);
        }
        // Positions are a peer's claim: they are compared with our bound before anything is kept for them.
        let claims_too_much = range.start > params.max_size.saturating_add(1)
            || range.total.is_some_and(|total| total > params.max_size);
        if claims_too_much {
            if let Some(&key) = entry.incoming.get(&message_id) {
                self.abort_incoming(key, AbortReason::Rejected(StatusCode::STOP_SENDING));
            }
            return Err(StatusCode::STOP_SENDING);
        }
        if let Some(&message) = entry.incoming.get(&message_id) {
            if let Some(incoming) = self.incoming.get_mut(&message) {
                incoming.touched = self.now;
            }
            return Ok(CurrentChunk {
                request,
                message,
                start: range.start,
            });
        }
        if entry.incoming.len() >= max_incoming {
            return Err(StatusCode::STOP_SENDING);
        }
        let duplicate = entry.seen.contains(&message_id);
        let receive = params.receive;
        let max_uris = self.config.connection.limits().max_uris;
        let back = Bytes::copy_from_slice(head.from_path(max_uris).map_err(bad)?.raw());
        self.next_key += 1;
        let message = IncomingKey(self.next_key);
        let destination = match receive {
            Receive::Whole => Destination::Whole(Assembly::default()),
            Receive::Stream => Destination::Stream,
            Receive::Ask => Destination::Undecided,
        };
        let content_type = content_type.to_owned();
        self.incoming.insert(
            message,
            Incoming {
                session,
                message_id,
                content_type: content_type.clone(),
                destination,
                extent: Extent::default(),
                duplicate,
                touched: self.now,
                back,
                failure_report: head.failure_report().map_err(bad)?,
                success_report: head.success_report().map_err(bad)?,
            },
        );
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.incoming.insert(message_id, message);
        }
        self.timers.insert((
            self.now + self.config.reassembly_timeout,
            UaTimer::Reassembly(message),
        ));
        let disposition = head
            .header_named("Content-Disposition")
            .and_then(|value| std::str::from_utf8(value).ok())
            .map(str::to_owned);
        if receive != Receive::Whole {
            self.push_event(UserAgentEvent::IncomingMessage {
                session,
                message,
                message_id,
                content_type,
                total: range.total,
                disposition,
                duplicate,
            });
        }
        Ok(CurrentChunk {
            request,
            message,
            start: range.start,
        })
    }

    /// Whether nothing more can be read of a message before the application has decided.
    pub(crate) fn is_undecided(&self, message: IncomingKey) -> bool {
        self.incoming
            .get(&message)
            .is_some_and(|incoming| matches!(incoming.destination, Destination::Undecided))
    }

    /// Octets of the current chunk have come.
    pub(crate) fn chunk_data(
        &mut self,
        chunk: CurrentChunk,
        offset: u64,
        data: Bytes,
    ) -> Result<(), StatusCode> {
        let Some(incoming) = self.incoming.get_mut(&chunk.message) else {
            return Err(StatusCode::STOP_SENDING);
        };
        let session = incoming.session;
        let max_size = self
            .sessions
            .get(session)
            .map(|entry| entry.params.max_size)
            .ok_or(StatusCode::NO_SUCH_SESSION)?;
        let last = offset + data.len() as u64 - 1;
        let too_large = last > max_size || incoming.extent.total.is_some_and(|total| last > total);
        if too_large {
            self.abort_incoming(chunk.message, AbortReason::Rejected(StatusCode::STOP_SENDING));
            return Err(StatusCode::STOP_SENDING);
        }
        incoming.touched = self.now;
        let mut told = Vec::new();
        let mut failed = false;
        match &mut incoming.destination {
            Destination::Whole(assembly) => assembly.write(offset, data),
            destination => {
                for (first, end) in incoming.extent.received.missing(offset, last) {
                    let part = data.slice((first - offset) as usize..=(end - offset) as usize);
                    match destination {
                        Destination::Sink(sink) => failed |= sink.write(first, &part).is_err(),
                        _ => told.push((first, part)),
                    }
                }
            }
        }
        incoming.extent.received.insert(offset, last);
        let scattered = incoming.extent.received.pieces() > self.config.max_holes;
        for (offset, data) in told {
            self.push_event(UserAgentEvent::MessageData {
                message: chunk.message,
                offset,
                data,
            });
        }
        if failed || scattered {
            let reason = if failed {
                AbortReason::Sink
            } else {
                AbortReason::Rejected(StatusCode::STOP_SENDING)
            };
            self.abort_incoming(chunk.message, reason);
            return Err(StatusCode::STOP_SENDING);
        }
        Ok(())
    }

    /// The current chunk is over.
    pub(crate) fn end_chunk(&mut self, chunk: CurrentChunk, flag: ContinuationFlag, received: u64) {
        let each = self.config.report_each_chunk;
        let Some(incoming) = self.incoming.get_mut(&chunk.message) else {
            return;
        };
        match flag {
            ContinuationFlag::Abort => return self.abort_incoming(chunk.message, AbortReason::Sender),
            // The chunk's own length counts, whatever its range says (RFC 4975 §7.3.1).
            ContinuationFlag::Complete => {
                incoming.extent.total = Some(chunk.start - 1 + received);
            }
            ContinuationFlag::More => {}
        }
        let complete = incoming.extent.is_complete();
        let wants = incoming.success_report == SuccessReport::Yes;
        if wants && each && received > 0 {
            let range = ByteRange {
                start: chunk.start,
                end: Some(chunk.start - 1 + received),
                total: incoming.extent.total,
            };
            self.report(chunk.message, StatusCode::OK, range);
        }
        if complete {
            self.complete_incoming(chunk.message, wants && !each);
        }
    }

    fn complete_incoming(&mut self, key: IncomingKey, report: bool) {
        let Some(incoming) = self.incoming.get_mut(&key) else {
            return;
        };
        let size = incoming.extent.total.unwrap_or_default();
        let body = match &mut incoming.destination {
            Destination::Whole(assembly) => Some(assembly.take(size)),
            Destination::Sink(sink) => {
                if sink.complete(size).is_err() {
                    let range = ByteRange::whole(size);
                    self.report(key, StatusCode::STOP_SENDING, range);
                    return self.abort_incoming(key, AbortReason::Sink);
                }
                None
            }
            Destination::Stream | Destination::Undecided => None,
        };
        if report {
            self.report(key, StatusCode::OK, ByteRange::whole(size));
        }
        let Some(incoming) = self.incoming.remove(&key) else {
            return;
        };
        let remembered = self.config.remembered;
        if let Some(entry) = self.sessions.get_mut(incoming.session) {
            entry.incoming.remove(&incoming.message_id);
            entry.seen.push_back(incoming.message_id);
            while entry.seen.len() > remembered {
                entry.seen.pop_front();
            }
        }
        self.push_event(UserAgentEvent::Message {
            session: incoming.session,
            message: key,
            message_id: incoming.message_id,
            content_type: incoming.content_type,
            body,
            size,
            duplicate: incoming.duplicate,
        });
    }

    /// Ends an unfinished message; what there is of it is dropped.
    pub(crate) fn abort_incoming(&mut self, key: IncomingKey, reason: AbortReason) {
        let Some(mut incoming) = self.incoming.remove(&key) else {
            return;
        };
        if let Destination::Sink(sink) = &mut incoming.destination {
            sink.abort();
        }
        if let Some(entry) = self.sessions.get_mut(incoming.session) {
            entry.incoming.remove(&incoming.message_id);
        }
        self.push_event(UserAgentEvent::MessageAborted { message: key, reason });
        self.resume_stalled();
    }

    /// Sends a REPORT about a message (RFC 4975 §7.1.2 to §7.1.4).
    fn report(&mut self, key: IncomingKey, code: StatusCode, range: ByteRange) {
        let Some(incoming) = self.incoming.get(&key) else {
            return;
        };
        if !code.is_success() && incoming.failure_report == FailureReport::No {
            return;
        }
        let (session, message_id, back) = (incoming.session, incoming.message_id, incoming.back.clone());
        self.send_report(session, message_id, &back, code, range);
    }

    /// Takes a message that was told by [`UserAgentEvent::IncomingMessage`] in a session with [`Receive::Ask`].
    ///
    /// # Errors
    /// [`CommandError::UnknownMessage`], also for a message that was decided on before.
    pub fn accept(&mut self, message: IncomingKey, how: Accept) -> Result<(), CommandError> {
        let incoming = self
            .incoming
            .get_mut(&message)
            .ok_or(CommandError::UnknownMessage)?;
        if !matches!(incoming.destination, Destination::Undecided) {
            return Err(CommandError::UnknownMessage);
        }
        incoming.destination = match how {
            Accept::Whole => Destination::Whole(Assembly::default()),
            Accept::Stream => Destination::Stream,
            Accept::Sink(SinkBox(sink)) => Destination::Sink(sink),
        };
        self.resume_stalled();
        Ok(())
    }

    /// Refuses a message that has begun to come in: with 413 (too much), 415 (not understood) or 403 (not wanted). The
    /// chunk at hand is answered with it, or a later chunk.
    ///
    /// # Errors
    /// [`CommandError::UnknownMessage`].
    pub fn reject(&mut self, message: IncomingKey, code: StatusCode) -> Result<(), CommandError> {
        let incoming = self.incoming.get(&message).ok_or(CommandError::UnknownMessage)?;
        let (session, message_id) = (incoming.session, incoming.message_id);
        if let Some(handle) = self.sessions.get(session).and_then(|entry| entry.connection()) {
            self.reject_current(handle, message, code);
        }
        let refused = &mut self.refused;
        refused.push_back((session, message_id, code));
        while refused.len() > 256 {
            refused.pop_front();
        }
        self.abort_incoming(message, AbortReason::Rejected(code));
        Ok(())
    }

    /// Answers the chunk of a message that is coming in on a connection.
    fn reject_current(&mut self, handle: ConnectionHandle, message: IncomingKey, code: StatusCode) {
        if let Some((connection, peer)) = self.table.get_mut(handle)
            && let Some(chunk) = peer.current.take_if(|chunk| chunk.message == message)
        {
            // The request may have been answered; then the rest of it is only swallowed.
            let _known = connection.reject(chunk.request, code, code.phrase());
            self.table.mark_ready(handle);
        }
    }

    /// The code with which the application refused a message of which another chunk has come.
    pub(crate) fn refused_before(&self, session: SessionId, head: &Head) -> Option<StatusCode> {
        if self.refused.is_empty() || head.header(HeaderName::MessageId).is_none() {
            return None;
        }
        let id = head.message_id().ok().flatten()?;
        self.refused
            .iter()
            .find(|&&(of, message_id, _)| of == session && message_id == id)
            .map(|&(_, _, code)| code)
    }
}
