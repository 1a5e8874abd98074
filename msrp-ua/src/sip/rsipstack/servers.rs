//! Requests of others that are being handled, and how they are answered.

use rsipstack::{
    sip::{Method, Request, Response},
    transaction::transaction::{TransactionEvent, TransactionEventSender},
};
use tokio::time::Instant;

use super::{
    compose,
    core::{Core, Due},
    fields,
    flow::Flow,
    happening::ServerId,
};
use crate::sip::{CallId, ContentError, PageId, SipContent, SipError, SipReply};

/// A request of a peer that is being handled.
pub(super) struct Server {
    pub(super) request: Box<Request>,
    pub(super) flow: Flow,
    pub(super) reply: TransactionEventSender,
    pub(super) subject: Subject,
    pub(super) deadline: Option<Instant>,
    /// The ACK for our final answer has come.
    pub(super) acknowledged: bool,
}

/// What a request of a peer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The INVITE that began a call.
    Call(CallId),
    /// A re-INVITE or UPDATE.
    Offer(CallId),
    Page(PageId),
    /// Nothing that waits.
    Nothing,
}

impl Core {
    /// Says when a request of a peer is answered for want of a better answer.
    pub(super) fn expect_answer(&mut self, id: ServerId, subject: Subject) {
        let at = self.after(self.config.timers.answer, Due::Answer(id));
        if let Some(server) = self.servers.get_mut(&id) {
            server.subject = subject;
            server.deadline = Some(at);
        }
    }

    pub(super) fn respond(&mut self, id: ServerId, response: Response) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let deadline = if response.status_code.code() >= 200 {
            server.deadline.take()
        } else {
            None
        };
        drop(server.reply.send(TransactionEvent::Respond(response)));
        if let Some(at) = deadline {
            self.never(at, Due::Answer(id));
        }
    }

    /// Answers with a code only, or what a reply says.
    pub(super) fn reply(
        &mut self,
        id: ServerId,
        reply: &SipReply,
        tag: Option<&str>,
    ) -> Result<(), SipError> {
        let headers = fields::outgoing(&reply.headers)?;
        if !(200..700).contains(&reply.code) {
            return Err(SipError::Invalid(format!("code {}", reply.code)));
        }
        let Some(server) = self.servers.get(&id) else {
            return Ok(());
        };
        let mut response = compose::respond_to(&server.request, compose::status(reply), tag);
        fields::push(&mut response.headers, "Server", self.config.user_agent.as_str());
        if let Some(time) = reply.retry_after {
            let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            fields::push(&mut response.headers, "Retry-After", seconds.to_string());
        }
        for (name, value) in headers {
            fields::push(&mut response.headers, &name, value);
        }
        self.respond(id, response);
        Ok(())
    }

    /// Refuses a request for its body.
    pub(super) fn decline_content(&mut self, id: ServerId, fault: ContentError, accepted: &[String]) {
        if fault == ContentError::Unsupported {
            let accept = SipContent::accept(accepted);
            return self.decline(id, 415, &[("Accept", &accept), ("Accept-Encoding", "identity")]);
        }
        let reply = SipReply::new(400).with_reason(fault.to_string());
        drop(self.reply(id, &reply, None));
    }

    /// Refuses with header fields of the stack's own.
    pub(super) fn decline(&mut self, id: ServerId, code: u16, headers: &[(&str, &str)]) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        let mut response = compose::respond_to(&server.request, code.into(), None);
        fields::push(&mut response.headers, "Server", self.config.user_agent.as_str());
        for (name, value) in headers {
            fields::push(&mut response.headers, name, *value);
        }
        self.respond(id, response);
    }

    pub(super) fn server_ended(&mut self, id: ServerId) {
        let Some(server) = self.servers.remove(&id) else {
            return;
        };
        if let Some(at) = server.deadline {
            self.never(at, Due::Answer(id));
        }
        match server.subject {
            Subject::Call(call) | Subject::Offer(call) if server.request.method == Method::Invite => {
                self.unacknowledged(call, id);
            }
            Subject::Page(page) => drop(self.pages.remove(&page)),
            _ => {}
        }
    }

    pub(super) fn unanswered(&mut self, id: ServerId) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        server.deadline = None;
        match server.subject {
            Subject::Page(page) => drop(self.pages.remove(&page)),
            Subject::Offer(call) => self.offer_over(call, id),
            Subject::Call(_) | Subject::Nothing => return,
        }
        self.decline(id, 500, &[("Retry-After", "10")]);
    }
}
