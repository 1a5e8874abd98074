//! Sessions that are set up, or not.

use std::{collections::BTreeMap, time::UNIX_EPOCH};

use msrp_core::node::Fingerprint;
use msrp_gateway::{Gateway, GatewayConfig, GatewayEvent, policy::Direction};
use msrp_ua::{
    UserAgentConfig,
    call::CallConfig,
    sip::{SipAction, SipAnswer, SipInput, SipReply},
};

use crate::world::{ALICE, Answering, BOB, Paging, SECOND, World, calendar, page, policies};

fn hold() -> GatewayConfig {
    GatewayConfig::new().setup_hold(5 * SECOND)
}

// shows: GW-95, GW-08, GW-37
#[test]
fn a_refused_call_is_told_as_what_it_is() {
    let table = BTreeMap::from([
        (404, 404),
        (410, 404),
        (604, 404),
        (403, 403),
        (603, 403),
        (480, 480),
        (486, 486),
        (600, 600),
        (408, 408),
        (487, 408),
        (500, 503),
        (503, 503),
    ]);
    for (refused, told) in table {
        let mut world = World::with(hold());
        world.chat.answering = Answering::Ring;
        let pages: Vec<_> = (0..3).map(|n| world.say(&n.to_string())).collect();
        let call = world.chat.calls[0];
        world
            .chat
            .agent
            .refuse_call(call, SipReply::new(refused))
            .unwrap();
        world.run();
        for page in pages {
            assert_eq!(world.code(page), Some(told), "{refused}");
        }
        assert_eq!(world.outcome_codes(Direction::ToSession), [told; 3]);
        let failed = world.events.iter().find_map(|event| match event {
            GatewayEvent::SetupFailed {
                code,
                from,
                to,
                messages,
                ..
            } => Some((*code, from.clone(), to.clone(), messages.len())),
            _ => None,
        });
        assert_eq!(failed, Some((refused, ALICE.to_owned(), BOB.to_owned(), 3)));
        assert!(world.gateway.is_idle(), "{refused}");
        world.assert_over();
    }
}

// shows: GW-18, GW-131, GW-105
#[test]
fn whoever_does_not_speak_msrp_gets_messages() {
    for code in [488, 415, 606, 405, 501] {
        let mut world = World::with(hold());
        world.chat.answering = Answering::No(SipReply::new(code));
        let dated = page(0, "first").with_header("Date", "Fri, 15 Jan 2027 08:00:00 GMT");
        let first = world.say_page(dated);
        assert_eq!(world.code(first), Some(200), "{code}");
        let second = world.say("second");
        assert_eq!(world.code(second), Some(200));
        assert_eq!(world.paged(), ["first", "second"]);
        assert_eq!(
            world.phone.inbox[0].header("Date"),
            Some("Fri, 15 Jan 2027 08:00:00 GMT")
        );
        let sent = &world.phone.inbox[0];
        assert_eq!((&*sent.from.uri, &*sent.request_uri), (ALICE, BOB));
        assert_eq!(world.chat.invites.len(), 1, "it is remembered");
        world.assert_over();
        world.say("much later");
        assert_eq!(world.chat.invites.len(), 2, "for a time");
        world.assert_over();
    }
}

// shows: GW-19
#[test]
fn an_answer_without_msrp_ends_the_call() {
    let mut world = World::with(hold());
    world.phone.paging = Paging::All(200);
    world.chat.answering = Answering::Ring;
    let first = world.say("x");
    let call = world.chat.invites[0].call;
    let answer =
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=message 0 TCP/MSRP *\r\n";
    let input = SipInput::Accepted {
        call,
        answer: Some(answer.into()),
    };
    world.gateway.handle_sip(world.now, input);
    world.run();
    let is_bye = |action: &SipAction| matches!(action, SipAction::Bye { call: ended, .. } if *ended == call);
    assert!(world.actions.iter().any(is_bye));
    assert_eq!(world.code(first), Some(200));
    assert_eq!(world.paged(), ["x"]);
    world.assert_over();
}

// shows: GW-20
#[test]
fn a_challenge_that_could_not_be_answered_is_forbidden() {
    for code in [401, 407] {
        let mut world = World::with(hold());
        world.chat.answering = Answering::No(SipReply::new(code));
        let first = world.say("x");
        assert_eq!(world.code(first), Some(403));
        assert_eq!(world.chat.invites.len(), 1);
        world.assert_over();
    }
}

// shows: GW-39, GW-08
#[test]
fn nobody_is_called_again_at_once() {
    let mut world = World::with(hold());
    world.chat.answering = Answering::No(SipReply::new(480));
    for _ in 0..50 {
        let page = world.say("x");
        assert_eq!(world.code(page), Some(480));
        world.pass(SECOND / 10);
    }
    assert_eq!(world.chat.invites.len(), 1);
    world.pass(40 * SECOND);
    world.say("x");
    assert_eq!(world.chat.invites.len(), 2);
    world.assert_over();
}

