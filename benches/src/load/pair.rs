//! A sender and a receiver, and what is in flight between them.

use std::collections::VecDeque;

use mio::{Registry, Token};

use super::{
    LoadError,
    body::Text,
    incoming::Incoming,
    link::{Input, Link},
    outgoing::Outgoing,
    setup::Session,
    wire::{Frame, Head},
};

/// Octets that are prepared for one write, more or less.
const BATCH: usize = 128 * 1024;

/// How messages look.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Octets of a message.
    pub size: u64,
    /// Octets of a chunk at most.
    pub chunk: u64,
    /// Messages in flight.
    pub window: usize,
}

impl Shape {
    /// Chunks of a message, each with an answer of its own.
    pub fn chunks(&self) -> u64 {
        self.size.div_ceil(self.chunk)
    }
}

/// A message between its first octet and its last answer.
#[derive(Debug)]
struct Flight {
    /// When its first octet was prepared.
    begun: u64,
    /// Answers that are missing.
    unanswered: u64,
}

/// A sender and its receiver.
#[derive(Debug)]
pub struct Pair {
    index: usize,
    shape: Shape,
    /// Who sends.
    pub sender: Link,
    /// Who receives.
    pub receiver: Link,
    outgoing: Outgoing,
    incoming: Incoming,
    /// Messages from number `completed` on.
    flights: VecDeque<Flight>,
    completed: u64,
    /// Answers to the sender, where they do not say to what.
    answers: Option<u64>,
    /// When the next messages are due, where there is a rate.
    due: Option<VecDeque<u64>>,
    /// No message begins beyond this number.
    limit: u64,
    /// The receiver reads no more, and the sender waits for nobody.
    deaf: bool,
}

impl Pair {
    /// The pair of a session; its tokens are `2 * slot` and `2 * slot + 1`.
    ///
    /// # Errors
    /// [`LoadError::Io`].
    pub fn new(
        index: usize,
        slot: usize,
        session: Session,
        shape: Shape,
        registry: &Registry,
    ) -> Result<Self, LoadError> {
        Ok(Self {
            index,
            shape,
            outgoing: Outgoing::new(index, &session.to_path, &session.sender_uri, shape),
            incoming: Incoming::new(index, &session.receiver_uri, shape.size),
            sender: Link::new(session.sender, registry, Token(2 * slot))?,
            receiver: Link::new(session.receiver, registry, Token(2 * slot + 1))?,
            flights: VecDeque::with_capacity(shape.window),
            completed: 0,
            answers: None,
            due: None,
            limit: u64::MAX,
            deaf: false,
        })
    }

    /// The server is the yardstick: it is told what to answer, and answers in order.
    pub fn order_answers(&mut self) {
        self.answers = Some(0);
        self.sender.out.extend(self.outgoing.order().to_octets());
    }

    /// A message is due at this moment, and none before it was said so.
    pub fn due(&mut self, at: u64) {
        self.due.get_or_insert_default().push_back(at);
    }

    /// Messages begin only when they are due.
    pub fn wait_until_due(&mut self) {
        self.due.get_or_insert_default();
    }

    /// No message begins beyond so many altogether.
    pub fn limit(&mut self, messages: u64) {
        self.limit = messages;
    }

    /// From now on the receiver does not read, and the sender goes on nevertheless.
    pub fn turn_deaf(&mut self) {
        self.deaf = true;
        self.limit = u64::MAX;
    }

    /// Whether the receiver does not read.
    pub fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// Messages begun.
    pub fn begun(&self) -> u64 {
        self.outgoing.begun()
    }

    /// Messages that have arrived and are answered.
    pub fn completed(&self) -> u64 {
        self.completed
    }

    /// Prepares and writes as much as window and socket allow.
    ///
    /// # Errors
    /// [`LoadError::Io`].
    pub fn send(&mut self, text: &Text, now: u64) -> Result<(), LoadError> {
        loop {
            self.prepare(text, now);
            if self.sender.waiting() == 0 || !self.sender.is_writable() {
                return Ok(());
            }
            self.sender.flush()?;
        }
    }

    fn prepare(&mut self, text: &Text, now: u64) {
        while self.sender.waiting() < BATCH {
            if self.outgoing.is_between() {
                let room = self.deaf || self.flights.len() < self.shape.window;
                if self.outgoing.begun() >= self.limit || !room {
                    return;
                }
                let begun = match &mut self.due {
                    None => now,
                    Some(due) => match due.pop_front() {
                        Some(at) => at,
                        None => return,
                    },
                };
                if !self.deaf {
                    self.flights.push_back(Flight {
                        begun,
                        unanswered: self.shape.chunks(),
                    });
                }
            }
            self.outgoing.write(&mut self.sender.out, text, BATCH);
        }
    }

