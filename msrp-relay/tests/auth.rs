//! AUTH (RFC 4976 §4, §5.1, §6.3, §9.1).
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::{
    digest::{self, Algorithm, Digest, Ha1},
    grammar::{AuthenticationInfo, Challenge, Scheme},
    node::ListenerId,
};
use msrp_relay::{AuthFailure, ConfigError, MemoryAuthStore, Relay, RelayConfig, RelayEvent};

fn auth_request(id: &str, headers: &str) -> String {
    format!("MSRP {id} AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {ALICE}\r\n{headers}-------{id}$\r\n")
}

/// A connection and the challenge it was given.
fn challenged(world: &mut World) -> (msrp_core::node::ConnectionHandle, String) {
    let alice = world.accept(tls());
    world.feed(alice, auth_request("49fh", ""));
    let frame = world.frames(alice).remove(0);
    (alice, frame.header("WWW-Authenticate").unwrap().to_owned())
}

fn nonce_of(challenge: &str) -> String {
    Challenge::parse(challenge.as_bytes()).unwrap().nonce.into_owned()
}

fn answer_with(
    world: &mut World,
    handle: msrp_core::node::ConnectionHandle,
    authorization: &str,
    extra: &str,
) -> Frame {
    world.feed(
        handle,
        auth_request("49fi", &format!("Authorization: {authorization}\r\n{extra}")),
    );
    world.frames(handle).remove(0)
}

// shows: 4976-5.1-09, 4976-4.3-01, 4976-6.1-03, 4976-6.3-03, 4976-9.1-09, 4976-9.1-10, 4976-9.1-04, 4976-9.1-05
// shows: 4976-9.1-07, 4976-E-11, 4976-E-12, 4976-10-01
#[test]
fn an_auth_without_credentials_is_challenged() {
    let mut world = World::new();
    let alice = world.accept(tls());
    world.feed(alice, auth_request("49fh", ""));
    let text = world.text(alice);
    let frame = split(text.as_bytes()).remove(0);
    let value = frame.header("WWW-Authenticate").unwrap();
    assert_eq!(
        text,
        format!(
            "MSRP 49fh 401 Unauthorized\r\nTo-Path: {ALICE}\r\nFrom-Path: {RELAY}\r\nWWW-Authenticate: {value}\r\n\
             -------49fh$\r\n"
        )
    );
    let nonce = nonce_of(value);
    assert_eq!(
        value,
        format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", opaque=\"msrp\", qop=\"auth\"")
    );
    assert_eq!(nonce.len(), 32);
    assert_eq!(world.relay.bindings(), 0);
    assert!(frame.header("Use-Path").is_none());
}

// shows: 4976-5.1-10
#[test]
fn the_realm_is_the_host_or_what_the_administrator_says() {
    let mut world = World::new();
    let (_, challenge) = challenged(&mut world);
    assert_eq!(Challenge::parse(challenge.as_bytes()).unwrap().realm, REALM);
    let mut world = World::with(config().realm("chat"));
    let (_, challenge) = challenged(&mut world);
    assert_eq!(Challenge::parse(challenge.as_bytes()).unwrap().realm, "chat");
}

