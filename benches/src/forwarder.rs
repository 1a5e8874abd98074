//! Octets moved between two connections, and nothing else: what a relay cannot go below.
//!
//! Connections are joined in the order in which they come, the first with the second and so on. As a plain pump, what a
//! receiver answers goes back as it is. As the yardstick ([`Forwarder::answering`]) it makes the socket calls of a relay, in
//! the relay's order: for each block that it reads from a sender it writes that block to the receiver, and to the sender as
//! many answers as messages have come to their end; what receivers answer it reads and drops. It looks at no octet for
//! that: each sender begins with an [`Order`] that says how long its messages are, and what the answer is.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    time::Duration,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

/// Octets that are read with one call at most.
const READ: usize = 64 * 1024;
const LISTENER: Token = Token(usize::MAX);

/// Accepts connections and moves what comes in.
#[derive(Debug)]
pub struct Forwarder {
    poll: Poll,
    listener: TcpListener,
    ends: Vec<End>,
    buffer: Vec<u8>,
    answering: bool,
}

/// What a sender says first to a forwarder that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Octets of each message.
    pub message: u64,
    /// The answer to each.
    pub answer: Vec<u8>,
}

impl Order {
    /// As octets.
    pub fn to_octets(&self) -> Vec<u8> {
        let line = format!("{} {}\n", self.message, self.answer.len());
        [line.as_bytes(), &self.answer].concat()
    }

    /// The order at the start of the octets, and its length; none while it is not all there.
    fn parse(octets: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let Some(line) = octets.iter().position(|&octet| octet == b'\n') else {
            return Ok(None);
        };
        let mut numbers = str::from_utf8(&octets[..line])
            .unwrap_or_default()
            .split(' ')
            .map(|word| word.parse::<u32>());
        let (Some(Ok(message @ 1..)), Some(Ok(answer @ 1..=MAX_ANSWER)), None) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a sender has to begin by saying what the answers are",
            ));
        };
        let end = line + 1 + answer as usize;
        Ok(octets.get(line + 1..end).map(|answer| {
            let order = Self {
                message: u64::from(message),
                answer: answer.to_vec(),
            };
            (order, end)
        }))
    }
}

/// Octets of an answer at most.
const MAX_ANSWER: u32 = 4096;

/// What is owed to a sender.
#[derive(Debug)]
struct Debt {
    message: u64,
    /// Many answers, one behind the other.
    answers: Vec<u8>,
    answer_len: usize,
    /// Octets of messages that have come.
    came: u64,
    /// Answers given.
    answered: u64,
}

/// One connection; its peer is the one with the last bit of the number turned over.
#[derive(Debug)]
struct End {
    /// None once either side has closed.
    stream: Option<TcpStream>,
    /// Octets that this socket has not taken; while there are some, its peer is not read.
    waiting: Vec<u8>,
    readable: bool,
    /// Of a sender, where answers are given.
    debt: Option<Debt>,
}

