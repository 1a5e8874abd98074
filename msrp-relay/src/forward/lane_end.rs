//! How messages that are passed on bit by bit come to their end, good or bad.

use msrp_core::{
    grammar::{ByteRange, ContinuationFlag, MessageId, StatusCode},
    node::ConnectionHandle,
};

use crate::{bindings::BindingId, failure::Tag, forward::Reason, relay::Relay};

impl Relay {
    /// Gives a message up: its receiver is told by `#`, as far as it has seen anything of it.
    pub(crate) fn abort_lane(&mut self, lane: u32) {
        let now = self.now;
        let Some(open) = self.lanes.get_mut(lane as usize) else {
            return;
        };
        let out = open.out;
        self.backlog -= std::mem::take(&mut open.backlog_len);
        open.backlog.clear();
        open.end = None;
        open.given_up = true;
        let over = match self.table.get_mut(out) {
            Some((connection, _)) => match connection.abort(now, open.outgoing) {
                Ok(told) => !told,
                // Its last chunk has been ended, and will be told of when it has left; its answer is still to come.
                Err(_) => connection.is_closed(),
            },
            None => true,
        };
        open.done |= over;
        self.touch(out);
        self.detach_lane(lane);
        self.drop_lane_if_over(lane);
    }

    /// Gives a message up that has failed; if a chunk of it is at hand, the rest of that is swallowed.
    pub(crate) fn give_up_lane(&mut self, lane: u32, code: StatusCode) {
        let Some(open) = self.lanes.get(lane as usize) else {
            return;
        };
        let from = open.context.from;
        let at_hand = self
            .table
            .get(from)
            .and_then(|(_, data)| self.incoming.get(data.incoming? as usize))
            .is_some_and(|incoming| incoming.lane == Some(lane));
        self.abort_lane(lane);
        if at_hand {
            self.refuse(from, code, Reason::Poisoned);
            self.enqueue(from);
        }
    }

    /// Nothing more comes in for this message.
    pub(crate) fn detach_lane(&mut self, lane: u32) {
        if let Some(open) = self.lanes.get(lane as usize)
            && let Some((_, data)) = self.table.get_mut(open.context.from)
            && let Some(rare) = &mut data.rare
        {
            rare.lanes_in.retain(|&other| other != lane);
        }
    }

    /// The lane of a message of which more may come.
    pub(crate) fn find_lane(
        &self,
        from: ConnectionHandle,
        binding: BindingId,
        message: &MessageId,
    ) -> Option<u32> {
        let (_, data) = self.table.get(from)?;
        data.rare.as_ref()?.lanes_in.iter().copied().find(|&lane| {
            self.lanes
                .get(lane as usize)
                .is_some_and(|lane| lane.context.binding == binding && lane.context.message == *message)
        })
    }

    /// A chunk of a lane has been handed to the transport.
    pub(crate) fn on_chunk_sent(
        &mut self,
        lane: u32,
        range: ByteRange,
        flag: ContinuationFlag,
        tracked: bool,
    ) {
        let Some(open) = self.lanes.get_mut(lane as usize) else {
            return;
        };
        open.sent = range.end.map_or(open.sent, |end| end + 1);
        open.open += u32::from(tracked);
        if flag == ContinuationFlag::Abort && !open.given_up {
            // Its connection has ended, which will be told next.
            return;
        }
        open.done |= flag != ContinuationFlag::More;
        open.complete |= flag == ContinuationFlag::Complete;
        self.drop_lane_if_over(lane);
    }

    /// The fate of a chunk of a lane is known.
    pub(crate) fn on_lane_chunk_ended(&mut self, lane: u32) {
        if let Some(open) = self.lanes.get_mut(lane as usize) {
            open.open = open.open.saturating_sub(1);
        }
        self.drop_lane_if_over(lane);
    }

    fn drop_lane_if_over(&mut self, lane: u32) {
        if self
            .lanes
            .get(lane as usize)
            .is_some_and(|open| open.done && open.open == 0)
        {
            self.drop_lane(lane);
        }
    }

    fn drop_lane(&mut self, lane: u32) {
        self.detach_lane(lane);
        let Some(open) = self.lanes.try_remove(lane as usize) else {
            return;
        };
        if let Some((_, data)) = self.table.get_mut(open.out)
            && let Some(rare) = &mut data.rare
        {
            rare.lanes_out.retain(|&other| other != lane);
        }
        self.backlog -= open.backlog_len;
        self.contexts.keep(open.context);
    }

    /// The connection by which a message leaves is gone, and with it what had not been sent. `reported` says that a
    /// REPORT about a part of it went out already.
    pub(crate) fn lose_lane(&mut self, lane: u32, reported: bool) {
        let Some(open) = self.lanes.get_mut(lane as usize) else {
            return;
        };
        let tag = Tag::Lane(lane);
        // It has to outlive its giving up, because the REPORT needs what it knows.
        open.open = open.open.saturating_add(1);
        let (sent, total) = (open.sent, open.total);
        let last = open.next.saturating_sub(1).max(1);
        // Where it was cut short by the end of its connection, all that was sent of it is worth nothing.
        let unfinished = !open.complete && !open.given_up;
        let first = self.poison(tag, StatusCode::REQUEST_TIMEOUT);
        if first && !reported && unfinished {
            let range = ByteRange {
                start: sent.min(last),
                end: Some(last),
                total,
            };
            self.report_failure(tag, Some(range), StatusCode::REQUEST_TIMEOUT);
        }
        self.drop_lane(lane);
    }

    /// Gives up messages of which nothing has come for too long.
    pub(crate) fn expire_lanes(&mut self, from: ConnectionHandle) {
        let now = self.now;
        let Some((_, data)) = self.table.get(from) else {
            return;
        };
        let Some(rare) = &data.rare else { return };
        let at_hand = data
            .incoming
            .and_then(|key| self.incoming.get(key as usize))
            .and_then(|incoming| incoming.lane);
        let waiting = data.wait.is_some();
        let over: Vec<u32> = rare
            .lanes_in
            .iter()
            .copied()
            .filter(|&lane| {
                self.lanes.get(lane as usize).is_some_and(|open| {
                    now.saturating_duration_since(open.last_used) >= self.config.lane_idle
                })
            })
            .collect();
        for lane in over {
            if at_hand == Some(lane) {
                if waiting {
                    // Its receiver is slow; that has a time limit of its own.
                    if let Some(open) = self.lanes.get_mut(lane as usize) {
                        open.last_used = now;
                    }
                    continue;
                }
                self.abort_lane(lane);
                self.refuse(from, StatusCode::REQUEST_TIMEOUT, Reason::Unreachable);
            } else {
                self.abort_lane(lane);
            }
        }
    }
}
