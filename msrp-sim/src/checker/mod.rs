//! What must hold in every run, seen from outside: by the octets on the wire and by what the applications say.
//!
//! A run is recorded whole ([`Trace`]) and looked at afterwards, with a decoder that shares nothing with the one under
//! test. There is one file for each family of rules.

mod chunks;
mod logs;
mod messages;
pub mod naive;
mod paths;
mod reports;
mod transactions;

use std::fmt;

pub use self::logs::{Capture, captured};
use self::naive::Frame;
use crate::{
    ledger::Ledger,
    trace::{Stamp, Stream, Trace, Wire},
};

/// What a world is held to beyond what always holds.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The world's name, for its capture.
    pub name: &'static str,
    /// Senders and relays of this world never jump within a message, so that a chunk begins where the one before ended.
    pub in_order: bool,
    /// The most octets that a node may hold, with its number.
    pub bounds: Vec<(usize, usize)>,
    /// All that arrives on a connection that lives is read in the end.
    pub all_is_read: bool,
    /// Senders of this world wait between the octets of a message, so that their chunks may be cut short for others.
    pub stalls: bool,
    /// Connections of this world may fail, so that a relay may know that a message cannot be delivered, and tells so by a
    /// 408 though nothing has timed out.
    pub losses: bool,
    /// Some peer of this world breaks rules on purpose: this node's own octets are not judged.
    pub rogues: Vec<usize>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            name: "world",
            in_order: true,
            bounds: Vec::new(),
            all_is_read: true,
            stalls: false,
            losses: false,
            rogues: Vec::new(),
        }
    }
}

/// A broken rule.
#[derive(Clone, Debug)]
pub struct Violation {
    rule: &'static str,
    what: String,
}

impl Violation {
    pub(crate) fn new(rule: &'static str, what: String) -> Self {
        Self { rule, what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.rule, self.what)
    }
}

/// A frame with its place in the run.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) frame: Frame,
    pub(crate) stream: &'a Stream,
    pub(crate) wire: &'a Wire,
    /// When its head had been written.
    pub(crate) head: Stamp,
    /// When its last octet had been written.
    pub(crate) last: Stamp,
}

impl Seen<'_> {
    /// A short name for messages about it.
    fn name(&self) -> String {
        let kind = match &self.frame.start {
            naive::Start::Request(method) => method.clone(),
            naive::Start::Response(code, _) => code.to_string(),
        };
        let Stream {
            connection, from, to, ..
        } = self.stream;
        format!(
            "{kind} {} on connection {connection}, {from} to {to}, octet {}",
            self.frame.tid, self.frame.begin
        )
    }
}

/// Holds a run to all rules. `relays` tells of each node whether it is a relay.
pub fn check(trace: &Trace, ledger: &Ledger, relays: &[bool], rules: &Rules) -> Vec<Violation> {
    let mut violations: Vec<Violation> = ledger
        .complaints()
        .iter()
        .map(|what| Violation::new("application", what.clone()))
        .collect();
    let mut seen = Vec::new();
    for wire in &trace.wires {
        for stream in &wire.streams {
            if rules.rogues.contains(&stream.from) {
                continue;
            }
            match naive::decode(&stream.octets) {
                Ok(frames) => seen.extend(frames.into_iter().map(|frame| Seen {
                    head: stream.written_at(frame.head_end),
                    last: stream.written_at(frame.end),
                    frame,
                    stream,
                    wire,
                })),
                Err(what) => violations.push(Violation::new(
                    "framing",
                    format!(
                        "connection {}, {} to {}: {what}",
                        stream.connection, stream.from, stream.to
                    ),
                )),
            }
        }
    }
    // In the order in which they were written; what one write carried stays in its order.
    seen.sort_by_key(|seen| (seen.head.sequence, seen.frame.begin));
    chunks::check(&seen, relays, rules, &mut violations);
    transactions::check(&seen, rules, &mut violations);
    paths::check(&seen, relays, &mut violations);
    reports::check(&seen, relays, rules, &mut violations);
    messages::check(&seen, ledger, relays, &mut violations);
    violations
}

/// All frames of a run in the order of their heads, one to a line, to look at a failure.
pub fn listing(trace: &Trace) -> String {
    let mut lines: Vec<(Stamp, String)> = Vec::new();
    for wire in &trace.wires {
        for stream in &wire.streams {
            for frame in naive::decode(&stream.octets).unwrap_or_default() {
                let stamp = stream.written_at(frame.head_end);
                let id = frame.header("Message-ID").unwrap_or("-");
                let range = frame.header("Byte-Range").unwrap_or("-");
                let flag = frame.flag.unwrap_or('…');
                let read = if stream.read_at(frame.end).is_some() {
                    ""
                } else {
                    " unread"
                };
                lines.push((
                    stamp,
                    format!(
                        "connection {} {}>{} {} {:?} {id} {range} {}+{} {flag}{read}",
                        stream.connection,
                        stream.from,
                        stream.to,
                        frame.tid,
                        frame.start,
                        frame.begin,
                        frame.body_len(),
                    ),
                ));
            }
        }
        lines.push((wire.opened, format!("connection {:?} opened", wire.nodes)));
        lines.extend(
            wire.ended
                .map(|at| (at, format!("connection {:?} ends", wire.nodes))),
        );
        lines.extend(
            wire.reset
                .map(|at| (at, format!("connection {:?} is reset", wire.nodes))),
        );
    }
    lines.sort_by_key(|(stamp, _)| *stamp);
    let start = lines.first().map(|(stamp, _)| stamp.at);
    let time = |stamp: Stamp| start.map_or(0, |start| stamp.at.saturating_duration_since(start).as_micros());
    lines
        .into_iter()
        .map(|(stamp, line)| format!("{:>9} {line}\n", time(stamp)))
        .collect()
}
