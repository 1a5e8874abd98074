//! Two user agents that chat.

mod pair;

use msrp_ua::{OutgoingMessage, UserAgentEvent};
use pair::Pair;

// shows: 4975-5.4-02, 4975-5.4-04, 4975-5.4-05, 4975-5.4-06, 4975-5.4-17, 4975-2-01
#[test]
fn the_first_request_binds_and_messages_flow_both_ways() {
    let (mut pair, a, b) = Pair::connected();
    assert!(matches!(pair.a.events[..], [UserAgentEvent::SessionReady { session }] if session == a));
    assert!(matches!(pair.b.events[..], [UserAgentEvent::SessionReady { session }] if session == b));
    let first = String::from_utf8(pair.a.sent.clone()).unwrap();
    assert!(
        first.starts_with("MSRP ") && first.contains(" SEND\r\n") && first.contains("Byte-Range: 1-0/0\r\n")
    );
    assert!(!first.contains("Content-Type"));
    pair.a
        .agent
        .send(a, OutgoingMessage::text("Hi, I'm Alice!"))
        .unwrap();
    pair.b
        .agent
        .send(
            b,
            OutgoingMessage::text("Hi, Alice! I'm Bob!").with_success_report(),
        )
        .unwrap();
    pair.drive();
    let text = |events: &[UserAgentEvent]| {
        events
            .iter()
            .find_map(|event| match event {
                UserAgentEvent::Message { body, .. } => body.clone(),
                _ => None,
            })
            .unwrap()
    };
    assert_eq!(text(&pair.b.events), "Hi, I'm Alice!");
    assert_eq!(text(&pair.a.events), "Hi, Alice! I'm Bob!");
    assert!(
        pair.a
            .events
            .iter()
            .any(|event| matches!(event, UserAgentEvent::Accepted { .. }))
    );
    assert!(pair.b.events.iter().any(|event| matches!(
        event,
        UserAgentEvent::Delivered {
            complete: true,
            range: (1, 19),
            ..
        }
    )));
}

// shows: 4975-7.1.1-27, 4975-5.1-05
#[test]
fn a_large_message_travels_in_any_pieces() {
    for piece in [100, 5000, 1 << 20] {
        let (mut pair, a, _) = Pair::connected();
        pair.piece = piece;
        let body: Vec<u8> = (0..700_000_u32).map(|n| (n * 7 % 253) as u8).collect();
        let key = pair
            .a
            .agent
            .send(
                a,
                OutgoingMessage::bytes("application/octet-stream", body.clone()).with_success_report(),
            )
            .unwrap();
        pair.drive();
        let whole = pair.b.events.iter().find_map(|event| match event {
            UserAgentEvent::Message { body, .. } => body.clone(),
            _ => None,
        });
        assert!(whole.unwrap() == body);
        assert!(pair.a.events.iter().any(
            |event| matches!(event, UserAgentEvent::Delivered { message, complete: true, .. } if *message == key)
        ));
    }
}
