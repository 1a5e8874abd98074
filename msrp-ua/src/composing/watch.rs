//! The side that watches others write (RFC 3994 §3.3).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{ComposingState, IsComposing};

/// The longest name that somebody can have, in octets.
const MAX_NAME: usize = 1024;

/// Bounds on what is believed.
#[derive(Clone, Debug)]
pub struct WatchConfig {
    default_refresh: Duration,
    max_refresh: Duration,
    max_composers: usize,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            default_refresh: Duration::from_secs(120),
            max_refresh: Duration::from_secs(600),
            max_composers: 256,
        }
    }
}

impl WatchConfig {
    /// The longest refresh interval that is believed, whatever a peer says. Default 10 min.
    pub fn max_refresh(mut self, time: Duration) -> Self {
        self.max_refresh = time;
        self
    }

    /// How many may write at once; who comes after them is not noticed, nor is anybody whose name is longer than 1 KiB.
    /// Default 256.
    pub fn max_composers(mut self, composers: usize) -> Self {
        self.max_composers = composers.max(1);
        self
    }
}

/// Who is writing. Each is known by the URI in the From of the message/cpim that carried the status, or by one fixed name
/// where there is only one who could be.
#[derive(Debug, Default)]
pub struct Composing {
    config: WatchConfig,
    /// Who writes, and until when that is believed.
    active: BTreeMap<Box<str>, Instant>,
}

impl Composing {
    /// Nobody writes.
    pub fn new(config: WatchConfig) -> Self {
        Self {
            config,
            active: BTreeMap::new(),
        }
    }

    /// Whether somebody is writing.
    pub fn state(&self, who: &str) -> ComposingState {
        if self.active.contains_key(who) {
            ComposingState::Active
        } else {
            ComposingState::Idle
        }
    }

    /// All who are writing, in order of their names.
    pub fn composers(&self) -> impl Iterator<Item = &str> {
        self.active.keys().map(|who| &**who)
    }

    /// A status message has come from somebody. Answers the new state, if it is one.
    pub fn on_status(&mut self, now: Instant, who: &str, status: &IsComposing) -> Option<ComposingState> {
        if status.state == ComposingState::Idle {
            return self.on_message(who);
        }
        let refresh = status
            .refresh
            .unwrap_or(self.config.default_refresh)
            .min(self.config.max_refresh);
        let until = now.checked_add(refresh).unwrap_or(now);
        if let Some(known) = self.active.get_mut(who) {
            *known = until;
            return None;
        }
        if self.active.len() >= self.config.max_composers || who.len() > MAX_NAME {
            return None;
        }
        self.active.insert(who.into(), until);
        Some(ComposingState::Active)
    }

    /// A message has come from somebody, or they have left. Answers the new state, if it is one.
    pub fn on_message(&mut self, who: &str) -> Option<ComposingState> {
        self.active.remove(who).map(|_| ComposingState::Idle)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.active.values().min().copied()
    }

    /// Time has passed. Answers who is not believed to be writing any more.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Box<str>> {
        let mut gone = Vec::new();
        self.active.retain(|who, until| {
            if *until > now {
                return true;
            }
            gone.push(who.clone());
            false
        });
        gone
    }
}
