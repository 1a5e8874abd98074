//! What others do to the relay does not reach a conversation.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    foreign::{Client, dial, md5},
    running::Running,
};

/// Whether the relay ends the connection; whatever it says before that is read.
fn ends(mut stream: TcpStream) -> bool {
    let mut room = [0; 4096];
    loop {
        match stream.read(&mut room) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// Writes what the relay may refuse to take to its end.
fn throw(address: SocketAddr, octets: &[u8]) -> TcpStream {
    let mut stream = dial(address);
    let _cut_short = stream.write_all(octets);
    stream
}

fn message(alice: &mut Client, bob: &mut Client, id: &str) {
    let paths = alice.paths_to(bob);
    alice.write(format!(
        "MSRP {id} SEND\r\n{paths}Message-ID: msg{id}\r\nByte-Range: 1-2/2\r\nContent-Type: text/plain\r\n\r\nHi\r\n\
         -------{id}$\r\n"
    ));
    assert!(alice.read().start().starts_with(&format!("MSRP {id} 200")));
    let got = bob.read();
    assert_eq!(got.body(), ("Hi", '$'));
    bob.answer_200(&got);
}

/// The relay, and two who talk over it.
fn talking(more: &[&str]) -> (Running, Client, Client) {
    let mut options = vec![
        "--listen",
        "msrp://127.0.0.1:0",
        "--listen",
        "msrps://127.0.0.1:0",
    ];
    options.extend([
        "--allow-plain-auth",
        "--user",
        "alice:secret",
        "--user",
        "bob:tiger",
    ]);
    options.extend(more);
    let running = Running::start(2, &options);
    let relay = format!("msrp://{};tcp", running.address());
    let mut alice = Client::new("alice", dial(running.address()));
    let mut bob = Client::new("bob", dial(running.address()));
    alice.authenticate(&relay, "secret");
    bob.authenticate(&relay, "tiger");
    (running, alice, bob)
}

#[test]
fn garbage_ends_its_own_connection_and_no_other() {
    let (running, mut alice, mut bob) = talking(&[]);
    let address = running.address();
    message(&mut alice, &mut bob, "before");
    let long = "x".repeat(100_000);
    let garbage: Vec<(&str, Vec<u8>)> = vec![
        (
            "another protocol",
            b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n".to_vec(),
        ),
        ("binary", (0..=255).cycle().take(70_000).collect()),
        ("a first line without an end", long.clone().into_bytes()),
        (
            "a header without an end",
            format!("MSRP abcd SEND\r\nTo-Path: msrp://{long}").into_bytes(),
        ),
        (
            "headers without an end",
            format!("MSRP abcd SEND\r\n{}", "X: y\r\n".repeat(10_000)).into_bytes(),
        ),
        (
            "a handshake for TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(10),
        ),
    ];
    for (name, octets) in garbage {
        assert!(ends(throw(address, &octets)), "{name}");
        message(&mut alice, &mut bob, "between");
    }
    // Plain text where TLS is spoken.
    let tls = running.listeners[1].1;
    assert!(ends(throw(
        tls,
        b"MSRP abcd SEND\r\nTo-Path: msrp://a:1/b;tcp\r\n"
    )));
    message(&mut alice, &mut bob, "after");
}

#[test]
fn who_is_not_let_in_gets_nothing_forwarded() {
    let (running, mut alice, mut bob) = talking(&[]);
    let address = running.address();
    // A stranger who has guessed nothing.
    let stranger = throw(
        address,
        format!(
            "MSRP abcd SEND\r\nTo-Path: msrp://{address}/guessed;tcp {}\r\nFrom-Path: msrp://x.example.com:1/y;tcp\r\n\
             Message-ID: msgabcd\r\nByte-Range: 1-4/4\r\nContent-Type: text/plain\r\n\r\nSpam\r\n-------abcd$\r\n",
            bob.uri
        )
        .as_bytes(),
    );
    // One who would use the relay for somebody else.
    let open = throw(
        address,
        format!(
            "MSRP abcd SEND\r\nTo-Path: msrp://{address};tcp msrp://127.0.0.1:1/victim;tcp\r\n\
             From-Path: msrp://x.example.com:1/y;tcp\r\nMessage-ID: msgabcd\r\nByte-Range: 1-4/4\r\n\
             Content-Type: text/plain\r\n\r\nSpam\r\n-------abcd$\r\n"
        )
        .as_bytes(),
    );
    message(&mut alice, &mut bob, "next");
    for stream in [stranger, open] {
        // It may have been ended already.
        let _ended = stream.shutdown(Shutdown::Write);
        assert!(ends(stream));
    }
}

#[test]
fn a_guesser_of_passwords_is_locked_out_and_the_others_are_not() {
    // Whichever workers the guesses meet, they are counted together.
    let (running, mut alice, mut bob) = talking(&["--workers", "2"]);
    let relay = format!("msrp://{};tcp", running.address());
    let mut codes = Vec::new();
    for attempt in 0..25 {
        let mut guesser = Client::new("bob", dial(running.address()));
        let challenge = guesser.auth_bare(&relay);
        assert!(challenge.start().contains(" 401"), "{challenge:?}");
        let answer = guesser.auth_with(&relay, &challenge, &md5(&attempt.to_string()));
        codes.push(answer.start().split(' ').nth(2).unwrap().to_owned());
    }
    let (guesses, refused) = codes.split_at(20);
    assert!(guesses.iter().all(|code| code == "401"), "{codes:?}");
    assert!(refused.iter().all(|code| code == "403"), "{codes:?}");
    message(&mut alice, &mut bob, "still");
}

/// Resident octets of the relay.
#[cfg(target_os = "linux")]
fn resident(running: &Running) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// A chunk of 200 MB goes through, in memory that does not depend on it.
#[cfg(target_os = "linux")]
#[test]
fn a_huge_message_passes_in_constant_memory() {
    const BLOCK: usize = 1 << 20;
    const BLOCKS: usize = 200;
    let (running, mut alice, mut bob) = talking(&[]);
    message(&mut alice, &mut bob, "warm");
    let before = resident(&running);
    let paths = alice.paths_to(&bob);
    let total = BLOCK * BLOCKS;
    alice.write(format!(
        "MSRP huge SEND\r\n{paths}Message-ID: msghuge\r\nByte-Range: 1-{total}/{total}\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    ));
    let sender = std::thread::spawn(move || {
        let block = vec![b'~'; BLOCK];
        for _ in 0..BLOCKS {
            alice.write(&block);
        }
        alice.write("\r\n-------huge$\r\n");
        alice
    });
    let (mut octets, mut most) = (0, before);
    while octets < total {
        octets += bob.skim(b'~');
        most = most.max(resident(&running));
    }
    assert_eq!(octets, total);
    sender.join().unwrap();
    let grown = most - before;
    assert!(grown < 8 << 20, "{grown} octets more");
}

/// A receiver that stops reading costs a bounded amount, and other sessions keep flowing.
#[cfg(target_os = "linux")]
#[test]
fn a_receiver_that_stops_reading_costs_a_bounded_amount() {
    let (running, mut alice, mut bob) = talking(&["--user", "carol:three", "--user", "dave:four"]);
    let relay = format!("msrp://{};tcp", running.address());
    let mut carol = Client::new("carol", dial(running.address()));
    let mut dave = Client::new("dave", dial(running.address()));
    carol.authenticate(&relay, "three");
    dave.authenticate(&relay, "four");
    message(&mut carol, &mut dave, "warm");
    message(&mut alice, &mut bob, "warm");
    let before = resident(&running);
    let paths = alice.paths_to(&bob);
    alice.write(format!(
        "MSRP huge SEND\r\n{paths}Message-ID: msghuge\r\nByte-Range: 1-*/*\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    ));
    // Writes until the relay takes no more; the thread is left alone then.
    let taken = Arc::new(AtomicUsize::new(0));
    let blocks = Arc::clone(&taken);
    let sender = std::thread::spawn(move || {
        let block = vec![b'~'; 1 << 16];
        (0..1_000).all(|_| {
            blocks.fetch_add(1, Ordering::Relaxed);
            alice.try_write(&block)
        })
    });
    // Until nothing is taken while others talk.
    loop {
        let before = taken.load(Ordering::Relaxed);
        for round in 0..100 {
            message(&mut carol, &mut dave, &format!("r{round:03}"));
        }
        if before > 0 && taken.load(Ordering::Relaxed) == before {
            break;
        }
    }
    assert!(!sender.is_finished(), "64 MB have gone somewhere");
    let grown = resident(&running).saturating_sub(before);
    assert!(grown < 6 << 20, "{grown} octets more");
    // Their end sets the sender free.
    drop((bob, running));
    assert!(!sender.join().unwrap());
}
