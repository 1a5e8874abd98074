//! Questions that a policy could not answer at once.

use std::time::Duration;

use msrp_core::{
    digest::{Algorithm, Ha1},
    grammar::Uri,
    node::{Action, ConnectionHandle, Ticket},
};

use crate::{
    connection::Wait,
    policy::{Grant, NextHop},
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
    /// [`RelayPolicy::authorize`](crate::policy::RelayPolicy::authorize); wants [`RelayAnswer::Grant`].
    Authorize {
        /// The user, who has proven who it is.
        user: String,
        /// The life of the URI that it asks for, if it does.
        expires: Option<Duration>,
    },
    /// [`RoutePolicy::next_hop`](crate::policy::RoutePolicy::next_hop); wants [`RelayAnswer::NextHop`].
    NextHop {
        /// The URI that stands behind ours in To-Path.
        next: Uri,
        /// The user who sends.
        user: String,
    },
}

/// The answer to a [`RelayQuery`]. One of another kind than was asked for counts as none.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RelayAnswer {
    /// The user's H(A1); `None` for a user that does not exist.
    Credentials(Option<Ha1>),
    /// What the user gets.
    Grant(Grant),
    /// The way.
    NextHop(NextHop),
}

/// What a ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PendingLookup {
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
