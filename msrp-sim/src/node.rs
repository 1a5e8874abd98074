//! How nodes of different types, each with its application, live in one world.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use msrp_core::{
    connection::Transmit,
    node::{Action, ConnectFailure, ConnectToken, ConnectionHandle, Node, PeerInfo, Refused, Target, Ticket},
};

use crate::{Rng, ledger::Ledger};

/// What a node's application may use of the world while it acts.
#[derive(Debug)]
pub struct Turn<'a> {
    /// Chance.
    pub rng: &'a mut Rng,
    /// What applications say about messages, for the checkers.
    pub ledger: &'a mut Ledger,
    pub(crate) wakes: &'a mut Vec<(Duration, u64)>,
    pub(crate) node: usize,
}

impl Turn<'_> {
    /// Calls [`Application::wake`] with `token` after this time.
    pub fn wake_in(&mut self, time: Duration, token: u64) {
        self.wakes.push((time, token));
    }

    /// The node's number in the world.
    pub fn node(&self) -> usize {
        self.node
    }
}

/// The application of a node: hears its events, gives it commands, answers its lookups.
pub trait Application<N: Node> {
    /// The world begins.
    fn start(&mut self, now: Instant, node: &mut N, turn: &mut Turn<'_>) {
        let _ = (now, node, turn);
    }

