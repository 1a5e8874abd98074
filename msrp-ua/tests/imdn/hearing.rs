//! What answers mean to whoever has asked.

use msrp_ua::imdn::{
    DeliveryStatus, DisplayStatus, Disposition, DispositionRequests, Heard, Notification, SentRequests,
};

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
