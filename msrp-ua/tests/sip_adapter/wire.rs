//! What only shows on the wire: what is sent again, forks, crossings, and requests that are not understood.

use bytes::Bytes;
use msrp_ua::sip::{
    SipAction, SipAdapter, SipError, SipInput, SipReply,
    rsipstack::{LargePages, RsipAdapter, RsipConfig},
};

use crate::{
    peer::{Peer, Said, Text},
    side::{ANSWER, OFFER, Side, T1, config},
};

pub(crate) fn text(octets: &'static [u8]) -> &'static str {
    str::from_utf8(octets).unwrap()
}

pub(crate) fn udp(side: &Side) -> std::net::SocketAddr {
    side.adapter.listening()[0].address
}

/// The request of a peer outside of dialogs.
pub(crate) fn outside<'a>(method: &'a str, uri: &'a str, branch: &'a str) -> Said<'a> {
    Said {
        method,
        uri,
        branch,
        seq: 1,
        call_id: "one",
        to: "<sip:bob@127.0.0.1>",
        more: "",
        body: "",
    }
}

pub(crate) const SDP: &str = "Content-Type: application/sdp\r\n";

/// The peer calls, and the side answers with this SDP.
pub(crate) async fn called(peer: &Peer, bob: &mut Side) -> (msrp_ua::sip::CallId, Text) {
    let uri = bob.uri();
    let invite = peer.request(&Said {
        more: SDP,
        body: text(OFFER),
        ..outside("INVITE", &uri, "invite")
    });
    peer.send(udp(bob), &invite).await;
    peer.response_of(100).await;
    let call = bob.invited().await;
    bob.answer(call).await;
    let ok = peer.response_of(200).await;
    (call, ok)
}

/// A request of the peer in a dialog that it has begun.
pub(crate) fn inside<'a>(ok: &'a Text, method: &'a str, branch: &'a str, seq: u32) -> Said<'a> {
    Said {
        method,
        uri: ok.contact(),
        branch,
        seq,
        call_id: "one",
        to: ok.get("To"),
        more: "",
        body: "",
    }
}

#[tokio::test]
async fn a_message_that_is_sent_again_is_told_once_and_answered_again() {
    let (peer, mut bob) = (Peer::new().await, Side::new("bob", "udp"));
    let uri = bob.uri();
    let message = peer.request(&Said {
        more: "Content-Type: text/plain\r\n",
        body: "hello",
        ..outside("MESSAGE", &uri, "m")
    });
    for _ in 0..3 {
        peer.send(udp(&bob), &message).await;
    }
    let SipInput::Page(page) = bob.next().await else {
        panic!()
    };
    assert_eq!(
        (&*page.body, page.header("Call-ID")),
        (&b"hello"[..], Some("one"))
    );
    assert_eq!(page.from.display_name.as_deref(), Some("The Peer"));
    bob.silent().await;
    let reply = SipReply::new(202).with_header("X-Seen", "yes");
    bob.perform(SipAction::AnswerPage {
        page: page.page,
        reply,
    })
    .await;
    let first = peer.response_of(202).await;
    assert!(first.all("Contact").is_empty() && first.body.is_empty());
    for _ in 0..3 {
        peer.send(udp(&bob), &message).await;
        let again = peer.response_of(202).await;
        assert_eq!((again.tag("To"), again.get("X-Seen")), (first.tag("To"), "yes"));
    }
    bob.silent().await;
}

#[tokio::test]
async fn an_offer_may_come_with_the_answer_of_the_callee() {
    let (peer, mut bob) = (Peer::new().await, Side::new("bob", "udp"));
    let uri = bob.uri();
    let invite = peer.request(&outside("INVITE", &uri, "invite"));
    peer.send(udp(&bob), &invite).await;
    let SipInput::Invite(invite) = bob.next().await else {
        panic!()
    };
    assert_eq!(invite.offer, None);
    let sdp = Bytes::from_static(OFFER);
    bob.perform(SipAction::Answer {
        call: invite.call,
        sdp,
    })
    .await;
    let ok = peer.response_of(200).await;
    assert_eq!(ok.body, text(OFFER));
    let ack = peer.request(&Said {
        more: SDP,
        body: text(ANSWER),
        ..inside(&ok, "ACK", "ack", 1)
    });
    peer.send(udp(&bob), &ack).await;
    assert_eq!(bob.acknowledged().await.as_deref(), Some(ANSWER));
}

