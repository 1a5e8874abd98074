//! Several shards that are one relay to everybody else.

#[path = "../harness/mod.rs"]
mod harness;

mod anchored;
mod crossing;
mod draining;
mod moving;
mod timing;

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
