//! `msrp-chat` processes that are reached through relays, and by TLS.

use crate::{
    agents::Agent,
    calling::{UDP, alice_calls, exchange, failed, relay, texts},
    chains::Place,
    running::Running,
};

#[test]
fn text_and_a_file_go_through_a_relay() {
    let (_relay, uri) = relay();
    let alices = ["--relay", &uri, "--relay-password", "wonder land"];
    let bobs = ["--relay", &uri, "--relay-password", "builder"];
    exchange(UDP, &alices, &bobs);
    exchange(UDP, &alices, &[]);
    exchange(UDP, &[], &bobs);
}

#[test]
fn text_and_a_file_go_over_tls() {
    let relay = Running::start(
        1,
        &[
            "--listen",
            "msrps://127.0.0.1:0",
            "--user",
            "alice:a",
            "--user",
            "bob:b",
        ],
    );
    let fingerprint = relay.fingerprint();
    let uri = format!("msrps://{};tcp", relay.address());
    let alices = [
        "--relay",
        &uri,
        "--relay-password",
        "a",
        "--fingerprint",
        &fingerprint,
    ];
    let bobs = ["--relay", &uri, "--relay-password", "b", "--insecure"];
    exchange(UDP, &alices, &bobs);
    // Who trusts no fingerprint and no root gets no path.
    let output = alice_calls(
        UDP,
        "sip:bob@127.0.0.1:9",
        &["--send", "hello", "--relay", &uri, "--relay-password", "a"],
    );
    failed(&output, &["relay", "UnknownIssuer"]);
    // Without a relay each knows the other's certificate by its fingerprint in SDP, and SIP goes by TLS as well.
    let tls = ["--msrp", "msrps://127.0.0.1:0", "--insecure"];
    exchange("tls://127.0.0.1:0", &tls, &tls);
}

#[test]
fn a_relay_that_does_not_know_the_password_is_a_failure() {
    let (_relay, uri) = relay();
    let bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let options = ["--send", "hello", "--relay", &uri, "--relay-password", "wrong"];
    let output = alice_calls(UDP, &bob.uri("bob"), &options);
    failed(&output, &["relay", "password"]);
    assert!(!texts(&output).1.contains("wrong"));
}

/// Alice goes through a relay of her own and by it through another one, of which bob is a client too.
#[test]
fn text_and_a_file_go_through_a_chain_of_relays() {
    let place = Place::new();
    let papers = place.papers(&place.authority, "localhost");
    let peers = ["--client-ca", &place.roots, "--peer-relay", "localhost"];
    let users = ["--user", "alice:wonder", "--user", "bob:builder"];
    let outer = place.relay("localhost", Some(&papers), &[&users[..], &peers].concat());
    let inner = place.relay("localhost", Some(&papers), &["--user", "alice:wonder"]);
    let [inner, outer] =
        [&inner, &outer].map(|relay| format!("msrps://localhost:{}", relay.address().port()));
    let trust = ["--ca", &place.roots];
    let chain = ["--relay", &inner, "--relay", &outer, "--relay-password", "wonder"];
    let alices = [&chain[..], &trust].concat();
    let bobs = [&["--relay", &outer, "--relay-password", "builder"], &trust[..]].concat();
    exchange(UDP, &alices, &bobs);
    let wrong = [
        "--relay",
        &inner,
        "--relay",
        &outer,
        "--relay-password",
        "other",
        "--send",
        "hello",
    ];
    let output = alice_calls(UDP, "sip:bob@127.0.0.1:9", &[&wrong[..], &trust].concat());
    failed(&output, &["relay", "password"]);
}

#[test]
fn who_has_no_tls_for_one_who_has_is_told_so() {
    let relay = Running::start(1, &["--listen", "msrps://127.0.0.1:0", "--user", "alice:a"]);
    let fingerprint = relay.fingerprint();
    let uri = format!("msrps://{};tcp", relay.address());
    let mut bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let account = [
        "--relay",
        &uri,
        "--relay-password",
        "a",
        "--fingerprint",
        &fingerprint,
    ];
    let output = alice_calls(
        UDP,
        &bob.uri("bob"),
        &[&account[..], &["--send", "hello"]].concat(),
    );
    failed(&output, &["refused: 488", "(Incompatible transport protocol)"]);
    let ended = bob.event("ended");
    assert!(
        ended["reason"].as_str().unwrap().contains("one side has TLS"),
        "{ended}"
    );
}
