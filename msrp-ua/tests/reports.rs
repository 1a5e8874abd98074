//! REPORTs: which are sent, and what becomes of those that come (RFC 4975 §7.1.2 to §7.1.4, §7.3.2).

mod peer;

use msrp_core::grammar::StatusCode;
use msrp_ua::{CommandError, OutgoingKey, OutgoingMessage, Receive, SessionLoss, UserAgentEvent};
use peer::{PEER, Peer, config, frames::Frame};

const SUCCESS: &str = "Success-Report: yes\r\n";

fn reports(said: &[Frame]) -> Vec<&Frame> {
    said.iter().filter(|frame| frame.start == "REPORT").collect()
}

/// A message of ours that has left and been answered, and its identifier on the wire.
fn sent(peer: &mut Peer, message: OutgoingMessage) -> (OutgoingKey, String) {
    let key = peer.agent.send(peer.session, message).unwrap();
    let frames = peer.read();
    let id = frames[0].header("Message-ID").unwrap().to_owned();
    for frame in &frames {
        if frame.header("Failure-Report").is_none() {
            peer.answer(frame, "200 OK");
        }
    }
    peer.events.clear();
    (key, id)
}

fn ten() -> OutgoingMessage {
    OutgoingMessage::text("0123456789").with_success_report()
}

// shows: 4975-7.1.2-01, 4975-7.1.2-02, 4975-7.1.2-03, 4975-7.1.2-05, 4975-7.1.3-01, 4975-7.1.3-02, 4975-7.1.3-03, 4975-7.1.3-06
#[test]
fn a_success_report_covers_what_was_received() {
    let mut peer = Peer::bound();
    assert!(reports(&peer.chunk_with("parts", "5-*/*", SUCCESS, "text/plain", b"567", '$')).is_empty());
    let said = peer.chunk_with("parts", "1-*/*", SUCCESS, "text/plain", b"1234", '+');
    let [report] = reports(&said)[..] else {
        panic!("{said:?}")
    };
    let headers: Vec<_> = report
        .headers
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    assert_eq!(
        headers,
        [
            ("To-Path", PEER),
            ("From-Path", &peer.to[..]),
            ("Message-ID", "id.parts"),
            ("Byte-Range", "1-7/7"),
            ("Status", "000 200 OK"),
        ]
    );
    assert_eq!((&report.body, report.flag), (&None, '$'));
    // Each chunk by itself, where that is wished.
    let mut peer = Peer::bound_with(config().report_each_chunk(true), |_| {});
    let mut covered = Vec::new();
    for (range, body, flag) in [("1-*/*", "1234", '+'), ("5-*/*", "567", '$')] {
        let said = peer.chunk_with("parts", range, SUCCESS, "text/plain", body.as_bytes(), flag);
        covered.extend(reports(&said).iter().map(|report| report.range()));
    }
    assert_eq!(covered, [(1, Some(4), None), (5, Some(7), None)]);
    let said = peer.chunk_with("empty", "1-0/0", SUCCESS, "text/plain", b"", '$');
    assert_eq!(reports(&said)[0].range(), (1, Some(0), Some(0)));
}

// shows: 4975-7.1.3-09, 4975-7.1.4-06, 4975-7.1.4-01, 4975-7.3-03, 4975-G-02, 4975-G-03
#[test]
fn who_is_answered_and_who_gets_a_report() {
    // Success-Report and Failure-Report, and whether all goes well: how often there is a response, and a REPORT.
    let success = |value: &str| {
        if value.is_empty() {
            String::new()
        } else {
            format!("Success-Report: {value}\r\n")
        }
    };
    let failure = |value: &str| {
        if value.is_empty() {
            String::new()
        } else {
            format!("Failure-Report: {value}\r\n")
        }
    };
    for (wants_success, wants_failure, good, bad) in [
        ("", "", (1, 0), (1, 0)),
        ("", "yes", (1, 0), (1, 0)),
        ("", "partial", (0, 0), (1, 0)),
        ("", "no", (0, 0), (0, 0)),
        ("no", "", (1, 0), (1, 0)),
        ("yes", "", (1, 1), (1, 0)),
        ("yes", "yes", (1, 1), (1, 0)),
        ("yes", "partial", (0, 1), (1, 0)),
        ("yes", "no", (0, 1), (0, 0)),
    ] {
        let mut peer = Peer::bound_with(config(), |params| params.accepts = "text/plain".parse().unwrap());
        let headers = success(wants_success) + &failure(wants_failure);
        for (content_type, expected) in [("text/plain", good), ("image/png", bad)] {
            let said = peer.chunk_with(&content_type[..4], "1-2/2", &headers, content_type, b"Hi", '$');
            let reported = reports(&said).len();
            assert_eq!(
                (said.len() - reported, reported),
                expected,
                "{headers}{content_type}: {said:?}"
            );
        }
    }
}