    /// The node tells something.
    fn event(&mut self, now: Instant, node: &mut N, event: N::Event, turn: &mut Turn<'_>);

    /// A time asked for by [`Turn::wake_in`] has come; `token` is below 2^63.
    fn wake(&mut self, now: Instant, node: &mut N, token: u64, turn: &mut Turn<'_>) {
        let _ = (now, node, token, turn);
    }

    /// The node asks something; the answer reaches it after this time. None: it is never answered.
    fn answer(&mut self, query: N::Query, turn: &mut Turn<'_>) -> Option<(Duration, N::Answer)>;

    /// Octets that the node holds in its queues, where the node tells.
    fn buffered(&self, node: &N) -> usize {
        let _ = node;
        0
    }
}

/// What a node asks of the world.
#[derive(Debug)]
pub enum Ask {
    /// Connect and tell the outcome.
    Connect(ConnectToken, Target),
    /// Close in an orderly way.
    Close(ConnectionHandle),
}

/// A node with its application, as the world drives it; object-safe.
pub trait SimNode {
    /// See [`Application::start`].
    fn start(&mut self, now: Instant, turn: &mut Turn<'_>);
    /// See [`Node::handle_accepted`].
    ///
    /// # Errors
    /// As the node says.
    fn handle_accepted(&mut self, now: Instant, peer: PeerInfo) -> Result<ConnectionHandle, Refused>;
    /// See [`Node::handle_connected`].
    fn handle_connected(
        &mut self,
        now: Instant,
        token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle>;
    /// See [`Node::handle_read`].
    fn handle_read(&mut self, now: Instant, connection: ConnectionHandle, block: BytesMut);
    /// See [`Node::handle_message_end`].
    fn handle_message_end(&mut self, now: Instant, connection: ConnectionHandle);
    /// See [`Node::handle_eof`].
    fn handle_eof(&mut self, now: Instant, connection: ConnectionHandle);
    /// See [`Node::handle_reset`].
    fn handle_reset(&mut self, now: Instant, connection: ConnectionHandle);
    /// See [`Node::handle_timeout`].
    fn handle_timeout(&mut self, now: Instant);
    /// See [`Node::wants_read`].
    fn wants_read(&self, connection: ConnectionHandle) -> bool;
    /// See [`Node::poll_transmit`].
    fn poll_transmit(
        &mut self,
        now: Instant,
        connection: ConnectionHandle,
        budget: usize,
    ) -> Option<Transmit<'_>>;
    /// Octets, `most` of them at the most, of an inhabitant that has no [`Connection`](msrp_core::connection::Connection)
    /// to lend them.
    fn raw_output(&mut self, connection: ConnectionHandle, most: usize) -> Option<Vec<u8>> {
        let _ = (connection, most);
        None
    }
    /// See [`Node::poll_ready`].
    fn poll_ready(&mut self) -> Option<ConnectionHandle>;
    /// See [`Node::poll_action`]; lookups are answered on the way.
    fn poll_ask(&mut self, turn: &mut Turn<'_>) -> Option<Ask>;
    /// Lets the application hear up to `most` events; tells how many there were.
    fn poll_events(&mut self, now: Instant, most: usize, turn: &mut Turn<'_>) -> usize;
    /// A wake-up of the application or an answer to a lookup is due.
    fn wake(&mut self, now: Instant, token: u64, turn: &mut Turn<'_>);
    /// See [`Node::poll_timeout`].
    fn poll_timeout(&self) -> Option<Instant>;
    /// See [`Application::buffered`].
    fn buffered(&self) -> usize;
}

/// Tokens from here on are the adapter's own.
const ANSWERS: u64 = 1 << 63;

/// A [`Node`] with its [`Application`].
#[derive(Debug)]
pub struct Adapter<N: Node, A> {
    node: N,
    application: A,
    answers: BTreeMap<u64, (Ticket, N::Answer)>,
    next_answer: u64,
}

impl<N: Node, A: Application<N>> Adapter<N, A> {
    /// Joins them.
    pub fn new(node: N, application: A) -> Self {
        Self {
            node,
            application,
            answers: BTreeMap::new(),
            next_answer: ANSWERS,
        }
    }
}

impl<N: Node, A: Application<N>> SimNode for Adapter<N, A> {
    fn start(&mut self, now: Instant, turn: &mut Turn<'_>) {
        self.application.start(now, &mut self.node, turn);
    }

    fn handle_accepted(&mut self, now: Instant, peer: PeerInfo) -> Result<ConnectionHandle, Refused> {
        self.node.handle_accepted(now, peer)
    }

    fn handle_connected(
        &mut self,
        now: Instant,
        token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle> {
        self.node.handle_connected(now, token, outcome)
    }

    fn handle_read(&mut self, now: Instant, connection: ConnectionHandle, block: BytesMut) {
        self.node.handle_read(now, connection, block);
    }

    fn handle_message_end(&mut self, now: Instant, connection: ConnectionHandle) {
        self.node.handle_message_end(now, connection);
    }

    fn handle_eof(&mut self, now: Instant, connection: ConnectionHandle) {
        self.node.handle_eof(now, connection);
    }

    fn handle_reset(&mut self, now: Instant, connection: ConnectionHandle) {
        self.node.handle_reset(now, connection);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.node.handle_timeout(now);
    }

    fn wants_read(&self, connection: ConnectionHandle) -> bool {
        self.node.wants_read(connection)
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        connection: ConnectionHandle,
        budget: usize,
    ) -> Option<Transmit<'_>> {
        self.node.poll_transmit(now, connection, budget)
    }

    fn poll_ready(&mut self) -> Option<ConnectionHandle> {
        self.node.poll_ready()
    }

    fn poll_ask(&mut self, turn: &mut Turn<'_>) -> Option<Ask> {
        loop {
            match self.node.poll_action()? {
                Action::Connect { token, target } => return Some(Ask::Connect(token, target)),
                Action::Close { connection } => return Some(Ask::Close(connection)),
                Action::Lookup { ticket, query } => {
                    if let Some((time, answer)) = self.application.answer(query, turn) {
                        self.answers.insert(self.next_answer, (ticket, answer));
                        turn.wake_in(time, self.next_answer);
                        self.next_answer += 1;
                    }
                }
                // The list of actions may grow; a world that does not know one must not pass over it.
                other => unimplemented!(
                    "an action that the world does not know: {:?}",
                    std::mem::discriminant(&other)
                ),
            }
        }
    }

    fn poll_events(&mut self, now: Instant, most: usize, turn: &mut Turn<'_>) -> usize {
        for told in 0..most {
            let Some(event) = self.node.poll_event() else {
                return told;
            };
            self.application.event(now, &mut self.node, event, turn);
        }
        most
    }

    fn wake(&mut self, now: Instant, token: u64, turn: &mut Turn<'_>) {
        if token < ANSWERS {
            self.application.wake(now, &mut self.node, token, turn);
        } else if let Some((ticket, answer)) = self.answers.remove(&token) {
            self.node.handle_answer(now, ticket, answer);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.node.poll_timeout()
    }

    fn buffered(&self) -> usize {
        self.application.buffered(&self.node)
    }
}
