//! What stands in the messages, and whether it arrived.
//!
//! A message begins with its number in sixteen hexadecimal digits; the rest is cut from one endless text, so that any
//! part of any message can be checked where it stands, without keeping the message.

/// Octets of the number at the beginning; no message is shorter.
pub const STAMP: usize = 16;
/// The text repeats after so many octets: a prime, so that chunks do not begin at the same place of it.
const PERIOD: usize = 65_521;

/// How a received message differs from the one that was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Another message, or another part of it, was due.
    #[error(
        "message {expected} from octet {at} on was due, or one of the {open} from there on, but {got} from octet {range} on came"
    )]
    Order {
        /// The first message that is not whole.
        expected: u64,
        /// Octet of it that was due, from 1.
        at: u64,
        /// Messages that have begun since it did, and it; the next may begin as well.
        open: usize,
        /// What the head says.
        got: String,
        /// What Byte-Range says.
        range: u64,
    },
    /// The content differs.
    #[error("message {message} differs from what was sent at octet {at}")]
    Content {
        /// The message.
        message: u64,
        /// Where, from 1.
        at: u64,
    },
    /// The last chunk came too early, or the message was aborted.
    #[error("message {message} ended with {flag:?} after {got} of {size} octets")]
    Length {
        /// The message.
        message: u64,
        /// Continuation flag.
        flag: char,
        /// Octets received.
        got: u64,
        /// Octets sent.
        size: u64,
    },
}

/// The endless text.
#[derive(Debug)]
pub struct Text {
    /// Two periods, so that each piece of one period stands in one slice.
    octets: Vec<u8>,
}

impl Default for Text {
    fn default() -> Self {
        Self::new(false)
    }
}

impl Text {
    /// Text as people write it, or octets of every value as files have them.
    pub fn new(binary: bool) -> Self {
        // A linear congruential generator (Knuth's MMIX constants) is random enough for content.
        let mut state: u64 = 0x4d53_5250;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let mut octets: Vec<u8> = (0..PERIOD)
            .map(|_| match random() {
                octet if binary => octet,
                0..=3 => b'-',
                4..=7 => b'\n',
                8..=47 => b' ',
                octet => b'a' + octet % 26,
            })
            .collect();
        octets.extend_from_within(..);
        Self { octets }
    }

    /// Appends `len` octets of a message from position `at` on.
    pub fn write(&self, out: &mut Vec<u8>, message: u64, mut at: u64, mut len: usize) {
        while at < STAMP as u64 && len > 0 {
            out.push(stamp(message, at));
            at += 1;
            len -= 1;
        }
        while len > 0 {
            let piece = self.piece(at, len);
            out.extend_from_slice(piece);
            at += piece.len() as u64;
            len -= piece.len();
        }
    }

    /// Whether these octets stand in this message at this place.
    ///
    /// # Errors
    /// [`Mismatch::Content`] with the first place that differs.
    pub fn check(&self, message: u64, mut at: u64, mut octets: &[u8]) -> Result<(), Mismatch> {
        while at < STAMP as u64 && !octets.is_empty() {
            if octets[0] != stamp(message, at) {
                return Err(Mismatch::Content { message, at: at + 1 });
            }
            at += 1;
            octets = &octets[1..];
        }
        while !octets.is_empty() {
            let piece = self.piece(at, octets.len());
            let (head, rest) = octets.split_at(piece.len());
            if head != piece {
                let same = head.iter().zip(piece).take_while(|(a, b)| a == b).count();
                return Err(Mismatch::Content {
                    message,
                    at: at + same as u64 + 1,
                });
            }
            at += piece.len() as u64;
            octets = rest;
        }
        Ok(())
    }

    fn piece(&self, at: u64, len: usize) -> &[u8] {
        let from = (at % PERIOD as u64) as usize;
        &self.octets[from..from + len.min(PERIOD)]
    }
}

fn stamp(message: u64, at: u64) -> u8 {
    b"0123456789abcdef"[(message >> (60 - 4 * at) & 15) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_same_in_any_pieces() {
        for binary in [false, true] {
            let text = Text::new(binary);
            let mut whole = Vec::new();
            text.write(&mut whole, 0xabc, 0, 200_000);
            assert!(whole.starts_with(b"0000000000000abc"));
            let mut pieces = Vec::new();
            let mut at = 0;
            for len in [1, 14, 3, 70_000, 65_521, 64_461] {
                text.write(&mut pieces, 0xabc, at, len);
                at += len as u64;
            }
            assert_eq!(pieces, whole);
            assert_eq!(text.check(0xabc, 0, &whole), Ok(()));
            assert_eq!(text.check(0xabc, 7, &whole[7..150_000]), Ok(()));
        }
    }

    #[test]
    fn a_changed_octet_is_found_where_it_stands() {
        let text = Text::default();
        let mut whole = Vec::new();
        text.write(&mut whole, 5, 0, 100_000);
        for at in [0, 15, 16, 65_520, 99_999] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(
                text.check(5, 0, &changed),
                Err(Mismatch::Content {
                    message: 5,
                    at: at as u64 + 1
                })
            );
        }
        assert_eq!(
            text.check(6, 0, &whole),
            Err(Mismatch::Content { message: 6, at: 16 })
        );
    }
}
