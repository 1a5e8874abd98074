//! Two clients that know nothing of relays, and a SIP element that anchors them over HTTP.

use std::{
    net::{SocketAddr, TcpListener},
    time::Instant,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    foreign::{Client, Frame, dial},
    foreign_clients::dial_tls,
    http::{Answer, ask, get, post},
    running::{Folder, PATIENCE, Running},
};

pub(crate) fn sdp(client: &Client, extra: &str) -> String {
    let protocol = if client.uri.starts_with("msrps:") {
        "TCP/TLS/MSRP"
    } else {
        "TCP/MSRP"
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=message 9892 {protocol} *\r\n\
         a=accept-types:text/plain\r\n{extra}a=path:{}\r\n",
        client.uri
    )
}

pub(crate) fn value<'a>(sdp: &'a str, name: &str) -> &'a str {
    let found = sdp.lines().find_map(|line| line.strip_prefix(name));
    found.unwrap_or_else(|| panic!("no {name} in {sdp}"))
}

/// The SDP of an answer that says that all went well.
pub(crate) fn changed(answer: &Answer, status: u16) -> (String, String) {
    assert_eq!(answer.status, status, "{answer:?}");
    let json = answer.json();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    (text("id"), text("sdp"))
}

/// A message with a success report, from one to the other.
pub(crate) fn chat(from: &mut Client, path: &str, to: &mut Client, seen: &str, id: &str) {
    from.write(format!(
        "MSRP {id} SEND\r\nTo-Path: {path}\r\nFrom-Path: {}\r\nMessage-ID: {id}\r\nSuccess-Report: yes\r\n\
         Byte-Range: 1-5/5\r\nContent-Type: text/plain\r\n\r\nhello\r\n-------{id}$\r\n",
        from.uri
    ));
    let accepted = next(from);
    assert!(
        accepted.start().starts_with(&format!("MSRP {id} 200")),
        "{accepted:?}"
    );
    let message = next(to);
    assert!(message.start().ends_with(" SEND"), "{message:?}");
    assert_eq!(message.header("To-Path"), Some(&to.uri[..]));
    // Who it comes from is what SDP said.
    assert_eq!(message.header("From-Path"), Some(seen));
    assert_eq!(message.body(), ("hello", '$'));
    to.answer_200(&message);
    to.write(format!(
        "MSRP r{id} REPORT\r\nTo-Path: {seen}\r\nFrom-Path: {}\r\nMessage-ID: {id}\r\nByte-Range: 1-5/5\r\n\
         Status: 000 200 OK\r\n-------r{id}$\r\n",
        to.uri
    ));
    let report = next(from);
    assert!(report.start().ends_with(" REPORT"), "{report:?}");
    assert_eq!(report.header("To-Path"), Some(&from.uri[..]));
    assert_eq!(report.header("From-Path"), Some(path));
    assert_eq!(report.header("Message-ID"), Some(id));
}

/// The next thing that is not a message without content, by which the other side binds its session; those are answered.
pub(crate) fn next(client: &mut Client) -> Frame {
    loop {
        let frame = client.read();
        if !frame.start().ends_with(" SEND") || frame.header("Content-Type").is_some() {
            return frame;
        }
        client.answer_200(&frame);
    }
}

/// A message without content, by which the relay learns whose connection this is.
pub(crate) fn bind(client: &mut Client, path: &str) {
    client.write(format!(
        "MSRP b1nd SEND\r\nTo-Path: {path}\r\nFrom-Path: {}\r\nMessage-ID: b1nd\r\nByte-Range: 1-0/0\r\n-------b1nd$\r\n",
        client.uri
    ));
    let bound = next(client);
    assert!(bound.start().starts_with("MSRP b1nd 200"), "{bound:?}");
}

fn relay(folder: &Folder) -> (Running, Vec<u8>) {
    let (cert, key, made) = folder.identity("relay.example.com");
    let running = Running::start(
        3,
        &[
            "--listen",
            "msrp://127.0.0.1:0",
            "--listen",
            "msrps://127.0.0.1:0",
            "--host",
            "relay.example.com",
            "--cert",
            &cert,
            "--key",
            &key,
            "--admin",
            "http://127.0.0.1:0",
            // A connection that moves to its worker meets what waits for it at another time.
            "--workers",
            "1",
        ],
    );
    let schemes: Vec<_> = running.listeners.iter().map(|(scheme, _)| &scheme[..]).collect();
    assert_eq!(schemes, ["msrp", "msrps", "http"]);
    (running, made.cert.der().to_vec())
}

