//! The SENDs that a receiver gets: whether they are due, and what it answers.

use std::collections::VecDeque;

use super::{
    LoadError,
    body::{Mismatch, Text},
    digits::from_hex,
    wire::{Head, first_uri, split},
};

/// Where a receiver is in its messages.
///
/// They begin in the order in which they were sent, and the parts of each come in order; but a relay may interrupt a
/// long one for the next (RFC 4975 §5.1), so that several are open at the same time.
#[derive(Debug)]
pub struct Incoming {
    pair: usize,
    size: u64,
    /// Number of the first message in `open`.
    first: u64,
    /// Octets received of the first message that is not whole, and of those that have begun since.
    open: VecDeque<u64>,
    /// Which of them the request at hand belongs to.
    current: usize,
    /// First URI of From-Path, as it came last.
    previous_hop: Vec<u8>,
    /// The answer from that URI on to the transaction id in its end-line.
    answer: Vec<u8>,
    /// The part of it behind the URI.
    answer_tail: Vec<u8>,
}

impl Incoming {
    /// The messages of this size to the receiver of a pair.
    pub fn new(pair: usize, receiver: &str, size: u64) -> Self {
        Self {
            pair,
            size,
            first: 0,
            open: VecDeque::new(),
            current: 0,
            previous_hop: Vec::new(),
            answer: Vec::new(),
            answer_tail: format!("\r\nFrom-Path: {receiver}\r\n-------").into_bytes(),
        }
    }

    /// Messages up to the first that has not arrived whole.
    pub fn messages(&self) -> u64 {
        self.first
    }

    /// Number of the message that the request at hand belongs to, and what has come of it.
    fn current(&self) -> (u64, u64) {
        let at = self.open.get(self.current).copied().unwrap_or(0);
        (self.first + self.current as u64, at)
    }

    fn wrong(&self, mismatch: Mismatch) -> LoadError {
        LoadError::Mismatch {
            pair: self.pair,
            mismatch,
        }
    }

    /// A request begins.
    ///
    /// # Errors
    /// It is no SEND, or not the one that is due.
    pub fn begin(&mut self, head: &Head<'_>) -> Result<(), LoadError> {
        if head.verb != b"SEND" {
            return Err(LoadError::Unexpected(format!(
                "pair {}: the receiver got {}",
                self.pair,
                String::from_utf8_lossy(head.verb)
            )));
        }
        let number = split(head.message_id, b'.').and_then(|(_, number)| from_hex(number));
        let range = head.range_start.unwrap_or(1);
        let place = number
            .and_then(|number| number.checked_sub(self.first))
            .and_then(|place| usize::try_from(place).ok());
        match place {
            // Zero octets of a message that begins; a whole one is in no place any more, or has all its octets.
            Some(place) if place == self.open.len() && range == 1 => self.open.push_back(0),
            Some(place)
                if self
                    .open
                    .get(place)
                    .is_some_and(|&at| at < self.size && range == at + 1) => {}
            _ => {
                return Err(self.wrong(Mismatch::Order {
                    expected: self.first,
                    at: self.open.front().map_or(1, |at| at + 1),
                    open: self.open.len(),
                    got: String::from_utf8_lossy(head.message_id).into_owned(),
                    range,
                }));
            }
        }
        self.current = place.unwrap_or(0);
        let hop = first_uri(head.from_path);
        if hop != self.previous_hop {
            self.previous_hop = hop.to_vec();
            self.answer = [hop, &self.answer_tail].concat();
        }
        Ok(())
    }

    /// Content of the request at hand.
    ///
    /// # Errors
    /// It is not what was sent.
    pub fn content(&mut self, text: &Text, octets: &[u8]) -> Result<(), LoadError> {
        let (message, at) = self.current();
        text.check(message, at, octets)
            .map_err(|mismatch| self.wrong(mismatch))?;
        if let Some(at) = self.open.get_mut(self.current) {
            *at += octets.len() as u64;
        }
        Ok(())
    }

