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

mod cema;
mod local;
mod pair;
mod refusal;
mod stream;

use std::net::IpAddr;

use self::{cema::Names, stream::says_the_same};
pub use self::{
    local::LocalStream,
    refusal::{NegotiationError, Refusal, RefusalReason, Warning},
    stream::{Decision, NegotiatedStream, OfferedStream, StreamChange},
};
use crate::sdp::{MessageSection, Origin, SdpLimits, Section, SectionError, SessionDescription};

/// The offer/answer state of one dialog.
///
/// Where an offer is answered by several (forked), each dialog goes on with a clone. It holds three descriptions at most
/// (see [`SdpLimits`]).
#[derive(Clone)]
pub struct Negotiation {
    limits: SdpLimits,
    origin: Origin,
    /// What we said last, accepted or not: the version goes on from there.
    said: Option<SessionDescription>,
    /// What both have agreed on, by `m=` line.
    streams: Vec<Option<NegotiatedStream>>,
    /// Our side of it, with the lines that are not in use.
    local: Vec<Section>,
    pending: Pending,
    names: Names,
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
            .field("lines", &self.local.len())
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
            local: Vec::new(),
            pending: Pending::Nothing,
            names: Names::default(),
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

    /// A body that offers these streams, one for each `m=` line of the dialog so far and then for new ones. `None` ends a
    /// stream, or leaves a line unused; the lines that are missing at the end are left as they are unused.
    ///
    /// # Errors
    /// [`NegotiationError`].
    pub fn offer(&mut self, streams: &[Option<LocalStream>]) -> Result<Vec<u8>, NegotiationError> {
        if !matches!(self.pending, Pending::Nothing) {
            return Err(NegotiationError::OfferPending);
        }
        let count = streams.len().max(self.local.len());
        if count > self.limits.max_sections {
            return Err(NegotiationError::TooManySections {
                limit: self.limits.max_sections,
            });
        }
        let mut sections = Vec::with_capacity(count);
        let mut offered = Vec::with_capacity(count);
        for index in 0..count {
            let stream = streams.get(index).and_then(Option::as_ref);
            let section = match (stream, self.local.get(index)) {
                (Some(stream), _) => {
                    stream.check()?;
                    stream.check_file()?;
                    Section::Message(Box::new(stream.offered()))
                }
                (None, Some(before)) => before.to_refused(),
                (None, None) => return Err(NegotiationError::NoSuchStream { index }),
            };
            sections.push(section);
            offered.push(stream.cloned());
        }
        check_unique(offered.iter().flatten())?;
        let body = self.say(SessionDescription::new(self.origin.clone(), sections.clone()));
        self.pending = Pending::Offered(offered, sections);
        Ok(body)
    }

    /// What was agreed on, offered anew without `a=msrp-cema`, because a middlebox does not know it (RFC 6714 §4.2).
    ///
    /// # Errors
    /// [`NegotiationError`].
    pub fn fallback_offer(&mut self) -> Result<Vec<u8>, NegotiationError> {
        let mut streams = self.local_streams();
        for stream in streams.iter_mut().flatten() {
            stream.cema = false;
        }
        self.offer(&streams)
    }

