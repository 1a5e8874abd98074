//! How calls end.

use rsipstack::sip::Method;

use super::{
    calls::{Call, CallState},
    clients::Purpose,
    compose,
    core::Core,
    fields,
    happening::ServerId,
};
use crate::sip::{CallId, SipAnswer, SipError, SipInput, SipReply};

impl Core {
    pub(super) fn bye(&mut self, id: CallId, reason: Option<&str>) -> Result<(), SipError> {
        if reason.is_some_and(|reason| reason.chars().any(char::is_control)) {
            return Err(SipError::Invalid("a Reason".to_owned()));
        }
        let call = self.established(id)?;
        let tag = call.dialog.local_tag.clone();
        if let Some(open) = call.offer.take() {
            drop(self.reply(open, &SipReply::new(487), Some(&tag)));
        }
        let call = self.established(id)?;
        if !call.unacknowledged.is_empty() {
            call.bye = Some(reason.map(str::to_owned));
            return Ok(());
        }
        if let Some(call) = self.forget(id) {
            self.send_bye(Purpose::Bye(id), call, reason);
        }
        Ok(())
    }

    pub(super) fn send_bye(&mut self, purpose: Purpose, mut call: Call, reason: Option<&str>) {
        let seq = call.dialog.next_seq();
        let Ok(mut request) = compose::inside(&self.config, &call.dialog, Method::Bye, seq) else {
            if let Purpose::Bye(call) = purpose {
                self.tell(SipInput::ByeAnswered { call });
            }
            return;
        };
        if let Some(reason) = reason {
            fields::push(&mut request.headers, "Reason", reason);
        }
        self.send(purpose, request, call.hop());
    }

    /// A call cannot go on: the peer is told, in case that it hears, and the user agent.
    pub(super) fn lose(&mut self, id: CallId, answer: SipAnswer) {
        let Some(call) = self.forget(id) else { return };
        let reason = format!(
            "SIP;cause={};text=\"{}\"",
            answer.code,
            answer.reason.replace(['"', '\\'], "")
        );
        if let Some(open) = call.offer {
            drop(self.reply(open, &SipReply::new(487), Some(&call.dialog.local_tag)));
        }
        self.send_bye(Purpose::Nobody, call, Some(&reason));
        self.tell(SipInput::Ended {
            call: id,
            answer: Some(answer),
        });
    }

    /// Nobody takes the call.
    pub(super) fn stop_ringing(&mut self, id: CallId, server: ServerId) {
        let tag = self.forget(id).map(|call| call.dialog.local_tag);
        drop(self.reply(server, &SipReply::new(480), tag.as_deref()));
    }

    /// Ends a call in whatever state, because the adapter ends.
    pub(super) fn abandon(&mut self, id: CallId) {
        match self.calls.get(&id).map(|call| &call.state) {
            Some(CallState::Calling { .. }) => drop(self.cancel(id)),
            Some(CallState::Ringing(server)) => self.stop_ringing(id, *server),
            Some(CallState::Established) => drop(self.bye(id, None)),
            None => {}
        }
    }
}
