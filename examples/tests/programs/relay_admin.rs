//! The operator's HTTP server: health, metrics, sessions.

use std::net::SocketAddr;

use serde_json::Value;

use crate::{
    exposition,
    foreign::{Client, dial},
    http::{ask, get},
    running::{Folder, Running, relay, run},
};

/// A relay with an admin server; and where that is.
fn administered(more: &[&str]) -> (Running, SocketAddr) {
    let mut options = vec![
        "--listen",
        "msrp://127.0.0.1:0",
        "--allow-plain-auth",
        "--user",
        "alice:secret",
        "--user",
        "bob:tiger",
        "--admin",
        "http://127.0.0.1:0",
    ];
    options.extend(more);
    let running = Running::start(2, &options);
    let (scheme, admin) = running.listeners[1].clone();
    assert_eq!(scheme, "http");
    (running, admin)
}

fn join(running: &Running, name: &'static str, password: &str) -> Client {
    let mut client = Client::new(name, dial(running.address()));
    client.authenticate(&format!("msrp://{};tcp", running.address()), password);
    client
}

fn sessions(admin: SocketAddr, query: &str) -> Vec<Value> {
    let answer = get(admin, &format!("/sessions{query}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["sessions"].as_array().unwrap().clone()
}

#[test]
fn a_relay_that_serves_is_healthy() {
    let (_running, admin) = administered(&[]);
    let answer = get(admin, "/healthz");
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (200, &Value::from("serving"))
    );
}

#[test]
fn sessions_are_told_with_what_passed_and_without_their_secrets() {
    let (running, admin) = administered(&[]);
    assert!(sessions(admin, "").is_empty());
    let mut alice = join(&running, "alice", "secret");
    let mut bob = join(&running, "bob", "tiger");
    let paths = alice.paths_to(&bob);
    alice.write(format!(
        "MSRP a786 SEND\r\n{paths}Message-ID: msg1\r\nByte-Range: 1-5/5\r\nContent-Type: text/plain\r\n\r\nhello\r\n-------a786$\r\n"
    ));
    assert!(alice.read().start().starts_with("MSRP a786 200"));
    let got = bob.read();
    bob.answer_200(&got);
    let listed = sessions(admin, "");
    let text = serde_json::to_string(&listed).unwrap();
    for secret in [&alice.use_path, &bob.use_path] {
        let token = secret.rsplit('/').next().unwrap().trim_end_matches(";tcp");
        assert_eq!(token.len(), 26);
        assert!(!text.contains(token), "{text}");
    }
    let of = |user: &str| {
        listed
            .iter()
            .find(|session| session["user"] == user)
            .unwrap()
            .clone()
    };
    for (user, sent, received) in [("alice", 1, 0), ("bob", 0, 1)] {
        let session = of(user);
        assert_eq!(session["state"], "open");
        assert_eq!(session["transport"], "tcp");
        assert_eq!(session["from_client"]["messages"], sent);
        assert_eq!(session["from_client"]["octets"], 5 * sent);
        assert_eq!(session["to_client"]["messages"], received);
        assert_eq!(session["to_client"]["octets"], 5 * received);
        assert_eq!(session["local"], running.address().to_string());
        let (since, expires) = (
            session["since"].as_u64().unwrap(),
            session["expires"].as_u64().unwrap(),
        );
        assert!((595..=605).contains(&(expires - since)), "{session}");
        let one = get(admin, &format!("/sessions/{}", session["id"].as_str().unwrap()));
        assert_eq!(one.json()["user"], user);
    }
    assert_eq!(sessions(admin, "?user=bob").len(), 1);
    assert!(sessions(admin, "?user=carol").is_empty());
}

#[test]
fn a_long_table_comes_in_pages() {
    let (running, admin) = administered(&[]);
    let mut alice = Client::new("alice", dial(running.address()));
    for _ in 0..7 {
        alice.authenticate(&format!("msrp://{};tcp", running.address()), "secret");
    }
    let mut met = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let page = get(admin, &format!("/sessions{query}")).json();
        let sessions = page["sessions"].as_array().unwrap();
        assert!(sessions.len() <= 3);
        met.extend(
            sessions
                .iter()
                .map(|session| session["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=3&after={next}"),
            None => break,
        }
    }
    assert_eq!(met.len(), 7);
    met.dedup();
    assert_eq!(met.len(), 7);
    for wrong in ["?limit=0", "?limit=1001", "?limit=x", "?after=x", "?lim=3"] {
        let answer = get(admin, &format!("/sessions{wrong}"));
        assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
        assert!(answer.json()["error"].is_string());
    }
}

#[test]
fn delete_ends_a_session() {
    let (running, admin) = administered(&[]);
    let mut alice = join(&running, "alice", "secret");
    let mut bob = join(&running, "bob", "tiger");
    let id = sessions(admin, "?user=bob")[0]["id"].as_str().unwrap().to_owned();
    let answer = ask(admin, "DELETE", &format!("/sessions/{id}"), "");
    assert_eq!((answer.status, &answer.body[..]), (204, ""));
    assert!(bob.try_read().is_none(), "the connection of its client is closed");
    assert!(sessions(admin, "?user=bob").is_empty());
    let paths = alice.paths_to(&bob);
    alice.write(format!(
        "MSRP a786 SEND\r\n{paths}Message-ID: msg1\r\nByte-Range: 1-5/5\r\nContent-Type: text/plain\r\n\r\nhello\r\n-------a786$\r\n"
    ));
    let mut told = alice.read();
    if told.start().contains(" 200 ") {
        // Bob was another worker's, which says so in a REPORT.
        told = alice.read();
        assert_eq!(told.header("Status"), Some("000 481 No Such Session"));
    } else {
        assert!(told.start().starts_with("MSRP a786 481"), "{told:?}");
    }
    let again = ask(admin, "DELETE", &format!("/sessions/{id}"), "");
    assert_eq!(again.status, 404);
}

#[test]
fn what_is_not_there_is_refused_in_json() {
    let (_running, admin) = administered(&[]);
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/nothing", 404),
        ("GET", "/sessions/x", 404),
        ("GET", "/sessions/0-0-0", 404),
        ("GET", "/sessions/9-0-1", 404),
        ("GET", "/sessions/%ff", 400),
        ("POST", "/sessions", 405),
        ("PUT", "/sessions/0-0-1", 405),
        ("DELETE", "/metrics", 405),
        ("POST", "/healthz", 405),
    ] {
        let answer = ask(admin, method, path, "");
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert!(answer.json()["error"].is_string(), "{method} {path}: {answer:?}");
    }
}

