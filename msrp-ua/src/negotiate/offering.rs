//! Offers of ours, and the answers to them.

use super::{
    Agreement, LocalStream, Negotiation, NegotiationError, Pending, Refusal, RefusalReason, check_unique,
    pair,
};
use crate::sdp::{Section, SectionError, SessionDescription};

impl Negotiation {
    /// A body that offers these streams, one for each `m=` line of the dialog so far and then for new ones. `None` ends a
    /// stream, or leaves a line unused; the lines that are missing at the end are left as they are unused.
    ///
    /// # Errors
    /// [`NegotiationError`].
    pub fn offer(&mut self, streams: &[Option<LocalStream>]) -> Result<Vec<u8>, NegotiationError> {
        if !matches!(self.pending, Pending::Nothing) {
            return Err(NegotiationError::OfferPending);
        }
        let count = streams.len().max(self.streams.len());
        if count > self.limits.max_sections {
            return Err(NegotiationError::TooManySections {
                limit: self.limits.max_sections,
            });
        }
        let mut sections = Vec::with_capacity(count);
        let mut offered = Vec::with_capacity(count);
        for index in 0..count {
            let stream = streams.get(index).and_then(Option::as_ref);
            let section = match stream {
                Some(stream) => {
                    stream.check()?;
                    self.check_file(index, stream)?;
                    Section::Message(Box::new(stream.offered()))
                }
                None => self
                    .to_ended(index)
                    .ok_or(NegotiationError::NoSuchStream { index })?,
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
        for stream in agreement.live() {
            self.transfers.remember(&stream.local.file);
        }
        self.settle(streams, sections);
        Ok(agreement)
    }

    /// A file is described well enough, under an identifier of its own, on a line that is not a chat's (RFC 5547 §8.1,
    /// §8.2, §8.7).
    fn check_file(&self, index: usize, stream: &LocalStream) -> Result<(), NegotiationError> {
        stream.check_file()?;
        let Some(file) = &stream.file else {
            return Ok(());
        };
        let before = self.streams.get(index).and_then(Option::as_ref);
        match before.map(|before| &before.local.file) {
            Some(None) => Err(NegotiationError::LineInUse { index }),
            Some(Some(before)) if before.transfer_id == file.transfer_id => Ok(()),
            _ if self.transfers.knows(file) => Err(NegotiationError::TransferIdUsed { index }),
            _ => Ok(()),
        }
    }
}
