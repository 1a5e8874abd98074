//! Who may, how much, and what goes round in circles.

use std::time::Duration;

use msrp_core::node::Node;
use msrp_gateway::{
    GatewayConfig, MARK, Policies, QueueLimits, Rate,
    policy::{Direction, GatewayAnswer, GatewayQuery, Lookup, Route, RoutePolicy, RouteQuery, Routing},
};
use msrp_ua::{
    OutgoingMessage,
    call::CallEnd,
    sip::{SipAnswer, SipInput, SipParty, SipReply},
};

use crate::world::{ALICE, Answering, BOB, Paging, SECOND, World, outgoing, page, routes};

// shows: GW-03
#[test]
fn a_from_that_nobody_has_checked_counts_nothing() {
    let mut world = World::with_policies(GatewayConfig::new(), Policies::new(routes()));
    let spoofed = world.say("x");
    assert_eq!(world.code(spoofed), Some(403));
    let mut known = page(0, "hi");
    known.identity = Some(ALICE.to_owned());
    let known = world.say_page(known);
    assert_eq!(world.code(known), Some(202));
    // Mallory is known, and says to be Alice: it is another conversation.
    let mut mallory = page(0, "spoofed");
    mallory.identity = Some("sip:mallory@phones.example.com".to_owned());
    world.say_page(mallory);
    assert_eq!(world.chat.sessions.len(), 2);
    assert_ne!(world.chat.heard[0].session, world.chat.heard[1].session);
    world.assert_over();
}

// shows: GW-09
#[test]
fn whoever_wants_to_be_anonymous_stays_so() {
    let mut world = World::with_policies(GatewayConfig::new(), Policies::new(routes()));
    let hidden = || {
        let mut hidden = page(0, "psst");
        hidden.from = SipParty::new("sip:anonymous@anonymous.invalid").with_display_name("Anonymous");
        hidden.identity = Some(ALICE.to_owned());
        hidden
    };
    world.say_page(hidden());
    world.say_page(hidden());
    assert_eq!(world.texts(), ["psst", "psst"]);
    assert_eq!(world.chat.invites.len(), 1);
    let invite = &world.chat.invites[0];
    assert_eq!(
        invite.from.as_ref().unwrap().uri,
        "sip:anonymous@anonymous.invalid"
    );
    let everything = format!(
        "{invite:?}{}{:?}",
        String::from_utf8_lossy(&invite.offer),
        invite.headers
    );
    assert!(!everything.contains("alice"));
    for heard in &world.chat.heard {
        assert!(!String::from_utf8_lossy(&heard.body).contains("alice"));
    }
    // The answer goes to Alice all the same.
    world.chat_says(OutgoingMessage::text("who?"));
    assert_eq!(world.phone.inbox[0].request_uri, ALICE);
    assert_eq!(world.phone.inbox[0].to.uri, "sip:anonymous@anonymous.invalid");
    world.assert_over();
}

// shows: GW-113
#[test]
fn each_translation_is_a_hop() {
    let mut world = World::new();
    let last = world.say_page(page(0, "x").with_header("Max-Forwards", "0"));
    assert_eq!(world.code(last), Some(483));
    world.say_page(page(0, "x").with_header("Max-Forwards", "7"));
    let value = |headers: &[msrp_ua::sip::SipHeader], name: &str| {
        headers
            .iter()
            .find(|it| it.name == name)
            .map(|it| it.value.clone())
    };
    assert_eq!(
        value(&world.chat.invites[0].headers, "Max-Forwards").as_deref(),
        Some("6")
    );
    let mut world = World::new();
    world.chat_calls_with(outgoing().with_header("Max-Forwards", "3"));
    world.chat_says(OutgoingMessage::text("x"));
    assert_eq!(
        value(&world.phone.inbox[0].headers, "Max-Forwards").as_deref(),
        Some("2")
    );
    let odd = world.say_page(page(0, "x").with_header("Max-Forwards", "many"));
    assert_eq!(world.code(odd), Some(400));
    world.assert_over();
}

