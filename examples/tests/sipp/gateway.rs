//! The programs `msrp-gateway` and `msrp-chat`, and sipp as a phone that only knows MESSAGE.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::json;

use crate::{
    agents::{Agent, signal, wait},
    running::{Sipp, find, port},
};

/// A gateway process; it is killed when this goes away.
struct Gateway {
    child: Child,
    sip: String,
}

impl Gateway {
    /// By which bob is reached at his URI, and everybody else at the phone's port.
    fn start(bob: &str, phone: u16) -> Self {
        let to_bob = format!("bob@*={bob}");
        let to_phone = format!("*=sip:127.0.0.1:{phone}");
        let mut child = Command::new(env!("CARGO_BIN_EXE_msrp-gateway"))
            .args([
                "--sip",
                "udp://127.0.0.1:0",
                "--msrp",
                "msrp://127.0.0.1:0",
                "--trust-from",
            ])
            .args(["--route", &to_bob, "--route", &to_phone, "--setup-timeout", "10"])
            .args(["--notices", "sip:gateway@127.0.0.1"])
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let sip = first.strip_prefix("listening on udp://").unwrap().to_owned();
        assert!(lines.next().unwrap().unwrap().starts_with("listening on msrp://"));
        Self { child, sip }
    }

    /// The phone writes so many MESSAGEs, one after the other.
    fn is_written_to(&self, phone: u16, messages: &str) {
        let one_at_a_time = ["-m", messages, "-l", "1", &self.sip];
        Sipp::start("udp", "uac_pages", &one_at_a_time, phone).wait();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

// shows: GW-10
#[test]
fn a_phone_and_a_chat_write_to_each_other_and_nobody_is_told_what_did_not_happen() {
    if !find() {
        return;
    }
    let mut bob = Agent::start("bob", "udp://127.0.0.1:0", &["--auto-answer"]);
    let phone = port();
    let mut gateway = Gateway::start(&bob.uri("bob"), phone);

    gateway.is_written_to(phone, "5");
    let mut sessions = Vec::new();
    for number in 1..=5 {
        let heard = bob.event("message");
        assert_eq!(
            heard["text"].as_str().unwrap().trim_end(),
            format!("message {number}")
        );
        sessions.push(heard["session"].as_str().unwrap().to_owned());
    }
    sessions.dedup();
    assert_eq!(sessions.len(), 1, "{sessions:?}");

    let hears = Sipp::start("udp", "uas_message", &["-m", "2"], phone);
    for text in ["first answer", "second answer"] {
        let sent = bob.command(json!({"command": "send", "session": sessions[0], "text": text}));
        let id = sent["message_id"].clone();
        assert!(id.is_string(), "{sent}");
        bob.wait_for("a success report", |event| {
            event["event"] == "report" && event["message_id"] == id && event["status"] == "delivered"
        });
    }
    let heard = hears.messages();
    let places = ["first answer", "second answer"].map(|text| heard.find(text));
    assert!(places[0].is_some() && places[0] < places[1], "{heard}");

    // Bob's network is gone: what is written now is taken, and then told to have failed.
    bob.kill();
    gateway.is_written_to(phone, "1");
    let patience = ["-timeout", "90s", "-recv_timeout", "80000"];
    let told = Sipp::start("udp", "uas_message", &patience, phone).messages();
    assert!(
        told.contains("Your message to sip:bob@127.0.0.1 was not delivered: 4"),
        "{told}"
    );

    signal(gateway.child.id(), "TERM");
    assert_eq!(wait(&mut gateway.child).code(), Some(0));
}
