//! Seeds: the one generator of a world, and the runs of many worlds in a test.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use std::{
    ops::{Range, RangeInclusive},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

/// A generator of everything that happens by chance; the same seed gives the same run on every machine.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// A generator that repeats exactly what another of the same seed gives.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A generator of its own stream, so that what one part draws does not shift what others draw.
    pub fn fork(&mut self) -> Self {
        Self::new(self.0.next_u64())
    }

    /// A number below `bound`; zero for a bound of zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Modulo leans to small numbers by less than one in a million for the bounds used here.
        if bound == 0 { 0 } else { self.0.next_u64() % bound }
    }

    /// A number of the range, both ends included.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        low + self.below((high - low).saturating_add(1).max(1))
    }

    /// An index of something of this length.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A size whose order of magnitude is even between the ends: small ones are as likely as large ones.
    pub fn size(&mut self, range: RangeInclusive<usize>) -> usize {
        let (low, high) = range.into_inner();
        let span = (high - low + 1) as u64;
        let bits = 64 - span.leading_zeros() as u64;
        let cap = 1u64 << self.within(0..=bits).min(62);
        low + self.below(cap.min(span)) as usize
    }

    /// Whether something of this chance happens, in thousandths.
    pub fn chance(&mut self, thousandths: u64) -> bool {
        self.below(1000) < thousandths
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())].clone()
    }

    /// A time between the ends.
    pub fn time(&mut self, range: Range<Duration>) -> Duration {
        let span = range.end.saturating_sub(range.start).as_nanos() as u64;
        range.start + Duration::from_nanos(self.below(span))
    }

    /// Fills `octets`.
    pub fn fill(&mut self, octets: &mut [u8]) {
        self.0.fill_bytes(octets);
    }

    /// The seed of a node or a connection.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        seed
    }
}

/// Runs `world` for each seed of `fixed`, or of `MSRP_SEEDS=a..b` (`MSRP_SEEDS=a` for one).
///
/// A world that panics names its seed, with the command that runs it alone; `test` is how `cargo test` calls it.
///
/// # Panics
/// As `world` does, after telling the seed.
pub fn run_seeds(test: &str, fixed: Range<u64>, mut world: impl FnMut(u64)) {
    let seeds = std::env::var("MSRP_SEEDS")
        .ok()
        .and_then(|text| parse_seeds(&text));
    for seed in seeds.unwrap_or(fixed) {
        if std::env::var_os("MSRP_TELL").is_some() {
            eprintln!("seed {seed}");
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world(seed))) {
            eprintln!("replay: MSRP_SEEDS={seed} cargo test -p msrp-sim {test} -- --nocapture");
            resume_unwind(panic);
        }
    }
}

fn parse_seeds(text: &str) -> Option<Range<u64>> {
    match text.split_once("..") {
        Some((from, to)) => Some(from.parse().ok()?..to.parse().ok()?),
        None => {
            let seed = text.parse::<u64>().ok()?;
            Some(seed..seed.checked_add(1)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            let mut fork = rng.fork();
            (0..50)
                .map(|_| rng.size(1..=70_000) as u64 ^ fork.below(9))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut rng = Rng::new(1);
        for _ in 0..10_000 {
            assert!((3..=900).contains(&rng.size(3..=900)));
            assert!((5..=5).contains(&rng.within(5..=5)));
            assert_eq!(rng.below(0), 0);
        }
    }

    #[test]
    fn ranges_of_seeds_are_read_in_both_forms() {
        assert_eq!(parse_seeds("4..9"), Some(4..9));
        assert_eq!(parse_seeds("4"), Some(4..5));
        assert_eq!(parse_seeds("x"), None);
    }
}
