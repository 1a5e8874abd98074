//! The wires between two nodes in one process.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

use std::{iter::from_fn, time::Instant};

use msrp_core::{connection::CloseReason, node::Node};
use msrp_ua::{
    OutgoingMessage, Role, SessionLoss, SessionParams, UserAgent, UserAgentConfig, UserAgentEvent,
    loopback::Loopback,
};

fn agent(now: Instant, host: &str, seed: u8) -> UserAgent {
    let config = UserAgentConfig::new(host, 2855, true).max_connections(1);
    UserAgent::new(now, config, [seed; 32])
}

fn open(active: &mut UserAgent, passive: &mut UserAgent) -> (msrp_ua::SessionId, msrp_ua::SessionId) {
    let (from, to) = (active.allocate_uri(), passive.allocate_uri());
    let waits = SessionParams::new(to.clone(), from.clone(), Role::Passive);
    let calls = SessionParams::new(from, to, Role::Active);
    let passive = passive.open_session(waits).unwrap();
    (active.open_session(calls).unwrap(), passive)
}

fn loss(agent: &mut UserAgent) -> Option<SessionLoss> {
    from_fn(|| agent.poll_event()).find_map(|event| match event {
        UserAgentEvent::SessionLost { reason, .. } => Some(reason),
        _ => None,
    })
}

#[test]
fn both_sides_connect_encrypted_and_hear_of_the_end() {
    let now = Instant::now();
    let (mut a, mut b) = (agent(now, "a.example.com", 1), agent(now, "b.example.com", 2));
    let mut wires = Loopback::new();
    let (_, of_b) = open(&mut a, &mut b);
    wires.run(now, &mut a, &mut b);
    assert!(matches!(
        a.poll_event(),
        Some(UserAgentEvent::SessionReady { .. })
    ));
    // Far more than is moved at a time, in the other direction.
    let key = b
        .send(
            of_b,
            OutgoingMessage::bytes("text/plain", vec![b'x'; 900_000]).with_success_report(),
        )
        .unwrap();
    wires.run(now, &mut a, &mut b);
    assert!(
        from_fn(|| a.poll_event())
            .any(|event| matches!(event, UserAgentEvent::Message { size: 900_000, .. }))
    );
    assert!(from_fn(|| b.poll_event()).any(
        |event| matches!(event, UserAgentEvent::Delivered { message, complete: true, .. } if message == key)
    ));
    // Each accepts one connection, and this would be the second.
    open(&mut a, &mut b);
    wires.run(now, &mut a, &mut b);
    assert!(loss(&mut a).is_none(), "the first connection serves");
    let mut c = agent(now, "c.example.com", 3);
    open(&mut c, &mut b);
    Loopback::new().run(now, &mut c, &mut b);
    assert!(matches!(loss(&mut c), Some(SessionLoss::Connection(error)) if error.kind == CloseReason::Eof));
    wires.reset(now, &mut a, &mut b);
    for agent in [&mut a, &mut b] {
        assert!(
            matches!(loss(agent), Some(SessionLoss::Connection(error)) if error.kind == CloseReason::Reset)
        );
        assert_eq!(agent.connection_count(), 0);
    }
}