// shows: GW-114, GW-113
#[test]
fn what_comes_back_is_known_again() {
    let mut world = World::with(GatewayConfig::new().name("gw-1"));
    world.say_page(page(0, "x").with_header(MARK, "gw-7"));
    let invite = world.chat.invites[0].clone();
    let mark = invite.headers.iter().find(|it| it.name == MARK).unwrap();
    assert_eq!(mark.value, "gw-7, gw-1", "and others know theirs");
    // A second gateway turns it into a MESSAGE, which comes to the first.
    let ring = world.say_page(page(0, "x").with_header(MARK, mark.value.clone()));
    assert_eq!(world.code(ring), Some(482));
    let call = world.chat_calls_with(outgoing().with_header(MARK, "gw-1"));
    let _refused = call;
    assert!(matches!(world.call_ends()[..], [CallEnd::Refused(answer)] if answer.code == 482));
    let crowd = world.say_page(page(0, "x").with_header(MARK, "a,b,c,d,e,f,g,h"));
    assert_eq!(world.code(crowd), Some(482));
    world.assert_over();
}

// shows: GW-115
#[test]
fn nothing_is_sent_to_the_gateway_itself() {
    let own = GatewayConfig::new().own_address("sip:chats.example.com:5060");
    let mut world = World::with(own);
    let page_to_us = world.say("x");
    assert_eq!(world.code(page_to_us), Some(482));
    let mut to_oneself = page(0, "x");
    to_oneself.from = SipParty::new(BOB);
    let to_oneself = world.say_page(to_oneself);
    assert_eq!(world.code(to_oneself), Some(482));
    assert!(world.chat.invites.is_empty());
    world.assert_over();
}

// shows: GW-116
#[test]
fn a_flood_is_held_back() {
    let config = GatewayConfig::new()
        .sender_rate(Rate::new(5, 1.0))
        .pair_rate(Rate::new(3, 1.0));
    let mut world = World::with(config);
    let codes: Vec<_> = (0..6)
        .map(|n| {
            let page = world.say(&n.to_string());
            world.code(page).unwrap()
        })
        .collect();
    assert_eq!(codes, [202, 200, 200, 503, 503, 503]);
    let refused = world.phone.answers.last().unwrap();
    assert_eq!(refused.1.retry_after, Some(SECOND));
    world.pass(2 * SECOND);
    let later = world.say("later");
    assert_eq!(world.code(later), Some(200));
    // All together, and conversations.
    let mut world = World::with(
        GatewayConfig::new()
            .total_rate(Rate::new(2, 1.0))
            .max_conversations(1),
    );
    world.say("x");
    let mut other = page(0, "x");
    other.from = SipParty::new("sip:carol@phones.example.com");
    let full = world.say_page(other.clone());
    assert_eq!(world.code(full), Some(503));
    let too_much = world.say_page(other);
    assert_eq!(world.code(too_much), Some(503));
    world.assert_over();
}

// shows: GW-34
#[test]
fn what_waits_is_bounded() {
    let limits = QueueLimits {
        messages: 3,
        octets: 100,
        ..QueueLimits::default()
    };
    let mut world = World::with(GatewayConfig::new().queue(limits));
    world.chat.answering = Answering::Ring;
    let codes: Vec<_> = ["1", "2", "3", "4"]
        .iter()
        .map(|text| {
            let page = world.say(text);
            world.code(page).unwrap()
        })
        .collect();
    assert_eq!(codes, [202, 202, 202, 503]);
    assert!(world.phone.answers[3].1.retry_after.is_some());
    assert_eq!(world.gateway.under_way().0, 3);
    let call = world.chat.calls[0];
    world.chat.agent.answer_call(call, Default::default()).unwrap();
    world.run();
    assert_eq!(world.texts(), ["1", "2", "3"]);
    let long = world.say(&"x".repeat(101));
    assert_eq!(world.code(long), Some(503));
    // And the other way.
    world.phone.paging = Paging::Silent;
    let keys: Vec<_> = (0..4)
        .map(|n| world.chat_says(OutgoingMessage::text(n.to_string()).with_success_report()))
        .collect();
    assert_eq!(world.told(keys[3]), [413]);
    assert_eq!(world.gateway.under_way().1, 3);
    world.phone.paging = Paging::All(200);
    let page = world.phone.inbox[0].page;
    let answer = SipAnswer::new(200, "");
    let input = SipInput::PageAnswered { page, answer };
    world.gateway.handle_sip(world.now, input);
    world.assert_over();
}

