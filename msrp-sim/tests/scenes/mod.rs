//! What a seed makes of a world with relays.

mod chains;

use std::{cell::Cell, rc::Rc, time::Duration};

use bytes::Bytes;
use msrp_core::{
    codec::Framing,
    connection::ConnectionConfig,
    grammar::{FailureReport, Scheme, Uri},
    node::{ListenerId, Target},
};
use msrp_relay::{
    MemoryAuthStore, Relay, RelayConfig, SlowReceiver,
    policy::{AuthRequest, DeferredAuthStore, Grant, Lookup, NextHop, RelayPolicy, RoutePolicy, RouteQuery},
};
use msrp_sim::{
    Adapter, Fault, Link, Listener, PlannedFault, Rng, World,
    roles::{
        Account, CallSide, Deed, Measure, Operator, Phone, PhoneState, Reception, RelayState, Rogue, Siege,
        Switchboard, Utterance,
    },
};
use msrp_ua::{Receive, Role, UserAgent, UserAgentConfig};

/// What goes wrong in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing.
    Smooth,
    /// The network, and some users, fail.
    Faults,
    /// Some peers keep no rule.
    Hostile,
}

/// A world with what is watched in it.
pub(crate) struct Scene {
    pub(crate) world: World,
    relays: Vec<(usize, Rc<Cell<RelayState>>)>,
    phones: Vec<(usize, Rc<Cell<PhoneState>>)>,
    board: Switchboard,
    /// Nothing is going to fail.
    smooth: bool,
}

/// Answers later.
struct Thinks;

impl RoutePolicy for Thinks {
    fn next_hop(&mut self, _: &RouteQuery<'_>) -> Lookup<NextHop> {
        Lookup::Pending
    }
}

impl RelayPolicy for Thinks {
    fn authorize(&mut self, _: &AuthRequest<'_>) -> Lookup<Grant> {
        Lookup::Pending
    }
}

/// Bounds of connections, and what follows from them for one connection that carries `messages` messages.
fn connection_config(rng: &mut Rng, messages: usize) -> (ConnectionConfig, usize) {
    let send_high = rng.pick(&[16 * 1024, 100_000, 1024 * 1024]);
    let rx_limit = rng.pick(&[32 * 1024, 256 * 1024]);
    let config = ConnectionConfig::new()
        .send_high(send_high)
        .control_high(16 * 1024)
        .rx_limit(rx_limit)
        .lane_watermarks(rng.pick(&[4096, 60_000, 256 * 1024]), rng.pick(&[1000, 30_000]))
        .max_chunk(rng.pick(&[None, None, None, Some(2048), Some(10_000)]));
    // What the documentation of `ConnectionConfig` says, with slices and blocks of 64 KiB.
    let slice = 64 * 1024;
    let bound = rx_limit + slice + send_high + 16 * 1024 + messages * slice;
    (config, bound)
}

/// How many octets a second a link carries at least.
fn throughput(link: &Link) -> f64 {
    let round = (link.latency + link.jitter).as_secs_f64() * 2.0 + 0.005;
    let window = link.recv_window.min(link.send_buffer) as f64 / round;
    let read = (*link.read.start() + *link.read.end()) as f64 / 2.0 / (link.read_pause.as_secs_f64() + 0.001);
    window
        .min(read)
        .min(link.rate.map_or(f64::INFINITY, |rate| rate as f64))
}

/// How a phone is reached, and by whom.
#[derive(Clone)]
struct Inhabitant {
    relay: Option<usize>,
    tls: bool,
    victim: bool,
    deeds: Vec<(Duration, Deed)>,
}

fn relay_host(relay: usize) -> String {
    format!("relay{relay}.example.com")
}

fn relay_uri(relay: usize, tls: bool) -> String {
    let host = relay_host(relay);
    if tls {
        format!("msrps://{host}:2855")
    } else {
        format!("msrp://{host}:2856")
    }
}

fn user(phone: usize) -> String {
    format!("user{phone}")
}

fn random_fault(rng: &mut Rng) -> Fault {
    match rng.below(9) {
        0 | 1 => Fault::Reset,
        2 => Fault::HalfClose,
        3 => Fault::Stall(rng.time(Duration::from_millis(10)..Duration::from_secs(100))),
        4 => Fault::DropAfter(rng.size(1..=100_000) as u64),
        5 => Fault::SplitEvery(rng.size(20..=1000)),
        6 => Fault::SlowReader(rng.time(Duration::from_millis(1)..Duration::from_millis(50))),
        7 => Fault::RefuseConnect,
        _ => Fault::AcceptConnect,
    }
}

