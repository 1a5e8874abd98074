//! One chunk of a message after the other (RFC 4975 §7.3.1).

use bytes::Bytes;
use msrp_core::{
    codec::Head,
    connection::RequestId,
    grammar::{ByteRange, ContinuationFlag, MediaType, MessageId, StatusCode, SuccessReport},
};

use super::{Assembly, CurrentChunk, Destination, Extent, Incoming, SinkBox};
use crate::{
    event::{AbortReason, UserAgentEvent},
    names::{IncomingKey, SessionId},
    session::Receive,
    timers::UaTimer,
    user_agent::UserAgent,
};

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
        let max_uris = self.config.connection.limits().max_uris;
        let entry = self
            .sessions
            .get_mut(session)
            .ok_or(StatusCode::NO_SUCH_SESSION)?;
        let params = &entry.params;
        let media_type =
            MediaType::parse(content_type.as_bytes()).map_err(|_| StatusCode::UNSUPPORTED_MEDIA)?;
        let container = media_type.is("multipart", "mixed") || media_type.is("multipart", "alternative");
        if !container && params.accepts.accepts(&media_type).is_none() {
            return Err(StatusCode::UNSUPPORTED_MEDIA);
        }
        if let Some(at) = entry
            .refused
            .iter()
            .position(|refused| refused.message_id == message_id)
        {
            let refused = &entry.refused[at];
            if !refused.may_restart || range.start != 1 {
                return Err(refused.code);
            }
            entry.refused.remove(at);
        }
        // Positions are a peer's claim: they are compared with our bound before anything is kept for them.
        let claims_too_much = range.start > params.max_size.saturating_add(1)
            || range.total.is_some_and(|total| total > params.max_size);
        let known = entry.incoming.get(&message_id).copied();
        if claims_too_much {
            match known {
                Some(key) => self.abort_incoming(key, AbortReason::Rejected(StatusCode::STOP_SENDING)),
                None => self.refuse_later(session, message_id, StatusCode::STOP_SENDING, false),
            }
            return Err(StatusCode::STOP_SENDING);
        }
        let chunk = |message| CurrentChunk {
            request,
            message,
            start: range.start,
            total: range.total,
        };
        if let Some(message) = known {
            if let Some(incoming) = self.incoming.get_mut(&message) {
                incoming.touched = self.now;
                if incoming.back.is_empty() {
                    // The session was set up anew: the message comes once more, from elsewhere.
                    incoming.back = Bytes::copy_from_slice(head.from_path(max_uris).map_err(bad)?.raw());
                }
            }
            return Ok(chunk(message));
        }
        if entry.incoming.len() >= max_incoming {
            self.refuse_later(session, message_id, StatusCode::STOP_SENDING, false);
            return Err(StatusCode::STOP_SENDING);
        }
        let message = self.begin_incoming(session, message_id, content_type, range, head)?;
        Ok(chunk(message))
    }

    /// The first chunk of a message, or the first that we see of it.
    fn begin_incoming(
        &mut self,
        session: SessionId,
        message_id: MessageId,
        content_type: &str,
        range: ByteRange,
        head: &Head,
    ) -> Result<IncomingKey, StatusCode> {
        let bad = |_| StatusCode::BAD_REQUEST;
        let max_uris = self.config.connection.limits().max_uris;
        let back = Bytes::copy_from_slice(head.from_path(max_uris).map_err(bad)?.raw());
        let (failure_report, success_report) = (
            head.failure_report().map_err(bad)?,
            head.success_report().map_err(bad)?,
        );
        let disposition = head
            .header_named("Content-Disposition")
            .and_then(|value| std::str::from_utf8(value).ok())
            .map(str::to_owned);
        self.next_key += 1;
        let message = IncomingKey(self.next_key);
        let entry = self
            .sessions
            .get_mut(session)
            .ok_or(StatusCode::NO_SUCH_SESSION)?;
        let duplicate = entry
            .received
            .iter()
            .any(|received| received.message_id == message_id);
        let receive = entry.params.receive;
        let file = entry.file.is_some();
        let known = duplicate && file;
        let sink = if known {
            None
        } else {
            self.claim_file(session, message)?
        };
        let quiet = receive == Receive::Whole || known;
        let entry = self
            .sessions
            .get_mut(session)
            .ok_or(StatusCode::NO_SUCH_SESSION)?;
        entry.incoming.insert(message_id, message);
        self.incoming.insert(
            message,
            Incoming {
                session,
                message_id,
                content_type: content_type.to_owned(),
                disposition: disposition.clone(),
                destination: match (sink, receive) {
                    _ if known => Destination::Nowhere,
                    (Some(SinkBox(sink)), _) => Destination::Sink(sink),
                    (None, Receive::Whole) => Destination::Whole(Assembly::default()),
                    (None, Receive::Stream) => Destination::Stream,
                    (None, Receive::Ask) => Destination::Undecided,
                },
                extent: Extent::default(),
                duplicate,
                touched: self.now,
                back,
                failure_report,
                success_report,
                last_chunk: None,
            },
        );
        self.timers.insert((
            self.now + self.config.reassembly_timeout,
            UaTimer::Reassembly(message),
        ));
        if !quiet {
            self.push_event(UserAgentEvent::IncomingMessage {
                session,
                message,
                message_id,
                content_type: content_type.to_owned(),
                total: range.total,
                disposition,
                duplicate,
            });
        }
        Ok(message)
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
        if data.is_empty() {
            return Ok(());
        }
        let max_size = self
            .sessions
            .get(incoming.session)
            .map(|entry| entry.params.max_size)
            .ok_or(StatusCode::NO_SUCH_SESSION)?;
        let last = offset + (data.len() as u64 - 1);
        let whole = matches!(incoming.destination, Destination::Whole(_));
        let too_large = last > max_size
            || incoming.extent.total.is_some_and(|total| last > total)
            || (whole && self.buffered + data.len() > self.config.max_buffered);
        if too_large {
            self.abort_incoming(chunk.message, AbortReason::Rejected(StatusCode::STOP_SENDING));
            return Err(StatusCode::STOP_SENDING);
        }
        incoming.touched = self.now;
        let mut told = Vec::new();
        let mut failed = false;
        match &mut incoming.destination {
            Destination::Whole(assembly) => {
                let before = assembly.octets();
                assembly.write(offset, data);
                self.buffered = (self.buffered + assembly.octets()).saturating_sub(before);
            }
            destination => {
                for (first, end) in incoming.extent.received.missing(offset, last) {
                    let part = data.slice((first - offset) as usize..=(end - offset) as usize);
                    match destination {
                        Destination::Sink(sink) => failed |= sink.write(first, &part).is_err(),
                        Destination::Nowhere => {}
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

    /// The current chunk is over. Answers the code to refuse it with, if it is not to be answered 200.
    pub(crate) fn end_chunk(
        &mut self,
        chunk: CurrentChunk,
        flag: ContinuationFlag,
        received: u64,
    ) -> Result<(), StatusCode> {
        let Some(incoming) = self.incoming.get_mut(&chunk.message) else {
            return Err(StatusCode::STOP_SENDING);
        };
        // The chunk's own length counts, whatever its range says (RFC 4975 §7.3.1).
        let end = chunk.start - 1 + received;
        let actual = ByteRange {
            start: chunk.start,
            end: Some(end),
            total: chunk.total,
        };
        incoming.last_chunk = Some(actual);
        match flag {
            ContinuationFlag::Abort => {
                self.abort_incoming(chunk.message, AbortReason::Sender);
                return Ok(());
            }
            ContinuationFlag::Complete => {
                let extent = &mut incoming.extent;
                let contradicts = extent.received.last().is_some_and(|last| last > end)
                    || extent.total.is_some_and(|total| total != end);
                if contradicts {
                    // It has two ends, or octets behind its end: what the sender means cannot be known.
                    self.abort_incoming(chunk.message, AbortReason::Rejected(StatusCode::BAD_REQUEST));
                    return Err(StatusCode::BAD_REQUEST);
                }
                extent.total = Some(end);
            }
            ContinuationFlag::More => {}
        }
        let complete = incoming.extent.is_complete();
        if complete && incoming.complete_sink().is_err() {
            self.abort_incoming(chunk.message, AbortReason::Sink);
            return Err(StatusCode::STOP_SENDING);
        }
        let session = incoming.session;
        let opened = if complete {
            match self.open_whole(chunk.message) {
                Ok(opened) => opened,
                Err(code) => {
                    self.abort_incoming(chunk.message, AbortReason::Rejected(code));
                    return Err(code);
                }
            }
        } else {
            None
        };
        // The response goes before the REPORT: a relay between us would take a chunk for lost whose delivery is known, if
        // the connection broke between the two.
        if let Some(handle) = self.connection_of(session)
            && let Some((connection, _)) = self.table.get_mut(handle)
        {
            let _known = connection.respond(chunk.request, StatusCode::OK, StatusCode::OK.phrase());
        }
        let Some(incoming) = self.incoming.get(&chunk.message) else {
            return Ok(());
        };
        let manual = self
            .sessions
            .get(session)
            .is_some_and(|entry| entry.params.manual_reports);
        let each = self.config.report_each_chunk;
        if incoming.success_report == SuccessReport::Yes && !manual {
            if each && (received > 0 || complete) {
                self.report_on(chunk.message, StatusCode::OK, actual);
            } else if !each && complete {
                let size = incoming.extent.total.unwrap_or(end);
                self.report_on(chunk.message, StatusCode::OK, ByteRange::whole(size));
            }
        }
        if complete {
            self.complete_incoming(chunk.message, manual, opened);
        }
        Ok(())
    }
}
