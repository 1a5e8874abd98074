//! Whatever clients do, the relay's process stays within `--max-memory` and what its connections cost (Linux: resident
//! octets from /proc).
#![cfg(target_os = "linux")]

use std::{
    io::{ErrorKind, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    foreign::{Client, dial, wait_for_room},
    foreign_clients::{conversation, dial_tls},
    running::{Folder, Running},
};

const MAX_MEMORY: usize = 16 << 20;
/// What goes beyond it, whatever is connected: tables, the allocator's gaps, blocks that sockets are read into.
const REST: usize = 16 << 20;
/// A connection; what it has sent or is to be sent counts for `--max-memory`.
const PLAIN: usize = 4 << 10;
/// What TLS holds of a connection beside that: keys, a record that has not come to its end, and what its peer does not take.
const TLS: usize = 40 << 10;

/// Resident octets of the relay.
fn resident(running: &Running) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Writes this again and again until nothing has been taken for a while, or so many octets have; whatever comes back is not
/// read.
fn pour(stream: &mut TcpStream, octets: &[u8], most: usize) -> usize {
    stream.set_nonblocking(true).unwrap();
    let (mut written, mut quiet_since) = (0, Instant::now());
    while written < most && quiet_since.elapsed() < Duration::from_millis(100) {
        match stream.write(&octets[written % octets.len()..]) {
            Ok(taken) => {
                written += taken;
                quiet_since = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5))
            }
            // The relay has ended it, which is its right.
            Err(_) => break,
        }
    }
    written
}

/// A client of a user, and its socket.
fn intruder(running: &Running, name: &'static str) -> (Client, TcpStream) {
    let address = running.address();
    let stream = dial(address);
    let socket = stream.try_clone().unwrap();
    let mut client = Client::new(name, stream);
    client.authenticate(&format!("msrp://{address};tcp"), "x");
    (client, socket)
}

/// The relay, the two who talk, and what has been seen of its memory.
struct Watched {
    running: Running,
    alice: Client,
    bob: Client,
    before: usize,
    most: usize,
    plain: usize,
    tls: usize,
}

impl Watched {
    fn look(&mut self, what: &str) {
        self.most = self.most.max(resident(&self.running));
        conversation(&mut self.alice, &mut self.bob);
        self.most = self.most.max(resident(&self.running));
        let grown = self.most - self.before;
        let bound = MAX_MEMORY + REST + self.plain * PLAIN + self.tls * (PLAIN + TLS);
        assert!(
            grown <= bound,
            "{what}: {grown} octets more than at first, {bound} are allowed"
        );
        if std::env::var_os("MSRP_SHOW").is_some() {
            eprintln!("{what}: {} KiB of {} KiB", grown >> 10, bound >> 10);
        }
    }
}

/// How many may be connected beside all others: the files that a process may have open are for the other tests, too.
fn crowd() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let most: usize = line
        .split_whitespace()
        .nth(3)
        .unwrap()
        .parse()
        .unwrap_or(usize::MAX);
    (most / 4).min(3_000)
}

fn half_a_head(to: &str) -> Vec<u8> {
    let lines = "X-Filler: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\r\n".repeat(50);
    let long = "z".repeat(12_000);
    format!("MSRP abcd SEND\r\nTo-Path: {to}\r\n{lines}X-Long: {long}").into_bytes()
}

