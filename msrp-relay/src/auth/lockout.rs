//! Users and addresses that have failed too often.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use hashbrown::HashMap;

/// Who failed. The user's text is cut, so that a peer cannot make entries large.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Suspect {
    User(String),
    Address(IpAddr),
}

/// Octets of a user's name that count.
const USER_MAX: usize = 64;

impl Suspect {
    pub(crate) fn user(name: &str) -> Self {
        let mut end = name.len().min(USER_MAX);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        Self::User(name.get(..end).unwrap_or_default().to_owned())
    }
}

#[derive(Debug)]
struct Record {
    failures: u32,
    /// When the first of them was, or the lock closed.
    since: Instant,
    order: u64,
}

/// Counts failures. Bounded: the records that were touched longest ago give way.
#[derive(Debug)]
pub(crate) struct Lockout {
    failures: u32,
    time: Duration,
    entries: usize,
    records: HashMap<Suspect, Record>,
    by_age: BTreeMap<u64, Suspect>,
    next: u64,
}

impl Lockout {
    pub(crate) fn new(failures: u32, time: Duration, entries: usize) -> Self {
        Self {
            failures,
            time,
            entries,
            records: HashMap::new(),
            by_age: BTreeMap::new(),
            next: 0,
        }
    }

    /// Whether any of these is locked out.
    pub(crate) fn is_locked(&self, now: Instant, suspects: &[Suspect]) -> bool {
        !self.records.is_empty()
            && suspects.iter().any(|suspect| {
                self.records.get(suspect).is_some_and(|record| {
                    record.failures >= self.failures
                        && now.saturating_duration_since(record.since) < self.time
                })
            })
    }

    /// Counts a failure of each.
    pub(crate) fn failed(&mut self, now: Instant, suspects: &[Suspect]) {
        for suspect in suspects {
            self.next += 1;
            let order = self.next;
            let (time, limit) = (self.time, self.failures);
            let record = self.records.entry_ref(suspect).or_insert(Record {
                failures: 0,
                since: now,
                order,
            });
            if now.saturating_duration_since(record.since) >= time {
                (record.failures, record.since) = (0, now);
            }
            record.failures = record.failures.saturating_add(1);
            if record.failures == limit {
                record.since = now;
            }
            self.by_age.remove(&record.order);
            record.order = order;
            self.by_age.insert(order, suspect.clone());
            while self.records.len() > self.entries {
                let Some((_, oldest)) = self.by_age.pop_first() else {
                    break;
                };
                self.records.remove(&oldest);
            }
        }
    }

    /// A success clears the user, not the address: behind one address there may be many users, and an attacker's own
    /// account must not buy further tries.
    pub(crate) fn succeeded(&mut self, suspects: &[Suspect]) {
        if self.records.is_empty() {
            return;
        }
        for suspect in suspects {
            if matches!(suspect, Suspect::User(_))
                && let Some(record) = self.records.remove(suspect)
            {
                self.by_age.remove(&record.order);
            }
        }
    }
}

impl From<&Suspect> for Suspect {
    fn from(suspect: &Suspect) -> Self {
        suspect.clone()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests begin at any time")]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(300);

    #[test]
    fn failures_lock_out_for_a_time() {
        let now = Instant::now();
        let mut lockout = Lockout::new(3, TIME, 10);
        let alice = [Suspect::user("alice")];
        for _ in 0..2 {
            lockout.failed(now, &alice);
        }
        assert!(!lockout.is_locked(now, &alice));
        lockout.failed(now + TIME / 2, &alice);
        assert!(lockout.is_locked(now + TIME, &alice));
        assert!(!lockout.is_locked(now + TIME / 2 + TIME, &alice));
        lockout.succeeded(&alice);
        assert!(!lockout.is_locked(now + TIME, &alice));
    }

    #[test]
    fn the_record_is_bounded_and_the_latest_stay() {
        let now = Instant::now();
        let mut lockout = Lockout::new(1, TIME, 4);
        for index in 0..100 {
            lockout.failed(now, &[Suspect::user(&format!("user{index}"))]);
        }
        assert_eq!(lockout.records.len(), 4);
        assert_eq!(lockout.by_age.len(), 4);
        assert!(lockout.is_locked(now, &[Suspect::user("user99")]));
        assert!(!lockout.is_locked(now, &[Suspect::user("user0")]));
        let long = "ü".repeat(1000);
        assert_eq!(Suspect::user(&long), Suspect::User("ü".repeat(32)));
    }
}
