//! WebSocket (RFC 7977) with each driver: conversations, handshakes that are refused, frames that break a rule.

use msrp_core::{grammar::Scheme, node::Target};
use msrp_transport::layer::WebSocketConfig;

use crate::{
    conversation::converse_over,
    identities::Authority,
    peer::{KINDS, Kind, Peer, Setup},
};

fn target(scheme: Scheme, server: &Peer) -> Target {
    Target::new(scheme, "127.0.0.1", Some(server.addresses[0].port())).with_websocket("/")
}

fn with_websocket(setup: Setup) -> Setup {
    Setup {
        websocket: Some(WebSocketConfig::new()),
        ..setup
    }
}

// shows: 7977-4.1-01, 7977-5.1-07
#[test]
fn over_ws() {
    for kind in KINDS {
        let a = Peer::start(kind, Setup::default());
        let b = Peer::start(kind, with_websocket(Setup::plain()));
        let target = target(Scheme::Msrp, &b);
        converse_over(a, b, target);
    }
}

#[test]
fn over_wss() {
    let authority = Authority::new();
    for (one, other) in [
        (Kind::Mio, Kind::Mio),
        (Kind::Tokio, Kind::Tokio),
        (Kind::Mio, Kind::Smol),
        (Kind::Smol, Kind::Mio),
    ] {
        let a = Peer::start(one, Setup::client(authority.client()));
        let b = Peer::start(
            other,
            with_websocket(Setup::tls(authority.server(&["127.0.0.1"]))),
        );
        let target = target(Scheme::Msrps, &b);
        converse_over(a, b, target);
    }
}
