//! Calls, as the user agent has them done.

use bytes::Bytes;
use rsipstack::sip::{Method, Request, Response};
use tokio::time::Instant;

use super::{
    compose,
    core::{Core, Due, Purpose},
    dialog::{self, Dialog},
    exchange::{self, Hop},
    fields,
    flow::Flow,
    happening::{ClientId, ServerId},
};
use crate::sip::{CallId, SipAnswer, SipError, SipInput, SipInvite, SipReply};

/// A call.
pub(super) struct Call {
    pub(super) dialog: Dialog,
    pub(super) state: CallState,
    /// A re-INVITE of ours.
    pub(super) reinvite: Option<ClientId>,
    /// A re-INVITE or UPDATE of the peer that the user agent has not answered.
    pub(super) offer: Option<ServerId>,
    /// Answers 200 whose ACK has not come.
    pub(super) unacknowledged: Vec<ServerId>,
    /// The last ACK of ours, to be sent again.
    pub(super) ack: Option<(Box<Request>, Flow)>,
    /// When it has rung for long enough.
    pub(super) ring: Option<Instant>,
    /// Our BYE waits for the ACK (RFC 3261 §15): for the user agent the call is over.
    pub(super) bye: Option<Option<String>>,
}

/// How far a call has got.
pub(super) enum CallState {
    /// Our INVITE has no final answer.
    Calling {
        client: ClientId,
        /// A provisional response has come, so that CANCEL may go.
        provisional: bool,
        cancel: Cancel,
    },
    /// The peer's INVITE has none.
    Ringing(ServerId),
    /// It has begun.
    Established,
}

/// Whether we give an INVITE up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    /// As soon as a provisional response comes.
    Wanted,
    Sent,
}

impl Call {
    pub(super) fn new(dialog: Dialog, state: CallState) -> Self {
        Self {
            dialog,
            state,
            reinvite: None,
            offer: None,
            unacknowledged: Vec::new(),
            ack: None,
            ring: None,
            bye: None,
        }
    }

    /// The way for a request within the call: an open connection, or where the peer says that it is.
    pub(super) fn hop(&self) -> Hop {
        let uri = self.dialog.hop().to_owned();
        match &self.dialog.flow {
            Some(flow) if flow.is_open_stream() => Hop::Flow(Box::new(flow.clone()), uri),
            _ => Hop::Uri(uri),
        }
    }

    fn key(&self) -> (String, String) {
        (self.dialog.call_id.clone(), self.dialog.local_tag.clone())
    }
}

impl Core {
    /// A call that the user agent still knows.
    fn known(&mut self, call: CallId) -> Result<&mut Call, SipError> {
        self.calls
            .get_mut(&call)
            .filter(|call| call.bye.is_none())
            .ok_or(SipError::UnknownCall)
    }

    fn established(&mut self, call: CallId) -> Result<&mut Call, SipError> {
        let call = self.known(call)?;
        match call.state {
            CallState::Established => Ok(call),
            _ => Err(SipError::UnknownCall),
        }
    }

    /// Forgets a call, but for what its peer may still say.
    pub(super) fn forget(&mut self, id: CallId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        let key = call.key();
        self.dialogs.remove(&key);
        self.invited
            .remove(&(call.dialog.call_id.clone(), call.dialog.remote_tag.clone()));
        if let Some(at) = call.ring {
            self.never(at, Due::Ring(id));
        }
        self.remember(key);
        Some(call)
    }

    // ---- calls of ours

    pub(super) fn invite(&mut self, invite: &SipInvite) -> Result<(), SipError> {
        if self.calls.len() >= self.config.limits.calls {
            return Err(SipError::Stack("too many calls".to_owned()));
        }
        if self.calls.contains_key(&invite.call) {
            return Err(SipError::Invalid(format!("call {} exists", invite.call)));
        }
        let (tag, call_id) = (compose::token(), compose::token());
        let from = invite.from.as_ref().unwrap_or(&self.config.aor);
        let local = format!("{};tag={tag}", fields::name_addr(from)?);
        let remote = fields::name_addr(&invite.to)?;
        let headers = fields::outgoing(&invite.headers)?;
        let (hop, route) = self.way(&invite.request_uri, invite.route.as_deref())?;
        let mut request = compose::Outside {
            method: Method::Invite,
            uri: fields::uri(&invite.request_uri)?,
            from: &local,
            to: &remote,
            call_id: &call_id,
            seq: 1,
            route: route.as_deref(),
        }
        .request(&self.config);
        fields::push(&mut request.headers, "Allow", compose::ALLOW);
        for (name, value) in headers {
            fields::put(&mut request.headers, &name, &value);
        }
        compose::with_offer(&mut request, &invite.offer, &invite.parts)?;
        let dialog = Dialog::calling(call_id, local, tag, remote, invite.request_uri.clone());
        let client = self.send(Purpose::Invite(invite.call), request, hop);
        let state = CallState::Calling {
            client,
            provisional: false,
            cancel: Cancel::No,
        };
        let mut call = Call::new(dialog, state);
        call.ring = Some(self.after(self.config.timers.ring, Due::Ring(invite.call)));
        self.dialogs.insert(call.key(), invite.call);
        self.calls.insert(invite.call, call);
        Ok(())
    }