// shows: 4976-3-02, 4976-4.1-02, 4976-4.2-01, 4976-4.2-02, 4976-4.3-02, 4976-4.3-03, 4976-4.6-02, 4976-5.1-14
// shows: 4976-6.3-01, 4976-6.3-12, 4976-6.3-15, 4976-9.1-01, 4976-9.1-14, 4976-9.1-16, 4976-X-05, 4976-X-07
#[test]
fn right_credentials_are_given_a_use_path_and_a_proof() {
    let mut world = World::with(
        RelayConfig::new("intra.example.com")
            .listener(ListenerId(0), Scheme::Msrps, 9000)
            .auth_store(MemoryAuthStore::new().with_password("Alice", "intra.example.com", "secret")),
    );
    let relay = "msrps://alice@intra.example.com;tcp";
    let alice = world.accept(tls());
    world.feed(
        alice,
        format!("MSRP 49fh AUTH\r\nTo-Path: {relay}\r\nFrom-Path: {ALICE}\r\n-------49fh$\r\n"),
    );
    let challenge = world.frames(alice).remove(0);
    let nonce = nonce_of(challenge.header("WWW-Authenticate").unwrap());
    let realm = "intra.example.com";
    let ha1 = Ha1::compute(Algorithm::Md5, "Alice", realm, "secret");
    let digest = |f: &dyn Fn(&Ha1) -> Digest| f(&ha1).to_string();
    let response = digest(&|ha1| {
        digest::response(
            Algorithm::Md5,
            ha1,
            &nonce,
            1,
            "0a4f113b",
            "auth",
            "AUTH",
            relay.as_bytes(),
        )
    });
    world.feed(
        alice,
        format!(
            "MSRP 49fi AUTH\r\nTo-Path: {relay}\r\nFrom-Path: {ALICE}\r\nAuthorization: Digest username=\"Alice\", \
             realm=\"{realm}\", nonce=\"{nonce}\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", \
             response=\"{response}\"\r\n-------49fi$\r\n"
        ),
    );
    let text = world.text(alice);
    let frame = split(text.as_bytes()).remove(0);
    let use_path = frame.header("Use-Path").unwrap().to_owned();
    let info = frame.header("Authentication-Info").unwrap().to_owned();
    assert_eq!(
        text,
        format!(
            "MSRP 49fi 200 OK\r\nTo-Path: {ALICE}\r\nFrom-Path: {relay}\r\nUse-Path: {use_path}\r\n\
             Authentication-Info: {info}\r\nExpires: 600\r\n-------49fi$\r\n"
        )
    );
    let token = use_path
        .strip_prefix("msrps://intra.example.com:9000/")
        .and_then(|rest| rest.strip_suffix(";tcp"))
        .unwrap();
    // 26 characters of an alphabet of 32 are 130 bits.
    assert_eq!(token.len(), 26);
    let rspauth = digest(&|ha1| {
        digest::rspauth(
            Algorithm::Md5,
            ha1,
            &nonce,
            1,
            "0a4f113b",
            "auth",
            relay.as_bytes(),
        )
    });
    let nextnonce = AuthenticationInfo::parse(info.as_bytes())
        .unwrap()
        .nextnonce
        .unwrap()
        .into_owned();
    assert_eq!(
        info,
        format!(
            "nextnonce=\"{nextnonce}\", qop=auth, rspauth=\"{rspauth}\", cnonce=\"0a4f113b\", nc=00000001"
        )
    );
    assert_ne!(nextnonce, nonce);
}

// shows: 4976-6.3-07, 4976-A-01
#[test]
fn every_auth_is_given_a_uri_of_its_own_that_tells_nothing_of_the_others() {
    let mut world = World::new();
    let alice = world.accept(tls());
    let mut uris: Vec<_> = (0..50).map(|_| world.auth(alice, "alice", "secret")).collect();
    uris.sort();
    for pair in uris.windows(2) {
        let common = pair[0]
            .bytes()
            .zip(pair[1].bytes())
            .take_while(|(a, b)| a == b)
            .count();
        // "msrps://relay.example.com:2855/" and a few characters that happen to be the same.
        assert!(common < 31 + 6, "{pair:?}");
    }
}

// shows: 4976-9.1-17
#[test]
fn the_next_nonce_serves_without_another_challenge() {
    let mut world = World::new();
    let alice = world.accept(tls());
    let granted = world.try_auth(alice, "alice", "secret", "");
    let info = granted.header("Authentication-Info").unwrap().to_owned();
    let next = AuthenticationInfo::parse(info.as_bytes())
        .unwrap()
        .nextnonce
        .unwrap();
    for nc in 1..3 {
        let again = answer(REALM, &next, Algorithm::Md5, "alice", "secret", nc, RELAY, None);
        assert_eq!(answer_with(&mut world, alice, &again, "").start_code(), 200);
    }
}

