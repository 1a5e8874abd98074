//! Requests of ours: how they leave, and what becomes of them.

use rsipstack::{
    sip::{Request, Response},
    transaction::transaction::{TransactionEvent, TransactionEventSender},
};

use super::{
    compose,
    core::Core,
    credentials::{self, Answered},
    exchange::{self, Departure, Hop},
    fields,
    flow::Flow,
    happening::ClientId,
    redirect::Targets,
};
use crate::sip::{CallId, PageId, SipError, SipInput, SipReply};

/// Why we have sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Invite(CallId),
    Reinvite(CallId),
    Page(PageId),
    Register,
    /// The REGISTER that takes the registration back.
    Unregister,
    Bye(CallId),
    /// A request whose answer nobody waits for.
    Nobody,
}

/// A request of ours.
pub(super) struct Client {
    pub(super) purpose: Purpose,
    /// Where it goes if its way has closed.
    pub(super) uri: String,
    pub(super) sent: Option<Sent>,
    pub(super) attempts: u8,
    /// The challenges that it answers to.
    pub(super) proves: Vec<Answered>,
    pub(super) answered: bool,
    /// Where else it may go.
    pub(super) targets: Option<Box<Targets>>,
}

/// A request of ours that has left.
pub(super) struct Sent {
    pub(super) request: Box<Request>,
    pub(super) flow: Flow,
    pub(super) stop: TransactionEventSender,
}

impl Core {
    pub(super) fn send(&mut self, purpose: Purpose, request: Request, hop: Hop) -> ClientId {
        self.depart(purpose, request, hop, false, 1)
    }

    pub(super) fn depart(
        &mut self,
        purpose: Purpose,
        request: Request,
        hop: Hop,
        as_it_is: bool,
        attempts: u8,
    ) -> ClientId {
        let id = ClientId(self.number());
        let (Hop::Uri(uri) | Hop::Flow(_, uri)) = &hop;
        let client = Client {
            purpose,
            uri: uri.clone(),
            sent: None,
            attempts,
            proves: Vec::new(),
            answered: false,
            targets: None,
        };
        self.clients.insert(id, client);
        let departure = Departure {
            request,
            hop,
            as_it_is,
        };
        exchange::start_client(&self.sockets, id, departure);
        id
    }

    pub(super) fn sent(&mut self, id: ClientId, sent: Sent) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if let Purpose::Invite(call) | Purpose::Reinvite(call) = client.purpose
            && let Some(call) = self.calls.get_mut(&call)
        {
            call.dialog.flow = Some(sent.flow.clone());
        }
        client.sent = Some(sent);
    }

    pub(super) fn responded(&mut self, id: ClientId, response: &Response) {
        let code = response.status_code.code();
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if client.answered {
            return;
        }
        if code < 200 {
            if let Purpose::Invite(call) = client.purpose {
                self.progressed(call, id, code);
            }
            return;
        }
        client.answered = true;
        if (200..300).contains(&code)
            && let Some(sent) = &client.sent
        {
            self.sockets
                .challenges()
                .renew(&sent.request, sent.flow.remote, response);
        }
        if matches!(code, 401 | 407) && self.try_again(id, response) {
            return;
        }
        let elsewhere = if code < 300 {
            Ok(false)
        } else {
            self.go_on(id, response)
        };
        let explained;
        let response = match elsewhere {
            Ok(true) => return,
            Ok(false) => response,
            Err(why) => {
                explained = compose::explained(response, &why);
                &explained
            }
        };
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        match client.purpose {
            Purpose::Invite(call) => self.invite_answered(call, id, response),
            Purpose::Reinvite(call) => self.reinvite_answered(call, id, response),
            Purpose::Page(page) => self.tell(SipInput::PageAnswered {
                page,
                answer: compose::answer(response),
            }),
            Purpose::Register => self.register_answered(response),
            Purpose::Unregister => self.unregistered(),
            Purpose::Bye(call) => self.tell(SipInput::ByeAnswered { call }),
            Purpose::Nobody => {}
        }
    }

    /// Stands for an answer that will not come.
    pub(super) fn failed(&mut self, id: ClientId, reply: &SipReply) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let response = Response {
            status_code: compose::status(reply),
            wire_reason: None,
            version: rsipstack::sip::Version::V2,
            headers: Default::default(),
            body: Vec::new(),
        };
        let unsent = client.sent.is_none();
        self.responded(id, &response);
        if unsent {
            self.clients.remove(&id);
        }
    }

    /// Sends a request that was challenged once more. `false`: there is nothing to say to the challenge.
    fn try_again(&mut self, id: ClientId, challenged: &Response) -> bool {
        let Some(client) = self.clients.get(&id) else {
            return false;
        };
        let Some(sent) = client
            .sent
            .as_ref()
            .filter(|_| client.attempts < credentials::ATTEMPTS)
        else {
            return false;
        };
        let Some(proves) = self.sockets.challenges().learn(
            &sent.request,
            sent.flow.remote,
            challenged,
            &self.config.credentials,
            &client.proves,
        ) else {
            return false;
        };
        let mut request = (*sent.request).clone();
        let (purpose, attempts) = (client.purpose, client.attempts + 1);
        let hop = Hop::Flow(Box::new(sent.flow.clone()), client.uri.clone());
        let seq = match purpose {
            Purpose::Invite(call) | Purpose::Reinvite(call) => match self.calls.get_mut(&call) {
                Some(call) => call.dialog.next_seq(),
                None => return false,
            },
            Purpose::Register | Purpose::Unregister => self.registering.next_seq(),
            Purpose::Page(_) | Purpose::Bye(_) | Purpose::Nobody => {
                super::dialog::seq(&request).unwrap_or(0) + 1
            }
        };
        fields::set_seq(&mut request, seq);
        let targets = self.clients.get_mut(&id).and_then(|client| client.targets.take());
        let again = self.depart(purpose, request, hop, false, attempts);
        if let Some(client) = self.clients.get_mut(&again) {
            client.targets = targets;
            client.proves = proves;
        }
        if let Purpose::Invite(call) | Purpose::Reinvite(call) = purpose {
            self.moved(call, id, again);
        }
        true
    }

    pub(super) fn closed(&mut self, key: super::flow::StreamKey) {
        let lost: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|(_, client)| {
                !client.answered && client.sent.as_ref().is_some_and(|sent| sent.flow.is_stream(key))
            })
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            self.stop(id);
            // RFC 3261 §8.1.3.1: a fault of the transport is as 503.
            self.failed(id, &SipReply::new(503).with_reason("the connection was closed"));
        }
    }

    /// Ends a client transaction without waiting for anything.
    pub(super) fn stop(&self, id: ClientId) {
        let Some(sent) = self.clients.get(&id).and_then(|client| client.sent.as_ref()) else {
            return;
        };
        let key = rsipstack::transaction::key::TransactionKey::from_request(
            &sent.request,
            rsipstack::transaction::key::TransactionRole::Client,
        );
        if let Ok(key) = key {
            drop(sent.stop.send(TransactionEvent::Terminate(key)));
        }
    }

    /// The way for a request outside of dialogs, and the URI that stands in `Route`, if one does.
    pub(super) fn way(
        &self,
        request_uri: &str,
        route: Option<&str>,
    ) -> Result<(Hop, Option<String>), SipError> {
        let Some(route) = route.or(self.config.outbound_proxy.as_deref()) else {
            return Ok((Hop::Uri(request_uri.to_owned()), None));
        };
        let loose = fields::is_loose(&fields::uri(route)?);
        Ok((Hop::Uri(route.to_owned()), loose.then(|| route.to_owned())))
    }
}
