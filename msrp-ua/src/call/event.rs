//! What an application is told of its calls.

use std::fmt;

use msrp_core::grammar::{AcceptTypes, StatusCode};

use super::StreamId;
use crate::{
    event::{RegistrationLoss, SessionLoss},
    mime::Part,
    names::{OutgoingKey, SessionId},
    negotiate::{NegotiationError, Refusal},
    sdp::{Direction, FileAttributes},
    sip::{CallId, SipAnswer, SipHeader, SipParty, SipReply},
};

/// Somebody calls: [`UserAgent::answer_call`](crate::UserAgent::answer_call) or
/// [`refuse_call`](crate::UserAgent::refuse_call) answers it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IncomingCall {
    /// The call.
    pub call: CallId,
    /// The Request-URI.
    pub request_uri: String,
    /// Who calls, as it says itself.
    pub from: SipParty,
    /// Who is called.
    pub to: SipParty,
    /// Who calls, as the SIP stack knows it.
    pub identity: Option<String>,
    /// What the call is about.
    pub subject: Option<String>,
    /// What else the INVITE brought beside its offer, such as the caller's location, to which a `Geolocation` header field
    /// points by `cid:` (RFC 6442).
    pub parts: Vec<Part>,
    /// Other header fields of the INVITE.
    pub headers: Vec<SipHeader>,
    /// What is offered; nothing where the caller leaves the offer to us (RFC 3264 §4).
    pub streams: Vec<StreamProposal>,
}

/// A stream that the peer wants to have.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamProposal {
    /// Names the stream.
    pub stream: StreamId,
    /// What it is for.
    pub kind: ProposalKind,
    /// Which way messages would go, from our point of view.
    pub direction: Direction,
    /// What the peer accepts.
    pub peer_accepts: AcceptTypes,
    /// The largest message that the peer wishes to receive.
    pub peer_max_size: Option<u64>,
    /// What people are shown.
    pub title: Option<String>,
}

/// What a stream is wanted for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProposalKind {
    /// Messages.
    Chat,
    /// The peer wants to send this file.
    Push(Box<FileAttributes>),
    /// The peer wants to have this file.
    Pull(Box<FileAttributes>),
}

/// A stream of a call: an MSRP session, and what was agreed on for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallStream {
    /// Names the stream in its call.
    pub stream: StreamId,
    /// Names the session, for [`UserAgent::send`](crate::UserAgent::send).
    pub session: SessionId,
    /// The file that it is for; none for messages.
    pub file: Option<Box<FileStream>>,
    /// Which way messages go, from our point of view.
    pub direction: Direction,
    /// What the peer accepts.
    pub peer_accepts: AcceptTypes,
    /// What the peer accepts inside of containers besides.
    pub peer_accepts_wrapped: AcceptTypes,
    /// The largest message that the peer wishes to receive.
    pub peer_max_size: Option<u64>,
    /// There is a relay on the way, ours or the peer's: that a message was [accepted](crate::UserAgentEvent::Accepted) does
    /// not say that the peer has it.
    pub relayed: bool,
}

/// The file of a stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FileStream {
    /// We send it; otherwise we receive it.
    pub sends: bool,
    /// What was said of it.
    pub attributes: FileAttributes,
    /// The message in which we send it: [`Progress`](crate::UserAgentEvent::Progress) names it.
    pub message: Option<OutgoingKey>,
}

/// What has become of a stream of an established call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallChange {
    /// There is one more.
    Added(CallStream),
    /// Direction, media types or sizes have changed; the session goes on.
    Changed(CallStream),
    /// It is over.
    Ended {
        /// The stream.
        stream: StreamId,
        /// Its session, which is over as well.
        session: SessionId,
    },
    /// It was not accepted.
    Refused {
        /// The stream.
        stream: StreamId,
    },
}

/// What has become of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileOutcome {
    /// All of it has been sent.
    Sent {
        /// The peer itself has confirmed it; otherwise a relay has.
        confirmed: bool,
    },
    /// All of it has come, and its sink has taken it.
    Received {
        /// How many octets.
        size: u64,
    },
    /// The other side does not want it, or does not have it.
    Refused,
    /// We have given it up.
    Aborted,
    /// The other side has given it up.
    AbortedByPeer,
    /// It was refused while it was sent: 413 is also said by those who have no room, or who have found that it is not what was
    /// promised.
    Failed(StatusCode),
    /// Its source could not go on.
    Source,
    /// Its sink could not take it: there is no room, or it is not what was promised.
    Sink,
    /// Its session or its call ended first.
    Ended,
}

/// Why a call is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallEnd {
    /// [`UserAgent::end_call`](crate::UserAgent::end_call), or [`shut_down`](crate::UserAgent::shut_down).
    Local,
    /// The peer has ended it.
    Peer,
    /// The peer has refused it, with this.
    Refused(SipAnswer),
    /// We have refused it, with this: [`UserAgent::refuse_call`](crate::UserAgent::refuse_call), or because the application
    /// did not answer, or there were too many calls.
    RefusedByUs(SipReply),
    /// The peer's offer, or its answer, cannot be accepted.
    NotAcceptable(Refusal),
    /// The peer has accepted the call, but none of its streams.
    NoStreams,
    /// The peer has given the call up before it was answered.
    Cancelled,
    /// The peer did not answer in time.
    TimedOut,
    /// The last stream is over; a call with nothing in it is ended.
    Finished,
    /// A relay of ours gave no path for it.
    Relay(RegistrationLoss),
    /// The MSRP connection was lost, and could not be had again.
    Lost(SessionLoss),
    /// The SIP dialog is lost.
    Dialog(SipAnswer),
    /// Something of ours cannot be offered, or answered.
    Invalid(NegotiationError),
}

impl fmt::Display for CallEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("ended"),
            Self::Peer => f.write_str("ended by the peer"),
            Self::Refused(answer) => write!(f, "refused: {answer}"),
            Self::RefusedByUs(reply) => write!(f, "refused with {}", reply.code),
            Self::NotAcceptable(refusal) => write!(f, "not acceptable: {refusal}"),
            Self::NoStreams => f.write_str("no stream was accepted"),
            Self::Cancelled => f.write_str("given up by the caller"),
            Self::TimedOut => f.write_str("no answer"),
            Self::Finished => f.write_str("finished"),
            Self::Relay(loss) => write!(f, "no path from the relay: {loss:?}"),
            Self::Lost(loss) => write!(f, "connection lost: {loss:?}"),
            Self::Dialog(answer) => write!(f, "SIP dialog lost: {answer}"),
            Self::Invalid(why) => why.fmt(f),
        }
    }
}
