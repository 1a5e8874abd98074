//! Expires, Min-Expires, Max-Expires: seconds a relay's URI lives (RFC 4976 sections 4.4 and 7).

use std::{fmt, time::Duration};

use super::{GrammarError, text};

/// The value of an Expires, Min-Expires or Max-Expires header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expires(u32);

impl Expires {
    /// A number of seconds.
    pub const fn from_secs(seconds: u32) -> Self {
        Self(seconds)
    }

    /// Parses `1*DIGIT` seconds. The grammar sets no limit: a number above `u32::MAX` (136 years) becomes
    /// `u32::MAX`, so that it is then treated as any other value above the configured maximum.
    ///
    /// # Errors
    /// [`GrammarError::Expires`].
    pub fn parse(input: &[u8]) -> Result<Self, GrammarError> {
        let seconds = text::saturating_number(input).ok_or(GrammarError::Expires)?;
        Ok(Self(u32::try_from(seconds).unwrap_or(u32::MAX)))
    }

    /// The number of seconds.
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// The same as a duration.
    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl fmt::Display for Expires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // shows: 4976-7-13
    #[test]
    fn rfc4976_7_13_expires_is_digits_only() {
        for (text, seconds) in [
            ("0", 0),
            ("900", 900),
            ("00900", 900),
            ("4294967295", u32::MAX),
            ("4294967296", u32::MAX),
        ] {
            assert_eq!(
                Expires::parse(text.as_bytes()),
                Ok(Expires::from_secs(seconds)),
                "{text}"
            );
        }
        let endless = [b'9'; 100];
        assert_eq!(Expires::parse(&endless), Ok(Expires::from_secs(u32::MAX)));
        for bad in ["", "-1", "1.5", "+1", " 1", "1 ", "1s"] {
            assert_eq!(
                Expires::parse(bad.as_bytes()),
                Err(GrammarError::Expires),
                "{bad}"
            );
        }
        assert_eq!(Expires::from_secs(900).to_string(), "900");
        assert_eq!(Expires::from_secs(900).as_duration(), Duration::from_secs(900));
    }
}
