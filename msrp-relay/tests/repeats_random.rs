//! Random traffic, much of which says what was said before, to two relays: one is given all that comes at once, by which
//! messages take the short way (`repeats.rs`), the other octet by octet, where none ever does. Both have to write the same
//! octets to everybody, and to count the same.
//!
//! A seed replays exactly: `MSRP_SEEDS=17..18 cargo test -p msrp-relay --test repeats_random`.

#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

mod harness;

use std::time::{Duration, Instant};

use harness::*;
use msrp_core::{
    connection::ConnectionConfig,
    grammar::StatusCode,
    node::{ConnectFailure, ConnectionHandle},
};
use msrp_relay::{
    RelayCommand, RelayConfig, SlowReceiver, UserLimits,
    policy::{ForwardQuery, RelayPolicy, Verdict},
};

const FAR: &str = "msrps://far.example.net:9000/iau39;tcp";
const FARTHER: &str = "msrps://farther.example.net:9000/b2i4f;tcp";
const STRANGER: &str = "msrps://stranger.example.org:9000/kj3ei;tcp";

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// What a connection of somebody is, the same in both relays.
#[derive(Clone, Debug)]
struct Person {
    handle: ConnectionHandle,
    /// The URI that he has of the relay; none, if he has come to see somebody else.
    own: Option<String>,
    /// How he names himself.
    uri: &'static str,
    /// What he said last, from To-Path to Content-Type, but for what differs from message to message.
    habit: Option<Habit>,
}

#[derive(Clone, Debug)]
struct Habit {
    to: String,
    from: String,
    more: &'static str,
    content_type: &'static str,
}

/// Refuses long messages: by something in which those that are alike differ.
struct OnlyShort;

impl RelayPolicy for OnlyShort {
    fn inspects_requests(&self) -> bool {
        true
    }

    fn forward(&mut self, query: &ForwardQuery<'_>) -> Verdict {
        match query.total {
            Some(total) if total > 200 => Verdict::Reject(StatusCode::FORBIDDEN),
            _ => Verdict::Allow,
        }
    }
}

fn config(dice: &mut Dice) -> RelayConfig {
    let config = harness::config().expires(60, 120, 300);
    match dice.below(10) {
        7 => config.policy(OnlyShort),
        0 => config.hide_topology(true),
        1 => config.connection(ConnectionConfig::new().max_transactions(3)),
        2 => config.user_limits(UserLimits::new().chunks(5).burst(Duration::from_secs(1))),
        3 => config.user_limits(UserLimits::new().sessions(50)),
        4 => config.slow_receiver(SlowReceiver::Pause),
        5 => config.slow_receiver(SlowReceiver::Buffer { max: 4_000 }),
        6 => config.max_open_messages(1),
        _ => config,
    }
}

/// Two relays that are told the same.
struct Twins {
    at_once: World,
    bit_by_bit: World,
    /// Somebody does not take all that is written to him.
    held_up: bool,
    seed: u64,
    /// What was done last.
    story: Vec<String>,
}

impl Twins {
    fn both<T: PartialEq + std::fmt::Debug>(&mut self, mut what: impl FnMut(&mut World) -> T) -> T {
        let one = what(&mut self.at_once);
        let other = what(&mut self.bit_by_bit);
        if one != other {
            let story = &self.story[self.story.len().saturating_sub(12)..];
            panic!(
                "seed {}, after\n{}\n\n{one:.4000?}\n\n{other:.4000?}",
                self.seed,
                story.join("\n")
            );
        }
        one
    }

    fn feed(&mut self, handle: ConnectionHandle, octets: &[u8]) {
        if self.at_once.closed(handle) {
            return;
        }
        self.at_once.feed(handle, octets);
        for octet in octets.chunks(1) {
            if !self.bit_by_bit.closed(handle) {
                self.bit_by_bit.feed(handle, octet);
            }
        }
    }

    fn handles(&self) -> Vec<ConnectionHandle> {
        self.at_once.sockets.keys().copied().collect()
    }

    /// What was written to everybody, where nobody is held up.
    fn look(&mut self) -> Vec<(ConnectionHandle, Vec<Frame>)> {
        if self.held_up {
            return Vec::new();
        }
        let mut seen = Vec::new();
        for handle in self.handles() {
            let octets = self.both(|world| String::from_utf8_lossy(&world.octets(handle)).into_owned());
            seen.push((handle, split(octets.as_bytes())));
        }
        self.compare();
        seen
    }

