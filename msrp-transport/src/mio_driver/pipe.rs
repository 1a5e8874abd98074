//! Connections to other shards: no socket, but blocks of octets from one loop to the other.
//!
//! Each direction has a window of [`WINDOW`] octets. What came and the node does not want to read waits here, and is not
//! paid for until it has been taken, so that the other side stops, as it would before a full socket.

use std::{collections::VecDeque, time::Instant};

use bytes::{Buf, BytesMut};
use msrp_core::node::{ConnectFailure, ConnectToken, ConnectionHandle, ListenerId, Node, PeerInfo};

use super::{
    inbox::{Links, Moved, Parcel, PipeId, Word},
    server::Server,
    socket::{Socket, Who},
};

/// Octets that may be under way in one direction of a pipe.
pub(super) const WINDOW: usize = 64 * 1024;
/// Room is given back when as much has been taken, so that it costs nothing for a single message.
const GIVE_BACK: usize = WINDOW / 4;

/// Keys of pipes count from here; those of sockets are below.
pub(super) const PIPES: usize = 1 << (usize::BITS - 2);

/// Our end of a pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    id: PipeId,
    /// The shard at the other end.
    shard: u16,
    handle: ConnectionHandle,
    /// Octets that may still be sent.
    room: usize,
    /// Octets taken by the node for which the other side has no room yet.
    taken: usize,
    /// What came and the node does not want yet.
    waiting: VecDeque<BytesMut>,
    /// The other side has ended it; told when nothing waits any more.
    ended: bool,
}

impl<N: Node> Server<N> {
    /// The node wants a connection to another shard.
    pub(super) fn connect_shard(&mut self, now: Instant, token: ConnectToken, shard: u16, peer: PeerInfo) {
        let Some(links) = self.links.as_mut().filter(|links| links.has(shard)) else {
            let failure = ConnectFailure::Other("there is no such shard".to_owned());
            return self.connect_failed(now, token, failure);
        };
        let id = PipeId {
            opener: links.index,
            number: links.next,
        };
        links.next += 1;
        links.send(shard, Parcel::Word(id, Word::Open(Box::new(peer))));
        match self
            .node
            .handle_connected(now, token, Ok(PeerInfo::new().with_shard(shard)))
        {
            Some(handle) => self.enter_pipe(id, shard, handle),
            None => self.say(shard, id, Word::End),
        }
    }

    fn enter_pipe(&mut self, id: PipeId, shard: u16, handle: ConnectionHandle) {
        let pipe = Pipe {
            id,
            shard,
            handle,
            room: WINDOW,
            taken: 0,
            waiting: VecDeque::new(),
            ended: false,
        };
        let key = self.pipes.insert(pipe) + PIPES;
        self.handles.insert(handle, key);
        if let Some(links) = &mut self.links {
            links.keys.insert(id, key);
        }
    }

    fn say(&mut self, shard: u16, id: PipeId, word: Word) {
        if let Some(links) = &mut self.links {
            links.send(shard, Parcel::Word(id, word));
        }
    }

    /// Takes what other shards have sent.
    pub(super) fn take_parcels(&mut self, now: Instant) {
        let Some(links) = &mut self.links else { return };
        let mut taken = std::mem::take(&mut links.taken);
        if let Some(inbox) = links.inbox() {
            inbox.take(&mut taken);
        }
        for parcel in taken.drain(..) {
            match parcel {
                Parcel::Word(id, Word::Open(peer)) => self.pipe_opened(now, id, *peer),
                Parcel::Word(id, word) => {
                    // What is said of a pipe that has ended here came too late.
                    if let Some(key) = self.links.as_ref().and_then(|links| links.keys.get(&id).copied()) {
                        self.hear(now, key, word);
                        self.write_if_much(now);
                    }
                }
                Parcel::Moved(moved) => self.arrived(now, *moved),
            }
        }
        if let Some(links) = &mut self.links {
            links.taken = taken;
        }
    }

    fn pipe_opened(&mut self, now: Instant, id: PipeId, peer: PeerInfo) {
        match self.node.handle_accepted(now, peer) {
            Ok(handle) => self.enter_pipe(id, id.opener, handle),
            Err(refused) => {
                tracing::debug!(%refused, "connection of another shard refused");
                self.say(id.opener, id, Word::Broken);
            }
        }
    }

    fn hear(&mut self, now: Instant, key: usize, word: Word) {
        let Some(pipe) = self.pipes.get_mut(key - PIPES) else {
            return;
        };
        match word {
            Word::Octets(octets) => {
                pipe.waiting.push_back(octets);
                self.read_pipe(now, key);
            }
            Word::Room(octets) => {
                let stopped = pipe.room == 0;
                pipe.room += octets;
                if stopped {
                    self.write_pipe(now, key);
                }
            }
            Word::End => {
                pipe.ended = true;
                self.read_pipe(now, key);
            }
            Word::Broken => self.break_pipe(now, key),
            Word::Open(_) => {}
        }
    }

