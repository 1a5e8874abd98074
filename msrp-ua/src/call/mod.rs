//! Calls: SIP says who talks to whom, SDP how, and MSRP sessions come of it (RFC 4975 §5.4, §8).
//!
//! ```text
//!   ours:    Preparing ──INVITE──▶ Inviting ──200──▶ Established ◀──ACK── Answered ◀──200── Answering ◀── Offered  :theirs
//!            (relays)                                 │  ▲                                  (relays)     (application)
//!                                                     │  │ re-INVITE of either side: streams come, change and go;
//!                                                     ▼  │ a session whose connection is lost gets another
//!                                                   (exchange)
//! ```
//!
//! Whatever happens only notes what is to be done; `UserAgent::settle_calls` does it as soon as it can be done. So there is
//! one place for each kind of step, and none is taken in the middle of something else.

mod advance;
mod agreement;
mod config;
mod ending;
mod event;
mod file;
mod incoming;
mod name;
mod offer;
mod outgoing;
mod path;
mod recovery;
mod reoffer;
mod stream;
mod talk;
mod transfer;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use hashbrown::HashMap;

pub use self::{
    config::CallConfig,
    event::{
        CallChange, CallEnd, CallStream, FileOutcome, FileStream, IncomingCall, ProposalKind, StreamProposal,
    },
    file::{FileOffer, FileReceiver},
    name::StreamId,
    offer::{CallAnswer, OutgoingCall, StreamAnswer, StreamOffer, StreamProfile},
};
pub(crate) use self::{stream::Stream, transfer::IncomingFile};
use self::{stream::Want, transfer::Mark};
use crate::{
    cpim::Address,
    names::RegistrationId,
    negotiate::Negotiation,
    relay_client::RelayAccount,
    sip::{CallId, SipAnswer},
    timers::UaTimer,
    user_agent::UserAgent,
};

/// How far a call has got.
#[derive(Debug)]
pub(crate) enum CallState {
    /// Ours: paths from relays are awaited before the INVITE can go.
    Preparing(Box<OutgoingCall>),
    /// Ours: the INVITE is out.
    Inviting,
    /// Ours: given up, and so told; what becomes of the INVITE is awaited.
    Cancelled,
    /// Theirs: the application has to decide.
    Offered,
    /// Theirs: accepted; paths from relays are awaited before the answer can go.
    Answering,
    /// Theirs: 200 is out, the ACK is awaited.
    Answered,
    /// Both sides know.
    Established,
    /// Ended, and so told; BYE has to wait for the ACK (RFC 3261 §15).
    Ending,
}

/// The exchange of offer and answer that is under way after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// None.
    Idle,
    /// Our offer is out.
    Offering,
    /// The peer's offer has come; the application has to decide.
    Asked,
    /// It has decided, or has not to; paths from relays are awaited.
    Decided,
}

/// Until when something is waited for.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    /// The peer's answer to our INVITE, or what becomes of a cancelled one.
    pub(crate) setup: Option<Instant>,
    /// The application's answer.
    pub(crate) decision: Option<Instant>,
    /// The ACK.
    pub(crate) ack: Option<Instant>,
    /// The next offer of ours may go then.
    pub(crate) retry: Option<Instant>,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    /// We have called, so the Call-ID is ours (RFC 3261 §14.1).
    outgoing: bool,
    state: CallState,
    exchange: Exchange,
    negotiation: Negotiation,
    /// By `m=` line.
    streams: Vec<Stream>,
    next_stream: u16,
    relays: Vec<RelayAccount>,
    /// Who talks: we, and the peer.
    parties: Option<Box<[Address; 2]>>,
    profile: Option<Box<StreamProfile>>,
    /// That the call stands has been told.
    told: bool,
    /// Our 200 brought an offer, and the ACK brings its answer.
    answer_in_ack: bool,
    deadlines: Deadlines,
    /// How often our offers have met with those of the peer, or were put off, in a row.
    put_off: u8,
    /// When it is to be looked at again.
    armed: Option<Instant>,
    /// What BYE says of why it is ended.
    goodbye: Option<String>,
}

impl Call {
    fn new(outgoing: bool, state: CallState, negotiation: Negotiation) -> Self {
        Self {
            outgoing,
            state,
            exchange: Exchange::Idle,
            negotiation,
            streams: Vec::new(),
            next_stream: 0,
            relays: Vec::new(),
            parties: None,
            profile: None,
            told: false,
            answer_in_ack: false,
            deadlines: Deadlines::default(),
            put_off: 0,
            armed: None,
            goodbye: None,
        }
    }

