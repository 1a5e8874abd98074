//! message/cpim: the examples of the RFCs, what is refused, and that nothing that is put into one can become something
//! else (RFC 3862, RFC 4975 §13).

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use msrp_core::grammar::{AcceptTypes, MediaType};
use msrp_ua::{
    OutgoingMessage,
    cpim::{
        Address, AddressError, CPIM_NAMESPACE, Content, CpimBuilder, CpimError, CpimMessage, CpimRules,
        Envelope, Wrapping, understands_core,
    },
    mime::Multipart,
};
use proptest::prelude::*;

const EXAMPLE: &str = "From: MR SANDERS <im:piglet@100akerwood.com>\r\n\
    To: Depressed Donkey <im:eeyore@100akerwood.com>\r\n\
    DateTime: 2000-12-13T13:40:00-08:00\r\n\
    Subject: the weather will be fine today\r\n\
    Subject:;lang=fr beau temps prevu pour aujourd'hui\r\n\
    NS: MyFeatures <mid:MessageFeatures@id.foo.com>\r\n\
    Require: MyFeatures.VitalMessageOption\r\n\
    MyFeatures.VitalMessageOption: Confirmation-requested\r\n\
    MyFeatures.WackyMessageOption: Use-silly-font\r\n\
    \r\n\
    Content-type: text/xml; charset=utf-8\r\n\
    Content-ID: <1234567890@foo.com>\r\n\
    \r\n\
    <body>\r\nHere is the text of my message.\r\n</body>";

fn parse(text: &str) -> Result<CpimMessage, CpimError> {
    CpimMessage::parse(text.to_owned(), &CpimRules::default())
}

fn tolerant(text: &str) -> Result<CpimMessage, CpimError> {
    CpimMessage::parse(text.to_owned(), &CpimRules::tolerant())
}

/// A message of these headers.
fn with(headers: &str) -> String {
    format!("{headers}\r\n\r\nContent-Type: text/plain\r\n\r\nbody")
}

fn address(uri: &str) -> Address {
    Address::new(uri).unwrap()
}

fn builder() -> CpimBuilder {
    CpimBuilder::new(address("sip:alice@example.com"), address("sip:bob@example.com"))
}

// shows: 3862-5.1-01, 3862-2-01, 3862-2.2-15, 3862-2.2-10, 3862-4.1-01, 3862-4.1-02, 3862-4.2-01, 3862-4.4-01, 3862-4.5-01, 3862-4.5-02, 3862-3.3-01, 3862-X4975-01, 3862-X4975-02, 4975-13-05, 4975-13-08, 4975-13-10
#[test]
fn rfc3862_5_1_example() {
    let message = parse(EXAMPLE).unwrap();
    let head = message.head();
    let from = head.from().unwrap();
    assert_eq!(
        (from.name(), from.uri()),
        (Some("MR SANDERS"), "im:piglet@100akerwood.com")
    );
    assert_eq!(
        head.to()[0].to_string(),
        "Depressed Donkey <im:eeyore@100akerwood.com>"
    );
    assert_eq!(
        head.sent_at(),
        Some(UNIX_EPOCH + Duration::from_secs(976_743_600))
    );
    let subjects: Vec<_> = head
        .subjects()
        .map(|it| (it.language(), it.text().into_owned()))
        .collect();
    assert_eq!(
        subjects,
        [
            (None, "the weather will be fine today".to_owned()),
            (Some("fr"), "beau temps prevu pour aujourd'hui".to_owned())
        ]
    );
    let wacky = head
        .all("mid:MessageFeatures@id.foo.com", "WackyMessageOption")
        .next()
        .unwrap();
    assert_eq!(wacky.value(), "Use-silly-font");
    assert!(head.media_type().unwrap().is("text", "xml"));
    assert_eq!(head.content().get("content-id"), Some("<1234567890@foo.com>"));
    assert_eq!(
        &message.body()[..],
        b"<body>\r\nHere is the text of my message.\r\n</body>"
    );
}

