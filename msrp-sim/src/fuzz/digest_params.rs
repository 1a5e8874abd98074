//! The header fields of AUTH: what parses can be written and read again, and nothing secret is printed.

use msrp_core::{
    digest::{self, Ha1},
    grammar::{AuthenticationInfo, Challenge, Credentials},
};

/// Input: a header field's value, given to each of the three parsers.
///
/// # Panics
/// When a value changes on its way through text, or when a secret is printed.
pub fn digest_params(data: &[u8]) {
    if let Ok(challenge) = Challenge::parse(data) {
        if let Ok(text) = challenge.to_bytes() {
            assert_eq!(Challenge::parse(&text).as_ref(), Ok(&challenge));
        }
        let open = [
            &*challenge.realm,
            challenge.qop.as_deref().unwrap_or_default(),
            challenge.algorithm.as_deref().unwrap_or_default(),
        ];
        secret(&challenge.nonce, &format!("{challenge:?}"), &open);
        let _offered = (challenge.offers_auth(), challenge.digest_algorithm());
    }
    if let Ok(credentials) = Credentials::parse(data) {
        if let Ok(text) = credentials.to_bytes() {
            assert_eq!(Credentials::parse(&text).as_ref(), Ok(&credentials));
        }
        let printed = format!("{credentials:?}");
        let open = [
            &*credentials.realm,
            &credentials.username,
            &credentials.qop,
            credentials.algorithm.as_deref().unwrap_or_default(),
        ];
        secret(credentials.response.as_str(), &printed, &open);
        secret(&credentials.cnonce, &printed, &open);
        verify(&credentials);
    }
    if let Ok(info) = AuthenticationInfo::parse(data) {
        if let Ok(text) = info.to_bytes() {
            assert_eq!(AuthenticationInfo::parse(&text).as_ref(), Ok(&info));
        }
        let printed = format!("{info:?}");
        let open = [info.qop.as_deref().unwrap_or_default()];
        secret(
            info.rspauth.as_ref().map_or("", |proof| proof.as_str()),
            &printed,
            &open,
        );
    }
}

/// What is printed does not hold `value`, unless something that may be printed does.
fn secret(value: &str, printed: &str, open: &[&str]) {
    // Only what looks like a secret: short values, words and numbers can be part of anything.
    let looks_secret = value.len() >= 8
        && value.bytes().all(|octet| octet.is_ascii_alphanumeric())
        && value.bytes().any(|octet| octet.is_ascii_digit())
        && value.bytes().any(|octet| octet.is_ascii_alphabetic());
    if looks_secret && !open.iter().any(|text| text.contains(value)) {
        assert!(!printed.contains(value), "a secret is printed");
    }
}

/// The arithmetic takes any text, and tells a right answer from a wrong one.
fn verify(credentials: &Credentials<'_>) {
    let Some(algorithm) = credentials.digest_algorithm() else {
        return;
    };
    let response = |password: &str| {
        let ha1 = Ha1::compute(algorithm, &credentials.username, &credentials.realm, password);
        digest::response(
            algorithm,
            &ha1,
            &credentials.nonce,
            credentials.nc,
            &credentials.cnonce,
            &credentials.qop,
            "AUTH",
            credentials.uri.as_deref().unwrap_or_default().as_bytes(),
        )
    };
    let right = response("secret");
    assert!(right == response("secret"));
    assert!(right != response("Secret"));
    let named = Credentials {
        response: right,
        ..credentials.clone()
    };
    if let Ok(text) = named.to_bytes() {
        assert_eq!(Credentials::parse(&text).as_ref(), Ok(&named));
    }
}
