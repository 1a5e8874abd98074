//! AUTH by way of another relay, as the outer relay sees it (RFC 4976 §6.3, §9.2).

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::{
    grammar::Scheme,
    node::{ListenerId, Node},
};
use msrp_relay::{
    AuthFailure, ConfigError, MemoryAuthStore, Relay, RelayCommand, RelayConfig, RelayEvent,
    policy::{AuthRequest, Grant, Lookup, RelayPolicy},
};

const INNER: &str = "msrps://inner.example.com:2855/jui787s2f;tcp";
const INNERMOST: &str = "msrps://innermost.example.org:9000/k3k3;tcp";

fn outer() -> RelayConfig {
    config()
        .peer_relay("inner.example.com")
        .peer_relay("*.example.net")
}

fn behind(relay: &str) -> String {
    format!("{relay} {ALICE}")
}

// shows: 4976-6.3-16, 4976-6.3-02, 4976-6.3-01, 4976-6.3-15, 4976-4.2-02, 4976-9.2-05
#[test]
fn a_client_behind_a_known_relay_gets_the_way_over_it() {
    let mut world = World::with(outer());
    let inner = world.accept(certified(&["inner.example.com"]));
    let granted = world.auth_by_way(inner, &behind(INNER), "alice", "secret", "");
    assert_eq!(granted.start_code(), 200, "{granted:?}");
    assert_eq!(granted.to_path(), behind(INNER));
    let use_path: Vec<_> = granted.header("Use-Path").unwrap().split(' ').collect();
    assert_eq!(use_path.len(), 2);
    assert_eq!(use_path[0], INNER);
    assert!(use_path[1].starts_with("msrps://relay.example.com:2855/"));
    assert_eq!(granted.header("Expires"), Some("600"));
    assert!(matches!(
        world.events.last(),
        Some(RelayEvent::Authenticated { user, relay: Some(relay), .. })
            if user == "alice" && relay == "inner.example.com"
    ));
    // Behind two, the nearest to the client comes first.
    let far = format!("{INNER} {INNERMOST} {ALICE}");
    let granted = world.auth_by_way(inner, &far, "alice", "secret", "");
    let use_path: Vec<_> = granted.header("Use-Path").unwrap().split(' ').collect();
    assert_eq!(use_path[..2], [INNERMOST, INNER]);
    assert_eq!(use_path.len(), 3);
}

// shows: 4976-6.3-02, 4976-6.3-04, 4976-9.2-05
#[test]
fn who_is_no_known_relay_speaks_for_nobody() {
    let list = outer;
    let open = || config().any_peer_relay(true);
    let refused = [
        // Another name than the certificate's; known by name, but without a certificate; a certificate that nobody knows.
        (list(), certified(&["other.example.net"]), INNER),
        (list(), tls(), INNER),
        (
            list(),
            certified(&["inner.example.org"]),
            "msrps://inner.example.org:2855/x;tcp",
        ),
        (
            list(),
            certified(&["b.a.example.net"]),
            "msrps://b.a.example.net:2855/x;tcp",
        ),
        (config(), certified(&["inner.example.com"]), INNER),
        (open(), certified(&["other.example.net"]), INNER),
        (open(), tls(), INNER),
        // A way back without TLS or without a port is none.
        (
            list(),
            certified(&["inner.example.com"]),
            "msrp://inner.example.com:2855/x;tcp",
        ),
        (
            list(),
            certified(&["inner.example.com"]),
            "msrps://inner.example.com;tcp",
        ),
    ];
    for (config, peer, first) in refused {
        let mut world = World::with(config);
        let handle = world.accept(peer);
        let frame = world.auth_by_way(handle, &behind(first), "alice", "secret", "");
        assert_eq!(
            (frame.start_code(), frame.header("WWW-Authenticate")),
            (403, None),
            "{first}"
        );
        assert!(matches!(
            world.events.last(),
            Some(RelayEvent::AuthFailed {
                reason: AuthFailure::UnknownRelay,
                ..
            })
        ));
        assert_eq!(world.relay.bindings(), 0);
    }
    let taken = [
        (list(), certified(&["INNER.example.com"]), INNER),
        (
            list(),
            certified(&["x.example.org", "inner.example.com"]),
            "msrps://Inner.Example.com:1/x;tcp",
        ),
        (
            list(),
            certified(&["*.example.net"]),
            "msrps://a.example.net:2855/x;tcp",
        ),
        (
            open(),
            certified(&["inner.example.org"]),
            "msrps://inner.example.org:2855/x;tcp",
        ),
    ];
    for (config, peer, first) in taken {
        let mut world = World::with(config);
        let handle = world.accept(peer);
        let frame = world.auth_by_way(handle, &behind(first), "alice", "secret", "");
        assert_eq!(frame.start_code(), 200, "{first}");
    }
}

