//! Sessions that share a connection between relays: a long message does not hold up what others say (RFC 4975 §5.1). What is
//! counted is octets between a message's coming in and its leaving, not time.

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::node::ConnectionHandle;

const KIB: usize = 1024;
/// The next relay's URI, of which this one knows nothing.
const NEXT: &str = "msrps://other.example.com:2855/8fks92j4kd;tcp";
/// One read of a driver.
const READ: usize = 64 * KIB;

/// How a long message comes in.
#[derive(Clone, Copy, Debug)]
enum Bulk {
    /// One chunk whose end is open.
    Unbounded,
    /// Chunks of so many octets.
    Chunks(usize),
}

impl Bulk {
    /// A message of this length, on the wire.
    fn octets(self, id: &str, to: &str, from: &str, len: usize) -> Vec<u8> {
        let size = match self {
            Bulk::Unbounded => len,
            Bulk::Chunks(size) => size,
        };
        let mut octets = Vec::new();
        for (number, start) in (0..len).step_by(size).enumerate() {
            let end = (start + size).min(len);
            let last = if size > 2048 {
                "*".to_owned()
            } else {
                end.to_string()
            };
            let flag = if end == len { '$' } else { '+' };
            let range = format!("{}-{last}/{len}", start + 1);
            let chunk = send(
                &format!("{id}{number:06}"),
                to,
                from,
                "",
                &range,
                &"x".repeat(end - start),
                flag,
            );
            octets.extend(chunk.replace("87652", id).bytes());
        }
        octets
    }
}

const BULKS: [Bulk; 3] = [Bulk::Unbounded, Bulk::Chunks(64 * KIB), Bulk::Chunks(2 * KIB)];

/// Feeds as much as the relay wants to read; how much that was.
fn feed(world: &mut World, from: ConnectionHandle, octets: &[u8]) -> usize {
    let mut fed = 0;
    for read in octets.chunks(READ) {
        if !world.relay_wants_read(from) {
            break;
        }
        world.feed(from, read);
        fed += read.len();
    }
    fed
}

fn chat(to: &str, from: &str, text: &str) -> String {
    send("chat0001", to, from, "", "1-5/5", text, '$').replace("87652", "chat")
}

fn position(octets: &[u8], text: &str) -> usize {
    let found = octets
        .windows(text.len())
        .position(|window| window == text.as_bytes());
    found.expect("the message has left")
}

/// Two clients here, whose correspondents are behind one connection to the next relay.
fn outgoing(bulk: Bulk, budget: usize, congested: bool) -> usize {
    let mut world = World::new();
    world.budget = budget;
    let (alice, alice_uri) = world.client("alice", "secret");
    let (carol, carol_uri) = world.client("bob", "hidden");
    let path = |uri: &str| format!("{uri} {NEXT} {BOB}");
    world.feed(carol, chat(&path(&carol_uri), ALICE, "first"));
    let next = world.connect(Ok(tls())).unwrap();
    position(&world.octets(next), "first");
    if congested {
        world.set_room(next, Some(0));
    } else {
        // The socket has taken what it could and takes a little at a time.
        world.set_room(next, Some(3 * READ));
    }
    let octets = bulk.octets("bulk", &path(&alice_uri), ALICE, 8 << 20);
    let fed = feed(&mut world, alice, &octets);
    assert!(fed < octets.len(), "its sender is asked to wait");
    world.octets(next);
    world.frames(carol);
    world.feed(carol, chat(&path(&carol_uri), ALICE, "hello"));
    assert_eq!(world.frames(carol).pop().unwrap().start_code(), 200);
    let mut before = 0;
    loop {
        world.set_room(next, Some(16 * KIB));
        let left = world.octets(next);
        if let Some(at) = left.windows(5).position(|window| window == b"hello") {
            return before + at;
        }
        before += left.len();
        feed(&mut world, alice, &octets[fed..fed + READ]);
        assert!(before < 4 << 20, "{bulk:?} {budget}: it does not leave");
    }
}

#[test]
fn a_long_message_gives_way_to_another_sessions_chat() {
    // What has been staged for the socket has to leave; then the chunk ends after at most one quantum.
    let quantum = 16 * KIB;
    for congested in [true, false] {
        for budget in [4 * KIB, 64 * KIB, 256 * KIB] {
            for bulk in BULKS {
                let before = outgoing(bulk, budget, congested);
                println!("{bulk:?}, budget {budget}, congested {congested}: {before} octets before the chat");
                let bound = match bulk {
                    // Lent to the driver all at once.
                    Bulk::Unbounded | Bulk::Chunks(65_536) => budget + READ + quantum + 2 * KIB,
                    // Short chunks go whole, as many as may wait.
                    Bulk::Chunks(_) => 128 * KIB + 4 * KIB,
                };
                assert!(
                    before <= bound,
                    "{bulk:?}, budget {budget}, congested {congested}: {before}"
                );
            }
        }
    }
}

/// The other way: what comes in over the shared connection for one who does not read keeps the others waiting once, for as
/// long as it takes to see that he does not.
#[test]
fn a_receiver_who_does_not_read_holds_up_the_shared_connection_once_and_for_two_seconds() {
    for bulk in BULKS {
        let mut world = World::new();
        let (bob, bob_uri) = world.client("bob", "hidden");
        let (dave, dave_uri) = world.client("alice", "secret");
        let shared = world.accept(tls());
        let path = |uri: &str| format!("{uri} {BOB}");
        let (from, other) = (
            format!("{NEXT} {ALICE}"),
            format!("{NEXT} {ALICE}").replace("alice", "carol"),
        );
        for (uri, to, from) in [(&bob_uri, bob, &from), (&dave_uri, dave, &other)] {
            world.feed(shared, chat(&path(uri), from, "first"));
            position(&world.octets(to), "first");
        }
        world.frames(shared);
        world.set_room(bob, Some(0));
        let octets = bulk.octets("bulk", &path(&bob_uri), &from, 8 << 20);
        // The relay before this one gives way to the chat between two chunks, at least once in each MiB.
        let (mut refused, mut waits) = (0, 0);
        let mut rest = &octets[..];
        while !rest.is_empty() {
            let from = rest.len().min(16 * READ);
            let end = match bulk {
                Bulk::Unbounded => None,
                Bulk::Chunks(_) => rest[from..]
                    .windows(11)
                    .position(|window| window == b"\r\nMSRP bulk"),
            };
            let (chunks, after) = rest.split_at(end.map_or(rest.len(), |end| from + end + 2));
            let mut fed = feed(&mut world, shared, chunks);
            if fed < chunks.len() {
                waits += 1;
                world.advance(Duration::from_secs(2));
                fed += feed(&mut world, shared, &chunks[fed..]);
            }
            assert_eq!(fed, chunks.len(), "{bulk:?}: it is read");
            rest = after;
            world.feed(shared, chat(&path(&dave_uri), &other, "hello"));
            let heard = world.frames(dave);
            assert_eq!((heard.len(), heard[0].body()), (1, &b"hello"[..]), "{bulk:?}");
            refused += world
                .frames(shared)
                .iter()
                .filter(|frame| frame.start_code() == 413)
                .count();
        }
        assert!(refused > 0, "{bulk:?}: more than the bound is refused");
        assert_eq!(waits, 1, "{bulk:?}");
        assert!(
            world.relay.memory() < 4 << 20,
            "{bulk:?}: {}",
            world.relay.memory()
        );
    }
}