    /// A challenged INVITE goes on under another name.
    pub(super) fn moved(&mut self, call: CallId, from: ClientId, to: ClientId) {
        let Some(call) = self.calls.get_mut(&call) else {
            return;
        };
        if let CallState::Calling {
            client, provisional, ..
        } = &mut call.state
            && *client == from
        {
            (*client, *provisional) = (to, false);
        } else if call.reinvite == Some(from) {
            call.reinvite = Some(to);
        }
    }

    pub(super) fn progressed(&mut self, id: CallId, from: ClientId, code: u16) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let CallState::Calling {
            client,
            provisional,
            cancel,
        } = &mut call.state
        else {
            return;
        };
        if *client != from {
            return;
        }
        *provisional = true;
        if *cancel == Cancel::Wanted {
            self.send_cancel(id);
        }
        if code > 100 {
            self.tell(SipInput::Progress { call: id, code });
        }
    }

    pub(super) fn cancel(&mut self, id: CallId) -> Result<(), SipError> {
        let call = self.known(id)?;
        let CallState::Calling {
            provisional, cancel, ..
        } = &mut call.state
        else {
            return Err(SipError::UnknownCall);
        };
        if *cancel == Cancel::No {
            *cancel = Cancel::Wanted;
            if *provisional {
                self.send_cancel(id);
            }
        }
        Ok(())
    }

    fn send_cancel(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let CallState::Calling { client, cancel, .. } = &mut call.state else {
            return;
        };
        let Some(sent) = self.clients.get(client).and_then(|client| client.sent.as_ref()) else {
            return;
        };
        *cancel = Cancel::Sent;
        let invite = &sent.request;
        let mut request = Request {
            method: Method::Cancel,
            uri: invite.uri.clone(),
            version: invite.version,
            headers: Default::default(),
            body: Vec::new(),
        };
        for header in invite.headers.iter() {
            if [
                "Via",
                "Route",
                "Max-Forwards",
                "From",
                "To",
                "Call-ID",
                "User-Agent",
            ]
            .iter()
            .any(|name| header.name().eq_ignore_ascii_case(name))
            {
                request.headers.push(header.clone());
            }
        }
        let seq = dialog::seq(invite).unwrap_or(1);
        fields::push(&mut request.headers, "CSeq", format!("{seq} CANCEL"));
        let hop = Hop::Flow(Box::new(sent.flow.clone()), invite.uri.to_string());
        self.depart(Purpose::Nobody, request, hop, true, 1);
        self.after(64 * self.config.timers.t1, Due::Cancel(id));
    }

    /// RFC 3261 §9.1: an INVITE that was cancelled and is not answered is over after 64 times T1.
    pub(super) fn cancel_unanswered(&mut self, id: CallId) {
        let Some(CallState::Calling { client, .. }) = self.calls.get(&id).map(|call| &call.state) else {
            return;
        };
        let client = *client;
        self.stop(client);
        self.clients.remove(&client);
        self.forget(id);
        let answer = SipAnswer::new(408, "cancelled, and never answered");
        self.tell(SipInput::Refused { call: id, answer });
    }

    pub(super) fn rung_out(&mut self, id: CallId) {
        match self.calls.get(&id).map(|call| &call.state) {
            Some(CallState::Calling { .. }) => drop(self.cancel(id)),
            Some(CallState::Ringing(server)) => {
                let server = *server;
                let tag = self.forget(id).map(|call| call.dialog.local_tag);
                drop(self.reply(server, &SipReply::new(480), tag.as_deref()));
                let answer = Some(SipAnswer::new(480, "not answered in time"));
                self.tell(SipInput::Ended { call: id, answer });
            }
            _ => {}
        }
    }

    pub(super) fn invite_answered(&mut self, id: CallId, client: ClientId, response: &Response) {
        let accepted = (200..300).contains(&response.status_code.code());
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if !accepted {
            self.forget(id);
            let answer = compose::answer(response);
            self.tell(SipInput::Refused { call: id, answer });
            return;
        }
        if !call.dialog.answered(response) {
            // Without a tag there is no dialog, and nothing that could be sent in it.
            self.forget(id);
            let answer = SipAnswer::new(500, "a 200 without a tag");
            self.tell(SipInput::Refused { call: id, answer });
            return;
        }
        call.state = CallState::Established;
        if let Some(at) = call.ring.take() {
            self.never(at, Due::Ring(id));
        }
        self.send_ack(id, client, response);
        if self.leaving {
            // It has crossed our CANCEL.
            return self.abandon(id);
        }
        let answer = fields::answer(&response.headers, &response.body);
        self.tell(SipInput::Accepted { call: id, answer });
    }

    /// Acknowledges a 2xx in a call.
    fn send_ack(&mut self, id: CallId, client: ClientId, response: &Response) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(seq) = cseq(response) else { return };
        let Ok(mut ack) = compose::inside(&self.config, &call.dialog, Method::Ack, seq) else {
            return;
        };
        // RFC 3261 §13.2.2.4: with the credentials of the INVITE.
        if let Some(sent) = self.clients.get(&client).and_then(|client| client.sent.as_ref()) {
            for header in sent.request.headers.iter() {
                if matches!(header.name(), "Authorization" | "Proxy-Authorization") {
                    ack.headers.push(header.clone());
                }
            }
        }
        call.ack = None;
        exchange::acknowledge(&self.sockets, ack, call.hop());
    }

    pub(super) fn ack_sent(&mut self, request: Box<Request>, flow: Flow) {
        let value = |name| fields::value(&request.headers, name);
        let Some((call_id, tag)) = value("Call-ID").zip(value("From").and_then(fields::tag)) else {
            return;
        };
        let key = (call_id.to_owned(), tag.to_owned());
        if let Some(call) = self.dialogs.get(&key).and_then(|call| self.calls.get_mut(call)) {
            call.ack = Some((request, flow));
        }
    }

    /// A 2xx that is sent again, or one of another branch of a fork (RFC 3261 §13.2.2.4).
    pub(super) fn accepted_late(&mut self, response: &Response) {
        let value = |name| fields::value(&response.headers, name);
        let Some(call_id) = value("Call-ID") else { return };
        let Some((from, ours)) = value("From").and_then(|from| Some((from, fields::tag(from)?))) else {
            return;
        };
        let Some(theirs) = value("To").and_then(fields::tag) else {
            return;
        };
        let Some(seq) = cseq(response) else { return };
        let key = (call_id.to_owned(), ours.to_owned());
        let call = self.dialogs.get(&key).and_then(|call| self.calls.get(call));
        if let Some(call) = call
            && call.dialog.remote_tag == theirs
        {
            if let Some((ack, flow)) = &call.ack
                && dialog::seq(ack) == Some(seq)
            {
                let (ack, flow) = (ack.clone(), flow.clone());
                tokio::spawn(async move { exchange::resend(&flow, &ack).await });
            }
            return;
        }
        let known = call.is_some();
        let flow = call.and_then(|call| call.dialog.flow.clone());
        if !known && !self.ended_lately(&key) {
            return;
        }
        let mut other = Dialog::calling(
            call_id.to_owned(),
            from.to_owned(),
            ours.to_owned(),
            String::new(),
            String::new(),
        );
        other.local_seq = seq;
        other.flow = flow;
        if !other.answered(response) {
            return;
        }
        let other = Call::new(other, CallState::Established);
        if let Ok(ack) = compose::inside(&self.config, &other.dialog, Method::Ack, seq) {
            exchange::acknowledge(&self.sockets, ack, other.hop());
        }
        self.send_bye(Purpose::Nobody, other, None);
    }

    pub(super) fn reinvite(&mut self, id: CallId, offer: &Bytes) -> Result<(), SipError> {
        let call = self.established(id)?;
        if call.reinvite.is_some() || call.offer.is_some() || !call.unacknowledged.is_empty() {
            return Err(SipError::Stack("an offer is open in this call".to_owned()));
        }
        let seq = call.dialog.next_seq();
        let hop = call.hop();
        let Some(call) = self.calls.get(&id) else {
            return Err(SipError::UnknownCall);
        };
        let mut request = compose::inside(&self.config, &call.dialog, Method::Invite, seq)?;
        fields::push(&mut request.headers, "Allow", compose::ALLOW);
        compose::with_body(&mut request.headers, &mut request.body, compose::SDP, offer);
        let client = self.send(Purpose::Reinvite(id), request, hop);
        if let Some(call) = self.calls.get_mut(&id) {
            call.reinvite = Some(client);
        }
        Ok(())
    }

    pub(super) fn reinvite_answered(&mut self, id: CallId, client: ClientId, response: &Response) {
        let code = response.status_code.code();
        let accepted = (200..300).contains(&code);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.reinvite == Some(client) {
            call.reinvite = None;
        }
        let over = call.bye.is_some();
        if accepted {
            call.dialog.refresh(&response.headers);
            self.send_ack(id, client, response);
            if !over {
                let answer = fields::answer(&response.headers, &response.body);
                self.tell(SipInput::Accepted { call: id, answer });
            }
            return;
        }
        if over {
            return;
        }
        let answer = compose::answer(response);
        self.tell(SipInput::Refused {
            call: id,
            answer: answer.clone(),
        });
        if matches!(code, 408 | 481) {
            self.lose(id, answer);
        }
    }

    // ---- calls of others

    pub(super) fn ring(&mut self, id: CallId) -> Result<(), SipError> {
        let call = self.known(id)?;
        let CallState::Ringing(server) = call.state else {
            return Err(SipError::UnknownCall);
        };
        self.in_dialog_response(id, server, 180, None);
        Ok(())
    }

    /// A response that makes or keeps a dialog, with our `Contact`.
    fn in_dialog_response(&mut self, id: CallId, server: ServerId, code: u16, body: Option<&Bytes>) {
        let (Some(call), Some(open)) = (self.calls.get(&id), self.servers.get(&server)) else {
            return;
        };
        let mut response = compose::respond_to(&open.request, code.into(), Some(&call.dialog.local_tag));
        for route in fields::values(&open.request.headers, "Record-Route") {
            fields::push(&mut response.headers, "Record-Route", route);
        }
        fields::push(
            &mut response.headers,
            "Contact",
            compose::contact(&self.sockets, &open.flow),
        );
        fields::push(&mut response.headers, "Server", self.config.user_agent.as_str());
        if let Some(body) = body {
            fields::push(&mut response.headers, "Allow", compose::ALLOW);
            compose::with_body(&mut response.headers, &mut response.body, compose::SDP, body);
            fields::remove(&mut response.headers, "Content-Length");
            fields::push(&mut response.headers, "Content-Length", body.len().to_string());
        }
        self.respond(server, response);
    }

    pub(super) fn answer(&mut self, id: CallId, body: &Bytes) -> Result<(), SipError> {
        let call = self.known(id)?;
        let (server, acknowledged) = match (&call.state, call.offer) {
            (CallState::Ringing(server), _) => (*server, true),
            (CallState::Established, Some(server)) => (server, false),
            _ => return Err(SipError::UnknownCall),
        };
        let by_invite = acknowledged
            || self
                .servers
                .get(&server)
                .is_some_and(|server| server.request.method == Method::Invite);
        let call = self.known(id)?;
        call.state = CallState::Established;
        call.offer = None;
        let ring = call.ring.take();
        if by_invite {
            call.unacknowledged.push(server);
        }
        if let Some(at) = ring {
            self.never(at, Due::Ring(id));
        }
        self.in_dialog_response(id, server, 200, Some(body));
        Ok(())
    }

    pub(super) fn refuse(&mut self, id: CallId, reply: &SipReply) -> Result<(), SipError> {
        let call = self.known(id)?;
        let tag = call.dialog.local_tag.clone();
        if reply.code < 300 {
            return Err(SipError::Invalid(format!("refused with {}", reply.code)));
        }
        match (&call.state, call.offer) {
            (CallState::Ringing(server), _) => {
                let server = *server;
                self.reply(server, reply, Some(&tag))?;
                self.forget(id);
            }
            (CallState::Established, Some(server)) => {
                self.reply(server, reply, Some(&tag))?;
                self.offer_over(id, server);
            }
            _ => return Err(SipError::UnknownCall),
        }
        Ok(())
    }

    /// An offer of the peer is no longer open.
    pub(super) fn offer_over(&mut self, id: CallId, server: ServerId) {
        if let Some(call) = self.calls.get_mut(&id)
            && call.offer == Some(server)
        {
            call.offer = None;
        }
    }

    pub(super) fn acknowledged(&mut self, server: ServerId, ack: &Request) {
        let Some(id) = self.call_unacknowledged(server) else {
            return;
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.unacknowledged.retain(|other| *other != server);
        if let Some(reason) = call.bye.take() {
            if let Some(call) = self.forget(id) {
                self.send_bye(Purpose::Bye(id), call, reason.as_deref());
            }
            return;
        }
        let answer = fields::answer(&ack.headers, &ack.body);
        self.tell(SipInput::Acknowledged { call: id, answer });
    }

    fn call_unacknowledged(&self, server: ServerId) -> Option<CallId> {
        use super::core::Subject;
        match self.servers.get(&server)?.subject {
            Subject::Call(call) | Subject::Offer(call) => {
                let known = self.calls.get(&call)?;
                known.unacknowledged.contains(&server).then_some(call)
            }
            _ => None,
        }
    }

    /// The transaction of an INVITE is over; if our 200 was never acknowledged, the call is lost (RFC 3261 §13.3.1.4).
    pub(super) fn unacknowledged(&mut self, id: CallId, server: ServerId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if !call.unacknowledged.contains(&server) {
            return;
        }
        if let Some(reason) = call.bye.take() {
            if let Some(call) = self.forget(id) {
                self.send_bye(Purpose::Bye(id), call, reason.as_deref());
            }
            return;
        }
        self.lose(id, SipAnswer::new(408, "our 200 was not acknowledged"));
    }

    // ---- the end

    pub(super) fn bye(&mut self, id: CallId, reason: Option<&str>) -> Result<(), SipError> {
        if reason.is_some_and(|reason| reason.chars().any(char::is_control)) {
            return Err(SipError::Invalid("a Reason".to_owned()));
        }
        let call = self.established(id)?;
        let tag = call.dialog.local_tag.clone();
        if let Some(open) = call.offer.take() {
            drop(self.reply(open, &SipReply::new(487), Some(&tag)));
        }
        let call = self.established(id)?;
        if !call.unacknowledged.is_empty() {
            call.bye = Some(reason.map(str::to_owned));
            return Ok(());
        }
        if let Some(call) = self.forget(id) {
            self.send_bye(Purpose::Bye(id), call, reason);
        }
        Ok(())
    }

    fn send_bye(&mut self, purpose: Purpose, mut call: Call, reason: Option<&str>) {
        let seq = call.dialog.next_seq();
        let Ok(mut request) = compose::inside(&self.config, &call.dialog, Method::Bye, seq) else {
            if let Purpose::Bye(call) = purpose {
                self.tell(SipInput::ByeAnswered { call });
            }
            return;
        };
        if let Some(reason) = reason {
            fields::push(&mut request.headers, "Reason", reason);
        }
        self.send(purpose, request, call.hop());
    }

    /// A call cannot go on: the peer is told, in case that it hears, and the user agent.
    pub(super) fn lose(&mut self, id: CallId, answer: SipAnswer) {
        let Some(call) = self.forget(id) else { return };
        let reason = format!(
            "SIP;cause={};text=\"{}\"",
            answer.code,
            answer.reason.replace(['"', '\\'], "")
        );
        if let Some(open) = call.offer {
            drop(self.reply(open, &SipReply::new(487), Some(&call.dialog.local_tag)));
        }
        self.send_bye(Purpose::Nobody, call, Some(&reason));
        self.tell(SipInput::Ended {
            call: id,
            answer: Some(answer),
        });
    }

    /// Ends a call in whatever state, because the adapter ends.
    pub(super) fn abandon(&mut self, id: CallId) {
        match self.calls.get(&id).map(|call| &call.state) {
            Some(CallState::Calling { .. }) => drop(self.cancel(id)),
            Some(CallState::Ringing(server)) => {
                let server = *server;
                let tag = self.forget(id).map(|call| call.dialog.local_tag);
                drop(self.reply(server, &SipReply::new(480), tag.as_deref()));
            }
            Some(CallState::Established) => drop(self.bye(id, None)),
            None => {}
        }
    }
}

/// The number of the request that a response answers.
fn cseq(response: &Response) -> Option<u32> {
    let value = fields::value(&response.headers, "CSeq")?;
    value.split_ascii_whitespace().next()?.parse().ok()
}
