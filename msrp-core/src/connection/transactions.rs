//! Our own requests and chunks that await a response.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use slab::Slab;

use crate::{
    grammar::{ByteRange, FailureReport, TransactId},
    rng::{IdSource, slot_of},
};

/// One transaction (RFC 4975 §5.3). Its identifier carries the slot it stands in, so that a response finds it without
/// a search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transaction {
    pub(super) id: TransactId,
    pub(super) tag: u64,
    pub(super) range: Option<ByteRange>,
    pub(super) failure_report: FailureReport,
    serial: u32,
    /// Its last octet has been handed to the transport.
    left: bool,
}

/// A transaction that its connection's end has left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostTransaction {
    /// The node's name for what was sent.
    pub tag: u64,
    /// What the chunk carried; none for requests other than SEND chunks.
    pub range: Option<ByteRange>,
    /// All of it had been handed to the transport, so that it may have arrived.
    pub left: bool,
}

/// The transactions of a connection, and their deadlines.
///
/// All deadlines are equally long, so the queue in which they were started is sorted. Time stands still for them while
/// we do not read from the peer, whose response may be waiting in the socket: deadlines are kept on a clock that does
/// not count these pauses.
#[derive(Debug)]
pub(super) struct Transactions {
    table: Slab<Transaction>,
    deadlines: VecDeque<Deadline>,
    serial: u32,
    paused: Duration,
    paused_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: Instant,
    slot: u32,
    serial: u32,
}

impl Transactions {
    pub(super) fn new() -> Self {
        Self {
            table: Slab::new(),
            deadlines: VecDeque::new(),
            serial: 0,
            paused: Duration::ZERO,
            paused_since: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Enters a transaction; its deadline does not run yet.
    pub(super) fn open(
        &mut self,
        ids: &mut IdSource,
        tag: u64,
        range: Option<ByteRange>,
        failure_report: FailureReport,
    ) -> (u32, TransactId) {
        self.serial = self.serial.wrapping_add(1);
        let entry = self.table.vacant_entry();
        let slot = entry.key() as u32;
        // There are fewer slots than an identifier can name (`max_transactions`); one without a slot would time out.
        let id = ids
            .transact_id_with_slot(slot)
            .unwrap_or_else(|| ids.transact_id());
        entry.insert(Transaction {
            id,
            tag,
            range,
            failure_report,
            serial: self.serial,
            left: false,
        });
        (slot, id)
    }

    /// The transaction in a slot, to complete what is known of its range.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Transaction> {
        self.table.get_mut(slot as usize)
    }

    /// When transactions end that are started now and never answered, on the clock that [`start`](Self::start) takes.
    pub(super) fn due(&self, now: Instant, timeout: Duration) -> Instant {
        self.counted(now) + timeout
    }

    /// Starts the time of a transaction whose last octet has been handed to the transport.
    pub(super) fn start(&mut self, slot: u32, at: Instant) {
        if let Some(transaction) = self.table.get_mut(slot as usize) {
            transaction.left = true;
            self.deadlines.push_back(Deadline {
                at,
                slot,
                serial: transaction.serial,
            });
        }
    }

    /// The transaction of this identifier.
    pub(super) fn find(&self, id: &[u8]) -> Option<&Transaction> {
        let transaction = self.table.get(slot_of(id)? as usize)?;
        (transaction.id.as_bytes() == id).then_some(transaction)
    }

    /// Ends the transaction of this identifier if its tag is wanted; gives the tag, and the transaction's
    /// [age](Self::age).
    pub(super) fn complete_if(
        &mut self,
        now: Instant,
        id: &[u8],
        timeout: Duration,
        wanted: impl FnOnce(u64) -> bool,
    ) -> Option<(u64, Option<Duration>)> {
        let slot = slot_of(id)? as usize;
        let transaction = self.table.get(slot)?;
        if transaction.id.as_bytes() != id || !wanted(transaction.tag) {
            return None;
        }
        let age = self.age(now, transaction, timeout);
        let tag = self.table.remove(slot).tag;
        self.trim();
        Some((tag, age))
    }

    /// How long a transaction has run, if it is the oldest of those that have left.
    pub(super) fn age(&self, now: Instant, transaction: &Transaction, timeout: Duration) -> Option<Duration> {
        let oldest = self
            .deadlines
            .front()
            .filter(|oldest| oldest.serial == transaction.serial)?;
        Some((self.counted(now) + timeout).saturating_duration_since(oldest.at))
    }

    /// Ends the transaction that a response names.
    pub(super) fn complete(&mut self, id: &TransactId) -> Option<Transaction> {
        let slot = slot_of(id.as_bytes())? as usize;
        if self.table.get(slot)?.id != *id {
            return None;
        }
        let transaction = self.table.remove(slot);
        self.trim();
        Some(transaction)
    }

    /// Takes the next transaction whose time is over. Transactions that have not been started have no time.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Transaction> {
        self.trim();
        let now = self.counted(now);
        let first = self.deadlines.front()?;
        if first.at > now {
            return None;
        }
        let slot = first.slot as usize;
        self.deadlines.pop_front();
        let transaction = self.table.try_remove(slot);
        self.trim();
        transaction
    }

    /// When the next one is over; none while time stands still.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.paused_since {
            Some(_) => None,
            None => self.deadlines.front().map(|deadline| deadline.at + self.paused),
        }
    }

    /// Stops the time.
    pub(super) fn pause(&mut self, now: Instant) {
        self.paused_since.get_or_insert(now);
    }

    /// Lets it run on.
    pub(super) fn resume(&mut self, now: Instant) {
        if let Some(since) = self.paused_since.take() {
            self.paused += now.saturating_duration_since(since);
        }
    }

    /// The connection has ended: nothing times out any more.
    pub(super) fn stop(&mut self) {
        self.deadlines = VecDeque::new();
    }

    /// Takes the transactions that are left; by slots, so that the order repeats.
    pub(super) fn drain_lost(&mut self) -> impl Iterator<Item = LostTransaction> {
        std::mem::take(&mut self.table)
            .into_iter()
            .map(|(_, transaction)| LostTransaction {
                tag: transaction.tag,
                range: transaction.range,
                left: transaction.left,
            })
    }

    /// `now` on the clock without pauses.
    fn counted(&self, now: Instant) -> Instant {
        let now = self.paused_since.map_or(now, |since| now.min(since));
        now.checked_sub(self.paused).unwrap_or(now)
    }

    /// Drops deadlines of transactions that are over from the front, and all of them when they are the most.
    fn trim(&mut self) {
        let table = &self.table;
        let live = |deadline: &Deadline| {
            table
                .get(deadline.slot as usize)
                .is_some_and(|t| t.serial == deadline.serial)
        };
        while self.deadlines.front().is_some_and(|deadline| !live(deadline)) {
            self.deadlines.pop_front();
        }
        if self.deadlines.len() > 2 * table.len() + 64 {
            self.deadlines.retain(live);
        }
        if table.is_empty() && self.deadlines.capacity() > 256 {
            self.deadlines = VecDeque::new();
        }
    }
}
