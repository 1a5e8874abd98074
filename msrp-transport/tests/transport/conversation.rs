//! The same conversation with each driver, over TCP and over TLS.

use msrp_core::{
    grammar::Scheme,
    node::{ListenerId, Security, Target},
};

use crate::{
    identities::Authority,
    node::Say,
    peer::{KINDS, Kind, Peer, Setup, octets},
};

fn converse(a: Peer, b: Peer, scheme: Scheme, host: &str) {
    let port = b.addresses[0].port();
    converse_over(a, b, Target::new(scheme, host, Some(port)));
}

/// A conversation of which `a` opens the connection.
pub(crate) fn converse_over(mut a: Peer, mut b: Peer, target: Target) {
    let (scheme, transport) = (target.scheme, target.transport);
    a.say(Say::Connect(1, target));
    let (to_b, there) = a.connected().unwrap();
    let (to_a, here) = b.accepted();
    assert_eq!(there.remote, Some(b.addresses[0]));
    assert_eq!(there.local, here.remote);
    assert_eq!((there.listener, here.listener), (None, Some(ListenerId(0))));
    assert_eq!(there.is_tls(), scheme == Scheme::Msrps);
    assert_eq!(here.is_tls(), scheme == Scheme::Msrps);
    assert_eq!((there.transport, here.transport), (transport, transport));

    let (small, large) = (octets(10), octets(3_000_000));
    a.send(to_b, small.clone());
    assert_eq!(b.received(), (to_a, small));
    // Both at the same time.
    b.send(to_a, large.clone());
    a.send(to_b, large.clone());
    assert!(a.received() == (to_b, large.clone()));
    assert!(b.received() == (to_a, large));
    // An end in order is heard on the other side.
    a.say(Say::Close(to_b));
    assert_eq!(b.down(), msrp_core::connection::CloseReason::Eof);
    assert_eq!(a.down(), msrp_core::connection::CloseReason::Done);
}

#[test]
fn over_tcp() {
    for kind in KINDS {
        let (a, b) = (
            Peer::start(kind, Setup::default()),
            Peer::start(kind, Setup::plain()),
        );
        converse(a, b, Scheme::Msrp, "127.0.0.1");
    }
}

// shows: 4975-14.2-01, 4976-9.2-01
#[test]
fn over_tls() {
    let authority = Authority::new();
    for kind in KINDS {
        let a = Peer::start(kind, Setup::client(authority.client()));
        let b = Peer::start(kind, Setup::tls(authority.server(&["127.0.0.1"])));
        converse(a, b, Scheme::Msrps, "127.0.0.1");
    }
}

#[test]
fn between_different_drivers() {
    let authority = Authority::new();
    for (one, other) in [
        (Kind::Mio, Kind::Tokio),
        (Kind::Tokio, Kind::Smol),
        (Kind::Smol, Kind::Mio),
    ] {
        let a = Peer::start(one, Setup::client(authority.client()));
        let b = Peer::start(other, Setup::tls(authority.server(&["127.0.0.1"])));
        converse(a, b, Scheme::Msrps, "127.0.0.1");
    }
}

// shows: 4975-14.2-02, 4976-9.2-02
#[test]
fn the_name_asked_for_and_the_names_of_the_certificate_are_told() {
    let authority = Authority::new();
    for kind in KINDS {
        let mut a = Peer::start(kind, Setup::client(authority.client()));
        let mut b = Peer::start(
            kind,
            Setup::tls(authority.server(&["localhost", "other.example.com"])),
        );
        let port = b.addresses[0].port();
        a.say(Say::Connect(
            1,
            Target::new(Scheme::Msrps, "localhost", Some(port)),
        ));
        let (_, there) = a.connected().unwrap();
        let (_, here) = b.accepted();
        let (Security::Tls(there), Security::Tls(here)) = (there.security, here.security) else {
            panic!("not TLS")
        };
        assert_eq!(there.verified_names, ["localhost", "other.example.com"]);
        assert!(there.certificate.is_some());
        assert_eq!(here.server_name.as_deref(), Some("localhost"));
        assert!(here.certificate.is_none());
        // An address is no name to ask for.
        let mut c = Peer::start(kind, Setup::tls(authority.server(&["127.0.0.1"])));
        a.connect(Scheme::Msrps, c.addresses[0]).unwrap();
        let Security::Tls(here) = c.accepted().1.security else {
            panic!("not TLS")
        };
        assert_eq!(here.server_name, None);
    }
}

#[test]
fn lookups_are_answered_and_commands_refused() {
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::default());
        peer.say(Say::Ask("who is it".to_owned()));
        let answer = peer.wait(|told| match told.take() {
            Some(crate::node::Told::Answered(answer)) => Some(answer),
            _ => None,
        });
        assert_eq!(answer, "who is it!");
    }
}
