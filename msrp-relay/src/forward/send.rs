//! SEND: a short chunk whole, a long one bit by bit (RFC 4976 §6.4.1).

use std::time::Duration;

use bytes::Bytes;
use msrp_core::{
    connection::{INTERRUPTIBLE_ABOVE, RequestId, SendError},
    grammar::{ByteRange, ContinuationFlag, FailureReport, StatusCode},
    node::ConnectionHandle,
};

use crate::{
    anchor::table::edit,
    bindings::BindingId,
    config::SlowReceiver,
    connection::Wait,
    failure::{Context, Tag},
    forward::{Reason, Route, incoming::Held},
    relay::Relay,
    session::Traffic,
};

impl Relay {
    /// A SEND whose way is known begins.
    pub(crate) fn begin_send(&mut self, from: ConnectionHandle, key: u32, route: Route) {
        let Some(incoming) = self.incoming.get(key as usize) else {
            return;
        };
        let Some((_, data)) = self.table.get(from) else {
            return;
        };
        let mut lane = None;
        if data.rare.is_some()
            && let Ok(Some(message)) = incoming.head.message_id()
        {
            if let Some(code) = data.poison(route.binding, &message) {
                return self.refuse(from, code, Reason::Poisoned);
            }
            lane = self.find_lane(from, route.binding, &message);
        }
        let begins = lane.is_none() && incoming.range.start == 1;
        // What comes by a pipe has been taken by another shard, which has told its sender so.
        let is_too_late = self.draining && begins && !self.is_pipe(from);
        if self.is_full_for(route.out) || is_too_late || self.is_over_rate(route) {
            return self.refuse(from, StatusCode::STOP_SENDING, Reason::NoRoom);
        }
        self.stats.chunks_in += 1;
        if let Some(lane) = lane
            && let Some(incoming) = self.incoming.get_mut(key as usize)
        {
            incoming.lane = Some(lane);
            let start = incoming.range.start;
            self.continue_lane(lane, start);
        }
    }

    /// Octets of a SEND have come.
    pub(crate) fn on_send_body(&mut self, from: ConnectionHandle, key: u32, data: Bytes, plain: bool) {
        let Some(incoming) = self.incoming.get_mut(key as usize) else {
            return;
        };
        if let Some(lane) = incoming.lane {
            if let Some(route) = incoming.route {
                self.count(route, Traffic::octets(data.len()));
            }
            self.write_lane(from, key, lane, data, plain);
            return;
        }
        incoming.held.push(data);
        if incoming.held.len() as u64 > INTERRUPTIBLE_ABOVE {
            self.go_on_bit_by_bit(from, key);
        }
    }

    /// The end-line of a SEND has come.
    pub(crate) fn on_send_end(&mut self, from: ConnectionHandle, key: u32) {
        let Some(incoming) = self.incoming.get(key as usize) else {
            return;
        };
        match (incoming.lane, incoming.connecting) {
            (Some(lane), _) => self.end_lane_chunk(from, key, lane),
            (None, Some(connecting)) => self.park(from, connecting),
            (None, None) => self.send_whole(from, key),
        }
    }

    /// What was received so far has been looked at, and the request is not complete: a chunk that says that it is short
    /// is waited for, any other goes on bit by bit.
    pub(crate) fn on_send_pause(&mut self, from: ConnectionHandle, key: u32) {
        let Some(incoming) = self.incoming.get_mut(key as usize) else {
            return;
        };
        if incoming.lane.is_some() || incoming.ended.is_some() {
            return;
        }
        let range = incoming.range;
        let short = range
            .end
            .is_some_and(|end| end.saturating_sub(range.start) < INTERRUPTIBLE_ABOVE);
        if short || incoming.held.len() == 0 {
            incoming.detach();
        } else {
            self.go_on_bit_by_bit(from, key);
        }
    }

    /// The message cannot be held: its octets go on as they come, as soon as the next hop is there.
    fn go_on_bit_by_bit(&mut self, from: ConnectionHandle, key: u32) {
        match self
            .incoming
            .get(key as usize)
            .and_then(|incoming| incoming.connecting)
        {
            Some(connecting) => self.await_hop(from, key, connecting.token),
            None => self.open_lane(from, key),
        }
    }

