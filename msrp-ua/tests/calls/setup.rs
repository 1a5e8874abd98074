//! How calls begin and end.

use std::time::Duration;

use msrp_ua::{
    OutgoingMessage, UserAgentEvent,
    call::{CallAnswer, CallEnd},
    sip::{SipAnswer, SipReply},
};

use crate::world::{World, bob};

#[test]
fn a_call_a_message_and_its_end() {
    let mut world = World::new();
    let (a, b) = world.established();
    let sent = world
        .a
        .agent
        .send(a.session, OutgoingMessage::text("Hi Bob!").with_success_report())
        .unwrap();
    world
        .b
        .agent
        .send(b.session, OutgoingMessage::text("Hi Alice!"))
        .unwrap();
    world.run();
    assert_eq!(world.b.heard(), ["Hi Bob!"]);
    assert_eq!(world.a.heard(), ["Hi Alice!"]);
    assert!(world.a.events.iter().any(
        |event| matches!(event, UserAgentEvent::Delivered { message, complete: true, .. } if *message == sent)
    ));
    world.a.agent.end_call(a.call).unwrap();
    world.run();
    assert_eq!(world.a.ended(a.call), [CallEnd::Local]);
    assert_eq!(world.b.ended(b.call), [CallEnd::Peer]);
    assert_eq!(world.sip.dialog_count(), 0);
    assert_eq!(world.a.agent.session_count() + world.b.agent.session_count(), 0);
    assert_eq!(world.a.agent.call_count() + world.b.agent.call_count(), 0);
}

#[test]
fn a_call_is_refused() {
    let mut world = World::new();
    let at_a = world.a.agent.call(bob()).unwrap();
    world.run();
    let at_b = world.b.incoming();
    world.b.agent.ring(at_b).unwrap();
    world.run();
    assert!(
        world
            .a
            .events
            .iter()
            .any(|event| matches!(event, UserAgentEvent::CallProgress { call, code: 180 } if *call == at_a))
    );
    world.b.agent.refuse_call(at_b, SipReply::new(486)).unwrap();
    world.run();
    assert_eq!(world.a.ended(at_a), [CallEnd::Refused(SipAnswer::new(486, ""))]);
    assert_eq!(world.b.ended(at_b), [CallEnd::RefusedByUs(SipReply::new(486))]);
    assert!(world.b.agent.answer_call(at_b, CallAnswer::new()).is_err());
    assert_eq!(world.a.agent.session_count() + world.b.agent.session_count(), 0);
    assert_eq!(world.a.agent.call_count() + world.b.agent.call_count(), 0);
}

#[test]
fn nobody_answers() {
    let mut world = World::new();
    let at_a = world
        .a
        .agent
        .call(bob().with_setup_timeout(Duration::from_secs(20)))
        .unwrap();
    world.run();
    let at_b = world.b.incoming();
    world.pass(Duration::from_secs(21));
    assert_eq!(world.a.ended(at_a), [CallEnd::TimedOut]);
    assert_eq!(world.b.ended(at_b), [CallEnd::Cancelled]);
    assert_eq!(world.a.agent.call_count() + world.b.agent.call_count(), 0);
    assert_eq!(world.a.agent.session_count() + world.b.agent.session_count(), 0);
}
