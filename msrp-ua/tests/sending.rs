//! Messages that we send: what they look like, and what stops them
//! (RFC 4975 §7.1, §7.1.1, §10).

mod pair;
mod peer;

use std::time::Duration;

use msrp_core::{
    connection::ConnectionConfig,
    grammar::{FailureReport, StatusCode},
};
use msrp_ua::{CommandError, OutgoingKey, OutgoingMessage, SessionLoss, UserAgentEvent};
use pair::Pair;
use peer::{PEER, Peer, config, frames::Frame};

fn failed(peer: &Peer) -> Vec<(OutgoingKey, StatusCode)> {
    peer.events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::Failed { message, code, .. } => Some((*message, *code)),
            _ => None,
        })
        .collect()
}

fn large() -> OutgoingMessage {
    OutgoingMessage::bytes("application/x-large", vec![b'x'; 100_000])
}

// shows: 4975-7.1-09, 4975-7.1.1-25
#[test]
fn a_send_without_body_has_nothing_of_a_body() {
    let mut peer = Peer::called(config().keep_alive(Some(Duration::from_secs(20))), |_| {});
    let frames = peer.advance(Duration::from_secs(20));
    let names: Vec<_> = frames[0].headers.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(frames.len(), 1);
    assert_eq!(names, ["To-Path", "From-Path", "Message-ID", "Byte-Range"]);
    assert_eq!(
        (&frames[0].start[..], &frames[0].body, frames[0].flag),
        ("SEND", &None, '$')
    );
    assert_eq!(frames[0].header("Byte-Range"), Some("1-0/0"));
}

// shows: 4975-7.1-04, 4975-7.1-05, 4975-7.1-15, 4975-7.1-17, 4975-7.1.1-03, 4975-7.1.1-04, 4975-7.1.1-05, 4975-7.1.1-17, 4975-7.1.1-18, 4975-7.1.1-20, 4975-7.1.1-23, 4975-7.1.1-15
#[test]
fn the_chunks_of_a_message_say_what_they_are() {
    let mut peer = Peer::called(config(), |_| {});
    let body: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let message = OutgoingMessage::bytes("application/x-large", body.clone())
        .with_header("Content-Disposition", "attachment")
        .with_success_report()
        .with_failure_report(FailureReport::Partial);
    peer.agent.send(peer.session, message).unwrap();
    let other = OutgoingMessage::bytes("text/x-other", vec![b'y'; 50_000]);
    peer.agent.send(peer.session, other).unwrap();
    let frames = peer.read();
    let chunks: Vec<&Frame> = frames
        .iter()
        .filter(|frame| frame.header("Content-Type") == Some("application/x-large"))
        .collect();
    assert!(chunks.len() > 2, "the two messages take turns");
    let mut position = 0_u64;
    for (at, chunk) in chunks.iter().enumerate() {
        let names: Vec<_> = chunk.headers.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(*names.last().unwrap(), "Content-Type");
        assert_eq!(chunk.header("Message-ID"), chunks[0].header("Message-ID"));
        assert_eq!(chunk.header("Success-Report"), Some("yes"));
        assert_eq!(chunk.header("Failure-Report"), Some("partial"));
        assert_eq!(chunk.header("Content-Disposition"), Some("attachment"));
        // Longer than 2,048 octets, so it has to be interruptible.
        assert!(chunk.body.as_ref().unwrap().len() > 2048);
        assert_eq!(chunk.range(), (position + 1, None, Some(100_000)));
        position += chunk.body.as_ref().unwrap().len() as u64;
        assert_eq!(chunk.flag, if at + 1 == chunks.len() { '$' } else { '+' });
    }
    let received: Vec<u8> = chunks
        .iter()
        .flat_map(|chunk| chunk.body.clone().unwrap())
        .collect();
    assert!(received == body);
    // No two transactions share an identifier.
    let mut tids: Vec<_> = frames.iter().map(|frame| &frame.tid).collect();
    tids.sort();
    tids.dedup();
    assert_eq!(tids.len(), frames.len());
}

// shows: 4975-7.1-16
#[test]
fn a_message_that_is_cancelled_ends_by_a_hash_and_nothing_follows() {
    let mut peer = Peer::called(config(), |_| {});
    let key = peer.agent.send(peer.session, large()).unwrap();
    let begun = peer.read_octets(peer.wire, 6000);
    peer.agent.cancel(key).unwrap();
    let rest = peer.read_octets(peer.wire, usize::MAX);
    let frames = peer::frames::frames(&[begun, rest].concat());
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].flag, '#');
    assert!(frames[0].body.as_ref().unwrap().len() < 100_000);
    assert!(peer.read().is_empty());
    assert_eq!(peer.agent.cancel(key), Err(CommandError::UnknownMessage));
    // One that has not begun leaves no trace.
    let mut peer = Peer::called(config(), |_| {});
    let key = peer.agent.send(peer.session, large()).unwrap();
    peer.agent.cancel(key).unwrap();
    assert!(peer.read().is_empty());
}

