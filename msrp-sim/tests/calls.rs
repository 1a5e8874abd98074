//! Calls that go through a relay: it gives the paths, loses connections, and is asked again.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use msrp_core::{
    grammar::Scheme,
    node::{Action, ConnectToken, ConnectionHandle, ListenerId, Node, PeerInfo, Security, Target, TlsPeer},
};
use msrp_relay::{MemoryAuthStore, Relay, RelayConfig};
use msrp_ua::{
    OutgoingMessage, RegistrationLoss, RelayAccount, SessionId, UserAgent, UserAgentConfig, UserAgentEvent,
    call::{
        CallAnswer, CallEnd, FileOffer, FileOutcome, FileReceiver, OutgoingCall, StreamAnswer, StreamOffer,
    },
    message::{FromBytes, MessageSink, SinkError},
    sdp::FileSelector,
    sip::{CallId, SipLoopback, SipParty},
};

const HOSTS: [&str; 3] = ["a.example.com", "b.example.com", "relay.example.com"];

/// A node, whatever it is, as whoever moves its octets sees it.
trait Place {
    fn connected(&mut self, now: Instant, token: ConnectToken, peer: PeerInfo) -> Option<ConnectionHandle>;
    fn accepted(&mut self, now: Instant, peer: PeerInfo) -> Option<ConnectionHandle>;
    fn take(&mut self, now: Instant, handle: ConnectionHandle) -> Option<BytesMut>;
    fn give(&mut self, now: Instant, handle: ConnectionHandle, octets: BytesMut);
    fn takes(&self, handle: ConnectionHandle) -> bool;
    fn end(&mut self, now: Instant, handle: ConnectionHandle);
    fn reset(&mut self, now: Instant, handle: ConnectionHandle);
    fn wake(&mut self, now: Instant);
    fn ready(&mut self) -> Option<ConnectionHandle>;
    fn wish(&mut self) -> Option<Wish>;
    fn due(&self) -> Option<Instant>;
}

enum Wish {
    Connect(ConnectToken, Box<Target>),
    Close(ConnectionHandle),
}

impl<N: Node> Place for N {
    fn connected(&mut self, now: Instant, token: ConnectToken, peer: PeerInfo) -> Option<ConnectionHandle> {
        self.handle_connected(now, token, Ok(peer))
    }

    fn accepted(&mut self, now: Instant, peer: PeerInfo) -> Option<ConnectionHandle> {
        self.handle_accepted(now, peer).ok()
    }

    fn take(&mut self, now: Instant, handle: ConnectionHandle) -> Option<BytesMut> {
        let mut transmit = self.poll_transmit(now, handle, 64 * 1024)?;
        let len = transmit.remaining();
        Some(BytesMut::from(&transmit.copy_to_bytes(len)[..]))
    }

    fn give(&mut self, now: Instant, handle: ConnectionHandle, octets: BytesMut) {
        self.handle_read(now, handle, octets);
    }

    fn takes(&self, handle: ConnectionHandle) -> bool {
        self.wants_read(handle)
    }

    fn end(&mut self, now: Instant, handle: ConnectionHandle) {
        self.handle_eof(now, handle);
    }

    fn reset(&mut self, now: Instant, handle: ConnectionHandle) {
        self.handle_reset(now, handle);
    }

    fn wake(&mut self, now: Instant) {
        self.handle_timeout(now);
    }

    fn ready(&mut self) -> Option<ConnectionHandle> {
        self.poll_ready()
    }

