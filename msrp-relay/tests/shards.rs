//! Several shards that are one relay to everybody else.

mod harness;

use std::time::Duration;

use harness::*;
use msrp_core::{
    codec::Framing,
    node::{ConnectionHandle, Node, PeerInfo, Refused},
};
use msrp_relay::{AnchorOptions, ConfigError, Relay, RelayCommand, RelayConfig, SlowReceiver};

/// Shard and connection.
type At = (usize, ConnectionHandle);

/// Octets under way in each direction of a pipe.
const WINDOW: usize = 64 * 1024;

/// Shards, and what drivers would do between them.
struct Shards {
    worlds: Vec<World>,
    /// The two ends of each connection between them.
    pipes: Vec<(At, At)>,
    /// Where connections went.
    moved: Vec<(At, Option<At>)>,
    /// Octets that pass a pipe in one go.
    piece: usize,
}

impl Shards {
    fn new(count: u16) -> Self {
        Self::with(count, config)
    }

    fn with(count: u16, config: impl Fn() -> RelayConfig) -> Self {
        let mut worlds: Vec<World> = (0..count)
            .map(|index| World::with(config().shard(index, count)))
            .collect();
        // Seeds are used once; a world's is always the same.
        for (index, world) in worlds.iter_mut().enumerate() {
            let config = config().shard(index as u16, count);
            world.relay = Relay::new(world.now, config, [index as u8 + 1; 32]).unwrap();
        }
        let start = worlds[0].now;
        for world in &mut worlds {
            world.now = start;
        }
        Self {
            worlds,
            pipes: Vec::new(),
            moved: Vec::new(),
            piece: usize::MAX,
        }
    }

    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 1_000_000, "the shards never come to rest");
            if !self.step() {
                return;
            }
        }
    }

    /// Does what is due between the shards; whether there was anything.
    fn step(&mut self) -> bool {
        let mut worked = false;
        for near in 0..self.worlds.len() {
            for (token, shard, peer) in std::mem::take(&mut self.worlds[near].pipes) {
                worked = true;
                let far = usize::from(shard);
                assert_eq!(peer.shard, Some(near as u16));
                let accepted = self.worlds[far].try_accept(peer);
                let world = &mut self.worlds[near];
                let to_opener = PeerInfo::new().with_shard(shard);
                let Some(handle) = world.relay.handle_connected(world.now, token, Ok(to_opener)) else {
                    if let Ok(handle) = accepted {
                        self.worlds[far].eof(handle);
                    }
                    continue;
                };
                world.sockets.insert(handle, Socket::default());
                world.turn();
                match accepted {
                    Ok(accepted) => {
                        self.pipes.push(((near, handle), (far, accepted)));
                        self.worlds[near].set_room(handle, Some(WINDOW));
                        self.worlds[far].set_room(accepted, Some(WINDOW));
                    }
                    Err(_) => self.worlds[near].reset(handle),
                }
            }
            for (handle, shard, peer, octets) in std::mem::take(&mut self.worlds[near].moved) {
                worked = true;
                let far = usize::from(shard);
                let arrived = self.worlds[far].try_accept(peer).ok();
                if let Some(handle) = arrived {
                    self.worlds[far].feed(handle, &octets);
                }
                self.moved
                    .push(((near, handle), arrived.map(|handle| (far, handle))));
            }
        }
        for (one, other) in self.pipes.clone() {
            worked |= self.carry(one, other) | self.carry(other, one);
        }
        worked
    }

    fn carry(&mut self, from: At, to: At) -> bool {
        let (near, far) = (from.1, to.1);
        if self.worlds[to.0].closed(far) {
            self.worlds[from.0].octets(near);
            return false;
        }
        if !self.worlds[to.0].relay_wants_read(far) {
            return false;
        }
        let octets = self.worlds[from.0].octets(near);
        for piece in octets.chunks(self.piece) {
            self.worlds[to.0].feed(far, piece);
        }
        if !octets.is_empty() && !self.worlds[from.0].closed(near) {
            self.worlds[from.0].set_room(near, Some(WINDOW));
        }
        if self.worlds[from.0].closed(near) && octets.is_empty() {
            self.worlds[to.0].eof(far);
            self.pipes
                .retain(|pipe| *pipe != (from, to) && *pipe != (to, from));
            return true;
        }
        !octets.is_empty()
    }

    fn client(&mut self, shard: usize, user: &str, password: &str) -> (At, String) {
        let (handle, uri) = self.worlds[shard].client(user, password);
        ((shard, handle), uri)
    }

    /// Alice at shard 0, bob at shard 1.
    fn pair(&mut self) -> ((At, String), (At, String)) {
        (self.client(0, "alice", "secret"), self.client(1, "bob", "hidden"))
    }

    fn feed(&mut self, at: At, octets: impl AsRef<[u8]>) {
        self.worlds[at.0].feed(at.1, octets);
        self.settle();
    }

    /// A whole message of a transport with message framing.
    fn feed_message(&mut self, at: At, octets: impl AsRef<[u8]>) {
        let world = &mut self.worlds[at.0];
        world.feed(at.1, octets);
        world.relay.handle_message_end(world.now, at.1);
        world.turn();
        self.settle();
    }

    fn frames(&mut self, at: At) -> Vec<Frame> {
        self.worlds[at.0].frames(at.1)
    }

    fn advance(&mut self, time: Duration) {
        for world in &mut self.worlds {
            world.advance(time);
        }
        self.settle();
    }

    fn reset(&mut self, at: At) {
        self.worlds[at.0].reset(at.1);
        self.settle();
    }

    fn total(&self, what: impl Fn(&Relay) -> usize) -> usize {
        self.worlds.iter().map(|world| what(&world.relay)).sum()
    }
}

