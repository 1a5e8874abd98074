//! Deadlines pass, room is told, and nothing waits for ever.

use std::time::Duration;

use crate::pair::{Pair, template};
use bytes::{Bytes, BytesMut};
use msrp_core::{
    connection::{
        CloseReason, Connection, ConnectionConfig, Event, Outcome, OutgoingId, SendError, Timer, WriteError,
    },
    grammar::{ByteRange, ContinuationFlag, FailureReport},
};

const T30: Duration = Duration::from_secs(30);

fn send_text(connection: &mut Connection, now: std::time::Instant) {
    let body = Bytes::from_static(b"text");
    let template = template(FailureReport::Yes, Some("text/plain"));
    let flag = ContinuationFlag::Complete;
    connection
        .send_chunk(
            now,
            &template,
            ByteRange::whole(4),
            &body,
            flag,
            FailureReport::Yes,
            7,
        )
        .unwrap();
}

#[test]
fn a_deadline_that_has_passed_is_not_told_again_though_nobody_pulls() {
    let mut pair = Pair::new();
    send_text(&mut pair.a.connection, pair.now);
    pair.a.take(pair.now, usize::MAX).unwrap();
    assert_eq!(pair.a.connection.timeout_reason(), Some(Timer::Transaction));
    pair.advance(T30);
    assert!(pair.a.connection.poll_timeout().is_none_or(|at| at > pair.now));
    let event = pair.a.connection.poll_event(pair.now);
    assert!(matches!(
        event,
        Some(Event::TransactionEnded {
            outcome: Outcome::TimedOut,
            ..
        })
    ));
}

#[test]
fn nothing_is_due_while_octets_wait_to_be_pulled() {
    let mut pair = Pair::new();
    send_text(&mut pair.a.connection, pair.now);
    let request = pair.a.take(pair.now, usize::MAX).unwrap();
    pair.b
        .connection
        .handle_read(pair.now, BytesMut::from(&request[..]));
    while pair.b.connection.poll_event(pair.now).is_some() {}
    let response = pair.b.take(pair.now, usize::MAX).unwrap();
    // The response has come, but the node does not pull.
    pair.a
        .connection
        .handle_read(pair.now, BytesMut::from(&response[..]));
    pair.advance(2 * T30);
    assert_eq!(pair.a.connection.poll_timeout(), None);
    let event = pair.a.connection.poll_event(pair.now);
    assert!(matches!(
        event,
        Some(Event::TransactionEnded {
            outcome: Outcome::Response { .. },
            ..
        })
    ));
}

#[test]
fn a_head_whose_rest_has_come_is_not_late() {
    let mut pair = Pair::new();
    send_text(&mut pair.a.connection, pair.now);
    let request = pair.a.take(pair.now, usize::MAX).unwrap();
    let b = &mut pair.b.connection;
    b.handle_read(pair.now, BytesMut::from(&request[..40]));
    assert!(b.poll_event(pair.now).is_none());
    assert_eq!(b.timeout_reason(), Some(Timer::HeadRead));
    b.handle_read(pair.now, BytesMut::from(&request[40..]));
    let later = pair.now + Duration::from_secs(20);
    b.handle_timeout(later);
    assert!(!b.is_closed());
    assert!(matches!(b.poll_event(later), Some(Event::Request { .. })));
}

#[test]
fn output_that_was_given_up_does_not_count_as_stalled() {
    let mut pair = Pair::new();
    let template = template(FailureReport::Yes, Some("text/plain"));
    let a = &mut pair.a.connection;
    let lane = a.open_send(template, 1, None, FailureReport::Yes, 1).unwrap();
    a.write(pair.now, lane, Bytes::from_static(b"never sent"))
        .unwrap();
    a.abort(pair.now, lane).unwrap();
    assert_eq!(a.poll_timeout(), None);
    let later = pair.now + Duration::from_secs(59);
    send_text(a, later);
    a.handle_timeout(later + Duration::from_secs(2));
    assert!(!a.is_closed(), "the output is two seconds old");
    a.handle_timeout(later + Duration::from_secs(60));
    let end = a.poll_event(later);
    assert!(matches!(end, Some(Event::Closed { reason }) if reason.kind == CloseReason::WriteTimeout));
}

#[test]
fn a_message_that_is_given_up_makes_room_for_others() {
    let config = ConnectionConfig::new().send_high(16 * 1024);
    let mut pair = Pair::with_config(config);
    let a = &mut pair.a.connection;
    let head = || template(FailureReport::Yes, Some("text/plain"));
    let large = a.open_send(head(), 1, None, FailureReport::Yes, 1).unwrap();
    let other = a.open_send(head(), 1, None, FailureReport::Yes, 2).unwrap();
    a.write(pair.now, large, Bytes::from(vec![0; 20_000])).unwrap();
    let refused = a.write(pair.now, other, Bytes::from_static(b"text"));
    assert!(matches!(refused, Err(WriteError::Blocked(_))));
    let body = Bytes::from_static(b"text");
    let flag = ContinuationFlag::Complete;
    let refused = a.send_chunk(
        pair.now,
        &head(),
        ByteRange::whole(4),
        &body,
        flag,
        FailureReport::Yes,
        7,
    );
    assert_eq!(refused, Err(SendError::Blocked));
    a.abort(pair.now, large).unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| a.poll_event(pair.now)).collect();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Writable { outgoing } if *outgoing == other))
    );
    assert!(events.iter().any(|event| matches!(event, Event::SendReady)));
}

