//! What a user agent tells its application.

use std::{fmt, time::Duration};

use bytes::Bytes;
use msrp_core::{
    connection::ConnectionError,
    grammar::{MessageId, Path, StatusCode, Uri},
    node::ConnectFailure,
};

use crate::{
    call::{CallChange, CallEnd, CallStream, FileOutcome, IncomingCall, StreamId, StreamProposal},
    cpim::CpimHead,
    imdn::Disposition,
    names::{IncomingKey, OutgoingKey, RegistrationId, SessionId},
    sip::{CallId, PageId, SipAction, SipAnswer, SipPage},
};

/// What a user agent tells its application.
///
/// `Debug` leaves out what is said: of octets it prints how many there are.
#[derive(Clone)]
#[non_exhaustive]
pub enum UserAgentEvent {
    /// Something is to be done by SIP: for the application's [`SipAdapter`](crate::sip::SipAdapter).
    Sip(Box<SipAction>),
    /// A MESSAGE outside of dialogs has come (RFC 3428); [`UserAgent::answer_page`](crate::UserAgent::answer_page) answers it.
    IncomingPage(Box<SipPage>),
    /// What became of a MESSAGE that we [sent](crate::UserAgent::send_page).
    PageAnswered {
        /// Which.
        page: PageId,
        /// Its final answer; 408 where none came.
        answer: SipAnswer,
    },
    /// Somebody calls; [`UserAgent::answer_call`](crate::UserAgent::answer_call) or
    /// [`refuse_call`](crate::UserAgent::refuse_call) answers.
    IncomingCall(Box<IncomingCall>),
    /// Our call has been heard of: 180 rings, 183 and others say that it is under way.
    CallProgress {
        /// The call.
        call: CallId,
        /// The code of the provisional response, 101 to 199.
        code: u16,
    },
    /// A call stands. Its sessions are there, and messages can be sent; [`SessionReady`](Self::SessionReady) tells of each when
    /// it has its connection. A peer that is quick may have said something in one before this.
    CallEstablished {
        /// The call.
        call: CallId,
        /// Its streams.
        streams: Vec<CallStream>,
        /// Those that were offered and not accepted.
        refused: Vec<StreamId>,
    },
    /// The peer wants more streams in a call: [`UserAgent::answer_streams`](crate::UserAgent::answer_streams) answers.
    StreamsOffered {
        /// The call.
        call: CallId,
        /// What is new.
        streams: Vec<StreamProposal>,
    },
    /// Streams have come, changed or gone in a call.
    StreamsChanged {
        /// The call.
        call: CallId,
        /// How.
        changes: Vec<CallChange>,
    },
    /// The peer has refused an offer of ours within a call; the call is as it was.
    OfferRefused {
        /// The call.
        call: CallId,
        /// With what.
        answer: SipAnswer,
    },
    /// What has become of a file; exactly one for each stream of a file that was not refused by us.
    FileEnded {
        /// The call.
        call: CallId,
        /// The stream.
        stream: StreamId,
        /// What.
        outcome: FileOutcome,
    },
    /// A call is over; exactly one for each call, in whatever way it ends. Of a call that is refused because its offer cannot
    /// be accepted nothing but this is told.
    CallEnded {
        /// The call.
        call: CallId,
        /// Why.
        reason: CallEnd,
    },
    /// A session of a call has lost its connection, and is being set up anew: what is sent waits, and
    /// [`SessionReady`](Self::SessionReady) tells when it goes on (RFC 4975 §5.4).
    SessionSuspended {
        /// The session.
        session: SessionId,
        /// Why.
        reason: SessionLoss,
    },
    /// The session is bound to a connection: messages flow in both directions (RFC 4975 §5.4).
    SessionReady {
        /// The session.
        session: SessionId,
    },
    /// The session is over on the MSRP side; signalling has to end it, or to set up a new one with new URIs
    /// (RFC 4975 §5.4).
    SessionLost {
        /// The session.
        session: SessionId,
        /// Why.
        reason: SessionLoss,
    },
    /// A message has begun to come in. In sessions with [`Receive::Ask`](crate::Receive::Ask) nothing more of it is read
    /// until it is [accepted](crate::UserAgent::accept) or [rejected](crate::UserAgent::reject).
    IncomingMessage {
        /// The session.
        session: SessionId,
        /// Names the message.
        message: IncomingKey,
        /// Its identifier on the wire.
        message_id: MessageId,
        /// Its media type as it came.
        content_type: String,
        /// Its size where the sender told it.
        total: Option<u64>,
        /// Its Content-Disposition where the sender told one.
        disposition: Option<String>,
        /// A message with this identifier has been received before (RFC 4975 §5.4): do not show it without a warning.
        duplicate: bool,
    },
    /// Octets of a message that is received bit by bit. Each octet comes once; of octets that are sent twice the first
    /// count.
    MessageData {
        /// The message.
        message: IncomingKey,
        /// Position of the first octet, counted from 1.
        offset: u64,
        /// The octets.
        data: Bytes,
    },
    /// A message is complete.
    Message {
        /// The session.
        session: SessionId,
        /// The message.
        message: IncomingKey,
        /// Its identifier on the wire.
        message_id: MessageId,
        /// Its media type as it came.
        content_type: String,
        /// The whole of it; none where it was received bit by bit or into a sink.
        body: Option<Bytes>,
        /// How many octets it has.
        size: u64,
        /// Its Content-Disposition where the sender told one.
        disposition: Option<String>,
        /// As in [`IncomingMessage`](Self::IncomingMessage).
        duplicate: bool,
        /// In a [conversation](crate::UserAgent::converse): what stood around it, out of which it was taken. Media type,
        /// Content-Disposition and octets are then those of what was inside.
        envelope: Option<Box<CpimHead>>,
    },
    /// Somebody in a [conversation](crate::UserAgent::converse) writes, or has stopped.
    Composing {
        /// The session.
        session: SessionId,
        /// Who, by the URI that they give themselves.
        who: String,
        /// Whether they write.
        active: bool,
    },
    /// In a [conversation](crate::UserAgent::converse) a recipient tells what became of a message of ours.
    Noticed {
        /// The session.
        session: SessionId,
        /// The message.
        message: OutgoingKey,
        /// What: delivered, displayed, not told.
        disposition: Disposition,
        /// Who the recipient says to be.
        recipient: Option<String>,
    },
    /// A message will not be completed.
    MessageAborted {
        /// The message.
        message: IncomingKey,
        /// Why.
        reason: AbortReason,
    },
    /// Octets of a message of ours have left. It comes at most once for each chunk.
    Progress {
        /// The message.
        message: OutgoingKey,
        /// Octets handed to the transport so far.
        sent: u64,
        /// All of them, where known.
        total: Option<u64>,
    },
    /// The next hop has taken all of a message of ours. With a relay this does not mean that the peer has it.
    Accepted {
        /// The message.
        message: OutgoingKey,
    },
    /// The peer reports octets as received (only where a success report was asked for).
    Delivered {
        /// The message.
        message: OutgoingKey,
        /// First and last octet of the report.
        range: (u64, u64),
        /// Whether all octets have been reported by now.
        complete: bool,
    },
    /// The message, or a part of it, has not been delivered.
    Failed {
        /// The message.
        message: OutgoingKey,
        /// Its identifier on the wire, under which it can be sent again in a session that replaces this one.
        message_id: MessageId,
        /// First and last octet that the failure is about, where known.
        range: Option<(u64, u64)>,
        /// Why; a timeout is 408 (RFC 4975 §10.4).
        code: StatusCode,
    },
    /// A message was given up because its source could not go on, or did not give what it had promised.
    SourceFailed {
        /// The message.
        message: OutgoingKey,
    },
    /// The session ended before it was known what became of the message.
    DeliveryUnknown {
        /// The message.
        message: OutgoingKey,
        /// Its identifier on the wire, under which it can be sent again in a session that replaces this one
        /// ([`OutgoingMessage::with_message_id`](crate::OutgoingMessage::with_message_id), RFC 4975 §5.4).
        message_id: MessageId,
        /// What the session was lost by; none where it ended as signalling had agreed.
        reason: Option<SessionLoss>,
    },
    /// A relay has given us a path.
    Registered {
        /// The registration.
        registration: RegistrationId,
        /// Our URI in it, to be the session's local one.
        local: Uri,
        /// The path for our SDP: the relays and our URI.
        path: Path,
        /// What the relay gave: the front of our To-Path.
        use_path: Path,
        /// How long all of its relays stand by it.
        expires: Duration,
        /// It replaces the path of a running registration: signalling has to renegotiate before the old one expires.
        renewed: bool,
    },
    /// A relay has not given us a path, or has gone. A session that uses it is lost as well; where both end with their
    /// connection, only the session tells.
    RegistrationLost {
        /// The registration.
        registration: RegistrationId,
        /// Where it failed, as its account names it: at its relay, or at one on the way there.
        relay: Uri,
        /// Why.
        reason: RegistrationLoss,
    },
}

