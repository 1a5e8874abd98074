//! What notifications say, and what is none.

use bytes::Bytes;
use msrp_ua::{
    cpim::Content,
    imdn::{
        DisplayStatus, Disposition, DispositionRequests, ImdnError, Notification, ProcessingStatus, Subject,
        notifications,
    },
    xml::{XmlError, XmlLimits},
};
use proptest::prelude::*;

use crate::messages::{document, read, status};

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
