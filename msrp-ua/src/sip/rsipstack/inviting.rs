//! Calls of ours: INVITE, CANCEL, ACK and re-INVITE.

use bytes::Bytes;
use rsipstack::sip::{Method, Request, Response};

use super::{
    calls::{Call, CallState, Cancel},
    clients::Purpose,
    compose,
    core::{Core, Due},
    dialog::{self, Dialog},
    exchange::{self, Hop},
    fields,
    flow::Flow,
    happening::ClientId,
};
use crate::sip::{CallId, SipAnswer, SipError, SipInput, SipInvite};

impl Core {
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
                self.stop_ringing(id, *server);
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
}

/// The number of the request that a response answers.
fn cseq(response: &Response) -> Option<u32> {
    let value = fields::value(&response.headers, "CSeq")?;
    value.split_ascii_whitespace().next()?.parse().ok()
}