// shows: 4975-7.1.4-07, 4975-7.1.4-09, 4975-7.1.4-10, 4975-7.1.4-02, 4975-7.1.4-08
#[test]
fn a_failure_that_shows_later_is_reported_with_the_range_that_really_came() {
    let mut peer = Peer::bound_with(config(), |params| params.receive = Receive::Stream);
    let chunk = |peer: &mut Peer, headers: &str| {
        peer.events.clear();
        let body = [b'x'; 40];
        let answer = peer.chunk_with("failing", "11-*/100", headers, "text/plain", &body, '+');
        assert!(answer.len() <= 1);
        let UserAgentEvent::IncomingMessage { message, .. } = peer.events[0] else {
            panic!()
        };
        peer.agent.reject(message, StatusCode::UNSUPPORTED_MEDIA).unwrap();
        peer.read()
    };
    let said = chunk(&mut peer, "");
    let [report] = reports(&said)[..] else {
        panic!("{said:?}")
    };
    assert_eq!(report.range(), (11, Some(50), Some(100)));
    assert_eq!(
        report.header("Status"),
        Some(&format!("000 415 {}", StatusCode::UNSUPPORTED_MEDIA.phrase())[..])
    );
    assert_eq!(report.header("Message-ID"), Some("id.failing"));
    assert_eq!(report.header("To-Path"), Some(PEER));
    let mut peer = Peer::bound_with(config(), |params| params.receive = Receive::Stream);
    assert!(chunk(&mut peer, "Failure-Report: no\r\n").is_empty());
}

// shows: 4975-7.1.2-11
#[test]
fn the_application_may_report_by_itself() {
    let mut peer = Peer::bound_with(config().remembered(2), |params| params.manual_reports = true);
    let session = peer.session;
    let receive = |peer: &mut Peer, id: &str, headers: &str| {
        assert!(reports(&peer.chunk_with(id, "1-2/2", headers, "text/plain", b"Hi", '$')).is_empty());
        let Some(UserAgentEvent::Message { message, .. }) = peer.events.last() else {
            panic!()
        };
        *message
    };
    let first = receive(&mut peer, "first", SUCCESS);
    peer.agent.report(session, first, StatusCode::OK).unwrap();
    assert_eq!(reports(&peer.read())[0].header("Status"), Some("000 200 OK"));
    // Success is success only once, and only where it was asked for.
    peer.agent.report(session, first, StatusCode::OK).unwrap();
    let second = receive(&mut peer, "second", "");
    peer.agent.report(session, second, StatusCode::OK).unwrap();
    assert!(peer.read().is_empty());
    peer.agent.report(session, second, StatusCode::FORBIDDEN).unwrap();
    let said = peer.read();
    assert_eq!(
        said[0].header("Status"),
        Some(&format!("000 403 {}", StatusCode::FORBIDDEN.phrase())[..])
    );
    assert_eq!(said[0].range(), (1, Some(2), Some(2)));
    let third = receive(&mut peer, "third", "Failure-Report: no\r\n");
    peer.agent.report(session, third, StatusCode::FORBIDDEN).unwrap();
    assert!(peer.read().is_empty());
    assert_eq!(
        peer.agent.report(session, first, StatusCode::OK),
        Err(CommandError::UnknownMessage)
    );
    // What cannot be delivered any more is not sent.
    peer.agent.close_session(session).unwrap();
    assert_eq!(
        peer.agent.report(session, third, StatusCode::FORBIDDEN),
        Err(CommandError::UnknownSession)
    );
    assert!(peer.read().is_empty());
}

// shows: 4975-7.1.2-09, 4975-7.1.2-10, 4975-7.3.2-08, 4975-7.1.1-14, 4975-7.1.2-04
#[test]
fn nothing_is_ever_said_about_a_report() {
    let mut peer = Peer::bound();
    let own = peer.to.clone();
    let (_, id) = sent(&mut peer, ten());
    let strange = own.replace("7777/", "7777/no");
    let sound = format!("Message-ID: {id}\r\nByte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n");
    for (to, from, headers) in [
        (
            &own[..],
            PEER,
            format!("{sound}Success-Report: yes\r\nFailure-Report: yes\r\n"),
        ),
        (&strange, PEER, sound.clone()),
        (&format!("{own} {PEER}"), PEER, sound.clone()),
        ("mailto:nobody", PEER, sound.clone()),
        (&own, "mailto:nobody", sound.clone()),
        (&own, PEER, format!("Message-ID: {id}\r\nByte-Range: 1-10/10\r\n")),
        (&own, PEER, format!("Message-ID: {id}\r\nStatus: 000 200 OK\r\n")),
        (
            &own,
            PEER,
            "Byte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n".to_owned(),
        ),
        (&own, PEER, format!("{sound}Byte-Range: 0-0/x\r\n")),
        (
            &own,
            PEER,
            format!("Message-ID: {id}\r\nByte-Range: 1-10/10\r\nStatus: 200 OK\r\n"),
        ),
        (
            &own,
            PEER,
            "Message-ID: never.seen\r\nByte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n".to_owned(),
        ),
        (
            &own,
            PEER,
            format!("{sound}Content-Type: text/plain\r\n\r\nWhy?\r\n"),
        ),
    ] {
        let said = peer.write(&format!(
            "MSRP report00 REPORT\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{headers}-------report00$\r\n"
        ));
        assert!(said.is_empty(), "{said:?} to {to} {from} {headers}");
    }
    assert_eq!(peer.agent.session_count(), 1);
    assert_eq!(peer.chunk("after", "1-2/2", "Hi", '$').len(), 1);
}

