//! `accept-types` and `accept-wrapped-types`: which types a party wishes to receive (RFC 4975 section 8.6).

use std::{fmt, sync::Arc};

use nom::{
    Parser,
    branch::alt,
    bytes::complete::tag,
    character::complete::char,
    combinator::recognize,
    multi::many0_count,
    sequence::{pair, preceded, separated_pair},
};

use super::{
    GrammarError, MediaType,
    mime::{NomError, gen_param},
    text,
};

/// The most entries that accept-types may have.
pub const MAX_ACCEPT_ENTRIES: usize = 256;

/// One entry of accept-types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptEntry<'a> {
    /// `*`: types that are not listed may be tried.
    Any,
    /// `type/*`: any subtype may be tried.
    AnySubtype(&'a str),
    /// `type/subtype`, perhaps with parameters.
    Type(MediaType<'a>),
}

impl<'a> AcceptEntry<'a> {
    /// Parses one entry. Parameters of `type/*` are accepted and dropped.
    ///
    /// # Errors
    /// [`GrammarError::AcceptEntry`], [`GrammarError::MediaTypeParameter`].
    pub fn parse(input: &'a [u8]) -> Result<Self, GrammarError> {
        if input == b"*" {
            return Ok(Self::Any);
        }
        match MediaType::parse(input) {
            // `*` is a character of tokens.
            Ok(MediaType { main_type: "*", .. }) | Err(GrammarError::MediaType) => {
                Err(GrammarError::AcceptEntry)
            }
            Ok(MediaType {
                main_type,
                subtype: "*",
                ..
            }) => Ok(Self::AnySubtype(main_type)),
            other => other.map(Self::Type),
        }
    }

    /// Whether the entry names a type without `*`. Such types are to be preferred (RFC 4975 section 8.6).
    pub fn is_explicit(&self) -> bool {
        matches!(self, Self::Type(_))
    }
}

impl fmt::Display for AcceptEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::AnySubtype(main_type) => write!(f, "{main_type}/*"),
            Self::Type(media_type) => media_type.fmt(f),
        }
    }
}

/// How accept-types allows a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Acceptance {
    /// Only by `*` or `type/*`: the peer may still answer 415.
    Wildcard,
    /// By an entry that names the type.
    Explicit,
}

/// The value of SDP's `accept-types` or `accept-wrapped-types`: which types a party wishes to receive.
///
/// Input may be empty, which allows nothing; the grammar demands one entry of what is sent. Cloning it copies no text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AcceptTypes {
    /// Each entry as written, and parseable; nothing where there is none. A session has them in many places.
    entries: Option<Arc<Vec<Box<str>>>>,
}

impl std::str::FromStr for AcceptTypes {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        Self::parse(text.as_bytes())
    }
}

impl AcceptTypes {
    /// Parses `entry *(SP entry)`; more spaces than one, also in front and behind, are accepted, and so is no entry.
    ///
    /// # Errors
    /// [`GrammarError::AcceptEntry`], [`GrammarError::MediaTypeParameter`], and [`GrammarError::AcceptTypesTooLong`]
    /// above [`MAX_ACCEPT_ENTRIES`].
    pub fn parse(value: &[u8]) -> Result<Self, GrammarError> {
        let mut types = Self::default();
        let mut rest = value;
        loop {
            let spaces = rest.iter().take_while(|&&octet| octet == b' ').count();
            rest = rest.get(spaces..).unwrap_or_default();
            if rest.is_empty() {
                if let Some(entries) = types.entries.as_mut().and_then(Arc::get_mut) {
                    entries.shrink_to_fit();
                }
                return Ok(types);
            }
            // Spaces inside of quoted-strings belong to the entry.
            let (after, entry) = recognize(pair(
                alt((
                    recognize(separated_pair(text::token, char('/'), text::token)),
                    tag(&b"*"[..]),
                )),
                many0_count(preceded(char(';'), gen_param)),
            ))
            .parse(rest)
            .map_err(|_: NomError<'_>| GrammarError::AcceptEntry)?;
            if !matches!(after.first(), Some(b' ') | None) {
                return Err(GrammarError::AcceptEntry);
            }
            types.push(AcceptEntry::parse(entry)?)?;
            rest = after;
        }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`GrammarError::AcceptTypesTooLong`].
    pub fn push(&mut self, entry: AcceptEntry<'_>) -> Result<(), GrammarError> {
        if self.len() == MAX_ACCEPT_ENTRIES {
            return Err(GrammarError::AcceptTypesTooLong {
                max: MAX_ACCEPT_ENTRIES,
            });
        }
        let entries = self.entries.get_or_insert_default();
        Arc::make_mut(entries).push(entry.to_string().into());
        Ok(())
    }

    /// The entries, in order, which is that of preference.
    pub fn entries(&self) -> impl Iterator<Item = AcceptEntry<'_>> {
        self.as_written()
            .iter()
            .filter_map(|entry| AcceptEntry::parse(entry.as_bytes()).ok())
    }

    fn as_written(&self) -> &[Box<str>] {
        self.entries.as_ref().map_or(&[], |entries| entries)
    }

    /// The number of entries, at most [`MAX_ACCEPT_ENTRIES`].
    pub fn len(&self) -> usize {
        self.as_written().len()
    }

