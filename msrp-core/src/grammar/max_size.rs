//! `max-size`: the largest message a party wishes to receive (RFC 4975 section 8.6).

use std::fmt;

use super::{GrammarError, text};

/// The value of an SDP `max-size` attribute: octets of a complete message, not of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaxSize(u64);

impl MaxSize {
    /// A number of octets.
    pub const fn from_octets(octets: u64) -> Self {
        Self(octets)
    }

    /// Parses `1*DIGIT`. A number above `u64::MAX` becomes `u64::MAX`, which no message reaches.
    ///
    /// # Errors
    /// [`GrammarError::MaxSize`].
    pub fn parse(input: &[u8]) -> Result<Self, GrammarError> {
        text::saturating_number(input)
            .map(Self)
            .ok_or(GrammarError::MaxSize)
    }

    /// The number of octets.
    pub const fn octets(self) -> u64 {
        self.0
    }
}

impl fmt::Display for MaxSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // shows: 4975-8.6-18
    #[test]
    fn rfc4975_8_6_18_max_size_is_digits_only() {
        for (text, octets) in [("0", 0), ("1000", 1000), ("99999999999999999999999999", u64::MAX)] {
            assert_eq!(
                MaxSize::parse(text.as_bytes()),
                Ok(MaxSize::from_octets(octets)),
                "{text}"
            );
        }
        for bad in ["", "-1", "1k", "1 ", "*"] {
            assert_eq!(
                MaxSize::parse(bad.as_bytes()),
                Err(GrammarError::MaxSize),
                "{bad}"
            );
        }
        assert_eq!(MaxSize::from_octets(1000).to_string(), "1000");
    }
}
