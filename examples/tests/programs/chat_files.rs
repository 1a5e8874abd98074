//! Files between `msrp-chat` processes.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    agents::{Agent, peak_memory},
    calling::{TCP, UDP, alice_calls, failed, relay, succeeded},
    running::Folder,
};

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

/// Alice, and bob who saves in `in` what she sends him; so much of a long file has come that he has told of it. Its name at
/// alice.
fn in_the_middle_of_a_file(folder: &Folder) -> (Agent, Agent, Value) {
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
    (alice, bob, file)
}

#[test]
fn who_vanishes_in_the_middle_of_a_file_leaves_a_failure() {
    let folder = Folder::new();
    let (mut alice, mut bob, _) = in_the_middle_of_a_file(&folder);
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
    let (mut alice, mut bob, file) = in_the_middle_of_a_file(&folder);
    let inbox = folder.path().join("in");
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

/// Passes connections on to an address, and cuts as many as it is told in the middle, each after some octets. How many there were.
fn cutting_wire(from: SocketAddr, to: SocketAddr, cuts: usize) -> Arc<AtomicUsize> {
    const OCTETS: usize = 8_000_000;
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let listener = TcpListener::bind(from).unwrap();
    std::thread::spawn(move || {
        for caller in listener.incoming().map(Result::unwrap) {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let called = TcpStream::connect(to).unwrap();
            let (mut answers, mut back) = (called.try_clone().unwrap(), caller.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
            std::thread::spawn(move || {
                let (mut caller, mut called) = (caller, called);
                let (mut room, mut passed) = (vec![0; 65536], 0);
                while let Ok(read @ 1..) = caller.read(&mut room) {
                    if called.write_all(&room[..read]).is_err() {
                        break;
                    }
                    passed += read;
                    if number < cuts && passed > OCTETS {
                        break;
                    }
                }
                // Whoever has gone already does not need to be told.
                let _gone = caller.shutdown(Shutdown::Both);
                let _gone = called.shutdown(Shutdown::Both);
            });
        }
    });
    connections
}

/// The connection breaks twice while a file passes; it arrives as it is, and nobody has to do anything for it.
#[test]
fn a_file_goes_on_when_its_connection_has_broken() {
    let folder = Folder::new();
    let octets: Vec<u8> = (0..40_000_000_u32)
        .map(|number| (number >> 3).wrapping_mul(number) as u8)
        .collect();
    let file = folder.path().join("it");
    fs::write(&file, &octets).unwrap();
    let inbox = folder.path().join("in");
    // Bob says that he is at 127.0.0.2, where the wire begins that leads to him.
    let options = [
        "--auto-answer",
        "--save-dir",
        inbox.to_str().unwrap(),
        "--host",
        "127.0.0.2",
        "--msrp",
        "msrp://127.0.0.1:0",
    ];
    let mut bob = Agent::start("bob", "udp://127.0.0.2:0", &options);
    let listening = bob.heard.iter().filter_map(|event| event["url"].as_str());
    let mut msrp = listening.filter_map(|url| url.strip_prefix("msrp://"));
    let at: SocketAddr = msrp.next().unwrap().parse().unwrap();
    let connections = cutting_wire(SocketAddr::new([127, 0, 0, 2].into(), at.port()), at, 2);
    let output = alice_calls(
        UDP,
        &bob.uri("bob"),
        &["--send-file", file.to_str().unwrap(), "--send", "hello"],
    );
    succeeded(&output);
    assert!(connections.load(Ordering::Relaxed) > 2, "nothing was cut");
    assert_eq!(bob.event("message")["text"], "hello");
    assert_eq!(bob.event("file")["outcome"], "received");
    assert!(
        fs::read(inbox.join("it")).unwrap() == octets,
        "the file is another one"
    );
    assert_eq!(bob.event("ended")["regular"], true);
}
