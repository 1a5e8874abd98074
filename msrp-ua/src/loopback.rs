//! Two nodes in one process without a network between them: for examples, and for the tests of whoever embeds a node.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use bytes::{Buf, BytesMut};
use msrp_core::{
    grammar::Scheme,
    node::{Action, ConnectionHandle, Node, PeerInfo, Security},
};

/// How much is moved at a time.
const PIECE: usize = 64 * 1024;

/// The connections between two nodes, `a` and `b`. Whatever either wants to connect to is the other.
///
/// There is no loss and no delay, and what a node is not ready to read stays where it is. Events are not pulled: they
/// are the caller's, who calls [`run`](Self::run) again after having pulled them. Connections to `msrps` URIs count as
/// encrypted. Lookups are not answered.
#[derive(Debug, Default)]
pub struct Loopback {
    /// Which connection of the other side is the other end.
    ends: [BTreeMap<ConnectionHandle, ConnectionHandle>; 2],
    /// Connections to be looked at.
    ready: [BTreeSet<ConnectionHandle>; 2],
    /// Which side is not heard any more.
    silent: [bool; 2],
}

impl Loopback {
    /// No connection yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everything happen that can happen at this time.
    pub fn run<A: Node, B: Node>(&mut self, now: Instant, a: &mut A, b: &mut B) {
        a.handle_timeout(now);
        b.handle_timeout(now);
        loop {
            let moved = self.step(0, now, a, b) | self.step(1, now, b, a);
            if !moved {
                return;
            }
        }
    }

    /// Breaks every connection.
    pub fn reset<A: Node, B: Node>(&mut self, now: Instant, a: &mut A, b: &mut B) {
        self.silent = [false; 2];
        let [of_a, of_b] = std::mem::take(&mut self.ends);
        of_a.into_keys().for_each(|end| a.handle_reset(now, end));
        of_b.into_keys().for_each(|end| b.handle_reset(now, end));
    }

    /// What a side (0 for `a`, 1 for `b`) sends is lost from now on, until all connections are [broken](Self::reset): the last
    /// moments of a dying network.
    pub fn silence(&mut self, side: usize) {
        self.silent[side & 1] = true;
    }

    fn step<F: Node, T: Node>(&mut self, side: usize, now: Instant, from: &mut F, to: &mut T) -> bool {
        let other = 1 - side;
        let mut moved = false;
        while let Some(handle) = from.poll_ready() {
            self.ready[side].insert(handle);
            // It may read again what the other side has held back.
            self.ready[other].extend(self.ends[side].get(&handle));
        }
        for handle in std::mem::take(&mut self.ready[side]) {
            let Some(&end) = self.ends[side].get(&handle) else {
                continue;
            };
            while to.wants_read(end)
                && let Some(mut transmit) = from.poll_transmit(now, handle, PIECE)
            {
                let mut block = BytesMut::with_capacity(transmit.remaining());
                while transmit.has_remaining() {
                    let len = transmit.chunk().len();
                    block.extend_from_slice(transmit.chunk());
                    transmit.advance(len);
                }
                moved = true;
                if !self.silent[side] {
                    to.handle_read(now, end, block);
                }
            }
        }
        while let Some(action) = from.poll_action() {
            moved = true;
            match action {
                Action::Connect { token, target } => {
                    let mut peer = PeerInfo::new();
                    if target.scheme == Scheme::Msrps {
                        peer = peer.with_security(Security::Tls(Default::default()));
                    }
                    let Some(here) = from.handle_connected(now, token, Ok(peer.clone())) else {
                        continue;
                    };
                    match to.handle_accepted(now, peer) {
                        Ok(there) => {
                            self.ends[side].insert(here, there);
                            self.ends[other].insert(there, here);
                        }
                        Err(_) => from.handle_eof(now, here),
                    }
                }
                Action::Close { connection } => {
                    if let Some(end) = self.ends[side].remove(&connection) {
                        self.ends[other].remove(&end);
                        to.handle_eof(now, end);
                    }
                }
                _ => {}
            }
        }
        moved
    }
}
