//! MESSAGEs that come in.

use bytes::Bytes;
use msrp_core::grammar::AcceptTypes;
use msrp_ua::{
    cpim::{Address, Content, CpimRules},
    date,
    imdn::{Answerable, ImdnHeaders},
    sip::{SipPage, SipReply},
};

use super::{
    Gateway,
    answers::{self, RepeatState, Verdict},
    conversation::{Conversation, End, Message},
    intake::{Claims, PageRequest, Request},
    reply::busy,
    timers::Due,
};
use crate::{
    clock::time_left,
    event::{ConversationId, MessageNumber, Outcome},
    identity::{Aor, UriParts},
    policy::{Direction, Route, RouteQuery},
    translate::{Kind, transfer},
};

impl Gateway {
    pub(super) fn on_page(&mut self, page: SipPage) {
        let claims = Claims {
            request_uri: &page.request_uri,
            from: &page.from,
            identity: page.identity.as_deref(),
            headers: &page.headers,
        };
        let (sender, target, trail) = match self.check_request(&claims) {
            Ok(checked) => checked,
            Err(reply) => return self.answer(page.page, reply),
        };
        let content = open(&page);
        let imdn_id = content
            .as_ref()
            .and_then(|content| content.head.as_ref())
            .and_then(|head| ImdnHeaders::of(head).message_id);
        let keys = answers::keys(&sender, &page, imdn_id.as_deref());
        match self.repeats.check(self.now, &keys) {
            Verdict::New => {}
            Verdict::Merged => {
                let reply = SipReply::new(482).with_reason("Merged Request");
                return self.answer(page.page, reply);
            }
            Verdict::Again(RepeatState::Answered(code)) => {
                return self.answer(page.page, SipReply::new(code));
            }
            Verdict::Again(RepeatState::Pending) => {
                return self.answer(page.page, busy(std::time::Duration::from_secs(1)));
            }
            Verdict::Again(RepeatState::Open(number)) => {
                match self.messages.get_mut(&number) {
                    Some(message) if message.open.len() < 8 => message.open.push(page.page),
                    _ => self.answer(page.page, SipReply::new(202)),
                }
                return;
            }
        }
        let request = PageRequest {
            sender: sender.clone(),
            target: target.clone(),
            trail,
            repeat: [keys.0, keys.1].into_iter().flatten().collect(),
            came_at: self.now,
            page,
        };
        for key in &request.repeat {
            self.repeats
                .learn(self.now, key.clone(), self.config.repeat_window);
        }
        let query = RouteQuery {
            direction: Direction::ToSession,
            request_uri: request.page.request_uri.clone(),
            target,
            sender,
        };
        self.ask_route(query, Request::Page(Box::new(request)));
    }

    /// Answers a MESSAGE of which nothing has been kept.
    pub(super) fn answer_page_request(&mut self, request: PageRequest, reply: SipReply) {
        let state = RepeatState::Answered(reply.code);
        self.repeats.set(self.now, &request.repeat, state);
        if reply.code >= 300 {
            self.repeats.failed(&request.repeat);
        }
        self.answer(request.page.page, reply);
    }

    /// Takes a MESSAGE whose way is known.
    pub(super) fn accept_page(&mut self, request: PageRequest, route: Route, back: Option<Route>) {
        match self.take_page(&request, route, back) {
            Ok(Some((id, body, kind))) => self.enqueue(id, request, body, kind),
            // There is nothing to be carried: it has come, and that is all (row GW-14).
            Ok(None) => self.answer_page_request(request, SipReply::new(200)),
            Err(reply) => self.answer_page_request(request, reply),
        }
    }