// shows: 4976-9.1-18, 4976-E-10
#[test]
fn a_replay_is_refused_with_a_fresh_nonce() {
    let mut world = World::new();
    let (alice, challenge) = challenged(&mut world);
    let authorization = authorize(&challenge, "alice", "secret", 1);
    assert_eq!(
        answer_with(&mut world, alice, &authorization, "").start_code(),
        200
    );
    let replay = answer_with(&mut world, alice, &authorization, "");
    assert_eq!(replay.start, "401 Unauthorized");
    let second = replay.header("WWW-Authenticate").unwrap().to_owned();
    assert!(second.contains("stale=true"), "{second}");
    assert_ne!(nonce_of(&second), nonce_of(&challenge));
    // On another connection it is worth nothing either.
    let (mallory, _) = challenged(&mut world);
    assert_eq!(
        answer_with(&mut world, mallory, &authorization, "").start_code(),
        401
    );
    assert_eq!(world.relay.stats().auth_failures, 0);
    assert_eq!(world.relay.bindings(), 1);
}

// shows: 4976-E-10, 4976-10-01
#[test]
fn an_old_nonce_is_stale_and_nothing_else() {
    let mut world = World::new();
    let (alice, challenge) = challenged(&mut world);
    assert_eq!(world.auth(alice, "alice", "secret").len(), 61);
    world.advance(Duration::from_secs(301));
    let late = authorize(&challenge, "alice", "secret", 1);
    let frame = answer_with(&mut world, alice, &late, "");
    let second = frame.header("WWW-Authenticate").unwrap().to_owned();
    assert_eq!(
        second,
        format!(
            "Digest realm=\"{REALM}\", nonce=\"{}\", opaque=\"msrp\", stale=true, qop=\"auth\"",
            nonce_of(&second)
        )
    );
    let retried = authorize(&second, "alice", "secret", 1);
    assert_eq!(answer_with(&mut world, alice, &retried, "").start_code(), 200);
    assert_eq!(world.relay.stats().auth_failures, 0);
}

// shows: 4976-E-10, 4976-10-01
#[test]
fn wrong_password_and_unknown_user_look_the_same() {
    for (user, password) in [("alice", "wrong"), ("nobody", "secret")] {
        let mut world = World::new();
        let (alice, challenge) = challenged(&mut world);
        let frame = answer_with(&mut world, alice, &authorize(&challenge, user, password, 1), "");
        assert_eq!(frame.start, "401 Unauthorized");
        let second = frame.header("WWW-Authenticate").unwrap().to_owned();
        assert_eq!(
            second,
            format!(
                "Digest realm=\"{REALM}\", nonce=\"{}\", opaque=\"msrp\", qop=\"auth\"",
                nonce_of(&second)
            )
        );
        assert_eq!(
            world.events,
            [RelayEvent::AuthFailed {
                connection: alice,
                peer: tls().remote,
                user: user.to_owned(),
                reason: AuthFailure::Credentials
            }]
        );
    }
}

