//! What a SEND of ours looks like, octet for octet (RFC 4975 §7.1).

use bytes::Bytes;
use msrp_core::{
    codec::{EncodeError, HeadTemplate, SendHeaders},
    connection::SendError,
    grammar::{ByteRange, ContinuationFlag, FailureReport, MessageId, SuccessReport},
};

use crate::{
    naive::frames,
    pair::{A_URI, B_URI, Pair, path, template},
};

fn template_with(
    reports: (SuccessReport, FailureReport),
    content_type: Option<&str>,
    extra: &[(&str, &str)],
) -> Result<HeadTemplate, EncodeError> {
    HeadTemplate::send(&SendHeaders {
        to_path: &path(B_URI),
        from_path: &path(A_URI),
        message_id: MessageId::parse(b"87652491").unwrap(),
        success_report: reports.0,
        failure_report: reports.1,
        content_type,
        extra,
    })
}

fn sent(template: &HeadTemplate, body: &'static [u8]) -> String {
    let mut pair = Pair::new();
    let range = ByteRange::whole(body.len() as u64);
    let body = Bytes::from_static(body);
    let flag = ContinuationFlag::Complete;
    let a = &mut pair.a.connection;
    a.send_chunk(pair.now, template, range, &body, flag, FailureReport::No, 1)
        .unwrap();
    pair.drive();
    let text = String::from_utf8(pair.a.sent).unwrap();
    let id = frames(text.as_bytes()).remove(0).id;
    text.replace(&id, "TID")
}

const NO_REPORTS: (SuccessReport, FailureReport) = (SuccessReport::No, FailureReport::Yes);

// shows: 4975-7.1-04, 4975-7.1-05, 4975-7.1-06, 4975-7.1-13, 4975-7.1-14, 4975-7.1.1-36
#[test]
fn a_send_with_a_body() {
    let disposition = [("Content-Disposition", "attachment"), ("X-Other", "1")];
    let template = template_with(NO_REPORTS, Some("text/plain"), &disposition).unwrap();
    assert_eq!(
        sent(&template, b"abc\r\n"),
        format!(
            "MSRP TID SEND\r\nTo-Path: {B_URI}\r\nFrom-Path: {A_URI}\r\nMessage-ID: 87652491\r\nByte-Range: 1-5/5\r\n\
             Content-Disposition: attachment\r\nX-Other: 1\r\nContent-Type: text/plain\r\n\r\nabc\r\n\r\n-------TID$\r\n"
        )
    );
    // A body needs a type.
    let mut pair = Pair::new();
    let bodiless = template_with(NO_REPORTS, None, &[]).unwrap();
    let body = Bytes::from_static(b"x");
    let flag = ContinuationFlag::Complete;
    let range = ByteRange::whole(1);
    let a = &mut pair.a.connection;
    let refused = a.send_chunk(pair.now, &bodiless, range, &body, flag, FailureReport::No, 1);
    assert_eq!(refused, Err(SendError::Encode(EncodeError::ContentType)));
    assert!(pair.a.take(pair.now, 1000).is_none());
}

// shows: 4975-7.1.1-04, 4975-5.3-05
#[test]
fn reports_that_are_not_the_default_are_asked_for() {
    use FailureReport::{No as FailNo, Partial, Yes as FailYes};
    use SuccessReport::{No, Yes};
    for (success, failure, expected) in [
        (No, FailYes, ""),
        (Yes, FailYes, "Success-Report: yes\r\n"),
        (No, FailNo, "Failure-Report: no\r\n"),
        (No, Partial, "Failure-Report: partial\r\n"),
        (Yes, FailNo, "Success-Report: yes\r\nFailure-Report: no\r\n"),
        (Yes, Partial, "Success-Report: yes\r\nFailure-Report: partial\r\n"),
    ] {
        let template = template_with((success, failure), Some("text/plain"), &[]).unwrap();
        let text = sent(&template, b"x");
        let between = format!("Message-ID: 87652491\r\n{expected}Byte-Range: 1-1/1\r\n");
        assert!(text.contains(&between), "{text}");
    }
}

