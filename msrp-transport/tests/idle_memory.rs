//! What an idle connection costs: a file of its own, as it looks at the memory of the whole process.
#![cfg(target_os = "linux")]
#![allow(
    dead_code,
    reason = "the parts shared with the other tests have more than is needed here"
)]

#[path = "transport/identities.rs"]
mod identities;
#[path = "transport/node.rs"]
mod node;
#[path = "transport/peer.rs"]
mod peer;
#[path = "transport/raw.rs"]
mod raw;

use std::io::Write;

use peer::{KINDS, Peer, Setup};
use raw::{answer, dial, expect, send};

/// Resident octets of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// A connection that has been used and is quiet again holds no part of a read block, let alone one of its own.
#[test]
fn an_idle_connection_holds_no_read_block() {
    const MANY: usize = 400;
    for kind in KINDS {
        let mut peer = Peer::start(kind, Setup::plain());
        let mut serve = |count: usize| {
            let mut raws: Vec<_> = (0..count).map(|_| dial(peer.addresses[0])).collect();
            // Large enough that a block is used up by a few of them.
            let body = "x".repeat(20_000);
            for raw in &mut raws {
                raw.write_all(send("aaaa", &body).as_bytes()).unwrap();
                expect(raw, &answer("aaaa"));
                peer.received();
            }
            raws
        };
        let warm = serve(20);
        let before = resident();
        let raws = serve(MANY);
        let each = resident().saturating_sub(before) / MANY;
        // The node's own part is most of it; a block would be 64 KiB.
        assert!(each < 8 * 1024, "{kind:?}: {each} octets for each connection");
        println!("{kind:?}: {each} octets for each connection");
        drop((warm, raws));
    }
}
