//! Calls at random, with everything that can go wrong: each ends once, what was acknowledged has come, and nothing stays.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use msrp_core::{node::Node, rng::IdSource};

use super::{
    CallAnswer, CallChange, CallEnd, FileOffer, FileOutcome, FileReceiver, OutgoingCall, ProposalKind,
    StreamAnswer, StreamId,
};
use crate::{
    OutgoingKey, OutgoingMessage, SessionId, UserAgent, UserAgentConfig, UserAgentEvent,
    message::{FromBytes, MessageSink, SinkError},
    sdp::{Direction, FileSelector},
    sip::{CallId, SipFaults, SipLoopback, SipParty, SipReply},
};

struct Nowhere;

impl MessageSink for Nowhere {
    fn write(&mut self, _offset: u64, _data: &Bytes) -> Result<(), SinkError> {
        Ok(())
    }

    fn complete(&mut self, _size: u64) -> Result<(), SinkError> {
        Ok(())
    }

    fn abort(&mut self) {}
}

/// One side, and what a user would know of it.
struct Side {
    agent: UserAgent,
    /// Calls that have been heard of, and how often their end was told.
    calls: BTreeMap<CallId, usize>,
    unanswered: Vec<CallId>,
    asked: Vec<(CallId, Vec<(StreamId, bool)>)>,
    sessions: BTreeMap<SessionId, (CallId, StreamId)>,
    /// Files that wait for their end.
    files: BTreeMap<(CallId, StreamId), usize>,
    /// Texts by their message, and what was told of them.
    sent: BTreeMap<OutgoingKey, (String, bool, bool)>,
    heard: BTreeSet<String>,
    /// What has happened, so that it is known that it does.
    seen: [usize; 5],
}

struct World {
    seed: u64,
    random: IdSource,
    now: Instant,
    sip: SipLoopback,
    sides: [Side; 2],
    texts: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut random = IdSource::from_seed(bytes);
        let side = |host: &str, random: &mut IdSource| Side {
            agent: UserAgent::new(now, UserAgentConfig::new(host, 2855, false), random.fork_seed()),
            calls: BTreeMap::new(),
            unanswered: Vec::new(),
            asked: Vec::new(),
            sessions: BTreeMap::new(),
            files: BTreeMap::new(),
            sent: BTreeMap::new(),
            heard: BTreeSet::new(),
            seen: [0; 5],
        };
        let sides = [
            side("a.example.com", &mut random),
            side("b.example.com", &mut random),
        ];
        let faults = SipFaults {
            delay: Duration::from_millis([0, 0, 50, 600][seed as usize % 4]),
            lost: [0, 0, 0, 30, 200][seed as usize % 5],
        };
        Self {
            seed,
            sip: SipLoopback::with_faults(random.fork_seed(), faults),
            random,
            now,
            sides,
            texts: 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(u16::from_le_bytes(self.random.bytes())) % limit.max(1)
    }

