//! `method`: what a request asks for.

use super::{GrammarError, chars, text};

/// The method of a request (RFC 4975 section 9, RFC 4976 section 7, RFC 7701 section 6). Case-sensitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method<'a> {
    /// `SEND`: carries a chunk of a message.
    Send,
    /// `REPORT`: tells what became of octets of a message; is never answered.
    Report,
    /// `AUTH`: a client asks a relay for a URI (RFC 4976).
    Auth,
    /// `NICKNAME`: a participant asks a conference for a nickname (RFC 7701).
    Nickname,
    /// Any other method, as written.
    Other(&'a str),
}

impl<'a> Method<'a> {
    /// Parses `1*UPALPHA`. `_` is accepted too, because deployed extensions use it (row 4975-E-08).
    ///
    /// # Errors
    /// [`GrammarError::Method`].
    pub fn parse(input: &'a [u8]) -> Result<Self, GrammarError> {
        match input {
            b"SEND" => Ok(Self::Send),
            b"REPORT" => Ok(Self::Report),
            b"AUTH" => Ok(Self::Auth),
            b"NICKNAME" => Ok(Self::Nickname),
            other if !other.is_empty() && chars::all(other, chars::METHOD) => {
                Ok(Self::Other(text::ascii(other)))
            }
            _ => Err(GrammarError::Method),
        }
    }

    /// The method as written on the wire.
    pub fn as_str(&self) -> &'a str {
        match self {
            Self::Send => "SEND",
            Self::Report => "REPORT",
            Self::Auth => "AUTH",
            Self::Nickname => "NICKNAME",
            Self::Other(name) => name,
        }
    }
}

impl std::fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // shows: 4975-9-09, 4976-7-02
    #[test]
    fn rfc4975_9_09_methods_are_case_sensitive() {
        let known = [
            ("SEND", Method::Send),
            ("REPORT", Method::Report),
            ("AUTH", Method::Auth),
            ("NICKNAME", Method::Nickname),
            ("FOO", Method::Other("FOO")),
        ];
        for (text, method) in known {
            assert_eq!(Method::parse(text.as_bytes()), Ok(method));
            assert_eq!(method.as_str(), text);
        }
        for bad in ["send", "auth", "Foo", "SEND ", "FOO1", "200", ""] {
            assert_eq!(Method::parse(bad.as_bytes()), Err(GrammarError::Method), "{bad}");
        }
    }

    // shows: 4975-E-08
    #[test]
    fn rfc4975_e_08_underscore_is_accepted_in_unknown_methods() {
        assert_eq!(Method::parse(b"FILE_OFFSET"), Ok(Method::Other("FILE_OFFSET")));
    }
}
