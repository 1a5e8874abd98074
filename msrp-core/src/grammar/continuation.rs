//! `continuation-flag`: the last octet of an end-line (RFC 4975 sections 7.1 and 9).

/// What follows the chunk that an end-line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContinuationFlag {
    /// `$`: the chunk was the last of the message.
    Complete,
    /// `+`: more chunks of the message follow.
    More,
    /// `#`: the sender gives the message up; no chunk follows.
    Abort,
}

impl ContinuationFlag {
    /// The flag from its octet; `None` if it is none of `$`, `+`, `#`.
    pub const fn from_byte(octet: u8) -> Option<Self> {
        match octet {
            b'$' => Some(Self::Complete),
            b'+' => Some(Self::More),
            b'#' => Some(Self::Abort),
            _ => None,
        }
    }

    /// The flag's octet.
    pub const fn as_byte(self) -> u8 {
        match self {
            Self::Complete => b'$',
            Self::More => b'+',
            Self::Abort => b'#',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_octets_are_flags_and_no_other() {
        for octet in 0..=u8::MAX {
            let flag = ContinuationFlag::from_byte(octet);
            assert_eq!(
                flag.map(ContinuationFlag::as_byte),
                b"$+#".contains(&octet).then_some(octet)
            );
        }
    }
}
