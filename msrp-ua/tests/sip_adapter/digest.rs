//! Registration and digest, against a small registrar.

use std::time::Duration;

use msrp_core::{
    digest::Algorithm,
    digest::{Ha1, response, response_without_qop},
};
use msrp_ua::sip::{
    PageId, SipAction, SipAnswer, SipInput, SipPage, SipParty,
    rsipstack::{RegistrationState, RsipConfig, SipCredentials, SipRegistration},
};

use crate::{
    peer::{Peer, Text},
    side::{ANSWER, Side, config},
};

const SHA: &str = "Digest realm=\"home\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\", opaque=\"o\"";
const MD5: &str = "Digest realm=\"home\", nonce=\"n2\", algorithm=MD5, qop=\"auth,auth-int\"";
const OLD: &str = "Digest realm=\"home\", nonce=\"n3\"";

fn with_password(mut config: RsipConfig, password: &str) -> RsipConfig {
    config.credentials.push(SipCredentials::new("alice", password));
    config
}

fn parameter(credentials: &str, name: &str) -> Option<String> {
    credentials
        .strip_prefix("Digest ")
        .unwrap()
        .split(", ")
        .find_map(|parameter| {
            let (key, value) = parameter.split_once('=').unwrap();
            (key == name).then(|| value.trim_matches('"').to_owned())
        })
}

/// Whether credentials prove that their user knows this password.
fn proves(request: &Text, credentials: &str, algorithm: Algorithm, password: &str) -> bool {
    let of = |name| parameter(credentials, name);
    let ha1 = Ha1::compute(
        algorithm,
        &of("username").unwrap(),
        &of("realm").unwrap(),
        password,
    );
    let uri = of("uri").unwrap();
    assert_eq!(request.start.split(' ').nth(1), Some(&*uri));
    let nonce = of("nonce").unwrap();
    let expected = match of("qop") {
        Some(qop) => {
            let nc = u32::from_str_radix(&of("nc").unwrap(), 16).unwrap();
            let cnonce = of("cnonce").unwrap();
            response(
                algorithm,
                &ha1,
                &nonce,
                nc,
                &cnonce,
                &qop,
                request.method(),
                uri.as_bytes(),
            )
        }
        None => response_without_qop(algorithm, &ha1, &nonce, request.method(), uri.as_bytes()),
    };
    of("response").unwrap() == expected.as_str()
}

