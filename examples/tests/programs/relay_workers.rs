//! A relay of several workers is one relay to everybody else.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};

use crate::{
    foreign::{Client, Frame, dial},
    relay_signals::{begin, finish, trusting},
    running::Running,
};

const USERS: &[&str] = &[
    "--allow-plain-auth",
    "--user",
    "alice:secret",
    "--user",
    "bob:tiger",
];

fn start(listen: &str, more: &[&str]) -> Running {
    let mut options = vec!["--listen", listen, "--workers", "4"];
    options.extend_from_slice(USERS);
    options.extend_from_slice(more);
    let mut command = crate::running::relay(&options);
    command.env("RUST_LOG", "info");
    Running::spawn(1, command)
}

fn client(name: &'static str, password: &str, address: SocketAddr) -> Client {
    let mut client = Client::new(name, dial(address));
    client.authenticate(&format!("msrp://{address};tcp"), password);
    client
}

/// The character by which a URI names its worker.
fn worker(client: &Client) -> char {
    let token = client.use_path.rsplit('/').next().unwrap();
    token.chars().next().unwrap()
}

/// Alice and bob at different workers.
fn apart(running: &Running) -> (Client, Client) {
    let alice = client("alice", "secret", running.address());
    loop {
        // The operating system spreads connections as it likes.
        let bob = client("bob", "tiger", running.address());
        if worker(&bob) != worker(&alice) {
            return (alice, bob);
        }
    }
}

fn send(number: usize, paths: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "MSRP n{number:04} SEND\r\n{paths}Message-ID: m{number:04}\r\nByte-Range: 1-{len}/{len}\r\n\
         Content-Type: text/plain\r\n\r\n{body}\r\n-------n{number:04}$\r\n"
    )
}

fn exchange(from: &mut Client, to: &mut Client, paths: &str, messages: usize) {
    let texts: Vec<String> = (0..messages)
        .map(|number| format!("{}{number}", "y".repeat(number % 300)))
        .collect();
    let batch: String = texts
        .iter()
        .enumerate()
        .map(|(number, text)| send(number, paths, text))
        .collect();
    from.write(batch);
    for text in &texts {
        let got = to.read();
        assert_eq!(got.body(), (&text[..], '$'), "all arrive, in order");
        to.answer_200(&got);
    }
    for number in 0..messages {
        let answer = from.read();
        assert!(
            answer.start().starts_with(&format!("MSRP n{number:04} 200")),
            "{answer:?}"
        );
    }
}

#[test]
fn many_pairs_talk_whichever_worker_they_meet() {
    let running = start("msrp://127.0.0.1:0", &[]);
    let mut met = BTreeSet::new();
    let mut crossing = 0;
    for _ in 0..24 {
        let mut alice = client("alice", "secret", running.address());
        let mut bob = client("bob", "tiger", running.address());
        met.extend([worker(&alice), worker(&bob)]);
        crossing += usize::from(worker(&alice) != worker(&bob));
        let (there, back) = (alice.paths_to(&bob), bob.paths_to(&alice));
        for _ in 0..3 {
            exchange(&mut alice, &mut bob, &there, 60);
            exchange(&mut bob, &mut alice, &back, 60);
        }
    }
    // By chance a few workers may have stayed alone, but never all of them: 4^-47.
    assert!(met.len() > 1, "{met:?}");
    assert!(met.iter().all(|worker| ('a'..='d').contains(worker)), "{met:?}");
    assert!(crossing > 0);
}

#[test]
fn a_long_message_crosses_from_worker_to_worker() {
    let running = start("msrp://127.0.0.1:0", &[]);
    let (mut alice, mut bob) = apart(&running);
    let body: String = (0..40_000).map(|n| format!("{n:07} ")).collect();
    let head = format!(
        "MSRP long1 SEND\r\n{}Message-ID: msg1\r\nByte-Range: 1-*/{}\r\nContent-Type: text/plain\r\n\r\n",
        alice.paths_to(&bob),
        body.len()
    );
    let text = head + &body + "\r\n-------long1$\r\n";
    let writer = std::thread::spawn(move || {
        alice.write(text);
        let answer = alice.read();
        assert!(answer.start().starts_with("MSRP long1 200"), "{answer:?}");
    });
    let mut got = String::new();
    loop {
        let chunk = bob.read();
        bob.answer_200(&chunk);
        let (octets, flag) = chunk.body();
        got.push_str(octets);
        if flag == '$' {
            break;
        }
    }
    assert!(got == body, "{} of {} octets", got.len(), body.len());
    writer.join().unwrap();
}

