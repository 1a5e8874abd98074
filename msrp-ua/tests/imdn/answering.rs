//! What may be answered, by what, and on which way.

use bytes::Bytes;
use msrp_ua::{
    cpim::{Content, CpimRules},
    imdn::{
        Answerable, Consent, DeliveryStatus, DisplayStatus, Disposition, ImdnHeaders, Notification, Subject,
        pop_route,
    },
};

use crate::messages::{address, answerable, asking, bob, open, sent};

// shows: 5438-7.2.1-01, 5438-7.2.1-02, 5438-7.2.1-05, 5438-4-01
#[test]
fn each_kind_is_answered_once_and_processing_never() {
    let mut all = answerable("positive-delivery, negative-delivery, processing, display");
    let delivered = sent(&all.delivered(Consent::Given).unwrap()).1;
    assert_eq!(
        delivered.disposition,
        Some(Disposition::Delivery(DeliveryStatus::Delivered))
    );
    assert_eq!(all.delivered(Consent::Given), None);
    assert_eq!(
        all.failed(Consent::Given),
        None,
        "what was delivered does not fail later"
    );
    let displayed = sent(&all.displayed(Consent::Given).unwrap()).1;
    assert_eq!(
        displayed.disposition,
        Some(Disposition::Display(DisplayStatus::Displayed))
    );
    assert_eq!(
        (all.displayed(Consent::Given), all.display_unknown(Consent::Given)),
        (None, None)
    );

    let mut failed = answerable("negative-delivery");
    let notice = failed.failed(Consent::Given).unwrap();
    assert_eq!(
        sent(&notice).1.disposition,
        Some(Disposition::Delivery(DeliveryStatus::Failed))
    );
    assert_eq!(
        (failed.delivered(Consent::Given), failed.displayed(Consent::Given)),
        (None, None)
    );

    let mut only_processing = answerable("processing");
    assert_eq!(only_processing.delivered(Consent::Given), None);
    assert_eq!(only_processing.displayed(Consent::Given), None);
}

// shows: 5438-7.2.1-03, 5438-12.1.3.1-02
#[test]
fn success_is_not_told_to_who_asked_for_failures() {
    let mut message = answerable("negative-delivery");
    assert_eq!(message.delivered(Consent::Given), None);
    assert_eq!(message.failed(Consent::Given), None);
    let mut message = answerable("positive-delivery");
    assert_eq!(message.failed(Consent::Given), None);
    assert_eq!(message.delivered(Consent::Given), None);
}

// shows: 5438-14.2-01, 5438-12.1.3.1-04, 5438-7.2.1.2-01
#[test]
fn nothing_is_said_without_consent() {
    let mut message = answerable("positive-delivery, display");
    assert_eq!(
        (
            message.delivered(Consent::Withheld),
            message.displayed(Consent::Withheld)
        ),
        (None, None)
    );
    // The user may allow it later.
    assert!(message.delivered(Consent::Given).is_some());
    let unknown = message.display_unknown(Consent::Given).unwrap();
    assert_eq!(
        unknown.notification.disposition,
        Some(Disposition::Display(DisplayStatus::Error))
    );

    let mut refused = answerable("positive-delivery, display");
    let notice = refused.delivered(Consent::Refused).unwrap();
    assert_eq!(
        notice.notification.disposition,
        Some(Disposition::Delivery(DeliveryStatus::Forbidden))
    );
    let notice = refused.displayed(Consent::Refused).unwrap();
    assert_eq!(
        notice.notification.disposition,
        Some(Disposition::Display(DisplayStatus::Forbidden))
    );
    assert_eq!(refused.displayed(Consent::Given), None);
}

// shows: 5438-7.2.1-06, 5438-12.1.1-02
#[test]
fn some_messages_are_never_answered() {
    let from = |from: &str, rest: &str| {
        let content = open(format!(
            "{from}\r\nTo: <im:bob@example.com>\r\nNS: n <urn:ietf:params:imdn>\r\n\
             n.Disposition-Notification: display, positive-delivery\r\n{rest}"
        ));
        Answerable::of(&content, &bob()).is_some()
    };
    let id = "n.Message-ID: 1\r\nDateTime: 2006-04-04T12:16:49-05:00\r\n";
    let text = "Content-Type: text/plain\r\n\r\n";
    assert!(from("From: <im:a@b>", &format!("{id}{text}")));
    assert!(!from("X: y", &format!("{id}{text}")), "nobody to answer to");
    assert!(!from(
        "From: <sip:anonymous@anonymous.invalid>",
        &format!("{id}{text}")
    ));
    assert!(!from("From: <im:a@b>", text), "nothing to name it by");
    assert!(
        !from("From: <im:a@b>", &format!("n.Message-ID: 1\r\n{text}")),
        "no time to repeat"
    );
    // Notifications about notifications.
    assert!(!from(
        "From: <im:a@b>",
        &format!("{id}Content-Type: message/imdn+xml\r\n\r\n")
    ));
    assert!(!from(
        "From: <im:a@b>",
        &format!("{id}Content-Disposition: Notification\r\n{text}")
    ));
    // Without a message/cpim nothing can be asked.
    let plain = Content::open("text/plain", None, Bytes::new(), &CpimRules::default()).unwrap();
    assert!(Answerable::of(&plain, &bob()).is_none());
}

