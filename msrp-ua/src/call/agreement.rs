//! From what offer and answer agree on to sessions.

use bytes::Bytes;

use super::{Call, CallChange, CallEnd, Exchange, FileOutcome, StreamId, stream::Want};
use crate::{
    connect::Authority,
    event::UserAgentEvent,
    negotiate::{Agreement, LocalStream, NegotiatedStream, NegotiationError, StreamChange},
    session::{Role, SessionParams, SessionState},
    sip::CallId,
    user_agent::UserAgent,
};

impl UserAgent {
    /// An offer of what our side of the call is to be, and the sessions that it promises.
    pub(super) fn make_offer(&mut self, id: CallId) -> Result<Bytes, NegotiationError> {
        let Some(call) = self.calls.get_mut(id) else {
            return Err(NegotiationError::NoOffer);
        };
        call.forget_lines();
        let streams: Vec<StreamId> = call.streams.iter().map(|stream| stream.id).collect();
        let agreed = call.negotiation.local_streams();
        let lines: Vec<Option<LocalStream>> = call
            .streams
            .iter()
            .enumerate()
            .map(|(line, stream)| {
                let before = agreed.get(line).cloned().flatten();
                match (stream.want, &stream.path, before) {
                    (Want::End, ..) => None,
                    (Want::Nothing, _, before) => before,
                    (_, Some(path), _) => Some(call.local_stream(stream, &path.path, &self.config.calls)),
                    (_, None, Some(before)) => {
                        Some(call.local_stream(stream, &before.path, &self.config.calls))
                    }
                    (_, None, None) => None,
                }
            })
            .collect();
        let Some(call) = self.calls.get_mut(id) else {
            return Err(NegotiationError::NoOffer);
        };
        let offer = call.negotiation.offer(&lines)?;
        call.exchange = Exchange::Offering;
        for stream in streams {
            if self.await_session(id, stream).is_err() {
                if let Some(call) = self.calls.get_mut(id) {
                    call.negotiation.withdraw();
                    call.exchange = Exchange::Idle;
                }
                return Err(NegotiationError::LocalPath);
            }
        }
        Ok(offer.into())
    }

