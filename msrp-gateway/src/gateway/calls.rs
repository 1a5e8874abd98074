//! Calls: those that come in, and what becomes of all of them.

use msrp_ua::{
    CommandError, SessionId, UserAgentEvent,
    call::{CallAnswer, CallChange, CallEnd, CallStream, IncomingCall},
    cpim::Wrapping,
    sdp,
    sip::{CallId, SipReply},
};

use super::{
    Gateway,
    conversation::{End, Leg},
    intake::{CallRequest, Claims, Request},
    pages::accept_header,
};
use crate::{
    event::{ConversationId, GatewayEvent},
    policy::{Direction, Route, RouteQuery},
};

impl Gateway {
    /// What the user agent tells.
    pub(super) fn on_agent_event(&mut self, event: UserAgentEvent) {
        match event {
            UserAgentEvent::Sip(action) => self.push_event(GatewayEvent::Sip(action)),
            UserAgentEvent::IncomingPage(page) => self.on_page(*page),
            UserAgentEvent::PageAnswered { page, answer } => self.on_page_answered(page, &answer),
            UserAgentEvent::IncomingCall(call) => self.on_call(*call),
            UserAgentEvent::CallEstablished { call, streams, .. } => self.on_established(call, &streams),
            UserAgentEvent::CallEnded { call, reason } => self.on_call_ended(call, &reason),
            UserAgentEvent::StreamsChanged { call, changes } => self.on_changed(call, &changes),
            UserAgentEvent::SessionReady { session } => self.on_ready(session),
            UserAgentEvent::SessionSuspended { session, .. } => self.on_suspended(session),
            UserAgentEvent::SessionLost { session, reason } => {
                self.on_session_lost(session, &format!("{reason:?}"));
            }
            UserAgentEvent::Message {
                session,
                message,
                message_id,
                content_type,
                body,
                disposition,
                ..
            } => {
                let body = body.unwrap_or_default();
                self.on_message(
                    session,
                    message,
                    message_id,
                    &content_type,
                    disposition.as_deref(),
                    body,
                );
            }
            UserAgentEvent::Progress { message, sent, total } if Some(sent) == total => self.on_left(message),
            UserAgentEvent::Accepted { message } => {
                self.on_left(message);
                self.on_accepted(message);
            }
            UserAgentEvent::Delivered {
                message,
                complete: true,
                ..
            } => self.on_delivered(message),
            UserAgentEvent::Failed { message, code, .. } => {
                self.on_left(message);
                self.on_failed(message, code);
            }
            UserAgentEvent::DeliveryUnknown { message, .. } | UserAgentEvent::SourceFailed { message } => {
                self.on_left(message);
                self.on_unknown(message);
            }
            _ => {}
        }
    }

    fn on_call(&mut self, call: IncomingCall) {
        let claims = Claims {
            request_uri: &call.request_uri,
            from: &call.from,
            identity: call.identity.as_deref(),
            headers: &call.headers,
        };
        let (sender, target, trail) = match self.check_request(&claims) {
            Ok(checked) => checked,
            Err(reply) => return self.refuse_call(call.call, reply),
        };
        let query = RouteQuery {
            direction: Direction::ToPages,
            request_uri: call.request_uri.clone(),
            target: target.clone(),
            sender: sender.clone(),
        };
        let request = CallRequest {
            call: call.call,
            from: call.from,
            to: call.to,
            request_uri: call.request_uri,
            sender,
            target,
            trail,
        };
        self.ask_route(query, Request::Call(Box::new(request)));
    }

    pub(super) fn refuse_call(&mut self, call: CallId, reply: SipReply) {
        let refused = self.agent.refuse_call(call, reply);
        // It may have been given up while a policy thought about it.
        log(refused.err(), "a call could not be refused");
    }

