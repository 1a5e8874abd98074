//! Calls of ours (RFC 3261 §13.2).

use bytes::Bytes;

use super::{Call, CallEnd, CallState, OutgoingCall, Stream, StreamId, StreamOffer, stream::Want};
use crate::{
    error::CommandError,
    event::UserAgentEvent,
    negotiate::Negotiation,
    sdp::Origin,
    sip::{CallId, SipAction, SipInvite},
    user_agent::UserAgent,
};

impl UserAgent {
    /// Calls somebody. [`CallEstablished`](UserAgentEvent::CallEstablished) or [`CallEnded`](UserAgentEvent::CallEnded)
    /// follows.
    ///
    /// # Errors
    /// [`CommandError`]; nobody is called.
    pub fn call(&mut self, call: OutgoingCall) -> Result<CallId, CommandError> {
        self.check_running()?;
        let limit = self.config.calls.max_calls;
        if self.calls.len() >= limit {
            return Err(CommandError::TooManyCalls { limit });
        }
        let mut call = Box::new(call);
        let mut offers = std::mem::take(&mut call.streams);
        if offers.is_empty() {
            offers.push(StreamOffer::chat());
        }
        let limit = self.config.calls.sdp.max_sections;
        if offers.len() > limit {
            return Err(CommandError::TooManyStreams { limit });
        }
        self.calls.next += 1;
        let id = CallId::outgoing(self.calls.next);
        let relays = std::mem::take(&mut call.relays);
        let parties = self.parties(call.from.as_ref(), &call.to);
        let mut entry = Call::new(true, CallState::Preparing(call), self.new_negotiation());
        entry.relays = relays;
        entry.parties = parties;
        self.calls.by_id.insert(id, Box::new(entry));
        for offer in offers {
            self.add_stream(id, offer);
        }
        // What cannot be had at all is told now; what relays say, later.
        if let Err(error) = self.ensure_paths(id) {
            self.forget_call(id);
            return Err(error);
        }
        self.calls.touch(id);
        Ok(id)
    }

    /// A call that has not begun is none.
    fn forget_call(&mut self, id: CallId) {
        let streams: Vec<_> = self
            .calls
            .get(id)
            .map(|call| call.streams.iter().map(|stream| stream.id).collect())
            .unwrap_or_default();
        for stream in streams {
            self.drop_paths(id, stream);
        }
        self.drop_call(id);
    }

    pub(super) fn new_negotiation(&mut self) -> Negotiation {
        // RFC 3264 §5: less than 2^62, and nobody else's.
        let id = u64::from_le_bytes(self.ids.bytes()) >> 3;
        Negotiation::new(Origin::new(id, &self.config.host)).with_limits(self.config.calls.sdp)
    }

    /// Adds a stream that the next offer brings.
    pub(super) fn add_stream(&mut self, id: CallId, offer: StreamOffer) -> Option<StreamId> {
        let transfer_id = self.ids.session_id(160);
        let call = self.calls.get_mut(id)?;
        let stream = call.next_stream();
        let entry = match offer {
            StreamOffer::Chat(profile) => Stream::chat(stream, Want::Begin, profile),
            StreamOffer::File(file) => Stream::file(stream, Want::Begin, *file, Some(transfer_id)),
        };
        // Lines that are not in use any more are used again before there are too many of them (RFC 3264 §8.1).
        let free = call
            .streams
            .iter()
            .position(|stream| !stream.live && stream.want == Want::Nothing && stream.session.is_none());
        match free.filter(|_| call.streams.len() >= self.config.calls.sdp.max_sections / 2) {
            Some(line) => call.streams[line] = entry,
            None => call.push_stream(entry),
        }
        Some(stream)
    }

    /// All paths are there: the INVITE goes.
    pub(super) fn send_invite(&mut self, id: CallId) {
        let now = self.now;
        let offer = match self.make_offer(id) {
            Ok(offer) => offer,
            Err(error) => return self.fail_setup(id, CallEnd::Invalid(error)),
        };
        let timeout = self.config.calls.setup_timeout;
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        let CallState::Preparing(request) = std::mem::replace(&mut call.state, CallState::Inviting) else {
            return;
        };
        call.deadlines.setup = Some(now + request.setup_timeout.unwrap_or(timeout));
        let mut invite = SipInvite::new(id, request.to, offer);
        if let Some(uri) = request.request_uri {
            invite.request_uri = uri;
        }
        invite.route = request.route;
        invite.from = request.from;
        invite.headers = request.headers;
        invite.parts = request.parts;
        self.perform(SipAction::Invite(Box::new(invite)));
    }

    /// A provisional response has come.
    pub(crate) fn on_progress(&mut self, id: CallId, code: u16) {
        if matches!(self.calls.get(id), Some(call) if matches!(call.state, CallState::Inviting)) {
            self.push_event(UserAgentEvent::CallProgress { call: id, code });
        }
    }

    /// Our INVITE, or re-INVITE, was accepted.
    pub(crate) fn on_accepted(&mut self, id: CallId, answer: Option<Bytes>) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        match call.state {
            CallState::Cancelled => self.hang_up_late(id),
            CallState::Inviting => {
                call.state = CallState::Established;
                call.deadlines.setup = None;
                self.take_answer(id, answer);
            }
            CallState::Answered | CallState::Established => self.take_answer(id, answer),
            _ => {}
        }
    }
}
