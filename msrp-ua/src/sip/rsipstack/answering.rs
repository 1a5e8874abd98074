//! Calls of others, as the user agent answers them.

use bytes::Bytes;
use rsipstack::sip::{Method, Request};

use super::{
    calls::CallState,
    clients::Purpose,
    compose,
    core::{Core, Due},
    fields,
    happening::ServerId,
    servers::Subject,
};
use crate::sip::{CallId, SipAnswer, SipError, SipInput, SipReply};

impl Core {
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
}
