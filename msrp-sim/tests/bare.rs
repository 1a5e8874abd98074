//! Thousands of worlds in which nodes with nothing above `Connection` send each other messages.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use msrp_core::{
    codec::Framing,
    connection::ConnectionConfig,
    grammar::{MAX_PATH_URIS, Path, Scheme},
    node::{ListenerId, Target},
};
use msrp_sim::{
    Adapter, Fault, Link, Listener, PlannedFault, Rng, World,
    bare::{BareNode, Manners, Plan, Talker},
    run_seeds,
};

const LIMIT: Duration = Duration::from_secs(20_000);

fn path(host: &str) -> Path {
    let uri = format!("msrp://{host}.example:2855/s{host}Secret42;tcp");
    Path::parse(Bytes::from(uri), MAX_PATH_URIS).expect("a sound URI")
}

fn config(rng: &mut Rng) -> Arc<ConnectionConfig> {
    let config = ConnectionConfig::new()
        .send_high(rng.pick(&[16 * 1024, 100_000, 1024 * 1024]))
        .rx_limit(rng.pick(&[32 * 1024, 256 * 1024]))
        .lane_watermarks(rng.pick(&[4096, 60_000, 256 * 1024]), rng.pick(&[1000, 30_000]))
        .max_chunk(rng.pick(&[None, None, None, Some(2048), Some(10_000)]));
    Arc::new(config)
}

fn polite(rng: &mut Rng) -> Manners {
    Manners {
        answers: 300,
        defers: rng.pick(&[0, 200]),
        defer_time: Duration::from_secs(5),
        naps: rng.pick(&[0, 0, 50]),
        nap_time: Duration::from_millis(300),
        piece: rng.pick(&[100, 5000, 100_000]),
        dribbles: rng.pick(&[0, 0, 20]),
        dribble_time: Duration::from_millis(400),
        ..Manners::default()
    }
}

/// Two to four nodes, the first an echo, some connections, several messages on each.
fn world(seed: u64, faults: bool) -> World {
    let mut world = World::new(seed);
    let rng = &mut world.rng().fork();
    let nodes = rng.within(2..=4) as usize;
    let framing = if rng.chance(200) {
        Framing::Message
    } else {
        Framing::Stream
    };
    let smooth = !faults;
    let total = rng.size(1_000..=600_000);
    world.rules().name = if faults { "bare-faults" } else { "bare" };
    for node in 0..nodes {
        let mut manners = polite(rng);
        world.rules().stalls |= manners.dribbles > 0;
        if faults {
            manners.rejects = rng.pick(&[0, 30]);
            manners.aborts = rng.pick(&[0, 10]);
            manners.repeats = rng.pick(&[0, 0, 100]);
            if manners.repeats > 0 {
                world.rules().in_order = false;
            }
        }
        let host = format!("n{node}");
        let mut plans = Vec::new();
        if node > 0 {
            let connections = rng.within(1..=2);
            for number in 0..connections {
                let to = rng.index(node);
                let host = format!("n{to}");
                let target = Target::new(Scheme::Msrp, format!("{host}.example"), Some(2855));
                plans.push((
                    rng.time(Duration::ZERO..Duration::from_secs(1)),
                    Plan::Connect(number, target, path(&host)),
                ));
                let messages = rng.within(1..=5);
                for _ in 0..messages {
                    let at = rng.time(Duration::from_secs(1)..Duration::from_secs(4));
                    plans.push((at, Plan::Send(number, rng.size(0..=total / 4))));
                }
                if faults && rng.chance(200) {
                    plans.push((
                        rng.time(Duration::from_secs(2)..Duration::from_secs(8)),
                        Plan::Close(number),
                    ));
                }
            }
        }
        let talker = Talker::new(plans, node == 0, smooth, rng);
        let bare = BareNode::new(config(rng), path(&host), manners, rng.fork());
        world.endpoint(&host, Adapter::new(bare, talker));
        let listener = Listener {
            node,
            id: ListenerId(0),
            tls: false,
            framing,
        };
        world.listen(&format!("{host}.example"), 2855, listener);
    }
    let link = Link::random(rng);
    world.usual_link(link);
    if faults {
        for _ in 0..rng.within(1..=4) {
            let fault = match rng.below(8) {
                0 => Fault::Reset,
                1 => Fault::HalfClose,
                2 => Fault::Stall(rng.time(Duration::from_millis(10)..Duration::from_secs(100))),
                3 => Fault::DropAfter(rng.size(1..=100_000) as u64),
                4 => Fault::SplitEvery(rng.size(20..=1000)),
                5 => Fault::SlowReader(rng.time(Duration::from_millis(1)..Duration::from_millis(50))),
                6 => Fault::RefuseConnect,
                _ => Fault::AcceptConnect,
            };
            let at = rng.time(Duration::ZERO..Duration::from_secs(6));
            world.fault(PlannedFault {
                at,
                node: rng.index(nodes),
                connection: rng.index(4),
                fault,
            });
        }
        world.rules().all_is_read = false;
    }
    world
}

fn run(seed: u64, faults: bool) -> World {
    let mut world = world(seed, faults);
    world.run_until_quiet(LIMIT);
    if let Err(violations) = world.check() {
        panic!("{violations}");
    }
    world
}

/// Runs worlds and gives what their applications counted.
fn counts(test: &str, seeds: u64, faults: bool) -> BTreeMap<&'static str, u64> {
    let mut sums = BTreeMap::new();
    run_seeds(test, 0..seeds, |seed| {
        for (what, times) in run(seed, faults).ledger().counts() {
            *sums.entry(*what).or_default() += times;
        }
    });
    println!("{sums:?}");
    sums
}

// shows: 4975-5.1-05, 4975-7.1.1-31
#[test]
fn messages_arrive_whole_whatever_the_network_does_to_segments() {
    let counts = counts("messages_arrive_whole", 1_000, false);
    assert!(counts.contains_key("received") && counts.contains_key("reports"));
    assert!(!counts.contains_key("failed") && !counts.contains_key("down"));
}

#[test]
fn faults_lose_messages_but_break_no_rule() {
    let counts = counts("faults_lose_messages", 1_000, true);
    for what in ["faults", "down", "failed", "given up", "refused", "received"] {
        assert!(counts.contains_key(what), "no world had anything {what}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 14, 159] {
        let octets = |world: World| {
            world
                .trace()
                .streams()
                .map(|stream| stream.octets.clone())
                .collect::<Vec<_>>()
        };
        assert!(octets(run(seed, true)) == octets(run(seed, true)), "seed {seed}");
    }
}
