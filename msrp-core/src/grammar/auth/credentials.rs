//! `Authorization`.

use std::{borrow::Cow, fmt};

use bytes::{BufMut, Bytes};

use super::{
    named_algorithm, nonce_count,
    parameters::{ParameterList, collect, digest_scheme, to_bytes},
};
use crate::{
    digest::{Algorithm, Digest},
    grammar::GrammarError,
};

/// Credentials: the value of Authorization.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The user.
    pub username: Cow<'a, str>,
    /// The challenge's realm.
    pub realm: Cow<'a, str>,
    /// The challenge's nonce.
    pub nonce: Cow<'a, str>,
    /// The proof, see [`crate::digest::response`].
    pub response: Digest,
    /// The algorithm's name as written; absent, it is MD5.
    pub algorithm: Option<Cow<'a, str>>,
    /// The client's nonce. Mandatory (RFC 4976 section 9.1).
    pub cnonce: Cow<'a, str>,
    /// The challenge's opaque.
    pub opaque: Option<Cow<'a, str>>,
    /// The chosen qop; to be `auth`. Mandatory (RFC 4976 section 9.1).
    pub qop: Cow<'a, str>,
    /// How many requests the client has sent with this nonce. Mandatory (RFC 4976 section 9.1).
    pub nc: u32,
    /// The URI that went into the proof. RFC 4976's grammar lacks it, so it may be absent, and the rightmost URI of
    /// To-Path counts (row 4976-E-04).
    pub uri: Option<Cow<'a, str>>,
}

impl<'a> Credentials<'a> {
    /// Parses the value of Authorization.
    ///
    /// # Errors
    /// The `Auth…` variants of [`GrammarError`], among them [`GrammarError::AuthMissing`] for a mandatory parameter
    /// and [`GrammarError::AuthScheme`] for Basic, and [`GrammarError::QuotedString`].
    pub fn parse(value: &'a [u8]) -> Result<Self, GrammarError> {
        let [
            username,
            realm,
            nonce,
            response,
            algorithm,
            cnonce,
            opaque,
            qop,
            nc,
            uri,
        ] = collect(
            digest_scheme(value)?,
            [
                "username",
                "realm",
                "nonce",
                "response",
                "algorithm",
                "cnonce",
                "opaque",
                "qop",
                "nc",
                "uri",
            ],
        )?;
        let response = response.ok_or(GrammarError::AuthMissing("response"))?;
        let response = Digest::parse(response.as_bytes()).map_err(|_| GrammarError::AuthValue("response"))?;
        if named_algorithm(algorithm.as_deref())
            .is_some_and(|algorithm| algorithm.hex_len() != response.as_bytes().len())
        {
            return Err(GrammarError::AuthValue("response"));
        }
        Ok(Self {
            username: username.ok_or(GrammarError::AuthMissing("username"))?,
            realm: realm.ok_or(GrammarError::AuthMissing("realm"))?,
            nonce: nonce.ok_or(GrammarError::AuthMissing("nonce"))?,
            response,
            algorithm,
            cnonce: cnonce.ok_or(GrammarError::AuthMissing("cnonce"))?,
            opaque,
            qop: qop.ok_or(GrammarError::AuthMissing("qop"))?,
            nc: nonce_count(&nc.ok_or(GrammarError::AuthMissing("nc"))?)?,
            uri,
        })
    }

    /// The algorithm; `None` if this crate does not know it.
    pub fn digest_algorithm(&self) -> Option<Algorithm> {
        named_algorithm(self.algorithm.as_deref())
    }

    /// Writes the header field's value.
    ///
    /// # Errors
    /// [`GrammarError::AuthValue`] if a value cannot be written, e.g. for a control character in it; `out` then holds
    /// a part of the value.
    pub fn write_to(&self, out: &mut impl BufMut) -> Result<(), GrammarError> {
        let mut list = ParameterList::digest(out);
        list.quoted("username", &self.username)?;
        list.quoted("realm", &self.realm)?;
        list.quoted("nonce", &self.nonce)?;
        if let Some(uri) = &self.uri {
            list.quoted("uri", uri)?;
        }
        list.quoted("response", self.response.as_str())?;
        if let Some(algorithm) = &self.algorithm {
            list.token("algorithm", algorithm)?;
        }
        list.quoted("cnonce", &self.cnonce)?;
        if let Some(opaque) = &self.opaque {
            list.quoted("opaque", opaque)?;
        }
        list.token("qop", &self.qop)?;
        list.token("nc", &format!("{:08x}", self.nc))
    }