    fn wish(&mut self) -> Option<Wish> {
        loop {
            match self.poll_action()? {
                Action::Connect { token, target } => return Some(Wish::Connect(token, Box::new(target))),
                Action::Close { connection } => return Some(Wish::Close(connection)),
                _ => {}
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }
}

type End = (usize, ConnectionHandle);

struct World {
    now: Instant,
    a: UserAgent,
    b: UserAgent,
    relay: Relay,
    sip: SipLoopback,
    wires: BTreeMap<End, End>,
    ready: BTreeSet<End>,
    heard: [Vec<UserAgentEvent>; 2],
}

fn tls(listener: bool) -> PeerInfo {
    let peer = PeerInfo::new()
        .with_remote("192.0.2.7:40000".parse().unwrap())
        .with_security(Security::Tls(Arc::new(TlsPeer::default())));
    if listener {
        peer.with_listener(ListenerId(0))
    } else {
        peer
    }
}

fn account(user: &str, password: &str) -> Vec<RelayAccount> {
    let relay = "msrps://relay.example.com:2855;tcp".parse().unwrap();
    vec![RelayAccount::new(relay, user, password)]
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let users = MemoryAuthStore::new()
            .with_password("alice", HOSTS[2], "secret")
            .with_password("bob", HOSTS[2], "hidden");
        let config = RelayConfig::new(HOSTS[2])
            .listener(ListenerId(0), Scheme::Msrps, 2855)
            .auth_store(users);
        let agent =
            |n: usize| UserAgent::new(now, UserAgentConfig::new(HOSTS[n], 2855, true), [n as u8 + 1; 32]);
        Self {
            now,
            a: agent(0),
            b: agent(1),
            relay: Relay::new(now, config, [7; 32]).unwrap(),
            sip: SipLoopback::new(),
            wires: BTreeMap::new(),
            ready: BTreeSet::new(),
            heard: Default::default(),
        }
    }

    fn place(&mut self, n: usize) -> &mut dyn Place {
        match n {
            0 => &mut self.a,
            1 => &mut self.b,
            _ => &mut self.relay,
        }
    }

    fn run(&mut self) {
        loop {
            let mut moved = false;
            for n in 0..3 {
                let now = self.now;
                self.place(n).wake(now);
                moved |= self.step(n);
            }
            for n in 0..2 {
                let agent = if n == 0 { &mut self.a } else { &mut self.b };
                while let Some(event) = agent.poll_event() {
                    moved = true;
                    match event {
                        UserAgentEvent::Sip(action) => self.sip.perform(self.now, n, *action),
                        event => self.heard[n].push(event),
                    }
                }
                while let Some(input) = self.sip.next(self.now, n) {
                    moved = true;
                    agent.handle_sip(self.now, input);
                }
            }
            while self.relay.poll_event().is_some() {}
            if !moved {
                return;
            }
        }
    }

    fn step(&mut self, n: usize) -> bool {
        let now = self.now;
        let mut moved = false;
        while let Some(handle) = self.place(n).ready() {
            self.ready.insert((n, handle));
            self.ready.extend(self.wires.get(&(n, handle)));
        }
        let mine: Vec<End> = self.ready.iter().copied().filter(|end| end.0 == n).collect();
        for end in mine {
            self.ready.remove(&end);
            let Some(&(other, there)) = self.wires.get(&end) else {
                continue;
            };
            while self.place(other).takes(there)
                && let Some(octets) = self.place(n).take(now, end.1)
            {
                self.place(other).give(now, there, octets);
                moved = true;
            }
        }
        while let Some(wish) = self.place(n).wish() {
            moved = true;
            match wish {
                Wish::Connect(token, target) => {
                    let other = HOSTS.iter().position(|&host| host == target.host).unwrap();
                    let here = self.place(n).connected(now, token, tls(false));
                    if let Some(here) = here
                        && let Some(there) = self.place(other).accepted(now, tls(other == 2))
                    {
                        self.wires.insert((n, here), (other, there));
                        self.wires.insert((other, there), (n, here));
                    }
                }
                Wish::Close(handle) => {
                    if let Some((other, there)) = self.wires.remove(&(n, handle)) {
                        self.wires.remove(&(other, there));
                        self.place(other).end(now, there);
                    }
                }
            }
        }
        moved
    }

    /// Breaks the connections of an endpoint.
    fn cut(&mut self, n: usize) {
        let now = self.now;
        let broken: Vec<(End, End)> = self
            .wires
            .iter()
            .filter(|(end, _)| end.0 == n)
            .map(|(&end, &other)| (end, other))
            .collect();
        for (end, other) in broken {
            self.wires.remove(&end);
            self.wires.remove(&other);
            self.place(end.0).reset(now, end.1);
            self.place(other.0).reset(now, other.1);
        }
        self.run();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.run();
            let next = [
                self.a.due(),
                self.b.due(),
                self.relay.due(),
                self.sip.next_arrival(),
            ];
            match next.into_iter().flatten().min() {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
        }
        self.now = end;
        self.run();
    }

    fn find<T>(&self, n: usize, pick: impl FnMut(&UserAgentEvent) -> Option<T>) -> T {
        let found = self.heard[n].iter().rev().find_map(pick);
        found.unwrap_or_else(|| panic!("not among {:#?}", self.heard[n]))
    }

    fn incoming(&self) -> CallId {
        self.find(1, |event| match event {
            UserAgentEvent::IncomingCall(call) => Some(call.call),
            _ => None,
        })
    }

    fn session(&self, n: usize) -> SessionId {
        self.find(n, |event| match event {
            UserAgentEvent::CallEstablished { streams, .. } => Some(streams[0].session),
            _ => None,
        })
    }

    /// A call in which both go through the relay.
    fn established(&mut self) -> (CallId, CallId) {
        let call = OutgoingCall::new(SipParty::new("sip:bob@b.example.com"))
            .with_relays(account("alice", "secret"))
            .with_stream(StreamOffer::chat());
        let at_a = self.a.call(call).unwrap();
        self.run();
        let at_b = self.incoming();
        self.b
            .answer_call(at_b, CallAnswer::new().with_relays(account("bob", "hidden")))
            .unwrap();
        self.run();
        (at_a, at_b)
    }

    /// Texts in both directions, and the reports on them.
    fn talk(&mut self, text: &str) {
        let (a, b) = (self.session(0), self.session(1));
        let message = || OutgoingMessage::text(text).with_success_report();
        let sent = [
            self.a.send(a, message()).unwrap(),
            self.b.send(b, message()).unwrap(),
        ];
        self.pass(Duration::from_secs(10));
        for (n, key) in sent.into_iter().enumerate() {
            self.find(n, |event| match event {
                UserAgentEvent::Message { body: Some(body), .. } if body == text => Some(()),
                _ => None,
            });
            self.find(n, |event| match event {
                UserAgentEvent::Delivered {
                    message,
                    complete: true,
                    ..
                } if *message == key => Some(()),
                _ => None,
            });
        }
    }

    fn count(&self, n: usize, is: impl Fn(&UserAgentEvent) -> bool) -> usize {
        self.heard[n].iter().filter(|event| is(event)).count()
    }

    fn leaves_nothing(&self) {
        for agent in [&self.a, &self.b] {
            assert_eq!(agent.call_count() + agent.session_count(), 0);
            assert!(format!("{agent:?}").contains("registrations: 0"), "{agent:?}");
        }
    }
}

fn suspended(event: &UserAgentEvent) -> bool {
    matches!(event, UserAgentEvent::SessionSuspended { .. })
}

#[test]
fn a_call_through_a_relay() {
    let mut world = World::new();
    let (at_a, _) = world.established();
    world.talk("hello");
    // The relay's paths are the call's affair.
    for n in 0..2 {
        let told = |event: &UserAgentEvent| matches!(event, UserAgentEvent::Registered { .. });
        assert_eq!(world.count(n, told), 0);
    }
    world.a.end_call(at_a).unwrap();
    world.run();
    world.leaves_nothing();
}

#[test]
fn the_connection_to_the_relay_is_lost() {
    let mut world = World::new();
    let (_, at_b) = world.established();
    world.talk("before");
    for n in [0, 1, 0] {
        world.cut(n);
        assert!(world.count(n, suspended) > 0);
        world.talk("after");
    }
    let lost = |event: &UserAgentEvent| matches!(event, UserAgentEvent::SessionLost { .. });
    assert_eq!(world.count(0, lost) + world.count(1, lost), 0);
    world.b.end_call(at_b).unwrap();
    world.run();
    world.leaves_nothing();
}

#[test]
fn paths_are_renewed_under_a_call() {
    let mut world = World::new();
    let (at_a, _) = world.established();
    for _ in 0..6 {
        world.pass(Duration::from_secs(1_800));
        world.talk("still here");
    }
    assert_eq!(world.count(0, suspended) + world.count(1, suspended), 0);
    world.a.end_call(at_a).unwrap();
    world.run();
    world.leaves_nothing();
}

#[test]
fn a_relay_that_does_not_know_us() {
    let mut world = World::new();
    let call =
        OutgoingCall::new(SipParty::new("sip:bob@b.example.com")).with_relays(account("alice", "wrong"));
    let at_a = world.a.call(call).unwrap();
    world.run();
    let reason = world.find(0, |event| match event {
        UserAgentEvent::CallEnded { call, reason } if *call == at_a => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason, CallEnd::Relay(RegistrationLoss::Credentials));
    assert!(world.heard[1].is_empty());
    world.leaves_nothing();
}

struct Shelf(usize);

impl MessageSink for Shelf {
    fn write(&mut self, _offset: u64, data: &bytes::Bytes) -> Result<(), SinkError> {
        self.0 += data.len();
        Ok(())
    }

    fn complete(&mut self, size: u64) -> Result<(), SinkError> {
        assert_eq!(self.0 as u64, size);
        Ok(())
    }

    fn abort(&mut self) {}
}

#[test]
fn a_file_through_a_relay_is_confirmed_by_its_receiver() {
    let mut world = World::new();
    let (at_a, at_b) = world.established();
    let file = FileOffer::push(FileSelector::default(), FromBytes::new(vec![7; 1_000_000]));
    world.a.offer_file(at_a, file).unwrap();
    world.run();
    let stream = world.find(1, |event| match event {
        UserAgentEvent::StreamsOffered { streams, .. } => Some(streams[0].stream),
        _ => None,
    });
    let answer = CallAnswer::new().with_stream(stream, StreamAnswer::Receive(FileReceiver::new(Shelf(0))));
    world.b.answer_streams(at_b, answer).unwrap();
    world.pass(Duration::from_secs(1));
    let outcome = |n| {
        world.find(n, |event| match event {
            UserAgentEvent::FileEnded { outcome, .. } => Some(outcome.clone()),
            _ => None,
        })
    };
    assert_eq!(outcome(0), FileOutcome::Sent { confirmed: true });
    assert_eq!(outcome(1), FileOutcome::Received { size: 1_000_000 });
    assert_eq!(world.a.session_count() + world.b.session_count(), 2);
    world.talk("and on");
    world.a.end_call(at_a).unwrap();
    world.run();
    world.leaves_nothing();
}