// shows: 4975-10-08, 4975-10-09
#[test]
fn after_a_413_the_message_stops_and_others_go_on() {
    let mut peer = Peer::called(config(), |_| {});
    let stopped = peer.agent.send(peer.session, large()).unwrap();
    let begun = peer.read_octets(peer.wire, 6000);
    let other = peer
        .agent
        .send(
            peer.session,
            OutgoingMessage::bytes("text/x-other", vec![b'y'; 50_000]),
        )
        .unwrap();
    let tid = String::from_utf8_lossy(&begun)
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned();
    let own = peer.to.clone();
    peer.hear(&format!(
        "MSRP {tid} 413 Stop\r\nTo-Path: {own}\r\nFrom-Path: {PEER}\r\n-------{tid}$\r\n"
    ));
    let rest = peer.read_octets(peer.wire, usize::MAX);
    peer.listen();
    let frames = peer::frames::frames(&[begun, rest].concat());
    let large: Vec<_> = frames
        .iter()
        .filter(|frame| frame.header("Content-Type") == Some("application/x-large"))
        .collect();
    assert_eq!(large.len(), 1);
    assert_eq!(large[0].flag, '#');
    assert!(large[0].body.as_ref().unwrap().len() < 10_000);
    assert_eq!(failed(&peer), [(stopped, StatusCode::STOP_SENDING)]);
    for frame in frames
        .iter()
        .filter(|frame| frame.header("Content-Type") == Some("text/x-other"))
    {
        peer.answer(frame, "200 OK");
    }
    assert!(
        peer.events
            .iter()
            .any(|event| matches!(event, UserAgentEvent::Accepted { message } if *message == other))
    );
}

// shows: 4975-7.1.1-10
#[test]
fn an_error_is_told_with_partial_reports_and_silence_is_none() {
    for status in ["403 No", "415 No"] {
        let mut peer = Peer::called(config(), |_| {});
        let message = || OutgoingMessage::text("Hi").with_failure_report(FailureReport::Partial);
        let key = peer.agent.send(peer.session, message()).unwrap();
        let frame = peer.read().remove(0);
        peer.answer(&frame, status);
        assert_eq!(failed(&peer).len(), 1);
        assert_eq!(failed(&peer)[0].0, key);
        // Nobody answers this one, and that is fine.
        let quiet = Peer::called(config(), |_| {});
        let mut peer = quiet;
        peer.agent.send(peer.session, message()).unwrap();
        peer.read();
        peer.advance(Duration::from_secs(60));
        assert!(failed(&peer).is_empty());
        assert_eq!(peer.agent.session_count(), 1);
    }
}

