//! Thousands of worlds in which user agents talk through relays: with a network that only cuts octets in pieces, with
//! faults of all kinds, and with peers that keep no rule.

mod scenes;

use std::{collections::BTreeMap, time::Duration};

use msrp_sim::{checker, run_seeds};
use scenes::{Scene, Stage};

const LIMIT: Duration = Duration::from_secs(20_000);
/// Longer than everything that a relay or a user agent keeps for a while: URIs, idle connections, messages.
const LONG: Duration = Duration::from_secs(4 * 3600);

/// Runs a world to its end, and holds it to everything.
fn run(seed: u64, stage: Stage) -> Scene {
    run_scene(Scene::new(seed, stage))
}

fn run_scene(mut scene: Scene) -> Scene {
    scene.world.run_until_quiet(LIMIT);
    scene.world.check_quiet();
    scene.tell_smooth();
    scene.hang_up_all();
    scene.world.run_until(scene.world.elapsed() + LONG);
    scene.settle();
    if let Err(violations) = scene.world.check() {
        panic!("{violations}");
    }
    scene.check_rest();
    scene
}

/// Runs worlds, among which some have to show each of these things.
fn counts(test: &str, seeds: u64, stage: Stage, shown: &[&str]) {
    counts_of(test, seeds, |seed| run(seed, stage), shown);
}

fn counts_of(test: &str, seeds: u64, run: impl Fn(u64) -> Scene, shown: &[&str]) {
    let mut sums = BTreeMap::<&str, u64>::new();
    run_seeds(test, 0..seeds, |seed| {
        for (what, times) in run(seed).world.ledger().counts() {
            *sums.entry(*what).or_default() += times;
        }
    });
    println!("{sums:?}");
    // Worlds that show nothing of what they are for would be a test that cannot fail.
    for what in shown {
        let found = sums.contains_key(what) || std::env::var_os("MSRP_SEEDS").is_some();
        assert!(found, "no world had anything {what}");
    }
}

#[test]
fn through_relays_every_message_arrives() {
    let shown = ["received", "received, long", "reports", "lookups", "opened"];
    counts("through_relays", 700, Stage::Smooth, &shown);
}

#[test]
fn a_failure_hurts_its_own_sessions_only() {
    let shown = [
        "faults",
        "failed",
        "session lost",
        "received",
        "unknown",
        "cancelled",
        "rejected",
        "aborted",
        "shut down",
        "measures",
        "unanswered",
        "registration lost",
    ];
    counts("a_failure_hurts", 800, Stage::Faults, &shown);
}

#[test]
fn hostile_peers_hurt_nobody() {
    let shown = ["sieges", "received", "relay connection closed"];
    counts("hostile_peers", 500, Stage::Hostile, &shown);
}

/// Two to four relays of different administrations, each with users of its own; phones behind any of them.
// shows: 4976-1-04, 4976-1-05, 4976-G-02
#[test]
fn through_chains_of_relays_every_message_arrives() {
    let shown = ["received", "received, long", "reports", "opened", "registered"];
    let run = |seed| run_scene(Scene::chains(seed, Stage::Smooth));
    counts_of("through_chains", 300, run, &shown);
}

/// Connections between relays break, stall, and are refused; what was on its way is told of, and new messages find a way.
// shows: 4976-1-06
#[test]
fn what_a_chain_loses_is_told() {
    let shown = ["faults", "failed", "received", "unknown", "registration lost"];
    let run = |seed| run_scene(Scene::chains(seed, Stage::Faults));
    counts_of("what_a_chain_loses", 400, run, &shown);
}

/// At the finest level, over all kinds of worlds: no session-id, digest, nonce, password or body.
// shows: 4976-3.1-05
#[test]
fn logs_hold_no_secret() {
    let mut lines = 0;
    for stage in [Stage::Smooth, Stage::Faults, Stage::Hostile] {
        for seed in 0..60 {
            let (scene, log) = checker::captured(|| run(seed, stage));
            let text = log.text();
            lines += text.lines().count();
            let violations = log.check(scene.world.trace());
            assert!(violations.is_empty(), "seed {seed} {stage:?}: {}", violations[0]);
            assert!(
                !text.contains("Passw0rd"),
                "seed {seed} {stage:?}: a password is logged"
            );
        }
    }
    assert!(lines > 1_000, "{lines} lines are too few to tell anything");
}

#[test]
fn a_seed_replays_exactly() {
    for (seed, stage) in [(3, Stage::Smooth), (14, Stage::Faults), (159, Stage::Hostile)] {
        let listing = |scene: Scene| checker::listing(scene.world.trace());
        assert!(
            listing(run(seed, stage)) == listing(run(seed, stage)),
            "seed {seed} {stage:?}"
        );
    }
}
