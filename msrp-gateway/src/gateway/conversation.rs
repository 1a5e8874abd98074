//! A conversation: its two ends, its sessions, and what waits in it.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use msrp_core::grammar::MessageId;
use msrp_ua::{
    IncomingKey, OutgoingKey, SessionId,
    cpim::Wrapping,
    imdn::Answerable,
    sip::{CallId, PageId, SipHeader, SipPage, SipParty},
};

use crate::{
    event::{ConversationId, MessageNumber},
    identity::Aor,
    pager::JobId,
    policy::Route,
    queue::Load,
    translate::{ForSession, Kind},
};

/// One end of a conversation.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Who it really is.
    pub(crate) aor: Aor,
    /// What stands in From and To.
    pub(crate) party: SipParty,
    /// The Request-URI of what goes there.
    pub(crate) request_uri: String,
    /// What is tried first instead of it: the device that has written last.
    pub(crate) preferred: Option<String>,
    /// By which way.
    pub(crate) route: Route,
}

/// What the next request that we send has to carry over from those that led to it (rows GW-113, GW-114).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trail {
    /// How many hops it may still take.
    pub(crate) max_forwards: u8,
    /// The gateways that it came through, this one included.
    pub(crate) gateways: String,
}

/// What two users say to each other: one by MESSAGE, one in sessions.
///
/// ```text
///            MESSAGE ─▶ waiting ─▶ sent in each leg ─▶ outcome
///                          │ no leg: setup (INVITE) ─▶ leg ─▶ ready
///                          └ no MSRP there: pager
///     MESSAGE ◀─ pager ◀── messages of legs ◀─ INVITE, answered ─▶ leg
/// ```
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) key: String,
    pub(crate) page: End,
    pub(crate) session: End,
    pub(crate) trail: Trail,
    /// Messages that wait for a leg, in order.
    pub(crate) waiting: VecDeque<MessageNumber>,
    /// Messages that are sent in some leg.
    pub(crate) flying: BTreeSet<MessageNumber>,
    /// What is under way to the session side: waiting, or sent and without an outcome.
    pub(crate) to_session: Load,
    /// What is under way to the page side.
    pub(crate) to_pages: Load,
    pub(crate) legs: Vec<Leg>,
    /// Our INVITE that is not answered.
    pub(crate) setup: Option<CallId>,
    /// Somebody writes, or no longer; the newest word that was not passed on because content waits.
    pub(crate) composing: Option<ForSession>,
    /// The same in the other direction.
    pub(crate) page_composing: Option<JobId>,
    /// Until then the page side knows that somebody writes, and need not be told again.
    pub(crate) active_until: Option<Instant>,
    /// Answers in a row that say that the page side is not to be had.
    pub(crate) permanent: u32,
    pub(crate) created: Instant,
    /// When something was said last.
    pub(crate) touched: Instant,
    /// Something was said at all.
    pub(crate) spoken: bool,
    /// When it is looked whether something was.
    pub(crate) idle_at: Instant,
}

impl Conversation {
    pub(crate) fn new(key: String, page: End, session: End, trail: Trail, now: Instant) -> Self {
        Self {
            key,
            page,
            session,
            trail,
            waiting: VecDeque::new(),
            flying: BTreeSet::new(),
            to_session: Load::default(),
            to_pages: Load::default(),
            legs: Vec::new(),
            setup: None,
            composing: None,
            page_composing: None,
            active_until: None,
            permanent: 0,
            created: now,
            touched: now,
            spoken: false,
            idle_at: now,
        }
    }

    /// Whether nothing is left of it.
    pub(crate) fn is_over(&self) -> bool {
        self.legs.is_empty()
            && self.setup.is_none()
            && self.to_session.messages == 0
            && self.to_pages.messages == 0
    }

    pub(crate) fn leg_mut(&mut self, session: SessionId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.session == Some(session))
    }
}

