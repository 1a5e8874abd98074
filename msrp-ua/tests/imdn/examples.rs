//! The examples of RFC 5438.

use msrp_ua::{
    imdn::{
        DeliveryStatus, DisplayStatus, Disposition, DispositionRequests, Heard, ImdnHeaders,
        ProcessingStatus, SentRequests, notifications,
    },
    xml::XmlLimits,
};

use crate::messages::{heard_in, open, status};

// shows: 5438-7.1.1.3-04, 5438-7.1.1-01, 5438-6.1-01, 5438-6.2-01
#[test]
fn rfc5438_7_1_1_3_example_of_a_request() {
    let content = open(
        "From: Alice <im:alice@example.com>\r\nTo: Bob <im:bob@example.com>\r\nNS: imdn <urn:ietf:params:imdn>\r\n\
         imdn.Message-ID: 34jk324j\r\nDateTime: 2006-04-04T12:16:49-05:00\r\n\
         imdn.Disposition-Notification: positive-delivery, negative-delivery\r\nContent-type: text/plain\r\n\
         Content-length: 12\r\n\r\nHello World",
    );
    let headers = ImdnHeaders::of(content.head.as_ref().unwrap());
    assert_eq!(headers.message_id.as_deref(), Some("34jk324j"));
    let asked = DispositionRequests {
        positive_delivery: true,
        negative_delivery: true,
        ..DispositionRequests::default()
    };
    assert_eq!(headers.requests, asked);
    assert_eq!(&content.body[..], b"Hello World");
    assert_eq!(
        notifications(&content, &XmlLimits::default()),
        Ok(None),
        "it is an IM"
    );
}

// shows: 5438-7.2.1.1-02, 5438-7.2.1.2-02, 5438-8.1-04, 5438-9-03, 5438-7.1.2-02, 5438-11.1-02
#[test]
fn rfc5438_examples_of_notifications() {
    for (kind, state, expected) in [
        (
            "delivery",
            "delivered",
            Disposition::Delivery(DeliveryStatus::Delivered),
        ),
        (
            "display",
            "displayed",
            Disposition::Display(DisplayStatus::Displayed),
        ),
        (
            "processing",
            "processed",
            Disposition::Processing(ProcessingStatus::Processed),
        ),
    ] {
        let content = open(format!(
            "From: Bob <im:bob@example.com>\r\nTo: Alice <im:alice@example.com>\r\nContent-type: message/imdn+xml\r\n\
             Content-Disposition: notification\r\n\r\n{}",
            status(kind, state)
        ));
        let heard = heard_in(&content);
        assert_eq!(heard[0].message_id, "34jk324j");
        assert_eq!(heard[0].date_time, "2008-04-04T12:16:49-05:00");
        assert_eq!(heard[0].recipient_uri.as_deref(), Some("im:bob@example.com"));
        assert_eq!(heard[0].disposition, Some(expected));
    }
}

// shows: 5438-8.3-03, 5438-8.3-02, 5438-7.1.4-01
#[test]
fn rfc5438_8_3_example_of_an_aggregate() {
    let part =
        |inside: String| format!("--imdn-boundary\r\nContent-type: message/imdn+xml\r\n\r\n{inside}\r\n");
    let aggregate = |disposition: &str| {
        open(format!(
            "From: Bob <im:bob@example.com>\r\nTo: Alice <im:alice@example.com>\r\nNS: imdn <urn:ietf:params:imdn>\r\n\
             imdn.Message-ID: d834jied93rf\r\nContent-type: multipart/mixed;\r\n    boundary=\"imdn-boundary\"\r\n\
             Content-Disposition: {disposition}\r\n\r\n{}{}--imdn-boundary\r\n",
            part(status("delivery", "delivered")),
            part(status("display", "displayed"))
        ))
    };
    let heard = heard_in(&aggregate("notification"));
    assert_eq!(heard.len(), 2);
    assert_eq!(
        heard[1].disposition,
        Some(Disposition::Display(DisplayStatus::Displayed))
    );
    let mut requests = SentRequests::new(10);
    requests.sent("34jk324j", DispositionRequests::all(), ());
    for notification in &heard {
        assert_eq!(requests.heard(notification), Heard::Expected(&()));
    }
    assert_eq!(
        notifications(&aggregate("render"), &XmlLimits::default()),
        Ok(None)
    );
}
