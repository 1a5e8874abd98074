//! One socket of the loop.

use std::{
    io::{self, ErrorKind, Read},
    net::{Shutdown, SocketAddr},
    time::Instant,
};

use mio::net::TcpStream;
use msrp_core::node::{ConnectToken, ConnectionHandle, ListenerId, PeerInfo};

use crate::{
    dial::Attempts,
    layer::{Layer, WriteOutcome},
};

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
    Closing(Closing),
}

/// How far a close has got. Octets that the peer sent and nobody read would make the kernel answer with a reset, which
/// can overtake what we wrote last. So our last octets leave, our stream is ended, and the end of the peer's is awaited
/// for a while; what still comes is thrown away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    pub(super) deadline: Instant,
    /// Our stream has been ended.
    ended: bool,
    /// Octets that may still be thrown away.
    patience: usize,
}

/// Octets of a peer that are thrown away at most, while we wait for it to close after us.
const PATIENCE: usize = 4 * 1024 * 1024;

impl Closing {
    pub(super) fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            ended: false,
            patience: PATIENCE,
        }
    }
}

/// What a connect still needs.
#[derive(Debug)]
pub(super) struct Connecting {
    pub(super) token: ConnectToken,
    pub(super) target: msrp_core::node::Target,
    pub(super) attempts: Attempts,
    /// The address that is being tried.
    pub(super) address: SocketAddr,
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
        let mut peer = self.layer.describe(PeerInfo::new());
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

    /// Goes on with a close; `true` when it is complete.
    pub(super) fn close_on(&mut self, scrap: &mut [u8]) -> io::Result<bool> {
        let Phase::Closing(mut closing) = self.phase else {
            return Ok(false);
        };
        self.flush()?;
        if self.layer.wants_write() {
            return Ok(false);
        }
        if !closing.ended {
            self.stream.shutdown(Shutdown::Write)?;
            closing.ended = true;
        }
        while self.readable {
            match self.stream.read(scrap) {
                Ok(read) if (1..closing.patience).contains(&read) => closing.patience -= read,
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.phase = Phase::Closing(closing);
        Ok(false)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Connecting(connecting) => Some(connecting.deadline),
            Phase::Handshake { deadline, .. } => Some(*deadline),
            Phase::Closing(closing) => Some(closing.deadline),
            Phase::Open(_) => self.layer.keep_alive_deadline(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`DriverConfig`](crate::DriverConfig) promises for each connection, together with the 24 octets of its handle and
    /// of its place in the queue.
    #[test]
    fn a_socket_is_small() {
        let size = size_of::<Socket>();
        assert!(size <= 80, "{size}");
    }
}