#[tokio::test]
async fn a_200_is_sent_until_the_ack_comes_and_without_one_the_call_is_lost() {
    let (peer, mut bob) = (Peer::new().await, Side::new("bob", "udp"));
    let (_, ok) = called(&peer, &mut bob).await;
    for _ in 0..3 {
        assert_eq!(peer.response_of(200).await.tag("To"), ok.tag("To"));
    }
    assert_eq!(bob.ended().await.unwrap().code, 408);
    let (bye, _) = peer.request_of("BYE").await;
    assert_eq!(bye.tag("From"), ok.tag("To"));
    assert!(bye.get("Reason").starts_with("SIP;cause=408"), "{bye:?}");
}

#[tokio::test]
async fn a_bye_of_the_callee_waits_for_the_ack() {
    let (peer, mut bob) = (Peer::new().await, Side::new("bob", "udp"));
    let (call, ok) = called(&peer, &mut bob).await;
    bob.perform(SipAction::Bye { call, reason: None }).await;
    let again = bob.adapter.perform(SipAction::Bye { call, reason: None }).await;
    assert_eq!(again, Err(SipError::UnknownCall));
    assert_eq!(peer.next().await.0.code(), 200);
    peer.send(udp(&bob), &peer.request(&inside(&ok, "ACK", "ack", 1)))
        .await;
    let (bye, from) = peer.request_of("BYE").await;
    peer.send(from, &bye.response("200 OK", "", "", "")).await;
    bob.bye_answered(call).await;
    bob.silent().await;
}

#[tokio::test]
async fn a_caller_may_cancel() {
    let (peer, mut bob) = (Peer::new().await, Side::new("bob", "udp"));
    let uri = bob.uri();
    let invite = Said {
        more: SDP,
        body: text(OFFER),
        ..outside("INVITE", &uri, "invite")
    };
    peer.send(udp(&bob), &peer.request(&invite)).await;
    let call = bob.invited().await;
    peer.response_of(100).await;
    peer.send(udp(&bob), &peer.request(&outside("CANCEL", &uri, "invite")))
        .await;
    assert!(matches!(bob.next().await, SipInput::Cancelled { call: which } if which == call));
    let (mut cancelled, mut terminated) = (false, false);
    while !cancelled || !terminated {
        let (response, _) = peer.next().await;
        cancelled |= response.code() == 200 && response.get("CSeq") == "1 CANCEL";
        terminated |= response.code() == 487 && response.get("CSeq") == "1 INVITE";
    }
    let answer = bob
        .adapter
        .perform(SipAction::Answer {
            call,
            sdp: Bytes::new(),
        })
        .await;
    assert_eq!(answer, Err(SipError::UnknownCall));
    peer.send(udp(&bob), &peer.request(&outside("CANCEL", &uri, "unknown")))
        .await;
    peer.response_of(481).await;
}

#[tokio::test]
async fn a_cancel_of_ours_waits_for_a_provisional_response() {
    let (peer, mut alice) = (Peer::new().await, Side::new("alice", "udp"));
    let call = alice.invite_uri(1, peer.uri()).await;
    let (invite, from) = peer.request_of("INVITE").await;
    alice.perform(SipAction::Cancel { call }).await;
    let (again, _) = peer.next().await;
    assert_eq!(again.method(), "INVITE", "no CANCEL before a response");
    peer.send(from, &invite.response("180 Ringing", "p", &peer.contact(), ""))
        .await;
    let (cancel, _) = peer.request_of("CANCEL").await;
    assert_eq!(cancel.get("Via"), invite.get("Via"));
    assert_eq!(cancel.get("CSeq"), "1 CANCEL");
    assert!(matches!(alice.next().await, SipInput::Progress { code: 180, .. }));
    peer.send(from, &cancel.response("200 OK", "p", "", "")).await;
    peer.send(from, &invite.response("487 Request Terminated", "p", "", ""))
        .await;
    alice.refused(487).await;
    let (ack, _) = peer.request_of("ACK").await;
    assert_eq!((ack.get("Via"), ack.tag("To")), (invite.get("Via"), "p"));
}

#[tokio::test]
async fn a_200_that_crosses_a_cancel_counts() {
    let (peer, mut alice) = (Peer::new().await, Side::new("alice", "udp"));
    let call = alice.invite_uri(1, peer.uri()).await;
    let (invite, from) = peer.request_of("INVITE").await;
    peer.send(from, &invite.response("180 Ringing", "p", &peer.contact(), ""))
        .await;
    assert!(matches!(alice.next().await, SipInput::Progress { .. }));
    alice.perform(SipAction::Cancel { call }).await;
    peer.request_of("CANCEL").await;
    peer.send(
        from,
        &invite.response("200 OK", "p", &peer.contact(), text(ANSWER)),
    )
    .await;
    assert_eq!(alice.accepted().await.as_deref(), Some(ANSWER));
    peer.request_of("ACK").await;
    alice.perform(SipAction::Bye { call, reason: None }).await;
    let (bye, _) = peer.request_of("BYE").await;
    assert_eq!(bye.get("CSeq"), "2 BYE");
}

