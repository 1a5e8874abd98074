//! Distributions, for the statistics of nodes and drivers: plain arrays, so that a number costs two additions.

use std::{ops::AddAssign, time::Duration};

/// How many numbers were how large: of each, whether it is at most 1, 2, 4, 8 and so on up to 2²⁷, or more.
///
/// ```
/// # use msrp_core::histogram::Histogram;
/// let mut octets = Histogram::default();
/// for number in [0, 1, 2, 3, 4, 1_000, u64::MAX] {
///     octets.record(number);
/// }
/// let filled: Vec<_> = octets.buckets().filter(|(_, count)| *count > 0).collect();
/// assert_eq!(
///     filled,
///     [(Some(1), 2), (Some(2), 1), (Some(4), 2), (Some(1024), 1), (None, 1)]
/// );
/// assert_eq!(octets.count(), 7);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    sum: u64,
}

/// Those with a bound, and one for what is larger.
const BUCKETS: usize = 29;

impl Histogram {
    /// Counts a number.
    pub fn record(&mut self, number: u64) {
        self.record_many(number, 1);
    }

    /// Counts a number that there is so many times.
    pub fn record_many(&mut self, number: u64, times: u64) {
        let bits = (u64::BITS - number.saturating_sub(1).leading_zeros()) as usize;
        if let Some(bucket) = self.buckets.get_mut(bits.min(BUCKETS - 1)) {
            *bucket += times;
        }
        self.sum = self.sum.wrapping_add(number.wrapping_mul(times));
    }

    /// Counts a time, in microseconds.
    pub fn record_time(&mut self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// The sum of all numbers (modulo 2⁶⁴).
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How many numbers there were up to each bound and above the one before; the last, without a bound, is what was
    /// larger.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        self.buckets.iter().enumerate().map(|(bits, &count)| {
            let bound = (bits < BUCKETS - 1).then(|| 1 << bits);
            (bound, count)
        })
    }
}

impl AddAssign for Histogram {
    fn add_assign(&mut self, other: Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += more;
        }
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_in_the_first_bucket_that_holds_it() {
        for bits in 0..64 {
            for number in [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1] {
                let mut histogram = Histogram::default();
                histogram.record(number);
                let bound = histogram.buckets().find(|(_, count)| *count == 1).unwrap().0;
                let first = (0..28).map(|bits| 1 << bits).find(|bound| number <= *bound);
                assert_eq!(bound, first, "{number}");
            }
        }
    }

    #[test]
    fn two_come_together() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.record_time(Duration::from_millis(1));
        other.record_time(Duration::from_secs(1));
        one += other;
        assert_eq!((one.count(), one.sum()), (2, 1_001_000));
    }
}