// shows: 4976-9.1-03, 4976-9.1-09, 4976-9.1-11, 4976-9.1-04, 4976-9.1-05, 4976-7-10, 4976-7-11
#[test]
fn credentials_that_are_no_digest_by_the_rules_are_challenged_again() {
    let good = "Digest username=\"alice\", realm=\"relay.example.com\", nonce=\"N\", \
                response=\"750e4fd73ea1221cef6d74424f4cd590\", cnonce=\"0a4f113b\", qop=auth, nc=00000001";
    for (what, authorization) in [
        ("Basic", "Basic YWxpY2U6c2VjcmV0".to_owned()),
        ("no cnonce", good.replace("cnonce=\"0a4f113b\", ", "")),
        ("no nc", good.replace(", nc=00000001", "")),
        ("no qop", good.replace(", qop=auth", "")),
        ("auth-int", good.replace("qop=auth", "qop=auth-int")),
        ("MD5-sess", format!("{good}, algorithm=MD5-sess")),
        ("SHA-256 unasked", format!("{good}, algorithm=SHA-256")),
        ("short response", good.replace("750e4fd7", "")),
        ("nc of one digit", good.replace("nc=00000001", "nc=1")),
        ("another realm", good.replace("relay.example.com", "example.com")),
        ("no parameters", "Digest ".to_owned()),
        ("an endless user", good.replace("alice", &"a".repeat(300))),
    ] {
        let mut world = World::new();
        let (alice, challenge) = challenged(&mut world);
        let authorization = authorization.replace("\"N\"", &format!("\"{}\"", nonce_of(&challenge)));
        let frame = answer_with(&mut world, alice, &authorization, "");
        assert_eq!(frame.start, "401 Unauthorized", "{what}");
        let again = frame.header("WWW-Authenticate").unwrap();
        assert!(!again.contains("stale"), "{what}");
        assert!(!again.contains("Basic"));
        assert_eq!(world.relay.stats().auth_failures, 1, "{what}");
        assert_eq!(world.relay.bindings(), 0);
    }
}

// shows: 4976-9.1-12, 4976-9.1-15, 4976-E-04
#[test]
fn the_uri_parameter_may_be_there_or_not() {
    for (written, parameter, code) in [
        (RELAY, None, 200),
        (RELAY, Some(RELAY), 200),
        // Another form of the same URI, over which the peer has computed.
        (
            "msrps://RELAY.example.com;TCP",
            Some("msrps://RELAY.example.com;TCP"),
            200,
        ),
        // A wrong one beside a digest over the right one.
        (RELAY, Some("msrps://other.example.com;tcp"), 200),
        // A digest over somebody else's URI.
        (
            "msrps://other.example.com;tcp",
            Some("msrps://other.example.com;tcp"),
            401,
        ),
    ] {
        let mut world = World::new();
        let (alice, challenge) = challenged(&mut world);
        let authorization = answer(
            REALM,
            &nonce_of(&challenge),
            Algorithm::Md5,
            "alice",
            "secret",
            1,
            written,
            parameter,
        );
        let frame = answer_with(&mut world, alice, &authorization, "");
        assert_eq!(frame.start_code(), code, "{written} {parameter:?}");
        if code == 200 {
            let info = frame.header("Authentication-Info").unwrap();
            let ha1 = Ha1::compute(Algorithm::Md5, "alice", REALM, "secret");
            let rspauth = digest::rspauth(
                Algorithm::Md5,
                &ha1,
                &nonce_of(&challenge),
                1,
                "0a4f113b",
                "auth",
                written.as_bytes(),
            );
            assert!(info.contains(rspauth.as_str()));
        }
    }
}

// shows: 4976-E-12
#[test]
fn quoted_and_unspaced_authorization_parameters_are_understood() {
    let mut world = World::new();
    let (alice, challenge) = challenged(&mut world);
    let authorization = authorize(&challenge, "alice", "secret", 1)
        .replace("qop=auth", "qop=\"auth\"")
        .replace("nc=00000001", "nc=\"00000001\"")
        .replace(", ", ",");
    assert_eq!(
        answer_with(&mut world, alice, &authorization, "").start_code(),
        200
    );
}

// shows: 4976-E-15, 4976-7-06
#[test]
fn sha_256_is_offered_second_and_only_by_agreement() {
    let mut world = World::with(config().offer_sha256(true));
    let alice = world.accept(tls());
    world.feed(alice, auth_request("49fh", ""));
    let frame = world.frames(alice).remove(0);
    let challenges: Vec<_> = frame
        .headers
        .iter()
        .filter(|(name, _)| name == "WWW-Authenticate")
        .map(|(_, value)| value.clone())
        .collect();
    let [md5, sha] = &challenges[..] else {
        panic!("{challenges:?}")
    };
    assert!(!md5.contains("algorithm"));
    assert!(sha.contains("algorithm=SHA-256"));
    let authorization = authorize(sha, "alice", "secret", 1);
    let granted = answer_with(&mut world, alice, &authorization, "");
    assert_eq!(granted.start_code(), 200);
    let info = granted.header("Authentication-Info").unwrap();
    let rspauth = AuthenticationInfo::parse(info.as_bytes())
        .unwrap()
        .rspauth
        .unwrap();
    assert_eq!(rspauth.as_str().len(), 64);
    let authorization = authorize(md5, "alice", "secret", 2);
    assert_eq!(
        answer_with(&mut world, alice, &authorization, "").start_code(),
        200
    );
}

