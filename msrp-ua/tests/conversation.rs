//! Two people talk: wrappings, who is writing, and what became of what was said.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

use std::{
    iter::from_fn,
    time::{Duration, Instant, SystemTime},
};

use msrp_core::{
    grammar::{AcceptTypes, StatusCode},
    node::Node,
};
use msrp_ua::{
    IncomingKey, OutgoingKey, OutgoingMessage, Role, SessionId, SessionParams, UserAgent, UserAgentConfig,
    UserAgentEvent,
    conversation::{Conversants, Utterance},
    cpim::{Address, CPIM_TYPE, CpimBuilder, Wrapping},
    imdn::{Consent, DeliveryStatus, DisplayStatus, Disposition, DispositionRequests},
    loopback::Loopback,
};

struct Talk {
    now: Instant,
    alice: UserAgent,
    bob: UserAgent,
    wires: Loopback,
    of_alice: SessionId,
    of_bob: SessionId,
}

fn types(list: &str) -> AcceptTypes {
    AcceptTypes::parse(list.as_bytes()).unwrap()
}

fn address(name: &str) -> Address {
    Address::new(&format!("sip:{name}@example.com"))
        .unwrap()
        .with_name(name)
}

/// Alice and Bob; both accept these types, and these inside.
fn talk(accepts: &str, wrapped: &str) -> Talk {
    let now = Instant::now();
    let agent = |host: &str, seed| {
        let mut agent = UserAgent::new(now, UserAgentConfig::new(host, 2855, true), [seed; 32]);
        agent.set_calendar(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        agent
    };
    let (mut alice, mut bob) = (agent("alice.example.com", 1), agent("bob.example.com", 2));
    let (from, to) = (alice.allocate_uri(), bob.allocate_uri());
    let params = |own, peer, role| SessionParams::new(own, peer, role).with_peer_limits(types(accepts), None);
    let of_bob = bob
        .open_session(params(to.clone(), from.clone(), Role::Passive))
        .unwrap();
    let of_alice = alice.open_session(params(from, to, Role::Active)).unwrap();
    let wrapping = || Wrapping::new(types(accepts), types(wrapped));
    alice
        .converse(
            of_alice,
            Conversants::new(address("alice"), address("bob"), wrapping()),
        )
        .unwrap();
    bob.converse(
        of_bob,
        Conversants::new(address("bob"), address("alice"), wrapping()),
    )
    .unwrap();
    let mut talk = Talk {
        now,
        alice,
        bob,
        wires: Loopback::new(),
        of_alice,
        of_bob,
    };
    talk.run();
    talk.events();
    talk
}

impl Talk {
    fn run(&mut self) {
        self.wires.run(self.now, &mut self.alice, &mut self.bob);
    }

    /// What Alice, and Bob, were told.
    fn events(&mut self) -> [Vec<UserAgentEvent>; 2] {
        self.run();
        let events = [&mut self.alice, &mut self.bob].map(|agent| from_fn(|| agent.poll_event()).collect());
        self.run();
        events
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.run();
    }

    fn say(&mut self, text: &str, requests: DispositionRequests) -> OutgoingKey {
        self.alice.tick(self.now);
        let utterance = Utterance::text(text).with_notices(requests).with_subject("Lunch");
        self.alice.say(self.of_alice, utterance).unwrap()
    }
}

struct Heard {
    key: IncomingKey,
    content_type: String,
    text: String,
    from: Option<String>,
    subject: Option<String>,
}

fn heard(events: &[UserAgentEvent]) -> Vec<Heard> {
    events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::Message {
                message,
                content_type,
                body: Some(body),
                envelope,
                ..
            } => {
                let head = envelope.as_ref();
                let subject = head.and_then(|head| head.subjects().next().map(|one| one.text().into_owned()));
                Some(Heard {
                    key: *message,
                    content_type: content_type.clone(),
                    text: String::from_utf8(body.to_vec()).unwrap(),
                    from: head.and_then(|head| Some(head.from()?.uri().to_owned())),
                    subject,
                })
            }
            _ => None,
        })
        .collect()
}

fn composing(events: &[UserAgentEvent]) -> Vec<(String, bool)> {
    events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::Composing { who, active, .. } => Some((who.clone(), *active)),
            _ => None,
        })
        .collect()
}

fn noticed(events: &[UserAgentEvent]) -> Vec<(OutgoingKey, Disposition)> {
    events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::Noticed {
                message, disposition, ..
            } => Some((*message, *disposition)),
            _ => None,
        })
        .collect()
}

// shows: 4975-13-07
#[test]
fn a_wrapped_line_comes_unwrapped_and_its_fate_is_told() {
    let mut talk = talk("message/cpim text/plain", "text/plain");
    let key = talk.say("Hello, Bob!", DispositionRequests::all());
    let [alice, bob] = talk.events();
    let heard = heard(&bob);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].text, "Hello, Bob!");
    assert_eq!(heard[0].content_type, "text/plain;charset=UTF-8");
    assert_eq!(heard[0].from.as_deref(), Some("sip:alice@example.com"));
    assert_eq!(heard[0].subject.as_deref(), Some("Lunch"));
    let delivered = Disposition::Delivery(DeliveryStatus::Delivered);
    assert_eq!(noticed(&alice), [(key, delivered)]);
    // Once, however often the application says so.
    for _ in 0..2 {
        talk.bob.displayed(talk.of_bob, heard[0].key);
    }
    let [alice, bob] = talk.events();
    let displayed = Disposition::Display(DisplayStatus::Displayed);
    assert_eq!(noticed(&alice), [(key, displayed)]);
    // Of the notices themselves nobody hears, in particular not who sent them.
    assert!(bob.is_empty(), "{bob:?}");
}

