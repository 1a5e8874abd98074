//! `WWW-Authenticate`.

use std::{borrow::Cow, fmt};

use bytes::{BufMut, Bytes};

use super::{
    named_algorithm,
    parameters::{ParameterList, collect, digest_scheme, to_bytes},
};
use crate::{digest::Algorithm, grammar::GrammarError};

/// A challenge: the value of WWW-Authenticate.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// Which credentials to use.
    pub realm: Cow<'a, str>,
    /// The relay's nonce.
    pub nonce: Cow<'a, str>,
    /// To be sent back as it is. Some clients fail without it, so a relay should send it (row 4976-E-11).
    pub opaque: Option<Cow<'a, str>>,
    /// Whether only the nonce was wrong, so that a client can retry without asking its user again.
    pub stale: bool,
    /// The algorithm's name as written; absent, it is MD5. See [`digest_algorithm`](Self::digest_algorithm).
    pub algorithm: Option<Cow<'a, str>>,
    /// The list of offered qop values, separated by commas. RFC 4976 wants it in every challenge.
    pub qop: Option<Cow<'a, str>>,
}

impl<'a> Challenge<'a> {
    /// Parses the value of WWW-Authenticate. `domain` is ignored, as RFC 4976 section 9.1 demands.
    ///
    /// # Errors
    /// The `Auth…` variants of [`GrammarError`], among them [`GrammarError::AuthScheme`] for Basic, and
    /// [`GrammarError::QuotedString`].
    pub fn parse(value: &'a [u8]) -> Result<Self, GrammarError> {
        let [realm, nonce, opaque, stale, algorithm, qop] = collect(
            digest_scheme(value)?,
            ["realm", "nonce", "opaque", "stale", "algorithm", "qop"],
        )?;
        Ok(Self {
            realm: realm.ok_or(GrammarError::AuthMissing("realm"))?,
            nonce: nonce.ok_or(GrammarError::AuthMissing("nonce"))?,
            opaque,
            // RFC 2617 section 3.2.1: anything other than true is false.
            stale: stale.is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            algorithm,
            qop,
        })
    }

    /// The algorithm; `None` makes the challenge unusable: an algorithm that this crate does not know.
    pub fn digest_algorithm(&self) -> Option<Algorithm> {
        named_algorithm(self.algorithm.as_deref())
    }

    /// Whether `auth` is among the offered qop values.
    pub fn offers_auth(&self) -> bool {
        let offered = self.qop.as_deref().unwrap_or_default();
        offered
            .split([',', ' ', '\t'])
            .any(|qop| qop.eq_ignore_ascii_case("auth"))
    }

    /// Writes the header field's value.
    ///
    /// `stale` is left out unless true, and `algorithm` unless set, so that the usual challenge consists of quoted
    /// parameters only: some clients cannot read others. Where they are written they are not quoted, because RFC 7616
    /// section 3.3 forbids it and strict parsers rely on that; so leave `algorithm` at `None` for MD5.
    ///
    /// # Errors
    /// [`GrammarError::AuthValue`] if a value cannot be written, e.g. for a control character in it; `out` then holds
    /// a part of the value.
    pub fn write_to(&self, out: &mut impl BufMut) -> Result<(), GrammarError> {
        let mut list = ParameterList::digest(out);
        list.quoted("realm", &self.realm)?;
        list.quoted("nonce", &self.nonce)?;
        if let Some(opaque) = &self.opaque {
            list.quoted("opaque", opaque)?;
        }
        if self.stale {
            list.token("stale", "true")?;
        }
        if let Some(algorithm) = &self.algorithm {
            list.token("algorithm", algorithm)?;
        }
        if let Some(qop) = &self.qop {
            list.quoted("qop", qop)?;
        }
        Ok(())
    }

    /// The header field's value; see [`write_to`](Self::write_to).
    ///
    /// # Errors
    /// As [`write_to`](Self::write_to).
    pub fn to_bytes(&self) -> Result<Bytes, GrammarError> {
        to_bytes(|out| self.write_to(out))
    }
}

