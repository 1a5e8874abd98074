//! Into sessions: what waits is sent in order, and what becomes of it.

use msrp_core::grammar::StatusCode;
use msrp_ua::{
    CommandError, OutgoingKey, OutgoingMessage, SessionId,
    sip::{SipHeader, SipReply},
};

use super::{
    Gateway,
    conversation::{Leg, Message, Sent},
    timers::Due,
};
use crate::{
    event::{ConversationId, GatewayEvent, MessageNumber, Outcome, Source},
    outcome::sip_for_msrp,
    policy::Direction,
    translate::{ContentError, ForSession, FromPage},
};

/// Messages of one leg that may be without an outcome.
const MAX_IN_FLIGHT: usize = 64;

/// Shorter messages go in one chunk, so that nothing overtakes them.
const ONE_CHUNK: usize = 2_048;

/// How often a message is sent whose session ends before its outcome is known.
const MAX_TRIES: u8 = 2;

/// What was said against a message: a SIP code, words, and header fields of the answer.
type Failure = (u16, String, Vec<SipHeader>);

impl Gateway {
    /// Looks at a conversation: sends what can be sent, sets up what has to be set up.
    pub(super) fn advance(&mut self, id: ConversationId) {
        self.dirty.remove(&id);
        while let Some(conversation) = self.conversations.get_mut(&id) {
            let open = |leg: &&Leg| leg.ready && !leg.held;
            let Some(&number) = conversation.waiting.front() else {
                if let Some(word) = conversation.composing.take() {
                    self.send_composing(id, word);
                }
                break;
            };
            let mut legs = conversation.legs.iter().filter(open).peekable();
            if legs.peek().is_some() {
                // What is under way may have to be sent again: a leg in which not all of it was sent has to wait for that, or
                // it would hear a later message first. A long message holds back those that would overtake it.
                let flying = conversation.flying.len();
                let waits = |leg: &Leg| {
                    leg.in_flight >= MAX_IN_FLIGHT || leg.in_flight != flying || leg.long.is_some()
                };
                if legs.any(waits) {
                    break;
                }
                conversation.waiting.pop_front();
                self.send_in_legs(id, number);
            } else {
                let awaited = conversation.setup.is_some() || !conversation.legs.is_empty();
                if awaited || !self.set_up(id, number) {
                    break;
                }
            }
        }
        self.remove_if_over(id);
    }

    pub(super) fn remove_if_over(&mut self, id: ConversationId) {
        if self.conversations.get(&id).is_some_and(|it| it.is_over())
            && let Some(conversation) = self.conversations.remove(&id)
        {
            self.by_key.remove(&conversation.key);
            self.due.remove(&(conversation.idle_at, Due::Idle(id)));
        }
    }

    fn send_in_legs(&mut self, id: ConversationId, number: MessageNumber) {
        let (Some(conversation), Some(message)) =
            (self.conversations.get_mut(&id), self.messages.get_mut(&number))
        else {
            return;
        };
        message.tries += 1;
        conversation.flying.insert(number);
        for leg in &mut conversation.legs {
            let Some(session) = leg.session.filter(|_| leg.ready && !leg.held) else {
                continue;
            };
            let page = FromPage {
                from: &message.page.from,
                sender: &conversation.page.aor,
                to: &message.page.to,
                content_type: message.page.content_type.as_deref().unwrap_or_default(),
                body: &message.body,
                headers: &message.page.headers,
                sent_at: message.sent_at,
            };
            let sent = self
                .policies
                .content
                .to_session(&page, &leg.wrapping)
                .map_err(|error| refusal(&error, &leg.accept_types))
                .and_then(|it| {
                    let octets = it.body.len();
                    let outgoing = outgoing(it, message, leg.relayed);
                    let key = self
                        .agent
                        .send(session, outgoing)
                        .map_err(|error| failure(&error, &leg.accept_types))?;
                    Ok((key, octets))
                });
            match sent {
                Ok((key, octets)) => {
                    leg.in_flight += 1;
                    if octets > ONE_CHUNK {
                        leg.long = Some(key);
                        self.long.insert(key, id);
                    }
                    message.sends.push(Sent {
                        session,
                        key,
                        accepted: false,
                    });
                    self.sent.insert(key, number);
                }
                Err(failure) => {
                    // A session of which it was not told yet that it is gone.
                    message.lost |= failure.0 == 480;
                    message.failure = Some(failure);
                }
            }
        }
        self.finish_if_over(number);
    }