    /// Everybody takes everything again. What was written to everybody; answers may pass requests that wait.
    fn release(&mut self) -> Vec<(ConnectionHandle, Vec<Frame>)> {
        self.held_up = false;
        for handle in self.handles() {
            self.both(|world| world.set_room(handle, None));
        }
        let mut seen = Vec::new();
        for handle in self.handles() {
            seen.push((
                handle,
                self.both(|world| {
                    if world.closed(handle) {
                        // It has ended in the middle of something.
                        world.octets(handle);
                        return Vec::new();
                    }
                    let mut frames = world.frames(handle);
                    frames.sort_by_key(|frame| frame.start_code() == 0);
                    frames
                }),
            ));
        }
        self.compare();
        seen
    }

    fn compare(&mut self) {
        self.both(|world| {
            let closed: Vec<_> = world.sockets.values().map(|socket| socket.closed).collect();
            // What waits in between depends on the pieces.
            let mut stats = *world.relay.stats();
            stats.waiting = Default::default();
            let (open, connects) = (world.relay.open_transactions(), world.connects.len());
            format!("{open} open, {connects} called, {stats:?}, {closed:?}")
        });
    }
}

struct Script {
    twins: Twins,
    dice: Dice,
    people: Vec<Person>,
    /// SENDs that nobody has answered yet, and who has got them.
    unanswered: Vec<(ConnectionHandle, Frame)>,
    /// Message-IDs of those that were not answered with 200.
    failed: Vec<String>,
    count: u32,
    /// Nobody new is let in.
    ending: bool,
}