// shows: 4975-7.1-09, 4975-7.1-10, 4975-7.1.1-25
#[test]
fn a_send_without_a_body() {
    let bodiless = template_with(NO_REPORTS, None, &[]).unwrap();
    assert_eq!(
        sent(&bodiless, b""),
        format!(
            "MSRP TID SEND\r\nTo-Path: {B_URI}\r\nFrom-Path: {A_URI}\r\nMessage-ID: 87652491\r\nByte-Range: 1-0/0\r\n\
             -------TID$\r\n"
        )
    );
    // An empty body is something else: it has a type.
    let empty = template(FailureReport::Yes, Some("text/plain"));
    let text = sent(&empty, b"");
    assert!(
        text.ends_with("Byte-Range: 1-0/0\r\nContent-Type: text/plain\r\n\r\n\r\n-------TID$\r\n"),
        "{text}"
    );
    // MIME headers belong to a body.
    for name in ["Content-Disposition", "content-id", "Content-Whatever"] {
        let refused = template_with(NO_REPORTS, None, &[(name, "x")]);
        assert_eq!(refused, Err(EncodeError::ContentType), "{name}");
    }
}

// shows: 4975-7.1.1-25
#[test]
fn a_lane_without_octets_starts_at_one() {
    let mut pair = Pair::new();
    let head = template(FailureReport::Yes, Some("text/plain"));
    let a = &mut pair.a.connection;
    let id = a.open_send(head, 0, None, FailureReport::Yes, 1).unwrap();
    a.finish(pair.now, id, ContinuationFlag::Complete).unwrap();
    pair.drive();
    let chunks = frames(&pair.a.sent);
    assert_eq!(chunks[0].header("Byte-Range"), Some("1-0/0"));
    assert_eq!((chunks.len(), chunks[0].body_len()), (1, 0));
}

// shows: 4975-7.1.1-37, 4975-14.3-02
#[test]
fn bodies_are_binary() {
    let refused = template_with(
        NO_REPORTS,
        Some("text/plain"),
        &[("Content-Transfer-Encoding", "base64")],
    );
    assert_eq!(refused, Err(EncodeError::HeaderName));
    let octets: Vec<u8> = (0..=255).chain(*b"\r\n\0\r\n.\r\n--\xff").collect();
    let mut pair = Pair::new();
    let head = template(FailureReport::Yes, Some("application/octet-stream"));
    let range = ByteRange::whole(octets.len() as u64);
    let flag = ContinuationFlag::Complete;
    let body = Bytes::from(octets.clone());
    let a = &mut pair.a.connection;
    a.send_chunk(pair.now, &head, range, &body, flag, FailureReport::Yes, 1)
        .unwrap();
    let events = pair.b_events();
    assert_eq!(crate::pair::received(&events), octets);
    assert_eq!(frames(&pair.a.sent)[0].body, Some(octets), "as they are");
}

#[test]
fn headers_cannot_be_smuggled_in() {
    for (name, value, error) in [
        ("X", "a\r\nY: b", EncodeError::HeaderValue),
        ("X", "a\nb", EncodeError::HeaderValue),
        ("X", "a\0b", EncodeError::HeaderValue),
        ("X: y\r\nZ", "a", EncodeError::HeaderName),
        ("", "a", EncodeError::HeaderName),
        ("1x", "a", EncodeError::HeaderName),
        ("To-Path", "a", EncodeError::HeaderName),
        ("message-id", "a", EncodeError::HeaderName),
        ("Byte-Range", "1-1/1", EncodeError::HeaderName),
        ("content-type", "a/b", EncodeError::HeaderName),
    ] {
        let refused = template_with(NO_REPORTS, Some("text/plain"), &[(name, value)]);
        assert_eq!(refused, Err(error), "{name:?}: {value:?}");
    }
    let refused = template_with(NO_REPORTS, Some("text/plain\r\nX: y"), &[]);
    assert_eq!(refused, Err(EncodeError::HeaderValue));
}
