//! Offers of the peer, and our answers to them.

use super::{
    Agreement, Decision, NegotiatedStream, Negotiation, NegotiationError, OfferedStream, Pending, Refusal,
    RefusalReason, StreamChange, check_unique, pair, stream::says_the_same,
};
use crate::sdp::{MessageSection, Section, SectionError, SessionDescription};

impl Negotiation {
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
        self.check_count(&offer, self.streams.len(), self.limits.max_sections)?;
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
            known_transfer: section
                .file
                .as_ref()
                .is_some_and(|file| self.transfers.knows(file)),
        })
    }

    /// Names in the description under way whose addresses decide whether there is a middlebox (RFC 6714 §4.4). Only needed
    /// where [`LocalStream::cema`](super::LocalStream::cema) is used; a name that nobody resolves is taken to be no sign of one.
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

    /// Answers the peer's offer. `decide` is asked for each stream of MSRP; everything else is refused in its place. To decline
    /// a stream that is in use ends it; who does not want the offer but the streams as they are answers 488 and calls
    /// [`withdraw`](Self::withdraw).
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
        // What ends streams on purpose is not refused.
        let ends = agreement
            .streams
            .iter()
            .any(|stream| !agreement.refused.contains(&stream.index) || why == Some(RefusalReason::Declined));
        if let Some(reason) = why
            && agreement.live().next().is_none()
            && !ends
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
        for section in offer.sections().iter().filter_map(Section::message) {
            self.transfers.remember(&section.file);
        }
        self.settle(streams, sections);
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
}
