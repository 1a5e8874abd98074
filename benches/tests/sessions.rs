//! What a session costs a user agent that has very many of them.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

use std::{alloc::System, time::Instant};

use msrp_core::node::Node;
use msrp_ua::{
    OutgoingMessage, Role, SessionParams, UserAgent, UserAgentConfig, UserAgentEvent,
    call::{CallAnswer, OutgoingCall},
    loopback::Loopback,
    sip::{SipLoopback, SipParty},
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

fn sessions_alone() -> usize {
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
    drop((a, b));
    each
}

/// Calls, each with a connection of its own; what SIP in memory keeps is counted with them.
fn sessions_of_calls() -> usize {
    let now = Instant::now();
    let agent = |host: &str, seed| UserAgent::new(now, UserAgentConfig::new(host, 2855, false), [seed; 32]);
    let (mut a, mut b) = (agent("a.example.com", 1), agent("b.example.com", 2));
    let mut network = SipLoopback::new();
    let region = Region::new(ALLOCATOR);
    for number in 0..SESSIONS {
        b.set_authority(format!("b{number}.example.com"), 2855);
        a.call(OutgoingCall::new(SipParty::new("sip:b@b.example.com")))
            .unwrap();
        network.run(now, &mut a, &mut b);
        let called = std::iter::from_fn(|| b.poll_event()).find_map(|event| match event {
            UserAgentEvent::IncomingCall(call) => Some(call.call),
            _ => None,
        });
        b.answer_call(called.unwrap(), CallAnswer::new()).unwrap();
        for _ in 0..2 {
            network.run(now, &mut a, &mut b);
            drain(&mut a);
            drain(&mut b);
        }
    }
    assert_eq!((a.session_count(), b.session_count()), (SESSIONS, SESSIONS));
    let change = region.change();
    let each = (change.bytes_allocated - change.bytes_deallocated) / (2 * SESSIONS);
    drop((a, b, network));
    each
}

// One test, as the allocator counts for all threads.
#[test]
fn ten_thousand_sessions_cost_less_than_eight_kibibytes_each() {
    let (alone, of_calls) = (sessions_alone(), sessions_of_calls());
    println!("{alone} octets for each session with a connection of its own, {of_calls} with its call");
    // With a call what both sides have agreed on comes to it, and what the SIP in memory keeps.
    for each in [alone, of_calls] {
        assert!(each < 8 * 1024, "{each}");
    }
}