impl Forwarder {
    /// Listens.
    ///
    /// # Errors
    /// The socket cannot be had.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            ends: Vec::new(),
            buffer: vec![0; READ],
            answering: false,
        })
    }

    /// From now on answers senders itself, as a relay does.
    pub fn answering(mut self, answering: bool) -> Self {
        self.answering = answering;
        self
    }

    /// Where it listens.
    ///
    /// # Errors
    /// As the socket call.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Moves octets until `until` says no; it is asked at least every tenth of a second.
    ///
    /// # Errors
    /// Waiting or accepting failed.
    pub fn run_while(&mut self, mut until: impl FnMut() -> bool) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while until() {
            match self.poll.poll(&mut events, Some(Duration::from_millis(100))) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                    continue;
                }
                let end = event.token().0;
                if event.is_readable() {
                    if let Some(end) = self.ends.get_mut(end) {
                        end.readable = true;
                    }
                    self.forward(end);
                }
                if event.is_writable() && self.drain(end) {
                    self.forward(end ^ 1);
                    if self.answering {
                        self.forward(end);
                    }
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nodelay(true)?;
                    let token = Token(self.ends.len());
                    self.poll.registry().register(
                        &mut stream,
                        token,
                        Interest::READABLE | Interest::WRITABLE,
                    )?;
                    self.ends.push(End {
                        stream: Some(stream),
                        waiting: Vec::new(),
                        readable: true,
                        debt: None,
                    });
                    // What its elder came with has waited for it.
                    self.forward(token.0 ^ 1);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Moves what has come from one end to the other.
    fn forward(&mut self, from: usize) {
        loop {
            let to = from ^ 1;
            if self.ends.get(to).is_none_or(|to| !to.waiting.is_empty()) {
                return;
            }
            if self.answering && self.ends.get(from).is_none_or(|from| !from.waiting.is_empty()) {
                // Who does not read his answers is not read either.
                return;
            }
            let Some(End {
                stream: Some(stream),
                readable,
                ..
            }) = self.ends.get_mut(from)
            else {
                return;
            };
            if !*readable {
                return;
            }
            let len = match stream.read(&mut self.buffer) {
                Ok(0) => return self.close(from),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    *readable = false;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return self.close(from),
            };
            *readable = len == READ;
            if !self.answering {
                self.write(to, 0..len);
                continue;
            }
            if from % 2 == 1 {
                continue;
            }
            let Some(order) = self.note(from, len) else {
                return self.close(from);
            };
            if order < len {
                self.write(to, order..len);
                self.answer(from);
            }
        }
    }

    /// Writes a part of the buffer to an end.
    fn write(&mut self, to: usize, part: std::ops::Range<usize>) {
        let Some(End {
            stream: Some(stream),
            waiting,
            ..
        }) = self.ends.get_mut(to)
        else {
            return;
        };
        let octets = &self.buffer[part];
        let written = match stream.write(octets) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return self.close(to),
        };
        waiting.extend_from_slice(&octets[written..]);
    }

    /// So many octets have come from a sender; how many of them belong to its order. None where they make no sense.
    fn note(&mut self, from: usize, len: usize) -> Option<usize> {
        let end = self.ends.get_mut(from)?;
        if let Some(debt) = &mut end.debt {
            debt.came += len as u64;
            return Some(0);
        }
        // It is short, and comes in one piece.
        let (order, taken) = Order::parse(&self.buffer[..len]).ok()??;
        let answer_len = order.answer.len();
        end.debt = Some(Debt {
            message: order.message,
            answers: order.answer.repeat(READ / answer_len),
            answer_len,
            came: (len - taken) as u64,
            answered: 0,
        });
        Some(taken)
    }

    /// Answers what has come to its end, with one write.
    fn answer(&mut self, end: usize) {
        let Some(End {
            stream: Some(stream),
            waiting,
            debt: Some(debt),
            ..
        }) = self.ends.get_mut(end)
        else {
            return;
        };
        let due = (debt.came / debt.message - debt.answered) as usize;
        if due == 0 {
            return;
        }
        debt.answered += due as u64;
        let octets = &debt.answers[..(due * debt.answer_len).min(debt.answers.len())];
        let written = match stream.write(octets) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return self.close(end),
        };
        waiting.extend_from_slice(&octets[written..]);
        // More answers than a block holds: messages shorter than answers.
        for _ in octets.len() / debt.answer_len..due {
            waiting.extend_from_slice(&debt.answers[..debt.answer_len]);
        }
    }

    /// Writes what waits; whether nothing waits any more.
    fn drain(&mut self, end: usize) -> bool {
        let Some(End {
            stream: Some(stream),
            waiting,
            ..
        }) = self.ends.get_mut(end)
        else {
            return false;
        };
        while !waiting.is_empty() {
            match stream.write(waiting) {
                Ok(written) => drop(waiting.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => {
                    self.close(end);
                    return false;
                }
            }
        }
        true
    }

    fn close(&mut self, end: usize) {
        for end in [end, end ^ 1] {
            if let Some(end) = self.ends.get_mut(end) {
                end.stream = None;
                end.waiting = Vec::new();
            }
        }
    }
}
