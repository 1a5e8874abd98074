//! What an operator sees and does (rows GW-121, GW-124).

use std::time::Duration;

use super::{
    Gateway,
    conversation::Conversation,
    reply::busy,
    timers::{Due, LAST_WORDS},
};
use crate::{
    error::GatewayError,
    event::{ConversationId, GatewayEvent, Outcome},
};

/// A conversation, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConversationInfo {
    /// Names it.
    pub conversation: ConversationId,
    /// Its key.
    pub key: String,
    /// Who uses MESSAGE.
    pub page: String,
    /// Who uses sessions.
    pub session: String,
    /// A session is being set up.
    pub calling: bool,
    /// Its sessions.
    pub legs: Vec<LegInfo>,
    /// Messages under way to the session side.
    pub to_session: usize,
    /// Messages under way to the page side.
    pub to_pages: usize,
    /// How old it is.
    pub age: Duration,
    /// How long nothing has been said.
    pub quiet: Duration,
}

/// A session of a conversation, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegInfo {
    /// The call.
    pub call: String,
    /// We have called; otherwise we were called.
    pub outgoing: bool,
    /// Messages flow.
    pub ready: bool,
    /// How old it is.
    pub age: Duration,
}

impl Gateway {
    fn info(&self, id: ConversationId, it: &Conversation) -> ConversationInfo {
        let age = |since| self.now.saturating_duration_since(since);
        ConversationInfo {
            conversation: id,
            key: it.key.clone(),
            page: it.page.aor.to_string(),
            session: it.session.aor.to_string(),
            calling: it.setup.is_some(),
            legs: it
                .legs
                .iter()
                .map(|leg| LegInfo {
                    call: leg.call.to_string(),
                    outgoing: leg.outgoing,
                    ready: leg.ready,
                    age: age(leg.created),
                })
                .collect(),
            to_session: it.to_session.messages,
            to_pages: it.to_pages.messages,
            age: age(it.created),
            quiet: age(it.touched),
        }
    }

    /// The conversations behind this one, at most `most` of them, the oldest first.
    pub fn conversations(&self, after: Option<ConversationId>, most: usize) -> Vec<ConversationInfo> {
        let from = after.map_or(0, |after| after.0.saturating_add(1));
        self.conversations
            .range(ConversationId(from)..)
            .take(most)
            .map(|(&id, it)| self.info(id, it))
            .collect()
    }

    /// The conversation of this key.
    pub fn conversation(&self, key: &str) -> Option<ConversationId> {
        self.by_key.get(key).copied()
    }

    /// How many conversations there are.
    pub fn conversation_count(&self) -> usize {
        self.conversations.len()
    }

    /// Messages under way into sessions, and out of them.
    pub fn under_way(&self) -> (usize, usize) {
        (self.to_sessions.messages, self.to_pages.messages)
    }

    /// Whether nothing new is taken any more.
    pub fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// Whether nothing is kept but what is remembered for a while: no conversation, no message, no call.
    pub fn is_idle(&self) -> bool {
        self.conversations.is_empty()
            && self.messages.is_empty()
            && self.sent.is_empty()
            && self.by_key.is_empty()
            && self.by_call.is_empty()
            && self.by_session.is_empty()
            && self.pager.len() == 0
            && self.pager.lanes() == 0
            && self.parked.len() == 0
    }

    /// How many facts are remembered: requests that may come again, targets, rates. They are forgotten by themselves.
    pub fn remembered(&self) -> usize {
        self.remembers()
    }

    /// Ends a conversation: its sessions by BYE; what waits has failed.
    ///
    /// # Errors
    /// [`GatewayError::UnknownConversation`].
    pub fn end(&mut self, id: ConversationId) -> Result<(), GatewayError> {
        let Some(conversation) = self.conversations.get(&id) else {
            return Err(GatewayError::UnknownConversation);
        };
        let mut messages: Vec<_> = conversation.waiting.iter().copied().collect();
        messages.extend(conversation.flying.iter().copied());
        for number in messages {
            self.settle(number, &Outcome::failed(480, "Ended By The Operator"));
        }
        self.end_sessions(id, "Ended");
        self.dirty.insert(id);
        self.pump();
        Ok(())
    }

    /// Takes nothing new any more (503), and lets what is under way come to its end within this time; then what is left has
    /// failed, all sessions are ended, and [`GatewayEvent::Drained`] is told.
    pub fn drain(&mut self, within: Duration) {
        if self.draining.is_some() {
            return;
        }
        let until = self.now + within;
        self.draining = Some(until);
        self.due.insert((until, Due::Drain));
        for request in self.parked.take_all() {
            self.refuse(request, busy(within));
        }
        self.pump();
    }

    /// The time for what is under way is over.
    pub(super) fn give_up(&mut self) {
        for job in self.pager.give_up() {
            self.on_job_over(job, 503, "Shutting Down");
        }
        let messages: Vec<_> = self.messages.keys().copied().collect();
        for number in messages {
            self.settle(number, &Outcome::failed(503, "Shutting Down"));
        }
    }

    /// Ends everything once nothing is under way.
    pub(super) fn check_drained(&mut self) {
        let busy = !self.messages.is_empty() || self.pager.len() > 0;
        let Some(until) = self.draining else { return };
        if self.drained || busy {
            return;
        }
        self.drained = true;
        self.due.remove(&(until, Due::Drain));
        if self.by_session.is_empty() {
            self.end_all();
        } else {
            self.due.insert((self.now + LAST_WORDS, Due::Drained));
        }
    }

    /// Ends all sessions.
    pub(super) fn end_all(&mut self) {
        let ids: Vec<_> = self.conversations.keys().copied().collect();
        for id in ids {
            self.end_sessions(id, "Shutting Down");
            self.remove_if_over(id);
        }
        self.push_event(GatewayEvent::Drained);
    }
}
