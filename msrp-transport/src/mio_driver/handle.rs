//! Reaching the loop from other threads.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use mio::Waker;
use msrp_core::node::{Node, Ticket};

use super::Server;

/// What can be said to the loop.
pub(super) enum Message<N: Node> {
    Command(N::Command),
    Answer(Ticket, N::Answer),
    Resolved(u64, std::io::Result<Vec<SocketAddr>>),
    Shutdown(Duration),
    Call(ServerCall<N>),
}

/// What [`Handle::call`] runs, with the time of the turn.
pub type ServerCall<N> = Box<dyn FnOnce(&mut Server<N>, Instant) + Send>;

/// Why something could not be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// The loop has ended.
    #[error("the server has stopped")]
    Stopped,
    /// As many messages wait as may.
    #[error("more messages wait for the server than it may hold")]
    Full,
}

/// Reaches a [`Server`](super::Server) from any thread.
pub struct Handle<N: Node> {
    sender: SyncSender<Message<N>>,
    waker: Arc<Waker>,
}

impl<N: Node> Clone for Handle<N> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            waker: self.waker.clone(),
        }
    }
}

impl<N: Node> std::fmt::Debug for Handle<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

impl<N: Node> Handle<N> {
    pub(super) fn new(waker: Arc<Waker>, bound: usize) -> (Self, Receiver<Message<N>>) {
        let (sender, receiver) = sync_channel(bound);
        (Self { sender, waker }, receiver)
    }

    pub(super) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Gives the node a command. A command that the node rejects is logged.
    ///
    /// # Errors
    /// [`HandleError`]; the command is lost.
    pub fn command(&self, command: N::Command) -> Result<(), HandleError> {
        self.say(Message::Command(command))
    }

    /// Answers a lookup.
    ///
    /// # Errors
    /// [`HandleError`]; the answer is lost.
    pub fn answer(&self, ticket: Ticket, answer: N::Answer) -> Result<(), HandleError> {
        self.say(Message::Answer(ticket, answer))
    }

    /// Stops accepting connections, and ends the loop once all are gone or `deadline` has passed.
    ///
    /// # Errors
    /// [`HandleError`].
    pub fn shutdown(&self, deadline: Duration) -> Result<(), HandleError> {
        self.say(Message::Shutdown(deadline))
    }

    /// Runs this on the loop's thread, between two turns: for what has to reach the server itself, such as
    /// [`set_listener_tls`](Server::set_listener_tls), or needs an answer from the node. It should return soon, as
    /// nothing is moved meanwhile.
    ///
    /// # Errors
    /// [`HandleError`]; nothing is run.
    pub fn call(
        &self,
        call: impl FnOnce(&mut Server<N>, Instant) + Send + 'static,
    ) -> Result<(), HandleError> {
        self.say(Message::Call(Box::new(call)))
    }

    pub(super) fn say(&self, message: Message<N>) -> Result<(), HandleError> {
        self.sender.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => HandleError::Full,
            TrySendError::Disconnected(_) => HandleError::Stopped,
        })?;
        // A waker that fails belongs to a loop that has ended.
        self.waker.wake().map_err(|_| HandleError::Stopped)
    }

    /// As [`say`](Self::say), waiting for room.
    pub(super) fn wait_to_say(&self, message: Message<N>) -> Result<(), HandleError> {
        self.sender.send(message).map_err(|_| HandleError::Stopped)?;
        self.waker.wake().map_err(|_| HandleError::Stopped)
    }
}
