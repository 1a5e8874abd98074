//! Bounds on connections.

use std::io::Write;

use msrp_core::{
    grammar::Scheme,
    node::{ConnectFailure, Target},
};
use msrp_transport::DriverConfig;

use crate::{
    node::{Say, Talker},
    peer::{KINDS, Peer, Setup},
    raw::{answer, dial, expect, is_closed, send, wait_for_room},
};

fn bounded(connections: usize) -> Setup {
    Setup {
        config: DriverConfig::new().max_connections(connections),
        ..Setup::plain()
    }
}

#[test]
fn a_connection_too_many_is_closed_and_the_others_go_on() {
    for kind in KINDS {
        let mut peer = Peer::start(kind, bounded(2));
        let mut first = dial(peer.addresses[0]);
        let second = dial(peer.addresses[0]);
        peer.accepted();
        peer.accepted();
        assert!(is_closed(&mut dial(peer.addresses[0])), "{kind:?}");
        first.write_all(send("aaaa", "still here").as_bytes()).unwrap();
        expect(&mut first, &answer("aaaa"));
        drop(second);
        peer.down();
        // The node knows before the socket is gone.
        wait_for_room(|| dial(peer.addresses[0]), "bbbb", "there is room");
    }
}

#[test]
fn a_connect_too_many_fails() {
    for kind in KINDS {
        let there = Peer::start(kind, Setup::plain());
        let mut peer = Peer::start(kind, bounded(1));
        peer.connect(Scheme::Msrp, there.addresses[0]).unwrap();
        let outcome = peer.connect(Scheme::Msrp, there.addresses[0]);
        assert_eq!(outcome.err(), Some(ConnectFailure::Limit), "{kind:?}");
    }
}

#[test]
fn a_connection_that_the_node_refuses_is_closed() {
    for kind in KINDS {
        let setup = Setup {
            node: Talker::refusing(),
            ..bounded(1)
        };
        let peer = Peer::start(kind, setup);
        for _ in 0..5 {
            assert!(is_closed(&mut dial(peer.addresses[0])), "{kind:?}");
        }
    }
}

#[test]
fn what_the_driver_cannot_do_fails_with_a_reason() {
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::default());
        // No roots, and no path.
        let tls = Target::new(Scheme::Msrps, "127.0.0.1", Some(1));
        peer.say(Say::Connect(1, tls));
        assert!(
            matches!(peer.connected(), Err(ConnectFailure::Tls(_))),
            "{kind:?}"
        );
        let websocket = Target::new(Scheme::Msrp, "127.0.0.1", Some(1)).with_websocket("no path\r\n");
        peer.say(Say::Connect(1, websocket));
        assert!(
            matches!(peer.connected(), Err(ConnectFailure::WebSocket(_))),
            "{kind:?}"
        );
    }
}

/// Hundreds at the same time, all of which get their answers.
#[test]
fn many_connections_are_served() {
    const MANY: usize = 200;
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::plain());
        let mut raws: Vec<_> = (0..MANY).map(|_| dial(peer.addresses[0])).collect();
        for round in 0..3 {
            for (index, raw) in raws.iter_mut().enumerate() {
                let id = format!("r{round}c{index}");
                raw.write_all(send(&id, &id).as_bytes()).unwrap();
            }
            for (index, raw) in raws.iter_mut().enumerate() {
                expect(raw, &answer(&format!("r{round}c{index}")));
            }
        }
        for _ in 0..3 * MANY {
            peer.received();
        }
        drop(raws);
        for _ in 0..MANY {
            peer.down();
        }
    }
}
