//! The world: nodes, links, virtual time, and one list of what happens next.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use msrp_core::{
    codec::Framing,
    grammar::Scheme,
    node::{ConnectFailure, ConnectToken, ConnectionHandle, PeerInfo, Security, Target, TlsPeer},
};

use crate::{
    Fault, Link, PlannedFault, Rng,
    checker::{self, Rules, Violation},
    ledger::Ledger,
    link::Pipe,
    net::{Conn, End, Listener, Net},
    node::{Ask, SimNode, Turn},
    pcap,
    trace::{Stamp, Stream, Trace, Wire},
};

/// What is going to happen.
#[derive(Clone, Debug)]
enum Happening {
    /// The driver of a node looks at its sockets.
    Turn(usize),
    /// A node that waited may look at its sockets again.
    Look(usize),
    /// The timer of a node, if it was not set anew since.
    Timer(usize, u64),
    /// A pipe may move: connection and direction.
    Pump(usize, usize),
    /// A connect is through.
    Connect(usize, ConnectToken, Target),
    /// An application wants to be called, or an answer is due.
    Wake(usize, u64),
    /// The end of a connection learns that its transport broke.
    Broken(usize, usize),
    Fault(usize),
}

struct Slot {
    name: String,
    relay: bool,
    node: Box<dyn SimNode>,
    handles: BTreeMap<ConnectionHandle, (usize, usize)>,
    turn_pending: bool,
    timer: u64,
    timer_at: Option<Instant>,
    peak: usize,
}

/// How often a node may ask for its timer at one instant before the world calls it a busy loop.
const MOST_TIMERS_AT_ONCE: u32 = 1_000;
/// How many rounds a turn may take.
const MOST_ROUNDS: u32 = 20_000;
/// How many happenings a world may have; even slow links with tiny segments stay far below.
const MOST_STEPS: u64 = 5_000_000;
/// A world is quiet when nothing but timers is left and the next is further off than this; longer than the 30 s of a
/// transaction, the 60 s of a stalled write and the 10 s of an open chunk.
const QUIET: Duration = Duration::from_secs(120);

/// A deterministic world in which nodes meet.
pub struct World {
    seed: u64,
    rng: Rng,
    start: Instant,
    now: Instant,
    sequence: u64,
    list: BinaryHeap<Reverse<(Instant, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    nodes: Vec<Slot>,
    net: Net,
    usual: Link,
    faults: Vec<PlannedFault>,
    rules: Rules,
    ledger: Ledger,
    trace: Trace,
    violations: Vec<Violation>,
    steps: u64,
    timers_at_once: u32,
    moved: bool,
    started: bool,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.seed)
            .field("nodes", &self.nodes.len())
            .field("connections", &self.net.connections.len())
            .finish_non_exhaustive()
    }
}

impl World {
    /// An empty world.
    pub fn new(seed: u64) -> Self {
        // An instant has no other origin than the clock; all that matters here are differences.
        let start = Instant::now();
        Self {
            seed,
            rng: Rng::new(seed),
            start,
            now: start,
            sequence: 0,
            list: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            nodes: Vec::new(),
            net: Net::default(),
            usual: Link::default(),
            faults: Vec::new(),
            rules: Rules::default(),
            ledger: Ledger::default(),
            trace: Trace::default(),
            violations: Vec::new(),
            steps: 0,
            timers_at_once: 0,
            moved: false,
            started: false,
        }
    }

    /// The generator, to build the world's inhabitants by chance.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// What the checkers hold this world to.
    pub fn rules(&mut self) -> &mut Rules {
        &mut self.rules
    }

    /// When the world began, as nodes see it.
    pub fn start_time(&self) -> Instant {
        self.start
    }

    /// Adds a node that ends paths: a user agent, a switch, a gateway. Returns its number.
    pub fn endpoint(&mut self, name: &str, node: impl SimNode + 'static) -> usize {
        self.node(name, false, node)
    }

    /// Adds a node that passes messages on. Returns its number.
    pub fn relay(&mut self, name: &str, node: impl SimNode + 'static) -> usize {
        self.node(name, true, node)
    }

    fn node(&mut self, name: &str, relay: bool, node: impl SimNode + 'static) -> usize {
        self.nodes.push(Slot {
            name: name.to_owned(),
            relay,
            node: Box::new(node),
            handles: BTreeMap::new(),
            turn_pending: false,
            timer: 0,
            timer_at: None,
            peak: 0,
        });
        self.nodes.len() - 1
    }

