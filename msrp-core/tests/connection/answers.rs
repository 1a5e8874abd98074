//! Who is answered what (RFC 4975 §5.3, §7.1.4, §7.2).

use bytes::BytesMut;
use msrp_core::{
    connection::{ApiMisuse, Event, Outcome, Responded},
    grammar::{ContinuationFlag, FailureReport, StatusCode},
};

use crate::{
    lone::{Lone, PATHS, request, send},
    naive::frames,
    pair::{A_URI, B_URI, Pair},
};

// shows: 4975-X-02, 4975-7.2-03, 4975-7.2-06, 4975-7.2-08, 4975-7.1.1-13, 4975-10-02
#[test]
fn a_message_is_told_and_answered() {
    let mut pair = Pair::new();
    pair.send_text("Hey Bob, are you there?", FailureReport::Yes);
    let events = pair.b_events();
    assert!(matches!(events[0], Event::Request { .. }));
    assert!(
        matches!(&events[1], Event::Body { data, offset: 1, .. } if &data[..] == b"Hey Bob, are you there?")
    );
    assert!(matches!(
        events[2],
        Event::RequestEnd {
            flag: ContinuationFlag::Complete,
            received: 23,
            ..
        }
    ));
    assert_eq!(events.len(), 3);
    let request = frames(&pair.a.sent).remove(0);
    let response = String::from_utf8(pair.b.sent.clone()).unwrap();
    assert_eq!(
        response,
        format!(
            "MSRP {id} 200 OK\r\nTo-Path: {A_URI}\r\nFrom-Path: {B_URI}\r\n-------{id}$\r\n",
            id = request.id
        )
    );
    let events = pair.a_events();
    assert!(
        matches!(&events[..], [Event::TransactionEnded { tag: 7, outcome: Outcome::Response { code, .. }, .. }] if code.is_success())
    );
    assert_eq!(pair.a.connection.poll_timeout(), None);
}

// shows: 4975-5.3-06, 4975-5.3-07, 4975-7.1.4-03, 4975-7.1.4-04, 4975-7.1.4-05, 4975-G-02, 4975-7.2-01, 4975-7.2-02
#[test]
fn the_matrix_of_answers() {
    for (report, code, expected) in [
        (FailureReport::Yes, StatusCode::OK, Responded::Queued),
        (
            FailureReport::Yes,
            StatusCode::UNSUPPORTED_MEDIA,
            Responded::Queued,
        ),
        (FailureReport::Partial, StatusCode::OK, Responded::Suppressed),
        (
            FailureReport::Partial,
            StatusCode::WRONG_CONNECTION,
            Responded::Queued,
        ),
        (FailureReport::No, StatusCode::OK, Responded::Suppressed),
        (
            FailureReport::No,
            StatusCode::NO_SUCH_SESSION,
            Responded::Suppressed,
        ),
    ] {
        let mut pair = Pair::new();
        pair.send_text("x", report);
        let octets = pair.a.take(pair.now, usize::MAX).unwrap();
        pair.b
            .connection
            .handle_read(pair.now, BytesMut::from(&octets[..]));
        let Some(Event::Request { id, .. }) = pair.b.connection.poll_event(pair.now) else {
            panic!()
        };
        assert_eq!(
            pair.b.connection.respond(id, code, code.phrase()),
            Ok(expected),
            "{report:?} {code}"
        );
        pair.drive();
        assert_eq!(
            pair.b.sent.is_empty(),
            expected == Responded::Suppressed,
            "{report:?} {code}"
        );
        assert!(frames(&pair.b.sent).len() <= 1, "one answer at the most");
    }
}

// shows: 4975-7.1.4-06, 4975-7.1.1-13
#[test]
fn an_absent_failure_report_is_yes() {
    // Received: it is answered.
    let mut lone = Lone::new();
    lone.feed(request("abcd", "SEND", "", None, '$'));
    let answers = lone.frames();
    assert_eq!((answers.len(), answers[0].third.as_str()), (1, "200 OK"));
    // Sent: the header is left out, and an answer is awaited.
    let mut pair = Pair::new();
    pair.send_text("hello", FailureReport::Yes);
    pair.a.take(pair.now, usize::MAX).unwrap();
    assert_eq!(frames(&pair.a.sent)[0].header("Failure-Report"), None);
    assert_eq!(pair.a.connection.open_transactions(), 1);
    pair.advance(std::time::Duration::from_secs(30));
    assert!(matches!(
        pair.a.connection.poll_event(pair.now),
        Some(Event::TransactionEnded {
            outcome: Outcome::TimedOut,
            ..
        })
    ));
}

