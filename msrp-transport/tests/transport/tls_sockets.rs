//! TLS as it comes from sockets, with each driver: versions, pieces, ends in order and ends without, and what is no TLS.

use std::{
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    time::Duration,
};

use msrp_core::connection::CloseReason;
use msrp_transport::DriverConfig;
use rustls::version::{TLS12, TLS13};

use crate::{
    identities::Authority,
    node::Say,
    peer::{KINDS, Peer, Setup, octets},
    raw::{answer, dial, dial_tls, dribble, expect, is_closed, send, tls_client, wait_for_room},
};

fn listening(kind: crate::peer::Kind, authority: &Authority, config: DriverConfig) -> Peer {
    Peer::start(
        kind,
        Setup {
            config,
            ..Setup::tls(authority.server(&["localhost"]))
        },
    )
}

// shows: 4975-14.2-01, 4975-14.2-04
#[test]
fn tls_1_2_and_1_3_are_spoken() {
    let authority = Authority::new();
    for kind in KINDS {
        for version in [&TLS12, &TLS13] {
            let mut peer = listening(kind, &authority, DriverConfig::new());
            let mut raw = dial_tls(peer.addresses[0], authority.roots(), &[version]);
            raw.write_all(send("aaaa", "hello").as_bytes()).unwrap();
            expect(&mut raw, &answer("aaaa"));
            assert_eq!(peer.received().1, b"hello");
            assert_eq!(raw.conn.protocol_version(), Some(version.version));
        }
    }
}

// shows: 4975-5.4-08, 4975-6-07
#[test]
fn what_is_no_tls_is_refused_on_a_tls_listener() {
    let authority = Authority::new();
    for kind in KINDS {
        let mut peer = listening(kind, &authority, DriverConfig::new());
        let mut raw = dial(peer.addresses[0]);
        raw.write_all(send("aaaa", "hello").as_bytes()).unwrap();
        // Perhaps an alert, and the end.
        let mut said = Vec::new();
        let _reset_or_end = raw.read_to_end(&mut said);
        assert!(!String::from_utf8_lossy(&said).contains("MSRP"), "{kind:?}");
        // The listener goes on, and the node has heard of nothing.
        let mut raw = dial_tls(peer.addresses[0], authority.roots(), &[&TLS13]);
        raw.write_all(send("bbbb", "safe").as_bytes()).unwrap();
        assert!(matches!(
            peer.next_within(crate::peer::PATIENCE),
            Some(crate::node::Told::Accepted(..))
        ));
        assert_eq!(peer.received().1, b"safe");
    }
}

/// RFC 4975 §5.4: whoever accepts a connection waits for a request.
// shows: 4975-5.4-15
#[test]
fn a_listener_says_nothing_first() {
    let authority = Authority::new();
    for kind in KINDS {
        let mut peer = Peer::start(
            kind,
            Setup {
                listeners: vec![None, Some(authority.server(&["localhost"]))],
                ..Setup::default()
            },
        );
        let mut plain = dial(peer.addresses[0]);
        let mut tls = dial_tls(peer.addresses[1], authority.roots(), &[&TLS12]);
        tls.conn.complete_io(&mut tls.sock).unwrap();
        peer.accepted();
        peer.accepted();
        for stream in [&plain, &tls.sock] {
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        }
        for error in [
            plain.read(&mut [0; 1]).unwrap_err(),
            tls.read(&mut [0; 1]).unwrap_err(),
        ] {
            assert!(
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "{error}"
            );
        }
    }
}

#[test]
fn a_handshake_and_records_may_come_octet_by_octet() {
    let authority = Authority::new();
    for kind in KINDS {
        for version in [&TLS12, &TLS13] {
            let mut peer = listening(kind, &authority, DriverConfig::new());
            let mut socket = dial(peer.addresses[0]);
            let mut tls = tls_client(authority.roots(), "localhost", &[version]);
            // What is written before the handshake is over leaves together with its end.
            tls.writer().write_all(send("aaaa", "early").as_bytes()).unwrap();
            let mut said = String::new();
            while said.len() < answer("aaaa").len() {
                let mut out = Vec::new();
                while tls.wants_write() {
                    tls.write_tls(&mut out).unwrap();
                }
                dribble(&mut socket, &out);
                tls.read_tls(&mut socket).unwrap();
                tls.process_new_packets().unwrap();
                let _nothing_yet = tls.reader().read_to_string(&mut said);
            }
            assert_eq!(said, answer("aaaa"));
            assert_eq!(peer.received().1, b"early", "{kind:?}");
        }
    }
}