    /// Makes a node reachable under a name.
    pub fn listen(&mut self, host: &str, port: u16, listener: Listener) {
        self.net.names.insert((host.to_ascii_lowercase(), port), listener);
    }

    /// Sets what connections are like where [`link`](Self::link) says nothing else.
    pub fn usual_link(&mut self, link: Link) {
        self.usual = link;
    }

    /// Sets what connections between two nodes are like.
    pub fn link(&mut self, a: usize, b: usize, link: Link) {
        self.net.links.insert((a.min(b), a.max(b)), link);
    }

    /// Plans a fault.
    pub fn fault(&mut self, fault: PlannedFault) {
        let at = self.start + fault.at;
        self.faults.push(fault);
        self.plan(at, Happening::Fault(self.faults.len() - 1));
    }

    /// The book of messages.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What has passed over the wire so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// How much virtual time has passed.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// The most octets that a node held at any time, where its application tells.
    pub fn peak(&self, node: usize) -> usize {
        self.nodes[node].peak
    }

    /// Calls [`Application::wake`](crate::Application::wake) of a node's application with `token`, at this time from
    /// the start.
    pub fn wake_at(&mut self, at: Duration, node: usize, token: u64) {
        self.plan(self.start + at, Happening::Wake(node, token));
    }

    /// Runs for as long as anything but distant timers is left, at most until `limit` from the start.
    pub fn run_until_quiet(&mut self, limit: Duration) {
        let limit = self.start + limit;
        self.begin();
        while self.violations.is_empty() {
            let Some(Reverse((at, _))) = self.list.peek() else {
                break;
            };
            let (at, now) = (*at, self.now);
            if at > limit || at > now + QUIET && self.only_timers() {
                break;
            }
            self.step();
        }
    }

    /// Runs until this time from the start.
    pub fn run_until(&mut self, until: Duration) {
        self.begin();
        let until = self.start + until;
        while self.violations.is_empty() && self.list.peek().is_some_and(|Reverse((at, _))| *at <= until) {
            self.step();
        }
        self.now = self.now.max(until);
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        for node in 0..self.nodes.len() {
            self.with_node(node, |slot, now, turn| slot.node.start(now, turn));
            self.wake_node(node);
        }
    }

    fn only_timers(&self) -> bool {
        self.happenings
            .values()
            .all(|happening| matches!(happening, Happening::Timer(..)))
    }

    fn plan(&mut self, at: Instant, what: Happening) {
        self.sequence += 1;
        self.list.push(Reverse((at.max(self.now), self.sequence)));
        self.happenings.insert(self.sequence, what);
    }

    fn stamp(&mut self) -> Stamp {
        self.sequence += 1;
        self.moved = true;
        Stamp {
            sequence: self.sequence,
            at: self.now,
        }
    }

    fn violate(&mut self, rule: &'static str, what: String) {
        self.violations.push(Violation::new(rule, what));
    }

    /// The driver of a node is going to look at its sockets, after the delay of a busy machine.
    fn wake_node(&mut self, node: usize) {
        if !std::mem::replace(&mut self.nodes[node].turn_pending, true) {
            let delay = if self.rng.chance(100) {
                self.rng.time(Duration::ZERO..Duration::from_millis(2))
            } else {
                Duration::ZERO
            };
            self.plan(self.now + delay, Happening::Turn(node));
        }
    }

