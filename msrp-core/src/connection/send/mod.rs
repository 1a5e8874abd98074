//! The sending side of a connection: what leaves, and in which order.
//!
//! Three kinds of traffic share a connection. *Control* (responses, REPORTs, AUTH and the like) goes before all else.
//! *Whole chunks* are short messages that go as they are. *Lanes* carry one long message each; the scheduler serves
//! them in turn, opens chunks for them, and closes a chunk early when others wait (RFC 4975 §7.1.1).
//!
//! ```text
//!   respond, send_request ──▶ control ─┐
//!   send_chunk ─────────────▶ whole ───┼─▶ staged ──▶ Transmit ──▶ transport
//!   open_send, write, … ────▶ lanes ───┘   (at chunk boundaries only)
//! ```
//!
//! While no lane has anything to send, control and whole chunks are written straight into `staged`.

mod lane;
mod schedule;
mod staged;

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use slab::Slab;

pub(super) use self::staged::Complete;
pub use self::staged::Transmit;
use self::{
    lane::{Lane, Piece},
    schedule::OpenChunk,
    staged::LaneChunk,
};
use super::{
    ApiMisuse, Connection, ConnectionConfig, Event, INTERRUPTIBLE_ABOVE, MAX_OTHER_BODY, OutgoingId,
    SendError, WriteError,
};
use crate::{
    codec::{
        ChunkHead, EncodeError, EndLine, Found, Framing, HeadEdit, HeadTemplate, HeaderName, Own, encoder,
        encoder::BackPaths, put_end_line,
    },
    grammar::{ByteRange, ContinuationFlag, FailureReport, Method, TransactId},
};

/// Octets of whole chunks that may wait while lanes are at work; what exceeds it is blocked, so that many short
/// messages cannot keep a long one from moving.
const WHOLE_HIGH: usize = 64 * 1024;

/// Octets that may wait when a chunk is taken whole that is not all of its message: a long message in short chunks gives
/// way to others as one in a long chunk does. It is taken again when half of them have left.
const PARTS_HIGH: usize = 128 * 1024;

/// The sending side.
#[derive(Debug, Default)]
pub(super) struct Send {
    pub(super) staged: staged::Staged,
    control: staged::Aside,
    whole: staged::Aside,
    lanes: Slab<Lane>,
    /// Lanes with something to send, in the order in which they are served.
    ready: VecDeque<u32>,
    open: Option<Box<OpenChunk>>,
    lane_serial: u32,
    lanes_queued: usize,
    /// Somebody was told `Blocked` and wants to hear `SendReady`.
    wants_send_ready: bool,
    /// Somebody was told `Blocked` for a part of a message.
    wants_parts_ready: bool,
    /// Somebody was told `Unanswered` and wants to hear `SendReady`.
    wants_answers: bool,
    /// Lanes that were blocked by the bound of the connection.
    blocked_lanes: usize,
    /// Since when there is output of which nothing has been taken.
    stalled_since: Option<Instant>,
}

/// A request without chunks: REPORT, AUTH, NICKNAME, or a SEND without a body.
#[derive(Clone)]
pub struct OutgoingRequest<'a> {
    /// The method.
    pub method: Method<'a>,
    /// The value of To-Path.
    pub to_path: &'a [u8],
    /// The value of From-Path.
    pub from_path: &'a [u8],
    /// The headers after the paths, in order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Content-Type and body.
    pub body: Option<(&'a str, Bytes)>,
    /// What the request says of Failure-Report (the header itself stands in `headers`): whether an answer is awaited.
    pub failure_report: FailureReport,
    /// The caller's name for the request where its outcome is wanted; none for REPORT, which is never answered.
    pub tag: Option<u64>,
}

/// Paths and header values can be secrets of the session, so they are not printed.
impl std::fmt::Debug for OutgoingRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("OutgoingRequest")
            .field("method", &self.method)
            .field("headers", &names)
            .field("body", &self.body.as_ref().map(|(_, body)| body.len()))
            .field("failure_report", &self.failure_report)
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