    /// Answers a call whose way is known, without waiting for the page side, which has nothing to set up.
    pub(super) fn accept_call(&mut self, request: CallRequest, route: Route) {
        let key = self.policies.sender.key(&request.target, &request.sender);
        let page = End {
            aor: request.target.clone(),
            party: request.to.clone(),
            request_uri: request.request_uri.clone(),
            preferred: None,
            route,
        };
        let room = {
            let session = End {
                aor: request.sender.clone(),
                party: request.from.clone(),
                request_uri: self.address_of(&request.from.uri, &request.sender),
                preferred: None,
                route: Route::new(),
            };
            let room = self.page_room(&page, &session, &request.trail);
            let known = match self.by_key.get(&key) {
                Some(&id) => Ok(id),
                None => self.new_conversation(key, page.clone(), session, request.trail.clone()),
            };
            known.map(|id| (id, room))
        };
        let (id, room) = match room {
            Ok(known) => known,
            Err(reply) => return self.refuse_call(request.call, reply),
        };
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        if conversation.legs.len() >= self.config.max_devices {
            return self.refuse_call(request.call, SipReply::new(486));
        }
        conversation.page = End {
            preferred: conversation.page.preferred.take(),
            ..page
        };
        conversation.session.party = request.from;
        conversation.trail = request.trail;
        let answer = CallAnswer::new()
            .with_profile(self.profile(room))
            .with_relays(self.config.relays.clone());
        if let Err(error) = self.agent.answer_call(request.call, answer) {
            log(Some(error), "a call could not be answered");
            return self.remove_if_over(id);
        }
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        let leg = Leg::new(request.call, false, self.now);
        conversation.legs.push(leg);
        conversation.touched = self.now;
        // Both have called: theirs is kept, and what waits goes there (row GW-07).
        let ours = conversation.setup.take();
        self.by_call.insert(request.call, id);
        if let Some(ours) = ours {
            self.by_call.remove(&ours);
            log(self.agent.end_call(ours).err(), "a call could not be given up");
        }
    }

    fn on_established(&mut self, call: CallId, streams: &[CallStream]) {
        let Some(&id) = self.by_call.get(&call) else {
            return;
        };
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        if conversation.setup == Some(call) {
            conversation.setup = None;
            conversation.legs.push(Leg::new(call, true, self.now));
        }
        let chat = streams.iter().find(|stream| stream.file.is_none());
        let Some(leg) = conversation.legs.iter_mut().find(|leg| leg.call == call) else {
            return;
        };
        let Some(stream) = chat else {
            let ended = self.agent.end_call(call);
            log(ended.err(), "a call could not be ended");
            return;
        };
        agree(leg, stream);
        leg.ready = self.agent.is_ready(stream.session);
        leg.was_ready = leg.ready;
        self.by_session.insert(stream.session, id);
        let callee = conversation.session.aor.clone();
        self.away.forget(&(callee.clone(), None));
        self.away.forget(&(callee, Some(conversation.page.aor.clone())));
        self.stats.sessions += 1;
        let event = GatewayEvent::Opened {
            conversation: id,
            key: conversation.key.clone(),
            outgoing: leg.outgoing,
        };
        self.push_event(event);
        self.dirty.insert(id);
    }

    /// Messages flow: where we wait to be connected to, after the peer's first request (RFC 4975 §5.4).
    fn on_ready(&mut self, session: SessionId) {
        if let Some(&id) = self.by_session.get(&session)
            && let Some(leg) = self.conversations.get_mut(&id).and_then(|it| it.leg_mut(session))
        {
            leg.ready = true;
            leg.was_ready = true;
            self.dirty.insert(id);
        }
    }

    /// The connection is lost, and the call sees to it that there is another: what comes meanwhile waits.
    fn on_suspended(&mut self, session: SessionId) {
        if let Some(&id) = self.by_session.get(&session)
            && let Some(leg) = self.conversations.get_mut(&id).and_then(|it| it.leg_mut(session))
        {
            leg.ready = false;
        }
    }

    /// Types, sizes or directions are other ones now.
    fn on_changed(&mut self, call: CallId, changes: &[CallChange]) {
        let Some(&id) = self.by_call.get(&call) else {
            return;
        };
        for change in changes {
            if let CallChange::Changed(stream) = change
                && let Some(leg) = self
                    .conversations
                    .get_mut(&id)
                    .and_then(|it| it.leg_mut(stream.session))
            {
                agree(leg, stream);
                self.dirty.insert(id);
            }
        }
    }