    fn run(&mut self) {
        loop {
            let [a, b] = &mut self.sides;
            self.sip.run(self.now, &mut a.agent, &mut b.agent);
            let mut more = false;
            for side in &mut self.sides {
                while let Some(event) = side.agent.poll_event() {
                    more = true;
                    side.note(event);
                }
            }
            if !more {
                return;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut turns = 0;
        loop {
            self.run();
            let [a, b] = &self.sides;
            let next = [
                a.agent.poll_timeout(),
                b.agent.poll_timeout(),
                self.sip.next_arrival(),
            ];
            match next.into_iter().flatten().min() {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
            turns += 1;
            assert!(turns < 100_000, "seed {}: it never rests", self.seed);
        }
        self.now = end;
        self.run();
    }

    /// Something happens.
    fn act(&mut self) {
        let at = self.below(2);
        let what = self.below(100);
        let pick = self.below(1_000);
        let time = Duration::from_millis(self.below(3_000) as u64);
        self.texts += 1;
        let text = format!("text {}", self.texts);
        let size = self.below(200_000) + 1;
        let side = &mut self.sides[at];
        let session = side
            .sessions
            .iter()
            .nth(pick % side.sessions.len().max(1))
            .map(|(&session, &of)| (session, of));
        let call = session.map(|(_, (call, _))| call);
        match what {
            0..8 if side.calls.len() < 12 => {
                let mut call = OutgoingCall::new(SipParty::new("sip:you@example.com"))
                    .with_setup_timeout(Duration::from_secs(10));
                if pick.is_multiple_of(3) {
                    call = call.with_stream(super::StreamOffer::chat());
                }
                let file = pick.is_multiple_of(4);
                if file {
                    call = call.with_stream(push(size));
                }
                let id = side.agent.call(call).unwrap();
                side.calls.insert(id, 0);
                if file {
                    let stream = StreamId(u16::from(pick.is_multiple_of(3)));
                    side.files.insert((id, stream), 0);
                }
            }
            8..20 => {
                if let Some(call) = side.unanswered.pop() {
                    let _late = match pick % 8 {
                        0 => side.agent.refuse_call(call, SipReply::new(486)),
                        1 => side.agent.ring(call),
                        _ => side.agent.answer_call(call, CallAnswer::new()),
                    };
                }
            }
            20..32 => {
                if let Some((call, streams)) = side.asked.pop() {
                    let mut answer = CallAnswer::new();
                    for (n, (stream, push_to_us)) in streams.into_iter().enumerate() {
                        if (pick + n).is_multiple_of(5) {
                            continue;
                        }
                        let how = if push_to_us {
                            StreamAnswer::Receive(FileReceiver::new(Nowhere))
                        } else {
                            StreamAnswer::Send(Box::new(push(size)))
                        };
                        answer = answer.with_stream(stream, how);
                    }
                    let answered = side.agent.answer_call(call, CallAnswer::new()).is_err();
                    if answered {
                        let _late = side.agent.answer_streams(call, answer);
                    }
                }
            }
            32..60 => {
                if let Some((session, _)) = session {
                    let message = OutgoingMessage::text(text.clone());
                    let message = if pick.is_multiple_of(2) {
                        message.with_success_report()
                    } else {
                        message
                    };
                    if let Ok(key) = side.agent.send(session, message) {
                        side.sent.insert(key, (text, false, false));
                    }
                }
            }
            60..70 => {
                if let Some(call) = call {
                    let file = if pick.is_multiple_of(3) {
                        FileOffer::pull(selector(), FileReceiver::new(Nowhere))
                    } else {
                        push(size)
                    };
                    if let Ok(stream) = side.agent.offer_file(call, file) {
                        side.files.insert((call, stream), 0);
                    }
                }
            }
            70..74 => {
                if let Some((_, (call, stream))) = session {
                    let _may = side.agent.abort_file(call, stream);
                }
            }
            74..77 => {
                if let Some((_, (call, stream))) = session {
                    let direction = [Direction::SendOnly, Direction::SendRecv][pick % 2];
                    let _may = side.agent.set_direction(call, stream, direction);
                }
            }
            77..79 => {
                if let Some((_, (call, stream))) = session {
                    let _may = side.agent.end_stream_of(call, stream);
                }
            }
            79..82 => {
                let known: Vec<_> = side.calls.keys().copied().collect();
                if let Some(&call) = known.get(pick % known.len().max(1)) {
                    let _may = side.agent.end_call(call);
                }
            }
            82..86 => {
                let [a, b] = &mut self.sides;
                self.sip.reset_connections(self.now, &mut a.agent, &mut b.agent);
            }
            86..88 => {
                // Its last words, responses among them, are lost before the connections are.
                self.sip.connections().silence(at);
                self.run();
                self.texts += 1;
                let text = format!("text {}", self.texts);
                let side = &mut self.sides[1 - at];
                let session = side
                    .sessions
                    .keys()
                    .nth(pick % side.sessions.len().max(1))
                    .copied();
                if let Some(session) = session
                    && let Ok(key) = side.agent.send(session, OutgoingMessage::text(text.clone()))
                {
                    side.sent.insert(key, (text, false, false));
                }
                self.run();
                let [a, b] = &mut self.sides;
                self.sip.reset_connections(self.now, &mut a.agent, &mut b.agent);
            }
            88 if pick.is_multiple_of(4) => self.sip.vanish(at),
            _ => self.pass(time),
        }
        if !pick.is_multiple_of(3) {
            self.run();
        }
    }

    fn check(&mut self) {
        let seed = self.seed;
        // What is under way may come to its end, and then everything is ended.
        self.sip.set_faults(SipFaults::default());
        self.pass(Duration::from_secs(30));
        for side in &mut self.sides {
            for call in side.calls.keys() {
                let _may = side.agent.end_call(*call);
            }
        }
        self.pass(Duration::from_secs(900));
        for side in &self.sides {
            let agent = &side.agent;
            assert!(agent.calls.is_empty(), "seed {seed}: {:?}", agent.calls);
            assert_eq!(agent.session_count(), 0, "seed {seed}");
            assert_eq!(agent.connection_count(), 0, "seed {seed}");
            assert_eq!(agent.outgoing_count() + agent.incoming_count(), 0, "seed {seed}");
            assert_eq!(agent.buffered(), 0, "seed {seed}");
            assert!(agent.timers.is_empty(), "seed {seed}: {:?}", agent.timers);
            for (call, ends) in &side.calls {
                assert_eq!(*ends, 1, "seed {seed}: {call} ended {ends} times");
            }
            for (file, ends) in &side.files {
                assert_eq!(*ends, 1, "seed {seed}: {file:?} ended {ends} times");
            }
        }
        let [a, b] = &self.sides;
        for (from, to) in [(a, b), (b, a)] {
            for (key, (text, accepted, told)) in &from.sent {
                assert!(*told, "seed {seed}: nothing was told of {key:?}");
                assert!(
                    !accepted || to.heard.contains(text),
                    "seed {seed}: {text} was acknowledged and is lost"
                );
            }
        }
    }
}

fn selector() -> FileSelector {
    FileSelector {
        name: Some("file".to_owned()),
        ..FileSelector::default()
    }
}

fn push(size: usize) -> FileOffer {
    FileOffer::push(selector(), FromBytes::new(vec![7; size]))
}

impl Side {
    fn note(&mut self, event: UserAgentEvent) {
        let seen = match &event {
            UserAgentEvent::SessionSuspended { .. } => Some(0),
            UserAgentEvent::SessionLost { .. } => Some(1),
            UserAgentEvent::FileEnded {
                outcome: FileOutcome::Received { .. },
                ..
            } => Some(2),
            UserAgentEvent::Message { duplicate: true, .. } => Some(3),
            UserAgentEvent::CallEnded {
                reason: CallEnd::Dialog(_),
                ..
            } => Some(4),
            _ => None,
        };
        if let Some(seen) = seen {
            self.seen[seen] += 1;
        }
        match event {
            UserAgentEvent::IncomingCall(call) => {
                self.calls.insert(call.call, 0);
                self.unanswered.push(call.call);
            }
            UserAgentEvent::CallEstablished { call, streams, .. } => {
                for stream in streams {
                    self.sessions.insert(stream.session, (call, stream.stream));
                }
            }
            UserAgentEvent::StreamsOffered { call, streams } => {
                let files = streams
                    .into_iter()
                    .filter_map(|stream| match stream.kind {
                        ProposalKind::Chat => None,
                        ProposalKind::Push(_) => Some((stream.stream, true)),
                        ProposalKind::Pull(_) => Some((stream.stream, false)),
                    })
                    .collect();
                self.asked.push((call, files));
            }
            UserAgentEvent::StreamsChanged { call, changes } => {
                for change in changes {
                    match change {
                        CallChange::Added(stream) => {
                            self.sessions.insert(stream.session, (call, stream.stream));
                        }
                        CallChange::Ended { session, .. } => {
                            self.sessions.remove(&session);
                        }
                        _ => {}
                    }
                }
            }
            UserAgentEvent::CallEnded { call, .. } => {
                *self.calls.entry(call).or_default() += 1;
                self.sessions.retain(|_, of| of.0 != call);
                self.unanswered.retain(|of| *of != call);
            }
            UserAgentEvent::FileEnded { call, stream, .. } => {
                *self.files.entry((call, stream)).or_default() += 1;
            }
            UserAgentEvent::Message { body: Some(body), .. } => {
                self.heard.insert(String::from_utf8_lossy(&body).into_owned());
            }
            UserAgentEvent::Accepted { message } | UserAgentEvent::Delivered { message, .. } => {
                if let Some(sent) = self.sent.get_mut(&message) {
                    (sent.1, sent.2) = (true, true);
                }
            }
            UserAgentEvent::Failed { message, .. } | UserAgentEvent::DeliveryUnknown { message, .. } => {
                if let Some(sent) = self.sent.get_mut(&message) {
                    sent.2 = true;
                }
            }
            _ => {}
        }
    }
}

// shows: 4975-5.4-22, 4975-5.4-23
#[test]
fn calls_at_random() {
    let seeds: Vec<u64> = match std::env::var("MSRP_SEEDS") {
        Ok(range) => {
            let (first, last) = range.split_once("..").expect("MSRP_SEEDS=a..b");
            (first.parse().unwrap()..last.parse().unwrap()).collect()
        }
        Err(_) => (0..400).collect(),
    };
    let many = seeds.len() >= 400;
    let mut seen = [0; 5];
    for seed in seeds {
        let mut world = World::new(seed);
        for _ in 0..120 {
            world.act();
        }
        world.check();
        for side in &world.sides {
            for (all, one) in seen.iter_mut().zip(side.seen) {
                *all += one;
            }
        }
    }
    // Suspended, lost, files, duplicates, dialogs lost: all of it has happened.
    assert!(!many || seen.iter().all(|&count| count > 10), "{seen:?}");
}