impl Send {
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            staged: staged::Staged::new(framing),
            ..Self::default()
        }
    }

    pub(super) fn buffered(&self) -> usize {
        self.staged.len() + self.control.len() + self.whole.len() + self.lanes_queued
    }

    /// Whether so much waits that no further request of the peer is taken.
    pub(super) fn control_full(&self, config: &ConnectionConfig) -> bool {
        self.staged.len() + self.control.len() > config.send_high + config.control_high
    }

    /// Where the next response or request goes.
    pub(super) fn control_queue(&mut self, now: Instant) -> &mut staged::Staged {
        self.note_output(now);
        if self.open.is_some() {
            self.control.queue()
        } else {
            &mut self.staged
        }
    }

    /// Whether a whole chunk could leave behind nothing but what is staged.
    pub(super) fn takes_at_once(&self, config: &ConnectionConfig) -> bool {
        self.open.is_none()
            && self.ready.is_empty()
            && self.whole.is_empty()
            && self.staged.len() < config.send_high
            && self.buffered() < config.send_high
    }

    pub(super) fn note_output(&mut self, now: Instant) {
        self.stalled_since.get_or_insert(now);
    }

    /// Since when the transport has taken nothing of what there is.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since
    }

    /// `SendReady` is to follow when there is room again.
    pub(super) fn tell_when_ready(&mut self) {
        self.wants_send_ready = true;
    }

    /// Whether anybody was told that there is no room, and has not heard since that there is.
    fn somebody_is_blocked(&self) -> bool {
        self.wants_send_ready || self.blocked_lanes > 0
    }

    pub(super) fn forget_stall(&mut self) {
        self.stalled_since = None;
    }

    /// Whether nothing is left that could still be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.staged.is_empty() && self.control.is_empty() && self.whole.is_empty() && self.open.is_none()
    }

    /// Whether the transport could take something.
    pub(super) fn has_output(&self) -> bool {
        self.buffered() > 0
    }

    /// The messages under way have come to an end with the connection.
    pub(super) fn drop_lanes(&mut self) {
        self.staged.append(&mut self.control);
        self.staged.append(&mut self.whole);
        self.lanes = Slab::new();
        self.ready.clear();
        self.lanes_queued = 0;
        self.blocked_lanes = 0;
    }

    pub(super) fn clear(&mut self) {
        self.staged.clear();
        self.control.clear();
        self.whole.clear();
        self.lanes = Slab::new();
        self.ready.clear();
        self.open = None;
        self.lanes_queued = 0;
        self.stalled_since = None;
    }

    fn lane(&mut self, id: OutgoingId) -> Result<&mut Lane, ApiMisuse> {
        self.lanes
            .get_mut(id.slot as usize)
            .filter(|lane| lane.serial == id.serial)
            .ok_or(ApiMisuse::UnknownOutgoing)
    }

    /// Puts a lane in the queue if it has work and is not there.
    fn make_ready(&mut self, slot: u32) {
        let open = self.open.as_ref().is_some_and(|open| open.outgoing.slot == slot);
        if let Some(lane) = self.lanes.get_mut(slot as usize)
            && lane.has_work()
            && !lane.ready
            && !open
        {
            lane.ready = true;
            self.ready.push_back(slot);
        }
    }
}

impl Connection {
    /// Sends a request that goes in one piece: REPORT, AUTH, NICKNAME, an extension's method, or a SEND without a body.
    ///
    /// With a tag the transaction is tracked: 30 s after the last octet was taken by the transport it times out, and in
    /// any case it ends with one [`Event::TransactionEnded`].
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent.
    pub fn send_request(
        &mut self,
        now: Instant,
        request: &OutgoingRequest<'_>,
    ) -> Result<TransactId, SendError> {
        let now = self.clock(now);
        self.check_open()?;
        if self.send.control_full(&self.config) {
            self.send.wants_send_ready = true;
            return Err(SendError::Blocked);
        }
        check_request(request)?;
        let body = request.body.as_ref().map_or(&[][..], |(_, body)| body);
        let (slot, id) = self.open_transaction(request.tag, None, request.failure_report, body)?;
        let queue = self.send.control_queue(now);
        let reserve = 256 + request.to_path.len() + request.from_path.len();
        queue.write(reserve, |out| {
            encoder::put_request(
                out,
                &id,
                request.method.as_str(),
                request.to_path,
                request.from_path,
            );
            for (name, value) in request.headers {
                encoder::put_header(out, name, value);
            }
            if let Some((content_type, body)) = &request.body {
                encoder::put_header(out, "Content-Type", content_type.as_bytes());
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(body);
            }
            put_end_line(out, &id, ContinuationFlag::Complete, request.body.is_some());
        });
        queue.mark(slot.map_or(Complete::Frame, Complete::Transaction));
        self.stats.requests_out += 1;
        Ok(id)
    }