    /// The conversation of a MESSAGE, and what it says.
    fn take_page(
        &mut self,
        request: &PageRequest,
        route: Route,
        back: Option<Route>,
    ) -> Result<Option<(ConversationId, Bytes, Kind)>, SipReply> {
        let page = &request.page;
        let body = transfer::decoded(page)?;
        if body.is_empty() {
            return Ok(None);
        }
        let Some(content_type) = &page.content_type else {
            return Err(SipReply::new(400).with_reason("No Content-Type"));
        };
        let kind = Kind::of(content_type, &body);
        let key = self.policies.sender.key(&request.sender, &request.target);
        let known = self.by_key.get(&key).copied();
        let talks = known
            .and_then(|id| self.conversations.get(&id))
            .is_some_and(|it| it.legs.iter().any(|leg| leg.ready));
        if kind != Kind::Content && !talks {
            return Ok(None);
        }
        let id = match known {
            Some(id) => id,
            None => self.begin(key, request, route.clone(), back)?,
        };
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return Err(SipReply::new(500));
        };
        conversation.session.route = route;
        conversation.session.party = page.to.clone();
        conversation.page.party = page.from.clone();
        conversation.page.preferred = reply_to(page, &request.sender)
            .filter(|uri| !is_sips(&conversation.page.request_uri) || is_sips(uri));
        conversation.trail = request.trail.clone();
        if kind == Kind::Composing {
            self.pass_composing(id, page, &body);
            return Ok(None);
        }
        let (one, limits) = (conversation.to_session, self.config.queue);
        if !limits.has_room(one, self.to_sessions, body.len()) {
            self.dirty.insert(id);
            return Err(busy(self.config.backoff));
        }
        Ok(Some((id, body, kind)))
    }

    fn begin(
        &mut self,
        key: String,
        request: &PageRequest,
        route: Route,
        back: Option<Route>,
    ) -> Result<ConversationId, SipReply> {
        let page = &request.page;
        let ends = (
            End {
                aor: request.sender.clone(),
                request_uri: self.address_of(&page.from.uri, &request.sender),
                party: page.from.clone(),
                preferred: None,
                route: back.unwrap_or_default(),
            },
            End {
                aor: request.target.clone(),
                request_uri: page.request_uri.clone(),
                party: page.to.clone(),
                preferred: None,
                route,
            },
        );
        self.new_conversation(key, ends.0, ends.1, request.trail.clone())
    }

    fn enqueue(&mut self, id: ConversationId, request: PageRequest, body: Bytes, kind: Kind) {
        let calendar = self.clock.at(self.now);
        let page = request.page;
        let sent_at = page
            .header("Date")
            .and_then(date::parse_rfc5322)
            .unwrap_or(calendar);
        let left =
            time_left(page.header("Expires"), sent_at, calendar).unwrap_or(self.config.message_timeout);
        let number = MessageNumber(self.next_number());
        let expires_at = self.now + left.min(self.config.message_timeout);
        let answerable = answerable(&page, &body);
        let octets = body.len();
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        conversation.touched = self.now;
        conversation.spoken = true;
        conversation.waiting.push_back(number);
        conversation.to_session.add(octets);
        self.to_sessions.add(octets);
        // Who has just said something is not writing any more (RFC 3994 §3.3).
        conversation.composing = None;
        let hold = if conversation.legs.iter().any(|leg| leg.ready) {
            self.config.answer_hold
        } else {
            self.config.setup_hold
        };
        let answer_at = (!hold.is_zero()).then(|| request.came_at + hold);
        self.repeats
            .set(self.now, &request.repeat, RepeatState::Open(number));
        let message = Message {
            conversation: id,
            open: vec![page.page],
            page,
            body,
            kind,
            repeat: request.repeat,
            message_id: self.ids.message_id(),
            answerable,
            sent_at,
            came_at: request.came_at,
            expires_at,
            answer_at,
            report_at: None,
            tries: 0,
            sends: Vec::new(),
            paged: false,
            lost: false,
            accepted: false,
            failure: None,
        };
        self.messages.insert(number, message);
        self.due.insert((expires_at, Due::Expiry(number)));
        if let Some(at) = answer_at {
            self.due.insert((at, Due::Answer(number)));
        }
        if left.is_zero() {
            self.settle(number, &Outcome::failed(480, "Message Expired"));
            return;
        }
        self.advance(id);
        if answer_at.is_none() {
            self.answer_accepted(number);
        }
    }

    /// It takes longer, or nobody waits: 202 (RFC 3428 §7).
    pub(super) fn answer_accepted(&mut self, number: MessageNumber) {
        let Some(message) = self.messages.get_mut(&number) else {
            return;
        };
        let open = std::mem::take(&mut message.open);
        self.repeats
            .set(self.now, &message.repeat, RepeatState::Answered(202));
        for page in open {
            self.answer(page, SipReply::new(202));
        }
    }

    /// Where an answer to somebody goes: to the address that they gave, unless that names nobody.
    pub(super) fn address_of(&self, uri: &str, aor: &Aor) -> String {
        match Aor::parse(uri) {
            Ok(named) if !named.is_anonymous() => uri.to_owned(),
            _ => aor.to_string(),
        }
    }

    /// Puts a new conversation into the tables.
    pub(super) fn new_conversation(
        &mut self,
        key: String,
        page: End,
        session: End,
        trail: super::conversation::Trail,
    ) -> Result<ConversationId, SipReply> {
        if self.conversations.len() >= self.config.max_conversations {
            return Err(busy(self.config.backoff));
        }
        let id = ConversationId(self.next_number());
        self.by_key.insert(key.clone(), id);
        let mut conversation = Conversation::new(key, page, session, trail, self.now);
        conversation.idle_at = self.now + self.config.session_timeout;
        self.due.insert((conversation.idle_at, Due::Idle(id)));
        self.conversations.insert(id, conversation);
        Ok(id)
    }
}

