//! How long connections are kept (RFC 4976 §6.1, §6.5), and who may use the relay (§6.3).

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::node::Refused;
use msrp_relay::{
    RelayEvent,
    policy::{AuthRequest, Grant, Lookup, RelayPolicy, Terms},
};

// shows: 4976-6.1-04
#[test]
fn a_silent_connection_is_closed_after_30_seconds() {
    let mut world = World::new();
    let silent = world.accept(tls());
    world.advance(Duration::from_millis(29_999));
    assert!(!world.closed(silent));
    world.advance(Duration::from_millis(1));
    assert!(world.closed(silent));
    assert_eq!(world.relay.stats().closed_for_failures, 1);
}

// shows: 4976-6.1-05
#[test]
fn requests_that_fail_do_not_prolong_the_probation() {
    let mut world = World::new();
    let alice = world.accept(tls());
    let path = format!("msrps://{REALM}:2855/abcdefghijklmnopqrstuvwxyz;tcp {BOB}");
    for at in [10, 20] {
        world.advance(Duration::from_secs(at) - world.elapsed());
        world.feed(alice, send("6aef", &path, ALICE, "", "1-5/5", "hello", '$'));
        assert_eq!(world.frames(alice)[0].start_code(), 481);
        assert!(!world.closed(alice));
    }
    world.advance(Duration::from_secs(10));
    assert!(world.closed(alice));
}

// shows: 4976-6.5-02, 4976-6.5-01
#[test]
fn a_connection_that_nobody_uses_is_closed_after_an_hour() {
    let mut world = World::with(config().expires(60, 600, 7_200));
    let (alice, _) = world.client("alice", "secret");
    world.advance(Duration::from_secs(3_500));
    assert!(
        !world.closed(alice),
        "its URI has expired, but it has not been idle for long"
    );
    world.advance(Duration::from_secs(101));
    assert!(world.closed(alice));
    // With a valid URI it stays as long as that is valid.
    let bob = world.accept(tls());
    assert_eq!(
        world
            .try_auth(bob, "bob", "hidden", "Expires: 7200\r\n")
            .start_code(),
        200
    );
    world.advance(Duration::from_secs(7_100));
    assert!(!world.closed(bob));
    world.advance(Duration::from_secs(3_700));
    assert!(world.closed(bob));
    assert_eq!((world.relay.connections(), world.relay.bindings()), (0, 0));
}

// shows: 4976-6.5-03, 4976-6.5-04
#[test]
fn where_there_is_no_room_the_one_that_was_silent_for_longest_goes() {
    let mut world = World::with(config().max_connections(3).expires(60, 60, 60));
    let (alice, _) = world.client("alice", "secret");
    world.advance(Duration::from_secs(50));
    let (bob, _) = world.client("bob", "hidden");
    let refused = Refused::TooManyConnections { limit: 3 };
    let silent = world.accept(tls());
    // Alice's URI is valid, bob is not silent for long: nobody gives way.
    assert_eq!(world.try_accept(tls()), Err(refused));
    world.advance(Duration::from_secs(20));
    assert_eq!(world.relay.bindings(), 1);
    let next = world.accept(tls());
    assert!(world.closed(alice) && !world.closed(bob) && !world.closed(silent) && !world.closed(next));
    assert_eq!(world.relay.stats().evicted, 1);
    assert_eq!(world.relay.stats().refused, 1);
}

/// Lets alice in for a minute and nobody else.
struct Alice;

impl RelayPolicy for Alice {
    fn authorize(&mut self, request: &AuthRequest<'_>) -> Lookup<Grant> {
        Lookup::Ready(if request.user == "alice" {
            Grant::AllowOn(Terms::new().at_most(Duration::from_secs(60)))
        } else {
            Grant::Deny
        })
    }
}

// shows: 4976-6.3-04, 4976-6.3-05
#[test]
fn a_right_password_is_not_yet_a_right_to_use_the_relay() {
    let mut world = World::with(config().policy(Alice));
    let alice = world.accept(tls());
    let granted = world.try_auth(alice, "alice", "secret", "");
    assert_eq!(
        (granted.start_code(), granted.header("Expires")),
        (200, Some("60"))
    );
    let bob = world.accept(tls());
    let denied = world.try_auth(bob, "bob", "hidden", "");
    assert_eq!(denied.start_code(), 403);
    assert!(denied.header("Use-Path").is_none());
    assert!(matches!(world.events.last(), Some(RelayEvent::AuthFailed { user, .. }) if user == "bob"));
    assert_eq!(world.relay.bindings(), 1);
}
