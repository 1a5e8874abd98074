//! What could be lost, doubled or claimed wrongly, each case on its own; [`random`](crate::random) mixes them.

use msrp_core::{grammar::MessageId, node::Node};
use msrp_gateway::{
    GatewayConfig, GatewayEvent, Outcome, Policies, QueueLimits,
    policy::{Direction, GatewayAnswer, Lookup, Route, RoutePolicy, RouteQuery, Routing, TrustFrom},
};
use msrp_ua::{
    OutgoingMessage,
    call::OutgoingCall,
    sip::{SipAction, SipAnswer, SipInput, SipPage, SipParty, SipReply},
};

use crate::world::{ALICE, Answering, Paging, SECOND, World, outgoing, page};

fn said(text: &str) -> OutgoingMessage {
    OutgoingMessage::text(text).with_success_report()
}

/// A MESSAGE with an identifier of its own (RFC 5438), in a request of its own.
fn named(text: &str, id: &str, call_id: &str) -> SipPage {
    let body = format!(
        "From: <sip:alice@phones.example.com>\r\nTo: <sip:bob@chats.example.com>\r\n\
         NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: {id}\r\n\r\nContent-Type: text/plain\r\n\r\n{text}"
    );
    let mut named = page(0, &body)
        .with_header("Call-ID", call_id)
        .with_header("CSeq", "1 MESSAGE");
    named.content_type = Some("message/cpim".to_owned());
    named
}

impl World {
    /// The phone answers what it has left unanswered.
    fn phone_answers(&mut self, code: u16) {
        for page in std::mem::take(&mut self.phone.pending) {
            let answer = SipAnswer::new(code, "Said Late");
            self.gateway
                .handle_sip(self.now, SipInput::PageAnswered { page, answer });
        }
        self.run();
    }
}

// A client that is told that its message has failed sends it once more, under the same identifier.
#[test]
fn what_has_failed_may_be_sent_again() {
    for hold in [0, 5] {
        let mut world = World::with(GatewayConfig::new().setup_hold(hold * SECOND).backoff(3 * SECOND));
        world.chat.answering = Answering::No(SipReply::new(480));
        let first = world.say_page(named("Hi", "id7", "c1"));
        assert_eq!(world.code(first), Some(if hold == 0 { 202 } else { 480 }));
        assert_eq!(world.outcome_codes(Direction::ToSession), [480]);
        world.pass(4 * SECOND);
        world.chat.answering = Answering::Yes(Box::default());
        let again = world.say_page(named("Hi", "id7", "c2"));
        assert!(matches!(world.code(again), Some(200 | 202)) || hold > 0);
        world.pass(SECOND);
        assert_eq!(world.texts(), ["Hi"]);
        // Now it has arrived, and arrives no second time.
        world.say_page(named("Hi", "id7", "c3"));
        assert_eq!(world.texts(), ["Hi"]);
        world.assert_over();
    }
}

#[test]
fn what_found_no_room_may_be_sent_again() {
    let limits = QueueLimits {
        messages: 1,
        ..QueueLimits::default()
    };
    let mut world = World::with(GatewayConfig::new().queue(limits));
    world.chat.answering = Answering::Ring;
    world.say("1");
    let refused = world.say_page(named("2", "id2", "c2"));
    assert_eq!(world.code(refused), Some(503));
    let call = world.chat.calls[0];
    world.chat.agent.answer_call(call, Default::default()).unwrap();
    world.run();
    let again = world.say_page(named("2", "id2", "c3"));
    assert_eq!(world.code(again), Some(200));
    assert_eq!(world.texts(), ["1", "2"]);
    world.assert_over();
}

// Some peers give several messages one name: the second is another message, and not known to be delivered.
#[test]
fn a_name_that_is_used_twice_loses_nothing() {
    let mut world = World::new();
    let id = MessageId::parse(b"always-the-same").unwrap();
    let call = world.chat_calls();
    let first = world.chat_says(said("x").with_message_id(id));
    world.chat.agent.end_call(call).unwrap();
    world.run();
    world.chat_calls();
    let second = world.chat_says(said("y").with_message_id(id));
    assert_eq!(world.paged(), ["x", "y"]);
    assert_eq!((world.told(first), world.told(second)), (vec![200], vec![200]));
    world.assert_over();
}