    /// Calls into a node with what its application may use.
    fn with_node<T>(&mut self, node: usize, call: impl FnOnce(&mut Slot, Instant, &mut Turn<'_>) -> T) -> T {
        let mut wakes = Vec::new();
        let slot = &mut self.nodes[node];
        let mut turn = Turn {
            rng: &mut self.rng,
            ledger: &mut self.ledger,
            wakes: &mut wakes,
            node,
        };
        let result = call(slot, self.now, &mut turn);
        for (time, token) in wakes {
            self.plan(self.now + time, Happening::Wake(node, token));
        }
        result
    }

    fn step(&mut self) {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            self.violate(
                "endless",
                format!("{MOST_STEPS} steps, and it is only {:?}", self.now - self.start),
            );
        }
        let Some(Reverse((at, key))) = self.list.pop() else {
            return;
        };
        let Some(happening) = self.happenings.remove(&key) else {
            return;
        };
        if at > self.now {
            self.timers_at_once = 0;
        }
        self.now = at;
        match happening {
            Happening::Turn(node) => self.turn(node),
            Happening::Look(node) => self.wake_node(node),
            Happening::Timer(node, timer) => {
                if self.nodes[node].timer == timer {
                    self.nodes[node].timer_at = None;
                    self.nodes[node].node.handle_timeout(at);
                    self.turn(node);
                    self.timers_at_once = if self.moved { 0 } else { self.timers_at_once + 1 };
                    self.moved = false;
                    if self.timers_at_once > MOST_TIMERS_AT_ONCE {
                        let name = self.nodes[node].name.clone();
                        self.violate(
                            "busy timer",
                            format!(
                                "{name} asks for its timer again and again at {:?}",
                                at - self.start
                            ),
                        );
                    }
                }
            }
            Happening::Pump(connection, direction) => {
                let planned = &mut self.net.connections[connection].pipes[direction].pump_at;
                *planned = planned.filter(|planned| *planned > at);
                self.pump(connection, direction);
            }
            Happening::Connect(node, token, target) => self.connect(node, token, &target),
            Happening::Wake(node, token) => {
                self.with_node(node, |slot, now, turn| slot.node.wake(now, token, turn));
                self.wake_node(node);
            }
            Happening::Broken(connection, end) => {
                self.net.connections[connection].ends[end].reset = true;
                let node = self.net.connections[connection].ends[end].node;
                self.wake_node(node);
            }
            Happening::Fault(fault) => self.strike(fault),
        }
    }

    /// One turn of a node's driver.
    fn turn(&mut self, node: usize) {
        self.nodes[node].turn_pending = false;
        let mut sockets: Vec<(usize, usize)> = self.nodes[node].handles.values().copied().collect();
        if self.rng.chance(300) {
            sockets.reverse();
        }
        for &(connection, end) in &sockets {
            self.read(connection, end);
        }
        if self.nodes[node]
            .node
            .poll_timeout()
            .is_some_and(|at| at <= self.now)
        {
            self.nodes[node].node.handle_timeout(self.now);
        }
        for (connection, end) in sockets {
            if std::mem::take(&mut self.net.connections[connection].ends[end].writable) {
                self.write(connection, end);
            }
        }
        let mut more = true;
        let mut rounds = 0;
        while more && rounds < MOST_ROUNDS {
            rounds += 1;
            more = false;
            while let Some(handle) = self.nodes[node].node.poll_ready() {
                more = true;
                if let Some(&(connection, end)) = self.nodes[node].handles.get(&handle) {
                    self.write(connection, end);
                    self.refresh_interest(connection, end);
                }
                rounds += 1;
                if rounds > MOST_ROUNDS {
                    break;
                }
            }
            while let Some(ask) = self.with_node(node, |slot, _, turn| slot.node.poll_ask(turn)) {
                more = true;
                match ask {
                    Ask::Connect(token, target) => self.dial(node, token, target),
                    Ask::Close(handle) => self.close(node, handle),
                }
            }
            let most = if self.rng.chance(500) {
                64
            } else {
                self.rng.within(1..=4) as usize
            };
            let told = self.with_node(node, |slot, now, turn| slot.node.poll_events(now, most, turn));
            if told > 0 {
                self.moved = true;
                more = true;
            }
            if told == most && self.rng.chance(200) {
                // An application that is slow to listen.
                self.wake_node(node);
                break;
            }
        }
        if rounds >= MOST_ROUNDS {
            let name = self.nodes[node].name.clone();
            self.violate("busy turn", format!("{name} always has something more to do"));
        }
        let held = self.nodes[node].node.buffered();
        self.nodes[node].peak = self.nodes[node].peak.max(held);
        let due = self.nodes[node].node.poll_timeout();
        let slot = &mut self.nodes[node];
        if due != slot.timer_at {
            slot.timer_at = due;
            slot.timer += 1;
            let timer = slot.timer;
            if let Some(at) = due {
                self.plan(at, Happening::Timer(node, timer));
            }
        }
    }