impl Script {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let config_seed = dice.below(1 << 30) as u64;
        let now = Instant::now();
        let world = || World::begun_at(now, config(&mut Dice(config_seed)));
        let twins = Twins {
            at_once: world(),
            bit_by_bit: world(),
            held_up: false,
            seed,
            story: Vec::new(),
        };
        let mut script = Self {
            twins,
            dice,
            people: Vec::new(),
            unanswered: Vec::new(),
            failed: Vec::new(),
            count: 0,
            ending: false,
        };
        for user in ["alice", "bob"] {
            script.join(user);
        }
        script
    }

    fn tell(&mut self, what: impl Into<String>) {
        let mut what = what.into();
        what.truncate(2_000);
        self.twins.story.push(what);
    }

    /// A client comes, with a URI of the relay.
    fn join(&mut self, user: &str) {
        let (password, uri) = match user {
            "alice" => ("secret", ALICE),
            _ => ("hidden", BOB),
        };
        self.tell(format!("{user} comes"));
        let handle = self.twins.both(|world| world.accept(tls()));
        let frame = self
            .twins
            .both(|world| world.try_auth(handle, user, password, ""));
        self.people.push(Person {
            handle,
            own: frame.header("Use-Path").map(str::to_owned),
            uri,
            habit: None,
        });
    }

    fn visit(&mut self) {
        self.tell("a stranger comes");
        let handle = self.twins.both(|world| world.accept(tls()));
        self.people.push(Person {
            handle,
            own: None,
            uri: STRANGER,
            habit: None,
        });
    }

    fn habit(&mut self, from: usize) -> Option<Habit> {
        let person = self.people[from].clone();
        let other = self.people[self.dice.below(self.people.len())].clone();
        let to = match (&person.own, &other.own) {
            _ if self.dice.one_in(12) => format!("msrps://relay.example.com:2855/guessed;tcp {}", other.uri),
            (Some(own), _) if self.dice.one_in(4) => {
                format!("{own} {}", self.dice.of(&[FAR, FARTHER, STRANGER]))
            }
            // To himself the order of answers and requests is open.
            (Some(own), Some(theirs)) if other.handle != person.handle => {
                format!("{own} {theirs} {}", other.uri)
            }
            (None, Some(theirs)) => format!("{theirs} {}", other.uri),
            _ => return None,
        };
        Some(Habit {
            to,
            from: if self.dice.one_in(10) { FAR } else { person.uri }.to_owned(),
            more: self.dice.of(&[
                "",
                "",
                "",
                "Failure-Report: no\r\n",
                "Failure-Report: partial\r\n",
                "Success-Report: yes\r\n",
                "X-Extra: kept\r\n",
            ]),
            content_type: self.dice.of(&["text/plain", "text/plain", "message/cpim"]),
        })
    }

    /// Something that a person says, and often said before.
    fn message(&mut self, from: usize) -> String {
        let kept = self.people[from].habit.clone().filter(|_| !self.dice.one_in(6));
        let Some(habit) = kept.or_else(|| self.habit(from)) else {
            return String::new();
        };
        self.people[from].habit = Some(habit.clone());
        self.count += 1;
        let id = format!("t{:0width$}", self.count, width = 3 + self.dice.below(28));
        // Now and then more of a message that has failed, or of the one before.
        let message_id = match self.dice.below(16) {
            0 if self.count > 1 => format!("m{:05}", self.count - 1),
            1..=3 if !self.failed.is_empty() => self.failed[self.dice.below(self.failed.len())].clone(),
            _ => format!("m{:05}", self.count),
        };
        let body = match self.dice.below(12) {
            0 => "\r\n-----".to_owned(),
            1 => "-------".to_owned(),
            2 => format!("\r\n-------{id}x"),
            3 => "y".repeat(2_047),
            4 => String::new(),
            _ => "z".repeat(1 + self.dice.below(300)),
        };
        let len = body.len();
        let (range, flag) = match self.dice.below(24) {
            0 => (format!("1-{len}/*"), '$'),
            1 => (format!("1-{len}/{}", len + 4), '+'),
            2 => (format!("5-{}/{}", len + 4, len + 4), '$'),
            3 => (format!("1-{len}/{len}"), '#'),
            4 => (format!("01-{len}/0{len}"), '$'),
            5 => (format!("1-{}/{}", len + 1, len + 1), '$'),
            _ => (format!("1-{len}/{len}"), '$'),
        };
        let Habit {
            to,
            from,
            more,
            content_type,
        } = habit;
        let text = format!(
            "MSRP {id} SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: {message_id}\r\n{more}Byte-Range: {range}\r\n\
             Content-Type: {content_type}\r\n\r\n{body}\r\n-------{id}{flag}\r\n"
        );
        match self.dice.below(60) {
            0 => text.replace("Byte-Range", "byte-range"),
            1 => text.replace("Message-ID: ", "Message-ID:  "),
            2 => text.replace(" SEND", " NICKNAME"),
            3 => text.replacen(&id, "no", 1),
            4 => text.replace(&format!("Message-ID: {message_id}\r\n"), ""),
            5 => text.replace(":2855", ""),
            6 => text.replacen("tcp", "TCP", 1),
            _ => text,
        }
    }

    fn say(&mut self) {
        let from = self.dice.below(self.people.len());
        let octets: String = (0..1 + self.dice.below(6)).map(|_| self.message(from)).collect();
        let handle = self.people[from].handle;
        self.tell(format!("{handle:?} says {octets}"));
        self.twins.feed(handle, octets.as_bytes());
    }

    /// Somebody answers some of what he has got, and reports on it.
    fn answer(&mut self) {
        let many = self.unanswered.len();
        let taken = if self.dice.one_in(3) {
            many
        } else {
            many.min(1 + self.dice.below(3))
        };
        let frames: Vec<_> = self.unanswered.drain(..taken).collect();
        let (status, silent) = match self.dice.below(8) {
            0 => ("413 Enough", false),
            1 => ("200 Fine", false),
            2 => ("481 Gone", false),
            3 => ("", true),
            _ => ("200 OK", false),
        };
        if silent {
            return;
        }
        let reports = self.dice.one_in(4);
        for (handle, frame) in frames {
            let (to, from) = (frame.back_path().to_owned(), frame.to_path().to_owned());
            let (back, own) = (first(&to), first(&from));
            let id = &frame.id;
            if !status.starts_with("200") {
                self.failed.extend(frame.header("Message-ID").map(str::to_owned));
            }
            let mut octets =
                format!("MSRP {id} {status}\r\nTo-Path: {back}\r\nFrom-Path: {own}\r\n-------{id}$\r\n");
            if reports && let Some(message_id) = frame.header("Message-ID") {
                self.count += 1;
                let id = format!("r{:05}", self.count);
                let range = frame.header("Byte-Range").unwrap_or("1-1/1");
                octets += &format!(
                    "MSRP {id} REPORT\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: {message_id}\r\n\
                     Byte-Range: {range}\r\nStatus: 000 200 OK\r\n-------{id}$\r\n"
                );
            }
            self.tell(format!("{handle:?} answers {octets}"));
            self.twins.feed(handle, octets.as_bytes());
        }
    }

    /// Who is called is there, or is not.
    fn connect(&mut self) {
        if self.twins.at_once.connects.is_empty() || self.twins.bit_by_bit.connects.is_empty() {
            return;
        }
        let host = self.twins.both(|world| world.connects[0].1.host.clone());
        let uri = if host.starts_with("far.") { FAR } else { FARTHER };
        let outcome = match self.dice.below(3) {
            0 => Err(ConnectFailure::Refused),
            _ => Ok(certified(&[&host])),
        };
        self.tell(format!("{host}: {}", outcome.is_ok()));
        let handle = self.twins.both(|world| {
            world.connect(match &outcome {
                Ok(peer) => Ok(peer.clone()),
                Err(failure) => Err(failure.clone()),
            })
        });
        if let Some(handle) = handle {
            self.people.push(Person {
                handle,
                own: None,
                uri,
                habit: None,
            });
        }
    }

    fn command(&mut self, command: impl Fn() -> RelayCommand) {
        // There may be nobody any more whom it is about.
        let _done = self.twins.both(|world| world.command(command()));
    }

    fn leave(&mut self) {
        let at = self.dice.below(self.people.len());
        let handle = self.people[at].handle;
        if !self.twins.at_once.closed(handle) {
            let how = self.dice.below(3);
            self.tell(format!("{handle:?} goes, {how}"));
            match how {
                0 => self.twins.both(|world| world.reset(handle)),
                1 => self.twins.both(|world| world.eof(handle)),
                _ => self.command(|| RelayCommand::EndConnection(handle)),
            }
        }
    }

    /// Somebody takes only so much, for a while.
    fn hold_up(&mut self) {
        let handle = self.people[self.dice.below(self.people.len())].handle;
        let room = self.dice.below(3_000);
        self.tell(format!("{handle:?} takes {room} octets"));
        self.twins.held_up = true;
        self.twins.both(|world| world.set_room(handle, Some(room)));
    }

    /// One thing happens; whether there is anybody to go on with.
    fn step(&mut self) -> bool {
        let mut seen = Vec::new();
        match self.dice.below(42) {
            0 if !self.ending => self.visit(),
            1 if !self.ending => self.join("alice"),
            2 if !self.ending => self.join("bob"),
            3 => self.leave(),
            4 | 5 => self.connect(),
            40 | 41 if self.twins.held_up => {
                self.tell("all take all");
                seen = self.twins.release();
            }
            40 if self.dice.one_in(2) => self.hold_up(),
            6 => {
                let time = Duration::from_millis([10, 1_000, 31_000, 130_000][self.dice.below(4)]);
                self.tell(format!("{time:?} pass"));
                self.twins.both(|world| world.advance(time));
            }
            7 if self.dice.one_in(20) => {
                self.tell("it ends");
                self.ending = true;
                self.command(|| RelayCommand::Settle);
            }
            8 => {
                self.tell("alice is revoked");
                self.command(|| RelayCommand::RevokeUser("alice".to_owned()));
            }
            9..=18 => self.answer(),
            _ => self.say(),
        }
        seen.extend(self.twins.look());
        for (handle, frames) in seen {
            let sends = frames.into_iter().filter(|frame| frame.start == "SEND");
            self.unanswered.extend(sends.map(|frame| (handle, frame)));
        }
        let closed = |handle| self.twins.at_once.closed(handle);
        self.people.retain(|person| !closed(person.handle));
        while self.people.len() < 2 && !self.ending {
            self.join(if self.people.is_empty() { "alice" } else { "bob" });
        }
        self.people.len() > 1
    }
}

fn first(path: &str) -> &str {
    path.split(' ').next().unwrap_or_default()
}

/// The seeds that are played: `MSRP_SEEDS`, or some.
fn seeds() -> std::ops::Range<u64> {
    let given = std::env::var("MSRP_SEEDS").ok().and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    given.unwrap_or(0..150)
}

#[test]
fn the_short_way_and_the_long_one_lead_to_the_same() {
    let mut short = 0;
    for seed in seeds() {
        let mut script = Script::new(seed);
        for _ in 0..100 {
            if !script.step() {
                break;
            }
        }
        short += script.twins.at_once.relay.stats().chunks_whole;
    }
    assert!(short > 0);
}
