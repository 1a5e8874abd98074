//! Calls of others (RFC 3261 §13.3), and what they offer.

use bytes::Bytes;

use super::{
    Call, CallAnswer, CallEnd, CallState, Exchange, IncomingCall, ProposalKind, Stream, StreamAnswer,
    StreamId, StreamOffer, StreamProposal, stream::Want, transfer::Transfer,
};
use crate::{
    error::CommandError,
    event::UserAgentEvent,
    negotiate::{Decision, NegotiationError, OfferedStream, StreamChange},
    sip::{CallId, IncomingInvite, SipAction, SipReply},
    user_agent::UserAgent,
};

impl UserAgent {
    /// An INVITE has come.
    pub(crate) fn on_invite(&mut self, invite: IncomingInvite) {
        let id = invite.call;
        if self.calls.get(id).is_some() {
            return;
        }
        if self.is_draining() {
            return self.turn_away(id, CallEnd::RefusedByUs(SipReply::new(503)));
        }
        if self.calls.len() >= self.config.calls.max_calls {
            return self.turn_away(id, CallEnd::RefusedByUs(SipReply::new(486)));
        }
        let mut negotiation = self.new_negotiation();
        if let Some(offer) = &invite.offer
            && let Err(refusal) = negotiation.on_offer(offer)
        {
            return self.turn_away(id, CallEnd::NotAcceptable(refusal));
        }
        let mut call = Call::new(false, CallState::Offered, negotiation);
        if invite.offer.is_some() {
            call.exchange = Exchange::Asked;
        }
        call.deadlines.decision = Some(self.now + self.config.calls.answer_timeout);
        call.parties = self.parties(Some(&invite.to), &invite.from);
        let streams = call.propose();
        if invite.offer.is_some() && streams.is_empty() {
            // There is nothing in it that anybody could accept; what is wrong is told as it would be on answering.
            let end = match call.negotiation.answer(|_| Decision::Decline) {
                Err(NegotiationError::Refused(refusal)) => CallEnd::NotAcceptable(refusal),
                _ => CallEnd::RefusedByUs(SipReply::new(488)),
            };
            return self.turn_away(id, end);
        }
        self.calls.by_id.insert(id, Box::new(call));
        self.calls.touch(id);
        let subject = invite.header("Subject").map(str::to_owned);
        self.push_event(UserAgentEvent::IncomingCall(Box::new(IncomingCall {
            call: id,
            request_uri: invite.request_uri,
            from: invite.from,
            to: invite.to,
            identity: invite.identity,
            subject,
            parts: invite.parts,
            headers: invite.headers,
            streams,
        })));
    }

    /// Refuses a call of which the application has heard nothing.
    fn turn_away(&mut self, id: CallId, end: CallEnd) {
        let reply = self.refusal_of(&end);
        tracing::debug!(call = %id, %end, "call turned away");
        self.perform(SipAction::Refuse { call: id, reply });
        self.push_event(UserAgentEvent::CallEnded {
            call: id,
            reason: end,
        });
    }

    /// Tells the caller that somebody is being asked: 180.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`], also for one that was answered.
    pub fn ring(&mut self, call: CallId) -> Result<(), CommandError> {
        match self.calls.get(call).map(|call| &call.state) {
            Some(CallState::Offered) => {
                self.perform(SipAction::Ring { call });
                Ok(())
            }
            _ => Err(CommandError::UnknownCall),
        }
    }

    /// Answers a call that has come.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`], also for one that was answered.
    pub fn answer_call(&mut self, call: CallId, answer: CallAnswer) -> Result<(), CommandError> {
        let entry = self
            .calls
            .get_mut(call)
            .filter(|entry| matches!(entry.state, CallState::Offered))
            .ok_or(CommandError::UnknownCall)?;
        entry.state = CallState::Answering;
        entry.deadlines.decision = None;
        entry.relays.clone_from(&answer.relays);
        entry.profile.clone_from(&answer.profile);
        if entry.exchange == Exchange::Asked {
            entry.exchange = Exchange::Decided;
            self.decide(call, answer);
        } else {
            // The offer is ours to make (RFC 3264 §4).
            let profile = entry.profile.clone();
            self.add_stream(call, StreamOffer::Chat(profile));
        }
        self.calls.touch(call);
        Ok(())
    }

