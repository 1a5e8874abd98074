//! Disposition notifications: the examples of RFC 5438, what may be answered, and what answers mean.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use msrp_core::rng::IdSource;
use msrp_ua::{
    cpim::{Address, Content, CpimBuilder, CpimMessage, CpimRules, understands_core},
    imdn::{
        Answerable, Consent, DeliveryStatus, DisplayStatus, Disposition, DispositionRequests, Heard,
        IMDN_NAMESPACE, ImdnError, ImdnHeaders, Notice, Notification, ProcessingStatus, SentRequests,
        Subject, message_id, notifications, pop_route,
    },
    xml::{XmlError, XmlLimits},
};
use proptest::prelude::*;

fn address(uri: &str) -> Address {
    Address::new(uri).unwrap()
}

fn bob() -> Address {
    address("im:bob@example.com")
}

fn open(octets: impl Into<Bytes>) -> Content {
    Content::open("message/cpim", None, octets.into(), &CpimRules::tolerant()).unwrap()
}

fn read(text: &str) -> Result<Notification, ImdnError> {
    Notification::parse(text.as_bytes(), &XmlLimits::default())
}

fn heard_in(content: &Content) -> Vec<Notification> {
    notifications(content, &XmlLimits::default()).unwrap().unwrap()
}

/// An IM that asks for these notifications, with some more headers.
fn asking(requests: &str, more: &str) -> Content {
    open(format!(
        "From: Alice <im:alice@example.com>\r\nTo: Bob <im:bob@example.com>\r\nNS: n <urn:ietf:params:imdn>\r\n\
         n.Message-ID: 34jk324j\r\nDateTime: 2006-04-04T12:16:49-05:00\r\nn.Disposition-Notification: {requests}\r\n{more}\r\n\
         Content-type: text/plain\r\n\r\nHello World"
    ))
}

fn answerable(requests: &str) -> Answerable {
    Answerable::of(&asking(requests, ""), &bob()).unwrap()
}

/// The notification as whoever asked gets it.
fn sent(notice: &Notice) -> (CpimMessage, Notification) {
    let message = notice.message("d834jied93rf").unwrap();
    let content = open(message.octets().clone());
    let mut all = heard_in(&content);
    assert_eq!(all.len(), 1);
    (message, all.remove(0))
}

fn document(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">\n  \
         <message-id>34jk324j</message-id>\n  <datetime>2008-04-04T12:16:49-05:00</datetime>\n  \
         <recipient-uri>im:bob@example.com</recipient-uri>\n  <original-recipient-uri\n    \
         >im:bob@example.com</original-recipient-uri>\n  {inside}\n</imdn>\n"
    )
}

fn status(kind: &str, status: &str) -> String {
    document(&format!(
        "<{kind}-notification>\n<status>\n <{status}/> \n</status></{kind}-notification>"
    ))
}

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

// shows: 5438-9-01, 5438-9-02
#[test]
fn what_is_for_people_is_no_notification() {
    let limits = XmlLimits::default();
    let content = |media_type: &str, disposition: Option<&str>| Content {
        head: None,
        media_type: media_type.to_owned(),
        disposition: disposition.map(str::to_owned),
        body: Bytes::from_static(b"--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x--"),
    };
    for (media_type, disposition) in [
        ("text/plain", Some("notification")),
        ("text/plain", None),
        ("message/imdn+xml", Some("attachment")),
        ("multipart/mixed;boundary=x", Some("notification")),
        ("multipart/mixed;boundary=x", None),
        ("no type", None),
    ] {
        assert_eq!(
            notifications(&content(media_type, disposition), &limits),
            Ok(None),
            "{media_type} {disposition:?}"
        );
    }
    assert!(notifications(&content("message/imdn+xml", None), &limits).is_err());
    assert!(notifications(&content("multipart/mixed", Some("notification")), &limits).is_err());
}

