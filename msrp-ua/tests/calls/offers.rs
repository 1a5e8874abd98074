//! Offers good and bad, early and late, and two at a time (RFC 3264, RFC 3261 §14).

use std::time::Duration;

use msrp_ua::{
    UserAgentConfig, UserAgentEvent,
    call::{CallAnswer, CallChange, CallConfig, CallEnd, StreamOffer},
    sdp::Direction,
    sip::{CallId, SipAction, SipAnswer, SipInput},
};

use crate::{
    peer::{Alone, sdp},
    world::{World, bob},
};

/// A call that the peer has made and we have answered, with its ACK.
fn answered(agent: &mut Alone) -> CallId {
    let call = agent.invite(Some(sdp(1, &["peer0001"], "")));
    agent.agent.answer_call(call, CallAnswer::new()).unwrap();
    agent.run();
    agent.say(SipInput::Acknowledged { call, answer: None });
    call
}

/// A call that we have made and the peer has answered.
fn made(agent: &mut Alone) -> CallId {
    let call = agent.agent.call(bob()).unwrap();
    agent.run();
    assert!(matches!(agent.last(), SipAction::Invite(_)));
    agent.say(SipInput::Accepted {
        call,
        answer: Some(sdp(1, &["peer0001"], "a=setup:passive\r\n").into()),
    });
    call
}

fn own_path(sdp: &str) -> String {
    sdp.lines()
        .find_map(|line| line.strip_prefix("a=path:"))
        .unwrap()
        .to_owned()
}

// shows: 4975-8.6-10, 3264-6.1-05
#[test]
fn what_cannot_be_accepted_is_refused_with_a_reason() {
    let mut agent = Alone::new();
    agent.invite(Some(b"nonsense".to_vec()));
    assert_eq!(agent.refusal().0, 400);
    let audio = "v=0\r\no=p 7 1 IN IP4 p.example.com\r\ns=-\r\nc=IN IP4 p.example.com\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    agent.invite(Some(audio.as_bytes().to_vec()));
    let (code, warning) = agent.refusal();
    assert_eq!(code, 488);
    assert!(warning.unwrap().contains("Media type not available"));
    agent.invite(Some(vec![b'v'; 70_000]));
    assert_eq!(agent.refusal().0, 413);
    assert_eq!(agent.ends().len(), 3);
    assert!(
        agent
            .ends()
            .iter()
            .all(|end| matches!(end, CallEnd::NotAcceptable(_)))
    );
    agent.is_done();
}

#[test]
fn no_type_in_common() {
    let profile = msrp_ua::call::StreamProfile::new().with_limits("text/plain".parse().unwrap(), 1000);
    let config =
        UserAgentConfig::new("a.example.com", 2855, false).calls(CallConfig::new().with_profile(profile));
    let mut agent = Alone::with(config);
    let offer = String::from_utf8(sdp(1, &["peer0001"], "")).unwrap();
    let call = agent.invite(Some(
        offer
            .replace("accept-types:*", "accept-types:image/png")
            .into_bytes(),
    ));
    agent.agent.answer_call(call, CallAnswer::new()).unwrap();
    agent.run();
    let (code, warning) = agent.refusal();
    assert_eq!(code, 488);
    assert!(warning.unwrap().starts_with("305 a.example.com"));
    assert!(matches!(&agent.ends()[..], [CallEnd::NotAcceptable(_)]));
    agent.is_done();
}

// shows: 3264-4-02, 3264-8-02
#[test]
fn a_refused_offer_leaves_the_call_as_it_was() {
    let mut agent = Alone::new();
    let call = made(&mut agent);
    let before = agent.agent.session_count();
    agent.agent.offer_stream(call, StreamOffer::chat()).unwrap();
    agent.run();
    assert_eq!(agent.said().matches("m=message").count(), 2);
    agent.say(SipInput::Refused {
        call,
        answer: SipAnswer::new(488, "Not Acceptable Here"),
    });
    assert!(agent.events.iter().any(|event| matches!(
        event,
        UserAgentEvent::StreamsChanged { changes, .. } if matches!(changes[..], [CallChange::Refused { .. }])
    )));
    assert!(
        agent
            .events
            .iter()
            .any(|event| matches!(event, UserAgentEvent::OfferRefused { .. }))
    );
    assert_eq!(agent.agent.session_count(), before);
    assert!(agent.ends().is_empty());
    // A bad offer of the peer changes nothing either.
    agent.say(SipInput::Reinvite {
        call,
        offer: Some(sdp(2, &[], "").into()),
    });
    assert_eq!(agent.refusal().0, 400);
    assert_eq!(agent.agent.session_count(), before);
}