    /// Reads what has come for the sender: answers, and reports of failures.
    ///
    /// # Errors
    /// [`LoadError`]; a refused message is one.
    pub fn read_answers(&mut self, buffer: &mut Vec<u8>) -> Result<(), LoadError> {
        loop {
            let (len, more) = match self.sender.read(buffer)? {
                Input::More(len) => (len, true),
                Input::Last(len) => (len, false),
                Input::Closed => return self.on_closed("a sender"),
            };
            let mut at = 0;
            while let Some((taken, frame)) = self.sender.frames.next(&buffer[at..len])? {
                if let Frame::Head(head) = frame {
                    self.on_answer(&head)?;
                }
                at += taken;
            }
            self.sender.keep(&buffer[at..len]);
            if !more {
                self.complete();
                return Ok(());
            }
        }
    }

    fn on_answer(&mut self, head: &Head<'_>) -> Result<(), LoadError> {
        if self.deaf {
            // Its sender is told that the receiver does not take the messages: that is how it should be.
            return Ok(());
        }
        match head.code {
            Some(200) => {}
            Some(code) => {
                return Err(LoadError::Refused {
                    what: "SEND",
                    code,
                    phrase: String::from_utf8_lossy(head.phrase).into_owned(),
                });
            }
            None => {
                return Err(LoadError::Unexpected(format!(
                    "pair {}: the sender got a {} with status {:?}",
                    self.index,
                    String::from_utf8_lossy(head.verb),
                    String::from_utf8_lossy(head.status),
                )));
            }
        }
        let message = match &mut self.answers {
            None => self.outgoing.message_of(head.tid),
            Some(answers) => {
                *answers += 1;
                Some((*answers - 1) / self.shape.chunks())
            }
        };
        let ahead = message
            .and_then(|message| message.checked_sub(self.completed))
            .and_then(|ahead| usize::try_from(ahead).ok());
        match ahead.and_then(|ahead| self.flights.get_mut(ahead)) {
            Some(flight) if flight.unanswered > 0 => {
                flight.unanswered -= 1;
                Ok(())
            }
            _ => Err(LoadError::Unexpected(format!(
                "pair {}: an answer to {}, which is not in flight",
                self.index,
                String::from_utf8_lossy(head.tid)
            ))),
        }
    }

    /// Ends the flight of what has arrived and is answered.
    fn complete(&mut self) {
        while self.completed < self.incoming.messages()
            && self.flights.front().is_some_and(|flight| flight.unanswered == 0)
        {
            self.flights.pop_front();
            self.completed += 1;
        }
    }

    /// Reads what has come for the receiver, checks and answers it; for each message that is whole, `arrived` is told
    /// when it was begun.
    ///
    /// # Errors
    /// [`LoadError`]; a message that is not the one that was sent is one.
    pub fn receive(
        &mut self,
        text: &Text,
        buffer: &mut Vec<u8>,
        mut arrived: impl FnMut(u64),
    ) -> Result<(), LoadError> {
        if self.deaf {
            return Ok(());
        }
        loop {
            let (len, more) = match self.receiver.read(buffer)? {
                Input::More(len) => (len, true),
                Input::Last(len) => (len, false),
                Input::Closed => return self.on_closed("a receiver"),
            };
            let mut at = 0;
            let Link { frames, out, .. } = &mut self.receiver;
            while let Some((taken, frame)) = frames.next(&buffer[at..len])? {
                at += taken;
                match frame {
                    Frame::Head(head) => self.incoming.begin(&head)?,
                    Frame::Body(octets) => self.incoming.content(text, octets)?,
                    Frame::End(flag) => {
                        if let Some(message) = self.incoming.end(flag, frames.tid(), out)?
                            && let Some(flight) = self.flights.get((message - self.completed) as usize)
                        {
                            arrived(flight.begun);
                        }
                    }
                }
            }
            self.receiver.keep(&buffer[at..len]);
            if !more {
                self.complete();
                return self.receiver.flush();
            }
        }
    }

    fn on_closed(&self, who: &str) -> Result<(), LoadError> {
        if self.deaf {
            return Ok(());
        }
        Err(LoadError::Closed(format!("{who} (pair {})", self.index)))
    }
}
