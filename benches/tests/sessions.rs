//! What a session costs a user agent that has very many of them.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

use std::{alloc::System, time::Instant};

use msrp_core::node::Node;
use msrp_ua::{
    OutgoingMessage, Role, SessionParams, UserAgent, UserAgentConfig, UserAgentEvent, loopback::Loopback,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SESSIONS: usize = 10_000;

fn drain(agent: &mut UserAgent) -> (usize, usize) {
    let (mut ready, mut messages) = (0, 0);
    while let Some(event) = agent.poll_event() {
        match event {
            UserAgentEvent::SessionReady { .. } => ready += 1,
            UserAgentEvent::Message { .. } => messages += 1,
            _ => {}
        }
    }
    (ready, messages)
}

// One test, as the allocator counts for all threads.
#[test]
fn ten_thousand_sessions_cost_less_than_eight_kibibytes_each() {
    let now = Instant::now();
    // A connection for each, as between users who have nothing in common: each active side has an authority of its own.
    let agent = |host: &str, seed| UserAgent::new(now, UserAgentConfig::new(host, 2855, true), [seed; 32]);
    let (mut a, mut b) = (agent("a.example.com", 1), agent("b.example.com", 2));
    let mut wires = Loopback::new();
    let region = Region::new(ALLOCATOR);
    let (mut ready, mut heard) = (0, 0);
    for number in 0..SESSIONS {
        b.set_authority(format!("b{number}.example.com"), 2855);
        let (from, to) = (a.allocate_uri(), b.allocate_uri());
        b.open_session(SessionParams::new(to.clone(), from.clone(), Role::Passive))
            .unwrap();
        let session = a
            .open_session(SessionParams::new(from, to, Role::Active))
            .unwrap();
        a.send(session, OutgoingMessage::text("Hello").with_success_report())
            .unwrap();
        for _ in 0..2 {
            wires.run(now, &mut a, &mut b);
            ready += drain(&mut a).0;
            heard += drain(&mut b).1;
        }
    }
    assert_eq!((ready, heard), (SESSIONS, SESSIONS));
    let change = region.change();
    let each = (change.bytes_allocated - change.bytes_deallocated) / (2 * SESSIONS);
    println!("{each} octets for each session with a connection of its own");
    assert!(each < 8 * 1024, "{each}");
    drop((a, b));
}
