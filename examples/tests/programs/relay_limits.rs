//! The bounds that an operator sets.

use crate::{
    foreign::{Client, dial, wait_for_room},
    running::Running,
};

#[test]
fn connections_beyond_the_bound_are_closed_and_the_others_go_on() {
    let running = Running::start(
        1,
        &[
            "--listen",
            "msrp://127.0.0.1:0",
            "--allow-plain-auth",
            "--user",
            "alice:secret",
            "--max-connections",
            "2",
            "--workers",
            "1",
        ],
    );
    let relay = format!("msrp://{};tcp", running.address());
    let mut alice = Client::new("alice", dial(running.address()));
    alice.authenticate(&relay, "secret");
    let mut second = Client::new("alice", dial(running.address()));
    second.authenticate(&relay, "secret");
    let mut third = Client::new("alice", dial(running.address()));
    assert!(third.try_read().is_none(), "it is closed");
    alice.authenticate(&relay, "secret");
    drop(second);
    wait_for_room(running.address());
}
