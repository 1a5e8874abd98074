//! Fingerprints of certificates, as SDP has them (RFC 8122 §5).

use msrp_core::node::Fingerprint;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::TlsConfigError;

/// The fingerprints of the strongest hash among those given (RFC 8122 §5: any of them may match).
pub(super) fn strongest(given: &[Fingerprint]) -> Result<Vec<Fingerprint>, TlsConfigError> {
    for hash in ["sha-512", "sha-384", "sha-256"] {
        let of_hash: Vec<_> = given
            .iter()
            .filter(|one| one.hash.eq_ignore_ascii_case(hash))
            .cloned()
            .collect();
        if !of_hash.is_empty() {
            return Ok(of_hash);
        }
    }
    let hash = given
        .first()
        .map_or_else(|| "none".to_owned(), |one| one.hash.clone());
    Err(TlsConfigError::FingerprintHash(hash))
}

/// The SHA-256 fingerprint of a certificate in DER.
pub fn sha256_fingerprint(certificate: &[u8]) -> Fingerprint {
    Fingerprint {
        hash: "sha-256".to_owned(),
        value: Sha256::digest(certificate).to_vec(),
    }
}

/// Whether a certificate has one of the fingerprints, judged by the strongest hash among them. For acceptors, who learn
/// the fingerprint from signalling that may come after the handshake.
///
/// # Errors
/// [`TlsConfigError::FingerprintHash`] when none of them has an acceptable hash.
pub fn matches_fingerprint(certificate: &[u8], expected: &[Fingerprint]) -> Result<bool, TlsConfigError> {
    Ok(strongest(expected)?.iter().any(|one| {
        let value = match &one.hash.to_ascii_lowercase()[..] {
            "sha-512" => Sha512::digest(certificate).to_vec(),
            "sha-384" => Sha384::digest(certificate).to_vec(),
            _ => Sha256::digest(certificate).to_vec(),
        };
        value == one.value
    }))
}

/// Reads the value of SDP's `a=fingerprint`, such as `SHA-256 AB:CD:…` (RFC 8122 §5).
///
/// # Errors
/// [`TlsConfigError::FingerprintSyntax`] for malformed text, [`TlsConfigError::FingerprintHash`] for hashes below
/// SHA-256.
pub fn parse_fingerprint(text: &str) -> Result<Fingerprint, TlsConfigError> {
    let (hash, digits) = text
        .trim()
        .split_once(' ')
        .ok_or(TlsConfigError::FingerprintSyntax)?;
    let hash = hash.to_ascii_lowercase();
    let length = match &hash[..] {
        "sha-256" => 32,
        "sha-384" => 48,
        "sha-512" => 64,
        _ => return Err(TlsConfigError::FingerprintHash(hash)),
    };
    let value: Option<Vec<u8>> = digits
        .trim()
        .split(':')
        .map(|pair| {
            let is_pair = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_pair.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        })
        .collect();
    match value {
        Some(value) if value.len() == length => Ok(Fingerprint { hash, value }),
        _ => Err(TlsConfigError::FingerprintSyntax),
    }
}

/// Writes a fingerprint as SDP has it: the hash in upper case, pairs of upper-case digits joined by colons.
pub fn format_fingerprint(fingerprint: &Fingerprint) -> String {
    let pairs: Vec<_> = fingerprint
        .value
        .iter()
        .map(|octet| format!("{octet:02X}"))
        .collect();
    format!("{} {}", fingerprint.hash.to_ascii_uppercase(), pairs.join(":"))
}