    fn read(&mut self, connection: usize, end: usize) {
        let now = self.now;
        let conn = &mut self.net.connections[connection];
        let direction = 1 - end;
        let (side, pipe) = (&mut conn.ends[end], &mut conn.pipes[direction]);
        let Some(handle) = side.handle else { return };
        let node = side.node;
        let may_read = side.interest && pipe.readable() > 0;
        if side.reset && !may_read {
            side.handle = None;
            pipe.cut(false);
            self.nodes[node].handles.remove(&handle);
            self.nodes[node].node.handle_reset(now, handle);
            self.moved = true;
            return;
        }
        if !side.interest {
            return;
        }
        if side.reads_from > now {
            if !std::mem::replace(&mut side.wait_planned, true) {
                let at = side.reads_from;
                self.plan(at, Happening::Look(node));
            }
            return;
        }
        if pipe.readable() > 0 {
            let most = self
                .rng
                .within(*conn.link.read.start() as u64..=*conn.link.read.end() as u64);
            side.reads_from = now + conn.link.read_pause;
            side.wait_planned = false;
            let (octets, message_ends) = pipe.take(most.max(1) as usize);
            let again = pipe.readable() > 0 || pipe.at_end();
            let read = pipe.read;
            let stamp = self.stamp();
            self.trace.wires[connection].streams[direction]
                .reads
                .push((read, stamp));
            // Sometimes a block with room behind it, sometimes a part of a larger one.
            let mut block = BytesMut::with_capacity(octets.len() + self.rng.pick(&[0, 0, 100, 64 * 1024]));
            block.extend_from_slice(&octets);
            let slot = &mut self.nodes[node];
            slot.node.handle_read(now, handle, block);
            if message_ends {
                slot.node.handle_message_end(now, handle);
            }
            self.refresh_interest(connection, end);
            if again {
                self.wake_node(node);
            }
            self.pump(connection, direction);
            return;
        }
        if pipe.at_end() && !pipe.end_told && !side.reset {
            pipe.end_told = true;
            self.moved = true;
            self.nodes[node].node.handle_eof(now, handle);
        }
    }

    fn refresh_interest(&mut self, connection: usize, end: usize) {
        let side = &mut self.net.connections[connection].ends[end];
        let Some(handle) = side.handle else { return };
        let node = side.node;
        let wants = self.nodes[node].node.wants_read(handle);
        let before = std::mem::replace(&mut side.interest, wants);
        let pipe = &self.net.connections[connection].pipes[1 - end];
        if wants && !before && (pipe.readable() > 0 || pipe.at_end()) {
            self.wake_node(node);
        }
    }

    /// Writes what a node has for a connection, until the operating system would take no more.
    fn write(&mut self, connection: usize, end: usize) {
        let mut rounds = 0;
        loop {
            rounds += 1;
            if rounds > MOST_ROUNDS {
                self.violate(
                    "busy transmit",
                    format!("connection {connection} always has something more to send"),
                );
                return;
            }
            let conn = &mut self.net.connections[connection];
            let side = &mut conn.ends[end];
            let Some(handle) = side.handle else { return };
            if side.reset {
                return;
            }
            let node = side.node;
            let pipe = &mut conn.pipes[end];
            let room = pipe.room(&conn.link);
            if room == 0 {
                pipe.writer_waits = true;
                return;
            }
            let budget = self.rng.pick(&[1, 100, 4096, 64 * 1024, 256 * 1024]);
            let short = self.rng.chance(conn.link.short_writes);
            let slot = &mut self.nodes[node].node;
            let (octets, complete) = if let Some(octets) = slot.raw_output(handle, room) {
                (octets, false)
            } else if let Some(mut transmit) = slot.poll_transmit(self.now, handle, budget) {
                let chunk_end = transmit.chunk_end();
                let mut most = transmit.remaining().min(room);
                if conn.framing == Framing::Message {
                    most = most.min(chunk_end.unwrap_or(most));
                }
                if short {
                    most = self.rng.within(1..=most as u64) as usize;
                }
                (take(&mut transmit, most), chunk_end == Some(most))
            } else {
                return;
            };
            pipe.write(&octets);
            if conn.framing == Framing::Message && complete {
                pipe.mark_boundary();
            }
            let (written, dropped) = (
                pipe.written,
                end == 0 && conn.drop_after.is_some_and(|at| pipe.written >= at),
            );
            let stamp = self.stamp();
            let stream = &mut self.trace.wires[connection].streams[end];
            stream.octets.extend_from_slice(&octets);
            stream.writes.push((written, stamp));
            if dropped {
                self.break_connection(connection);
                return;
            }
            self.pump(connection, end);
            if short {
                // As if the operating system had no more room just now.
                self.net.connections[connection].ends[end].writable = true;
                self.wake_node(node);
                return;
            }
        }
    }

