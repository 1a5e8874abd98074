//! A sender and a receiver: what goes out, what comes in, what is in flight.

use std::collections::VecDeque;

use mio::{Registry, Token};

use super::{
    LoadError,
    body::{Mismatch, Text},
    link::{Input, Link},
    setup::Session,
    wire::{Frame, Head, first_uri, split},
};

/// Octets that are prepared for one write at most.
const BATCH: usize = 128 * 1024;
/// Hexadecimal digits of a transaction's number in its id.
const TID_DIGITS: usize = 12;

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

/// A message that has arrived whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// When its first octet was prepared.
    pub begun: u64,
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
    /// The receiver reads no more, and the sender waits for nobody.
    pub deaf: bool,
    head: HeadText,
    tx: Sending,
    rx: Receiving,
    /// Messages from `answered` on: when each was begun.
    begun: VecDeque<u64>,
    /// Number of the first message in `begun`, which is the first that is in flight.
    completed: u64,
    /// Answers that have come for each message from `completed` on.
    answers: VecDeque<u64>,
    /// No message starts beyond this number.
    limit: u64,
}

/// Parts of a SEND that stay the same.
#[derive(Debug)]
struct HeadText {
    tid: Vec<u8>,
    after_tid: Vec<u8>,
    after_range: Vec<u8>,
}

#[derive(Debug, Default)]
struct Sending {
    message: u64,
    /// Octets of it that are out.
    at: u64,
    transaction: u64,
    /// Octets missing in the chunk under way.
    chunk: Option<u64>,
}

#[derive(Debug, Default)]
struct Receiving {
    message: u64,
    at: u64,
    /// From-Path's first URI as it came last, and the answer made of it.
    previous_hop: Vec<u8>,
    answer: Vec<u8>,
}

