//! Offers within a call: of ours, and of the peer (RFC 3261 §14, RFC 3264 §8).

use std::time::Duration;

use bytes::Bytes;

use super::{CallEnd, CallState, Exchange, FileOffer, FileOutcome, StreamId, StreamOffer, stream::Want};
use crate::{
    error::CommandError,
    event::UserAgentEvent,
    negotiate::StreamChange,
    sdp::Direction,
    sip::{CallId, SipAction, SipAnswer, SipReply},
    user_agent::UserAgent,
};

/// How long an ACK is awaited before a dialog counts as confirmed without: 64 times T1 (RFC 3261 §13.3.1.4). Then the adapter
/// should have said that the call is over; for an UPDATE there is none.
pub(super) const ACK_TIME: Duration = Duration::from_secs(32);

/// How often offers are put off in a row before one is given up.
const MAX_PUT_OFF: u8 = 10;

impl UserAgent {
    /// Offers one more stream within a call. [`StreamsChanged`](UserAgentEvent::StreamsChanged) tells what came of it.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`], [`CommandError::TooManyStreams`].
    pub fn offer_stream(
        &mut self,
        call: CallId,
        offer: impl Into<StreamOffer>,
    ) -> Result<StreamId, CommandError> {
        self.check_call(call)?;
        let entry = self.calls.get(call).ok_or(CommandError::UnknownCall)?;
        let limit = self.config.calls.sdp.max_sections;
        let used = entry
            .streams
            .iter()
            .filter(|stream| stream.live || stream.want != Want::Nothing || stream.session.is_some());
        if used.count() >= limit {
            return Err(CommandError::TooManyStreams { limit });
        }
        let begun = !matches!(entry.state, CallState::Offered | CallState::Answering);
        if !begun {
            return Err(CommandError::UnknownCall);
        }
        let stream = self
            .add_stream(call, offer.into())
            .ok_or(CommandError::UnknownCall)?;
        self.calls.touch(call);
        Ok(stream)
    }

    /// Offers a file within a call, or asks for one. [`FileEnded`](UserAgentEvent::FileEnded) tells what came of it.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`], [`CommandError::TooManyStreams`], [`CommandError::TooManyFiles`].
    pub fn offer_file(&mut self, call: CallId, file: FileOffer) -> Result<StreamId, CommandError> {
        let limit = self.config.calls.max_waiting_files;
        let waiting = self
            .calls
            .get(call)
            .ok_or(CommandError::UnknownCall)?
            .streams
            .iter()
            .filter(|stream| stream.want == Want::Begin && stream.transfer.is_some());
        if waiting.count() >= limit {
            return Err(CommandError::TooManyFiles { limit });
        }
        self.offer_stream(call, file)
    }

    /// Ends one stream of a call; with the last one the call ends.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`], [`CommandError::UnknownStream`].
    pub fn end_stream_of(&mut self, call: CallId, stream: StreamId) -> Result<(), CommandError> {
        self.check_call(call)?;
        let entry = self
            .calls
            .get_mut(call)
            .and_then(|call| call.stream_mut(stream))
            .ok_or(CommandError::UnknownStream)?;
        entry.want = Want::End;
        self.calls.touch(call);
        Ok(())
    }