/// The relays' ways with slow receivers; with the last two no session waits for another.
fn slow_receiver(rng: &mut Rng, total: usize) -> SlowReceiver {
    let max = total + 100_000;
    match rng.below(3) {
        0 => SlowReceiver::Pause,
        1 => SlowReceiver::Auto {
            max,
            patience: Duration::from_secs(2),
        },
        _ => SlowReceiver::Buffer { max },
    }
}

impl Scene {
    /// What a seed makes.
    pub(crate) fn new(seed: u64, stage: Stage) -> Self {
        let mut world = World::new(seed);
        let rng = &mut world.rng().fork();
        let link = Link::random(rng);
        let relays = if rng.chance(300) { 2 } else { 1 };
        let phones = rng.within(2..=5) as usize;
        let calls = rng.within(1..=6) as usize;
        // What arrives in some seconds, and in few enough pieces for a test.
        let most = (throughput(&link) * 6.0).min(*link.segment.end() as f64 * 6_000.0);
        let most = (most as usize).clamp(2_000, 1_500_000);
        let total = rng.within(most as u64 / 4..=most as u64) as usize;
        let messages = rng.within(1..=12) as usize;
        let slow = slow_receiver(rng, total);
        let faults = stage == Stage::Faults || (stage == Stage::Hostile && rng.chance(300));
        let smooth = !faults;
        world.rules().name = match stage {
            Stage::Smooth => "relay",
            Stage::Faults => "relay-faults",
            Stage::Hostile => "relay-hostile",
        };
        world.rules().losses = faults;
        // A user agent gives its lane the next slice when there is room, which a slow network may keep it waiting for.
        world.rules().stalls = true;
        world.usual_link(link);
        world.rules().all_is_read = smooth && stage == Stage::Smooth;

        // Who has no relay connects to what the peer's path says, so that it can promise no more than everybody else.
        let (mixed, all_tls) = (rng.chance(500), rng.chance(500));
        let mut people: Vec<Inhabitant> = (0..phones)
            .map(|_| {
                let relay = (!rng.chance(250)).then(|| rng.index(relays));
                let tls = if mixed {
                    relay.is_some() && rng.chance(500)
                } else {
                    all_tls
                };
                Inhabitant {
                    relay,
                    tls,
                    victim: faults && rng.chance(400),
                    deeds: Vec::new(),
                }
            })
            .collect();
        if faults && !people.iter().any(|person| person.victim) {
            people[rng.index(phones)].victim = true;
        }
        let relay_fails = faults && rng.chance(200);
        let pairs: Vec<(usize, usize)> = (0..calls)
            .map(|_| {
                let a = rng.index(phones);
                (a, (a + 1 + rng.index(phones - 1)) % phones)
            })
            .collect();
        let hurt = |phone: usize| {
            people[phone].victim
                || pairs
                    .iter()
                    .any(|&(a, b)| (a == phone && people[b].victim) || (b == phone && people[a].victim))
        };
        let crosses = |(a, b): (usize, usize)| match (people[a].relay, people[b].relay) {
            (Some(a), Some(b)) => a != b,
            _ => false,
        };
        let buffers = matches!(slow, SlowReceiver::Buffer { .. });
        let trunk_hurt = !buffers
            && pairs
                .iter()
                .any(|&(a, b)| crosses((a, b)) && (people[a].victim || people[b].victim));
        let safe: Vec<bool> = pairs
            .iter()
            .map(|&(a, b)| !(relay_fails || hurt(a) || hurt(b) || crosses((a, b)) && trunk_hurt))
            .collect();

        for (call, &(a, b)) in pairs.iter().enumerate() {
            let mut at = [Duration::ZERO; 2];
            for (side, phone) in [a, b].into_iter().enumerate() {
                let tls = people[phone].tls;
                let accounts = people[phone].relay.map(|relay| Account {
                    relay: Uri::parse(Bytes::from(format!("{};tcp", relay_uri(relay, tls)))).expect("a URI"),
                    user: user(phone),
                    password: Operator::password(&user(phone)),
                });
                let receive = rng.pick(&[Receive::Whole, Receive::Whole, Receive::Stream, Receive::Ask]);
                let max_size = if faults && !safe[call] && rng.chance(100) {
                    rng.size(1..=100_000) as u64
                } else {
                    1024 * 1024
                };
                at[side] = rng.time(Duration::ZERO..Duration::from_secs(2));
                let deed = CallSide {
                    call,
                    side,
                    role: if side == 0 { Role::Active } else { Role::Passive },
                    accounts: accounts.into_iter().collect(),
                    receive,
                    max_size,
                };
                people[phone].deeds.push((at[side], Deed::Call(deed)));
            }
        }
        for _ in 0..messages {
            let call = rng.index(calls);
            let (a, b) = pairs[call];
            let from = if rng.chance(500) { a } else { b };
            let said = Utterance {
                call,
                // Mostly a chat, at times a picture.
                size: if rng.chance(300) {
                    rng.index(total / 2)
                } else {
                    rng.size(0..=total / 8)
                },
                success: rng.chance(500),
                failure: rng.pick(&[
                    FailureReport::Yes,
                    FailureReport::Yes,
                    FailureReport::Yes,
                    FailureReport::Partial,
                    FailureReport::No,
                ]),
                must_arrive: safe[call],
                cancel_after: (!safe[call] && rng.chance(80))
                    .then(|| rng.time(Duration::ZERO..Duration::from_secs(2))),
            };
            let at = rng.time(Duration::from_secs(2)..Duration::from_secs(8));
            people[from].deeds.push((at, Deed::Say(said)));
        }
        if faults {
            for (call, &(a, b)) in pairs.iter().enumerate() {
                if !safe[call] && rng.chance(100) {
                    let at = rng.time(Duration::from_secs(1)..Duration::from_secs(12));
                    let phone = if rng.chance(500) { a } else { b };
                    people[phone].deeds.push((at, Deed::HangUp(call)));
                }
            }
            for person in people.iter_mut().filter(|person| person.victim) {
                if rng.chance(100) {
                    let at = rng.time(Duration::from_secs(1)..Duration::from_secs(12));
                    person.deeds.push((at, Deed::ShutDown));
                }
            }
        }

        let mut scene = Self {
            world,
            relays: Vec::new(),
            phones: Vec::new(),
            board: Switchboard::new(),
            smooth,
        };
        for relay in 0..relays {
            let mut measures = Vec::new();
            if relay_fails && rng.chance(400) {
                let at = rng.time(Duration::ZERO..Duration::from_secs(10));
                let measure = match rng.below(4) {
                    0 => Measure::Drain,
                    1 => Measure::Shutdown,
                    _ => Measure::Revoke(user(rng.index(phones))),
                };
                measures.push((at, measure));
            }
            scene.add_relay(relay, phones, messages, total, slow, measures, rng);
        }
        for (phone, person) in people.iter().enumerate() {
            scene.add_phone(phone, person, messages, faults, rng);
        }
        if faults {
            for _ in 0..rng.within(1..=4) {
                let victims: Vec<usize> = (0..phones).filter(|&phone| people[phone].victim).collect();
                let node = if relay_fails && rng.chance(400) {
                    rng.index(relays)
                } else {
                    relays + rng.pick(&victims)
                };
                let at = rng.time(Duration::ZERO..Duration::from_secs(10));
                scene.world.fault(PlannedFault {
                    at,
                    node,
                    connection: rng.index(4),
                    fault: random_fault(rng),
                });
            }
        }
        if stage == Stage::Hostile {
            for number in 0..rng.within(1..=2) {
                let relay = rng.index(relays);
                let tls = rng.chance(700);
                let sieges: Vec<_> = (0..rng.within(1..=4))
                    .map(|_| {
                        let at = rng.time(Duration::ZERO..Duration::from_secs(8));
                        (at, rng.pick(&Siege::ALL))
                    })
                    .collect();
                let (scheme, port) = if tls {
                    (Scheme::Msrps, 2855)
                } else {
                    (Scheme::Msrp, 2856)
                };
                let target = Target::new(scheme, relay_host(relay), Some(port));
                let rogue = Rogue::new(target, &relay_uri(relay, tls), &sieges, rng);
                let node = scene.world.endpoint(&format!("rogue{number}"), rogue);
                scene.world.rules().rogues.push(node);
            }
        }
        scene
    }

