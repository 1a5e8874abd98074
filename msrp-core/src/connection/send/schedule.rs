//! Which lane may send, how much, and where its chunks end.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::{
    super::{Connection, INTERRUPTIBLE_ABOVE, OutgoingId},
    lane::Piece,
    staged::{Complete, LaneChunk},
};
use crate::{
    codec::{ChunkHead, EndLine, Found, Framing, put_end_line},
    grammar::{ByteRange, ContinuationFlag, FailureReport, TransactId},
};

/// The chunk of a lane that has begun and not ended.
#[derive(Debug)]
pub(super) struct OpenChunk {
    pub(super) outgoing: OutgoingId,
    id: TransactId,
    transaction: Option<u32>,
    start: u64,
    sent: u64,
    total: Option<u64>,
    /// The chunk says where it ends, so it may not be cut.
    fixed: Option<u64>,
    has_body: bool,
    /// The last octets staged, as far as they may be the beginning of this chunk's end-line.
    carry: BytesMut,
    /// Since when there has been nothing to send in it, with nothing waiting for the transport either.
    starved_since: Option<Instant>,
}

impl Connection {
    /// Stages about `budget` octets.
    pub(super) fn stage(&mut self, now: Instant, budget: usize) {
        if self.send.open.is_none() && self.send.ready.is_empty() && self.send.whole.is_empty() {
            return;
        }
        while self.send.staged.len() < budget {
            let progress = match self.send.open {
                Some(_) => self.continue_chunk(now, budget),
                None => self.open_chunk(),
            };
            if !progress {
                break;
            }
        }
        self.tell_room();
    }

    /// Others that want the connection: control at once, lanes and whole chunks after a quantum.
    fn others_wait(&self, quantum_used: bool) -> bool {
        let send = &self.send;
        !send.control.is_empty() || (quantum_used && (!send.whole.is_empty() || !send.ready.is_empty()))
    }

    /// At a boundary between chunks: what waits goes first, then the next lane opens a chunk.
    fn open_chunk(&mut self) -> bool {
        let send = &mut self.send;
        send.staged.append(&mut send.control);
        send.staged.append(&mut send.whole);
        // Each tracked chunk holds a transaction until its response comes; as long as there is none to be had, only
        // messages that want no answer go on.
        let full = self.transactions.len() >= self.config.max_transactions;
        let may_go = |slot: &u32| {
            let lane = send.lanes.get(*slot as usize);
            !full || lane.is_none_or(|lane| lane.failure_report == FailureReport::No || !lane.has_work())
        };
        let Some(slot) = send
            .ready
            .iter()
            .position(may_go)
            .and_then(|at| send.ready.remove(at))
        else {
            return false;
        };
        let Some(lane) = send.lanes.get_mut(slot as usize) else {
            return true;
        };
        lane.ready = false;
        while let Some(Piece::Jump(to)) = lane.pieces.front() {
            lane.next = *to;
            lane.pieces.pop_front();
        }
        if !lane.has_work() {
            return true;
        }
        let outgoing = OutgoingId {
            slot,
            serial: lane.serial,
        };
        let start = lane.next;
        let max_chunk = self.config.longest_chunk(self.decoder.framing());
        // A chunk that holds all the rest, or as much as a chunk may hold, can say where it ends if it is small.
        let fixed = match (lane.rest(), max_chunk) {
            (Some(rest), None) if rest <= INTERRUPTIBLE_ABOVE => Some(rest),
            (Some(rest), Some(max)) if rest <= max.min(INTERRUPTIBLE_ABOVE) => Some(rest),
            (_, Some(max)) if max <= INTERRUPTIBLE_ABOVE && contiguous(lane) >= max => Some(max),
            _ => None,
        };
        let range = ByteRange {
            start,
            end: fixed.map(|len| (start + len).saturating_sub(1)),
            total: lane
                .total
                .or_else(|| lane.rest().and_then(|rest| (start + rest).checked_sub(1))),
        };
        let (total, tag, failure_report) = (range.total, lane.tag, lane.failure_report);
        let track = (failure_report != FailureReport::No).then_some(tag);
        // A chunk that says where it ends cannot be cut, so its body is searched before its identifier is settled; it is
        // small.
        let known = fixed.map(|len| gather(lane, len)).unwrap_or_default();
        let (transaction, id) = loop {
            let (transaction, id) = match track {
                Some(tag) => {
                    let (slot, id) = self.transactions.open(&mut self.ids, tag, None, failure_report);
                    (Some(slot), id)
                }
                None => (None, self.ids.transact_id()),
            };
            let end_line = EndLine::new(id);
            if !matches!(end_line.find_in_outgoing(&known), Found::At(..)) && end_line.may_start_with(&known)
            {
                break (transaction, id);
            }
            self.transactions.complete(&id);
        };
        let Some(lane) = self.send.lanes.get_mut(slot as usize) else {
            return true;
        };
        lane.begun = true;
        let has_body = lane.template.has_body();
        let template = &lane.template;
        self.send
            .staged
            .write(template.max_len(), |out| template.put(out, &id, &range));
        self.stats.requests_out += 1;
        self.send.open = Some(Box::new(OpenChunk {
            outgoing,
            id,
            transaction,
            start,
            sent: 0,
            total,
            fixed,
            has_body,
            // The blank line before the body could be the beginning of what looks like an end-line.
            carry: if has_body && fixed.is_none() {
                BytesMut::from(&b"\r\n"[..])
            } else {
                BytesMut::new()
            },
            starved_since: None,
        }));
        true
    }

