//! Sessions that MESSAGEs need: called for, and what becomes of the messages where there are none.

use std::{collections::VecDeque, time::Duration};

use msrp_ua::{
    call::{OutgoingCall, StreamOffer},
    sip::{PageId, SipHeader, SipPage},
};

use super::{Gateway, conversation::Origin, timers::Due};
use crate::{
    event::{ConversationId, GatewayEvent, MessageNumber, Outcome},
    identity::Aor,
    outcome::{SetupOutcome, setup_outcome},
    pager::Job,
    translate::Kind,
};

/// Header fields of the first MESSAGE that the INVITE has too (row GW-22).
const CARRIED: [&str; 3] = ["Subject", "Priority", "In-Reply-To"];

/// Header fields of a MESSAGE that is sent on as a MESSAGE.
const SENT_ON: [&str; 12] = [
    "Date",
    "Expires",
    "Subject",
    "Priority",
    "In-Reply-To",
    "Reply-To",
    "Call-Info",
    "Content-Disposition",
    "Content-Language",
    "Content-ID",
    "Content-Transfer-Encoding",
    "Content-Encoding",
];

fn some_of(page: &SipPage, names: &[&str]) -> Vec<SipHeader> {
    page.headers
        .iter()
        .filter(|header| names.iter().any(|name| name.eq_ignore_ascii_case(&header.name)))
        .cloned()
        .collect()
}

impl Gateway {
    /// Does something about a message that waits where there is no session: calls, or lets it go another way. Answers
    /// whether the next one is to be looked at.
    pub(super) fn set_up(&mut self, id: ConversationId, number: MessageNumber) -> bool {
        let now = self.now;
        let Some(conversation) = self.conversations.get(&id) else {
            return false;
        };
        let callee = &conversation.session.aor;
        if self
            .messages
            .get(&number)
            .is_some_and(|it| it.kind == Kind::Notification)
        {
            // What became of a message is not worth a call (row GW-77).
            self.settle(number, &Outcome::failed(480, "Session Over"));
        } else if self.draining.is_some() {
            self.settle(number, &Outcome::failed(503, "Shutting Down"));
        } else if self.page_only.recall(now, callee).is_some() {
            self.send_as_page(id, number);
        } else if let Some(code) = self.is_away(callee, &conversation.page.aor) {
            self.settle(number, &Outcome::failed(code, "Not Called Again So Soon"));
        } else {
            self.call(id, number);
            return false;
        }
        true
    }

    /// What is answered for somebody who is not called again so soon.
    fn is_away(&self, callee: &Aor, caller: &Aor) -> Option<u16> {
        [None, Some(caller.clone())]
            .into_iter()
            .find_map(|caller| self.away.recall(self.now, &(callee.clone(), caller)).copied())
    }

    fn call(&mut self, id: ConversationId, number: MessageNumber) {
        let Some((conversation, message)) = self.conversations.get(&id).zip(self.messages.get(&number))
        else {
            return;
        };
        let profile =
            self.profile(self.page_room(&conversation.page, &conversation.session, &conversation.trail));
        let mut call = OutgoingCall::new(conversation.session.party.clone())
            .with_request_uri(conversation.session.request_uri.clone())
            .with_from(conversation.page.party.clone())
            .with_stream(StreamOffer::Chat(Some(Box::new(profile))))
            .with_relays(self.config.relays.clone());
        if let Some(via) = &conversation.session.route.via {
            call = call.with_route(via.clone());
        }
        call.headers = some_of(&message.page, &CARRIED);
        call.headers.extend(Self::trail_headers(&conversation.trail));
        match self.agent.call(call) {
            Ok(call) => {
                self.by_call.insert(call, id);
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    conversation.setup = Some(call);
                }
            }
            Err(error) => self.setup_failed(id, 500, error.to_string(), None),
        }
    }

    /// There will be no session. Each message that waits for it has an outcome of its own (row GW-37).
    pub(super) fn setup_failed(
        &mut self,
        id: ConversationId,
        code: u16,
        reason: String,
        retry_after: Option<Duration>,
    ) {
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        if let Some(call) = conversation.setup.take() {
            self.by_call.remove(&call);
        }
        let messages: Vec<_> = conversation.waiting.iter().copied().collect();
        let (callee, caller) = (conversation.session.aor.clone(), conversation.page.aor.clone());
        let has_legs = !conversation.legs.is_empty();
        self.stats.setups_failed += 1;
        let event = GatewayEvent::SetupFailed {
            conversation: id,
            key: conversation.key.clone(),
            from: conversation.page.party.uri.clone(),
            to: conversation.session.party.uri.clone(),
            request_uri: conversation.session.request_uri.clone(),
            code,
            reason: reason.clone(),
            messages: messages.clone(),
        };
        self.push_event(event);
        self.dirty.insert(id);
        if has_legs {
            // The callee has called meanwhile: what waits goes there.
            return;
        }
        match setup_outcome(code) {
            SetupOutcome::PageMode => {
                self.page_only
                    .learn(self.now, callee, (), self.config.learned_for);
                for number in messages {
                    self.send_as_page(id, number);
                }
            }
            SetupOutcome::Failed(code) => {
                let time = retry_after.unwrap_or(self.config.backoff);
                // Who has refused one caller may want another.
                let caller = (code == 403).then_some(caller);
                self.away.learn(
                    self.now,
                    (callee, caller),
                    code,
                    time.min(self.config.learned_for),
                );
                for number in messages {
                    self.settle(number, &Outcome::failed(code, reason.clone()));
                }
            }
        }
    }

    /// Sends a MESSAGE on as a MESSAGE, because its target does not speak MSRP (row GW-18).
    pub(super) fn send_as_page(&mut self, id: ConversationId, number: MessageNumber) {
        let Some((conversation, message)) = self
            .conversations
            .get_mut(&id)
            .zip(self.messages.get_mut(&number))
        else {
            return;
        };
        if let Ok(at) = conversation.waiting.binary_search(&number) {
            conversation.waiting.remove(at);
        }
        message.paged = true;
        self.due.remove(&(message.expires_at, Due::Expiry(number)));
        let end = &conversation.session;
        let mut page = SipPage::new(
            PageId::outgoing(0),
            message.page.from.clone(),
            message.page.to.clone(),
            message.page.content_type.clone().unwrap_or_default(),
            message.page.body.clone(),
        );
        page.request_uri.clone_from(&end.request_uri);
        page.route.clone_from(&end.route.via);
        page.headers = some_of(&message.page, &SENT_ON);
        page.headers.extend(Self::trail_headers(&conversation.trail));
        let safe = end.route.congestion_safe;
        let (target, expires_at) = (end.request_uri.clone(), message.expires_at);
        if !self.fits(&mut page, safe) {
            return self.settle(number, &Outcome::failed(413, "Too Large For A MESSAGE"));
        }
        self.pager.push(
            &target,
            Job {
                origin: Origin::Page(number),
                parts: VecDeque::from([page]),
                instead: None,
                expires_at,
                fallback: None,
                retries: 2,
            },
        );
    }
}
