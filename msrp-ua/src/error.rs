//! What can go wrong on our own side.

use msrp_core::{
    codec::EncodeError,
    grammar::{GrammarError, MessageId},
};

/// A command that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The session is not, or no longer, known.
    #[error("unknown or ended session")]
    UnknownSession,
    /// The message is not, or no longer, known.
    #[error("unknown or finished message")]
    UnknownMessage,
    /// The registration is not, or no longer, known.
    #[error("unknown registration")]
    UnknownRegistration,
    /// The registration has no Use-Path yet, so that no session can use it.
    #[error("the relay has not answered yet")]
    NotRegistered,
    /// A relay's URI serves one session only (RFC 4976 §3.1).
    #[error("the relay path is used by another session")]
    RelayPathInUse,
    /// The local URI names no session, another session has it, or it is not the one of the registration.
    #[error("local URI is not free, or not that of the registration")]
    LocalUri,
    /// As many sessions exist as may.
    #[error("more than {limit} sessions")]
    TooManySessions {
        /// The bound.
        limit: usize,
    },
    /// As many registrations exist as may.
    #[error("more than {limit} registrations")]
    TooManyRegistrations {
        /// The bound.
        limit: usize,
    },
    /// The user agent has been shut down.
    #[error("shutting down")]
    ShuttingDown,
    /// As many messages of the session wait or are under way as may.
    #[error("more than {limit} messages under way in the session")]
    TooManyMessages {
        /// The bound.
        limit: usize,
    },
    /// A message with this identifier is under way.
    #[error("Message-ID {0} is in use")]
    MessageIdInUse(MessageId),
    /// The peer's accept-types do not cover the media type, or the peer has answered it with 415 (RFC 4975 §8.6, §10.6).
    #[error("the peer does not accept {0}")]
    NotAccepted(String),
    /// The peer's max-size is smaller (RFC 4975 §8.6).
    #[error("the peer takes at most {limit} octets, the message has {size}")]
    TooLarge {
        /// The message's size.
        size: u64,
        /// The peer's bound.
        limit: u64,
    },
    /// The call is not, or no longer, known, or not in a state for this.
    #[error("unknown call, or not now")]
    UnknownCall,
    /// The call has no such stream.
    #[error("unknown stream")]
    UnknownStream,
    /// As many calls exist as may.
    #[error("more than {limit} calls")]
    TooManyCalls {
        /// The bound.
        limit: usize,
    },
    /// The call has as many streams as it may.
    #[error("more than {limit} streams in the call")]
    TooManyStreams {
        /// The bound.
        limit: usize,
    },
    /// As many files of the call wait for the peer's word as may.
    #[error("more than {limit} files wait for the peer's word")]
    TooManyFiles {
        /// The bound.
        limit: usize,
    },
    /// The session is for one file and nothing else (RFC 5547 §8.7).
    #[error("the session is for a file")]
    ForFile,
    /// One side holds the stream, so that no messages go this way.
    #[error("the stream is on hold")]
    OnHold,
    /// AUTH goes over TLS only (RFC 4976 §9.2), unless the configuration says otherwise.
    #[error("a relay's URI has to be msrps")]
    PlainRelay,
    /// Something that should be a URI, a path or a media type is none.
    #[error(transparent)]
    Grammar(#[from] GrammarError),
    /// What cannot stand in a message/cpim.
    #[error(transparent)]
    Cpim(#[from] crate::cpim::CpimError),
    /// A header that cannot be sent.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}