    /// The request ends and is answered; the number of the message if it is whole with it.
    ///
    /// # Errors
    /// The flag says something else than the length.
    pub fn end(&mut self, flag: u8, tid: &[u8], out: &mut Vec<u8>) -> Result<Option<u64>, LoadError> {
        let (message, got) = self.current();
        let whole = got == self.size;
        if flag == b'#' || whole != (flag == b'$') {
            return Err(self.wrong(Mismatch::Length {
                message,
                flag: char::from(flag),
                got,
                size: self.size,
            }));
        }
        out.extend_from_slice(b"MSRP ");
        out.extend_from_slice(tid);
        out.extend_from_slice(b" 200 OK\r\nTo-Path: ");
        out.extend_from_slice(&self.answer);
        out.extend_from_slice(tid);
        out.extend_from_slice(b"$\r\n");
        while self.open.front() == Some(&self.size) {
            self.open.pop_front();
            self.first += 1;
        }
        Ok(whole.then_some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many octets of a message from the range's start on; what came of it.
    fn take(
        incoming: &mut Incoming,
        message: u64,
        range: u64,
        octets: usize,
        flag: u8,
    ) -> Result<Option<u64>, LoadError> {
        let (text, id) = (Text::default(), format!("load0.{message:016x}"));
        let head = Head {
            verb: b"SEND",
            from_path: b"msrp://r/1;tcp msrp://a/z;tcp",
            message_id: id.as_bytes(),
            range_start: Some(range),
            ..Head::default()
        };
        incoming.begin(&head)?;
        let mut content = Vec::new();
        text.write(&mut content, message, range - 1, octets);
        incoming.content(&text, &content)?;
        incoming.end(flag, b"tid1", &mut Vec::new())
    }

    #[test]
    fn a_request_is_answered_to_the_previous_hop() {
        let mut incoming = Incoming::new(0, "msrp://b/y;tcp", 16);
        let mut out = Vec::new();
        for (hop, message) in [("msrp://r/1;tcp", 0), ("msrp://r/2;tcp", 1)] {
            let (from, id) = (format!("{hop} msrp://a/z;tcp"), format!("load0.{message:016x}"));
            let head = Head {
                verb: b"SEND",
                from_path: from.as_bytes(),
                message_id: id.as_bytes(),
                ..Head::default()
            };
            incoming.begin(&head).unwrap();
            incoming.content(&Text::default(), &id.as_bytes()[6..]).unwrap();
            out.clear();
            assert_eq!(incoming.end(b'$', b"tid1", &mut out).unwrap(), Some(message));
            let expected = format!(
                "MSRP tid1 200 OK\r\nTo-Path: {hop}\r\nFrom-Path: msrp://b/y;tcp\r\n-------tid1$\r\n"
            );
            assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
        }
        assert_eq!(incoming.messages(), 2);
    }

    #[test]
    fn a_message_may_be_interrupted_for_the_next() {
        let mut incoming = Incoming::new(0, "msrp://b/y;tcp", 32);
        assert_eq!(take(&mut incoming, 0, 1, 20, b'+').unwrap(), None);
        assert_eq!(take(&mut incoming, 1, 1, 32, b'$').unwrap(), Some(1));
        assert_eq!(incoming.messages(), 0);
        assert_eq!(take(&mut incoming, 0, 21, 12, b'$').unwrap(), Some(0));
        assert_eq!(incoming.messages(), 2);
        assert_eq!(take(&mut incoming, 2, 1, 32, b'$').unwrap(), Some(2));
    }

    #[test]
    fn what_is_not_due_is_an_error() {
        // Message and octet, after 20 octets of message 0 and all of message 1.
        for (message, range) in [(0, 1), (0, 20), (0, 22), (1, 1), (1, 33), (2, 2), (3, 1)] {
            let mut incoming = Incoming::new(0, "msrp://b/y;tcp", 32);
            take(&mut incoming, 0, 1, 20, b'+').unwrap();
            take(&mut incoming, 1, 1, 32, b'$').unwrap();
            let taken = take(&mut incoming, message, range, 1, b'+');
            assert!(
                matches!(
                    taken,
                    Err(LoadError::Mismatch {
                        mismatch: Mismatch::Order { .. },
                        ..
                    })
                ),
                "{message} from {range}: {taken:?}"
            );
        }
    }

    #[test]
    fn a_message_that_is_aborted_or_has_another_length_is_an_error() {
        for (octets, flag) in [(16, b'#'), (31, b'$'), (32, b'+')] {
            let mut incoming = Incoming::new(0, "msrp://b/y;tcp", 32);
            let taken = take(&mut incoming, 0, 1, octets, flag);
            assert!(
                matches!(
                    taken,
                    Err(LoadError::Mismatch {
                        mismatch: Mismatch::Length { .. },
                        ..
                    })
                ),
                "{octets}: {taken:?}"
            );
        }
    }
}