/// The whole first flight of the application comes in the segment that ends the handshake; nothing comes later that could
/// wake a driver which has overlooked it.
#[test]
fn octets_in_the_last_segment_of_the_handshake_are_not_lost() {
    let authority = Authority::new();
    for kind in KINDS {
        let mut peer = listening(kind, &authority, DriverConfig::new());
        let mut socket = dial(peer.addresses[0]);
        let mut tls = tls_client(authority.roots(), "localhost", &[&TLS13]);
        tls.write_tls(&mut socket).unwrap();
        while tls.is_handshaking() {
            tls.read_tls(&mut socket).unwrap();
            tls.process_new_packets().unwrap();
        }
        for id in ["aaaa", "bbbb"] {
            tls.writer().write_all(send(id, id).as_bytes()).unwrap();
        }
        let mut flight = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut flight).unwrap();
        }
        socket.write_all(&flight).unwrap();
        assert_eq!(peer.received().1, b"aaaa", "{kind:?}");
        assert_eq!(peer.received().1, b"bbbb", "{kind:?}");
    }
}

/// Whoever is not let in learns why, though it has sent more that nobody reads.
#[test]
fn a_client_whose_certificate_is_not_good_is_told_so() {
    use msrp_transport::tls_config::{ClientCertificates, server_config};
    let (authority, stranger) = (Authority::new(), Authority::new());
    for kind in KINDS {
        let identity = authority.issue(&["localhost"]).identity();
        let tls = server_config(&identity, ClientCertificates::Verified(authority.roots())).unwrap();
        let peer = Peer::start(kind, Setup::tls(tls));
        let tls = crate::raw::tls_client_with(authority.roots(), &stranger.issue(&["relay.example.com"]));
        let mut raw = rustls::StreamOwned::new(tls, dial(peer.addresses[0]));
        raw.conn.set_buffer_limit(None);
        raw.conn
            .writer()
            .write_all(send("aaaa", &"x".repeat(200_000)).as_bytes())
            .unwrap();
        let error = raw.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(
            error.to_string().contains("received fatal alert"),
            "{kind:?}: {error}"
        );
    }
}

#[test]
fn our_end_is_said_with_close_notify() {
    let authority = Authority::new();
    for kind in KINDS {
        let mut peer = listening(kind, &authority, DriverConfig::new());
        let mut raw = dial_tls(peer.addresses[0], authority.roots(), &[&TLS13]);
        raw.write_all(send("aaaa", "hello").as_bytes()).unwrap();
        let (handle, _) = peer.accepted();
        peer.received();
        peer.say(Say::Close(handle));
        let mut rest = String::new();
        // rustls tells an end without close_notify as an error.
        raw.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, answer("aaaa"), "{kind:?}");
    }
}

#[test]
fn the_peers_close_notify_is_an_end_even_if_the_connection_stays() {
    let authority = Authority::new();
    for kind in KINDS {
        let mut peer = listening(kind, &authority, DriverConfig::new());
        let mut raw = dial_tls(peer.addresses[0], authority.roots(), &[&TLS13]);
        raw.write_all(send("aaaa", "last").as_bytes()).unwrap();
        raw.conn.send_close_notify();
        raw.flush().unwrap();
        assert_eq!(peer.received().1, b"last", "{kind:?}");
        assert_eq!(peer.down(), CloseReason::Eof, "{kind:?}");
        expect(&mut raw, &answer("aaaa"));
    }
}