#[tokio::test]
async fn a_registration_is_proved_lasts_and_is_taken_back() {
    let registrar = Peer::new().await;
    let mut config = with_password(config("alice", "udp"), "secret");
    config.register = Some(SipRegistration::default());
    config.outbound_proxy = Some(format!("sip:{}", registrar.address()));
    let mut alice = Side::with("alice", config);
    assert_eq!(alice.adapter.registration(), RegistrationState::Trying);
    let (first, from) = registrar.request_of("REGISTER").await;
    assert_eq!(first.start, "REGISTER sip:127.0.0.1 SIP/2.0");
    assert!(first.get("Contact").ends_with(";expires=3600"), "{first:?}");
    let challenges = format!("WWW-Authenticate: {SHA}\r\nWWW-Authenticate: {MD5}\r\n");
    registrar
        .send(from, &first.response("401 Unauthorized", "r", &challenges, ""))
        .await;
    let (second, from) = registrar.request_of("REGISTER").await;
    assert_eq!(
        (second.get("Call-ID"), second.get("CSeq")),
        (first.get("Call-ID"), "2 REGISTER")
    );
    let [credentials] = second.all("Authorization")[..] else {
        panic!("{second:?}")
    };
    assert!(proves(&second, credentials, Algorithm::Sha256, "secret"));
    assert_eq!(parameter(credentials, "opaque").as_deref(), Some("o"));
    let contact = format!("Contact: <{}>;expires=1\r\n", second.contact());
    registrar
        .send(from, &second.response("200 OK", "r", &contact, ""))
        .await;
    assert_eq!(
        alice.adapter.registered().await,
        RegistrationState::Registered(Duration::from_secs(1))
    );
    // It is refreshed before it ends, and taken back in the end.
    let (third, from) = registrar.request_of("REGISTER").await;
    assert!(third.get("Contact").ends_with(";expires=3600"));
    registrar
        .send(from, &third.response("200 OK", "r", "Expires: 600\r\n", ""))
        .await;
    while alice.adapter.registration() != RegistrationState::Registered(Duration::from_secs(600)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(alice);
    let (last, _) = registrar.request_of("REGISTER").await;
    assert!(last.get("Contact").ends_with(";expires=0"), "{last:?}");
}

#[tokio::test]
async fn a_registrar_may_want_more_or_refuse() {
    let registrar = Peer::new().await;
    let mut config = with_password(config("alice", "udp"), "wrong");
    let mut registration = SipRegistration::default();
    registration.registrar = Some(format!("sip:{}", registrar.address()));
    config.register = Some(registration);
    let mut alice = Side::with("alice", config);
    let (first, from) = registrar.request_of("REGISTER").await;
    registrar
        .send(
            from,
            &first.response("423 Interval Too Brief", "r", "Min-Expires: 7200\r\n", ""),
        )
        .await;
    let (second, from) = registrar.request_of("REGISTER").await;
    assert!(second.get("Contact").ends_with(";expires=7200"));
    let challenge = format!("WWW-Authenticate: {OLD}\r\n");
    registrar
        .send(from, &second.response("401 Unauthorized", "r", &challenge, ""))
        .await;
    let (third, from) = registrar.request_of("REGISTER").await;
    assert!(!proves(
        &third,
        third.get("Authorization"),
        Algorithm::Md5,
        "secret"
    ));
    assert!(proves(
        &third,
        third.get("Authorization"),
        Algorithm::Md5,
        "wrong"
    ));
    // What was refused is not said again.
    registrar
        .send(from, &third.response("401 Unauthorized", "r", &challenge, ""))
        .await;
    let RegistrationState::Failed(SipAnswer { code: 401, .. }) = alice.adapter.registered().await else {
        panic!("{:?}", alice.adapter.registration());
    };
}

#[tokio::test]
async fn calls_and_messages_answer_a_proxy_and_a_peer() {
    let peer = Peer::new().await;
    let mut alice = Side::with("alice", with_password(config("alice", "udp"), "secret"));
    let call = alice.invite_uri(1, peer.uri()).await;
    let (first, from) = peer.request_of("INVITE").await;
    let ask = format!("Proxy-Authenticate: {MD5}\r\n");
    peer.send(
        from,
        &first.response("407 Proxy Authentication Required", "a", &ask, ""),
    )
    .await;
    let (ack, _) = peer.request_of("ACK").await;
    assert_eq!(ack.get("CSeq"), "1 ACK");
    let (second, from) = peer.request_of("INVITE").await;
    assert_eq!(
        (second.get("CSeq"), second.get("Call-ID")),
        ("2 INVITE", first.get("Call-ID"))
    );
    assert!(proves(
        &second,
        second.get("Proxy-Authorization"),
        Algorithm::Md5,
        "secret"
    ));
    // Behind the proxy somebody asks too; then the first nonce is stale.
    let ask = format!("WWW-Authenticate: {}\r\n", SHA.replace("home", "inner"));
    peer.send(from, &second.response("401 Unauthorized", "b", &ask, ""))
        .await;
    let (third, from) = peer.request_of("INVITE").await;
    assert!(proves(
        &third,
        third.get("Proxy-Authorization"),
        Algorithm::Md5,
        "secret"
    ));
    assert!(proves(
        &third,
        third.get("Authorization"),
        Algorithm::Sha256,
        "secret"
    ));
    let ok = third.response("200 OK", "c", &peer.contact(), str::from_utf8(ANSWER).unwrap());
    peer.send(from, &ok).await;
    alice.accepted().await;
    loop {
        let (ack, _) = peer.request_of("ACK").await;
        if ack.get("CSeq") == "3 ACK" {
            assert_eq!(ack.all("Proxy-Authorization").len(), 1);
            break;
        }
    }
    alice.perform(SipAction::Bye { call, reason: None }).await;
    let (bye, from) = peer.request_of("BYE").await;
    assert_eq!(bye.get("CSeq"), "4 BYE");
    peer.send(
        from,
        &bye.response(
            "407 Proxy Authentication Required",
            "",
            &format!("Proxy-Authenticate: {OLD}\r\n"),
            "",
        ),
    )
    .await;
    let (again, from) = peer.request_of("BYE").await;
    assert_eq!(again.get("CSeq"), "5 BYE");
    peer.send(from, &again.response("200 OK", "", "", "")).await;
    alice.bye_answered(call).await;

    let to = SipParty::new(peer.uri());
    let page = SipPage::new(PageId::outgoing(1), alice.party(), to, "text/plain", "hello");
    alice.perform(SipAction::Page(Box::new(page))).await;
    let (message, from) = peer.request_of("MESSAGE").await;
    let stale = format!("WWW-Authenticate: {MD5}\r\n");
    peer.send(from, &message.response("401 Unauthorized", "m", &stale, ""))
        .await;
    let (message, from) = peer.request_of("MESSAGE").await;
    let stale = format!("WWW-Authenticate: {}, stale=true\r\n", MD5.replace("n2", "n9"));
    peer.send(from, &message.response("401 Unauthorized", "m", &stale, ""))
        .await;
    let (message, from) = peer.request_of("MESSAGE").await;
    assert_eq!((&*message.body, message.get("CSeq")), ("hello", "3 MESSAGE"));
    // That of the realm which has asked before goes along.
    let proofs = message.all("Authorization");
    let nonces: Vec<_> = proofs
        .iter()
        .map(|proof| {
            (
                parameter(proof, "realm").unwrap(),
                parameter(proof, "nonce").unwrap(),
            )
        })
        .collect();
    let of = |realm: &str, nonce: &str| (realm.to_owned(), nonce.to_owned());
    assert_eq!(nonces, [of("inner", "n1"), of("home", "n9")]);
    peer.send(from, &message.response("200 OK", "m", "", "")).await;
    let SipInput::PageAnswered { answer, .. } = alice.next().await else {
        panic!()
    };
    assert_eq!(answer.code, 200);
}

/// A MESSAGE of ours.
async fn write(alice: &mut Side, number: u64, to: String) {
    let page = SipPage::new(
        PageId::outgoing(number),
        alice.party(),
        SipParty::new(to),
        "text/plain",
        "hello",
    );
    alice.perform(SipAction::Page(Box::new(page))).await;
}

async fn answered(alice: &mut Side) -> u16 {
    match alice.next().await {
        SipInput::PageAnswered { answer, .. } => answer.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_challenge_that_was_answered_is_answered_before_it_comes_again() {
    let (peer, other) = (Peer::new().await, Peer::new().await);
    let mut config = with_password(config("alice", "udp"), "secret");
    config.timers.t1 = Duration::from_secs(10);
    let mut alice = Side::with("alice", config);
    for (asks, says, status) in [
        ("WWW-Authenticate", "Authorization", "401 Unauthorized"),
        (
            "Proxy-Authenticate",
            "Proxy-Authorization",
            "407 Proxy Authentication Required",
        ),
    ] {
        let proof = |request: &Text| request.all(says).first().map(|value| (*value).to_owned());
        let ask = |challenge: &str| format!("{asks}: {challenge}\r\n");
        write(&mut alice, 1, peer.uri()).await;
        let (first, from) = peer.request_of("MESSAGE").await;
        assert_eq!(proof(&first), None);
        peer.send(from, &first.response(status, "m", &ask(SHA), "")).await;
        let mut cnonces = Vec::new();
        for count in 1..4 {
            let (request, _) = peer.request_of("MESSAGE").await;
            let proof = proof(&request).unwrap();
            assert!(proves(&request, &proof, Algorithm::Sha256, "secret"));
            assert_eq!(parameter(&proof, "nc").unwrap(), format!("{count:08x}"));
            cnonces.push(parameter(&proof, "cnonce").unwrap());
            assert_eq!(
                request.get("CSeq"),
                if count == 1 { "2 MESSAGE" } else { "1 MESSAGE" }
            );
            peer.send(from, &request.response("200 OK", "m", "", "")).await;
            assert_eq!(answered(&mut alice).await, 200);
            write(&mut alice, 1 + count, peer.uri()).await;
        }
        cnonces.dedup();
        assert_eq!(cnonces.len(), 3);
        // The nonce is too old, whether that is said or not; the count begins anew.
        for (number, stale) in [(5, ", stale=true"), (6, "")] {
            let (request, _) = peer.request_of("MESSAGE").await;
            assert!(proof(&request).is_some());
            let challenge = SHA.replace("n1", &format!("n1{number}")) + stale;
            peer.send(from, &request.response(status, "m", &ask(&challenge), ""))
                .await;
            let (request, _) = peer.request_of("MESSAGE").await;
            let proof = proof(&request).unwrap();
            assert!(proves(&request, &proof, Algorithm::Sha256, "secret"));
            assert_eq!(parameter(&proof, "nc").as_deref(), Some("00000001"));
            assert_eq!(parameter(&proof, "nonce"), Some(format!("n1{number}")));
            peer.send(from, &request.response("200 OK", "m", "", "")).await;
            assert_eq!(answered(&mut alice).await, 200);
            write(&mut alice, number, peer.uri()).await;
        }
        // What is refused for good is not said again, to whomever.
        let (request, _) = peer.request_of("MESSAGE").await;
        peer.send(from, &request.response(status, "m", &ask(SHA), ""))
            .await;
        let (request, _) = peer.request_of("MESSAGE").await;
        peer.send(from, &request.response(status, "m", &ask(SHA), ""))
            .await;
        assert_eq!(answered(&mut alice).await, status[..3].parse::<u16>().unwrap());
        write(&mut alice, 8, peer.uri()).await;
        let (request, _) = peer.request_of("MESSAGE").await;
        assert_eq!(proof(&request), None);
        peer.send(from, &request.response(status, "m", &ask(SHA), ""))
            .await;
        let (request, _) = peer.request_of("MESSAGE").await;
        peer.send(from, &request.response("200 OK", "m", "", "")).await;
        assert_eq!(answered(&mut alice).await, 200);
        // Nobody else is told, while a proxy asks for all whom it leads to.
        write(&mut alice, 10, format!("sip:carol@{}", peer.address())).await;
        let (request, _) = peer.request_of("MESSAGE").await;
        assert_eq!(proof(&request).is_some(), says == "Proxy-Authorization");
        peer.send(from, &request.response("200 OK", "m", "", "")).await;
        assert_eq!(answered(&mut alice).await, 200);
        write(&mut alice, 9, other.uri()).await;
        let (request, _) = other.request_of("MESSAGE").await;
        assert_eq!(proof(&request), None);
        other.send(from, &request.response("200 OK", "m", "", "")).await;
        assert_eq!(answered(&mut alice).await, 200);
    }
}

#[tokio::test]
async fn of_challenges_the_one_longest_not_used_is_forgotten() {
    let peers = [Peer::new().await, Peer::new().await, Peer::new().await];
    let mut config = with_password(config("alice", "udp"), "secret");
    config.timers.t1 = Duration::from_secs(10);
    config.limits.challenges = 2;
    let mut alice = Side::with("alice", config);
    // Whom we write to, and whether it has to ask.
    for (number, (which, asks)) in [
        (0, true),
        (1, true),
        (0, false),
        (2, true),
        (0, false),
        (1, true),
        (2, true),
    ]
    .into_iter()
    .enumerate()
    {
        let peer = &peers[which];
        write(&mut alice, number as u64, peer.uri()).await;
        let (mut request, from) = peer.request_of("MESSAGE").await;
        assert_eq!(request.all("Authorization").is_empty(), asks, "{number}");
        if asks {
            let challenge = format!("WWW-Authenticate: {OLD}\r\n");
            peer.send(from, &request.response("401 Unauthorized", "m", &challenge, ""))
                .await;
            (request, _) = peer.request_of("MESSAGE").await;
        }
        peer.send(from, &request.response("200 OK", "m", "", "")).await;
        assert_eq!(answered(&mut alice).await, 200);
    }
}

#[tokio::test]
async fn an_answer_may_bring_the_next_nonce() {
    let peer = Peer::new().await;
    let mut config = with_password(config("alice", "udp"), "secret");
    config.timers.t1 = Duration::from_secs(10);
    let mut alice = Side::with("alice", config);
    write(&mut alice, 1, peer.uri()).await;
    let (first, from) = peer.request_of("MESSAGE").await;
    let ask = format!("WWW-Authenticate: {SHA}\r\n");
    peer.send(from, &first.response("401 Unauthorized", "m", &ask, ""))
        .await;
    for (nonce, nc, info) in [
        ("n1", "00000001", "Authentication-Info: nextnonce=\"next\"\r\n"),
        ("next", "00000001", "Authentication-Info: nextnonce=broken\"\r\n"),
        (
            "next",
            "00000002",
            "Proxy-Authentication-Info: nextnonce=\"proxy\"\r\n",
        ),
        ("next", "00000003", ""),
    ] {
        let (request, _) = peer.request_of("MESSAGE").await;
        let proof = request.get("Authorization");
        assert!(proves(&request, proof, Algorithm::Sha256, "secret"));
        assert_eq!(parameter(proof, "nonce").as_deref(), Some(nonce));
        assert_eq!(parameter(proof, "nc").as_deref(), Some(nc));
        peer.send(from, &request.response("200 OK", "m", info, "")).await;
        assert_eq!(answered(&mut alice).await, 200);
        write(&mut alice, 2, peer.uri()).await;
    }
}
