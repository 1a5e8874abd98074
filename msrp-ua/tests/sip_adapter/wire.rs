//! What only shows on the wire: what is sent again, forks, and crossings.

use bytes::Bytes;
use msrp_ua::sip::{SipAction, SipAdapter, SipError, SipInput, SipReply};

use crate::{
    peer::{Peer, Said},
    said::{SDP, called, inside, outside, text, udp},
    side::{ANSWER, OFFER, Side},
};

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
