//! What the shards of one relay count together: who is turned away by one of them finds no more room at another.

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::node::Refused;
use msrp_relay::{CommonCounts, RelayConfig, UserLimits};

/// Two shards of a relay, each of which is all that a peer meets.
fn shards(configure: impl Fn(RelayConfig) -> RelayConfig) -> [World; 2] {
    let common = CommonCounts::new();
    [0, 1].map(|index| World::with(configure(config()).shard(index, 2).in_common(common.clone())))
}

fn try_client(world: &mut World, password: &str) -> u16 {
    let handle = world.accept(tls());
    world.try_auth(handle, "alice", password, "").start_code()
}

#[test]
fn wrong_credentials_at_any_shard_lock_out_at_all() {
    let [mut one, mut other] = shards(|config| config.lockout(6, Duration::from_secs(60), 100));
    for _ in 0..3 {
        assert_eq!(try_client(&mut one, "wrong"), 401);
        assert_eq!(try_client(&mut other, "wrong"), 401);
    }
    for world in [&mut one, &mut other] {
        assert_eq!(try_client(world, "secret"), 403);
        world.advance(Duration::from_secs(61));
        assert_eq!(try_client(world, "secret"), 200);
    }
}

#[test]
fn without_counts_in_common_each_shard_counts_for_itself() {
    let config = || config().lockout(3, Duration::from_secs(60), 100);
    let mut shards = [0, 1].map(|index| World::with(config().shard(index, 2)));
    for _ in 0..3 {
        assert_eq!(try_client(&mut shards[0], "wrong"), 401);
    }
    assert_eq!(try_client(&mut shards[0], "secret"), 403);
    assert_eq!(try_client(&mut shards[1], "secret"), 200);
}

#[test]
fn a_user_has_as_many_sessions_as_he_may_at_all_shards_together() {
    let [mut one, mut other] = shards(|config| config.user_limits(UserLimits::new().sessions(2)));
    let (first, _) = one.client("alice", "secret");
    other.client("alice", "secret");
    for world in [&mut one, &mut other] {
        assert_eq!(try_client(world, "secret"), 403);
        // Others have their own.
        let handle = world.accept(tls());
        world.auth(handle, "bob", "hidden");
    }
    one.eof(first);
    assert_eq!(try_client(&mut other, "secret"), 200);
    assert_eq!(try_client(&mut one, "secret"), 403);
}

#[test]
fn an_address_has_as_many_connections_as_it_may_at_all_shards_together() {
    let [mut one, mut other] = shards(|config| config.max_connections_per_address(2));
    let first = one.accept(tls());
    other.accept(tls());
    for world in [&mut one, &mut other] {
        assert_eq!(world.try_accept(tls()), Err(Refused::Policy));
        assert_eq!(world.relay.stats().refused_by_address, 1);
        // Another address.
        world.accept(plain());
    }
    assert_eq!(one.try_accept(plain()), Err(Refused::Policy));
    one.reset(first);
    other.accept(tls());
    assert_eq!(one.try_accept(tls()), Err(Refused::Policy));
}

/// A connection that is refused for another reason is none of its address.
#[test]
fn only_connections_that_are_let_in_count_for_their_address() {
    let [mut one, mut other] = shards(|config| config.max_connections_per_address(2).max_connections(2));
    one.accept(tls());
    for _ in 0..3 {
        let full = one.try_accept(tls());
        assert!(
            matches!(full, Err(Refused::TooManyConnections { .. })),
            "{full:?}"
        );
    }
    other.accept(tls());
}

#[test]
fn a_user_sends_as_fast_as_he_may_at_all_shards_together() {
    let limits = UserLimits::new().chunks(10).burst(Duration::from_secs(1));
    let mut shards = shards(|config| config.user_limits(limits));
    let mut arrived = 0;
    for world in &mut shards {
        let ((alice, from), (bob, to)) = world.pair();
        let paths = format!("{from} {to} {BOB}");
        let chunks: String = (0..30)
            .map(|number| send(&format!("c{number:03}"), &paths, ALICE, "", "1-5/5", "hello", '$'))
            .collect();
        world.feed(alice, chunks);
        arrived += world
            .frames(bob)
            .iter()
            .filter(|frame| frame.start == "SEND")
            .count();
    }
    // A second's worth at once, and at each shard the one that found the burst spent.
    assert!((11..=13).contains(&arrived), "{arrived}");
}
