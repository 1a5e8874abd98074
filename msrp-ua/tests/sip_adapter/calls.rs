//! INVITE, its answers, and the end of calls.

use bytes::Bytes;
use msrp_ua::sip::{SipAction, SipInput, SipReply};

use crate::side::{ANSWER, OFFER, Side, in_call};

const TRANSPORTS: [&str; 2] = ["udp", "tcp"];

#[tokio::test]
async fn a_call_begins_rings_and_ends_from_either_side() {
    for transport in TRANSPORTS {
        for caller_ends in [true, false] {
            let (mut alice, mut bob) = (Side::new("alice", transport), Side::new("bob", transport));
            let out = alice.invite(1, &bob).await;
            let SipInput::Invite(invite) = bob.next().await else {
                panic!()
            };
            assert_eq!(invite.offer.as_deref(), Some(OFFER));
            assert_eq!(invite.request_uri, bob.uri());
            assert_eq!(invite.from.uri, "sip:alice@127.0.0.1");
            let into = invite.call;
            bob.perform(SipAction::Ring { call: into }).await;
            assert!(matches!(alice.next().await, SipInput::Progress { call, code: 180 } if call == out));
            bob.answer(into).await;
            assert_eq!(alice.accepted().await.as_deref(), Some(ANSWER));
            assert_eq!(bob.acknowledged().await, None);
            let (from, to, call) = if caller_ends {
                (&mut alice, &mut bob, out)
            } else {
                (&mut bob, &mut alice, into)
            };
            from.perform(SipAction::Bye { call, reason: None }).await;
            assert_eq!(to.ended().await, None);
            from.bye_answered(call).await;
            from.silent().await;
            to.silent().await;
        }
    }
}

#[tokio::test]
async fn a_refusal_says_why() {
    for transport in TRANSPORTS {
        let (mut alice, mut bob) = (Side::new("alice", transport), Side::new("bob", transport));
        alice.invite(1, &bob).await;
        let call = bob.invited().await;
        let reply = SipReply::new(488)
            .with_reason("No MSRP here")
            .with_retry_after(std::time::Duration::from_millis(1500))
            .with_header("Warning", "304 bob \"Media type not available\"");
        bob.perform(SipAction::Refuse { call, reply }).await;
        let answer = alice.refused(488).await;
        assert_eq!(answer.reason, "No MSRP here");
        assert_eq!(answer.retry_after, Some(std::time::Duration::from_secs(2)));
        assert_eq!(
            answer.header("Warning"),
            Some("304 bob \"Media type not available\"")
        );
        bob.silent().await;
    }
}

#[tokio::test]
async fn a_reinvite_goes_both_ways() {
    for transport in TRANSPORTS {
        let (mut alice, mut bob, out, into) = in_call(transport).await;
        let offer = Bytes::from_static(b"v=0\r\no=a 1 2 IN IP4 127.0.0.1\r\n");
        for turn in 0..4 {
            let (from, to, ours, theirs) = if turn % 2 == 0 {
                (&mut alice, &mut bob, out, into)
            } else {
                (&mut bob, &mut alice, into, out)
            };
            from.perform(SipAction::Reinvite {
                call: ours,
                offer: offer.clone(),
            })
            .await;
            let SipInput::Reinvite { call, offer: came } = to.next().await else {
                panic!()
            };
            assert_eq!((call, came.as_ref()), (theirs, Some(&offer)));
            if turn < 2 {
                to.answer(call).await;
                assert_eq!(from.accepted().await.as_deref(), Some(ANSWER));
                assert_eq!(to.acknowledged().await, None);
            } else {
                to.perform(SipAction::Refuse {
                    call,
                    reply: SipReply::new(488),
                })
                .await;
                from.refused(488).await;
            }
        }
        bob.perform(SipAction::Bye {
            call: into,
            reason: Some("SIP;cause=500;text=\"no more\"".to_owned()),
        })
        .await;
        let answer = alice.ended().await.unwrap();
        assert_eq!((answer.code, &*answer.reason), (500, "no more"));
    }
}
