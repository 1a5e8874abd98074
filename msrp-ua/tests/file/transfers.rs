//! Files between two user agents: refused, given up, left half way.

use std::time::Duration;

use bytes::Bytes;
use msrp_core::grammar::{FailureReport, StatusCode};
use msrp_ua::{
    AbortReason, Accept, IncomingKey, OutgoingKey, OutgoingMessage, Receive, UserAgentEvent,
    file::{FileVerdict, HashAlgorithm, Verdict, VerifyingSink},
    message::{MessageSource, Pull, SourceError},
};

use crate::{
    ends::{Kept, described, memmem},
    pair::Pair,
};

#[test]
fn a_file_that_lies_is_refused() {
    let file = vec![7_u8; 100_000];
    let mut pair = Pair::new();
    let (session, _) = pair.open(|_| {}, |params| params.receive = Receive::Ask);
    pair.drive();
    pair.a
        .agent
        .send(session, OutgoingMessage::bytes("a/b", file.clone()))
        .unwrap();
    pair.drive();
    let key = pair
        .b
        .events
        .iter()
        .find_map(|event| match event {
            UserAgentEvent::IncomingMessage { message, .. } => Some(*message),
            _ => None,
        })
        .unwrap();
    let sink = VerifyingSink::new(Kept::default(), &described(&[8; 100_000]));
    let verdict = sink.verdict();
    pair.b.agent.accept(key, Accept::sink(sink)).unwrap();
    pair.drive();
    assert!(matches!(
        verdict.get(),
        Some(FileVerdict::Hash(HashAlgorithm::Sha1))
    ));
    assert!(pair.b.events.iter().any(|event| matches!(
        event,
        UserAgentEvent::MessageAborted {
            reason: AbortReason::Sink,
            ..
        }
    )));
    assert!(
        pair.a
            .events
            .iter()
            .any(|event| matches!(event, UserAgentEvent::Failed { .. }))
    );
}

/// A source that gives its octets at once and then has nothing for ever.
struct Stuck(Option<Bytes>, u64);

impl MessageSource for Stuck {
    fn size(&self) -> Option<u64> {
        Some(self.1)
    }

    fn pull(&mut self, _most: usize) -> Result<Pull, SourceError> {
        Ok(self.0.take().map_or(Pull::Pending, Pull::Octets))
    }
}

/// A transfer of 1000 octets that stands still after 400, and the verdict on it.
fn half_way(failure_report: FailureReport) -> (Pair, OutgoingKey, IncomingKey, Verdict) {
    let file: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let mut pair = Pair::new();
    let (session, _) = pair.open(|_| {}, |params| params.receive = Receive::Ask);
    pair.drive();
    let source = Stuck(Some(Bytes::copy_from_slice(&file[..400])), 1000);
    let message = OutgoingMessage::new("a/b", source).with_failure_report(failure_report);
    let sent = pair.a.agent.send(session, message).unwrap();
    pair.drive();
    let key = asked(&pair);
    let sink = VerifyingSink::new(Kept::default(), &described(&file));
    let verdict = sink.verdict();
    pair.b.agent.accept(key, Accept::sink(sink)).unwrap();
    pair.drive();
    (pair, sent, key, verdict)
}

fn asked(pair: &Pair) -> IncomingKey {
    let key = pair.b.events.iter().find_map(|event| match event {
        UserAgentEvent::IncomingMessage { message, .. } => Some(*message),
        _ => None,
    });
    key.unwrap()
}

fn broken_at(verdict: &Verdict) -> Option<u64> {
    match verdict.get() {
        Some(FileVerdict::Broken(partial)) => Some(partial.octets()),
        _ => None,
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

// shows: 5547-8.4-02
#[test]
fn a_sender_who_gives_up_says_so_and_the_part_is_known() {
    let (mut pair, sent, _, verdict) = half_way(FailureReport::Yes);
    assert!(verdict.get().is_none());
    pair.a.agent.cancel(sent).unwrap();
    pair.drive();
    assert!(text(&pair.a.sent).trim_end().ends_with('#'));
    assert!(text(&pair.b.sent).contains(" 200 "), "{}", text(&pair.b.sent));
    assert_eq!(broken_at(&verdict), Some(400));
    assert!(pair.b.events.iter().any(|event| matches!(
        event,
        UserAgentEvent::MessageAborted {
            reason: AbortReason::Sender,
            ..
        }
    )));
}

// shows: 5547-8.4-06, 5547-8.4-10
#[test]
fn a_receiver_who_gives_up_answers_413_and_no_more_comes() {
    let (mut pair, _, key, verdict) = half_way(FailureReport::Yes);
    pair.b.agent.reject(key, StatusCode::STOP_SENDING).unwrap();
    pair.drive();
    assert!(text(&pair.b.sent).contains(" 413 "), "{}", text(&pair.b.sent));
    assert_eq!(broken_at(&verdict), Some(400));
    assert!(pair.a.events.iter().any(
        |event| matches!(event, UserAgentEvent::Failed { code, .. } if *code == StatusCode::STOP_SENDING)
    ));
    let so_far = memmem(&pair.a.sent, b" SEND\r\n");
    pair.advance(Duration::from_secs(1));
    assert_eq!(memmem(&pair.a.sent, b" SEND\r\n"), so_far);

    // Who wants no failure reports gets none.
    let (mut pair, _, key, verdict) = half_way(FailureReport::No);
    pair.b.agent.reject(key, StatusCode::STOP_SENDING).unwrap();
    pair.drive();
    assert!(!text(&pair.b.sent).contains("413"), "{}", text(&pair.b.sent));
    assert_eq!(broken_at(&verdict), Some(400));
}

// shows: 5547-8.4-05
#[test]
fn a_sender_who_vanishes_is_not_waited_for_for_ever() {
    let (mut pair, _, _, verdict) = half_way(FailureReport::No);
    pair.advance(Duration::from_secs(299));
    assert!(verdict.get().is_none());
    pair.advance(Duration::from_secs(2));
    assert_eq!(broken_at(&verdict), Some(400));
    assert!(pair.b.events.iter().any(|event| matches!(
        event,
        UserAgentEvent::MessageAborted {
            reason: AbortReason::TimedOut,
            ..
        }
    )));
    let (mut pair, _, _, verdict) = half_way(FailureReport::Yes);
    pair.reset();
    pair.drive();
    assert_eq!(broken_at(&verdict), Some(400));
}

// shows: 5547-8.7-12, 5547-8.2.3-02
#[test]
fn files_share_a_connection_that_outlives_each_of_them() {
    let mut pair = Pair::new();
    let (first, _) = pair.open(|_| {}, |_| {});
    let (second, _) = pair.open(|_| {}, |_| {});
    pair.drive();
    for (session, body) in [(first, "one"), (second, "two")] {
        pair.a
            .agent
            .send(session, OutgoingMessage::bytes("a/b", body))
            .unwrap();
        pair.drive();
        pair.a.agent.close_session(session).unwrap();
        pair.drive();
    }
    let bodies: Vec<_> = pair
        .b
        .events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::Message { body, .. } => body.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(bodies, ["one", "two"]);
    assert_eq!(pair.b.agent.connection_count(), 1);
}
