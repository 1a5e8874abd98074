//! Questions that a policy could not answer at once.

use std::time::Duration;

use msrp_core::{
    connection::CloseReason,
    digest::{Algorithm, Ha1},
    grammar::Uri,
    node::{Action, ConnectionHandle, PeerInfo, Ticket},
};

use crate::{
    connection::Wait,
    policy::{Admission, Grant, NextHop},
    relay::Relay,
};

/// What the relay asks when a policy said [`Lookup::Pending`](crate::policy::Lookup::Pending).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayQuery {
    /// [`AuthStore::credentials`](crate::policy::AuthStore::credentials); wants [`RelayAnswer::Credentials`].
    Credentials {
        /// The relay's realm.
        realm: String,
        /// The user.
        user: String,
        /// For which hash function.
        algorithm: Algorithm,
    },
    /// [`RelayPolicy::admit`](crate::policy::RelayPolicy::admit); wants [`RelayAnswer::Admission`].
    Admit {
        /// Whose connection it is.
        peer: PeerInfo,
    },
    /// [`RelayPolicy::authorize`](crate::policy::RelayPolicy::authorize); wants [`RelayAnswer::Grant`].
    Authorize {
        /// The user, who has proven who it is.
        user: String,
        /// The life of the URI that it asks for, if it does.
        expires: Option<Duration>,
        /// Its connection, or that of the relay behind which it is.
        peer: PeerInfo,
        /// The relay behind which it is, by the name that its certificate proves.
        relay: Option<String>,
    },
    /// [`RoutePolicy::next_hop`](crate::policy::RoutePolicy::next_hop); wants [`RelayAnswer::NextHop`].
    NextHop {
        /// The URI that stands behind ours in To-Path.
        next: Uri,
        /// The user who sends.
        user: String,
        /// The user's connection.
        from: PeerInfo,
    },
}

/// The answer to a [`RelayQuery`]. One of another kind than was asked for counts as none.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RelayAnswer {
    /// The user's H(A1); `None` for a user that does not exist.
    Credentials(Option<Ha1>),
    /// Whether the connection is taken.
    Admission(Admission),
    /// What the user gets.
    Grant(Grant),
    /// The way.
    NextHop(NextHop),
}

/// What a ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PendingLookup {
    Admission,
    Credentials,
    Grant,
    NextHop,
}

impl Relay {
    pub(crate) fn look_up(
        &mut self,
        connection: ConnectionHandle,
        what: PendingLookup,
        query: RelayQuery,
    ) -> Wait {
        let ticket = self.new_ticket(connection, what);
        self.actions.push_back(Action::Lookup { ticket, query });
        Wait::Lookup {
            ticket,
            until: self.now + self.config.lookup_timeout,
        }
    }

    fn new_ticket(&mut self, connection: ConnectionHandle, what: PendingLookup) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.lookups.insert(ticket, (connection, what));
        ticket
    }

    /// A lookup that nobody answered.
    pub(crate) fn expire_lookup(&mut self, handle: ConnectionHandle) {
        let Some((_, data)) = self.table.get(handle) else {
            return;
        };
        if let Some(Wait::Lookup { ticket, until }) = data.wait
            && until <= self.now
        {
            self.finish_lookup(ticket, None);
        }
    }

    /// It has been said whether a connection is taken, which nothing was read from so far; silence is no.
    fn finish_admission(&mut self, handle: ConnectionHandle, answer: Option<RelayAnswer>) {
        if !matches!(answer, Some(RelayAnswer::Admission(Admission::Accept))) {
            self.stats.refused += 1;
            self.stats.refused_by_admission += 1;
            let now = self.now;
            if let Some((connection, _)) = self.table.get_mut(handle) {
                connection.close(now, CloseReason::Policy);
            }
        }
        self.enqueue(handle);
    }

    pub(crate) fn finish_lookup(&mut self, ticket: Ticket, answer: Option<RelayAnswer>) {
        let Some((handle, what)) = self.lookups.remove(&ticket) else {
            return;
        };
        let Some((_, data)) = self.table.get_mut(handle) else {
            return;
        };
        if !matches!(data.wait, Some(Wait::Lookup { ticket: waits, .. }) if waits == ticket) {
            return;
        }
        if what == PendingLookup::Admission {
            data.wait = None;
            return self.finish_admission(handle, answer);
        }
        let Some(key) = data.incoming else { return };
        data.wait = None;
        match (what, answer) {
            (PendingLookup::NextHop, Some(RelayAnswer::NextHop(hop))) => {
                if let Some(incoming) = self.incoming.get_mut(key as usize) {
                    incoming.next_hop = Some(hop);
                }
                self.start_forwarding(handle, key);
            }
            (PendingLookup::NextHop, _) => {
                self.fail_route(handle);
                self.start_forwarding(handle, key);
            }
            (PendingLookup::Credentials, answer @ Some(RelayAnswer::Credentials(_)))
            | (PendingLookup::Grant, answer @ Some(RelayAnswer::Grant(_))) => {
                self.answer_auth(handle, key, answer);
            }
            _ => self.answer_auth(handle, key, None),
        }
        self.enqueue(handle);
    }
}
