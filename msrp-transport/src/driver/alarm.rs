//! The one timer of a driver.

use std::{
    pin::Pin,
    task::{Context, Waker},
    time::Instant,
};

use crate::runtime::{Runtime, Timer};

/// A timer that is set again only when the next deadline comes before what it is set to: deadlines that move into the
/// future, as those of a busy connection do, cost nothing.
pub(super) struct Alarm {
    timer: Option<Pin<Box<dyn Timer>>>,
    armed: Option<Instant>,
    waker: Waker,
}

impl Alarm {
    /// An alarm that calls `waker`.
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            timer: None,
            armed: None,
            waker,
        }
    }

    /// The waker has been called.
    pub(super) fn called(&mut self) {
        self.poll();
    }

    /// Sees to it that the waker is called at `at` at the latest. `false` when that time has come already.
    pub(super) fn set(&mut self, runtime: &dyn Runtime, at: Instant) -> bool {
        if self.armed.is_some_and(|armed| armed <= at) {
            return true;
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(at),
            None => self.timer = Some(runtime.sleep_until(at)),
        }
        self.armed = Some(at);
        self.poll();
        self.armed.is_some()
    }

    fn poll(&mut self) {
        if let Some(timer) = &mut self.timer
            && self.armed.is_some()
            && timer
                .as_mut()
                .poll(&mut Context::from_waker(&self.waker))
                .is_ready()
        {
            self.armed = None;
        }
    }
}
