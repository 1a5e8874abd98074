//! The relay as its driver sees it.

use std::time::Instant;

use bytes::BytesMut;
use msrp_core::{
    connection::{CloseReason, Transmit},
    node::{Action, ConnectFailure, ConnectToken, ConnectionHandle, Node, PeerInfo, Refused, Ticket},
};

use crate::{
    command::{RelayCommand, RelayRejected},
    event::RelayEvent,
    lookups::{RelayAnswer, RelayQuery},
    policy::{Admission, Lookup},
    relay::Relay,
};

impl Node for Relay {
    type Event = RelayEvent;
    type Command = RelayCommand;
    type Rejected = RelayRejected;
    type Query = RelayQuery;
    type Answer = RelayAnswer;

    fn handle_accepted(&mut self, now: Instant, peer: PeerInfo) -> Result<ConnectionHandle, Refused> {
        self.clock(now);
        let most = self.config.max_connections_per_address;
        let limit = self.config.max_connections;
        let full = Refused::TooManyConnections { limit };
        let (refused, counter) = if peer.shard.is_some() {
            // Its source has been let in, and may have been told that we have its message.
            if self.has_room_for_pipe() {
                return Ok(self.accept_connection(peer, Lookup::Ready(Admission::Accept)));
            }
            (full, &mut self.stats.refused_full)
        } else if self.draining {
            (Refused::Draining, &mut self.stats.refused_draining)
        } else if most.is_some_and(|most| !self.common.addresses().enter(&peer, most)) {
            (Refused::Policy, &mut self.stats.refused_by_address)
        } else {
            let admission = self.config.policy.admit(&peer);
            let refusal = if admission == Lookup::Ready(Admission::Refuse) {
                (Refused::Policy, &mut self.stats.refused_by_admission)
            } else if self.is_full() || (self.connections() >= limit && !self.evict()) {
                (full, &mut self.stats.refused_full)
            } else {
                return Ok(self.accept_connection(peer, admission));
            };
            if most.is_some() {
                self.common.addresses().leave(&peer);
            }
            refusal
        };
        *counter += 1;
        self.stats.refused += 1;
        Err(refused)
    }

    fn handle_connected(
        &mut self,
        now: Instant,
        token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle> {
        self.clock(now);
        let handle = self.connected(token, outcome);
        self.run();
        handle
    }

    fn handle_read(&mut self, now: Instant, connection: ConnectionHandle, block: BytesMut) {
        self.clock(now);
        let now = self.now;
        if let Some((conn, data)) = self.table.get_mut(connection) {
            conn.handle_read(now, block);
            if data.fresh {
                self.find_home(connection);
            }
            self.enqueue(connection);
            self.run();
        }
    }

    fn handle_message_end(&mut self, now: Instant, connection: ConnectionHandle) {
        self.clock(now);
        let now = self.now;
        if let Some((conn, _)) = self.table.get_mut(connection) {
            conn.handle_message_end(now);
            self.enqueue(connection);
            self.run();
        }
    }

    fn handle_eof(&mut self, now: Instant, connection: ConnectionHandle) {
        self.clock(now);
        let now = self.now;
        if let Some((conn, _)) = self.table.get_mut(connection) {
            conn.handle_read_eof(now);
            self.enqueue(connection);
            self.run();
        }
    }

    fn handle_reset(&mut self, now: Instant, connection: ConnectionHandle) {
        self.clock(now);
        let now = self.now;
        if let Some((conn, _)) = self.table.get_mut(connection) {
            conn.handle_reset(now);
            self.pump(connection);
            self.forget(connection);
            self.run();
        }
    }

    fn handle_command(&mut self, now: Instant, command: RelayCommand) -> Result<(), RelayRejected> {
        self.clock(now);
        match command {
            RelayCommand::Drain => (self.draining, self.settling) = (true, false),
            RelayCommand::Settle => (self.draining, self.settling) = (true, true),
            RelayCommand::Shutdown => {
                self.draining = true;
                self.end_all(CloseReason::Shutdown);
            }
            RelayCommand::RevokeUser(user) => {
                let bindings = self.bindings.of_user(&user);
                if bindings.is_empty() {
                    return Err(RelayRejected::UnknownUser);
                }
                for id in bindings {
                    self.revoke(id);
                }
            }
            RelayCommand::EndConnection(handle) => {
                let Some((connection, _)) = self.table.get_mut(handle) else {
                    return Err(RelayRejected::UnknownConnection);
                };
                connection.close(self.now, CloseReason::Policy);
                self.enqueue(handle);
            }
            RelayCommand::EndSession(session) => self.end_session(session)?,
            RelayCommand::ReplaceAuthStore(store) => self.config.auth_store = store,
            RelayCommand::Call(call) => call(self, self.now),
        }
        self.run();
        Ok(())
    }

    fn handle_answer(&mut self, now: Instant, ticket: Ticket, answer: RelayAnswer) {
        self.clock(now);
        self.finish_lookup(ticket, Some(answer));
        self.run();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.clock(now);
        let now = self.now;
        // Each once: what is due again at once waits for the next call.
        self.expire_anchors();
        let mut due = Vec::new();
        while let Some(handle) = self.table.pop_expired(now) {
            due.push(handle);
        }
        for handle in due {
            if let Some((connection, _)) = self.table.get_mut(handle) {
                connection.handle_timeout(now);
            }
            self.expire(handle);
            self.enqueue(handle);
        }
        self.expire_peers();
        self.run();
    }

    fn make_room(&mut self, now: Instant) -> bool {
        self.clock(now);
        self.evict()
    }

    fn wants_read(&self, connection: ConnectionHandle) -> bool {
        self.table
            .get(connection)
            .is_some_and(|(connection, data)| self.may_read(connection, data))
    }

    fn poll_transmit(
        &mut self,
        now: Instant,
        connection: ConnectionHandle,
        budget: usize,
    ) -> Option<Transmit<'_>> {
        self.clock(now);
        let now = self.now;
        // What the driver has taken since may have made room for others.
        let mut told = false;
        while let Some(event) = self
            .table
            .get_mut(connection)
            .and_then(|(connection, _)| connection.poll_sent())
        {
            told = true;
            self.on_event(connection, event);
        }
        if told {
            self.run();
        }
        let (conn, _) = self.table.get_mut(connection)?;
        if conn.poll_transmit(now, budget).is_none() {
            if let Some(memory) = conn.give_back() {
                self.buffers.keep(memory);
            }
            self.settle_account(connection);
            self.read_again(connection);
            if self.end_orphan(connection) {
                self.run();
            }
            return None;
        }
        // Lends what has just been staged.
        self.table
            .get_mut(connection)
            .and_then(|(conn, _)| conn.poll_transmit(now, 0))
    }

    fn poll_ready(&mut self) -> Option<ConnectionHandle> {
        self.table.pop_ready()
    }

    fn poll_action(&mut self) -> Option<Action<RelayQuery>> {
        self.actions.pop_front()
    }

    fn poll_event(&mut self) -> Option<RelayEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let others = [self.anchors.next_deadline(), self.peers.next_deadline()];
        self.table
            .next_deadline()
            .into_iter()
            .chain(others.into_iter().flatten())
            .min()
    }
}