/// A peer without a relay: its connection goes to the worker that its first request is for.
fn call(mut peer: Client, bob: &mut Client, number: usize) {
    let paths = format!(
        "To-Path: {} {}\r\nFrom-Path: {}\r\n",
        bob.use_path, bob.uri, peer.uri
    );
    exchange(&mut peer, bob, &paths, 20);
    // Bob's answer takes the connection that the peer came by.
    bob.write(send(
        number,
        &format!(
            "To-Path: {} {}\r\nFrom-Path: {}\r\n",
            bob.use_path, peer.uri, bob.uri
        ),
        "back",
    ));
    let got: Frame = peer.read();
    assert_eq!(got.body().0, "back");
    peer.answer_200(&got);
    assert!(bob.read().start().contains(" 200 "));
}

#[test]
fn peers_reach_the_worker_of_their_session() {
    let running = start("msrp://127.0.0.1:0", &[]);
    let mut bob = client("bob", "tiger", running.address());
    // They meet all workers; it would be 4^-24 for all to meet bob's.
    for number in 0..24 {
        let peer = Client::new("carol", dial(running.address()));
        call(peer, &mut bob, number);
    }
}

#[test]
fn peers_reach_the_worker_of_their_session_by_tls() {
    let running = start("msrps://127.0.0.1:0", &[]);
    let config = trusting();
    let tls = || {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let session = ClientConnection::new(Arc::clone(&config), name).unwrap();
        StreamOwned::<ClientConnection, TcpStream>::new(session, dial(running.address()))
    };
    let mut bob = Client::new("bob", tls());
    bob.authenticate(&format!("msrps://{};tcp", running.address()), "tiger");
    for number in 0..16 {
        call(Client::new("carol", tls()), &mut bob, number);
    }
}

#[test]
fn one_connection_serves_sessions_of_all_workers() {
    let running = start("msrp://127.0.0.1:0", &[]);
    let mut clients: Vec<Client> = Vec::new();
    while clients.iter().map(worker).collect::<BTreeSet<_>>().len() < 4 {
        clients.push(client("bob", "tiger", running.address()));
        assert!(clients.len() < 1_000, "a worker is never met");
    }
    let mut peer = Client::new("carol", dial(running.address()));
    for _ in 0..2 {
        for bob in &mut clients {
            let paths = format!(
                "To-Path: {} {}\r\nFrom-Path: {}\r\n",
                bob.use_path, bob.uri, peer.uri
            );
            exchange(&mut peer, bob, &paths, 10);
        }
    }
}

#[test]
fn a_message_between_workers_finishes_while_the_relay_drains() {
    let running = start("msrp://127.0.0.1:0", &["--drain", "600"]);
    let (mut alice, mut bob) = apart(&running);
    begin(&mut alice, &mut bob);
    running.signal("TERM");
    running.wait_for_stderr("draining");
    finish(running, &mut alice, &mut bob);
}

#[test]
fn a_receiver_that_is_gone_is_reported_from_worker_to_worker() {
    let running = start("msrp://127.0.0.1:0", &[]);
    let (mut alice, mut bob) = apart(&running);
    let there = alice.paths_to(&bob);
    exchange(&mut alice, &mut bob, &there, 5);
    drop(bob);
    alice.write(send(7, &there, "hello"));
    let mut told = alice.read();
    if told.start().contains(" 200 ") {
        // The worker of alice has it, and learns then that there is nobody.
        told = alice.read();
        assert!(told.start().ends_with("REPORT"), "{told:?}");
        let status = told.header("Status").unwrap();
        assert!(
            status.starts_with("000 481") || status.starts_with("000 408"),
            "{status}"
        );
    } else {
        assert!(told.start().contains(" 481 "), "{told:?}");
    }
}

#[test]
fn an_idle_relay_of_several_workers_ends_at_once() {
    for signal in ["TERM", "INT"] {
        let mut running = start("msrp://127.0.0.1:0", &["--drain", "600"]);
        running.signal(signal);
        assert_eq!(running.wait().code(), Some(0), "{signal}");
    }
}