    /// Whether there is no entry, so that nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.as_written().is_empty()
    }

    /// Whether, and how, `media_type` is allowed. `None`: it must not be sent.
    pub fn accepts(&self, media_type: &MediaType<'_>) -> Option<Acceptance> {
        self.entries()
            .filter(|entry| media_type.matches(entry))
            .map(|entry| {
                if entry.is_explicit() {
                    Acceptance::Explicit
                } else {
                    Acceptance::Wildcard
                }
            })
            .max()
    }
}

impl fmt::Display for AcceptTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.as_written().iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(entry)?;
        }
        Ok(())
    }
}

impl fmt::Debug for AcceptTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AcceptTypes({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(list: &str, media_type: &str) -> Option<Acceptance> {
        let media_type = MediaType::parse(media_type.as_bytes()).unwrap();
        AcceptTypes::parse(list.as_bytes()).unwrap().accepts(&media_type)
    }

    // shows: 4975-8.6-02
    #[test]
    fn rfc4975_8_6_02_wildcards_allow_what_is_not_listed() {
        assert_eq!(accepts("image/*", "image/png"), Some(Acceptance::Wildcard));
        assert_eq!(accepts("IMAGE/*", "Image/PNG"), Some(Acceptance::Wildcard));
        assert_eq!(accepts("image/*", "text/plain"), None);
        assert_eq!(accepts("*", "text/plain"), Some(Acceptance::Wildcard));
        assert_eq!(
            accepts("* image/* text/plain", "text/plain"),
            Some(Acceptance::Explicit)
        );
        assert_eq!(accepts("text/plain", "text/html"), None);
        assert_eq!(accepts("", "text/plain"), None);
    }

    // shows: 4975-8.6-16
    #[test]
    fn rfc4975_8_6_16_parameters_do_not_keep_an_entry_from_matching() {
        assert_eq!(
            accepts("text/plain;charset=utf-8", "text/plain"),
            Some(Acceptance::Explicit)
        );
        assert_eq!(
            accepts("text/plain", "text/plain;charset=utf-8"),
            Some(Acceptance::Explicit)
        );
    }

    // shows: 4975-8.6-17
    #[test]
    fn rfc4975_8_6_17_format_list() {
        let list = r#"message/cpim text/plain;charset="a b" text/* *"#;
        let types = AcceptTypes::parse(list.as_bytes()).unwrap();
        let entries: Vec<_> = types.entries().collect();
        assert_eq!(entries.len(), types.len());
        assert!(matches!(entries[0], AcceptEntry::Type(cpim) if cpim.is("message", "cpim")));
        assert!(
            matches!(entries[1], AcceptEntry::Type(text) if text.parameter("charset").as_deref() == Some("a b"))
        );
        assert_eq!(entries[2..], [AcceptEntry::AnySubtype("text"), AcceptEntry::Any]);
        assert_eq!(types.to_string(), list);
        for bad in [
            "text",
            "text/",
            "*/plain",
            "*/*",
            "**",
            "text/plain,text/html",
            "*;q=1",
            "text/plain; a=b",
            "a/b;c=\"d",
            "a/b\tc/d",
        ] {
            assert_eq!(
                AcceptTypes::parse(bad.as_bytes()),
                Err(GrammarError::AcceptEntry),
                "{bad}"
            );
        }
    }

    // shows: 4975-E-22
    #[test]
    fn rfc4975_e_22_surplus_spaces_and_the_empty_list_are_accepted() {
        assert_eq!(
            AcceptTypes::parse(b" text/plain  * ").unwrap().to_string(),
            "text/plain *"
        );
        assert!(AcceptTypes::parse(b"").unwrap().is_empty());
        assert!(AcceptTypes::parse(b"  ").unwrap().is_empty());
    }

    #[test]
    fn number_of_entries_is_bounded() {
        let list = |entries| vec!["a/b"; entries].join(" ");
        assert_eq!(
            AcceptTypes::parse(list(MAX_ACCEPT_ENTRIES).as_bytes())
                .unwrap()
                .len(),
            MAX_ACCEPT_ENTRIES
        );
        let too_long = Err(GrammarError::AcceptTypesTooLong {
            max: MAX_ACCEPT_ENTRIES,
        });
        assert_eq!(
            AcceptTypes::parse(list(MAX_ACCEPT_ENTRIES + 1).as_bytes()),
            too_long
        );
    }

    #[test]
    fn one_entry_parses_by_itself() {
        assert_eq!(AcceptEntry::parse(b"*"), Ok(AcceptEntry::Any));
        assert_eq!(
            AcceptEntry::parse(b"text/*;x=y"),
            Ok(AcceptEntry::AnySubtype("text"))
        );
        assert!(AcceptEntry::parse(b"text/plain").unwrap().is_explicit());
        assert_eq!(
            AcceptEntry::parse(b"a/b c/d"),
            Err(GrammarError::MediaTypeParameter)
        );
    }

    proptest! {
        #[test]
        fn any_list_round_trips(list in "(\\*|[a-z]{1,4}/(\\*|[a-z]{1,4}(;[a-z]=([a-z]|\"[a-z ]{0,3}\"))?))( (\\*|[a-z]{1,4}/[a-z]{1,4})){0,5}") {
            prop_assert_eq!(AcceptTypes::parse(list.as_bytes()).unwrap().to_string(), list);
        }

        #[test]
        fn parsing_any_octets_ends(octets: Vec<u8>, text in "[a*/;=\" ]{0,30}") {
            let _ = AcceptTypes::parse(&octets);
            let _ = AcceptTypes::parse(text.as_bytes());
        }
    }
}
