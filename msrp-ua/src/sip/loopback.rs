//! Two user agents in one process whose SIP, and MSRP, meets in memory: for examples, and for tests.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use msrp_core::rng::IdSource;

use super::{
    CallId, IncomingInvite, PageId, SipAction, SipAnswer, SipInput, SipInvite, SipPage, SipParty, SipReply,
};
use crate::{loopback::Loopback, user_agent::UserAgent};

/// How long SIP tries before it gives up (64 times T1, RFC 3261 §17.1.1.2).
const PATIENCE: Duration = Duration::from_secs(32);

/// What goes wrong between two ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SipFaults {
    /// The longest time that a request or response takes; each takes a random part of it. Default none at all.
    pub delay: Duration,
    /// Of 1,000 requests, how many never arrive, however often they are sent. Default 0.
    pub lost: u16,
}

/// SIP between two ends, `0` and `1`, and the MSRP connections between them. Whomever either calls is the other.
///
/// It does what a SIP stack and its adapter do for a user agent, and keeps the contract of [`SipAdapter`](super::SipAdapter).
/// Requests and responses keep their order. It is deterministic: a seed replays exactly.
#[derive(Debug)]
pub struct SipLoopback {
    msrp: Loopback,
    faults: SipFaults,
    random: IdSource,
    /// By the time at which they arrive, and the order in which they were sent.
    wire: BTreeMap<(Instant, u64), Packet>,
    /// When what was sent last to an end arrives: nothing overtakes it.
    latest: [Option<Instant>; 2],
    dialogs: BTreeMap<u64, [View; 2]>,
    calls: [BTreeMap<CallId, u64>; 2],
    pages: [BTreeMap<PageId, PageId>; 2],
    inputs: [VecDeque<SipInput>; 2],
    next: u64,
    now: Option<Instant>,
}

#[derive(Debug)]
struct Packet {
    to: usize,
    dialog: u64,
    what: What,
}

/// What passes from one end to the other; also what an end tells itself when its patience ends.
#[derive(Debug)]
enum What {
    Invite(Box<SipInvite>),
    Progress(u16),
    Accepted(Bytes),
    Refused(SipAnswer),
    Ack,
    /// No ACK came.
    NoAck,
    Cancel,
    Reinvite(Bytes),
    Bye(Option<String>),
    ByeAnswered(CallId),
    Page(Box<SipPage>),
    PageAnswered(PageId, SipAnswer),
}

/// How a dialog looks from one end.
#[derive(Debug)]
struct View {
    call: CallId,
    state: State,
    /// A re-INVITE of this end is not answered.
    asks: bool,
    /// A re-INVITE of the other end is not answered.
    asked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It does not know of it yet.
    None,
    Inviting,
    Invited,
    Answered,
    Confirmed,
    Gone,
    /// It says nothing any more.
    Vanished,
}

impl View {
    fn new(call: CallId, state: State) -> Self {
        Self {
            call,
            state,
            asks: false,
            asked: false,
        }
    }

    fn is_dialog(&self) -> bool {
        matches!(self.state, State::Answered | State::Confirmed)
    }
}

impl Default for SipLoopback {
    fn default() -> Self {
        Self::new()
    }
}

impl SipLoopback {
    /// Two ends between which nothing is lost, and nothing takes time.
    pub fn new() -> Self {
        Self::with_faults([0; 32], SipFaults::default())
    }

    /// Two ends between which things go wrong, at random from this seed.
    pub fn with_faults(seed: [u8; 32], faults: SipFaults) -> Self {
        Self {
            msrp: Loopback::new(),
            faults,
            random: IdSource::from_seed(seed),
            wire: BTreeMap::new(),
            latest: [None; 2],
            dialogs: BTreeMap::new(),
            calls: Default::default(),
            pages: Default::default(),
            inputs: Default::default(),
            next: 0,
            now: None,
        }
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&mut self, faults: SipFaults) {
        self.faults = faults;
    }