impl fmt::Debug for UserAgentEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut show = |name: &str, fields: &[(&str, &dyn fmt::Debug)]| {
            let mut shown = f.debug_struct(name);
            for (name, value) in fields {
                shown.field(name, value);
            }
            shown.finish()
        };
        match self {
            Self::Sip(action) => action.fmt(f),
            Self::IncomingPage(page) => page.fmt(f),
            Self::PageAnswered { page, answer } => {
                show("PageAnswered", &[("page", page), ("answer", answer)])
            }
            Self::IncomingCall(call) => call.fmt(f),
            Self::CallProgress { call, code } => show("CallProgress", &[("call", call), ("code", code)]),
            Self::CallEstablished {
                call,
                streams,
                refused,
            } => show(
                "CallEstablished",
                &[("call", call), ("streams", streams), ("refused", refused)],
            ),
            Self::StreamsOffered { call, streams } => {
                show("StreamsOffered", &[("call", call), ("streams", streams)])
            }
            Self::StreamsChanged { call, changes } => {
                show("StreamsChanged", &[("call", call), ("changes", changes)])
            }
            Self::OfferRefused { call, answer } => {
                show("OfferRefused", &[("call", call), ("answer", answer)])
            }
            Self::FileEnded {
                call,
                stream,
                outcome,
            } => show(
                "FileEnded",
                &[("call", call), ("stream", stream), ("outcome", outcome)],
            ),
            Self::CallEnded { call, reason } => show("CallEnded", &[("call", call), ("reason", reason)]),
            Self::SessionSuspended { session, reason } => {
                show("SessionSuspended", &[("session", session), ("reason", reason)])
            }
            Self::SessionReady { session } => show("SessionReady", &[("session", session)]),
            Self::SessionLost { session, reason } => {
                show("SessionLost", &[("session", session), ("reason", reason)])
            }
            Self::IncomingMessage {
                session,
                message,
                content_type,
                total,
                duplicate,
                ..
            } => show(
                "IncomingMessage",
                &[
                    ("session", session),
                    ("message", message),
                    ("content_type", content_type),
                    ("total", total),
                    ("duplicate", duplicate),
                ],
            ),
            Self::MessageData {
                message,
                offset,
                data,
            } => show(
                "MessageData",
                &[("message", message), ("offset", offset), ("octets", &data.len())],
            ),
            Self::Message {
                session,
                message,
                content_type,
                size,
                duplicate,
                ..
            } => show(
                "Message",
                &[
                    ("session", session),
                    ("message", message),
                    ("content_type", content_type),
                    ("size", size),
                    ("duplicate", duplicate),
                ],
            ),
            Self::Composing { session, active, .. } => {
                show("Composing", &[("session", session), ("active", active)])
            }
            Self::Noticed {
                message, disposition, ..
            } => show("Noticed", &[("message", message), ("disposition", disposition)]),
            Self::MessageAborted { message, reason } => {
                show("MessageAborted", &[("message", message), ("reason", reason)])
            }
            Self::Progress { message, sent, total } => show(
                "Progress",
                &[("message", message), ("sent", sent), ("total", total)],
            ),
            Self::Accepted { message } => show("Accepted", &[("message", message)]),
            Self::Delivered {
                message,
                range,
                complete,
            } => show(
                "Delivered",
                &[("message", message), ("range", range), ("complete", complete)],
            ),
            Self::Failed {
                message, range, code, ..
            } => show(
                "Failed",
                &[("message", message), ("range", range), ("code", code)],
            ),
            Self::SourceFailed { message } => show("SourceFailed", &[("message", message)]),
            Self::DeliveryUnknown { message, reason, .. } => {
                show("DeliveryUnknown", &[("message", message), ("reason", reason)])
            }
            Self::Registered {
                registration,
                expires,
                renewed,
                ..
            } => show(
                "Registered",
                &[
                    ("registration", registration),
                    ("expires", expires),
                    ("renewed", renewed),
                ],
            ),
            Self::RegistrationLost {
                registration,
                relay,
                reason,
            } => show(
                "RegistrationLost",
                &[
                    ("registration", registration),
                    ("relay", relay),
                    ("reason", reason),
                ],
            ),
        }
    }
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionLoss {
    /// The connection could not be made.
    Connect(ConnectFailure),
    /// The connection has ended.
    Connection(ConnectionError),
    /// Nobody bound the session in time.
    NotBound,
    /// The peer, or a relay, does not know the session (481), or a range was not received (408).
    Refused(StatusCode),
    /// The relay that the session goes through has gone.
    Relay,
    /// Who connected has not the certificate whose fingerprint signalling told (RFC 8122 §6.2).
    Certificate,
    /// Its call tried to set it up anew (RFC 4975 §5.4), and has given that up.
    NotRecovered {
        /// What it was lost by.
        lost: Box<SessionLoss>,
        /// How long ago; at most [`CallConfig::recovery_time`](crate::call::CallConfig::recovery_time).
        after: Duration,
        /// How often it was offered anew; at most
        /// [`CallConfig::recovery_attempts`](crate::call::CallConfig::recovery_attempts).
        attempts: u8,
    },
}

/// Why an incoming message is not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbortReason {
    /// The sender gave it up (`#`).
    Sender,
    /// We refused it with this code.
    Rejected(StatusCode),
    /// Nothing came for too long.
    TimedOut,
    /// Its session ended.
    SessionEnded,
    /// Its sink could not take it.
    Sink,
}

/// Why a registration failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationLoss {
    /// The relay could not be reached.
    Connect(ConnectFailure),
    /// The connection to the relay ended.
    Connection(ConnectionError),
    /// The relay refuses the credentials.
    Credentials,
    /// The relay refuses for another reason.
    Refused(StatusCode),
    /// The relay did not answer in 30 s.
    TimedOut,
    /// The relay could not prove that it knows the password (`rspauth`); of one behind others nothing else is known.
    NotProven,
    /// The relay through which this one was asked has gone.
    Inner,
    /// The answer makes no sense: no challenge where one is due, no usable Use-Path, an unknown algorithm.
    Unusable,
}