impl fmt::Debug for Challenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge")
            .field("realm", &self.realm)
            .field("stale", &self.stale)
            .field("algorithm", &self.algorithm)
            .field("qop", &self.qop)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Challenge<'_> {
        Challenge::parse(value.as_bytes()).unwrap()
    }

    fn written(challenge: &Challenge<'_>) -> String {
        String::from_utf8(challenge.to_bytes().unwrap().to_vec()).unwrap()
    }

    // shows: 4976-7-03
    #[test]
    fn rfc4976_7_03_parameters_in_any_order_and_unknown_ones_ignored() {
        let expected = Challenge {
            realm: "intra.example.com".into(),
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093".into(),
            opaque: Some("5ccc".into()),
            stale: true,
            algorithm: Some("MD5".into()),
            qop: Some("auth".into()),
        };
        for value in [
            r#"Digest realm="intra.example.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc", stale=true, algorithm=MD5, qop="auth""#,
            r#"digest qop="auth", x-new=1, algorithm=MD5, y="a, b=c", stale=true, opaque="5ccc", NONCE="dcd98b7102dd2f0e8b11d0f600bfb0c093", Realm="intra.example.com""#,
        ] {
            assert_eq!(parse(value), expected);
        }
        assert_eq!(parse(&written(&expected)), expected);
    }

    // shows: 4976-7-04
    #[test]
    fn rfc4976_7_04_escapes_in_quoted_strings_decode() {
        let challenge = parse(r#"Digest realm="a \"b\" \\c, d=\"e\"", nonce="ü""#);
        assert_eq!(
            (&*challenge.realm, &*challenge.nonce),
            (r#"a "b" \c, d="e""#, "ü")
        );
        assert_eq!(
            written(&challenge),
            r#"Digest realm="a \"b\" \\c, d=\"e\"", nonce="ü""#
        );
        for bad in [
            r#"Digest realm="a\n", nonce="x""#,
            r#"Digest realm="a, nonce=x"#,
            "Digest realm=\"\x01\", nonce=\"x\"",
        ] {
            assert_eq!(
                Challenge::parse(bad.as_bytes()),
                Err(GrammarError::AuthSyntax),
                "{bad}"
            );
        }
        let bad = b"Digest realm=\"\xFF\", nonce=\"x\"";
        assert_eq!(Challenge::parse(bad), Err(GrammarError::QuotedString));
    }

    // shows: 4976-7-05
    #[test]
    fn rfc4976_7_05_stale_is_true_in_any_case_and_else_false() {
        let stale = |value: &str| parse(&format!("Digest realm=\"r\", nonce=\"n\", stale={value}")).stale;
        assert!(stale("true") && stale("TRUE") && stale("\"True\""));
        assert!(!stale("false") && !stale("FALSE") && !stale("yes"));
        assert!(!parse("Digest realm=\"r\", nonce=\"n\"").stale);
    }

    // shows: 4976-7-06, 4976-E-15
    #[test]
    fn rfc4976_7_06_absent_algorithm_is_md5_and_unknown_ones_are_unusable() {
        let algorithm =
            |rest: &str| parse(&format!("Digest realm=\"r\", nonce=\"n\"{rest}")).digest_algorithm();
        assert_eq!(algorithm(""), Some(Algorithm::Md5));
        assert_eq!(algorithm(", algorithm=md5"), Some(Algorithm::Md5));
        assert_eq!(algorithm(", algorithm=\"MD5\""), Some(Algorithm::Md5));
        assert_eq!(algorithm(", algorithm=SHA-256"), Some(Algorithm::Sha256));
        assert_eq!(algorithm(", algorithm=MD5-sess"), None);
        assert_eq!(algorithm(", algorithm=SHA-999"), None);
    }

    // shows: 4976-7-07
    #[test]
    fn rfc4976_7_07_auth_is_found_in_the_qop_list() {
        let offers = |qop: &str| parse(&format!("Digest realm=\"r\", nonce=\"n\", qop={qop}")).offers_auth();
        for list in [
            "\"auth\"",
            "\"auth,foo\"",
            "\"foo,AUTH\"",
            "\"auth-int, auth\"",
            "\"foo auth\"",
            "auth",
        ] {
            assert!(offers(list), "{list}");
        }
        for list in ["\"auth-int\"", "\"foo\"", "\"\"", "\"authx\""] {
            assert!(!offers(list), "{list}");
        }
        assert!(!parse("Digest realm=\"r\", nonce=\"n\"").offers_auth());
    }

    // shows: 4976-9.1-08
    #[test]
    fn rfc4976_9_1_08_domain_is_ignored() {
        let with = parse("Digest realm=\"r\", domain=\"msrps://evil.example;tcp\", nonce=\"n\"");
        assert_eq!(with, parse("Digest realm=\"r\", nonce=\"n\""));
    }

    #[test]
    fn other_schemes_are_errors() {
        for bad in [
            "Basic realm=\"r\"",
            "",
            "Digest",
            "Digestive realm=\"r\"",
            "realm=\"r\", nonce=\"n\"",
        ] {
            assert_eq!(
                Challenge::parse(bad.as_bytes()),
                Err(GrammarError::AuthScheme),
                "{bad}"
            );
        }
    }

    #[test]
    fn realm_and_nonce_are_mandatory() {
        assert_eq!(
            Challenge::parse(b"Digest nonce=\"n\""),
            Err(GrammarError::AuthMissing("realm"))
        );
        assert_eq!(
            Challenge::parse(b"Digest realm=\"r\""),
            Err(GrammarError::AuthMissing("nonce"))
        );
    }

    // shows: 4976-9.1-10
    #[test]
    fn rfc4976_9_1_10_usual_challenge_has_quoted_parameters_only() {
        let mut challenge = Challenge {
            realm: "r".into(),
            nonce: "n".into(),
            opaque: Some("o".into()),
            stale: false,
            algorithm: None,
            qop: Some("auth".into()),
        };
        assert_eq!(
            written(&challenge),
            r#"Digest realm="r", nonce="n", opaque="o", qop="auth""#
        );
        challenge.stale = true;
        challenge.algorithm = Some("SHA-256".into());
        let expected =
            r#"Digest realm="r", nonce="n", opaque="o", stale=true, algorithm=SHA-256, qop="auth""#;
        assert_eq!(written(&challenge), expected);
    }

    #[test]
    fn nothing_is_written_that_would_end_the_header() {
        let mut challenge = parse("Digest realm=\"r\", nonce=\"n\"");
        challenge.realm = "r\r\nX: y".into();
        assert_eq!(challenge.to_bytes(), Err(GrammarError::AuthValue("realm")));
        challenge.realm = "r".into();
        challenge.algorithm = Some("a b".into());
        assert_eq!(challenge.to_bytes(), Err(GrammarError::AuthValue("algorithm")));
    }

    #[test]
    fn debug_hides_the_nonce() {
        let challenge = parse("Digest realm=\"r\", nonce=\"secret1\", opaque=\"secret2\"");
        assert!(!format!("{challenge:?}").contains("secret"));
    }
}