// shows: GW-38
#[test]
fn a_callee_that_does_not_answer_is_given_up() {
    let mut world = World::new();
    world.chat.answering = Answering::Ring;
    world.say("x");
    world.pass(59 * SECOND);
    assert!(world.outcomes(Direction::ToSession).is_empty());
    world.pass(2 * SECOND);
    assert_eq!(world.outcome_codes(Direction::ToSession), [408]);
    assert!(
        world
            .actions
            .iter()
            .any(|it| matches!(it, SipAction::Cancel { .. }))
    );
    // A 200 that crosses ends in a BYE, see msrp-ua; here nothing is left.
    world.assert_over();
}

// shows: GW-108
#[test]
fn ending_while_it_rings_gives_the_call_up() {
    let mut world = World::new();
    world.chat.answering = Answering::Ring;
    world.say("x");
    let id = world.gateway.conversations(None, 9)[0].conversation;
    assert!(world.gateway.conversations(None, 9)[0].calling);
    world.gateway.end(id).unwrap();
    world.run();
    assert_eq!(world.outcome_codes(Direction::ToSession), [480]);
    assert!(
        world
            .actions
            .iter()
            .any(|it| matches!(it, SipAction::Cancel { .. }))
    );
    assert!(world.gateway.is_idle());
    world.assert_over();
}

// An operator ends what is not connected yet: that says nothing of the callee, who is called again.
#[test]
fn whoever_is_hung_up_on_is_called_again() {
    let mut world = World::new();
    world.cut = true;
    world.say("1");
    let info = world.gateway.conversations(None, 9).remove(0);
    assert!(!info.legs[0].ready);
    world.gateway.end(info.conversation).unwrap();
    world.run();
    assert_eq!(world.outcome_codes(Direction::ToSession), [480]);
    assert!(
        !world
            .events
            .iter()
            .any(|it| matches!(it, GatewayEvent::SetupFailed { .. }))
    );
    world.cut = false;
    world.say("2");
    assert_eq!(world.texts(), ["2"]);
    world.assert_over();
}

// shows: GW-07
#[test]
fn when_both_call_at_once_each_message_arrives_once() {
    let mut world = World::new();
    world.chat.answering = Answering::Ring;
    world.say("1");
    world.say("2");
    world.chat_calls();
    assert_eq!(world.texts(), ["1", "2"]);
    assert!(
        world
            .actions
            .iter()
            .any(|it| matches!(it, SipAction::Cancel { .. }))
    );
    assert_eq!(world.gateway.conversations(None, 9)[0].legs.len(), 1);
    world.say("3");
    assert_eq!(world.texts(), ["1", "2", "3"]);
    world.assert_over();
}

// shows: GW-07, GW-38
#[test]
fn a_200_that_crosses_the_cancel_does_no_harm() {
    let mut world = World::new();
    world.chat.answering = Answering::Ring;
    world.say("1");
    let ours = world.chat.invites[0].call;
    world.chat_calls();
    // The chat had answered our INVITE before it heard of the CANCEL: the user agent hangs up.
    let cancelled = |action: &SipAction| matches!(action, SipAction::Cancel { call } if *call == ours);
    assert!(world.actions.iter().any(cancelled));
    world.say("2");
    assert_eq!(world.texts(), ["1", "2"]);
    world.assert_over();
}

// shows: GW-17
#[test]
fn whoever_waits_to_be_connected_to_sends_when_that_has_happened() {
    let mut world = World::new();
    world.cut = true;
    world.say("1");
    assert_eq!(world.chat.sessions.len(), 1, "the call stands");
    assert!(world.outcomes(Direction::ToSession).is_empty());
    world.say("2");
    assert!(!world.gateway.conversations(None, 9)[0].legs[0].ready);
    world.cut = false;
    world.run();
    assert_eq!(world.texts(), ["1", "2"]);
    world.assert_over();
}

// shows: GW-06
#[test]
fn all_devices_of_a_user_hear_what_is_said() {
    let mut world = World::new();
    world.chat_calls();
    world.chat_calls();
    assert_eq!(world.chat.sessions.len(), 2);
    let page = world.say("x");
    assert_eq!(world.code(page), Some(200));
    assert_eq!(world.texts(), ["x", "x"]);
    assert_ne!(world.chat.heard[0].session, world.chat.heard[1].session);
    assert_eq!(world.chat.heard[0].message_id, world.chat.heard[1].message_id);
    assert_eq!(world.outcome_codes(Direction::ToSession), [200]);
    // One success is success: one of the two takes nothing any more.
    let gone = world.chat.calls[0];
    world.chat.agent.end_call(gone).unwrap();
    world.run();
    let page = world.say("y");
    assert_eq!(world.code(page), Some(200));
    world.assert_over();
}

