//! What people say in a call.

use std::time::{Duration, SystemTime};

use msrp_core::grammar::AcceptTypes;
use msrp_ua::{
    UserAgentEvent,
    call::{CallAnswer, StreamProfile},
    conversation::Utterance,
    imdn::{DeliveryStatus, DisplayStatus, Disposition, DispositionRequests},
};

use super::world::{World, bob};

#[test]
fn a_call_is_a_conversation() {
    let mut world = World::new();
    let (a, b) = world.established();
    world
        .a
        .agent
        .set_calendar(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    world.a.agent.typing(a.session).unwrap();
    world.run();
    let utterance = Utterance::text("Hello").with_notices(DispositionRequests::all());
    let said = world.a.agent.say(a.session, utterance).unwrap();
    world.run();
    let (heard, envelope) = world.b.find(|event| match event {
        UserAgentEvent::Message {
            message,
            body: Some(body),
            envelope: Some(envelope),
            ..
        } if body == "Hello" => Some((*message, envelope.clone())),
        _ => None,
    });
    assert_eq!(envelope.from().unwrap().uri(), "sip:alice@a.example.com");
    assert_eq!(envelope.to()[0].uri(), "sip:bob@b.example.com");
    let states: Vec<_> = world.b.events.iter().filter_map(composing).collect();
    assert_eq!(states, [true, false]);
    world.b.agent.displayed(b.session, heard);
    world.run();
    let told = world.a.events.iter().filter_map(|event| match event {
        UserAgentEvent::Noticed {
            message, disposition, ..
        } if *message == said => Some(*disposition),
        _ => None,
    });
    let expected = [
        Disposition::Delivery(DeliveryStatus::Delivered),
        Disposition::Display(DisplayStatus::Displayed),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

fn composing(event: &UserAgentEvent) -> Option<bool> {
    match event {
        UserAgentEvent::Composing { active, .. } => Some(*active),
        _ => None,
    }
}

// shows: 4975-13-05
#[test]
fn who_lists_cpim_first_gets_everything_wrapped() {
    let mut world = World::new();
    let types = |list: &str| AcceptTypes::parse(list.as_bytes()).unwrap();
    let profile = StreamProfile::new()
        .with_limits(types("message/cpim text/plain"), 100_000)
        .with_wrapped_types(types("text/plain"))
        .with_conversation(false);
    let (a, _) = world.call(bob(), CallAnswer::new().with_profile(profile));
    world.a.agent.say(a.session, Utterance::text("Hello")).unwrap();
    world.run();
    // Without a conversation it is told as it came.
    let wrapped = world.b.find(|event| match event {
        UserAgentEvent::Message {
            content_type,
            body: Some(body),
            ..
        } if content_type == "message/cpim" => Some(String::from_utf8(body.to_vec()).unwrap()),
        _ => None,
    });
    assert!(
        wrapped.starts_with("From: <sip:alice@a.example.com>\r\n"),
        "{wrapped}"
    );
    assert!(wrapped.ends_with("\r\n\r\nHello"), "{wrapped}");
}