#[test]
fn a_peer_that_takes_no_wrapping_gets_none() {
    let mut talk = talk("text/plain", "");
    talk.say("Hello", DispositionRequests::all());
    let [_, bob] = talk.events();
    let heard = heard(&bob);
    assert_eq!((&heard[0].text[..], heard[0].from.as_deref()), ("Hello", None));
    let [alice, _] = talk.events();
    assert_eq!(noticed(&alice), []);
    // It takes no status messages either, so none are sent.
    talk.alice.typing(talk.of_alice).unwrap();
    let [alice, bob] = talk.events();
    assert!(
        composing(&bob).is_empty() && alice.is_empty(),
        "{alice:?} {bob:?}"
    );
}

#[test]
fn without_consent_nothing_is_said() {
    let mut talk = talk("message/cpim", "*");
    let wrapping = Wrapping::new(types("message/cpim"), types("*"));
    let conversants = Conversants::new(address("bob"), address("alice"), wrapping)
        .consents(Consent::Withheld, Consent::Refused);
    talk.bob.converse(talk.of_bob, conversants).unwrap();
    let key = talk.say("Hello", DispositionRequests::all());
    let [_, bob] = talk.events();
    assert_eq!(noticed(&talk.events()[0]), []);
    talk.bob.displayed(talk.of_bob, heard(&bob)[0].key);
    let [alice, _] = talk.events();
    assert_eq!(
        noticed(&alice),
        [(key, Disposition::Display(DisplayStatus::Forbidden))]
    );
}

// shows: 3994-3.2-01
#[test]
fn writing_is_told_once_and_ends_with_the_message() {
    let mut talk = talk("message/cpim", "*");
    let who = || "sip:alice@example.com".to_owned();
    for _ in 0..3 {
        talk.alice.typing(talk.of_alice).unwrap();
        talk.later(5);
    }
    let [alice, bob] = talk.events();
    assert_eq!(composing(&bob), [(who(), true)]);
    assert!(alice.is_empty(), "{alice:?}");
    talk.say("At last", DispositionRequests::default());
    let [_, bob] = talk.events();
    assert_eq!(composing(&bob), [(who(), false)]);
    assert_eq!(heard(&bob).len(), 1);
    // Who stops is idle after 15 s, and who deletes at once.
    talk.alice.typing(talk.of_alice).unwrap();
    assert_eq!(composing(&talk.events()[1]), [(who(), true)]);
    talk.later(14);
    assert_eq!(composing(&talk.events()[1]), []);
    talk.later(1);
    assert_eq!(composing(&talk.events()[1]), [(who(), false)]);
    talk.alice.typing(talk.of_alice).unwrap();
    talk.run();
    talk.alice.stopped_typing(talk.of_alice).unwrap();
    assert_eq!(composing(&talk.events()[1]), [(who(), true), (who(), false)]);
}

#[test]
fn who_is_not_heard_of_has_stopped_writing() {
    let mut talk = talk("*", "*");
    talk.alice.typing(talk.of_alice).unwrap();
    assert_eq!(composing(&talk.events()[1]).len(), 1);
    // Alice's network is gone, and with it what she would say.
    talk.now += Duration::from_secs(90);
    talk.bob.handle_timeout(talk.now);
    assert!(from_fn(|| talk.bob.poll_event()).next().is_some());
    // A session that ends ends the writing in it.
    talk.alice.tick(talk.now);
    talk.alice.typing(talk.of_alice).unwrap();
    talk.events();
    talk.bob.close_session(talk.of_bob).unwrap();
    let last: Vec<_> = from_fn(|| talk.bob.poll_event()).collect();
    assert_eq!(composing(&last).len(), 1, "{last:?}");
}

#[test]
fn what_cannot_be_read_or_requires_too_much_is_refused() {
    let mut talk = talk("*", "*");
    let wrapped = CpimBuilder::new(address("alice"), address("bob"))
        .require("urn:example:unheard-of", "x", "Vote")
        .header("urn:example:unheard-of", "x", "Vote", "yes")
        .content_type("text/plain")
        .body(b"Hello")
        .unwrap();
    let cases = [
        (
            OutgoingMessage::bytes(CPIM_TYPE, "no head"),
            StatusCode::BAD_REQUEST,
        ),
        (
            OutgoingMessage::bytes(CPIM_TYPE, wrapped.octets().clone()),
            StatusCode::UNSUPPORTED_MEDIA,
        ),
        (
            OutgoingMessage::bytes("application/im-iscomposing+xml", "<!DOCTYPE x><x/>"),
            StatusCode::BAD_REQUEST,
        ),
    ];
    for (message, expected) in cases {
        let key = talk.alice.send(talk.of_alice, message).unwrap();
        let [alice, bob] = talk.events();
        assert!(heard(&bob).is_empty());
        assert!(
            alice.iter().any(|event| matches!(event,
                UserAgentEvent::Failed { message, code, .. } if *message == key && *code == expected)),
            "{alice:?}"
        );
    }
}
