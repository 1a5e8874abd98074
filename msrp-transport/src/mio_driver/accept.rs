//! Connections that peers ask for.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use mio::net::TcpListener;
use msrp_core::node::{ListenerId, Node};

use super::{
    server::Server,
    socket::{Phase, Socket, Who},
};
use crate::layer::{Incoming, Layer};

/// Connections accepted in one go, so that a flood of them does not keep the others waiting.
const ACCEPT_BUDGET: usize = 64;
/// How long accepting rests after the process has run out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// A listening socket, and what stands above the connections that come from it.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) incoming: Incoming,
    pub(super) id: ListenerId,
    /// There may be more to accept.
    pub(super) ready: bool,
}

impl<N: Node> Server<N> {
    /// Accepts what has come, within a budget.
    pub(super) fn accept(&mut self, now: Instant) {
        if self.accept_after.is_some_and(|at| at > now) {
            return;
        }
        self.accept_after = None;
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPT_BUDGET {
                let Some(listener) = self.listeners.get_mut(index).filter(|listener| listener.ready) else {
                    break;
                };
                match listener.socket.accept() {
                    Ok((stream, _)) => {
                        let id = listener.id;
                        self.stats.at(id).accepted += 1;
                        let Some(layer) = listener.incoming.layer() else {
                            continue;
                        };
                        self.accepted(now, stream, layer, id);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => listener.ready = false,
                    Err(error)
                        if matches!(
                            error.kind(),
                            ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                        ) => {}
                    Err(error) => {
                        // Most likely out of file descriptors: others may close soon, or be closed (RFC 4976 §6.5).
                        self.stats.accept_errors += 1;
                        let made_room = self.node.make_room(now);
                        if let Some(times) = self.accept_troubles.pass(now) {
                            tracing::warn!(%error, times, made_room, "cannot accept");
                        }
                        self.accept_after = Some(now + ACCEPT_REST);
                        return;
                    }
                }
            }
        }
    }

    pub(super) fn accepted(
        &mut self,
        now: Instant,
        stream: mio::net::TcpStream,
        layer: Layer,
        id: ListenerId,
    ) {
        let who = Who::Peer(id);
        let handshaking = layer.is_handshaking();
        let Some(key) = self.enter_accepted(now, stream, layer, who) else {
            return;
        };
        if handshaking {
            self.queue_read(key);
        } else {
            self.opened(now, key, who);
        }
    }

    /// Enters a connection that a peer asked for, if there is room.
    pub(super) fn enter_accepted(
        &mut self,
        now: Instant,
        stream: mio::net::TcpStream,
        layer: Layer,
        who: Who,
    ) -> Option<usize> {
        if self.sockets.len() >= self.config.max_connections && !self.node.make_room(now) {
            if let Who::Peer(listener) = who {
                self.stats.at(listener).refused_full += 1;
            }
            if let Some(refused) = self.refusals.pass(now) {
                let limit = self.config.max_connections;
                tracing::warn!(limit, refused, "connections refused: limit reached");
            }
            return None;
        }
        let phase = Phase::Handshake {
            deadline: now + self.config.handshake_timeout,
            who,
        };
        let socket = Socket::new(stream, layer, phase);
        self.register(socket).ok()
    }
}
