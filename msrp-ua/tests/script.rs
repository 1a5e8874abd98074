//! Two user agents and a random script: whatever happens, each message has one fate, and what arrives is what was sent.

mod pair;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use msrp_core::{
    connection::ConnectionConfig,
    grammar::{FailureReport, StatusCode},
};
use msrp_ua::{
    Accept, IncomingKey, OutgoingKey, OutgoingMessage, Receive, SessionId, UserAgentConfig, UserAgentEvent,
};
use pair::{Pair, Side};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Open(usize),
    Send {
        from_a: bool,
        size: usize,
        success: bool,
        failure: usize,
    },
    Cancel(usize),
    Close {
        on_a: bool,
    },
    Reset,
    Wait(u64),
    Piece(usize),
    Listen {
        a: bool,
        listens: bool,
    },
    Drive,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0_usize..3).prop_map(Step::Open),
        8 => (
            any::<bool>(),
            prop_oneof![3 => 0_usize..3000, 1 => 100_000_usize..600_000],
            any::<bool>(),
            0_usize..3,
        )
            .prop_map(|(from_a, size, success, failure)| Step::Send { from_a, size, success, failure }),
        1 => (0_usize..30).prop_map(Step::Cancel),
        1 => any::<bool>().prop_map(|on_a| Step::Close { on_a }),
        1 => Just(Step::Reset),
        2 => (1_u64..100).prop_map(Step::Wait),
        2 => prop_oneof![Just(300_usize), Just(5_000), Just(100_000)].prop_map(Step::Piece),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(a, listens)| Step::Listen { a, listens }),
        4 => Just(Step::Drive),
    ]
}

fn body(size: usize) -> Bytes {
    (0..size).map(|at| ((at * 31 + size) % 251) as u8).collect()
}

/// What a side has told so far, checked as it comes.
#[derive(Default)]
struct Fates {
    /// Messages that were sent: their size, and whether their fate has been told.
    sent: BTreeMap<OutgoingKey, (usize, bool)>,
    accepted: Vec<OutgoingKey>,
    /// Messages that come bit by bit.
    parts: BTreeMap<IncomingKey, Vec<Option<u8>>>,
    received: usize,
}

impl Fates {
    fn hear(&mut self, side: &mut Side, cancelled: &[OutgoingKey]) {
        for event in std::mem::take(&mut side.events) {
            match event {
                UserAgentEvent::IncomingMessage { message, total, .. } => {
                    self.parts.insert(message, vec![None; total.unwrap() as usize]);
                    // A third is put together, a third told bit by bit, a third refused. It may be over already.
                    let _gone = match total.unwrap() % 3 {
                        0 => side.agent.accept(message, Accept::Whole),
                        1 => side.agent.accept(message, Accept::Stream),
                        _ => side.agent.reject(message, StatusCode::FORBIDDEN),
                    };
                }
                UserAgentEvent::MessageData {
                    message,
                    offset,
                    data,
                } => {
                    let parts = self
                        .parts
                        .get_mut(&message)
                        .expect("data of a message that was told");
                    for (at, &octet) in data.iter().enumerate() {
                        let twice = parts[offset as usize - 1 + at].replace(octet);
                        assert_eq!(twice, None, "an octet twice");
                    }
                }
                UserAgentEvent::Message {
                    message,
                    body: whole,
                    size,
                    ..
                } => {
                    let expected = body(size as usize);
                    let parts = self.parts.remove(&message);
                    match whole {
                        Some(whole) => assert!(whole == expected),
                        None => {
                            let parts: Option<Vec<u8>> = parts.unwrap().into_iter().collect();
                            assert!(parts.expect("all of it") == expected);
                        }
                    }
                    self.received += 1;
                }
                UserAgentEvent::MessageAborted { message, .. } => {
                    self.parts.remove(&message);
                }
                UserAgentEvent::Accepted { message } => {
                    assert!(!self.accepted.contains(&message), "accepted twice");
                    assert!(!cancelled.contains(&message), "told of a cancelled message");
                    self.accepted.push(message);
                }
                UserAgentEvent::Delivered {
                    message, complete, ..
                } => {
                    let (_, over) = self.sent[&message];
                    assert!(!over && !cancelled.contains(&message) && complete);
                }
                UserAgentEvent::Failed { message, .. } | UserAgentEvent::DeliveryUnknown { message, .. } => {
                    let (_, over) = self.sent.get_mut(&message).unwrap();
                    assert!(!std::mem::replace(over, true), "two fates");
                    assert!(!cancelled.contains(&message), "told of a cancelled message");
                }
                UserAgentEvent::SourceFailed { .. } => panic!("no source fails here"),
                _ => {}
            }
        }
    }
}