#[test]
fn the_token_is_asked_for_where_there_is_one() {
    let folder = Folder::new();
    let file = folder.file("token", "open-sesame\n");
    let (_running, admin) = administered(&["--admin-token", &format!("@{file}")]);
    for path in ["/metrics", "/sessions", "/nothing"] {
        let answer = get(admin, path);
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.head.contains("www-authenticate: bearer"));
        assert_eq!(
            ask(admin, "GET", path, "Authorization: Bearer open\r\n").status,
            401
        );
    }
    assert_eq!(
        ask(admin, "GET", "/metrics", "Authorization: Bearer open-sesame\r\n").status,
        200
    );
    assert_eq!(get(admin, "/healthz").status, 200);
}

#[test]
fn an_address_that_others_can_reach_wants_a_token() {
    let options = ["--listen", "msrp://127.0.0.1:0", "--admin", "http://0.0.0.0:0"];
    let output = run(&options);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("--admin-token"), "{message}");
    let mut command = relay(&options);
    command.args(["--admin-token", "sesame"]);
    Running::spawn(2, command);
    for url in [
        "127.0.0.1:9090",
        "https://127.0.0.1:9090",
        "http://localhost:9090",
        "http://127.0.0.1",
    ] {
        let output = run(&["--listen", "msrp://127.0.0.1:0", "--admin", url]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(
            message.contains(url) && message.contains("http://127.0.0.1:9090"),
            "{message}"
        );
    }
}

