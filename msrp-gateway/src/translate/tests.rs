use std::time::{Duration, UNIX_EPOCH};

use msrp_core::grammar::AcceptTypes;

use super::*;

fn aor(uri: &str) -> Aor {
    Aor::parse(uri).unwrap()
}

fn alice() -> Aor {
    aor("sip:alice@ex.com")
}

fn bob() -> Aor {
    aor("sip:bob@ex.com")
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn peer(accepts: &str, wrapped: &str) -> Wrapping {
    let types = |text: &str| AcceptTypes::parse(text.as_bytes()).unwrap_or_default();
    Wrapping::new(types(accepts), types(wrapped))
}

fn from_page(
    content_type: &str,
    body: &[u8],
    headers: &[SipHeader],
    peer: &Wrapping,
) -> Result<ForSession, ContentError> {
    StandardContent::new().to_session(
        &FromPage {
            from: &SipParty::new("sip:alice@ex.com").with_display_name("Al\r\nEvil: yes"),
            sender: &alice(),
            to: &SipParty::new("sip:bob@ex.com"),
            content_type,
            body: &Bytes::copy_from_slice(body),
            headers,
            sent_at: now(),
        },
        peer,
    )
}

/// Out of a session with Bob, to Alice.
fn from_session(policy: StandardContent, content_type: &str, body: &[u8]) -> Result<ForPage, ContentError> {
    let mut policy = policy;
    policy.to_page(&FromSession {
        sender: &bob(),
        target: &alice(),
        content_type,
        disposition: None,
        body: &Bytes::copy_from_slice(body),
        no_cpim: false,
        now: now(),
    })
}

fn out(content_type: &str, body: &[u8]) -> Result<ForPage, ContentError> {
    from_session(StandardContent::new(), content_type, body)
}

const CPIM: &str = "message/cpim";

/// A message/cpim from Bob to Alice with further header lines.
fn cpim(more: &str, content: &str) -> Vec<u8> {
    format!("From: <sip:bob@ex.com>\r\nTo: <sip:alice@ex.com>\r\n{more}\r\n{content}").into_bytes()
}

const HELLO: &str = "Content-Type: text/plain;charset=UTF-8\r\n\r\nHello";

// shows: GW-41, GW-46, 3428-3-02
#[test]
fn what_is_wrapped_is_not_touched() {
    let wrapped = b"From: <sip:alice@ex.com>\r\nTo: <sip:bob@ex.com>\r\nX:  odd \r\n\r\nContent-type: text/plain\r\n\r\nHi";
    let sent = from_page(CPIM, wrapped, &[], &peer("message/cpim", "*")).unwrap();
    assert_eq!((&*sent.content_type, &sent.body[..]), (CPIM, &wrapped[..]));
    // What asks for notifications goes out as it came as well.
    let asks = cpim(
        "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 34jk\r\nimdn.Disposition-Notification: positive-delivery\r\n",
        HELLO,
    );
    assert_eq!(out(CPIM, &asks).unwrap().body, asks);
}

// shows: GW-42, GW-55, GW-105, 4975-13-02
#[test]
fn a_peer_that_lists_cpim_gets_everything_wrapped() {
    let headers = [
        SipHeader::new("Subject", "Lunch"),
        SipHeader::new("Content-Disposition", "render"),
    ];
    let sent = from_page(
        "text/plain;charset=UTF-8",
        b"Hi",
        &headers,
        &peer("text/plain message/cpim", "*"),
    )
    .unwrap();
    assert_eq!(sent.content_type, CPIM);
    assert!(sent.headers.is_empty());
    // A line end in a name is an escape in it, and no header.
    assert_eq!(
        String::from_utf8(sent.body.to_vec()).unwrap(),
        "From: \"Al\\r\\nEvil: yes\" <sip:alice@ex.com>\r\nTo: <sip:bob@ex.com>\r\nDateTime: 2027-01-15T08:00:00Z\r\n\
         Subject: Lunch\r\n\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Disposition: render\r\n\r\nHi"
    );
    let only_first = StandardContent::new().cpim(CpimUse::First);
    let peer = peer("text/plain message/cpim", "*");
    let page = FromPage {
        from: &SipParty::new("sip:alice@ex.com"),
        sender: &alice(),
        to: &SipParty::new("sip:bob@ex.com"),
        content_type: "text/plain",
        body: &Bytes::from_static(b"Hi"),
        headers: &headers[1..],
        sent_at: now(),
    };
    let plain = only_first.page_to_session(&page, &peer).unwrap();
    assert_eq!(plain.content_type, "text/plain");
    assert_eq!(
        plain.headers,
        [("Content-Disposition".to_owned(), "render".to_owned())]
    );
}

// shows: GW-43
#[test]
fn only_what_the_peer_takes_goes() {
    let plain_only = peer("text/plain", "");
    assert!(from_page("text/plain", b"x", &[], &plain_only).is_ok());
    for (content_type, body) in [
        ("image/png", &b"x"[..]),
        ("text/html", b"x"),
        (
            CPIM,
            b"From: <sip:alice@ex.com>\r\n\r\nContent-Type: image/png\r\n\r\nx",
        ),
    ] {
        let refused = from_page(content_type, body, &[], &plain_only).unwrap_err();
        assert_eq!(refused.code(), 415, "{content_type}");
    }
    // Wrapped or not, the inner type counts.
    assert!(from_page("image/png", b"x", &[], &peer("message/cpim", "text/plain")).is_err());
    // Without message/cpim the content goes without it.
    let taken_out = from_page(
        CPIM,
        b"From: <sip:alice@ex.com>\r\n\r\nContent-Type: text/plain\r\nContent-Language: en\r\n\r\nHi",
        &[],
        &plain_only,
    )
    .unwrap();
    assert_eq!(
        (&*taken_out.content_type, &taken_out.body[..]),
        ("text/plain", &b"Hi"[..])
    );
    assert_eq!(
        taken_out.headers,
        [("Content-Language".to_owned(), "en".to_owned())]
    );
    let unwanted = StandardContent::new().refuse("Text/HTML");
    assert_eq!(
        from_session(unwanted, "text/html;charset=UTF-8", b"x")
            .unwrap_err()
            .code(),
        415
    );
}

// shows: GW-44, GW-52, 3428-4-01, 3428-7-06
#[test]
fn a_plain_phone_gets_plain_text() {
    let message = cpim(
        "DateTime: 2027-01-15T08:00:00Z\r\nSubject: Lunch\r\n",
        "Content-Type: text/plain;charset=UTF-8\r\nContent-ID: <1@x>\r\n\r\nHello",
    );
    let page = out(CPIM, &message).unwrap();
    assert_eq!(
        (&*page.content_type, &page.body[..]),
        ("text/plain;charset=UTF-8", &b"Hello"[..])
    );
    let value = |name: &str| {
        page.headers
            .iter()
            .find(|it| it.name == name)
            .map(|it| &*it.value)
    };
    assert_eq!(value("Date"), Some("Fri, 15 Jan 2027 08:00:00 GMT"));
    assert_eq!(value("Subject"), Some("Lunch"));
    assert_eq!(value("Content-ID"), Some("<1@x>"));
    // What would be lost stays in its wrapping, with the plain form for whoever refuses it.
    let group = cpim("To: <sip:carol@ex.com>\r\n", HELLO);
    let page = out(CPIM, &group).unwrap();
    assert_eq!(page.content_type, CPIM);
    assert_eq!(page.instead.unwrap().body, "Hello");
}

// shows: GW-47
#[test]
fn nobody_speaks_for_somebody_else() {
    let forged =
        b"From: <sip:carol@ex.com>\r\nTo: <sip:alice@ex.com>\r\n\r\nContent-Type: text/plain\r\n\r\nHi";
    assert_eq!(out(CPIM, forged).unwrap_err(), ContentError::Sender);
    let alias = StandardContent::new().alias(bob(), aor("sip:carol@ex.com"));
    assert!(from_session(alias, CPIM, forged).is_ok());
    let astray =
        b"From: <sip:bob@ex.com>\r\nTo: <sip:carol@ex.com>\r\n\r\nContent-Type: text/plain\r\n\r\nHi";
    assert_eq!(out(CPIM, astray).unwrap_err(), ContentError::Recipient);
    assert!(from_session(StandardContent::new().any_recipient(true), CPIM, astray).is_ok());
    let hidden = b"From: <sip:anonymous@anonymous.invalid>\r\nTo: <sip:alice@ex.com>\r\n\r\nContent-Type: text/plain\r\n\r\nHi";
    assert!(out(CPIM, hidden).is_ok());
    // The phone cannot either.
    let forged = from_page(CPIM, forged, &[], &peer("message/cpim", "*"));
    assert_eq!(forged.unwrap_err().code(), 403);
}

// shows: GW-48
#[test]
fn what_has_to_be_understood_and_is_not_is_refused() {
    let demanding = cpim("NS: x <urn:x>\r\nRequire: x.Seal\r\nx.Seal: 1\r\n", HELLO);
    assert_eq!(
        out(CPIM, &demanding).unwrap_err(),
        ContentError::Required("Seal".to_owned())
    );
    let both_ways = String::from_utf8(demanding)
        .unwrap()
        .replace("bob", "x")
        .replace("alice", "bob")
        .replace("sip:x@", "sip:alice@");
    let refused = from_page(CPIM, both_ways.as_bytes(), &[], &peer("message/cpim", "*"));
    assert_eq!(refused.unwrap_err().code(), 415);
}

// shows: GW-49
#[test]
fn a_charset_keeps_its_label() {
    let latin = b"caf\xe9";
    let content_type = "text/plain;charset=ISO-8859-1";
    let sent = from_page(content_type, latin, &[], &peer("*", "*")).unwrap();
    assert_eq!((&*sent.content_type, &sent.body[..]), (content_type, &latin[..]));
    let wrapped = from_page(content_type, latin, &[], &peer("message/cpim", "*")).unwrap();
    let body = wrapped.body;
    let page = from_session(
        StandardContent::new(),
        CPIM,
        &[
            b"From: <sip:bob@ex.com>\r\n\r\nContent-Type: ".as_slice(),
            content_type.as_bytes(),
            b"\r\n\r\n",
            latin,
        ]
        .concat(),
    )
    .unwrap();
    assert!(body.ends_with(b"charset=ISO-8859-1\r\n\r\ncaf\xe9"));
    assert_eq!((&*page.content_type, &page.body[..]), (content_type, &latin[..]));
}

// shows: GW-50, GW-54, 8591-5-01, 8591-9.2-01
#[test]
fn what_is_not_text_passes_octet_for_octet() {
    let all: Vec<u8> = (0..=255).chain(*b"\r\n\r\n-------x$\r\n\0").collect();
    for content_type in [
        "application/pkcs7-mime;smime-type=signed-data",
        "multipart/signed;boundary=x",
        "image/png",
    ] {
        let sent = from_page(content_type, &all, &[], &peer("*", "*")).unwrap();
        assert_eq!((&*sent.content_type, &sent.body[..]), (content_type, &all[..]));
        let page = out(content_type, &all).unwrap();
        assert_eq!((&*page.content_type, &page.body[..]), (content_type, &all[..]));
        let wrapped = [
            b"From: <sip:bob@ex.com>\r\n\r\nContent-Type: ".as_slice(),
            content_type.as_bytes(),
            b"\r\n\r\n",
            &all,
        ]
        .concat();
        assert_eq!(out(CPIM, &wrapped).unwrap().body, all);
    }
}

// shows: GW-71
#[test]
fn notifications_pass_and_drop_our_name_only() {
    let notification = cpim(
        "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: n1\r\n",
        "Content-Type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n<imdn/>",
    );
    let page = out(CPIM, &notification).unwrap();
    assert_eq!((&*page.content_type, &page.body[..]), (CPIM, &notification[..]));
    assert!(page.instead.is_none());
    assert_eq!(Kind::of(CPIM, &page.body), Kind::Notification);
    let routed = cpim(
        "NS: imdn <urn:ietf:params:imdn>\r\nimdn.IMDN-Route: <sip:gw@ex.com>\r\nimdn.IMDN-Route: <sip:next@ex.com>\r\n",
        "Content-Type: message/imdn+xml\r\n\r\n<imdn/>",
    );
    assert_eq!(out(CPIM, &routed).unwrap().body, routed);
    let ours = StandardContent::new().address("sip:gw@ex.com");
    let popped = String::from_utf8(routed.clone())
        .unwrap()
        .replace("imdn.IMDN-Route: <sip:gw@ex.com>\r\n", "");
    assert_eq!(from_session(ours, CPIM, &routed).unwrap().body, popped);
}

// shows: GW-55
#[test]
fn a_line_end_in_a_subject_is_no_header() {
    let sneaky = cpim("Subject: a\\r\\nEvil: yes\r\n", HELLO);
    let page = out(CPIM, &sneaky).unwrap();
    assert!(page.headers.iter().all(|header| is_clean(&header.value)));
    assert!(page.headers.iter().all(|header| header.name != "Subject"));
}

#[test]
fn kinds_are_told_by_the_inner_type() {
    for (content_type, kind) in [
        ("text/plain", Kind::Content),
        ("Application/IM-isComposing+XML;charset=x", Kind::Composing),
        ("message/imdn+xml", Kind::Notification),
    ] {
        assert_eq!(Kind::of(content_type, &Bytes::new()), kind);
        let wrapped = cpim("", &format!("Content-Type: {content_type}\r\n\r\nx"));
        assert_eq!(Kind::of(CPIM, &wrapped.into()), kind);
    }
    assert_eq!(Kind::of(CPIM, &Bytes::from_static(b"no cpim")), Kind::Content);
    assert_eq!(out(CPIM, b"no cpim").unwrap_err().code(), 400);
}
