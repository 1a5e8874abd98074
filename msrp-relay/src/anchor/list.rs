//! Anchored sessions as their operator sees them.

use std::ops::Bound;

use msrp_core::{connection::Connection, node::ConnectionHandle};

use super::{
    info::{AnchorId, AnchorInfo, LegInfo, LegState, StreamInfo},
    table::Leg,
};
use crate::relay::Relay;

impl Relay {
    /// How many sessions are anchored.
    pub fn anchor_count(&self) -> usize {
        self.anchors.sessions.len()
    }

    /// The anchored sessions behind this one in the order of their names, or all of them.
    pub fn anchors(&self, after: Option<AnchorId>) -> impl Iterator<Item = AnchorInfo> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.anchors
            .by_id
            .range((from, Bound::Unbounded))
            .filter_map(|(_, &index)| self.info_of(index))
    }

    /// One anchored session.
    pub fn anchor(&self, id: AnchorId) -> Option<AnchorInfo> {
        let (index, _) = self.anchors.session(id)?;
        self.info_of(index)
    }

    pub(super) fn info_of(&self, index: u32) -> Option<AnchorInfo> {
        let session = self.anchors.sessions.get(index as usize)?;
        let streams = session
            .streams
            .iter()
            .filter_map(|line| {
                Some(StreamInfo {
                    number: line.number + 1,
                    offerer: self.leg_info(line.offerer)?,
                    answerer: self.leg_info(line.answerer)?,
                })
            })
            .collect();
        Some(AnchorInfo {
            id: session.id,
            label: session.label.to_string(),
            answered: session.answered.is_some(),
            since: session.since,
            last_used: self.anchors.last_used(session),
            streams,
        })
    }

    fn leg_info(&self, index: u32) -> Option<LegInfo> {
        let leg = self.anchors.legs.get(index as usize)?;
        let listener = self.config.listeners.get(usize::from(leg.listener))?;
        let scheme = self.name_of(leg.listener)?.scheme;
        let open = |handle: ConnectionHandle| {
            self.table
                .get(handle)
                .map(|(connection, _)| connection)
                .filter(|connection| !connection.is_closed())
        };
        let connection: Option<&Connection> = leg.connection.and_then(open);
        let state = match leg {
            Leg { sdp: None, .. } => LegState::Unknown,
            _ if connection.is_some() => LegState::Connected,
            Leg {
                arrival: Some((_, None)),
                ..
            } => LegState::Connecting,
            Leg { failed: Some(_), .. } => LegState::Failed,
            _ if leg.stats.connections > 0 => LegState::Lost,
            _ => LegState::Awaited,
        };
        Some(LegInfo {
            state,
            listener: listener.id,
            scheme,
            dialled: leg.dials,
            remote: connection.and_then(|connection| connection.peer().remote),
            tls: connection.is_some_and(|connection| connection.peer().is_tls()),
            stats: leg.stats,
        })
    }
}