// shows: 3862-5.1-02, 3862-3.5-01, 3862-3.5-02, 4975-13-08
#[test]
fn what_is_required_and_not_understood_is_told() {
    let message = parse(EXAMPLE).unwrap();
    let missing = message.head().not_understood(understands_core);
    assert_eq!(missing.len(), 1);
    assert_eq!(&*missing[0].name, "VitalMessageOption");
    assert_eq!(
        missing[0].namespace.as_deref(),
        Some("mid:MessageFeatures@id.foo.com")
    );
    let ours = |namespace: &str, name: &str| namespace.starts_with("mid:") && name == "VitalMessageOption";
    assert_eq!(message.head().not_understood(ours), [] as [&_; 0]);

    let several =
        with("NS: imdn <urn:ietf:params:imdn>\r\nRequire: DateTime,imdn.Message-ID\r\nRequire: x.Y, Locale");
    let several = parse(&several).unwrap();
    let missing = several.head().not_understood(understands_core);
    assert_eq!(
        missing.iter().map(|it| &*it.name).collect::<Vec<_>>(),
        ["Y", "Locale"]
    );
    assert_eq!(
        missing[0].namespace, None,
        "a prefix that is not declared is never understood"
    );
}

// shows: 3862-2.2-01, 3862-2.2-13, 3862-2.2-14, 3862-6-01, 3862-9-01, 3862-2-02
#[test]
fn a_message_stays_octet_for_octet_as_it_came() {
    let odd = with("X-b: 1\r\nFrom: <sip:a@b>\r\nx.Y:;p=\"a \\\" b\" \\u0041\\q\r\nX-a:;lang=de z");
    let message = parse(&odd).unwrap();
    assert_eq!(&message.octets()[..], odd.as_bytes());
    let names: Vec<_> = message.head().headers().iter().map(|it| it.name()).collect();
    assert_eq!(names, ["X-b", "From", "Y", "X-a"]);
    assert_eq!(message.head().headers()[2].value(), r"\u0041\q");
    assert_eq!(message.head().headers()[2].text(), "Aq");
    let octets = message.octets().clone();
    let (head, body) = message.into_parts();
    assert_eq!(head.with_body(&body).octets(), &octets);
}

#[test]
fn the_body_is_a_slice_of_what_came() {
    let octets = Bytes::from(EXAMPLE);
    let message = CpimMessage::parse(octets.clone(), &CpimRules::default()).unwrap();
    let body = message.body();
    assert_eq!(
        body.as_ptr() as usize,
        octets.as_ptr() as usize + octets.len() - body.len()
    );
}

// shows: 3862-3.4-01, 3862-3.4-03, 3862-3.4-04, 3862-3.4-05, 3862-3.4-06, 3862-3.4-07, 3862-X4975-03, 4975-13-11, 3862-T-01
#[test]
fn namespaces_are_known_by_their_uris() {
    let uri = "http://id.acme.widgets/wily-headers/";
    for declared in ["acme", "widget"] {
        let message = with(&format!("NS: {declared} <{uri}>\r\n{declared}.runner-trap: set"));
        assert_eq!(
            parse(&message).unwrap().head().all(uri, "runner-trap").count(),
            1,
            "{declared}"
        );
    }
    let default = parse(&with(&format!(
        "From: <sip:a@b>\r\nNS: <{uri}>\r\nrunner-trap: set\r\nTo: <sip:no@body>"
    )))
    .unwrap();
    assert_eq!(default.head().all(uri, "runner-trap").count(), 1);
    assert_eq!(default.head().from().unwrap().uri(), "sip:a@b");
    assert_eq!(
        default.head().to(),
        [],
        "To of another namespace is another header"
    );
    let back = parse(&with(&format!(
        "NS: <{uri}>\r\nTo: x\r\nNS: <{CPIM_NAMESPACE}>\r\nTo: <sip:c@d>\r\nNS: p <{CPIM_NAMESPACE}>\r\np.To: <sip:e@f>"
    )))
    .unwrap();
    assert_eq!(back.head().to(), [address("sip:c@d"), address("sip:e@f")]);
    // A prefix is declared before it is used, in the same message.
    let late = parse(&with(&format!("acme.runner-trap: set\r\nNS: acme <{uri}>"))).unwrap();
    assert_eq!(late.head().headers()[0].namespace(), None);
    let again = parse(&with(&format!("NS: a <urn:x>\r\nNS: a <{uri}>\r\na.b: c"))).unwrap();
    assert_eq!(again.head().all(uri, "b").count(), 1);
    assert_eq!(CPIM_NAMESPACE, "urn:ietf:params:cpim-headers:");
}

