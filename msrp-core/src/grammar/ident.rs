//! `ident`: the form of transaction identifiers and of Message-IDs (RFC 4975 section 9).

use std::{borrow::Borrow, fmt, hash};

use super::{GrammarError, chars, text};

const MIN_LEN: usize = 4;
const MAX_LEN: usize = 32;

/// `ident`, stored in place. Octets after the length are always 0, so the derived equality is that of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ident {
    octets: [u8; MAX_LEN],
    len: u8,
}

impl Ident {
    fn parse(input: &[u8]) -> Result<Self, GrammarError> {
        if !(MIN_LEN..=MAX_LEN).contains(&input.len()) {
            return Err(GrammarError::IdentLength);
        }
        let starts_well = input
            .first()
            .is_some_and(|&octet| chars::is(octet, chars::ALPHANUM));
        if !starts_well || !chars::all(input, chars::IDENT) {
            return Err(GrammarError::IdentCharacter);
        }
        let mut octets = [0; MAX_LEN];
        if let Some(used) = octets.get_mut(..input.len()) {
            used.copy_from_slice(input);
        }
        Ok(Self {
            octets,
            len: input.len() as u8,
        })
    }

    /// The identifier at the start of the input, as far as its characters go.
    #[inline]
    fn at_start(input: &[u8]) -> Option<Self> {
        let mut octets = [0; MAX_LEN];
        let mut len = 0;
        for (to, &octet) in octets.iter_mut().zip(input) {
            if !chars::is(octet, chars::IDENT) {
                break;
            }
            *to = octet;
            len += 1;
        }
        let starts_well = chars::is(*input.first()?, chars::ALPHANUM);
        (starts_well && len >= MIN_LEN).then_some(Self {
            octets,
            len: len as u8,
        })
    }

    /// An identifier of characters known to be alphanumeric.
    fn from_alphanum<const N: usize>(text: [u8; N]) -> Self {
        const { assert!(N >= MIN_LEN && N <= MAX_LEN) };
        debug_assert!(chars::all(&text, chars::ALPHANUM));
        let mut octets = [0; MAX_LEN];
        for (to, from) in octets.iter_mut().zip(text) {
            *to = from;
        }
        Self { octets, len: N as u8 }
    }

    fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

macro_rules! ident {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name(Ident);

        impl $name {
            /// Parses an `ident`: one alphanumeric character, then 3 to 31 of `ALPHANUM . - + % =`.
            ///
            /// # Errors
            /// [`GrammarError::IdentLength`] or [`GrammarError::IdentCharacter`].
            pub fn parse(input: &[u8]) -> Result<Self, GrammarError> {
                Ident::parse(input).map(Self)
            }

            /// The identifier at the start of the input, which ends at the first octet that no identifier has, or after
            /// 32: what follows is for the caller to look at.
            #[inline]
            pub(crate) fn at_start(input: &[u8]) -> Option<Self> {
                Ident::at_start(input).map(Self)
            }

            /// An identifier of `N` characters known to be alphanumeric; `N` is checked when compiling.
            pub(crate) fn from_alphanum<const N: usize>(text: [u8; N]) -> Self {
                Self(Ident::from_alphanum(text))
            }

            /// The identifier's octets, all ASCII; 4 to 32 of them.
            #[inline]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                text::ascii(self.as_bytes())
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        impl Borrow<[u8]> for $name {
            fn borrow(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        impl hash::Hash for $name {
            fn hash<H: hash::Hasher>(&self, state: &mut H) {
                self.as_bytes().hash(state);
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.as_bytes().cmp(other.as_bytes())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.as_str()).finish()
            }
        }

        impl std::str::FromStr for $name {
            type Err = GrammarError;

            fn from_str(text: &str) -> Result<Self, GrammarError> {
                Self::parse(text.as_bytes())
            }
        }
    };
}

ident! {
    /// The identifier of one transaction (`transact-id`): it ties a response to its request and marks the end-line.
    TransactId
}

ident! {
    /// The identifier of one message (`Message-ID`): all chunks of the message carry it, and its REPORTs.
    MessageId
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(text: &[u8]) -> Result<(), GrammarError> {
        let transact_id = TransactId::parse(text);
        let message_id = MessageId::parse(text);
        assert_eq!(transact_id.map(|_| ()), message_id.map(|_| ()));
        if let Ok(id) = transact_id {
            assert_eq!(id.as_bytes(), text);
        }
        transact_id.map(|_| ())
    }

    // shows: 4975-9-06, 4975-9-18
    #[test]
    fn rfc4975_9_06_ident_has_4_to_32_characters_and_starts_alphanumeric() {
        assert_eq!(both(b"abc"), Err(GrammarError::IdentLength));
        assert_eq!(both(b"abcd"), Ok(()));
        assert_eq!(both(&[b'7'; 32]), Ok(()));
        assert_eq!(both(&[b'7'; 33]), Err(GrammarError::IdentLength));
        for first in [".abc", "-abc", "+abc", "%abc", "=abc"] {
            assert_eq!(
                both(first.as_bytes()),
                Err(GrammarError::IdentCharacter),
                "{first}"
            );
        }
    }

    // shows: 4975-9-07
    #[test]
    fn rfc4975_9_07_ident_characters() {
        for octet in 0..=u8::MAX {
            let allowed = octet.is_ascii_alphanumeric() || b".-+%=".contains(&octet);
            assert_eq!(both(&[b'a', b'b', b'c', octet]).is_ok(), allowed, "{octet}");
        }
    }

    #[test]
    fn identifiers_order_and_hash_as_their_octets_do() {
        use hash::BuildHasher;
        let hasher = hash::BuildHasherDefault::<hash::DefaultHasher>::default();
        let (short, long) = (
            "abcd".parse::<TransactId>().unwrap(),
            "abcd+".parse::<TransactId>().unwrap(),
        );
        assert!(short < long && short != long);
        assert_eq!(hasher.hash_one(short), hasher.hash_one(short.as_bytes()));
    }

    proptest! {
        #[test]
        fn any_ident_round_trips(text in "[a-zA-Z0-9][a-zA-Z0-9.+%=-]{3,31}") {
            prop_assert_eq!(TransactId::parse(text.as_bytes()).unwrap().to_string(), text);
        }

        #[test]
        fn parsing_any_octets_ends(octets: Vec<u8>) {
            let _ = both(&octets);
        }
    }
}
