//! Whether to pause or to buffer when one receiver behind a shared connection is slow: the experiment that
//! [`SlowReceiver`]'s default was settled by. `cargo test -p msrp-relay --test slow_receiver -- --nocapture` prints it.
//!
//! A connection between relays carries a file for bob and the chats of eight others. In each turn it brings 64 KiB of the
//! file and one message of each chat; what the relay does not read waits in it. Bob takes nothing for some turns, then as
//! much as comes. With 64 KiB each 10 ms (50 Mbit/s) twenty turns are a pause of 0.2 s.

mod harness;

use std::{collections::VecDeque, time::Duration};

use harness::*;
use msrp_relay::SlowReceiver;

const KIB: usize = 1024;
const PIECE: usize = 64 * KIB;
const NEXT: &str = "msrps://other.example.com:2855/8fks92j4kd;tcp";
const CHATS: usize = 8;
const TURNS: usize = 160;

/// What became of it.
#[derive(Debug, PartialEq)]
struct Found {
    /// Turns between a chat message's being sent and its being heard, at worst.
    delay: usize,
    /// Chunks of the file that were answered with an error.
    refused: usize,
    /// Octets that the relay held at worst.
    memory: usize,
}

fn run(policy: SlowReceiver, pause: usize) -> Found {
    let mut world = World::with(config().slow_receiver(policy));
    let (bob, bob_uri) = world.client("bob", "hidden");
    let chats: Vec<_> = (0..CHATS).map(|_| world.client("alice", "secret")).collect();
    let shared = world.accept(tls());
    let from = |number: usize| format!("{NEXT} msrps://peer{number}.example.com:9892/98cjs;tcp");
    // What has been sent and not read by the relay, with the turn in which it was sent.
    let mut wire = VecDeque::new();
    let mut found = Found {
        delay: 0,
        refused: 0,
        memory: 0,
    };
    for turn in 0..TURNS {
        for (number, (_, uri)) in chats.iter().enumerate() {
            let id = format!("chat{number}x{turn:04}");
            let path = format!("{uri} {BOB}");
            let text = format!("{turn:05}");
            let chunk = send(&id, &path, &from(number), "", "1-5/5", &text, '$').replace("87652", &id);
            wire.push_back(chunk);
        }
        if turn > 0 && turn < TURNS / 2 {
            let range = format!("{}-*/{}", (turn - 1) * PIECE + 1, (TURNS / 2 - 1) * PIECE);
            let flag = if turn == TURNS / 2 - 1 { '$' } else { '+' };
            let id = format!("file{turn:04}");
            let path = format!("{bob_uri} {BOB}");
            wire.push_back(send(&id, &path, &from(99), "", &range, &"x".repeat(PIECE), flag));
        }
        if turn == 2 {
            world.set_room(bob, Some(0));
        }
        if turn == 2 + pause {
            world.set_room(bob, None);
        }
        while world.relay_wants_read(shared)
            && let Some(chunk) = wire.pop_front()
        {
            world.feed(shared, chunk);
            found.memory = found.memory.max(world.relay.memory());
        }
        for (chat, _) in &chats {
            for frame in world.frames(*chat) {
                let sent: usize = String::from_utf8_lossy(frame.body()).parse().unwrap();
                found.delay = found.delay.max(turn - sent);
            }
        }
        let told = world.frames(shared);
        found.refused += told.iter().filter(|frame| frame.start_code() == 413).count();
    }
    found
}

#[test]
fn pausing_delays_all_and_buffering_costs_memory() {
    println!(
        "pause of bob in turns | policy | worst delay of a chat in turns | refused chunks | octets held"
    );
    let mut table = Vec::new();
    for pause in [4, 20, 60] {
        for policy in [
            SlowReceiver::Pause,
            SlowReceiver::Buffer { max: 64 * KIB },
            SlowReceiver::Buffer { max: 256 * KIB },
            SlowReceiver::Auto {
                max: 1024 * KIB,
                patience: Duration::from_secs(2),
            },
            SlowReceiver::Buffer { max: 4096 * KIB },
        ] {
            let found = run(policy, pause);
            println!(
                "{pause} | {policy:?} | {} | {} | {}",
                found.delay, found.refused, found.memory
            );
            table.push((pause, policy, found));
        }
    }
    for (pause, policy, found) in table {
        match policy {
            // What bob's own buffers take is all that delays nobody.
            SlowReceiver::Pause => {
                assert_eq!(found.refused, 0);
                assert!(pause < 20 || found.delay >= pause / 2, "{pause}: {found:?}");
            }
            // It buffers for as long as that helps, and then it pauses: nothing is refused of a file whose receiver goes on.
            SlowReceiver::Auto { max, .. } => {
                assert_eq!(found.refused, 0, "{pause}: {found:?}");
                assert!(found.memory <= max + 768 * KIB, "{pause}: {found:?}");
                assert!(pause * PIECE > max || found.delay == 0, "{pause}: {found:?}");
            }
            SlowReceiver::Buffer { max } => {
                assert_eq!(found.delay, 0, "{pause}, {policy:?}");
                assert!(found.memory <= max + 768 * KIB, "{pause}, {policy:?}: {found:?}");
                // The lane takes 256 KiB, and what has been staged leaves it.
                let holds = pause * PIECE <= max + 256 * KIB;
                assert!(!holds || found.refused == 0, "{pause}, {policy:?}: {found:?}");
            }
            _ => {}
        }
    }
}
