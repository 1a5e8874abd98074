//! Out of sessions: messages become MESSAGEs, and their senders are told what became of those.

use std::{
    collections::VecDeque,
    hash::BuildHasher,
    time::{Duration, Instant},
};

use bytes::Bytes;
use msrp_core::grammar::{MessageId, StatusCode};
use msrp_ua::{
    IncomingKey, SessionId,
    composing::{ComposingState, IsComposing},
    sip::{PageId, SipAnswer, SipHeader, SipPage},
    xml::XmlLimits,
};

use super::{
    Gateway,
    conversation::{End, KnownAs, Origin, Recent, Trail},
    timers::{Due, LAST_WORDS},
};
use crate::{
    config::Oversize,
    event::{ConversationId, MessageNumber, Outcome, Source},
    outcome::{comment, is_permanent},
    pager::{Answered, Job, UDP_LIMIT, wire_size},
    translate::{ForPage, FromSession, Kind, bare},
};

/// How often who writes is told anew where the status does not say, at the most often, and at the most seldom (RFC 3994 §3.3, §7).
const DEFAULT_REFRESH: Duration = Duration::from_secs(120);
const MIN_REFRESH: Duration = Duration::from_secs(60);
const MAX_REFRESH: Duration = Duration::from_secs(3_600);
const REFRESH_LEEWAY: Duration = Duration::from_secs(10);

impl Gateway {
    pub(super) fn on_message(
        &mut self,
        session: SessionId,
        key: IncomingKey,
        message_id: MessageId,
        content_type: &str,
        disposition: Option<&str>,
        body: Bytes,
    ) {
        // A quick peer may speak before the call counts as established.
        let id = self.by_session.get(&session).copied().or_else(|| {
            let call = self.agent.call_of(session)?;
            self.by_call.get(&call).copied()
        });
        let now = self.now;
        let number = MessageNumber(self.next_number());
        if body.is_empty() {
            return self.report(session, key, 200, "");
        }
        let conversation = id.and_then(|id| self.conversations.get_mut(&id));
        let Some((id, conversation)) = id.zip(conversation) else {
            return self.report(session, key, 480, "No Conversation");
        };
        let digest = foldhash::quality::FixedState::default().hash_one((content_type, &*body));
        let known_as = (conversation.key.clone(), message_id, digest);
        if let Some(&recent) = self.taken.recall(now, &known_as) {
            return self.on_repeated(session, key, recent);
        }
        let kind = Kind::of(content_type, &body);
        if self.draining.is_some() && kind != Kind::Composing {
            let reason = "Shutting Down";
            self.report(session, key, 503, reason);
            let source = Source::Session(session, message_id);
            return self.tell(number, id, source, &Outcome::failed(503, reason), now);
        }
        if kind == Kind::Content {
            conversation.touched = now;
            conversation.spoken = true;
        }
        let message = FromSession {
            sender: &conversation.session.aor,
            target: &conversation.page.aor,
            content_type,
            disposition,
            body: &body,
            no_cpim: self.no_cpim.recall(now, &conversation.page.aor).is_some(),
            now: self.clock.at(now),
        };
        let made = self
            .policies
            .content
            .to_page(&message)
            .map_err(|error| (error.code(), error.to_string()))
            .and_then(|page| self.pages_of(id, page));
        let (parts, instead) = match made {
            Ok(made) => made,
            Err((code, reason)) => {
                self.report(session, key, code, &reason);
                let outcome = Outcome::failed(code, reason);
                return self.tell(number, id, Source::Session(session, message_id), &outcome, now);
            }
        };
        if kind == Kind::Composing {
            // Nobody is told what becomes of it (RFC 3994 §4).
            self.report(session, key, 200, "");
            return self.page_composing(id, session, number, known_as, parts);
        }
        let octets = body.len();
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        if !self
            .config
            .queue
            .has_room(conversation.to_pages, self.to_pages, octets)
        {
            let reason = "Too Many Messages Wait";
            self.report(session, key, 503, reason);
            let source = Source::Session(session, message_id);
            return self.tell(number, id, source, &Outcome::failed(503, reason), now);
        }
        conversation.to_pages.add(octets);
        self.to_pages.add(octets);
        let target = conversation.page.request_uri.clone();
        let fallback = conversation.page.preferred.is_some().then(|| target.clone());
        // Who has just said something is not writing any more.
        let composing = conversation.page_composing.take();
        conversation.active_until = None;
        let origin = Origin::Session {
            conversation: id,
            session,
            message: number,
            known_as: known_as.clone(),
            kind,
            came_at: now,
            octets,
            reports: vec![(session, key)],
        };
        if let Some(job) = composing {
            self.pager.withdraw(job);
        }
        let mut job = self.job(origin, parts, instead);
        job.fallback = fallback;
        let job = self.pager.push(&target, job);
        let window = self.config.message_timeout + self.config.session_timeout + self.config.repeat_window;
        self.taken.learn(now, known_as, Recent::UnderWay(job), window);
    }