    /// Lets everything happen, by SIP and by MSRP, that can happen at this time. Events other than
    /// [`UserAgentEvent::Sip`](crate::UserAgentEvent::Sip) stay the caller's to pull.
    pub fn run(&mut self, now: Instant, a: &mut UserAgent, b: &mut UserAgent) {
        loop {
            self.msrp.run(now, a, b);
            let mut moved = false;
            for (end, agent) in [&mut *a, &mut *b].into_iter().enumerate() {
                agent.tick(now);
                while let Some(action) = agent.take_sip_action() {
                    moved = true;
                    self.perform(now, end, action);
                }
                while let Some(input) = self.next(now, end) {
                    moved = true;
                    agent.handle_sip(now, input);
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// Breaks every MSRP connection.
    pub fn reset_connections(&mut self, now: Instant, a: &mut UserAgent, b: &mut UserAgent) {
        self.msrp.reset(now, a, b);
    }

    /// The MSRP connections.
    pub fn connections(&mut self) -> &mut Loopback {
        &mut self.msrp
    }

    /// When something arrives next.
    pub fn next_arrival(&self) -> Option<Instant> {
        self.wire.keys().next().map(|&(at, _)| at)
    }

    /// How many dialogs are not over for both ends.
    pub fn dialog_count(&self) -> usize {
        self.dialogs.len()
    }

    /// An end vanishes without a word: it hears and says nothing any more in the dialogs that there are.
    pub fn vanish(&mut self, end: usize) {
        for views in self.dialogs.values_mut() {
            views[end & 1].state = State::Vanished;
        }
        self.calls[end & 1].clear();
        self.inputs[end & 1].clear();
        self.forget_old();
    }

    /// What an end wants done. What cannot be done now is answered as an error of
    /// [`SipAdapter::perform`](super::SipAdapter::perform) is: by a refusal.
    pub fn perform(&mut self, now: Instant, end: usize, action: SipAction) {
        let end = end & 1;
        match action {
            SipAction::Invite(invite) => {
                self.next += 1;
                let dialog = self.next;
                let mut views = [
                    View::new(CallId::incoming(dialog), State::None),
                    View::new(CallId::incoming(dialog), State::None),
                ];
                views[end] = View::new(invite.call, State::Inviting);
                self.calls[end].insert(invite.call, dialog);
                self.dialogs.insert(dialog, views);
                self.request(now, end, dialog, What::Invite(invite));
            }
            SipAction::Cancel { call } => self.with(end, call, |this, dialog, view| {
                if view == State::Inviting {
                    this.send(now, 1 - end, dialog, What::Cancel);
                }
            }),
            SipAction::Reinvite { call, offer } => self.with(end, call, |this, dialog, state| {
                let may = matches!(state, State::Answered | State::Confirmed);
                let Some(view) = this.view(dialog, end).filter(|view| may && !view.asks) else {
                    return;
                };
                view.asks = true;
                this.request(now, end, dialog, What::Reinvite(offer));
            }),
            SipAction::Ring { call } => self.with(end, call, |this, dialog, state| {
                if state == State::Invited {
                    this.send(now, 1 - end, dialog, What::Progress(180));
                }
            }),
            SipAction::Answer { call, sdp } => self.with(end, call, |this, dialog, state| {
                let Some(view) = this.view(dialog, end) else {
                    return;
                };
                let asked = std::mem::take(&mut view.asked);
                if state == State::Invited {
                    view.state = State::Answered;
                } else if !asked {
                    return;
                }
                this.send(now, 1 - end, dialog, What::Accepted(sdp));
            }),
            SipAction::Refuse { call, reply } => self.with(end, call, |this, dialog, state| {
                let Some(view) = this.view(dialog, end) else {
                    return;
                };
                let asked = std::mem::take(&mut view.asked);
                if state == State::Invited {
                    this.end(end, dialog);
                } else if !asked {
                    return;
                }
                this.send(now, 1 - end, dialog, What::Refused(answer_of(reply)));
            }),
            SipAction::Bye { call, reason } => self.with(end, call, |this, dialog, state| {
                if matches!(state, State::Answered | State::Confirmed) {
                    this.end(end, dialog);
                    if this.loses() {
                        this.send_at(now + PATIENCE, end, dialog, What::ByeAnswered(call));
                    } else {
                        this.send(now, 1 - end, dialog, What::Bye(reason));
                    }
                }
            }),
            SipAction::Page(page) => {
                let lost = self.loses();
                let id = page.page;
                if lost {
                    let gone = What::PageAnswered(id, SipAnswer::new(408, "Request Timeout"));
                    self.send_at(now + PATIENCE, end, 0, gone);
                } else {
                    self.send(now, 1 - end, 0, What::Page(page));
                }
            }
            SipAction::AnswerPage { page, reply } => {
                if let Some(theirs) = self.pages[end].remove(&page) {
                    self.send(now, 1 - end, 0, What::PageAnswered(theirs, answer_of(reply)));
                }
            }
        }
        self.forget_old();
    }

    /// The next thing that has come for an end by now.
    pub fn next(&mut self, now: Instant, end: usize) -> Option<SipInput> {
        self.now = self.now.max(Some(now));
        while let Some(entry) = self.wire.first_entry()
            && entry.key().0 <= now
        {
            let packet = entry.remove();
            self.arrive(now, packet);
        }
        self.forget_old();
        self.inputs[end & 1].pop_front()
    }

    fn with(&mut self, end: usize, call: CallId, act: impl FnOnce(&mut Self, u64, State)) {
        if let Some(&dialog) = self.calls[end].get(&call)
            && let Some(view) = self.view(dialog, end)
        {
            let state = view.state;
            act(self, dialog, state);
        }
    }

    fn view(&mut self, dialog: u64, end: usize) -> Option<&mut View> {
        self.dialogs.get_mut(&dialog).map(|views| &mut views[end & 1])
    }

    fn end(&mut self, end: usize, dialog: u64) {
        if let Some(view) = self.view(dialog, end) {
            view.state = State::Gone;
            let call = view.call;
            self.calls[end & 1].remove(&call);
        }
    }

    /// Forgets dialogs that are over for both ends.
    fn forget_old(&mut self) {
        let under_way: Vec<u64> = self.wire.values().map(|packet| packet.dialog).collect();
        self.dialogs.retain(|dialog, views| {
            let over = |view: &View| matches!(view.state, State::Gone | State::Vanished | State::None);
            !views.iter().all(over) || under_way.contains(dialog)
        });
    }

    fn loses(&mut self) -> bool {
        self.faults.lost > 0 && u16::from_le_bytes(self.random.bytes()) % 1000 < self.faults.lost
    }

    /// Sends an INVITE or re-INVITE; if it is lost its sender will notice.
    fn request(&mut self, now: Instant, from: usize, dialog: u64, what: What) {
        if self.loses() {
            let gone = What::Refused(SipAnswer::new(408, "Request Timeout"));
            self.send_at(now + PATIENCE, from, dialog, gone);
        } else {
            self.send(now, 1 - from, dialog, what);
        }
    }

    fn send(&mut self, now: Instant, to: usize, dialog: u64, what: What) {
        let most = u64::try_from(self.faults.delay.as_micros()).unwrap_or(u64::MAX);
        let delay = match most {
            0 => Duration::ZERO,
            most => Duration::from_micros(u64::from_le_bytes(self.random.bytes()) % most),
        };
        let at = self.latest[to].map_or(now + delay, |latest| latest.max(now + delay));
        self.latest[to] = Some(at);
        self.send_at(at, to, dialog, what);
    }

    fn send_at(&mut self, at: Instant, to: usize, dialog: u64, what: What) {
        self.next += 1;
        self.wire.insert((at, self.next), Packet { to, dialog, what });
    }

    fn arrive(&mut self, now: Instant, Packet { to, dialog, what }: Packet) {
        match what {
            What::Page(mut page) => {
                self.next += 1;
                let theirs = std::mem::replace(&mut page.page, PageId::incoming(self.next));
                self.pages[to].insert(page.page, theirs);
                self.inputs[to].push_back(SipInput::Page(page));
                return;
            }
            What::PageAnswered(page, answer) => {
                self.inputs[to].push_back(SipInput::PageAnswered { page, answer });
                return;
            }
            _ => {}
        }
        let other = match self.dialogs.get(&dialog) {
            Some(views) => views[1 - to].call,
            None => return,
        };
        let Some(view) = self.view(dialog, to) else { return };
        let (call, state) = (view.call, view.state);
        let input = match (what, state) {
            (What::Invite(invite), State::None) => {
                view.state = State::Invited;
                self.calls[to].insert(call, dialog);
                SipInput::Invite(Box::new(incoming(call, *invite)))
            }
            // It vanished before it heard of it.
            (What::Invite(_), _) => {
                let gone = What::Refused(SipAnswer::new(408, "Request Timeout"));
                return self.send_at(now + PATIENCE, 1 - to, dialog, gone);
            }
            (What::Progress(code), State::Inviting) => SipInput::Progress { call, code },
            (What::Accepted(sdp), State::Inviting) => {
                view.state = State::Confirmed;
                self.acknowledge(now, to, dialog);
                SipInput::Accepted {
                    call,
                    answer: Some(sdp),
                }
            }
            (What::Accepted(sdp), State::Answered | State::Confirmed) if view.asks => {
                view.asks = false;
                self.acknowledge(now, to, dialog);
                SipInput::Accepted {
                    call,
                    answer: Some(sdp),
                }
            }
            (What::Refused(answer), State::Inviting) => {
                self.end(to, dialog);
                SipInput::Refused { call, answer }
            }
            (What::Refused(answer), State::Answered | State::Confirmed) if view.asks => {
                view.asks = false;
                SipInput::Refused { call, answer }
            }
            (What::Ack, State::Answered | State::Confirmed) => {
                view.state = State::Confirmed;
                SipInput::Acknowledged { call, answer: None }
            }
            (What::NoAck, State::Answered) => {
                self.end(to, dialog);
                let answer = Some(SipAnswer::new(408, "no ACK"));
                SipInput::Ended { call, answer }
            }
            (What::Cancel, State::Invited) => {
                self.end(to, dialog);
                let gone = What::Refused(SipAnswer::new(487, "Request Terminated"));
                self.send(now, 1 - to, dialog, gone);
                SipInput::Cancelled { call }
            }
            (What::Reinvite(offer), _) if view.is_dialog() && !view.asked => {
                view.asked = true;
                SipInput::Reinvite {
                    call,
                    offer: Some(offer),
                }
            }
            (What::Reinvite(_), State::Vanished) => {
                let gone = What::Refused(SipAnswer::new(408, "Request Timeout"));
                return self.send_at(now + PATIENCE, 1 - to, dialog, gone);
            }
            (What::Reinvite(_), State::Gone) => {
                let unknown = SipAnswer::new(481, "Call/Transaction Does Not Exist");
                return self.send(now, 1 - to, dialog, What::Refused(unknown));
            }
            (What::ByeAnswered(call), _) => SipInput::ByeAnswered { call },
            (What::Bye(_), State::Vanished) => {
                return self.send_at(now + PATIENCE, 1 - to, dialog, What::ByeAnswered(other));
            }
            // Also where both hang up: then there is no such dialog any more, which is an answer as well.
            (What::Bye(_), _) if !view.is_dialog() => {
                return self.send(now, 1 - to, dialog, What::ByeAnswered(other));
            }
            (What::Bye(reason), _) => {
                self.end(to, dialog);
                self.send(now, 1 - to, dialog, What::ByeAnswered(other));
                let answer = reason.map(|reason| SipAnswer::new(200, reason));
                SipInput::Ended { call, answer }
            }
            _ => return,
        };
        self.inputs[to].push_back(input);
    }

    /// Sends an ACK, which may be lost for good like any request.
    fn acknowledge(&mut self, now: Instant, from: usize, dialog: u64) {
        if self.loses() {
            self.send_at(now + PATIENCE, 1 - from, dialog, What::NoAck);
        } else {
            self.send(now, 1 - from, dialog, What::Ack);
        }
    }
}

fn incoming(call: CallId, invite: SipInvite) -> IncomingInvite {
    let from = invite
        .from
        .unwrap_or_else(|| SipParty::new("sip:anonymous@anonymous.invalid"));
    let mut incoming = IncomingInvite::new(call, from, invite.to, Some(invite.offer));
    incoming.request_uri = invite.request_uri;
    incoming.headers = invite.headers;
    incoming.parts = invite.parts;
    incoming
}

fn answer_of(reply: SipReply) -> SipAnswer {
    let mut answer = SipAnswer::new(reply.code, reply.reason.unwrap_or_default());
    answer.retry_after = reply.retry_after;
    answer.headers = reply.headers;
    answer
}
