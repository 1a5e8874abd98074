//! Ping at intervals, and the peer's silence (RFC 7977 §6).

use std::time::{Duration, Instant};

use super::config::WebSocketConfig;

/// When the next Ping is due, and how many have been without effect.
#[derive(Debug)]
pub(super) struct KeepAlive {
    interval: Option<Duration>,
    next: Option<Instant>,
    /// Something has come since the last Ping.
    heard: bool,
    missed: u8,
    max_missed: u8,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tick {
    /// Nothing yet.
    Early,
    Ping,
    /// The peer is gone.
    Silent,
}

impl KeepAlive {
    pub(super) fn new(config: &WebSocketConfig) -> Self {
        Self {
            interval: config.ping_interval,
            next: None,
            heard: true,
            missed: 0,
            max_missed: config.max_missed_pings,
        }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.next = self.interval.and_then(|interval| now.checked_add(interval));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn heard(&mut self) {
        self.heard = true;
    }

    pub(super) fn tick(&mut self, now: Instant) -> Tick {
        if self.next.is_none_or(|next| next > now) {
            return Tick::Early;
        }
        self.begin(now);
        if std::mem::take(&mut self.heard) {
            self.missed = 0;
        } else {
            self.missed += 1;
            if self.missed >= self.max_missed {
                return Tick::Silent;
            }
        }
        Tick::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "tests begin at any time")]
    fn a_peer_that_answers_no_ping_is_given_up() {
        let second = Duration::from_secs(1);
        let config = WebSocketConfig::new()
            .ping_interval(Some(second))
            .max_missed_pings(2);
        let mut keep_alive = KeepAlive::new(&config);
        let begun = Instant::now();
        keep_alive.begin(begun);
        assert_eq!(keep_alive.tick(begun), Tick::Early);
        assert_eq!(keep_alive.tick(begun + second), Tick::Ping);
        assert_eq!(keep_alive.deadline(), Some(begun + 2 * second));
        keep_alive.heard();
        assert_eq!(keep_alive.tick(begun + 2 * second), Tick::Ping);
        assert_eq!(
            keep_alive.tick(begun + 3 * second),
            Tick::Ping,
            "one has been missed"
        );
        assert_eq!(keep_alive.tick(begun + 4 * second), Tick::Silent);
        let mut off = KeepAlive::new(&config.ping_interval(None));
        off.begin(begun);
        assert_eq!(off.deadline(), None);
        assert_eq!(off.tick(begun + 100 * second), Tick::Early);
    }
}
