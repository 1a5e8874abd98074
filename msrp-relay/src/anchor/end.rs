//! How anchored sessions end: asked for, by time, by size.

use std::time::Instant;

use msrp_core::{
    connection::CloseReason,
    grammar::StatusCode,
    node::{ConnectToken, ConnectionHandle},
};

use super::{
    error::AnchorError,
    info::{AnchorEnd, AnchorId, AnchorInfo, Side},
};
use crate::{bindings::BindingId, event::RelayEvent, relay::Relay};

impl Relay {
    /// Ends a session, as after a BYE: its URIs lead nowhere any more, what is queued leaves, and connections that serve
    /// nothing else are closed. Gives what has gone through it.
    ///
    /// # Errors
    /// [`AnchorError::Unknown`].
    pub fn anchor_end(&mut self, now: Instant, id: AnchorId) -> Result<AnchorInfo, AnchorError> {
        self.clock(now);
        let (index, _) = self.anchors.session(id).ok_or(AnchorError::Unknown)?;
        let info = self.end_anchor(index, AnchorEnd::Ended);
        self.run();
        info.ok_or(AnchorError::Unknown)
    }

    pub(super) fn end_anchor(&mut self, index: u32, reason: AnchorEnd) -> Option<AnchorInfo> {
        let info = self.info_of(index)?;
        let session = self.anchors.sessions.get(index as usize)?;
        let legs: Vec<u32> = session
            .streams
            .iter()
            .flat_map(|line| [line.offerer, line.answerer])
            .collect();
        self.anchors.disarm(index);
        // Who is still to be told of something is told before its connection is closed.
        for &leg in &legs {
            self.end_waits(leg);
        }
        for leg in legs {
            self.end_leg(leg);
        }
        self.anchors.by_id.remove(&info.id);
        self.anchors.sessions.try_remove(index as usize);
        self.push_event(RelayEvent::AnchorEnded {
            info: Box::new(info.clone()),
            reason,
        });
        Some(info)
    }

    /// Takes a leg out; its opposite goes with it, in another call.
    pub(super) fn end_leg(&mut self, index: u32) {
        self.end_waits(index);
        let Some(leg) = self.anchors.legs.try_remove(index as usize) else {
            return;
        };
        self.take_binding(leg.binding);
        if let Some(connection) = leg.connection {
            self.release(connection, leg.binding);
        }
    }

    /// Nothing waits for a leg any more.
    pub(super) fn end_waits(&mut self, index: u32) {
        let Some(leg) = self.anchors.legs.get_mut(index as usize) else {
            return;
        };
        let arrival = leg.arrival.take().map(|(token, _)| token);
        let answer = leg.answer.take().map(|(token, _)| token);
        for token in [arrival, answer].into_iter().flatten() {
            self.settle_wait(token, None);
        }
    }

    /// A connection does not serve this leg any more: what it is sending over it is over, and if it serves nothing else
    /// it is closed.
    pub(super) fn release(&mut self, handle: ConnectionHandle, id: BindingId) {
        let now = self.now;
        let Some((connection, data)) = self.table.get_mut(handle) else {
            return;
        };
        if let Some(rare) = &mut data.rare {
            rare.legs.retain(|other| *other != id);
        }
        let hop = data.rare.as_ref().is_some_and(|rare| !rare.hops.is_empty());
        let sole = !data.serves() && !data.shared && !hop && data.peer.is_none();
        let lanes: Vec<u32> = data.rare.as_ref().map_or(&[][..], |rare| &rare.lanes_in).to_vec();
        if sole {
            connection.close(now, CloseReason::Done);
            self.enqueue(handle);
            return;
        }
        for lane in lanes {
            let of_leg = self
                .lanes
                .get(lane as usize)
                .is_some_and(|lane| lane.context.binding == id);
            if of_leg {
                self.give_up_lane(lane, StatusCode::NO_SUCH_SESSION);
            }
        }
    }

    /// What has waited for this goes on, or fails.
    pub(super) fn settle_wait(&mut self, token: ConnectToken, handle: Option<ConnectionHandle>) {
        if let Some(pending) = self.hops.take(token) {
            self.settle_pending(token, pending, handle);
        }
    }

    /// Does what is due on anchored sessions.
    pub(crate) fn expire_anchors(&mut self) {
        let now = self.now;
        let mut due = Vec::new();
        while let Some(index) = self.anchors.pop_due(now) {
            due.push(index);
        }
        for index in due {
            self.expire_anchor(index);
        }
    }

    fn expire_anchor(&mut self, index: u32) {
        let now = self.now;
        let Some(session) = self.anchors.sessions.get(index as usize) else {
            return;
        };
        let unanswered = session.answered.is_none();
        let answer_by = session.since + self.config.anchors.answer_timeout;
        let idle_by = self.anchors.last_used(session) + session.idle;
        if session.ends <= now {
            self.end_anchor(index, AnchorEnd::TotalTime);
            return;
        }
        if unanswered && answer_by <= now {
            self.end_anchor(index, AnchorEnd::Unanswered);
            return;
        }
        if !unanswered && idle_by <= now {
            self.end_anchor(index, AnchorEnd::Idle);
            return;
        }
        for leg in self.legs_of(index) {
            self.expire_leg(leg);
        }
        self.rearm_anchor(index);
    }

    /// Ends the waiting for a leg that has not come in time.
    fn expire_leg(&mut self, index: u32) {
        let now = self.now;
        let Some(leg) = self.anchors.legs.get_mut(index as usize) else {
            return;
        };
        let arrival = leg
            .arrival
            .take_if(|(_, until)| until.is_some_and(|until| until <= now))
            .map(|(token, _)| token);
        let answer = leg
            .answer
            .take_if(|(_, until)| *until <= now)
            .map(|(token, _)| token);
        for token in [arrival, answer].into_iter().flatten() {
            self.settle_wait(token, None);
        }
    }

    pub(super) fn legs_of(&self, index: u32) -> Vec<u32> {
        let session = self.anchors.sessions.get(index as usize);
        session
            .into_iter()
            .flat_map(|session| &session.streams)
            .flat_map(|line| [line.leg(Side::Offerer), line.leg(Side::Answerer)])
            .collect()
    }

    /// Arms the session's next deadline.
    pub(super) fn rearm_anchor(&mut self, index: u32) {
        let Some(session) = self.anchors.sessions.get(index as usize) else {
            return;
        };
        let mut deadline = session.ends;
        deadline = deadline.min(if session.answered.is_none() {
            session.since + self.config.anchors.answer_timeout
        } else {
            self.anchors.last_used(session) + session.idle
        });
        for leg in self.legs_of(index) {
            let Some(leg) = self.anchors.legs.get(leg as usize) else {
                continue;
            };
            let arrival = leg.arrival.and_then(|(_, until)| until);
            let answer = leg.answer.map(|(_, until)| until);
            for until in [arrival, answer].into_iter().flatten() {
                deadline = deadline.min(until);
            }
        }
        self.anchors.arm(index, deadline);
    }

    /// Ends sessions that have carried as much as they may.
    pub(crate) fn end_full_anchors(&mut self) {
        while let Some(index) = self.anchors.full.pop() {
            self.end_anchor(index, AnchorEnd::TotalOctets);
        }
    }
}
