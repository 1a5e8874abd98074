//! Messages that are passed on bit by bit: what comes in leaves at once, in the chunks of the outgoing connection.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use msrp_core::{
    codec::HeadTemplate,
    connection::{OutgoingId, SendError, WriteError},
    grammar::{ContinuationFlag, StatusCode},
    node::ConnectionHandle,
};

use crate::{
    anchor::table::edit,
    connection::Wait,
    failure::{ChunkContext, Tag, lane_tag},
    forward::{Reason, incoming::Held},
    relay::Relay,
    session::Traffic,
};

/// One message under way between two connections. Nothing of it is kept here but its position, and whom to tell of
/// failures.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Tells it from those that stood in its place before.
    pub(crate) serial: u32,
    pub(crate) context: ChunkContext,
    pub(crate) out: ConnectionHandle,
    pub(super) outgoing: OutgoingId,
    /// Position of the next octet to come.
    pub(super) next: u64,
    /// Position of the next octet to be handed to the transport.
    pub(super) sent: u64,
    pub(super) total: Option<u64>,
    /// Chunks whose fate is open.
    pub(super) open: u32,
    /// Its last chunk has been sent.
    pub(super) done: bool,
    /// All of it has been sent.
    pub(super) complete: bool,
    /// Its sender, or we, gave it up.
    pub(super) given_up: bool,
    /// What the outgoing connection did not take and the incoming one need not wait for.
    pub(super) backlog: VecDeque<Piece>,
    pub(super) backlog_len: usize,
    /// How the message ends, once the backlog is gone.
    pub(super) end: Option<ContinuationFlag>,
    pub(crate) last_used: Instant,
}

impl Lane {
    /// Whether octets of it wait here.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }
}

/// A part of a backlog.
#[derive(Debug)]
pub(super) enum Piece {
    Octets(Bytes),
    /// The message goes on at this position.
    Jump(u64),
}

/// Slices below this size are copied when they have to wait, so that they do not keep a read block alive.
const COPY_BELOW: usize = 8 * 1024;

impl Relay {
    /// The message at hand is too long, or its length too uncertain, to be held: opens a lane, and writes what was held.
    pub(crate) fn open_lane(&mut self, from: ConnectionHandle, key: u32) {
        let now = self.now;
        let max_uris = self.max_uris();
        let Some(route) = self
            .incoming
            .get(key as usize)
            .and_then(|incoming| incoming.route)
        else {
            return self.refuse(from, StatusCode::BAD_REQUEST, Reason::Malformed);
        };
        let shown = self.shown_to(key, route);
        let Some(incoming) = self.incoming.get_mut(key as usize) else {
            return;
        };
        let Ok(Some(message)) = incoming.head.message_id() else {
            return self.refuse(from, StatusCode::BAD_REQUEST, Reason::Malformed);
        };
        let open = self
            .table
            .get(from)
            .and_then(|(_, data)| data.rare.as_ref())
            .map_or(0, |rare| rare.lanes_in.len());
        if open >= self.config.max_open_messages {
            return self.refuse(from, StatusCode::STOP_SENDING, Reason::NoRoom);
        }
        let Ok(edit) = edit(&self.anchors, &incoming.head, max_uris, route, shown.as_deref()) else {
            return self.refuse(from, StatusCode::BAD_REQUEST, Reason::Malformed);
        };
        let failure_report = incoming.failure_report;
        let index = self.lanes.vacant_key() as u32;
        let serial = self.lane_serial.wrapping_add(1);
        let tag = lane_tag(index, serial);
        let template = HeadTemplate::forward(&edit);
        let (start, total) = (incoming.range.start, incoming.range.total);
        let opened = match self.table.get_mut(route.out) {
            Some((connection, _)) => connection.open_send(template, start, total, failure_report, tag),
            None => Err(SendError::Closed),
        };
        let outgoing = match opened {
            Ok(outgoing) => outgoing,
            Err(SendError::Closed) => {
                return self.refuse(from, StatusCode::NO_SUCH_SESSION, Reason::NoSession);
            }
            Err(_) => return self.refuse(from, StatusCode::STOP_SENDING, Reason::NoRoom),
        };
        let context = self.contexts.chunk(
            from,
            route.binding,
            message,
            failure_report,
            edit.own_uri(),
            edit.from_path(),
        );
        self.lane_serial = serial;
        let lane = self.lanes.insert(Lane {
            serial,
            context,
            out: route.out,
            outgoing,
            next: start,
            sent: start,
            total,
            open: 0,
            done: false,
            complete: false,
            given_up: false,
            backlog: VecDeque::new(),
            backlog_len: 0,
            end: None,
            last_used: now,
        }) as u32;
        debug_assert_eq!(lane, index);
        self.stats.lanes_opened += 1;
        incoming.lane = Some(lane);
        let held = incoming.held.take();
        self.count(route, Traffic::octets(held.len()));
        if let Some((_, data)) = self.table.get_mut(from) {
            data.rare().lanes_in.push(lane);
            if !route.binding.is_elsewhere() {
                data.prove();
            }
        }
        if let Some((_, data)) = self.table.get_mut(route.out) {
            data.rare().lanes_out.push(lane);
        }
        self.write_lane(from, key, lane, held, false);
    }

    /// Another chunk of a message that is under way.
    pub(crate) fn continue_lane(&mut self, lane: u32, start: u64) {
        let now = self.now;
        let Some(open) = self.lanes.get_mut(lane as usize) else {
            return;
        };
        open.last_used = now;
        if start == open.next {
            return;
        }
        open.next = start;
        if !open.backlog.is_empty() {
            open.backlog.push_back(Piece::Jump(start));
        } else if let Some((connection, _)) = self.table.get_mut(open.out) {
            // A lane that is gone is noticed at the first octet.
            let _known = connection.restart_at(open.outgoing, start);
        }
    }

