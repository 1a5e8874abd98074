//! The gateway as a node: the MSRP side is that of its user agent.

use std::time::Instant;

use bytes::BytesMut;
use msrp_core::{
    connection::Transmit,
    node::{Action, ConnectFailure, ConnectToken, ConnectionHandle, Node, PeerInfo, Refused, Ticket},
};
use msrp_ua::sip::{Signalling, SipAction, SipInput};

use super::Gateway;
use crate::{
    command::GatewayCommand,
    error::GatewayError,
    event::GatewayEvent,
    policy::{GatewayAnswer, GatewayQuery},
};

impl Node for Gateway {
    type Event = GatewayEvent;
    type Command = GatewayCommand;
    type Rejected = GatewayError;
    type Query = GatewayQuery;
    type Answer = GatewayAnswer;

    fn handle_accepted(&mut self, now: Instant, peer: PeerInfo) -> Result<ConnectionHandle, Refused> {
        self.tick(now);
        self.agent.handle_accepted(self.now, peer)
    }

    fn handle_connected(
        &mut self,
        now: Instant,
        token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle> {
        self.tick(now);
        let connection = self.agent.handle_connected(self.now, token, outcome);
        self.pump();
        connection
    }

    fn handle_read(&mut self, now: Instant, connection: ConnectionHandle, block: BytesMut) {
        self.tick(now);
        self.agent.handle_read(self.now, connection, block);
        self.pump();
    }

    fn handle_message_end(&mut self, now: Instant, connection: ConnectionHandle) {
        self.tick(now);
        self.agent.handle_message_end(self.now, connection);
        self.pump();
    }

    fn handle_eof(&mut self, now: Instant, connection: ConnectionHandle) {
        self.tick(now);
        self.agent.handle_eof(self.now, connection);
        self.pump();
    }

    fn handle_reset(&mut self, now: Instant, connection: ConnectionHandle) {
        self.tick(now);
        self.agent.handle_reset(self.now, connection);
        self.pump();
    }

    fn handle_command(&mut self, now: Instant, command: GatewayCommand) -> Result<(), GatewayError> {
        self.tick(now);
        let done = match command {
            GatewayCommand::Sip(input) => {
                self.agent.handle_sip(self.now, *input);
                Ok(())
            }
            GatewayCommand::End(id) => self.end(id),
            GatewayCommand::SetRoutes(routes) => {
                self.policies.routes = routes;
                Ok(())
            }
            GatewayCommand::Drain(within) => {
                self.drain(within);
                Ok(())
            }
            GatewayCommand::Call(call) => call(self),
        };
        self.pump();
        done
    }

    fn handle_answer(&mut self, now: Instant, ticket: Ticket, answer: GatewayAnswer) {
        self.tick(now);
        self.on_answer(ticket, answer);
        self.pump();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.tick(now);
        self.agent.handle_timeout(self.now);
        self.pump();
        self.run_timers();
        self.pump();
    }

    fn wants_read(&self, connection: ConnectionHandle) -> bool {
        self.agent.wants_read(connection)
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        connection: ConnectionHandle,
        budget: usize,
    ) -> Option<Transmit<'_>> {
        self.tick(now);
        self.agent.poll_transmit(self.now, connection, budget)
    }

    fn poll_ready(&mut self) -> Option<ConnectionHandle> {
        self.agent.poll_ready()
    }

    fn poll_action(&mut self) -> Option<Action<GatewayQuery>> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        Some(match self.agent.poll_action()? {
            Action::Connect { token, target } => Action::Connect { token, target },
            Action::ConnectShard { token, shard, peer } => Action::ConnectShard { token, shard, peer },
            Action::HandOver {
                connection,
                shard,
                peer,
                octets,
            } => Action::HandOver {
                connection,
                shard,
                peer,
                octets,
            },
            Action::Close { connection } => Action::Close { connection },
            Action::Lookup { query, .. } => match query {},
            // A kind of action that this version does not know is none that a user agent of this version has.
            _ => return None,
        })
    }

    fn poll_event(&mut self) -> Option<GatewayEvent> {
        if self.events.is_empty() {
            // What the last writes have led to.
            self.pump();
        }
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.agent.poll_timeout(), self.next_due()]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Signalling for Gateway {
    fn action(event: GatewayEvent) -> Result<SipAction, GatewayEvent> {
        match event {
            GatewayEvent::Sip(action) => Ok(*action),
            event => Err(event),
        }
    }

    fn input(input: SipInput) -> GatewayCommand {
        GatewayCommand::Sip(Box::new(input))
    }
}
