//! 3xx.

use msrp_ua::sip::{PageId, SipAction, SipInput, SipPage, SipParty, rsipstack::RsipConfig};

use crate::{
    peer::{Peer, Text},
    said::text,
    side::{ANSWER, Side, config},
};

fn alice(set: impl FnOnce(&mut RsipConfig)) -> Side {
    let mut config = config("alice", "udp");
    set(&mut config);
    Side::with("alice", config)
}

/// The peer sends the next request elsewhere.
async fn redirect(peer: &Peer, method: &str, status: &str, contacts: &str) -> Text {
    let (request, from) = peer.request_of(method).await;
    let contact = format!("Contact: {contacts}\r\n");
    peer.send(from, &request.response(status, "r", &contact, ""))
        .await;
    request
}

const MOVED: &str = "302 Moved Temporarily";

#[tokio::test]
async fn an_invite_goes_on_to_the_best_place_that_takes_it() {
    let [peer, worse, better] = [Peer::new().await, Peer::new().await, Peer::new().await];
    let mut alice = alice(|_| {});
    let call = alice.invite_uri(1, peer.uri()).await;
    // Header fields in the URI would be ours to send; they are not.
    let contacts = format!(
        "<{}>;q=0.5, \"B\" <{}?Subject=spam>;q=0.75, <tel:+1>;q=1",
        worse.uri(),
        better.uri()
    );
    let first = redirect(&peer, "INVITE", MOVED, &contacts).await;
    let (second, from) = better.request_of("INVITE").await;
    assert_eq!(second.start, format!("INVITE {} SIP/2.0", better.uri()));
    assert_eq!(second.get("CSeq"), "2 INVITE");
    assert!(second.all("Subject").is_empty());
    for name in ["Call-ID", "From", "To"] {
        assert_eq!(second.get(name), first.get(name));
    }
    assert_eq!(second.body, first.body);
    better
        .send(from, &second.response("404 Not Found", "b", "", ""))
        .await;
    let (third, from) = worse.request_of("INVITE").await;
    assert_eq!(third.get("CSeq"), "3 INVITE");
    let ok = third.response("200 OK", "w", &worse.contact(), text(ANSWER));
    worse.send(from, &ok).await;
    assert_eq!(alice.accepted().await.as_deref(), Some(ANSWER));
    assert_eq!(worse.request_of("ACK").await.0.get("CSeq"), "3 ACK");
    alice.perform(SipAction::Bye { call, reason: None }).await;
    let (bye, _) = worse.request_of("BYE").await;
    assert_eq!((bye.tag("To"), bye.get("CSeq")), ("w", "4 BYE"));
}

#[tokio::test]
async fn where_all_places_refuse_the_last_says_why_and_6xx_speaks_for_all() {
    let [peer, one, two] = [Peer::new().await, Peer::new().await, Peer::new().await];
    for (number, status, code) in [(1, "486 Busy Here", 486), (2, "603 Decline", 603)] {
        let mut alice = alice(|_| {});
        alice.invite_uri(number, peer.uri()).await;
        let contacts = format!("<{}>, <{}>", one.uri(), two.uri());
        redirect(&peer, "INVITE", "300 Multiple Choices", &contacts).await;
        let (request, from) = one.request_of("INVITE").await;
        one.send(from, &request.response(status, "o", "", "")).await;
        if code < 600 {
            let (request, from) = two.request_of("INVITE").await;
            two.send(from, &request.response(status, "t", "", "")).await;
        }
        alice.refused(code).await;
    }
}