fn narrow(host: &str) -> UserAgentConfig {
    pair::config(host)
        .connection(ConnectionConfig::new().max_lanes(3))
        .max_events(16)
        .max_outgoing(8)
        .max_incoming(4)
        .remembered(4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn each_message_has_one_fate(script in proptest::collection::vec(step(), 1..60)) {
        let mut pair = Pair::with_configs(narrow("a.example.com"), narrow("b.example.com"));
        let mut sessions: Vec<(SessionId, SessionId)> = Vec::new();
        let (mut of_a, mut of_b) = (Fates::default(), Fates::default());
        let mut cancelled = Vec::new();
        for step in script {
            match step {
                Step::Open(receive) => {
                    let receive = [Receive::Whole, Receive::Stream, Receive::Ask][receive];
                    sessions.push(pair.open(|params| params.receive = receive, |params| params.receive = receive));
                }
                Step::Send { from_a, size, success, failure } => {
                    let Some(&(a, b)) = sessions.get(size % sessions.len().max(1)) else { continue };
                    let mut message = OutgoingMessage::bytes("application/x-it", body(size))
                        .with_failure_report([FailureReport::Yes, FailureReport::Partial, FailureReport::No][failure]);
                    if success {
                        message = message.with_success_report();
                    }
                    let (side, session, fates) =
                        if from_a { (&mut pair.a, a, &mut of_a) } else { (&mut pair.b, b, &mut of_b) };
                    if let Ok(key) = side.agent.send(session, message) {
                        fates.sent.insert(key, (size, false));
                    }
                }
                Step::Cancel(which) => {
                    if let Some((&key, _)) = of_a.sent.iter().nth(which)
                        && pair.a.agent.cancel(key).is_ok()
                    {
                        // What had been told before stands.
                        let before = std::mem::take(&mut cancelled);
                        drain(&mut pair.a);
                        of_a.hear(&mut pair.a, &before);
                        cancelled = before;
                        cancelled.push(key);
                    }
                }
                Step::Close { on_a } => {
                    if let Some(&(a, b)) = sessions.last() {
                        let _gone = if on_a { pair.a.agent.close_session(a) } else { pair.b.agent.close_session(b) };
                    }
                }
                Step::Reset => pair.reset(),
                Step::Wait(seconds) => pair.advance(Duration::from_secs(seconds)),
                Step::Piece(octets) => pair.piece = octets,
                Step::Listen { a, listens } => if a { pair.a.listens = listens } else { pair.b.listens = listens },
                Step::Drive => pair.drive(),
            }
            of_a.hear(&mut pair.a, &cancelled);
            of_b.hear(&mut pair.b, &[]);
        }
        // Everybody listens, and all comes to rest.
        (pair.a.listens, pair.b.listens) = (true, true);
        for _ in 0..50 {
            pair.drive();
            of_a.hear(&mut pair.a, &cancelled);
            of_b.hear(&mut pair.b, &[]);
        }
        for (a, b) in sessions {
            let _gone = (pair.a.agent.close_session(a), pair.b.agent.close_session(b));
        }
        pair.drive();
        of_a.hear(&mut pair.a, &cancelled);
        of_b.hear(&mut pair.b, &[]);
        for side in [&pair.a, &pair.b] {
            prop_assert_eq!(
                (side.agent.session_count(), side.agent.outgoing_count(), side.agent.incoming_count(), side.agent.buffered()),
                (0, 0, 0, 0)
            );
        }
        prop_assert!(of_a.parts.is_empty() && of_b.parts.is_empty(), "messages without an end");
    }
}

/// Pulls what waits, whether or not the side listens.
fn drain(side: &mut Side) {
    use msrp_core::node::Node as _;
    while let Some(event) = side.agent.poll_event() {
        side.events.push(event);
    }
}