    /// Passes a request other than SEND on as a relay does (RFC 4976 §6.4.2): the first URI of To-Path goes to the
    /// front of From-Path, the transaction identifier is new, all else is as it came.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent.
    pub fn forward_request(
        &mut self,
        now: Instant,
        edit: &HeadEdit<'_>,
        body: &[u8],
        tag: Option<u64>,
    ) -> Result<TransactId, SendError> {
        let now = self.clock(now);
        self.check_open()?;
        if self.send.control_full(&self.config) {
            self.send.wants_send_ready = true;
            return Err(SendError::Blocked);
        }
        if tag.is_some() {
            self.check_answered()?;
        }
        let Some(method) = edit.head().method() else {
            return Err(EncodeError::Method.into());
        };
        if body.len() as u64 > MAX_OTHER_BODY {
            return Err(EncodeError::BodyTooLong {
                limit: MAX_OTHER_BODY as usize,
            }
            .into());
        }
        let (slot, id) = self.open_transaction(tag, None, FailureReport::Yes, body)?;
        let queue = self.send.control_queue(now);
        queue.write(edit.max_len() + body.len() + EndLine::MAX_LEN, |out| {
            edit.put_request(out, &id, method.as_str());
            out.extend_from_slice(body);
            put_end_line(out, &id, ContinuationFlag::Complete, edit.head().has_body());
        });
        queue.mark(slot.map_or(Complete::Frame, Complete::Transaction));
        self.stats.requests_out += 1;
        Ok(id)
    }

    /// Passes a response back as a relay does (RFC 4976 §6.4.3), under the identifier that the previous hop knows. `own`
    /// is how many of the first To-Path URIs are the relay's: they go to the front of From-Path.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent.
    pub fn forward_response(
        &mut self,
        now: Instant,
        id: &TransactId,
        response: &crate::codec::Head,
        own: Own,
    ) -> Result<(), SendError> {
        self.pass_response(now, id, response, BackPaths::Shift(own))
    }

    /// Passes a response back with these paths in place of its own, for a relay that stands between two sessions and
    /// knows the paths of both.
    ///
    /// # Errors
    /// As [`forward_response`](Self::forward_response).
    pub fn forward_response_readdressed(
        &mut self,
        now: Instant,
        id: &TransactId,
        response: &crate::codec::Head,
        to_path: &[u8],
        from_path: &[u8],
    ) -> Result<(), SendError> {
        self.pass_response(now, id, response, BackPaths::Readdress(to_path, from_path))
    }

    fn pass_response(
        &mut self,
        now: Instant,
        id: &TransactId,
        response: &crate::codec::Head,
        paths: BackPaths<'_>,
    ) -> Result<(), SendError> {
        let now = self.clock(now);
        self.check_open()?;
        // Two peers may conspire: one asks and reads nothing, the other gives long answers.
        if self.send.buffered() >= self.config.send_high.saturating_add(self.config.control_high) {
            return Err(SendError::Blocked);
        }
        let max_uris = self.config.limits.max_uris;
        let queue = self.send.control_queue(now);
        let mut put = None;
        queue.write(response.raw().len() + 128, |out| {
            let before = out.len();
            put = encoder::put_forwarded_response(out, id, response, max_uris, paths);
            if put.is_none() {
                out.truncate(before);
            }
        });
        put.ok_or(SendError::Encode(EncodeError::Method))?;
        queue.mark(Complete::Frame);
        self.stats.responses_out += 1;
        Ok(())
    }