// shows: 4975-5.3-01, 4975-7.2-01
#[test]
fn an_answer_waits_neither_for_the_body_nor_for_the_application() {
    // The node rejects at the head: the answer leaves while the body is still to come.
    let mut lone = Lone::new();
    let chunk = format!(
        "MSRP abcd SEND\r\n{PATHS}Message-ID: 87652491\r\nByte-Range: 1-*/1000000\r\nContent-Type: a/b\r\n\r\nsome"
    );
    let events = lone.feed(chunk);
    let Some(Event::Request { id, .. }) = events.first() else {
        panic!("{events:?}")
    };
    lone.connection
        .reject(*id, StatusCode::STOP_SENDING, "No")
        .unwrap();
    assert_eq!(lone.frames()[0].third, "413 No");
    // The node does nothing: the 200 is there as soon as it asks for what comes next.
    lone.feed("what still comes is swallowed\r\n-------abcd+\r\n");
    let events = lone.feed(request("efgh", "SEND", "", None, '$'));
    assert_eq!(events.len(), 2, "a rejected chunk has been swallowed: {events:?}");
    assert_eq!(lone.frames()[0].id, "efgh");
}

// shows: 4975-7.2-04, 4975-7.2-05
#[test]
fn an_answer_to_send_goes_one_hop_and_others_all_the_way() {
    let paths = "To-Path: msrp://b:1/x;tcp\r\nFrom-Path: msrp://relay:2/r;tcp msrp://a:3/y;tcp\r\n";
    for (method, back) in [
        ("SEND", "msrp://relay:2/r;tcp"),
        ("NICKNAME", "msrp://relay:2/r;tcp msrp://a:3/y;tcp"),
        ("FOO", "msrp://relay:2/r;tcp msrp://a:3/y;tcp"),
    ] {
        let mut lone = Lone::new();
        let request = format!("MSRP abcd {method}\r\n{paths}-------abcd$\r\n");
        lone.connection
            .handle_read(lone.now, BytesMut::from(request.as_bytes()));
        let Some(Event::Request { id, .. }) = lone.connection.poll_event(lone.now) else {
            panic!("{method} is told")
        };
        lone.connection.respond(id, StatusCode::OK, "OK").unwrap();
        let frames = lone.frames();
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].header("To-Path"), Some(back), "{method}");
        assert_eq!(frames[0].header("From-Path"), Some("msrp://b:1/x;tcp"));
    }
}

// shows: 4975-7.1.2-10, 4975-7.1.2-01
#[test]
fn no_report_is_ever_answered() {
    let status = "Message-ID: 87652491\r\nStatus: 000 200 OK\r\n";
    let mut lone = Lone::new();
    for (headers, sound) in [
        (status.to_owned(), true),
        (
            format!("{status}Failure-Report: yes\r\nSuccess-Report: yes\r\n"),
            true,
        ),
        ("".to_owned(), true),
        (format!("{status}Byte-Range: nonsense\r\n"), false),
        (format!("{status}{status}"), false),
        ("Message-ID: x\r\n".to_owned(), false),
        (format!("{status}Failure-Report: perhaps\r\n"), false),
    ] {
        let events = lone.feed(request("abcd", "REPORT", &headers, None, '$'));
        assert_eq!(!events.is_empty(), sound, "{headers}");
        if let Some(Event::Request { id, .. }) = events.first() {
            let code = StatusCode::NO_SUCH_SESSION;
            assert_ne!(lone.connection.respond(*id, code, "No"), Ok(Responded::Queued));
        }
        assert!(lone.output().is_empty(), "{headers}");
    }
    // While it is at hand, too: the node's answer is suppressed.
    let report = request("abcd", "REPORT", status, None, '$');
    lone.connection
        .handle_read(lone.now, BytesMut::from(report.as_bytes()));
    let Some(Event::Request { id, .. }) = lone.connection.poll_event(lone.now) else {
        panic!("a REPORT is told")
    };
    let answer = lone.connection.respond(id, StatusCode::BAD_REQUEST, "No");
    assert_eq!(answer, Ok(Responded::Suppressed));
    lone.events();
    assert!(lone.output().is_empty());
    assert!(!lone.connection.is_closed());
}