fn hello(to: &str, from: &str) -> String {
    send("6aef", to, from, "", "1-5/5", "hello", '$')
}

fn answer(frame: &Frame, code: &str, from: &str) -> String {
    let to = frame.back_path().split(' ').next().unwrap();
    format!(
        "MSRP {} {code}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{}$\r\n",
        frame.id, frame.id
    )
}

fn report(id: &str, to: &str, from: &str) -> String {
    format!(
        "MSRP {id} REPORT\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: 87652\r\nByte-Range: 1-5/5\r\n\
         Status: 000 200 OK\r\n-------{id}$\r\n"
    )
}

#[test]
fn a_uri_names_its_shard() {
    let mut shards = Shards::new(3);
    for (shard, letter) in ["a", "b", "c"].iter().enumerate() {
        for _ in 0..5 {
            let (_, uri) = shards.client(shard, "alice", "secret");
            let token = uri.rsplit('/').next().unwrap();
            assert!(token.starts_with(letter) && token.len() == 26 + 4, "{uri}");
        }
    }
    let wrong = config().shard(3, 3);
    let error = Relay::new(shards.worlds[0].now, wrong, [9; 32]).err();
    assert!(matches!(
        error,
        Some(ConfigError::Shard {
            index: 3,
            count: 3,
            ..
        })
    ));
}

#[test]
fn a_session_crosses_shards_in_both_directions_by_one_pipe() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    let to_alice = format!("{bob_uri} {alice_uri} {ALICE}");
    for round in 0..3 {
        shards.feed(alice, hello(&to_bob, ALICE));
        assert_eq!(shards.frames(alice)[0].start_code(), 200);
        let got = shards.frames(bob);
        assert_eq!(got.len(), 1);
        assert_eq!((got[0].start.as_str(), got[0].body()), ("SEND", &b"hello"[..]));
        assert_eq!(got[0].to_path(), BOB);
        assert_eq!(got[0].back_path(), format!("{bob_uri} {alice_uri} {ALICE}"));
        shards.feed(bob, answer(&got[0], "200 OK", BOB));
        shards.feed(bob, report(&format!("rep{round}"), &to_alice, BOB));
        let got = shards.frames(alice);
        assert_eq!(got.len(), 1, "{got:?}");
        assert_eq!(got[0].start, "REPORT");
        assert_eq!(got[0].to_path(), ALICE);
        assert_eq!(got[0].back_path(), format!("{alice_uri} {bob_uri} {BOB}"));
        shards.feed(bob, hello(&to_alice, BOB));
        assert_eq!(shards.frames(bob)[0].start_code(), 200);
        let got = shards.frames(alice);
        assert_eq!(got[0].to_path(), ALICE);
        assert_eq!(got[0].back_path(), format!("{alice_uri} {bob_uri} {BOB}"));
        shards.feed(alice, answer(&got[0], "200 OK", ALICE));
    }
    let opened: u64 = shards
        .worlds
        .iter()
        .map(|world| world.relay.stats().pipes_opened)
        .sum();
    assert_eq!(opened, 1, "what one end opened serves both");
    assert_eq!(shards.total(Relay::open_transactions), 0);
    assert_eq!(shards.total(Relay::connections), 2);
}

#[test]
fn two_pipes_opened_at_once_stay_each_in_its_direction() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    let to_alice = format!("{bob_uri} {alice_uri} {ALICE}");
    shards.worlds[0].feed(alice.1, hello(&to_bob, ALICE));
    shards.worlds[1].feed(bob.1, hello(&to_alice, BOB));
    shards.settle();
    assert_eq!(shards.pipes.len(), 2);
    let ends: Vec<At> = shards.pipes.iter().map(|pipe| pipe.0).collect();
    for _ in 0..3 {
        // Each goes by the pipe that its own connection has.
        shards.worlds[0].feed(alice.1, hello(&to_bob, ALICE));
        shards.worlds[1].feed(bob.1, hello(&to_alice, BOB));
        for end in &ends {
            assert!(shards.worlds[end.0].sockets[&end.1].len() > 0);
        }
        shards.settle();
    }
    let got = |frames: Vec<Frame>| frames.iter().filter(|frame| frame.start == "SEND").count();
    assert_eq!((got(shards.frames(alice)), got(shards.frames(bob))), (4, 4));
}