    /// Moves what can move, and tells the two ends.
    fn pump(&mut self, connection: usize, direction: usize) {
        let now = self.now;
        let conn = &mut self.net.connections[connection];
        let pipe = &mut conn.pipes[direction];
        let next = pipe.pump(now, &conn.link, &mut self.rng);
        let reader = &conn.ends[1 - direction];
        let arrived = pipe.readable() > 0;
        let wake_reader =
            reader.handle.is_some() && (arrived && reader.interest || pipe.at_end() && !pipe.end_told);
        // Octets for a node that has closed are answered by a reset.
        let refused = arrived && reader.handle.is_none();
        let reader = reader.node;
        if refused {
            pipe.cut(false);
        }
        let wake_writer = pipe.writer_waits && pipe.room(&conn.link) > 0;
        if wake_writer {
            pipe.writer_waits = false;
            conn.ends[direction].writable = true;
        }
        let writer = conn.ends[direction].node;
        let plan = next.filter(|next| pipe.pump_at.is_none_or(|planned| *next < planned));
        pipe.pump_at = plan.or(pipe.pump_at);
        if let Some(at) = plan {
            self.plan(at, Happening::Pump(connection, direction));
        }
        if wake_reader {
            self.wake_node(reader);
        }
        if wake_writer {
            self.wake_node(writer);
        }
        if refused {
            let latency = self.net.connections[connection].link.latency;
            self.mark_reset(connection);
            self.plan(now + latency, Happening::Broken(connection, direction));
        }
    }

    /// A node wants a connection.
    fn dial(&mut self, node: usize, token: ConnectToken, target: Target) {
        let time = self.usual.latency * 2 + self.rng.time(Duration::ZERO..Duration::from_millis(3));
        self.plan(self.now + time, Happening::Connect(node, token, target));
    }

    fn connect(&mut self, node: usize, token: ConnectToken, target: &Target) {
        let now = self.now;
        let key = match &target.instead {
            Some((host, port)) => (host.to_ascii_lowercase(), *port),
            None => (target.host.to_ascii_lowercase(), target.port.unwrap_or(2855)),
        };
        let tls = target.scheme == Scheme::Msrps;
        let listener = self.net.names.get(&key).cloned();
        let failure = match &listener {
            None => Some(ConnectFailure::Unresolved),
            Some(listener) if self.net.refusing.contains(&listener.node) => Some(ConnectFailure::Refused),
            Some(listener) if listener.tls != tls => {
                Some(ConnectFailure::Tls("not the same protection".to_owned()))
            }
            Some(_) => None,
        };
        let (Some(listener), None) = (listener, failure.clone()) else {
            let failure = failure.unwrap_or(ConnectFailure::Unresolved);
            self.nodes[node].node.handle_connected(now, token, Err(failure));
            self.wake_node(node);
            return;
        };
        let number = self.net.connections.len();
        let near = address(node, 20_000 + (number % 40_000) as u16);
        let far = address(listener.node, key.1);
        let (mut opener, mut accepter) = (Security::Plain, Security::Plain);
        if tls {
            let mut server = TlsPeer::default();
            server.verified_names = vec![target.host.clone()];
            opener = Security::Tls(Arc::new(server));
            let mut client = TlsPeer::default();
            client.server_name = Some(target.host.clone());
            if target.client_identity && self.nodes[node].relay {
                // Relays have certificates with their names.
                client.verified_names = vec![self.nodes[node].name.clone()];
            }
            accepter = Security::Tls(Arc::new(client));
        }
        let to_listener = PeerInfo::new()
            .with_remote(near)
            .with_local(far)
            .with_listener(listener.id)
            .with_framing(listener.framing)
            .with_security(accepter);
        let to_opener = PeerInfo::new()
            .with_remote(far)
            .with_local(near)
            .with_framing(listener.framing)
            .with_security(opener);
        let accepted = self.nodes[listener.node]
            .node
            .handle_accepted(now, to_listener)
            .ok();
        let connected = self.nodes[node].node.handle_connected(now, token, Ok(to_opener));
        let end = |node, handle| End {
            node,
            handle,
            interest: false,
            reset: false,
            reads_from: now,
            wait_planned: false,
            writable: true,
        };
        let link = self.net.link(node, listener.node, &self.usual);
        self.net.connections.push(Conn {
            ends: [end(node, connected), end(listener.node, accepted)],
            pipes: [Pipe::new(now), Pipe::new(now)],
            link,
            framing: listener.framing,
            drop_after: None,
        });
        let stamp = self.stamp();
        let stream = |from, to| Stream {
            connection: number,
            from,
            to,
            octets: Vec::new(),
            writes: Vec::new(),
            reads: Vec::new(),
        };
        self.trace.wires.push(Wire {
            nodes: [node, listener.node],
            framing: listener.framing,
            tls,
            streams: [stream(node, listener.node), stream(listener.node, node)],
            opened: stamp,
            ended: None,
            reset: None,
        });
        for (end, handle) in [(0, connected), (1, accepted)] {
            let node = self.net.connections[number].ends[end].node;
            match handle {
                Some(handle) => {
                    self.nodes[node].handles.insert(handle, (number, end));
                    self.refresh_interest(number, end);
                }
                None => self.end_stream(number, end),
            }
            self.wake_node(node);
        }
    }