    #[allow(clippy::too_many_arguments, reason = "all that the seed has decided")]
    fn add_relay(
        &mut self,
        relay: usize,
        phones: usize,
        messages: usize,
        total: usize,
        slow: SlowReceiver,
        measures: Vec<(Duration, Measure)>,
        rng: &mut Rng,
    ) {
        let host = relay_host(relay);
        let users: Vec<String> = (0..phones).map(user).collect();
        let (connection, bound) = connection_config(rng, messages);
        let mut config = RelayConfig::new(&host)
            .listener(ListenerId(0), Scheme::Msrps, 2855)
            .listener(ListenerId(1), Scheme::Msrp, 2856)
            .allow_plain_auth(true)
            .offer_sha256(rng.chance(200))
            .connection(connection)
            .slow_receiver(slow);
        config = if rng.chance(300) {
            config.auth_store(DeferredAuthStore)
        } else {
            let store = users.iter().fold(MemoryAuthStore::new(), |store, user| {
                store.with_password(user, &host, &Operator::password(user))
            });
            config.auth_store(store)
        };
        if rng.chance(200) {
            config = config.route_policy(Thinks);
        }
        if rng.chance(200) {
            config = config.policy(Thinks);
        }
        // Besides its connections: what is kept for slow receivers and for next hops, and what is known of open chunks.
        let besides = 2 * (total + 100_000) + 512 * (total / 1024 + 16 * messages + 64);
        if !measures.is_empty() && rng.chance(500) {
            config = config.max_memory(64 * 1024).max_open_messages(2);
        }
        let silence = if measures.is_empty() { 0 } else { 200 };
        let operator = Operator::new(users, (bound, besides))
            .with_measures(measures)
            .with_silence(silence);
        let state = operator.state();
        let node = Relay::new(self.world.start_time(), config, rng.seed()).expect("a sound configuration");
        let node = self.world.relay(&host, Adapter::new(node, operator));
        for (id, tls, port) in [(0, true, 2855), (1, false, 2856)] {
            let listener = Listener {
                node,
                id: ListenerId(id),
                tls,
                framing: Framing::Stream,
            };
            self.world.listen(&host, port, listener);
        }
        self.relays.push((node, state));
    }