// shows: 4975-7.1.3-05
#[test]
fn a_report_goes_all_the_way_back() {
    let mut peer = Peer::bound();
    let own = peer.to.clone();
    let far = format!("msrp://relay.example.com:9000/between;tcp {PEER}");
    let said = peer.write(&format!(
        "MSRP far00000 SEND\r\nTo-Path: {own}\r\nFrom-Path: {far}\r\nMessage-ID: from.far\r\nByte-Range: 1-2/2\r\n\
         {SUCCESS}Content-Type: text/plain\r\n\r\nHi\r\n-------far00000$\r\n"
    ));
    let [report] = reports(&said)[..] else {
        panic!("{said:?}")
    };
    assert_eq!(report.header("To-Path"), Some(&far[..]));
    assert_eq!(report.header("From-Path"), Some(&own[..]));
}

// shows: 4975-7.1.1-34, 4975-7.1.3-04
#[test]
fn reports_need_not_match_the_chunks_and_may_overlap() {
    let mut peer = Peer::bound();
    let (key, id) = sent(&mut peer, ten());
    let mut complete = Vec::new();
    for range in ["2-3/10", "9-*/10", "1-1/10", "3-7/10", "7-8/10"] {
        peer.report(&id, range, "000 200 OK");
        let Some(UserAgentEvent::Delivered {
            message,
            complete: it,
            ..
        }) = peer.events.last()
        else {
            panic!()
        };
        assert_eq!(*message, key);
        complete.push(*it);
    }
    assert_eq!(complete, [false, false, false, false, true]);
}

// shows: 4975-E-26
#[test]
fn a_report_without_a_range_is_about_all_of_it_and_one_about_more_about_nothing() {
    let mut peer = Peer::bound();
    let (_, id) = sent(&mut peer, ten());
    for (range, told) in [
        ("11-20/20", None),
        ("5-4/10", None),
        ("0-3/10", None),
        ("9-99999999999/10", Some((9, 10))),
    ] {
        peer.events.clear();
        peer.report(&id, range, "000 200 OK");
        let range = peer.events.iter().find_map(|event| match event {
            UserAgentEvent::Delivered {
                range,
                complete: false,
                ..
            } => Some(*range),
            _ => None,
        });
        assert_eq!(range, told);
    }
    let own = peer.to.clone();
    peer.write(&format!(
        "MSRP report00 REPORT\r\nTo-Path: {own}\r\nFrom-Path: {PEER}\r\nMessage-ID: {id}\r\nStatus: 000 200 OK\r\n-------report00$\r\n"
    ));
    assert!(matches!(
        peer.events.last(),
        Some(UserAgentEvent::Delivered {
            range: (1, 10),
            complete: true,
            ..
        })
    ));
    // An empty message can be delivered, too.
    let (_, id) = sent(&mut peer, OutgoingMessage::text("").with_success_report());
    peer.report(&id, "1-0/0", "000 200 OK");
    assert!(matches!(
        peer.events.last(),
        Some(UserAgentEvent::Delivered { complete: true, .. })
    ));
}

#[test]
fn scattered_reports_do_not_fill_our_memory() {
    let mut peer = Peer::bound_with(config().max_holes(8), |_| {});
    let (_, id) = sent(
        &mut peer,
        OutgoingMessage::text("x".repeat(2000)).with_success_report(),
    );
    for n in 0..1000 {
        peer.report(&id, &format!("{0}-{0}/2000", 2 * n + 1), "000 200 OK");
    }
    // Each report that would make one piece too many is left out, and what was reported before is forgotten with it.
    assert_eq!(peer.events.len(), 1000 - 1000 / 9);
    peer.events.clear();
    peer.report(&id, "1-2000/2000", "000 200 OK");
    assert!(matches!(
        peer.events[..],
        [UserAgentEvent::Delivered { complete: true, .. }]
    ));
}

