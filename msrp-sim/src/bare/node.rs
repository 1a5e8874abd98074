//! The node itself: its connections, their timers, and what the outside sees.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use msrp_core::{
    connection::{CloseReason, Connection, ConnectionConfig, Event, RequestId, Transmit},
    grammar::{MessageId, Path, StatusCode},
    node::{Action, ConnectFailure, ConnectToken, ConnectionHandle, Node, PeerInfo, Refused, Target, Ticket},
    rng::IdSource,
    table::ConnectionTable,
};

use super::{receiving::Incoming, sending::Message, sending::Sending};
use crate::Rng;

/// How a node behaves; chances are in thousandths.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// How often a request is answered by the node itself, rather than by the connection.
    pub answers: u64,
    /// How often the answer comes later, and at most how much later.
    pub defers: u64,
    /// At most how much later.
    pub defer_time: Duration,
    /// How often a message is refused with 413, at its head or in its middle.
    pub rejects: u64,
    /// How often it stops pulling events for a while, and for how long at most.
    pub naps: u64,
    /// At most how long.
    pub nap_time: Duration,
    /// The largest piece that it writes to a lane.
    pub piece: usize,
    /// How often it waits between two pieces.
    pub dribbles: u64,
    /// At most how long.
    pub dribble_time: Duration,
    /// How often, at a piece, it gives the message up.
    pub aborts: u64,
    /// How often, at a piece, it goes back a few octets and sends them again.
    pub repeats: u64,
}

/// What one hears of a [`BareNode`].
#[derive(Debug)]
pub enum BareEvent {
    /// A connection that was asked for is there, or not.
    Connected(u64, Result<ConnectionHandle, ConnectFailure>),
    /// A message is complete.
    Received(ConnectionHandle, MessageId, Bytes),
    /// A message was ended by its sender.
    GivenUp(ConnectionHandle, MessageId),
    /// The peer reports on a message of ours: status, and up to which octet.
    Report(MessageId, StatusCode, u64),
    /// A message of ours is over on our side: all chunks answered as they should be, or it failed with this code.
    Done(MessageId, Result<(), StatusCode>),
    /// A connection is gone.
    Down(ConnectionHandle, CloseReason),
}

/// What one says to a [`BareNode`].
#[derive(Debug)]
pub enum BareCommand {
    /// Connect to a target; the peer's path; the number comes back.
    Connect(u64, Target, Path),
    /// Send a message on a connection.
    Send(ConnectionHandle, Box<Message>),
    /// Close a connection.
    Close(ConnectionHandle),
}

/// What the node keeps beside a connection.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) path: Option<Path>,
    pub(super) incoming: Option<Incoming>,
    pub(super) messages: BTreeMap<MessageId, Vec<u8>>,
    /// Messages of which a part was refused, so that the rest is of no use.
    pub(super) refused: BTreeSet<MessageId>,
    pub(super) sending: BTreeMap<u64, Sending>,
    napping: bool,
}

/// What the node wants to do later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Later {
    WakeUp(ConnectionHandle),
    Answer(ConnectionHandle, RequestId),
    Write(ConnectionHandle, u64),
}

/// A node with nothing above `Connection`.
#[derive(Debug)]
pub struct BareNode {
    config: Arc<ConnectionConfig>,
    pub(super) ids: IdSource,
    pub(super) rng: Rng,
    pub(super) own: Path,
    pub(super) manners: Manners,
    pub(super) table: ConnectionTable<Peer>,
    pub(super) later: BTreeSet<(Instant, Later)>,
    actions: VecDeque<Action<Infallible>>,
    pub(super) events: VecDeque<BareEvent>,
    connects: BTreeMap<u64, (u64, Path)>,
    next: u64,
    /// Lent to the driver, so that its deadline may have changed since.
    touched: Option<ConnectionHandle>,
    halted: bool,
}

/// Events that may wait before the node stops pulling its connections.
const MOST_EVENTS: usize = 32;