/// RFC 4976 §9.2 wants mutual TLS between relays even where the operator has lifted it for clients.
// shows: 4976-9.3-01
#[test]
fn no_relay_speaks_for_clients_over_plain_tcp() {
    let mut world = World::with(outer().allow_plain_auth(true));
    let inner = world.accept(plain());
    let frame = world.auth_by_way(inner, &behind(INNER), "alice", "secret", "");
    assert_eq!(frame.start_code(), 403);
}

/// The certificate is the relay's: the client proves itself all the same, and one that is connected itself is a client,
/// whatever its certificate.
// shows: 4976-9.2-10, 4976-6.3-03, 4976-6.3-09
#[test]
fn a_certificate_is_no_password() {
    let mut world = World::with(outer());
    let inner = world.accept(certified(&["inner.example.com"]));
    let frame = world.auth_by_way(inner, &behind(INNER), "alice", "guess", "");
    assert_eq!(frame.start_code(), 401);
    let frame = world.auth_by_way(inner, &behind(INNER), "carol", "secret", "");
    assert_eq!(frame.start_code(), 401);
    assert_eq!(world.relay.bindings(), 0);

    let (bob, bob_uri) = world.client("bob", "hidden");
    let alice = world.accept(certified(&["alice.example.net"]));
    let uri = world.auth(alice, "alice", "secret");
    let path = format!("{uri} {bob_uri} {BOB}");
    world.feed(alice, send("6aef", &path, ALICE, "", "1-5/5", "hello", '$'));
    assert_eq!(world.frames(bob).len(), 1);
    let other = world.accept(certified(&["alice.example.net"]));
    world.feed(other, send("6aeg", &path, ALICE, "", "1-5/5", "hello", '$'));
    // To alice, as towards the owner is the only other way.
    assert_eq!((world.frames(bob).len(), world.frames(alice).len()), (0, 2));
}

// shows: 4976-6.3-20, 4976-6.3-17
#[test]
fn failures_of_clients_do_not_end_the_connection_of_their_relay() {
    let mut world = World::with(outer().lockout(20, Duration::from_secs(300), 100));
    let inner = world.accept(certified(&["inner.example.com"]));
    for attempt in 0..40 {
        let user = format!("user{attempt}");
        let frame = world.auth_by_way(inner, &behind(INNER), &user, "guess", "");
        assert_eq!(frame.start_code(), 401);
        assert!(!world.closed(inner));
    }
    // Nor are its clients locked out for the address that they share.
    let frame = world.auth_by_way(inner, &behind(INNER), "alice", "secret", "");
    assert_eq!(frame.start_code(), 200);
    // One user is, over whatever way.
    for _ in 0..20 {
        let frame = world.auth_by_way(inner, &behind(INNER), "bob", "guess", "");
        assert_eq!(frame.start_code(), 401);
    }
    let frame = world.auth_by_way(inner, &behind(INNER), "bob", "hidden", "");
    assert_eq!(frame.start, "403 Too Many Failures");
    assert!(!world.closed(inner));
}

/// A relay that has proven its name has passed its probation; one that has said nothing has not.
// shows: 4976-6.1-04
#[test]
fn a_relay_is_on_probation_until_it_speaks() {
    let mut world = World::with(outer());
    let silent = world.accept(certified(&["inner.example.com"]));
    let inner = world.accept(certified(&["inner.example.com"]));
    world.auth_by_way(inner, &behind(INNER), "alice", "guess", "");
    world.advance(Duration::from_secs(31));
    assert!(world.closed(silent) && !world.closed(inner));
}

// shows: 4976-6.3-11
#[test]
fn a_uri_behind_a_relay_dies_when_its_time_is_over() {
    let mut world = World::with(outer());
    let inner = world.accept(certified(&["inner.example.com"]));
    for expires in [120, 60, 90] {
        let extra = format!("Expires: {expires}\r\n");
        let frame = world.auth_by_way(inner, &behind(INNER), "alice", "secret", &extra);
        assert_eq!(frame.header("Expires"), Some(&*expires.to_string()));
    }
    // Nothing of this hangs on the connection.
    world.reset(inner);
    for (time, left) in [(59, 3), (2, 2), (30, 1), (28, 1), (2, 0)] {
        world.advance(Duration::from_secs(time));
        assert_eq!(world.relay.bindings(), left, "at {:?}", world.elapsed());
    }
    let expired = |event: &&RelayEvent| matches!(event, RelayEvent::BindingExpired { connection: None, .. });
    assert_eq!(world.events.iter().filter(expired).count(), 3);
    assert_eq!(world.relay.poll_timeout(), None);
}