    /// Nothing more is awaited of a message: it is sent again, or it is over.
    pub(super) fn finish_if_over(&mut self, number: MessageNumber) {
        let draining = self.draining.is_some();
        let Some(message) = self.messages.get_mut(&number) else {
            return;
        };
        if !message.sends.is_empty() {
            return;
        }
        let id = message.conversation;
        if message.accepted {
            return self.settle(number, &Outcome::Accepted);
        }
        let in_time = message.expires_at > self.now;
        if std::mem::take(&mut message.lost) && message.tries < MAX_TRIES && in_time && !draining {
            message.failure = None;
            if let Some(conversation) = self.conversations.get_mut(&id) {
                conversation.flying.remove(&number);
                // Back to its place.
                let at = conversation.waiting.partition_point(|&other| other < number);
                conversation.waiting.insert(at, number);
            }
            self.dirty.insert(id);
            return;
        }
        let (code, reason) = match &message.failure {
            Some((code, reason, _)) => (*code, reason.clone()),
            None => (480, "Session Lost".to_owned()),
        };
        self.settle(number, &Outcome::failed(code, reason));
    }

    /// A message has its outcome, the only one.
    pub(super) fn settle(&mut self, number: MessageNumber, outcome: &Outcome) {
        let Some(message) = self.messages.remove(&number) else {
            return;
        };
        let id = message.conversation;
        for (at, due) in [
            (Some(message.expires_at), Due::Expiry(number)),
            (message.answer_at, Due::Answer(number)),
            (message.report_at, Due::Report(number)),
        ] {
            if let Some(at) = at {
                self.due.remove(&(at, due));
            }
        }
        let octets = message.octets();
        self.to_sessions.remove(octets);
        for sent in &message.sends {
            self.forget_send(id, sent.session, sent.key);
        }
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.to_session.remove(octets);
            conversation.flying.remove(&number);
            if let Ok(at) = conversation.waiting.binary_search(&number) {
                conversation.waiting.remove(at);
            }
        }
        let reply = match outcome {
            Outcome::Delivered => SipReply::new(200),
            Outcome::Accepted => SipReply::new(202),
            Outcome::Failed { code, .. } => {
                let mut reply = SipReply::new(*code);
                reply.headers = message
                    .failure
                    .as_ref()
                    .map(|(.., headers)| headers.clone())
                    .unwrap_or_default();
                reply
            }
        };
        if !message.open.is_empty() {
            let state = super::answers::RepeatState::Answered(reply.code);
            self.repeats.set(self.now, &message.repeat, state);
        }
        if !outcome.is_success() {
            self.repeats.failed(&message.repeat);
        }
        for &page in &message.open {
            self.answer(page, reply.clone());
        }
        self.tell_sender(&message, outcome);
        let source = Source::Page(message.page.page);
        self.tell(number, id, source, outcome, message.came_at);
        self.dirty.insert(id);
    }

    /// The event about an outcome.
    pub(super) fn tell(
        &mut self,
        message: MessageNumber,
        conversation: ConversationId,
        source: Source,
        outcome: &Outcome,
        came_at: std::time::Instant,
    ) {
        let direction = match source {
            Source::Page(_) => Direction::ToSession,
            Source::Session(..) => Direction::ToPages,
        };
        let took = self.now.saturating_duration_since(came_at);
        self.stats.over(direction, outcome, took);
        self.push_event(GatewayEvent::Message {
            message,
            conversation,
            direction,
            source,
            outcome: outcome.clone(),
            took,
        });
    }

    fn forget_send(&mut self, id: ConversationId, session: SessionId, key: OutgoingKey) {
        self.sent.remove(&key);
        if let Some(leg) = self.conversations.get_mut(&id).and_then(|it| it.leg_mut(session)) {
            leg.in_flight = leg.in_flight.saturating_sub(1);
        }
    }

    /// A message is not under way in a leg any more; nothing is said of its outcome. Answers which it is.
    fn end_send(&mut self, key: OutgoingKey) -> Option<(MessageNumber, Sent)> {
        let number = self.sent.remove(&key)?;
        let message = self.messages.get_mut(&number)?;
        let at = message.sends.iter().position(|sent| sent.key == key)?;
        let sent = message.sends.remove(at);
        let id = message.conversation;
        self.forget_send(id, sent.session, key);
        self.dirty.insert(id);
        Some((number, sent))
    }

    /// All of a long message has left, or no more of it will.
    pub(super) fn on_left(&mut self, key: OutgoingKey) {
        let Some(id) = self.long.remove(&key) else {
            return;
        };
        let legs = self.conversations.get_mut(&id).map(|it| &mut it.legs);
        if let Some(leg) = legs.and_then(|legs| legs.iter_mut().find(|leg| leg.long == Some(key))) {
            leg.long = None;
            self.dirty.insert(id);
        }
    }

    /// The next hop has all of a message.
    pub(super) fn on_accepted(&mut self, key: OutgoingKey) {
        let Some(&number) = self.sent.get(&key) else {
            return;
        };
        let Some(message) = self.messages.get_mut(&number) else {
            return;
        };
        let sent = message.sends.iter_mut().find(|sent| sent.key == key);
        let leg = self
            .conversations
            .get_mut(&message.conversation)
            .zip(sent.as_ref().map(|sent| sent.session))
            .and_then(|(it, session)| it.leg_mut(session));
        if leg.is_some_and(|leg| leg.relayed) {
            if let Some(sent) = sent {
                sent.accepted = true;
            }
            if message.report_at.is_none() {
                let at = self.now + self.config.report_timeout;
                message.report_at = Some(at);
                self.due.insert((at, Due::Report(number)));
            }
            return;
        }
        self.settle(number, &Outcome::Delivered);
    }

    /// The peer itself has reported all of a message.
    pub(super) fn on_delivered(&mut self, key: OutgoingKey) {
        if let Some(&number) = self.sent.get(&key) {
            self.settle(number, &Outcome::Delivered);
        }
    }

    /// A message was refused in one leg.
    pub(super) fn on_failed(&mut self, key: OutgoingKey, code: StatusCode) {
        let Some((number, sent)) = self.end_send(key) else {
            return;
        };
        let Some(message) = self.messages.get_mut(&number) else {
            return;
        };
        if matches!(code.as_u16(), 481 | 506) {
            message.lost = true;
        } else {
            let sip = sip_for_msrp(code, false);
            let mut headers = Vec::new();
            if sip == 415 {
                let types = self
                    .conversations
                    .get_mut(&message.conversation)
                    .and_then(|it| it.leg_mut(sent.session))
                    .map(|leg| leg.accept_types.clone());
                headers.extend(types.map(|types| SipHeader::new("Accept", types)));
            }
            message.failure = Some((sip, format!("MSRP {code}"), headers));
        }
        self.finish_if_over(number);
    }

    /// The session of a message ended first.
    pub(super) fn on_unknown(&mut self, key: OutgoingKey) {
        if let Some((number, sent)) = self.end_send(key) {
            if let Some(message) = self.messages.get_mut(&number) {
                message.lost = true;
                message.accepted |= sent.accepted;
            }
            self.finish_if_over(number);
        }
    }

    /// A leg is gone: what is under way in it has no outcome there.
    pub(super) fn lose_sends(&mut self, id: ConversationId, session: SessionId) {
        let flying: Vec<_> = match self.conversations.get(&id) {
            Some(conversation) => conversation.flying.iter().copied().collect(),
            None => return,
        };
        for number in flying {
            let keys: Vec<_> = match self.messages.get(&number) {
                Some(message) => message
                    .sends
                    .iter()
                    .filter(|sent| sent.session == session)
                    .map(|sent| sent.key)
                    .collect(),
                None => continue,
            };
            for key in keys {
                self.on_unknown(key);
            }
        }
    }
}

fn outgoing(content: ForSession, message: &Message, relayed: bool) -> OutgoingMessage {
    let mut outgoing =
        OutgoingMessage::bytes(content.content_type, content.body).with_message_id(message.message_id);
    for (name, value) in content.headers {
        outgoing = outgoing.with_header(name, value);
    }
    if relayed || message.answerable.is_some() {
        outgoing = outgoing.with_success_report();
    }
    outgoing
}

fn accept(types: &str) -> Vec<SipHeader> {
    vec![SipHeader::new("Accept", types)]
}

fn refusal(error: &ContentError, accept_types: &str) -> Failure {
    let headers = match error {
        ContentError::Type(_) => accept(accept_types),
        _ => Vec::new(),
    };
    (error.code(), error.to_string(), headers)
}

fn failure(error: &CommandError, accept_types: &str) -> Failure {
    let reason = error.to_string();
    match error {
        CommandError::TooLarge { .. } => (413, reason, Vec::new()),
        CommandError::NotAccepted(_) => (415, reason, accept(accept_types)),
        CommandError::UnknownSession => (480, reason, Vec::new()),
        CommandError::TooManyMessages { .. } => (503, reason, Vec::new()),
        _ => (500, reason, Vec::new()),
    }
}
