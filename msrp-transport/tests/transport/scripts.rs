//! Random scripts for two asynchronous drivers on a runtime that forgives nothing: whatever the pieces, the pauses and the
//! ends, every message arrives whole and in order, or its connection is told to be gone.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use msrp_core::{
    grammar::Scheme,
    node::{ConnectionHandle, PeerInfo, Target},
};
use msrp_transport::{
    DriverConfig,
    driver::{Driver, Handle},
    layer::{Incoming, WebSocketConfig},
};

use crate::{
    identities::Authority,
    manual::{Executor, Manual, pipe},
    node::{Say, Talker, Told},
    peer::octets,
};

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// As often small as large: up to so many bits.
    fn size(&mut self, bits: u64) -> usize {
        let bits = self.below(bits);
        1 + self.below(1 << bits) as usize
    }
}

/// One side, as the script sees it.
struct Side {
    handle: Handle<Talker>,
    heard: Arc<Mutex<Vec<Told>>>,
    sent: Vec<Vec<u8>>,
}

impl Side {
    fn new(executor: &mut Executor, driver: Driver<Talker>) -> Self {
        let (handle, mut events) = driver.spawn();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = heard.clone();
        executor.add(async move {
            while let Some(told) = events.next_event().await {
                kept.lock().unwrap().push(told);
            }
        });
        Self {
            handle,
            heard,
            sent: Vec::new(),
        }
    }

    fn say(&self, executor: &mut Executor, command: Say) {
        let handle = self.handle.clone();
        executor.add(async move { handle.command(command).await.unwrap() });
    }

    fn connection(&self) -> Option<ConnectionHandle> {
        self.heard.lock().unwrap().iter().find_map(|told| match told {
            Told::Accepted(handle, _) | Told::Connected(handle, _) => Some(*handle),
            _ => None,
        })
    }

    fn received(&self) -> Vec<Vec<u8>> {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .filter_map(|told| match told {
                Told::Received(_, body) => Some(body.clone()),
                _ => None,
            })
            .collect()
    }

    fn is_down(&self) -> bool {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .any(|told| matches!(told, Told::Down(_) | Told::NotConnected(_)))
    }
}

fn play(seed: u64, authority: &Authority) {
    let mut dice = Dice(seed);
    let tls = dice.below(2) == 0;
    let websocket = dice.below(2) == 0;
    let runtime = Manual::default();
    let mut executor = Executor::new(&runtime);
    let config = || {
        DriverConfig::new()
            .read_budget(16 * 1024)
            .transmit_budget(4 * 1024)
    };
    let (mut a, mut b) = (
        Driver::new(Talker::frugal(), config(), runtime.clone()),
        Driver::new(Talker::frugal(), config(), runtime.clone()),
    );
    let (one, other) = pipe(dice.size(17));
    runtime.provide("192.0.2.1:7777".parse().unwrap(), one);
    a.set_client_tls(authority.client());
    let (scheme, mut incoming) = match tls {
        true => (Scheme::Msrps, Incoming::from(authority.server(&["192.0.2.1"]))),
        false => (Scheme::Msrp, Incoming::default()),
    };
    let mut target = Target::new(scheme, "192.0.2.1", Some(7777));
    if websocket {
        target = target.with_websocket("/");
        incoming = incoming.with_websocket(WebSocketConfig::new());
    }
    a.command(Say::Connect(1, target)).unwrap();
    assert!(b.accept(other, PeerInfo::new(), incoming));
    let mut sides = [Side::new(&mut executor, a), Side::new(&mut executor, b)];
    let mut closed = false;
    for _ in 0..2 + dice.below(20) {
        let side = &mut sides[dice.below(2) as usize];
        match (dice.below(12), side.connection()) {
            (0..=5, Some(connection)) if !closed => {
                let slices = 1 + dice.below(5) as usize;
                let size = dice.size(16);
                let body = vec![Bytes::from(octets(size)); slices];
                side.sent.push(octets(size).repeat(slices));
                side.say(&mut executor, Say::Send(connection, body));
            }
            (6, _) => side.say(&mut executor, Say::Listen(false)),
            (7, _) => side.say(&mut executor, Say::Listen(true)),
            (8, _) => runtime.advance(Duration::from_millis(dice.below(200))),
            (9, Some(connection)) if dice.below(8) == 0 => {
                closed = true;
                side.say(&mut executor, Say::Close(connection));
            }
            _ => executor.run(),
        }
    }
    for side in &sides {
        side.say(&mut executor, Say::Listen(true));
    }
    // A chunk that is open and has nothing to send gives way to others after 100 ms, where bounds are as tight as here.
    for _ in 0..30 {
        executor.run();
        runtime.advance(Duration::from_millis(100));
    }
    executor.run();
    let [a, b] = &sides;
    for (sender, receiver) in [(a, b), (b, a)] {
        let mut received = receiver.received();
        let mut sent = sender.sent.clone();
        if closed {
            // Messages have lanes of their own, so that a short one may have passed a long one that was cut off.
            assert!(received.iter().all(|body| sent.contains(body)), "seed {seed}");
            assert!(sender.is_down(), "seed {seed}");
        } else {
            assert!(!sender.is_down(), "seed {seed}");
            received.sort();
            sent.sort();
            assert!(
                received == sent,
                "seed {seed}: {} of {}",
                received.len(),
                sent.len()
            );
        }
    }
    // When nobody cares any more, everything ends.
    let [a, b] = sides;
    for side in [a, b] {
        executor.add(async move { side.handle.shutdown(Duration::ZERO).await });
    }
    executor.run();
    assert_eq!(executor.running(), 0, "seed {seed}");
}

#[test]
fn whatever_happens_messages_arrive_or_the_end_is_told() {
    let authority = Authority::new();
    for seed in 0..250 {
        play(seed, &authority);
    }
}