// A peer that answers late: what was sent in time may arrive, and is not called failed meanwhile.
#[test]
fn what_is_sent_does_not_expire() {
    let mut world = World::new();
    world.say("1");
    world.cut = true;
    world.say_page(page(0, "2").with_header("Expires", "5"));
    world.pass(10 * SECOND);
    assert_eq!(world.outcome_codes(Direction::ToSession), [200]);
    world.cut = false;
    world.run();
    assert_eq!(world.outcome_codes(Direction::ToSession), [200, 200]);
    assert_eq!(world.texts(), ["1", "2"]);
    // Lost after that time, it is not sent again.
    world.cut = true;
    world.say_page(page(0, "3").with_header("Expires", "5"));
    world.pass(10 * SECOND);
    let call = world.chat.calls[0];
    world.chat.agent.end_call(call).unwrap();
    world.cut = false;
    world.pass(60 * SECOND);
    assert_eq!(world.texts(), ["1", "2"]);
    assert_eq!(world.chat.invites.len(), 1);
    assert_eq!(world.outcome_codes(Direction::ToSession), [200, 200, 480]);
    world.assert_over();
}

// shows: GW-124
#[test]
fn a_phone_that_does_not_answer_does_not_keep_the_end_from_coming() {
    let mut world = World::new();
    world.chat_calls();
    world.phone.paging = Paging::Silent;
    let (slow, waits) = (world.chat_says(said("slow")), world.chat_says(said("waits")));
    world.gateway.drain(10 * SECOND);
    world.run();
    let new = world.chat_says(said("new"));
    assert_eq!(world.told(new), [413], "nothing new is taken");
    world.pass(11 * SECOND);
    assert_eq!(world.outcome_codes(Direction::ToPages), [503, 503, 503]);
    assert_eq!((world.told(slow), world.told(waits)), (vec![413], vec![413]));
    assert!(world.events.iter().any(|it| matches!(it, GatewayEvent::Drained)));
    assert_eq!(world.call_ends().len(), 1);
    assert!(world.gateway.is_idle());
    // Its answer comes too late for anything.
    world.phone_answers(200);
    assert_eq!(world.outcomes(Direction::ToPages).len(), 3);
    assert_eq!(world.paged(), ["slow"]);
    world.assert_over();
}

#[test]
fn whoever_refuses_one_caller_is_called_for_another() {
    let mut world = World::new();
    world.chat.answering = Answering::No(SipReply::new(603));
    world.say("1");
    assert_eq!(world.outcome_codes(Direction::ToSession), [403]);
    world.chat.answering = Answering::Yes(Box::default());
    let mut carol = page(0, "2");
    carol.from = SipParty::new("sip:carol@phones.example.com");
    world.say_page(carol);
    assert_eq!(world.texts(), ["2"]);
    // The first one is not tried again so soon.
    world.say("3");
    assert_eq!(world.texts(), ["2"]);
    world.pass(31 * SECOND);
    world.say("4");
    assert_eq!(world.texts(), ["2", "4"]);
    world.assert_over();
}

// shows: GW-34
#[test]
fn what_senders_are_told_is_bounded_too() {
    let limits = QueueLimits {
        messages: 3,
        ..QueueLimits::default()
    };
    let config = GatewayConfig::new()
        .queue(limits)
        .notices(Some(SipParty::new("sip:gateway@gw.example.com")));
    let mut world = World::with(config);
    world.phone.paging = Paging::Silent;
    world.chat.answering = Answering::Ring;
    for _ in 0..3 {
        for n in 0..3 {
            world.say(&n.to_string());
        }
        let call = *world.chat.calls.last().unwrap();
        world.chat.agent.refuse_call(call, SipReply::new(480)).unwrap();
        world.run();
        assert_eq!(world.gateway.under_way().1, 3);
        world.pass(31 * SECOND);
    }
    assert_eq!(world.outcomes(Direction::ToSession).len(), 9);
    world.phone.paging = Paging::All(200);
    world.phone_answers(200);
    assert_eq!(world.phone.inbox.len(), 3);
    assert_eq!(world.gateway.under_way(), (0, 0));
    world.assert_over();
}

/// Takes its time for one way of writing a URI.
struct AsksForSome;

impl RoutePolicy for AsksForSome {
    fn route(&mut self, query: &RouteQuery) -> Lookup<Routing> {
        match query.request_uri == ALICE {
            true => Lookup::Pending,
            false => Lookup::Ready(Routing::Carry(Route::new())),
        }
    }
}

