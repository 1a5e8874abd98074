//! The driver in a task of its own.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{
    FutureExt, SinkExt, Stream, StreamExt,
    channel::{mpsc, oneshot},
};
use msrp_core::node::Node;

use super::Driver;

/// Commands taken before the sockets have their turn again.
const COMMANDS: usize = 64;

/// What is done with the driver between two turns.
type Call<N> = Box<dyn FnOnce(&mut Driver<N>) + Send>;

enum Message<N: Node> {
    Command(N::Command, oneshot::Sender<Result<(), N::Rejected>>),
    Call(Call<N>),
    Shutdown(Duration),
}

/// Why a command came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError<R> {
    /// The driver has ended.
    #[error("the driver has ended")]
    Ended,
    /// The node does not take it.
    #[error("rejected by the node: {0}")]
    Rejected(R),
}

/// Says things to a driver that runs in a task of its own. Each handle adds one to the
/// [`max_commands`](crate::DriverConfig::max_commands) that may wait.
pub struct Handle<N: Node> {
    sender: mpsc::Sender<Message<N>>,
}

impl<N: Node> Clone for Handle<N> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
        }
    }
}

impl<N: Node> std::fmt::Debug for Handle<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

impl<N: Node> Handle<N> {
    /// Gives the node a command, once there is room, and waits for its word.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn command(&self, command: N::Command) -> Result<(), CommandError<N::Rejected>> {
        let (sender, receiver) = oneshot::channel();
        self.say(Message::Command(command, sender)).await;
        match receiver.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(rejected)) => Err(CommandError::Rejected(rejected)),
            Err(_) => Err(CommandError::Ended),
        }
    }

    /// Has `visit` look at the node, or change it, between two turns of the driver. `None` when the driver has ended.
    pub async fn visit<T: Send + 'static>(
        &self,
        visit: impl FnOnce(&mut N) -> T + Send + 'static,
    ) -> Option<T> {
        self.call(|driver| visit(driver.node_mut())).await
    }

    /// As [`visit`](Self::visit), with the driver: to change what [`Driver::set_client_tls`] and
    /// [`Driver::set_listener_tls`] set, for example.
    pub async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Driver<N>) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.say(Message::Call(Box::new(move |driver| {
            // Whoever asked may have gone.
            let _nobody_waits = sender.send(call(driver));
        })))
        .await;
        receiver.await.ok()
    }

    /// As [`Driver::shutdown`].
    pub async fn shutdown(&self, deadline: Duration) {
        self.say(Message::Shutdown(deadline)).await;
    }

    async fn say(&self, message: Message<N>) {
        // A driver that has ended drops the message, and whoever waits for an answer learns it by that.
        let _ended = self.sender.clone().send(message).await;
    }
}

/// The events of a driver that runs in a task of its own. Not taking them is back-pressure; dropping this loses them.
pub struct Events<N: Node> {
    receiver: mpsc::Receiver<N::Event>,
    /// Tells the driver when this is dropped.
    _listening: oneshot::Sender<Infallible>,
}

impl<N: Node> Events<N> {
    /// The next event; `None` once the driver has ended.
    pub async fn next_event(&mut self) -> Option<N::Event> {
        self.receiver.next().await
    }
}

impl<N: Node> Unpin for Events<N> {}

impl<N: Node> Stream for Events<N> {
    type Item = N::Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<N::Event>> {
        self.receiver.poll_next_unpin(context)
    }
}

impl<N: Node> std::fmt::Debug for Events<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

/// What runs in the task.
struct Running<N: Node> {
    driver: Driver<N>,
    messages: mpsc::Receiver<Message<N>>,
    /// None once nobody listens.
    events: Option<mpsc::Sender<N::Event>>,
    listener_gone: oneshot::Receiver<Infallible>,
    /// There are no handles any more.
    unheard: bool,
    /// The driver has ended; what its node has told before is still handed on.
    ended: bool,
}

impl<N: Node> Unpin for Running<N> {}

impl<N> Driver<N>
where
    N: Node + Send + 'static,
    N::Event: Send,
    N::Command: Send,
    N::Rejected: Send,
    N::Query: Send,
    N::Answer: Send,
{
    /// Runs the driver in a task of its own. It ends after a [`shutdown`](Self::shutdown), once what was told has been
    /// taken, and when all handles and the
    /// events have been dropped.
    pub fn spawn(self) -> (Handle<N>, Events<N>) {
        let (sender, messages) = mpsc::channel(self.config.max_commands);
        // The channel adds one for its sender.
        let (events, receiver) = mpsc::channel(self.config.max_events - 1);
        let (listening, listener_gone) = oneshot::channel();
        let runtime = self.runtime.clone();
        runtime.spawn(Box::pin(Running {
            driver: self,
            messages,
            events: Some(events),
            listener_gone,
            unheard: false,
            ended: false,
        }));
        let events = Events {
            receiver,
            _listening: listening,
        };
        (Handle { sender }, events)
    }
}

impl<N: Node> Running<N> {
    fn hear(&mut self, context: &mut Context<'_>) {
        for _ in 0..COMMANDS {
            match self.messages.poll_next_unpin(context) {
                Poll::Ready(Some(Message::Command(command, sender))) => {
                    let outcome = self.driver.command(command);
                    // Whoever gave the command may not care.
                    let _nobody_waits = sender.send(outcome);
                }
                Poll::Ready(Some(Message::Call(call))) => call(&mut self.driver),
                Poll::Ready(Some(Message::Shutdown(deadline))) => self.driver.shutdown(deadline),
                Poll::Ready(None) => {
                    self.unheard = true;
                    return;
                }
                Poll::Pending => return,
            }
        }
        context.waker().wake_by_ref();
    }

    /// Whether there is room for an event, or nobody to want it.
    fn has_room(&mut self, context: &mut Context<'_>) -> bool {
        match self.events.as_mut().map(|events| events.poll_ready(context)) {
            Some(Poll::Pending) => false,
            // A listener that has just gone makes room as well: its events are lost.
            Some(Poll::Ready(_)) | None => true,
        }
    }
}

impl<N: Node> Future for Running<N> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let running = &mut *self;
        if !running.unheard {
            running.hear(context);
        }
        if running.events.is_some() && running.listener_gone.poll_unpin(context).is_ready() {
            running.events = None;
        }
        loop {
            if !running.has_room(context) {
                if !running.ended {
                    ready!(running.driver.poll_io(context));
                    running.ended = true;
                }
                // Whoever makes room calls.
                return Poll::Pending;
            }
            if running.unheard && running.events.is_none() {
                return Poll::Ready(());
            }
            let event = if running.ended {
                running.driver.node_mut().poll_event()
            } else {
                ready!(running.driver.poll_event(context))
            };
            let Some(event) = event else {
                return Poll::Ready(());
            };
            if let Some(events) = &mut running.events {
                // There is room, or nobody to hear it.
                let _nobody_listens = events.start_send(event);
            }
        }
    }
}
