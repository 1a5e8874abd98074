//! The relays of this process: each is a node with a loop on a thread of its own.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use msrp_relay::{Relay, RelayCommand};
use msrp_transport::mio_driver::{Handle, HandleError, Server};
use tokio::{
    sync::oneshot,
    time::{Instant as Time, timeout_at},
};

/// How long a loop may take to answer; one that takes longer is overloaded or stuck.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reaches all relays of this process from any thread. A shard is named by its place.
#[derive(Clone)]
pub struct Shards {
    handles: Arc<[Handle<Relay>]>,
}

/// Why a question to a relay has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// Its loop has ended.
    Stopped,
    /// As much waits for its loop as may.
    Full,
    /// Its loop did not come to it in time.
    Late,
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stopped => "the relay has stopped",
            Self::Full => "the relay is overloaded",
            Self::Late => "the relay does not answer",
        })
    }
}

impl From<HandleError> for NoAnswer {
    fn from(error: HandleError) -> Self {
        match error {
            HandleError::Full => Self::Full,
            _ => Self::Stopped,
        }
    }
}

impl Shards {
    /// These, in the order in which they are named.
    pub fn new(handles: impl Into<Arc<[Handle<Relay>]>>) -> Self {
        Self {
            handles: handles.into(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Gives every relay a command.
    ///
    /// # Errors
    /// The first that there was; the others were told all the same.
    pub fn command(&self, command: impl Fn() -> RelayCommand) -> Result<(), HandleError> {
        self.tell(|handle| handle.command(command()))
    }

    /// Runs this on every loop, between two turns.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn call(
        &self,
        call: impl Fn(usize, &mut Server<Relay>, Instant) + Clone + Send + 'static,
    ) -> Result<(), HandleError> {
        let mut shard = 0;
        self.tell(|handle| {
            let (call, at) = (call.clone(), shard);
            shard += 1;
            handle.call(move |server, now| call(at, server, now))
        })
    }

    /// Stops accepting, and ends every loop once its connections are gone or the time is over.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn shutdown(&self, deadline: Duration) -> Result<(), HandleError> {
        self.tell(|handle| handle.shutdown(deadline))
    }

    fn tell(
        &self,
        mut tell: impl FnMut(&Handle<Relay>) -> Result<(), HandleError>,
    ) -> Result<(), HandleError> {
        let mut outcome = Ok(());
        for handle in self.handles.iter() {
            outcome = outcome.and(tell(handle));
        }
        outcome
    }

    /// How much is under way, asked of one after the other; waits for the answers. `None` where one has none.
    pub fn open_transactions(&self) -> Option<usize> {
        self.handles.iter().try_fold(0, |sum, handle| {
            let (tell, answer) = mpsc::channel();
            let asked = handle.call(move |server, _| {
                // Who asked may have given up.
                let _nobody_waits = tell.send(server.node().open_transactions());
            });
            let open: usize = asked.ok().and_then(|()| answer.recv_timeout(PATIENCE).ok())?;
            Some(sum + open)
        })
    }

    /// Asks one relay, between two turns of its loop; `None` where there is no such shard.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn ask<T: Send + 'static>(
        &self,
        shard: usize,
        question: impl FnOnce(&mut Server<Relay>, Instant) -> T + Send + 'static,
    ) -> Result<Option<T>, NoAnswer> {
        let Some(handle) = self.handles.get(shard) else {
            return Ok(None);
        };
        let answer = put(handle, question)?;
        wait(answer, Time::now() + PATIENCE).await.map(Some)
    }

    /// Asks all relays at the same time; their answers in the order of the shards. While a relay drains some of its shards
    /// may have come to their end before others: those have nothing more to say.
    ///
    /// # Errors
    /// [`NoAnswer`] of the first that has none though it runs, or where none runs.
    pub async fn ask_all<T: Send + 'static>(
        &self,
        question: impl Fn(&mut Server<Relay>, Instant) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, NoAnswer> {
        let limit = Time::now() + PATIENCE;
        let mut asked = Vec::with_capacity(self.handles.len());
        for handle in self.handles.iter() {
            match put(handle, question.clone()) {
                Err(NoAnswer::Stopped) => {}
                put => asked.push(put?),
            }
        }
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            match wait(answer, limit).await {
                Err(NoAnswer::Stopped) => {}
                answer => answers.push(answer?),
            }
        }
        if answers.is_empty() {
            return Err(NoAnswer::Stopped);
        }
        Ok(answers)
    }
}

/// Puts a question to a loop.
fn put<T: Send + 'static>(
    handle: &Handle<Relay>,
    question: impl FnOnce(&mut Server<Relay>, Instant) -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, NoAnswer> {
    let (tell, answer) = oneshot::channel();
    handle.call(move |server, now| {
        // A question that nobody waits for any more costs nothing.
        if !tell.is_closed() {
            let _nobody_waits = tell.send(question(server, now));
        }
    })?;
    Ok(answer)
}

async fn wait<T>(answer: oneshot::Receiver<T>, limit: Time) -> Result<T, NoAnswer> {
    match timeout_at(limit, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(NoAnswer::Stopped),
        Err(_) => Err(NoAnswer::Late),
    }
}
