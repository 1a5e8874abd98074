//! Certificates that nobody vouches for but signalling: RFC 8122, RFC 4975 §14.4.

#[path = "sdp/dialog.rs"]
mod dialog;
mod peer;

use dialog::{BOB, alice, answer_to, body, lines, message, refusal_of, section, stream};
use msrp_core::{
    grammar::StatusCode,
    node::{Action, Fingerprint, Node, PeerInfo, Security, TlsPeer, Trust},
};
use msrp_ua::{
    Role, SessionLoss, SessionParams, UserAgent, UserAgentConfig, UserAgentEvent,
    negotiate::{LocalStream, RefusalReason, StreamChange},
    sdp::SectionError,
};
use peer::{PEER, Peer};

/// Of `certificate` in DER, whatever that may be.
fn fingerprint(certificate: &[u8]) -> Fingerprint {
    // Hashes are not made here, so they are written down.
    let known = [(&b"certificate"[..], HASH), (&b"other"[..], OTHER)];
    let (_, digits) = known.into_iter().find(|(it, _)| *it == certificate).unwrap();
    let value = digits
        .split(':')
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect();
    Fingerprint {
        hash: "sha-256".to_owned(),
        value,
    }
}

const HASH: &str =
    "03:D6:6D:D0:88:35:C1:CA:3F:12:8C:CE:AC:D1:F3:1A:C9:41:63:09:6B:20:F4:45:AE:84:28:5B:C0:83:2D:72";
const OTHER: &str =
    "D9:29:8A:10:D1:B0:73:58:37:DC:4B:D8:5D:AC:64:1B:0F:3C:EF:27:A4:7E:5D:53:A5:4F:2F:3F:5B:2F:CF:FA";
const TLS: &str = "m=message 9999 TCP/TLS/MSRP *";
const PATH: &str = "a=path:msrps://peer.example.org:9999/p33r;tcp";

fn secure(path: &str) -> LocalStream {
    stream(&path.replace("msrp:", "msrps:"))
}

fn offer(more: &[&str]) -> Vec<u8> {
    body(&section(TLS, PATH, more))
}

// shows: 8122-5-01, 8122-5-04, 8122-5.1-01, 8122-5.1-03, 6135-4.3-03, 8122-4-01, 6135-4.3-01
#[test]
fn our_certificate_is_told_by_its_fingerprint() {
    let own = vec![fingerprint(b"certificate"), fingerprint(b"other")];
    let offer = alice()
        .offer(&[Some(secure(BOB).with_fingerprints(own.clone()))])
        .unwrap();
    assert_eq!(lines(&offer, "m="), ["message 8493 TCP/TLS/MSRP *"]);
    assert_eq!(
        lines(&offer, "a=fingerprint:"),
        [format!("sha-256 {HASH}"), format!("sha-256 {OTHER}")]
    );
    assert_eq!(message(&offer, 0).fingerprints, own);
    let spelled = format!("a=fingerprint:SHA-256 {}", HASH.to_ascii_lowercase());
    assert_eq!(
        message(&body(&section(TLS, PATH, &[&spelled])), 0).fingerprints,
        own[..1]
    );
}

// shows: 8122-5-06, 8122-5-08, 8122-X-05, 8122-8-01
#[test]
fn hashes_that_prove_nothing_are_not_trusted() {
    let sha1 = "a=fingerprint:SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";
    let md5 = "a=fingerprint:md5 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F";
    // It is read, but it is no reason to trust a certificate that nobody else vouches for.
    assert_eq!(message(&offer(&[sha1]), 0).fingerprints[0].value.len(), 20);
    for weak in [sha1, md5, "a=fingerprint:sha-3 AB"] {
        assert_eq!(
            refusal_of(&offer(&[weak]), secure(BOB)),
            (488, Some(399), RefusalReason::FingerprintHash)
        );
    }
    let good = format!("a=fingerprint:sha-256 {HASH}");
    let (_, agreed) = answer_to(&offer(&[sha1, md5, &good]), secure(BOB)).unwrap();
    assert_eq!(
        agreed.streams[0].trust(),
        Trust::Fingerprints(vec![fingerprint(b"certificate")])
    );
    for short in [
        "sha-1 AB",
        "sha-512 AB",
        "sha-256",
        "sha-256 ABC",
        "sha-256 A:B",
        "(x) AB",
    ] {
        let reason = refusal_of(&offer(&[&format!("a=fingerprint:{short}")]), secure(BOB)).2;
        assert_eq!(
            reason,
            RefusalReason::Section(SectionError::Fingerprint),
            "{short}"
        );
    }
}

// shows: 6135-4.3-04, 8122-X-04
#[test]
fn fingerprints_reach_the_session_unless_there_is_a_relay_between() {
    let print = format!("a=fingerprint:sha-256 {HASH}");
    let trust = |path: &str, local: LocalStream| {
        let offer = body(&section(TLS, path, &[&print, "a=setup:passive"]));
        let (_, agreed) = answer_to(&offer, local).unwrap();
        agreed.streams[0].session_params(None).trust
    };
    let expected = Trust::Fingerprints(vec![fingerprint(b"certificate")]);
    assert_eq!(trust(PATH, secure(BOB)), expected);
    let behind = PATH.replace("path:", "path:msrps://relay.example.org:2855/r;tcp ");
    assert_eq!(trust(&behind, secure(BOB)), Trust::Pki);
    let relay = dialog::RELAY.parse().unwrap();
    assert_eq!(trust(PATH, secure(BOB).with_relay(&relay)), Trust::Pki);
}