#[test]
fn acceptance_is_told_once_and_late_reports_are_understood() {
    let mut peer = Peer::bound_with(config().remembered(2), |_| {});
    let mut keys = Vec::new();
    for _ in 0..3 {
        let key = peer
            .agent
            .send(peer.session, OutgoingMessage::text("Hi"))
            .unwrap();
        let frame = peer.read().remove(0);
        peer.answer(&frame, "200 OK");
        keys.push((key, frame.header("Message-ID").unwrap().to_owned()));
    }
    // Nobody has asked for these.
    for _ in 0..3 {
        peer.report(&keys[2].1, "1-2/2", "000 200 OK");
    }
    let accepted = |events: &[UserAgentEvent]| {
        events
            .iter()
            .filter(|event| matches!(event, UserAgentEvent::Accepted { .. }))
            .count()
    };
    assert_eq!(accepted(&peer.events), 3);
    peer.events.clear();
    // A relay took it and lost it later.
    peer.report(&keys[1].1, "1-2/2", "000 413 Stop");
    assert!(
        matches!(peer.events[..], [UserAgentEvent::Failed { message, range: Some((1, 2)), .. }] if message == keys[1].0)
    );
    // Of the first nothing is known any more.
    peer.report(&keys[0].1, "1-2/2", "000 413 Stop");
    assert_eq!(peer.events.len(), 1);
    assert_eq!(peer.agent.message_id(keys[0].0), None);
}

// shows: 4975-7.3.2-03, 4975-7.3.2-06, 4975-7.3.2-04, 4975-10-01, 4975-10-10, 4975-10-12, 4975-10-14, 4975-E-28
#[test]
fn a_failure_report_does_what_a_response_with_its_code_does() {
    for (code, ends) in [
        (400, false),
        (403, false),
        (413, false),
        (415, false),
        (408, true),
        (481, true),
        (506, true),
    ] {
        for by_report in [false, true] {
            let mut peer = Peer::called(config(), |_| {});
            let key = peer
                .agent
                .send(
                    peer.session,
                    OutgoingMessage::bytes("text/x-it", vec![b'x'; 20_000]),
                )
                .unwrap();
            // The first part is under way, more is to come.
            let octets = peer.read_octets(peer.wire, 6000);
            let text = String::from_utf8(octets).unwrap();
            let tid = text.split(' ').nth(1).unwrap().to_owned();
            let id = text
                .split("Message-ID: ")
                .nth(1)
                .unwrap()
                .split("\r\n")
                .next()
                .unwrap()
                .to_owned();
            let own = peer.to.clone();
            peer.hear(&if by_report {
                format!(
                    "MSRP report00 REPORT\r\nTo-Path: {own}\r\nFrom-Path: {PEER}\r\nMessage-ID: {id}\r\n\
                     Byte-Range: 1-2000/20000\r\nStatus: 000 {code} No\r\n-------report00$\r\n"
                )
            } else {
                format!("MSRP {tid} {code} No\r\nTo-Path: {own}\r\nFrom-Path: {PEER}\r\n-------{tid}$\r\n")
            });
            let said = peer.read_octets(peer.wire, usize::MAX);
            peer.listen();
            // The chunk at hand ends at once, by `#`, and nothing of the message follows.
            let rest = String::from_utf8(said).unwrap();
            assert!(rest.ends_with(&format!("-------{tid}#\r\n")), "{code}: {rest:?}");
            assert!(!rest.contains("SEND"));
            assert!(
                peer.events.iter().any(|event| matches!(
                    event,
                    UserAgentEvent::Failed { message, code: it, .. } if *message == key && it.as_u16() == code
                )),
                "{:?}",
                peer.events
            );
            let lost = peer.events.iter().any(|event| matches!(
                event,
                UserAgentEvent::SessionLost { reason: SessionLoss::Refused(it), .. } if it.as_u16() == code
            ));
            assert_eq!(lost, ends, "{code}");
            let again = peer
                .agent
                .send(peer.session, OutgoingMessage::bytes("text/x-it", "x"));
            match (ends, code) {
                (true, _) => assert_eq!(again, Err(CommandError::UnknownSession)),
                (false, 415) => assert!(matches!(again, Err(CommandError::NotAccepted(_)))),
                (false, _) => assert!(again.is_ok()),
            }
        }
    }
}

// shows: 4975-7.1.3-08
#[test]
fn a_code_of_another_namespace_means_nothing_here() {
    let mut peer = Peer::bound();
    let (_, id) = sent(&mut peer, ten());
    for status in ["001 200 OK", "001 413 Stop", "999 481 Gone"] {
        peer.report(&id, "1-10/10", status);
    }
    assert!(peer.events.is_empty());
    assert_eq!(peer.agent.session_count(), 1);
}
