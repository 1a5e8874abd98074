//! Nonces of one connection, and of the clients behind another relay (RFC 4976 §9.1).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use msrp_core::rng::IdSource;
use subtle::ConstantTimeEq;

/// The nonces that a connection has been given: the latest few, because several AUTHs may be on their way when a new one
/// is given.
///
/// A nonce is worth something on the connection only that it was given on, so no peer can wear out those of another,
/// and a captured Authorization cannot be replayed elsewhere. A client that brings a nonce from an older connection is
/// told `stale=true` and tries again.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    /// The latest first. Grows by one at a time: most connections are given two.
    given: Vec<Nonce>,
}

#[derive(Debug)]
struct Nonce {
    secret: [u8; 16],
    given: Instant,
    /// The highest nonce count that has been used.
    count: u32,
}

/// How many nonces of a connection are worth something at a time.
const KEPT: usize = 4;
/// Octets of a nonce as text.
const TEXT: usize = 32;

/// What a nonce is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Fresh,
    /// Unknown here, too old, or its count was used before.
    Stale,
}

impl Nonces {
    /// What each costs.
    #[cfg(test)]
    pub(crate) const EACH: usize = size_of::<Nonce>();

    /// A new nonce.
    pub(crate) fn give(&mut self, now: Instant, ids: &mut IdSource) -> String {
        let secret: [u8; 16] = ids.bytes();
        self.given.truncate(KEPT - 1);
        self.given.reserve_exact(1);
        self.given.insert(
            0,
            Nonce {
                secret,
                given: now,
                count: 0,
            },
        );
        text(&secret)
    }

    /// What the nonce of an Authorization is worth, together with its count; uses the count up. To be asked once the
    /// digest has been found right.
    pub(crate) fn take(&mut self, now: Instant, nonce: &str, count: u32, life: Duration) -> Freshness {
        let known = self
            .given
            .iter_mut()
            .find(|known| bool::from(text(&known.secret).as_bytes().ct_eq(nonce.as_bytes())));
        match known {
            Some(known) if now.saturating_duration_since(known.given) < life && count > known.count => {
                known.count = count;
                Freshness::Fresh
            }
            _ => Freshness::Stale,
        }
    }
}

/// The nonces that the clients behind a relay have been given, over whichever of its connections. The latest
/// 4,096, and none that is too old: about 150 octets each.
#[derive(Debug, Default)]
pub(crate) struct NonceBook {
    /// By its text, the highest count that has been used.
    counts: HashMap<String, u32>,
    /// In the order in which they were given.
    given: VecDeque<(Instant, String)>,
}

/// How many nonces of the clients behind one relay are worth something at a time.
const BOOK: usize = 4_096;

impl NonceBook {
    /// A new nonce.
    pub(crate) fn give(&mut self, now: Instant, ids: &mut IdSource, life: Duration) -> String {
        while let Some((given, _)) = self.given.front()
            && (self.given.len() >= BOOK || now.saturating_duration_since(*given) >= life)
            && let Some((_, oldest)) = self.given.pop_front()
        {
            self.counts.remove(&oldest);
        }
        let nonce = text(&ids.bytes());
        self.counts.insert(nonce.clone(), 0);
        self.given.push_back((now, nonce.clone()));
        nonce
    }

    /// As [`Nonces::take`].
    pub(crate) fn take(&mut self, now: Instant, nonce: &str, count: u32, life: Duration) -> Freshness {
        while let Some((given, _)) = self.given.front()
            && now.saturating_duration_since(*given) >= life
            && let Some((_, oldest)) = self.given.pop_front()
        {
            self.counts.remove(&oldest);
        }
        match self.counts.get_mut(nonce) {
            Some(used) if count > *used => {
                *used = count;
                Freshness::Fresh
            }
            _ => Freshness::Stale,
        }
    }
}

fn text(secret: &[u8; 16]) -> String {
    let mut text = String::with_capacity(TEXT);
    for octet in secret {
        for digit in [octet >> 4, octet & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests begin at any time")]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(300);

    #[test]
    fn a_book_of_nonces_is_bounded_and_each_count_is_used_once() {
        let now = Instant::now();
        let mut ids = IdSource::from_seed([1; 32]);
        let mut book = NonceBook::default();
        let first = book.give(now, &mut ids, LIFE);
        let second = book.give(now + LIFE / 2, &mut ids, LIFE);
        assert_eq!(book.take(now, &first, 1, LIFE), Freshness::Fresh);
        assert_eq!(book.take(now, &first, 1, LIFE), Freshness::Stale);
        assert_eq!(book.take(now, &first, 2, LIFE), Freshness::Fresh);
        assert_eq!(book.take(now, "made up", 1, LIFE), Freshness::Stale);
        assert_eq!(book.take(now + LIFE, &first, 3, LIFE), Freshness::Stale);
        assert_eq!(book.take(now + LIFE, &second, 1, LIFE), Freshness::Fresh);
        for _ in 0..2 * BOOK {
            book.give(now + LIFE, &mut ids, LIFE);
        }
        assert_eq!((book.counts.len(), book.given.len()), (BOOK, BOOK));
        assert_eq!(book.take(now + LIFE, &second, 2, LIFE), Freshness::Stale);
        // What is too old is forgotten.
        book.give(now + 2 * LIFE, &mut ids, LIFE);
        assert_eq!((book.counts.len(), book.given.len()), (1, 1));
    }

    #[test]
    fn a_nonce_lives_for_its_time_and_each_count_once() {
        let now = Instant::now();
        let mut ids = IdSource::from_seed([1; 32]);
        let mut nonces = Nonces::default();
        let first = nonces.give(now, &mut ids);
        assert_eq!(first.len(), TEXT);
        assert_eq!(nonces.take(now, &first, 1, LIFE), Freshness::Fresh);
        assert_eq!(nonces.take(now, &first, 1, LIFE), Freshness::Stale);
        assert_eq!(nonces.take(now, &first, 3, LIFE), Freshness::Fresh);
        assert_eq!(nonces.take(now, &first, 2, LIFE), Freshness::Stale);
        let second = nonces.give(now, &mut ids);
        assert_eq!(nonces.take(now, &first, 4, LIFE), Freshness::Fresh);
        assert_eq!(nonces.take(now, &second, 1, LIFE), Freshness::Fresh);
        let mut last = second;
        for _ in 1..KEPT {
            last = nonces.give(now, &mut ids);
        }
        assert_eq!(nonces.take(now, &first, 5, LIFE), Freshness::Stale);
        assert_eq!(nonces.take(now + LIFE, &last, 1, LIFE), Freshness::Stale);
        assert_eq!(nonces.take(now, "made up", 1, LIFE), Freshness::Stale);
    }
}
