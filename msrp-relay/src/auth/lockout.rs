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

/// After what somebody is locked out, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockoutLimits {
    pub(crate) failures: u32,
    pub(crate) time: Duration,
    /// How many are remembered.
    pub(crate) entries: usize,
}

/// Counts failures. Bounded: the records that were touched longest ago give way.
#[derive(Debug, Default)]
pub(crate) struct Lockout {
    records: HashMap<Suspect, Record>,
    by_age: BTreeMap<u64, Suspect>,
    next: u64,
}

impl Lockout {
    /// Whether any of these is locked out.
    pub(crate) fn is_locked(&self, now: Instant, suspects: &[Suspect], limits: LockoutLimits) -> bool {
        !self.records.is_empty()
            && suspects.iter().any(|suspect| {
                self.records.get(suspect).is_some_and(|record| {
                    record.failures >= limits.failures
                        && now.saturating_duration_since(record.since) < limits.time
                })
            })
    }

    /// Counts a failure of each.
    pub(crate) fn failed(&mut self, now: Instant, suspects: &[Suspect], limits: LockoutLimits) {
        for suspect in suspects {
            self.next += 1;
            let order = self.next;
            let record = self.records.entry_ref(suspect).or_insert(Record {
                failures: 0,
                since: now,
                order,
            });
            if now.saturating_duration_since(record.since) >= limits.time {
                (record.failures, record.since) = (0, now);
            }
            record.failures = record.failures.saturating_add(1);
            if record.failures == limits.failures {
                record.since = now;
            }
            self.by_age.remove(&record.order);
            record.order = order;
            self.by_age.insert(order, suspect.clone());
            while self.records.len() > limits.entries {
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

    fn limits(failures: u32, entries: usize) -> LockoutLimits {
        LockoutLimits {
            failures,
            time: TIME,
            entries,
        }
    }

    #[test]
    fn failures_lock_out_for_a_time() {
        let now = Instant::now();
        let (mut lockout, limits) = (Lockout::default(), limits(3, 10));
        let alice = [Suspect::user("alice")];
        for _ in 0..2 {
            lockout.failed(now, &alice, limits);
        }
        assert!(!lockout.is_locked(now, &alice, limits));
        lockout.failed(now + TIME / 2, &alice, limits);
        assert!(lockout.is_locked(now + TIME, &alice, limits));
        assert!(!lockout.is_locked(now + TIME / 2 + TIME, &alice, limits));
        lockout.succeeded(&alice);
        assert!(!lockout.is_locked(now + TIME, &alice, limits));
    }

    #[test]
    fn the_record_is_bounded_and_the_latest_stay() {
        let now = Instant::now();
        let (mut lockout, limits) = (Lockout::default(), limits(1, 4));
        for index in 0..100 {
            lockout.failed(now, &[Suspect::user(&format!("user{index}"))], limits);
        }
        assert_eq!(lockout.records.len(), 4);
        assert_eq!(lockout.by_age.len(), 4);
        assert!(lockout.is_locked(now, &[Suspect::user("user99")], limits));
        assert!(!lockout.is_locked(now, &[Suspect::user("user0")], limits));
        let long = "ü".repeat(1000);
        assert_eq!(Suspect::user(&long), Suspect::User("ü".repeat(32)));
    }
}
