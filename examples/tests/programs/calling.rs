//! `msrp-chat` processes that call each other, and what both do in most of the tests.

use std::{fs, process::Output};

use serde_json::json;

use crate::{
    agents::{Agent, chat},
    running::{Folder, Running},
};

pub(crate) const UDP: &str = "udp://127.0.0.1:0";
pub(crate) const TCP: &str = "tcp://127.0.0.1:0";

/// Alice calls `to` with what these options ask for, and ends.
pub(crate) fn alice_calls(sip: &str, to: &str, options: &[&str]) -> Output {
    let mut all = vec!["--aor", "sip:alice@127.0.0.1", "--sip", sip, "--call", to];
    all.extend(options);
    chat(&all).output().unwrap()
}

#[track_caller]
pub(crate) fn succeeded(output: &Output) -> String {
    let (out, errors) = texts(output);
    assert_eq!(output.status.code(), Some(0), "{out}\n{errors}");
    out
}

/// It has ended with 1, and said these.
#[track_caller]
pub(crate) fn failed(output: &Output, said: &[&str]) {
    let (out, errors) = texts(output);
    assert_eq!(output.status.code(), Some(1), "{out}\n{errors}");
    for text in said {
        assert!(errors.contains(text), "no {text:?} in {errors}");
    }
}

pub(crate) fn texts(output: &Output) -> (String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

pub(crate) fn relay() -> (Running, String) {
    let relay = Running::start(
        1,
        &[
            "--listen",
            "msrp://127.0.0.1:0",
            "--user",
            "alice:wonder land",
            "--user",
            "bob:builder",
            "--allow-plain-auth",
        ],
    );
    let uri = format!("msrp://{};tcp", relay.address());
    (relay, uri)
}

/// Alice says something to bob and sends him a file; he gets both as they are.
pub(crate) fn exchange(sip: &str, alices: &[&str], bobs: &[&str]) {
    let folder = Folder::new();
    let octets: Vec<u8> = (0..1_000_000_u32).map(|number| (number * 7) as u8).collect();
    let file = folder.path().join("photo of me.jpg");
    fs::write(&file, &octets).unwrap();
    let inbox = folder.path().join("in");
    let mut options = vec!["--auto-answer", "--save-dir", inbox.to_str().unwrap()];
    options.extend(bobs);
    let mut bob = Agent::start("bob", sip, &options);
    let mut options = vec!["--send", "hello", "--send-file", file.to_str().unwrap()];
    options.extend(alices);
    let out = succeeded(&alice_calls(sip, &bob.uri("bob"), &options));
    assert!(out.contains("✓✓ hello"), "{out}");
    assert!(
        out.contains("photo of me.jpg (976.56 KiB) has arrived ✓✓"),
        "{out}"
    );
    assert_eq!(bob.event("session")["peer"]["uri"], "sip:alice@127.0.0.1");
    let message = bob.event("message");
    assert_eq!(message["text"], "hello");
    assert_eq!(message["from"]["uri"], "sip:alice@127.0.0.1");
    assert_eq!(bob.event("file-offered")["accepted"], true);
    let received = bob.event("file");
    assert_eq!(received["outcome"], "received");
    assert_eq!(received["name"], "photo of me.jpg");
    assert!(received["hash"].as_str().unwrap().starts_with("sha-1:"));
    let saved = received["path"].as_str().unwrap();
    assert_eq!(saved, inbox.join("photo of me.jpg").to_str().unwrap());
    assert!(fs::read(saved).unwrap() == octets, "the file is another one");
    let ended = bob.event("ended");
    assert_eq!(
        (&ended["regular"], &ended["reason"]),
        (&json!(true), &json!("ended by the peer"))
    );
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 1);
    bob.signal("TERM");
    assert_eq!(bob.wait().code(), Some(0));
}
