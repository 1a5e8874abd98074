//! When something is due, and why.

use std::time::Instant;

use super::{CloseReason, Connection, ConnectionError, Origin};

/// What a connection's next deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// The response to a transaction is due (RFC 4975 §7.1.1).
    Transaction,
    /// The rest of a head is due.
    HeadRead,
    /// An open chunk has had no data for too long.
    ChunkStall,
    /// The transport should have taken something.
    WriteStall,
    /// A closing connection waits no longer for its output to leave.
    CloseLinger,
}

impl Connection {
    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_timer().map(|(at, _)| at)
    }

    /// What [`poll_timeout`](Self::poll_timeout) is about, for logs.
    pub fn timeout_reason(&self) -> Option<Timer> {
        self.next_timer().map(|(_, timer)| timer)
    }

    /// Since when the transport has taken nothing of what waits for it; none where nothing waits.
    pub fn stalled_since(&self) -> Option<Instant> {
        self.send.stalled_since()
    }

    fn next_timer(&self) -> Option<(Instant, Timer)> {
        if let Some(closing) = self.closing {
            let waits = closing.told && !closing.broken && !self.send.is_empty();
            let until = closing.since + self.config.linger;
            return (waits && until > self.now).then_some((until, Timer::CloseLinger));
        }
        [
            (
                self.transactions.deadline().filter(|_| self.dry),
                Timer::Transaction,
            ),
            (
                self.head_since
                    .filter(|_| self.dry)
                    .map(|since| since + self.config.head_timeout),
                Timer::HeadRead,
            ),
            (self.starved_deadline(), Timer::ChunkStall),
            (
                self.send
                    .stalled_since()
                    .map(|since| since + self.config.write_timeout),
                Timer::WriteStall,
            ),
        ]
        .into_iter()
        .filter_map(|(at, timer)| at.map(|at| (at, timer)))
        .min_by_key(|&(at, _)| at)
    }

    /// The time is `now`. Call [`poll_event`](Self::poll_event) afterwards. Calls without need do nothing.
    ///
    /// What was received and not pulled may hold the response that is awaited, or the rest of a head: until it has been
    /// pulled neither is late, and [`poll_timeout`](Self::poll_timeout) tells no time for them.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.clock(now);
        if self.closing.is_some() {
            return;
        }
        let over = |since: Option<Instant>, time| since.is_some_and(|since: Instant| since + time <= now);
        if self.dry && over(self.head_since, self.config.head_timeout) {
            self.fail(ConnectionError {
                origin: Origin::Peer,
                kind: CloseReason::HeadTimeout,
            });
            return;
        }
        if over(self.send.stalled_since(), self.config.write_timeout) {
            if !self.send.has_output() {
                // What waited has been given up, so nothing is overdue.
                self.send.forget_stall();
                return;
            }
            self.fail_broken(ConnectionError {
                origin: Origin::Peer,
                kind: CloseReason::WriteTimeout,
            });
            return;
        }
        self.end_starved_chunk(now);
        if self.dry {
            self.expire_transactions(now);
        }
    }
}
