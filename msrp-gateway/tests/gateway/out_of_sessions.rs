//! Messages of sessions that become MESSAGEs, and what their senders are told.

use std::collections::VecDeque;

use msrp_core::grammar::FailureReport;
use msrp_gateway::{GatewayConfig, Outcome, policy::Direction};
use msrp_ua::{
    OutgoingMessage, UserAgentEvent,
    sip::{SipAction, SipAnswer},
};

use crate::world::{ALICE, BOB, Paging, SECOND, World, page};

fn said(text: &str) -> OutgoingMessage {
    OutgoingMessage::text(text).with_success_report()
}

// shows: GW-01, GW-04, GW-23, GW-27, GW-81, GW-129, 4975-13-01, 3428-4-02
#[test]
fn a_chat_reaches_a_phone_and_hears_back() {
    let mut world = World::new();
    world.phone.paging = Paging::Silent;
    world.chat_calls();
    // The call was answered though the phone has said nothing.
    assert_eq!(world.chat.sessions.len(), 1);
    let long = "long ".repeat(100);
    let key = world.chat_says(said(&long));
    assert_eq!(world.paged(), [long]);
    let page = world.phone.inbox[0].clone();
    assert_eq!(
        (&*page.from.uri, &*page.to.uri, &*page.request_uri),
        (BOB, ALICE, ALICE)
    );
    assert_eq!(page.route.as_deref(), Some("sip:phones.example.com"));
    assert!(page.headers.iter().all(|header| header.name != "Contact"));
    assert!(
        world.told(key).is_empty(),
        "nothing is claimed before the phone has answered"
    );

    let answer = SipAnswer::new(200, "OK");
    let input = msrp_ua::sip::SipInput::PageAnswered {
        page: page.page,
        answer,
    };
    world.gateway.handle_sip(world.now, input);
    world.run();
    assert_eq!(world.told(key), [200]);
    // And back, in the session that is there.
    let back = world.say("back");
    assert_eq!(world.code(back), Some(200));
    assert_eq!(world.texts(), ["back"]);
    assert!(world.chat.invites.is_empty());
    assert_eq!(world.gateway.conversation_count(), 1);
    world.assert_over();
}

// shows: GW-01
#[test]
fn whoever_begins_there_is_one_conversation() {
    let mut world = World::new();
    world.say("hi");
    world.chat_says(said("hello"));
    assert_eq!(world.paged(), ["hello"]);
    assert_eq!(world.gateway.conversation_count(), 1);
    assert_eq!(world.phone.inbox[0].from.uri, BOB);
    world.assert_over();
}

// shows: GW-78, GW-84, GW-89
#[test]
fn what_the_phone_refuses_has_failed() {
    let mut world = World::new();
    world.phone.paging = Paging::All(404);
    world.chat_calls();
    let key = world.chat_says(said("x"));
    assert_eq!(world.told(key), [404]);
    let failed = world.chat.events.iter().find_map(|event| match event {
        UserAgentEvent::Failed { message, range, .. } if *message == key => Some(*range),
        _ => None,
    });
    assert_eq!(failed, Some(Some((1, 1))), "the whole message");
    assert_eq!(world.outcome_codes(Direction::ToPages), [404]);
    // The session goes on, and may be renegotiated or used again.
    world.phone.paging = Paging::All(200);
    let key = world.chat_says(said("y"));
    assert_eq!(world.told(key), [200]);
    world.assert_over();
}

// shows: GW-85
#[test]
fn a_phone_that_is_away_does_not_end_the_session() {
    for code in [480, 408, 503, 600] {
        let mut world = World::new();
        world.phone.paging = Paging::All(code);
        world.chat_calls();
        let key = world.chat_says(said("x"));
        assert_eq!(world.told(key), [413], "{code}");
        world.pass(60 * SECOND);
        assert!(world.call_ends().is_empty());
        world.assert_over();
    }
}

// shows: GW-79
#[test]
fn what_is_told_is_what_was_asked_for() {
    for (report, success, code, told) in [
        (FailureReport::Yes, true, 404, vec![404]),
        (FailureReport::Partial, true, 404, vec![404]),
        (FailureReport::No, true, 404, vec![]),
        (FailureReport::Yes, true, 200, vec![200]),
        (FailureReport::Partial, true, 200, vec![200]),
        (FailureReport::No, true, 200, vec![200]),
        (FailureReport::Yes, false, 200, vec![]),
    ] {
        let mut world = World::new();
        world.phone.paging = Paging::All(code);
        world.chat_calls();
        let mut message = OutgoingMessage::text("x").with_failure_report(report);
        if success {
            message = message.with_success_report();
        }
        let key = world.chat_says(message);
        assert_eq!(world.told(key), told, "{report:?} {success} {code}");
        assert_eq!(world.outcome_codes(Direction::ToPages), [code]);
    }
}

// shows: GW-81, 3428-4-05, 3428-4-06
#[test]
fn accepted_is_not_delivered() {
    for (counts, told) in [(true, vec![200]), (false, vec![])] {
        let mut world = World::with(GatewayConfig::new().accepted_is_success(counts));
        world.phone.paging = Paging::All(202);
        world.chat_calls();
        let key = world.chat_says(said("x"));
        assert_eq!(world.told(key), told);
        assert_eq!(world.outcomes(Direction::ToPages)[0].1, Outcome::Accepted);
    }
}