    /// Sends a chunk that is complete and short, in one piece.
    fn send_whole(&mut self, from: ConnectionHandle, key: u32) {
        let Some(incoming) = self.incoming.get(key as usize) else {
            return;
        };
        let Some(route) = incoming.route else { return };
        let (id, since) = (incoming.id, incoming.since);
        let passed = Traffic::chunk(incoming.held.len(), incoming.ended);
        match self.dispatch(from, key, route) {
            Ok(()) => {
                self.count_chunk(route, passed, since);
                self.learn_repeat(from, key, route);
                let done = self.take_incoming(from);
                self.accept(from, id, route.binding);
                if let (Some(done), Some((connection, _))) = (done, self.table.get_mut(from)) {
                    connection.recycle(done.head);
                }
            }
            Err(SendError::Blocked) if self.names_message(key) && self.buffers_for(from).is_some() => {
                // The lane takes what the connection does not.
                self.open_lane(from, key);
                self.resume_send(from, key);
            }
            Err(SendError::Blocked) => self.set_wait(from, Wait::Room(route.out)),
            Err(SendError::Unanswered { .. }) if self.may_wait_for_answers(from) => {
                self.set_wait(from, Wait::Room(route.out));
            }
            Err(error) => {
                let (code, reason) = refusal(error);
                self.refuse(from, code, reason);
            }
        }
    }

    /// Whether a connection may wait until another has answered what it was sent. Not one for whose own answers, or room,
    /// others wait: they would not be read meanwhile, and two that wait for each other would wait for ever. Nor one of
    /// several sessions.
    fn may_wait_for_answers(&self, from: ConnectionHandle) -> bool {
        self.buffers_for(from).is_none()
            && self
                .table
                .get(from)
                .is_some_and(|(_, data)| data.rare.as_ref().is_none_or(|rare| rare.waiters.is_empty()))
    }

    fn names_message(&self, key: u32) -> bool {
        self.incoming
            .get(key as usize)
            .is_some_and(|incoming| matches!(incoming.head.message_id(), Ok(Some(_))))
    }

    /// Hands a complete chunk to the connection by which it leaves; what could not be handed over is as it was.
    pub(crate) fn dispatch(
        &mut self,
        from: ConnectionHandle,
        key: u32,
        route: Route,
    ) -> Result<(), SendError> {
        let max_uris = self.max_uris();
        let now = self.now;
        let shown = self.shown_to(key, route);
        // Taken apart, as the request, its context and the connection are lent side by side: nothing of them moves.
        let Self {
            incoming,
            contexts,
            table,
            stats,
            anchors,
            ..
        } = self;
        let Some(incoming) = incoming.get_mut(key as usize) else {
            return Err(SendError::Closed);
        };
        // Only a later chunk has one before it.
        let previous = match table.get(from) {
            Some((_, data)) if incoming.range.start > 1 => data.last_context,
            _ => None,
        };
        let Some((connection, data)) = table.get_mut(route.out) else {
            return Err(SendError::Closed);
        };
        let flag = incoming.ended.unwrap_or(ContinuationFlag::Complete);
        let body = incoming.held.take();
        let range = settle_range(incoming.range, body.len() as u64, flag);
        let edit = edit(anchors, &incoming.head, max_uris, route, shown.as_deref())
            .map_err(|_| SendError::Encode(msrp_core::codec::EncodeError::HeaderValue))?;
        let (failure_report, tag) = match (incoming.failure_report, incoming.head.message_id().ok().flatten())
        {
            // Without a Message-ID no REPORT could say what it is about.
            (FailureReport::No, _) | (_, None) => (FailureReport::No, None),
            (failure_report, Some(message)) => {
                let shared = previous.and_then(|index| {
                    contexts.share(index, from, route.binding, &message, failure_report, &edit)
                });
                let tag = shared.unwrap_or_else(|| {
                    let (own_uri, from_path) = (edit.own_uri(), edit.from_path());
                    let context =
                        contexts.chunk(from, route.binding, message, failure_report, own_uri, from_path);
                    contexts.insert(Context::Chunk(context))
                });
                (failure_report, Some(tag))
            }
        };
        data.last_used = now;
        let number = tag.map_or(0, Tag::number);
        match connection.send_chunk(now, &edit, range, &body, flag, failure_report, number) {
            Ok(_) => {
                data.earn_reports(body.len());
                stats.chunks_whole += 1;
                if let Some(Tag::Context(context)) = tag
                    && flag == ContinuationFlag::More
                    && let Some((_, data)) = table.get_mut(from)
                {
                    data.last_context = Some(context);
                }
                self.touch(route.out);
                Ok(())
            }
            Err(error) => {
                if let Some(Tag::Context(context)) = tag {
                    contexts.remove(context);
                }
                incoming.held = Held::Slice(body);
                Err(error)
            }
        }
    }