/// Under what a message of the session side is known again: the key of its conversation, its identifier, and a digest of what it
/// says, as there are peers that give several messages one name.
pub(crate) type KnownAs = (String, MessageId, u64);

/// What became of a message of the session side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recent {
    UnderWay(JobId),
    /// With this SIP code.
    Over(u16),
}

/// One MSRP session of a conversation: a device of the session side.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) call: CallId,
    pub(crate) outgoing: bool,
    /// Once the call is established.
    pub(crate) session: Option<SessionId>,
    /// Messages flow.
    pub(crate) ready: bool,
    /// They have flowed.
    pub(crate) was_ready: bool,
    /// The peer does not want messages now.
    pub(crate) held: bool,
    pub(crate) wrapping: Wrapping,
    pub(crate) accept_types: String,
    /// There is a relay on the way, so that an accepted message is not a delivered one.
    pub(crate) relayed: bool,
    /// Messages sent without an outcome.
    pub(crate) in_flight: usize,
    /// A long message of which not all has left: what follows has to wait, or would overtake it.
    pub(crate) long: Option<OutgoingKey>,
    pub(crate) created: Instant,
}

impl Leg {
    pub(crate) fn new(call: CallId, outgoing: bool, now: Instant) -> Self {
        Self {
            call,
            outgoing,
            session: None,
            ready: false,
            was_ready: false,
            held: false,
            wrapping: Wrapping::default(),
            accept_types: String::new(),
            relayed: false,
            in_flight: 0,
            long: None,
            created: now,
        }
    }
}

/// A MESSAGE on its way into a session.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) conversation: ConversationId,
    /// As it came.
    pub(crate) page: SipPage,
    /// Without a transfer encoding.
    pub(crate) body: Bytes,
    pub(crate) kind: Kind,
    /// MESSAGEs that have no answer yet: this one, and the same sent again.
    pub(crate) open: Vec<PageId>,
    /// Under which it is known again.
    pub(crate) repeat: Vec<String>,
    /// Its identifier in every session that it is sent in.
    pub(crate) message_id: MessageId,
    /// What its sender wants to know by IMDN.
    pub(crate) answerable: Option<Answerable>,
    pub(crate) sent_at: SystemTime,
    pub(crate) came_at: Instant,
    pub(crate) expires_at: Instant,
    /// When it is answered with 202.
    pub(crate) answer_at: Option<Instant>,
    /// When a relay's report is given up.
    pub(crate) report_at: Option<Instant>,
    pub(crate) tries: u8,
    /// It goes as a MESSAGE, because its target does not speak MSRP.
    pub(crate) paged: bool,
    /// Where it is under way.
    pub(crate) sends: Vec<Sent>,
    /// A session ended before its outcome was known.
    pub(crate) lost: bool,
    /// A relay has it, of a session that has ended since.
    pub(crate) accepted: bool,
    /// What was said against it.
    pub(crate) failure: Option<(u16, String, Vec<SipHeader>)>,
}

impl Message {
    pub(crate) fn octets(&self) -> usize {
        self.body.len()
    }

    /// Whether somebody on the way has it.
    pub(crate) fn is_accepted(&self) -> bool {
        self.accepted || self.sends.iter().any(|sent| sent.accepted)
    }
}

/// A message that is under way in a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) session: SessionId,
    pub(crate) key: OutgoingKey,
    /// A relay has it.
    pub(crate) accepted: bool,
}

/// What a MESSAGE of ours is sent for.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A message of a session.
    Session {
        conversation: ConversationId,
        session: SessionId,
        message: MessageNumber,
        known_as: KnownAs,
        kind: Kind,
        came_at: Instant,
        octets: usize,
        /// Who is told what became of it.
        reports: Vec<(SessionId, IncomingKey)>,
    },
    /// A MESSAGE whose target does not speak MSRP.
    Page(MessageNumber),
    /// A notification or a notice of ours; nobody is told what becomes of it.
    Own {
        conversation: ConversationId,
        octets: usize,
    },
}
