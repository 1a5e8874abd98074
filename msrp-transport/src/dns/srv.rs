//! The order of SRV records (RFC 2782): priorities strictly, weights statistically.

use msrp_core::rng::IdSource;

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Srv<T> {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: T,
}

/// Puts records in the order in which they are to be tried.
pub(super) fn order<T>(mut records: Vec<Srv<T>>, random: &mut IdSource) -> Vec<Srv<T>> {
    // Those without weight stand first among their equals, which gives them a small chance.
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let equals = records.iter().take_while(|record| record.priority == priority);
        let sum: u64 = equals.map(|record| u64::from(record.weight)).sum();
        let drawn = below(sum + 1, random);
        let mut running = 0;
        let chosen = records.iter().position(|record| {
            running += u64::from(record.weight);
            running >= drawn
        });
        ordered.push(records.remove(chosen.unwrap_or_default()));
    }
    ordered
}

/// A number below `bound`; 64 random bits leave no bias that could be noticed.
fn below(bound: u64, random: &mut IdSource) -> u64 {
    u64::from_le_bytes(random.bytes()) % bound.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(priority: u16, weight: u16, target: &'static str) -> Srv<&'static str> {
        Srv {
            priority,
            weight,
            port: 9000,
            target,
        }
    }

    fn targets(records: &[Srv<&'static str>], random: &mut IdSource) -> Vec<&'static str> {
        order(records.to_vec(), random)
            .iter()
            .map(|record| record.target)
            .collect()
    }

    // shows: 4976-8-06
    #[test]
    fn lower_priorities_come_first_whatever_the_weights() {
        let records = [
            srv(20, 65535, "c"),
            srv(10, 0, "b"),
            srv(0, 1, "a"),
            srv(30, 0, "d"),
        ];
        let mut random = IdSource::from_seed([1; 32]);
        for _ in 0..1_000 {
            assert_eq!(targets(&records, &mut random), ["a", "b", "c", "d"]);
        }
    }

    // shows: 4976-8-06
    #[test]
    fn weights_are_honoured_statistically() {
        let records = [srv(0, 1, "one"), srv(0, 3, "three"), srv(0, 0, "none")];
        let mut random = IdSource::from_seed([2; 32]);
        let (mut first, mut second) = ([0; 3], [0; 3]);
        let place = |target: &str| ["one", "three", "none"].iter().position(|t| *t == target);
        const RUNS: usize = 50_000;
        for _ in 0..RUNS {
            let order = targets(&records, &mut random);
            assert_eq!(order.len(), 3);
            first[place(order[0]).unwrap()] += 1;
            second[place(order[1]).unwrap()] += 1;
        }
        // Drawn from 0 to 4: 0 is the one without weight, 1 is one, 2 to 4 are three.
        let near = |count: usize, share: f64| (count as f64 / RUNS as f64 - share).abs() < 0.01;
        assert!(
            near(first[0], 0.2) && near(first[1], 0.6) && near(first[2], 0.2),
            "{first:?}"
        );
        // Second: after none one (1 of 0..=4: 2/5, as 0 is one's too); after one none (1/4); after three none (1/2).
        assert!(near(second[0], 0.2 * 0.4 + 0.6 * 0.5), "{second:?}");
    }

    #[test]
    fn weights_as_large_as_can_be_and_none_at_all() {
        let mut random = IdSource::from_seed([3; 32]);
        let many = vec![srv(0, u16::MAX, "x"); 1_000];
        assert_eq!(order(many, &mut random).len(), 1_000);
        assert_eq!(order(Vec::<Srv<()>>::new(), &mut random), []);
        let mut seen = [false; 2];
        for _ in 0..100 {
            let first = targets(&[srv(0, 0, "a"), srv(0, 0, "b")], &mut random)[0];
            seen[usize::from(first == "b")] = true;
        }
        assert!(seen[0], "records without weight come in any order");
    }
}