#[tokio::test]
async fn loops_end_and_so_do_chains() {
    let [peer, other, third] = [Peer::new().await, Peer::new().await, Peer::new().await];
    let mut alice = alice(|config| config.redirects = 2);
    alice.invite_uri(1, peer.uri()).await;
    redirect(&peer, "INVITE", MOVED, &format!("<{}>", other.uri())).await;
    redirect(&other, "INVITE", MOVED, &format!("<{}>", peer.uri())).await;
    let answer = alice.refused(302).await;
    assert_eq!(
        answer.reason,
        format!("Moved Temporarily (to {}: a loop)", peer.uri())
    );
    assert_eq!(answer.header("Contact"), Some(&*format!("<{}>", peer.uri())));
    alice.invite_uri(2, peer.uri()).await;
    redirect(&peer, "INVITE", MOVED, &other.uri()).await;
    redirect(&other, "INVITE", MOVED, &third.uri()).await;
    let contacts: Vec<String> = (0..40)
        .map(|port| format!("<sip:127.0.0.1:{}>", 1000 + port))
        .collect();
    redirect(&third, "INVITE", MOVED, &contacts.join(",")).await;
    let answer = alice.refused(302).await;
    assert!(
        answer
            .reason
            .ends_with("(to sip:127.0.0.1:1000: more than 2 redirections)"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_is_not_followed_is_named() {
    let peer = Peer::new().await;
    let mut stubborn = alice(|config| config.redirects = 0);
    stubborn.invite_uri(1, peer.uri()).await;
    redirect(&peer, "INVITE", MOVED, "<sip:x@192.0.2.1>").await;
    assert_eq!(
        stubborn.refused(302).await.reason,
        "Moved Temporarily (to sip:x@192.0.2.1: redirections are not followed)"
    );
    let mut alice = alice(|_| {});
    for (number, status, contact, why) in [
        (
            1,
            "380 Alternative Service",
            "<sip:x@192.0.2.1>",
            "not a redirection that can be followed",
        ),
        (2, MOVED, "<tel:+123>", "it names no place to go to"),
        (3, MOVED, "<<", "it names no place to go to"),
        (4, MOVED, "*", "it names no place to go to"),
    ] {
        alice.invite_uri(number, peer.uri()).await;
        redirect(&peer, "INVITE", status, contact).await;
        let code = status[..3].parse().unwrap();
        let answer = alice.refused(code).await;
        assert!(answer.reason.ends_with(&format!("{why})")), "{answer:?}");
    }
    // A call that is given up goes nowhere.
    let call = alice.invite_uri(9, peer.uri()).await;
    let (invite, from) = peer.request_of("INVITE").await;
    alice.perform(SipAction::Cancel { call }).await;
    let contact = format!("Contact: <{}>\r\n", Peer::new().await.uri());
    peer.send(from, &invite.response(MOVED, "r", &contact, "")).await;
    assert_eq!(alice.refused(302).await.reason, "Moved Temporarily");
}

#[tokio::test]
async fn a_message_goes_on_too_and_by_the_proxy_that_305_names() {
    let [peer, other] = [Peer::new().await, Peer::new().await];
    let mut alice = alice(|_| {});
    for (number, status) in [(1, "301 Moved Permanently"), (2, "305 Use Proxy")] {
        let to = SipParty::new(peer.uri());
        let page = SipPage::new(PageId::outgoing(number), alice.party(), to, "text/plain", "hello");
        alice.perform(SipAction::Page(Box::new(page))).await;
        let first = redirect(&peer, "MESSAGE", status, &format!("<{};lr>", other.uri())).await;
        let (second, from) = other.request_of("MESSAGE").await;
        assert_eq!((&*second.body, second.get("CSeq")), ("hello", "2 MESSAGE"));
        if number == 1 {
            assert_eq!(second.start, format!("MESSAGE {};lr SIP/2.0", other.uri()));
            assert!(second.all("Route").is_empty());
        } else {
            assert_eq!(second.start, first.start);
            assert_eq!(second.get("Route"), format!("<{};lr>", other.uri()));
        }
        other
            .send(from, &second.response("202 Accepted", "o", "", ""))
            .await;
        let SipInput::PageAnswered { page, answer } = alice.next().await else {
            panic!()
        };
        assert_eq!((page, answer.code), (PageId::outgoing(number), 202));
    }
}