// shows: GW-98, 3428-8-04
#[test]
fn one_message_at_a_time_in_order() {
    let mut world = World::new();
    world.phone.paging = Paging::Silent;
    world.chat_calls();
    for n in 1..=5 {
        world.chat_says(said(&n.to_string()));
    }
    for n in 1..=5 {
        assert_eq!(world.phone.inbox.len(), n, "strictly one after another");
        let page = world.phone.inbox[n - 1].page;
        let answer = SipAnswer::new(200, "OK");
        world
            .gateway
            .handle_sip(world.now, msrp_ua::sip::SipInput::PageAnswered { page, answer });
        world.run();
    }
    assert_eq!(world.paged(), ["1", "2", "3", "4", "5"]);
    world.assert_over();
}

// shows: GW-110
#[test]
fn a_phone_that_does_not_exist_ends_the_session_in_the_end() {
    let mut world = World::new();
    world.phone.paging = Paging::Each(VecDeque::from([
        SipAnswer::new(404, ""),
        SipAnswer::new(404, ""),
        SipAnswer::new(200, ""),
        SipAnswer::new(404, ""),
        SipAnswer::new(404, ""),
        SipAnswer::new(410, ""),
    ]));
    world.chat_calls();
    for n in 1..=5 {
        world.chat_says(said(&n.to_string()));
        assert!(world.call_ends().is_empty());
    }
    let last = world.chat_says(said("6"));
    world.pass(SECOND);
    assert_eq!(world.told(last), [404]);
    assert_eq!(world.call_ends().len(), 1);
    let bye = world.actions.iter().find_map(|action| match action {
        SipAction::Bye { reason, .. } => reason.clone(),
        _ => None,
    });
    assert!(bye.unwrap().contains("Nobody There"));
    world.assert_over();
}

// shows: GW-31
#[test]
fn whom_nobody_knows_may_end_the_session_at_once() {
    let mut world = World::with(GatewayConfig::new().permanent_failures(1));
    world.phone.paging = Paging::All(404);
    world.chat_calls();
    let key = world.chat_says(said("x"));
    world.pass(SECOND);
    assert_eq!(world.told(key), [404], "that is heard before the BYE");
    assert_eq!(world.call_ends().len(), 1);
    world.assert_over();
}

// shows: GW-103
#[test]
fn what_is_sent_again_is_not_translated_again() {
    let mut world = World::new();
    let call = world.chat_calls();
    let id = msrp_core::grammar::MessageId::parse(b"same-id-as-before").unwrap();
    let first = world.chat_says(said("x").with_message_id(id));
    // The chat has heard nothing of that, calls again and says it again.
    world.chat.agent.end_call(call).unwrap();
    world.run();
    world.chat_calls();
    let again = world.chat_says(said("x").with_message_id(id));
    world.pass(SECOND);
    assert_eq!(world.paged(), ["x"]);
    assert_eq!(world.told(first), [200]);
    assert_eq!(world.told(again), [200]);
    world.assert_over();
}

// shows: GW-109
#[test]
fn what_has_come_before_a_bye_still_goes_out() {
    let mut world = World::new();
    world.phone.paging = Paging::Silent;
    let call = world.chat_calls();
    for n in 1..=3 {
        world.chat_says(said(&n.to_string()));
    }
    world.chat.agent.end_call(call).unwrap();
    world.run();
    for n in 0..3 {
        let page = world.phone.inbox[n].page;
        let answer = SipAnswer::new(200, "OK");
        world
            .gateway
            .handle_sip(world.now, msrp_ua::sip::SipInput::PageAnswered { page, answer });
        world.run();
    }
    assert_eq!(world.paged(), ["1", "2", "3"]);
    assert_eq!(world.outcome_codes(Direction::ToPages), [200; 3]);
    // The next MESSAGE begins a new session.
    world.phone.paging = Paging::All(200);
    world.say("again");
    assert_eq!(world.chat.invites.len(), 1);
    assert_eq!(world.texts(), ["again"]);
    world.assert_over();
}

// shows: GW-05
#[test]
fn answers_follow_the_device_that_has_written_last() {
    const DEVICE: &str = "sip:alice@phones.example.com;gr=urn:uuid:f81d4fae";
    let mut world = World::new();
    let from_device = |text: &str| {
        let mut it = page(0, text).with_header("Reply-To", format!("\"Alice\" <{DEVICE}>"));
        it.from = it.from.with_display_name("Alice");
        it
    };
    world.say_page(from_device("1"));
    world.chat_says(said("a"));
    let sent = world.phone.inbox[0].clone();
    assert_eq!((&*sent.request_uri, &*sent.to.uri), (DEVICE, ALICE));
    assert_eq!(sent.to.display_name.as_deref(), Some("Alice"));
    // It is gone: the user is asked for, and from then on.
    world.phone.paging = Paging::Each(VecDeque::from([SipAnswer::new(480, "")]));
    let key = world.chat_says(said("b"));
    world.chat_says(said("c"));
    assert_eq!(world.told(key), [200]);
    let uris: Vec<_> = world.phone.inbox.iter().map(|page| &*page.request_uri).collect();
    assert_eq!(uris, [DEVICE, DEVICE, ALICE, ALICE]);
    assert_eq!(world.paged(), ["a", "b", "b", "c"]);
    // Until it writes again; but nobody is sent to where others are, or by other ways.
    world.say_page(from_device("2"));
    world.chat_says(said("d"));
    assert_eq!(world.phone.inbox[4].request_uri, DEVICE);
    for elsewhere in [
        "sip:mallory@phones.example.com",
        "<sip:alice@phones.example.com;maddr=192.0.2.66>",
        "<sip:alice@phones.example.com?Subject=x>",
        "<sip:alice@phones.example.com",
        "tel:+1",
    ] {
        world.say_page(page(0, "3").with_header("Reply-To", elsewhere));
        world.chat_says(said("e"));
        assert_eq!(
            world.phone.inbox.last().unwrap().request_uri,
            ALICE,
            "{elsewhere}"
        );
    }
    world.assert_over();
}
