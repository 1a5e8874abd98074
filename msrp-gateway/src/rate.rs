//! How much one sender, one conversation and all together may ask for (row GW-116).

use std::{
    hash::Hash,
    time::{Duration, Instant},
};

use hashbrown::HashMap;

/// A rate: so many at once, and so many a second after that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    burst: f64,
    per_second: f64,
}

impl Rate {
    /// `burst` at once, then `per_second`.
    pub fn new(burst: u32, per_second: f64) -> Self {
        Self {
            burst: f64::from(burst.max(1)),
            per_second: per_second.max(0.001),
        }
    }
}

/// What is left of a rate.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn refill(&mut self, now: Instant, rate: Rate) {
        let time = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + time * rate.per_second).min(rate.burst);
        self.at = now;
    }
}

/// One bucket for each key, at most `limit` of them; those that are full again are forgotten.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    rate: Rate,
    limit: usize,
    buckets: HashMap<K, Bucket, foldhash::fast::RandomState>,
}

impl<K: Hash + Eq> Buckets<K> {
    pub(crate) fn new(rate: Rate, limit: usize) -> Self {
        Self {
            rate,
            limit,
            buckets: HashMap::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Forgets buckets that are full again.
    pub(crate) fn sweep(&mut self, now: Instant) {
        let rate = self.rate;
        self.buckets.retain(|_, bucket| {
            bucket.refill(now, rate);
            bucket.left < rate.burst
        });
    }

    /// Takes one.
    ///
    /// # Errors
    /// How long it takes until there is one again.
    pub(crate) fn take(&mut self, now: Instant, key: K) -> Result<(), Duration> {
        let rate = self.rate;
        if self.buckets.len() >= self.limit && !self.buckets.contains_key(&key) {
            self.sweep(now);
            if self.buckets.len() >= self.limit {
                return Err(Duration::from_secs_f64(1.0 / rate.per_second));
            }
        }
        let bucket = self.buckets.entry(key).or_insert(Bucket {
            left: rate.burst,
            at: now,
        });
        bucket.refill(now, rate);
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / rate.per_second));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests begin at any time")]
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let now = Instant::now();
        let mut buckets = Buckets::new(Rate::new(3, 2.0), 2);
        for _ in 0..3 {
            assert_eq!(buckets.take(now, "a"), Ok(()));
        }
        assert_eq!(buckets.take(now, "a"), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take(now, "b"), Ok(()));
        // No room for a third, until one is full again.
        assert!(buckets.take(now, "c").is_err());
        assert_eq!(buckets.take(now + Duration::from_secs(1), "c"), Ok(()));
        buckets.sweep(now + Duration::from_secs(60));
        assert_eq!(buckets.len(), 0);
    }
}
