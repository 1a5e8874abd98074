//! How calls begin and end.

use std::time::Duration;

use msrp_ua::{
    OutgoingMessage, UserAgentEvent,
    call::{CallAnswer, CallConfig, CallEnd},
    sdp::Setup,
    sip::{SipAnswer, SipFaults, SipReply},
};

use crate::world::{World, bob, config};

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

/// MSRP that is faster than SIP.
fn slow_sip() -> SipFaults {
    let mut faults = SipFaults::default();
    faults.delay = Duration::from_millis(900);
    faults
}

// shows: 3264-5.1-03, 6135-4.2.2-08, 6135-4.2.2-11, 6135-4.2.2-13
#[test]
fn a_peer_that_connects_before_its_answer_is_here() {
    let callee = CallConfig::new().with_setup(Setup::Active);
    let mut world = World::with(
        config("a.example.com"),
        config("b.example.com").calls(callee),
        slow_sip(),
    );
    let at_a = world.a.agent.call(bob()).unwrap();
    world.pass(Duration::from_secs(1));
    let at_b = world.b.incoming();
    world.b.agent.answer_call(at_b, CallAnswer::new()).unwrap();
    world.run();
    // It has connected, and says something at once; the caller knows nothing of its answer.
    let b = world.b.ends(at_b);
    world
        .b
        .agent
        .send(b.session, OutgoingMessage::text("quick"))
        .unwrap();
    world.run();
    assert_eq!(world.a.agent.connection_count(), 1);
    assert_eq!(world.a.heard(), [""; 0]);
    world.pass(Duration::from_secs(1));
    let a = world.a.ends(at_a);
    assert_eq!(world.a.heard(), ["quick"]);
    world
        .a
        .agent
        .send(a.session, OutgoingMessage::text("too"))
        .unwrap();
    world.run();
    assert_eq!(world.b.heard(), ["too"]);
    // One connection, which the callee has opened.
    assert_eq!(world.a.agent.connection_count(), 1);
}

#[test]
fn a_peer_that_connects_and_whose_answer_never_comes() {
    let callee = CallConfig::new().with_setup(Setup::Active);
    let mut world = World::with(
        config("a.example.com"),
        config("b.example.com").calls(callee),
        slow_sip(),
    );
    let at_a = world.a.agent.call(bob()).unwrap();
    world.pass(Duration::from_secs(1));
    let at_b = world.b.incoming();
    world.b.agent.answer_call(at_b, CallAnswer::new()).unwrap();
    world.run();
    world.a.agent.end_call(at_a).unwrap();
    world.pass(Duration::from_secs(400));
    assert_eq!(world.a.ended(at_a), [CallEnd::Local]);
    assert_eq!(world.b.ended(at_b).len(), 1);
    assert_eq!(world.a.agent.session_count() + world.b.agent.session_count(), 0);
    assert_eq!(world.a.agent.call_count() + world.b.agent.call_count(), 0);
    assert_eq!(world.a.agent.connection_count(), 0);
}
