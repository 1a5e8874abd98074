//! AUTH by way of another relay (RFC 4976 §6.3).

use msrp_core::{grammar::UriRef, node::ConnectionHandle};

use crate::{peers::PeerId, relay::Relay};

impl Relay {
    /// Sees by which way an AUTH has come: from a client that is connected itself, or by a relay that is known. What comes
    /// by another relay is for nobody to vouch for.
    pub(super) fn comes_by_a_known_way(&mut self, from: ConnectionHandle, key: u32) -> bool {
        let max_uris = self.max_uris();
        let Some(incoming) = self.incoming.get(key as usize) else {
            return false;
        };
        if incoming
            .head
            .from_path(max_uris)
            .is_ok_and(|path| path.len() == 1)
        {
            return true;
        }
        let behind = self.relay_before(from, key);
        if let Some(incoming) = self.incoming.get_mut(key as usize) {
            incoming.behind = behind;
        }
        behind.is_some()
    }

    /// The relay that the first URI of From-Path names, if the connection is its own.
    fn relay_before(&mut self, from: ConnectionHandle, key: u32) -> Option<PeerId> {
        let max_uris = self.max_uris();
        let from_path = self.incoming.get(key as usize)?.head.from_path(max_uris).ok()?;
        let previous = from_path.first_raw().to_vec();
        let uri = UriRef::parse(&previous).ok()?;
        let relay = self.identify(from, &uri);
        match relay {
            // It has proven who it is, whatever becomes of its clients.
            Some(_) => {
                if let Some((_, data)) = self.table.get_mut(from) {
                    data.prove();
                }
            }
            None => tracing::debug!(relay = uri.host_str(), "AUTH by way of a relay that is not known"),
        }
        relay
    }
}