    fn on_session_lost(&mut self, session: SessionId, why: &str) {
        if let Some(&id) = self.by_session.get(&session)
            && let Some(leg) = self.conversations.get_mut(&id).and_then(|it| it.leg_mut(session))
        {
            let call = leg.call;
            leg.ready = false;
            log(self.agent.end_call(call).err(), "a call could not be ended");
            self.remove_leg(id, call, why);
        }
    }

    fn on_call_ended(&mut self, call: CallId, why: &CallEnd) {
        let Some(&id) = self.by_call.get(&call) else {
            return;
        };
        let reason = why.to_string();
        if self
            .conversations
            .get(&id)
            .is_some_and(|it| it.setup == Some(call))
        {
            let (code, retry_after) = match why {
                CallEnd::Refused(answer) => (answer.code, answer.retry_after),
                CallEnd::NotAcceptable(_) | CallEnd::NoStreams => (488, None),
                CallEnd::TimedOut => (408, None),
                CallEnd::Invalid(_) => (500, None),
                _ => (480, None),
            };
            return self.setup_failed(id, code, reason, retry_after);
        }
        self.remove_leg(id, call, &reason);
    }

    /// A session is over. What was under way in it is sent again in another, or failed; what it had sent goes on.
    pub(super) fn remove_leg(&mut self, id: ConversationId, call: CallId, reason: &str) {
        if let Some(leg) = self.take_leg(id, call, reason)
            && leg.outgoing
            && !leg.was_ready
        {
            // The callee took the call, and nobody came: as good as not set up (row GW-93).
            self.setup_failed(id, 480, reason.to_owned(), None);
        }
    }

    fn take_leg(&mut self, id: ConversationId, call: CallId, reason: &str) -> Option<Leg> {
        self.by_call.remove(&call);
        let conversation = self.conversations.get_mut(&id)?;
        let at = conversation.legs.iter().position(|leg| leg.call == call)?;
        let leg = conversation.legs.remove(at);
        if let Some(key) = &leg.long {
            self.long.remove(key);
        }
        self.dirty.insert(id);
        if let Some(session) = leg.session {
            let event = GatewayEvent::Closed {
                conversation: id,
                key: conversation.key.clone(),
                reason: reason.to_owned(),
            };
            self.by_session.remove(&session);
            self.push_event(event);
            self.lose_sends(id, session);
        }
        Some(leg)
    }

    /// Ends all sessions of a conversation, and gives up the one that is being set up.
    pub(super) fn end_sessions(&mut self, id: ConversationId, reason: &str) {
        let Some(conversation) = self.conversations.get(&id) else {
            return;
        };
        let calls: Vec<_> = conversation.legs.iter().map(|leg| leg.call).collect();
        for call in calls {
            let words = format!("SIP;cause=200;text=\"{reason}\"");
            let ended = self.agent.end_call_because(call, words);
            log(ended.err(), "a call could not be ended");
            // That we end it says nothing of the callee.
            let _leg = self.take_leg(id, call, reason);
        }
        if let Some(call) = self.conversations.get_mut(&id).and_then(|it| it.setup.take()) {
            self.by_call.remove(&call);
            log(self.agent.end_call(call).err(), "a call could not be given up");
        }
    }
}

/// Notes what was agreed on.
fn agree(leg: &mut Leg, stream: &CallStream) {
    leg.session = Some(stream.session);
    leg.wrapping = Wrapping::new(stream.peer_accepts.clone(), stream.peer_accepts_wrapped.clone());
    leg.accept_types = accept_header(&stream.peer_accepts);
    leg.relayed = stream.relayed;
    leg.held = matches!(
        stream.direction,
        sdp::Direction::RecvOnly | sdp::Direction::Inactive
    );
}

fn log(error: Option<CommandError>, what: &str) {
    if let Some(error) = error {
        tracing::debug!(%error, "{what}");
    }
}