// shows: 5438-7.2.1-07, 5438-7.2.1-08, 5438-7.2.1-09, 5438-7.2.1-10, 5438-7.2.1-11, 5438-7.2.1.1-01, 5438-11.1.8-01
#[test]
fn the_way_back_goes_through_who_asked_to_be_on_it() {
    let route = "n.IMDN-Record-Route: <im:second@example.com>\r\nn.IMDN-Record-Route: \"First, really\" <im:first@example.com>\r\n";
    let mut message = Answerable::of(&asking("display", route), &bob()).unwrap();
    let notice = message.displayed(Consent::Given).unwrap();
    assert_eq!(notice.next_hop(), &address("im:second@example.com"));
    let text = notice.message("d834jied93rf").unwrap();
    let expected = "From: <im:bob@example.com>\r\n\
        To: Alice <im:alice@example.com>\r\n\
        NS: imdn <urn:ietf:params:imdn>\r\n\
        imdn.Message-ID: d834jied93rf\r\n\
        imdn.IMDN-Route: <im:second@example.com>\r\n\
        imdn.IMDN-Route: \"First, really\" <im:first@example.com>\r\n\
        \r\n\
        Content-Type: message/imdn+xml\r\n\
        Content-Disposition: notification\r\n\
        \r\n";
    assert!(text.octets().starts_with(expected.as_bytes()));
    let headers = ImdnHeaders::of(text.head());
    assert!(headers.record_route.is_empty() && headers.requests.is_empty());
    let direct = answerable("display").displayed(Consent::Given).unwrap();
    assert_eq!(direct.next_hop().uri(), "im:alice@example.com");
}

// shows: 5438-8-04
#[test]
fn an_intermediary_takes_itself_off_the_way() {
    let route =
        "n.IMDN-Record-Route: <im:second@example.com>\r\nn.IMDN-Record-Route: <im:first@example.com>\r\n";
    let mut message = Answerable::of(&asking("display", route), &bob()).unwrap();
    let notification = message.displayed(Consent::Given).unwrap().message("x1").unwrap();
    let rules = CpimRules::default();
    assert!(pop_route(&notification, "im:first@example.com", &rules).is_none());
    let (once, next) = pop_route(&notification, "im:second@example.com", &rules)
        .unwrap()
        .unwrap();
    assert_eq!(next.uri(), "im:first@example.com");
    let (twice, next) = pop_route(&once, "im:first@example.com", &rules).unwrap().unwrap();
    assert_eq!(next.uri(), "im:alice@example.com");
    assert_eq!(twice.body(), notification.body());
    assert_eq!(
        twice.head().headers().len() + 2,
        notification.head().headers().len()
    );
    assert!(pop_route(&twice, "im:first@example.com", &rules).is_none());
}

// shows: 5438-11.1.1-01, 5438-11.1.2-01, 5438-11.1.3-01, 5438-11.1.4-01, 5438-11.1.5-01, 5438-T-01
#[test]
fn a_notification_repeats_what_the_message_said() {
    let more =
        "n.Original-To: <im:list@example.com>\r\nSubject:;lang=fr Bonjour\r\nSubject: Lunch \\u0026 more\r\n";
    let mut message = Answerable::of(&asking("display", more), &bob()).unwrap();
    let (_, heard) = sent(&message.displayed(Consent::Given).unwrap());
    assert_eq!(
        heard,
        Notification {
            message_id: "34jk324j".to_owned(),
            date_time: "2006-04-04T12:16:49-05:00".to_owned(),
            recipient_uri: Some("im:bob@example.com".to_owned()),
            original_recipient_uri: Some("im:list@example.com".to_owned()),
            subject: Some(Subject {
                text: "Lunch & more".to_owned(),
                language: None
            }),
            disposition: Some(Disposition::Display(DisplayStatus::Displayed)),
        }
    );
    // The schema has both URIs or none, and no subject without them.
    let plain = sent(&answerable("display").displayed(Consent::Given).unwrap()).1;
    assert_eq!(plain.original_recipient_uri, plain.recipient_uri);
    let alone = Notification {
        recipient_uri: None,
        original_recipient_uri: None,
        ..heard
    };
    let document = alone.document();
    assert!(
        !document.contains("subject") && !document.contains("recipient"),
        "{document}"
    );
}
