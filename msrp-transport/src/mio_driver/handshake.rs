//! Handshakes of the layers, and the moment at which the node hears of a connection.

use std::time::Instant;

use msrp_core::node::{ConnectionHandle, Node, PeerInfo};

use super::{
    server::Server,
    socket::{Phase, Who},
};
use crate::layer::ReadOutcome;

impl<N: Node> Server<N> {
    /// The layer's handshake goes on; when it is over the node hears of the connection.
    pub(super) fn handshake_progress(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let Phase::Handshake { who, .. } = socket.phase else {
            return;
        };
        let mut early = Vec::new();
        let mut failure = None;
        while socket.layer.is_handshaking() {
            if let Err(error) = socket.flush() {
                failure = Some(error.to_string());
                break;
            }
            if !socket.layer.is_handshaking() || !socket.readable {
                break;
            }
            match socket.layer.read(&mut socket.stream, &mut self.blocks) {
                Ok(ReadOutcome::Octets { octets, .. }) => {
                    if !octets.is_empty() {
                        early.push(octets);
                    }
                }
                Ok(ReadOutcome::WouldBlock) => socket.readable = false,
                Ok(ReadOutcome::Eof) => {
                    failure = Some("the peer closed during the handshake".to_owned());
                    break;
                }
                Err(error) => {
                    failure = Some(error.to_string());
                    break;
                }
            }
        }
        // The last message of a handshake, or the alert that says what went wrong, is still to be sent.
        let flushed = socket.flush();
        if let Some(failure) = failure.or_else(|| flushed.err().map(|error| error.to_string())) {
            tracing::debug!(%failure, "handshake failed");
            let failure = socket.layer.handshake_failure(failure);
            // The alert, or response, that says what went wrong is not to be overtaken.
            self.leave(now, key);
            match who {
                Who::Peer(listener) => self.stats.at(listener).handshake_failures += 1,
                Who::Node(token) => self.connect_failed(now, token, failure),
            }
            return;
        }
        if !socket.layer.is_handshaking() {
            self.opened(now, key, who);
            if let Some(handle) = self.handle_of(key) {
                for octets in early {
                    self.node.handle_read(now, handle, octets);
                }
            }
        }
    }

    /// The node hears of a connection.
    pub(super) fn opened(&mut self, now: Instant, key: usize, who: Who) {
        let Some(socket) = self.sockets.get(key) else {
            return;
        };
        let peer = socket.peer_info(who);
        self.opened_as(now, key, who, peer);
    }

    /// The node hears of a connection about whose peer this is known.
    pub(super) fn opened_as(&mut self, now: Instant, key: usize, who: Who, peer: PeerInfo) {
        let handle = match who {
            Who::Peer(_) => self.node.handle_accepted(now, peer).ok(),
            Who::Node(token) => self.node.handle_connected(now, token, Ok(peer)),
        };
        let Some(handle) = handle else {
            if let Who::Peer(listener) = who {
                self.stats.at(listener).refused_by_node += 1;
            }
            return self.close(now, key);
        };
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        self.timed -= usize::from(socket.deadline().is_some());
        socket.phase = Phase::Open(handle);
        socket.layer.opened(now);
        if let Some(deadline) = socket.deadline() {
            self.timed += 1;
            self.check_at(deadline);
        }
        self.handles.insert(handle, key);
        self.queue_read(key);
    }

    pub(super) fn handle_of(&self, key: usize) -> Option<ConnectionHandle> {
        match self.sockets.get(key)?.phase {
            Phase::Open(handle) => Some(handle),
            _ => None,
        }
    }
}