// shows: 8122-6.2-02, 6135-4.3-02, 4145-X6135-11, 8122-6.2-01
#[test]
fn the_active_side_presents_its_certificate_and_expects_the_other() {
    let print = format!("a=fingerprint:sha-256 {HASH}");
    let own = secure(BOB).with_fingerprints(vec![fingerprint(b"other")]);
    let (_, agreed) = answer_to(&offer(&[&print, "a=setup:passive"]), own).unwrap();
    #[allow(clippy::disallowed_methods, reason = "tests begin at any time")]
    let now = std::time::Instant::now();
    let mut agent = UserAgent::new(now, UserAgentConfig::new("bob.example.com", 8493, true), [1; 32]);
    agent
        .open_session(agreed.streams[0].session_params(None))
        .unwrap();
    let Some(Action::Connect { target, .. }) = agent.poll_action() else {
        panic!("no connect");
    };
    assert!(target.client_identity);
    assert_eq!(
        target.trust,
        Trust::Fingerprints(vec![fingerprint(b"certificate")])
    );
}

// shows: 6714-7-04, 6714-4.3-13
#[test]
fn a_middlebox_is_connected_to_and_the_uri_is_what_a_certificate_names() {
    let lines = ["c=IN IP4 203.0.113.9", "a=msrp-cema", "a=setup:passive"];
    let offer = body(&section("m=message 40000 TCP/TLS/MSRP *", PATH, &lines));
    let (_, agreed) = answer_to(&offer, secure(BOB).with_cema()).unwrap();
    #[allow(clippy::disallowed_methods, reason = "tests begin at any time")]
    let now = std::time::Instant::now();
    let mut agent = UserAgent::new(now, UserAgentConfig::new("bob.example.com", 8493, true), [1; 32]);
    agent
        .open_session(agreed.streams[0].session_params(None))
        .unwrap();
    let Some(Action::Connect { target, .. }) = agent.poll_action() else {
        panic!("no connect");
    };
    assert_eq!(
        (target.host.as_str(), target.port),
        ("peer.example.org", Some(9999))
    );
    assert_eq!(target.instead, Some(("203.0.113.9".to_owned(), 40_000)));
}

// shows: 8122-5.1-06, 8122-6.2-02, 8122-X-01, 6135-4.3-05
#[test]
fn a_peer_with_another_certificate_than_told_is_refused_and_the_session_ended() {
    let certificate = |octets: &'static [u8]| Some(bytes::Bytes::from_static(octets));
    for (presented, demanded, good) in [
        (certificate(b"certificate"), true, true),
        (certificate(b"other"), false, false),
        (None, false, true),
        (None, true, false),
    ] {
        let config = UserAgentConfig::new("agent.example.com", 7777, true).demand_certificates(demanded);
        let expect = |params: &mut SessionParams| {
            params.trust = Trust::Fingerprints(vec![fingerprint(b"certificate")]);
        };
        let mut peer = Peer::connected(config, expect);
        let mut tls = TlsPeer::default();
        tls.certificate = presented;
        let info = PeerInfo::new().with_security(Security::Tls(std::sync::Arc::new(tls)));
        let wire = peer.agent.handle_accepted(peer.now, info).unwrap();
        let hello = format!(
            "MSRP bind0000 SEND\r\nTo-Path: {}\r\nFrom-Path: {PEER}\r\nMessage-ID: bind\r\nByte-Range: 1-0/0\r\n-------bind0000$\r\n",
            peer.to
        );
        let answer = peer.write_on(wire, hello.as_bytes());
        let code = if good {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        };
        assert!(
            answer[0].start.starts_with(&code.to_string()),
            "{}",
            answer[0].start
        );
        match &peer.events[..] {
            [UserAgentEvent::SessionReady { .. }] => assert!(good),
            [
                UserAgentEvent::SessionLost {
                    reason: SessionLoss::Certificate,
                    ..
                },
            ] => assert!(!good),
            events => panic!("{events:?}"),
        }
        assert_eq!(peer.agent.session_count(), usize::from(good));
    }
}

// shows: 8122-X-03
#[test]
fn sessions_share_a_connection_only_if_they_expect_the_same_certificate() {
    #[allow(clippy::disallowed_methods, reason = "tests begin at any time")]
    let now = std::time::Instant::now();
    let mut agent = UserAgent::new(now, UserAgentConfig::new("a.example.com", 7777, true), [1; 32]);
    let mut open = |certificate: &[u8]| {
        let remote: msrp_core::grammar::Path = "msrps://peer.example.org:9999/x;tcp".parse().unwrap();
        let uri = agent.allocate_uri();
        let params = SessionParams::new(uri, remote, Role::Active)
            .with_trust(Trust::Fingerprints(vec![fingerprint(certificate)]));
        agent.open_session(params).unwrap();
        usize::from(agent.poll_action().is_some())
    };
    assert_eq!(
        [open(b"certificate"), open(b"certificate"), open(b"other")],
        [1, 0, 1]
    );
}

#[test]
fn a_new_certificate_is_a_new_session() {
    let (mut a, b) = (alice(), secure(BOB));
    let print = |digits: &str| offer(&[&format!("a=fingerprint:sha-256 {digits}")]);
    a.on_offer(&print(HASH)).unwrap();
    a.answer(dialog::accept(b)).unwrap();
    a.on_offer(&print(OTHER)).unwrap();
    assert_eq!(a.offered()[0].change, StreamChange::Replaced);
}