// shows: 3264-8-03, 4975-8.4-01, 4975-8.4-02
#[test]
fn a_re_offer_that_changes_nothing_disturbs_nothing() {
    let mut agent = Alone::new();
    let call = answered(&mut agent);
    let first = agent.said();
    let events = agent.events.len();
    agent.say(SipInput::Reinvite {
        call,
        offer: Some(sdp(1, &["peer0001"], "").into()),
    });
    assert_eq!(agent.said(), first);
    assert_eq!(agent.events.len(), events);
    agent.say(SipInput::Acknowledged { call, answer: None });
    assert_eq!(agent.agent.session_count(), 1);
}

// shows: 3264-8.2-01, 3264-8.2-02
#[test]
fn port_zero_ends_a_stream_and_the_last_one_the_call() {
    let mut agent = Alone::new();
    let call = agent.invite(Some(sdp(1, &["peer0001", "peer0002"], "")));
    agent.agent.answer_call(call, CallAnswer::new()).unwrap();
    agent.run();
    agent.say(SipInput::Acknowledged { call, answer: None });
    assert_eq!(agent.agent.session_count(), 2);
    agent.say(SipInput::Reinvite {
        call,
        offer: Some(sdp(2, &["", "peer0002"], "").into()),
    });
    assert!(agent.said().contains("m=message 0 TCP/MSRP *"));
    agent.say(SipInput::Acknowledged { call, answer: None });
    assert_eq!(agent.agent.session_count(), 1);
    agent.say(SipInput::Reinvite {
        call,
        offer: Some(sdp(3, &["", ""], "").into()),
    });
    agent.say(SipInput::Acknowledged { call, answer: None });
    assert!(matches!(agent.last(), SipAction::Bye { .. }));
    assert_eq!(agent.ends(), [CallEnd::Finished]);
    agent.is_done();
}

// shows: 3264-4-01
#[test]
fn two_offers_at_once() {
    let mut agent = Alone::new();
    let call = made(&mut agent);
    agent.agent.offer_stream(call, StreamOffer::chat()).unwrap();
    agent.run();
    agent.say(SipInput::Reinvite {
        call,
        offer: Some(sdp(2, &["peer0001"], "").into()),
    });
    assert_eq!(agent.refusal().0, 491);
    agent.say(SipInput::Refused {
        call,
        answer: SipAnswer::new(491, "Request Pending"),
    });
    let said = agent.actions.len();
    // Whose Call-ID it is waits between 2.1 and 4 s (RFC 3261 §14.1).
    agent.pass(Duration::from_millis(2_090));
    assert_eq!(agent.actions.len(), said);
    agent.pass(Duration::from_millis(1_920));
    assert!(matches!(agent.last(), SipAction::Reinvite { .. }));
    assert_eq!(agent.said().matches("m=message").count(), 2);
    agent.say(SipInput::Accepted {
        call,
        answer: Some(sdp(2, &["peer0001", "peer0002"], "a=setup:passive\r\n").into()),
    });
    assert_eq!(agent.agent.session_count(), 2);
}

#[test]
fn an_invite_without_an_offer() {
    let mut agent = Alone::new();
    let call = agent.invite(None);
    agent.agent.answer_call(call, CallAnswer::new()).unwrap();
    agent.run();
    assert!(agent.said().contains("a=setup:actpass"));
    // The session is awaited already.
    assert_eq!(agent.agent.session_count(), 1);
    agent.say(SipInput::Acknowledged {
        call,
        answer: Some(sdp(1, &["peer0001"], "a=setup:passive\r\n").into()),
    });
    assert!(
        agent.events.iter().any(
            |event| matches!(event, UserAgentEvent::CallEstablished { streams, .. } if streams.len() == 1)
        )
    );
    // One within the call is answered with what there is.
    let first = own_path(
        &agent
            .actions
            .iter()
            .rev()
            .find_map(|action| match action {
                SipAction::Answer { sdp, .. } => Some(String::from_utf8(sdp.to_vec()).unwrap()),
                _ => None,
            })
            .unwrap(),
    );
    agent.say(SipInput::Reinvite { call, offer: None });
    assert_eq!(own_path(&agent.said()), first);
    agent.say(SipInput::Acknowledged {
        call,
        answer: Some(sdp(1, &["peer0001"], "a=setup:passive\r\n").into()),
    });
    assert_eq!(agent.agent.session_count(), 1);
    assert!(agent.ends().is_empty());
}

#[test]
fn an_acknowledgement_without_the_answer_that_is_due() {
    let mut agent = Alone::new();
    let call = agent.invite(None);
    agent.agent.answer_call(call, CallAnswer::new()).unwrap();
    agent.run();
    agent.say(SipInput::Acknowledged { call, answer: None });
    assert!(matches!(&agent.ends()[..], [CallEnd::NotAcceptable(_)]));
    assert!(matches!(agent.last(), SipAction::Bye { .. }));
    agent.is_done();
}

