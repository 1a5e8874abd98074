//! What is answered to an offer that cannot be accepted.

use std::fmt;

use crate::sdp::{SdpError, SectionError};

/// An offer, or an answer, that cannot be accepted: what SIP says of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
#[non_exhaustive]
pub struct Refusal {
    /// The status code of a SIP response: 400, 413, 488, 491, 500 or 606.
    pub code: u16,
    /// What goes into the Warning header (RFC 3261 §20.43).
    pub warning: Option<Warning>,
    /// What was wrong.
    pub reason: RefusalReason,
}

/// A warning of RFC 3261 §20.43, without the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The warn-code.
    pub code: u16,
    /// The warn-text.
    pub text: &'static str,
}

impl Warning {
    /// Incompatible transport protocol.
    pub const TRANSPORT: Self = Self::new(302, "Incompatible transport protocol");
    /// Media type not available.
    pub const MEDIA_TYPE: Self = Self::new(304, "Media type not available");
    /// Incompatible media format.
    pub const FORMAT: Self = Self::new(305, "Incompatible media format");

    const fn new(code: u16, text: &'static str) -> Self {
        Self { code, text }
    }

    /// The value of the header; `agent` is our host, or a name for it.
    pub fn header_value(&self, agent: impl fmt::Display) -> String {
        format!("{} {agent} \"{}\"", self.code, self.text)
    }
}

/// What was wrong with an offer or an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// It is no session description, or more of one than is taken.
    #[error(transparent)]
    Sdp(#[from] SdpError),
    /// There is no MSRP in it.
    #[error("there is no MSRP stream")]
    NoMessageMedia,
    /// No stream is of a transport that we have.
    #[error("the transport is none of ours")]
    Transport,
    /// The only streams of MSRP are malformed.
    #[error(transparent)]
    Section(#[from] SectionError),
    /// None of the offered media types is understood (RFC 4975 §8.6).
    #[error("no media type in common")]
    NoCommonType,
    /// `c=` and the port are not those of the path, and there is no `a=msrp-cema`: a middlebox has changed one without
    /// the other (RFC 6714 §4.3).
    #[error("the address of the stream is not that of its path")]
    Middlebox,
    /// We would have to connect by something that we cannot dial.
    #[error("the peer's URI cannot be connected to")]
    NotDialable,
    /// Every fingerprint is by a hash that proves nothing, or that we do not know (RFC 8122 §5).
    #[error("no fingerprint by a hash that proves anything")]
    FingerprintHash,
    /// One side is to be protected by TLS, the other is not.
    #[error("one side has TLS, the other has not")]
    Tls,
    /// The application declined every stream.
    #[error("declined")]
    Declined,
    /// There are fewer `m=` lines than before (RFC 3264 §8), or another number than offered (§6).
    #[error("{found} m= lines, where {expected} are due")]
    SectionCount {
        /// How many there are.
        found: usize,
        /// How many there have to be.
        expected: usize,
    },
    /// A line of an answer is not of the media and transport that were offered (RFC 3264 §6.1).
    #[error("line {index} is not answered with what was offered")]
    Mismatch {
        /// Which `m=` line, from 0.
        index: usize,
    },
    /// `a=setup` of an answer does not fit the offer (RFC 4145 §4.1).
    #[error("a=setup does not fit the one offered")]
    Setup,
    /// A file of another description under an identifier that is in use (RFC 5547 §8.1).
    #[error("a known file-transfer-id with another file")]
    File,
    /// An offer of our own is under way (RFC 3261 §14.2).
    #[error("an offer of our own is under way")]
    Glare,
    /// The offer before this one has not been answered yet (RFC 3261 §14.2).
    #[error("the offer before is not answered yet")]
    Unanswered,
    /// An answer came to no offer.
    #[error("there is no offer that this could answer")]
    NoOffer,
}

impl RefusalReason {
    fn code(&self) -> u16 {
        match self {
            Self::Sdp(SdpError::Syntax(_)) | Self::Section(_) | Self::SectionCount { .. } => 400,
            Self::Sdp(_) => 413,
            Self::Glare => 491,
            Self::Unanswered => 500,
            _ => 488,
        }
    }

    fn warning(&self) -> Option<Warning> {
        let other = |text| Some(Warning { code: 399, text });
        match self {
            Self::NoMessageMedia => Some(Warning::MEDIA_TYPE),
            Self::Transport | Self::Tls | Self::NotDialable => Some(Warning::TRANSPORT),
            Self::NoCommonType => Some(Warning::FORMAT),
            Self::Sdp(_) => other("Session description not taken"),
            Self::Section(_) => other("Malformed MSRP section"),
            Self::Middlebox => other("Address of the stream is not that of its path"),
            Self::SectionCount { .. } => other("Wrong number of m= lines"),
            Self::Mismatch { .. } | Self::Setup => other("Answer does not fit the offer"),
            Self::File => other("File does not fit its identifier"),
            Self::FingerprintHash => other("No usable fingerprint"),
            Self::Declined => other("Streams declined"),
            Self::Glare | Self::Unanswered | Self::NoOffer => None,
        }
    }

    /// Of several reasons the most telling is given: that of a stream that was nearly accepted.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::NoMessageMedia => 0,
            Self::Transport => 1,
            Self::Declined => 2,
            Self::Section(_) => 3,
            _ => 4,
        }
    }
}

impl<T: Into<RefusalReason>> From<T> for Refusal {
    fn from(reason: T) -> Self {
        let reason = reason.into();
        Self {
            code: reason.code(),
            warning: reason.warning(),
            reason,
        }
    }
}

impl Refusal {
    /// The same as 606: nobody else of this user's would accept it either (RFC 3261 §21.6.4).
    pub fn everywhere(self) -> Self {
        let code = if self.code == 488 { 606 } else { self.code };
        Self { code, ..self }
    }
}

/// Something of our own that cannot be offered or answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// An offer of either side waits for its answer (RFC 3264 §4).
    #[error("an offer is under way")]
    OfferPending,
    /// There is no offer to answer.
    #[error("there is no offer to answer")]
    NoOffer,
    /// As many `m=` lines as may stand in one description.
    #[error("more than {limit} m= lines")]
    TooManySections {
        /// The bound.
        limit: usize,
    },
    /// The stream has never been there, so there is nothing to leave out.
    #[error("no stream {index} to end")]
    NoSuchStream {
        /// Which `m=` line, from 0.
        index: usize,
    },
    /// The last URI of the path has no session-id, or one of them no port (RFC 4975 §8.2).
    #[error("a path of ours that cannot stand in SDP")]
    LocalPath,
    /// Two streams with the same URI (RFC 4975 §8.2).
    #[error("two streams have the same URI")]
    SameUri,
    /// No accept-types (RFC 4975 §8.6).
    #[error("a stream without accept-types")]
    NoAcceptTypes,
    /// A file without identifier, or without what RFC 5547 §8.2 demands of its selector.
    #[error("a file that is not described well enough to be offered")]
    File,
    /// The line is that of a session without a file; a file needs one of its own (RFC 5547 §8.7).
    #[error("stream {index} is in use for something else than a file")]
    LineInUse {
        /// Which `m=` line, from 0.
        index: usize,
    },
    /// Another transfer of the dialog had this file-transfer-id (RFC 5547 §8.1).
    #[error("stream {index} has the file-transfer-id of another transfer")]
    TransferIdUsed {
        /// Which `m=` line, from 0.
        index: usize,
    },
    /// The offer cannot be accepted: what SIP has to answer.
    #[error(transparent)]
    Refused(#[from] Refusal),
}