#[test]
fn a_long_message_crosses_bit_by_bit_whatever_the_pieces() {
    for piece in [1, 7, 1000, usize::MAX] {
        let mut shards = Shards::new(2);
        shards.piece = piece;
        let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
        let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
        let body: String = (0..20_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        let text = send("long", &to_bob, ALICE, "", "1-*/20000", &body, '$');
        for part in text.as_bytes().chunks(3_000) {
            shards.feed(alice, part);
        }
        assert_eq!(shards.frames(alice)[0].start_code(), 200);
        let mut got = Vec::new();
        for frame in shards.frames(bob) {
            got.extend_from_slice(frame.body());
            shards.feed(bob, answer(&frame, "200 OK", BOB));
        }
        assert_eq!(String::from_utf8(got).unwrap(), body);
        assert_eq!(shards.total(Relay::open_transactions), 0);
    }
}

#[test]
fn a_failure_at_the_far_shard_comes_back_as_a_report() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    shards.feed(alice, hello(&to_bob, ALICE));
    let got = shards.frames(bob);
    shards.frames(alice);
    shards.feed(bob, answer(&got[0], "413 No", BOB));
    let told = shards.frames(alice);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].start, "REPORT");
    assert_eq!(told[0].header("Status"), Some("000 413 Stop Sending Message"));
    assert_eq!(told[0].back_path(), format!("{alice_uri} {bob_uri}"));

    // A URI of that shard that does not exist.
    let mut unknown = bob_uri.clone();
    let end = unknown.len() - 4;
    let last = if unknown.as_bytes()[end - 1] == b'a' {
        "b"
    } else {
        "a"
    };
    unknown.replace_range(end - 1..end, last);
    shards.feed(
        alice,
        send(
            "7aef",
            &format!("{alice_uri} {unknown} {BOB}"),
            ALICE,
            "",
            "1-5/5",
            "hello",
            '$',
        )
        .replace("87652", "87653"),
    );
    let told = shards.frames(alice);
    assert_eq!(told[0].start_code(), 200, "the first shard has it");
    assert_eq!(told[1].header("Status"), Some("000 481 No Such Session"));
}

#[test]
fn a_far_side_that_says_nothing_is_reported_after_30_s() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (_bob, bob_uri)) = shards.pair();
    shards.feed(alice, hello(&format!("{alice_uri} {bob_uri} {BOB}"), ALICE));
    shards.frames(alice);
    shards.advance(Duration::from_secs(31));
    let told = shards.frames(alice);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].header("Status"), Some("000 408 Request Timeout"));
}

#[test]
fn a_slow_receiver_at_another_shard_makes_the_sender_wait() {
    let mut shards = Shards::with(2, || config().slow_receiver(SlowReceiver::Pause));
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    shards.worlds[1].set_room(bob.1, Some(0));
    let head = format!(
        "MSRP bigg SEND\r\nTo-Path: {to_bob}\r\nFrom-Path: {ALICE}\r\nMessage-ID: 87652\r\nByte-Range: 1-*/*\r\n\
         Content-Type: text/plain\r\n\r\n"
    );
    shards.feed(alice, head);
    let block = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    while shards.worlds[0].relay_wants_read(alice.1) {
        shards.feed(alice, &block);
        sent += block.len();
        assert!(sent < 16 * 1024 * 1024, "nobody is slowed down");
    }
    let held = shards.total(Relay::memory);
    assert!(held < 4 * 1024 * 1024, "{held}");
    shards.worlds[1].set_room(bob.1, None);
    shards.settle();
    assert!(shards.worlds[0].relay_wants_read(alice.1));
    shards.feed(alice, "\r\n-------bigg$\r\n");
    let mut got = 0;
    for frame in shards.frames(bob) {
        got += frame.body().len();
    }
    assert_eq!(got, sent);
}

