//! Messages that we send: from a source into a lane, and what becomes of them.

mod again;
mod lane;
mod outcome;

use bytes::Bytes;
use msrp_core::{
    connection::OutgoingId,
    grammar::{FailureReport, MediaType, MessageId, SuccessReport},
    node::ConnectionHandle,
};

use super::source::{FromBytes, MessageSource};
use crate::{
    error::CommandError,
    intervals::IntervalSet,
    names::{OutgoingKey, SessionId},
    user_agent::UserAgent,
};

/// A message to be sent.
pub struct OutgoingMessage {
    pub(crate) content_type: String,
    pub(crate) source: Box<dyn MessageSource>,
    pub(crate) success_report: SuccessReport,
    pub(crate) failure_report: FailureReport,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) message_id: Option<MessageId>,
    /// The application knows nothing of it, and hears nothing.
    pub(crate) quiet: bool,
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
            quiet: false,
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
    session: SessionId,
    message_id: MessageId,
    message: OutgoingMessage,
    /// The size that the source has promised; it is asked once.
    total: Option<u64>,
    lane: Option<(ConnectionHandle, OutgoingId)>,
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
    /// Chunks whose response is awaited. It counts below zero where a response overtakes the end of its chunk.
    outstanding: i64,
    /// Octets that the peer has reported.
    reported: IntervalSet,
    /// That the next hop has all of it has been told.
    accepted: bool,
    /// The peer has reported all of it.
    delivered: bool,
    /// It is kept to understand late reports only.
    retired: bool,
    /// How often its session has been set up anew since it was given to us.
    attempt: u16,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing")
            .field("session", &self.session)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

/// The name under which a media type is remembered as refused.
fn type_name(media_type: &MediaType) -> String {
    format!("{}/{}", media_type.main_type(), media_type.subtype()).to_ascii_lowercase()
}

/// Whether a message is about messages, so that directions do not concern it (RFC 4975 §8.9).
fn is_control(media_type: &MediaType) -> bool {
    media_type.is("message", "imdn+xml") || media_type.is("application", "im-iscomposing+xml")
}

impl UserAgent {
    /// Whether the peer has been asked to report on a message, and has not.
    pub(crate) fn expects_report(&self, key: OutgoingKey) -> bool {
        self.outgoing.get(&key).is_some_and(|outgoing| {
            outgoing.message.success_report == SuccessReport::Yes && !outgoing.delivered
        })
    }

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
        // One file, one message (RFC 5547 §8.7).
        if self.sessions.get(session).is_some_and(|entry| entry.for_file) {
            return Err(CommandError::ForFile);
        }
        self.enqueue(session, message)
    }

    /// Puts a message into the queue of a session, which may be that of a file.
    pub(crate) fn enqueue(
        &mut self,
        session: SessionId,
        message: OutgoingMessage,
    ) -> Result<OutgoingKey, CommandError> {
        let limit = self.config.max_outgoing;
        let entry = self.sessions.get(session).ok_or(CommandError::UnknownSession)?;
        if entry.under_way() >= limit {
            return Err(CommandError::TooManyMessages { limit });
        }
        let media_type = MediaType::parse(message.content_type.as_bytes())?;
        let name = type_name(&media_type);
        if entry.params.peer_accepts.accepts(&media_type).is_none() || entry.refused_types.contains(&name) {
            return Err(CommandError::NotAccepted(name));
        }
        if !entry.params.may_send && !is_control(&media_type) {
            return Err(CommandError::OnHold);
        }
        let total = message.source.size();
        if let (Some(size), Some(limit)) = (total, entry.params.peer_max_size)
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
                total,
                lane: None,
                held: None,
                written: 0,
                finished: false,
                sent: 0,
                all_sent: false,
                outstanding: 0,
                reported: IntervalSet::new(),
                accepted: false,
                delivered: false,
                retired: false,
                attempt: 0,
            },
        );
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.outgoing.insert(message_id, key);
            entry.waiting.push_back(key);
        }
        self.want_lane(session);
        Ok(key)
    }

    /// Gives a message up: the peer is told by `#` if it has seen any of it. Nothing more is told of the message.
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

    /// A source that said [`Pull::Pending`](crate::message::Pull::Pending) has octets again.
    pub fn source_ready(&mut self, key: OutgoingKey) {
        self.pump_outgoing(key);
    }

    /// A message's identifier on the wire; none once the message is forgotten.
    pub fn message_id(&self, key: OutgoingKey) -> Option<MessageId> {
        self.outgoing.get(&key).map(|outgoing| outgoing.message_id)
    }
}
