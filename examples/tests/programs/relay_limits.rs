//! The bounds that an operator sets.

use std::{io::Read, net::TcpStream};

use crate::{
    foreign::{Client, dial},
    running::Running,
};

fn is_closed(mut stream: TcpStream) -> bool {
    matches!(stream.read(&mut [0; 64]), Ok(0) | Err(_))
}

#[test]
fn connections_beyond_the_bound_are_closed_and_the_others_go_on() {
    let running = Running::start(
        1,
        &[
            "--listen",
            "msrp://127.0.0.1:0",
            "--allow-plain-auth",
            "--user",
            "alice:secret",
            "--max-connections",
            "2",
            "--workers",
            "1",
        ],
    );
    let relay = format!("msrp://{};tcp", running.address());
    let mut alice = Client::new("alice", dial(running.address()));
    alice.authenticate(&relay, "secret");
    let mut second = Client::new("alice", dial(running.address()));
    second.authenticate(&relay, "secret");
    assert!(is_closed(dial(running.address())));
    alice.authenticate(&relay, "secret");
    drop(second);
    // There is room again, as soon as the relay has noticed.
    let admitted = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let mut third = Client::new("alice", dial(running.address()));
        third.write(format!(
            "MSRP 49fh AUTH\r\nTo-Path: {relay}\r\nFrom-Path: {}\r\n-------49fh$\r\n",
            third.uri
        ));
        third.try_read().is_some()
    });
    assert!(admitted);
}