#[test]
fn a_pipe_ends_with_the_connection_it_was_opened_for() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    shards.feed(alice, hello(&to_bob, ALICE));
    let (near, far) = shards.pipes[0];
    assert_eq!((near.0, far.0), (0, 1));
    assert_eq!(shards.total(Relay::pipes), 2);
    shards.reset(alice);
    assert!(shards.worlds[0].closed(near.1) && shards.worlds[1].closed(far.1));
    assert_eq!(shards.total(Relay::pipes), 0);
    assert_eq!(shards.total(Relay::connections), 1);
    // Bob learns that alice is gone, by a pipe of his own.
    shards.frames(bob);
    shards.feed(bob, hello(&format!("{bob_uri} {alice_uri} {ALICE}"), BOB));
    let told = shards.frames(bob);
    assert_eq!(told[0].start_code(), 200);
    assert_eq!(told[1].header("Status"), Some("000 481 No Such Session"));
}

#[test]
fn what_one_shard_has_taken_is_delivered_by_one_that_drains() {
    for first in [true, false] {
        let mut shards = Shards::new(2);
        let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
        let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
        if !first {
            shards.feed(alice, hello(&to_bob, ALICE));
            let got = shards.frames(bob);
            shards.feed(bob, answer(&got[0], "200 OK", BOB));
            shards.frames(alice);
        }
        // Alice's shard takes a message while bob's has been told already.
        shards.worlds[1].command(RelayCommand::Settle).unwrap();
        shards.worlds[0].feed(alice.1, hello(&to_bob, ALICE));
        shards.step();
        shards.worlds[0].command(RelayCommand::Settle).unwrap();
        shards.settle();
        assert_eq!(shards.frames(alice)[0].start_code(), 200);
        let got = shards.frames(bob);
        assert_eq!(got[0].body(), b"hello");
        shards.feed(alice, hello(&to_bob, ALICE).replace("87652", "87653"));
        assert_eq!(shards.frames(alice)[0].start_code(), 413, "nothing new");
        shards.feed(bob, answer(&got[0], "200 OK", BOB));
        assert_eq!(shards.total(Relay::open_transactions), 0);
        assert_eq!(shards.total(Relay::connections), 2, "not yet");
        for world in &mut shards.worlds {
            world.command(RelayCommand::Drain).unwrap();
        }
        shards.settle();
        assert!(shards.worlds.iter().all(|world| world.relay.is_drained()));
    }
}

/// Its sender was told that we have it.
#[test]
fn what_was_taken_arrives_though_its_sender_goes_at_once() {
    let long: String = (0..300_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    for reset in [false, true] {
        for body in ["hello", &long] {
            let mut shards = Shards::new(2);
            let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
            let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
            let range = format!("1-*/{}", body.len());
            shards.worlds[1].set_room(bob.1, Some(0));
            // All in one turn, before there is a pipe: a long message needs one to be taken.
            shards.worlds[0].feed(alice.1, send("6aef", &to_bob, ALICE, "", &range, body, '$'));
            while !shards.worlds[0].relay_wants_read(alice.1) {
                assert!(shards.step(), "alice is waited for");
            }
            assert_eq!(shards.frames(alice)[0].start_code(), 200);
            if reset {
                shards.worlds[0].reset(alice.1);
            } else {
                shards.worlds[0].eof(alice.1);
            }
            shards.settle();
            shards.worlds[1].set_room(bob.1, None);
            shards.settle();
            let got = shards.frames(bob);
            let octets: Vec<u8> = got.iter().flat_map(|frame| frame.body().to_vec()).collect();
            assert_eq!((octets.len(), got.last().unwrap().flag), (body.len(), '$'));
            assert_eq!(octets, body.as_bytes());
            assert_eq!(shards.total(Relay::pipes), 0);
        }
    }
}

#[test]
fn a_lost_receiver_is_reported_to_the_other_shard() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    shards.feed(alice, hello(&format!("{alice_uri} {bob_uri} {BOB}"), ALICE));
    assert_eq!(shards.frames(alice).len(), 1);
    shards.reset(bob);
    let told = shards.frames(alice);
    assert_eq!(told[0].header("Status"), Some("000 408 Request Timeout"));
}

/// A peer without a relay, and what it says first, at a shard that is not its own.
#[test]
fn a_new_connection_moves_to_the_shard_of_its_first_request() {
    let mut probe = Shards::new(2);
    let (_, uri) = probe.client(1, "bob", "hidden");
    let request = hello(&format!("{uri} {BOB}"), ALICE);
    for cut in 0..request.len() {
        let mut shards = Shards::new(2);
        let (bob, uri) = shards.client(1, "bob", "hidden");
        assert!(request.contains(&uri), "the same seed gives the same");
        let peer = shards.worlds[0].accept(tls());
        shards.feed((0, peer), &request[..cut]);
        let home = match shards.moved.first() {
            Some(&(from, to)) => {
                assert_eq!(from, (0, peer));
                to.unwrap()
            }
            None => {
                shards.feed((0, peer), &request[cut..]);
                shards.moved[0].1.unwrap()
            }
        };
        if shards.frames(bob).is_empty() {
            shards.feed(home, &request[cut..]);
        } else {
            continue;
        }
        let told = shards.frames(home);
        assert_eq!(told.len(), 1, "{cut}");
        assert_eq!(told[0].start_code(), 200);
    }
}

