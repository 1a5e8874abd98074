//! Registrations that share a connection ask their relays one after another.

use std::collections::VecDeque;

use msrp_core::node::ConnectionHandle;

use super::digest::NextNonce;
use crate::{names::RegistrationId, user_agent::UserAgent};

/// Whose turn it is on a connection. Each can use the nonce that the relay gave to the one before (RFC 4976 §9.1); all at
/// once would need a challenge each, as many failed requests of a connection that the relay does not know yet.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// The first has asked; the others wait.
    asking: VecDeque<RegistrationId>,
    /// At most one for each account; the oldest give way.
    nonces: Vec<NextNonce>,
}

/// Nonces that are kept for one connection: one for each relay of a chain.
const MAX_NONCES: usize = 8;

impl Turn {
    /// Keeps a nonce for whoever asks the same relay next.
    pub(super) fn leave(&mut self, nonce: NextNonce) {
        self.nonces.retain(|other| !other.is_for_the_same(&nonce));
        if self.nonces.len() >= MAX_NONCES {
            self.nonces.remove(0);
        }
        self.nonces.push(nonce);
    }

    pub(super) fn nonces(&mut self) -> &mut Vec<NextNonce> {
        &mut self.nonces
    }
}

impl UserAgent {
    /// A registration has to ask its relay, or to ask again.
    pub(super) fn ask(&mut self, id: RegistrationId) {
        let Some(handle) = self.relay_connection(id) else {
            return;
        };
        let Some((_, peer)) = self.table.get_mut(handle) else {
            return;
        };
        let asking = &mut peer.turn.asking;
        if !asking.contains(&id) {
            asking.push_back(id);
            if asking.len() == 1 {
                self.ask_next(handle);
            }
        }
    }

    /// A registration has had its answer, or wants none any more.
    pub(super) fn answered(&mut self, handle: ConnectionHandle, id: RegistrationId) {
        let Some((_, peer)) = self.table.get_mut(handle) else {
            return;
        };
        peer.delayed.auth.remove(&id);
        let asking = &mut peer.turn.asking;
        let first = asking.front() == Some(&id);
        asking.retain(|&other| other != id);
        if first {
            self.ask_next(handle);
        }
    }

    /// The first in the queue asks.
    fn ask_next(&mut self, handle: ConnectionHandle) {
        while let Some((connection, peer)) = self.table.get_mut(handle)
            && !connection.is_closed()
            && let Some(&next) = peer.turn.asking.front()
        {
            match self.send_auth(next) {
                Ok(()) => return,
                Err(loss) => {
                    if let Some((_, peer)) = self.table.get_mut(handle) {
                        peer.turn.asking.pop_front();
                    }
                    // It stands in the queue no more, so this does not come back here.
                    self.lose_registration(next, loss);
                }
            }
        }
    }
}