// shows: 4976-4.6-01, 4976-4.6-03, 4976-4.6-04, 4976-6.3-06, 4976-E-18, 4976-7-13
#[test]
fn expires_is_granted_within_bounds_and_refused_outside() {
    for (asked, code, name, value) in [
        ("", 200, "Expires", "600"),
        ("Expires: 60\r\n", 200, "Expires", "60"),
        ("Expires: 3600\r\n", 200, "Expires", "3600"),
        ("Expires: 59\r\n", 423, "Min-Expires", "60"),
        ("Expires: 0\r\n", 423, "Min-Expires", "60"),
        ("Expires: 3601\r\n", 423, "Max-Expires", "3600"),
        ("Expires: 99999999999999999999\r\n", 423, "Max-Expires", "3600"),
    ] {
        let mut world = World::new();
        let alice = world.accept(tls());
        let frame = world.try_auth(alice, "alice", "secret", asked);
        assert_eq!(frame.start_code(), code, "{asked}");
        assert_eq!(frame.header(name), Some(value), "{asked}");
        assert_eq!(frame.header("Use-Path").is_some(), code == 200);
        assert_eq!(frame.headers.len(), if code == 200 { 5 } else { 3 });
        assert_eq!(world.relay.bindings(), usize::from(code == 200));
    }
    for broken in ["-1", "1.5", ""] {
        let mut world = World::new();
        let alice = world.accept(tls());
        let frame = world.try_auth(alice, "alice", "secret", &format!("Expires: {broken}\r\n"));
        assert_eq!(frame.start_code(), 400, "{broken}");
        assert_eq!(world.relay.bindings(), 0);
    }
}

// shows: 4976-4.6-03
#[test]
fn after_423_the_same_nonce_serves_for_the_next_try() {
    let mut world = World::new();
    let (alice, challenge) = challenged(&mut world);
    let first = authorize(&challenge, "alice", "secret", 1);
    let refused = answer_with(&mut world, alice, &first, "Expires: 1\r\n");
    assert_eq!(refused.start, "423 Interval Out Of Bounds");
    let second = authorize(&challenge, "alice", "secret", 2);
    let granted = answer_with(&mut world, alice, &second, "Expires: 60\r\n");
    assert_eq!(granted.start_code(), 200);
}

// shows: 4976-8-09, 4976-9.2-06, 4976-9.3-02
#[test]
fn auth_over_plain_tcp_is_not_served() {
    let mut world = World::new();
    let alice = world.accept(plain());
    world.feed(alice, auth_request("49fh", ""));
    let frame = world.frames(alice).remove(0);
    assert_eq!(frame.start_code(), 403);
    assert!(frame.header("WWW-Authenticate").is_none());
    let mut world = World::with(config().allow_plain_auth(true));
    let alice = world.accept(plain());
    let uri = world.auth(alice, "alice", "secret");
    assert!(uri.starts_with("msrp://relay.example.com:2856/"), "{uri}");
}

// shows: 4976-9.2-10
#[test]
fn a_client_certificate_does_not_replace_auth() {
    let mut world = World::new();
    let mut peer = msrp_core::node::TlsPeer::default();
    peer.verified_names = vec!["alice.example.com".to_owned()];
    let peer = tls().with_security(msrp_core::node::Security::Tls(std::sync::Arc::new(peer)));
    let alice = world.accept(peer);
    world.feed(alice, auth_request("49fh", ""));
    assert_eq!(world.frames(alice)[0].start_code(), 401);
}