// shows: 3862-2.2-11, 3862-2.2-12
#[test]
fn names_match_exactly_and_unknown_ones_are_ignored() {
    let message = parse(&with(
        "from: <sip:a@b>\r\nFROM: x\r\nCc: y\r\ncc: <sip:c@d>\r\nPriority: high",
    ))
    .unwrap();
    assert_eq!(message.head().from(), None);
    assert_eq!(message.head().cc(), [address("sip:c@d")]);
    assert_eq!(message.head().headers().len(), 5);
}

// shows: 3862-2.2-03, 3862-2.2-05, 3862-2.2-06, 3862-2.2-07, 3862-2.2-08, 3862-2.2-09, 3862-7.1-02
#[test]
fn headers_that_break_the_form_are_errors() {
    let line = |text: &str| parse(&with(&format!("From: <sip:a@b>\r\n{text}"))).unwrap_err();
    assert_eq!(line("no header"), CpimError::Header { line: 2 });
    assert_eq!(line("Subject: folded\r\n more"), CpimError::Header { line: 3 });
    assert_eq!(line("Subject:x"), CpimError::Header { line: 2 });
    assert_eq!(line("Subject:  x"), CpimError::Header { line: 2 });
    assert_eq!(line("Subject: x "), CpimError::Header { line: 2 });
    assert_eq!(line("Subject: a\tb"), CpimError::Text { line: 2 });
    assert_eq!(line("Subject: a\rb"), CpimError::Text { line: 2 });
    assert_eq!(line("Subject: a\u{7f}b"), CpimError::Text { line: 2 });
    assert_eq!(line("Subject: a\nTo: <sip:c@d>"), CpimError::LineEnd { line: 2 });
    assert_eq!(line("NS: x"), CpimError::Namespace);
    assert_eq!(line("Require: "), CpimError::Require);
    assert_eq!(line("To: sip:c@d"), CpimError::Address(AddressError::Brackets));
    assert_eq!(line("To: <c>"), CpimError::Address(AddressError::Uri));
    assert_eq!(line("To: a, b <sip:c@d>"), CpimError::Address(AddressError::Name));
    let not_utf8 = [
        b"Subject: \xff\r\n\r\n".as_slice(),
        b"Content-Type: text/plain\r\n\r\n",
    ]
    .concat();
    assert_eq!(
        CpimMessage::parse(not_utf8, &CpimRules::tolerant()),
        Err(CpimError::Text { line: 1 })
    );
}

// shows: 4975-13-14, 3862-X4975-05
#[test]
fn a_header_that_comes_once_is_not_taken_twice() {
    let twice = |text: &str| tolerant(&with(text)).unwrap_err();
    assert_eq!(
        twice("From: <sip:a@b>\r\nFrom: <sip:c@d>"),
        CpimError::Repeated("From")
    );
    assert_eq!(
        twice("DateTime: x\r\nDateTime: y"),
        CpimError::Repeated("DateTime")
    );
    let message = parse(&with(
        "To: <sip:a@b>\r\nTo: <sip:c@d>\r\ncc: <sip:e@f>\r\ncc: <sip:g@h>",
    ))
    .unwrap();
    assert_eq!((message.head().to().len(), message.head().cc().len()), (2, 2));
    // Nor is it written twice.
    let written = builder()
        .date_time(UNIX_EPOCH)
        .date_time(UNIX_EPOCH)
        .require("urn:x", "x", "A")
        .require("urn:x", "x", "B")
        .content_type("text/plain")
        .body(b"")
        .unwrap();
    for name in ["From", "DateTime", "Require"] {
        assert_eq!(written.head().all(CPIM_NAMESPACE, name).count(), 1, "{name}");
    }
    assert_eq!(written.head().required().len(), 2);
    let subjects = builder()
        .subject("a", None)
        .subject("b", None)
        .content_type("text/plain")
        .body(b"");
    assert_eq!(subjects, Err(CpimError::Repeated("Subject")));
}

