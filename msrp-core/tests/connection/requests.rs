//! Requests that go in one piece: REPORT, AUTH and the like (RFC 4975 §7.1, §7.1.2).

use bytes::Bytes;
use msrp_core::{
    codec::EncodeError,
    connection::{Event, OutgoingRequest, SendError},
    grammar::{ContinuationFlag, FailureReport, Method},
};

use crate::{
    lone::{Lone, request},
    naive::frames,
    pair::{A_URI, B_URI, Pair, received},
};

const ABOUT: [(&str, &[u8]); 2] = [("Message-ID", b"87652491"), ("Status", b"000 200 OK")];

fn report<'a>(headers: &'a [(&'a str, &'a [u8])], body: Option<(&'a str, Bytes)>) -> OutgoingRequest<'a> {
    OutgoingRequest {
        method: Method::Report,
        to_path: B_URI.as_bytes(),
        from_path: A_URI.as_bytes(),
        headers,
        body,
        failure_report: FailureReport::No,
        tag: None,
    }
}

fn refusal(request: &OutgoingRequest<'_>) -> Option<EncodeError> {
    let mut pair = Pair::new();
    let sent = pair.a.connection.send_request(pair.now, request);
    let nothing = pair.a.take(pair.now, 1000).is_none();
    match sent {
        Ok(_) => None,
        Err(SendError::Encode(error)) => {
            assert!(nothing, "what was refused is not sent");
            Some(error)
        }
        Err(error) => panic!("{error}"),
    }
}

// shows: 4975-7.1.2-01, 4975-7.1.2-02, 4975-7.1.2-03
#[test]
fn a_report_is_about_a_message_and_never_reported_on() {
    assert_eq!(refusal(&report(&ABOUT, None)), None);
    let [id, status] = ABOUT;
    for headers in [&[id][..], &[status], &[]] {
        assert_eq!(
            refusal(&report(headers, None)),
            Some(EncodeError::IncompleteReport)
        );
    }
    for name in ["Success-Report", "Failure-Report", "FAILURE-report"] {
        let headers = [id, status, (name, &b"no"[..])];
        let refused = refusal(&report(&headers, None));
        assert_eq!(refused, Some(EncodeError::ReportAboutReport), "{name}");
    }
}

// shows: 4975-7.1.2-06, 4975-7.1.2-08, 4975-7.1-07, 4975-5.1-03, 4975-7.1.3-10
#[test]
fn a_report_goes_whole_with_a_body_or_without() {
    let mut pair = Pair::new();
    let body = Bytes::from(vec![b'x'; 10_240]);
    let a = &mut pair.a.connection;
    a.send_request(pair.now, &report(&ABOUT, None)).unwrap();
    a.send_request(pair.now, &report(&ABOUT, Some(("text/plain", body.clone()))))
        .unwrap();
    let events = pair.b_events();
    assert_eq!(received(&events), body);
    let frames = frames(&pair.a.sent);
    assert_eq!(frames.len(), 2);
    assert!(
        frames
            .iter()
            .all(|frame| frame.flag == ContinuationFlag::Complete)
    );
    assert_ne!(frames[0].id, frames[1].id);
    assert!(pair.b.sent.is_empty(), "a REPORT is not answered");
    assert_eq!(
        pair.a.connection.open_transactions(),
        0,
        "nor is an answer awaited"
    );
}

// shows: 4975-7.1-08
#[test]
fn bodies_of_other_requests_end_at_10240_octets() {
    let octets = |len: usize| Some(("text/plain", Bytes::from(vec![b'x'; len])));
    assert_eq!(refusal(&report(&ABOUT, octets(10_240))), None);
    let limit = 10_240;
    assert_eq!(
        refusal(&report(&ABOUT, octets(10_241))),
        Some(EncodeError::BodyTooLong { limit })
    );
    // Received: it is refused, swallowed, and the connection goes on.
    let mut lone = Lone::new();
    let head = "Content-Type: a/b\r\n";
    let events = lone.feed(request("abcd", "FOO", head, Some(&"x".repeat(10_241)), '$'));
    assert!(
        matches!(events.last(), Some(Event::RequestAborted { .. })),
        "{events:?}"
    );
    assert_eq!(lone.frames()[0].third, "413 Stop Sending Message");
    let events = lone.feed(request("efgh", "FOO", head, Some(&"x".repeat(10_240)), '$'));
    assert!(matches!(
        events.last(),
        Some(Event::RequestEnd { received: 10_240, .. })
    ));
    // A REPORT is not answered even then.
    lone.feed(request("abcd", "REPORT", head, Some(&"x".repeat(20_000)), '$'));
    assert!(lone.output().is_empty());
}

#[test]
fn other_requests_have_no_second_chunk() {
    for flag in ['+', '#'] {
        let mut lone = Lone::new();
        let events = lone.feed(request("abcd", "FOO", "", None, flag));
        assert!(
            matches!(events.last(), Some(Event::RequestAborted { .. })),
            "{events:?}"
        );
        assert_eq!(lone.frames()[0].third, "400 Bad Request");
    }
}

// shows: 4975-7.1-04, 4975-7.1-09
#[test]
fn a_body_and_its_type_go_together() {
    let type_without_body = [ABOUT[0], ABOUT[1], ("Content-Type", &b"a/b"[..])];
    assert_eq!(
        refusal(&report(&type_without_body, None)),
        Some(EncodeError::HeaderName)
    );
    let mime_without_body = [ABOUT[0], ABOUT[1], ("Content-ID", &b"x"[..])];
    assert_eq!(
        refusal(&report(&mime_without_body, None)),
        Some(EncodeError::ContentType)
    );
    let with_lines = report(&ABOUT, Some(("a/b\r\nX: y", Bytes::new())));
    assert_eq!(refusal(&with_lines), Some(EncodeError::HeaderValue));
    for method in ["", "send", "FOO BAR", "FOO\r\n"] {
        let other = OutgoingRequest {
            method: Method::Other(method),
            ..report(&[], None)
        };
        assert_eq!(refusal(&other), Some(EncodeError::Method), "{method:?}");
    }
}