// shows: 4976-6.3-17, 4976-6.1-06
#[test]
fn repeated_failures_end_the_connection_after_they_are_answered() {
    let mut world = World::with(config().probation(Duration::from_secs(30), 200));
    let (alice, challenge) = challenged(&mut world);
    for failure in 1..=5 {
        assert!(!world.closed(alice));
        let authorization = authorize(&challenge, "alice", "guess", failure);
        let frame = answer_with(&mut world, alice, &authorization, "");
        assert_eq!(frame.start_code(), 401);
    }
    assert!(world.closed(alice));
    assert_eq!(world.relay.connections(), 0);
}

/// A client may want URIs for several sessions as soon as it is connected.
#[test]
fn asking_for_several_uris_at_once_is_no_failure() {
    let mut world = World::new();
    let alice = world.accept(tls());
    let asked: String = (0..4).map(|id| auth_request(&format!("ask{id}"), "")).collect();
    for _ in 0..2 {
        // Again, as the last four nonces are worth something.
        world.feed(alice, &asked);
        assert_eq!(world.relay.connections(), 1);
    }
    let challenges: Vec<_> = world
        .frames(alice)
        .iter()
        .map(|frame| frame.header("WWW-Authenticate").unwrap().to_owned())
        .collect();
    let answers: String = challenges[4..]
        .iter()
        .enumerate()
        .map(|(id, challenge)| {
            let authorization = authorize(challenge, "alice", "secret", 1);
            auth_request(
                &format!("prove{id}"),
                &format!("Authorization: {authorization}\r\n"),
            )
        })
        .collect();
    world.feed(alice, &answers);
    let codes: Vec<_> = world.frames(alice).iter().map(Frame::start_code).collect();
    // Each grant gives a nonce for the next time, which takes the place of the oldest.
    assert_eq!(codes[0], 200);
    assert!(codes.iter().all(|code| [200, 401].contains(code)), "{codes:?}");
    assert!(!world.closed(alice));
}

#[test]
fn asking_without_end_is_a_failure() {
    let mut world = World::new();
    let alice = world.accept(tls());
    for id in 0..100 {
        world.feed(alice, auth_request(&format!("ask{id:03}"), ""));
        if world.closed(alice) {
            assert!(id > 32, "{id}");
            return;
        }
    }
    panic!("a hundred challenges, and none was answered");
}

// shows: 4976-6.3-19
#[test]
fn a_stale_nonce_is_no_failure() {
    let mut world = World::with(config().probation(Duration::from_secs(30), 200));
    let (alice, _) = challenged(&mut world);
    for nc in 1..20 {
        let made_up = answer(
            REALM,
            "made-up",
            Algorithm::Md5,
            "alice",
            "secret",
            nc,
            RELAY,
            None,
        );
        let frame = answer_with(&mut world, alice, &made_up, "");
        assert!(frame.header("WWW-Authenticate").unwrap().contains("stale=true"));
    }
    assert!(!world.closed(alice));
    assert_eq!(world.relay.stats().auth_failures, 0);
}

// shows: 4976-6.3-17
#[test]
fn a_user_and_an_address_are_locked_out_after_many_failures() {
    let lab = || config().lockout(6, Duration::from_secs(300), 100);
    let mut world = World::with(lab());
    for _ in 0..2 {
        let (mallory, challenge) = challenged(&mut world);
        for nc in 1..=3 {
            let guess = authorize(&challenge, "alice", "guess", nc);
            assert_eq!(answer_with(&mut world, mallory, &guess, "").start_code(), 401);
        }
    }
    // The right password does not help while the lock is on; another user from that address neither.
    for (user, password) in [("alice", "secret"), ("bob", "hidden")] {
        let (handle, challenge) = challenged(&mut world);
        let right = authorize(&challenge, user, password, 1);
        assert_eq!(answer_with(&mut world, handle, &right, "").start_code(), 403);
    }
    // From elsewhere the user is locked out, other users are not.
    let elsewhere = || tls().with_remote("198.51.100.1:1000".parse().unwrap());
    let handle = world.accept(elsewhere());
    assert_eq!(world.try_auth(handle, "alice", "secret", "").start_code(), 403);
    assert_eq!(world.try_auth(handle, "bob", "hidden", "").start_code(), 200);
    world.advance(Duration::from_secs(301));
    assert_eq!(world.try_auth(handle, "alice", "secret", "").start_code(), 200);
}