    fn next_stream(&mut self) -> StreamId {
        let id = StreamId(self.next_stream);
        self.next_stream = self.next_stream.wrapping_add(1);
        id
    }

    fn push_stream(&mut self, stream: Stream) {
        // Mostly there is one, and there are many calls.
        self.streams.reserve_exact(1);
        self.streams.push(stream);
    }

    fn stream(&self, id: StreamId) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.id == id)
    }

    fn stream_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.id == id)
    }

    /// Whether sessions run, or will.
    fn is_up(&self) -> bool {
        matches!(self.state, CallState::Answered | CallState::Established)
    }

    /// When it has to be looked at next.
    fn due(&self) -> Option<Instant> {
        let Deadlines {
            setup,
            decision,
            ack,
            retry,
        } = self.deadlines;
        let streams = self.streams.iter().filter_map(|stream| stream.due);
        [setup, decision, ack, retry]
            .into_iter()
            .flatten()
            .chain(streams)
            .min()
    }
}

/// The calls of a user agent.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    by_id: BTreeMap<CallId, Box<Call>>,
    /// Those of which something may have to be done.
    dirty: BTreeSet<CallId>,
    /// Registrations that are for streams of calls.
    registrations: HashMap<RegistrationId, (CallId, StreamId), foldhash::fast::RandomState>,
    /// Messages that are files: ours and theirs, whose keys come from one counter.
    pub(crate) transfers: HashMap<u64, (CallId, StreamId), foldhash::fast::RandomState>,
    /// What has become of them, and has not been looked at.
    marks: Vec<(CallId, StreamId, Mark)>,
    next: u64,
}

impl Calls {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, id: CallId) -> Option<&Call> {
        self.by_id.get(&id).map(Box::as_ref)
    }

    pub(crate) fn get_mut(&mut self, id: CallId) -> Option<&mut Call> {
        self.by_id.get_mut(&id).map(Box::as_mut)
    }

    /// Something may have to be done about a call.
    pub(crate) fn touch(&mut self, id: CallId) {
        self.dirty.insert(id);
    }

    /// The stream that a registration is for.
    pub(crate) fn owner_of(&self, registration: RegistrationId) -> Option<(CallId, StreamId)> {
        self.registrations.get(&registration).copied()
    }

    /// A registration is over.
    pub(crate) fn forget_registration(&mut self, registration: RegistrationId) {
        self.registrations.remove(&registration);
    }

    /// Whether nothing is kept about any call.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
            && self.registrations.is_empty()
            && self.transfers.is_empty()
            && self.marks.is_empty()
    }
}

impl UserAgent {
    /// How many calls there are, those included whose end has been told and which SIP has not done with.
    pub fn call_count(&self) -> usize {
        self.calls.len()
    }

    /// Does what can be done about calls.
    pub(crate) fn settle_calls(&mut self) {
        while !(self.calls.dirty.is_empty() && self.calls.marks.is_empty()) {
            for (call, stream, mark) in std::mem::take(&mut self.calls.marks) {
                self.on_mark(call, stream, mark);
            }
            if let Some(call) = self.calls.dirty.pop_first() {
                self.advance(call);
                self.arm_call(call);
            }
        }
    }

    /// Sets the alarm of a call to when something is due next.
    fn arm_call(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        let due = call.due();
        if due == call.armed {
            return;
        }
        let before = std::mem::replace(&mut call.armed, due);
        if let Some(at) = before {
            self.timers.remove(&(at, UaTimer::Call(id)));
        }
        if let Some(at) = due {
            self.timers.insert((at, UaTimer::Call(id)));
        }
    }

    /// The alarm of a call.
    pub(crate) fn on_call_timer(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(id) {
            call.armed = None;
            self.calls.touch(id);
        }
    }

    /// What SIP says about calls.
    pub(crate) fn on_call_refused(&mut self, id: CallId, answer: SipAnswer) {
        match self.calls.get(id).map(|call| &call.state) {
            Some(CallState::Inviting) => self.end_with(id, CallEnd::Refused(answer)),
            Some(CallState::Cancelled) => self.drop_call(id),
            Some(_) => self.on_reoffer_refused(id, answer),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