// shows: 3862-2.4-01, 3862-2.4-02, 3862-T-04
#[test]
fn content_has_one_type_and_goes_to_the_end() {
    for bad in [
        "\r\nContent-ID: <x>\r\n\r\n",
        "\r\nContent-Type: a/b\r\ncontent-type: c/d\r\n\r\n",
        "\r\n\r\n",
    ] {
        assert_eq!(parse(bad), Err(CpimError::ContentType), "{bad:?}");
    }
    assert!(matches!(
        parse("\r\nContent-Type: nothing\r\n\r\n"),
        Err(CpimError::MediaType(_))
    ));
    assert_eq!(
        parse("\r\nContent-Type\r\n\r\n"),
        Err(CpimError::ContentHeader { line: 2 })
    );
    assert_eq!(
        parse("From: <sip:a@b>\r\n\r\nContent-Type: text/plain\r\n"),
        Err(CpimError::Unfinished)
    );
    assert_eq!(builder().body(b""), Err(CpimError::ContentType));
    let longer = parse("\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nlonger").unwrap();
    assert_eq!(&longer.body()[..], b"longer");
    let nested = builder()
        .content_type("message/cpim")
        .body(EXAMPLE.as_bytes())
        .unwrap();
    let inner = CpimMessage::parse(nested.body().clone(), &CpimRules::default()).unwrap();
    assert_eq!(inner.head().from().unwrap().name(), Some("MR SANDERS"));
}

// shows: 3862-2.2-04
#[test]
fn bounds_are_on_the_whole_and_not_on_a_line() {
    let long = with(&format!("Subject: {}", "x".repeat(60_000)));
    assert_eq!(
        parse(&long)
            .unwrap()
            .head()
            .subjects()
            .next()
            .unwrap()
            .value()
            .len(),
        60_000
    );
    let rules = CpimRules::default().max_head(100).max_headers(3);
    let read = |text: String| CpimMessage::parse(text, &rules);
    assert_eq!(
        read(with(&"x".repeat(200))),
        Err(CpimError::HeadTooLong { limit: 100 })
    );
    assert_eq!(read("x".repeat(101)), Err(CpimError::HeadTooLong { limit: 100 }));
    assert_eq!(read("x".repeat(100)), Err(CpimError::Unfinished));
    assert!(read(with("a: 1\r\nb: 2")).is_ok());
    assert_eq!(
        read(with("a: 1\r\nb: 2\r\nc: 3")),
        Err(CpimError::TooManyHeaders { limit: 3 })
    );
    // The body counts for nothing.
    assert!(read(format!("{}{}", with("a: 1"), "y".repeat(1000))).is_ok());
}

// shows: 3862-T-03, 5547-T-04, 5547-9.1-04
#[test]
fn examples_without_the_blank_line_are_read_where_that_is_allowed() {
    let message = "To: Bob <sip:bob@example.com>\r\n\
        From: Alice <sip:alice@example.com>\r\n\
        DateTime: 2006-05-15T15:02:31-03:00\r\n\
        Content-Disposition: render; filename=\"My cool picture.jpg\";\r\n\
        \x20                  creation-date=\"Mon, 15 May 2006 15:01:31 +0300\";\r\n\
        \x20                  size=4092\r\n\
        Content-Type: image/jpeg\r\n\
        \r\n\
        JPEG";
    assert_eq!(parse(message), Err(CpimError::Header { line: 5 }));
    let read = tolerant(message).unwrap();
    assert_eq!(read.head().content_type(), "image/jpeg");
    assert!(
        read.head()
            .content()
            .get("Content-Disposition")
            .unwrap()
            .ends_with("; size=4092")
    );
    assert_eq!(&read.body()[..], b"JPEG");
    assert_eq!(read.head().headers().len(), 3);
    // Where the blank line is, nothing changes, even if a header of the message looks like one of content.
    assert_eq!(tolerant(EXAMPLE).unwrap().head(), parse(EXAMPLE).unwrap().head());
    let odd = "Content-Foo: x\r\n\r\nContent-Type: a/b\r\n\r\nbody";
    assert_eq!(&tolerant(odd).unwrap().body()[..], b"body");
}