    /// Goes on with the open chunk; `false` when nothing can be done now.
    fn continue_chunk(&mut self, now: Instant, budget: usize) -> bool {
        let quantum = self.config.quantum as u64;
        let framing = self.decoder.framing();
        let Some(open) = &self.send.open else { return false };
        let (slot, sent, fixed) = (open.outgoing.slot, open.sent, open.fixed);
        // With all octets of the message in it, a chunk is not cut for the sake of the end-line: that is due at once, and a
        // chunk without octets would have to be made for it.
        let whole = sent > 0 && open.total == Some((open.start + sent).saturating_sub(1));
        let interruptible = fixed.is_none() && sent >= INTERRUPTIBLE_ABOVE && !whole;
        if interruptible && self.others_wait(sent >= quantum) {
            self.interrupt(now);
            return true;
        }
        let others = !self.send.whole.is_empty() || !self.send.ready.is_empty();
        let mut room = budget.saturating_sub(self.send.staged.len()) as u64;
        if others && fixed.is_none() {
            room = room.min(quantum.saturating_sub(sent).max(1));
        }
        if !self.send.control.is_empty() && fixed.is_none() {
            // Control goes first, as soon as the chunk may be cut.
            room = room.min(INTERRUPTIBLE_ABOVE.saturating_sub(sent).max(1));
        }
        let chunk_room = match (fixed, self.config.longest_chunk(framing)) {
            (Some(len), _) => len - sent,
            (None, Some(max)) => max.saturating_sub(sent),
            (None, None) => u64::MAX,
        };
        if fixed.is_some() {
            // An uninterruptible chunk goes out whole; it is small.
            room = chunk_room;
        }
        let Some(lane) = self.send.lanes.get_mut(slot as usize) else {
            return false;
        };
        if chunk_room == 0 && lane.rest() != Some(0) {
            self.interrupt(now);
            return true;
        }
        match lane.pieces.front() {
            Some(Piece::Octets { .. }) => {
                let most = usize::try_from(room.min(chunk_room)).unwrap_or(usize::MAX);
                if let Some((octets, plain)) = lane.take(most) {
                    self.send.lanes_queued -= octets.len();
                    self.stage_body(now, octets, plain);
                }
                true
            }
            Some(Piece::Jump(_)) => {
                self.interrupt(now);
                true
            }
            None => match lane.end {
                Some(flag) => {
                    self.close_chunk(now, flag);
                    self.remove_lane(slot);
                    true
                }
                None => {
                    // As long as something waits for the transport, nothing is late; but one that carries messages may itself
                    // be waiting for the end of this chunk.
                    let dry = self.send.staged.is_empty() || framing == Framing::Message;
                    if dry && let Some(open) = &mut self.send.open {
                        open.starved_since.get_or_insert(now);
                    }
                    // Whoever is told that there is no room may be the one on whom this chunk's next octets depend: two
                    // messages from one connection, which waits with the second. Then only the end of the chunk helps.
                    let held_up = dry && fixed.is_none() && !whole && self.send.somebody_is_blocked();
                    if (interruptible || held_up) && self.others_wait(true) {
                        self.interrupt(now);
                        return true;
                    }
                    false
                }
            },
        }
    }

    /// Stages body octets, unless the chunk's own end-line would come about: then the chunk ends before it, and the
    /// octets go on in a chunk with another identifier (RFC 4975 §7.1).
    fn stage_body(&mut self, now: Instant, mut octets: Bytes, plain: bool) {
        let Some(open) = &mut self.send.open else { return };
        open.starved_since = None;
        if open.fixed.is_some() {
            return self.push_body(octets);
        }
        let end_line = EndLine::new(open.id);
        if !open.carry.is_empty() {
            // Would the end of what is staged and the beginning of these octets make an end-line?
            let mut joined = open.carry.split();
            let carried = joined.len();
            joined.extend_from_slice(
                octets
                    .get(..octets.len().min(EndLine::MAX_LEN))
                    .unwrap_or_default(),
            );
            match end_line.find_in_outgoing(&joined) {
                Found::At(at, _) if at < carried => return self.cut(now, octets, plain),
                Found::Partial(at) if at < carried && octets.len() < EndLine::MAX_LEN => {
                    let _before = joined.split_to(at);
                    open.carry = joined;
                    self.push_body(octets);
                    return;
                }
                _ => {}
            }
        }
        let found = if plain {
            EndLine::find_at_end(&octets)
        } else {
            end_line.find_in_outgoing(&octets)
        };
        match found {
            Found::At(0, _) => self.cut(now, octets, plain),
            Found::At(at, _) => {
                let rest = octets.split_off(at);
                self.push_body(octets);
                self.cut(now, rest, plain);
            }
            Found::Partial(at) => {
                open.carry.extend_from_slice(octets.get(at..).unwrap_or_default());
                self.push_body(octets);
            }
            Found::Nothing => self.push_body(octets),
        }
    }

