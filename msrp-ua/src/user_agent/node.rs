//! The user agent as a node.

use std::{convert::Infallible, time::Instant};

use bytes::BytesMut;
use msrp_core::{
    connection::Transmit,
    node::{Action, ConnectFailure, ConnectToken, ConnectionHandle, Node, PeerInfo, Refused, Ticket},
};

use super::{UserAgent, UserAgentCommand};
use crate::{connect::Peer, error::CommandError, event::UserAgentEvent, timers::UaTimer};

impl Node for UserAgent {
    type Event = UserAgentEvent;
    type Command = UserAgentCommand;
    type Rejected = CommandError;
    type Query = Infallible;
    type Answer = Infallible;

    fn handle_accepted(&mut self, now: Instant, peer: PeerInfo) -> Result<ConnectionHandle, Refused> {
        self.tick(now);
        if self.is_draining() {
            return Err(Refused::Draining);
        }
        let limit = self.config.max_connections;
        if self.table.len() >= limit {
            return Err(Refused::TooManyConnections { limit });
        }
        let bind_by = self.now + self.config.bind_timeout;
        let handle = self.add_connection(
            peer,
            Peer {
                bind_by: Some(bind_by),
                ..Peer::default()
            },
        );
        self.timers.insert((bind_by, UaTimer::Unused(handle)));
        Ok(handle)
    }

    fn handle_connected(
        &mut self,
        now: Instant,
        token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle> {
        self.tick(now);
        self.on_connected(token, outcome)
    }

    fn handle_read(&mut self, now: Instant, connection: ConnectionHandle, block: BytesMut) {
        self.tick(now);
        if let Some((it, _)) = self.table.get_mut(connection) {
            it.handle_read(now, block);
            self.pump(connection);
        }
    }

    fn handle_message_end(&mut self, now: Instant, connection: ConnectionHandle) {
        self.tick(now);
        if let Some((it, _)) = self.table.get_mut(connection) {
            it.handle_message_end(now);
            self.pump(connection);
        }
    }

    fn handle_eof(&mut self, now: Instant, connection: ConnectionHandle) {
        self.tick(now);
        if let Some((it, _)) = self.table.get_mut(connection) {
            it.handle_read_eof(now);
            self.pump(connection);
        }
    }

    fn handle_reset(&mut self, now: Instant, connection: ConnectionHandle) {
        self.tick(now);
        if let Some((it, _)) = self.table.get_mut(connection) {
            it.handle_reset(now);
            // The handle is dead after this, so what there is to tell is told now, however much waits already.
            while let Some((it, _)) = self.table.get_mut(connection) {
                let Some(event) = it.poll_event(now) else { break };
                self.on_event(connection, event);
            }
            self.table.remove(connection);
        }
    }

    fn handle_command(&mut self, now: Instant, command: UserAgentCommand) -> Result<(), CommandError> {
        self.tick(now);
        self.on_command(command)
    }

    fn handle_answer(&mut self, now: Instant, _ticket: Ticket, answer: Infallible) {
        self.tick(now);
        match answer {}
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.tick(now);
        while let Some(handle) = self.table.pop_expired(self.now) {
            if let Some((connection, _)) = self.table.get_mut(handle) {
                connection.handle_timeout(now);
                self.pump(handle);
            }
        }
        self.run_timers();
    }

    fn wants_read(&self, connection: ConnectionHandle) -> bool {
        self.table
            .get(connection)
            .is_some_and(|(connection, _)| connection.wants_read())
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        connection: ConnectionHandle,
        budget: usize,
    ) -> Option<Transmit<'_>> {
        self.tick(now);
        // What the last write completed is to be heard before more is asked for: it may make room for more.
        self.pull(connection);
        let (connection, _) = self.table.get_mut(connection)?;
        connection.poll_transmit(now, budget)
    }

    // Whatever is asked first sees what calls have still to do, so that nothing of it waits for the next turn.
    fn poll_ready(&mut self) -> Option<ConnectionHandle> {
        self.settle_calls();
        self.table.pop_ready()
    }

    fn poll_action(&mut self) -> Option<Action<Infallible>> {
        self.settle_calls();
        self.actions.pop_front()
    }

    fn poll_event(&mut self) -> Option<UserAgentEvent> {
        self.settle_calls();
        let event = self.events.pop_front();
        if !self.stalled.is_empty() && self.events.len() <= self.config.max_events / 2 {
            self.resume_stalled();
        }
        event
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.table.next_deadline(), self.timers.first().map(|&(at, _)| at)]
            .into_iter()
            .flatten()
            .min()
    }
}
