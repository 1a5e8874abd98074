//! Exit statuses, and what is printed.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};

fn load(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_msrp-load"))
        .args(flags)
        .output()
        .unwrap()
}

#[test]
fn wrong_options_end_with_2() {
    for flags in [
        &[][..],
        &["--relay", "http://127.0.0.1:1"],
        &["--relay", "msrp://127.0.0.1:1", "--size", "3"],
        &["--relay", "msrp://127.0.0.1:1", "--mode", "idle"],
        &["--relay", "msrp://127.0.0.1:1", "--no-such-flag"],
    ] {
        let output = load(flags);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(!output.stderr.is_empty(), "{flags:?}");
    }
}

#[test]
fn a_server_that_is_not_there_ends_with_1() {
    // A port that stays ours, and at which nobody listens.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    let output = load(&["--relay", &format!("msrp://127.0.0.1:{port}")]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains(&format!("cannot connect to 127.0.0.1:{port}")),
        "{text}"
    );
}

#[test]
fn the_forwarder_and_the_generator_as_programs() {
    let mut forwarder = Command::new(env!("CARGO_BIN_EXE_bare-forwarder"))
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(forwarder.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap();
    let (relay, pid) = (format!("msrp://{address}"), forwarder.id().to_string());
    let flags = [
        "--relay",
        &relay,
        "--mode",
        "bare",
        "--pairs",
        "2",
        "--seconds",
        "1",
        "--warmup",
        "0",
    ];
    let json = load(&[&flags[..], &["--server-pid", &pid, "--json"]].concat());
    let text = load(&flags);
    let busy = Command::new(env!("CARGO_BIN_EXE_bare-forwarder"))
        .args(["--listen", address])
        .output()
        .unwrap();
    forwarder.kill().unwrap();
    forwarder.wait().unwrap();
    assert!(json.status.success() && text.status.success());
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json["rate"]["messages"].as_u64().unwrap() > 0, "{json}");
    assert!(json["rate"]["server_cpu"].is_number(), "{json}");
    assert!(String::from_utf8_lossy(&text.stdout).contains("messages/s"));
    assert_eq!(busy.status.code(), Some(2));
}
