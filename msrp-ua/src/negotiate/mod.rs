//! Offer and answer (RFC 3264) for MSRP (RFC 4975 §8): who connects (RFC 6135), middleboxes (RFC 6714), certificates
//! (RFC 8122), files (RFC 5547 §8).
//!
//! A [`Negotiation`] is the offer/answer state of one dialog. It does no input or output; SIP carries its bodies.
//!
//! ```text
//!              offer ────────────▶ offered ──on_answer──▶ ┐
//!     agreed                          └─────withdraw────▶ ├ agreed
//!              on_offer ─────────▶ asked ─────answer────▶ │
//!                                     └─────withdraw────▶ ┘
//! ```
//!
//! ```
//! use msrp_core::grammar::Uri;
//! use msrp_ua::{Role, negotiate::{Decision, LocalStream, Negotiation}, sdp::Origin};
//!
//! let chat = |uri: &str| {
//!     let uri: Uri = uri.parse().expect("a URI");
//!     LocalStream::new(uri, "text/plain".parse().expect("a type"))
//! };
//! let mut alice = Negotiation::new(Origin::new(1, "alice.example.com"));
//! let mut bob = Negotiation::new(Origin::new(2, "bob.example.com"));
//!
//! let offer = alice.offer(&[Some(chat("msrp://alice.example.com:7394/2s93i9ek2a;tcp"))])?;
//! bob.on_offer(&offer)?;
//! let (answer, agreed) = bob.answer(|_stream| {
//!     Decision::Accept(Box::new(chat("msrp://bob.example.com:8493/si438dsaodes;tcp")))
//! })?;
//! assert_eq!(agreed.streams[0].role, Role::Passive);
//! let agreed = alice.on_answer(&answer)?;
//! let session = agreed.streams[0].session_params(None);
//! assert_eq!(session.role, Role::Active);
//! assert_eq!(session.remote.to_string(), "msrp://bob.example.com:8493/si438dsaodes;tcp");
//! # Ok::<(), msrp_ua::negotiate::NegotiationError>(())
//! ```

mod answering;
mod cema;
mod local;
mod offering;
mod pair;
mod refusal;
mod stream;
mod transfers;

use std::net::IpAddr;

use self::{cema::Names, transfers::Transfers};
pub use self::{
    local::LocalStream,
    refusal::{NegotiationError, Refusal, RefusalReason, Warning},
    stream::{Decision, NegotiatedStream, OfferedStream, StreamChange},
};
use crate::sdp::{Origin, SdpLimits, Section, SessionDescription};

/// The offer/answer state of one dialog.
///
/// Where an offer is answered by several (forked), each dialog goes on with a clone. It holds three descriptions at most
/// (see [`SdpLimits`]), and between exchanges what was agreed on and the octets that we said last.
#[derive(Clone)]
pub struct Negotiation {
    limits: SdpLimits,
    origin: Origin,
    /// What we said last, accepted or not, in the version of `origin`: the next goes on from there.
    said: Option<Box<[u8]>>,
    /// What both have agreed on, by `m=` line.
    streams: Vec<Option<NegotiatedStream>>,
    /// Our side of the lines that are not in use.
    unused: Vec<Option<Section>>,
    pending: Pending,
    names: Names,
    transfers: Transfers,
}

#[derive(Clone)]
enum Pending {
    Nothing,
    /// We have offered.
    Offered(Vec<Option<LocalStream>>, Vec<Section>),
    /// The peer has.
    Asked(Box<SessionDescription>),
}

/// Who the sessions are with is nobody's business.
impl std::fmt::Debug for Negotiation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Negotiation")
            .field("version", &self.origin.version())
            .field("streams", &self.streams.iter().flatten().count())
            .field("lines", &self.streams.len())
            .finish_non_exhaustive()
    }
}

/// What an exchange has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreement {
    /// The streams that are in use, and those that this exchange ended ([`StreamChange::Removed`]), by `m=` line.
    pub streams: Vec<NegotiatedStream>,
    /// The `m=` lines, from 0, that were offered and refused.
    pub refused: Vec<usize>,
    /// The `m=` lines, from 0, of streams in whose way a middlebox stands: [`Negotiation::fallback_offer`] has to follow, and
    /// what comes of it is told by its answer (RFC 6714 §4.2).
    pub fallback: Vec<usize>,
}

impl Negotiation {
    /// The state of a dialog that begins. The origin has to be one that no other dialog has.
    pub fn new(origin: Origin) -> Self {
        Self {
            limits: SdpLimits::default(),
            origin,
            said: None,
            streams: Vec::new(),
            unused: Vec::new(),
            pending: Pending::Nothing,
            names: Names::default(),
            transfers: Transfers::default(),
        }
    }