#[test]
fn chunks_of_lanes_wait_while_as_many_transactions_run_as_may() {
    let config = ConnectionConfig::new().max_transactions(3).max_chunk(Some(1000));
    let mut pair = Pair::with_config(config);
    let a = &mut pair.a.connection;
    let head = template(FailureReport::Yes, Some("text/plain"));
    let lane = a.open_send(head, 1, Some(10_000), FailureReport::Yes, 1).unwrap();
    a.write(pair.now, lane, Bytes::from(vec![b'x'; 10_000])).unwrap();
    a.finish(pair.now, lane, ContinuationFlag::Complete).unwrap();
    pair.a.take(pair.now, usize::MAX).unwrap();
    assert_eq!(pair.a.connection.open_transactions(), 3);
    // Each response lets the next chunk go.
    let first = std::mem::take(&mut pair.a.sent);
    pair.b
        .connection
        .handle_read(pair.now, BytesMut::from(&first[..]));
    let events = pair.b_events();
    assert_eq!(crate::pair::received(&events).len(), 10_000);
    assert_eq!(pair.a.connection.open_transactions(), 0);
}

fn write(connection: &mut Connection, now: std::time::Instant, lane: OutgoingId, octets: usize) {
    connection
        .write(now, lane, Bytes::from(vec![b'x'; octets]))
        .unwrap();
}

/// The relay's case: two messages come in on one connection, which has to wait with the second, so that the first gets no
/// octets either.
#[test]
fn a_short_open_chunk_does_not_hold_up_the_room_that_others_fill() {
    let config = ConnectionConfig::new().send_high(16 * 1024);
    let mut pair = Pair::with_config(config);
    let head = || template(FailureReport::Yes, Some("text/plain"));
    let now = pair.now;
    let a = &mut pair.a.connection;
    let first = a.open_send(head(), 1, None, FailureReport::Yes, 1).unwrap();
    let second = a.open_send(head(), 1, None, FailureReport::Yes, 2).unwrap();
    write(a, now, first, 100);
    assert!(pair.a.take(now, usize::MAX).is_some(), "its chunk is open");
    let a = &mut pair.a.connection;
    write(a, now, second, 20_000);
    let more = a.write(now, second, Bytes::from_static(b"more"));
    assert!(matches!(more, Err(WriteError::Blocked(_))));
    let left: usize = std::iter::from_fn(|| pair.a.take(now, 4_096))
        .map(|octets| octets.len())
        .sum();
    assert!(left > 20_000, "{left} octets left without any time having passed");
    let told = pair.a.connection.poll_event(now);
    assert!(matches!(told, Some(Event::ChunkSent { tag: 1, .. })), "{told:?}");
    let told = pair.a.connection.poll_event(now);
    assert!(
        matches!(told, Some(Event::Writable { outgoing }) if outgoing == second),
        "{told:?}"
    );
}

#[test]
fn an_open_chunk_is_not_short_of_octets_while_some_wait_for_the_transport() {
    let mut pair = Pair::new();
    let head = || template(FailureReport::Yes, Some("text/plain"));
    let now = pair.now;
    let a = &mut pair.a.connection;
    let first = a.open_send(head(), 1, None, FailureReport::Yes, 1).unwrap();
    let second = a.open_send(head(), 1, None, FailureReport::Yes, 2).unwrap();
    write(a, now, first, 100);
    assert!(
        a.poll_transmit(now, 65_536).is_some(),
        "the transport takes none of it"
    );
    write(a, now, second, 100);
    assert!(a.poll_transmit(now, 65_536).is_some());
    assert_ne!(a.timeout_reason(), Some(Timer::ChunkStall));
    pair.advance(Duration::from_secs(1));
    let now = pair.now;
    // The socket takes all: from now on the chunk is short of octets.
    assert!(pair.a.take(now, usize::MAX).is_some());
    assert!(pair.a.take(now, usize::MAX).is_none());
    assert_eq!(pair.a.connection.timeout_reason(), Some(Timer::ChunkStall));
    pair.advance(Duration::from_millis(100));
    let octets = pair.a.take(pair.now, usize::MAX).unwrap();
    assert!(
        octets.starts_with(b"\r\n-------"),
        "the first gives way to the second"
    );
}

#[test]
fn a_chunk_with_all_octets_of_its_message_waits_for_its_end() {
    let mut pair = Pair::new();
    let head = template(FailureReport::Yes, Some("text/plain"));
    let now = pair.now;
    let a = &mut pair.a.connection;
    let lane = a.open_send(head, 1, Some(5_000), FailureReport::Yes, 1).unwrap();
    write(a, now, lane, 5_000);
    assert!(pair.a.take(now, usize::MAX).is_some());
    let a = &mut pair.a.connection;
    send_text(a, now);
    assert!(
        pair.a.take(now, usize::MAX).is_none(),
        "not for a chunk without octets"
    );
    pair.a
        .connection
        .finish(now, lane, ContinuationFlag::Complete)
        .unwrap();
    let rest = pair.a.take(now, usize::MAX).unwrap();
    let rest = String::from_utf8_lossy(&rest).into_owned();
    let end = rest.lines().nth(1).unwrap();
    assert!(end.starts_with("-------") && end.ends_with('$'), "{rest}");
    assert!(rest.contains("\r\ntext\r\n"), "{rest}");
}
