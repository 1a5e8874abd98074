//! Worlds with chains of relays of different administrations: each has its own users, and takes AUTHs from its neighbours
//! only.

use std::time::Duration;

use bytes::Bytes;
use msrp_core::{
    codec::Framing,
    grammar::{FailureReport, Scheme, Uri},
    node::ListenerId,
};
use msrp_relay::{MemoryAuthStore, Relay, RelayConfig};
use msrp_sim::{
    Adapter, Fault, Link, Listener, PlannedFault, Rng, World,
    roles::{Account, CallSide, Deed, Measure, Operator, Switchboard, Utterance},
};
use msrp_ua::{Receive, Role};

use super::{
    Inhabitant, Scene, Stage, connection_config, random_fault, relay_host, slow_receiver, throughput, user,
};

/// A password that is good at one relay only.
fn password(user: &str, host: &str) -> String {
    format!("{host}-{}", Operator::password(user))
}

/// The relays that somebody uses, the nearest first: a part of the line, in one direction or the other.
fn part_of_line(relays: usize, rng: &mut Rng) -> Vec<usize> {
    let (a, b) = (rng.index(relays), rng.index(relays));
    if a <= b {
        (a..=b).collect()
    } else {
        (b..=a).rev().collect()
    }
}

impl Scene {
    /// What a seed makes: 2 to 4 relays in a line, and phones that use any part of it.
    pub(crate) fn chains(seed: u64, stage: Stage) -> Self {
        let mut world = World::new(seed);
        let rng = &mut world.rng().fork();
        let faults = stage == Stage::Faults;
        let link = Link::random(rng);
        let relays = rng.within(2..=4) as usize;
        let phones = rng.within(2..=4) as usize;
        let calls = rng.within(1..=4) as usize;
        let most = (throughput(&link) * 3.0).min(*link.segment.end() as f64 * 3_000.0);
        let total = (most as usize).clamp(2_000, 600_000);
        let messages = rng.within(1..=8) as usize;
        let slow = slow_receiver(rng, total);
        world.rules().name = if faults { "chains-faults" } else { "chains" };
        world.rules().losses = faults;
        world.rules().stalls = true;
        world.rules().all_is_read = !faults;
        world.usual_link(link.clone());

        // Each at a relay or more of its own, nobody without: there are no plain connections here.
        let ways: Vec<Vec<usize>> = (0..phones).map(|_| part_of_line(relays, rng)).collect();
        let mut people: Vec<Inhabitant> = (0..phones)
            .map(|_| Inhabitant {
                relay: None,
                tls: true,
                victim: faults,
                deeds: Vec::new(),
            })
            .collect();
        for call in 0..calls {
            let a = rng.index(phones);
            let b = (a + 1 + rng.index(phones - 1)) % phones;
            for (side, phone) in [a, b].into_iter().enumerate() {
                let accounts = ways[phone].iter().map(|&relay| {
                    let host = relay_host(relay);
                    // Some leave the port to the resolver.
                    let port = if rng.chance(500) { ":2855" } else { "" };
                    Account {
                        relay: Uri::parse(Bytes::from(format!("msrps://{host}{port};tcp"))).expect("a URI"),
                        user: user(phone),
                        password: password(&user(phone), &host),
                    }
                });
                let deed = CallSide {
                    call,
                    side,
                    role: if side == 0 { Role::Active } else { Role::Passive },
                    accounts: accounts.collect(),
                    receive: rng.pick(&[Receive::Whole, Receive::Stream, Receive::Ask]),
                    max_size: 1024 * 1024,
                };
                let at = rng.time(Duration::ZERO..Duration::from_secs(2));
                people[phone].deeds.push((at, Deed::Call(deed)));
            }
            for _ in 0..messages {
                let said = Utterance {
                    call,
                    size: if rng.chance(300) {
                        rng.index(total / 2)
                    } else {
                        rng.size(0..=total / 8)
                    },
                    success: rng.chance(500),
                    failure: rng.pick(&[FailureReport::Yes, FailureReport::Partial, FailureReport::No]),
                    must_arrive: !faults,
                    cancel_after: None,
                };
                let at = rng.time(Duration::from_secs(2)..Duration::from_secs(8));
                people[if rng.chance(500) { a } else { b }]
                    .deeds
                    .push((at, Deed::Say(said)));
            }
        }

        let mut scene = Self {
            world,
            relays: Vec::new(),
            phones: Vec::new(),
            board: Switchboard::new(),
            smooth: !faults,
        };
        for relay in 0..relays {
            let (connection, bound) = connection_config(rng, messages * calls);
            let host = relay_host(relay);
            let users: Vec<String> = (0..phones).map(user).collect();
            let store = users.iter().fold(MemoryAuthStore::new(), |store, user| {
                store.with_password(user, &host, &password(user, &host))
            });
            let mut config = RelayConfig::new(&host)
                .listener(ListenerId(0), Scheme::Msrps, 2855)
                .auth_store(store)
                .connection(connection)
                .slow_receiver(slow);
            // Whom it takes for a relay: its neighbours by name, or whoever proves its name.
            config = match rng.below(3) {
                0 => config.any_peer_relay(true),
                1 => config.peer_relay("*.example.com"),
                _ => (0..relays)
                    .filter(|other| other.abs_diff(relay) == 1)
                    .fold(config, |config, other| config.peer_relay(&relay_host(other))),
            };
            let besides = 2 * (total * calls + 100_000) + 512 * (total / 1024 + 16 * messages * calls + 64);
            let mut measures = Vec::new();
            if faults && rng.chance(100) {
                let at = rng.time(Duration::from_secs(1)..Duration::from_secs(10));
                measures.push((at, Measure::Revoke(user(rng.index(phones)))));
            }
            let operator = Operator::new(users, (bound, besides)).with_measures(measures);
            let state = operator.state();
            let node =
                Relay::new(scene.world.start_time(), config, rng.seed()).expect("a sound configuration");
            let node = scene.world.relay(&host, Adapter::new(node, operator));
            let listener = Listener {
                node,
                id: ListenerId(0),
                tls: true,
                framing: Framing::Stream,
            };
            scene.world.listen(&host, 2855, listener);
            scene.relays.push((node, state));
        }
        for (phone, person) in people.iter().enumerate() {
            scene.add_phone(phone, person, messages * calls, faults, rng);
        }
        if faults {
            for _ in 0..rng.within(1..=4) {
                // Mostly between relays, where one connection carries many sessions.
                let nodes = if rng.chance(700) { relays } else { relays + phones };
                let node = rng.index(nodes);
                let at = rng.time(Duration::ZERO..Duration::from_secs(10));
                let fault = random_fault(rng);
                if fault == Fault::RefuseConnect {
                    // For a while.
                    scene.world.fault(PlannedFault {
                        at: at + Duration::from_secs(3),
                        node,
                        connection: 0,
                        fault: Fault::AcceptConnect,
                    });
                }
                scene.world.fault(PlannedFault {
                    at,
                    node,
                    connection: rng.index(6),
                    fault,
                });
            }
        }
        if rng.chance(300) {
            // One hop is much slower than the others.
            let slow = Link {
                latency: link.latency + Duration::from_millis(200),
                rate: Some(200_000),
                ..link
            };
            let hop = rng.index(relays - 1);
            scene
                .world
                .link(scene.relays[hop].0, scene.relays[hop + 1].0, slow);
        }
        scene
    }
}
