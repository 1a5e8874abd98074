//! Which octets of a message are there.

use std::collections::BTreeMap;

/// A set of octet positions, kept as disjoint intervals. Positions count from 1, as Byte-Range does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalSet {
    /// First position → last position; neighbours are joined.
    intervals: BTreeMap<u64, u64>,
    octets: u64,
}

impl IntervalSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many positions there are.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// How many separate intervals there are: one more than there are holes between them.
    pub fn pieces(&self) -> usize {
        self.intervals.len()
    }

    /// Whether the positions 1 to `total` are all there.
    pub fn covers(&self, total: u64) -> bool {
        total == 0 || self.intervals.get(&1).is_some_and(|&last| last >= total)
    }

    /// The last position that is there.
    pub fn last(&self) -> Option<u64> {
        self.intervals.last_key_value().map(|(_, &last)| last)
    }

    /// Adds the positions `first` to `last`; nothing where `last` is smaller. Answers how many of them are new.
    pub fn insert(&mut self, first: u64, last: u64) -> u64 {
        if last < first {
            return 0;
        }
        let (mut low, mut high) = (first, last);
        let mut absorbed = 0;
        // Every interval that touches or overlaps begins at or before one past our last position.
        while let Some((&start, &end)) = self.intervals.range(..=high.saturating_add(1)).next_back() {
            if end.saturating_add(1) < low {
                break;
            }
            self.intervals.remove(&start);
            absorbed += end - start + 1;
            low = low.min(start);
            high = high.max(end);
        }
        self.intervals.insert(low, high);
        let new = (high - low + 1) - absorbed;
        self.octets += new;
        new
    }

    /// The parts of `first` to `last` that are not there, in order.
    pub fn missing(&self, first: u64, last: u64) -> Vec<(u64, u64)> {
        let mut missing = Vec::new();
        let mut next = first;
        let from = self
            .intervals
            .range(..=first)
            .next_back()
            .map_or(first, |(&start, _)| start);
        for (&start, &end) in self.intervals.range(from..=last.max(from)) {
            if end < next {
                continue;
            }
            if start > last {
                break;
            }
            if start > next {
                missing.push((next, start - 1));
            }
            next = next.max(end.saturating_add(1));
        }
        if next <= last {
            missing.push((next, last));
        }
        missing
    }

    /// The intervals, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.intervals.iter().map(|(&first, &last)| (first, last))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_list_of_positions(
            ranges in proptest::collection::vec((1_u64..40, 0_u64..12), 0..30),
            asked in (1_u64..50, 0_u64..20),
        ) {
            let mut set = IntervalSet::new();
            let mut flags = [false; 64];
            for (first, len) in ranges {
                let last = first + len - 1;
                let mut new = 0;
                for flag in &mut flags[first as usize..(first + len) as usize] {
                    new += u64::from(!*flag);
                    *flag = true;
                }
                prop_assert_eq!(set.insert(first, last), new);
            }
            prop_assert_eq!(set.octets(), flags.iter().filter(|&&flag| flag).count() as u64);
            let runs = flags.windows(2).filter(|pair| !pair[0] && pair[1]).count();
            prop_assert_eq!(set.pieces(), runs);
            prop_assert_eq!(set.last(), flags.iter().rposition(|&flag| flag).map(|at| at as u64));
            let total = flags.iter().skip(1).take_while(|&&flag| flag).count() as u64;
            prop_assert!(set.covers(total));
            prop_assert!(!set.covers(total + 1));
            let (first, len) = asked;
            let expected: Vec<u64> =
                (first..first + len).filter(|&at| at >= 64 || !flags[at as usize]).collect();
            let missing: Vec<u64> = set.missing(first, first + len - 1).into_iter().flat_map(|(a, b)| a..=b).collect();
            prop_assert_eq!(missing, expected);
        }
    }
}
