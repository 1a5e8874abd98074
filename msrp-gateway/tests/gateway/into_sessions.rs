//! MESSAGEs that go into sessions.

use std::collections::BTreeMap;

use msrp_gateway::{Outcome, policy::Direction};
use msrp_ua::sip::{SipAction, SipParty};

use crate::world::{ALICE, Answering, BOB, World, page};

// shows: GW-10, GW-11, GW-13, GW-33, GW-128, 3428-7-02, 3428-7-03
#[test]
fn messages_wait_for_their_session_and_arrive_in_order() {
    let mut world = World::new();
    world.chat.answering = Answering::Ring;
    let mut pages = vec![world.say("1")];
    // The answer does not wait for the callee, and there is one INVITE.
    assert_eq!(world.code(pages[0]), Some(202));
    pages.extend((2..=10).map(|n| world.say(&n.to_string())));
    assert_eq!(world.chat.invites.len(), 1);
    let invite = &world.chat.invites[0];
    assert_eq!(invite.from.as_ref().unwrap().uri, ALICE);
    assert_eq!((&*invite.to.uri, &*invite.request_uri), (BOB, BOB));
    assert_eq!(
        invite.route.as_deref(),
        Some("sip:chats.example.com;transport=tcp")
    );
    assert!(world.texts().is_empty());

    let call = world.chat.calls[0];
    world.chat.agent.answer_call(call, Default::default()).unwrap();
    world.run();
    assert_eq!(world.texts(), (1..=10).map(|n| n.to_string()).collect::<Vec<_>>());
    for page in pages {
        let reply = world.reply(page).unwrap();
        assert_eq!(reply.code, 202);
        assert!(reply.headers.is_empty());
    }
    assert_eq!(world.outcomes(Direction::ToSession).len(), 10);
    assert!(
        world
            .outcomes(Direction::ToSession)
            .iter()
            .all(|(_, it)| *it == Outcome::Delivered)
    );
    // What was said is over; the session is not, until nobody has said anything for long.
    world.assert_over();
    assert!(
        world
            .actions
            .iter()
            .any(|action| matches!(action, SipAction::Bye { .. }))
    );
}

// shows: GW-12
#[test]
fn in_an_open_session_the_answer_says_what_became_of_it() {
    let mut world = World::new();
    world.say("first");
    let second = world.say("second");
    assert_eq!(world.code(second), Some(200));
    let third = world.say_page(page(0, "third"));
    assert_eq!(world.code(third), Some(200));
    assert_eq!(world.texts(), ["first", "second", "third"]);
    world.assert_over();
}

#[test]
fn two_hundred_conversations_at_once_lose_and_mix_nothing() {
    let mut world = World::new();
    for n in 0..2_000 {
        let pair = n % 200;
        let mut it = page(0, &format!("{pair:03} {n:04}"));
        it.from = SipParty::new(format!("sip:alice{pair}@phones.example.com"));
        it.to = SipParty::new(format!("sip:bob{pair}@chats.example.com"));
        it.request_uri.clone_from(&it.to.uri);
        world.say_page(it);
    }
    assert_eq!(world.chat.sessions.len(), 200);
    let mut sessions = BTreeMap::new();
    let texts = world.texts();
    for (text, heard) in texts.iter().zip(&world.chat.heard) {
        let (pair, number) = text.split_once(' ').unwrap();
        let (session, numbers) = sessions.entry(pair).or_insert((heard.session, Vec::new()));
        assert_eq!(*session, heard.session, "one session for each");
        numbers.push(number);
    }
    assert_eq!(texts.len(), 2_000);
    for (_, numbers) in sessions.values() {
        assert!(numbers.len() == 10 && numbers.windows(2).all(|two| two[0] < two[1]));
    }
    world.assert_over();
}
