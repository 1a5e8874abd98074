//! Sessions that die, duplicates, timers, operators, and the end.

use msrp_gateway::{
    GatewayConfig, GatewayError, GatewayEvent, Outcome,
    policy::{Direction, Routes},
};
use msrp_ua::{OutgoingMessage, sip::SipAction};

use crate::world::{Answering, Paging, SECOND, World, page};

fn signed(text: &str, call_id: &str, seq: u32) -> msrp_ua::sip::SipPage {
    page(0, text)
        .with_header("Call-ID", call_id)
        .with_header("CSeq", format!("{seq} MESSAGE"))
}

// shows: GW-101, 3428-T-02
#[test]
fn the_same_request_on_two_ways_is_delivered_once() {
    let mut world = World::new();
    let first = world.say_page(signed("x", "c1", 1));
    let merged = world.say_page(signed("x", "c1", 1));
    let next = world.say_page(signed("y", "c1", 2));
    assert_eq!(
        [world.code(first), world.code(merged), world.code(next)],
        [Some(202), Some(482), Some(200)]
    );
    assert_eq!(world.texts(), ["x", "y"]);
    world.assert_over();
}

// shows: GW-102
#[test]
fn a_client_that_sends_again_is_answered_again() {
    let mut world = World::new();
    let with_id = |call_id: &str| {
        let body = "From: <sip:alice@phones.example.com>\r\nTo: <sip:bob@chats.example.com>\r\n\
            NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: id7\r\n\r\nContent-Type: text/plain\r\n\r\nHi";
        let mut page = signed(body, call_id, 1);
        page.content_type = Some("message/cpim".to_owned());
        page
    };
    let first = world.say_page(with_id("c1"));
    let again = world.say_page(with_id("c2"));
    assert_eq!(world.code(first), world.code(again));
    assert_eq!(world.texts(), ["Hi"]);
    // The transaction is long over.
    world.pass(40 * SECOND);
    let late = world.say_page(with_id("c1"));
    assert_eq!(world.code(late), Some(202));
    assert_eq!(world.texts(), ["Hi"]);
    world.assert_over();
}

// shows: GW-106, GW-134
#[test]
fn a_session_ends_when_nobody_says_anything() {
    let mut world = World::new();
    // However long the gateway has been running.
    world.pass(24 * 3600 * SECOND);
    world.say("hi");
    for n in 0..10 {
        world.pass(9 * 60 * SECOND);
        if n % 2 == 0 {
            world.say("one side only");
        } else {
            world.say("still");
        }
    }
    assert_eq!(world.chat.invites.len(), 1);
    assert!(world.call_ends().is_empty());
    world.pass(11 * 60 * SECOND);
    assert_eq!(world.call_ends().len(), 1);
    let reason = world.actions.iter().find_map(|action| match action {
        SipAction::Bye { reason, .. } => reason.clone(),
        _ => None,
    });
    assert!(reason.unwrap().contains("Idle"));
    world.say("again");
    assert_eq!(world.chat.invites.len(), 2);
    world.assert_over();
}

// shows: GW-107
#[test]
fn a_session_does_not_last_for_ever() {
    let config = GatewayConfig::new()
        .session_timeout(100 * SECOND)
        .session_life(250 * SECOND);
    let mut world = World::with(config);
    for _ in 0..6 {
        world.say("x");
        world.pass(50 * SECOND);
    }
    assert_eq!(world.chat.invites.len(), 2);
    world.assert_over();
}

// shows: GW-92, GW-104, GW-111, GW-133
#[test]
fn a_chat_that_comes_back_has_everything() {
    let mut world = World::new();
    world.say("1");
    // The wire breaks under a message: it goes again, under the same name, in the session that replaces this one.
    world.cut = true;
    let second = world.say("2");
    world.say("3");
    world.cut = false;
    world.break_connections();
    world.pass(20 * SECOND);
    assert_eq!(world.texts(), ["1", "2", "3"]);
    assert!(matches!(world.code(second), Some(200 | 202)));
    assert_eq!(world.outcome_codes(Direction::ToSession), [200; 3]);
    world.assert_over();
}

// shows: GW-92, GW-133
#[test]
fn a_chat_that_was_restarted_is_called_again() {
    let mut world = World::new();
    world.say("1");
    let first = world.chat.heard[0].session;
    // It has lost all it knew: the next SEND gets 481.
    world.chat.agent.close_session(first).unwrap();
    world.sip.vanish(1);
    let second = world.say("2");
    world.pass(120 * SECOND);
    assert_eq!(world.texts(), ["1", "2"]);
    assert_eq!(world.chat.invites.len(), 2);
    assert!(matches!(world.code(second), Some(200 | 202)));
    world.assert_over();
}

// shows: GW-93
#[test]
fn a_connection_that_cannot_be_made_is_a_failure() {
    let mut world = World::with(GatewayConfig::new().setup_hold(400 * SECOND));
    world.cut = true;
    let first = world.say("x");
    world.pass(24 * SECOND);
    assert_eq!(world.code(first), None);
    world.pass(276 * SECOND);
    assert_eq!(
        world.code(first),
        Some(202),
        "nobody waits for an answer as long as that"
    );
    assert_eq!(world.outcome_codes(Direction::ToSession), [480]);
    assert_eq!(
        world.call_ends().len(),
        1,
        "the call is over, and there is no other"
    );
    world.cut = false;
    world.assert_over();
}