#[test]
fn what_moved_is_a_connection_like_any_other() {
    let mut shards = Shards::new(2);
    let (bob, uri) = shards.client(1, "bob", "hidden");
    let peer = shards.worlds[0].accept(tls());
    let both = hello(&format!("{uri} {BOB}"), ALICE) + &hello(&format!("{uri} {BOB}"), ALICE);
    shards.feed((0, peer), both);
    let home = shards.moved[0].1.unwrap();
    assert_eq!(shards.worlds[0].relay.stats().handed_over, 1);
    assert_eq!(shards.worlds[0].relay.connections(), 0);
    assert_eq!(shards.frames(home).len(), 2);
    let got = shards.frames(bob);
    assert_eq!(got.len(), 2, "nothing is lost on the way");
    // Answers and requests of bob take it too, so there is no pipe.
    shards.feed(bob, answer(&got[0], "200 OK", BOB));
    shards.feed(bob, hello(&format!("{uri} {ALICE}"), BOB));
    assert_eq!(shards.frames(home)[0].to_path(), ALICE);
    assert_eq!(shards.total(Relay::pipes), 0);
}

#[test]
fn what_belongs_here_or_nowhere_does_not_move() {
    let mut shards = Shards::new(2);
    let (_, here) = shards.client(0, "alice", "secret");
    let (_, there) = shards.client(1, "bob", "hidden");
    let foreign = there.replace("relay.example.com", "other.example.com");
    for first in [&here, RELAY, &foreign] {
        let peer = shards.worlds[0].accept(tls());
        shards.feed((0, peer), hello(&format!("{first} {BOB}"), ALICE));
        assert!(shards.moved.is_empty(), "{first}");
    }
    // A first request that takes too long to say whom it is for ends where it is.
    let peer = shards.worlds[0].accept(tls());
    shards.feed((0, peer), format!("MSRP {} SEND\r\n", "a".repeat(40)));
    shards.feed((0, peer), hello(&format!("{there} {BOB}"), ALICE));
    assert!(shards.moved.is_empty());
    let peer = shards.worlds[0].accept(tls());
    shards.feed((0, peer), "MSRP 6aef SEND\r\nTo-Path: msrps:");
    shards.advance(Duration::from_secs(16));
    assert!(shards.worlds[0].closed(peer), "the time for a head is as ever");
}

/// The connection of another relay, or a WebSocket: its requests are for several shards.
#[test]
fn a_connection_of_several_shards_reaches_them_all() {
    let mut shards = Shards::new(3);
    let clients: Vec<(At, String)> = (0..3)
        .map(|shard| shards.client(shard, "bob", "hidden"))
        .collect();
    let peer = (0, shards.worlds[0].accept(tls()));
    for round in 0..3 {
        for (index, (client, uri)) in clients.iter().enumerate() {
            let text = hello(&format!("{uri} {BOB}"), ALICE).replace("6aef", &format!("r{round}{index}x"));
            shards.feed(peer, text);
            let told = shards.frames(peer);
            assert_eq!((told.len(), told[0].start_code()), (1, 200));
            assert_eq!(told[0].back_path(), uri);
            let got = shards.frames(*client);
            assert_eq!(got.len(), 1);
            assert_eq!(got[0].to_path(), BOB);
            assert_eq!(got[0].back_path(), format!("{uri} {ALICE}"));
            shards.feed(*client, answer(&got[0], "200 OK", BOB));
            // And back, by the pipe that brought it.
            shards.feed(
                *client,
                report(&format!("rep{round}"), &format!("{uri} {ALICE}"), BOB),
            );
            let got = shards.frames(peer);
            assert_eq!(got.len(), 1);
            assert_eq!((got[0].start.as_str(), got[0].to_path()), ("REPORT", ALICE));
            assert_eq!(got[0].back_path(), format!("{uri} {BOB}"));
            shards.feed(*client, hello(&format!("{uri} {ALICE}"), BOB));
            let got = shards.frames(peer);
            assert_eq!((got[0].start.as_str(), got[0].to_path()), ("SEND", ALICE));
            shards.feed(peer, answer(&got[0], "200 OK", ALICE));
            assert_eq!(shards.frames(*client).pop().unwrap().start_code(), 200);
        }
    }
    assert_eq!(shards.pipes.len(), 2);
    assert!(shards.moved.is_empty());
    assert_eq!(shards.total(Relay::open_transactions), 0);
}