    /// The header field's value; see [`write_to`](Self::write_to).
    ///
    /// # Errors
    /// As [`write_to`](Self::write_to).
    pub fn to_bytes(&self) -> Result<Bytes, GrammarError> {
        to_bytes(|out| self.write_to(out))
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .field("algorithm", &self.algorithm)
            .field("qop", &self.qop)
            .field("nc", &self.nc)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The credentials of vector 4976-X-10.
    const RFC: &str = r#"Digest username="Alice", realm="intra.example.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="msrps://alice@intra.example.com;tcp", response="750e4fd73ea1221cef6d74424f4cd590", cnonce="0a4f113b", opaque="x", qop=auth, nc=00000001"#;

    fn parse(value: &str) -> Result<Credentials<'_>, GrammarError> {
        Credentials::parse(value.as_bytes())
    }

    // shows: 4976-7-08, 4976-9.1-10, 4976-9.1-15
    #[test]
    fn rfc4976_7_08_credentials_as_the_grammar_has_them() {
        let credentials = parse(RFC).unwrap();
        assert_eq!(&*credentials.username, "Alice");
        assert_eq!(&*credentials.realm, "intra.example.com");
        assert_eq!(&*credentials.nonce, "dcd98b7102dd2f0e8b11d0f600bfb0c093");
        assert_eq!(
            credentials.uri.as_deref(),
            Some("msrps://alice@intra.example.com;tcp")
        );
        assert_eq!(credentials.response.as_str(), "750e4fd73ea1221cef6d74424f4cd590");
        assert_eq!(
            (&*credentials.cnonce, credentials.opaque.as_deref()),
            ("0a4f113b", Some("x"))
        );
        assert_eq!((&*credentials.qop, credentials.nc), ("auth", 1));
        assert_eq!(credentials.digest_algorithm(), Some(Algorithm::Md5));
        assert_eq!(credentials.to_bytes().unwrap(), RFC);
    }

    // shows: 4976-7-09, 4976-E-12
    #[test]
    fn rfc4976_e_12_quoted_or_not_and_with_or_without_space() {
        let expected = parse(RFC).unwrap();
        let all_quoted = RFC
            .replace("qop=auth", "qop=\"auth\"")
            .replace("nc=00000001", "nc=\"00000001\"");
        let unquoted = RFC.replace('"', "");
        let spaced = RFC.replace(", ", " ,\t  ").replace('=', " = ");
        for value in [
            RFC.replace(", ", ","),
            all_quoted,
            unquoted,
            spaced,
            RFC.replace(", ", ", , ") + ",",
        ] {
            assert_eq!(parse(&value).unwrap(), expected, "{value}");
        }
        for bad in [
            RFC.replace(", nc", " nc"),
            RFC.replace("nc=", "nc"),
            RFC.replace("nc=", "="),
        ] {
            assert_eq!(parse(&bad), Err(GrammarError::AuthSyntax), "{bad}");
        }
        assert_eq!(parse("Digest "), Err(GrammarError::AuthSyntax));
    }

    // shows: 4976-E-04
    #[test]
    fn rfc4976_e_04_uri_may_be_absent() {
        let without = RFC.replace("uri=\"msrps://alice@intra.example.com;tcp\", ", "");
        assert_eq!(parse(&without).unwrap().uri, None);
    }

    // shows: 4976-7-10
    #[test]
    fn rfc4976_7_10_nc_is_8_lower_case_digits() {
        let nc = |digits: &str| parse(&RFC.replace("00000001", digits)).map(|credentials| credentials.nc);
        assert_eq!((nc("0000001a"), nc("ffffffff")), (Ok(26), Ok(u32::MAX)));
        for bad in ["1", "000000001", "0000001A", "0000000g", "+0000001", "\"\""] {
            assert_eq!(nc(bad), Err(GrammarError::AuthValue("nc")), "{bad}");
        }
    }