/// The URI at which the device that has sent a MESSAGE wants to be answered (a GRUU, for example): one of its user's own, and with
/// nothing in it that leads elsewhere.
fn reply_to(page: &SipPage, sender: &Aor) -> Option<String> {
    let value = page.header("Reply-To")?.trim();
    let uri = match value.split_once('<') {
        Some((_, rest)) => rest.split_once('>')?.0,
        // Without brackets parameters are those of the header field (RFC 3261 §20).
        None => value.split(';').next()?.trim_end(),
    };
    let harmless = |parameter: &str| {
        let name = parameter.split('=').next().unwrap_or_default();
        ["gr", "ob", "transport", "user"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    };
    let (_, rest) = uri.rsplit_once('@')?;
    let own = Aor::parse(uri).is_ok_and(|aor| aor == *sender);
    (own && !sender.is_anonymous() && !uri.contains('?') && rest.split(';').skip(1).all(harmless))
        .then(|| uri.to_owned())
}

fn is_sips(uri: &str) -> bool {
    UriParts::parse(uri).is_ok_and(|parts| parts.is_sips())
}

/// What a MESSAGE says, taken out of its wrapping, where it can be read.
fn open(page: &SipPage) -> Option<Content> {
    let content_type = page.content_type.as_deref()?;
    let body = transfer::decoded(page).ok()?;
    Content::open(content_type, None, body, &CpimRules::tolerant()).ok()
}

/// What the sender of a MESSAGE wants to know by IMDN.
fn answerable(page: &SipPage, body: &Bytes) -> Option<Answerable> {
    let content_type = page.content_type.as_deref()?;
    let content = Content::open(content_type, None, body.clone(), &CpimRules::tolerant()).ok()?;
    Answerable::of(&content, &Address::new(&page.to.uri).ok()?)
}

/// `a=accept-types` as the value of `Accept`.
pub(super) fn accept_header(types: &AcceptTypes) -> String {
    let listed: Vec<String> = types
        .entries()
        .map(|entry| match entry {
            msrp_core::grammar::AcceptEntry::Any => "*/*".to_owned(),
            other => other.to_string(),
        })
        .collect();
    listed.join(", ")
}
