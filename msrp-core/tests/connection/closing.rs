//! How a connection ends.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use msrp_core::{
    connection::{CloseReason, Event, Origin, Timer},
    grammar::{ByteRange, ContinuationFlag, FailureReport},
};

use crate::{
    lone::{Lone, request, send},
    naive::frames,
    pair::{Pair, template},
};

/// A pair of which `a` has a message under way, 5,000 octets of it on the wire, and a short one unanswered.
fn busy() -> Pair {
    let mut pair = Pair::new();
    pair.send_text("hello", FailureReport::Yes);
    while pair.a.take(pair.now, usize::MAX).is_some() {}
    let head = template(FailureReport::Yes, Some("a/b"));
    let a = &mut pair.a.connection;
    let id = a.open_send(head, 1, None, FailureReport::Yes, 8).unwrap();
    a.write(pair.now, id, Bytes::from(vec![b'x'; 100_000])).unwrap();
    pair.a.take(pair.now, 5000).unwrap();
    pair
}

#[test]
fn what_is_under_way_is_ended_in_form_and_told_as_lost() {
    let mut pair = busy();
    pair.a.connection.close(pair.now, CloseReason::Shutdown);
    let events: Vec<_> = std::iter::from_fn(|| pair.a.connection.poll_event(pair.now)).collect();
    let [Event::Closed { reason }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (reason.origin, reason.kind),
        (Origin::Local, CloseReason::Shutdown)
    );
    assert!(!pair.a.connection.is_drained(), "output still leaves");
    assert_eq!(pair.a.connection.timeout_reason(), Some(Timer::CloseLinger));
    while pair.a.take(pair.now, 1000).is_some() {}
    let sent = frames(&pair.a.sent);
    assert_eq!(sent.last().unwrap().flag, ContinuationFlag::Abort);
    assert!(pair.a.connection.is_drained());
    let event = pair.a.connection.poll_event(pair.now);
    assert!(event.is_none(), "nothing follows the end: {event:?}");
    let lost: Vec<_> = pair.a.connection.drain_lost().collect();
    let tags: Vec<_> = lost.iter().map(|lost| lost.tag).collect();
    assert_eq!(tags, [7, 8]);
    assert_eq!(lost[0].range, Some(ByteRange::whole(5)));
    assert_eq!(lost[1].range.unwrap().start, 1);
    assert_eq!(pair.a.connection.drain_lost().count(), 0, "each is told once");
}

#[test]
fn output_that_does_not_leave_is_not_waited_for() {
    let mut pair = busy();
    pair.a.connection.close(pair.now, CloseReason::Done);
    assert!(matches!(
        pair.a.connection.poll_event(pair.now),
        Some(Event::Closed { .. })
    ));
    let due = pair.a.connection.poll_timeout().unwrap();
    assert_eq!(due, pair.now + Duration::from_secs(2));
    pair.advance(Duration::from_secs(2));
    assert!(pair.a.connection.is_drained());
    assert!(pair.a.connection.poll_timeout().is_none_or(|at| at > pair.now));
    let lost = pair.a.connection.drain_lost();
    let lost: Vec<_> = lost.map(|lost| (lost.tag, lost.left)).collect();
    assert_eq!(
        lost,
        [(7, true), (8, false)],
        "of the second a part is still here"
    );
}

#[test]
fn a_broken_transport_takes_nothing_more() {
    let mut pair = busy();
    pair.a.connection.handle_reset(pair.now);
    assert!(pair.a.take(pair.now, 1000).is_none());
    assert!(matches!(
        pair.a.connection.poll_event(pair.now),
        Some(Event::Closed { reason }) if reason.kind == CloseReason::Reset && reason.origin == Origin::Transport
    ));
    assert!(pair.a.connection.is_drained());
    assert_eq!(pair.a.connection.poll_timeout(), None);
    assert_eq!(pair.a.connection.drain_lost().count(), 2);
}

#[test]
fn what_came_before_the_end_of_the_stream_is_told_and_answered() {
    let mut lone = Lone::new();
    let stream = send("abcd", "", "hello", '$') + &send("efgh", "", "cut off", '$')[..190];
    lone.connection
        .handle_read(lone.now, BytesMut::from(stream.as_bytes()));
    lone.connection.handle_read_eof(lone.now);
    assert!(!lone.connection.wants_read());
    let events = lone.events();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Request { .. } => "request",
            Event::Body { .. } => "body",
            Event::RequestEnd { .. } => "end",
            Event::RequestAborted { .. } => "aborted",
            Event::Closed { reason } if reason.kind == CloseReason::Eof => "closed",
            other => panic!("{other:?}"),
        })
        .collect();
    let whole = ["request", "body", "end"];
    assert_eq!(kinds[..3], whole);
    assert!(matches!(
        kinds[3..],
        ["closed"] | ["request", "aborted", "closed"] | ["request", "body", "aborted", "closed"]
    ));
    assert_eq!(
        lone.frames()[0].third,
        "200 OK",
        "the peer may have closed one direction only"
    );
    assert!(lone.connection.is_drained());
}

#[test]
fn octets_that_are_no_msrp_end_the_connection_and_what_came_before_is_told() {
    let mut lone = Lone::new();
    let events = lone.feed(request("abcd", "SEND", "", None, '$') + "GET / HTTP/1.1\r\n\r\n");
    assert_eq!(events.len(), 3);
    assert!(matches!(
        &events[2],
        Event::Closed { reason } if matches!(reason.kind, CloseReason::Decode(_)) && reason.origin == Origin::Peer
    ));
    assert_eq!(lone.frames().len(), 1, "the answer still leaves");
    assert!(lone.feed(send("efgh", "", "too late", '$')).is_empty());
}
