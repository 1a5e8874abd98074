//! How much waits, in one direction: of each conversation, and of all.

use crate::config::QueueLimits;

/// A number of messages and of octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) messages: usize,
    pub(crate) octets: usize,
}

impl Load {
    pub(crate) fn add(&mut self, octets: usize) {
        self.messages += 1;
        self.octets += octets;
    }

    pub(crate) fn remove(&mut self, octets: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.octets = self.octets.saturating_sub(octets);
    }
}

impl QueueLimits {
    /// Whether a message of this size finds room.
    pub(crate) fn has_room(&self, one: Load, all: Load, octets: usize) -> bool {
        one.messages < self.messages
            && one.octets + octets <= self.octets
            && all.messages < self.all_messages
            && all.octets + octets <= self.all_octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_counts() {
        let limits = QueueLimits {
            messages: 2,
            octets: 100,
            all_messages: 3,
            all_octets: 150,
        };
        let load = |messages, octets| Load { messages, octets };
        assert!(limits.has_room(load(1, 50), load(2, 100), 50));
        assert!(!limits.has_room(load(2, 50), load(2, 100), 1));
        assert!(!limits.has_room(load(1, 50), load(2, 50), 51));
        assert!(!limits.has_room(load(0, 0), load(3, 50), 1));
        assert!(!limits.has_room(load(0, 0), load(2, 100), 51));
        let mut one = load(0, 0);
        one.add(7);
        assert_eq!(one, load(1, 7));
        one.remove(7);
        one.remove(7);
        assert_eq!(one, Load::default());
    }
}
