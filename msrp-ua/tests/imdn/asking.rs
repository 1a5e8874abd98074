//! Asking for notifications.

use std::time::{Duration, UNIX_EPOCH};

use msrp_core::rng::IdSource;
use msrp_ua::{
    cpim::{Address, CpimBuilder, understands_core},
    imdn::{Answerable, DispositionRequests, IMDN_NAMESPACE, ImdnHeaders, message_id},
};

use crate::messages::{address, asking, bob, open};

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
