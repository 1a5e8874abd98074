//! Reading and writing: the part of the loop that every octet passes.

use std::{io::ErrorKind, time::Instant};

use bytes::Buf;
use msrp_core::node::{ConnectionHandle, Node};

use super::{pipe::PIPES, server::Server, socket::Phase};
use crate::layer::{ReadOutcome, WriteOutcome};

impl<N: Node> Server<N> {
    /// Notes what an event says of a socket.
    pub(super) fn note(&mut self, now: Instant, key: usize, event: &mio::event::Event) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let read_closed = event.is_read_closed() || event.is_error();
        match socket.phase {
            Phase::Connecting(_) => {
                if event.is_writable() || event.is_error() || event.is_write_closed() {
                    self.connect_progress(now, key);
                }
                return;
            }
            Phase::Closing(_) => {
                socket.readable |= event.is_readable() || read_closed;
                socket.writable |= event.is_writable();
                return self.close_on(key);
            }
            Phase::Handshake { .. } | Phase::Open(_) => {}
        }
        socket.read_closed |= read_closed;
        if event.is_readable() || read_closed {
            socket.readable = true;
        }
        if event.is_writable() && !socket.writable {
            socket.writable = true;
            self.writable_again(now, key);
        }
        self.queue_read(key);
    }

    /// A socket that had refused octets takes some again.
    pub(super) fn writable_again(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        match socket.phase {
            Phase::Open(handle) => self.write(now, handle),
            Phase::Handshake { .. } => self.handshake_progress(now, key),
            Phase::Connecting(_) | Phase::Closing(_) => {}
        }
    }

    pub(super) fn queue_read(&mut self, key: usize) {
        if let Some(socket) = self.sockets.get_mut(key)
            && socket.readable
            && !socket.queued
        {
            let wanted = match socket.phase {
                Phase::Open(handle) => self.node.wants_read(handle),
                Phase::Handshake { .. } => true,
                Phase::Connecting(_) | Phase::Closing(_) => false,
            };
            if wanted {
                socket.queued = true;
                self.to_read.push_back(key);
            }
        }
    }

    /// Reads a socket until it is dry, the node wants no more, or it is the others' turn. What much input led to is written
    /// before more is read, while it is in the processor's cache.
    pub(super) fn read(&mut self, now: Instant, key: usize) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let Phase::Open(handle) = socket.phase else {
            socket.queued = false;
            if matches!(socket.phase, Phase::Handshake { .. }) {
                self.handshake_progress(now, key);
            }
            return;
        };
        // It stays so while it is read: what is written in between need not queue it again.
        socket.queued = true;
        let mut budget = self.config.read_budget;
        // What is written in between may end this connection too.
        while let Some(socket) = self.sockets.get_mut(key)
            && matches!(socket.phase, Phase::Open(open) if open == handle)
        {
            if !socket.readable || !self.node.wants_read(handle) {
                socket.queued = false;
                // A layer may owe its peer something in return (a TLS key update, an alert).
                if socket.layer.wants_write()
                    && let Err(error) = socket.flush()
                {
                    tracing::debug!(kind = %error.kind(), "write failed");
                    self.reset(now, key, handle);
                }
                return;
            }
            if budget == 0 && !socket.layer.holds_received() {
                self.to_read.push_back(key);
                return;
            }
            match socket.layer.read(&mut socket.stream, &mut self.blocks) {
                Ok(ReadOutcome::Octets {
                    octets,
                    message_end,
                    more,
                }) => {
                    self.unwritten += octets.len();
                    self.stats.octets_in += octets.len() as u64;
                    budget = budget.saturating_sub(octets.len().max(512));
                    // After the peer has closed, only the end itself says that all has been read.
                    socket.readable = more || socket.read_closed;
                    if !octets.is_empty() {
                        self.node.handle_read(now, handle, octets);
                    }
                    if message_end {
                        self.node.handle_message_end(now, handle);
                    }
                    self.write_if_much(now);
                }
                Ok(ReadOutcome::WouldBlock) => socket.readable = false,
                Ok(ReadOutcome::Eof) => {
                    socket.readable = false;
                    self.node.handle_eof(now, handle);
                }
                Err(error) => {
                    tracing::debug!(kind = %error.kind(), "read failed");
                    return self.fail(now, key, handle, &error);
                }
            }
        }
    }

    /// Writes what the node has for a connection, and sees whether it wants to read again.
    pub(super) fn write(&mut self, now: Instant, handle: ConnectionHandle) {
        let Some(key) = self.handles.key(handle) else {
            return;
        };
        let Some(socket) = self.sockets.get_mut(key) else {
            if key >= PIPES {
                self.write_pipe(now, key);
            }
            return;
        };
        let mut failed = socket.layer.wants_write() && socket.flush().is_err();
        while socket.writable && !failed {
            let Some(mut transmit) = self.node.poll_transmit(now, handle, self.config.transmit_budget) else {
                break;
            };
            let before = transmit.remaining();
            let written = socket.layer.write(&mut socket.stream, &mut transmit);
            self.stats.octets_out += before.saturating_sub(transmit.remaining()) as u64;
            match written {
                Ok(WriteOutcome::Done) => {}
                Ok(WriteOutcome::Incomplete) => break,
                Ok(WriteOutcome::WouldBlock) => socket.writable = false,
                Err(_) => failed = true,
            }
        }
        if failed {
            return self.reset(now, key, handle);
        }
        self.queue_read(key);
    }

    /// Reading has failed.
    fn fail(&mut self, now: Instant, key: usize, handle: ConnectionHandle, error: &std::io::Error) {
        if error.kind() == ErrorKind::InvalidData {
            // The layer's word about what was wrong is not to be overtaken by a reset.
            self.node.handle_reset(now, handle);
            self.leave(now, key);
        } else {
            self.reset(now, key, handle);
        }
    }

    pub(super) fn reset(&mut self, now: Instant, key: usize, handle: ConnectionHandle) {
        self.remove(key);
        self.handles.remove(handle);
        self.node.handle_reset(now, handle);
    }
}