    /// Passes octets on. `plain` ones hold nothing that an end-line could begin with: they were searched as they came.
    pub(crate) fn write_lane(
        &mut self,
        from: ConnectionHandle,
        key: u32,
        lane: u32,
        data: Bytes,
        plain: bool,
    ) {
        let now = self.now;
        let Some(open) = self.lanes.get_mut(lane as usize) else {
            return;
        };
        let (out, len) = (open.out, data.len());
        open.last_used = now;
        if self.is_full_for(out) && self.is_slow(out) {
            // Of those for whom much waits, none is given more.
            self.poison(Tag::Lane(lane), StatusCode::STOP_SENDING);
            return;
        }
        let Some(open) = self.lanes.get_mut(lane as usize) else {
            return;
        };
        let written = if !open.backlog.is_empty() {
            Err(WriteError::Blocked(data))
        } else {
            match self.table.get_mut(out) {
                Some((connection, beside)) => {
                    beside.last_used = now;
                    beside.earn_reports(len);
                    if plain {
                        connection.write_plain(now, open.outgoing, data)
                    } else {
                        connection.write(now, open.outgoing, data)
                    }
                }
                None => Err(WriteError::Unknown(data)),
            }
        };
        match written {
            Ok(()) => {
                open.next += len as u64;
                self.touch(out);
            }
            Err(WriteError::Blocked(data)) => self.hold_back(from, key, lane, data),
            Err(_) => self.refuse(from, StatusCode::NO_SUCH_SESSION, Reason::NoSession),
        }
    }

    /// The receiver is slower than the sender: either the sender waits, or the octets do, up to a bound, and then the
    /// sender if that helps.
    fn hold_back(&mut self, from: ConnectionHandle, key: u32, lane: u32, data: Bytes) {
        let bound = self.buffers_for(from);
        let full = self.is_full();
        let Some(open) = self.lanes.get_mut(lane as usize) else {
            return;
        };
        let out = open.out;
        let Some(bound) = bound else {
            if let Some(incoming) = self.incoming.get_mut(key as usize) {
                incoming.held = Held::Slice(data);
            }
            return self.set_wait(from, Wait::Room(out));
        };
        if open.backlog_len + data.len() > bound || full {
            if let Some(patience) = self.patience_with(out).filter(|_| !full) {
                if let Some(incoming) = self.incoming.get_mut(key as usize) {
                    incoming.held = Held::Slice(data);
                }
                let until = self.now + patience;
                return self.set_wait(from, Wait::Slow { out, until });
            }
            let code = StatusCode::STOP_SENDING;
            self.poison(Tag::Lane(lane), code);
            return;
        }
        let len = data.len();
        let data = if len < COPY_BELOW {
            Bytes::copy_from_slice(&data)
        } else {
            data
        };
        open.next += len as u64;
        open.backlog_len += len;
        open.backlog.push_back(Piece::Octets(data));
        self.backlog += len;
    }

    /// There is room on a connection: what was kept for it goes first.
    pub(crate) fn flush_lanes(&mut self, out: ConnectionHandle) {
        let now = self.now;
        let Some((connection, data)) = self.table.get_mut(out) else {
            return;
        };
        let Some(rare) = &data.rare else { return };
        let mut moved = false;
        for &lane in &rare.lanes_out {
            let Some(open) = self.lanes.get_mut(lane as usize) else {
                continue;
            };
            while let Some(piece) = open.backlog.pop_front() {
                moved = true;
                match piece {
                    Piece::Jump(to) => {
                        let _known = connection.restart_at(open.outgoing, to);
                    }
                    Piece::Octets(octets) => {
                        let len = octets.len();
                        match connection.write(now, open.outgoing, octets) {
                            Err(WriteError::Blocked(octets)) => {
                                open.backlog.push_front(Piece::Octets(octets));
                                break;
                            }
                            // A lane that is gone takes its backlog with it.
                            Ok(()) | Err(_) => {
                                open.backlog_len -= len;
                                self.backlog -= len;
                            }
                        }
                    }
                }
            }
            if open.backlog.is_empty()
                && let Some(flag) = open.end.take()
            {
                let _known = connection.finish(now, open.outgoing, flag);
            }
        }
        if moved {
            self.touch(out);
        }
    }

    /// The end-line of a chunk of this message has come: `+` leaves the lane open for the next chunk.
    pub(crate) fn end_lane_chunk(&mut self, from: ConnectionHandle, key: u32, lane: u32) {
        let now = self.now;
        let Some(incoming) = self.incoming.get(key as usize) else {
            return;
        };
        if incoming.held.len() > 0 {
            // Waits for room; comes back here.
            return;
        }
        let Some(flag) = incoming.ended else { return };
        let Some(binding) = incoming.route.map(|route| route.binding) else {
            return;
        };
        if flag != ContinuationFlag::More {
            if let Some(open) = self.lanes.get_mut(lane as usize) {
                let out = open.out;
                open.given_up |= flag == ContinuationFlag::Abort;
                if !open.backlog.is_empty() {
                    open.end = Some(flag);
                } else if let Some((connection, _)) = self.table.get_mut(out) {
                    let _known = connection.finish(now, open.outgoing, flag);
                }
                self.touch(out);
            }
            self.detach_lane(lane);
        }
        if let Some(incoming) = self.take_incoming(from) {
            if let Some(route) = incoming.route {
                self.count_chunk(route, Traffic::chunk(0, incoming.ended), incoming.since);
            }
            self.accept(from, incoming.id, binding);
        }
    }
}