// shows: GW-08
#[test]
fn wherever_setting_up_fails_nothing_is_left() {
    // The stack cannot send the INVITE at all.
    let mut world = World::with(hold());
    world.chat.answering = Answering::Ring;
    let first = world.say("x");
    let call = world.chat.invites[0].call;
    let answer = SipAnswer::new(500, "no such host");
    world
        .gateway
        .handle_sip(world.now, SipInput::Refused { call, answer });
    world.run();
    assert_eq!(world.code(first), Some(503));
    assert!(world.gateway.is_idle());
    // The connection cannot be made.
    let mut world = World::with(hold());
    world.cut = true;
    let first = world.say("x");
    world.pass(6 * SECOND);
    assert_eq!(world.code(first), Some(202));
    world.pass(600 * SECOND);
    assert_eq!(world.outcomes(Direction::ToSession).len(), 1);
    assert!(!world.outcomes(Direction::ToSession)[0].1.is_success());
    world.cut = false;
    world.assert_over();
}

// shows: GW-15, GW-58, 4975-13-03, 8591-8.4-01
#[test]
fn the_offer_says_what_the_gateway_takes() {
    let mut world = World::new();
    world.say("x");
    let sdp = String::from_utf8(world.chat.invites[0].offer.to_vec()).unwrap();
    let value = |name: &str| {
        sdp.lines()
            .find_map(|line| line.strip_prefix(&format!("a={name}:")))
            .map(str::to_owned)
    };
    assert_eq!(
        value("accept-types").as_deref(),
        Some("message/cpim text/plain *")
    );
    assert_eq!(value("accept-wrapped-types").as_deref(), Some("*"));
    assert_eq!(value("setup").as_deref(), Some("actpass"));
    let max_size: usize = value("max-size").unwrap().parse().unwrap();
    assert!((400..900).contains(&max_size), "{max_size}: what is left of 1300");
    assert!(value("path").unwrap().starts_with("msrp://gw.example.com:2855/"));
}

// shows: GW-22
#[test]
fn what_a_message_is_about_is_told_with_the_call() {
    let mut world = World::new();
    world.chat_takes("message/cpim", "*", 9_999);
    let about = page(0, "Hi")
        .with_header("Subject", "Lunch")
        .with_header("Priority", "urgent")
        .with_header("In-Reply-To", "70710@saturn.bell-tel.com")
        .with_header("Date", "Fri, 15 Jan 2027 08:00:00 GMT")
        .with_header("Organization", "not carried");
    world.say_page(about);
    let invite = &world.chat.invites[0];
    let header = |name: &str| {
        let header = invite.headers.iter().find(|header| header.name == name);
        header.map(|header| header.value.clone())
    };
    assert_eq!(header("Subject").as_deref(), Some("Lunch"));
    assert_eq!(header("Priority").as_deref(), Some("urgent"));
    assert_eq!(
        header("In-Reply-To").as_deref(),
        Some("70710@saturn.bell-tel.com")
    );
    assert_eq!(header("Organization"), None);
    let heard = &world.chat.heard[0];
    assert_eq!(heard.content_type, "message/cpim");
    let head = heard.content.head.as_ref().unwrap();
    let subject = head.subjects().next().map(|subject| subject.text().into_owned());
    assert_eq!(subject.as_deref(), Some("Lunch"));
    let sent_at = UNIX_EPOCH + 1_800_000_000 * SECOND;
    assert_eq!(head.sent_at(), Some(sent_at));
    world.assert_over();
}

// The fingerprints that the user agent was configured with are those that stand in the offer.
#[test]
fn the_offer_names_the_certificate() {
    let fingerprint = |octet| Fingerprint {
        hash: "sha-256".to_owned(),
        value: vec![octet; 32],
    };
    let mut world = World::new();
    let agent = UserAgentConfig::new("gw.example.com", 2855, true)
        .calls(CallConfig::new().with_fingerprints(vec![fingerprint(0xAB)]));
    world.gateway = Gateway::new(
        world.now,
        calendar(),
        GatewayConfig::new(),
        agent,
        policies(),
        [1; 32],
    );
    world.chat.answering = Answering::Ring;
    world.say("x");
    let offer = |world: &World| {
        let offer = world.chat.invites.last().unwrap().offer.clone();
        String::from_utf8(offer.to_vec()).unwrap()
    };
    assert!(
        offer(&world).contains("a=fingerprint:sha-256 AB:AB:"),
        "{}",
        offer(&world)
    );
    // It may be another one later.
    world.gateway.set_fingerprints(vec![fingerprint(0xCD)]);
    let mut other = page(0, "y");
    other.request_uri = "sip:carol@chats.example.com".to_owned();
    world.say_page(other);
    assert!(
        offer(&world).contains("a=fingerprint:sha-256 CD:CD:"),
        "{}",
        offer(&world)
    );
}