    fn add_phone(&mut self, phone: usize, person: &Inhabitant, messages: usize, faults: bool, rng: &mut Rng) {
        let host = format!("phone{phone}.example.com");
        let (connection, bound) = connection_config(rng, messages);
        let config = UserAgentConfig::new(&host, 7777, person.tls)
            .allow_plain_auth(true)
            .connection(connection)
            .max_events(rng.pick(&[16, 64, 1024]));
        let agent = UserAgent::new(self.world.start_time(), config, rng.seed());
        let reception = Reception {
            rejects: if faults && person.victim { 200 } else { 0 },
            think: Duration::from_millis(rng.within(1..=3_000)),
        };
        let user = Phone::new(
            self.board.clone(),
            person.deeds.clone(),
            reception,
            (bound, 0),
            rng,
        );
        let state = user.state();
        let node = self.world.endpoint(&host, Adapter::new(agent, user));
        let listener = Listener {
            node,
            id: ListenerId(0),
            tls: person.tls,
            framing: Framing::Stream,
        };
        self.world.listen(&host, 7777, listener);
        self.phones.push((node, state));
    }

    /// Where nothing fails, nobody must have heard of a failure.
    pub(crate) fn tell_smooth(&self) {
        if self.smooth {
            for what in [
                "failed",
                "session lost",
                "unknown",
                "registration lost",
                "aborted",
            ] {
                let times = self.world.ledger().counted(what);
                if times > 0 && std::env::var_os("MSRP_LIST").is_some() {
                    eprintln!("{}", msrp_sim::checker::listing(self.world.trace()));
                }
                assert_eq!(times, 0, "{what} though nothing fails here");
            }
        }
    }

    /// All calls end.
    pub(crate) fn hang_up_all(&mut self) {
        let at = self.world.elapsed() + Duration::from_secs(1);
        for (node, _) in &self.phones {
            self.world.wake_at(at, *node, Phone::HANG_UP_ALL);
        }
    }

    /// Nothing more will happen: each phone says what it still misses.
    pub(crate) fn settle(&mut self) {
        let at = self.world.elapsed() + Duration::from_secs(1);
        for (node, _) in &self.phones {
            self.world.wake_at(at, *node, Phone::SETTLE);
        }
        self.world.run_until(at);
    }

    /// Nothing may be left, and no bound may have been broken.
    pub(crate) fn check_rest(&self) {
        for (node, state) in &self.relays {
            let state = state.get();
            let rest = (
                state.connections,
                state.bindings,
                state.open_transactions,
                state.open_lookups,
                state.memory,
            );
            assert_eq!(rest, (0, 0, 0, 0, 0), "left in relay {node}");
            assert!(state.excess <= 0, "relay {node}: {state:?}");
        }
        for (node, state) in &self.phones {
            let state = state.get();
            let rest = (state.sessions, state.connections, state.outgoing, state.incoming);
            assert_eq!(rest, (0, 0, 0, 0), "left in phone {node}");
            assert!(state.excess <= 0, "phone {node}: {state:?}");
        }
    }
}