#[test]
fn uris_behind_one_relay_are_bounded_and_can_be_withdrawn() {
    let mut world = World::with(outer().max_bindings_per_peer(2).max_bindings(1_000, 1));
    let inner = world.accept(certified(&["inner.example.com"]));
    for _ in 0..2 {
        let frame = world.auth_by_way(inner, &behind(INNER), "alice", "secret", "");
        assert_eq!(frame.start_code(), 200);
    }
    let frame = world.auth_by_way(inner, &behind(INNER), "alice", "secret", "");
    assert_eq!(frame.start, "403 Too Many Sessions");
    // Another relay has its own share.
    let other = world.accept(certified(&["a.example.net"]));
    let frame = world.auth_by_way(
        other,
        &behind("msrps://a.example.net:1/x;tcp"),
        "bob",
        "hidden",
        "",
    );
    assert_eq!(frame.start_code(), 200);
    world
        .command(RelayCommand::RevokeUser("alice".to_owned()))
        .unwrap();
    assert_eq!(world.relay.bindings(), 1);
    let frame = world.auth_by_way(inner, &behind(INNER), "alice", "secret", "");
    assert_eq!(frame.start_code(), 200);
}

/// Many clients behind a relay ask at the same time, over one connection.
#[test]
fn clients_behind_a_relay_do_not_wear_out_each_others_nonces() {
    let mut world = World::with(outer());
    let inner = world.accept(certified(&["inner.example.com"]));
    let from = behind(INNER);
    let auth = |id: usize, headers: &str| {
        format!("MSRP ask{id} AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {from}\r\n{headers}-------ask{id}$\r\n")
    };
    let asked: String = (0..100).map(|id| auth(id, "")).collect();
    world.feed(inner, asked);
    let answers: String = world
        .frames(inner)
        .iter()
        .enumerate()
        .map(|(id, frame)| {
            let authorization = authorize(frame.header("WWW-Authenticate").unwrap(), "alice", "secret", 1);
            auth(1000 + id, &format!("Authorization: {authorization}\r\n"))
        })
        .collect();
    // By the other connection of the same relay.
    let other = world.accept(certified(&["inner.example.com"]));
    world.feed(other, &answers);
    let codes: Vec<_> = world.frames(other).iter().map(Frame::start_code).collect();
    assert_eq!(codes, [200; 100]);
    // What was sent once is worth nothing a second time (RFC 2617 §4.5).
    world.feed(inner, &answers);
    for frame in world.frames(inner) {
        assert_eq!(frame.start_code(), 401);
        assert!(frame.header("WWW-Authenticate").unwrap().contains("stale=true"));
    }
}

/// Lets those in who come by way of the right relay.
struct OnlyBehind(&'static str);

impl RelayPolicy for OnlyBehind {
    fn authorize(&mut self, request: &AuthRequest<'_>) -> Lookup<Grant> {
        Lookup::Ready(match request.relay {
            Some(relay) if relay == self.0 => Grant::Allow,
            _ => Grant::Deny,
        })
    }
}

// shows: 4976-6.3-04, 4976-6.3-05
#[test]
fn a_policy_sees_by_which_relay_a_client_comes() {
    let mut world = World::with(outer().policy(OnlyBehind("a.example.net")));
    let alice = world.accept(tls());
    assert_eq!(world.try_auth(alice, "alice", "secret", "").start_code(), 403);
    let inner = world.accept(certified(&["inner.example.com"]));
    let frame = world.auth_by_way(inner, &behind(INNER), "alice", "secret", "");
    assert_eq!(frame.start_code(), 403);
    let other = world.accept(certified(&["a.example.net"]));
    let frame = world.auth_by_way(
        other,
        &behind("msrps://a.example.net:1/x;tcp"),
        "alice",
        "secret",
        "",
    );
    assert_eq!(frame.start_code(), 200);
}

#[test]
fn a_peer_relay_has_a_dns_name() {
    let now = World::new().now;
    for name in ["", "*", "192.0.2.1", "a b"] {
        let config = RelayConfig::new(REALM)
            .listener(ListenerId(0), Scheme::Msrps, 2855)
            .auth_store(MemoryAuthStore::new())
            .peer_relay(name);
        let error = Relay::new(now, config, [7; 32]).err();
        assert_eq!(
            error,
            Some(ConfigError::PeerRelay {
                name: name.to_owned()
            })
        );
    }
}
