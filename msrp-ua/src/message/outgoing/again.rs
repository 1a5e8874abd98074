//! Messages whose session has lost its connection and is set up again: what is not confirmed is sent once more, under the
//! same Message-ID (RFC 4975 §5.4).

use super::UserAgent;
use crate::{
    event::UserAgentEvent,
    intervals::IntervalSet,
    names::{OutgoingKey, SessionId},
};

impl UserAgent {
    /// Whether an outcome belongs to the attempt in which a message is being sent now.
    pub(crate) fn is_current_attempt(&self, key: OutgoingKey, attempt: u16) -> bool {
        self.outgoing
            .get(&key)
            .is_some_and(|outgoing| outgoing.attempt == attempt)
    }

    /// Puts the messages of a session that are not confirmed back into its queue, in the order in which they were given.
    /// Of those that cannot be sent twice it is told that nothing is known of them.
    pub(crate) fn requeue_outgoing(&mut self, session: SessionId) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        entry.waiting.clear();
        entry.wants_lane = false;
        let loss = entry.loss.as_deref().cloned();
        let mut keys: Vec<_> = entry.outgoing.values().copied().collect();
        keys.sort_unstable();
        for key in keys {
            let Some(outgoing) = self.outgoing.get(&key) else {
                continue;
            };
            if outgoing.retired {
                continue;
            }
            if outgoing.delivered {
                // What the connection still owed about it does not matter.
                self.stop_outgoing(key);
                self.retire_outgoing(key);
                continue;
            }
            let untouched = outgoing.written == 0 && outgoing.held.is_none() && !outgoing.finished;
            self.stop_outgoing(key);
            let Some(outgoing) = self.outgoing.get_mut(&key) else {
                continue;
            };
            if !untouched && !outgoing.message.source.rewind() {
                let message_id = outgoing.message_id;
                if !outgoing.message.quiet {
                    self.push_event(UserAgentEvent::DeliveryUnknown {
                        message: key,
                        message_id,
                        reason: loss.clone(),
                    });
                }
                self.forget_outgoing(key);
                continue;
            }
            outgoing.attempt = outgoing.attempt.wrapping_add(1);
            outgoing.written = 0;
            outgoing.finished = false;
            outgoing.sent = 0;
            outgoing.all_sent = false;
            outgoing.outstanding = 0;
            outgoing.reported = IntervalSet::new();
            if let Some(entry) = self.sessions.get_mut(session) {
                entry.waiting.push_back(key);
            }
        }
    }
}
