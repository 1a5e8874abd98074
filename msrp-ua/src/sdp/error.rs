//! What can be wrong with a session description.

use msrp_core::grammar::GrammarError;

/// A body that cannot be taken for a session description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// More octets than are looked at.
    #[error("SDP of {len} octets, where at most {limit} are taken")]
    TooLong {
        /// The body's octets.
        len: usize,
        /// The bound.
        limit: usize,
    },
    /// More `m=` lines than are looked at.
    #[error("SDP with {found} m= lines, where at most {limit} are taken")]
    TooManySections {
        /// How many there are.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// More `a=` lines than are looked at.
    #[error("SDP with {found} a= lines, where at most {limit} are taken")]
    TooManyAttributes {
        /// How many there are.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// No session description by its lines; the text says which one.
    #[error("no SDP: {0}")]
    Syntax(String),
}

/// An MSRP section that cannot be used. It is refused in its place; others are not touched by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SectionError {
    /// Media other than `message`.
    #[error("the media type is not message")]
    Media,
    /// A transport that is none of MSRP's.
    #[error("the transport protocol is not one of MSRP")]
    Protocol,
    /// No `a=path` (RFC 4975 §8.2).
    #[error("there is no a=path")]
    NoPath,
    /// An attribute that may stand once only.
    #[error("there is more than one a={0}")]
    Repeated(&'static str),
    /// The path is none.
    #[error("a=path: {0}")]
    Path(#[source] GrammarError),
    /// The path is longer than is taken.
    #[error("a=path of {len} octets, where at most {limit} are taken")]
    PathTooLong {
        /// Its octets.
        len: usize,
        /// The bound.
        limit: usize,
    },
    /// The last URI of the path names no session (RFC 4975 §8.2).
    #[error("a=path names no session")]
    NoSessionId,
    /// The `m=` line promises TLS, the path does not.
    #[error("the m= line says TLS, but a=path does not begin with msrps")]
    Downgrade,
    /// No `a=accept-types` (RFC 4975 §8.6).
    #[error("there is no a=accept-types")]
    NoAcceptTypes,
    /// A list of media types is none.
    #[error("a={0}: {1}")]
    AcceptTypes(&'static str, #[source] GrammarError),
    /// `a=max-size` is not a number.
    #[error("a=max-size: {0}")]
    MaxSize(#[source] GrammarError),
    /// `a=setup` has none of its four values.
    #[error("a=setup has an unknown value")]
    Setup,
    /// `a=fingerprint` is none.
    #[error("a=fingerprint is malformed")]
    Fingerprint,
    /// One of the attributes of RFC 5547.
    #[error(transparent)]
    File(#[from] FileAttributeError),
}

/// An attribute of file transfer (RFC 5547 §6) that is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a={attribute} is malformed: {what}")]
pub struct FileAttributeError {
    /// Which attribute.
    pub attribute: &'static str,
    /// What is wrong.
    pub what: &'static str,
}
