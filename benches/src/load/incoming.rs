//! The SENDs that a receiver gets: whether they are due, and what it answers.

use super::{
    LoadError,
    body::{Mismatch, Text},
    digits::from_hex,
    wire::{Head, first_uri, split},
};

/// Where a receiver is in its messages.
#[derive(Debug)]
pub struct Incoming {
    pair: usize,
    size: u64,
    message: u64,
    at: u64,
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
            message: 0,
            at: 0,
            previous_hop: Vec::new(),
            answer: Vec::new(),
            answer_tail: format!("\r\nFrom-Path: {receiver}\r\n-------").into_bytes(),
        }
    }

    /// Messages that have arrived whole.
    pub fn messages(&self) -> u64 {
        self.message
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
        if number != Some(self.message) || range != self.at + 1 {
            return Err(self.wrong(Mismatch::Order {
                expected: self.message,
                at: self.at + 1,
                got: String::from_utf8_lossy(head.message_id).into_owned(),
                range,
            }));
        }
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
        text.check(self.message, self.at, octets)
            .map_err(|mismatch| self.wrong(mismatch))?;
        self.at += octets.len() as u64;
        Ok(())
    }

    /// The request ends and is answered; whether the message is whole with it.
    ///
    /// # Errors
    /// The flag says something else than the length.
    pub fn end(&mut self, flag: u8, tid: &[u8], out: &mut Vec<u8>) -> Result<bool, LoadError> {
        let whole = self.at == self.size;
        if flag == b'#' || whole != (flag == b'$') {
            return Err(self.wrong(Mismatch::Length {
                message: self.message,
                flag: char::from(flag),
                got: self.at,
                size: self.size,
            }));
        }
        out.extend_from_slice(b"MSRP ");
        out.extend_from_slice(tid);
        out.extend_from_slice(b" 200 OK\r\nTo-Path: ");
        out.extend_from_slice(&self.answer);
        out.extend_from_slice(tid);
        out.extend_from_slice(b"$\r\n");
        if whole {
            self.message += 1;
            self.at = 0;
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_to_the_previous_hop() {
        let mut incoming = Incoming::new(0, "msrp://b/y;tcp", 16);
        let (text, mut out) = (Text::default(), Vec::new());
        for (hop, message) in [("msrp://r/1;tcp", 0), ("msrp://r/2;tcp", 1)] {
            let (from, id) = (format!("{hop} msrp://a/z;tcp"), format!("load0.{message:016x}"));
            let head = Head {
                verb: b"SEND",
                from_path: from.as_bytes(),
                message_id: id.as_bytes(),
                ..Head::default()
            };
            incoming.begin(&head).unwrap();
            incoming.content(&text, &id.as_bytes()[6..]).unwrap();
            out.clear();
            assert!(incoming.end(b'$', b"tid1", &mut out).unwrap());
            let expected = format!(
                "MSRP tid1 200 OK\r\nTo-Path: {hop}\r\nFrom-Path: msrp://b/y;tcp\r\n-------tid1$\r\n"
            );
            assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
        }
        assert_eq!(incoming.messages(), 2);
    }

    #[test]
    fn an_aborted_message_is_an_error() {
        let mut incoming = Incoming::new(0, "msrp://b/y;tcp", 16);
        let wrong = incoming.end(b'#', b"tid1", &mut Vec::new());
        assert!(matches!(
            wrong,
            Err(LoadError::Mismatch {
                mismatch: Mismatch::Length { flag: '#', .. },
                ..
            })
        ));
    }
}
