//! What the applications say about messages, so that the checkers can compare it with the wire and with each other.

use std::{collections::BTreeMap, time::Instant};

use bytes::Bytes;

/// A message that an application received whole.
#[derive(Clone, Debug)]
pub struct Received {
    /// The node of that application.
    pub node: usize,
    /// The Message-ID.
    pub message_id: String,
    /// All its octets.
    pub content: Bytes,
    /// When.
    pub at: Instant,
}

/// What became of a message, in the eyes of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is known yet.
    Open,
    /// The far end has reported all of it as delivered.
    Delivered,
    /// It was handed over, and nothing more will be heard: no report was asked for, or only failures are told.
    Sent,
    /// It failed; the sender was told.
    Failed,
}

/// A message that an application sends.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The node of that application.
    pub node: usize,
    /// What it consists of.
    pub content: Bytes,
    /// What became of it.
    pub fate: Fate,
    /// Nothing went wrong on its way, as far as the script knows: it has to be delivered.
    pub must_arrive: bool,
}

/// The book of messages.
#[derive(Debug, Default)]
pub struct Ledger {
    sent: BTreeMap<String, Sent>,
    received: Vec<Received>,
    complaints: Vec<String>,
    notes: BTreeMap<&'static str, u64>,
}

impl Ledger {
    /// An application sends a message. A Message-ID is used once in a world.
    pub fn sent(&mut self, node: usize, message_id: &str, content: Bytes, must_arrive: bool) {
        let sent = Sent {
            node,
            content,
            fate: Fate::Open,
            must_arrive,
        };
        if self.sent.insert(message_id.to_owned(), sent).is_some() {
            self.complaints
                .push(format!("Message-ID {message_id} was drawn twice"));
        }
    }

    /// The sender of a message has heard what became of it.
    pub fn fate(&mut self, message_id: &str, fate: Fate) {
        match self.sent.get_mut(message_id) {
            Some(sent) => sent.fate = fate,
            None => self
                .complaints
                .push(format!("fate {fate:?} of an unknown message {message_id}")),
        }
    }

    /// An application received a message whole.
    pub fn received(&mut self, node: usize, message_id: &str, content: Bytes, at: Instant) {
        self.received.push(Received {
            node,
            message_id: message_id.to_owned(),
            content,
            at,
        });
    }

    /// An application found something that must not be.
    pub fn complain(&mut self, complaint: String) {
        self.complaints.push(complaint);
    }

    /// Counts something, so that a test can tell that its worlds show what they are meant to show.
    pub fn count(&mut self, what: &'static str) {
        *self.notes.entry(what).or_default() += 1;
    }

    /// How often something was counted.
    pub fn counted(&self, what: &str) -> u64 {
        self.notes.get(what).copied().unwrap_or_default()
    }

    /// All that was counted.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.notes
    }

    /// The messages that were sent, by Message-ID.
    pub fn all_sent(&self) -> &BTreeMap<String, Sent> {
        &self.sent
    }

    /// The messages that were received, in the order of their arrival.
    pub fn all_received(&self) -> &[Received] {
        &self.received
    }

    /// What applications complained about.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }
}
