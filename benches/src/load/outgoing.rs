//! The SENDs of one sender, as octets.

use super::{
    body::Text,
    digits::{decimal, from_hex, hex},
    pair::Shape,
};
use crate::forwarder::Order;

/// Hexadecimal digits of a transaction's number in its id.
const TID_DIGITS: usize = 12;

/// Where a sender is in its messages.
#[derive(Debug)]
pub struct Outgoing {
    shape: Shape,
    /// Beginning of transaction ids.
    tid: Vec<u8>,
    /// What stands in each head between the transaction id and the number of the message,
    after_tid: Vec<u8>,
    /// and behind the range.
    after_range: Vec<u8>,
    message: u64,
    /// Octets of it that are out.
    at: u64,
    transaction: u64,
    /// Octets missing in the chunk under way.
    chunk: Option<u64>,
}

impl Outgoing {
    /// The messages of pair `index` along this path.
    pub fn new(index: usize, to_path: &str, from: &str, shape: Shape) -> Self {
        let after_tid =
            format!(" SEND\r\nTo-Path: {to_path}\r\nFrom-Path: {from}\r\nMessage-ID: load{index:x}.");
        Self {
            shape,
            tid: format!("l{index:x}").into_bytes(),
            after_tid: after_tid.into_bytes(),
            after_range: format!("/{}\r\nContent-Type: text/plain\r\n\r\n", shape.size).into_bytes(),
            message: 0,
            at: 0,
            transaction: 0,
            chunk: None,
        }
    }

    /// Messages begun.
    pub fn begun(&self) -> u64 {
        self.message + u64::from(!self.is_between())
    }

    /// Whether the next octet begins a message.
    pub fn is_between(&self) -> bool {
        self.at == 0 && self.chunk.is_none()
    }

    /// Appends the next octets of the message at hand, or of the next message: a head where one is due, and so many
    /// octets of content at most.
    pub fn write(&mut self, out: &mut Vec<u8>, text: &Text, at_most: usize) {
        let left = match self.chunk {
            Some(left) => left,
            None => self.begin_chunk(out),
        };
        let len = left.min(at_most as u64);
        text.write(out, self.message, self.at, len as usize);
        self.at += len;
        self.chunk = Some(left - len);
        if left == len {
            self.end_chunk(out);
        }
    }

    fn begin_chunk(&mut self, out: &mut Vec<u8>) -> u64 {
        let len = self.shape.chunk.min(self.shape.size - self.at);
        out.extend_from_slice(b"MSRP ");
        out.extend_from_slice(&self.tid);
        hex(out, self.transaction, TID_DIGITS);
        out.extend_from_slice(&self.after_tid);
        hex(out, self.message, 16);
        out.extend_from_slice(b"\r\nByte-Range: ");
        decimal(out, self.at + 1);
        out.push(b'-');
        decimal(out, self.at + len);
        out.extend_from_slice(&self.after_range);
        len
    }

    fn end_chunk(&mut self, out: &mut Vec<u8>) {
        let last = self.at == self.shape.size;
        out.extend_from_slice(b"\r\n-------");
        out.extend_from_slice(&self.tid);
        hex(out, self.transaction, TID_DIGITS);
        out.extend_from_slice(if last { b"$\r\n" } else { b"+\r\n" });
        self.transaction += 1;
        self.chunk = None;
        if last {
            self.message += 1;
            self.at = 0;
        }
    }

    /// How long the messages of this sender are, and what a relay answers.
    pub fn order(&self) -> Order {
        let mut message = Vec::new();
        let mut first = Self {
            tid: self.tid.clone(),
            after_tid: self.after_tid.clone(),
            after_range: self.after_range.clone(),
            shape: self.shape,
            message: 0,
            at: 0,
            transaction: 0,
            chunk: None,
        };
        first.write(&mut message, &Text::default(), usize::MAX);
        let head = String::from_utf8_lossy(&self.after_tid);
        let path = |name: &str| {
            let path = head.split_once(name).map_or("", |(_, path)| path);
            path.split([' ', '\r']).next().unwrap_or_default()
        };
        let mut id = self.tid.clone();
        hex(&mut id, 0, TID_DIGITS);
        let id = String::from_utf8_lossy(&id);
        let answer = format!(
            "MSRP {id} 200 OK\r\nTo-Path: {}\r\nFrom-Path: {}\r\n-------{id}$\r\n",
            path("From-Path: "),
            path("To-Path: ")
        );
        Order {
            message: message.len() as u64,
            answer: answer.into_bytes(),
        }
    }

    /// The message that a transaction belongs to.
    pub fn message_of(&self, tid: &[u8]) -> Option<u64> {
        let number = tid.strip_prefix(&*self.tid).and_then(from_hex)?;
        Some(number / self.shape.chunks())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_out_in_chunks() {
        let shape = Shape {
            size: 40,
            chunk: 16,
            window: 1,
        };
        let mut outgoing = Outgoing::new(10, "msrp://r/x;tcp msrp://b/y;tcp", "msrp://a/z;tcp", shape);
        let (text, mut out) = (Text::default(), Vec::new());
        assert!(outgoing.is_between());
        // Two pieces for each chunk of 16.
        while outgoing.begun() < 2 {
            outgoing.write(&mut out, &text, 10);
        }
        let out = String::from_utf8(out).unwrap();
        let mut content = Vec::new();
        text.write(&mut content, 0, 0, 40);
        let content = String::from_utf8(content).unwrap();
        let chunk = |number: u64, range: &str, content: &str, flag: char| {
            format!(
                "MSRP la{number:012x} SEND\r\nTo-Path: msrp://r/x;tcp msrp://b/y;tcp\r\nFrom-Path: msrp://a/z;tcp\r\n\
                 Message-ID: loada.0000000000000000\r\nByte-Range: {range}/40\r\nContent-Type: text/plain\r\n\r\n\
                 {content}\r\n-------la{number:012x}{flag}\r\n"
            )
        };
        let expected = chunk(0, "1-16", &content[..16], '+')
            + &chunk(1, "17-32", &content[16..32], '+')
            + &chunk(2, "33-40", &content[32..], '$');
        assert!(out.starts_with(&expected), "{out}");
        assert!(out[expected.len()..].starts_with("MSRP la000000000003 SEND"));
        let order = outgoing.order();
        assert_eq!(
            order.message as usize,
            chunk(0, "1-16", &content[..16], '+').len()
        );
        assert_eq!(
            String::from_utf8(order.answer).unwrap(),
            "MSRP la000000000000 200 OK\r\nTo-Path: msrp://a/z;tcp\r\nFrom-Path: msrp://r/x;tcp\r\n\
             -------la000000000000$\r\n"
        );
        assert_eq!(outgoing.message_of(b"la000000000002"), Some(0));
        assert_eq!(outgoing.message_of(b"la000000000003"), Some(1));
        assert_eq!(outgoing.message_of(b"lb000000000003"), None);
    }
}
