//! Requests that are not understood, broken, too many, or left unanswered.

use bytes::Bytes;
use msrp_ua::sip::{SipAdapter, SipInput};

use crate::{
    peer::{Peer, Said},
    said::{SDP, outside, text, udp},
    side::{ANSWER, OFFER, Side, T1, config},
};

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