#[test]
fn message_framing_uses_pipes_from_the_first_request_on() {
    let mut shards = Shards::new(2);
    let (bob, uri) = shards.client(1, "bob", "hidden");
    let browser = (0, shards.worlds[0].accept(tls().with_framing(Framing::Message)));
    let text = hello(&format!("{uri} {BOB}"), ALICE);
    shards.feed_message(browser, text);
    assert!(shards.moved.is_empty());
    assert_eq!(shards.frames(bob)[0].to_path(), BOB);
    assert_eq!(shards.frames(browser)[0].start_code(), 200);
}

/// RFC 4976 §6.1: whoever guesses at URIs is closed, whichever shard they name.
#[test]
fn guesses_at_another_shard_prove_nothing() {
    let mut shards = Shards::new(2);
    let (_, uri) = shards.client(1, "bob", "hidden");
    let guess = format!("{}aaaa;tcp", &uri[..uri.len() - 8]);
    let peer = (0, shards.worlds[0].accept(tls().with_framing(Framing::Message)));
    for round in 0..4 {
        let text = hello(&format!("{guess} {BOB}"), ALICE)
            .replace("6aef", &format!("g{round}xx"))
            .replace("87652", &format!("m{round}xx"));
        shards.feed_message(peer, text);
        assert!(!shards.worlds[0].closed(peer.1));
    }
    shards.feed_message(
        peer,
        hello(&format!("{guess} {BOB}"), ALICE).replace("87652", "lastx"),
    );
    assert!(shards.worlds[0].closed(peer.1), "five failures");

    let peer = (0, shards.worlds[0].accept(tls().with_framing(Framing::Message)));
    shards.feed_message(peer, hello(&format!("{guess} {BOB}"), ALICE));
    shards.advance(Duration::from_secs(31));
    assert!(shards.worlds[0].closed(peer.1), "the probation is over");
    assert_eq!(shards.total(Relay::pipes), 0);
}

#[test]
fn nobody_speaks_for_the_other_shard() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let mallory = (0, shards.worlds[0].accept(tls()));
    // Knows alice's URI, and claims to be the way to bob's.
    shards.feed(
        mallory,
        hello(&format!("{alice_uri} {ALICE}"), &format!("{bob_uri} {BOB}")),
    );
    assert_eq!(shards.frames(alice).len(), 1);
    shards.frames(mallory);
    shards.feed(alice, hello(&format!("{alice_uri} {bob_uri} {BOB}"), ALICE));
    assert!(shards.frames(mallory).is_empty());
    assert_eq!(shards.frames(bob).len(), 1);
}

#[test]
fn pipes_are_bounded_and_drained() {
    let mut shards = Shards::with(2, || config().max_connections(2));
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    shards.feed(alice, hello(&to_bob, ALICE));
    let got = shards.frames(bob);
    shards.feed(bob, answer(&got[0], "200 OK", BOB));
    // One end at each shard, which is as many as there may be connections there.
    assert_eq!(
        shards.worlds[1].try_accept(tls()).err(),
        Some(Refused::TooManyConnections { limit: 1 })
    );
    let pipe = PeerInfo::new().with_shard(0);
    assert_eq!(
        shards.worlds[1].try_accept(pipe).err(),
        Some(Refused::TooManyConnections { limit: 1 })
    );

    for world in &mut shards.worlds {
        world.command(RelayCommand::Drain).unwrap();
    }
    shards.settle();
    for world in &shards.worlds {
        assert!(world.relay.is_drained(), "nothing was under way");
    }
}

/// Shards cannot hear of a drain at the same moment.
#[test]
fn what_one_shard_has_taken_arrives_at_another_that_takes_nothing_new() {
    let mut shards = Shards::new(2);
    let ((alice, alice_uri), (bob, bob_uri)) = shards.pair();
    let to_bob = format!("{alice_uri} {bob_uri} {BOB}");
    let to_alice = format!("{bob_uri} {alice_uri} {ALICE}");
    // By the long way, and then by the short one.
    for round in 0..3 {
        if round == 1 {
            shards.worlds[1].command(RelayCommand::Settle).unwrap();
        }
        shards.feed(alice, hello(&to_bob, ALICE));
        assert_eq!(shards.frames(alice)[0].start_code(), 200);
        let got = shards.frames(bob);
        assert_eq!(got[0].body(), b"hello");
        shards.feed(bob, answer(&got[0], "200 OK", BOB));
    }
    // What is new is refused where a client would say it.
    shards.feed(bob, hello(&to_alice, BOB));
    assert_eq!(shards.frames(bob)[0].start_code(), 413);
    shards.worlds[0].command(RelayCommand::Settle).unwrap();
    shards.feed(alice, hello(&to_bob, ALICE));
    assert_eq!(shards.frames(alice)[0].start_code(), 413);
    assert!(shards.frames(bob).is_empty());
    assert_eq!(shards.total(Relay::open_transactions), 0);
    assert_eq!(
        shards.total(Relay::connections),
        2,
        "they stay until all have settled"
    );
    for world in &mut shards.worlds {
        world.command(RelayCommand::Drain).unwrap();
    }
    shards.settle();
    assert!(shards.worlds.iter().all(|world| world.relay.is_drained()));
}