#[test]
fn what_peers_write_is_read_where_that_is_allowed() {
    let loose = "From:Alice, of Example <sip:alice@example.com>\nTo:  sip:bob@example.com \nSubject: a\tb\n\nContent-Type: text/plain\n\nhi\n";
    let read = tolerant(loose).unwrap();
    assert_eq!(read.head().from().unwrap().name(), Some("Alice, of Example"));
    assert_eq!(read.head().to(), [address("sip:bob@example.com")]);
    assert_eq!(&read.body()[..], b"hi\n");
    assert_eq!(
        tolerant(&with("From: <sip:a@b")),
        Err(CpimError::Address(AddressError::Brackets))
    );
    assert_eq!(
        tolerant("From: a\rTo: <sip:a@b>\r\n\r\n"),
        Err(CpimError::Text { line: 1 })
    );
}

// shows: 3862-3.6-02, 3862-4.3-01, 3862-T-02, 4975-13-09
#[test]
fn addresses_in_all_their_forms() {
    for (text, name, uri) in [
        ("<im:tigger@100akerwood.com>", None, "im:tigger@100akerwood.com"),
        (
            "Winnie the Pooh <im:pooh@100akerwood.com>",
            Some("Winnie the Pooh"),
            "im:pooh@100akerwood.com",
        ),
        (
            "\"Müller, A. \\\"M\\\"\"<tel:+1234>",
            Some("Müller, A. \"M\""),
            "tel:+1234",
        ),
        ("\"x\" <xmpp:a@b>", Some("x"), "xmpp:a@b"),
        ("Grün <sip:a@b;x=y?z=%20>", Some("Grün"), "sip:a@b;x=y?z=%20"),
    ] {
        let read = Address::parse(text).unwrap();
        assert_eq!((read.name(), read.uri()), (name, uri), "{text}");
        assert_eq!(Address::parse(&read.to_string()).unwrap(), read);
        assert_eq!(parse(&with(&format!("cc: {text}"))).unwrap().head().cc(), [read]);
    }
    for anonymous in [
        "sip:anonymous@anonymous.invalid",
        "sips:x@Anonymous.invalid:5061;a=b",
        "anonymous:",
    ] {
        assert_eq!(
            Address::new(anonymous).is_ok_and(|it| it.is_anonymous()),
            anonymous != "anonymous:",
            "{anonymous}"
        );
    }
    assert!(!address("sip:anonymous@example.com").is_anonymous());
}

// shows: 4975-13-12, 3862-X4975-04, 3862-3.6-04
#[test]
fn what_is_built_has_from_and_to_and_a_date_when_asked() {
    let message = builder()
        .to(address("sip:carol@example.com"))
        .cc(address("sip:dave@example.com"))
        .date_time(UNIX_EPOCH + Duration::from_secs(1_800_000_000))
        .subject("Grüße", Some("de"))
        .header("urn:a", "x", "One", "1")
        .header("urn:b", "x", "Two", "2")
        .header("urn:a", "y", "Three", "3")
        .require("urn:b", "z", "Two")
        .content_type("text/plain;charset=UTF-8")
        .content_header("Content-ID", "<1@example.com>")
        .body("Grüß Gott".as_bytes())
        .unwrap();
    let text = "From: <sip:alice@example.com>\r\n\
        To: <sip:bob@example.com>\r\n\
        To: <sip:carol@example.com>\r\n\
        cc: <sip:dave@example.com>\r\n\
        DateTime: 2027-01-15T08:00:00Z\r\n\
        Subject:;lang=de Grüße\r\n\
        NS: x <urn:a>\r\n\
        x.One: 1\r\n\
        NS: x-1 <urn:b>\r\n\
        x-1.Two: 2\r\n\
        x.Three: 3\r\n\
        Require: x-1.Two\r\n\
        \r\n\
        Content-Type: text/plain;charset=UTF-8\r\n\
        Content-ID: <1@example.com>\r\n\
        \r\n\
        Grüß Gott";
    assert_eq!(str::from_utf8(message.octets()), Ok(text));
    assert_eq!(parse(text).unwrap(), message);
}