    /// Answers what the peer has offered within a call, see [`StreamsOffered`](UserAgentEvent::StreamsOffered).
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`], also where nothing waits for an answer.
    pub fn answer_streams(&mut self, call: CallId, answer: CallAnswer) -> Result<(), CommandError> {
        let entry = self
            .calls
            .get_mut(call)
            .filter(|entry| entry.is_up() && entry.exchange == Exchange::Asked)
            .ok_or(CommandError::UnknownCall)?;
        entry.exchange = Exchange::Decided;
        entry.deadlines.decision = None;
        if !answer.relays.is_empty() {
            entry.relays.clone_from(&answer.relays);
        }
        self.decide(call, answer);
        self.calls.touch(call);
        Ok(())
    }

    /// Notes what is to become of the streams that are new in the peer's offer.
    fn decide(&mut self, id: CallId, mut answer: CallAnswer) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        for offered in call.negotiation.offered() {
            let Some(entry) = call.streams.get_mut(offered.index) else {
                continue;
            };
            if offered.change != StreamChange::New {
                continue;
            }
            let file = offered.section.file.clone();
            let decision = answer.streams.remove(&entry.id);
            match (decision, file) {
                (None, None) => {
                    entry.accepted = true;
                    entry.profile.clone_from(&answer.profile);
                }
                (Some(StreamAnswer::Chat(profile)), None) => {
                    entry.accepted = true;
                    entry.profile = profile.or_else(|| answer.profile.clone());
                }
                (Some(StreamAnswer::Receive(receiver)), Some(file)) if offered.section.direction.sends() => {
                    entry.accepted = true;
                    entry.direction = crate::sdp::Direction::RecvOnly;
                    entry.transfer = Some(Box::new(Transfer::receive(file, receiver)));
                }
                (Some(StreamAnswer::Send(ours)), Some(file))
                    if offered.section.direction.receives() && ours.is_push() =>
                {
                    let new = Stream::file(entry.id, Want::Nothing, *ours, file.transfer_id);
                    *entry = Stream {
                        accepted: true,
                        ..new
                    };
                }
                _ => {}
            }
            if let Some(profile) = entry.profile.as_ref().filter(|_| entry.transfer.is_none()) {
                entry.direction = profile.direction;
            }
        }
    }

    /// All paths are there: the answer goes.
    pub(super) fn send_answer(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id) else {
            return;
        };
        let first = matches!(call.state, CallState::Answering);
        if call.exchange == Exchange::Idle {
            // The INVITE had no offer: the answer brings it, and the ACK what we would answer.
            let offer = match self.make_offer(id) {
                Ok(offer) => offer,
                Err(error) => return self.fail_setup(id, CallEnd::Invalid(error)),
            };
            if let Some(call) = self.calls.get_mut(id) {
                call.answer_in_ack = true;
            }
            self.say_answer(id, first, offer);
            return;
        }
        let mut negotiation = call.negotiation.clone();
        let answered = negotiation.answer(|offered| self.decision(call, offered));
        match answered {
            Ok((answer, agreement)) => {
                if let Some(call) = self.calls.get_mut(id) {
                    call.negotiation = negotiation;
                    call.exchange = Exchange::Idle;
                }
                // Ready to receive as soon as the answer is out (RFC 3264 §6.1).
                self.say_answer(id, first, answer.into());
                self.apply(id, agreement);
                self.drop_undecided(id);
            }
            Err(NegotiationError::Refused(refusal)) if first => {
                self.end_with(id, CallEnd::NotAcceptable(refusal));
            }
            Err(error) if first => self.end_with(id, CallEnd::Invalid(error)),
            Err(error) => {
                if let Some(call) = self.calls.get_mut(id) {
                    call.negotiation = negotiation;
                    call.exchange = Exchange::Idle;
                }
                let end = match error {
                    NegotiationError::Refused(refusal) => CallEnd::NotAcceptable(refusal),
                    error => CallEnd::Invalid(error),
                };
                self.refuse_offer(id, self.refusal_of(&end));
                self.drop_undecided(id);
            }
        }
    }

    /// What we say to a stream of the peer's offer.
    fn decision(&self, call: &Call, offered: &OfferedStream) -> Decision {
        let Some(entry) = call.streams.get(offered.index) else {
            return Decision::Decline;
        };
        match &entry.path {
            Some(path) if entry.accepted || entry.live => {
                let local = call.local_stream(entry, &path.path, &self.config.calls);
                Decision::Accept(Box::new(local))
            }
            // What we want to end is over, whatever the peer offers.
            _ if entry.want == Want::End => Decision::Decline,
            _ if entry.live => Decision::Keep,
            _ => Decision::Decline,
        }
    }

    /// The answer to an INVITE or re-INVITE goes out.
    fn say_answer(&mut self, id: CallId, first: bool, sdp: Bytes) {
        let now = self.now;
        if let Some(call) = self.calls.get_mut(id) {
            if first {
                call.state = CallState::Answered;
            }
            call.deadlines.decision = None;
            call.deadlines.ack = Some(now + super::reoffer::ACK_TIME);
        }
        self.perform(SipAction::Answer { call: id, sdp });
    }

    /// Forgets streams that the peer has offered, and nobody has accepted.
    pub(super) fn drop_undecided(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        let dead: Vec<StreamId> = call
            .streams
            .iter()
            .filter(|stream| !stream.live && stream.want == Want::Nothing)
            .map(|stream| stream.id)
            .collect();
        for stream in dead {
            self.end_stream(id, stream, super::FileOutcome::Refused);
        }
        if let Some(call) = self.calls.get_mut(id) {
            call.forget_lines();
        }
    }

    /// The ACK for our 200 has come.
    pub(crate) fn on_acknowledged(&mut self, id: CallId, answer: Option<Bytes>) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        call.deadlines.ack = None;
        match call.state {
            CallState::Ending => return self.hang_up_late(id),
            CallState::Answered => call.state = CallState::Established,
            CallState::Established => {}
            _ => return,
        }
        let awaited = std::mem::take(&mut call.answer_in_ack);
        self.calls.touch(id);
        if awaited {
            self.take_answer(id, answer);
        }
    }

    /// The caller has given up.
    pub(crate) fn on_cancelled(&mut self, id: CallId) {
        if let Some(CallState::Offered | CallState::Answering) = self.calls.get(id).map(|call| &call.state) {
            self.end_with(id, CallEnd::Cancelled);
        }
    }

    /// The peer has ended the call, or its dialog is lost.
    pub(crate) fn on_ended(&mut self, id: CallId, answer: Option<crate::sip::SipAnswer>) {
        let Some(call) = self.calls.get(id) else {
            return;
        };
        if matches!(call.state, CallState::Cancelled | CallState::Ending) {
            return self.drop_call(id);
        }
        let end = match answer {
            Some(answer) if !answer.is_success() => CallEnd::Dialog(answer),
            _ => CallEnd::Peer,
        };
        self.end_with(id, end);
    }
}

impl Call {
    /// Gives each line of the peer's offer its stream, and lists those that are new.
    pub(super) fn propose(&mut self) -> Vec<StreamProposal> {
        let mut proposals = Vec::new();
        for offered in self.negotiation.offered() {
            while self.streams.len() <= offered.index {
                let id = self.next_stream();
                self.push_stream(Stream::new(id, Want::Nothing));
            }
            // Nobody is asked again of a transfer that was there before (RFC 5547 §8.3).
            if offered.change != StreamChange::New || offered.known_transfer {
                continue;
            }
            let id = self.next_stream();
            let before = std::mem::replace(&mut self.streams[offered.index], Stream::new(id, Want::Nothing));
            if before.want == Want::Begin {
                // One of ours had this line in mind, and takes another.
                self.push_stream(before);
            }
            let section = offered.section;
            let kind = match section.file {
                None => ProposalKind::Chat,
                Some(file) if section.direction.sends() => ProposalKind::Push(Box::new(file)),
                Some(file) => ProposalKind::Pull(Box::new(file)),
            };
            proposals.push(StreamProposal {
                stream: id,
                kind,
                direction: section.direction.reversed(),
                peer_accepts: section.accept_types,
                peer_max_size: section.max_size,
                title: section.title,
            });
        }
        proposals
    }

    /// Forgets what stands beyond the lines that both sides know, and is not to get one.
    pub(super) fn forget_lines(&mut self) {
        let lines = self.negotiation.streams().len();
        let mut line = 0;
        self.streams.retain(|stream| {
            line += 1;
            line <= lines
                || stream.live
                || stream.accepted
                || stream.want != Want::Nothing
                || stream.session.is_some()
        });
    }
}
