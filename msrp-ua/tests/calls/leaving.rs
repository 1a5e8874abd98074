//! The end of everything: peers hear of it before connections close.

use std::time::Duration;

use msrp_ua::{
    OutgoingMessage, UserAgentEvent,
    call::{CallConfig, CallEnd},
    sip::{SipFaults, SipInput},
};

use crate::{
    peer::{Alone, sdp},
    world::{World, bob, config},
};

/// Requests and responses take up to this long.
fn slow() -> SipFaults {
    let mut faults = SipFaults::default();
    faults.delay = Duration::from_millis(900);
    faults
}

fn suspended(event: &UserAgentEvent) -> bool {
    matches!(event, UserAgentEvent::SessionSuspended { .. })
}

#[test]
fn connections_close_when_the_peer_has_heard() {
    let mut world = World::new();
    let (a, b) = world.established();
    let sent = world
        .b
        .agent
        .send(b.session, OutgoingMessage::text("kept"))
        .unwrap();
    world.sip.set_faults(slow());
    // The message has come and waits for its answer, when everything ends.
    world.run();
    world.a.agent.shut_down();
    world.run();
    // The BYE is on its way, and the peer notices nothing.
    assert!(world.sip.next_arrival() > Some(world.now));
    assert_eq!(
        (world.a.ended(a.call), world.b.ended(b.call)),
        (vec![CallEnd::Local], vec![])
    );
    assert_eq!(
        (world.a.agent.connection_count(), world.b.agent.connection_count()),
        (1, 1)
    );
    assert!(world.a.agent.call(bob()).is_err());
    world.pass(Duration::from_secs(2));
    assert_eq!(world.b.ended(b.call), [CallEnd::Peer]);
    assert_eq!(world.b.count(suspended), 0);
    assert_eq!(
        (world.a.agent.connection_count(), world.b.agent.connection_count()),
        (0, 0)
    );
    assert_eq!(world.sip.dialog_count(), 0);
    // What was taken has been told, to both.
    assert_eq!(world.a.heard(), ["kept"]);
    let accepted =
        |event: &UserAgentEvent| matches!(event, UserAgentEvent::Accepted { message } if *message == sent);
    assert_eq!(world.b.count(accepted), 1);
}

#[test]
fn connections_close_without_an_answer_when_it_is_time() {
    let time = Duration::from_secs(3);
    let calls = CallConfig::new().with_farewell_time(time);
    let mut world = World::with(
        config("a.example.com").calls(calls),
        config("b.example.com"),
        SipFaults::default(),
    );
    let (a, _) = world.established();
    world.sip.vanish(1);
    world.a.agent.shut_down();
    world.pass(time - Duration::from_millis(1));
    assert_eq!(world.a.ended(a.call), [CallEnd::Local]);
    assert_eq!(world.a.agent.connection_count(), 1);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.a.agent.connection_count(), 0);
}

#[test]
fn a_call_that_has_just_been_ended_is_waited_for() {
    let mut world = World::new();
    let (a, b) = world.established();
    world.sip.set_faults(slow());
    world.a.agent.end_call(a.call).unwrap();
    world.run();
    world.a.agent.shut_down();
    world.run();
    assert_eq!(world.a.agent.connection_count(), 1);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.b.ended(b.call), [CallEnd::Peer]);
    assert_eq!(world.b.count(suspended), 0);
    assert_eq!(world.a.agent.connection_count(), 0);
}

#[test]
fn a_call_that_is_being_set_up_is_given_up_first() {
    let mut world = World::new();
    let (_, b) = world.established();
    let second = world.a.agent.call(bob()).unwrap();
    world.run();
    let at_b = world.b.incoming();
    world.sip.set_faults(slow());
    world.a.agent.shut_down();
    world.run();
    assert_eq!(world.a.agent.connection_count(), 1);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.a.ended(second), [CallEnd::Local]);
    assert_eq!(
        (world.b.ended(at_b), world.b.ended(b.call)),
        (vec![CallEnd::Cancelled], vec![CallEnd::Peer])
    );
    assert_eq!(world.b.count(suspended), 0);
    assert_eq!(world.a.agent.connection_count() + world.a.agent.call_count(), 0);
}

#[test]
fn who_calls_hears_that_nothing_new_is_taken() {
    let mut alone = Alone::new();
    alone.invite(Some(sdp(1, &["first"], "")));
    alone.agent.shut_down();
    alone.run();
    assert_eq!(alone.refusal().0, 503);
    // An answer to a BYE that nobody has sent makes no difference.
    let call = alone.invite(Some(sdp(1, &["second"], "")));
    assert_eq!(alone.refusal().0, 503);
    alone.say(SipInput::ByeAnswered { call });
    alone.agent.shut_down();
    alone.is_done();
}
