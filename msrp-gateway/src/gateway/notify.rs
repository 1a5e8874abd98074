//! What the senders of MESSAGEs are told after their MESSAGE was answered (rows GW-72, GW-73, GW-94, GW-120).

use std::collections::VecDeque;

use msrp_ua::{
    imdn::{Consent, message_id},
    sip::{PageId, SipPage, SipParty},
};

use super::{
    Gateway,
    conversation::{Message, Origin},
};
use crate::{event::Outcome, pager::Job, translate::Kind};

impl Gateway {
    /// Tells the sender of a message what its answer could not tell: by an IMDN where one was asked for, else by a notice
    /// where those are wanted.
    pub(super) fn tell_sender(&mut self, message: &Message, outcome: &Outcome) {
        if message.kind != Kind::Content {
            return;
        }
        match outcome {
            // With message/cpim the recipient itself says so.
            Outcome::Delivered | Outcome::Accepted if !self.was_unwrapped(message) => {}
            Outcome::Delivered => self.notify(message, true),
            Outcome::Accepted => {}
            Outcome::Failed { code, reason } => {
                if !message.open.is_empty() {
                    // It was told by the answer.
                    return;
                }
                if message.answerable.is_some() {
                    self.notify(message, false);
                } else {
                    self.notice(message, *code, reason);
                }
            }
        }
    }

    /// Whether the recipient was given what was in a message/cpim without its wrapping, and so cannot answer it.
    fn was_unwrapped(&self, message: &Message) -> bool {
        message.answerable.is_some()
            && !message.paged
            && self.conversations.get(&message.conversation).is_some_and(|it| {
                let cpim = msrp_core::grammar::MediaType::parse(b"message/cpim");
                it.legs
                    .iter()
                    .filter(|leg| leg.ready)
                    .all(|leg| !cpim.as_ref().is_ok_and(|cpim| leg.wrapping.takes_plain(cpim)))
            })
    }

    fn notify(&mut self, message: &Message, delivered: bool) {
        let Some(mut answerable) = message.answerable.clone() else {
            return;
        };
        let notice = if delivered {
            answerable.delivered(Consent::Given)
        } else {
            answerable.failed(Consent::Given)
        };
        let Some(notice) = notice else { return };
        let id = message_id(&mut self.ids);
        let Ok(cpim) = notice.message(&id) else {
            return;
        };
        let from = SipParty::new(message.page.to.uri.clone());
        self.send_own(message, from, "message/cpim", cpim.octets().clone());
    }

    fn notice(&mut self, message: &Message, code: u16, reason: &str) {
        let Some(from) = self.config.notices.clone() else {
            return;
        };
        let text = format!(
            "Your message to {} was not delivered: {code} {reason}",
            message.page.to.uri
        );
        self.send_own(message, from, "text/plain;charset=UTF-8", text.into());
    }

    fn send_own(&mut self, message: &Message, from: SipParty, content_type: &str, body: bytes::Bytes) {
        let id = message.conversation;
        let Some(conversation) = self.conversations.get(&id) else {
            return;
        };
        let octets = body.len();
        if !self
            .config
            .queue
            .has_room(conversation.to_pages, self.to_pages, octets)
        {
            tracing::debug!(conversation = %id, "no room to tell a sender what became of a message");
            return;
        }
        let end = &conversation.page;
        let mut page = SipPage::new(PageId::outgoing(0), from, end.party.clone(), content_type, body);
        page.request_uri.clone_from(&end.request_uri);
        page.route.clone_from(&end.route.via);
        page.headers.extend(Self::trail_headers(&conversation.trail));
        let (target, safe) = (end.request_uri.clone(), end.route.congestion_safe);
        if self.fits(&mut page, safe) {
            if let Some(conversation) = self.conversations.get_mut(&id) {
                conversation.to_pages.add(octets);
            }
            self.to_pages.add(octets);
            self.pager.push(
                &target,
                Job {
                    origin: Origin::Own {
                        conversation: id,
                        octets,
                    },
                    parts: VecDeque::from([page]),
                    instead: None,
                    expires_at: self.now + self.config.message_timeout,
                    fallback: None,
                    retries: 2,
                },
            );
        }
    }
}