// shows: GW-21
#[tokio::test]
async fn of_a_fork_the_first_counts_and_the_others_are_ended() {
    let (peer, other, mut alice) = (Peer::new().await, Peer::new().await, Side::new("alice", "udp"));
    alice.invite_uri(1, peer.uri()).await;
    let (invite, from) = peer.request_of("INVITE").await;
    let first = invite.response("200 OK", "first", &peer.contact(), text(ANSWER));
    peer.send(from, &first).await;
    assert_eq!(alice.accepted().await.as_deref(), Some(ANSWER));
    let (ack, _) = peer.request_of("ACK").await;
    assert_eq!((ack.tag("To"), ack.get("CSeq")), ("first", "1 ACK"));
    assert_eq!(ack.start, format!("ACK {} SIP/2.0", peer.uri()));
    // The ACK was lost: the 200 comes again, and so does the ACK.
    peer.send(from, &first).await;
    let (again, _) = peer.request_of("ACK").await;
    assert_eq!(again.get("Via"), ack.get("Via"));
    // Another branch has answered too.
    other
        .send(
            from,
            &invite.response("200 OK", "second", &other.contact(), text(ANSWER)),
        )
        .await;
    let (ack, _) = other.request_of("ACK").await;
    assert_eq!(ack.tag("To"), "second");
    let (bye, from) = other.request_of("BYE").await;
    assert_eq!((bye.tag("To"), bye.get("CSeq")), ("second", "2 BYE"));
    other.send(from, &bye.response("200 OK", "", "", "")).await;
    alice.silent().await;
}

#[tokio::test]
async fn where_nobody_answers_it_is_408() {
    let (peer, mut alice) = (Peer::new().await, Side::new("alice", "udp"));
    alice.invite_uri(1, peer.uri()).await;
    let (first, _) = peer.request_of("INVITE").await;
    let (again, _) = peer.request_of("INVITE").await;
    assert_eq!(first.get("Via"), again.get("Via"));
    alice.refused(408).await;
    let name = msrp_ua::sip::PageId::outgoing(1);
    let to = msrp_ua::sip::SipParty::new(peer.uri());
    let page = msrp_ua::sip::SipPage::new(name, alice.party(), to, "text/plain", "x");
    alice.perform(SipAction::Page(Box::new(page))).await;
    let SipInput::PageAnswered { answer, .. } = alice.next().await else {
        panic!()
    };
    assert_eq!(answer.code, 408);
}