#[test]
fn what_cannot_be_a_header_is_an_error() {
    let head = |builder: CpimBuilder| builder.content_type("text/plain").head().unwrap_err();
    assert_eq!(
        head(builder().subject("x", Some("fr\r\nTo: x"))),
        CpimError::Language
    );
    assert_eq!(
        head(builder().header("urn:a", "x", "A: b\r\nTo", "c")),
        CpimError::Name
    );
    assert_eq!(
        head(builder().header("urn:a", "x.y", "A", "c")),
        CpimError::Namespace
    );
    assert_eq!(
        head(builder().header("urn:a>\r\nTo: <x", "x", "A", "c")),
        CpimError::Namespace
    );
    assert_eq!(
        head(builder().header("urn:a#b", "x", "A", "c")),
        CpimError::Namespace
    );
    assert_eq!(
        head(builder().content_header("Content-ID", "x\r\n\r\nbody")),
        CpimError::Name
    );
    assert!(matches!(
        builder().content_type("text").head(),
        Err(CpimError::MediaType(_))
    ));
    for uri in [
        "",
        "x",
        "sip:",
        "sip:a b",
        "sip:a>\r\nTo: <sip:b",
        "sip:a\nb",
        ":x",
        "1:x",
        "sip:a\u{85}",
    ] {
        assert_eq!(Address::new(uri), Err(AddressError::Uri), "{uri:?}");
    }
}

// shows: 4975-13-04, 3862-X4975-08, 3862-X4975-09
#[test]
fn the_peers_lists_decide_on_the_envelope() {
    let peer = |accepts: &str, wrapped: &str| {
        Wrapping::new(
            accepts.parse::<AcceptTypes>().unwrap(),
            wrapped.parse::<AcceptTypes>().unwrap(),
        )
    };
    let text = MediaType::parse(b"text/plain;charset=UTF-8").unwrap();
    for (accepts, wrapped, plain_wanted, cpim_wanted) in [
        ("text/plain", "", Some(Envelope::None), Some(Envelope::None)),
        (
            "message/cpim text/plain",
            "",
            Some(Envelope::Cpim),
            Some(Envelope::Cpim),
        ),
        (
            "Message/CPIM",
            "text/plain",
            Some(Envelope::Cpim),
            Some(Envelope::Cpim),
        ),
        ("message/cpim", "*", Some(Envelope::Cpim), Some(Envelope::Cpim)),
        ("message/cpim", "text/html", None, None),
        (
            "text/plain message/cpim",
            "",
            Some(Envelope::None),
            Some(Envelope::Cpim),
        ),
        ("*", "", Some(Envelope::None), Some(Envelope::Cpim)),
        ("image/png", "text/plain", None, None),
        ("", "", None, None),
    ] {
        let wrapping = peer(accepts, wrapped);
        assert_eq!(
            wrapping.envelope(&text, false),
            plain_wanted,
            "{accepts} | {wrapped}"
        );
        assert_eq!(
            wrapping.envelope(&text, true),
            cpim_wanted,
            "{accepts} | {wrapped}"
        );
    }
}