fn admin(running: &Running) -> SocketAddr {
    running.listeners[2].1
}

#[test]
fn one_on_tls_and_one_on_tcp_talk_and_are_let_go() {
    let folder = Folder::new();
    let (running, certificate) = relay(&folder);
    let admin = admin(&running);
    let (tcp, tls) = (running.listeners[0].1, running.listeners[1].1);

    let mut alice = Client::new("alice", dial_tls(tls, &certificate, "relay.example.com"));
    alice.uri = alice.uri.replace("msrp:", "msrps:");
    let posted = json!({
        "sdp": sdp(&alice, ""),
        "label": "a84b4c76e66710",
        "answerer": { "listener": 0 },
    });
    let answer = post(admin, "/anchors", "application/json", &posted.to_string());
    let (id, for_bob) = changed(&answer, 201);
    assert!(
        answer.head.contains(&format!("location: /anchors/{id}")),
        "{answer:?}"
    );
    assert_eq!(
        value(&for_bob, "m="),
        format!("message {} TCP/MSRP *", tcp.port())
    );
    assert!(for_bob.contains(" *\r\nc=IN IP4 relay.example.com\r\n"));

    // Bob connects as soon as the phone rings, and says something before it is answered.
    let mut bob = Client::new("bob", dial(tcp));
    let to_alice = value(&for_bob, "a=path:").to_owned();
    bob.write(format!(
        "MSRP b1nd SEND\r\nTo-Path: {to_alice}\r\nFrom-Path: {}\r\nMessage-ID: b1nd\r\nByte-Range: 1-0/0\r\n-------b1nd$\r\n",
        bob.uri
    ));
    let answered = post(
        admin,
        &format!("/anchors/{id}/answer"),
        "application/sdp",
        &sdp(&bob, "a=setup:active\r\n"),
    );
    let (_, for_alice) = changed(&answered, 200);
    assert_eq!(
        value(&for_alice, "m="),
        format!("message {} TCP/TLS/MSRP *", tls.port())
    );
    let digits: Vec<_> = Sha256::digest(&certificate)
        .iter()
        .map(|octet| format!("{octet:02X}"))
        .collect();
    assert_eq!(
        value(&for_alice, "a=fingerprint:"),
        format!("sha-256 {}", digits.join(":"))
    );
    let to_bob = value(&for_alice, "a=path:").to_owned();
    let bound = bob.read();
    assert!(bound.start().starts_with("MSRP b1nd 200"), "{bound:?}");

    chat(&mut alice, &to_bob, &mut bob, &to_alice, "al1ce");
    chat(&mut bob, &to_alice, &mut alice, &to_bob, "b0b00");

    let shown = get(admin, &format!("/anchors/{id}")).json();
    let (offerer, answerer) = (&shown["streams"][0]["offerer"], &shown["streams"][0]["answerer"]);
    assert_eq!(shown["label"], "a84b4c76e66710");
    assert_eq!(
        (&offerer["state"], &offerer["tls"], &offerer["scheme"]),
        (&json!("connected"), &json!(true), &json!("msrps"))
    );
    assert_eq!(
        (&answerer["state"], &answerer["tls"], &answerer["scheme"]),
        (&json!("connected"), &json!(false), &json!("msrp"))
    );
    let sent = |messages: u64, chunks: u64| json!({ "messages": messages, "chunks": chunks, "octets": 5, "reports": 1 });
    assert_eq!(offerer["sent"], sent(1, 1));
    assert_eq!(answerer["sent"], sent(2, 2));
    let secrets = [&to_bob, &to_alice].map(|path| path.split(['/', ';']).nth(3).unwrap().to_owned());
    let listed = get(admin, "/anchors");
    assert_eq!(listed.json()["anchors"][0]["id"], Value::from(id.clone()));
    for secret in &secrets {
        assert!(!listed.body.contains(&secret[..]));
    }
    assert!(
        get(admin, "/sessions").json()["sessions"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    let ended = ask(admin, "DELETE", &format!("/anchors/{id}"), "");
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(ended.json()["streams"][0]["answerer"]["sent"], sent(2, 2));
    assert!(alice.try_read().is_none());
    assert!(bob.try_read().is_none());
    let gone = get(admin, &format!("/anchors/{id}"));
    assert_eq!(gone.status, 404);
    assert_eq!(gone.json()["error"], "no such anchored session");
    let log = running.stderr();
    for secret in &secrets {
        assert!(!log.contains(&secret[..]), "{log}");
    }
}

/// The relay connects to a side that waits for it, and re-creates the connection.
#[test]
fn a_side_that_waits_is_connected_to() {
    let folder = Folder::new();
    let (running, _) = relay(&folder);
    let admin = admin(&running);
    let mut alice = Client::new("alice", dial(running.listeners[0].1));
    let (id, for_bob) = changed(&post(admin, "/anchors", "application/sdp", &sdp(&alice, "")), 201);
    let to_alice = value(&for_bob, "a=path:").to_owned();
    let waiting = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("msrp://{}/98cjsbob;tcp", waiting.local_addr().unwrap());
    let accept = || {
        let (stream, _) = waiting.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut bob = Client::new("bob", stream);
        bob.uri.clone_from(&uri);
        bob
    };
    let answer = sdp(&alice, "a=setup:passive\r\n").replace(&alice.uri, &uri);
    let path = format!("/anchors/{id}/answer");
    let (_, for_alice) = changed(&post(admin, &path, "application/sdp", &answer), 200);
    let to_bob = value(&for_alice, "a=path:").to_owned();
    let mut bob = accept();
    chat(&mut alice, &to_bob, &mut bob, &to_alice, "al1ce");
    chat(&mut bob, &to_alice, &mut alice, &to_bob, "b0b00");
    drop(bob);
    // As soon as something is to be said, the connection is made again. Whether the relay has seen the end of the old one
    // by then is a matter of time, so it is waited for.
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "it is not lost");
        let shown = get(admin, &format!("/anchors/{id}")).json();
        if shown["streams"][0]["answerer"]["state"] == "lost" {
            break;
        }
    }
    alice.write(format!(
        "MSRP ag41n SEND\r\nTo-Path: {to_bob}\r\nFrom-Path: {}\r\nMessage-ID: ag41n\r\nByte-Range: 1-5/5\r\n\
         Content-Type: text/plain\r\n\r\nagain\r\n-------ag41n$\r\n",
        alice.uri
    ));
    let mut bob = accept();
    assert_eq!(next(&mut bob).body(), ("again", '$'));
    let shown = get(admin, &format!("/anchors/{id}")).json();
    assert_eq!(shown["streams"][0]["answerer"]["connections"], 2);
}