/// The sides of an anchored session come to the shard that anchored it: a connection that has just come in moves there,
/// one that serves another session already reaches it by a pipe.
#[test]
fn an_anchored_session_is_reached_from_any_shard() {
    let sdp = |uri: &str| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=message 9892 TCP/TLS/MSRP *\r\n\
             a=accept-types:text/plain\r\na=setup:active\r\na=path:{uri}\r\n"
        )
    };
    let path = |sdp: Vec<u8>| {
        let sdp = String::from_utf8(sdp).unwrap();
        let path = sdp.lines().find_map(|line| line.strip_prefix("a=path:"));
        path.unwrap().to_owned()
    };
    let mut shards = Shards::new(2);
    let (alice, _) = shards.client(0, "alice", "secret");
    let now = shards.worlds[1].now;
    let relay = &mut shards.worlds[1].relay;
    let (id, for_bob) = relay
        .anchor_offer(now, sdp(ALICE).as_bytes(), &AnchorOptions::new())
        .unwrap();
    let for_alice = relay.anchor_answer(now, id, sdp(BOB).as_bytes()).unwrap();
    let (to_bob, to_alice) = (path(for_alice), path(for_bob));
    let bob = (0, shards.worlds[0].accept(tls()));
    shards.feed(bob, hello(&to_alice, BOB));
    let (_, moved) = shards.moved.pop().unwrap();
    let bob = moved.unwrap();
    assert_eq!(bob.0, 1);
    assert_eq!(shards.frames(bob)[0].start_code(), 200);
    shards.feed(alice, hello(&to_bob, ALICE));
    let got = shards.frames(alice);
    assert!(got.iter().any(|frame| frame.start_code() == 200), "{got:?}");
    let message = got
        .iter()
        .find(|frame| frame.start == "SEND")
        .expect("what bob said");
    assert_eq!((message.to_path(), message.back_path()), (ALICE, to_bob.as_str()));
    let got = shards.frames(bob);
    assert_eq!((got[0].to_path(), got[0].back_path()), (BOB, to_alice.as_str()));
    let now = shards.worlds[1].now;
    let info = shards.worlds[1].relay.anchor_end(now, id).unwrap();
    shards.worlds[1].turn();
    shards.settle();
    assert_eq!(info.streams[0].offerer.stats.passed.messages, 1);
    assert!(shards.worlds[1].closed(bob.1));
    assert!(!shards.worlds[0].closed(alice.1));
}

/// Chance that repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// A client of a seeded world, and what it sent.
struct Talker {
    at: At,
    use_path: String,
    uri: String,
    alive: bool,
    /// Octets that it has still to send.
    unsent: Vec<u8>,
}

struct Said {
    id: String,
    from: usize,
    to: usize,
    body: String,
    short: bool,
}

/// One message, in one chunk or in several.
fn chunks(dice: &mut Dice, number: usize, to: &str, from: &str, body: &str) -> String {
    let total = body.len();
    let mut text = String::new();
    let mut start = 0;
    let mut part = 0;
    loop {
        let len = if total > 2048 {
            (1 + dice.below(total)).min(total - start)
        } else {
            total
        };
        let end = start + len;
        let (flag, last) = if end == total { ('$', true) } else { ('+', false) };
        let range = if len > 2048 {
            format!("{}-*/{total}", start + 1)
        } else {
            format!("{}-{end}/{total}", start + 1)
        };
        text += &send(
            &format!("t{number}p{part}"),
            to,
            from,
            "",
            &range,
            &body[start..end],
            flag,
        )
        .replace("Message-ID: 87652", &format!("Message-ID: m{number}mm"));
        if last {
            return text;
        }
        start = end;
        part += 1;
    }
}

