//! The core of the adapter: what is open, and who waits for what. One task owns it; all others tell it what happens.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rsipstack::{
    sip::{Method, Request, Response},
    transaction::transaction::{TransactionEvent, TransactionEventSender},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    calls::Call,
    compose,
    config::RsipConfig,
    credentials::{self, Answered},
    exchange::{self, Departure, Hop},
    fields,
    flow::Flow,
    happening::{ClientId, Happening, ServerId},
    redirect::Targets,
    registration::{Registering, RegistrationState},
    sockets::Sockets,
};
use crate::sip::{CallId, ContentError, PageId, SipAction, SipContent, SipError, SipInput, SipReply};

/// An action, and who waits for whether it can be done.
pub(super) type Asked = (Box<SipAction>, oneshot::Sender<Result<(), SipError>>);

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
    proves: Vec<Answered>,
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

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A call has rung for long enough.
    Ring(CallId),
    /// An INVITE that we have cancelled should have been answered.
    Cancel(CallId),
    /// A request has not been answered by the user agent.
    Answer(ServerId),
    Register,
}

/// The core of the adapter.
pub(super) struct Core {
    pub(super) config: Arc<RsipConfig>,
    pub(super) sockets: Arc<Sockets>,
    inputs: mpsc::UnboundedSender<SipInput>,
    waiting: Arc<AtomicUsize>,
    pub(super) calls: HashMap<CallId, Call>,
    /// Calls by Call-ID and our tag.
    pub(super) dialogs: HashMap<(String, String), CallId>,
    /// Calls of others by Call-ID and their tag.
    pub(super) invited: HashMap<(String, String), CallId>,
    /// Dialogs that have ended a short while ago, whose peers may still say 200 to our INVITE; at most as many as calls.
    lately: HashSet<(String, String)>,
    until: VecDeque<(Instant, (String, String))>,
    pub(super) pages: HashMap<PageId, ServerId>,
    pub(super) servers: HashMap<ServerId, Server>,
    pub(super) clients: HashMap<ClientId, Client>,
    due: BTreeSet<(Instant, Due)>,
    last: u64,
    /// The adapter ends: nothing new begins.
    pub(super) leaving: bool,
    pub(super) registering: Registering,
}

impl Core {
    pub(super) fn new(
        sockets: Arc<Sockets>,
        inputs: mpsc::UnboundedSender<SipInput>,
        waiting: Arc<AtomicUsize>,
        registration: watch::Sender<RegistrationState>,
    ) -> Self {
        let config = Arc::clone(&sockets.config);
        Self {
            config,
            sockets,
            inputs,
            waiting,
            calls: HashMap::new(),
            dialogs: HashMap::new(),
            invited: HashMap::new(),
            lately: HashSet::new(),
            until: VecDeque::new(),
            pages: HashMap::new(),
            servers: HashMap::new(),
            clients: HashMap::new(),
            due: BTreeSet::new(),
            last: 0,
            leaving: false,
            registering: Registering::new(registration),
        }
    }

    /// Runs until the adapter is dropped or shut down, and then until its peers have been told.
    pub(super) async fn run(
        mut self,
        mut actions: mpsc::Receiver<Asked>,
        mut happenings: mpsc::Receiver<Happening>,
    ) {
        if self.config.register.is_some() {
            self.register();
        }
        let mut end = None;
        while end.is_none() || self.is_busy() {
            let due = self.due.first().map(|(at, _)| *at);
            tokio::select! {
                happening = happenings.recv() => match happening {
                    Some(happening) => self.take(happening),
                    None => return,
                },
                asked = actions.recv(), if end.is_none() => match asked {
                    Some((action, outcome)) => drop(outcome.send(self.perform(*action))),
                    None => {
                        end = Some(Instant::now() + self.config.timers.ending);
                        self.leave();
                    }
                },
                () = at(due), if due.is_some() => self.expire(),
                () = at(end), if end.is_some() => break,
            }
        }
        drop(tokio::time::timeout(self.config.timers.t1, self.sockets.flush()).await);
    }