#[test]
fn an_answer_that_accepts_nothing() {
    let mut agent = Alone::new();
    let call = agent.agent.call(bob()).unwrap();
    agent.run();
    agent.say(SipInput::Accepted {
        call,
        answer: Some(sdp(1, &[""], "").into()),
    });
    assert_eq!(agent.ends(), [CallEnd::NoStreams]);
    assert!(matches!(agent.last(), SipAction::Bye { .. }));
    agent.is_done();
}

#[test]
fn a_200_that_crosses_our_cancel() {
    let mut agent = Alone::new();
    let call = agent.agent.call(bob()).unwrap();
    agent.run();
    agent.agent.end_call(call).unwrap();
    agent.run();
    assert!(matches!(agent.last(), SipAction::Cancel { .. }));
    assert_eq!(agent.ends(), [CallEnd::Local]);
    agent.say(SipInput::Accepted {
        call,
        answer: Some(sdp(1, &["peer0001"], "").into()),
    });
    assert!(matches!(agent.last(), SipAction::Bye { .. }));
    assert_eq!(agent.ends(), [CallEnd::Local]);
    agent.is_done();
}

#[test]
fn a_bye_of_ours_waits_for_the_acknowledgement() {
    let mut agent = Alone::new();
    let call = agent.invite(Some(sdp(1, &["peer0001"], "")));
    agent.agent.answer_call(call, CallAnswer::new()).unwrap();
    agent.run();
    agent.agent.end_call(call).unwrap();
    agent.run();
    assert!(!matches!(agent.last(), SipAction::Bye { .. }));
    assert_eq!(agent.agent.session_count(), 0);
    agent.say(SipInput::Acknowledged { call, answer: None });
    assert!(matches!(agent.last(), SipAction::Bye { .. }));
    assert_eq!(agent.ends(), [CallEnd::Local]);
    agent.is_done();
}

#[test]
fn what_sip_owes_is_not_awaited_for_ever() {
    let mut agent = Alone::new();
    let ours = agent.agent.call(bob()).unwrap();
    agent.run();
    agent.agent.end_call(ours).unwrap();
    let theirs = agent.invite(Some(sdp(1, &["peer0001"], "")));
    agent.agent.answer_call(theirs, CallAnswer::new()).unwrap();
    agent.run();
    agent.agent.end_call(theirs).unwrap();
    agent.run();
    assert_eq!(agent.agent.call_count(), 2);
    agent.pass(Duration::from_secs(60));
    agent.is_done();
    assert_eq!(agent.ends().len(), 2);
}

#[test]
fn too_many_calls_and_calls_at_the_end() {
    let config =
        UserAgentConfig::new("a.example.com", 2855, false).calls(CallConfig::new().with_max_calls(1));
    let mut agent = Alone::with(config);
    answered(&mut agent);
    agent.invite(Some(sdp(1, &["peer0009"], "")));
    assert_eq!(agent.refusal().0, 486);
    agent.agent.shut_down();
    agent.run();
    assert!(matches!(agent.last(), SipAction::Bye { .. }));
    agent.invite(Some(sdp(1, &["peer0010"], "")));
    assert_eq!(agent.refusal().0, 503);
    assert_eq!(agent.ends().len(), 3);
    agent.is_done();
}

// shows: 3264-8.4-01, 3264-6.1-02
#[test]
fn a_stream_is_held_and_taken_up_again() {
    let mut world = World::new();
    let (a, b) = world.established();
    let stream = world.a.streams(a.call)[0].stream;
    world
        .a
        .agent
        .set_direction(a.call, stream, Direction::SendOnly)
        .unwrap();
    world.run();
    let text = || msrp_ua::OutgoingMessage::text("?");
    assert_eq!(
        world.b.agent.send(b.session, text()),
        Err(msrp_ua::CommandError::OnHold)
    );
    assert!(world.a.agent.send(a.session, text()).is_ok());
    world
        .a
        .agent
        .set_direction(a.call, stream, Direction::SendRecv)
        .unwrap();
    world.run();
    assert!(world.b.agent.send(b.session, text()).is_ok());
    world.run();
    assert_eq!((world.a.heard().len(), world.b.heard().len()), (1, 1));
    let ready = |event: &UserAgentEvent| matches!(event, UserAgentEvent::SessionReady { .. });
    assert_eq!(world.a.count(ready), 1);
}

#[test]
fn a_peer_that_knows_the_call_no_more() {
    let mut agent = Alone::new();
    let call = made(&mut agent);
    agent.agent.offer_stream(call, StreamOffer::chat()).unwrap();
    agent.run();
    agent.say(SipInput::Refused {
        call,
        answer: SipAnswer::new(481, "Call/Transaction Does Not Exist"),
    });
    assert!(matches!(&agent.ends()[..], [CallEnd::Dialog(answer)] if answer.code == 481));
    assert!(matches!(agent.last(), SipAction::Bye { .. }));
    agent.is_done();
}