    /// The answer to our offer has come, in a 200 or in an ACK.
    pub(super) fn take_answer(&mut self, id: CallId, answer: Option<Bytes>) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        if call.exchange != Exchange::Offering {
            return;
        }
        call.exchange = Exchange::Idle;
        call.put_off = 0;
        let agreed = call.negotiation.on_answer(answer.as_deref().unwrap_or_default());
        match agreed {
            Ok(agreement) => {
                let fallback = !agreement.fallback.is_empty();
                self.apply(id, agreement);
                if fallback {
                    self.fall_back(id);
                }
            }
            Err(refusal) => self.end_with(id, CallEnd::NotAcceptable(refusal)),
        }
    }

    /// A middlebox does not know of `a=msrp-cema`: the same is offered without (RFC 6714 §4.2).
    fn fall_back(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        match call.negotiation.fallback_offer() {
            Ok(offer) => {
                call.exchange = Exchange::Offering;
                self.perform(crate::sip::SipAction::Reinvite {
                    call: id,
                    offer: offer.into(),
                });
            }
            Err(error) => self.end_with(id, CallEnd::Invalid(error)),
        }
    }

    /// Makes sessions do what was agreed on, and tells of it.
    pub(super) fn apply(&mut self, id: CallId, agreement: Agreement) {
        let mut changes = Vec::new();
        for agreed in &agreement.streams {
            if !agreement.fallback.contains(&agreed.index) {
                changes.extend(self.apply_stream(id, agreed));
            }
        }
        for &line in &agreement.refused {
            let Some(call) = self.calls.get(id) else { return };
            let Some(stream) = call.streams.get(line) else {
                continue;
            };
            let (stream, begun) = (stream.id, stream.want == Want::Begin || stream.accepted);
            if begun {
                self.end_stream(id, stream, FileOutcome::Refused);
                changes.push(CallChange::Refused { stream });
            }
        }
        self.calls.touch(id);
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut call.told, true) {
            if !changes.is_empty() {
                self.push_event(UserAgentEvent::StreamsChanged { call: id, changes });
            }
            return;
        }
        let live = call.streams.iter().any(|stream| stream.live) || !agreement.fallback.is_empty();
        if !live {
            return self.end_with(id, CallEnd::NoStreams);
        }
        let (mut streams, mut refused) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                CallChange::Added(stream) | CallChange::Changed(stream) => streams.push(stream),
                CallChange::Refused { stream } => refused.push(stream),
                CallChange::Ended { .. } => {}
            }
        }
        self.push_event(UserAgentEvent::CallEstablished {
            call: id,
            streams,
            refused,
        });
    }

    fn apply_stream(&mut self, id: CallId, agreed: &NegotiatedStream) -> Option<CallChange> {
        let call = self.calls.get(id)?;
        let entry = call.streams.get(agreed.index)?;
        let (stream, live, session) = (entry.id, entry.live, entry.session);
        if agreed.change == StreamChange::Removed {
            let session = session?;
            self.end_stream(id, stream, FileOutcome::Ended);
            return live.then_some(CallChange::Ended { stream, session });
        }
        // It was given up while this was being agreed on; the next offer says so.
        if entry.want == Want::End && session.is_none() {
            return None;
        }
        let lost = entry.lost.is_some();
        let path = entry.path.as_ref();
        // The relay of the path that was agreed on: a new one, or that of the session so far.
        let relay = match path.filter(|path| path.path == agreed.local.path) {
            Some(path) => path.relay,
            None => session.and_then(|session| self.sessions.get(session)?.params.relay),
        };
        let params = self.params_of(call, agreed, relay);
        let through_relays = relay.is_some() || agreed.remote_path.len() > 1;
        let outcome = match session.and_then(|session| Some((session, self.sessions.get(session)?))) {
            None => self
                .enter_session(params)
                .inspect(|&session| {
                    self.join_session(session, id, stream);
                    self.start_session(session);
                })
                .map(Some),
            Some((session, entry)) => {
                let fresh = entry.params.local.same_as(&params.local.as_ref());
                match entry.state {
                    SessionState::Offered | SessionState::Early(_) => {
                        self.confirm_session(session, params);
                        Ok(Some(session))
                    }
                    SessionState::Suspended => self.resume_session(session, params).map(|()| Some(session)),
                    _ if fresh && goes_on(&entry.params, &params) => {
                        self.change_session(session, params);
                        Ok(None)
                    }
                    _ => self.resume_session(session, params).map(|()| Some(session)),
                }
            }
        };
        let begun = match outcome {
            Ok(begun) => begun,
            Err(error) => {
                tracing::warn!(%error, "a session that was agreed on cannot be had");
                self.want_end(id, stream);
                return None;
            }
        };
        let entry = self.calls.get_mut(id)?.stream_mut(stream)?;
        entry.live = true;
        entry.accepted = false;
        if matches!(entry.want, Want::Begin | Want::Renew)
            || (entry.want == Want::Update && entry.path.is_some())
        {
            entry.want = Want::Nothing;
        }
        if entry.want == Want::Update && entry.direction == agreed.local.direction {
            entry.want = Want::Nothing;
        }
        entry.session = entry.session.or(begun);
        entry.path = None;
        self.converse_in(id, agreed);
        if begun.is_some() && !lost {
            self.begin_transfer(id, stream, through_relays);
        }
        let call = self.calls.get(id)?;
        let told = self.call_stream(call, agreed.index)?;
        match (live, agreed.change) {
            (false, _) => Some(CallChange::Added(told)),
            (true, StreamChange::Updated) => Some(CallChange::Changed(told)),
            (true, _) => None,
        }
    }

    /// What a session needs to know.
    fn params_of(
        &self,
        call: &Call,
        agreed: &NegotiatedStream,
        relay: Option<crate::RegistrationId>,
    ) -> SessionParams {
        let mut params = agreed.session_params(relay);
        if let Some(stream) = call.streams.get(agreed.index) {
            let profile = stream.profile(call.profile.as_deref(), &self.config.calls);
            params.receive = profile.receive;
            params.manual_reports = profile.manual_reports;
            params.max_size = stream.max_size(profile, &self.config.calls);
            if stream.transfer.is_some() {
                params.receive = crate::Receive::Stream;
            }
        }
        params.may_send = agreed.direction.sends();
        params
    }

    fn want_end(&mut self, id: CallId, stream: StreamId) {
        if let Some(entry) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) {
            entry.want = Want::End;
            self.calls.touch(id);
        }
    }
}

/// Whether a session can go on over its connection with what was agreed on anew: both its ends are what they were, however
/// the relays between them are called now.
fn goes_on(before: &SessionParams, now: &SessionParams) -> bool {
    let same_end = before.remote.last().same_as(&now.remote.last().as_ref());
    let reached = |params: &SessionParams| Authority::of(params.remote.first(), &params.trust);
    let connects = now.role == Role::Active && now.relay.is_none();
    same_end
        && before.relay == now.relay
        && before.connect == now.connect
        && (!connects || reached(before) == reached(now))
}