/// One message from alice to bob, who says that it has arrived.
fn exchange(alice: &mut Client, bob: &mut Client) {
    let paths = alice.paths_to(bob);
    alice.write(format!(
        "MSRP a786 SEND\r\n{paths}Message-ID: msg1\r\nByte-Range: 1-5/5\r\nContent-Type: text/plain\r\n\r\nhello\r\n-------a786$\r\n"
    ));
    assert!(alice.read().start().starts_with("MSRP a786 200"));
    let got = bob.read();
    bob.answer_200(&got);
    let back = got.header("From-Path").unwrap();
    bob.write(format!(
        "MSRP b786 REPORT\r\nTo-Path: {back}\r\nFrom-Path: {}\r\nMessage-ID: msg1\r\nByte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n-------b786$\r\n",
        bob.uri
    ));
    assert!(alice.read().start().ends_with("REPORT"));
}

#[test]
fn metrics_can_be_scraped_and_count_what_happened() {
    let (running, admin) = administered(&["--workers", "1"]);
    let listener = format!("{{listener=\"msrp://{}\"}}", running.address());
    let mut alice = join(&running, "alice", "secret");
    let mut bob = join(&running, "bob", "tiger");
    exchange(&mut alice, &mut bob);
    let mut eve = Client::new("alice", dial(running.address()));
    let relay = format!("msrp://{};tcp", running.address());
    let challenge = eve.auth_bare(&relay);
    let refused = eve.auth_with(&relay, &challenge, "wrong");
    assert!(refused.start().contains("401"), "{refused:?}");
    drop(eve);
    let answer = get(admin, "/metrics");
    assert!(
        answer.head.contains("content-type: text/plain; version=0.0.4"),
        "{answer:?}"
    );
    let page = exposition::read(&answer.body);
    for (series, value) in [
        ("sessions", 2.0),
        ("auth_total{outcome=\"challenged\"}", 3.0),
        ("auth_total{outcome=\"granted\"}", 2.0),
        ("auth_total{outcome=\"failed\"}", 1.0),
        ("messages_total{way=\"here\"}", 1.0),
        ("messages_total{way=\"out\"}", 0.0),
        ("body_octets_total{way=\"here\"}", 5.0),
        ("reports_total{way=\"here\"}", 1.0),
        ("reports_by_code_total{code=\"200\"}", 1.0),
        ("connections_accepted_total", 3.0),
        (&format!("listener_accepted_total{listener}"), 3.0),
        ("held_seconds_count", 1.0),
        ("hop_answer_seconds_count", 1.0),
        ("memory_limit_octets", 268435456.0),
        ("workers", 1.0),
        ("draining", 0.0),
    ] {
        let series = format!("msrp_relay_{series}");
        assert_eq!(
            page.series.get(&series),
            Some(&value),
            "{series}:\n{}",
            answer.body
        );
    }
    assert!(page.series["msrp_relay_turn_seconds_count"] > 5.0);
    assert!(page.series["msrp_relay_transport_octets_total{direction=\"received\"}"] > 1_000.0);
    for secret in [&alice.use_path, &bob.use_path] {
        let token = secret.rsplit('/').next().unwrap().trim_end_matches(";tcp");
        assert!(!answer.body.contains(token));
    }
}

/// The table in the README is what operators build their graphs on.
#[test]
fn each_metric_is_explained() {
    let (_running, admin) = administered(&[]);
    let page = exposition::read(&get(admin, "/metrics").body);
    let readme = include_str!("../../README.md");
    for name in page.families.keys() {
        assert!(
            readme.contains(&format!("| `{name}")),
            "{name} is not in the README"
        );
    }
}
