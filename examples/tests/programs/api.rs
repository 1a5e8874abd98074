//! `msrp-api` processes, driven over HTTP as curl does it.

use std::fs;

use serde_json::json;

use crate::{
    agents::{Agent, signal, wait},
    api_running::{Api, TOKEN, api},
    http::{Answer, ask},
    running::Folder,
    sse::Events,
};

/// It is refused with this status, and says this.
#[track_caller]
fn refused(answer: &Answer, status: u16, text: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains(text), "no {text:?} in {error}");
}

#[test]
fn a_session_is_made_used_and_ended_over_http() {
    let folder = Folder::new();
    let inbox = folder.path().join("in");
    let api = Api::start(&[]);
    let mut bob = Agent::start(
        "bob",
        "udp://127.0.0.1:0",
        &["--auto-answer", "--save-dir", inbox.to_str().unwrap()],
    );
    let mut events = api.events("/events");
    let called = api.post_json("/sessions", json!({"to": bob.uri("bob"), "subject": "tea"}));
    assert_eq!(called.status, 201, "{called:?}");
    assert!(called.head.contains("location: /sessions/out-1"), "{called:?}");
    assert_eq!(called.json()["session"], "out-1");
    assert_eq!(bob.event("call")["subject"], "tea");
    let session = events.event("session").data;
    assert_eq!(
        (&session["session"], &session["direction"]),
        (&json!("out-1"), &json!("out"))
    );
    assert_eq!(api.get("/sessions/out-1").json()["phase"], "established");
    assert_eq!(
        api.get("/sessions").json()["sessions"].as_array().unwrap().len(),
        1
    );

    // Text and octets: each report names the message that it is about.
    let messages = "/sessions/out-1/messages";
    for (kind, body, shown) in [
        (
            "application/json",
            json!({"text": "hello"}).to_string().into_bytes(),
            json!("hello"),
        ),
        ("text/plain", b"how are you".to_vec(), json!("how are you")),
        ("application/x-octets", vec![255, 0], json!("/wA=")),
    ] {
        let sent = api.post(messages, kind, &body);
        assert_eq!(sent.status, 202, "{sent:?}");
        let id = sent.json()["message_id"].clone();
        let message = bob.event("message");
        assert_eq!(message["message_id"], id);
        assert_eq!(message.get("text").or(message.get("base64")), Some(&shown));
        loop {
            let report = events.event("report").data;
            assert_eq!(report["message_id"], id);
            if report["status"] == "delivered" {
                break;
            }
        }
    }

    // A file, whose event names the same message as the answer.
    let octets: Vec<u8> = (0..300_000_u32).map(|number| (number * 3) as u8).collect();
    let sent = api.post(
        &format!("{messages}?file=a%20b.bin"),
        "application/x-file",
        &octets,
    );
    assert_eq!(sent.status, 202, "{sent:?}");
    let sent = sent.json();
    assert_eq!(
        (&sent["name"], &sent["size"]),
        (&json!("a b.bin"), &json!(300_000))
    );
    let file = events.event("file").data;
    assert_eq!(file["outcome"], "sent");
    assert_eq!(
        (&file["file"], &file["message_id"]),
        (&sent["file"], &sent["message_id"])
    );
    assert!(file["message_id"].is_string());
    assert!(
        fs::read(inbox.join("a b.bin")).unwrap() == octets,
        "the file is another one"
    );

    // What the peer says.
    bob.command(json!({"command": "composing", "active": true}));
    assert_eq!(events.event("composing").data["active"], true);
    let id = bob.command(json!({"command": "send", "text": "bye"}))["message_id"].clone();
    let message = events.event("message").data;
    assert_eq!((&message["text"], &message["message_id"]), (&json!("bye"), &id));
    let displayed = format!("{messages}/{}/displayed", id.as_str().unwrap());
    assert_eq!(api.post(&displayed, "text/plain", b"").status, 204);
    bob.wait_for("that it is displayed", |event| {
        event["status"] == "displayed" && event["message_id"] == id
    });

    assert_eq!(api.delete("/sessions/out-1").status, 204);
    assert_eq!(events.event("ended").data["regular"], true);
    assert_eq!(bob.event("ended")["reason"], "ended by the peer");
    refused(&api.get("/sessions/out-1"), 404, "out-1");
}

