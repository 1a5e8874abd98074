//! What we say, and that we are about to.

use msrp_core::grammar::{FailureReport, MediaType};

use super::Conversation;
use crate::{
    composing::IsComposing,
    cpim::{CpimBuilder, CpimMessage, Envelope},
    error::CommandError,
    imdn::{self, DispositionRequests, Notice},
    message::OutgoingMessage,
    names::{IncomingKey, OutgoingKey, SessionId},
    user_agent::UserAgent,
};

/// Something to say.
#[derive(Debug)]
pub struct Utterance {
    message: OutgoingMessage,
    requests: DispositionRequests,
    subject: Option<String>,
}

impl Utterance {
    /// This message.
    pub fn new(message: OutgoingMessage) -> Self {
        Self {
            message,
            requests: DispositionRequests::default(),
            subject: None,
        }
    }

    /// A line of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(OutgoingMessage::text(text))
    }

    /// Asks for notifications, where the peer takes messages that can ask. Without a wrapping, and before
    /// [`UserAgent::set_calendar`], nothing is asked for beyond MSRP's own reports.
    pub fn with_notices(mut self, requests: DispositionRequests) -> Self {
        self.requests = requests;
        self
    }

    /// Says what it is about, where the peer takes messages that can say so.
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }
}

impl From<OutgoingMessage> for Utterance {
    fn from(message: OutgoingMessage) -> Self {
        Self::new(message)
    }
}

impl UserAgent {
    /// Says something in a session: wrapped in a message/cpim where the peer lists that first, or where the message asks
    /// for what only a wrapping can carry and the peer takes it. In a session that is no
    /// [conversation](Self::converse) it is sent as it is.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`CommandError::Cpim`] for what cannot stand in a message/cpim.
    pub fn say(&mut self, session: SessionId, utterance: Utterance) -> Result<OutgoingKey, CommandError> {
        let Utterance {
            message,
            requests,
            subject,
        } = utterance;
        let Some(conversation) = self.conversations.get(&session) else {
            return self.send(session, message);
        };
        let media_type = MediaType::parse(message.content_type.as_bytes())?;
        let calendar = self.calendar();
        // Without a time there are no notifications: they name messages by it (RFC 5438 §7.1.1).
        let requests = if calendar.is_some() {
            requests
        } else {
            DispositionRequests::default()
        };
        let wanted = !requests.is_empty() || subject.is_some();
        // What the peer takes in no way is left to `send` to refuse.
        let wraps = conversation.conversants.wrapping.envelope(&media_type, wanted) == Some(Envelope::Cpim);
        let key = if wraps {
            let mut builder = conversation.builder();
            if let Some(subject) = &subject {
                builder = builder.subject(subject, None);
            }
            let message_id = imdn::message_id(&mut self.ids);
            builder = match calendar {
                Some(now) => builder.notifications(&message_id, requests, now),
                None => builder,
            };
            let key = self.send(session, builder.wrap(message)?)?;
            if let Some(conversation) = self.conversations.get_mut(&session) {
                conversation.sent.sent(&message_id, requests, key);
            }
            key
        } else {
            self.send(session, message)?
        };
        if let Some(conversation) = self.conversations.get_mut(&session) {
            // A message tells that its writing is over.
            conversation.composer.on_sent();
        }
        Ok(key)
    }

    /// The user writes something in a session; to be called for each key, or as often as is convenient. The peer is told
    /// when it begins, and each 90 s; that it is over, after 15 s without a call.
    ///
    /// # Errors
    /// [`CommandError::UnknownSession`].
    pub fn typing(&mut self, session: SessionId) -> Result<(), CommandError> {
        self.compose(session, |conversation, now| conversation.composer.on_input(now))
    }

    /// The user has deleted what was written.
    ///
    /// # Errors
    /// [`CommandError::UnknownSession`].
    pub fn stopped_typing(&mut self, session: SessionId) -> Result<(), CommandError> {
        self.compose(session, |conversation, _| conversation.composer.on_discarded())
    }

    fn compose(
        &mut self,
        session: SessionId,
        what: impl FnOnce(&mut Conversation, std::time::Instant) -> Option<IsComposing>,
    ) -> Result<(), CommandError> {
        if self.sessions.get(session).is_none() {
            return Err(CommandError::UnknownSession);
        }
        let now = self.now;
        let Some(conversation) = self.conversations.get_mut(&session) else {
            return Ok(());
        };
        if !conversation.conversants.composing {
            return Ok(());
        }
        if let Some(status) = what(conversation, now) {
            self.send_status(session, &status);
        }
        self.rearm_conversation(session);
        Ok(())
    }

    /// A message has been shown to the user: its sender is told, if it asked and the user
    /// [consents](super::Conversants::displayed). For messages that ask for nothing, or that are forgotten, nothing happens.
    pub fn displayed(&mut self, session: SessionId, message: IncomingKey) {
        let Some(conversation) = self.conversations.get_mut(&session) else {
            return;
        };
        let consent = conversation.conversants.displayed;
        let notice = conversation
            .answerable
            .iter_mut()
            .find(|(key, _)| *key == message)
            .and_then(|(_, answerable)| answerable.displayed(consent));
        if let Some(notice) = notice {
            self.send_notice(session, &notice);
        }
    }

    /// Tells the peer that somebody writes, or has stopped; wrapped like what is being written (RFC 3994 §4).
    pub(super) fn send_status(&mut self, session: SessionId, status: &IsComposing) {
        let Some(conversation) = self.conversations.get_mut(&session) else {
            return;
        };
        let message = status.message();
        let Ok(media_type) = MediaType::parse(message.content_type.as_bytes()) else {
            return;
        };
        let sent = match conversation.conversants.wrapping.envelope(&media_type, false) {
            Some(Envelope::None) => Ok(message),
            Some(Envelope::Cpim) => conversation.builder().wrap(message),
            // A peer that takes no status messages is sent none.
            None => return conversation.composer.on_refused(),
        };
        match sent {
            Ok(message) => self.send_quietly(session, message),
            Err(error) => tracing::debug!(%error, "status message not made"),
        }
    }

    /// Tells the sender of a message what became of it.
    pub(super) fn send_notice(&mut self, session: SessionId, notice: &Notice) {
        let id = imdn::message_id(&mut self.ids);
        match notice.message(&id) {
            Ok(message) => {
                let message =
                    OutgoingMessage::bytes(crate::cpim::CPIM_TYPE, CpimMessage::octets(&message).clone())
                        .with_failure_report(FailureReport::No);
                self.send_quietly(session, message);
            }
            Err(error) => tracing::debug!(%error, "notification not made"),
        }
    }

    /// Sends what the application does not know of, and need not hear of.
    fn send_quietly(&mut self, session: SessionId, mut message: OutgoingMessage) {
        message.quiet = true;
        if let Err(error) = self.send(session, message) {
            tracing::debug!(%error, "status or notification not sent");
        }
    }
}

impl Conversation {
    /// A wrapping from us to the peer.
    fn builder(&self) -> CpimBuilder {
        let conversants = &self.conversants;
        CpimBuilder::new(conversants.me.clone(), conversants.peer.clone())
    }
}
