//! Warnings that a peer can cause, kept from filling the log.

use std::time::{Duration, Instant};

/// How often a warning is written at most.
const INTERVAL: Duration = Duration::from_secs(1);

/// Lets the first of many equal warnings pass, and then one in a while.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    last: Option<Instant>,
    held_back: u64,
}

impl Throttle {
    /// Whether to warn now; if so, of how many times since the warning before, this one included.
    pub(crate) fn pass(&mut self, now: Instant) -> Option<u64> {
        self.held_back += 1;
        if self.last.is_some_and(|last| now < last + INTERVAL) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_warning_stands_for_many() {
        let now = Instant::now();
        let mut throttle = Throttle::default();
        assert_eq!(throttle.pass(now), Some(1));
        for _ in 0..1_000 {
            assert_eq!(throttle.pass(now + Duration::from_millis(999)), None);
        }
        assert_eq!(throttle.pass(now + INTERVAL), Some(1_001));
        assert_eq!(throttle.pass(now + INTERVAL), None);
        assert_eq!(throttle.pass(now + 3 * INTERVAL), Some(2));
    }
}
