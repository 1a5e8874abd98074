//! Which of the relay's names stand in the URIs that clients are given, and which of them are its own.

#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

mod harness;

use harness::*;
use msrp_core::{
    grammar::Scheme,
    node::{ListenerId, PeerInfo},
};
use msrp_relay::{
    ConfigError, Relay, RelayConfig, RelayListener,
    policy::{AuthRequest, Grant, Lookup, RelayPolicy, Terms},
};

const OUTSIDE: ListenerId = ListenerId(0);
const PLAIN: ListenerId = ListenerId(1);
const INSIDE: ListenerId = ListenerId(2);
const WEB: ListenerId = ListenerId(3);
const SIX: ListenerId = ListenerId(4);

/// A relay between two networks, with a WebSocket listener.
fn networks() -> RelayConfig {
    config()
        .allow_address_host(true)
        .listen(RelayListener::new(INSIDE, Scheme::Msrps, 9000).host("inside.example.org"))
        .listen(RelayListener::new(WEB, Scheme::Msrps, 443).named_as(OUTSIDE))
        .listen(RelayListener::new(SIX, Scheme::Msrps, 2855).host("[2001:db8::1]"))
}

fn by(listener: ListenerId) -> PeerInfo {
    tls().with_listener(listener)
}

fn authority(uri: &str) -> &str {
    uri.rsplit_once('/').unwrap().0
}

// shows: 7977-E-06
#[test]
fn a_uri_has_the_name_of_the_listener_or_of_the_one_that_stands_in_for_it() {
    let mut world = World::with(networks());
    for (listener, name) in [
        (OUTSIDE, "msrps://relay.example.com:2855"),
        (INSIDE, "msrps://inside.example.org:9000"),
        (WEB, "msrps://relay.example.com:2855"),
        (SIX, "msrps://[2001:db8::1]:2855"),
    ] {
        let alice = world.accept(by(listener));
        let uri = world.auth(alice, "alice", "secret");
        assert_eq!(authority(&uri), name);
        assert!(uri.ends_with(";tcp"), "{uri}");
    }
}

// shows: 4976-6.2-02
#[test]
fn auth_may_name_the_relay_by_the_host_of_any_listener() {
    for (host, code) in [
        ("relay.example.com", 401),
        ("INSIDE.example.org:9000", 401),
        ("inside.example.org", 401),
        ("[2001:db8::1]:2855", 401),
        ("[2001:DB8:0::1]:2855", 401),
        ("[2001:db8::2]:2855", 481),
        ("example.org", 481),
    ] {
        let mut world = World::with(networks());
        let alice = world.accept(tls());
        world.feed(
            alice,
            format!(
                "MSRP 49fh AUTH\r\nTo-Path: msrps://{host};tcp\r\nFrom-Path: {ALICE}\r\n-------49fh$\r\n"
            ),
        );
        assert_eq!(world.frames(alice)[0].start_code(), code, "{host}");
    }
}

// shows: 4976-6.4-01
#[test]
fn the_token_counts_under_every_name_of_ours_and_no_other() {
    let mut world = World::with(networks());
    let alice = world.accept(by(INSIDE));
    let uri = world.auth(alice, "alice", "secret");
    let token = uri.rsplit_once('/').unwrap().1;
    for (name, code) in [
        ("msrps://inside.example.org:9000", 200),
        ("MSRPS://Inside.example.org:9000", 200),
        ("msrps://relay.example.com:2855", 200),
        ("msrp://relay.example.com:2856", 200),
        ("msrps://[2001:db8:0::1]:2855", 200),
        ("msrps://relay.example.com:2856", 481),
        ("msrps://inside.example.org:2855", 481),
        ("msrps://example.org:2855", 481),
    ] {
        let peer = world.accept(by(OUTSIDE));
        let path = format!("{name}/{token} {ALICE}");
        world.feed(peer, send("6aef", &path, BOB, "", "1-5/5", "hello", '$'));
        assert_eq!(world.frames(peer)[0].start_code(), code, "{name}");
        assert_eq!(world.frames(alice).len(), usize::from(code == 200), "{name}");
    }
}

/// A session between the networks: the relay finds its own name behind its own, and calls nobody.
#[test]
fn two_clients_meet_whatever_names_they_know_the_relay_by() {
    let mut world = World::with(networks());
    let alice = world.accept(by(INSIDE));
    let alice_uri = world.auth(alice, "alice", "secret");
    let bob = world.accept(by(WEB));
    let bob_uri = world.auth(bob, "bob", "hidden");
    let path = format!("{alice_uri} {bob_uri} {BOB}");
    world.feed(alice, send("6aef", &path, ALICE, "", "1-5/5", "hello", '$'));
    assert_eq!(world.frames(alice)[0].start_code(), 200);
    assert_eq!(world.frames(bob)[0].body(), b"hello");
    assert!(world.connects.is_empty());
    // Another token behind a name of ours leads nowhere, rather than to a connection of the relay to itself.
    let nobody = format!("{alice_uri} msrps://inside.example.org:9000/nobody;tcp {BOB}");
    world.feed(alice, send("6aeg", &nobody, ALICE, "", "1-5/5", "hello", '$'));
    assert_eq!(world.frames(alice)[0].start_code(), 481);
    assert!(world.connects.is_empty());
}

/// Gives everyone the name of one listener.
struct Named(ListenerId);

impl RelayPolicy for Named {
    fn authorize(&mut self, _request: &AuthRequest<'_>) -> Lookup<Grant> {
        Lookup::Ready(Grant::AllowOn(Terms::new().named_as(self.0)))
    }
}

#[test]
fn the_policy_may_choose_the_name() {
    for (chosen, name) in [
        (INSIDE, "msrps://inside.example.org:9000"),
        (PLAIN, "msrp://relay.example.com:2856"),
        (WEB, "msrps://relay.example.com:2855"),
        // One that is not there leaves it to the listener.
        (ListenerId(77), "msrps://relay.example.com:2855"),
    ] {
        let mut world = World::with(networks().policy(Named(chosen)));
        let alice = world.accept(by(WEB));
        let uri = world.auth(alice, "alice", "secret");
        assert_eq!(authority(&uri), name);
    }
}

#[test]
fn names_that_cannot_be_are_refused() {
    let refused = |listener: RelayListener| {
        let config = config().listen(RelayListener::new(WEB, Scheme::Msrps, 443).named_as(OUTSIDE));
        Relay::new(std::time::Instant::now(), config.listen(listener), [0; 32]).err()
    };
    let listener = || RelayListener::new(INSIDE, Scheme::Msrps, 9000);
    assert_eq!(refused(listener()), None);
    let host = |host: &str| host.to_owned();
    assert_eq!(
        refused(listener().host("a b")),
        Some(ConfigError::Host { host: host("a b") })
    );
    assert_eq!(
        refused(listener().host("192.0.2.1")),
        Some(ConfigError::HostIsAddress {
            host: host("192.0.2.1")
        })
    );
    for other in [WEB, INSIDE, ListenerId(9)] {
        assert_eq!(
            refused(listener().named_as(other)),
            Some(ConfigError::NamedAs {
                id: 2,
                named_as: other.0
            })
        );
    }
}