#[test]
fn who_comes_back_misses_nothing() {
    let api = Api::start(&["--auto-answer"]);
    let mut bob = Agent::start("bob", "udp://127.0.0.1:0", &["--call", &api.uri, "--stay"]);
    let mut events = api.events("/events?after=0");
    let last = events.event("session").id;
    drop(events);
    // Who has answered knows of the session before who has called.
    bob.event("session");
    for text in ["one", "two"] {
        bob.command(json!({"command": "send", "text": text}));
    }
    let header = format!("{TOKEN}Last-Event-ID: {last}\r\n");
    for mut events in [
        Events::open(api.http, "/events", &header),
        api.events(&format!("/events?after={last}")),
        api.events("/events?session=in-1&after=0"),
    ] {
        assert_eq!(events.event("message").data["text"], "one");
        assert_eq!(events.event("message").data["text"], "two");
    }
    // Of another session there is nothing but what is new.
    let mut others = api.events("/events?session=in-2&after=0");
    let _second = Agent::start("carol", "udp://127.0.0.1:0", &["--call", &api.uri, "--stay"]);
    let first = others.next();
    assert_eq!(
        (first.name.as_str(), &first.data["session"]),
        ("call", &json!("in-2"))
    );
}

#[test]
fn a_call_is_accepted_or_refused_over_http() {
    let api = Api::start(&[]);
    let mut events = api.events("/events");
    let mut bob = Agent::start("bob", "udp://127.0.0.1:0", &["--call", &api.uri, "--stay"]);
    assert_eq!(events.event("call").data["session"], "in-1");
    assert_eq!(bob.event("progress")["code"], 180);
    refused(
        &api.post_json("/sessions/in-1/messages", json!({"text": "early"})),
        409,
        "not established",
    );
    assert_eq!(api.post("/sessions/in-1/accept", "text/plain", b"").status, 204);
    bob.event("session");
    refused(&api.post("/sessions/in-1/accept", "text/plain", b""), 409, "in-1");
    refused(&api.post("/sessions/in-1/refuse", "text/plain", b""), 409, "in-1");
    bob.command(json!({"command": "call", "to": api.uri}));
    assert_eq!(events.event("call").data["session"], "in-2");
    assert_eq!(
        api.post_json("/sessions/in-2/refuse", json!({"code": 603}))
            .status,
        204
    );
    bob.wait_for("the refusal", |event| {
        event["event"] == "ended" && event["code"] == 603
    });
    assert_eq!(events.event("ended").data["code"], 603);
}

