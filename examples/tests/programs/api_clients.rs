//! Many clients of `msrp-api`, slow ones, and those who have no business there.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::json;

use crate::{
    agents::{Agent, peak_memory},
    api_running::Api,
    running::PATIENCE,
};

const UDP: &str = "udp://127.0.0.1:0";
/// Octets of a message that fills the list of events soon.
const LARGE: usize = 700_000;
/// More of them than the 64 MiB have room for that are kept, with what is on its way to a client.
const MANY: usize = 200;

#[test]
fn who_is_too_slow_is_told_what_he_missed_and_costs_nothing() {
    let api = Api::start(&["--auto-answer"]);
    let mut bob = Agent::start("bob", UDP, &["--call", &api.uri, "--stay"]);
    bob.event("session");
    // Nobody reads these.
    let mut slow: Vec<_> = (0..5).map(|_| api.events("/events?after=0")).collect();
    let before = peak_memory(api.child.id());
    let large = "a".repeat(LARGE);
    let mut last = json!(null);
    for _ in 0..MANY {
        last = bob.command(json!({"command": "send", "text": large}))["message_id"].clone();
        bob.wait_for("delivery", |event| {
            event["message_id"] == last && event["status"] == "delivered"
        });
    }
    let after = peak_memory(api.child.id());
    assert!(after < before + 160 * 1024, "from {before} KiB to {after} KiB");
    for events in &mut slow {
        assert_eq!(events.event("session").data["session"], "in-1");
        let missed = events.event("missed");
        assert_eq!(missed.data, json!({"event": "missed"}));
        while events.event("message").data["message_id"] != last {}
    }
    // Who comes back from before that is told so as well.
    let mut late = api.events("/events?after=0");
    assert_eq!(late.next().name, "missed");
    assert_eq!(late.next().name, "message");
}

#[test]
fn many_clients_at_once_are_all_served() {
    let api = Api::start(&[]);
    let mut bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let mut listeners: Vec<_> = (0..50).map(|_| api.events("/events")).collect();
    assert_eq!(
        api.post_json("/sessions", json!({"to": bob.uri("bob")})).status,
        201
    );
    for events in &mut listeners {
        assert_eq!(events.event("session").data["session"], "out-1");
    }
    let ids: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..50)
            .map(|number| {
                let api = &api;
                scope.spawn(move || {
                    let text = format!("from {number}");
                    let sent = api.post("/sessions/out-1/messages", "text/plain", text.as_bytes());
                    assert_eq!(sent.status, 202, "{sent:?}");
                    sent.json()["message_id"].as_str().unwrap().to_owned()
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let mut heard: Vec<String> = ids
        .iter()
        .map(|_| bob.event("message")["message_id"].as_str().unwrap().to_owned())
        .collect();
    let mut wanted = ids.clone();
    wanted.sort();
    heard.sort();
    assert_eq!(heard, wanted);
    for events in &mut listeners {
        let mut open = ids.clone();
        while !open.is_empty() {
            let report = events.event("report").data;
            if report["status"] == "delivered" {
                open.retain(|id| *id != report["message_id"]);
            }
        }
    }
}

/// The status of the answer to who asks for this host.
fn status(address: SocketAddr, host: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET /sessions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A page from elsewhere may make a browser ask this machine by a name of its own; it gets nothing.
#[test]
fn without_a_token_only_this_machine_is_served_by_its_own_name() {
    let api = Api::without_token();
    for (host, wanted) in [
        ("localhost", 200),
        ("127.0.0.1:80", 200),
        ("[::1]", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
    ] {
        assert_eq!(status(api.http, host), wanted, "{host}");
    }
}