// shows: 4975-10-06
#[test]
fn a_408_is_what_no_answer_is() {
    let outcome = |late: bool| {
        let mut peer = Peer::called(config(), |_| {});
        let key = peer
            .agent
            .send(peer.session, OutgoingMessage::text("Hi"))
            .unwrap();
        let frame = peer.read().remove(0);
        if late {
            peer.advance(Duration::from_secs(29));
            assert!(failed(&peer).is_empty());
            peer.advance(Duration::from_secs(1));
        } else {
            peer.answer(&frame, "408 Timeout");
        }
        assert_eq!(failed(&peer), [(key, StatusCode::REQUEST_TIMEOUT)]);
        peer.events
            .iter()
            .map(|event| format!("{event:?}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(outcome(true), outcome(false));
}

// shows: 4975-7.1.1-07, 4975-G-05
#[test]
fn at_the_end_of_a_session_it_is_told_of_what_nothing_is_known() {
    let mut peer = Peer::called(config(), |_| {});
    let session = peer.session;
    let mut send = |message: OutgoingMessage, answered: bool| {
        let key = peer.agent.send(session, message).unwrap();
        let frame = peer.read().remove(0);
        if answered {
            peer.answer(&frame, "200 OK");
        }
        (key, frame.header("Message-ID").unwrap().to_owned())
    };
    let unreported = send(OutgoingMessage::text("Hi").with_success_report(), true);
    let unanswered = send(OutgoingMessage::text("Hi"), false);
    send(OutgoingMessage::text("Hi"), true);
    let (_, reported) = send(OutgoingMessage::text("Hi").with_success_report(), true);
    peer.report(&reported, "1-2/2", "000 200 OK");
    peer.events.clear();
    peer.agent.close_session(session).unwrap();
    // No farewell stands on the wire.
    assert!(peer.read().is_empty());
    let unknown: Vec<_> = peer
        .events
        .iter()
        .map(|event| match event {
            UserAgentEvent::DeliveryUnknown {
                message,
                message_id,
                reason: None,
            } => (*message, message_id.to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(unknown, [unreported, unanswered]);
    assert!(
        peer.chunk("late", "1-2/2", "Hi", '$')[0]
            .start
            .starts_with("481 ")
    );
    peer.advance(Duration::from_secs(300));
    assert_eq!(peer.agent.connection_count(), 0);
}

#[test]
fn an_answer_that_overtakes_its_chunk_counts() {
    let mut peer = Peer::called(config(), |_| {});
    let key = peer.agent.send(peer.session, large()).unwrap();
    let begun = peer.read_octets(peer.wire, 6000);
    let tid = String::from_utf8_lossy(&begun)
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned();
    let own = peer.to.clone();
    peer.hear(&format!(
        "MSRP {tid} 200 OK\r\nTo-Path: {own}\r\nFrom-Path: {PEER}\r\n-------{tid}$\r\n"
    ));
    let rest = peer.read_octets(peer.wire, usize::MAX);
    peer.listen();
    let frames = peer::frames::frames(&[begun, rest].concat());
    assert_eq!(frames.len(), 1);
    assert!(
        peer.events
            .iter()
            .any(|event| matches!(event, UserAgentEvent::Accepted { message } if *message == key))
    );
}

// shows: 4975-8.6-11, 4975-8.6-12
#[test]
fn what_the_peer_does_not_want_is_not_sent() {
    let mut peer = Peer::called(config(), |params| {
        *params = params
            .clone()
            .with_peer_limits("text/plain text/x-image".parse().unwrap(), Some(1000));
    });
    let session = peer.session;
    assert_eq!(
        peer.agent.send(session, OutgoingMessage::bytes("image/png", "x")),
        Err(CommandError::NotAccepted("image/png".to_owned()))
    );
    assert_eq!(
        peer.agent.send(session, OutgoingMessage::text("x".repeat(1001))),
        Err(CommandError::TooLarge {
            size: 1001,
            limit: 1000
        })
    );
    assert!(peer.read().is_empty());
    // What it has refused once it is not asked for again.
    peer.agent
        .send(session, OutgoingMessage::bytes("text/x-image", "x"))
        .unwrap();
    let frame = peer.read().remove(0);
    peer.answer(&frame, "415 No");
    assert_eq!(
        peer.agent
            .send(session, OutgoingMessage::bytes("TEXT/X-Image", "x")),
        Err(CommandError::NotAccepted("text/x-image".to_owned()))
    );
    assert!(peer.agent.send(session, OutgoingMessage::text("Hi")).is_ok());
}

#[test]
fn sessions_that_share_a_connection_share_its_lanes() {
    let narrow = config().connection(ConnectionConfig::new().max_lanes(1));
    let mut pair = Pair::with_configs(narrow, pair::config("b.example.com"));
    let sessions: Vec<_> = (0..3).map(|_| pair.open(|_| {}, |_| {}).0).collect();
    pair.drive();
    let first = pair
        .a
        .agent
        .send(
            sessions[0],
            OutgoingMessage::bytes("text/plain", vec![b'x'; 5_000_000]),
        )
        .unwrap();
    for _ in 0..2 {
        for &session in &sessions {
            pair.a.agent.send(session, OutgoingMessage::text("Hi")).unwrap();
        }
    }
    // The lane is taken: all others wait, and go when the first is given up.
    pair.a.agent.cancel(first).unwrap();
    pair.drive();
    let heard = pair
        .b
        .events
        .iter()
        .filter(|event| matches!(event, UserAgentEvent::Message { .. }))
        .count();
    assert_eq!(heard, 6);
}

#[test]
fn messages_under_way_are_bounded_and_finished_ones_do_not_count() {
    let mut peer = Peer::called(config().max_outgoing(3), |_| {});
    let session = peer.session;
    for _ in 0..10 {
        peer.agent.send(session, OutgoingMessage::text("Hi")).unwrap();
        let frame = peer.read().remove(0);
        peer.answer(&frame, "200 OK");
    }
    for _ in 0..3 {
        peer.agent.send(session, OutgoingMessage::text("Hi")).unwrap();
    }
    assert_eq!(
        peer.agent.send(session, OutgoingMessage::text("Hi")),
        Err(CommandError::TooManyMessages { limit: 3 })
    );
}

// shows: 4975-G-06
#[test]
fn a_peer_that_answers_no_keep_alive_is_gone() {
    let mut peer = Peer::called(config().keep_alive(Some(Duration::from_secs(20))), |_| {});
    for _ in 0..3 {
        let frames = peer.advance(Duration::from_secs(20));
        peer.answer(&frames[0], "200 OK");
    }
    peer.advance(Duration::from_secs(20));
    peer.advance(Duration::from_secs(29));
    assert!(peer.events.is_empty());
    peer.advance(Duration::from_secs(1));
    assert!(matches!(
        peer.events[..],
        [UserAgentEvent::SessionLost {
            reason: SessionLoss::Refused(StatusCode::REQUEST_TIMEOUT),
            ..
        }]
    ));
    // Keep-alives end with their session.
    assert!(peer.advance(Duration::from_secs(600)).is_empty());
}