#[tokio::test]
async fn an_update_carries_an_offer_or_only_refreshes() {
    let (peer, mut bob) = (Peer::new().await, Side::new("bob", "udp"));
    let (call, ok) = called(&peer, &mut bob).await;
    peer.send(udp(&bob), &peer.request(&inside(&ok, "ACK", "ack", 1)))
        .await;
    bob.acknowledged().await;
    peer.send(udp(&bob), &peer.request(&inside(&ok, "UPDATE", "u2", 2)))
        .await;
    assert_eq!(peer.response_of(200).await.get("CSeq"), "2 UPDATE");
    let offer = Said {
        more: SDP,
        body: text(OFFER),
        ..inside(&ok, "UPDATE", "u3", 3)
    };
    peer.send(udp(&bob), &peer.request(&offer)).await;
    assert!(matches!(
        bob.next().await,
        SipInput::Reinvite { offer: Some(_), .. }
    ));
    // While it is open, neither side offers anything else.
    let mine = bob
        .adapter
        .perform(SipAction::Reinvite {
            call,
            offer: Bytes::from_static(OFFER),
        })
        .await;
    assert!(matches!(mine, Err(SipError::Stack(_))), "{mine:?}");
    let second = Said {
        more: SDP,
        body: text(OFFER),
        ..inside(&ok, "INVITE", "i4", 4)
    };
    peer.send(udp(&bob), &peer.request(&second)).await;
    assert_eq!(peer.response_of(500).await.get("Retry-After"), "1");
    peer.send(udp(&bob), &peer.request(&inside(&ok, "ACK", "i4", 4)))
        .await;
    bob.answer(call).await;
    assert_eq!(peer.response_of(200).await.body, text(ANSWER));
    // What is older than the last request is refused (RFC 3261 §12.2.2), and glare too (§14.2).
    peer.send(udp(&bob), &peer.request(&inside(&ok, "UPDATE", "u0", 2)))
        .await;
    peer.response_of(500).await;
    bob.perform(SipAction::Reinvite {
        call,
        offer: Bytes::from_static(OFFER),
    })
    .await;
    let (reinvite, from) = peer.request_of("INVITE").await;
    let glare = Said {
        more: SDP,
        body: text(OFFER),
        ..inside(&ok, "INVITE", "i5", 5)
    };
    peer.send(udp(&bob), &peer.request(&glare)).await;
    peer.response_of(491).await;
    peer.send(from, &reinvite.response("481 No Dialog", "", "", ""))
        .await;
    bob.refused(481).await;
    assert_eq!(bob.ended().await.unwrap().code, 481);
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let mut config = config("bob", "udp");
    config.capabilities = Some(Bytes::from_static(ANSWER));
    let (peer, mut bob) = (Peer::new().await, Side::with("bob", config));
    let uri = bob.uri();
    let cases = [
        ("INFO", "", "", 405),
        ("SUBSCRIBE", "", "", 405),
        ("FROBNICATE", "", "", 501),
        ("BYE", "", "", 481),
        ("PRACK", "", "", 405),
        ("INVITE", "Require: 100rel, gin\r\n", "", 420),
        ("MESSAGE", "Require: 100rel\r\nRequire: gin\r\n", "", 420),
        ("OPTIONS", "Require: 100rel, gin\r\n", "", 420),
        ("INVITE", "Content-Type: application/isup\r\n", "x", 415),
        (
            "INVITE",
            "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n",
            "x",
            415,
        ),
    ];
    for (number, (method, more, body, code)) in cases.into_iter().enumerate() {
        let branch = format!("c{number}");
        let said = Said {
            more,
            body,
            ..outside(method, &uri, &branch)
        };
        peer.send(udp(&bob), &peer.request(&said)).await;
        let response = peer.response_of(code).await;
        match code {
            405 => assert!(response.get("Allow").contains("MESSAGE")),
            415 => assert!(
                response
                    .get("Accept")
                    .starts_with("application/sdp, multipart/mixed, ")
            ),
            420 => assert_eq!(response.get("Unsupported"), "100rel, gin"),
            _ => {}
        }
        if method == "INVITE" {
            peer.send(udp(&bob), &peer.request(&outside("ACK", &uri, &branch)))
                .await;
        }
    }
    let gone = Said {
        to: "<sip:bob@127.0.0.1>;tag=gone",
        ..outside("MESSAGE", &uri, "gone")
    };
    peer.send(udp(&bob), &peer.request(&gone)).await;
    peer.response_of(481).await;
    peer.send(udp(&bob), &peer.request(&outside("MESSAGE", "tel:+123", "tel")))
        .await;
    peer.response_of(416).await;
    peer.send(udp(&bob), &peer.request(&outside("OPTIONS", &uri, "options")))
        .await;
    let options = peer.response_of(200).await;
    assert!(options.get("Accept").contains("application/sdp"));
    assert!(options.get("Allow").contains("UPDATE"));
    assert_eq!(options.body, text(ANSWER));
    bob.silent().await;
}