#[test]
fn nothing_overtakes_what_waits_for_a_policy() {
    let policies = Policies::new(AsksForSome).sender(TrustFrom);
    let mut world = World::with_policies(GatewayConfig::new(), policies);
    world.cut = true;
    world.say("1");
    let mut call: OutgoingCall = outgoing();
    call = call.with_request_uri(format!("{ALICE};transport=tcp"));
    world.chat_calls_with(call);
    assert_eq!(world.chat.sessions.len(), 1, "there is a conversation now");
    world.say("2");
    let mut tickets = Vec::new();
    while let Some(action) = world.gateway.poll_action() {
        match action {
            msrp_core::node::Action::Lookup { ticket, .. } => tickets.push(ticket),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(tickets.len(), 1);
    let answer = GatewayAnswer::Routing(Routing::Carry(Route::new()));
    world.gateway.handle_answer(world.now, tickets[0], answer);
    world.cut = false;
    world.pass(SECOND);
    assert_eq!(world.texts(), ["1", "2"]);
    world.assert_over();
}

// The chat does not know what became of its message when it comes back, and asks again.
#[test]
fn a_report_goes_to_the_session_that_asks_last() {
    let mut world = World::new();
    world.phone.paging = Paging::Silent;
    let id = MessageId::parse(b"asked-twice").unwrap();
    let call = world.chat_calls();
    world.chat_says(said("x").with_message_id(id));
    world.chat.agent.end_call(call).unwrap();
    world.run();
    world.chat_calls();
    let again = world.chat_says(said("x").with_message_id(id));
    assert!(world.told(again).is_empty());
    world.phone_answers(200);
    assert_eq!(world.told(again), [200]);
    assert_eq!(world.paged(), ["x"]);
    assert_eq!(world.outcome_codes(Direction::ToPages), [200]);
    world.assert_over();
}

#[test]
fn nobody_is_hung_up_on_who_waits_for_a_report() {
    let mut world = World::with(GatewayConfig::new().session_timeout(10 * SECOND));
    world.phone.paging = Paging::Silent;
    world.chat_calls();
    let key = world.chat_says(said("x"));
    world.pass(15 * SECOND);
    assert!(world.call_ends().is_empty());
    world.phone_answers(200);
    assert_eq!(world.told(key), [200]);
    world.pass(25 * SECOND);
    assert_eq!(world.call_ends().len(), 1);
    world.assert_over();
}

// Setting up takes long, fails, succeeds, with messages waiting all the time: each has one outcome, and none is sent twice.
#[test]
fn setups_that_fail_and_succeed_again_keep_count() {
    let mut world = World::with(GatewayConfig::new().backoff(2 * SECOND));
    let mut said = 0;
    for round in 0..6 {
        world.chat.answering = Answering::Ring;
        for _ in 0..3 {
            said += 1;
            world.say(&said.to_string());
        }
        let call = *world.chat.calls.last().unwrap();
        if round % 2 == 0 {
            world.chat.agent.refuse_call(call, SipReply::new(480)).unwrap();
        } else {
            world.chat.agent.answer_call(call, Default::default()).unwrap();
            world.run();
            world.chat.agent.end_call(call).unwrap();
        }
        world.pass(3 * SECOND);
    }
    let outcomes = world.outcomes(Direction::ToSession);
    assert_eq!(outcomes.len(), said);
    let delivered = outcomes.iter().filter(|(_, it)| *it == Outcome::Delivered);
    assert_eq!(delivered.count(), 9);
    assert_eq!(world.texts(), ["4", "5", "6", "10", "11", "12", "16", "17", "18"]);
    assert!(world.gateway.is_idle());
    world.assert_over();
}

// Both sides call each other, both calls come about, and both hang up on one of them.
#[test]
fn two_calls_at_once_lose_nothing_whichever_is_ended() {
    for ended in [0, 1] {
        let mut world = World::new();
        world.say("1");
        world.chat_calls();
        world.say("2");
        let calls = world.chat.calls.clone();
        world.chat.agent.end_call(calls[ended]).unwrap();
        world.run();
        let page = world.say("3");
        assert_eq!(world.code(page), Some(200));
        let mut texts = world.texts();
        texts.dedup();
        assert_eq!(texts, ["1", "2", "3"]);
        assert_eq!(world.outcome_codes(Direction::ToSession), [200; 3]);
        let byes = |world: &World| {
            let is_bye = |it: &&SipAction| matches!(it, SipAction::Bye { .. });
            world.actions.iter().filter(is_bye).count()
        };
        assert_eq!(byes(&world), 0, "the gateway has ended neither");
        world.assert_over();
    }
}