/// Lets nobody of elsewhere in.
struct Members;

impl RoutePolicy for Members {
    fn route(&mut self, query: &RouteQuery) -> Lookup<Routing> {
        Lookup::Ready(if query.sender.address().ends_with("example.com") {
            Routing::Carry(Route::new())
        } else {
            Routing::Refuse(SipReply::new(403))
        })
    }
}

// shows: GW-117
#[test]
fn both_directions_have_to_be_allowed() {
    let mut world = World::with_policies(
        GatewayConfig::new(),
        Policies::new(Members).sender(msrp_gateway::policy::TrustFrom),
    );
    let mut foreign = page(0, "x");
    foreign.from = SipParty::new("sip:mallory@elsewhere.org");
    let foreign = world.say_page(foreign);
    assert_eq!(world.code(foreign), Some(403));
    let mut call = outgoing();
    call.from = Some(SipParty::new("sip:mallory@elsewhere.org"));
    world.chat_calls_with(call);
    assert!(matches!(world.call_ends()[..], [CallEnd::Refused(answer)] if answer.code == 403));
    let member = world.say("x");
    assert_eq!(world.code(member), Some(202));
    // What no rule is about does not exist.
    let mut world = World::new();
    let mut stranger = page(0, "x");
    stranger.request_uri = "sip:bob@nowhere.org".to_owned();
    let stranger = world.say_page(stranger);
    assert_eq!(world.code(stranger), Some(404));
    world.assert_over();
}

// shows: GW-118
#[test]
fn what_is_secure_stays_so() {
    let mut world = World::new();
    let mut secure = page(0, "x");
    secure.request_uri = "sips:bob@chats.example.com".to_owned();
    let refused = world.say_page(secure.clone());
    assert_eq!(world.code(refused), Some(416));
    assert!(world.chat.invites.is_empty());
    let mut world = World::with(GatewayConfig::new().keep_secure(false));
    let carried = world.say_page(secure);
    assert_eq!(world.code(carried), Some(202));
    world.assert_over();
}

/// Asks somebody.
struct Asks;

impl RoutePolicy for Asks {
    fn route(&mut self, _query: &RouteQuery) -> Lookup<Routing> {
        Lookup::Pending
    }
}

#[test]
fn a_policy_may_take_its_time() {
    let asking = || {
        World::with_policies(
            GatewayConfig::new(),
            Policies::new(Asks).sender(msrp_gateway::policy::TrustFrom),
        )
    };
    let mut world = asking();
    world.cut = true;
    let pages: Vec<_> = (0..3).map(|n| world.say(&n.to_string())).collect();
    let mut asked = 0;
    while let Some(action) = world.gateway.poll_action() {
        let msrp_core::node::Action::Lookup { ticket, query } = action else {
            continue;
        };
        let GatewayQuery::Route(query) = query else {
            panic!()
        };
        asked += 1;
        assert_eq!(query.direction == Direction::ToSession, asked == 1);
        let answer = GatewayAnswer::Routing(Routing::Carry(Route::new()));
        world.gateway.handle_answer(world.now, ticket, answer);
    }
    assert_eq!(asked, 2, "one question for all, and one about the way back");
    world.cut = false;
    world.run();
    assert_eq!(world.texts(), ["0", "1", "2"]);
    assert!(pages.iter().all(|&page| world.code(page).is_some()));
    // It may also never answer.
    let mut world = asking();
    world.cut = true;
    let lost = world.say("x");
    world.pass(Duration::from_secs(11));
    assert_eq!(world.code(lost), Some(503));
    world.assert_over();
}
