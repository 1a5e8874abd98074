//! `a=fingerprint` (RFC 8122 §5).

use std::fmt::Write as _;

use msrp_core::node::Fingerprint;

use super::{SectionError, attribute::is_token};

/// The hashes that RFC 8122 §5 names, and how many octets each has.
const HASHES: [(&str, usize); 7] = [
    ("md2", 16),
    ("md5", 16),
    ("sha-1", 20),
    ("sha-224", 28),
    ("sha-256", 32),
    ("sha-384", 48),
    ("sha-512", 64),
];

/// Parses `hash-func SP 2UHEX *(":" 2UHEX)`, in any case.
pub(super) fn parse(value: &str) -> Result<Fingerprint, SectionError> {
    let (hash, digits) = value.trim().split_once(' ').ok_or(SectionError::Fingerprint)?;
    let hash = hash.to_ascii_lowercase();
    let value = octets(digits.trim()).ok_or(SectionError::Fingerprint)?;
    let len = HASHES.into_iter().find(|(known, _)| *known == hash);
    if !is_token(&hash) || len.is_some_and(|(_, len)| len != value.len()) {
        return Err(SectionError::Fingerprint);
    }
    Ok(Fingerprint { hash, value })
}

/// `2HEX *(":" 2HEX)`.
pub(super) fn octets(text: &str) -> Option<Vec<u8>> {
    text.split(':')
        .map(|pair| {
            let digits = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            digits.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        })
        .collect()
}

/// Octets in upper-case hexadecimal with colons between them.
pub(super) fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 3);
    for (index, octet) in octets.iter().enumerate() {
        let separator = if index == 0 { "" } else { ":" };
        // Writing to a string does not fail.
        let _written = write!(text, "{separator}{octet:02X}");
    }
    text
}
