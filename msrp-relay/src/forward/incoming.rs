//! The request whose octets are coming in on a connection.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use msrp_core::{
    codec::Head,
    connection::RequestId,
    grammar::{ByteRange, ContinuationFlag, FailureReport, StatusCode},
    node::ConnectToken,
};

use crate::{
    auth::Verified,
    forward::{Route, Way},
    peers::PeerId,
    policy::NextHop,
};

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A chunk of a message.
    Send,
    /// An AUTH for this relay.
    Auth,
    /// Anything else: passed on whole.
    Other,
}

/// A next hop that is being connected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connecting {
    pub(crate) token: ConnectToken,
    pub(crate) way: Way,
}

/// The request whose octets are coming in.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) id: RequestId,
    /// When its head was complete.
    pub(crate) since: Instant,
    pub(crate) head: Head,
    pub(crate) kind: Kind,
    pub(crate) route: Option<Route>,
    pub(crate) range: ByteRange,
    pub(crate) failure_report: FailureReport,
    /// Body octets that are held: all of them for what is passed on whole, else those that the lane did not take.
    pub(crate) held: Held,
    /// The next hop is being connected.
    pub(crate) connecting: Option<Connecting>,
    /// The lane by which the body leaves bit by bit.
    pub(crate) lane: Option<u32>,
    /// The flag of the end-line, once that has come.
    pub(crate) ended: Option<ContinuationFlag>,
    /// Head and held octets are copies of their own, and keep no read block alive.
    pub(crate) detached: bool,
    /// The next hop that the policy has named.
    pub(crate) next_hop: Option<NextHop>,
    /// The next hop cannot be reached; this is the answer.
    pub(crate) unreachable: Option<StatusCode>,
    /// The relay behind which the client of an AUTH is.
    pub(crate) behind: Option<PeerId>,
    /// An AUTH whose credentials were found right.
    pub(crate) verified: Option<Box<Verified>>,
}

impl Incoming {
    pub(crate) fn new(now: Instant, id: RequestId, head: Head, kind: Kind) -> Self {
        // Both have been checked before the head was told.
        let range = match head.byte_range() {
            Ok(Some(range)) => range,
            _ => ByteRange::WHOLE_UNKNOWN,
        };
        let failure_report = head.failure_report().unwrap_or_default();
        Self {
            id,
            since: now,
            head,
            kind,
            route: None,
            range,
            failure_report,
            held: Held::Nothing,
            connecting: None,
            lane: None,
            ended: None,
            detached: false,
            next_hop: None,
            unreachable: None,
            behind: None,
            verified: None,
        }
    }

    /// Makes what is held independent of the blocks that it came in.
    pub(crate) fn detach(&mut self) {
        if !self.detached {
            self.detached = true;
            self.head.detach();
            self.held.detach();
        }
    }
}

/// Octets of a body that wait.
#[derive(Debug, Default)]
pub(crate) enum Held {
    #[default]
    Nothing,
    /// One slice, as it was read.
    Slice(Bytes),
    /// Several, copied together.
    Copied(BytesMut),
}

impl Held {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Slice(slice) => slice.len(),
            Self::Copied(octets) => octets.len(),
        }
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        match self {
            Self::Nothing => *self = Self::Slice(data),
            Self::Slice(slice) => {
                let mut octets = BytesMut::with_capacity(slice.len() + data.len());
                octets.extend_from_slice(slice);
                octets.extend_from_slice(&data);
                *self = Self::Copied(octets);
            }
            Self::Copied(octets) => octets.extend_from_slice(&data),
        }
    }

    pub(crate) fn take(&mut self) -> Bytes {
        match std::mem::take(self) {
            Self::Nothing => Bytes::new(),
            Self::Slice(slice) => slice,
            Self::Copied(octets) => octets.freeze(),
        }
    }

    fn detach(&mut self) {
        if let Self::Slice(slice) = self {
            *self = Self::Copied(BytesMut::from(&slice[..]));
        }
    }
}
