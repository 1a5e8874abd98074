//! How a message ends: complete, or not.

use msrp_core::grammar::{ByteRange, FailureReport, MessageId, Status, StatusCode, SuccessReport};

use super::{Destination, Incoming, Received, RefusedMessage};
use crate::{
    conversation::Opened,
    event::{AbortReason, UserAgentEvent},
    message::sink::SinkError,
    names::{IncomingKey, SessionId},
    user_agent::UserAgent,
};

impl Incoming {
    /// All octets are there; the sink may still say that it cannot keep them.
    pub(super) fn complete_sink(&mut self) -> Result<(), SinkError> {
        match &mut self.destination {
            Destination::Sink(sink) => sink.complete(self.extent.total.unwrap_or_default()),
            _ => Ok(()),
        }
    }
}

impl UserAgent {
    /// Opens a message that is complete, if it was put together.
    ///
    /// # Errors
    /// What it has to be refused with.
    pub(super) fn open_whole(&mut self, key: IncomingKey) -> Result<Option<Opened>, StatusCode> {
        let Some(incoming) = self.incoming.get_mut(&key) else {
            return Ok(None);
        };
        let size = incoming.extent.total.unwrap_or_default();
        let Destination::Whole(assembly) = &mut incoming.destination else {
            return Ok(None);
        };
        let held = assembly.octets();
        let octets = assembly.take(size);
        self.buffered = self.buffered.saturating_sub(held);
        incoming.destination = Destination::Stream;
        let Some(incoming) = self.incoming.get(&key) else {
            return Ok(None);
        };
        let disposition = incoming.disposition.as_deref();
        self.open_message(incoming.session, &incoming.content_type, disposition, octets)
            .map(Some)
    }

    /// A message is complete.
    pub(super) fn complete_incoming(&mut self, key: IncomingKey, manual: bool, opened: Option<Opened>) {
        let Some(incoming) = self.take_incoming(key) else {
            return;
        };
        let size = incoming.extent.total.unwrap_or_default();
        if matches!(incoming.destination, Destination::Nowhere) {
            return;
        }
        let remembered = self.config.remembered;
        if let Some(entry) = self.sessions.get_mut(incoming.session) {
            entry.received.push_back(Received {
                message: key,
                message_id: incoming.message_id,
                back: incoming.back,
                size,
                failure_report: incoming.failure_report,
                success_due: manual && incoming.success_report == SuccessReport::Yes,
            });
            while entry.received.len() > remembered {
                entry.received.pop_front();
            }
        }
        let session = incoming.session;
        let message = |content_type, disposition, body, envelope| UserAgentEvent::Message {
            session,
            message: key,
            message_id: incoming.message_id,
            content_type,
            body,
            size,
            disposition,
            duplicate: incoming.duplicate,
            envelope,
        };
        match opened {
            None => self.push_event(message(incoming.content_type, incoming.disposition, None, None)),
            Some(Opened::AsItIs(body)) => {
                self.push_event(message(
                    incoming.content_type,
                    incoming.disposition,
                    Some(body),
                    None,
                ));
            }
            Some(Opened::Status { content, status }) => self.on_status(session, &content, &status),
            Some(Opened::Notices(notices)) => self.on_notices(session, &notices),
            Some(Opened::Content(content)) => {
                self.on_said(session, key, &content);
                self.push_event(message(
                    content.media_type,
                    content.disposition,
                    Some(content.body),
                    content.head.map(Box::new),
                ));
            }
        }
    }

    /// Ends an unfinished message; what there is of it is dropped, and what still comes of it is refused.
    pub(crate) fn abort_incoming(&mut self, key: IncomingKey, reason: AbortReason) {
        let Some(mut incoming) = self.take_incoming(key) else {
            return;
        };
        tracing::debug!(message = key.0, ?reason, "incoming message given up");
        if let Destination::Sink(sink) = &mut incoming.destination {
            sink.abort();
        }
        let (session, id) = (incoming.session, incoming.message_id);
        match reason {
            AbortReason::Rejected(code) => self.refuse_later(session, id, code, false),
            AbortReason::Sink | AbortReason::TimedOut => {
                self.refuse_later(session, id, StatusCode::STOP_SENDING, false);
            }
            AbortReason::Sender => self.refuse_later(session, id, StatusCode::STOP_SENDING, true),
            AbortReason::SessionEnded => {}
        }
        if !matches!(incoming.destination, Destination::Nowhere) {
            self.push_event(UserAgentEvent::MessageAborted { message: key, reason });
        }
        // Its connection may have waited for a decision on it.
        if let Some(handle) = self.connection_of(session) {
            self.table.mark_ready(handle);
        }
    }

    /// Takes a message out of all tables of unfinished ones.
    fn take_incoming(&mut self, key: IncomingKey) -> Option<Incoming> {
        let incoming = self.incoming.remove(&key)?;
        if let Some(entry) = self.sessions.get_mut(incoming.session) {
            entry.incoming.remove(&incoming.message_id);
        }
        if let Destination::Whole(assembly) = &incoming.destination {
            self.buffered = self.buffered.saturating_sub(assembly.octets());
        }
        Some(incoming)
    }

    /// What still comes of a message is to be refused.
    pub(super) fn refuse_later(
        &mut self,
        session: SessionId,
        message_id: MessageId,
        code: StatusCode,
        may_restart: bool,
    ) {
        let remembered = self.config.remembered;
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        entry.refused.push_back(RefusedMessage {
            message_id,
            code,
            may_restart,
        });
        while entry.refused.len() > remembered {
            entry.refused.pop_front();
        }
    }

    /// Sends a REPORT about a message that is coming in (RFC 4975 §7.1.2 to §7.1.4).
    pub(super) fn report_on(&mut self, key: IncomingKey, code: StatusCode, range: ByteRange) {
        let Some(incoming) = self.incoming.get(&key) else {
            return;
        };
        // Where the way back is gone with its connection there is nobody to tell.
        if incoming.back.is_empty() {
            return;
        }
        if !code.is_success() && incoming.failure_report == FailureReport::No {
            return;
        }
        let (session, message_id, back) = (incoming.session, incoming.message_id, incoming.back.clone());
        let status = Status::new(code).to_string();
        self.send_report(session, message_id, back, status, range);
    }
}
