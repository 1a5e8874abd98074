//! Connections that are lost, and sessions that go on (RFC 4975 §5.4).

use std::time::Duration;

use msrp_ua::{
    OutgoingMessage, SessionLoss, UserAgentEvent,
    call::{CallConfig, CallEnd},
    message::{MessageSource, Pull, SourceError},
    sip::SipFaults,
};

use crate::world::{World, config};

// shows: 4975-5.4-21, 4975-5.4-22, 4975-5.4-23
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

// shows: 4975-5.4-24, 4975-5.4-25, 4975-5.4-26, 4975-5.4-28, 4975-5.4-31
#[test]
fn what_was_not_confirmed_is_sent_again_under_its_identifier() {
    let mut world = World::new();
    let (a, _) = world.established();
    let before = world.a.agent.session_count();
    world.sip.connections().silence(1);
    let sent = world
        .a
        .agent
        .send(a.session, OutgoingMessage::text("once"))
        .unwrap();
    let id = world.a.agent.message_id(sent).unwrap();
    world.run();
    // It has come; that it has is lost.
    assert_eq!(world.b.heard(), ["once"]);
    let accepted =
        |event: &UserAgentEvent| matches!(event, UserAgentEvent::Accepted { message } if *message == sent);
    assert_eq!(world.a.count(accepted), 0);
    world.break_connections();
    world.pass(Duration::from_secs(5));
    assert_eq!(world.a.count(accepted), 1);
    let copies: Vec<bool> = world
        .b
        .events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::Message {
                message_id,
                duplicate,
                ..
            } if *message_id == id => Some(*duplicate),
            _ => None,
        })
        .collect();
    assert_eq!(copies, [false, true]);
    assert_eq!(world.a.agent.session_count(), before);
}

/// A source that cannot begin anew.
struct Once(bool);

impl MessageSource for Once {
    fn size(&self) -> Option<u64> {
        Some(4)
    }

    fn pull(&mut self, _most: usize) -> Result<Pull, SourceError> {
        Ok(if std::mem::replace(&mut self.0, true) {
            Pull::End
        } else {
            Pull::Octets("once".into())
        })
    }
}

#[test]
fn of_what_cannot_be_sent_again_nothing_is_known() {
    let mut world = World::new();
    let (a, _) = world.established();
    world.sip.connections().silence(1);
    let sent = world
        .a
        .agent
        .send(a.session, OutgoingMessage::new("text/plain", Once(false)))
        .unwrap();
    world.run();
    world.break_connections();
    world.pass(Duration::from_secs(5));
    assert!(
        world.a.events.iter().any(
            |event| matches!(event, UserAgentEvent::DeliveryUnknown { message, .. } if *message == sent)
        )
    );
    assert_eq!(world.a.agent.session_count(), 1);
}

#[test]
fn a_peer_that_has_vanished_is_given_up() {
    let mut world = World::new();
    let (a, _) = world.established();
    world.sip.vanish(1);
    world.break_connections();
    world.pass(Duration::from_secs(70));
    assert!(matches!(world.a.ended(a.call)[..], [CallEnd::Dialog(_)]));
    assert_eq!(world.a.agent.call_count() + world.a.agent.session_count(), 0);
}

#[test]
fn without_recovery_the_call_ends_with_its_connection() {
    let calls = || CallConfig::new().with_recovery(0, Duration::ZERO);
    let mut world = World::with(
        config("a.example.com").calls(calls()),
        config("b.example.com").calls(calls()),
        SipFaults::default(),
    );
    let (a, _) = world.established();
    world.break_connections();
    world.pass(Duration::from_secs(1));
    assert!(matches!(
        world.a.ended(a.call)[..],
        [CallEnd::Lost(SessionLoss::Connection(_)) | CallEnd::Peer]
    ));
    assert_eq!(world.a.agent.session_count() + world.b.agent.session_count(), 0);
}
