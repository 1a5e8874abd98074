//! A socket's place in the loop: entering, leaving in order, and the deadlines between the two.

use std::{io, time::Instant};

use mio::{Interest, Token};
use msrp_core::node::{ConnectFailure, Node};

use super::{
    server::Server,
    socket::{Phase, Socket, Who},
};

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
            self.next_check = Some(self.next_check.map_or(deadline, |at| at.min(deadline)));
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
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let deadline = now + self.config.close_timeout;
        self.timed += usize::from(socket.deadline().is_none());
        self.next_check = Some(self.next_check.map_or(deadline, |at| at.min(deadline)));
        let phase = std::mem::replace(&mut socket.phase, Phase::Closing { deadline });
        socket.layer.close();
        if let Phase::Open(handle) = phase {
            self.handles.remove(handle);
        }
        self.finish_close(key);
    }

    pub(super) fn finish_close(&mut self, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let failed = socket.flush().is_err();
        if failed || !socket.layer.wants_write() {
            // Octets that the peer sent and nobody read would make the kernel answer with a reset, which can overtake
            // what we wrote last; so the end of our stream is said first, and what is there is read away.
            let _closed_anyway = socket.stream.shutdown(std::net::Shutdown::Write);
            if !failed {
                let mut scrap = [0; 4096];
                for _ in 0..16 {
                    match io::Read::read(&mut socket.stream, &mut scrap) {
                        Ok(read) if read > 0 => {}
                        _ => break,
                    }
                }
            }
            self.remove(key);
        }
    }

    /// Ends what has taken too long to connect, shake hands or close.
    pub(super) fn check_deadlines(&mut self, now: Instant) {
        if self.timed == 0 {
            self.next_check = None;
            return;
        }
        if self.next_check.is_none_or(|at| at > now) {
            return;
        }
        let over: Vec<usize> = self
            .sockets
            .iter()
            .filter(|(_, socket)| socket.deadline().is_some_and(|at| at <= now))
            .map(|(key, _)| key)
            .collect();
        for key in over {
            let Some(socket) = self.sockets.get(key) else {
                continue;
            };
            match socket.phase {
                Phase::Connecting(_) => self.connect_retry(now, key, ConnectFailure::TimedOut),
                Phase::Handshake { who, .. } => {
                    self.remove(key);
                    if let Who::Node(token) = who {
                        self.connect_failed(now, token, ConnectFailure::TimedOut);
                    }
                }
                Phase::Closing { .. } => {
                    self.remove(key);
                }
                Phase::Open(_) => {}
            }
        }
        self.next_check = self
            .sockets
            .iter()
            .filter_map(|(_, socket)| socket.deadline())
            .min();
    }
}
