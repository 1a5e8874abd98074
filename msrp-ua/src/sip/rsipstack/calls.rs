//! Calls, as the user agent has them done.

use rsipstack::sip::Request;
use tokio::time::Instant;

use super::{
    core::{Core, Due},
    dialog::Dialog,
    exchange::Hop,
    flow::Flow,
    happening::{ClientId, ServerId},
};
use crate::sip::{CallId, SipError};

/// A call.
pub(super) struct Call {
    pub(super) dialog: Dialog,
    pub(super) state: CallState,
    /// A re-INVITE of ours.
    pub(super) reinvite: Option<ClientId>,
    /// A re-INVITE or UPDATE of the peer that the user agent has not answered.
    pub(super) offer: Option<ServerId>,
    /// Answers 200 whose ACK has not come.
    pub(super) unacknowledged: Vec<ServerId>,
    /// The last ACK of ours, to be sent again.
    pub(super) ack: Option<(Box<Request>, Flow)>,
    /// When it has rung for long enough.
    pub(super) ring: Option<Instant>,
    /// Our BYE waits for the ACK (RFC 3261 §15): for the user agent the call is over.
    pub(super) bye: Option<Option<String>>,
}

/// How far a call has got.
pub(super) enum CallState {
    /// Our INVITE has no final answer.
    Calling {
        client: ClientId,
        /// A provisional response has come, so that CANCEL may go.
        provisional: bool,
        cancel: Cancel,
    },
    /// The peer's INVITE has none.
    Ringing(ServerId),
    /// It has begun.
    Established,
}

/// Whether we give an INVITE up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    /// As soon as a provisional response comes.
    Wanted,
    Sent,
}

impl Call {
    pub(super) fn new(dialog: Dialog, state: CallState) -> Self {
        Self {
            dialog,
            state,
            reinvite: None,
            offer: None,
            unacknowledged: Vec::new(),
            ack: None,
            ring: None,
            bye: None,
        }
    }

    /// The way for a request within the call: an open connection, or where the peer says that it is.
    pub(super) fn hop(&self) -> Hop {
        let uri = self.dialog.hop().to_owned();
        match &self.dialog.flow {
            Some(flow) if flow.is_open_stream() => Hop::Flow(Box::new(flow.clone()), uri),
            _ => Hop::Uri(uri),
        }
    }

    pub(super) fn key(&self) -> (String, String) {
        (self.dialog.call_id.clone(), self.dialog.local_tag.clone())
    }
}

impl Core {
    /// A call that the user agent still knows.
    pub(super) fn known(&mut self, call: CallId) -> Result<&mut Call, SipError> {
        self.calls
            .get_mut(&call)
            .filter(|call| call.bye.is_none())
            .ok_or(SipError::UnknownCall)
    }

    pub(super) fn established(&mut self, call: CallId) -> Result<&mut Call, SipError> {
        let call = self.known(call)?;
        match call.state {
            CallState::Established => Ok(call),
            _ => Err(SipError::UnknownCall),
        }
    }

    /// Forgets a call, but for what its peer may still say.
    pub(super) fn forget(&mut self, id: CallId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        let key = call.key();
        self.dialogs.remove(&key);
        self.invited
            .remove(&(call.dialog.call_id.clone(), call.dialog.remote_tag.clone()));
        if let Some(at) = call.ring {
            self.never(at, Due::Ring(id));
        }
        self.remember(key);
        Some(call)
    }
}
