//! What a user agent wants done by SIP.

use std::{fmt, time::Duration};

use bytes::Bytes;

use super::{
    SipPage,
    name::{CallId, PageId, SipHeader, SipParty},
};
use crate::mime::Part;

/// What a user agent wants done by SIP.
///
/// `Debug` prints how long descriptions and bodies are, not what is in them.
#[derive(Clone)]
#[non_exhaustive]
pub enum SipAction {
    /// Call somebody. [`Progress`](super::SipInput::Progress), then [`Accepted`](super::SipInput::Accepted) or
    /// [`Refused`](super::SipInput::Refused) tells what becomes of it.
    Invite(Box<SipInvite>),
    /// Give up an INVITE of ours that has no final answer. [`Refused`](super::SipInput::Refused) follows, with 487, or
    /// with [`Accepted`](super::SipInput::Accepted) a 200 that crossed: then the user agent says
    /// [`Bye`](SipAction::Bye). An adapter waits for the first provisional response where the stack does not (RFC 3261 §9.1).
    Cancel {
        /// The call.
        call: CallId,
    },
    /// Offer something else within a call (re-INVITE). [`Accepted`](super::SipInput::Accepted) or
    /// [`Refused`](super::SipInput::Refused) tells what becomes of it.
    Reinvite {
        /// The call.
        call: CallId,
        /// The SDP offer.
        offer: Bytes,
    },
    /// Tell the caller that somebody is being asked: 180.
    Ring {
        /// The call.
        call: CallId,
    },
    /// Answer 200 to the INVITE, or re-INVITE, that is open in a call.
    Answer {
        /// The call.
        call: CallId,
        /// The SDP answer, or the offer where the INVITE had none.
        sdp: Bytes,
    },
    /// Refuse the INVITE, or re-INVITE, that is open in a call.
    Refuse {
        /// The call.
        call: CallId,
        /// With what.
        reply: SipReply,
    },
    /// End an established call. [`ByeAnswered`](super::SipInput::ByeAnswered) follows, and nothing else of the call.
    Bye {
        /// The call.
        call: CallId,
        /// What a `Reason` header field should say (RFC 3326), such as `SIP;cause=408;text="..."`.
        reason: Option<String>,
    },
    /// Send a MESSAGE outside of dialogs. [`PageAnswered`](super::SipInput::PageAnswered) follows.
    Page(Box<SipPage>),
    /// Answer a MESSAGE that has come; once. With 200 and 202 neither a body nor a Contact goes out (RFC 3428 §7).
    AnswerPage {
        /// Which.
        page: PageId,
        /// With what; 200 and 202 are no refusals, but are said in the same way.
        reply: SipReply,
    },
}

/// Prints how long bodies are, not what is in them.
impl fmt::Debug for SipAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invite(invite) => invite.fmt(f),
            Self::Cancel { call } => f.debug_struct("Cancel").field("call", call).finish(),
            Self::Reinvite { call, offer } => f
                .debug_struct("Reinvite")
                .field("call", call)
                .field("octets", &offer.len())
                .finish(),
            Self::Ring { call } => f.debug_struct("Ring").field("call", call).finish(),
            Self::Answer { call, sdp } => f
                .debug_struct("Answer")
                .field("call", call)
                .field("octets", &sdp.len())
                .finish(),
            Self::Refuse { call, reply } => f
                .debug_struct("Refuse")
                .field("call", call)
                .field("reply", reply)
                .finish(),
            Self::Bye { call, reason } => f
                .debug_struct("Bye")
                .field("call", call)
                .field("reason", reason)
                .finish(),
            Self::Page(page) => page.fmt(f),
            Self::AnswerPage { page, reply } => f
                .debug_struct("AnswerPage")
                .field("page", page)
                .field("reply", reply)
                .finish(),
        }
    }
}

/// An INVITE of ours.
#[derive(Clone)]
#[non_exhaustive]
pub struct SipInvite {
    /// Names the call from now on.
    pub call: CallId,
    /// The Request-URI.
    pub request_uri: String,
    /// Where it goes first, as a `Route` would say; none where the stack knows (its outbound proxy, or the Request-URI).
    pub route: Option<String>,
    /// Who calls; none for the stack's own address of record.
    pub from: Option<SipParty>,
    /// Who is called.
    pub to: SipParty,
    /// The SDP offer.
    pub offer: Bytes,
    /// What else the body brings, each part with its header fields: the caller's location, for instance. With the offer it
    /// goes as `multipart/mixed`.
    pub parts: Vec<Part>,
    /// Other header fields.
    pub headers: Vec<SipHeader>,
}

impl SipInvite {
    /// An INVITE to this URI.
    pub fn new(call: CallId, to: SipParty, offer: Bytes) -> Self {
        Self {
            call,
            request_uri: to.uri.clone(),
            route: None,
            from: None,
            to,
            offer,
            parts: Vec::new(),
            headers: Vec::new(),
        }
    }
}

/// Prints how long the offer is, not what is in it.
impl fmt::Debug for SipInvite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite")
            .field("call", &self.call)
            .field("request_uri", &self.request_uri)
            .field("route", &self.route)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("octets", &self.offer.len())
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

/// A final answer that we give, mostly to refuse something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SipReply {
    /// The code, 200 to 699.
    pub code: u16,
    /// The reason phrase; none for the usual one.
    pub reason: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Other header fields, such as `Warning` and `Accept`.
    pub headers: Vec<SipHeader>,
}

impl SipReply {
    /// An answer with this code and its usual phrase.
    pub fn new(code: u16) -> Self {
        Self {
            code,
            reason: None,
            retry_after: None,
            headers: Vec::new(),
        }
    }

    /// Sets the reason phrase.
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Sets `Retry-After`.
    pub fn with_retry_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }

    /// Adds a header field.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(SipHeader::new(name, value));
        self
    }
}