    /// Ends what is open, because nobody is left to whom it matters.
    fn leave(&mut self) {
        self.leaving = true;
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.abandon(call);
        }
        let pages: Vec<ServerId> = self.pages.drain().map(|(_, server)| server).collect();
        for page in pages {
            self.decline(page, 503, &[]);
        }
        // RFC 3261 §10.2: not before the registrar has answered what it was asked last.
        let asked = |client: &Client| client.purpose == Purpose::Register && !client.answered;
        if self.registering.is_registered() && !self.clients.values().any(asked) {
            self.unregister();
        }
    }

    /// Whether a peer still has to say something: the answer to a request, the ACK for an answer.
    fn is_busy(&self) -> bool {
        !self.calls.is_empty()
            || self.clients.values().any(|client| !client.answered)
            || self.servers.values().any(|server| !server.acknowledged)
    }

    fn perform(&mut self, action: SipAction) -> Result<(), SipError> {
        match action {
            SipAction::Invite(invite) => self.invite(&invite),
            SipAction::Cancel { call } => self.cancel(call),
            SipAction::Reinvite { call, offer } => self.reinvite(call, &offer),
            SipAction::Ring { call } => self.ring(call),
            SipAction::Answer { call, sdp } => self.answer(call, &sdp),
            SipAction::Refuse { call, reply } => self.refuse(call, &reply),
            SipAction::Bye { call, reason } => self.bye(call, reason.as_deref()),
            SipAction::Page(page) => self.page(&page),
            SipAction::AnswerPage { page, reply } => self.answer_page(page, &reply),
        }
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Request {
                id,
                request,
                flow,
                reply,
            } => {
                let server = Server {
                    request,
                    flow,
                    reply,
                    subject: Subject::Nothing,
                    deadline: None,
                    acknowledged: false,
                };
                self.servers.insert(id, server);
                self.requested(id);
            }
            Happening::Ack(id, request) => {
                if let Some(server) = self.servers.get_mut(&id) {
                    server.acknowledged = true;
                }
                self.acknowledged(id, &request);
            }
            Happening::Cancel(id) => self.cancelled(id),
            Happening::ServerEnded(id) => self.server_ended(id),
            Happening::Sent {
                id,
                request,
                flow,
                stop,
            } => self.sent(id, Sent { request, flow, stop }),
            Happening::Unsent(id, code, why) => {
                let reply = SipReply::new(code).with_reason(why);
                self.failed(id, &reply);
            }
            Happening::Response(id, response) => self.responded(id, &response),
            Happening::ClientEnded(id) => {
                // An INVITE's client is done with its final answer; without one it was stopped.
                let known = self.clients.get(&id).is_some_and(|client| !client.answered);
                if known {
                    self.failed(id, &SipReply::new(408));
                }
                self.clients.remove(&id);
            }
            Happening::LateAccept(response) => self.accepted_late(&response),
            Happening::Acknowledged(request, flow) => self.ack_sent(request, flow),
            Happening::Closed(key) => self.closed(key),
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        while let Some((at, due)) = self.due.first().copied() {
            if at > now {
                break;
            }
            self.due.remove(&(at, due));
            match due {
                Due::Ring(call) => self.rung_out(call),
                Due::Cancel(call) => self.cancel_unanswered(call),
                Due::Answer(server) => self.unanswered(server),
                Due::Register => self.register(),
            }
        }
    }

    pub(super) fn after(&mut self, time: Duration, due: Due) -> Instant {
        let at = Instant::now() + time;
        self.due.insert((at, due));
        at
    }

    pub(super) fn never(&mut self, at: Instant, due: Due) {
        self.due.remove(&(at, due));
    }

    pub(super) fn tell(&self, input: SipInput) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Nobody listens any longer: the adapter is about to end.
        drop(self.inputs.send(input));
    }

    /// Whether nothing new should come to the user agent: it is too far behind, or is ending.
    pub(super) fn is_behind(&self) -> bool {
        self.leaving || self.waiting.load(Ordering::Relaxed) >= self.config.limits.inputs
    }

    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    // ---- requests of ours

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

    fn sent(&mut self, id: ClientId, sent: Sent) {
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

    fn responded(&mut self, id: ClientId, response: &Response) {
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
    fn failed(&mut self, id: ClientId, reply: &SipReply) {
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

    fn closed(&mut self, key: super::flow::StreamKey) {
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

    // ---- requests of others

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

    fn server_ended(&mut self, id: ServerId) {
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

    fn unanswered(&mut self, id: ServerId) {
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

    // ---- dialogs that have ended

    pub(super) fn remember(&mut self, key: (String, String)) {
        let now = Instant::now();
        self.forget_old(now);
        if self.lately.insert(key.clone()) {
            self.until.push_back((now + 64 * self.config.timers.t1, key));
        }
    }

    fn forget_old(&mut self, now: Instant) {
        let limit = self.config.limits.calls;
        while self.until.len() >= limit || self.until.front().is_some_and(|(until, _)| *until <= now) {
            let Some((_, key)) = self.until.pop_front() else {
                return;
            };
            self.lately.remove(&key);
        }
    }

    pub(super) fn ended_lately(&mut self, key: &(String, String)) -> bool {
        self.forget_old(Instant::now());
        self.lately.contains(key)
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

async fn at(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}
