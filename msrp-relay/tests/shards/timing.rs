//! Seeded worlds: pieces of any size, at any time.

use super::*;

/// Chance that repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// A client of a seeded world, and what it sent.
struct Talker {
    at: At,
    use_path: String,
    uri: String,
    alive: bool,
    /// Octets that it has still to send.
    unsent: Vec<u8>,
}

struct Said {
    id: String,
    from: usize,
    to: usize,
    body: String,
    short: bool,
}

/// One message, in one chunk or in several.
fn chunks(dice: &mut Dice, number: usize, to: &str, from: &str, body: &str) -> String {
    let total = body.len();
    let mut text = String::new();
    let mut start = 0;
    let mut part = 0;
    loop {
        let len = if total > 2048 {
            (1 + dice.below(total)).min(total - start)
        } else {
            total
        };
        let end = start + len;
        let (flag, last) = if end == total { ('$', true) } else { ('+', false) };
        let range = if len > 2048 {
            format!("{}-*/{total}", start + 1)
        } else {
            format!("{}-{end}/{total}", start + 1)
        };
        text += &send(
            &format!("t{number}p{part}"),
            to,
            from,
            "",
            &range,
            &body[start..end],
            flag,
        )
        .replace("Message-ID: 87652", &format!("Message-ID: m{number}mm"));
        if last {
            return text;
        }
        start = end;
        part += 1;
    }
}

/// Clients at any shards talk at the same time, in pieces of any size; some of them go. What was sent arrives whole, or
/// its sender hears of it.
#[test]
fn whatever_the_timing_messages_arrive_or_are_reported() {
    let mut crossed = 0;
    let mut reported = 0;
    for seed in 1..120_u64 {
        let dice = &mut Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let count = 2 + dice.below(3);
        let mut shards = Shards::new(count as u16);
        shards.piece = [1, 13, 500, 4096, usize::MAX][dice.below(5)];
        let mut talkers: Vec<Talker> = (0..2 + dice.below(4))
            .map(|number| {
                let (at, use_path) = shards.client(dice.below(count), "alice", "secret");
                Talker {
                    at,
                    use_path,
                    uri: format!("msrps://host{number}.example.com:9/s{number};tcp"),
                    alive: true,
                    unsent: Vec::new(),
                }
            })
            .collect();
        let mut said: Vec<Said> = Vec::new();
        for number in 0..1 + dice.below(25) {
            let from = dice.below(talkers.len());
            let to = (from + 1 + dice.below(talkers.len() - 1)) % talkers.len();
            let short = dice.below(3) > 0;
            let len = 1 + dice.below(if short { 300 } else { 20_000 });
            let body: String = (0..len)
                .map(|at| char::from(b'a' + ((at + number) % 26) as u8))
                .collect();
            let path = format!(
                "{} {} {}",
                talkers[from].use_path, talkers[to].use_path, talkers[to].uri
            );
            let text = chunks(dice, number, &path, &talkers[from].uri, &body);
            talkers[from].unsent.extend_from_slice(text.as_bytes());
            said.push(Said {
                id: format!("m{number}mm"),
                from,
                to,
                body,
                short,
            });
        }
        let lost = (dice.below(3) == 0).then(|| dice.below(talkers.len()));
        while talkers
            .iter()
            .any(|talker| talker.alive && !talker.unsent.is_empty())
        {
            let who = dice.below(talkers.len());
            let talker = &mut talkers[who];
            if lost == Some(who) && talker.alive && dice.below(12) == 0 {
                talker.alive = false;
                let at = talker.at;
                shards.worlds[at.0].reset(at.1);
                continue;
            }
            if talker.alive && shards.worlds[talker.at.0].relay_wants_read(talker.at.1) {
                let len = (1 + dice.below(6_000)).min(talker.unsent.len());
                let octets: Vec<u8> = talker.unsent.drain(..len).collect();
                shards.worlds[talker.at.0].feed(talker.at.1, octets);
            }
            for _ in 0..dice.below(3) {
                shards.step();
            }
        }
        shards.settle();
        // Everybody answers what came.
        let mut got: Vec<Vec<Frame>> = talkers.iter().map(|_| Vec::new()).collect();
        loop {
            let mut any = false;
            for (number, talker) in talkers.iter().enumerate().filter(|(_, talker)| talker.alive) {
                for frame in shards.frames(talker.at) {
                    any = true;
                    if frame.start == "SEND" {
                        shards.feed(talker.at, answer(&frame, "200 OK", &talker.uri));
                    }
                    got[number].push(frame);
                }
            }
            if !any {
                break;
            }
        }
        shards.advance(Duration::from_secs(31));
        for (number, talker) in talkers.iter().enumerate().filter(|(_, talker)| talker.alive) {
            got[number].extend(shards.worlds[talker.at.0].frames(talker.at.1));
        }
        let mut latest = std::collections::BTreeMap::new();
        for (at, message) in said.iter().enumerate() {
            let (from, to) = (&talkers[message.from], &talkers[message.to]);
            crossed += usize::from(from.at.0 != to.at.0);
            if !from.alive {
                continue;
            }
            let of = |frames: &[Frame], start: &str| {
                frames
                    .iter()
                    .enumerate()
                    .filter(|(_, frame)| {
                        frame.start == start && frame.header("Message-ID") == Some(&message.id)
                    })
                    .map(|(place, frame)| (place, frame.clone()))
                    .collect::<Vec<_>>()
            };
            let reports = of(&got[message.from], "REPORT").len();
            let refused = got[message.from]
                .iter()
                .any(|frame| frame.start_code() >= 400 && frame.id.starts_with(&format!("t{at}p")));
            let parts = of(&got[message.to], "SEND");
            let octets: Vec<u8> = parts
                .iter()
                .flat_map(|(_, frame)| frame.body().to_vec())
                .collect();
            if to.alive {
                assert_eq!(octets, message.body.as_bytes(), "seed {seed}: {}", message.id);
                assert!(reports == 0 && !refused, "seed {seed}: {}", message.id);
                if message.short {
                    let place = parts[0].0;
                    let before = latest.insert((message.from, message.to), place);
                    assert!(before.is_none_or(|before| before < place), "seed {seed}: order");
                }
            } else {
                assert!(
                    reports > 0 || refused,
                    "seed {seed}: {} is lost in silence",
                    message.id
                );
                reported += 1;
            }
        }
        for talker in talkers.iter().filter(|talker| talker.alive) {
            shards.worlds[talker.at.0].reset(talker.at.1);
        }
        shards.settle();
        shards.advance(Duration::from_secs(31));
        for world in &shards.worlds {
            let relay = &world.relay;
            let rest = (
                relay.connections(),
                relay.pipes(),
                relay.open_transactions(),
                relay.memory(),
                relay.bindings(),
            );
            assert_eq!(rest, (0, 0, 0, 0, 0), "seed {seed}");
        }
    }
    assert!(crossed > 200 && reported > 20, "{crossed} {reported}");
}
