//! Ends: of connections in order, half or broken, and of the driver.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use msrp_core::{connection::CloseReason, grammar::Scheme};
use msrp_transport::{DriverConfig, mio_driver::HandleError};

use crate::{
    identities::Authority,
    node::Say,
    peer::{KINDS, Peer, Setup, octets, wait_until},
    raw::{answer, dial, expect, is_closed, send, wait_for_room},
};

/// What has left the node when it closes arrives, though octets of the peer lie there that nobody will read: the kernel
/// would answer these with a reset, which overtakes.
#[test]
fn what_was_sent_before_a_close_arrives() {
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::plain());
        let mut raw = dial(peer.addresses[0]);
        let (handle, _) = peer.accepted();
        raw.write_all(send("aaaa", "one").as_bytes()).unwrap();
        peer.received();
        peer.say(Say::Listen(false));
        raw.write_all(send("bbbb", &"x".repeat(1_000_000)).as_bytes())
            .unwrap();
        peer.send(handle, octets(200_000));
        wait_until("everything is sent", || peer.measured().0 == 0);
        peer.say(Say::Close(handle));
        let mut rest = Vec::new();
        raw.read_to_end(&mut rest).unwrap();
        assert!(rest.starts_with(answer("aaaa").as_bytes()), "{kind:?}");
        assert!(rest.len() > 200_000, "{kind:?}: {}", rest.len());
        assert!(rest.ends_with(b"$\r\n"), "{kind:?}");
    }
}

/// A message that is under way when the node closes is given up in form, and all that belongs to that leaves: what the
/// kernel holds, what the layer holds, and the end-line with `#`.
#[test]
fn a_message_under_way_is_ended_in_form_by_a_close() {
    let authority = Authority::new();
    for kind in KINDS {
        for tls in [false, true] {
            let setup = match tls {
                true => Setup::tls(authority.server(&["localhost"])),
                false => Setup::plain(),
            };
            // However slowly it is read.
            let config = DriverConfig::new().close_timeout(crate::peer::PATIENCE);
            let mut peer = Peer::start(kind, Setup { config, ..setup });
            let socket = dial(peer.addresses[0]);
            let mut raw: Box<dyn Read> = match tls {
                true => {
                    let tls =
                        crate::raw::tls_client(authority.roots(), "localhost", &[&rustls::version::TLS13]);
                    let mut stream = rustls::StreamOwned::new(tls, socket);
                    stream.conn.complete_io(&mut stream.sock).unwrap();
                    Box::new(stream)
                }
                false => Box::new(socket),
            };
            let (handle, _) = peer.accepted();
            // More than the kernel takes.
            peer.send(handle, octets(40_000_000));
            wait_until("something has to wait", || peer.measured().0 > 0);
            peer.say(Say::Close(handle));
            assert_eq!(peer.down(), CloseReason::Done);
            let mut rest = Vec::new();
            raw.read_to_end(&mut rest).unwrap();
            assert!(
                rest.ends_with(b"#\r\n"),
                "{kind:?}, TLS {tls}: {} octets",
                rest.len()
            );
        }
    }
}

/// A peer that has said everything may close its side and still wait for the answer.
#[test]
fn a_half_closed_connection_gets_its_answers() {
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::plain());
        let mut raw = dial(peer.addresses[0]);
        raw.write_all(send("aaaa", "last word").as_bytes()).unwrap();
        raw.shutdown(Shutdown::Write).unwrap();
        let mut rest = String::new();
        raw.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, answer("aaaa"), "{kind:?}");
        assert_eq!(peer.received().1, b"last word");
        assert_eq!(peer.down(), CloseReason::Eof);
    }
}

#[test]
fn a_reset_is_told() {
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::plain());
        let raw = dial(peer.addresses[0]);
        peer.accepted();
        let raw = socket2::Socket::from(raw);
        raw.set_linger(Some(Duration::ZERO)).unwrap();
        drop(raw);
        assert_eq!(peer.down(), CloseReason::Reset, "{kind:?}");
    }
}

