//! The end of everything: first the calls, then, when their peers know, the connections.

use std::{collections::VecDeque, time::Instant};

use msrp_core::connection::CloseReason;

use super::UserAgent;
use crate::{
    sip::{CallId, SipAction},
    timers::UaTimer,
};

/// The BYEs of ours whose answer is awaited, the oldest first, and how far the end has come.
///
/// There are at most as many as there may be calls; of more the oldest are not awaited any longer.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// Until when the answer to each is awaited.
    byes: VecDeque<(Instant, CallId)>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Running,
    /// Nothing new is taken; calls and sessions are being ended.
    Ending,
    /// Connections stay until the peers have heard of the end, by this time at the latest.
    Farewell(Instant),
    /// All connections have been closed.
    Closed,
}

impl UserAgent {
    /// Ends everything, and takes nothing new: calls and sessions end, and when the peers have heard of that, connections are
    /// flushed and closed. To close them before would look like a network that fails, which peers try to make good.
    ///
    /// A peer has heard when it has answered our BYE ([`ByeAnswered`](crate::sip::SipInput::ByeAnswered)); that is waited for
    /// until [`farewell_time`](crate::call::CallConfig::farewell_time) is over. Without calls connections are closed at once.
    pub fn shut_down(&mut self) {
        if self.is_draining() {
            return;
        }
        self.leaving.stage = Stage::Ending;
        self.end_calls();
        let ids: Vec<_> = self.sessions.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.end_session(id);
        }
        let end = self.now + self.config.calls.farewell_time;
        self.leaving.stage = Stage::Farewell(end);
        self.timers.insert((end, UaTimer::Farewell));
        self.close_when_heard();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.leaving.stage != Stage::Running
    }

    /// A BYE goes out.
    pub(super) fn note_bye(&mut self, action: &SipAction) {
        let SipAction::Bye { call, .. } = *action else {
            return;
        };
        let now = self.now;
        let calls = &self.config.calls;
        let (time, most) = (calls.farewell_time, calls.max_calls);
        let byes = &mut self.leaving.byes;
        while byes.front().is_some_and(|&(until, _)| until <= now) || byes.len() >= most {
            byes.pop_front();
        }
        byes.push_back((now + time, call));
    }

    /// A BYE has been answered, or never will be.
    pub(super) fn on_bye_answered(&mut self, call: CallId) {
        self.leaving.byes.retain(|&(_, other)| other != call);
        self.close_when_heard();
    }

    /// No more patience with peers that do not answer.
    pub(crate) fn farewell_over(&mut self) {
        if let Stage::Farewell(end) = self.leaving.stage
            && end <= self.now
        {
            self.close_connections();
        }
    }

    /// Closes the connections when nobody's answer is awaited any more, if everything is to end.
    pub(crate) fn close_when_heard(&mut self) {
        let now = self.now;
        let byes = &mut self.leaving.byes;
        while byes.front().is_some_and(|&(until, _)| until <= now) {
            byes.pop_front();
        }
        let heard = byes.is_empty() && self.call_count() == 0;
        if heard && matches!(self.leaving.stage, Stage::Farewell(_)) {
            self.close_connections();
        }
    }

    fn close_connections(&mut self) {
        self.leaving.stage = Stage::Closed;
        self.registrations.0.clear();
        for handle in self.table.handles() {
            if let Some((connection, _)) = self.table.get_mut(handle) {
                connection.close(self.now, CloseReason::Shutdown);
            }
            self.pump(handle);
        }
    }
}
