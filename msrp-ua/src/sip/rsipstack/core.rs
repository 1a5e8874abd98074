//! The core of the adapter: what is open, and who waits for what. One task owns it; all others tell it what happens.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    calls::Call,
    clients::{Client, Purpose, Sent},
    config::RsipConfig,
    happening::{ClientId, Happening, ServerId},
    registration::{Registering, RegistrationState},
    servers::{Server, Subject},
    sockets::Sockets,
};
use crate::sip::{CallId, PageId, SipAction, SipError, SipInput, SipReply};

/// An action, and who waits for whether it can be done.
pub(super) type Asked = (Box<SipAction>, oneshot::Sender<Result<(), SipError>>);

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

    /// Whether a peer still has to say something: the answer to a request, the ACK for an answer. Who was told that its offer
    /// came after the end of the call may itself have gone by now.
    fn is_busy(&self) -> bool {
        let waited_for =
            |server: &Server| !server.acknowledged && !matches!(server.subject, Subject::Offer(_));
        !self.calls.is_empty()
            || self.clients.values().any(|client| !client.answered)
            || self.servers.values().any(waited_for)
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
}

async fn at(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}