// shows: 4976-6.2-03, 4976-8-03
#[test]
fn auth_names_the_relay_by_its_host_or_an_alias() {
    for (uri, code) in [
        ("msrps://relay.example.com;tcp", 401),
        ("msrps://relay.example.com:2855;tcp", 401),
        ("msrps://RELAY.example.com;tcp", 401),
        ("msrps://alice@example.com;tcp", 401),
        ("msrps://other.example.com;tcp", 481),
    ] {
        let mut world = World::with(config().alias("example.com"));
        let alice = world.accept(tls());
        world.feed(
            alice,
            format!("MSRP 49fh AUTH\r\nTo-Path: {uri}\r\nFrom-Path: {ALICE}\r\n-------49fh$\r\n"),
        );
        assert_eq!(world.frames(alice)[0].start_code(), code, "{uri}");
        assert_eq!(world.closed(alice), code == 481);
    }
}

#[test]
fn as_many_uris_as_configured_and_no_more() {
    let mut world = World::with(config().max_bindings(3, 2));
    let alice = world.accept(tls());
    for _ in 0..2 {
        world.auth(alice, "alice", "secret");
    }
    assert_eq!(world.try_auth(alice, "alice", "secret", "").start_code(), 403);
    let bob = world.accept(tls());
    world.auth(bob, "bob", "hidden");
    assert_eq!(world.try_auth(bob, "bob", "hidden", "").start_code(), 403);
    world.eof(alice);
    world.auth(bob, "bob", "hidden");
}

// shows: 4976-7-02
#[test]
fn the_method_is_case_sensitive() {
    let mut world = World::new();
    let alice = world.accept(tls());
    world.feed(
        alice,
        format!("MSRP 49fh auth\r\nTo-Path: {RELAY}\r\nFrom-Path: {ALICE}\r\n-------49fh$\r\n"),
    );
    assert_eq!(world.octets(alice), b"");
    assert!(world.closed(alice));
}

// shows: 4976-4.2-01
#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let refused = |config: RelayConfig| {
        Relay::new(std::time::Instant::now(), config, [0; 32])
            .err()
            .unwrap()
    };
    let with_port = |config: RelayConfig, port| config.listener(ListenerId(0), Scheme::Msrps, port);
    let address = "192.0.2.1";
    assert_eq!(
        refused(with_port(RelayConfig::new(address), 2855)),
        ConfigError::HostIsAddress {
            host: address.to_owned()
        }
    );
    let lab = with_port(RelayConfig::new(address), 2855).allow_address_host(true);
    assert!(Relay::new(std::time::Instant::now(), lab, [0; 32]).is_ok());
    assert_eq!(
        refused(with_port(RelayConfig::new("a b"), 2855)),
        ConfigError::Host {
            host: "a b".to_owned()
        }
    );
    assert_eq!(refused(RelayConfig::new(REALM)), ConfigError::NoListener);
    assert_eq!(
        refused(with_port(RelayConfig::new(REALM), 0)),
        ConfigError::Port { id: 0 }
    );
    assert_eq!(
        refused(with_port(with_port(RelayConfig::new(REALM), 1), 2)),
        ConfigError::DuplicateListener { id: 0 }
    );
    assert_eq!(
        refused(with_port(RelayConfig::new(REALM), 1).realm("")),
        ConfigError::Realm { realm: String::new() }
    );
    assert_eq!(
        refused(with_port(RelayConfig::new(REALM), 1).expires(60, 50, 100)),
        ConfigError::Expires {
            min: 60,
            default: 50,
            max: 100
        }
    );
}