/// Clients at any shards talk at the same time, in pieces of any size; some of them go. What was sent arrives whole, or
/// its sender hears of it.
#[test]
fn whatever_the_timing_messages_arrive_or_are_reported() {
    let mut crossed = 0;
    let mut reported = 0;
    for seed in 1..120_u64 {
        let dice = &mut Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let count = 2 + dice.below(3);
        let mut shards = Shards::new(count as u16);
        shards.piece = [1, 13, 500, 4096, usize::MAX][dice.below(5)];
        let mut talkers: Vec<Talker> = (0..2 + dice.below(4))
            .map(|number| {
                let (at, use_path) = shards.client(dice.below(count), "alice", "secret");
                Talker {
                    at,
                    use_path,
                    uri: format!("msrps://host{number}.example.com:9/s{number};tcp"),
                    alive: true,
                    unsent: Vec::new(),
                }
            })
            .collect();
        let mut said: Vec<Said> = Vec::new();
        for number in 0..1 + dice.below(25) {
            let from = dice.below(talkers.len());
            let to = (from + 1 + dice.below(talkers.len() - 1)) % talkers.len();
            let short = dice.below(3) > 0;
            let len = 1 + dice.below(if short { 300 } else { 20_000 });
            let body: String = (0..len)
                .map(|at| char::from(b'a' + ((at + number) % 26) as u8))
                .collect();
            let path = format!(
                "{} {} {}",
                talkers[from].use_path, talkers[to].use_path, talkers[to].uri
            );
            let text = chunks(dice, number, &path, &talkers[from].uri, &body);
            talkers[from].unsent.extend_from_slice(text.as_bytes());
            said.push(Said {
                id: format!("m{number}mm"),
                from,
                to,
                body,
                short,
            });
        }
        let lost = (dice.below(3) == 0).then(|| dice.below(talkers.len()));
        while talkers
            .iter()
            .any(|talker| talker.alive && !talker.unsent.is_empty())
        {
            let who = dice.below(talkers.len());
            let talker = &mut talkers[who];
            if lost == Some(who) && talker.alive && dice.below(12) == 0 {
                talker.alive = false;
                let at = talker.at;
                shards.worlds[at.0].reset(at.1);
                continue;
            }
            if talker.alive && shards.worlds[talker.at.0].relay_wants_read(talker.at.1) {
                let len = (1 + dice.below(6_000)).min(talker.unsent.len());
                let octets: Vec<u8> = talker.unsent.drain(..len).collect();
                shards.worlds[talker.at.0].feed(talker.at.1, octets);
            }
            for _ in 0..dice.below(3) {
                shards.step();
            }
        }
        shards.settle();
        // Everybody answers what came.
        let mut got: Vec<Vec<Frame>> = talkers.iter().map(|_| Vec::new()).collect();
        loop {
            let mut any = false;
            for (number, talker) in talkers.iter().enumerate().filter(|(_, talker)| talker.alive) {
                for frame in shards.frames(talker.at) {
                    any = true;
                    if frame.start == "SEND" {
                        shards.feed(talker.at, answer(&frame, "200 OK", &talker.uri));
                    }
                    got[number].push(frame);
                }
            }
            if !any {
                break;
            }
        }
        shards.advance(Duration::from_secs(31));
        for (number, talker) in talkers.iter().enumerate().filter(|(_, talker)| talker.alive) {
            got[number].extend(shards.worlds[talker.at.0].frames(talker.at.1));
        }
        let mut latest = std::collections::BTreeMap::new();
        for (at, message) in said.iter().enumerate() {
            let (from, to) = (&talkers[message.from], &talkers[message.to]);
            crossed += usize::from(from.at.0 != to.at.0);
            if !from.alive {
                continue;
            }
            let of = |frames: &[Frame], start: &str| {
                frames
                    .iter()
                    .enumerate()
                    .filter(|(_, frame)| {
                        frame.start == start && frame.header("Message-ID") == Some(&message.id)
                    })
                    .map(|(place, frame)| (place, frame.clone()))
                    .collect::<Vec<_>>()
            };
            let reports = of(&got[message.from], "REPORT").len();
            let refused = got[message.from]
                .iter()
                .any(|frame| frame.start_code() >= 400 && frame.id.starts_with(&format!("t{at}p")));
            let parts = of(&got[message.to], "SEND");
            let octets: Vec<u8> = parts
                .iter()
                .flat_map(|(_, frame)| frame.body().to_vec())
                .collect();
            if to.alive {
                assert_eq!(octets, message.body.as_bytes(), "seed {seed}: {}", message.id);
                assert!(reports == 0 && !refused, "seed {seed}: {}", message.id);
                if message.short {
                    let place = parts[0].0;
                    let before = latest.insert((message.from, message.to), place);
                    assert!(before.is_none_or(|before| before < place), "seed {seed}: order");
                }
            } else {
                assert!(
                    reports > 0 || refused,
                    "seed {seed}: {} is lost in silence",
                    message.id
                );
                reported += 1;
            }
        }
        for talker in talkers.iter().filter(|talker| talker.alive) {
            shards.worlds[talker.at.0].reset(talker.at.1);
        }
        shards.settle();
        shards.advance(Duration::from_secs(31));
        for world in &shards.worlds {
            let relay = &world.relay;
            let rest = (
                relay.connections(),
                relay.pipes(),
                relay.open_transactions(),
                relay.memory(),
                relay.bindings(),
            );
            assert_eq!(rest, (0, 0, 0, 0, 0), "seed {seed}");
        }
    }
    assert!(crossed > 200 && reported > 20, "{crossed} {reported}");
}