impl BareNode {
    /// A node whose own URI is `own`.
    pub fn new(config: Arc<ConnectionConfig>, own: Path, manners: Manners, mut rng: Rng) -> Self {
        Self {
            config,
            ids: IdSource::from_seed(rng.seed()),
            rng,
            own,
            manners,
            table: ConnectionTable::new(),
            later: BTreeSet::new(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            connects: BTreeMap::new(),
            next: 0,
            touched: None,
            halted: false,
        }
    }

    /// Octets in the queues of all connections.
    pub fn buffered(&self) -> usize {
        self.table
            .iter()
            .map(|(_, connection, _)| connection.buffered() + connection.received())
            .sum()
    }

    /// Transactions of ours that have not ended.
    pub fn open_transactions(&self) -> usize {
        self.table
            .iter()
            .map(|(_, connection, _)| connection.open_transactions())
            .sum()
    }

    /// A number that was not used before.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn add(&mut self, now: Instant, peer: PeerInfo, path: Option<Path>) -> ConnectionHandle {
        let framing = peer.framing;
        let connection = Connection::new(now, self.config.clone(), peer, framing, self.ids.fork_seed());
        let handle = self.table.insert(
            connection,
            Peer {
                path,
                ..Peer::default()
            },
        );
        self.table.mark_ready(handle);
        handle
    }

    /// Pulls what there is to pull, and tells the driver to look at the connection.
    fn pump(&mut self, now: Instant, handle: ConnectionHandle) {
        self.pull(now, handle);
        self.after(handle);
    }

    /// Pulls what there is to pull, unless the node naps or nobody listens to it.
    fn pull(&mut self, now: Instant, handle: ConnectionHandle) {
        loop {
            let Some((connection, peer)) = self.table.get_mut(handle) else {
                return;
            };
            if self.events.len() >= MOST_EVENTS {
                self.halted = true;
                connection.settle();
                break;
            }
            if peer.napping && !connection.is_closed() {
                connection.settle();
                break;
            }
            let Some(event) = connection.poll_event(now) else {
                break;
            };
            self.on_event(now, handle, event);
            if self.rng.chance(self.manners.naps)
                && let Some((_, peer)) = self.table.get_mut(handle)
            {
                peer.napping = true;
                let time = self.rng.time(Duration::ZERO..self.manners.nap_time);
                self.later.insert((now + time, Later::WakeUp(handle)));
            }
        }
    }

    fn on_event(&mut self, now: Instant, handle: ConnectionHandle, event: Event) {
        match event {
            Event::Request { id, head } => self.on_request(now, handle, id, &head),
            Event::Body { id, data, offset } => self.on_body(handle, id, &data, offset),
            Event::RequestEnd { id, flag, received } => self.on_request_end(now, handle, id, flag, received),
            Event::RequestAborted { .. } => {
                if let Some((_, peer)) = self.table.get_mut(handle) {
                    peer.incoming = None;
                }
            }
            Event::ChunkSent { tag, tracked, .. } => self.on_chunk_sent(handle, tag, tracked),
            Event::TransactionEnded { tag, outcome, .. } => {
                self.on_transaction_ended(now, handle, tag, outcome)
            }
            Event::Writable { .. } | Event::SendReady => self.write_all(now, handle),
            Event::Closed { reason } => self.events.push_back(BareEvent::Down(handle, reason.kind)),
            _ => {}
        }
    }

    /// After anything that happened to a connection: its end, its output, its deadline.
    pub(super) fn after(&mut self, handle: ConnectionHandle) {
        self.close_drained(handle);
        self.table.mark_ready(handle);
        self.table.rearm(handle, None);
    }

    fn close_drained(&mut self, handle: ConnectionHandle) {
        if self
            .table
            .get(handle)
            .is_some_and(|(connection, _)| connection.is_drained())
        {
            self.table.remove(handle);
            self.actions.push_back(Action::Close { connection: handle });
        }
    }

    fn rearm_touched(&mut self) {
        if let Some(handle) = self.touched.take() {
            self.table.rearm(handle, None);
        }
    }
}

impl Node for BareNode {
    type Event = BareEvent;
    type Command = BareCommand;
    type Rejected = Infallible;
    type Query = Infallible;
    type Answer = Infallible;

    fn handle_accepted(&mut self, now: Instant, peer: PeerInfo) -> Result<ConnectionHandle, Refused> {
        Ok(self.add(now, peer, None))
    }

