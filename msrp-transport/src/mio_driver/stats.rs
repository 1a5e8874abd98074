//! Counters of the loop.

use std::ops::AddAssign;

use msrp_core::{histogram::Histogram, node::ListenerId};

/// What has happened since the server was made. Every number only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// By listener, in the order in which they were made; those of listeners that are gone stay.
    pub listeners: Vec<ListenerStats>,
    /// MSRP octets read, above TLS.
    pub octets_in: u64,
    /// MSRP octets that sockets, or the layers above them, have taken.
    pub octets_out: u64,
    /// Times that accepting failed, most likely for want of file descriptors.
    pub accept_errors: u64,
    /// Connections that the node wanted.
    pub connects: u64,
    /// Of these, those that failed: no address, nobody there, handshake, or too many at a time.
    pub connect_failures: u64,
    /// How long a turn of the loop took, in microseconds: all that became ready at the same time, from the first read to
    /// the last write. Nothing that the node does not make wait stays longer in here.
    pub turns: Histogram,
}

/// What has happened at one listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerStats {
    /// Connections accepted from the operating system.
    pub accepted: u64,
    /// Of these, closed at once, as there were as many as may be.
    pub refused_full: u64,
    /// Of these, refused by the node.
    pub refused_by_node: u64,
    /// Handshakes (of TLS, or WebSocket) that failed or took too long.
    pub handshake_failures: u64,
}

impl ServerStats {
    /// What is counted for a listener.
    pub(super) fn at(&mut self, id: ListenerId) -> &mut ListenerStats {
        let place = usize::from(id.0);
        if self.listeners.len() <= place {
            self.listeners.resize(place + 1, ListenerStats::default());
        }
        // There is such a place now.
        &mut self.listeners[place]
    }
}

impl AddAssign<&ServerStats> for ServerStats {
    fn add_assign(&mut self, other: &ServerStats) {
        if self.listeners.len() < other.listeners.len() {
            self.listeners
                .resize(other.listeners.len(), ListenerStats::default());
        }
        for (listener, more) in self.listeners.iter_mut().zip(&other.listeners) {
            listener.accepted += more.accepted;
            listener.refused_full += more.refused_full;
            listener.refused_by_node += more.refused_by_node;
            listener.handshake_failures += more.handshake_failures;
        }
        self.octets_in += other.octets_in;
        self.octets_out += other.octets_out;
        self.accept_errors += other.accept_errors;
        self.connects += other.connects;
        self.connect_failures += other.connect_failures;
        self.turns += other.turns;
    }
}