    /// A node closes in order: what it wrote still arrives, then the end of the stream.
    fn close(&mut self, node: usize, handle: ConnectionHandle) {
        let Some((connection, end)) = self.nodes[node].handles.remove(&handle) else {
            return;
        };
        if self.nodes[node].node.poll_transmit(self.now, handle, 1).is_some() {
            let name = self.nodes[node].name.clone();
            self.violate(
                "closed too early",
                format!("{name} lends octets of a connection that it asked to close"),
            );
        }
        self.net.connections[connection].ends[end].handle = None;
        self.end_stream(connection, end);
    }

    fn end_stream(&mut self, connection: usize, end: usize) {
        let stamp = self.stamp();
        self.trace.wires[connection].ended.get_or_insert(stamp);
        self.net.connections[connection].pipes[end].ended = true;
        self.pump(connection, end);
        self.pump(connection, 1 - end);
    }

    fn mark_reset(&mut self, connection: usize) {
        let stamp = self.stamp();
        self.trace.wires[connection].ended.get_or_insert(stamp);
        self.trace.wires[connection].reset.get_or_insert(stamp);
    }

    /// The transport breaks; octets that have arrived may still be read, or not.
    fn break_connection(&mut self, connection: usize) {
        self.mark_reset(connection);
        for end in 0..2 {
            let keep = self.rng.chance(500);
            self.net.connections[connection].pipes[end].cut(keep);
            let delay = self.rng.time(Duration::ZERO..Duration::from_millis(50));
            self.plan(self.now + delay, Happening::Broken(connection, end));
        }
    }

    fn strike(&mut self, fault: usize) {
        let PlannedFault {
            node,
            connection,
            fault,
            ..
        } = self.faults[fault].clone();
        match fault {
            Fault::RefuseConnect => {
                self.net.refusing.push(node);
                return;
            }
            Fault::AcceptConnect => {
                self.net.refusing.retain(|refusing| *refusing != node);
                return;
            }
            _ => {}
        }
        let live: Vec<(usize, usize)> = self.nodes[node].handles.values().copied().collect();
        if live.is_empty() {
            return;
        }
        let (connection, end) = live[connection % live.len()];
        self.ledger.count("faults");
        match fault {
            Fault::Reset => self.break_connection(connection),
            Fault::HalfClose => {
                let stamp = self.stamp();
                self.trace.wires[connection].ended.get_or_insert(stamp);
                self.net.connections[connection].pipes[end].ended = true;
                self.pump(connection, end);
            }
            Fault::Stall(time) => {
                let until = self.now + time;
                for direction in 0..2 {
                    self.net.connections[connection].pipes[direction].stalled_until = Some(until);
                    self.pump(connection, direction);
                    self.plan(until, Happening::Pump(connection, direction));
                }
            }
            Fault::DropAfter(octets) => self.net.connections[connection].drop_after = Some(octets),
            Fault::SplitEvery(octets) => {
                let conn = &mut self.net.connections[connection];
                conn.link = conn.link.clone().split_every(octets.max(1));
            }
            Fault::SlowReader(pause) => self.net.connections[connection].link.read_pause = pause,
            Fault::RefuseConnect | Fault::AcceptConnect => {}
        }
    }