/// A peer that does not close after us, and reads nothing of what we have for it, is left after a while.
#[test]
fn a_close_takes_a_bounded_time() {
    let authority = Authority::new();
    for kind in KINDS {
        let config = DriverConfig::new()
            .close_timeout(Duration::from_millis(200))
            .max_connections(1);
        let mut peer = Peer::start(
            kind,
            Setup {
                config,
                ..Setup::tls(authority.server(&["localhost"]))
            },
        );
        let mut raw = crate::raw::dial_tls(peer.addresses[0], authority.roots(), &[&rustls::version::TLS13]);
        raw.write_all(send("aaaa", "x").as_bytes()).unwrap();
        expect(&mut raw, &answer("aaaa"));
        let (handle, _) = peer.accepted();
        peer.say(Say::Close(handle));
        peer.down();
        // The only place becomes free again, though the peer does not move.
        let dial = || crate::raw::dial_tls(peer.addresses[0], authority.roots(), &[&rustls::version::TLS13]);
        wait_for_room(dial, "bbbb", "y");
    }
}

#[test]
fn a_shutdown_lets_connections_finish_and_takes_no_new_ones() {
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::plain());
        let mut raw = dial(peer.addresses[0]);
        peer.accepted();
        peer.shut_down(Duration::from_secs(600));
        wait_until("it listens no more", || {
            TcpStream::connect(peer.addresses[0])
                .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
        });
        raw.write_all(send("aaaa", "late").as_bytes()).unwrap();
        expect(&mut raw, &answer("aaaa"));
        assert_eq!(peer.received().1, b"late");
        drop(raw);
        peer.join();
    }
}

#[test]
fn a_shutdown_ends_at_its_deadline() {
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::plain());
        let mut raw = dial(peer.addresses[0]);
        peer.accepted();
        peer.shut_down(Duration::from_millis(200));
        peer.join();
        drop(peer);
        assert!(is_closed(&mut raw), "{kind:?}");
    }
}

/// Even a connection that the deadline cuts off is ended with a word.
#[test]
fn at_the_deadline_tls_says_goodbye() {
    let authority = Authority::new();
    for kind in KINDS {
        let peer = Peer::start(kind, Setup::tls(authority.server(&["localhost"])));
        let mut raw = crate::raw::dial_tls(peer.addresses[0], authority.roots(), &[&rustls::version::TLS13]);
        raw.write_all(send("aaaa", "x").as_bytes()).unwrap();
        expect(&mut raw, &answer("aaaa"));
        peer.shut_down(Duration::from_millis(50));
        let mut rest = Vec::new();
        // rustls tells an end without close_notify as an error.
        raw.read_to_end(&mut rest)
            .unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert!(rest.is_empty());
    }
}

#[test]
fn a_shutdown_without_connections_ends_at_once() {
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::plain());
        // For ever, if need be.
        peer.shut_down(Duration::MAX);
        peer.join();
    }
}

#[test]
fn who_speaks_to_a_driver_that_has_ended_is_told() {
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::default());
        peer.shut_down(Duration::ZERO);
        peer.join();
        // The thread has ended; with it, sooner or later, what receives.
        wait_until("nobody receives", || peer.try_say(Say::Measure).is_err());
        assert_eq!(peer.try_say(Say::Measure), Err("ended"));
    }
}

#[test]
fn a_command_that_the_node_refuses_is_refused() {
    use crate::peer::Kind;
    for kind in [Kind::Tokio, Kind::Smol] {
        let peer = Peer::start(kind, Setup::default());
        assert_eq!(peer.try_say(Say::Nonsense), Err("rejected"));
    }
    // The lean driver does not wait for the node's word; it logs it, and goes on.
    let mut peer = Peer::start(Kind::Mio, Setup::default());
    assert_eq!(peer.try_say(Say::Nonsense), Ok(()));
    assert_eq!(peer.measured(), (0, 0));
    assert_eq!(
        HandleError::Full.to_string(),
        "more messages wait for the server than it may hold"
    );
}

#[test]
fn both_sides_may_close_at_the_same_time() {
    for kind in KINDS {
        let (mut a, mut b) = (
            Peer::start(kind, Setup::default()),
            Peer::start(kind, Setup::plain()),
        );
        for _ in 0..20 {
            let (to_b, _) = a.connect(Scheme::Msrp, b.addresses[0]).unwrap();
            let (to_a, _) = b.accepted();
            a.say(Say::Close(to_b));
            b.say(Say::Close(to_a));
            assert!(matches!(a.down(), CloseReason::Done | CloseReason::Eof));
            assert!(matches!(b.down(), CloseReason::Done | CloseReason::Eof));
        }
    }
}
