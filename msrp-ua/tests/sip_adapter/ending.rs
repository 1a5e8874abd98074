//! The end of an adapter.

use std::time::Duration;

use msrp_ua::sip::{
    SipAction, SipAdapter, SipError, SipInput,
    rsipstack::{RegistrationState, RsipConfig, SipRegistration},
};
use tokio::{net::UdpSocket, task::JoinHandle};

use crate::{
    peer::{Peer, Said, Text},
    said::{SDP, called, inside, outside, text, udp},
    side::{ANSWER, OFFER, Side, config, in_call},
};

/// With time enough for whatever a test waits for.
fn patient(transport: &str) -> RsipConfig {
    let mut config = config("bob", transport);
    config.timers.ending = Duration::from_secs(120);
    config.timers.t1 = Duration::from_millis(250);
    config
}

fn shut_down(mut side: Side) -> JoinHandle<Side> {
    tokio::spawn(async move {
        side.adapter.shutdown().await;
        side
    })
}

/// It has ended: nothing comes, nothing goes, and its port is free.
async fn is_over(shutdown: JoinHandle<Side>) {
    let mut side = shutdown.await.unwrap();
    let call = msrp_ua::sip::CallId::outgoing(9);
    let fault = side.adapter.perform(SipAction::Ring { call }).await;
    assert!(matches!(fault, Err(SipError::Stack(_))), "{fault:?}");
    while side.adapter.next().await.is_some() {}
    side.adapter.shutdown().await;
    UdpSocket::bind(udp(&side)).await.unwrap();
}

/// An adapter that is registered at this peer.
async fn registered(registrar: &Peer) -> Side {
    let mut config = patient("udp");
    config.register = Some(SipRegistration::default());
    config.outbound_proxy = Some(format!("sip:{}", registrar.address()));
    let mut bob = Side::with("bob", config);
    let (register, from) = registrar.request_of("REGISTER").await;
    registrar
        .send(from, &register.response("200 OK", "r", "", ""))
        .await;
    assert!(matches!(
        bob.adapter.registered().await,
        RegistrationState::Registered(_)
    ));
    bob
}

#[tokio::test]
async fn it_waits_for_the_answers_to_what_ends_calls_and_registrations() {
    let peer = Peer::new().await;
    let mut bob = registered(&peer).await;
    let (_, ok) = called(&peer, &mut bob).await;
    peer.send(udp(&bob), &peer.request(&inside(&ok, "ACK", "ack", 1)))
        .await;
    bob.acknowledged().await;
    let shutdown = shut_down(bob);
    let mut bye = None;
    let mut register = None;
    while bye.is_none() || register.is_none() {
        let (request, from) = peer.next().await;
        match request.method() {
            "BYE" => bye = Some((request, from)),
            // The first may have been sent more than once.
            "REGISTER" if request.get("CSeq") == "2 REGISTER" => register = Some((request, from)),
            _ => {}
        }
    }
    let ((bye, from), (register, _)) = (bye.unwrap(), register.unwrap());
    assert!(register.get("Contact").ends_with(";expires=0"), "{register:?}");
    assert!(!shutdown.is_finished());
    peer.send(from, &bye.response("200 OK", "", "", "")).await;
    // What was lost is sent again.
    let again = peer.request_of("REGISTER").await.0;
    assert_eq!(again.get("Via"), register.get("Via"));
    assert!(!shutdown.is_finished());
    peer.send(from, &register.response("200 OK", "r", "", "")).await;
    is_over(shutdown).await;
}

/// A peer that hangs up while an offer of its own is open may be gone before it has acknowledged that this is refused.
#[tokio::test]
async fn it_does_not_wait_for_the_ack_of_a_peer_that_has_hung_up() {
    let peer = Peer::new().await;
    let mut config = patient("udp");
    // Longer than the test has patience.
    config.timers.ending = Duration::from_secs(600);
    config.timers.t1 = Duration::from_secs(10);
    let mut bob = Side::with("bob", config);
    let (_, ok) = called(&peer, &mut bob).await;
    peer.send(udp(&bob), &peer.request(&inside(&ok, "ACK", "ack", 1)))
        .await;
    bob.acknowledged().await;
    let again = Said {
        more: SDP,
        body: text(OFFER),
        ..inside(&ok, "INVITE", "again", 2)
    };
    peer.send(udp(&bob), &peer.request(&again)).await;
    assert!(matches!(bob.next().await, SipInput::Reinvite { .. }));
    peer.send(udp(&bob), &peer.request(&inside(&ok, "BYE", "bye", 3)))
        .await;
    let (mut terminated, mut ended) = (false, false);
    while !terminated || !ended {
        let (response, _) = peer.next().await;
        terminated |= response.code() == 487 && response.get("CSeq") == "2 INVITE";
        ended |= response.code() == 200 && response.get("CSeq") == "3 BYE";
    }
    tokio::time::timeout(Duration::from_secs(60), is_over(shut_down(bob)))
        .await
        .unwrap();
}

#[tokio::test]
async fn it_does_not_wait_for_ever() {
    let peer = Peer::new().await;
    let mut config = patient("udp");
    config.timers.ending = Duration::from_millis(100);
    let mut bob = Side::with("bob", config);
    let (_, ok) = called(&peer, &mut bob).await;
    peer.send(udp(&bob), &peer.request(&inside(&ok, "ACK", "ack", 1)))
        .await;
    bob.acknowledged().await;
    is_over(shut_down(bob)).await;
    peer.request_of("BYE").await;
}

