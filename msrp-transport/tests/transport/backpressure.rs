//! Peers that do not read, and nodes that do not look at what they get: memory stays within its bounds.

use std::{
    io::{ErrorKind, Read, Write},
    time::{Duration, Instant},
};

use msrp_core::grammar::Scheme;
use msrp_transport::DriverConfig;

use crate::{
    identities::Authority,
    node::Say,
    peer::{KINDS, Peer, Setup, octets, wait_until},
    raw::{dial, send},
};

/// More than all buffers of the kernel together.
const LARGE: usize = 40 * 1024 * 1024;

/// Waits until nothing changes any more.
fn settled<T: PartialEq>(mut look: impl FnMut() -> T) -> T {
    let mut last = look();
    loop {
        std::thread::sleep(Duration::from_millis(150));
        let now = look();
        if now == last {
            return now;
        }
        last = now;
    }
}

#[test]
fn a_peer_that_does_not_read_costs_a_bounded_amount() {
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::plain());
        let mut raw = dial(peer.addresses[0]);
        let (handle, _) = peer.accepted();
        peer.send(handle, octets(LARGE));
        let (to_send, _) = settled(|| peer.measured());
        // A lane's bound, one slice more, and what is lent.
        assert!(to_send <= 1024 * 1024, "{kind:?}: {to_send}");
        // The others go on meanwhile.
        let mut other = dial(peer.addresses[0]);
        other.write_all(send("aaaa", "me").as_bytes()).unwrap();
        assert_eq!(peer.received().1, b"me");
        // Once it reads, everything comes.
        let mut got = 0;
        let mut room = vec![0; 1 << 20];
        while got < LARGE {
            match raw.read(&mut room).unwrap() {
                0 => panic!("{kind:?}: ended after {got}"),
                read => got += read,
            }
        }
        wait_until("everything is sent", || peer.measured().0 == 0);
    }
}

/// Writes until the other side takes no more; how much it has taken.
fn fill(stream: &mut std::net::TcpStream, octets: &[u8]) -> usize {
    stream.set_nonblocking(true).unwrap();
    let (mut written, mut quiet_since) = (0, Instant::now());
    while written < octets.len() && quiet_since.elapsed() < Duration::from_millis(300) {
        match stream.write(&octets[written..]) {
            Ok(octets) => {
                written += octets;
                quiet_since = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_nonblocking(false).unwrap();
    written
}

#[test]
fn a_node_that_does_not_look_is_given_no_more_and_the_peer_has_to_wait() {
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::plain());
        peer.say(Say::Listen(false));
        let mut raw = dial(peer.addresses[0]);
        let body = "x".repeat(LARGE);
        let message = send("aaaa", &body).into_bytes();
        let written = fill(&mut raw, &message);
        assert!(written < message.len(), "{kind:?}: the peer did not have to wait");
        let (_, received) = settled(|| peer.measured());
        // The bound of a connection, and the read that went beyond it.
        assert!(received <= (256 + 64) * 1024, "{kind:?}: {received}");
        // Once it looks, the rest comes: nobody has to tell the driver.
        peer.say(Say::Listen(true));
        raw.write_all(&message[written..]).unwrap();
        assert_eq!(peer.received().1.len(), LARGE, "{kind:?}");
    }
}

/// The same with TLS, whose layer holds a bounded amount of its own.
#[test]
fn over_tls_it_is_the_same() {
    let authority = Authority::new();
    for kind in KINDS {
        let mut a = Peer::start(kind, Setup::client(authority.client()));
        let mut b = Peer::start(kind, Setup::tls(authority.server(&["127.0.0.1"])));
        b.say(Say::Listen(false));
        let (handle, _) = a.connect(Scheme::Msrps, b.addresses[0]).unwrap();
        a.send(handle, octets(LARGE));
        let (to_send, _) = settled(|| a.measured());
        assert!(to_send <= 1024 * 1024, "{kind:?}: {to_send}");
        let (_, received) = settled(|| b.measured());
        assert!(received <= (256 + 64) * 1024, "{kind:?}: {received}");
        b.say(Say::Listen(true));
        assert!(b.received().1 == octets(LARGE), "{kind:?}");
        wait_until("everything is sent", || a.measured().0 == 0);
    }
}

/// One that writes without end does not keep the others from being read.
#[test]
fn a_busy_connection_leaves_the_others_their_turn() {
    for kind in KINDS {
        let config = DriverConfig::new().read_budget(16 * 1024);
        let mut peer = Peer::start(
            kind,
            Setup {
                config,
                ..Setup::plain()
            },
        );
        let mut busy = dial(peer.addresses[0]);
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = stop.clone();
        let head = send("aaaa", "").replace("1-0/0", "1-*/*");
        let head = head.split("\r\n-------").next().unwrap().to_owned();
        let writer = std::thread::spawn(move || {
            busy.write_all(head.as_bytes()).unwrap();
            let block = vec![b'x'; 1 << 16];
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                busy.write_all(&block).unwrap();
            }
        });
        // It writes without end, so that without a turn they would wait for ever.
        for round in 0..20 {
            let mut other = dial(peer.addresses[0]);
            let id = format!("r{round:03}");
            other.write_all(send(&id, &id).as_bytes()).unwrap();
            assert_eq!(peer.received().1, id.as_bytes());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        writer.join().unwrap();
    }
}