    /// Sends one whole chunk of a message: a short message, or a chunk that is passed on as it came.
    ///
    /// The body has at most 2,048 octets unless the range's end is open (RFC 4975 §7.1.1), and with
    /// [`Framing::Message`] at most [`message_chunk`](super::ConnectionConfig::message_chunk). Chunks leave in the order in
    /// which they were given. The transaction is tracked unless `failure_report` is `no`.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent.
    #[allow(clippy::too_many_arguments, reason = "each is one part of a chunk")]
    pub fn send_chunk(
        &mut self,
        now: Instant,
        head: &impl ChunkHead,
        range: ByteRange,
        body: &Bytes,
        flag: ContinuationFlag,
        failure_report: FailureReport,
        tag: u64,
    ) -> Result<TransactId, SendError> {
        let now = self.clock(now);
        self.check_open()?;
        if body.len() as u64 > INTERRUPTIBLE_ABOVE
            && (range.end.is_some() || self.is_beyond_a_message(body.len()))
        {
            return Err(SendError::ChunkTooLong);
        }
        if !head.has_body() && !body.is_empty() {
            return Err(EncodeError::ContentType.into());
        }
        let lanes_at_work =
            self.send.open.is_some() || !self.send.ready.is_empty() || !self.send.whole.is_empty();
        let part = flag == ContinuationFlag::More || range.start > 1;
        let full = if lanes_at_work {
            self.send.whole.len() >= WHOLE_HIGH
        } else {
            self.send.staged.len() >= self.config.send_high
        };
        if part && self.send.staged.len() >= PARTS_HIGH {
            self.send.wants_parts_ready = true;
            return Err(SendError::Blocked);
        }
        if full || self.send.buffered() >= self.config.send_high {
            self.send.wants_send_ready = true;
            return Err(SendError::Blocked);
        }
        self.check_answered()?;
        let tag = (failure_report != FailureReport::No).then_some(tag);
        let exact = ByteRange {
            end: Some((range.start + body.len() as u64).saturating_sub(1)),
            ..range
        };
        let (slot, id) = self.open_transaction(tag, Some(exact), failure_report, body)?;
        self.send.note_output(now);
        let queue = if lanes_at_work {
            self.send.whole.queue()
        } else {
            &mut self.send.staged
        };
        let copied = if body.len() < staged::COPY_BELOW {
            body.len()
        } else {
            0
        };
        queue.write(head.max_len() + copied + EndLine::MAX_LEN, |out| {
            head.put(out, &id, &range)
        });
        queue.push(body.clone());
        queue.write(EndLine::MAX_LEN, |out| {
            put_end_line(out, &id, flag, head.has_body())
        });
        queue.mark(slot.map_or(Complete::Frame, Complete::Transaction));
        self.stats.requests_out += 1;
        Ok(id)
    }

    /// Opens a lane for a message of which octets will come bit by bit, beginning at position `start` (1 for a whole
    /// message). `tag` is the caller's name for it in [`Event::ChunkSent`] and [`Event::TransactionEnded`].
    ///
    /// # Errors
    /// [`SendError`]; nothing was opened.
    pub fn open_send(
        &mut self,
        template: HeadTemplate,
        start: u64,
        total: Option<u64>,
        failure_report: FailureReport,
        tag: u64,
    ) -> Result<OutgoingId, SendError> {
        self.check_open()?;
        if self.send.lanes.len() >= self.config.max_lanes {
            return Err(SendError::TooManyLanes {
                limit: self.config.max_lanes,
            });
        }
        self.send.lane_serial = self.send.lane_serial.wrapping_add(1);
        let serial = self.send.lane_serial;
        let slot = self.send.lanes.insert(Lane {
            serial,
            template,
            tag,
            failure_report,
            total,
            next: start.max(1),
            pieces: VecDeque::new(),
            queued: 0,
            end: None,
            blocked: false,
            begun: false,
            ready: false,
        });
        Ok(OutgoingId {
            slot: slot as u32,
            serial,
        })
    }

