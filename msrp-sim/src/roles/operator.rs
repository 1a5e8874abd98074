//! Who runs a relay: answers what it asks, late if need be, and watches what it holds.

use std::{cell::Cell, rc::Rc, time::Duration, time::Instant};

use msrp_core::{digest::Ha1, node::Node};
use msrp_relay::{
    Relay, RelayAnswer, RelayCommand, RelayEvent, RelayQuery,
    policy::{Grant, NextHop},
};

use crate::{Application, Turn};

/// What a relay holds, as seen at the end of each of its turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayState {
    /// Its connections.
    pub connections: usize,
    /// Use-Path URIs that it has given out.
    pub bindings: usize,
    /// Chunks and requests whose fate is open.
    pub open_transactions: usize,
    /// Questions that nobody has answered.
    pub open_lookups: usize,
    /// What it counts against its bound.
    pub memory: usize,
    /// The most that it ever held beyond what its connections may hold; negative as long as the bound is kept.
    pub excess: i64,
}

/// Something that an operator does to a running relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Takes nothing new, and ends when all is done.
    Drain,
    /// Ends at once.
    Shutdown,
    /// Withdraws the URIs of a user.
    Revoke(String),
}

/// The application of a relay.
#[derive(Debug)]
pub struct Operator {
    measures: Vec<(Duration, Measure)>,
    /// How often a question is never answered, in thousandths.
    silence: u64,
    /// Passwords are derived from names, see [`Operator::password`].
    users: Vec<String>,
    /// What each connection may make the relay hold, and what may be held besides.
    bound: (usize, usize),
    state: Rc<Cell<RelayState>>,
}

impl Operator {
    /// One who knows these users, and a relay that may hold `bound.0` octets for each connection and `bound.1` besides.
    pub fn new(users: Vec<String>, bound: (usize, usize)) -> Self {
        let state = RelayState {
            excess: i64::MIN,
            ..RelayState::default()
        };
        Self {
            measures: Vec::new(),
            silence: 0,
            users,
            bound,
            state: Rc::new(Cell::new(state)),
        }
    }

    /// Never answers so many of a thousand questions.
    pub fn with_silence(mut self, thousandths: u64) -> Self {
        self.silence = thousandths;
        self
    }

    /// Takes these measures at these times.
    pub fn with_measures(mut self, measures: Vec<(Duration, Measure)>) -> Self {
        self.measures = measures;
        self
    }

    /// What the relay holds, to be looked at while the world runs and after.
    pub fn state(&self) -> Rc<Cell<RelayState>> {
        Rc::clone(&self.state)
    }

    /// A user's password.
    pub fn password(user: &str) -> String {
        format!("{user}-Passw0rd")
    }
}

impl Application<Relay> for Operator {
    fn start(&mut self, _: Instant, _: &mut Relay, turn: &mut Turn<'_>) {
        for (index, (at, _)) in self.measures.iter().enumerate() {
            turn.wake_in(*at, index as u64);
        }
    }

    fn wake(&mut self, now: Instant, relay: &mut Relay, token: u64, turn: &mut Turn<'_>) {
        turn.ledger.count("measures");
        let command = match self.measures[token as usize].1.clone() {
            Measure::Drain => RelayCommand::Drain,
            Measure::Shutdown => RelayCommand::Shutdown,
            Measure::Revoke(user) => RelayCommand::RevokeUser(user),
        };
        // A user without a URI is nothing to complain about.
        let _known = relay.handle_command(now, command);
    }

    fn event(&mut self, _: Instant, _: &mut Relay, event: RelayEvent, turn: &mut Turn<'_>) {
        turn.ledger.count(match event {
            RelayEvent::Authenticated { .. } => "authenticated",
            RelayEvent::AuthFailed { .. } => "auth failed",
            RelayEvent::BindingExpired { .. } => "binding expired",
            RelayEvent::ConnectionClosed { .. } => "relay connection closed",
            _ => "other relay event",
        });
    }

    fn answer(&mut self, query: RelayQuery, turn: &mut Turn<'_>) -> Option<(Duration, RelayAnswer)> {
        turn.ledger.count("lookups");
        if turn.rng.chance(self.silence) {
            turn.ledger.count("unanswered");
            return None;
        }
        let answer = match query {
            RelayQuery::Credentials {
                realm,
                user,
                algorithm,
            } => RelayAnswer::Credentials(
                self.users
                    .contains(&user)
                    .then(|| Ha1::compute(algorithm, &user, &realm, &Self::password(&user))),
            ),
            RelayQuery::Authorize { .. } => RelayAnswer::Grant(Grant::Allow),
            RelayQuery::NextHop { .. } => RelayAnswer::NextHop(NextHop::Direct),
            _ => return None,
        };
        Some((turn.rng.time(Duration::ZERO..Duration::from_millis(800)), answer))
    }

    fn buffered(&self, node: &Relay) -> usize {
        let memory = node.memory();
        let allowed = node.connections() * self.bound.0 + self.bound.1;
        self.state.set(RelayState {
            connections: node.connections(),
            bindings: node.bindings(),
            open_transactions: node.open_transactions(),
            open_lookups: node.open_lookups(),
            memory,
            excess: self.state.get().excess.max(memory as i64 - allowed as i64),
        });
        memory
    }
}
