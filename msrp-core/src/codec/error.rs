//! What can be wrong with what a peer sends, and with what we are asked to send.

use crate::grammar::{GrammarError, StatusCode};

/// The octets of a peer are not MSRP any more: where the next chunk begins cannot be known, so the connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (octet {at} of the chunk)")]
pub struct DecodeError {
    /// What was wrong.
    pub kind: DecodeErrorKind,
    /// Where, counted in octets from the start of the chunk's head; for errors in a body, of the body's part at hand.
    pub at: usize,
}

/// The ways in which framing can be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// A chunk has to begin with `MSRP` and a space.
    #[error("not the start of an MSRP chunk")]
    NotMsrp,
    /// The start line has another form than RFC 4975 §9 gives it.
    #[error("malformed start line: {0}")]
    StartLine(GrammarError),
    /// A line ended in LF without CR.
    #[error("line feed without carriage return")]
    BareLineFeed,
    /// A header line without a name, a colon and a space.
    #[error("malformed header line")]
    HeaderLine,
    /// A header holds octets that are no UTF-8, or control characters.
    #[error("header is not UTF-8 text")]
    HeaderText,
    /// The head is longer than [`DecoderLimits::max_head`](super::DecoderLimits::max_head).
    #[error("head is longer than {limit} octets")]
    HeadTooLong {
        /// The bound.
        limit: usize,
    },
    /// The head has more lines than [`DecoderLimits::max_lines`](super::DecoderLimits::max_lines).
    #[error("head has more than {limit} lines")]
    TooManyLines {
        /// The bound.
        limit: usize,
    },
    /// Responses have no body (RFC 4975 §7.2).
    #[error("response with a body")]
    ResponseWithBody,
    /// An end-line in the head that is not the chunk's own.
    #[error("end-line of another chunk")]
    ForeignEndLine,
    /// With [`Framing::Message`](super::Framing::Message): octets after the chunk's end-line.
    #[error("more than one chunk in a message")]
    TrailingOctets,
    /// With [`Framing::Message`](super::Framing::Message): the message ended before its chunk.
    #[error("message ends within a chunk")]
    TruncatedMessage,
    /// An error came before; the decoder takes nothing more.
    #[error("decoder has failed before")]
    Failed,
}

/// A request or response that can be told from its neighbours but breaks a rule. It is answered with
/// [`response_code`](ProtocolError::response_code) where an answer is possible, and costs nobody else anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// `To-Path` has to be the first header, `From-Path` the second (RFC 4975 §9).
    #[error("To-Path and From-Path are not the first two headers")]
    PathOrder,
    /// A path that is no list of MSRP URIs, or too long a one.
    #[error("malformed {header}: {source}")]
    Path {
        /// `To-Path` or `From-Path`.
        header: &'static str,
        /// What was wrong.
        source: GrammarError,
    },
    /// A header value that does not follow its production.
    #[error("malformed {header}: {source}")]
    Value {
        /// Name of the header.
        header: &'static str,
        /// What was wrong.
        source: GrammarError,
    },
    /// A header field that may stand once stands twice.
    #[error("more than one {header}")]
    Duplicate {
        /// Name of the header.
        header: &'static str,
    },
    /// A SEND with content has to have a Message-ID (RFC 4975 §7.1.1).
    #[error("SEND without Message-ID")]
    NoMessageId,
    /// A body has to have a Content-Type (RFC 4975 §7.1).
    #[error("body without Content-Type")]
    NoContentType,
    /// A method other than SEND is limited to 10,240 octets of body (RFC 4975 §7.1).
    #[error("body of a request other than SEND is longer than {limit} octets")]
    BodyTooLong {
        /// The bound.
        limit: u64,
    },
    /// A method other than SEND cannot be chunked (RFC 4975 §7.1.2).
    #[error("request other than SEND in several chunks")]
    ChunkedRequest,
    /// A Byte-Range beyond what 64 bits can count.
    #[error("Byte-Range runs over 2^63 octets")]
    RangeOverflow,
}

impl ProtocolError {
    /// The code that tells the peer.
    pub fn response_code(self) -> StatusCode {
        match self {
            ProtocolError::BodyTooLong { .. } => StatusCode::STOP_SENDING,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// What we were asked to send breaks a rule; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A header name that is no ALPHA-led token, or one that this crate writes itself.
    #[error("header name cannot be used here")]
    HeaderName,
    /// A header value with line breaks or other control characters.
    #[error("header value is not a line of text")]
    HeaderValue,
    /// REPORT never carries Success-Report or Failure-Report (RFC 4975 §7.1.2).
    #[error("REPORT with a report header")]
    ReportAboutReport,
    /// A REPORT has a Message-ID and a Status (RFC 4975 §7.1.2).
    #[error("REPORT without Message-ID or Status")]
    IncompleteReport,
    /// A body without a Content-Type, or the reverse (RFC 4975 §7.1).
    #[error("a body and a Content-Type go together")]
    ContentType,
    /// A request other than SEND with more than 10,240 octets of body (RFC 4975 §7.1).
    #[error("body of a request other than SEND is longer than {limit} octets")]
    BodyTooLong {
        /// The bound.
        limit: usize,
    },
    /// A method that is not `1*(A-Z)`.
    #[error("malformed method")]
    Method,
}
