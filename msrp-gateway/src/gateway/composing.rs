//! Who is writing, on its way into sessions (RFC 3994): it never waits, and nobody is told what becomes of it.

use bytes::Bytes;
use msrp_ua::{OutgoingMessage, sip::SipPage};

use super::Gateway;
use crate::{
    event::ConversationId,
    translate::{ForSession, FromPage},
};

impl Gateway {
    /// Somebody writes, or no longer: passed on where it can be, and forgotten where not (RFC 3994 §4).
    pub(super) fn pass_composing(&mut self, id: ConversationId, page: &SipPage, body: &Bytes) {
        let sent_at = self.clock.at(self.now);
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        let word = FromPage {
            from: &page.from,
            sender: &conversation.page.aor,
            to: &page.to,
            content_type: page.content_type.as_deref().unwrap_or_default(),
            body,
            headers: &page.headers,
            sent_at,
        };
        let leg = conversation.legs.iter().find(|leg| leg.ready && !leg.held);
        if let Some(leg) = leg
            && let Ok(word) = self.policies.content.to_session(&word, &leg.wrapping)
        {
            // The newest word replaces one that could not be sent.
            conversation.composing = Some(word);
            self.dirty.insert(id);
        }
    }

    pub(super) fn send_composing(&mut self, id: ConversationId, word: ForSession) {
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        for leg in conversation.legs.iter().filter(|leg| leg.ready && !leg.held) {
            let Some(session) = leg.session else { continue };
            let message = OutgoingMessage::bytes(word.content_type.clone(), word.body.clone());
            // Nobody is told what becomes of it, and a session that does not take it is not asked again.
            let _sent = self.agent.send(session, message);
        }
    }
}
