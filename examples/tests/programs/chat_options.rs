//! What `msrp-chat` says to options and files that it cannot use; and to `--help`.

use std::{fs, net::UdpSocket};

use crate::{
    agents::{Agent, chat},
    refusing::refuses,
    running::Folder,
};

const GOOD: [&str; 4] = ["--aor", "sip:alice@127.0.0.1", "--sip", "udp://127.0.0.1:0"];

#[track_caller]
fn refused(options: &[&str], texts: &[&str]) -> String {
    refuses(chat(options), texts)
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    GOOD.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn what_is_missing_is_named_with_an_example() {
    refused(&[], &["--aor", "sip:alice@example.com"]);
    refused(&GOOD[..2], &["--sip", "udp://127.0.0.1:5060"]);
}

#[test]
fn values_that_make_no_sense_are_named() {
    for aor in [
        "alice",
        "alice@example.com",
        "sip:example.com",
        "mailto:a@example.com",
        "sip:@example.com",
    ] {
        refused(
            &["--aor", aor, "--sip", "udp://127.0.0.1:0"],
            &["--aor", aor, "sip:USER@HOST"],
        );
    }
    for sip in [
        "127.0.0.1:5060",
        "sip:127.0.0.1",
        "udp://localhost:5060",
        "udp://127.0.0.1",
    ] {
        refused(
            &["--aor", "sip:a@b", "--sip", sip],
            &["--sip", sip, "udp://IP:PORT"],
        );
    }
    for (options, texts) in [
        (&["--msrp", "127.0.0.1:2855"][..], &["--msrp", "msrp://"][..]),
        (&["--msrp", "ws://127.0.0.1:2855"], &["--msrp", "msrps://"]),
        (&["--msrp", "msrp://0.0.0.0:0"], &["--msrp", "--host"]),
        (&["--call", "bob"], &["--call", "bob", "SIP URI"]),
        (&["--proxy", "proxy"], &["--proxy", "SIP URI"]),
        (
            &["--relay", "relay", "--relay-password", "x"],
            &["--relay relay", "msrps://relay.example.com:2855;tcp"],
        ),
        (&["--relay", "msrps://relay.example.com"], &["--relay-password"]),
        (
            &["--relay-password", "@/nowhere"],
            &["--relay-password", "/nowhere"],
        ),
        (&["--password", ""], &["--password", "empty"]),
        (&["--fingerprint", "AB:CD"], &["--fingerprint"]),
        (&["--cert", "/nowhere"], &["--cert", "--key"]),
        (
            &["--cert", "/nowhere", "--key", "/nowhere"],
            &["--cert", "/nowhere"],
        ),
        (&["--ca", "/nowhere"], &["--ca", "/nowhere"]),
        (&["--send-file", "/nowhere"], &["--send-file", "/nowhere"]),
        (&["--send-file", "/"], &["--send-file", "not a file"]),
        (&["--send-file", "/dev/null"], &["--send-file", "not a file"]),
        (&["--send", ""], &["--send", "nothing to say"]),
        (&["--save-dir", "/dev/null/in"], &["--save-dir", "/dev/null/in"]),
        // Not even root can write there.
        (&["--save-dir", "/proc"], &["--save-dir", "/proc"]),
        (&["--max-file", "much"], &["--max-file", "much"]),
        (&["--sned", "x"], &["--sned", "--send"]),
    ] {
        refused(&with(options), texts);
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sip = format!("udp://{}", taken.local_addr().unwrap());
    refused(&["--aor", "sip:a@b", "--sip", &sip], &["--sip", &sip, "in use"]);
}

#[test]
fn a_file_says_what_flags_say_and_flags_win() {
    let folder = Folder::new();
    let inbox = folder.path().join("in");
    let file = folder.file(
        "chat.toml",
        &format!(
            "aor = \"sip:nobody@127.0.0.1\"\nsip = [\"udp://127.0.0.1:0\", \"tcp://127.0.0.1:0\"]\nauto-answer = true\n\
             json = true\nsave-dir = \"{}\"\n",
            inbox.display()
        ),
    );
    let mut bob = Agent::spawn(chat(&["--config", &file, "--aor", "sip:bob@127.0.0.1"]));
    bob.wait_for("TCP", |event| {
        event["event"] == "listening" && event["url"].as_str().unwrap().starts_with("tcp://")
    });
    bob.wait_for("MSRP", |event| {
        event["event"] == "listening" && event["url"].as_str().unwrap().starts_with("msrp://")
    });
    assert!(inbox.is_dir());
    for (text, said) in [
        ("sip = [1", "line 1"),
        (
            "aor = \"sip:a@b\"\nsap = \"x\"",
            "line 2: there is no setting \"sap\"",
        ),
        ("auto-answer = \"yes\"", "auto-answer: true or false"),
        ("max-file = \"much\"", "--max-file"),
    ] {
        fs::write(&file, text).unwrap();
        refused(&with(&["--config", &file]), &["chat.toml", said]);
    }
    refused(&with(&["--config", "/nowhere"]), &["--config", "/nowhere"]);
}

#[test]
fn help_teaches() {
    let output = chat(&["--help"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for flag in [
        "--aor",
        "--sip",
        "--proxy",
        "--register",
        "--password",
        "--msrp",
        "--relay",
        "--relay-user",
        "--relay-password",
        "--call",
        "--auto-answer",
        "--send",
        "--send-file",
        "--stay",
        "--save-dir",
        "--fingerprint",
        "--ca",
        "--insecure",
        "--json",
        "--config",
        "Exit codes",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
}
