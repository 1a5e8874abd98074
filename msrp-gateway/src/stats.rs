//! What a gateway counts.

use std::{collections::BTreeMap, time::Duration};

use crate::{event::Outcome, policy::Direction};

/// Numbers since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayStats {
    /// MESSAGEs answered, by code.
    pub answers: BTreeMap<u16, u64>,
    /// Messages into sessions that have come to their end well.
    pub to_sessions: u64,
    /// Messages out to MESSAGEs that have come to their end well.
    pub to_pages: u64,
    /// Messages that have failed, by SIP code.
    pub failed: BTreeMap<u16, u64>,
    /// Sessions established.
    pub sessions: u64,
    /// Sessions that could not be set up.
    pub setups_failed: u64,
    /// How long messages were under way, in all.
    pub time_under_way: Duration,
}

impl GatewayStats {
    pub(crate) fn answered(&mut self, code: u16) {
        *self.answers.entry(code).or_default() += 1;
    }

    pub(crate) fn over(&mut self, direction: Direction, outcome: &Outcome, took: Duration) {
        self.time_under_way += took;
        match outcome {
            Outcome::Failed { code, .. } => *self.failed.entry(*code).or_default() += 1,
            _ if direction == Direction::ToSession => self.to_sessions += 1,
            _ => self.to_pages += 1,
        }
    }
}