#[test]
fn hostile_clients_cost_no_more_than_the_bound() {
    let folder = Folder::new();
    let host = "relay.example.com";
    let (cert, key, made) = folder.identity(host);
    let most = MAX_MEMORY.to_string();
    let mut options = vec![
        "--cert",
        &cert,
        "--key",
        &key,
        "--allow-plain-auth",
        "--workers",
        "2",
    ];
    options.extend([
        "--listen",
        "msrp://127.0.0.1:0",
        "--listen",
        "msrps://127.0.0.1:0",
    ]);
    options.extend(["--max-memory", &most, "--max-connections", "8000"]);
    options.extend([
        "--user",
        "alice:x",
        "--user",
        "bob:x",
        "--user",
        "mallory:x",
        "--user",
        "deaf:x",
    ]);
    let running = Running::start(2, &options);
    let (tcp, tls): (SocketAddr, SocketAddr) = (running.listeners[0].1, running.listeners[1].1);
    let (mut alice, _) = intruder(&running, "alice");
    let (mut bob, _) = intruder(&running, "bob");
    conversation(&mut alice, &mut bob);
    let before = resident(&running);
    let mut watched = Watched {
        running,
        alice,
        bob,
        before,
        most: before,
        plain: 0,
        tls: 0,
    };

    // Thousands who say nothing, where so many files may be open.
    let silent: Vec<_> = (0..crowd()).map(|_| dial(tcp)).collect();
    watched.plain += silent.len();
    watched.look("silent");

    // Heads without an end, over TCP and over TLS.
    let head = half_a_head(&format!("msrp://{tcp}/nobody;tcp"));
    let mut heads: Vec<_> = (0..500).map(|_| dial(tcp)).collect();
    for stream in &mut heads {
        pour(stream, &head, head.len());
    }
    watched.plain += heads.len();
    watched.look("heads");
    let mut over_tls: Vec<_> = (0..200).map(|_| dial_tls(tls, made.cert.der(), host)).collect();
    for stream in &mut over_tls {
        stream.write_all(&head).unwrap();
        // Half a record.
        stream.sock.write_all(b"\x17\x03\x03\x40\x00half").unwrap();
    }
    watched.tls += over_tls.len();
    watched.look("heads over TLS");

    // Bodies that are begun and never finished, each to somebody who would read them.
    let (deaf, _unread) = intruder(&watched.running, "deaf");
    let mut begun = Vec::new();
    for number in 0..100 {
        let (mut mallory, socket) = intruder(&watched.running, "mallory");
        let paths = mallory.paths_to(&deaf);
        mallory.write(format!(
            "MSRP b{number:04} SEND\r\n{paths}Message-ID: b{number:04}\r\nByte-Range: 1-*/900000\r\n\
             Content-Type: text/plain\r\n\r\nonce upon a time"
        ));
        begun.push((mallory, socket));
    }
    watched.plain += begun.len() + 1;
    watched.look("bodies without an end");

    // Huge messages to those who do not read, and thousands of short ones to others who do not.
    // They come before there is a lack of room, when nobody would be let in.
    let mut pairs: Vec<_> = (0..48)
        .map(|_| {
            (
                intruder(&watched.running, "deaf"),
                intruder(&watched.running, "mallory"),
            )
        })
        .collect();
    watched.plain += 2 * pairs.len();
    for (number, ((deaf, _unread), (mallory, socket))) in pairs.iter_mut().enumerate() {
        let paths = mallory.paths_to(deaf);
        let taken = if number % 3 == 0 {
            let short = format!(
                "MSRP s{number:04} SEND\r\n{paths}Message-ID: s{number:04}\r\nByte-Range: 1-2/2\r\n\
                 Content-Type: text/plain\r\n\r\nHi\r\n-------s{number:04}$\r\n"
            );
            pour(socket, short.as_bytes(), 16 << 20)
        } else {
            mallory.write(format!(
                "MSRP h{number:04} SEND\r\n{paths}Message-ID: h{number:04}\r\nByte-Range: 1-*/*\r\n\
                 Content-Type: text/plain\r\n\r\n"
            ));
            pour(socket, &[b'~'; 1 << 16], 64 << 20)
        };
        assert!(taken > 0);
        watched.look("floods");
    }

    // When all are gone nothing of theirs stays.
    drop((silent, heads, over_tls, begun, pairs, deaf));
    watched.look("after");
    wait_for_room(tcp);
}
