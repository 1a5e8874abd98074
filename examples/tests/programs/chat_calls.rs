//! `msrp-chat` processes that call each other over real SIP.

use std::{io::Write, process::Stdio};

use serde_json::json;

use crate::{
    agents::{Agent, chat},
    calling::{TCP, UDP, alice_calls, exchange, failed, relay, succeeded, texts},
};

#[test]
fn text_and_a_file_go_from_one_to_the_other() {
    exchange(UDP, &[], &[]);
    exchange(TCP, &[], &[]);
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
    // A port that stays ours, and at which nobody listens.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind((std::net::Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let gone = silent.local_addr().unwrap();
    let to = format!("sip:bob@{gone};transport=tcp");
    failed(
        &alice_calls(TCP, &to, &["--send", "hello"]),
        &["the call is over"],
    );
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
fn what_nobody_confirmed_before_the_peer_vanished_is_unknown_and_says_why() {
    let mut bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let options = ["--call", &bob.uri("bob"), "--recovery-time", "1"];
    let mut alice = Agent::start("alice", UDP, &options);
    alice.event("session");
    bob.freeze();
    let id = alice.command(json!({"command": "send", "text": "still there?"}))["message_id"].clone();
    bob.kill();
    let report = alice.event("report");
    assert_eq!(
        (&report["message_id"], &report["status"]),
        (&id, &json!("unknown"))
    );
    assert_eq!(report.get("code"), None);
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains("the connection to the peer is lost"), "{report}");
    let ended = alice.event("ended");
    assert_eq!(
        (&ended["regular"], &ended["reason"]),
        (&json!(false), &json!(reason))
    );
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

#[test]
fn several_sessions_are_kept_apart() {
    let mut bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let mut callers = ["alice", "carol"].map(|name| {
        let mut caller = Agent::start(name, UDP, &["--call", &bob.uri("bob"), "--stay"]);
        caller.event("session");
        let session = bob.event("session");
        assert_eq!(session["peer"]["uri"], format!("sip:{name}@127.0.0.1"));
        (caller, session["session"].clone(), name)
    });
    let answer = bob.command(json!({"command": "send", "text": "to whom?"}));
    assert!(
        answer["error"].as_str().unwrap().contains("several sessions"),
        "{answer}"
    );
    for (caller, session, name) in &mut callers {
        caller.command(json!({"command": "send", "text": format!("I am {name}")}));
        let message = bob.event("message");
        assert_eq!(
            (&message["session"], &message["text"]),
            (&*session, &json!(format!("I am {name}")))
        );
        bob.command(json!({"command": "send", "session": session, "text": format!("hello {name}")}));
        assert_eq!(caller.event("message")["text"], format!("hello {name}"));
    }
    let [(mut alice, first, _), (mut carol, second, _)] = callers;
    bob.command(json!({"command": "bye", "session": first}));
    assert_eq!(alice.event("ended")["regular"], true);
    assert_eq!(bob.event("ended")["session"], first);
    bob.command(json!({"command": "send", "text": "only you are left"}));
    assert_eq!(carol.event("message")["text"], "only you are left");
    assert_eq!(
        bob.command(json!({"command": "sessions"}))["sessions"][0]["session"],
        second
    );
}

/// Where there is no terminal, lines of input are said, and each thing that happens is a line.
#[test]
fn what_comes_out_of_a_pipe_is_said() {
    let mut bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let uri = bob.uri("bob");
    let mut alice = chat(&["--aor", "sip:alice@127.0.0.1", "--sip", UDP, "--call", &uri])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = alice.stdin.take().unwrap();
    input
        .write_all("one\ntwo and ü\n\n//etc\n/nonsense\nlast".as_bytes())
        .unwrap();
    drop(input);
    for text in ["one", "two and ü", "/etc", "last"] {
        assert_eq!(bob.event("message")["text"], text);
    }
    let out = succeeded(&alice.wait_with_output().unwrap());
    assert!(out.contains("/nonsense is no command"), "{out}");
    assert!(out.contains("✓✓ last"), "{out}");
    assert!(!out.contains('\x1b'), "{out:?}");
    assert_eq!(bob.event("ended")["regular"], true);
}
