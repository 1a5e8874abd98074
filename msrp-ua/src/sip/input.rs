//! What has come by SIP.

use std::{fmt, time::Duration};

use bytes::Bytes;

use super::{
    SipPage,
    name::{CallId, PageId, SipHeader, SipParty, header},
};
use crate::mime::Part;

/// What has come by SIP.
///
/// For one call an adapter tells things in the order in which they came. `Debug` prints how long descriptions and bodies
/// are, not what is in them: the session URIs in SDP are secrets.
#[derive(Clone)]
#[non_exhaustive]
pub enum SipInput {
    /// An INVITE that belongs to no dialog. The adapter has answered 100; the user agent says
    /// [`Ring`](super::SipAction::Ring), [`Answer`](super::SipAction::Answer) or [`Refuse`](super::SipAction::Refuse).
    Invite(Box<IncomingInvite>),
    /// A re-INVITE, or an UPDATE with an offer, in a call. [`Answer`](super::SipAction::Answer) or
    /// [`Refuse`](super::SipAction::Refuse) answers it.
    Reinvite {
        /// The call.
        call: CallId,
        /// The offer; none where the answer is to bring one (RFC 3264 §4).
        offer: Option<Bytes>,
    },
    /// A provisional response to our INVITE, 101 to 199.
    Progress {
        /// The call.
        call: CallId,
        /// The code.
        code: u16,
    },
    /// Our INVITE or re-INVITE was answered with 200. The adapter has sent the ACK.
    ///
    /// Of a forked INVITE the first 200 counts; the adapter ends the dialogs of others with ACK and BYE.
    Accepted {
        /// The call.
        call: CallId,
        /// The SDP answer. None is a mistake of the peer, and ends a call that is being set up.
        answer: Option<Bytes>,
    },
    /// Our INVITE or re-INVITE was refused for good. The adapter has already tried to answer 401 and 407, and has followed
    /// a redirection if it does so. A refused re-INVITE leaves the call as it was, unless the code is 408 or 481.
    Refused {
        /// The call.
        call: CallId,
        /// With what.
        answer: SipAnswer,
    },
    /// The ACK for our 200 has come.
    Acknowledged {
        /// The call.
        call: CallId,
        /// The SDP answer, where our 200 brought an offer.
        answer: Option<Bytes>,
    },
    /// The peer has given its INVITE up before we answered. The adapter has sent 200 to the CANCEL and 487 to the INVITE.
    Cancelled {
        /// The call.
        call: CallId,
    },
    /// The call is over: a BYE (answered by the adapter), or the dialog is lost (no ACK came, a request in it got 408 or
    /// 481, the transport failed).
    Ended {
        /// The call.
        call: CallId,
        /// Why, where it was not an ordinary BYE.
        answer: Option<SipAnswer>,
    },
    /// Our BYE has been answered, however, or never will be. A user agent that shuts down closes its MSRP connections then;
    /// of an adapter that does not tell this it closes them a little later.
    ByeAnswered {
        /// The call.
        call: CallId,
    },
    /// A MESSAGE outside of dialogs has come. [`AnswerPage`](super::SipAction::AnswerPage) answers it, once. Of one that is
    /// sent again the adapter tells nothing: it sends its answer again.
    Page(Box<SipPage>),
    /// What became of our MESSAGE: its final answer, or 408 where none came.
    PageAnswered {
        /// Which.
        page: PageId,
        /// The code and what came with it; 200 and 202 are success.
        answer: SipAnswer,
    },
}

/// Prints how long bodies are, not what is in them.
impl fmt::Debug for SipInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = |body: &Option<Bytes>| body.as_ref().map(Bytes::len);
        match self {
            Self::Invite(invite) => invite.fmt(f),
            Self::Reinvite { call, offer } => f
                .debug_struct("Reinvite")
                .field("call", call)
                .field("octets", &octets(offer))
                .finish(),
            Self::Progress { call, code } => f
                .debug_struct("Progress")
                .field("call", call)
                .field("code", code)
                .finish(),
            Self::Accepted { call, answer } => f
                .debug_struct("Accepted")
                .field("call", call)
                .field("octets", &octets(answer))
                .finish(),
            Self::Refused { call, answer } => f
                .debug_struct("Refused")
                .field("call", call)
                .field("answer", answer)
                .finish(),
            Self::Acknowledged { call, answer } => f
                .debug_struct("Acknowledged")
                .field("call", call)
                .field("octets", &octets(answer))
                .finish(),
            Self::Cancelled { call } => f.debug_struct("Cancelled").field("call", call).finish(),
            Self::Ended { call, answer } => f
                .debug_struct("Ended")
                .field("call", call)
                .field("answer", answer)
                .finish(),
            Self::ByeAnswered { call } => f.debug_struct("ByeAnswered").field("call", call).finish(),
            Self::Page(page) => page.fmt(f),
            Self::PageAnswered { page, answer } => f
                .debug_struct("PageAnswered")
                .field("page", page)
                .field("answer", answer)
                .finish(),
        }
    }
}

/// An INVITE that belongs to no dialog.
#[derive(Clone)]
#[non_exhaustive]
pub struct IncomingInvite {
    /// Names the call from now on; the adapter's to give, [`CallId::incoming`].
    pub call: CallId,
    /// The Request-URI.
    pub request_uri: String,
    /// Who calls, as it says itself.
    pub from: SipParty,
    /// Who is called.
    pub to: SipParty,
    /// Who calls, as the stack knows it: the user that digest proved, a `P-Asserted-Identity` of a trusted hop, or a
    /// verified `Identity`. None where nothing is known but `From`.
    pub identity: Option<String>,
    /// The SDP offer; none where the answer is to bring one (RFC 3264 §4).
    pub offer: Option<Bytes>,
    /// What else its body brought that the application takes, such as the caller's location; see
    /// [`SipContent`](super::SipContent).
    pub parts: Vec<Part>,
    /// Other header fields that matter: `Subject`, `Priority`, `User-Agent`, `Referred-By` and the like.
    pub headers: Vec<SipHeader>,
}

impl IncomingInvite {
    /// An INVITE from `from` to `to`, whose URI is the Request-URI.
    pub fn new(call: CallId, from: SipParty, to: SipParty, offer: Option<Bytes>) -> Self {
        Self {
            call,
            request_uri: to.uri.clone(),
            from,
            to,
            identity: None,
            offer,
            parts: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// Prints how long the offer is, not what is in it.
impl fmt::Debug for IncomingInvite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite")
            .field("call", &self.call)
            .field("request_uri", &self.request_uri)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("identity", &self.identity)
            .field("octets", &self.offer.as_ref().map(Bytes::len))
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

/// A final answer that somebody gave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SipAnswer {
    /// The code, 200 to 699; 408 also where no answer came in time.
    pub code: u16,
    /// Its reason phrase, the text of a `Reason` header field, or what the transport said.
    pub reason: String,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Other header fields of it that matter: `Warning`, `Accept`, `Contact`.
    pub headers: Vec<SipHeader>,
}

impl SipAnswer {
    /// An answer with this code and reason phrase.
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            retry_after: None,
            headers: Vec::new(),
        }
    }

    /// Whether it is none: 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

impl fmt::Display for SipAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.reason)
    }
}
