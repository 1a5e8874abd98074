//! How long an answer may take (RFC 4975 §7.1.1).

use std::time::Duration;

use bytes::BytesMut;
use msrp_core::{
    connection::{Event, Outcome},
    grammar::FailureReport,
};

use crate::pair::Pair;

// shows: 4975-7.1.1-08, 4975-7.1.1-09, 4975-G-04, 4975-7.1.1-12
#[test]
fn the_time_of_a_transaction_runs_from_its_last_octet() {
    for report in [FailureReport::Yes, FailureReport::Partial, FailureReport::No] {
        let mut pair = Pair::new();
        pair.send_text("hello", report);
        // Queued only: no time runs.
        pair.advance(Duration::from_secs(20));
        assert!(pair.a.connection.poll_event(pair.now).is_none());
        let mut transmit = pair.a.connection.poll_transmit(pair.now, 65536).unwrap();
        let all = bytes::Buf::remaining(&transmit);
        bytes::Buf::advance(&mut transmit, all - 1);
        pair.advance(Duration::from_secs(29));
        let mut transmit = pair.a.connection.poll_transmit(pair.now, 65536).unwrap();
        bytes::Buf::advance(&mut transmit, 1);
        pair.advance(Duration::from_millis(29_999));
        assert!(pair.a.connection.poll_event(pair.now).is_none(), "{report:?}");
        pair.advance(Duration::from_millis(1));
        let event = pair.a.connection.poll_event(pair.now);
        match report {
            FailureReport::Yes => assert!(matches!(
                event,
                Some(Event::TransactionEnded {
                    outcome: Outcome::TimedOut,
                    tag: 7,
                    ..
                })
            )),
            FailureReport::Partial => {
                assert!(matches!(
                    event,
                    Some(Event::TransactionEnded {
                        outcome: Outcome::Unanswered,
                        ..
                    })
                ));
            }
            FailureReport::No => assert!(event.is_none()),
        }
    }
}

#[test]
fn a_response_that_has_arrived_beats_its_timeout() {
    let mut pair = Pair::new();
    pair.send_text("hello", FailureReport::Yes);
    let octets = pair.a.take(pair.now, usize::MAX).unwrap();
    pair.b
        .connection
        .handle_read(pair.now, BytesMut::from(&octets[..]));
    while pair.b.connection.poll_event(pair.now).is_some() {}
    let response = pair.b.take(pair.now, usize::MAX).unwrap();
    pair.now += Duration::from_secs(31);
    pair.a
        .connection
        .handle_read(pair.now, BytesMut::from(&response[..]));
    pair.a.connection.handle_timeout(pair.now);
    let event = pair.a.connection.poll_event(pair.now);
    assert!(matches!(
        event,
        Some(Event::TransactionEnded {
            outcome: Outcome::Response { .. },
            ..
        })
    ));
}
