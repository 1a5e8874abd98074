//! `msrp-chat` processes that call each other over real SIP.

use std::{fs, process::Output};

use serde_json::json;

use crate::{
    agents::{Agent, chat, peak_memory},
    running::{Folder, Running},
};

const UDP: &str = "udp://127.0.0.1:0";
const TCP: &str = "tcp://127.0.0.1:0";

/// Alice calls `to` with what these options ask for, and ends.
fn alice_calls(sip: &str, to: &str, options: &[&str]) -> Output {
    let mut all = vec!["--aor", "sip:alice@127.0.0.1", "--sip", sip, "--call", to];
    all.extend(options);
    chat(&all).output().unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let (out, errors) = texts(output);
    assert_eq!(output.status.code(), Some(0), "{out}\n{errors}");
    out
}

/// It has ended with 1, and said these.
#[track_caller]
fn failed(output: &Output, said: &[&str]) {
    let (out, errors) = texts(output);
    assert_eq!(output.status.code(), Some(1), "{out}\n{errors}");
    for text in said {
        assert!(errors.contains(text), "no {text:?} in {errors}");
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn relay() -> (Running, String) {
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
fn exchange(sip: &str, alices: &[&str], bobs: &[&str]) {
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

#[test]
fn text_and_a_file_go_from_one_to_the_other() {
    exchange(UDP, &[], &[]);
    exchange(TCP, &[], &[]);
}

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
fn who_refuses_is_named_with_the_code() {
    for (command, code) in [
        (json!({"command": "refuse", "code": 403}), "403"),
        (json!({"command": "refuse"}), "486"),
    ] {
        let mut bob = Agent::start("bob", UDP, &[]);
        let uri = bob.uri("bob");
        let output = std::thread::scope(|scope| {
            let alice = scope.spawn(|| alice_calls(UDP, &uri, &["--send", "hello"]));
            let call = bob.event("call");
            assert_eq!(call["peer"]["uri"], "sip:alice@127.0.0.1");
            assert_eq!(bob.command(command.clone())["event"], "done");
            alice.join().unwrap()
        });
        failed(&output, &["refused", code]);
        let ended = bob.event("ended");
        assert_eq!(
            (&ended["regular"], ended["code"].to_string()),
            (&json!(false), code.to_owned())
        );
    }
}

#[test]
fn who_is_not_there_is_a_failure() {
    // Nobody listens at a port that has just been given back.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let to = format!("sip:bob@{gone};transport=tcp");
    failed(
        &alice_calls(TCP, &to, &["--send", "hello"]),
        &["the call is over"],
    );
}

#[test]
fn a_file_that_is_not_wanted_is_a_failure() {
    let folder = Folder::new();
    let file = folder.file("a.txt", "a few words");
    let mut bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let output = alice_calls(UDP, &bob.uri("bob"), &["--send", "hello", "--send-file", &file]);
    failed(&output, &["a.txt was not delivered", "does not want it"]);
    assert_eq!(bob.event("message")["text"], "hello");
    assert_eq!(bob.event("file-offered")["accepted"], false);
    let inbox = folder.path().join("in");
    let options = [
        "--auto-answer",
        "--max-file",
        "10",
        "--save-dir",
        inbox.to_str().unwrap(),
    ];
    let mut bob = Agent::start("bob", UDP, &options);
    failed(
        &alice_calls(UDP, &bob.uri("bob"), &["--send-file", &file]),
        &["does not want it"],
    );
    assert_eq!(bob.event("file-offered")["accepted"], false);
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 0);
}

#[test]
fn who_vanishes_in_the_middle_of_a_file_leaves_a_failure() {
    let folder = Folder::new();
    let file = folder.path().join("long");
    fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
    let inbox = folder.path().join("in");
    let mut bob = Agent::start(
        "bob",
        TCP,
        &["--auto-answer", "--save-dir", inbox.to_str().unwrap()],
    );
    let mut alice = Agent::start("alice", TCP, &["--call", &bob.uri("bob"), "--stay"]);
    alice.event("session");
    let path = file.to_str().unwrap();
    alice.line(&json!({"command": "send-file", "path": path}).to_string());
    bob.event("file-progress");
    bob.kill();
    let lost = alice.event("file");
    assert_eq!(lost["outcome"], "failed", "{lost}");
    assert_eq!(alice.event("ended")["regular"], false);
    alice.line("{\"command\": \"quit\"}");
    assert_eq!(alice.wait().code(), Some(0));
}

#[test]
fn who_is_left_by_the_sender_keeps_nothing_of_a_file() {
    let folder = Folder::new();
    let file = folder.path().join("long");
    fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
    let inbox = folder.path().join("in");
    let mut bob = Agent::start(
        "bob",
        TCP,
        &["--auto-answer", "--save-dir", inbox.to_str().unwrap()],
    );
    let mut alice = Agent::start("alice", TCP, &["--call", &bob.uri("bob"), "--stay"]);
    alice.event("session");
    let path = file.to_str().unwrap();
    let file = alice.command(json!({"command": "send-file", "path": path}))["file"].clone();
    bob.event("file-progress");
    assert!(inbox.join("long.part").exists());
    assert_eq!(
        alice.command(json!({"command": "cancel-file", "file": file}))["event"],
        "done"
    );
    assert_eq!(alice.event("file")["outcome"], "aborted");
    assert_ne!(bob.event("file")["outcome"], "received");
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 0);
    // The session goes on.
    alice.command(json!({"command": "send", "text": "never mind"}));
    assert_eq!(bob.event("message")["text"], "never mind");
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

#[test]
fn sigterm_ends_the_call_by_bye() {
    let mut bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let mut alice = Agent::start("alice", UDP, &["--call", &bob.uri("bob")]);
    alice.event("session");
    bob.event("session");
    alice.signal("TERM");
    assert_eq!(alice.wait().code(), Some(0));
    let ended = alice.heard.last().unwrap();
    assert_eq!(
        (&ended["event"], &ended["regular"]),
        (&json!("ended"), &json!(true))
    );
    assert_eq!(bob.event("ended")["reason"], "ended by the peer");
    // Who waits for calls waits for the next.
    let output = alice_calls(UDP, &bob.uri("bob"), &["--send", "again"]);
    succeeded(&output);
    assert_eq!(bob.event("message")["text"], "again");
}

#[test]
fn both_talk_and_know_what_became_of_it() {
    let mut bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let mut alice = Agent::start(
        "alice",
        UDP,
        &["--call", &bob.uri("bob"), "--display-name", "Alice L."],
    );
    alice.event("session");
    assert_eq!(bob.event("session")["peer"]["name"], "Alice L.");
    for active in [true, false] {
        alice.command(json!({"command": "composing", "active": active}));
        let composing = bob.event("composing");
        assert_eq!(composing["active"], active);
        assert_eq!(composing["from"]["uri"], "sip:alice@127.0.0.1");
    }
    let id = alice.command(json!({"command": "send", "text": "déjà vu\n漢字"}))["message_id"].clone();
    let message = bob.event("message");
    assert_eq!(message["text"], "déjà vu\n漢字");
    assert_eq!(message["message_id"], id);
    let report = |status: &'static str| {
        let id = id.clone();
        move |event: &serde_json::Value| {
            event["event"] == "report" && event["message_id"] == id && event["status"] == status
        }
    };
    alice.wait_for("delivery", report("delivered"));
    bob.command(json!({"command": "displayed", "message_id": id}));
    alice.wait_for("display", report("displayed"));
    bob.command(json!({"command": "send", "base64": "/wA=", "content_type": "application/x-two"}));
    let message = alice.event("message");
    assert_eq!(message["base64"], "/wA=");
    assert_eq!(
        (&message["content_type"], &message["size"]),
        (&json!("application/x-two"), &json!(2))
    );
    let sessions = alice.command(json!({"command": "sessions"}))["sessions"].clone();
    assert_eq!(sessions[0]["session"], "out-1");
    assert_eq!(sessions[0]["phase"], "established");
    // The end of input is the end of the call.
    alice.end_input();
    assert_eq!(alice.wait().code(), Some(0));
    assert_eq!(bob.event("ended")["regular"], true);
}

#[test]
fn commands_that_make_no_sense_are_answered() {
    let mut bob = Agent::start("bob", UDP, &[]);
    for (command, wanted) in [
        (json!({"command": "dance"}), "dance"),
        (json!({"command": "send", "text": "to whom"}), "no session"),
        (
            json!({"command": "send", "session": "in-9", "text": "to whom"}),
            "in-9",
        ),
        (json!({"command": "call", "to": "bob"}), "SIP URI"),
        (
            json!({"command": "send-file", "session": "in-9", "path": "/nowhere"}),
            "/nowhere",
        ),
    ] {
        let answer = bob.command(command);
        assert_eq!(answer["event"], "error");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(wanted), "{error}");
    }
    bob.line("hello");
    assert!(bob.event("error")["error"].as_str().unwrap().contains("JSON"));
    bob.line("{\"command\": \"quit\"}");
    assert_eq!(bob.wait().code(), Some(0));
}

#[test]
fn a_long_file_through_a_relay_takes_no_more_memory_than_a_short_one() {
    let folder = Folder::new();
    let file = folder.path().join("long");
    fs::File::create(&file).unwrap().set_len(256 << 20).unwrap();
    let inbox = folder.path().join("in");
    let (relay, uri) = relay();
    let bobs = [
        "--auto-answer",
        "--save-dir",
        inbox.to_str().unwrap(),
        "--relay",
        &uri,
        "--relay-password",
        "builder",
    ];
    let mut bob = Agent::start("bob", UDP, &bobs);
    let alices = [
        "--call",
        &bob.uri("bob"),
        "--relay",
        &uri,
        "--relay-password",
        "wonder land",
        "--stay",
    ];
    let mut alice = Agent::start("alice", UDP, &alices);
    alice.event("session");
    let before = [relay.id(), alice.id(), bob.id()].map(peak_memory);
    alice.line(&json!({"command": "send-file", "path": file.to_str().unwrap()}).to_string());
    assert_eq!(alice.event("file")["outcome"], "sent");
    assert_eq!(bob.event("file")["outcome"], "received");
    assert_eq!(fs::metadata(inbox.join("long")).unwrap().len(), 256 << 20);
    let after = [relay.id(), alice.id(), bob.id()].map(peak_memory);
    for (before, after) in before.into_iter().zip(after) {
        assert!(after < before + 24 * 1024, "from {before} KiB to {after} KiB");
    }
}

#[test]
fn logs_hold_no_secrets() {
    let (_relay, uri) = relay();
    let bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let output = chat(&[
        "--aor",
        "sip:alice@127.0.0.1",
        "--sip",
        UDP,
        "--call",
        &bob.uri("bob"),
        "--send",
        "a confidential remark",
        "--relay",
        &uri,
        "--relay-password",
        "wonder land",
        "--password",
        "sip secret",
        "--json",
    ])
    .env("RUST_LOG", "trace")
    .output()
    .unwrap();
    let log = texts(&output).1;
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.contains("call ended"), "{log}");
    for secret in ["wonder land", "sip secret", "confidential", ";tcp"] {
        assert!(!log.contains(secret), "{secret:?} in {log}");
    }
}
