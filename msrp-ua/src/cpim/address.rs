//! Addresses: `[Formal-name] <URI>` (RFC 3862 §3.6).

use std::fmt;

use super::{
    error::AddressError,
    escape::{quote, unescape},
    grammar,
};

/// Who sends or is sent something: a URI of any scheme, and perhaps a name for people.
///
/// Names come from the peer and prove nothing; who a message is from is for signalling and policy to say.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    name: Option<Box<str>>,
    uri: Box<str>,
}

impl Address {
    /// An address without a name.
    ///
    /// # Errors
    /// [`AddressError::Uri`] where `uri` is not an absolute URI: a scheme, a colon, and then neither white space nor
    /// controls nor `<`, `>`, `"`.
    pub fn new(uri: &str) -> Result<Self, AddressError> {
        if !grammar::is_absolute_uri(uri) {
            return Err(AddressError::Uri);
        }
        Ok(Self {
            name: None,
            uri: uri.into(),
        })
    }

    /// Gives it a name; an empty one is none.
    pub fn with_name(mut self, name: &str) -> Self {
        self.name = Some(name.trim()).filter(|name| !name.is_empty()).map(Into::into);
        self
    }

    /// Parses `[name] <URI>`, where the name is words or a quoted string; white space between a quoted string and the URI,
    /// which everybody writes, is not in the grammar (row 3862-T-02).
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (name, uri) = split(text)?;
        if name.is_empty() {
            return Self::new(uri);
        }
        let name = match grammar::quoted_string(name) {
            Some((inner, "")) => inner,
            Some(_) => return Err(AddressError::Name),
            None if grammar::is_words(name) => name,
            None => return Err(AddressError::Name),
        };
        Ok(Self::new(uri)?.with_name(&unescape(name)))
    }

    /// As [`parse`](Self::parse), but takes any characters as a name, and a URI without brackets and name.
    pub(super) fn parse_loose(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if let Ok(address) = Self::parse(text) {
            return Ok(address);
        }
        if !text.contains(['<', '>']) {
            return Self::new(text);
        }
        let (name, uri) = split(text)?;
        let name = name.strip_prefix('"').unwrap_or(name);
        Ok(Self::new(uri.trim())?.with_name(&unescape(name.strip_suffix('"').unwrap_or(name))))
    }

    /// The name, escapes resolved; it may hold any character, also line ends.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The URI.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Whether the address names nobody: its host is `anonymous.invalid`, or its scheme `anonymous` (RFC 3323 §4.1.1.3;
    /// RFC 5438 §12.1.1 lets requests for notifications from such senders be ignored).
    pub fn is_anonymous(&self) -> bool {
        let uri = self.uri.to_ascii_lowercase();
        let host = uri.rsplit('@').next().unwrap_or_default();
        let host = host.split([';', '?', ':', '>']).next().unwrap_or_default();
        host == "anonymous.invalid" || uri.starts_with("anonymous:")
    }
}

/// The name and the URI.
fn split(text: &str) -> Result<(&str, &str), AddressError> {
    let (name, uri) = text
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once('<'))
        .ok_or(AddressError::Brackets)?;
    Ok((name.trim_end_matches(' '), uri))
}

impl fmt::Display for Address {
    /// Writes the grammar's form: words where the name is words, else a quoted string.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            None => {}
            Some(name) if grammar::is_words(name) => write!(f, "{name} ")?,
            Some(name) => write!(f, "{} ", quote(name))?,
        }
        write!(f, "<{}>", self.uri)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}