    /// A chunk is ours now: its sender is told so (RFC 4976 §6.4.1: at once, whatever the next hop says).
    pub(crate) fn accept(&mut self, from: ConnectionHandle, request: RequestId, binding: BindingId) {
        if let Some((connection, data)) = self.table.get_mut(from) {
            if !binding.is_elsewhere() {
                data.prove();
            }
            // Whether the sender wants to know is the connection's affair.
            let _responded = connection.respond(request, StatusCode::OK, "OK");
        }
    }

    /// There may be room now, or the next hop is there.
    pub(crate) fn resume_send(&mut self, from: ConnectionHandle, key: u32) {
        let Some(incoming) = self.incoming.get_mut(key as usize) else {
            return;
        };
        let ended = incoming.ended.is_some();
        let Some(lane) = incoming.lane else {
            if ended {
                self.send_whole(from, key);
            } else if incoming.held.len() as u64 > INTERRUPTIBLE_ABOVE {
                self.open_lane(from, key);
            }
            return;
        };
        let data = incoming.held.take();
        if !data.is_empty() {
            self.write_lane(from, key, lane, data, false);
        }
        if ended {
            self.end_lane_chunk(from, key, lane);
        }
    }

    /// How many octets of a message are kept for a receiver that is slower than this sender; none when the sender has to
    /// wait instead.
    pub(crate) fn buffers_for(&self, from: ConnectionHandle) -> Option<usize> {
        match self.config.slow_receiver {
            SlowReceiver::Pause => None,
            SlowReceiver::Buffer { max } => Some(max),
            SlowReceiver::Auto { max, .. } => self
                .table
                .get(from)
                .is_some_and(|(_, data)| data.shared || data.peer.is_some())
                .then_some(max),
        }
    }

    /// How long a sender waits for a receiver for whom as much is kept as may be; none for one that takes nothing at all.
    pub(crate) fn patience_with(&self, out: ConnectionHandle) -> Option<Duration> {
        let SlowReceiver::Auto { patience, .. } = self.config.slow_receiver else {
            return None;
        };
        let (connection, _) = self.table.get(out)?;
        let takes = connection
            .stalled_since()
            .is_none_or(|since| self.now.saturating_duration_since(since) < patience);
        takes.then_some(patience)
    }
}

/// What the sender says of a chunk's end stays; where it said nothing, the end is known now (RFC 4976 §6.4.1).
pub(crate) fn settle_range(range: ByteRange, len: u64, flag: ContinuationFlag) -> ByteRange {
    if range.end.is_some() {
        return range;
    }
    let end = (range.start + len).saturating_sub(1);
    ByteRange {
        end: Some(end),
        total: range
            .total
            .or_else(|| (flag == ContinuationFlag::Complete).then_some(end)),
        ..range
    }
}

/// How the sender of a chunk is told that it was not taken.
pub(crate) fn refusal(error: SendError) -> (StatusCode, Reason) {
    match error {
        SendError::Closed => (StatusCode::NO_SUCH_SESSION, Reason::NoSession),
        SendError::TooManyTransactions { .. }
        | SendError::Unanswered { .. }
        | SendError::TooManyLanes { .. }
        | SendError::Blocked => (StatusCode::STOP_SENDING, Reason::NoRoom),
        error => {
            tracing::debug!(%error, "request cannot be forwarded");
            (StatusCode::BAD_REQUEST, Reason::Malformed)
        }
    }
}