    /// The answer to our offer has come. One that cannot be accepted leaves all as it was before the offer; the peer, who
    /// thinks otherwise, has to be told by ending the dialog.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn on_answer(&mut self, body: &[u8]) -> Result<Agreement, Refusal> {
        let Pending::Offered(offered, sections) = std::mem::replace(&mut self.pending, Pending::Nothing)
        else {
            return Err(RefusalReason::NoOffer.into());
        };
        let answer = SessionDescription::parse(body, &self.limits)?;
        self.check_count(&answer, sections.len(), sections.len())?;
        let mut agreement = Agreement::default();
        let mut streams = Vec::with_capacity(sections.len());
        for (index, (section, local)) in sections.iter().zip(&offered).enumerate() {
            let answered = answer.sections().get(index);
            let before = self.streams.get(index).and_then(Option::as_ref);
            let (Some(local), Section::Message(offer)) = (local, section) else {
                agreement.ended(before);
                streams.push(None);
                continue;
            };
            match answered {
                Some(answered) if answered.is_refused() => {
                    agreement.ended(before);
                    agreement.refused.push(index);
                    streams.push(None);
                }
                Some(Section::Message(answered)) => {
                    let (mut stream, falls_back) =
                        pair::read_answer(index, local, offer, answered, before, &self.names)?;
                    stream.change = stream.change_from(before);
                    stream.unsettled = falls_back;
                    if falls_back {
                        agreement.fallback.push(index);
                    } else {
                        agreement.streams.push(stream.clone());
                    }
                    streams.push(Some(stream));
                }
                Some(Section::Other(answered)) => {
                    return Err(match answered.problem() {
                        SectionError::Media | SectionError::Protocol => RefusalReason::Mismatch { index },
                        problem => RefusalReason::Section(problem.clone()),
                    }
                    .into());
                }
                None => return Err(RefusalReason::Mismatch { index }.into()),
            }
        }
        self.streams = streams;
        self.local = sections;
        Ok(agreement)
    }

    /// An offer of the peer has come; see what is [`offered`](Self::offered), then [`answer`](Self::answer) it or
    /// [`withdraw`](Self::withdraw).
    ///
    /// # Errors
    /// [`Refusal`]: what SIP has to answer. All is as it was before the offer.
    pub fn on_offer(&mut self, body: &[u8]) -> Result<(), Refusal> {
        match self.pending {
            Pending::Nothing => {}
            Pending::Offered(..) => return Err(RefusalReason::Glare.into()),
            Pending::Asked(_) => return Err(RefusalReason::Unanswered.into()),
        }
        let offer = SessionDescription::parse(body, &self.limits)?;
        self.check_count(&offer, self.local.len(), self.limits.max_sections)?;
        self.pending = Pending::Asked(Box::new(offer));
        Ok(())
    }

    /// The streams of the peer's offer that can be decided on.
    pub fn offered(&self) -> Vec<OfferedStream> {
        let Pending::Asked(offer) = &self.pending else {
            return Vec::new();
        };
        offer
            .sections()
            .iter()
            .enumerate()
            .filter_map(|(index, section)| self.offered_stream(index, section.message()?))
            .collect()
    }

    fn offered_stream(&self, index: usize, section: &MessageSection) -> Option<OfferedStream> {
        if section.is_refused() {
            return None;
        }
        let change = match self.streams.get(index).and_then(Option::as_ref) {
            None => StreamChange::New,
            Some(before) if section.path.as_ref() != Some(&before.remote_path) => StreamChange::Replaced,
            Some(before) if before.remote.fingerprints != section.fingerprints => StreamChange::Replaced,
            Some(before) if says_the_same(section, &before.remote) => StreamChange::Unchanged,
            Some(_) => StreamChange::Updated,
        };
        Some(OfferedStream {
            index,
            change,
            section: section.clone(),
        })
    }

    /// Names in the description under way whose addresses decide whether there is a middlebox (RFC 6714 §4.4). Only needed
    /// where [`LocalStream::cema`] is used; a name that nobody resolves is taken to be no sign of one.
    pub fn names_to_resolve(&self) -> Vec<String> {
        match &self.pending {
            Pending::Asked(offer) => self.names_of(offer),
            Pending::Nothing | Pending::Offered(..) => Vec::new(),
        }
    }

    /// The same for an answer that has come, before it is given to [`on_answer`](Self::on_answer).
    pub fn names_in_answer(&self, body: &[u8]) -> Vec<String> {
        SessionDescription::parse(body, &self.limits)
            .map_or_else(|_| Vec::new(), |answer| self.names_of(&answer))
    }

    fn names_of(&self, description: &SessionDescription) -> Vec<String> {
        let mut names: Vec<_> = description
            .sections()
            .iter()
            .filter_map(Section::message)
            .flat_map(|section| self.names.unresolved(section))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Answers the peer's offer. `decide` is asked for each stream of MSRP; everything else is refused in its place.
    ///
    /// # Errors
    /// [`NegotiationError::Refused`] where no stream can be accepted, with what SIP has to answer; the others are mistakes
    /// of the caller. In either case the offer is over, and all is as it was before it.
    pub fn answer(
        &mut self,
        mut decide: impl FnMut(&OfferedStream) -> Decision,
    ) -> Result<(Vec<u8>, Agreement), NegotiationError> {
        let Pending::Asked(offer) = std::mem::replace(&mut self.pending, Pending::Nothing) else {
            return Err(NegotiationError::NoOffer);
        };
        let mut agreement = Agreement::default();
        let mut sections = Vec::with_capacity(offer.sections().len());
        let mut streams = Vec::with_capacity(offer.sections().len());
        let mut why: Option<RefusalReason> = None;
        for (index, section) in offer.sections().iter().enumerate() {
            let before = self.streams.get(index).and_then(Option::as_ref);
            match self.answer_section(index, section, before, &mut decide)? {
                Ok((answered, stream)) => {
                    agreement.streams.push(stream.clone());
                    sections.push(Section::Message(Box::new(answered)));
                    streams.push(Some(stream));
                }
                Err(reason) => {
                    agreement.ended(before);
                    sections.push(section.to_refused());
                    streams.push(None);
                    if let Some(reason) = reason {
                        agreement.refused.push(index);
                        if why.as_ref().is_none_or(|known| known.weight() < reason.weight()) {
                            why = Some(reason);
                        }
                    }
                }
            }
        }
        if let Some(reason) = why
            && agreement.streams.is_empty()
        {
            return Err(Refusal::from(reason).into());
        }
        check_unique(
            streams
                .iter()
                .flatten()
                .map(|stream: &NegotiatedStream| &stream.local),
        )?;
        let description = SessionDescription::new(self.origin.clone(), sections.clone()).with_time_of(&offer);
        let body = self.say(description);
        self.streams = streams;
        self.local = sections;
        Ok((body, agreement))
    }

    /// The answer to one line. `Err(None)`: the peer does not want it itself.
    fn answer_section(
        &self,
        index: usize,
        section: &Section,
        before: Option<&NegotiatedStream>,
        decide: &mut impl FnMut(&OfferedStream) -> Decision,
    ) -> Result<Result<(MessageSection, NegotiatedStream), Option<RefusalReason>>, NegotiationError> {
        if section.is_refused() {
            return Ok(Err(None));
        }
        let section = match section {
            Section::Message(section) => section,
            Section::Other(section) => {
                return Ok(Err(Some(match section.problem() {
                    SectionError::Media => RefusalReason::NoMessageMedia,
                    SectionError::Protocol => RefusalReason::Transport,
                    problem => RefusalReason::Section(problem.clone()),
                })));
            }
        };
        let Some(offered) = self.offered_stream(index, section) else {
            return Ok(Err(None));
        };
        let local = match decide(&offered) {
            Decision::Accept(local) => {
                local.check()?;
                *local
            }
            Decision::Keep => match before {
                Some(before) => before.local.clone(),
                None => return Ok(Err(Some(RefusalReason::Declined))),
            },
            Decision::Decline => return Ok(Err(Some(RefusalReason::Declined))),
        };
        Ok(pair::answer(index, section, &local, before, &self.names)
            .map(|(answered, mut stream)| {
                stream.change = stream.change_from(before);
                (answered, stream)
            })
            .map_err(Some))
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
        let description = match &self.said {
            None => description,
            Some(said) => {
                let again = description.with_origin(said.origin().clone());
                if again == *said {
                    again
                } else {
                    again.with_origin(said.origin().next_version())
                }
            }
        };
        self.origin = description.origin().clone();
        let body = description.to_bytes();
        self.said = Some(description);
        body
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