    // shows: 4976-7-11
    #[test]
    fn rfc4976_7_11_response_is_32_lower_case_digits() {
        let response =
            |digits: &str| parse(&RFC.replace("750e4fd73ea1221cef6d74424f4cd590", digits)).map(|_| ());
        let bad = Err(GrammarError::AuthValue("response"));
        for digits in [
            "",
            "750e",
            &"A".repeat(32),
            &"g".repeat(32),
            &"0".repeat(33),
            &"0".repeat(64),
        ] {
            assert_eq!(response(digits), bad, "{digits}");
        }
        let sha = RFC.replace("750e4fd73ea1221cef6d74424f4cd590", &"0".repeat(64)) + ", algorithm=SHA-256";
        assert_eq!(parse(&sha).unwrap().digest_algorithm(), Some(Algorithm::Sha256));
        let short_sha = format!("{RFC}, algorithm=SHA-256");
        assert_eq!(parse(&short_sha), Err(GrammarError::AuthValue("response")));
    }

    // shows: 4976-9.1-11
    #[test]
    fn rfc4976_9_1_11_every_mandatory_parameter_is_missed() {
        for name in ["username", "realm", "nonce", "response", "cnonce", "qop", "nc"] {
            let without = RFC.replace(&format!(" {name}="), " x-other=");
            assert_eq!(parse(&without), Err(GrammarError::AuthMissing(name)));
        }
    }

    #[test]
    fn parameter_there_twice_is_an_error() {
        for name in ["username", "nonce", "uri", "nc", "qop"] {
            let twice = format!("{RFC}, {name}=\"\"");
            assert_eq!(parse(&twice), Err(GrammarError::AuthDuplicate(name)));
        }
    }

    #[test]
    fn number_of_parameters_is_bounded() {
        let value = |unknown: usize| RFC.to_owned() + &", x=y".repeat(unknown);
        assert!(parse(&value(32 - 9)).is_ok());
        assert_eq!(parse(&value(32 - 8)), Err(GrammarError::AuthTooLong { max: 32 }));
    }

    #[test]
    fn basic_is_an_error() {
        assert_eq!(parse("Basic QWxpY2U6c2VjcmV0"), Err(GrammarError::AuthScheme));
    }

    #[test]
    fn debug_hides_the_proof() {
        let text = format!("{:?}", parse(RFC).unwrap());
        assert!(text.contains("Alice") && text.contains("intra.example.com"));
        for secret in ["750e", "0a4f", "dcd98"] {
            assert!(!text.contains(secret), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_credentials_round_trip(
            username in "[^\\p{Cc}]{0,12}", realm in "[^\\p{Cc}]{0,12}", nonce in "[!-~]{1,12}", cnonce in "[!-~]{0,12}",
            opaque in proptest::option::of("[ -~]{0,12}"), uri in proptest::option::of("[!-~]{0,12}"), nc: u32,
            response in "[0-9a-f]{32}",
        ) {
            let credentials = Credentials {
                username: username.into(),
                realm: realm.into(),
                nonce: nonce.into(),
                response: Digest::parse(response.as_bytes()).unwrap(),
                algorithm: None,
                cnonce: cnonce.into(),
                opaque: opaque.map(Into::into),
                qop: "auth".into(),
                nc,
                uri: uri.map(Into::into),
            };
            let value = credentials.to_bytes().unwrap();
            prop_assert_eq!(Credentials::parse(&value), Ok(credentials));
        }

        #[test]
        fn parsing_any_octets_ends(octets: Vec<u8>, list in "[a-c]{1,2}( ?= ?[\"a-c,\\\\ ]{0,6}){0,8}") {
            let _ = Credentials::parse(&octets);
            let _ = Credentials::parse(format!("Digest {list}").as_bytes());
            let _ = Credentials::parse(&[b"Digest nonce=", &octets[..]].concat());
        }
    }
}