    /// Gives the node what has come, as far as it wants it.
    fn read_pipe(&mut self, now: Instant, key: usize) {
        let Some(pipe) = self.pipes.get_mut(key - PIPES) else {
            return;
        };
        while self.node.wants_read(pipe.handle) {
            match pipe.waiting.pop_front() {
                Some(octets) => {
                    pipe.taken += octets.len();
                    self.unwritten += octets.len();
                    self.node.handle_read(now, pipe.handle, octets);
                }
                None => {
                    if std::mem::take(&mut pipe.ended) {
                        self.node.handle_eof(now, pipe.handle);
                    }
                    break;
                }
            }
        }
        if pipe.taken >= GIVE_BACK {
            let (shard, id, taken) = (pipe.shard, pipe.id, std::mem::take(&mut pipe.taken));
            self.say(shard, id, Word::Room(taken));
        }
    }

    /// Sends what the node has for a pipe, and sees whether it wants to read again.
    pub(super) fn write_pipe(&mut self, now: Instant, key: usize) {
        let (Some(pipe), Some(links)) = (self.pipes.get_mut(key - PIPES), &mut self.links) else {
            return;
        };
        while pipe.room > 0 {
            let Some(mut transmit) = self.node.poll_transmit(now, pipe.handle, pipe.room) else {
                break;
            };
            while pipe.room > 0 && transmit.has_remaining() {
                let block = transmit.take_block(pipe.room);
                pipe.room -= block.len();
                links.send(pipe.shard, Parcel::Word(pipe.id, Word::Octets(block)));
            }
        }
        self.read_pipe(now, key);
    }

    /// The node has closed a pipe.
    pub(super) fn close_pipe(&mut self, key: usize) {
        if let Some(pipe) = self.forget_pipe(key) {
            self.say(pipe.shard, pipe.id, Word::End);
        }
    }

    /// The other end of a pipe is gone.
    fn break_pipe(&mut self, now: Instant, key: usize) {
        if let Some(pipe) = self.forget_pipe(key) {
            self.node.handle_reset(now, pipe.handle);
        }
    }

    fn forget_pipe(&mut self, key: usize) -> Option<Pipe> {
        let pipe = self.pipes.try_remove(key - PIPES)?;
        self.handles.remove(pipe.handle);
        if let Some(links) = &mut self.links {
            links.keys.remove(&pipe.id);
        }
        Some(pipe)
    }

    /// A connection belongs to another shard.
    pub(super) fn hand_over(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        shard: u16,
        peer: PeerInfo,
        octets: BytesMut,
    ) {
        let Some(key) = self.handles.key(handle) else {
            return;
        };
        if !self.links.as_ref().is_some_and(|links| links.has(shard)) {
            tracing::warn!(shard, "there is no such shard; the connection is closed");
            return self.close(now, key);
        }
        self.handles.remove(handle);
        if let Some(Socket { stream, layer, .. }) = self.remove(key)
            && let Some(links) = &mut self.links
        {
            let moved = Moved {
                stream,
                layer,
                peer,
                octets,
            };
            links.send(shard, Parcel::Moved(Box::new(moved)));
        }
    }

    /// A connection has come from another shard.
    fn arrived(&mut self, now: Instant, moved: Moved) {
        let Moved {
            stream,
            layer,
            peer,
            octets,
        } = moved;
        let who = Who::Peer(peer.listener.unwrap_or(ListenerId(0)));
        let Some(key) = self.enter_accepted(now, stream, layer, who) else {
            return;
        };
        self.opened_as(now, key, who, peer);
        if let Some(handle) = self.handle_of(key) {
            self.node.handle_read(now, handle, octets);
        }
        if let Some(socket) = self.sockets.get_mut(key) {
            // The last words of a handshake may wait in the layer; what breaks is found by reading.
            let _found_by_reading = socket.flush();
        }
    }

    /// Gives other shards what this turn has for them; whether that broke anything.
    pub(super) fn flush_links(&mut self, now: Instant) -> bool {
        let Some(links) = &mut self.links else {
            return false;
        };
        let mut gone = Vec::new();
        for (shard, (inbox, outbox)) in links.inboxes.iter().zip(&mut links.outboxes).enumerate() {
            if !outbox.is_empty() && !inbox.put(outbox) {
                outbox.clear();
                gone.push(shard);
            }
        }
        let mut broke = false;
        for shard in gone {
            let broken: Vec<usize> = self
                .pipes
                .iter()
                .filter(|(_, pipe)| usize::from(pipe.shard) == shard)
                .map(|(index, _)| index + PIPES)
                .collect();
            for key in broken {
                broke = true;
                self.break_pipe(now, key);
            }
        }
        broke
    }

    /// The loop ends: other shards hear of it.
    pub(super) fn end_links(&mut self) {
        let ends: Vec<(u16, PipeId)> = self.pipes.drain().map(|pipe| (pipe.shard, pipe.id)).collect();
        for (shard, id) in ends {
            self.say(shard, id, Word::Broken);
        }
        if let Some(links) = self.links.take() {
            let Links {
                inboxes,
                mut outboxes,
                ..
            } = *links;
            for (inbox, outbox) in inboxes.iter().zip(&mut outboxes) {
                let _taken_or_gone = inbox.put(outbox);
            }
            if let Some(own) = inboxes.get(usize::from(links.index)) {
                own.close();
            }
        }
    }
}
