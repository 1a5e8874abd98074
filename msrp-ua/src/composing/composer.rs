//! The side that writes (RFC 3994 §3.2).

use std::time::{Duration, Instant};

use super::{ComposingState, IsComposing};

/// How a [`Composer`] tells that somebody writes.
#[derive(Clone, Debug)]
pub struct ComposerConfig {
    idle: Duration,
    refresh: Option<Duration>,
    content_type: Option<String>,
}

impl Default for ComposerConfig {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(15),
            refresh: Some(Duration::from_secs(90)),
            content_type: Some("text/plain".to_owned()),
        }
    }
}

impl ComposerConfig {
    /// After how long without input the user has stopped. Default 15 s, as RFC 3994 §3.2 recommends.
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// How often it is told again that the user goes on; less than 60 s, against which RFC 3994 §3.2 advises, counts as
    /// 60 s. `None`: never, so that the peer believes it for 120 s. Default 90 s.
    pub fn refresh(mut self, interval: Option<Duration>) -> Self {
        self.refresh = interval.map(|interval| interval.max(Duration::from_secs(60)));
        self
    }

    /// What the user composes. Default `text/plain`.
    pub fn content_type(mut self, media_type: Option<String>) -> Self {
        self.content_type = media_type;
        self
    }
}

/// Says when status messages are to be sent, for one conversation: at most one when writing begins, one each refresh
/// interval, and one when it stops without a message.
#[derive(Debug)]
pub struct Composer {
    config: ComposerConfig,
    active: Option<Active>,
    refused: bool,
}

#[derive(Debug)]
struct Active {
    last_input: Instant,
    last_told: Instant,
}

impl Composer {
    /// Idle.
    pub fn new(config: ComposerConfig) -> Self {
        Self {
            config,
            active: None,
            refused: false,
        }
    }

    /// Whether the user is writing.
    pub fn state(&self) -> ComposingState {
        match self.active {
            Some(_) => ComposingState::Active,
            None => ComposingState::Idle,
        }
    }

    /// The user has typed, or spoken. Answers what is to be sent.
    pub fn on_input(&mut self, now: Instant) -> Option<IsComposing> {
        // Time that has passed without a call counts first.
        let told = self.handle_timeout(now);
        match &mut self.active {
            Some(active) => {
                active.last_input = now;
                told
            }
            None => {
                self.active = Some(Active {
                    last_input: now,
                    last_told: now,
                });
                self.tell(ComposingState::Active)
            }
        }
    }

    /// The message has been sent, which tells the peer all that there is to tell.
    pub fn on_sent(&mut self) {
        self.active = None;
    }

    /// The text has been deleted without being sent. Answers what is to be sent.
    pub fn on_discarded(&mut self) -> Option<IsComposing> {
        self.active.take()?;
        self.tell(ComposingState::Idle)
    }

    /// The peer does not take status messages (415): none is sent any more (RFC 3994 §4).
    pub fn on_refused(&mut self) {
        self.refused = true;
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let active = self.active.as_ref()?;
        let idle = active.last_input.checked_add(self.config.idle);
        let refresh = self.refresh_at(active);
        idle.into_iter().chain(refresh).min()
    }

    /// Time has passed. Answers what is to be sent.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<IsComposing> {
        let active = self.active.as_ref()?;
        if now.saturating_duration_since(active.last_input) >= self.config.idle {
            self.active = None;
            return self.tell(ComposingState::Idle);
        }
        if self.refresh_at(active).is_none_or(|at| now < at) {
            return None;
        }
        if let Some(active) = &mut self.active {
            active.last_told = now;
        }
        self.tell(ComposingState::Active)
    }

    fn refresh_at(&self, active: &Active) -> Option<Instant> {
        active.last_told.checked_add(self.config.refresh?)
    }

    fn tell(&self, state: ComposingState) -> Option<IsComposing> {
        (!self.refused).then(|| IsComposing {
            state,
            last_active: None,
            content_type: self.config.content_type.clone(),
            refresh: match state {
                ComposingState::Active => self.config.refresh,
                ComposingState::Idle => None,
            },
        })
    }
}