// shows: 5438-5.1-01, 5438-5.2-01, 5438-5.3-01, 5438-11.1.7-01
#[test]
fn every_kind_has_its_states() {
    let legal = [
        ("delivery", &["delivered", "failed", "forbidden", "error"][..]),
        ("processing", &["processed", "stored", "forbidden", "error"]),
        ("display", &["displayed", "forbidden", "error"]),
    ];
    for (kind, states) in legal {
        for state in [
            "delivered",
            "failed",
            "processed",
            "stored",
            "displayed",
            "forbidden",
            "error",
            "other",
        ] {
            let read = read(&status(kind, state)).unwrap();
            assert_eq!(
                read.disposition.is_some(),
                states.contains(&state),
                "{kind} {state}"
            );
            let written = read.document();
            let says_it = written.contains(&format!("<{kind}-notification><status><{state}/></status>"));
            assert_eq!(says_it, states.contains(&state), "{written}");
            assert_eq!(self::read(&written), Ok(read));
        }
    }
    let two = document("<display-notification><status><displayed/><error/></status></display-notification>");
    assert_eq!(read(&two), Err(ImdnError::Repeated("status")));
    let both = format!(
        "{}{}",
        "<display-notification><status/></display-notification>", "<delivery-notification/>"
    );
    assert_eq!(read(&document(&both)), Err(ImdnError::Repeated("disposition")));
    assert_eq!(
        read(&document("<display-notification/>")),
        Err(ImdnError::Missing("status"))
    );
}

// shows: 5438-11.1-03, 5438-T-03, 5438-T-04
#[test]
fn documents_of_others_are_read() {
    let foreign = document(
        "<x:more xmlns:x='urn:x' a='b'><x:delivery-notification/>text</x:more>\
         <display-notification><status><displayed/><x:why xmlns:x='urn:x'>bored</x:why></status></display-notification>",
    );
    assert_eq!(
        read(&foreign).unwrap().disposition,
        Some(Disposition::Display(DisplayStatus::Displayed))
    );
    let prefixed = "<i:imdn xmlns:i='urn:ietf:params:xml:ns:imdn'><i:message-id>\n  a1\n </i:message-id><i:datetime> t </i:datetime></i:imdn>";
    let prefixed = read(prefixed).unwrap();
    assert_eq!(
        (&*prefixed.message_id, &*prefixed.date_time, prefixed.disposition),
        ("a1", "t", None)
    );
    assert_eq!((prefixed.recipient_uri, prefixed.subject), (None, None));
}

// shows: 5438-11.1-01, 5438-11.1.1-01, 5438-11.1.2-01
#[test]
fn documents_that_are_none_are_errors() {
    let with = |inside: &str| {
        read(&format!(
            "<imdn xmlns='urn:ietf:params:xml:ns:imdn'>{inside}</imdn>"
        ))
    };
    assert_eq!(
        with("<datetime>x</datetime>"),
        Err(ImdnError::Missing("message-id"))
    );
    assert_eq!(
        with("<message-id> </message-id><datetime>x</datetime>"),
        Err(ImdnError::Missing("message-id"))
    );
    assert_eq!(
        with("<message-id>x</message-id>"),
        Err(ImdnError::Missing("datetime"))
    );
    assert_eq!(
        read("<imdn><message-id>x</message-id><datetime>x</datetime></imdn>"),
        Err(ImdnError::Root)
    );
    assert!(matches!(
        read("<imdn"),
        Err(ImdnError::Xml(XmlError::Malformed(_)))
    ));
    let bomb = "<!DOCTYPE imdn [<!ENTITY a 'b'>]><imdn xmlns='urn:ietf:params:xml:ns:imdn'>&a;</imdn>";
    assert_eq!(read(bomb), Err(ImdnError::Xml(XmlError::Doctype)));
    let deep = "<a>".repeat(1000);
    assert_eq!(read(&deep), Err(ImdnError::Xml(XmlError::TooDeep { limit: 16 })));
}

