//! What becomes of requests that come.

use std::sync::Arc;

use rsipstack::sip::{Method, Request};

use super::{
    calls::{Call, CallState},
    compose::{self, ALLOW},
    core::{Core, Due},
    dialog::{self, Dialog},
    exchange::is_trusted,
    fields::{self, NameAddr},
    happening::ServerId,
    servers::{Server, Subject},
};
use crate::sip::{
    CallId, IncomingInvite, PageId, SipAnswer, SipContent, SipInput, SipPage, SipParty, SipReply,
};

impl Core {
    /// A request has begun a transaction.
    pub(super) fn requested(&mut self, id: ServerId) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        let request = &server.request;
        let unsupported: Vec<&str> = fields::values(&request.headers, "Require")
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|extension| !extension.is_empty())
            .collect();
        if !unsupported.is_empty() {
            let unsupported = unsupported.join(", ");
            return self.decline(id, 420, &[("Unsupported", &unsupported)]);
        }
        if !matches!(
            request.uri.scheme,
            Some(rsipstack::sip::Scheme::Sip | rsipstack::sip::Scheme::Sips)
        ) {
            return self.decline(id, 416, &[]);
        }
        let ours = fields::value(&request.headers, "To").and_then(fields::tag);
        match (request.method, ours) {
            (
                Method::Invite | Method::Bye | Method::Update | Method::Message | Method::Options,
                Some(ours),
            ) => {
                let key = (
                    fields::value(&request.headers, "Call-ID")
                        .unwrap_or_default()
                        .to_owned(),
                    ours.to_owned(),
                );
                let theirs = fields::value(&request.headers, "From").and_then(fields::tag);
                let call = self.dialogs.get(&key).copied().filter(|call| {
                    self.calls
                        .get(call)
                        .is_some_and(|call| Some(call.dialog.remote_tag.as_str()) == theirs)
                });
                match call {
                    Some(call) => self.requested_inside(call, id),
                    None => self.decline(id, 481, &[]),
                }
            }
            (Method::Invite, None) => self.invited(id),
            (Method::Message, None) => self.paged(id),
            (Method::Options, None) => self.asked_for_options(id),
            (Method::Bye | Method::Update, None) => self.decline(id, 481, &[]),
            _ => self.decline(id, 405, &[("Allow", ALLOW)]),
        }
    }

    fn requested_inside(&mut self, id: CallId, server: ServerId) {
        let (Some(open), Some(call)) = (self.servers.get(&server), self.calls.get_mut(&id)) else {
            return;
        };
        let seq = dialog::seq(&open.request);
        if call
            .dialog
            .remote_seq
            .is_some_and(|last| seq.is_none_or(|seq| seq <= last))
        {
            return self.decline(server, 500, &[]);
        }
        call.dialog.remote_seq = seq;
        if open.flow.stream.is_some() {
            call.dialog.flow = Some(open.flow.clone());
        }
        match open.request.method {
            Method::Bye => self.hung_up(id, server),
            Method::Invite | Method::Update => self.offered(id, server),
            Method::Message => self.paged(server),
            _ => self.asked_for_options(server),
        }
    }

    // ---- INVITE

    fn invited(&mut self, id: ServerId) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        let request = &server.request;
        let config = Arc::clone(&self.config);
        let content = match fields::content(&request.headers, &request.body, &config.parts) {
            Ok(content) => content,
            Err(fault) => return self.decline_content(id, fault, &config.parts),
        };
        if self.is_merged(request) {
            return self.decline(id, 482, &[]);
        }
        if self.calls.len() >= self.config.limits.calls || self.is_behind() {
            return self.decline(id, 503, &[("Retry-After", "10")]);
        }
        let tag = compose::token();
        let Some(dialog) = Dialog::called(request, tag, server.flow.clone()) else {
            return self.decline(id, 400, &[]);
        };
        let (from, to) = parties(request);
        let (from, to) = (
            from.unwrap_or_else(|| SipParty::new("")),
            to.unwrap_or_else(|| SipParty::new("")),
        );
        let request_uri = fields::written(&request.uri);
        let headers = fields::incoming(&request.headers);
        let identity = self.identity(server);
        let mut trying = compose::respond_to(request, 100.into(), None);
        fields::push(&mut trying.headers, "Server", self.config.user_agent.as_str());
        self.respond(id, trying);
        let call = CallId::incoming(self.number());
        if let Some(server) = self.servers.get_mut(&id) {
            server.subject = Subject::Call(call);
        }
        self.dialogs
            .insert((dialog.call_id.clone(), dialog.local_tag.clone()), call);
        self.invited
            .insert((dialog.call_id.clone(), dialog.remote_tag.clone()), call);
        let mut ringing = Call::new(dialog, CallState::Ringing(id));
        ringing.ring = Some(self.after(self.config.timers.ring, Due::Ring(call)));
        self.calls.insert(call, ringing);
        let mut invite = IncomingInvite::new(call, from, to, content.sdp);
        invite.parts = content.parts;
        invite.request_uri = request_uri;
        invite.identity = identity;
        invite.headers = headers;
        self.tell(SipInput::Invite(Box::new(invite)));
    }

    /// Whether an INVITE has come by another way already (RFC 3261 §8.2.2.2).
    fn is_merged(&self, request: &Request) -> bool {
        let value = |name| fields::value(&request.headers, name);
        let Some((call_id, tag)) = value("Call-ID").zip(value("From").and_then(fields::tag)) else {
            return false;
        };
        self.invited
            .get(&(call_id.to_owned(), tag.to_owned()))
            .and_then(|call| self.calls.get(call))
            .is_some_and(|call| {
                matches!(call.state, CallState::Ringing(_)) && call.dialog.remote_seq == dialog::seq(request)
            })
    }

    /// Who sends a request, as a host says that we trust.
    fn identity(&self, server: &Server) -> Option<String> {
        if !is_trusted(&self.sockets, server.flow.remote) {
            return None;
        }
        let value = fields::value(&server.request.headers, "P-Asserted-Identity")?;
        let first = fields::list(value).into_iter().next()?;
        Some(NameAddr::parse(first)?.uri.to_owned())
    }

    pub(super) fn cancelled(&mut self, id: ServerId) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        match server.subject {
            Subject::Call(call) => {
                let ringing = self
                    .calls
                    .get(&call)
                    .is_some_and(|call| matches!(call.state, CallState::Ringing(server) if server == id));
                if !ringing {
                    return;
                }
                let tag = self.forget(call).map(|call| call.dialog.local_tag);
                drop(self.reply(id, &SipReply::new(487), tag.as_deref()));
                self.tell(SipInput::Cancelled { call });
            }
            Subject::Offer(call) => {
                let open = self.calls.get(&call).is_some_and(|call| call.offer == Some(id));
                if open {
                    self.offer_over(call, id);
                    self.decline(id, 487, &[]);
                }
            }
            _ => {}
        }
    }

    /// A re-INVITE, or an UPDATE.
    fn offered(&mut self, id: CallId, server: ServerId) {
        let (Some(open), Some(call)) = (self.servers.get(&server), self.calls.get_mut(&id)) else {
            return;
        };
        let update = open.request.method == Method::Update;
        // Nobody is told of other parts within a call.
        let offer = match fields::content(&open.request.headers, &open.request.body, &[]) {
            Ok(content) => content.sdp,
            Err(fault) => return self.decline_content(server, fault, &[]),
        };
        if call.bye.is_some() {
            return self.decline(server, 481, &[]);
        }
        if update && offer.is_none() {
            // It only says where the peer is (RFC 3311 §5.2).
            call.dialog.refresh(&open.request.headers);
            let contact = compose::contact(&self.sockets, &open.flow);
            return self.decline(server, 200, &[("Contact", &contact), ("Allow", ALLOW)]);
        }
        if call.reinvite.is_some() || matches!(call.state, CallState::Calling { .. }) {
            return self.decline(server, 491, &[]);
        }
        if call.offer.is_some() || matches!(call.state, CallState::Ringing(_)) || self.is_behind() {
            return self.decline(server, 500, &[("Retry-After", "1")]);
        }
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.dialog.refresh(&open.request.headers);
        call.offer = Some(server);
        self.expect_answer(server, Subject::Offer(id));
        self.tell(SipInput::Reinvite { call: id, offer });
    }

    fn hung_up(&mut self, id: CallId, server: ServerId) {
        let reason = self
            .servers
            .get(&server)
            .and_then(|server| fields::value(&server.request.headers, "Reason"))
            .and_then(reason);
        self.decline(server, 200, &[]);
        let Some(call) = self.forget(id) else { return };
        let tag = Some(call.dialog.local_tag.as_str());
        if let Some(open) = call.offer {
            drop(self.reply(open, &SipReply::new(487), tag));
        }
        match call.state {
            CallState::Ringing(invite) => {
                drop(self.reply(invite, &SipReply::new(487), tag));
                self.tell(SipInput::Cancelled { call: id });
            }
            // Ours, that waited for the ACK, needs no answer any more.
            _ if call.bye.is_some() => self.tell(SipInput::ByeAnswered { call: id }),
            _ => self.tell(SipInput::Ended {
                call: id,
                answer: reason,
            }),
        }
    }

    // ---- MESSAGE and OPTIONS

    fn paged(&mut self, id: ServerId) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        if self.pages.len() >= self.config.limits.pages || self.is_behind() {
            return self.decline(id, 503, &[("Retry-After", "10")]);
        }
        let request = &server.request;
        let (Some(from), Some(to)) = parties(request) else {
            return self.decline(id, 400, &[]);
        };
        let name = PageId::incoming(0);
        let mut page = SipPage::new(name, from, to, "", request.body.clone());
        page.request_uri = fields::written(&request.uri);
        page.content_type = fields::value(&request.headers, "Content-Type")
            .filter(|_| !request.body.is_empty())
            .map(str::to_owned);
        page.headers = fields::incoming(&request.headers);
        for name in ["Call-ID", "CSeq"] {
            if let Some(value) = fields::value(&request.headers, name) {
                page.headers.push(crate::sip::SipHeader::new(name, value));
            }
        }
        page.identity = self.identity(server);
        page.page = PageId::incoming(self.number());
        self.pages.insert(page.page, id);
        self.expect_answer(id, Subject::Page(page.page));
        self.tell(SipInput::Page(Box::new(page)));
    }

    fn asked_for_options(&mut self, id: ServerId) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        let mut response = compose::respond_to(&server.request, 200.into(), None);
        let accept = std::iter::once(SipContent::accept(&self.config.parts))
            .chain(self.config.accept.iter().cloned())
            .collect::<Vec<_>>()
            .join(", ");
        let contact = compose::contact(&self.sockets, &server.flow);
        for (name, value) in [
            ("Allow", ALLOW),
            ("Accept", &*accept),
            ("Accept-Encoding", "identity"),
            ("Accept-Language", "en"),
            ("Contact", &*contact),
            ("Server", &*self.config.user_agent),
        ] {
            fields::push(&mut response.headers, name, value);
        }
        if let Some(capabilities) = &self.config.capabilities {
            compose::with_body(
                &mut response.headers,
                &mut response.body,
                compose::SDP,
                capabilities,
            );
            fields::remove(&mut response.headers, "Content-Length");
            fields::push(
                &mut response.headers,
                "Content-Length",
                capabilities.len().to_string(),
            );
        }
        self.respond(id, response);
    }
}

fn parties(request: &Request) -> (Option<SipParty>, Option<SipParty>) {
    let party = |name| {
        fields::value(&request.headers, name)
            .and_then(NameAddr::parse)
            .map(|party| party.party())
    };
    (party("From"), party("To"))
}

/// `SIP;cause=408;text="..."` (RFC 3326), where it is not an ordinary end.
fn reason(value: &str) -> Option<SipAnswer> {
    let mut parameters = value.split(';').map(str::trim);
    if !parameters.next()?.eq_ignore_ascii_case("SIP") {
        return None;
    }
    let (mut cause, mut text) = (None, String::new());
    for parameter in parameters {
        match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("cause") => {
                cause = value.trim().parse().ok()
            }
            Some((name, value)) if name.trim().eq_ignore_ascii_case("text") => {
                value.trim().trim_matches('"').clone_into(&mut text);
            }
            _ => {}
        }
    }
    let cause = cause.filter(|cause| (200..700).contains(cause))?;
    Some(SipAnswer::new(cause, text))
}
