//! The client's side of digest authentication (RFC 4976 §9.1): MD5, `qop=auth`.

use std::fmt::Write;

use md5::{Digest, Md5};

/// A 401's challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
}

impl Challenge {
    /// Reads the value of WWW-Authenticate; none where realm or nonce are missing.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = std::str::from_utf8(value).ok()?.strip_prefix("Digest ")?;
        Some(Self {
            realm: parameter(value, "realm")?,
            nonce: parameter(value, "nonce")?,
            opaque: parameter(value, "opaque"),
        })
    }
}

/// Value of a parameter; quoted strings of MSRP challenges carry no escapes that matter here.
fn parameter(list: &str, name: &str) -> Option<String> {
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        let (key, value) = rest.split_once('=')?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_once(',').unwrap_or((value, "")),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = after;
    }
}

/// Who a client is.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl Credentials {
    /// The value of Authorization that answers a challenge; `uri` is the rightmost URI of To-Path.
    pub fn answer(&self, challenge: &Challenge, uri: &str, cnonce: &str) -> String {
        let Challenge { realm, nonce, opaque } = challenge;
        let Self { user, password } = self;
        let ha1 = hash(&[user, realm, password]);
        let ha2 = hash(&["AUTH", uri]);
        let response = hash(&[&ha1, nonce, "00000001", cnonce, "auth", &ha2]);
        let mut value = format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", qop=auth, nc=00000001, \
             cnonce=\"{cnonce}\", response=\"{response}\""
        );
        if let Some(opaque) = opaque {
            let _ = write!(value, ", opaque=\"{opaque}\"");
        }
        value
    }
}

/// MD5 of the parts with colons between them, in hexadecimal digits.
fn hash(parts: &[&str]) -> String {
    let mut md5 = Md5::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            md5.update(b":");
        }
        md5.update(part.as_bytes());
    }
    let mut hex = String::with_capacity(32);
    for octet in md5.finalize() {
        let _ = write!(hex, "{octet:02x}");
    }
    hex
}

/// Appends an AUTH request.
pub fn write_auth(out: &mut Vec<u8>, tid: &str, to: &str, from: &str, authorization: Option<&str>) {
    out.extend_from_slice(format!("MSRP {tid} AUTH\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n").as_bytes());
    if let Some(value) = authorization {
        out.extend_from_slice(format!("Authorization: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(format!("-------{tid}$\r\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_read_in_any_order() {
        let value = b"Digest qop=\"auth\", algorithm=MD5, nonce=\"a=,b\", realm=\"r x\",opaque=\"o\"";
        let challenge = Challenge::parse(value).unwrap();
        assert_eq!((&*challenge.realm, &*challenge.nonce), ("r x", "a=,b"));
        assert_eq!(challenge.opaque.as_deref(), Some("o"));
        assert_eq!(Challenge::parse(b"Digest realm=\"r\""), None);
        assert_eq!(Challenge::parse(b"Basic realm=\"r\", nonce=\"n\""), None);
    }

    /// The example of RFC 2617 §3.5, with its method and URI as the two parts of A2.
    #[test]
    fn the_response_is_that_of_rfc_2617() {
        let ha1 = hash(&["Mufasa", "testrealm@host.com", "Circle Of Life"]);
        let ha2 = hash(&["GET", "/dir/index.html"]);
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let response = hash(&[&ha1, nonce, "00000001", "0a4f113b", "auth", &ha2]);
        assert_eq!(response, "6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn the_answer_names_what_was_hashed() {
        let who = Credentials {
            user: "u".into(),
            password: "p".into(),
        };
        let challenge = Challenge::parse(b"Digest realm=\"r\", nonce=\"n\", qop=\"auth\"").unwrap();
        let value = who.answer(&challenge, "msrp://h:1;tcp", "c");
        let expected = hash(&[
            &hash(&["u", "r", "p"]),
            "n",
            "00000001",
            "c",
            "auth",
            &hash(&["AUTH", "msrp://h:1;tcp"]),
        ]);
        assert!(
            value.ends_with(&format!("cnonce=\"c\", response=\"{expected}\"")),
            "{value}"
        );
    }
}
