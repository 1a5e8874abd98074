//! Certificates and their fingerprints (RFC 8122 §5).

use std::fmt::Write;

use msrp_core::node::Fingerprint;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// Whether a certificate has one of the fingerprints of the strongest hash among these. Hashes that prove nothing (MD5,
/// SHA-1) match nothing.
pub(super) fn matches(certificate: &[u8], expected: &[Fingerprint]) -> bool {
    let strongest = ["sha-512", "sha-384", "sha-256"]
        .into_iter()
        .find(|hash| expected.iter().any(|one| one.hash == *hash));
    let Some(hash) = strongest else { return false };
    let value = match hash {
        "sha-512" => Sha512::digest(certificate).to_vec(),
        "sha-384" => Sha384::digest(certificate).to_vec(),
        _ => Sha256::digest(certificate).to_vec(),
    };
    expected.iter().any(|one| one.hash == hash && one.value == value)
}

/// As the value of `a=fingerprint`.
pub(super) fn format(fingerprint: &Fingerprint) -> String {
    let mut text = fingerprint.hash.to_ascii_lowercase();
    for (index, octet) in fingerprint.value.iter().enumerate() {
        let separator = if index == 0 { ' ' } else { ':' };
        // Writing to a string does not fail.
        let _written = write!(text, "{separator}{octet:02X}");
    }
    text
}