    fn push_body(&mut self, octets: Bytes) {
        if let Some(open) = &mut self.send.open {
            open.sent += octets.len() as u64;
            if let Some(lane) = self.send.lanes.get_mut(open.outgoing.slot as usize) {
                lane.next += octets.len() as u64;
            }
        }
        self.send.staged.push(octets);
    }

    /// Ends the chunk here; `rest` goes on in the next one.
    fn cut(&mut self, now: Instant, rest: Bytes, plain: bool) {
        let Some(open) = &self.send.open else { return };
        let slot = open.outgoing.slot;
        if let Some(lane) = self.send.lanes.get_mut(slot as usize) {
            self.send.lanes_queued += rest.len();
            lane.put_back(rest, plain);
        }
        self.close_chunk(now, ContinuationFlag::More);
        // The same lane goes on at once: this cut was no turn.
        if let Some(lane) = self.send.lanes.get_mut(slot as usize)
            && !lane.ready
        {
            lane.ready = true;
            self.send.ready.push_front(slot);
        }
    }

    /// Ends the chunk with `+`; its lane goes to the end of the queue.
    fn interrupt(&mut self, now: Instant) {
        let Some(open) = &self.send.open else { return };
        let slot = open.outgoing.slot;
        self.close_chunk(now, ContinuationFlag::More);
        self.send.make_ready(slot);
    }

    /// Writes the end-line of the open chunk.
    pub(in super::super) fn close_chunk(&mut self, now: Instant, flag: ContinuationFlag) {
        let Some(open) = self.send.open.take() else { return };
        self.send.note_output(now);
        let staged = &mut self.send.staged;
        staged.write(EndLine::MAX_LEN, |out| {
            put_end_line(out, &open.id, flag, open.has_body)
        });
        let range = ByteRange {
            start: open.start,
            end: Some((open.start + open.sent).saturating_sub(1)),
            total: open.total,
        };
        let tag = self
            .send
            .lanes
            .get(open.outgoing.slot as usize)
            .map_or(0, |lane| lane.tag);
        if let Some(slot) = open.transaction
            && let Some(transaction) = self.transactions.get_mut(slot)
        {
            transaction.range = Some(range);
        }
        staged.mark(Complete::LaneChunk(Box::new(LaneChunk {
            outgoing: open.outgoing,
            tag,
            range,
            flag,
            transaction: open.transaction,
        })));
        let send = &mut self.send;
        send.staged.append(&mut send.control);
    }

    pub(super) fn remove_lane(&mut self, slot: u32) {
        if let Some(lane) = self.send.lanes.try_remove(slot as usize) {
            self.send.lanes_queued -= lane.queued;
            if lane.blocked {
                self.send.blocked_lanes -= 1;
            }
            if lane.ready {
                self.send.ready.retain(|&ready| ready != slot);
            }
        }
    }

    /// When an open chunk without data has to end: soon when others wait, later when not.
    pub(in super::super) fn starved_deadline(&self) -> Option<Instant> {
        let open = self.send.open.as_ref()?;
        let since = open.starved_since?;
        let others = self.others_wait(true);
        let wait = if others {
            self.config.stall_timeout
        } else {
            self.config.chunk_idle_timeout
        };
        Some(since + wait)
    }

    /// Ends an open chunk that has been without data for too long.
    pub(in super::super) fn end_starved_chunk(&mut self, now: Instant) {
        if self.starved_deadline().is_some_and(|at| at <= now)
            && self.send.open.as_ref().is_some_and(|open| open.fixed.is_none())
        {
            self.interrupt(now);
        }
    }
}

/// The next `len` octets of a lane, which are contiguous in the message.
fn gather(lane: &super::lane::Lane, len: u64) -> Bytes {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    match lane.pieces.front() {
        Some(Piece::Octets { octets, .. }) if octets.len() >= len => octets.slice(..len),
        _ => {
            let mut gathered = BytesMut::with_capacity(len.min(INTERRUPTIBLE_ABOVE as usize));
            for piece in &lane.pieces {
                let Piece::Octets { octets, .. } = piece else {
                    break;
                };
                let room = len - gathered.len();
                gathered.extend_from_slice(octets.get(..room.min(octets.len())).unwrap_or_default());
            }
            gathered.freeze()
        }
    }
}

/// Octets at the front of a lane up to the first jump.
fn contiguous(lane: &super::lane::Lane) -> u64 {
    lane.pieces
        .iter()
        .map_while(|piece| match piece {
            Piece::Octets { octets, .. } => Some(octets.len() as u64),
            Piece::Jump(_) => None,
        })
        .sum()
}
