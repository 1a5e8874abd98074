//! Which way requests go, and those that go none.

use bytes::Bytes;
use msrp_ua::sip::{
    SipAction, SipAdapter, SipError, SipInput, SipReply,
    rsipstack::{LargePages, RsipAdapter, RsipConfig},
};

use crate::{
    peer::Peer,
    said::{text, udp},
    side::{ANSWER, OFFER, Side, config},
};

#[tokio::test]
async fn requests_go_by_the_route_that_is_asked_for() {
    let peer = Peer::new().await;
    let mut config = config("alice", "udp");
    config.outbound_proxy = Some(format!("sip:{};lr", peer.address()));
    let mut alice = Side::with("alice", config);
    let call = alice.invite_uri(1, "sip:bob@example.invalid".to_owned()).await;
    let (invite, from) = peer.request_of("INVITE").await;
    assert_eq!(invite.start, "INVITE sip:bob@example.invalid SIP/2.0");
    assert_eq!(invite.get("Route"), format!("<sip:{};lr>", peer.address()));
    // The proxy stays on the way; the callee is behind it.
    let more = format!(
        "Record-Route: <sip:{};lr>\r\nContact: <sip:bob@192.0.2.1>\r\n",
        peer.address()
    );
    peer.send(from, &invite.response("200 OK", "b", &more, text(ANSWER)))
        .await;
    alice.accepted().await;
    let (ack, _) = peer.request_of("ACK").await;
    assert_eq!(ack.start, "ACK sip:bob@192.0.2.1 SIP/2.0");
    assert_eq!(ack.get("Route"), format!("<sip:{};lr>", peer.address()));
    alice.perform(SipAction::Bye { call, reason: None }).await;
    let (bye, _) = peer.request_of("BYE").await;
    assert_eq!(
        (bye.get("Route"), &*bye.start),
        (ack.get("Route"), "BYE sip:bob@192.0.2.1 SIP/2.0")
    );
    // A route of its own, without `lr`, is only where it goes.
    let other = Peer::new().await;
    let name = msrp_ua::sip::PageId::outgoing(1);
    let to = msrp_ua::sip::SipParty::new("sip:carol@example.invalid");
    let page = msrp_ua::sip::SipPage::new(name, alice.party(), to, "text/plain", "x")
        .with_route(format!("sip:{}", other.address()));
    alice.perform(SipAction::Page(Box::new(page))).await;
    let (message, _) = other.request_of("MESSAGE").await;
    assert!(message.all("Route").is_empty());
    assert_eq!(message.start, "MESSAGE sip:carol@example.invalid SIP/2.0");
}

#[tokio::test]
async fn a_listener_at_any_address_says_the_one_that_the_peer_reaches() {
    let peer = Peer::new().await;
    let mut config = RsipConfig::new("sip:alice@example.com").with_listen("udp://0.0.0.0:0".parse().unwrap());
    let mut alice = Side::with("alice", config.clone());
    let port = udp(&alice).port();
    alice.invite_uri(1, peer.uri()).await;
    let (invite, _) = peer.request_of("INVITE").await;
    assert_eq!(invite.contact(), format!("sip:alice@127.0.0.1:{port}"));
    assert!(
        invite
            .get("Via")
            .starts_with(&format!("SIP/2.0/UDP 127.0.0.1:{port};"))
    );
    config.public_host = Some("sip.example.com".to_owned());
    let mut alice = Side::with("alice", config);
    let port = udp(&alice).port();
    alice.invite_uri(1, peer.uri()).await;
    let (invite, _) = peer.request_of("INVITE").await;
    assert_eq!(invite.contact(), format!("sip:alice@sip.example.com:{port}"));
}

#[tokio::test]
async fn a_message_too_long_for_udp_is_refused_if_it_should_be() {
    let peer = Peer::new().await;
    let mut config = config("alice", "udp");
    config.large_pages = LargePages::Refuse(513);
    let mut alice = Side::with("alice", config);
    let name = msrp_ua::sip::PageId::outgoing(1);
    let to = msrp_ua::sip::SipParty::new(peer.uri());
    let page = msrp_ua::sip::SipPage::new(name, alice.party(), to, "text/plain", vec![b'x'; 1300]);
    alice.perform(SipAction::Page(Box::new(page))).await;
    let SipInput::PageAnswered { answer, .. } = alice.next().await else {
        panic!()
    };
    assert_eq!(answer.code, 513);
}

#[tokio::test]
async fn what_cannot_be_sent_is_an_error_and_has_no_effect() {
    let mut alice = Side::new("alice", "udp");
    let mut invite = msrp_ua::sip::SipInvite::new(
        msrp_ua::sip::CallId::outgoing(1),
        msrp_ua::sip::SipParty::new("sip:bob@127.0.0.1:1"),
        Bytes::from_static(OFFER),
    );
    invite
        .headers
        .push(msrp_ua::sip::SipHeader::new("Subject", "a\r\nEvil: b"));
    let fault = alice
        .adapter
        .perform(SipAction::Invite(Box::new(invite.clone())))
        .await;
    assert!(matches!(fault, Err(SipError::Invalid(_))), "{fault:?}");
    invite.headers.clear();
    invite.request_uri = "mailto:bob@example.com".to_owned();
    alice.perform(SipAction::Invite(Box::new(invite))).await;
    assert_eq!(
        alice.refused(503).await.reason,
        "not a SIP URI: mailto:bob@example.com"
    );
    let call = msrp_ua::sip::CallId::outgoing(7);
    for action in [
        SipAction::Cancel { call },
        SipAction::Ring { call },
        SipAction::Bye { call, reason: None },
        SipAction::Answer {
            call,
            sdp: Bytes::new(),
        },
        SipAction::Refuse {
            call,
            reply: SipReply::new(486),
        },
    ] {
        assert_eq!(alice.adapter.perform(action).await, Err(SipError::UnknownCall));
    }
    alice.silent().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let bob = Side::new("bob", "tcp");
    let config = RsipConfig::new("sip:b@127.0.0.1").with_listen(bob.adapter.listening()[0]);
    let fault = RsipAdapter::start(config).unwrap_err();
    assert!(
        fault.to_string().starts_with("cannot listen at tcp://127.0.0.1:"),
        "{fault}"
    );
}
