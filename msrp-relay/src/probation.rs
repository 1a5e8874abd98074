//! Whom a relay keeps: probation, repeated failures, idleness, lack of room (RFC 4976 §6.1, §6.3, §6.5).

use std::time::{Duration, Instant};

use msrp_core::{connection::CloseReason, node::ConnectionHandle};

use crate::{
    connection::{RelayConnection, Wait},
    relay::Relay,
};

/// How long a connection has to have been silent before another one may take its place.
const EVICT_AFTER: Duration = Duration::from_secs(60);

/// How long a search in vain is not repeated.
const EVICT_PAUSE: Duration = Duration::from_secs(1);

impl Relay {
    /// A request has succeeded: the connection is a good one.
    pub(crate) fn note_success(&mut self, handle: ConnectionHandle) {
        let now = self.now;
        if let Some((_, data)) = self.table.get_mut(handle) {
            data.prove();
            data.last_used = now;
        }
    }

    /// A request has failed. A connection in probation may do so a few times.
    pub(crate) fn note_failure(&mut self, handle: ConnectionHandle) {
        let limit = self.config.probation_failures;
        let Some((_, data)) = self.table.get_mut(handle) else {
            return;
        };
        // Failures never end a connection with another relay (RFC 4976 §6.3).
        if data.proven || data.peer.is_some() {
            return;
        }
        data.unsuccessful = data.unsuccessful.saturating_add(1);
        if data.unsuccessful >= limit {
            self.close_for(handle, CloseReason::TooManyFailures);
        }
    }

    /// A request was not addressed to this relay at all (RFC 4976 §6.2): it ends a connection in probation, and any other
    /// when it happens repeatedly.
    pub(crate) fn note_misdirected(&mut self, handle: ConnectionHandle) {
        let limit = self.config.probation_failures;
        let Some((connection, data)) = self.table.get_mut(handle) else {
            return;
        };
        let opened = data.rare.as_ref().is_some_and(|rare| !rare.hops.is_empty());
        if opened || data.peer.is_some() || connection.peer().shard.is_some() {
            // It leads to another relay, a peer or another shard, and serves other sessions.
            return;
        }
        data.unsuccessful = data.unsuccessful.saturating_add(1);
        if !data.proven || data.unsuccessful >= limit {
            self.close_for(handle, CloseReason::NotAddressedToUs);
        }
    }

    pub(crate) fn close_for(&mut self, handle: ConnectionHandle, reason: CloseReason) {
        let now = self.now;
        if let Some((connection, _)) = self.table.get_mut(handle) {
            if !connection.is_closed() {
                self.stats.closed_for_failures += 1;
            }
            connection.close(now, reason);
            self.enqueue(handle);
        }
    }

    /// When the relay itself has to look at a connection again.
    pub(crate) fn own_deadline(&self, data: &RelayConnection) -> Option<Instant> {
        let mut deadline = if data.proven {
            data.last_used + self.config.idle_timeout
        } else {
            data.since + self.config.probation
        };
        for binding in &data.bindings {
            if let Some(binding) = self.bindings.get(*binding) {
                deadline = deadline.min(binding.expires);
            }
        }
        if let Some(Wait::Lookup { until, .. } | Wait::Rate { until } | Wait::Slow { until, .. }) = data.wait
        {
            deadline = deadline.min(until);
        }
        if let Some(rare) = &data.rare {
            for &lane in &rare.lanes_in {
                if let Some(lane) = self.lanes.get(lane as usize) {
                    deadline = deadline.min(lane.last_used + self.config.lane_idle);
                }
            }
        }
        Some(deadline)
    }

    /// Does what is due on a connection.
    pub(crate) fn expire(&mut self, handle: ConnectionHandle) {
        let now = self.now;
        let Some((connection, data)) = self.table.get(handle) else {
            return;
        };
        if connection.is_closed() {
            return;
        }
        if !data.proven && now.saturating_duration_since(data.since) >= self.config.probation {
            self.close_for(handle, CloseReason::Probation);
            return;
        }
        self.expire_bindings(handle);
        self.expire_lanes(handle);
        self.expire_lookup(handle);
        self.expire_rate(handle);
        let Some((connection, data)) = self.table.get_mut(handle) else {
            return;
        };
        let idle = now.saturating_duration_since(data.last_used) >= self.config.idle_timeout;
        if data.proven && !data.serves() && idle {
            connection.close(now, CloseReason::Idle);
            self.enqueue(handle);
        } else if idle {
            // It has a valid URI, so it is kept; looked at again after as long a time.
            data.last_used = now;
        }
    }

    /// Closes the connection that has been silent for longest, if there is one that nobody will miss. The search looks
    /// at every connection, so after one in vain it rests for a while: a flood of connects must not buy work.
    pub(crate) fn evict(&mut self) -> bool {
        let now = self.now;
        if now < self.evict_again {
            return false;
        }
        let victim = self
            .table
            .iter()
            .filter(|(_, connection, data)| {
                !data.serves()
                    && connection.peer().shard.is_none()
                    && !connection.is_closed()
                    && data.incoming.is_none()
                    && connection.open_transactions() == 0
                    && connection.buffered() == 0
                    && now.saturating_duration_since(data.last_used) >= EVICT_AFTER
            })
            .min_by_key(|(_, _, data)| data.last_used)
            .map(|(handle, _, _)| handle);
        let Some(handle) = victim else {
            self.evict_again = now + EVICT_PAUSE;
            return false;
        };
        if let Some((connection, _)) = self.table.get_mut(handle) {
            connection.close(now, CloseReason::Resources);
            self.stats.evicted += 1;
            self.enqueue(handle);
            self.run();
        }
        true
    }
}
