//! `Byte-Range`: which octets of the message a chunk carries (RFC 4975 sections 7.1.1 and 9).

use std::fmt;

use bytes::BufMut;

use super::GrammarError;

/// Numbers of up to this many digits always fit `u64`, and leave room to add a chunk's length.
const MAX_DIGITS: usize = 19;

/// The value of a Byte-Range header field. Octets are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// Position of the chunk's first octet in the message; 1 for the first.
    pub start: u64,
    /// Position of the chunk's last octet, `start - 1` if it has none; `None` is `*`: unknown, the chunk can be
    /// interrupted.
    pub end: Option<u64>,
    /// Length of the whole message in octets; `None` is `*`: unknown.
    pub total: Option<u64>,
}

impl ByteRange {
    /// `1-*/*`: what an absent Byte-Range stands for.
    pub const WHOLE_UNKNOWN: Self = Self {
        start: 1,
        end: None,
        total: None,
    };

    /// The range of a message of `len` octets in one chunk: `1-len/len`.
    pub const fn whole(len: u64) -> Self {
        Self {
            start: 1,
            end: Some(len),
            total: Some(len),
        }
    }

    /// Parses `start-end/total`. That the three fit each other, or the body, is not checked: peers are known to send
    /// ranges that do not, and the body's length never follows from them.
    ///
    /// # Errors
    /// [`GrammarError::ByteRange`], [`GrammarError::ByteRangeTooLarge`] for a number of more than 19 digits, and
    /// [`GrammarError::ByteRangeZero`].
    pub fn parse(input: &[u8]) -> Result<Self, GrammarError> {
        let (start, rest) = number(input)?;
        let rest = rest.strip_prefix(b"-").ok_or(GrammarError::ByteRange)?;
        let (end, rest) = number_or_star(rest)?;
        let rest = rest.strip_prefix(b"/").ok_or(GrammarError::ByteRange)?;
        let (total, rest) = number_or_star(rest)?;
        if !rest.is_empty() {
            return Err(GrammarError::ByteRange);
        }
        if start == 0 {
            return Err(GrammarError::ByteRangeZero);
        }
        Ok(Self { start, end, total })
    }

    /// Writes the range as on the wire; at most 62 octets (three numbers of 20 digits).
    pub fn write_to(&self, out: &mut impl BufMut) {
        write_number(self.start, out);
        out.put_u8(b'-');
        write_number_or_star(self.end, out);
        out.put_u8(b'/');
        write_number_or_star(self.total, out);
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.start)?;
        match self.end {
            Some(end) => write!(f, "{end}/")?,
            None => f.write_str("*/")?,
        }
        match self.total {
            Some(total) => write!(f, "{total}"),
            None => f.write_str("*"),
        }
    }
}

#[inline]
fn number(input: &[u8]) -> Result<(u64, &[u8]), GrammarError> {
    let mut value = 0_u64;
    let mut digits = 0;
    for &octet in input {
        if !octet.is_ascii_digit() {
            break;
        }
        digits += 1;
        if digits > MAX_DIGITS {
            return Err(GrammarError::ByteRangeTooLarge);
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(octet - b'0'));
    }
    if digits == 0 {
        return Err(GrammarError::ByteRange);
    }
    Ok((value, input.get(digits..).unwrap_or_default()))
}

#[inline]
fn number_or_star(input: &[u8]) -> Result<(Option<u64>, &[u8]), GrammarError> {
    match input.strip_prefix(b"*") {
        Some(rest) => Ok((None, rest)),
        None => number(input).map(|(value, rest)| (Some(value), rest)),
    }
}

fn write_number(mut value: u64, out: &mut impl BufMut) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        used += 1;
        if value == 0 {
            break;
        }
    }
    out.put_slice(digits.get(20 - used..).unwrap_or_default());
}

fn write_number_or_star(value: Option<u64>, out: &mut impl BufMut) {
    match value {
        Some(value) => write_number(value, out),
        None => out.put_u8(b'*'),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(range: ByteRange) -> String {
        let mut out = Vec::new();
        range.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    // shows: 4975-9-20
    #[test]
    fn rfc4975_9_20_byte_range_grammar() {
        let range = |start, end, total| ByteRange { start, end, total };
        let legal = [
            ("1-25/25", range(1, Some(25), Some(25))),
            ("1-*/*", ByteRange::WHOLE_UNKNOWN),
            ("5-*/8", range(5, None, Some(8))),
            ("1-5/*", range(1, Some(5), None)),
            ("1-0/0", ByteRange::whole(0)),
        ];
        for (text, range) in legal {
            assert_eq!(ByteRange::parse(text.as_bytes()), Ok(range), "{text}");
            assert_eq!(range.to_string(), text);
            assert_eq!(written(range), text);
        }
        for bad in [
            "*-5/5", "1-/5", "1-5", "1-5/", "a-b/c", "", "-", "1-5/5 ", " 1-5/5", "1 -5/5", "1-5/5x",
            "+1-5/5", "1-**/5", "1-5*/5", "1--5/5",
        ] {
            assert_eq!(
                ByteRange::parse(bad.as_bytes()),
                Err(GrammarError::ByteRange),
                "{bad}"
            );
        }
    }

    // shows: 4975-9-21
    #[test]
    fn rfc4975_9_21_numbers_of_20_digits_are_errors_and_19_digits_fit() {
        let too_large = Err(GrammarError::ByteRangeTooLarge);
        for bad in [
            "18446744073709551615-*/*",
            "1-18446744073709551616/*",
            "1-*/99999999999999999999999999999999999999999999",
            "00000000000000000001-*/*",
        ] {
            assert_eq!(ByteRange::parse(bad.as_bytes()), too_large, "{bad}");
        }
        let most = 9_999_999_999_999_999_999;
        let range = ByteRange {
            start: most,
            end: Some(most),
            total: Some(most),
        };
        let text = range.to_string();
        assert_eq!(ByteRange::parse(text.as_bytes()), Ok(range));
        assert_eq!((written(range), text.len()), (text, 59));
        assert!(
            most.checked_add(1 << 62).is_some(),
            "room to add the length of a chunk"
        );
    }

    #[test]
    fn octets_are_counted_from_1() {
        assert_eq!(ByteRange::parse(b"0-5/5"), Err(GrammarError::ByteRangeZero));
        assert_eq!(
            ByteRange::parse(b"01-05/5"),
            Ok(ByteRange {
                start: 1,
                end: Some(5),
                total: Some(5)
            })
        );
    }

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![0..100_u64, 0..10_000_000_000_000_000_000_u64]
    }

    proptest! {
        #[test]
        fn any_range_round_trips(start in number(), end in proptest::option::of(number()), total in proptest::option::of(number())) {
            let range = ByteRange { start: start.max(1), end, total };
            let text = written(range);
            prop_assert_eq!(ByteRange::parse(text.as_bytes()), Ok(range));
            prop_assert_eq!(range.to_string(), text);
        }

        #[test]
        fn parsing_any_octets_ends(octets: Vec<u8>, text in "[0-9*/-]{0,50}") {
            let _ = ByteRange::parse(&octets);
            let _ = ByteRange::parse(text.as_bytes());
        }
    }
}
