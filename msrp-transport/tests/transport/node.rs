//! A small node above `Connection`: it sends and receives whole messages, asks questions, and can stop listening.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use msrp_core::{
    codec::{Framing, HeadTemplate, SendHeaders},
    connection::{CloseReason, Connection, ConnectionConfig, Event, OutgoingId, Transmit, WriteError},
    grammar::{ContinuationFlag, FailureReport, MessageId, Path, SuccessReport},
    node::{Action, ConnectFailure, ConnectToken, ConnectionHandle, Node, PeerInfo, Refused, Target, Ticket},
    rng::IdSource,
    table::ConnectionTable,
};

/// What the node tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// A peer has connected.
    Accepted(ConnectionHandle, PeerInfo),
    /// A connect has come to its end.
    Connected(ConnectionHandle, PeerInfo),
    NotConnected(ConnectFailure),
    /// A message is complete.
    Received(ConnectionHandle, Vec<u8>),
    /// A connection is gone.
    Down(CloseReason),
    /// An answer has come to a question.
    Answered(String),
    /// Octets that wait: to be sent, and to be looked at.
    Measured(usize, usize),
}

/// What the node is told.
#[derive(Debug)]
pub(crate) enum Say {
    Connect(u64, Target),
    /// A message made of these slices.
    Send(ConnectionHandle, Vec<Bytes>),
    Close(ConnectionHandle),
    Ask(String),
    Measure,
    /// Stop, or go on, looking at what comes in.
    Listen(bool),
    /// Is refused by the node.
    Nonsense,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nonsense")]
pub(crate) struct Nonsense;

#[derive(Debug, Default)]
struct Data {
    incoming: BTreeMap<MessageId, Vec<u8>>,
    current: Option<MessageId>,
    sending: BTreeMap<u64, (OutgoingId, VecDeque<Bytes>)>,
}

/// The node.
#[derive(Debug)]
pub(crate) struct Talker {
    config: Arc<ConnectionConfig>,
    ids: IdSource,
    table: ConnectionTable<Data>,
    actions: VecDeque<Action<String>>,
    events: VecDeque<Told>,
    next: u64,
    listens: bool,
    refuses: bool,
}

fn path() -> Path {
    Path::parse(Bytes::from_static(b"msrp://test.invalid:1/s;tcp"), 1).unwrap()
}

impl Talker {
    pub(crate) fn new() -> Self {
        Self {
            config: Arc::default(),
            ids: IdSource::from_seed([7; 32]),
            table: ConnectionTable::new(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            next: 0,
            listens: true,
            refuses: false,
        }
    }

    /// One whose connections hold as little as they may.
    pub(crate) fn frugal() -> Self {
        let config = ConnectionConfig::new()
            .rx_limit(0)
            .send_high(0)
            .lane_watermarks(8 * 1024, 2 * 1024);
        Self {
            config: Arc::new(config),
            ..Self::new()
        }
    }

    /// One that lets nobody in.
    pub(crate) fn refusing() -> Self {
        Self {
            refuses: true,
            ..Self::new()
        }
    }

    /// Events that wait to be pulled.
    pub(crate) fn events_waiting(&mut self) -> usize {
        self.events.len()
    }

    fn add(&mut self, now: Instant, peer: PeerInfo) -> ConnectionHandle {
        let framing = peer.framing;
        let connection = Connection::new(now, self.config.clone(), peer, framing, self.ids.fork_seed());
        let handle = self.table.insert(connection, Data::default());
        self.table.mark_ready(handle);
        handle
    }

    /// Pulls what there is, and has the driver look at the connection.
    fn pump(&mut self, now: Instant, handle: ConnectionHandle) {
        self.pull(now, handle);
        self.close_drained(handle);
        self.table.mark_ready(handle);
        self.table.rearm(handle, None);
    }

    fn pull(&mut self, now: Instant, handle: ConnectionHandle) {
        while let Some((connection, data)) = self.table.get_mut(handle) {
            let event = if self.listens || connection.is_closed() {
                connection.poll_event(now)
            } else {
                connection.settle();
                connection.poll_sent()
            };
            let Some(event) = event else { break };
            match event {
                Event::Request { head, .. } => {
                    data.current = head.message_id().ok().flatten();
                }
                Event::Body { data: octets, .. } => {
                    if let Some(id) = data.current {
                        data.incoming.entry(id).or_default().extend_from_slice(&octets);
                    }
                }
                Event::RequestEnd { flag, .. } => {
                    if let Some(id) = data.current.take()
                        && flag == ContinuationFlag::Complete
                    {
                        let whole = data.incoming.remove(&id).unwrap_or_default();
                        self.events.push_back(Told::Received(handle, whole));
                    }
                }
                Event::Writable { .. } | Event::SendReady => self.write(now, handle),
                Event::Closed { reason } => self.events.push_back(Told::Down(reason.kind)),
                _ => {}
            }
        }
    }

    /// Writes on for all messages of a connection.
    fn write(&mut self, now: Instant, handle: ConnectionHandle) {
        let Some((connection, data)) = self.table.get_mut(handle) else {
            return;
        };
        data.sending.retain(|_, (lane, rest)| {
            while let Some(slice) = rest.pop_front() {
                match connection.write(now, *lane, slice) {
                    Ok(()) => {}
                    Err(WriteError::Blocked(slice)) => {
                        rest.push_front(slice);
                        return true;
                    }
                    Err(_) => return false,
                }
            }
            let _known = connection.finish(now, *lane, ContinuationFlag::Complete);
            false
        });
    }

    fn send(&mut self, now: Instant, handle: ConnectionHandle, slices: Vec<Bytes>) {
        self.next += 1;
        let (tag, message_id) = (self.next, self.ids.message_id());
        let template = HeadTemplate::send(&SendHeaders {
            to_path: &path(),
            from_path: &path(),
            message_id,
            success_report: SuccessReport::No,
            failure_report: FailureReport::Yes,
            content_type: Some("application/octet-stream"),
            extra: &[],
        })
        .unwrap();
        if let Some((connection, data)) = self.table.get_mut(handle)
            && let Ok(lane) = connection.open_send(template, 1, None, FailureReport::Yes, tag)
        {
            data.sending.insert(tag, (lane, slices.into()));
        }
        self.write(now, handle);
        self.pump(now, handle);
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
}

impl Node for Talker {
    type Event = Told;
    type Command = Say;
    type Rejected = Nonsense;
    type Query = String;
    type Answer = String;

    fn handle_accepted(&mut self, now: Instant, peer: PeerInfo) -> Result<ConnectionHandle, Refused> {
        if self.refuses {
            return Err(Refused::Policy);
        }
        let handle = self.add(now, peer.clone());
        self.events.push_back(Told::Accepted(handle, peer));
        Ok(handle)
    }

    fn handle_connected(
        &mut self,
        now: Instant,
        _token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle> {
        match outcome {
            Ok(peer) => {
                let handle = self.add(now, peer.clone());
                self.events.push_back(Told::Connected(handle, peer));
                Some(handle)
            }
            Err(failure) => {
                self.events.push_back(Told::NotConnected(failure));
                None
            }
        }
    }

    fn handle_read(&mut self, now: Instant, connection: ConnectionHandle, block: BytesMut) {
        assert!(!block.is_empty(), "a read of nothing is no read");
        if let Some((connection, _)) = self.table.get_mut(connection) {
            connection.handle_read(now, block);
        }
        self.pump(now, connection);
    }

    fn handle_message_end(&mut self, now: Instant, connection: ConnectionHandle) {
        if let Some((connection, _)) = self.table.get_mut(connection) {
            assert_eq!(
                connection.peer().framing,
                Framing::Message,
                "streams have no messages"
            );
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

    fn handle_reset(&mut self, _: Instant, connection: ConnectionHandle) {
        if self.table.remove(connection).is_some() {
            self.events.push_back(Told::Down(CloseReason::Reset));
        }
    }

    fn handle_command(&mut self, now: Instant, command: Say) -> Result<(), Nonsense> {
        match command {
            Say::Connect(number, target) => self.actions.push_back(Action::Connect {
                token: ConnectToken(number),
                target,
            }),
            Say::Send(handle, slices) => self.send(now, handle, slices),
            Say::Close(handle) => {
                if let Some((connection, _)) = self.table.get_mut(handle) {
                    connection.close(now, CloseReason::Done);
                }
                self.pump(now, handle);
            }
            Say::Ask(query) => {
                self.next += 1;
                self.actions.push_back(Action::Lookup {
                    ticket: Ticket(self.next),
                    query,
                });
            }
            Say::Measure => {
                let sum = |of: fn(&Connection) -> usize| self.table.iter().map(|(_, c, _)| of(c)).sum();
                let told = Told::Measured(sum(Connection::buffered), sum(Connection::received));
                self.events.push_back(told);
            }
            Say::Listen(listens) => {
                self.listens = listens;
                for handle in self.table.handles() {
                    self.pump(now, handle);
                }
            }
            Say::Nonsense => return Err(Nonsense),
        }
        Ok(())
    }

    fn handle_answer(&mut self, _: Instant, _: Ticket, answer: String) {
        self.events.push_back(Told::Answered(answer));
    }

    fn handle_timeout(&mut self, now: Instant) {
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
        // What was taken since the last call may have led to events, and those to more output.
        let interest = self.wants_read(handle);
        self.pull(now, handle);
        self.close_drained(handle);
        if self.wants_read(handle) != interest {
            self.table.mark_ready(handle);
        }
        self.table.get_mut(handle)?.0.poll_transmit(now, budget)?;
        self.table.rearm(handle, None);
        self.table.get_mut(handle)?.0.poll_transmit(now, budget)
    }

    fn poll_ready(&mut self) -> Option<ConnectionHandle> {
        self.table.pop_ready()
    }

    fn poll_action(&mut self) -> Option<Action<String>> {
        self.actions.pop_front()
    }

    fn poll_event(&mut self) -> Option<Told> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.table.next_deadline()
    }
}