// shows: 3862-6-02, 3862-2.1-01
#[test]
fn content_is_opened_once() {
    let rules = CpimRules::default();
    let inner = builder().content_type("text/plain").body(b"hi").unwrap();
    let outer = builder()
        .content_type("message/cpim")
        .content_header("Content-Disposition", "render")
        .body(inner.octets())
        .unwrap();
    let opened = Content::open("Message/CPIM", Some("x"), outer.octets().clone(), &rules).unwrap();
    assert_eq!(
        (&*opened.media_type, opened.disposition.as_deref()),
        ("message/cpim", Some("render"))
    );
    assert_eq!(&opened.body, inner.octets());
    let again = Content::open(&opened.media_type, None, opened.body, &rules).unwrap();
    assert_eq!((&*again.media_type, &again.body[..]), ("text/plain", &b"hi"[..]));
    let plain = Content::open("text/plain", Some("render"), Bytes::from_static(b"x"), &rules).unwrap();
    assert_eq!((plain.head, plain.disposition.as_deref()), (None, Some("render")));
    assert_eq!(
        Content::open("message/cpim", None, Bytes::from_static(b"x"), &rules),
        Err(CpimError::Unfinished)
    );
    let secret = format!("{:?}", CpimMessage::parse(EXAMPLE, &rules).unwrap());
    assert!(!secret.contains("text of my message"));
}

// shows: 3862-5.2-01, 4975-14.3-01
#[test]
fn rfc3862_5_2_example_of_a_signed_message() {
    let signed = format!(
        "--next\r\nContent-Type: Message/CPIM\r\n\r\n{EXAMPLE}\r\n--next\r\n\
         Content-Type: application/pkcs7-signature\r\n\r\n(signature stuff)\r\n--next--"
    );
    let media_type = "multipart/signed; boundary=next; micalg=sha1; protocol=\"application/pkcs7-signature\"";
    let parts = Multipart::parse(media_type, &Bytes::from(signed), 2)
        .unwrap()
        .into_parts();
    assert_eq!(
        &parts[0].body[..],
        EXAMPLE.as_bytes(),
        "every octet that the signature is about"
    );
    let inner_type = parts[0].headers.get("Content-Type").unwrap();
    let inner = Content::open(inner_type, None, parts[0].body.clone(), &CpimRules::default()).unwrap();
    assert_eq!(
        inner.head.unwrap().from().unwrap().uri(),
        "im:piglet@100akerwood.com"
    );
    assert_eq!(&parts[1].body[..], b"(signature stuff)");
}

#[test]
fn only_a_media_type_is_wrapped() {
    let bad = OutgoingMessage::bytes("no type", "x");
    assert!(matches!(builder().wrap(bad), Err(CpimError::MediaType(_))));
}

proptest! {
    #[test]
    fn whatever_is_put_in_comes_out_as_what_it_was(
        name: String,
        subject: String,
        value: String,
        body: Vec<u8>,
    ) {
        let message = CpimBuilder::new(address("sip:a@b").with_name(&name), address("sip:c@d"))
            .subject(&subject, Some("en"))
            .header("urn:x", "x", "Any", &value)
            .content_type("application/octet-stream")
            .body(&body)
            .unwrap();
        let read = CpimMessage::parse(message.octets().clone(), &CpimRules::default()).unwrap();
        prop_assert_eq!(&read, &message);
        let named = name.trim();
        prop_assert_eq!(read.head().from().unwrap().name(), (!named.is_empty()).then_some(named));
        prop_assert_eq!(read.head().from().unwrap().uri(), "sip:a@b");
        let header = read.head().all("urn:x", "Any").next().unwrap();
        prop_assert_eq!(header.text(), value.trim_matches(' '));
        if let Some(header) = read.head().subjects().next() {
            prop_assert_eq!(header.text(), subject.trim_matches(' '));
        }
        let expected = if subject.trim().is_empty() { 4 } else { 5 };
        prop_assert_eq!(read.head().headers().len(), expected);
        prop_assert_eq!(&read.body()[..], &body[..]);
    }

    #[test]
    fn reading_any_octets_ends(octets: Vec<u8>, text in "(From: |To:|NS: a <urn:x>|a\\.|Content-Type: a/b|<sip:a@b>|\r\n|\n|:| |\"|;x=y|\\\\){0,30}") {
        for rules in [CpimRules::default(), CpimRules::tolerant()] {
            let _ = CpimMessage::parse(octets.clone(), &rules);
            if let Ok(message) = CpimMessage::parse(text.clone(), &rules) {
                prop_assert_eq!(&message.octets()[..], text.as_bytes());
            }
        }
    }
}