    fn job(&self, origin: Origin, parts: VecDeque<SipPage>, instead: Option<Box<SipPage>>) -> Job<Origin> {
        Job {
            origin,
            parts,
            instead,
            expires_at: self.now + self.config.message_timeout,
            fallback: None,
            retries: 2,
        }
    }

    /// The same message once more: its sender is told the same.
    fn on_repeated(&mut self, session: SessionId, key: IncomingKey, recent: Recent) {
        match recent {
            Recent::Over(code) => self.report(session, key, code, ""),
            Recent::UnderWay(job) => {
                if let Some(Origin::Session { reports, .. }) =
                    self.pager.get_mut(job).map(|job| &mut job.origin)
                    && reports.len() < 8
                {
                    reports.push((session, key));
                }
            }
        }
    }

    fn page_composing(
        &mut self,
        id: ConversationId,
        session: SessionId,
        message: MessageNumber,
        known_as: KnownAs,
        parts: VecDeque<SipPage>,
    ) {
        let now = self.now;
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        if !conversation.spoken || self.no_composing.recall(now, &conversation.page.aor).is_some() {
            return;
        }
        let active_until = parts.front().and_then(|part| known_until(now, &part.body));
        if active_until.is_some() && conversation.active_until.is_some_and(|known| known > now) {
            return;
        }
        conversation.active_until = active_until;
        // The newest word replaces one that has not been sent.
        if let Some(job) = conversation.page_composing.take() {
            self.pager.withdraw(job);
        }
        let target = conversation.page.request_uri.clone();
        let origin = Origin::Session {
            conversation: id,
            session,
            message,
            known_as,
            kind: Kind::Composing,
            came_at: now,
            octets: 0,
            reports: Vec::new(),
        };
        let job = self.pager.push(&target, self.job(origin, parts, None));
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.page_composing = Some(job);
        }
    }

    /// The MESSAGEs that content becomes; a SIP code and a reason where it does not fit.
    fn pages_of(&mut self, id: ConversationId, content: ForPage) -> Result<PagesOf, (u16, String)> {
        let Some(conversation) = self.conversations.get(&id) else {
            return Err((500, String::new()));
        };
        let safe = conversation.page.route.congestion_safe;
        let (page, session, trail) = (&conversation.page, &conversation.session, &conversation.trail);
        let instead = content.instead.as_deref().map(|instead| {
            let mut it = page_of(page, session, trail, instead);
            self.fits(&mut it, safe).then(|| Box::new(it))
        });
        let mut whole = page_of(page, session, trail, &content);
        if self.fits(&mut whole, safe) {
            return Ok((VecDeque::from([whole]), instead.flatten()));
        }
        // Without its wrapping it may fit.
        if let Some(instead) = instead.flatten() {
            return Ok((VecDeque::from([*instead]), None));
        }
        let plain = content.instead.as_deref().unwrap_or(&content);
        let mut empty = page_of(page, session, trail, plain);
        let text = std::mem::take(&mut empty.body);
        let room = UDP_LIMIT.saturating_sub(wire_size(&empty, self.config.stack_octets));
        let parts = (bare(&plain.content_type) == "text/plain")
            .then(|| std::str::from_utf8(&text).ok())
            .flatten()
            .and_then(|text| self.policies.split.split(text, room));
        match parts {
            Some(parts) => {
                let part = |text: String| {
                    let mut page = empty.clone();
                    page.body = text.into();
                    page
                };
                Ok((parts.into_iter().map(part).collect(), None))
            }
            None => Err((413, "Too Large For A MESSAGE".to_owned())),
        }
    }

    /// Whether a MESSAGE may have the size that it has; it may get another way for that.
    pub(super) fn fits(&self, page: &mut SipPage, congestion_safe: bool) -> bool {
        let size = wire_size(page, self.config.stack_octets);
        if size <= UDP_LIMIT {
            return true;
        }
        if size > self.config.max_page {
            return false;
        }
        if !congestion_safe && self.config.oversize == Oversize::OverTcp {
            let way = page.route.as_ref().unwrap_or(&page.request_uri);
            page.route = Some(format!("{way};transport=tcp"));
            return true;
        }
        congestion_safe
    }

    /// What a message may have at the most to become a MESSAGE, or some: what our SDP says (rows GW-57, GW-58).
    pub(super) fn page_room(&self, page: &End, session: &End, trail: &Trail) -> usize {
        if page.route.congestion_safe || self.config.oversize == Oversize::OverTcp {
            return self.config.max_page;
        }
        let empty = ForPage {
            content_type: "text/plain;charset=UTF-8".to_owned(),
            body: Bytes::new(),
            headers: vec![SipHeader::new("Date", "Sat, 13 Nov 2010 23:29:00 GMT")],
            instead: None,
        };
        let used = wire_size(&page_of(page, session, trail, &empty), self.config.stack_octets);
        // What wraps it is taken off, and may be longer than what goes around it then.
        let room = UDP_LIMIT.saturating_sub(used);
        room.saturating_mul(self.policies.split.most().max(1)).max(1)
    }

    /// Tells the sender of an MSRP message what became of it.
    pub(super) fn report(&mut self, session: SessionId, message: IncomingKey, sip: u16, reason: &str) {
        if sip == 202 && !self.config.accepted_is_success {
            return;
        }
        let code = match sip {
            200..=299 => StatusCode::OK,
            _ => self.config.codes.msrp_for(sip),
        };
        let comment = comment(sip, reason);
        let told = self.agent.report_saying(session, message, code, &comment);
        if let Err(error) = told {
            tracing::debug!(%error, "the sender of a message is gone");
        }
    }

    /// A MESSAGE of ours has its final answer.
    pub(super) fn on_page_answered(&mut self, page: PageId, answer: &SipAnswer) {
        match self.pager.answered(self.now, page, answer) {
            Answered::Unknown | Answered::GoesOn => {}
            Answered::Unwrapped(job) => {
                let id = match self.pager.get_mut(job).map(|job| &job.origin) {
                    Some(Origin::Session { conversation, .. }) => *conversation,
                    _ => return,
                };
                if let Some(conversation) = self.conversations.get(&id) {
                    let target = conversation.page.aor.clone();
                    self.no_cpim.learn(self.now, target, (), self.config.learned_for);
                }
            }
            Answered::Elsewhere(job) => {
                let id = match self.pager.get_mut(job).map(|job| &job.origin) {
                    Some(Origin::Session { conversation, .. }) => *conversation,
                    _ => return,
                };
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    conversation.page.preferred = None;
                }
            }
            Answered::Over(job, it) => {
                self.forget_composing(job, &it.origin);
                self.on_job_over(*it, answer.code, &answer.reason);
            }
        }
    }

    fn forget_composing(&mut self, job: u64, origin: &Origin) {
        if let Origin::Session { conversation, .. } = origin
            && let Some(conversation) = self.conversations.get_mut(conversation)
        {
            conversation.page_composing.take_if(|composing| *composing == job);
        }
    }

    /// What was sent as a MESSAGE has its outcome.
    pub(super) fn on_job_over(&mut self, job: Job<Origin>, sip: u16, reason: &str) {
        let outcome = match sip {
            202 => Outcome::Accepted,
            200..=299 => Outcome::Delivered,
            _ => Outcome::failed(sip, reason),
        };
        match job.origin {
            Origin::Own {
                conversation: id,
                octets,
            } => {
                self.to_pages.remove(octets);
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    conversation.to_pages.remove(octets);
                }
                self.dirty.insert(id);
            }
            Origin::Page(number) => self.settle(number, &outcome),
            Origin::Session {
                conversation: id,
                session,
                message,
                known_as,
                kind,
                came_at,
                octets,
                reports,
            } => {
                if kind == Kind::Composing {
                    return self.composing_over(id, sip);
                }
                self.to_pages.remove(octets);
                for (asking, key) in reports {
                    self.report(asking, key, sip, reason);
                }
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    conversation.to_pages.remove(octets);
                    if let Some(recent) = self.taken.recall_mut(self.now, &known_as) {
                        *recent = Recent::Over(sip);
                    }
                    conversation.permanent = match sip {
                        200..=299 => 0,
                        _ => conversation.permanent + u32::from(is_permanent(sip)),
                    };
                    if conversation.permanent >= self.config.permanent_failures {
                        self.due.insert((self.now + LAST_WORDS, Due::NobodyThere(id)));
                    }
                }
                self.tell(
                    message,
                    id,
                    Source::Session(session, known_as.1),
                    &outcome,
                    came_at,
                );
                self.dirty.insert(id);
            }
        }
    }

    fn composing_over(&mut self, id: ConversationId, sip: u16) {
        if !(200..300).contains(&sip)
            && let Some(conversation) = self.conversations.get_mut(&id)
        {
            conversation.active_until = None;
        }
        if sip == 415
            && let Some(conversation) = self.conversations.get(&id)
        {
            let target = conversation.page.aor.clone();
            self.no_composing
                .learn(self.now, target, (), self.config.learned_for);
        }
    }
}

