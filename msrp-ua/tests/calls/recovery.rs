//! Connections that are lost, and sessions that go on (RFC 4975 §5.4).

use std::time::{Duration, SystemTime};

use msrp_core::node::{Action, Node, PeerInfo};
use msrp_ua::{
    OutgoingKey, OutgoingMessage, SessionId, SessionLoss, UserAgent, UserAgentEvent,
    call::{CallAnswer, CallConfig, CallEnd, StreamOffer},
    conversation::Utterance,
    imdn::DispositionRequests,
    message::{MessageSource, Pull, SourceError},
    sip::{SipAction, SipFaults, SipInput},
};

use crate::{
    peer::{Alone, sdp},
    world::{Side, World, bob, config},
};

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
    sent_again(|agent, session| agent.send(session, OutgoingMessage::text("once")).unwrap());
}

/// It goes in CPIM, for the notices.
#[test]
fn what_was_said_and_not_confirmed_is_said_again() {
    sent_again(|agent, session| {
        agent.set_calendar(SystemTime::UNIX_EPOCH);
        let utterance = Utterance::text("once").with_notices(DispositionRequests::all());
        agent.say(session, utterance).unwrap()
    });
}

fn sent_again(send: impl FnOnce(&mut UserAgent, SessionId) -> OutgoingKey) {
    let mut world = World::new();
    let (a, _) = world.established();
    let before = world.a.agent.session_count();
    world.sip.connections().silence(1);
    let sent = send(&mut world.a.agent, a.session);
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

/// What is told of a message of which nothing is known: why.
fn unknown(side: &Side, sent: OutgoingKey) -> Option<SessionLoss> {
    side.find(|event| match event {
        UserAgentEvent::DeliveryUnknown { message, reason, .. } if *message == sent => Some(reason.clone()),
        _ => None,
    })
}

fn not_recovered(reason: &SessionLoss, in_time: Duration) -> bool {
    matches!(
        reason,
        SessionLoss::NotRecovered { lost, after, attempts: 1 }
            if *after == in_time && matches!(**lost, SessionLoss::Connection(_))
    )
}

#[test]
fn a_peer_that_has_vanished_is_given_up_in_time() {
    let time = Duration::from_secs(12);
    let calls = CallConfig::new().with_recovery(5, time);
    let mut world = World::with(
        config("a.example.com").calls(calls),
        config("b.example.com"),
        SipFaults::default(),
    );
    let (a, _) = world.established();
    world.a.agent.offer_stream(a.call, StreamOffer::chat()).unwrap();
    world.run();
    let b = world.b.incoming();
    world.b.agent.answer_streams(b, CallAnswer::new()).unwrap();
    world.run();
    world.sip.vanish(1);
    world.break_connections();
    let sent = world
        .a
        .agent
        .send(a.session, OutgoingMessage::text("anybody?"))
        .unwrap();
    // SIP has had no answer to the offer, and waits on.
    world.pass(time - Duration::from_millis(1));
    assert_eq!(world.a.ended(a.call), []);
    assert_eq!(
        world
            .a
            .count(|event| matches!(event, UserAgentEvent::DeliveryUnknown { .. })),
        0
    );
    world.pass(Duration::from_millis(1));
    assert!(unknown(&world.a, sent).is_some_and(|reason| not_recovered(&reason, time)));
    let lost = |event: &UserAgentEvent| matches!(event, UserAgentEvent::SessionLost { reason, .. } if not_recovered(reason, time));
    assert_eq!(world.a.count(lost), 2);
    let ended = world.a.ended(a.call);
    assert!(
        matches!(&ended[..], [CallEnd::Lost(reason)] if not_recovered(reason, time)),
        "{ended:?}"
    );
    assert_eq!(world.a.agent.call_count() + world.a.agent.session_count(), 0);
    // What SIP says at last is about nothing that there is.
    world.pass(Duration::from_secs(60));
    assert_eq!(world.a.ended(a.call).len(), 1);
}

#[test]
fn who_is_patient_hears_what_sip_finds_out() {
    let calls = CallConfig::new().with_recovery(5, Duration::from_secs(60));
    let mut world = World::with(
        config("a.example.com").calls(calls),
        config("b.example.com"),
        SipFaults::default(),
    );
    let (a, _) = world.established();
    world.sip.vanish(1);
    world.break_connections();
    let sent = world
        .a
        .agent
        .send(a.session, OutgoingMessage::text("anybody?"))
        .unwrap();
    world.pass(Duration::from_secs(31));
    assert_eq!(world.a.ended(a.call), []);
    world.pass(Duration::from_secs(1));
    assert!(matches!(&world.a.ended(a.call)[..], [CallEnd::Dialog(answer)] if answer.code == 408));
    assert!(matches!(
        unknown(&world.a, sent),
        Some(SessionLoss::Connection(_))
    ));
    assert_eq!(world.a.agent.call_count() + world.a.agent.session_count(), 0);
}

/// A description with two streams that lead to different places.
fn two_places(version: u64) -> Vec<u8> {
    let text = String::from_utf8(sdp(version, &["one", "two"], "")).unwrap();
    text.replace("7000/two", "7001/two").into_bytes()
}

#[test]
fn a_stream_that_was_given_up_does_not_come_back_with_a_late_answer() {
    let time = Duration::from_secs(12);
    let calls = CallConfig::new().with_recovery(5, time);
    let mut alone = Alone::with(config("a.example.com").calls(calls));
    let call = alone
        .agent
        .call(
            bob()
                .with_stream(StreamOffer::chat())
                .with_stream(StreamOffer::chat()),
        )
        .unwrap();
    alone.run();
    let answer = Some(two_places(1).into());
    alone.say(SipInput::Accepted { call, answer });
    let mut connections = Vec::new();
    while let Some(action) = alone.agent.poll_action() {
        if let Action::Connect { token, .. } = action {
            let peer = Ok(PeerInfo::new());
            connections.extend(alone.agent.handle_connected(alone.now, token, peer));
        }
    }
    alone.run();
    assert_eq!(connections.len(), 2);
    alone.agent.handle_reset(alone.now, connections[0]);
    alone.run();
    assert!(matches!(alone.last(), SipAction::Reinvite { .. }));
    let before = alone.events.len();
    alone.pass(time);
    let lost = |event: &UserAgentEvent| matches!(event, UserAgentEvent::SessionLost { reason, .. } if not_recovered(reason, time));
    assert!(alone.events[before..].iter().any(lost));
    assert!(alone.ends().is_empty());
    let before = alone.events.len();
    let answer = Some(two_places(2).into());
    alone.say(SipInput::Accepted { call, answer });
    // The peer hears of it, the application has.
    let offer = alone.said();
    let ports: Vec<&str> = offer.lines().filter(|line| line.starts_with("m=")).collect();
    assert!(
        matches!(ports[..], [one, two] if one.starts_with("m=message 0 ") && !two.starts_with("m=message 0 ")),
        "{ports:?}"
    );
    assert_eq!(alone.events[before..].len(), 0, "{:?}", &alone.events[before..]);
    assert_eq!(alone.agent.session_count(), 1);
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