impl Pair {
    /// The pair of a session; its tokens are `2 * index` and `2 * index + 1`.
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
        let Session {
            sender,
            receiver,
            to_path,
            sender_uri,
            receiver_uri,
        } = session;
        let after_tid =
            format!(" SEND\r\nTo-Path: {to_path}\r\nFrom-Path: {sender_uri}\r\nMessage-ID: load{index:x}.");
        Ok(Self {
            index,
            shape,
            sender: Link::new(sender, registry, Token(2 * slot))?,
            receiver: Link::new(receiver, registry, Token(2 * slot + 1))?,
            deaf: false,
            head: HeadText {
                tid: format!("l{index:x}").into_bytes(),
                after_tid: after_tid.into_bytes(),
                after_range: format!("/{}\r\nContent-Type: text/plain\r\n\r\n", shape.size).into_bytes(),
            },
            tx: Sending::default(),
            rx: Receiving {
                answer: format!("\r\nFrom-Path: {receiver_uri}\r\n-------").into_bytes(),
                ..Receiving::default()
            },
            begun: VecDeque::with_capacity(shape.window),
            completed: 0,
            answers: VecDeque::with_capacity(shape.window),
            limit: u64::MAX,
        })
    }

    /// No message starts from now on, or beyond `limit` messages altogether.
    pub fn limit(&mut self, limit: u64) {
        self.limit = limit.max(self.tx.message + u64::from(self.tx.at > 0));
    }

    /// Messages begun.
    pub fn sent(&self) -> u64 {
        self.tx.message + u64::from(self.tx.at > 0)
    }

    /// Messages that have arrived and are answered.
    pub fn completed(&self) -> u64 {
        self.completed
    }

    fn may_begin(&self) -> bool {
        self.tx.message < self.limit && (self.deaf || self.begun.len() < self.shape.window)
    }

    /// Prepares and writes as much as window and socket allow.
    ///
    /// # Errors
    /// [`LoadError::Io`].
    pub fn send(&mut self, text: &Text, now: u64) -> Result<(), LoadError> {
        loop {
            self.fill(text, now);
            if self.sender.waiting() == 0 || !self.sender.is_writable() {
                return Ok(());
            }
            self.sender.flush()?;
        }
    }

    fn fill(&mut self, text: &Text, now: u64) {
        while self.sender.waiting() < BATCH {
            let left = match self.tx.chunk {
                Some(left) => left,
                None => {
                    if self.tx.at == 0 {
                        if !self.may_begin() {
                            return;
                        }
                        if !self.deaf {
                            self.begun.push_back(now);
                            self.answers.push_back(0);
                        }
                    }
                    self.begin_chunk()
                }
            };
            let out = &mut self.sender.out;
            let len = left.min(BATCH as u64);
            text.write(out, self.tx.message, self.tx.at, len as usize);
            self.tx.at += len;
            if left > len {
                self.tx.chunk = Some(left - len);
                continue;
            }
            let last = self.tx.at == self.shape.size;
            out.extend_from_slice(b"\r\n-------");
            out.extend_from_slice(&self.head.tid);
            hex(out, self.tx.transaction, TID_DIGITS);
            out.extend_from_slice(if last { b"$\r\n" } else { b"+\r\n" });
            self.tx.transaction += 1;
            self.tx.chunk = None;
            if last {
                self.tx.message += 1;
                self.tx.at = 0;
            }
        }
    }

    fn begin_chunk(&mut self) -> u64 {
        let Self {
            tx,
            head,
            shape,
            sender,
            ..
        } = self;
        let len = shape.chunk.min(shape.size - tx.at);
        let out = &mut sender.out;
        out.extend_from_slice(b"MSRP ");
        out.extend_from_slice(&head.tid);
        hex(out, tx.transaction, TID_DIGITS);
        out.extend_from_slice(&head.after_tid);
        hex(out, tx.message, 16);
        out.extend_from_slice(b"\r\nByte-Range: ");
        number(out, tx.at + 1);
        out.push(b'-');
        number(out, tx.at + len);
        out.extend_from_slice(&head.after_range);
        len
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
        let chunks = self.shape.size.div_ceil(self.shape.chunk);
        let message = head
            .tid
            .strip_prefix(&*self.head.tid)
            .and_then(from_hex)
            .map(|number| number / chunks);
        let count = message
            .and_then(|message| message.checked_sub(self.completed))
            .and_then(|ahead| self.answers.get_mut(usize::try_from(ahead).ok()?));
        match count {
            Some(count) if *count < chunks => {
                *count += 1;
                self.complete();
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
        let chunks = self.shape.size.div_ceil(self.shape.chunk);
        while self.completed < self.rx.message && self.answers.front() == Some(&chunks) {
            self.answers.pop_front();
            self.begun.pop_front();
            self.completed += 1;
        }
    }

    /// Reads what has come for the receiver, checks it and prepares the answers; every whole message is told.
    ///
    /// # Errors
    /// [`LoadError`]; a message that is not the one that was sent is one.
    pub fn receive(
        &mut self,
        text: &Text,
        buffer: &mut Vec<u8>,
        mut arrived: impl FnMut(Arrived),
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
            while let Some((taken, frame)) = self.receiver.frames.next(&buffer[at..len])? {
                at += taken;
                let index = self.index;
                let mismatch = |mismatch| LoadError::Mismatch {
                    pair: index,
                    mismatch,
                };
                match frame {
                    Frame::Head(head) => self.on_chunk(&head)?,
                    Frame::Body(octets) => {
                        text.check(self.rx.message, self.rx.at, octets)
                            .map_err(mismatch)?;
                        self.rx.at += octets.len() as u64;
                    }
                    Frame::End(flag) => {
                        if let Some(message) = self.end_chunk(flag).map_err(mismatch)? {
                            arrived(message);
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

    fn on_chunk(&mut self, head: &Head<'_>) -> Result<(), LoadError> {
        if head.verb != b"SEND" {
            return Err(LoadError::Unexpected(format!(
                "pair {}: the receiver got {}",
                self.index,
                String::from_utf8_lossy(head.verb)
            )));
        }
        let number = split(head.message_id, b'.').and_then(|(_, number)| from_hex(number));
        let range = head.range_start.unwrap_or(1);
        if number != Some(self.rx.message) || range != self.rx.at + 1 {
            let mismatch = Mismatch::Order {
                expected: self.rx.message,
                at: self.rx.at + 1,
                got: String::from_utf8_lossy(head.message_id).into_owned(),
                range,
            };
            return Err(LoadError::Mismatch {
                pair: self.index,
                mismatch,
            });
        }
        let hop = first_uri(head.from_path);
        if hop != self.rx.previous_hop {
            let tail = self
                .rx
                .answer
                .iter()
                .position(|&octet| octet == b'\r')
                .unwrap_or(0);
            // What stands before the first CRLF is the URI of another hop.
            let mut answer = hop.to_vec();
            let rest = &self.rx.answer[tail..];
            answer.extend_from_slice(rest);
            self.rx.answer = answer;
            self.rx.previous_hop = hop.to_vec();
        }
        Ok(())
    }

    fn end_chunk(&mut self, flag: u8) -> Result<Option<Arrived>, Mismatch> {
        let whole = self.rx.at == self.shape.size;
        if flag == b'#' || whole != (flag == b'$') {
            return Err(Mismatch::Length {
                message: self.rx.message,
                flag: char::from(flag),
                got: self.rx.at,
                size: self.shape.size,
            });
        }
        let Link { frames, out, .. } = &mut self.receiver;
        let tid = frames.tid();
        out.extend_from_slice(b"MSRP ");
        out.extend_from_slice(tid);
        out.extend_from_slice(b" 200 OK\r\nTo-Path: ");
        out.extend_from_slice(&self.rx.answer);
        out.extend_from_slice(tid);
        out.extend_from_slice(b"$\r\n");
        if !whole {
            return Ok(None);
        }
        let ahead = usize::try_from(self.rx.message - self.completed).unwrap_or(usize::MAX);
        self.rx.message += 1;
        self.rx.at = 0;
        Ok(self.begun.get(ahead).map(|&begun| Arrived { begun }))
    }

    fn on_closed(&self, who: &str) -> Result<(), LoadError> {
        if self.deaf {
            return Ok(());
        }
        Err(LoadError::Closed(format!("{who} (pair {})", self.index)))
    }
}

/// Appends a number in so many hexadecimal digits.
fn hex(out: &mut Vec<u8>, number: u64, digits: usize) {
    out.extend(
        (0..digits)
            .rev()
            .map(|digit| b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize]),
    );
}

fn from_hex(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// Appends a number in decimal digits.
fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_and_read() {
        let mut out = Vec::new();
        for value in [0, 9, 10, 1_073_741_824, u64::MAX] {
            out.clear();
            number(&mut out, value);
            assert_eq!(out, value.to_string().as_bytes());
            out.clear();
            hex(&mut out, value, 16);
            assert_eq!(from_hex(&out), Some(value));
        }
    }
}
