//! What is remembered for a while: bounded, and forgotten by itself.

use std::{
    collections::VecDeque,
    hash::Hash,
    time::{Duration, Instant},
};

use hashbrown::HashMap;

/// Facts by key, each for a limited time; the oldest gives way to a new one where there are too many.
#[derive(Debug)]
pub(crate) struct Memory<K, V> {
    limit: usize,
    known: HashMap<K, (Instant, V), foldhash::fast::RandomState>,
    /// In the order in which they were learned; what was learned again stands here twice.
    order: VecDeque<(Instant, K)>,
}

impl<K: Hash + Eq + Clone, V> Memory<K, V> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            known: HashMap::default(),
            order: VecDeque::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Learns something that holds for `time`.
    pub(crate) fn learn(&mut self, now: Instant, key: K, value: V, time: Duration) {
        let until = now + time;
        self.known.insert(key.clone(), (until, value));
        self.order.push_back((until, key));
        while self.known.len() > self.limit || self.order.len() > self.limit * 2 {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((until, key)) = self.order.pop_front()
            && self.known.get(&key).is_some_and(|(known, _)| *known == until)
        {
            self.known.remove(&key);
        }
    }

    /// What is known and still holds.
    pub(crate) fn recall(&self, now: Instant, key: &K) -> Option<&V> {
        self.known
            .get(key)
            .filter(|(until, _)| *until > now)
            .map(|(_, value)| value)
    }

    /// As [`recall`](Self::recall), to be changed; it holds no longer by that.
    pub(crate) fn recall_mut(&mut self, now: Instant, key: &K) -> Option<&mut V> {
        self.known
            .get_mut(key)
            .filter(|(until, _)| *until > now)
            .map(|(_, value)| value)
    }

    pub(crate) fn forget(&mut self, key: &K) {
        self.known.remove(key);
    }

    /// Forgets what holds no longer.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.known.retain(|_, (until, _)| *until > now);
        let known = &self.known;
        self.order
            .retain(|(until, key)| known.get(key).is_some_and(|(held, _)| held == until));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests begin at any time")]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn facts_are_forgotten_by_time_and_by_number() {
        let now = Instant::now();
        let mut memory = Memory::new(2);
        memory.learn(now, "a", 1, SECOND);
        assert_eq!(memory.recall(now, &"a"), Some(&1));
        assert_eq!(memory.recall(now + SECOND, &"a"), None);
        // Learned again it holds anew, and is no longer the oldest.
        memory.learn(now, "b", 2, SECOND * 9);
        memory.learn(now, "a", 3, SECOND * 9);
        memory.learn(now, "c", 4, SECOND * 9);
        assert_eq!(memory.recall(now, &"b"), None);
        assert_eq!(memory.recall(now + SECOND * 8, &"a"), Some(&3));
        for _ in 0..100 {
            memory.learn(now, "a", 5, SECOND);
        }
        assert!(memory.order.len() <= 4);
        memory.sweep(now + SECOND * 10);
        assert_eq!((memory.len(), memory.order.len()), (0, 0));
    }
}
