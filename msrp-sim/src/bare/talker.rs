//! The application of a bare node: sends what it plans, sends back what it hears if it is an echo.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    time::{Duration, Instant},
};

use bytes::Bytes;
use msrp_core::{
    grammar::{FailureReport, Path, StatusCode, SuccessReport},
    node::{ConnectionHandle, Node, Target},
    rng::IdSource,
};

use super::{BareCommand, BareEvent, BareNode, Chunking, Message};
use crate::{Application, Rng, Turn, ledger::Fate};

/// Something that a talker does at some time.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Connect; the number names the connection in what follows.
    Connect(u64, Target, Path),
    /// Send a message of this many octets on a connection.
    Send(u64, usize),
    /// Close a connection.
    Close(u64),
}

/// An application that talks.
#[derive(Debug)]
pub struct Talker {
    ids: IdSource,
    plans: Vec<(Duration, Plan)>,
    echo: bool,
    /// Nothing goes wrong in this world, so that every message has to arrive.
    smooth: bool,
    connections: BTreeMap<u64, ConnectionHandle>,
    refused: BTreeSet<u64>,
}

impl Talker {
    /// One that does what is planned, and sends back what it receives if `echo`.
    pub fn new(plans: Vec<(Duration, Plan)>, echo: bool, smooth: bool, rng: &mut Rng) -> Self {
        Self {
            ids: IdSource::from_seed(rng.seed()),
            plans,
            echo,
            smooth,
            connections: BTreeMap::new(),
            refused: BTreeSet::new(),
        }
    }

    fn send(
        &mut self,
        now: Instant,
        node: &mut BareNode,
        connection: ConnectionHandle,
        content: Bytes,
        turn: &mut Turn<'_>,
    ) {
        let id = self.ids.message_id();
        let failure_report = turn.rng.pick(&[
            FailureReport::Yes,
            FailureReport::Yes,
            FailureReport::Partial,
            FailureReport::No,
        ]);
        let message = Message {
            id,
            chunking: match turn.rng.below(4) {
                0 => Chunking::Whole(turn.rng.size(300..=2048)),
                1 => Chunking::Lane { total: false },
                _ => Chunking::Lane { total: true },
            },
            failure_report,
            success_report: if turn.rng.chance(400) {
                SuccessReport::Yes
            } else {
                SuccessReport::No
            },
            content: content.clone(),
        };
        turn.ledger.sent(turn.node(), id.as_str(), content, self.smooth);
        let Ok(()) = node.handle_command(now, BareCommand::Send(connection, Box::new(message)));
    }
}

impl Application<BareNode> for Talker {
    fn start(&mut self, _: Instant, _: &mut BareNode, turn: &mut Turn<'_>) {
        for (index, (at, _)) in self.plans.iter().enumerate() {
            turn.wake_in(*at, index as u64);
        }
    }

    fn wake(&mut self, now: Instant, node: &mut BareNode, token: u64, turn: &mut Turn<'_>) {
        match self.plans[token as usize].1.clone() {
            Plan::Connect(number, target, path) => {
                let Ok(()) = node.handle_command(now, BareCommand::Connect(number, target, path));
            }
            Plan::Send(number, len) => match self.connections.get(&number).copied() {
                Some(connection) => {
                    let content = content(turn.rng, len);
                    self.send(now, node, connection, content, turn);
                }
                // The connection may be late.
                None if !self.refused.contains(&number) => turn.wake_in(Duration::from_secs(1), token),
                None => {}
            },
            Plan::Close(number) => {
                if let Some(connection) = self.connections.remove(&number) {
                    self.refused.insert(number);
                    let Ok(()) = node.handle_command(now, BareCommand::Close(connection));
                }
            }
        }
    }

    fn event(&mut self, now: Instant, node: &mut BareNode, event: BareEvent, turn: &mut Turn<'_>) {
        match event {
            BareEvent::Connected(number, Ok(connection)) => {
                turn.ledger.count("connected");
                self.connections.insert(number, connection);
            }
            BareEvent::Connected(number, Err(_)) => {
                turn.ledger.count("refused");
                self.refused.insert(number);
            }
            BareEvent::Received(connection, id, content) => {
                turn.ledger.count("received");
                turn.ledger
                    .received(turn.node(), id.as_str(), content.clone(), now);
                if self.echo {
                    self.send(now, node, connection, content, turn);
                }
            }
            BareEvent::GivenUp(..) => turn.ledger.count("given up"),
            BareEvent::Report(id, code, _) => {
                turn.ledger.count("reports");
                let fate = if code == StatusCode::OK {
                    Fate::Delivered
                } else {
                    Fate::Failed
                };
                turn.ledger.fate(id.as_str(), fate);
            }
            BareEvent::Done(id, Ok(())) => {
                turn.ledger.count("done");
                if turn
                    .ledger
                    .all_sent()
                    .get(id.as_str())
                    .is_some_and(|sent| sent.fate == Fate::Open)
                {
                    turn.ledger.fate(id.as_str(), Fate::Sent);
                }
            }
            BareEvent::Done(id, Err(_)) => {
                turn.ledger.count("failed");
                turn.ledger.fate(id.as_str(), Fate::Failed);
            }
            BareEvent::Down(..) => turn.ledger.count("down"),
        }
    }

    fn answer(&mut self, query: Infallible, _: &mut Turn<'_>) -> Option<(Duration, Infallible)> {
        match query {}
    }

    fn buffered(&self, node: &BareNode) -> usize {
        node.buffered()
    }
}

/// Octets of some kind: random, text, zeros, or full of what looks like the beginning of an end-line.
pub fn content(rng: &mut Rng, len: usize) -> Bytes {
    let mut octets = vec![0; len];
    match rng.below(5) {
        0 => {}
        1 => octets
            .iter_mut()
            .zip(b"Hello, this is a text of some length. ".iter().cycle())
            .for_each(|(to, from)| *to = *from),
        2 => {
            let trap: &[u8] = b"\r\n-------\r\r\n--\r\n-------a2$\r\n";
            octets
                .iter_mut()
                .zip(trap.iter().cycle())
                .for_each(|(to, from)| *to = *from);
        }
        3 => octets.fill(b'\r'),
        _ => rng.fill(&mut octets),
    }
    octets.into()
}
