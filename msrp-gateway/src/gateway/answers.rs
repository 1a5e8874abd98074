//! MESSAGEs that are known again (rows GW-101, GW-102).

use std::time::{Duration, Instant};

use msrp_ua::sip::SipPage;

use crate::{event::MessageNumber, identity::Aor, memory::Memory};

/// How long a request is on its way at the most (64 times T1, RFC 3261 §17.2.2).
const TRANSACTION: Duration = Duration::from_secs(32);

/// How keys begin that are made of identifiers for notifications.
const IDENTIFIER: &str = "i ";

/// MESSAGEs that came of late.
#[derive(Debug)]
pub(crate) struct Repeats(Memory<String, Repeat>);

/// What is known of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Repeat {
    came_at: Instant,
    state: RepeatState,
}

/// How it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepeatState {
    /// Not yet: its way is not known.
    Pending,
    /// Not yet.
    Open(MessageNumber),
    /// With this.
    Answered(u16),
}

/// What is to be done with a MESSAGE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new.
    New,
    /// The same request on two ways (RFC 3261 §8.2.2.2).
    Merged,
    /// It was sent before.
    Again(RepeatState),
}

/// Under what a MESSAGE is known again: its transaction, and its identifier for notifications.
pub(crate) fn keys(sender: &Aor, page: &SipPage, imdn_id: Option<&str>) -> (Option<String>, Option<String>) {
    let transaction = page
        .header("Call-ID")
        .zip(page.header("CSeq"))
        .map(|(call_id, seq)| format!("t {sender} {call_id} {seq}"));
    (
        transaction,
        imdn_id.map(|id| format!("{IDENTIFIER}{sender} {id}")),
    )
}

impl Repeats {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Memory::new(limit))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn sweep(&mut self, now: Instant) {
        self.0.sweep(now);
    }

    pub(crate) fn check(&self, now: Instant, keys: &(Option<String>, Option<String>)) -> Verdict {
        if let Some(known) = keys.0.as_ref().and_then(|key| self.0.recall(now, key)) {
            if now.saturating_duration_since(known.came_at) < TRANSACTION {
                return Verdict::Merged;
            }
            return Verdict::Again(known.state);
        }
        match keys.1.as_ref().and_then(|key| self.0.recall(now, key)) {
            Some(known) => Verdict::Again(known.state),
            None => Verdict::New,
        }
    }

    pub(crate) fn learn(&mut self, now: Instant, key: String, window: Duration) {
        let repeat = Repeat {
            came_at: now,
            state: RepeatState::Pending,
        };
        self.0.learn(now, key, repeat, window.max(TRANSACTION));
    }

    /// The message has failed: whoever sends it once more under its identifier wants it to be tried once more. The request
    /// itself stays known.
    pub(crate) fn failed(&mut self, keys: &[String]) {
        for key in keys.iter().filter(|key| key.starts_with(IDENTIFIER)) {
            self.0.forget(key);
        }
    }

    pub(crate) fn set(&mut self, now: Instant, keys: &[String], state: RepeatState) {
        for key in keys {
            if let Some(known) = self.0.recall_mut(now, key) {
                known.state = state;
            }
        }
    }
}