// shows: GW-36
#[test]
fn nothing_overtakes_what_waits() {
    let mut world = World::new();
    world.cut = true;
    for n in 1..=70 {
        world.say(&n.to_string());
        world.pass(SECOND / 20);
    }
    world.cut = false;
    world.say("71");
    for n in 72..=80 {
        world.say(&n.to_string());
    }
    assert_eq!(world.texts(), (1..=80).map(|n| n.to_string()).collect::<Vec<_>>());
    world.assert_over();
}

// shows: GW-36
#[test]
fn a_long_message_is_not_overtaken_by_short_ones() {
    let mut world = World::new();
    world.chat_takes("*", "", 1_000_000);
    world.say("first");
    world.cut = true;
    let long = "l".repeat(400_000);
    world.say(&long);
    world.say("short");
    world.cut = false;
    world.pass(SECOND);
    let lengths: Vec<_> = world.texts().iter().map(String::len).collect();
    assert_eq!(lengths, [5, 400_000, 5]);
    world.assert_over();
}

#[test]
fn a_report_about_nothing_does_no_harm() {
    let mut world = World::new();
    world.chat_calls();
    let key = world.chat_says(OutgoingMessage::text("x"));
    let _sent = key;
    // The chat reports on what the gateway has sent, twice, and on what it never sent.
    world.say("y");
    let heard = world.chat.heard[0].clone();
    let code = msrp_core::grammar::StatusCode::new(413).unwrap();
    world
        .chat
        .agent
        .report(heard.session, heard.message, code)
        .unwrap();
    world.run();
    assert_eq!(
        world.outcome_codes(Direction::ToSession),
        [200],
        "the first word counts"
    );
    assert_eq!(world.paged(), ["x"], "and no report becomes a MESSAGE");
    world.assert_over();
}

// shows: GW-121, GW-122
#[test]
fn an_operator_sees_conversations_and_ends_them() {
    let mut world = World::new();
    world.say("x");
    let listed = world.gateway.conversations(None, 10);
    let [info] = &listed[..] else { panic!() };
    assert_eq!(
        (&*info.page, &*info.session),
        ("sip:alice@phones.example.com", "sip:bob@chats.example.com")
    );
    assert!(info.legs[0].ready && info.legs[0].outgoing);
    let id = info.conversation;
    assert_eq!(world.gateway.conversation(&info.key), Some(id));
    assert!(world.gateway.conversations(Some(id), 10).is_empty());
    world.gateway.end(id).unwrap();
    world.run();
    assert_eq!(world.call_ends().len(), 1);
    assert_eq!(world.gateway.end(id), Err(GatewayError::UnknownConversation));
    let opened = |event: &GatewayEvent| matches!(event, GatewayEvent::Opened { outgoing: true, .. });
    let closed = |event: &GatewayEvent| matches!(event, GatewayEvent::Closed { .. });
    assert!(world.events.iter().any(opened) && world.events.iter().any(closed));
    assert_eq!(world.gateway.stats().to_sessions, 1);
    assert_eq!(world.gateway.stats().answers.get(&202), Some(&1));
    world.assert_over();
}

// shows: GW-124
#[test]
fn at_the_end_everything_has_an_outcome() {
    let mut world = World::new();
    // One conversation is open; in another 100 messages wait for somebody who does not answer.
    world.chat_calls();
    world.chat.answering = Answering::Ring;
    for n in 0..100 {
        let mut waiting = page(0, &n.to_string());
        waiting.request_uri = "sip:carol@chats.example.com".to_owned();
        world.say_page(waiting);
        world.pass(SECOND / 20);
    }
    world.phone.paging = Paging::Silent;
    world.chat_says(OutgoingMessage::text("slow"));
    world.gateway.drain(10 * SECOND);
    let late = world.say("late");
    assert_eq!(world.code(late), Some(503));
    assert!(world.reply(late).unwrap().retry_after.is_some());
    world.pass(9 * SECOND);
    // What is under way may still end well.
    let page = world.phone.inbox[0].page;
    let answer = msrp_ua::sip::SipAnswer::new(200, "");
    world
        .gateway
        .handle_sip(world.now, msrp_ua::sip::SipInput::PageAnswered { page, answer });
    world.pass(2 * SECOND);
    assert_eq!(world.outcome_codes(Direction::ToPages), [200]);
    let outcomes = world.outcomes(Direction::ToSession);
    assert_eq!(outcomes.len(), 100);
    assert!(
        outcomes
            .iter()
            .all(|(_, it)| matches!(it, Outcome::Failed { code: 503 | 408, .. }))
    );
    assert!(world.events.iter().any(|it| matches!(it, GatewayEvent::Drained)));
    assert!(world.gateway.is_idle());
    world.run();
    assert_eq!(world.gateway.agent().session_count(), 0);
    world.assert_over();
}

// shows: GW-125
#[test]
fn other_routes_leave_sessions_alone() {
    let mut world = World::new();
    world.say("1");
    world.gateway.set_routes(Routes::new());
    let refused = world.say("2");
    assert_eq!(world.code(refused), Some(404));
    world.chat_says(OutgoingMessage::text("still here"));
    assert_eq!(world.paged(), ["still here"]);
    world.gateway.set_routes(crate::world::routes());
    world.say("3");
    assert_eq!(world.texts(), ["1", "3"]);
    assert_eq!(world.chat.invites.len(), 1);
    world.assert_over();
}
