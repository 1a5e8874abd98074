//! Fingerprints of certificates (RFC 8122 §5).

use std::fmt;

use sha2::{Digest, Sha256, Sha384, Sha512};

/// The hash of a certificate's DER octets, as in SDP's `a=fingerprint` (RFC 8122 §5). `Display` writes the attribute's
/// value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// The hash function's name in lower case, such as `sha-256`.
    pub hash: String,
    /// The octets of the hash.
    pub value: Vec<u8>,
}

/// The hashes that prove something, the most preferred first.
const STRONG: [&str; 3] = ["sha-512", "sha-384", "sha-256"];

impl Fingerprint {
    /// Whether it proves anything: MD5 and MD2 must not be used (RFC 8122 §5), SHA-1 and whatever is unknown is not.
    pub fn is_strong(&self) -> bool {
        STRONG.contains(&self.hash.as_str())
    }

    /// Whether a certificate, in DER, has one of the fingerprints by the most preferred hash among these (RFC 8122 §5.1).
    /// Fingerprints that prove nothing match nothing.
    pub fn any_matches(expected: &[Self], certificate: &[u8]) -> bool {
        let preferred = STRONG
            .into_iter()
            .find(|hash| expected.iter().any(|one| one.hash == *hash));
        let Some(hash) = preferred else { return false };
        let value = match hash {
            "sha-512" => Sha512::digest(certificate).to_vec(),
            "sha-384" => Sha384::digest(certificate).to_vec(),
            _ => Sha256::digest(certificate).to_vec(),
        };
        expected.iter().any(|one| one.hash == hash && one.value == value)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hash)?;
        for (index, octet) in self.value.iter().enumerate() {
            let separator = if index == 0 { ' ' } else { ':' };
            write!(f, "{separator}{octet:02X}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hash: &str, certificate: &[u8]) -> Fingerprint {
        let value = match hash {
            "sha-512" => Sha512::digest(certificate).to_vec(),
            "sha-384" => Sha384::digest(certificate).to_vec(),
            _ => Sha256::digest(certificate).to_vec(),
        };
        Fingerprint {
            hash: hash.to_owned(),
            value,
        }
    }

    // shows: 8122-5-02, 8122-5-06, 8122-5.1-05, 8122-5.1-07
    #[test]
    fn any_fingerprint_by_the_best_hash_will_do_and_no_other() {
        let matches = |expected: &[Fingerprint]| Fingerprint::any_matches(expected, b"certificate");
        for hash in STRONG {
            assert!(matches(&[of(hash, b"certificate")]), "{hash}");
            assert!(matches(&[of(hash, b"other"), of(hash, b"certificate")]), "{hash}");
            assert!(!matches(&[of(hash, b"other")]), "{hash}");
        }
        // Of two hashes only the better counts.
        assert!(!matches(&[
            of("sha-256", b"certificate"),
            of("sha-512", b"other")
        ]));
        // What proves nothing does not, even if it were right.
        for hash in ["md5", "md2", "sha-1", "x"] {
            let weak = Fingerprint {
                hash: hash.to_owned(),
                value: of("sha-256", b"certificate").value,
            };
            assert!(!matches(std::slice::from_ref(&weak)) && !weak.is_strong());
            assert!(matches(&[weak, of("sha-256", b"certificate")]));
        }
        assert!(!matches(&[]));
    }

    // shows: 8122-5-03
    #[test]
    fn they_are_written_as_sdp_has_them() {
        let fingerprint = Fingerprint {
            hash: "sha-256".to_owned(),
            value: vec![0, 0xAB, 0x1F],
        };
        assert_eq!(fingerprint.to_string(), "sha-256 00:AB:1F");
    }
}