#[test]
fn what_cannot_be_done_is_told_with_a_status_that_fits() {
    let folder = Folder::new();
    let spool = folder.path().to_str().unwrap();
    let api = Api::start(&["--max-upload", "1000", "--spool-dir", spool]);
    let mut bob = Agent::start("bob", "udp://127.0.0.1:0", &["--auto-answer"]);
    let mut events = api.events("/events");
    refused(&api.post_json("/sessions", json!({"to": "bob"})), 422, "SIP URI");
    refused(
        &api.post_json("/sessions", json!({"too": "sip:bob@127.0.0.1"})),
        400,
        "too",
    );
    refused(&api.post("/sessions", "application/json", b"{"), 400, "JSON");
    refused(
        &api.post("/sessions", "application/json", &[b' '; 20_000]),
        413,
        "",
    );
    refused(&api.get("/sessions/out-9"), 404, "out-9");
    refused(&api.get("/nothing"), 404, "/nothing");
    refused(&api.delete("/sessions"), 405, "DELETE");
    refused(
        &api.post_json("/sessions/out-9/messages", json!({"text": "hello"})),
        404,
        "out-9",
    );
    assert_eq!(
        api.post_json("/sessions", json!({"to": bob.uri("bob")})).status,
        201
    );
    bob.event("session");
    events.event("session");
    let messages = "/sessions/out-1/messages";
    refused(
        &api.post(messages, "application/x-www-form-urlencoded", b"hello"),
        415,
        "Content-Type",
    );
    refused(
        &api.post_json(messages, json!({"text": "a", "base64": "YQ=="})),
        422,
        "one of them",
    );
    refused(
        &api.post_json(messages, json!({"base64": "YQ=="})),
        422,
        "content_type",
    );
    refused(&api.post(messages, "no media type", b"hello"), 422, "");
    refused(
        &api.post(messages, "text/plain", &vec![b'a'; (2 << 20) + 1]),
        413,
        "?file=NAME",
    );
    let file = format!("{messages}?file=a");
    refused(&api.post(&file, "text/plain", &[b'a'; 1001]), 413, "1000");
    refused(&api.post(&file, "text/plain", b""), 422, "empty");
    // The peer has no folder for files.
    refused(&api.post(&file, "text/plain", b"a file"), 409, "does not want it");
    refused(
        &api.post(&format!("{messages}?name=a"), "text/plain", b"a"),
        400,
        "name",
    );
    refused(&api.delete("/sessions/out-1/files/9"), 404, "no file 9");
    refused(
        &api.post(&format!("{messages}/m1/displayed"), "text/plain", b""),
        404,
        "m1",
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing stays in the spool"
    );
}

#[test]
fn only_the_token_opens() {
    let api = Api::start(&[]);
    for lines in [
        "",
        "Authorization: Bearer other\r\n",
        "Authorization: Basic sesame\r\n",
    ] {
        for path in ["/sessions", "/events", "/nothing"] {
            let answer = ask(api.http, "GET", path, lines);
            refused(&answer, 401, "token");
            assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
        }
    }
    assert_eq!(
        ask(api.http, "GET", "/healthz", "").json(),
        json!({"status": "serving"})
    );
}

#[test]
fn sigterm_ends_sessions_by_bye() {
    let mut api = Api::start(&["--auto-answer"]);
    let mut bob = Agent::start("bob", "udp://127.0.0.1:0", &["--call", &api.uri, "--stay"]);
    bob.event("session");
    // A BYE has to wait for the ACK (RFC 3261 §15); what is said comes after it.
    bob.command(json!({"command": "send", "text": "hello"}));
    bob.wait_for("delivery", |event| event["status"] == "delivered");
    signal(api.child.id(), "TERM");
    assert_eq!(wait(&mut api.child).code(), Some(0));
    assert_eq!(bob.event("ended")["reason"], "ended by the peer");
}

#[test]
fn options_that_cannot_be_used_are_named() {
    let folder = Folder::new();
    let secret = folder.file("token", "a token\n");
    let file = format!("@{secret}");
    let good = ["--aor", "sip:desk@127.0.0.1", "--sip", "udp://127.0.0.1:0"];
    for (options, texts) in [
        (
            &["--http", "127.0.0.1:8080"][..],
            ["--http", "http://127.0.0.1:8080"],
        ),
        (&["--http", "http://0.0.0.0:0"], ["--http", "--token"]),
        (
            &["--http", "http://192.0.2.1:80", "--token", "t"],
            ["--http", "192.0.2.1:80"],
        ),
        (&["--token", "two words"], ["--token", "without spaces"]),
        (&["--token", &file], ["--token", "without spaces"]),
        (&["--token", "@/nowhere"], ["--token", "/nowhere"]),
        (&["--spool-dir", "/nowhere"], ["--spool-dir", "/nowhere"]),
        (&["--max-upload", "much"], ["--max-upload", "much"]),
    ] {
        let output = api(&[&good, options].concat()).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {message}");
        for text in texts {
            assert!(message.contains(text), "{options:?}: no {text:?} in {message}");
        }
    }
}