/// Whoever cuts the connection cannot make a part of a message look like the whole.
#[test]
fn a_connection_that_is_cut_delivers_no_half_message() {
    let authority = Authority::new();
    for kind in KINDS {
        for cut_record in [false, true] {
            let mut peer = listening(kind, &authority, DriverConfig::new());
            let mut raw = dial_tls(peer.addresses[0], authority.roots(), &[&TLS13]);
            raw.write_all(send("aaaa", "whole").as_bytes()).unwrap();
            expect(&mut raw, &answer("aaaa"));
            let half = send("bbbb", "half");
            raw.conn
                .writer()
                .write_all(&half.as_bytes()[..half.len() - 8])
                .unwrap();
            let mut record = Vec::new();
            raw.conn.write_tls(&mut record).unwrap();
            let end = record.len() - if cut_record { 5 } else { 0 };
            raw.sock.write_all(&record[..end]).unwrap();
            raw.sock.shutdown(Shutdown::Both).unwrap();
            assert_eq!(peer.received().1, b"whole");
            assert!(
                matches!(peer.down(), CloseReason::Eof | CloseReason::Reset),
                "{kind:?}"
            );
            assert!(
                peer.next_within(Duration::from_millis(20))
                    .is_none_or(|told| matches!(told, crate::node::Told::Accepted(..)))
            );
        }
    }
}

#[test]
fn a_record_that_was_tampered_with_ends_the_connection() {
    let authority = Authority::new();
    for kind in KINDS {
        let mut peer = listening(kind, &authority, DriverConfig::new());
        let mut raw = dial_tls(peer.addresses[0], authority.roots(), &[&TLS13]);
        raw.write_all(send("aaaa", "whole").as_bytes()).unwrap();
        expect(&mut raw, &answer("aaaa"));
        raw.conn
            .writer()
            .write_all(send("bbbb", "forged").as_bytes())
            .unwrap();
        let mut record = Vec::new();
        raw.conn.write_tls(&mut record).unwrap();
        record[20] ^= 1;
        raw.sock.write_all(&record).unwrap();
        assert_eq!(peer.received().1, b"whole");
        assert_eq!(peer.down(), CloseReason::Reset, "{kind:?}");
        // The alert says what was wrong.
        let error = raw.read(&mut [0; 64]).unwrap_err();
        assert!(error.to_string().contains("BadRecordMac"), "{kind:?}: {error}");
    }
}

/// An attacker who opens connections and never shakes hands gets rid of nothing but sockets, and these come back.
#[test]
fn a_handshake_that_takes_too_long_is_ended_and_the_node_never_hears_of_it() {
    let authority = Authority::new();
    for kind in KINDS {
        let config = DriverConfig::new()
            .handshake_timeout(Duration::from_millis(150))
            .max_connections(3);
        let mut peer = listening(kind, &authority, config);
        let mut silent = dial(peer.addresses[0]);
        let mut stuck = dial(peer.addresses[0]);
        let mut hello = Vec::new();
        tls_client(authority.roots(), "localhost", &[&TLS13])
            .write_tls(&mut hello)
            .unwrap();
        stuck.write_all(&hello[..hello.len() / 2]).unwrap();
        // One that drips does not get more time.
        let mut dripping = dial(peer.addresses[0]);
        let drops = std::thread::spawn(move || {
            let ended = hello.iter().take(200).any(|octet| {
                std::thread::sleep(Duration::from_millis(10));
                dripping.write_all(&[*octet]).is_err()
            });
            ended || is_closed(&mut dripping)
        });
        assert!(is_closed(&mut silent), "{kind:?}");
        assert!(is_closed(&mut stuck), "{kind:?}");
        assert!(drops.join().unwrap(), "{kind:?}");
        // There is room again, for whoever is quick enough.
        let dial = || dial_tls(peer.addresses[0], authority.roots(), &[&TLS13]);
        let _raw = wait_for_room(dial, "aaaa", "hello");
        assert!(matches!(
            peer.next_within(crate::peer::PATIENCE),
            Some(crate::node::Told::Accepted(..))
        ));
        assert_eq!(peer.received().1, b"hello");
    }
}

#[test]
fn records_of_every_size_arrive_whole() {
    let authority = Authority::new();
    for kind in KINDS {
        let mut a = Peer::start(kind, Setup::client(authority.client()));
        let mut b = Peer::start(kind, Setup::tls(authority.server(&["127.0.0.1"])));
        let (handle, _) = a
            .connect(msrp_core::grammar::Scheme::Msrps, b.addresses[0])
            .unwrap();
        for size in [1, 16_000, 16_384, 16_385, 65_535, 200_000] {
            a.send(handle, octets(size));
            assert!(b.received().1 == octets(size), "{kind:?}: {size}");
        }
    }
}