    /// Changes which way the messages of a stream go, from our point of view: holds it, and takes it up again
    /// (RFC 3264 §8.4).
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`], [`CommandError::UnknownStream`], also for a file.
    pub fn set_direction(
        &mut self,
        call: CallId,
        stream: StreamId,
        direction: Direction,
    ) -> Result<(), CommandError> {
        self.check_call(call)?;
        let entry = self
            .calls
            .get_mut(call)
            .and_then(|call| call.stream_mut(stream))
            .filter(|entry| entry.transfer.is_none() && entry.want != Want::End)
            .ok_or(CommandError::UnknownStream)?;
        if std::mem::replace(&mut entry.direction, direction) != direction
            && entry.live
            && entry.want == Want::Nothing
        {
            entry.want = Want::Update;
        }
        self.calls.touch(call);
        Ok(())
    }

    /// All paths are there: our offer goes in a re-INVITE.
    pub(super) fn send_reoffer(&mut self, id: CallId) {
        match self.make_offer(id) {
            Ok(offer) => self.perform(SipAction::Reinvite { call: id, offer }),
            Err(error) => {
                tracing::warn!(call = %id, %error, "an offer that cannot be made");
                self.give_up_offer(id, None);
            }
        }
    }

    /// Our re-INVITE was refused: all is as it was before it.
    pub(super) fn on_reoffer_refused(&mut self, id: CallId, answer: SipAnswer) {
        let now = self.now;
        let wait = self.glare_time(id);
        self.calls.touch(id);
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        if call.exchange != Exchange::Offering {
            return;
        }
        call.negotiation.withdraw();
        call.exchange = Exchange::Idle;
        match answer.code {
            // The peer knows nothing of the dialog, or is not there (RFC 3261 §12.2.1.2).
            408 | 481 => {
                self.perform(SipAction::Bye {
                    call: id,
                    reason: None,
                });
                self.end_with(id, CallEnd::Dialog(answer));
            }
            491 | 500 if call.put_off < MAX_PUT_OFF => {
                call.put_off += 1;
                let wait = answer.retry_after.filter(|_| answer.code == 500).unwrap_or(wait);
                call.deadlines.retry = Some(now + wait);
            }
            _ => self.give_up_offer(id, Some(answer)),
        }
    }

    /// Our offer is refused for good: what it would have begun, or changed, is not.
    fn give_up_offer(&mut self, id: CallId, answer: Option<SipAnswer>) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        call.put_off = 0;
        let wants: Vec<(StreamId, Want)> = call
            .streams
            .iter()
            .map(|stream| (stream.id, stream.want))
            .collect();
        let mut changes = Vec::new();
        for (stream, want) in wants {
            match want {
                Want::Begin => {
                    self.end_stream(id, stream, FileOutcome::Refused);
                    changes.push(super::CallChange::Refused { stream });
                }
                Want::Renew => self.on_path_failed(id, stream),
                Want::Update => {
                    if let Some(entry) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) {
                        entry.want = Want::Nothing;
                    }
                }
                // The peer does not hear of it; the session is over all the same.
                Want::End => self.end_stream(id, stream, FileOutcome::Ended),
                Want::Nothing => {}
            }
        }
        if let Some(call) = self.calls.get_mut(id) {
            call.forget_lines();
        }
        if let Some(answer) = answer {
            self.push_event(UserAgentEvent::OfferRefused { call: id, answer });
        }
        if !changes.is_empty() {
            self.push_event(UserAgentEvent::StreamsChanged { call: id, changes });
        }
        self.calls.touch(id);
    }

    /// How long to wait after two offers have met: whose Call-ID it is waits longer, in units of 10 ms (RFC 3261 §14.1).
    fn glare_time(&mut self, id: CallId) -> Duration {
        let outgoing = self.calls.get(id).is_some_and(|call| call.outgoing);
        let random = u64::from(u16::from_le_bytes(self.ids.bytes()));
        let (least, range) = if outgoing { (210, 191) } else { (0, 201) };
        Duration::from_millis((least + random % range) * 10)
    }

    /// A re-INVITE has come.
    pub(crate) fn on_reinvite(&mut self, id: CallId, offer: Option<Bytes>) {
        let Some(call) = self.calls.get_mut(id) else {
            let unknown = SipReply::new(481);
            return self.refuse_offer(id, unknown);
        };
        if !call.is_up() {
            let reply = SipReply::new(if matches!(call.state, CallState::Ending) {
                481
            } else {
                491
            });
            return self.refuse_offer(id, reply);
        }
        match call.exchange {
            // Theirs has met ours (RFC 3261 §14.2).
            Exchange::Offering => return self.refuse_offer(id, SipReply::new(491)),
            // An adapter answers 500 to this one by itself.
            Exchange::Asked | Exchange::Decided => return,
            Exchange::Idle => {}
        }
        self.calls.touch(id);
        let Some(offer) = offer else {
            return self.offer_in_answer(id);
        };
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        if let Err(refusal) = call.negotiation.on_offer(&offer) {
            tracing::debug!(call = %id, %refusal, "offer refused");
            let end = CallEnd::NotAcceptable(refusal);
            return self.refuse_offer(id, self.refusal_of(&end));
        }
        let now = self.now;
        let proposals = call.propose();
        for offered in call.negotiation.offered() {
            // A session that the peer has moved is moved on our side too (RFC 4975 §5.4); one that has lost its connection
            // as well, though the peer may not have noticed.
            let Some(entry) = call.streams.get_mut(offered.index) else {
                continue;
            };
            let moved = offered.change == StreamChange::Replaced
                && call
                    .negotiation
                    .streams()
                    .get(offered.index)
                    .and_then(Option::as_ref)
                    .is_some_and(|before| {
                        let now = offered.section.path.as_ref().map(|path| path.last());
                        now.is_none_or(|now| !before.remote_path.last().same_as(&now.as_ref()))
                    });
            entry.accepted = entry.live && (moved || entry.lost.is_some());
        }
        if proposals.is_empty() {
            call.exchange = Exchange::Decided;
            return;
        }
        call.exchange = Exchange::Asked;
        call.deadlines.decision = Some(now + self.config.calls.answer_timeout);
        self.push_event(UserAgentEvent::StreamsOffered {
            call: id,
            streams: proposals,
        });
    }

    /// A re-INVITE without an offer is answered by one: what there is (RFC 3261 §14.2).
    fn offer_in_answer(&mut self, id: CallId) {
        let now = self.now;
        match self.make_offer(id) {
            Ok(sdp) => {
                if let Some(call) = self.calls.get_mut(id) {
                    call.answer_in_ack = true;
                    call.deadlines.ack = Some(now + ACK_TIME);
                }
                self.perform(SipAction::Answer { call: id, sdp });
            }
            Err(error) => {
                tracing::warn!(call = %id, %error, "an offer that cannot be made");
                self.refuse_offer(id, SipReply::new(500));
            }
        }
    }

    /// Refuses a re-INVITE; everything stays as it was.
    pub(super) fn refuse_offer(&mut self, id: CallId, reply: SipReply) {
        self.perform(SipAction::Refuse { call: id, reply });
    }
}