#[tokio::test]
async fn a_refresh_is_answered_before_the_registration_is_taken_back() {
    let registrar = Peer::new().await;
    let mut config = patient("udp");
    config.register = Some(SipRegistration::default());
    config.outbound_proxy = Some(format!("sip:{}", registrar.address()));
    let bob = Side::with("bob", config);
    let (register, from) = registrar.request_of("REGISTER").await;
    let shutdown = shut_down(bob);
    // Nothing else is sent until then but the same once more.
    for _ in 0..2 {
        assert_eq!(registrar.next().await.0.get("CSeq"), "1 REGISTER");
    }
    registrar
        .send(from, &register.response("200 OK", "r", "", ""))
        .await;
    let last = loop {
        let (request, _) = registrar.next().await;
        if request.get("CSeq") == "2 REGISTER" {
            break request;
        }
    };
    assert!(last.get("Contact").ends_with(";expires=0"), "{last:?}");
    registrar.send(from, &last.response("200 OK", "r", "", "")).await;
    is_over(shutdown).await;
}

#[tokio::test]
async fn whoever_still_waits_is_answered_and_nothing_new_begins() {
    let peer = Peer::new().await;
    let mut bob = Side::with("bob", patient("udp"));
    let (to, uri) = (udp(&bob), bob.uri());
    let out = bob.invite_uri(1, peer.uri()).await;
    let (ours, _) = peer.request_of("INVITE").await;
    peer.send(to, &ours.response("180 Ringing", "p", &peer.contact(), ""))
        .await;
    assert!(matches!(bob.next().await, SipInput::Progress { call, .. } if call == out));
    let invite = Said {
        more: SDP,
        body: text(OFFER),
        call_id: "in",
        ..outside("INVITE", &uri, "in")
    };
    peer.send(to, &peer.request(&invite)).await;
    bob.invited().await;
    peer.send(to, &peer.request(&outside("MESSAGE", &uri, "m"))).await;
    assert!(matches!(bob.next().await, SipInput::Page(_)));
    let shutdown = shut_down(bob);
    let (mut refused, mut unanswered, mut cancelled) = (None, false, None);
    while refused.is_none() || !unanswered || cancelled.is_none() {
        let (message, _) = peer.next().await;
        match &*message.start {
            start if start.starts_with("CANCEL ") => cancelled = Some(message),
            start if start.starts_with("SIP/2.0 480 ") => refused = Some(message),
            start if start.starts_with("SIP/2.0 503 ") => unanswered = true,
            _ => {}
        }
    }
    let more = Said {
        call_id: "more",
        ..outside("MESSAGE", &uri, "more")
    };
    peer.send(to, &peer.request(&more)).await;
    assert_eq!(peer.response_of(503).await.get("Call-ID"), "more");
    assert!(!shutdown.is_finished());
    let refused: Text = refused.unwrap();
    let ack = Said {
        call_id: "in",
        to: refused.get("To"),
        ..outside("ACK", &uri, "in")
    };
    peer.send(to, &peer.request(&ack)).await;
    peer.send(to, &cancelled.unwrap().response("200 OK", "p", "", ""))
        .await;
    // The 200 to our INVITE has crossed the CANCEL.
    let ok = ours.response("200 OK", "p", &peer.contact(), text(ANSWER));
    peer.send(to, &ok).await;
    peer.request_of("ACK").await;
    let (bye, _) = peer.request_of("BYE").await;
    peer.send(to, &bye.response("200 OK", "", "", "")).await;
    is_over(shutdown).await;
}

#[tokio::test]
async fn a_call_that_is_not_acknowledged_ends_after_the_ack() {
    let peer = Peer::new().await;
    let mut bob = Side::with("bob", patient("udp"));
    let to = udp(&bob);
    let (_, ok) = called(&peer, &mut bob).await;
    let shutdown = shut_down(bob);
    for _ in 0..2 {
        assert_eq!(peer.next().await.0.code(), 200, "no BYE before the ACK");
    }
    peer.send(to, &peer.request(&inside(&ok, "ACK", "ack", 1))).await;
    let (bye, _) = peer.request_of("BYE").await;
    peer.send(to, &bye.response("200 OK", "", "", "")).await;
    is_over(shutdown).await;
}

#[tokio::test]
async fn two_that_end_at_once_are_both_answered() {
    for transport in ["udp", "tcp"] {
        let (mut alice, mut bob, _, _) = in_call(transport).await;
        tokio::join!(alice.adapter.shutdown(), bob.adapter.shutdown());
        let (mut alice, mut bob, _, _) = in_call(transport).await;
        alice.adapter.shutdown().await;
        assert_eq!(bob.ended().await, None, "{transport}");
    }
}

#[tokio::test]
async fn an_adapter_that_is_dropped_ends_its_calls() {
    let (peer, mut bob) = (Peer::new().await, Side::new("bob", "udp"));
    let (_, ok) = called(&peer, &mut bob).await;
    peer.send(udp(&bob), &peer.request(&inside(&ok, "ACK", "ack", 1)))
        .await;
    bob.acknowledged().await;
    drop(bob);
    peer.request_of("BYE").await;
}
