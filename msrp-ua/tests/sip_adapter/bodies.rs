//! Bodies of several parts: an offer with the caller's location.

use bytes::Bytes;
use msrp_ua::{
    mime::{ContentHeaders, Part},
    sip::{CallId, SipAction, SipInput, SipInvite},
};

use crate::{
    peer::{Peer, Said},
    said::{called, inside, outside, text, udp},
    side::{ANSWER, OFFER, Side, config},
};

const LOCATION: &str = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:a@example.com\"/>";

fn location() -> Part {
    let mut headers = ContentHeaders::new();
    headers.push("Content-Type", "application/pidf+xml").unwrap();
    headers.push("Content-ID", "<here@example.com>").unwrap();
    Part {
        headers,
        body: Bytes::from_static(LOCATION.as_bytes()),
    }
}

fn mixed(parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("--edge\r\n{part}\r\n")).collect();
    format!("{parts}--edge--\r\n")
}

const MIXED: &str =
    "Content-Type: multipart/mixed; boundary=\"edge\"\r\nGeolocation: <cid:here@example.com>\r\n";

#[tokio::test]
async fn an_offer_and_a_location_go_in_one_body() {
    for transport in ["udp", "tcp"] {
        let (mut alice, mut bob) = (Side::new("alice", transport), Side::new("bob", transport));
        let mut invite = SipInvite::new(CallId::outgoing(1), bob.party(), Bytes::from_static(OFFER));
        invite.parts = vec![location()];
        let mut bad = invite.clone();
        bad.parts[0].body = Bytes::from_static(b"\r\n");
        bad.call = CallId::outgoing(2);
        alice.perform(SipAction::Invite(Box::new(invite))).await;
        let SipInput::Invite(invite) = bob.next().await else {
            panic!()
        };
        assert_eq!(invite.offer.as_deref(), Some(OFFER));
        assert_eq!(invite.parts, [location()]);
        // Where somebody is stands in no log.
        assert!(!format!("{invite:?}").contains("presence"), "{invite:?}");
        bob.answer(invite.call).await;
        assert_eq!(alice.accepted().await.as_deref(), Some(ANSWER));
        bob.acknowledged().await;
        alice.perform(SipAction::Invite(Box::new(bad))).await;
        bob.invited().await;
    }
}

#[tokio::test]
async fn parts_that_have_to_be_understood_and_are_not_are_refused() {
    let (peer, mut bob) = (Peer::new().await, Side::new("bob", "udp"));
    let uri = bob.uri();
    let sdp = format!("Content-Type: application/sdp\r\n\r\n{}", text(OFFER));
    let here =
        format!("Content-Type: application/pidf+xml\r\nContent-ID: <here@example.com>\r\n\r\n{LOCATION}");
    let list =
        "Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n<l/>";
    let optional = list.replacen("recipient-list", "recipient-list; handling=optional", 1);
    let cases = [
        (mixed(&[&sdp, list]), 415),
        (mixed(&["Content-Type: application/sdp\r\nbroken\r\n\r\n"]), 400),
        (mixed(&vec![&*here; 40]), 400),
        ("no boundary".to_owned(), 400),
    ];
    for (number, (body, code)) in cases.iter().enumerate() {
        let branch = format!("b{number}");
        let said = Said {
            more: MIXED,
            body,
            call_id: &branch,
            ..outside("INVITE", &uri, &branch)
        };
        peer.send(udp(&bob), &peer.request(&said)).await;
        let response = peer.response_of(*code).await;
        if *code == 415 {
            assert!(
                response.get("Accept").contains("application/pidf+xml"),
                "{response:?}"
            );
            assert_eq!(response.get("Accept-Encoding"), "identity");
        }
        let ack = Said {
            call_id: &branch,
            ..outside("ACK", &uri, &branch)
        };
        peer.send(udp(&bob), &peer.request(&ack)).await;
    }
    let said = Said {
        more: MIXED,
        body: &mixed(&[&optional, &here, &sdp]),
        call_id: "good",
        ..outside("INVITE", &uri, "good")
    };
    peer.send(udp(&bob), &peer.request(&said)).await;
    let SipInput::Invite(invite) = bob.next().await else {
        panic!()
    };
    assert_eq!(invite.offer.as_deref(), Some(OFFER));
    assert_eq!(invite.parts, [location()]);
    assert_eq!(invite.header("Geolocation"), Some("<cid:here@example.com>"));
    bob.silent().await;
}

#[tokio::test]
async fn whoever_takes_no_parts_says_so() {
    let mut config = config("bob", "udp");
    config.parts.clear();
    let (peer, mut bob) = (Peer::new().await, Side::with("bob", config));
    let uri = bob.uri();
    let sdp = format!("Content-Type: application/sdp\r\n\r\n{}", text(OFFER));
    let here = format!("Content-Type: application/pidf+xml\r\n\r\n{LOCATION}");
    let said = Said {
        more: MIXED,
        body: &mixed(&[&sdp, &here]),
        ..outside("INVITE", &uri, "one")
    };
    peer.send(udp(&bob), &peer.request(&said)).await;
    let refused = peer.response_of(415).await;
    assert!(!refused.get("Accept").contains("pidf"), "{refused:?}");
    bob.silent().await;
}

#[tokio::test]
async fn answers_and_offers_within_a_call_may_be_multipart_too() {
    let (peer, mut bob) = (Peer::new().await, Side::new("bob", "udp"));
    let (_, ok) = called(&peer, &mut bob).await;
    peer.send(udp(&bob), &peer.request(&inside(&ok, "ACK", "ack", 1)))
        .await;
    bob.acknowledged().await;
    let sdp = format!("Content-Type: application/sdp\r\n\r\n{}", text(OFFER));
    let here = format!("Content-Type: application/pidf+xml\r\n\r\n{LOCATION}");
    let offer = Said {
        more: MIXED,
        body: &mixed(&[&sdp, &here]),
        ..inside(&ok, "UPDATE", "u2", 2)
    };
    peer.send(udp(&bob), &peer.request(&offer)).await;
    peer.response_of(415).await;
    let here = here.replacen("\r\n", "\r\nContent-Disposition: render;handling=optional\r\n", 1);
    let offer = Said {
        more: MIXED,
        body: &mixed(&[&sdp, &here]),
        ..inside(&ok, "UPDATE", "u3", 3)
    };
    peer.send(udp(&bob), &peer.request(&offer)).await;
    let SipInput::Reinvite { offer, .. } = bob.next().await else {
        panic!()
    };
    assert_eq!(offer.as_deref(), Some(OFFER));

    bob.invite_uri(1, peer.uri()).await;
    let (invite, from) = peer.request_of("INVITE").await;
    let answer = format!("Content-Type: application/sdp\r\n\r\n{}", text(ANSWER));
    let body = mixed(&[&here, &answer]);
    let more = format!(
        "{}{MIXED}Content-Length: {}\r\n\r\n{body}",
        peer.contact(),
        body.len()
    );
    let ok = invite
        .response("200 OK", "p", "", "")
        .replacen("Content-Length: 0\r\n\r\n", &more, 1);
    peer.send(from, &ok).await;
    assert_eq!(bob.accepted().await.as_deref(), Some(ANSWER));
}
