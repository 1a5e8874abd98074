//! One socket of the loop.

use std::{io, net::SocketAddr, time::Instant};

use mio::net::TcpStream;
use msrp_core::node::{ConnectToken, ConnectionHandle, ListenerId, PeerInfo};

use crate::layer::{Layer, WriteOutcome};

/// A socket, and how far it has got.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) stream: TcpStream,
    pub(super) layer: Layer,
    pub(super) phase: Phase,
    /// The kernel may have something to read; cleared by a short read.
    pub(super) readable: bool,
    /// The kernel may take something; cleared by a refused write.
    pub(super) writable: bool,
    /// The peer has closed its side, which an edge tells once.
    pub(super) read_closed: bool,
    /// It stands in the queue of sockets to read.
    pub(super) queued: bool,
}

/// How far a socket has got.
#[derive(Debug)]
pub(super) enum Phase {
    /// Connecting to one of several addresses.
    Connecting(Box<Connecting>),
    /// The layer shakes hands.
    Handshake { deadline: Instant, who: Who },
    /// The node knows it.
    Open(ConnectionHandle),
    /// The node has let go of it; its last octets leave.
    Closing { deadline: Instant },
}

/// What a connect still needs.
#[derive(Debug)]
pub(super) struct Connecting {
    pub(super) token: ConnectToken,
    pub(super) target: msrp_core::node::Target,
    pub(super) rest: std::vec::IntoIter<SocketAddr>,
    pub(super) deadline: Instant,
}

/// Who asked for a socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    /// A peer, at this listener.
    Peer(ListenerId),
    /// The node.
    Node(ConnectToken),
}

impl Socket {
    pub(super) fn new(stream: TcpStream, layer: Layer, phase: Phase) -> Self {
        // Small messages should leave at once; a socket that refuses the option works all the same.
        let _best_effort = stream.set_nodelay(true);
        Self {
            stream,
            layer,
            phase,
            readable: true,
            writable: true,
            read_closed: false,
            queued: false,
        }
    }

    pub(super) fn peer_info(&self, who: Who) -> PeerInfo {
        let mut peer = PeerInfo::new().with_security(self.layer.security());
        if let Ok(remote) = self.stream.peer_addr() {
            peer = peer.with_remote(remote);
        }
        if let Ok(local) = self.stream.local_addr() {
            peer = peer.with_local(local);
        }
        if let Who::Peer(listener) = who {
            peer = peer.with_listener(listener);
        }
        peer
    }

    /// Writes what the layer itself holds.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.writable && self.layer.flush(&mut self.stream)? == WriteOutcome::WouldBlock {
            self.writable = false;
        }
        Ok(())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Connecting(connecting) => Some(connecting.deadline),
            Phase::Handshake { deadline, .. } | Phase::Closing { deadline } => Some(*deadline),
            Phase::Open(_) => None,
        }
    }
}
