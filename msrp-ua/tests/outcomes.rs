//! What a sender hears of its messages: each outcome once, and nothing that contradicts it.

mod pair;

use msrp_core::{grammar::FailureReport, node::Node};
use msrp_ua::{Accept, OutgoingMessage, Receive, UserAgentEvent};
use pair::Pair;

fn count(events: &[UserAgentEvent], which: impl Fn(&UserAgentEvent) -> bool) -> usize {
    events.iter().filter(|event| which(event)).count()
}

#[test]
fn an_empty_message_is_accepted_once_and_delivered_once() {
    let (mut pair, a, _) = Pair::connected();
    let empty = OutgoingMessage::bytes("text/plain", "").with_success_report();
    pair.a.agent.send(a, empty).unwrap();
    pair.drive();
    let events = &pair.a.events;
    assert_eq!(
        count(events, |event| matches!(event, UserAgentEvent::Accepted { .. })),
        1
    );
    let delivered =
        |event: &UserAgentEvent| matches!(event, UserAgentEvent::Delivered { complete: true, .. });
    assert_eq!(count(events, delivered), 1);
}

#[test]
fn of_an_empty_message_without_a_report_nothing_is_known() {
    let (mut pair, a, _) = Pair::connected();
    let empty = OutgoingMessage::bytes("text/plain", "")
        .with_success_report()
        .with_failure_report(FailureReport::No);
    pair.a.agent.send(a, empty).unwrap();
    // It leaves, and nothing comes back before the session ends.
    let handle = std::iter::from_fn(|| pair.a.agent.poll_ready()).last().unwrap();
    while let Some(mut transmit) = pair.a.agent.poll_transmit(pair.now, handle, 65_536) {
        let len = bytes::Buf::remaining(&transmit);
        bytes::Buf::advance(&mut transmit, len);
    }
    pair.a.agent.close_session(a).unwrap();
    pair.drive();
    let unknown = |event: &UserAgentEvent| matches!(event, UserAgentEvent::DeliveryUnknown { .. });
    assert_eq!(count(&pair.a.events, unknown), 1);
}

/// With `partial` no response comes, so that the transaction is open for 30 s longer than the message is.
#[test]
fn a_message_whose_delivery_is_known_stays_delivered() {
    let (mut pair, a, _) = Pair::connected();
    let message = OutgoingMessage::text("Hi")
        .with_success_report()
        .with_failure_report(FailureReport::Partial);
    pair.a.agent.send(a, message).unwrap();
    pair.drive();
    pair.a.agent.close_session(a).unwrap();
    pair.drive();
    let delivered =
        |event: &UserAgentEvent| matches!(event, UserAgentEvent::Delivered { complete: true, .. });
    let unknown = |event: &UserAgentEvent| matches!(event, UserAgentEvent::DeliveryUnknown { .. });
    assert_eq!(
        (count(&pair.a.events, delivered), count(&pair.a.events, unknown)),
        (1, 0)
    );
}

/// A relay that had the REPORT before the response would take the chunk for lost if the connection broke between them.
#[test]
fn the_response_goes_before_the_report() {
    let (mut pair, a, _) = Pair::connected();
    pair.b.sent.clear();
    let message = OutgoingMessage::text("Hi").with_success_report();
    pair.a.agent.send(a, message).unwrap();
    pair.drive();
    let sent = String::from_utf8(pair.b.sent.clone()).unwrap();
    let (response, report) = (
        sent.find(" 200 OK\r\n").unwrap(),
        sent.find(" REPORT\r\n").unwrap(),
    );
    assert!(response < report, "{sent}");
}

/// To be told that a connection is ready, again and again, would keep a driver busy for as long as a user thinks.
#[test]
fn a_message_that_waits_for_a_decision_costs_nothing() {
    let mut pair = Pair::new();
    let (a, _) = pair.open(
        |_| {},
        |params| *params = params.clone().with_receive(Receive::Ask),
    );
    pair.drive();
    pair.a.agent.send(a, OutgoingMessage::text("Hi")).unwrap();
    pair.drive();
    let asked = pair.b.events.iter().find_map(|event| match event {
        UserAgentEvent::IncomingMessage { message, .. } => Some(*message),
        _ => None,
    });
    for _ in 0..3 {
        assert!(pair.b.agent.poll_event().is_none());
        assert!(pair.b.agent.poll_ready().is_none());
    }
    pair.b.agent.accept(asked.unwrap(), Accept::Whole).unwrap();
    pair.drive();
    let told = |event: &UserAgentEvent| matches!(event, UserAgentEvent::Message { .. });
    assert_eq!(count(&pair.b.events, told), 1);
}