    /// Sets how much of a peer's SDP is looked at.
    pub fn with_limits(mut self, limits: SdpLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Tells what a name of [`names_to_resolve`](Self::names_to_resolve) resolves to. Up to 64 names are kept.
    pub fn resolved(&mut self, name: &str, addresses: &[IpAddr]) {
        self.names.insert(name, addresses);
    }

    /// What both sides have agreed on, by `m=` line; none for lines that are not in use.
    pub fn streams(&self) -> &[Option<NegotiatedStream>] {
        &self.streams
    }

    /// Our side of what was agreed on, to be changed and offered anew.
    pub fn local_streams(&self) -> Vec<Option<LocalStream>> {
        self.streams
            .iter()
            .map(|stream| stream.as_ref().map(|stream| stream.local.clone()))
            .collect()
    }

    /// Whether an offer of ours waits for its answer.
    pub fn is_offering(&self) -> bool {
        matches!(self.pending, Pending::Offered(..))
    }

    /// Whether an offer of the peer waits for our answer.
    pub fn is_asked(&self) -> bool {
        matches!(self.pending, Pending::Asked(_))
    }

    /// The offer under way came to nothing: it was refused, or its answer will never come. All is as it was before it
    /// (RFC 3264 §4).
    pub fn withdraw(&mut self) {
        self.pending = Pending::Nothing;
    }

    /// A body for the answer to OPTIONS: what we understand, without any stream (RFC 3264 §9).
    pub fn capabilities(origin: Origin, stream: &LocalStream) -> Vec<u8> {
        let mut section = stream.section();
        section.port = 0;
        section.path = None;
        section.setup = None;
        section.fingerprints.clear();
        // Without a selector: that files are understood (RFC 5547 §8.5).
        section.file = section.file.map(|_| crate::sdp::FileAttributes::default());
        SessionDescription::new(origin, vec![Section::Message(Box::new(section))]).to_bytes()
    }

    /// A description of ours leaves: with the version of the last one where it is the same, else with the next
    /// (RFC 3264 §8, RFC 4975 §8.4).
    fn say(&mut self, description: SessionDescription) -> Vec<u8> {
        let description = description.with_origin(self.origin.clone());
        let mut body = description.to_bytes();
        if self.said.as_ref().is_some_and(|said| **said != *body) {
            self.origin = self.origin.next_version();
            body = description.with_origin(self.origin.clone()).to_bytes();
        }
        self.said = Some(body.as_slice().into());
        body
    }

    /// An exchange has come to this: by line what was agreed on, and what we said.
    fn settle(&mut self, streams: Vec<Option<NegotiatedStream>>, said: Vec<Section>) {
        self.unused = said
            .into_iter()
            .zip(&streams)
            .map(|(section, stream)| stream.is_none().then_some(section))
            .collect();
        self.streams = streams;
    }

    /// Our section that ends a line, or says once more that it is not in use.
    fn to_ended(&self, index: usize) -> Option<Section> {
        let stream = self.streams.get(index)?.as_ref();
        match (stream, self.unused.get(index)?) {
            (Some(stream), _) => Some(Section::Message(Box::new(stream.to_ended()))),
            (None, unused) => unused.as_ref().map(Section::to_ended),
        }
    }

    /// There are never fewer `m=` lines than before (RFC 3264 §8), and as many as were offered in an answer (§6).
    fn check_count(
        &self,
        description: &SessionDescription,
        least: usize,
        most: usize,
    ) -> Result<(), Refusal> {
        let found = description.sections().len();
        if found < least || found > most {
            let expected = if found < least { least } else { most };
            return Err(RefusalReason::SectionCount { found, expected }.into());
        }
        Ok(())
    }
}

impl Agreement {
    fn ended(&mut self, before: Option<&NegotiatedStream>) {
        if let Some(before) = before {
            self.streams.push(NegotiatedStream {
                change: StreamChange::Removed,
                ..before.clone()
            });
        }
    }

    /// The streams that are in use.
    pub fn live(&self) -> impl Iterator<Item = &NegotiatedStream> {
        self.streams
            .iter()
            .filter(|stream| stream.change != StreamChange::Removed)
    }
}

/// No two streams have the same URI (RFC 4975 §8.2).
fn check_unique<'a>(streams: impl Iterator<Item = &'a LocalStream>) -> Result<(), NegotiationError> {
    let mut seen: Vec<&LocalStream> = Vec::new();
    for stream in streams {
        if seen.iter().any(|other| other.path.last() == stream.path.last()) {
            return Err(NegotiationError::SameUri);
        }
        seen.push(stream);
    }
    Ok(())
}