// shows: 4975-12-02
#[test]
fn unknown_headers_change_nothing() {
    let mut lone = Lone::new();
    let unknown = "Keep-Alive: yes\r\nX-Whatever: msrp://x:1/y;tcp\r\nFailure-Reports: no\r\n";
    let events = lone.feed(send("abcd", unknown, "hello", '$'));
    assert!(matches!(&events[1], Event::Body { data, .. } if &data[..] == b"hello"));
    assert_eq!(lone.frames()[0].third, "200 OK");
    let mut pair = Pair::new();
    pair.send_text("hello", FailureReport::Yes);
    pair.a.take(pair.now, usize::MAX).unwrap();
    let id = frames(&pair.a.sent).remove(0).id;
    let response =
        format!("MSRP {id} 200 OK\r\nTo-Path: {A_URI}\r\nFrom-Path: {B_URI}\r\n{unknown}-------{id}$\r\n");
    let a = &mut pair.a.connection;
    a.handle_read(pair.now, BytesMut::from(response.as_bytes()));
    assert!(matches!(
        a.poll_event(pair.now),
        Some(Event::TransactionEnded {
            outcome: Outcome::Response { code, .. },
            ..
        }) if code == StatusCode::OK
    ));
}

// shows: 4975-10-03
#[test]
fn requests_that_break_a_rule_are_answered_400_and_told_to_nobody() {
    for headers in [
        "Message-ID: 87652491\r\nByte-Range: 1-x/3\r\nContent-Type: a/b\r\n",
        "Message-ID: 87652491\r\nByte-Range: 0-3/3\r\nContent-Type: a/b\r\n",
        "Content-Type: a/b\r\n",
        "Message-ID: 87652491\r\n",
        "Message-ID: 87652491\r\nMessage-ID: 87652491\r\nContent-Type: a/b\r\n",
        "Message-ID: 876\r\nContent-Type: a/b\r\n",
        "Message-ID: 87652491\r\nFailure-Report: maybe\r\nContent-Type: a/b\r\n",
        "Message-ID: 87652491\r\nSuccess-Report: maybe\r\nContent-Type: a/b\r\n",
    ] {
        let mut lone = Lone::new();
        let events = lone.feed(request("abcd", "SEND", headers, Some("xyz"), '$'));
        assert!(events.is_empty(), "{headers}: {events:?}");
        let frames = lone.frames();
        assert_eq!(frames.len(), 1, "{headers}");
        assert_eq!(frames[0].third, "400 Bad Request", "{headers}");
        // The connection goes on.
        assert_eq!(lone.feed(send("efgh", "", "fine", '$')).len(), 3);
    }
}

#[test]
fn a_phrase_with_a_line_break_makes_no_header() {
    let mut lone = Lone::new();
    lone.connection.handle_read(
        lone.now,
        BytesMut::from(request("abcd", "SEND", "", None, '$').as_bytes()),
    );
    let Some(Event::Request { id, .. }) = lone.connection.poll_event(lone.now) else {
        panic!("a request")
    };
    let phrase = "Odd\r\nX-Injected: yes";
    let header: (&str, &[u8]) = ("X-Fine", b"a\r\nX-Injected: yes");
    lone.connection
        .respond_with(id, StatusCode::FORBIDDEN, phrase, &[header])
        .unwrap();
    let frames = lone.frames();
    assert_eq!(
        (frames[0].third.as_str(), frames[0].headers.len()),
        ("403 Odd", 2)
    );
    assert_eq!(
        lone.connection.respond(id, StatusCode::OK, "OK"),
        Err(ApiMisuse::UnknownRequest)
    );
}
