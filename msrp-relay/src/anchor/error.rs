//! What can be wrong with an offer, an answer, or a call about a session.

use msrp_core::grammar::GrammarError;

/// Why an SDP body was not taken, or a call about an anchored session did nothing. Lines are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// The body is longer than [`max_sdp`](crate::AnchorConfig::max_sdp).
    #[error("SDP of {len} octets; the limit is {limit}")]
    TooLong {
        /// Its length.
        len: usize,
        /// The bound.
        limit: usize,
    },
    /// The body does not begin with `v=0`.
    #[error("no SDP: the first line is not v=0")]
    NotSdp,
    /// A line that is none of the form `x=…`.
    #[error("line {line}: not of the form x=value")]
    Line {
        /// Which.
        line: usize,
    },
    /// An MSRP stream's `m=` line that cannot be read.
    #[error("line {line}: not of the form m=message PORT TCP/MSRP *")]
    MediaLine {
        /// Which.
        line: usize,
    },
    /// There is no `m=message` over `TCP/MSRP` or `TCP/TLS/MSRP` with a port other than 0.
    #[error("no MSRP stream (m=message with TCP/MSRP or TCP/TLS/MSRP and a port other than 0)")]
    NoStream,
    /// More media than [`max_streams`](crate::AnchorConfig::max_streams).
    #[error("more than {limit} MSRP streams")]
    TooManyStreams {
        /// The bound.
        limit: usize,
    },
    /// An MSRP stream without `a=path` (RFC 4975 §8.2), or with two.
    #[error("line {line}: the stream needs one a=path, and has {found}")]
    PathCount {
        /// The line of its `m=`.
        line: usize,
        /// How many it has.
        found: usize,
    },
    /// An `a=path` that is no list of MSRP URIs with ports.
    #[error("line {line}: a=path: {source}")]
    Path {
        /// Which.
        line: usize,
        /// What is wrong with it.
        source: GrammarError,
    },
    /// An `a=path` that would leave too little room in the heads of requests.
    #[error("line {line}: a=path of {len} octets; the limit is {limit}")]
    PathTooLong {
        /// Which.
        line: usize,
        /// Its length.
        len: usize,
        /// The bound.
        limit: usize,
    },
    /// The last URI of an `a=path` names no session.
    #[error("line {line}: the last URI of a=path has no session-id")]
    NoSessionId {
        /// Which.
        line: usize,
    },
    /// The first URI of an `a=path` is one of this relay: the session goes through it already.
    #[error("line {line}: a=path leads through this relay already")]
    OwnUri {
        /// The line of its `m=`.
        line: usize,
    },
    /// An `a=setup` with a value that it cannot have here (RFC 4145 §4.1).
    #[error("line {line}: a=setup:{value} is not possible here")]
    Setup {
        /// Which, or that of the `m=` line.
        line: usize,
        /// The value.
        value: String,
    },
    /// The side wants to be connected to, and its path names nothing that can be.
    #[error(
        "line {line}: the side waits for a connection (a=setup:passive), but its path is not one to connect to"
    )]
    NotReachable {
        /// The line of its `m=`.
        line: usize,
    },
    /// An `a=fingerprint` that is no hash and pairs of hexadecimal digits (RFC 8122 §5).
    #[error("line {line}: malformed a=fingerprint")]
    Fingerprint {
        /// Which.
        line: usize,
    },
    /// The fingerprint stands above all media, some of which are not for this relay, and there is none of the relay's own
    /// to put over it for its streams.
    #[error(
        "a=fingerprint at session level would be taken for the relay's; AnchorConfig::fingerprint sets the relay's own"
    )]
    SessionFingerprint,
    /// With CEMA the address to connect to is in `c=` (RFC 6714 §4), and there is none.
    #[error("line {line}: a=msrp-cema needs a c= line")]
    NoAddress {
        /// The line of its `m=`.
        line: usize,
    },
    /// There is no such listener.
    #[error("no listener {id}")]
    UnknownListener {
        /// As it was given.
        id: u16,
    },
    /// No listener of the relay has the security that the stream has: `TCP/TLS/MSRP` needs one of `msrps`, `TCP/MSRP` one
    /// of `msrp`.
    #[error("line {line}: {protocol} needs a listener of the same security")]
    Security {
        /// The line of the `m=`.
        line: usize,
        /// What it says.
        protocol: &'static str,
    },
    /// There are as many sessions as [`max_anchors`](crate::AnchorConfig::max_anchors) allows.
    #[error("the limit of {limit} anchored sessions is reached")]
    TooManyAnchors {
        /// The bound.
        limit: usize,
    },
    /// The relay takes nothing new.
    #[error("shutting down")]
    Draining,
    /// There is no such session, or it has ended.
    #[error("no such anchored session")]
    Unknown,
    /// An answer, and no offer that it could be to.
    #[error("there is no offer to answer")]
    NoOffer,
    /// An offer while the one of the other side has not been answered (RFC 3264 §4: it has to be refused with 491).
    #[error("the other side's offer is not answered yet")]
    OfferPending,
    /// An answer with an MSRP stream where the offer has none (RFC 3264 §6): it would go past the relay.
    #[error("the media line number {number} is an MSRP stream that was not offered")]
    StreamNotOffered {
        /// Its place among all `m=` lines, from 1.
        number: usize,
    },
    /// An answer, or a new offer, that lacks a stream of what came before, or has other media in its place (RFC 3264 §6,
    /// §8).
    #[error("the media line number {number} has to be an MSRP stream, as it was before")]
    StreamMissing {
        /// Its place among all `m=` lines, from 1.
        number: usize,
    },
}
