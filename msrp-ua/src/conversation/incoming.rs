//! What we hear.

use bytes::Bytes;
use msrp_core::grammar::{MediaType, StatusCode};

use super::Conversation;
use crate::{
    composing::{COMPOSING_TYPE, ComposingState, IsComposing},
    cpim::{Content, CpimRules, understands_core},
    event::UserAgentEvent,
    imdn::{self, Answerable, Heard, IMDN_NAMESPACE, Notification},
    names::{IncomingKey, SessionId},
    user_agent::UserAgent,
    xml::XmlLimits,
};

/// A message that is whole, and what is in it.
pub(crate) enum Opened {
    /// Nobody looks into it.
    AsItIs(Bytes),
    /// For people.
    Content(Content),
    /// That somebody writes, or has stopped.
    Status { content: Content, status: IsComposing },
    /// What became of messages of ours.
    Notices(Vec<Notification>),
}

impl UserAgent {
    /// Opens a whole message of a session; where that is no conversation, it stays as it is.
    ///
    /// # Errors
    /// What it has to be refused with: 400 where it cannot be read, 415 where it requires what is not understood.
    pub(crate) fn open_message(
        &self,
        session: SessionId,
        content_type: &str,
        disposition: Option<&str>,
        octets: Bytes,
    ) -> Result<Opened, StatusCode> {
        if !self.conversations.contains_key(&session) {
            return Ok(Opened::AsItIs(octets));
        }
        let unreadable = |error: &dyn std::fmt::Display| {
            tracing::debug!(%error, "a message cannot be read");
            StatusCode::BAD_REQUEST
        };
        let content = Content::open(content_type, disposition, octets, &CpimRules::tolerant())
            .map_err(|error| unreadable(&error))?;
        if let Some(head) = &content.head {
            let understands = |namespace: &str, name: &str| {
                namespace == IMDN_NAMESPACE || understands_core(namespace, name)
            };
            if !head.not_understood(understands).is_empty() {
                return Err(StatusCode::UNSUPPORTED_MEDIA);
            }
        }
        let limits = XmlLimits::default();
        if is_composing(&content.media_type) {
            let status = IsComposing::parse(&content.body, &limits).map_err(|error| unreadable(&error))?;
            return Ok(Opened::Status { content, status });
        }
        match imdn::notifications(&content, &limits).map_err(|error| unreadable(&error))? {
            Some(notices) => Ok(Opened::Notices(notices)),
            None => Ok(Opened::Content(content)),
        }
    }

    /// A status message has come.
    pub(crate) fn on_status(&mut self, session: SessionId, content: &Content, status: &IsComposing) {
        let now = self.now;
        let Some(conversation) = self.conversations.get_mut(&session) else {
            return;
        };
        let who = conversation.writer_of(content);
        let state = conversation.composing.on_status(now, &who, status);
        if let Some(state) = state {
            let active = state == ComposingState::Active;
            self.push_event(UserAgentEvent::Composing { session, who, active });
        }
        self.rearm_conversation(session);
    }

    /// Notifications about messages of ours have come; those that were not asked for are nobody's business.
    pub(crate) fn on_notices(&mut self, session: SessionId, notices: &[Notification]) {
        for notice in notices {
            let Some(conversation) = self.conversations.get_mut(&session) else {
                return;
            };
            if let (Heard::Expected(&message), Some(disposition)) =
                (conversation.sent.heard(notice), notice.disposition)
            {
                let recipient = notice.recipient_uri.clone();
                self.push_event(UserAgentEvent::Noticed {
                    session,
                    message,
                    disposition,
                    recipient,
                });
            }
        }
    }

    /// Something was said, and is about to be told to the application: its writer has stopped writing, and hears that it was
    /// delivered, if it asks.
    pub(crate) fn on_said(&mut self, session: SessionId, key: IncomingKey, content: &Content) {
        let remembered = self.config.remembered;
        let Some(conversation) = self.conversations.get_mut(&session) else {
            return;
        };
        let who = conversation.writer_of(content);
        let stopped = conversation.composing.on_message(&who).is_some();
        let consent = conversation.conversants.delivered;
        let mut notice = None;
        if let Some(mut answerable) = Answerable::of(content, &conversation.conversants.me) {
            notice = answerable.delivered(consent);
            conversation.answerable.push_back((key, answerable));
            while conversation.answerable.len() > remembered {
                conversation.answerable.pop_front();
            }
        }
        if stopped {
            let active = false;
            self.push_event(UserAgentEvent::Composing { session, who, active });
        }
        if let Some(notice) = notice {
            self.send_notice(session, &notice);
        }
    }
}

impl Conversation {
    /// Who wrote a message: who it says itself, or else the peer.
    fn writer_of(&self, content: &Content) -> String {
        content
            .head
            .as_ref()
            .and_then(|head| head.from())
            .unwrap_or(&self.conversants.peer)
            .uri()
            .to_owned()
    }
}

fn is_composing(media_type: &str) -> bool {
    let (Ok(media_type), Some((main, sub))) = (
        MediaType::parse(media_type.as_bytes()),
        COMPOSING_TYPE.split_once('/'),
    ) else {
        return false;
    };
    media_type.is(main, sub)
}
