//! TCP and TLS: connections that are lost, that are too long, and several listeners at one adapter.

use std::sync::Arc;

use msrp_ua::sip::{
    PageId, SipAction, SipInput, SipPage, SipParty, SipReply,
    rsipstack::{RsipConfig, SipListen, SipTls, SipTransport},
};
use rustls::pki_types::PrivateKeyDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::side::{ANSWER, Side, config};

fn page(number: u64, from: &Side, to: String, length: usize) -> SipAction {
    let name = PageId::outgoing(number);
    let page = SipPage::new(
        name,
        from.party(),
        SipParty::new(to),
        "text/plain",
        vec![b'x'; length],
    );
    SipAction::Page(Box::new(page))
}

async fn answered(side: &mut Side) -> u16 {
    match side.next().await {
        SipInput::PageAnswered { answer, .. } => answer.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nobody_at_the_other_end_is_503() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut alice = Side::new("alice", "tcp");
    let uri = format!("sip:bob@{address};transport=tcp");
    alice.invite_uri(1, uri.clone()).await;
    let refused = alice.refused(503).await;
    assert!(refused.reason.contains("refused"), "{refused:?}");
    let action = page(1, &alice, uri, 1);
    alice.perform(action).await;
    assert_eq!(answered(&mut alice).await, 503);
}

#[tokio::test]
async fn a_connection_that_closes_ends_what_waits_on_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut alice = Side::new("alice", "tcp");
    let uri = format!("sip:bob@{};transport=tcp", listener.local_addr().unwrap());
    alice.invite_uri(1, uri.clone()).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_u8().await.unwrap();
    drop(stream);
    assert_eq!(alice.refused(503).await.reason, "the connection was closed");
    // The next request opens another.
    let action = page(1, &alice, uri, 1);
    alice.perform(action).await;
    drop(listener.accept().await.unwrap());
    assert_eq!(answered(&mut alice).await, 503);
}

#[tokio::test]
async fn a_call_goes_on_when_its_connection_is_lost() {
    let (mut alice, mut bob, out, into) = crate::side::in_call("tcp").await;
    // A peer that sends what is too long for bob ends only its own connection.
    let mut other = TcpStream::connect(bob.adapter.listening()[0].address)
        .await
        .unwrap();
    let head = "MESSAGE sip:bob@x SIP/2.0\r\nVia: SIP/2.0/TCP y;branch=z9hG4bK1\r\nFrom: <sip:c@y>;tag=1\r\n\
                To: <sip:bob@x>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 18446744073709551615\r\n\r\n";
    other.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    other.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"SIP/2.0 513 ");
    drop(other);
    let offer = bytes::Bytes::from_static(ANSWER);
    for turn in 0..2 {
        let (from, to, call) = if turn == 0 {
            (&mut alice, &mut bob, out)
        } else {
            (&mut bob, &mut alice, into)
        };
        from.perform(SipAction::Reinvite {
            call,
            offer: offer.clone(),
        })
        .await;
        let SipInput::Reinvite { call, .. } = to.next().await else {
            panic!()
        };
        to.answer(call).await;
        from.accepted().await;
        to.acknowledged().await;
    }
}

#[tokio::test]
async fn pings_are_answered_and_rubbish_ends_the_connection() {
    let mut bob = Side::new("bob", "tcp");
    let mut stream = TcpStream::connect(bob.adapter.listening()[0].address)
        .await
        .unwrap();
    stream.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\r\n");
    stream
        .write_all(b"X y z\r\nContent-Length: minus one\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(stream.read(&mut pong).await.unwrap(), 0);
    bob.silent().await;
}

#[tokio::test]
async fn a_message_too_long_for_udp_goes_by_tcp() {
    let mut both = config("bob", "udp");
    // The same port for both, as a URI without a transport names them.
    let mut bob = loop {
        let probe = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = probe.local_addr().unwrap();
        drop(probe);
        both.listen = [SipTransport::Udp, SipTransport::Tcp]
            .map(|by| SipListen::new(by, address))
            .to_vec();
        if let Ok(adapter) = msrp_ua::sip::rsipstack::RsipAdapter::start(both.clone()) {
            break Side { name: "bob", adapter };
        }
    };
    let mut alice = Side::new("alice", "udp");
    for length in [10, 1300, 60_000] {
        let action = page(1, &alice, bob.uri(), length);
        alice.perform(action).await;
        let SipInput::Page(page) = bob.next().await else {
            panic!()
        };
        assert_eq!(page.body.len(), length);
        bob.perform(SipAction::AnswerPage {
            page: page.page,
            reply: SipReply::new(200),
        })
        .await;
        assert_eq!(answered(&mut alice).await, 200);
    }
    // Where there is no TCP, it is an outcome.
    let mut carol = Side::new("carol", "udp");
    let action = page(2, &alice, carol.uri(), 1300);
    alice.perform(action).await;
    assert_eq!(answered(&mut alice).await, 503);
    carol.silent().await;
}

#[tokio::test]
async fn a_call_by_tls() {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = key.cert.der().clone();
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.clone()],
            PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into()),
        )
        .unwrap();
    let trusting = |roots| {
        rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let side = |name, roots| {
        let mut config: RsipConfig = config(name, "tls");
        config.tls = SipTls::new(Some(Arc::new(trusting(roots))), Some(Arc::new(server.clone())));
        Side::with(name, config)
    };
    let (mut alice, mut bob) = (side("alice", roots.clone()), side("bob", roots));
    let call = alice.invite(1, &bob).await;
    let into = bob.invited().await;
    bob.answer(into).await;
    assert_eq!(alice.accepted().await.as_deref(), Some(ANSWER));
    bob.acknowledged().await;
    let action = page(1, &bob, alice.uri(), 2000);
    bob.perform(action).await;
    let SipInput::Page(page) = alice.next().await else {
        panic!()
    };
    alice
        .perform(SipAction::AnswerPage {
            page: page.page,
            reply: SipReply::new(200),
        })
        .await;
    assert_eq!(answered(&mut bob).await, 200);
    alice.perform(SipAction::Bye { call, reason: None }).await;
    assert_eq!(bob.ended().await, None);
    // Whom we do not trust we do not call.
    let mut carol = side("carol", rustls::RootCertStore::empty());
    carol.invite(1, &bob).await;
    let refused = carol.refused(503).await;
    assert!(refused.reason.contains("certificate"), "{refused:?}");
}
