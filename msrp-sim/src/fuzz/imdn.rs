//! Notifications: documents that are read can be written and read again; messages are answered once each and never in a
//! circle.

use bytes::Bytes;
use msrp_ua::{
    cpim::{Address, Content, CpimRules},
    imdn::{Answerable, Consent, DispositionRequests, Notification, SentRequests, notifications, pop_route},
    xml::XmlLimits,
};

/// Input: a document message/imdn+xml, or a message/cpim, given to both readers.
///
/// # Panics
/// When a document changes on its way through text, or when a message is answered twice, or an answer answered.
pub fn imdn(data: &[u8]) {
    let limits = XmlLimits::default();
    if let Ok(read) = Notification::parse(data, &limits) {
        document(&read, &limits);
    }
    let octets = Bytes::copy_from_slice(data);
    let Ok(content) = Content::open("message/cpim", None, octets, &CpimRules::tolerant()) else {
        return;
    };
    if let Ok(Some(all)) = notifications(&content, &limits) {
        assert!(!all.is_empty());
        let mut sent = SentRequests::new(2);
        for notification in &all {
            let _unknown = sent.heard(notification);
            sent.sent(&notification.message_id, DispositionRequests::all(), ());
            let _heard = sent.heard(notification);
            document(notification, &limits);
        }
        assert!(sent.len() <= 2);
    }
    answers(&content, &limits);
}

/// Written and read twice it stays as it is; the first time may fill in or drop what the schema wants.
fn document(notification: &Notification, limits: &XmlLimits) {
    let again = |notification: &Notification| Notification::parse(notification.document().as_bytes(), limits);
    // A document that grows beyond the bound by its escapes is not read again.
    let Ok(first) = again(notification) else {
        assert!(notification.document().len() > 64 * 1024);
        return;
    };
    assert_eq!(first.disposition, notification.disposition);
    if let Ok(second) = again(&first) {
        assert_eq!(second, first);
    }
}

fn answers(content: &Content, limits: &XmlLimits) {
    let Ok(me) = Address::new("im:me@example.com") else {
        return;
    };
    let Some(mut answerable) = Answerable::of(content, &me) else {
        return;
    };
    assert!(
        matches!(notifications(content, limits), Ok(None)),
        "a notification is answered"
    );
    let mut given = [0; 2];
    for consent in [Consent::Withheld, Consent::Refused, Consent::Given] {
        let delivery = [answerable.failed(consent), answerable.delivered(consent)];
        let display = [answerable.display_unknown(consent), answerable.displayed(consent)];
        for (kind, notices) in [delivery, display].into_iter().enumerate() {
            for notice in notices.into_iter().flatten() {
                assert!(consent != Consent::Withheld);
                given[kind] += 1;
                let Ok(message) = notice.message("id") else {
                    panic!("a notice makes a message")
                };
                let next = notice.next_hop().uri().to_owned();
                let _popped = pop_route(&message, &next, &CpimRules::default());
                let answer = Content::open(
                    "message/cpim",
                    None,
                    message.octets().clone(),
                    &CpimRules::default(),
                );
                let Ok(answer) = answer else {
                    panic!("what we write is strict")
                };
                assert!(Answerable::of(&answer, &me).is_none(), "a circle");
                if let Ok(heard) = notifications(&answer, limits) {
                    assert_eq!(heard.map(|heard| heard.len()), Some(1));
                }
            }
        }
    }
    assert!(
        given.iter().all(|&times| times <= 1),
        "more than one notification of a kind"
    );
}