    /// Octets that the lane takes before it blocks; zero for a message that is not known.
    pub fn capacity(&self, outgoing: OutgoingId) -> usize {
        let room = self.config.send_high.saturating_sub(self.send.buffered());
        match self.send.lanes.get(outgoing.slot as usize) {
            Some(lane) if lane.serial == outgoing.serial && lane.end.is_none() => {
                self.config.lane_high.saturating_sub(lane.queued).min(room)
            }
            _ => 0,
        }
    }

    /// Adds octets to a message. They travel on as they are, without a copy, unless they are few.
    ///
    /// # Errors
    /// [`WriteError::Blocked`] when as much waits as may; the octets come back, and [`Event::Writable`] follows.
    /// [`WriteError::Unknown`] for a message that is not known or has been finished.
    pub fn write(&mut self, now: Instant, outgoing: OutgoingId, octets: Bytes) -> Result<(), WriteError> {
        self.write_piece(now, outgoing, octets, false)
    }

    /// The same with octets, or a part of them, of an [`Event::Body`] of another connection of which
    /// [`body_is_plain`](Self::body_is_plain) was true: they are not searched again for what could be taken for the end of
    /// their chunk. With others a receiver could be led astray.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_plain(
        &mut self,
        now: Instant,
        outgoing: OutgoingId,
        octets: Bytes,
    ) -> Result<(), WriteError> {
        self.write_piece(now, outgoing, octets, true)
    }

    fn write_piece(
        &mut self,
        now: Instant,
        outgoing: OutgoingId,
        octets: Bytes,
        plain: bool,
    ) -> Result<(), WriteError> {
        let now = self.clock(now);
        let full = self.send.buffered() >= self.config.send_high;
        let lane_high = self.config.lane_high;
        let Ok(lane) = self.send.lane(outgoing) else {
            return Err(WriteError::Unknown(octets));
        };
        if lane.end.is_some() {
            return Err(WriteError::Unknown(octets));
        }
        if octets.is_empty() {
            return Ok(());
        }
        if full || lane.queued >= lane_high {
            if !lane.blocked {
                lane.blocked = true;
                self.send.blocked_lanes += 1;
            }
            return Err(WriteError::Blocked(octets));
        }
        // What has to wait behind other octets may wait for long; a small slice would keep its whole block alive.
        let octets = if !lane.pieces.is_empty() && octets.len() < 8 * 1024 {
            Bytes::copy_from_slice(&octets)
        } else {
            octets
        };
        let len = octets.len();
        lane.queued += len;
        lane.pieces.push_back(Piece::Octets { octets, plain });
        self.send.lanes_queued += len;
        self.send.make_ready(outgoing.slot);
        self.send.note_output(now);
        Ok(())
    }

    /// Goes on at another position of the message: what was written before ends its chunk.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownOutgoing`].
    pub fn restart_at(&mut self, outgoing: OutgoingId, range_start: u64) -> Result<(), ApiMisuse> {
        let lane = self.send.lane(outgoing)?;
        if lane.end.is_some() {
            return Err(ApiMisuse::UnknownOutgoing);
        }
        if !lane.begun && lane.pieces.is_empty() {
            lane.next = range_start.max(1);
            return Ok(());
        }
        lane.pieces.push_back(Piece::Jump(range_start.max(1)));
        self.send.make_ready(outgoing.slot);
        Ok(())
    }

    /// Ends a message: `$` when it is complete, `#` when it ends early and what was written should still go out.
    ///
    /// # Errors
    /// [`ApiMisuse`].
    pub fn finish(
        &mut self,
        now: Instant,
        outgoing: OutgoingId,
        flag: ContinuationFlag,
    ) -> Result<(), ApiMisuse> {
        let now = self.clock(now);
        if flag == ContinuationFlag::More {
            return Err(ApiMisuse::NotAnEnd);
        }
        let lane = self.send.lane(outgoing)?;
        if lane.end.is_some() {
            return Err(ApiMisuse::UnknownOutgoing);
        }
        lane.end = Some(flag);
        self.send.make_ready(outgoing.slot);
        self.send.note_output(now);
        Ok(())
    }

    /// Gives a message up: what waits is dropped, and if anything of it has been sent the peer is told by `#`; then, and
    /// only then, the answer is `true`, and one more [`Event::ChunkSent`] follows.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownOutgoing`].
    pub fn abort(&mut self, now: Instant, outgoing: OutgoingId) -> Result<bool, ApiMisuse> {
        let now = self.clock(now);
        let open = self
            .send
            .open
            .as_ref()
            .is_some_and(|open| open.outgoing == outgoing);
        let lane = self.send.lane(outgoing)?;
        let dropped = std::mem::take(&mut lane.queued);
        lane.pieces.clear();
        lane.end = Some(ContinuationFlag::Abort);
        let begun = lane.begun;
        self.send.lanes_queued -= dropped;
        if !self.send.has_output() {
            // What the transport did not take is not there any more.
            self.send.forget_stall();
        }
        if open {
            self.close_chunk(now, ContinuationFlag::Abort);
            self.remove_lane(outgoing.slot);
        } else if begun {
            self.send.make_ready(outgoing.slot);
            self.send.note_output(now);
        } else {
            self.remove_lane(outgoing.slot);
        }
        self.tell_room();
        Ok(begun)
    }

    /// Lends what is to be sent, about `budget` octets at the most; `None` when there is nothing.
    pub fn poll_transmit(&mut self, now: Instant, budget: usize) -> Option<Transmit<'_>> {
        let now = self.clock(now);
        self.stage(now, budget);
        if self.send.staged.is_empty() {
            None
        } else {
            Some(Transmit::new(self, now))
        }
    }

    /// Octets have been taken by the transport.
    pub(super) fn on_taken(&mut self, now: Instant, octets: usize) {
        if octets == 0 {
            return;
        }
        self.stats.octets_out += octets as u64;
        let due = self.transactions.due(now, self.config.transaction_timeout);
        while let Some(complete) = self.send.staged.pop_passed() {
            match complete {
                Complete::Frame => {}
                Complete::Transaction(slot) => self.transactions.start(slot, due),
                Complete::LaneChunk(chunk) => {
                    let LaneChunk {
                        outgoing,
                        tag,
                        range,
                        flag,
                        transaction,
                    } = *chunk;
                    if let Some(slot) = transaction {
                        self.transactions.start(slot, due);
                    }
                    if self.closing.is_some_and(|closing| closing.told) {
                        // Nothing follows `Closed`, though output may still leave.
                        continue;
                    }
                    let tracked = transaction.is_some();
                    self.events.push_back(Event::ChunkSent {
                        outgoing,
                        tag,
                        range,
                        flag,
                        tracked,
                    });
                }
            }
        }
        self.send.stalled_since = if self.send.buffered() == 0 {
            None
        } else {
            Some(now)
        };
        self.tell_room();
    }

    /// Tells those who were blocked that there is room.
    pub(super) fn tell_room(&mut self) {
        if self.closing.is_some() {
            return;
        }
        let buffered = self.send.buffered();
        let low = self.config.send_high / 2;
        let parts = self.send.wants_parts_ready && self.send.staged.len() < PARTS_HIGH / 2;
        if parts || (self.send.wants_send_ready && buffered < low) {
            self.send.wants_parts_ready &= !parts;
            self.send.wants_send_ready &= buffered >= low;
            self.events.push_back(Event::SendReady);
        }
        if self.send.blocked_lanes > 0 && buffered < low {
            let lane_low = self.config.lane_low;
            for (slot, lane) in self.send.lanes.iter_mut() {
                if lane.blocked && lane.queued <= lane_low {
                    lane.blocked = false;
                    self.send.blocked_lanes -= 1;
                    let outgoing = OutgoingId {
                        slot: slot as u32,
                        serial: lane.serial,
                    };
                    self.events.push_back(Event::Writable { outgoing });
                }
            }
        }
    }

    /// An identifier for a request with this body and, where there is a tag, a transaction.
    ///
    /// RFC 4975 §7.1: the body must not contain the end-line. With an identifier drawn after the body was known this
    /// takes a miracle, but the body is searched all the same.
    pub(super) fn open_transaction(
        &mut self,
        tag: Option<u64>,
        range: Option<ByteRange>,
        failure_report: FailureReport,
        body: &[u8],
    ) -> Result<(Option<u32>, TransactId), SendError> {
        if tag.is_some() && self.transactions.len() >= self.config.max_transactions {
            return Err(SendError::TooManyTransactions {
                limit: self.config.max_transactions,
            });
        }
        loop {
            let (slot, id) = match tag {
                Some(tag) => {
                    let (slot, id) = self.transactions.open(&mut self.ids, tag, range, failure_report);
                    (Some(slot), id)
                }
                None => (None, self.ids.transact_id()),
            };
            let end_line = EndLine::new(id);
            if !matches!(end_line.find_in_outgoing(body), Found::At(..)) && end_line.may_start_with(body) {
                return Ok((slot, id));
            }
            if slot.is_some() {
                self.transactions.complete(&id);
            }
        }
    }

    /// Whether a chunk with so long a body is more than a message of the transport holds.
    fn is_beyond_a_message(&self, len: usize) -> bool {
        self.decoder.framing() == Framing::Message && len as u64 > self.config.message_chunk
    }

    /// Whether as many requests are unanswered as may: who answers nothing is sent nothing more.
    pub(super) fn is_unanswered(&self) -> bool {
        self.transactions.len() >= self.config.unanswered_high
    }

    fn check_answered(&mut self) -> Result<(), SendError> {
        if self.is_unanswered() {
            self.send.wants_answers = true;
            return Err(SendError::Unanswered {
                limit: self.config.unanswered_high,
            });
        }
        Ok(())
    }

    /// A transaction has come to its end: tells those who waited for it.
    pub(super) fn tell_answered(&mut self) {
        if self.send.wants_answers && self.transactions.len() <= self.config.unanswered_high / 2 {
            self.send.wants_answers = false;
            self.events.push_back(Event::SendReady);
        }
    }

    fn check_open(&self) -> Result<(), SendError> {
        if self.closing.is_some() {
            Err(SendError::Closed)
        } else {
            Ok(())
        }
    }
}