/// Each session is at one of the workers, whichever takes the connections of its sides.
#[test]
fn anchored_sessions_of_several_workers_are_those_of_one_relay() {
    let workers = 3;
    let running = Running::start(
        2,
        &[
            "--listen",
            "msrp://127.0.0.1:0",
            "--host",
            "relay.example.com",
            "--admin",
            "http://127.0.0.1:0",
            "--workers",
            &workers.to_string(),
        ],
    );
    let (tcp, admin) = (running.address(), running.listeners[1].1);
    let mut sessions = Vec::new();
    for number in 0..4 * workers {
        let (mut alice, mut bob) = (Client::new("alice", dial(tcp)), Client::new("bob", dial(tcp)));
        let (id, for_bob) = changed(&post(admin, "/anchors", "application/sdp", &sdp(&alice, "")), 201);
        let to_alice = value(&for_bob, "a=path:").to_owned();
        let path = format!("/anchors/{id}/answer");
        let answer = sdp(&bob, "a=setup:active\r\n");
        let (_, for_alice) = changed(&post(admin, &path, "application/sdp", &answer), 200);
        let to_bob = value(&for_alice, "a=path:").to_owned();
        // Either side may be the first that says something.
        if number % 2 == 0 {
            bind(&mut bob, &to_alice);
            bind(&mut alice, &to_bob);
            chat(&mut alice, &to_bob, &mut bob, &to_alice, "al1ce");
        } else {
            bind(&mut alice, &to_bob);
            bind(&mut bob, &to_alice);
        }
        chat(&mut bob, &to_alice, &mut alice, &to_bob, "b0b00");
        sessions.push((id, alice, bob, to_alice, to_bob));
    }
    let listed = get(admin, "/anchors").json();
    let listed = listed["anchors"].as_array().unwrap();
    assert_eq!(listed.len(), sessions.len());
    for worker in 0..workers {
        let of_worker = format!("{worker}-");
        let at = |id: &Value| id.as_str().is_some_and(|id| id.starts_with(&of_worker));
        assert_eq!(listed.iter().filter(|one| at(&one["id"])).count(), 4, "{worker}");
    }
    for (id, mut alice, mut bob, to_alice, to_bob) in sessions {
        chat(&mut alice, &to_bob, &mut bob, &to_alice, "ag41n");
        let ended = ask(admin, "DELETE", &format!("/anchors/{id}"), "");
        assert_eq!(ended.status, 200, "{ended:?}");
        assert!(alice.try_read().is_none() && bob.try_read().is_none());
    }
    assert_eq!(get(admin, "/anchors").json()["anchors"], json!([]));
}