#[tokio::test]
async fn what_is_broken_is_answered_400_or_dropped_and_harms_nothing() {
    let (peer, mut bob) = (Peer::new().await, Side::new("bob", "udp"));
    let uri = bob.uri();
    let good = peer.request(&Said {
        more: "Content-Type: text/plain\r\n",
        body: "hello",
        ..outside("MESSAGE", &uri, "m")
    });
    for (from, to) in [
        ("CSeq: 1 MESSAGE", "CSeq: 1 INVITE"),
        ("CSeq: 1 MESSAGE", "CSeq: 4294967295 MESSAGE"),
        ("CSeq: 1 MESSAGE", "CSeq: x"),
        (";tag=peer", ""),
        ("Call-ID: one", "Call-ID: "),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5", "Content-Length: -1"),
        ("Content-Length: 5", "Content-Length: 99999999999999999999999"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        peer.send(udp(&bob), &bad).await;
        peer.response_of(400).await;
    }
    // Every octet in turn is lost, doubled or changed; what is still a MESSAGE is told.
    let octets = good.as_bytes();
    for at in 0..octets.len() {
        for change in 0..4 {
            let mut bad = octets.to_vec();
            match change {
                0 => drop(bad.remove(at)),
                1 => bad.insert(at, octets[at]),
                2 => bad[at] ^= 0x80,
                _ => bad.truncate(at),
            }
            peer.send_octets(udp(&bob), &bad).await;
        }
    }
    for _ in 0..3 {
        peer.send_octets(udp(&bob), &vec![b'x'; 60_000]).await;
        peer.send_octets(udp(&bob), b"\r\n\r\n").await;
        peer.send_octets(udp(&bob), b"").await;
    }
    // So many datagrams at once may have filled the socket: this one is sent until it is heard.
    let last = peer.request(&Said {
        body: "last",
        more: "Content-Type: text/plain\r\n",
        ..outside("MESSAGE", &uri, "last")
    });
    for _ in 0..300 {
        peer.send(udp(&bob), &last).await;
        while let Ok(Some(input)) = tokio::time::timeout(10 * T1, bob.adapter.next()).await {
            if matches!(input, SipInput::Page(page) if page.body == "last") {
                return;
            }
        }
    }
    panic!("it hears nothing any longer");
}

#[tokio::test]
async fn an_invite_that_comes_by_two_ways_is_refused_once() {
    let (peer, mut bob) = (Peer::new().await, Side::new("bob", "udp"));
    let uri = bob.uri();
    for branch in ["one", "two"] {
        let said = Said {
            more: SDP,
            body: text(OFFER),
            ..outside("INVITE", &uri, branch)
        };
        peer.send(udp(&bob), &peer.request(&said)).await;
    }
    bob.invited().await;
    let refused = peer.response_of(482).await;
    assert!(refused.get("Via").contains("z9hG4bKtwo"), "{refused:?}");
    bob.silent().await;
}

#[tokio::test]
async fn limits_answer_503() {
    let mut config = config("bob", "udp");
    config.limits.calls = 1;
    config.limits.pages = 1;
    let (peer, mut bob) = (Peer::new().await, Side::with("bob", config));
    let uri = bob.uri();
    for method in ["INVITE", "MESSAGE"] {
        let first = format!("{method}1");
        peer.send(
            udp(&bob),
            &peer.request(&Said {
                call_id: &first,
                ..outside(method, &uri, &first)
            }),
        )
        .await;
        bob.next().await;
        let second = format!("{method}2");
        peer.send(
            udp(&bob),
            &peer.request(&Said {
                call_id: &second,
                ..outside(method, &uri, &second)
            }),
        )
        .await;
        assert_eq!(peer.response_of(503).await.get("Retry-After"), "10");
    }
    bob.silent().await;
}

#[tokio::test]
async fn more_transactions_than_may_be_are_dropped() {
    let mut config = config("bob", "udp");
    config.limits.transactions = 3;
    let (peer, bob) = (Peer::new().await, Side::with("bob", config));
    let uri = bob.uri();
    for number in 0..3 {
        let branch = format!("o{number}");
        peer.send(udp(&bob), &peer.request(&outside("OPTIONS", &uri, &branch)))
            .await;
        peer.response_of(200).await;
    }
    peer.send(udp(&bob), &peer.request(&outside("OPTIONS", &uri, "o3")))
        .await;
    // When the others are forgotten there is room again.
    while bob.adapter.dropped() == 0 {
        tokio::time::sleep(T1).await;
    }
    loop {
        peer.send(udp(&bob), &peer.request(&outside("OPTIONS", &uri, "o4")))
            .await;
        if let Ok((response, _)) = tokio::time::timeout(10 * T1, peer.next()).await {
            assert_eq!(response.code(), 200);
            assert!(response.get("Via").contains("z9hG4bKo4"), "{response:?}");
            break;
        }
    }
}

#[tokio::test]
async fn what_the_user_agent_leaves_unanswered_is_answered() {
    let mut config = config("bob", "udp");
    config.timers.answer = std::time::Duration::from_millis(50);
    config.timers.ring = std::time::Duration::from_millis(50);
    let (peer, mut bob) = (Peer::new().await, Side::with("bob", config));
    let uri = bob.uri();
    peer.send(udp(&bob), &peer.request(&outside("MESSAGE", &uri, "m")))
        .await;
    bob.next().await;
    peer.response_of(500).await;
    peer.send(udp(&bob), &peer.request(&outside("INVITE", &uri, "i")))
        .await;
    bob.next().await;
    peer.response_of(480).await;
    assert_eq!(bob.ended().await.unwrap().code, 480);
}

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
async fn an_adapter_that_is_dropped_ends_its_calls() {
    let (peer, mut bob) = (Peer::new().await, Side::new("bob", "udp"));
    let (_, ok) = called(&peer, &mut bob).await;
    peer.send(udp(&bob), &peer.request(&inside(&ok, "ACK", "ack", 1)))
        .await;
    bob.acknowledged().await;
    drop(bob);
    peer.request_of("BYE").await;
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