// shows: 5438-7.1.1.3-01, 5438-7.1.1.3-02, 5438-7.1.1.3-03, 5438-7.2.1-04, 5438-10-01, 5438-10-02, 5438-10-03
#[test]
fn requests_are_a_list_of_words() {
    let asked = |text: &str| DispositionRequests::parse(text).to_string();
    assert_eq!(asked("display"), "display");
    assert_eq!(
        asked("processing ,display  ,positive-delivery"),
        "positive-delivery, processing, display"
    );
    assert_eq!(
        asked("negative-delivery;x=\"a,display\" ; y=1,unknown;z=3, display"),
        "negative-delivery, display"
    );
    for nothing in [
        "",
        " ",
        "Display",
        "positive delivery",
        "display,,",
        "display;",
        "\u{fc}",
    ] {
        assert_eq!(asked(nothing), "", "{nothing:?}");
    }
    assert!(DispositionRequests::parse("interworking").is_empty());
    assert!(Answerable::of(&asking("", ""), &bob()).is_none());
    assert!(Answerable::of(&asking("unknown", ""), &bob()).is_none());
}

// shows: 5438-6.1-02, 5438-10-04, 5438-10-05
#[test]
fn headers_are_known_under_any_prefix() {
    let content = open(
        "From: <im:a@b>\r\nNS: !x <urn:ietf:params:imdn>\r\nimdn.Message-ID: wrong\r\n!x.Message-ID: right\r\n\
         !x.Original-To: The List <im:list@example.com>\r\n!x.Original-To: <im:other@example.com>\r\n\
         !x.IMDN-Record-Route: <im:two@example.com>\r\n!x.IMDN-Record-Route: <im:one@example.com>\r\n\
         !x.IMDN-Route: <im:way@example.com>\r\n!x.message-id: no\r\n\r\nContent-Type: text/plain\r\n\r\n",
    );
    let headers = ImdnHeaders::of(content.head.as_ref().unwrap());
    assert_eq!(headers.message_id.as_deref(), Some("right"));
    assert_eq!(
        headers.original_to.unwrap().to_string(),
        "The List <im:list@example.com>"
    );
    let route: Vec<_> = headers.record_route.iter().map(Address::uri).collect();
    assert_eq!(route, ["im:two@example.com", "im:one@example.com"]);
    assert_eq!(headers.route, [address("im:way@example.com")]);
    for name in [
        "Message-ID",
        "Disposition-Notification",
        "Original-To",
        "IMDN-Record-Route",
        "IMDN-Route",
    ] {
        assert!(understands_core(IMDN_NAMESPACE, name));
    }
    assert!(!understands_core(IMDN_NAMESPACE, "message-id") && !understands_core("urn:x", "Message-ID"));
}

// shows: 5438-6.3-01, 5438-6.3-02, 5438-6.3-03, 5438-7.1.1.2-01, 5438-10-04
#[test]
fn who_asks_sends_an_identifier_and_the_time() {
    let mut ids = IdSource::from_seed([7; 32]);
    let (first, second) = (message_id(&mut ids), message_id(&mut ids));
    // 24 characters of 5 bits.
    assert!(first != second && first.len() == 24 && first.bytes().all(|it| it.is_ascii_alphanumeric()));
    let message = CpimBuilder::new(address("im:alice@example.com"), bob())
        .notifications(
            &first,
            DispositionRequests::all(),
            UNIX_EPOCH + Duration::from_secs(1_144_171_009),
        )
        .content_type("text/plain")
        .body(b"hi")
        .unwrap();
    let expected = format!(
        "From: <im:alice@example.com>\r\nTo: <im:bob@example.com>\r\nDateTime: 2006-04-04T17:16:49Z\r\n\
         NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: {first}\r\n\
         imdn.Disposition-Notification: positive-delivery, negative-delivery, display\r\n\r\n\
         Content-Type: text/plain\r\n\r\nhi"
    );
    assert_eq!(str::from_utf8(message.octets()), Ok(&*expected));
}

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