#[test]
fn what_is_wrong_is_said() {
    let folder = Folder::new();
    let (running, _) = relay(&folder);
    let admin = admin(&running);
    let alice = Client::new("alice", dial(running.listeners[0].1));
    let good = sdp(&alice, "");
    let error = |answer: Answer| (answer.status, answer.json()["error"].as_str().unwrap().to_owned());
    let cases: [(&str, &str, String, u16, &str); 9] = [
        (
            "/anchors",
            "text/plain",
            good.clone(),
            415,
            "an SDP body is wanted as application/sdp",
        ),
        (
            "/anchors",
            "application/sdp",
            "hello".to_owned(),
            422,
            "no SDP: the first line is not v=0",
        ),
        (
            "/anchors",
            "application/sdp",
            good.replace("a=path:msrp", "a=path:http"),
            422,
            "line 8: a=path: MSRP URI does not start with msrp:// or msrps://",
        ),
        (
            "/anchors",
            "application/json",
            "{".to_owned(),
            400,
            "JSON: EOF while parsing",
        ),
        (
            "/anchors",
            "application/json",
            json!({ "sdp": good, "lable": "x" }).to_string(),
            400,
            "unknown field `lable`",
        ),
        (
            "/anchors",
            "application/json",
            json!({ "sdp": good, "offerer": { "listener": 1 } }).to_string(),
            422,
            "line 6: TCP/MSRP needs a listener of the same security",
        ),
        (
            "/anchors",
            "application/sdp",
            "v".repeat(200_000),
            413,
            "length limit exceeded",
        ),
        (
            "/anchors",
            "application/sdp",
            format!("v=0\r\na={}", "x".repeat(70_000)),
            413,
            "the limit is 65536",
        ),
        (
            "/anchors/0-0123456789abcdef/answer",
            "application/sdp",
            good.clone(),
            404,
            "no such anchored session",
        ),
    ];
    for (path, kind, body, status, text) in cases {
        let (found, said) = error(post(admin, path, kind, &body));
        assert!(
            found == status && said.contains(text),
            "{status} {text}: {found} {said}"
        );
    }
    for path in ["/anchors/x", "/anchors/7-0123456789abcdef", "/anchors/0-1"] {
        assert_eq!(error(get(admin, path)).0, 404, "{path}");
        assert_eq!(error(ask(admin, "DELETE", path, "")).0, 404, "{path}");
    }
    assert_eq!(error(get(admin, "/anchors?limit=0")).0, 400);
    let (id, _) = changed(&post(admin, "/anchors", "application/sdp", &good), 201);
    let offer = format!("/anchors/{id}/offer");
    assert_eq!(
        error(post(admin, &offer, "application/sdp", &good)).1,
        "from=: offerer or answerer is wanted, the side that offers now"
    );
    let glare = post(admin, &format!("{offer}?from=answerer"), "application/sdp", &good);
    assert_eq!(
        error(glare),
        (409, "the other side's offer is not answered yet".to_owned())
    );
    assert_eq!(
        error(ask(admin, "DELETE", &offer, "")),
        (409, "there is no offer to answer".to_owned())
    );
}
