//! Streams in which people talk.

use crate::{
    conversation::Conversants,
    cpim::{Address, Wrapping},
    negotiate::NegotiatedStream,
    sip::{CallId, SipParty},
    user_agent::UserAgent,
};

/// Who does not say who they are, or says it in a way that is no address (RFC 3261 §8.1.1.3).
const NOBODY: &str = "sip:anonymous@anonymous.invalid";

fn address(party: &SipParty) -> Option<Address> {
    let name = party.display_name.as_deref().unwrap_or_default();
    Some(Address::new(&party.uri).ok()?.with_name(name))
}

impl UserAgent {
    /// Who talks in a call: we, and the peer.
    pub(super) fn parties(&self, me: Option<&SipParty>, peer: &SipParty) -> Option<Box<[Address; 2]>> {
        let nobody = || Address::new(NOBODY).ok();
        let me = me.or(self.config.calls.identity.as_ref());
        let me = me.and_then(address).or_else(nobody)?;
        Some(Box::new([me, address(peer).or_else(nobody)?]))
    }

    /// Makes a conversation of the session of a stream, if people talk in it.
    pub(super) fn converse_in(&mut self, id: CallId, agreed: &NegotiatedStream) {
        let Some(call) = self.calls.get(id) else { return };
        let Some(stream) = call.streams.get(agreed.index) else {
            return;
        };
        let talks = stream
            .profile(call.profile.as_deref(), &self.config.calls)
            .conversation;
        let (Some(session), Some(parties)) = (stream.session, &call.parties) else {
            return;
        };
        if !talks || stream.transfer.is_some() {
            return;
        }
        let [me, peer] = (**parties).clone();
        let remote = &agreed.remote;
        let wrapped = remote.accept_wrapped_types.clone().unwrap_or_default();
        let wrapping = Wrapping::new(remote.accept_types.clone(), wrapped);
        let (delivered, displayed) = self.config.calls.consents;
        let conversants = Conversants::new(me, peer, wrapping)
            .consents(delivered, displayed)
            .composing(self.config.calls.composing);
        if let Err(error) = self.converse(session, conversants) {
            tracing::debug!(%error, "no conversation");
        }
    }
}