/// Whether a request that goes in one piece is a legal one.
fn check_request(request: &OutgoingRequest<'_>) -> Result<(), EncodeError> {
    let method = request.method.as_str();
    if method.is_empty() || !method.bytes().all(|octet| octet.is_ascii_uppercase()) {
        return Err(EncodeError::Method);
    }
    for path in [request.to_path, request.from_path] {
        encoder::check_header("To-Path", path)?;
    }
    let has = |wanted| {
        let mut names = request.headers.iter().map(|(name, _)| name.as_bytes());
        names.any(|name| HeaderName::from_octets(name) == wanted)
    };
    if request.method == Method::Report && !(has(HeaderName::MessageId) && has(HeaderName::Status)) {
        return Err(EncodeError::IncompleteReport);
    }
    for (name, value) in request.headers {
        encoder::check_header(name, value)?;
        match HeaderName::from_octets(name.as_bytes()) {
            HeaderName::ToPath | HeaderName::FromPath | HeaderName::ContentType => {
                return Err(EncodeError::HeaderName);
            }
            HeaderName::SuccessReport | HeaderName::FailureReport if request.method == Method::Report => {
                return Err(EncodeError::ReportAboutReport);
            }
            _ => {}
        }
        let mime = name
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case("Content-"));
        if mime && request.body.is_none() {
            return Err(EncodeError::ContentType);
        }
    }
    match &request.body {
        Some(_) if request.method == Method::Send => Err(EncodeError::ContentType),
        Some((_, body)) if body.len() as u64 > MAX_OTHER_BODY => Err(EncodeError::BodyTooLong {
            limit: MAX_OTHER_BODY as usize,
        }),
        Some((content_type, _)) => {
            encoder::check_header("Content-Type", content_type.as_bytes())?;
            Ok(())
        }
        None => Ok(()),
    }
}