    fn handle_connected(
        &mut self,
        now: Instant,
        token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle> {
        let (number, path) = self.connects.remove(&token.0)?;
        let outcome = outcome.map(|peer| self.add(now, peer, Some(path)));
        let handle = outcome.clone().ok();
        self.events.push_back(BareEvent::Connected(number, outcome));
        handle
    }

    fn handle_read(&mut self, now: Instant, connection: ConnectionHandle, block: BytesMut) {
        if let Some((connection, _)) = self.table.get_mut(connection) {
            connection.handle_read(now, block);
        }
        self.pump(now, connection);
    }

    fn handle_message_end(&mut self, now: Instant, connection: ConnectionHandle) {
        if let Some((connection, _)) = self.table.get_mut(connection) {
            connection.handle_message_end(now);
        }
        self.pump(now, connection);
    }

    fn handle_eof(&mut self, now: Instant, connection: ConnectionHandle) {
        if let Some((connection, _)) = self.table.get_mut(connection) {
            connection.handle_read_eof(now);
        }
        self.pump(now, connection);
    }

    fn handle_reset(&mut self, now: Instant, connection: ConnectionHandle) {
        if let Some((mut broken, _)) = self.table.remove(connection) {
            broken.handle_reset(now);
            while let Some(event) = broken.poll_event(now) {
                if let Event::Closed { reason } = event {
                    self.events.push_back(BareEvent::Down(connection, reason.kind));
                }
            }
        }
    }

    fn handle_command(&mut self, now: Instant, command: BareCommand) -> Result<(), Infallible> {
        match command {
            BareCommand::Connect(number, target, path) => {
                let token = self.number();
                self.connects.insert(token, (number, path));
                self.actions.push_back(Action::Connect {
                    token: ConnectToken(token),
                    target,
                });
            }
            BareCommand::Send(handle, message) => self.begin(now, handle, *message),
            BareCommand::Close(handle) => {
                if let Some((connection, _)) = self.table.get_mut(handle) {
                    connection.close(now, CloseReason::Done);
                }
                self.pump(now, handle);
            }
        }
        Ok(())
    }

    fn handle_answer(&mut self, _: Instant, _: Ticket, answer: Infallible) {
        match answer {}
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, later)) = self.later.first().copied().filter(|(at, _)| *at <= now) {
            self.later.remove(&(at, later));
            match later {
                Later::WakeUp(handle) => {
                    if let Some((_, peer)) = self.table.get_mut(handle) {
                        peer.napping = false;
                    }
                    self.pump(now, handle);
                }
                Later::Answer(handle, request) => {
                    if let Some((connection, _)) = self.table.get_mut(handle) {
                        // The connection may be closing, or may have ended the request by itself.
                        let _known = connection.respond(request, StatusCode::OK, "OK");
                    }
                    self.after(handle);
                }
                Later::Write(handle, tag) => self.write_message(now, handle, tag),
            }
        }
        while let Some(handle) = self.table.pop_expired(now) {
            if let Some((connection, _)) = self.table.get_mut(handle) {
                connection.handle_timeout(now);
            }
            self.pump(now, handle);
        }
    }

    fn wants_read(&self, connection: ConnectionHandle) -> bool {
        self.table
            .get(connection)
            .is_some_and(|(connection, _)| connection.wants_read())
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        budget: usize,
    ) -> Option<Transmit<'_>> {
        // What was taken since the last call may have led to events.
        let interest = self.wants_read(handle);
        self.pull(now, handle);
        self.close_drained(handle);
        if self.wants_read(handle) != interest {
            self.table.mark_ready(handle);
        }
        let (connection, _) = self.table.get_mut(handle)?;
        let anything = connection.poll_transmit(now, budget).is_some();
        self.table.rearm(handle, None);
        self.touched = Some(handle);
        let (connection, _) = self.table.get_mut(handle)?;
        if anything {
            connection.poll_transmit(now, budget)
        } else {
            None
        }
    }

    fn poll_ready(&mut self) -> Option<ConnectionHandle> {
        self.table.pop_ready()
    }

    fn poll_action(&mut self) -> Option<Action<Infallible>> {
        self.actions.pop_front()
    }

    fn poll_event(&mut self) -> Option<BareEvent> {
        self.rearm_touched();
        let event = self.events.pop_front();
        if self.halted && self.events.len() < MOST_EVENTS / 2 {
            self.halted = false;
            for handle in self.table.handles() {
                self.table.mark_ready(handle);
            }
        }
        event
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let own = self.later.first().map(|(at, _)| *at);
        let theirs = self.table.next_deadline();
        own.into_iter().chain(theirs).min()
    }
}