/// Until when somebody who is told this knows that the other one writes; none where it says the contrary. A bit of the interval is
/// left for the way, so that what is told anew is told before it ends.
fn known_until(now: Instant, body: &Bytes) -> Option<Instant> {
    let status = IsComposing::parse(body, &XmlLimits::default()).ok()?;
    if status.state == ComposingState::Idle {
        return None;
    }
    let interval = status.refresh.unwrap_or(DEFAULT_REFRESH);
    Some(now + interval.clamp(MIN_REFRESH, MAX_REFRESH) - REFRESH_LEEWAY)
}

/// The parts of a message, and what is sent instead where the first form is refused.
type PagesOf = (VecDeque<SipPage>, Option<Box<SipPage>>);

/// The MESSAGE that carries content to the page side (row GW-04).
fn page_of(page: &End, session: &End, trail: &Trail, content: &ForPage) -> SipPage {
    let mut it = SipPage::new(
        PageId::outgoing(0),
        session.party.clone(),
        page.party.clone(),
        content.content_type.clone(),
        content.body.clone(),
    );
    it.request_uri
        .clone_from(page.preferred.as_ref().unwrap_or(&page.request_uri));
    it.route.clone_from(&page.route.via);
    it.headers.clone_from(&content.headers);
    it.headers.extend(Gateway::trail_headers(trail));
    it
}
