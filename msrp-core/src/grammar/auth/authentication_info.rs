//! `Authentication-Info`.

use std::{borrow::Cow, fmt};

use bytes::{BufMut, Bytes};

use super::{
    nonce_count,
    parameters::{ParameterList, collect, to_bytes},
};
use crate::{digest::Digest, grammar::GrammarError};

/// The relay's proof that it knows the user: the value of Authentication-Info in a 200 to AUTH.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AuthenticationInfo<'a> {
    /// The nonce to use next, counted from 1 again.
    pub nextnonce: Option<Cow<'a, str>>,
    /// The qop of the request. RFC 4976 section 9.1 wants it, and the next three, in every 200 to AUTH.
    pub qop: Option<Cow<'a, str>>,
    /// The proof, see [`crate::digest::rspauth`].
    pub rspauth: Option<Digest>,
    /// The client's nonce of the request.
    pub cnonce: Option<Cow<'a, str>>,
    /// The nonce count of the request.
    pub nc: Option<u32>,
}

impl<'a> AuthenticationInfo<'a> {
    /// Parses the value of Authentication-Info. An empty `rspauth`, which the grammar allows, proves nothing and
    /// counts as absent.
    ///
    /// # Errors
    /// The `Auth…` variants of [`GrammarError`], and [`GrammarError::QuotedString`].
    pub fn parse(value: &'a [u8]) -> Result<Self, GrammarError> {
        let [nextnonce, qop, rspauth, cnonce, nc] =
            collect(value, ["nextnonce", "qop", "rspauth", "cnonce", "nc"])?;
        let rspauth = match rspauth.filter(|digits| !digits.is_empty()) {
            Some(digits) => {
                Some(Digest::parse(digits.as_bytes()).map_err(|_| GrammarError::AuthValue("rspauth"))?)
            }
            None => None,
        };
        let nc = match nc {
            Some(nc) => Some(nonce_count(&nc)?),
            None => None,
        };
        Ok(Self {
            nextnonce,
            qop,
            rspauth,
            cnonce,
            nc,
        })
    }

    /// Writes the header field's value.
    ///
    /// # Errors
    /// [`GrammarError::AuthValue`] if a value cannot be written, e.g. for a control character in it; `out` then holds
    /// a part of the value. [`GrammarError::AuthSyntax`] if there is no value at all.
    pub fn write_to(&self, out: &mut impl BufMut) -> Result<(), GrammarError> {
        let mut list = ParameterList::bare(out);
        if let Some(nextnonce) = &self.nextnonce {
            list.quoted("nextnonce", nextnonce)?;
        }
        if let Some(qop) = &self.qop {
            list.token("qop", qop)?;
        }
        if let Some(rspauth) = &self.rspauth {
            list.quoted("rspauth", rspauth.as_str())?;
        }
        if let Some(cnonce) = &self.cnonce {
            list.quoted("cnonce", cnonce)?;
        }
        if let Some(nc) = self.nc {
            list.token("nc", &format!("{nc:08x}"))?;
        }
        if list.is_empty {
            Err(GrammarError::AuthSyntax)
        } else {
            Ok(())
        }
    }

    /// The header field's value; see [`write_to`](Self::write_to).
    ///
    /// # Errors
    /// As [`write_to`](Self::write_to).
    pub fn to_bytes(&self) -> Result<Bytes, GrammarError> {
        to_bytes(|out| self.write_to(out))
    }
}

impl fmt::Debug for AuthenticationInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticationInfo")
            .field("qop", &self.qop)
            .field("nc", &self.nc)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to vector 4976-X-10.
    const RFC: &str = r#"nextnonce="Uumu8c", qop=auth, rspauth="a962aa47b6f93658341e5a8973ff8aa9", cnonce="0a4f113b", nc=00000001"#;

    // shows: 4976-7-12, 4976-9.1-10, 4976-9.1-16
    #[test]
    fn rfc4976_7_12_parameters_separated_by_commas_with_or_without_space() {
        let expected = AuthenticationInfo {
            nextnonce: Some("Uumu8c".into()),
            qop: Some("auth".into()),
            rspauth: Digest::parse(b"a962aa47b6f93658341e5a8973ff8aa9").ok(),
            cnonce: Some("0a4f113b".into()),
            nc: Some(1),
        };
        for value in [
            RFC.to_owned(),
            RFC.replace(", ", ","),
            RFC.replace("auth,", "\"auth\","),
        ] {
            assert_eq!(
                AuthenticationInfo::parse(value.as_bytes()).as_ref(),
                Ok(&expected),
                "{value}"
            );
        }
        assert_eq!(expected.to_bytes().unwrap(), RFC);
        let without_commas = RFC.replace(", ", " ");
        assert_eq!(
            AuthenticationInfo::parse(without_commas.as_bytes()),
            Err(GrammarError::AuthSyntax)
        );
    }

    #[test]
    fn rspauth_is_a_digest_or_empty() {
        let rspauth = |digits: &str| {
            let value = format!("rspauth=\"{digits}\"");
            AuthenticationInfo::parse(value.as_bytes()).map(|info| info.rspauth.is_some())
        };
        assert_eq!(rspauth(&"0".repeat(32)), Ok(true));
        assert_eq!(rspauth(""), Ok(false));
        assert_eq!(rspauth("abc"), Err(GrammarError::AuthValue("rspauth")));
    }

    #[test]
    fn empty_value_is_neither_read_nor_written() {
        assert_eq!(AuthenticationInfo::parse(b""), Err(GrammarError::AuthSyntax));
        assert_eq!(
            AuthenticationInfo::default().to_bytes(),
            Err(GrammarError::AuthSyntax)
        );
        let bad = AuthenticationInfo {
            cnonce: Some("a\nb".into()),
            ..Default::default()
        };
        assert_eq!(bad.to_bytes(), Err(GrammarError::AuthValue("cnonce")));
    }

    #[test]
    fn debug_hides_nonces_and_proof() {
        let text = format!("{:?}", AuthenticationInfo::parse(RFC.as_bytes()).unwrap());
        for secret in ["Uumu8c", "a962", "0a4f"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
