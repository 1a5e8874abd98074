//! Connections that are lost, and sessions that go on (RFC 4975 §5.4).

use std::time::Duration;

use msrp_ua::{OutgoingMessage, UserAgentEvent, call::CallEnd};

use crate::world::World;

#[test]
fn a_session_outlives_its_connection() {
    let mut world = World::new();
    let (a, b) = world.established();
    world.break_connections();
    let sent = world
        .a
        .agent
        .send(a.session, OutgoingMessage::text("still there?"))
        .unwrap();
    world.pass(Duration::from_secs(5));
    assert_eq!(world.b.heard(), ["still there?"]);
    world
        .b
        .agent
        .send(b.session, OutgoingMessage::text("yes"))
        .unwrap();
    world.run();
    assert_eq!(world.a.heard(), ["yes"]);
    assert!(
        world
            .a
            .events
            .iter()
            .any(|event| matches!(event, UserAgentEvent::Accepted { message } if *message == sent))
    );
    let suspended = |event: &UserAgentEvent| matches!(event, UserAgentEvent::SessionSuspended { .. });
    assert_eq!(world.a.count(suspended), 1);
    assert_eq!(
        world
            .a
            .count(|event| matches!(event, UserAgentEvent::SessionReady { .. })),
        2
    );
    assert_eq!(
        world
            .a
            .count(|event| matches!(event, UserAgentEvent::SessionLost { .. })),
        0
    );
    world.b.agent.end_call(b.call).unwrap();
    world.run();
    assert_eq!(world.a.ended(a.call), [CallEnd::Peer]);
    assert_eq!(world.a.agent.session_count() + world.b.agent.session_count(), 0);
}
