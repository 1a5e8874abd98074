//! What can be asked of anchored sessions.

use std::{fmt, net::SocketAddr, str::FromStr, time::Instant};

use msrp_core::{grammar::Scheme, node::ListenerId};

use crate::session::Traffic;

/// Names an anchored session. Random, so that nobody who knows one knows others; it is no secret of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnchorId(pub(super) u64);

impl fmt::Display for AnchorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that is no [`AnchorId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an anchored session: 16 hexadecimal digits")]
pub struct NotAnAnchorId;

impl FromStr for AnchorId {
    type Err = NotAnAnchorId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        match u64::from_str_radix(text, 16) {
            Ok(number) if digits => Ok(Self(number)),
            _ => Err(NotAnAnchorId),
        }
    }
}

/// The two sides of an anchored session, by who offered first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one whose offer made the session.
    Offerer,
    /// The one who answered it.
    Answerer,
}

impl Side {
    /// The opposite side.
    pub fn other(self) -> Self {
        match self {
            Self::Offerer => Self::Answerer,
            Self::Answerer => Self::Offerer,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offerer => "offerer",
            Self::Answerer => "answerer",
        })
    }
}

/// Where a side stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LegState {
    /// Its SDP has not come.
    Unknown,
    /// It has to connect, and has not.
    Awaited,
    /// The relay is connecting to it.
    Connecting,
    /// It is there.
    Connected,
    /// It was there, and its connection has ended; it may come again, or is connected to when something comes for it.
    Lost,
    /// It could not be connected to, or refused the session; tried again when something comes for it.
    Failed,
}

impl LegState {
    /// In small letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Awaited => "awaited",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Lost => "lost",
            Self::Failed => "failed",
        }
    }
}

/// What has come from one side of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegStats {
    /// Messages, octets, REPORTs.
    pub passed: Traffic,
    /// Connections that it had.
    pub connections: u32,
    /// When the first of these came.
    pub first: Option<Instant>,
    /// When the latest of these came.
    pub last: Option<Instant>,
}

/// One side of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegInfo {
    /// Where it stands.
    pub state: LegState,
    /// The listener that its URI of the relay names.
    pub listener: ListenerId,
    /// The scheme of that URI.
    pub scheme: Scheme,
    /// Whether the relay connects to it.
    pub dialled: bool,
    /// Its address, while it is connected.
    pub remote: Option<SocketAddr>,
    /// Whether its connection is protected by TLS.
    pub tls: bool,
    /// What has come from it.
    pub stats: LegStats,
}

/// One MSRP stream of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// Its place among all `m=` lines, from 1.
    pub number: usize,
    /// The side that offered first.
    pub offerer: LegInfo,
    /// The other side.
    pub answerer: LegInfo,
}

/// An anchored session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnchorInfo {
    /// Its name.
    pub id: AnchorId,
    /// As given in [`AnchorOptions::label`](crate::AnchorOptions::label).
    pub label: String,
    /// Whether its first offer has been answered.
    pub answered: bool,
    /// When its offer came.
    pub since: Instant,
    /// When something last went through it, or its offer or answer came.
    pub last_used: Instant,
    /// Its streams; those that were refused are gone.
    pub streams: Vec<StreamInfo>,
}

/// Why an anchored session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnchorEnd {
    /// [`Relay::anchor_end`](crate::Relay::anchor_end).
    Ended,
    /// No answer came in time.
    Unanswered,
    /// Every stream was refused, by port 0.
    Refused,
    /// Nothing went through it for too long.
    Idle,
    /// It lasted for as long as it may.
    TotalTime,
    /// As many octets as it may carry have gone through it.
    TotalOctets,
}

impl fmt::Display for AnchorEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "ended",
            Self::Unanswered => "no answer",
            Self::Refused => "refused",
            Self::Idle => "idle",
            Self::TotalTime => "time over",
            Self::TotalOctets => "limit of octets reached",
        })
    }
}
