//! One turn of the driver.

use std::{
    io::ErrorKind,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::StreamExt;
use msrp_core::node::{Action, ConnectFailure, ListenerId, Node};

use super::{Driver, socket::Who, wake::Source};

/// Events told before the sockets have their turn again.
const BURST: usize = 64;
/// Connections accepted in one turn and from one listener, so that a flood of them does not keep the others waiting.
const ACCEPT_BUDGET: usize = 64;
/// How long accepting rests after the process has run out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

impl<N: Node> Driver<N> {
    pub(super) fn poll(&mut self, context: &mut Context<'_>, pull: bool) -> Poll<Option<N::Event>> {
        if self.over {
            return Poll::Ready(None);
        }
        if pull
            && self.burst < BURST
            && let Some(event) = self.node.poll_event()
        {
            self.burst += 1;
            return Poll::Ready(Some(event));
        }
        self.burst = 0;
        self.woken.register(context.waker());
        let now = self.runtime.now();
        self.hear(now);
        self.accept_all(now);
        self.take_connects(now);
        self.take_lookups(now);
        for _ in 0..self.to_read.len() {
            let Some(key) = self.to_read.pop_front() else {
                break;
            };
            self.read(now, key);
        }
        if self.node.poll_timeout().is_some_and(|at| at <= now) {
            self.node.handle_timeout(now);
        }
        self.check_deadlines(now);
        loop {
            let worked = self.drain(now);
            if pull && let Some(event) = self.node.poll_event() {
                self.burst = 1;
                return Poll::Ready(Some(event));
            }
            if !worked {
                break;
            }
        }
        if self.is_over(now) {
            self.end();
            return Poll::Ready(None);
        }
        self.arm(context);
        Poll::Pending
    }

    /// Notes who has called.
    fn hear(&mut self, now: Instant) {
        let mut called = std::mem::take(&mut self.called);
        self.woken.take(&mut called);
        for waker in called.drain(..) {
            match waker.answer() {
                Source::Read(key) => self.readable(key),
                Source::Write(key) => self.writable(now, key),
                Source::Listener(index) => {
                    if let Some(listener) = self.listeners.get_mut(index) {
                        listener.ready = true;
                    }
                }
                Source::Timer => self.alarm.called(),
                Source::Connects => self.connector.called(),
                Source::Lookups => self.lookups_called = true,
            }
        }
        self.called = called;
    }

    /// Writes what the node has, and does what it wants. Each round makes progress, and bounds of the node end it.
    fn drain(&mut self, now: Instant) -> bool {
        let mut worked = false;
        loop {
            let mut again = false;
            while let Some(handle) = self.node.poll_ready() {
                self.write(now, handle);
                again = true;
            }
            while let Some(action) = self.node.poll_action() {
                self.act(now, action);
                again = true;
            }
            if !again {
                return worked;
            }
            worked = true;
        }
    }

    fn act(&mut self, now: Instant, action: Action<N::Query>) {
        match action {
            Action::Connect { token, target } => {
                self.connector
                    .begin(self.runtime.clone(), &self.config, token, target);
                self.take_connects(now);
            }
            Action::Close { connection } => {
                if let Some(key) = self.handles.key(connection) {
                    self.close(now, key);
                }
            }
            Action::Lookup { ticket, query } => match &self.answerer {
                Some(answerer) if self.lookups.len() < self.config.max_lookups => {
                    self.lookups.push(answerer(ticket, query));
                    self.lookups_called = true;
                    self.take_lookups(now);
                }
                Some(_) => tracing::warn!(limit = self.config.max_lookups, "lookup dropped: too many"),
                None => tracing::warn!("lookup dropped: nobody answers them"),
            },
            // Shards are for the lean driver: here there is one node, which has no reason to ask for others.
            Action::ConnectShard { token, .. } => {
                self.connect_failed(
                    now,
                    token,
                    ConnectFailure::Other("there are no other shards".to_owned()),
                );
            }
            Action::HandOver { connection, .. } => {
                if let Some(key) = self.handles.key(connection) {
                    self.close(now, key);
                }
            }
            _ => tracing::warn!("the node asks for something that this driver does not know"),
        }
    }

    fn take_connects(&mut self, now: Instant) {
        while let Some((token, outcome)) = self.connector.next() {
            match outcome {
                Ok((io, peer, layer)) => {
                    self.enter(now, io, layer, peer, Who::Node(token));
                }
                Err(failure) => self.connect_failed(now, token, failure),
            }
        }
    }

    fn take_lookups(&mut self, now: Instant) {
        while self.lookups_called {
            match self
                .lookups
                .poll_next_unpin(&mut Context::from_waker(&self.lookups_waker))
            {
                Poll::Ready(Some((ticket, answer))) => self.node.handle_answer(now, ticket, answer),
                Poll::Ready(None) | Poll::Pending => self.lookups_called = false,
            }
        }
    }

    /// Accepts what has come, within a budget.
    fn accept_all(&mut self, now: Instant) {
        if self.accept_after.is_some_and(|at| at > now) {
            return;
        }
        self.accept_after = None;
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPT_BUDGET {
                let Some(listener) = self.listeners.get_mut(index).filter(|listener| listener.ready) else {
                    break;
                };
                match listener
                    .socket
                    .poll_accept(&mut Context::from_waker(&listener.waker))
                {
                    Poll::Ready(Ok((io, peer))) => {
                        let Some(layer) = listener.incoming.layer() else {
                            continue;
                        };
                        let id = ListenerId(index as u16);
                        self.enter(now, io, layer, peer.with_listener(id), Who::Peer);
                    }
                    Poll::Pending => listener.ready = false,
                    Poll::Ready(Err(error))
                        if matches!(
                            error.kind(),
                            ErrorKind::Interrupted
                                | ErrorKind::ConnectionAborted
                                | ErrorKind::ConnectionReset
                        ) => {}
                    Poll::Ready(Err(error)) => {
                        // Most likely out of file descriptors: others may close soon.
                        tracing::warn!(%error, "cannot accept");
                        self.accept_after = Some(now + ACCEPT_REST);
                        return;
                    }
                }
            }
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.shutdown
            .is_some_and(|deadline| deadline <= now || (self.sockets.is_empty() && self.connector.is_empty()))
    }

    /// Sees to it that the task is woken when there is something to do, at once if there is already.
    fn arm(&mut self, context: &mut Context<'_>) {
        let resting = self.accept_after.is_some();
        let accepting = !resting && self.listeners.iter().any(|listener| listener.ready);
        let deadline = [
            self.node.poll_timeout(),
            self.next_check,
            self.accept_after,
            self.shutdown,
        ]
        .into_iter()
        .flatten()
        .min();
        let due = deadline.is_some_and(|at| !self.alarm.set(&*self.runtime, at));
        if due || accepting || !self.to_read.is_empty() {
            context.waker().wake_by_ref();
        }
    }
}
