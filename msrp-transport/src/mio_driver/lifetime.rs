//! A socket's place in the loop: entering, leaving in order, and the deadlines between the two.

use std::{io, time::Instant};

use mio::{Interest, Token};
use msrp_core::node::{ConnectFailure, Node};

use super::{
    server::Server,
    socket::{Closing, Phase, Socket, Who},
};
use crate::config::{CHECK_INTERVAL, KEEP_ALIVE_CHECK};

impl<N: Node> Server<N> {
    /// Enters a socket and registers it, once and for all.
    pub(super) fn register(&mut self, socket: Socket) -> io::Result<usize> {
        let deadline = socket.deadline();
        let key = self.sockets.insert(socket);
        if let Some(socket) = self.sockets.get_mut(key) {
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = self
                .poll
                .registry()
                .register(&mut socket.stream, Token(key), interest)
            {
                self.sockets.remove(key);
                return Err(error);
            }
        }
        if let Some(deadline) = deadline {
            self.timed += 1;
            self.check_at(deadline);
        }
        Ok(key)
    }

    /// Takes a socket out; dropping it closes it.
    pub(super) fn remove(&mut self, key: usize) -> Option<Socket> {
        let mut socket = self.sockets.try_remove(key)?;
        self.timed -= usize::from(socket.deadline().is_some());
        // The kernel forgets a socket that is closed.
        let _closed_anyway = self.poll.registry().deregister(&mut socket.stream);
        Some(socket)
    }

    /// Closes a socket in order: the layer says goodbye, and what it holds leaves.
    pub(super) fn close(&mut self, now: Instant, key: usize) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.layer.close();
            self.leave(now, key);
        }
    }

    /// Lets what the layer holds leave, and closes the socket.
    pub(super) fn leave(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let deadline = now + self.config.close_timeout;
        self.timed += usize::from(socket.deadline().is_none());
        let phase = std::mem::replace(&mut socket.phase, Phase::Closing(Closing::new(deadline)));
        // Whether there is anything, or the end, is found out by reading.
        socket.readable = true;
        if let Phase::Open(handle) = phase {
            self.handles.remove(handle);
        }
        self.check_at(deadline);
        self.close_on(key);
    }

    /// A close goes on.
    pub(super) fn close_on(&mut self, key: usize) {
        if let Some(socket) = self.sockets.get_mut(key)
            && socket.close_on(self.blocks.room()).unwrap_or(true)
        {
            self.remove(key);
        }
    }

    /// Closes everything, as well as it goes at once.
    pub(super) fn end(&mut self) {
        self.end_links();
        let keys: Vec<usize> = self.sockets.iter().map(|(key, _)| key).collect();
        for key in keys {
            let Some(socket) = self.sockets.get_mut(key) else {
                continue;
            };
            if matches!(socket.phase, Phase::Open(_)) {
                socket.layer.close();
                let _as_far_as_it_goes = socket.flush();
            }
            self.remove(key);
        }
    }

    /// Sees to it that deadlines are looked at no later than this.
    pub(super) fn check_at(&mut self, deadline: Instant) {
        self.next_check = Some(self.next_check.map_or(deadline, |at| at.min(deadline)));
    }

    /// Ends what has taken too long to connect, shake hands or close, and sees to the keep-alive of open connections.
    pub(super) fn check_deadlines(&mut self, now: Instant) {
        if self.timed == 0 && self.connector.pending() == 0 {
            self.next_check = None;
            return;
        }
        if self.next_check.is_none_or(|at| at > now) {
            return;
        }
        while let Some(token) = self.connector.pop_overdue(now) {
            self.connect_failed(now, token, ConnectFailure::TimedOut);
        }
        let over: Vec<usize> = self
            .sockets
            .iter()
            .filter(|(_, socket)| socket.deadline().is_some_and(|at| at <= now))
            .map(|(key, _)| key)
            .collect();
        for key in over {
            let Some(socket) = self.sockets.get_mut(key) else {
                continue;
            };
            match socket.phase {
                Phase::Connecting(_) => self.connect_retry(now, key, ConnectFailure::TimedOut),
                Phase::Handshake { who, .. } => {
                    self.remove(key);
                    match who {
                        Who::Peer(listener) => self.stats.at(listener).handshake_failures += 1,
                        Who::Node(token) => self.connect_failed(now, token, ConnectFailure::TimedOut),
                    }
                }
                Phase::Closing(_) => {
                    self.remove(key);
                }
                Phase::Open(handle) => {
                    let unread = socket.readable;
                    let alive = socket.layer.keep_alive(now, unread);
                    if !alive || socket.flush().is_err() {
                        tracing::debug!(alive, "connection given up: no sign of life");
                        self.reset(now, key, handle);
                    }
                }
            }
        }
        let sockets = self.sockets.iter().filter_map(|(_, socket)| {
            let soonest = match socket.phase {
                Phase::Open(_) => KEEP_ALIVE_CHECK,
                _ => CHECK_INTERVAL,
            };
            Some(socket.deadline()?.max(now + soonest))
        });
        let names = self
            .connector
            .next_deadline()
            .map(|at| at.max(now + CHECK_INTERVAL));
        self.next_check = sockets.chain(names).min();
    }
}
