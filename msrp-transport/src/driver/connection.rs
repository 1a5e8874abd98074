//! What happens on the sockets: handshakes, reads, writes, closes.

use std::{io, time::Instant};

use msrp_core::node::{ConnectFailure, ConnectToken, ConnectionHandle, Node, PeerInfo};

use super::{
    Driver,
    socket::{Closing, Handshake, Phase, Socket, Who},
    wake::Source,
};
use crate::{
    config::{CHECK_INTERVAL, KEEP_ALIVE_CHECK},
    io::BoxedIo,
    layer::{Layer, ReadOutcome, WriteOutcome},
};

impl<N: Node> Driver<N> {
    /// A stream has been accepted or connected.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        io: BoxedIo,
        layer: Layer,
        peer: PeerInfo,
        who: Who,
    ) -> bool {
        if self.sockets.len() >= self.config.max_connections {
            if let Some(refused) = self.refusals.pass(now) {
                let limit = self.config.max_connections;
                tracing::warn!(limit, refused, "connections refused: limit reached");
            }
            if let Who::Node(token) = who {
                self.connect_failed(now, token, ConnectFailure::Limit);
            }
            return false;
        }
        let deadline = now + self.config.handshake_timeout;
        let entry = self.sockets.vacant_entry();
        let key = entry.key();
        entry.insert(Socket {
            io,
            layer,
            phase: Phase::Handshake(Box::new(Handshake { deadline, who, peer })),
            read_waker: self.woken.waker(Source::Read(key)),
            write_waker: self.woken.waker(Source::Write(key)),
            readable: true,
            writable: true,
            read_closed: false,
            unflushed: false,
            queued: false,
        });
        self.timed += 1;
        self.check_at(deadline);
        self.shake(now, key);
        true
    }

    pub(super) fn connect_failed(&mut self, now: Instant, token: ConnectToken, failure: ConnectFailure) {
        tracing::debug!(%failure, "connect failed");
        let unwanted = self.node.handle_connected(now, token, Err(failure));
        debug_assert!(unwanted.is_none(), "there is no connection to have a handle");
    }

    /// A socket may be read again.
    pub(super) fn readable(&mut self, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        socket.readable = true;
        match socket.phase {
            Phase::Closing(_) => self.close_on(key),
            Phase::Handshake(_) | Phase::Open(_) => self.queue_read(key),
        }
    }

    /// A socket may be written again.
    pub(super) fn writable(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        socket.writable = true;
        match socket.phase {
            Phase::Open(handle) => self.write(now, handle),
            Phase::Handshake(_) => self.shake(now, key),
            Phase::Closing(_) => self.close_on(key),
        }
    }

    fn queue_read(&mut self, key: usize) {
        if let Some(socket) = self.sockets.get_mut(key)
            && socket.readable
            && !socket.queued
        {
            let wanted = match &socket.phase {
                Phase::Open(handle) => self.node.wants_read(*handle),
                Phase::Handshake(_) => true,
                Phase::Closing(_) => false,
            };
            if wanted {
                socket.queued = true;
                self.to_read.push_back(key);
            }
        }
    }

    /// Reads a socket until it is dry, the node wants no more, or it is the others' turn.
    pub(super) fn read(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        socket.queued = false;
        let handle = match socket.phase {
            Phase::Open(handle) => handle,
            Phase::Handshake(_) => return self.shake(now, key),
            Phase::Closing(_) => return,
        };
        let mut budget = self.config.read_budget;
        while socket.readable && self.node.wants_read(handle) {
            if budget == 0 && !socket.layer.holds_received() {
                socket.queued = true;
                self.to_read.push_back(key);
                return;
            }
            match socket.read(&mut self.blocks) {
                Ok(ReadOutcome::Octets {
                    octets, message_end, ..
                }) => {
                    // Whether there is more is for the stream to say: only a refusal makes it call the waker.
                    budget = budget.saturating_sub(octets.len().max(512));
                    if !octets.is_empty() {
                        self.node.handle_read(now, handle, octets);
                    }
                    if message_end {
                        self.node.handle_message_end(now, handle);
                    }
                }
                Ok(ReadOutcome::WouldBlock) => {}
                Ok(ReadOutcome::Eof) => self.node.handle_eof(now, handle),
                Err(error) => {
                    tracing::debug!(kind = %error.kind(), "read failed");
                    return self.fail(now, key, handle, &error);
                }
            }
        }
        // A layer may owe its peer something in return (a TLS key update).
        if socket.layer.wants_write()
            && let Err(error) = socket.flush()
        {
            tracing::debug!(kind = %error.kind(), "write failed");
            self.reset(now, key, handle);
        }
    }

    /// Writes what the node has for a connection, and sees whether it wants to read again.
    pub(super) fn write(&mut self, now: Instant, handle: ConnectionHandle) {
        let Some(key) = self.handles.key(handle) else {
            return;
        };
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let mut failed = socket.layer.wants_write() && socket.flush().is_err();
        while socket.writable && !failed {
            let Some(mut transmit) = self.node.poll_transmit(now, handle, self.config.transmit_budget) else {
                break;
            };
            match socket.write(&mut transmit) {
                Ok(WriteOutcome::Incomplete) => break,
                Ok(_) => {}
                Err(_) => failed = true,
            }
        }
        if failed || socket.flush().is_err() {
            return self.reset(now, key, handle);
        }
        self.queue_read(key);
    }

    /// Reading has failed.
    fn fail(&mut self, now: Instant, key: usize, handle: ConnectionHandle, error: &io::Error) {
        if error.kind() == io::ErrorKind::InvalidData {
            // The layer's word about what was wrong is not to be overtaken by a reset.
            self.node.handle_reset(now, handle);
            self.leave(now, key);
        } else {
            self.reset(now, key, handle);
        }
    }

    fn reset(&mut self, now: Instant, key: usize, handle: ConnectionHandle) {
        self.remove(key);
        self.handles.remove(handle);
        self.node.handle_reset(now, handle);
    }

    /// The layer's handshake goes on; when it is over the node hears of the connection.
    fn shake(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
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
            match socket.read(&mut self.blocks) {
                Ok(ReadOutcome::Octets { octets, .. }) => {
                    if !octets.is_empty() {
                        early.push(octets);
                    }
                }
                Ok(ReadOutcome::WouldBlock) => {}
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
        if failure.is_none() && socket.layer.is_handshaking() {
            return;
        }
        let Phase::Handshake(handshake) = &mut socket.phase else {
            return;
        };
        let who = handshake.who;
        let mut peer = std::mem::take(&mut handshake.peer);
        if let Some(failure) = failure {
            tracing::debug!(%failure, "handshake failed");
            let failure = socket.layer.handshake_failure(failure);
            // The alert, or response, that says what went wrong is still to leave.
            self.leave(now, key);
            if let Who::Node(token) = who {
                self.connect_failed(now, token, failure);
            }
            return;
        }
        // The last message of the handshake; a socket that cannot take it is found out when it is read.
        let _found_out_later = socket.flush();
        peer = socket.layer.describe(peer);
        let handle = match who {
            Who::Peer => self.node.handle_accepted(now, peer).ok(),
            Who::Node(token) => self.node.handle_connected(now, token, Ok(peer)),
        };
        let Some(handle) = handle else {
            return self.close(now, key);
        };
        socket.phase = Phase::Open(handle);
        socket.layer.opened(now);
        match socket.deadline() {
            Some(deadline) => self.check_at(deadline),
            None => self.timed -= 1,
        }
        self.handles.insert(handle, key);
        for octets in early {
            self.node.handle_read(now, handle, octets);
        }
        self.queue_read(key);
    }

    /// Takes a socket out; dropping it closes it.
    fn remove(&mut self, key: usize) {
        if let Some(socket) = self.sockets.try_remove(key) {
            self.timed -= usize::from(socket.deadline().is_some());
        }
    }

    /// Closes a socket in order: the layer says goodbye, and what it holds leaves.
    pub(super) fn close(&mut self, now: Instant, key: usize) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.layer.close();
            self.leave(now, key);
        }
    }

    /// Lets what the layer holds leave, and closes the socket.
    fn leave(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        self.timed += usize::from(socket.deadline().is_none());
        if let Some(handle) = socket.handle() {
            self.handles.remove(handle);
        }
        let deadline = now + self.config.close_timeout;
        socket.phase = Phase::Closing(Closing::new(deadline));
        self.check_at(deadline);
        self.close_on(key);
    }

    /// A close goes on.
    fn close_on(&mut self, key: usize) {
        if let Some(socket) = self.sockets.get_mut(key)
            && socket.close_on(self.blocks.room()).unwrap_or(true)
        {
            self.remove(key);
        }
    }

    fn check_at(&mut self, deadline: Instant) {
        self.next_check = Some(self.next_check.map_or(deadline, |at| at.min(deadline)));
    }

    /// Ends what has taken too long to shake hands or close, and sees to the keep-alive of open connections.
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
            let Some(socket) = self.sockets.get_mut(key) else {
                continue;
            };
            match &socket.phase {
                Phase::Open(handle) => {
                    let (handle, unread) = (*handle, socket.readable);
                    let alive = socket.layer.keep_alive(now, unread);
                    if !alive || socket.flush().is_err() {
                        tracing::debug!(alive, "connection given up: no sign of life");
                        self.reset(now, key, handle);
                    }
                }
                Phase::Handshake(handshake) => {
                    let who = handshake.who;
                    self.remove(key);
                    if let Who::Node(token) = who {
                        self.connect_failed(now, token, ConnectFailure::TimedOut);
                    }
                }
                Phase::Closing(_) => self.remove(key),
            }
        }
        let sockets = self.sockets.iter().filter_map(|(_, socket)| {
            let soonest = match socket.phase {
                Phase::Open(_) => KEEP_ALIVE_CHECK,
                _ => CHECK_INTERVAL,
            };
            Some(socket.deadline()?.max(now + soonest))
        });
        self.next_check = sockets.min();
    }

    /// Closes everything, as well as it goes at once.
    pub(super) fn end(&mut self) {
        self.over = true;
        for (_, socket) in &mut self.sockets {
            if socket.handle().is_some() {
                socket.layer.close();
                if socket.flush().is_ok() && socket.is_flushed() {
                    let _dropped_anyway = socket.end();
                }
            }
        }
        self.sockets.clear();
    }
}