    /// Looks whether anything was forgotten, at a time when the world is quiet: output without a notice, octets that nobody
    /// reads. [`check`](Self::check) tells.
    pub fn check_quiet(&mut self) {
        self.check_rest();
    }

    /// Holds the run to all rules; also writes the capture that `MSRP_PCAP` asks for.
    ///
    /// # Errors
    /// All that is wrong, one to a line.
    pub fn check(&mut self) -> Result<(), String> {
        self.check_rest();
        let mut violations = std::mem::take(&mut self.violations);
        if violations.is_empty() {
            let roles = self.nodes.iter().map(|slot| slot.relay).collect::<Vec<_>>();
            violations = checker::check(&self.trace, &self.ledger, &roles, &self.rules);
        }
        for (node, bound) in &self.rules.bounds {
            let peak = self.nodes[*node].peak;
            if peak > *bound {
                violations.push(Violation::new(
                    "bound",
                    format!("node {node} held {peak} octets, its bound is {bound}"),
                ));
            }
        }
        if violations.is_empty() {
            return Ok(());
        }
        violations.truncate(20);
        if std::env::var_os("MSRP_LIST").is_some() {
            eprintln!("{}", checker::listing(&self.trace));
        }
        let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
        Err(format!("seed {}:\n{}", self.seed, lines.join("\n")))
    }

    /// Nothing may be left that somebody forgot to ask for: output without a notice, octets that nobody reads.
    fn check_rest(&mut self) {
        if !self.violations.is_empty() {
            return;
        }
        for node in 0..self.nodes.len() {
            let sockets: Vec<_> = self.nodes[node]
                .handles
                .iter()
                .map(|(handle, at)| (*handle, *at))
                .collect();
            for (handle, (connection, end)) in sockets {
                let conn = &self.net.connections[connection];
                let full = conn.pipes[end].room(&conn.link) == 0;
                let unread = conn.pipes[1 - end].readable();
                let (reset, interest) = (conn.ends[end].reset, conn.ends[end].interest);
                let name = self.nodes[node].name.clone();
                if !full
                    && !reset
                    && self.nodes[node]
                        .node
                        .poll_transmit(self.now, handle, 65_536)
                        .is_some()
                {
                    self.violate(
                        "forgotten output",
                        format!("{name} has output on connection {connection} and did not say so"),
                    );
                }
                if unread > 0 && interest {
                    self.violate(
                        "forgotten input",
                        format!("{name} has {unread} octets to read on connection {connection}"),
                    );
                }
                if !interest && self.nodes[node].node.wants_read(handle) {
                    self.violate(
                        "forgotten interest",
                        format!("{name} wants to read connection {connection} and did not say so"),
                    );
                }
                if !interest && unread > 0 && self.rules.all_is_read {
                    self.violate(
                        "stuck",
                        format!("{name} never reads {unread} octets on connection {connection}"),
                    );
                }
            }
        }
    }
}

impl Drop for World {
    /// Writes the capture, also of a run that panicked.
    fn drop(&mut self) {
        if let Ok(folder) = std::env::var("MSRP_PCAP") {
            let path = std::path::Path::new(&folder).join(format!("{}-{}.pcap", self.rules.name, self.seed));
            let octets = pcap::capture(&self.trace, self.start);
            if let Err(error) = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, octets))
            {
                eprintln!("{}: {error}", path.display());
            }
        }
    }
}

/// Takes octets out of what is lent; a driver may account for what it wrote in one step or in several.
fn take(lent: &mut impl Buf, most: usize) -> Vec<u8> {
    let mut octets = Vec::with_capacity(most);
    while octets.len() < most {
        let slice = lent.chunk();
        let taken = slice.len().min(most - octets.len());
        octets.extend_from_slice(&slice[..taken]);
        lent.advance(taken);
    }
    octets
}

/// The address of a node.
pub(crate) fn address(node: usize, port: u16) -> SocketAddr {
    let [high, low] = ((node + 1) as u16).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, high, low)), port)
}