// shows: 5438-7.1.2-01, 5438-7.1.3-01
#[test]
fn notifications_find_the_message_that_they_are_about() {
    let notification = |id: &str, recipient: Option<&str>, disposition| Notification {
        message_id: id.to_owned(),
        date_time: String::new(),
        recipient_uri: recipient.map(str::to_owned),
        original_recipient_uri: None,
        subject: None,
        disposition,
    };
    let delivered = Some(Disposition::Delivery(DeliveryStatus::Delivered));
    let failed = Some(Disposition::Delivery(DeliveryStatus::Failed));
    let displayed = Some(Disposition::Display(DisplayStatus::Displayed));
    let mut requests = SentRequests::new(2);
    requests.sent("a", DispositionRequests::parse("positive-delivery"), 1);
    requests.sent("b", DispositionRequests::all(), 2);
    assert_eq!(
        requests.heard(&notification("a", None, displayed)),
        Heard::NotAsked(&1)
    );
    assert_eq!(
        requests.heard(&notification("a", None, failed)),
        Heard::NotAsked(&1)
    );
    assert_eq!(
        requests.heard(&notification("a", None, None)),
        Heard::NotAsked(&1)
    );
    assert_eq!(
        requests.heard(&notification("a", None, delivered)),
        Heard::Expected(&1)
    );
    // To several recipients: each is heard once of each kind.
    assert_eq!(
        requests.heard(&notification("b", Some("im:c@d"), delivered)),
        Heard::Expected(&2)
    );
    assert_eq!(
        requests.heard(&notification("b", Some("im:c@d"), failed)),
        Heard::Again(&2)
    );
    assert_eq!(
        requests.heard(&notification("b", Some("im:e@f"), failed)),
        Heard::Expected(&2)
    );
    assert_eq!(
        requests.heard(&notification("b", Some("im:c@d"), displayed)),
        Heard::Expected(&2)
    );
    assert_eq!(
        requests.heard(&notification("x", None, delivered)),
        Heard::Unknown
    );
    // The oldest is forgotten.
    requests.sent("none", DispositionRequests::default(), 0);
    assert_eq!(requests.len(), 2);
    requests.sent("c", DispositionRequests::all(), 3);
    assert_eq!(
        requests.heard(&notification("a", None, delivered)),
        Heard::Unknown
    );
    requests.forget("b");
    assert_eq!(
        requests.heard(&notification("b", None, delivered)),
        Heard::Unknown
    );
    assert_eq!((requests.len(), requests.is_empty()), (1, false));
    // However long their names, and however many claim to be recipients.
    let long = |end: &str| notification("c", Some(&format!("im:{}{end}", "ü".repeat(300))), displayed);
    assert_eq!(requests.heard(&long("a")), Heard::Expected(&3));
    assert_eq!(requests.heard(&long("b")), Heard::Again(&3));
    for number in 0..2000 {
        requests.heard(&notification("c", Some(&format!("im:{number}@x")), delivered));
    }
    assert_eq!(
        requests.heard(&notification("c", Some("im:new@x"), delivered)),
        Heard::Again(&3)
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        id in "[a-z0-9]{1,20}",
        date in "[!-~]{1,30}",
        uris in proptest::option::of(("[!-~]{1,20}", "[!-~]{1,20}")),
        subject in "[^\\x00-\\x1f\u{fffe}\u{ffff}]{0,20}",
        language in proptest::option::of("[a-z]{2}"),
    ) {
        let has_uris = uris.is_some();
        let (recipient_uri, original_recipient_uri) = uris.unzip();
        let notification = Notification {
            message_id: id,
            date_time: date,
            recipient_uri,
            original_recipient_uri,
            subject: has_uris.then_some(Subject { text: subject, language }),
            disposition: Some(Disposition::Processing(ProcessingStatus::Stored)),
        };
        prop_assert_eq!(read(&notification.document()), Ok(notification));
    }

    #[test]
    fn reading_anything_ends(octets: Vec<u8>, requests: String) {
        let _ = Notification::parse(&octets, &XmlLimits::default());
        let parsed = DispositionRequests::parse(&requests);
        prop_assert_eq!(DispositionRequests::parse(&parsed.to_string()), parsed);
    }
}
