//! Transaction identifiers (RFC 4975 §7.1).

use std::collections::HashSet;

use bytes::BytesMut;
use msrp_core::{connection::Event, grammar::FailureReport};

use crate::{
    naive::frames,
    pair::{A_URI, B_URI, Pair},
};

// shows: 4975-7.1-01
#[test]
fn identifiers_never_meet() {
    // More than 4,096 transactions are open at the same time, each a short message, some of them tracked.
    let mut pair = Pair::new();
    for number in 0..6000 {
        let report = if number % 3 == 0 {
            FailureReport::No
        } else {
            FailureReport::Yes
        };
        pair.send_text("hello", report);
        if number % 100 == 0 {
            while pair.a.take(pair.now, usize::MAX).is_some() {}
        }
    }
    while pair.a.take(pair.now, usize::MAX).is_some() {}
    assert_eq!(pair.a.connection.open_transactions(), 4000);
    let ids: HashSet<_> = frames(&pair.a.sent).into_iter().map(|frame| frame.id).collect();
    assert_eq!(ids.len(), 6000);
}

#[test]
fn an_answer_to_a_transaction_that_is_over_ends_no_other() {
    let mut pair = Pair::new();
    pair.send_text("first", FailureReport::Yes);
    pair.drive();
    let first = frames(&pair.a.sent).remove(0).id;
    pair.a.events.clear();
    // The next transaction stands where the first one stood.
    pair.send_text("second", FailureReport::Yes);
    pair.a.take(pair.now, usize::MAX).unwrap();
    let late =
        format!("MSRP {first} 400 Late\r\nTo-Path: {A_URI}\r\nFrom-Path: {B_URI}\r\n-------{first}$\r\n");
    let a = &mut pair.a.connection;
    a.handle_read(pair.now, BytesMut::from(late.as_bytes()));
    let event: Option<Event> = a.poll_event(pair.now);
    assert!(event.is_none(), "{event:?}");
    assert_eq!((a.open_transactions(), a.stats().stray_responses), (1, 1));
}
