//! HTTP Digest arithmetic for AUTH (RFC 2617 and RFC 7616 with `qop=auth`, as RFC 4976 section 9.1 uses them).

use std::fmt;

use md5::Md5;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::grammar::GrammarError;

/// The hash function of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `MD5`: what RFC 4976 knows, and what an absent `algorithm` stands for. 32 hexadecimal digits.
    Md5,
    /// `SHA-256` (RFC 7616). 64 hexadecimal digits.
    Sha256,
}

impl Algorithm {
    /// The algorithm of this name, in any case. `None` if unknown; `MD5-sess` and `SHA-256-sess` are, because RFC 4976
    /// section 9.1 forbids them.
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("MD5") {
            Some(Self::Md5)
        } else if name.eq_ignore_ascii_case("SHA-256") {
            Some(Self::Sha256)
        } else {
            None
        }
    }

    /// The name as written in `algorithm=`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The number of hexadecimal digits of a digest.
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 => 64,
        }
    }

    /// The digest of `parts` joined by `:`.
    fn hash(self, parts: &[&[u8]]) -> Hex {
        fn joined<H: md5::Digest>(parts: &[&[u8]]) -> Hex {
            let mut hash = H::new();
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    hash.update(b":");
                }
                hash.update(part);
            }
            Hex::encode(&hash.finalize())
        }
        match self {
            Self::Md5 => joined::<Md5>(parts),
            Self::Sha256 => joined::<Sha256>(parts),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Lower-case hexadecimal digits, 32 or 64 of them; the rest is 0.
#[derive(Clone, Copy)]
struct Hex {
    digits: [u8; 64],
    len: u8,
}

impl Hex {
    fn encode(octets: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 64];
        for (pair, octet) in digits.chunks_exact_mut(2).zip(octets) {
            if let [high, low] = pair {
                *high = DIGITS[usize::from(octet >> 4)];
                *low = DIGITS[usize::from(octet & 15)];
            }
        }
        Self {
            digits,
            len: (octets.len() * 2).min(64) as u8,
        }
    }

    fn parse(text: &[u8]) -> Result<Self, GrammarError> {
        let lower_hex = text
            .iter()
            .all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
        if !lower_hex || !matches!(text.len(), 32 | 64) {
            return Err(GrammarError::Digest);
        }
        let mut digits = [0; 64];
        for (to, from) in digits.iter_mut().zip(text) {
            *to = *from;
        }
        Ok(Self {
            digits,
            len: text.len() as u8,
        })
    }

    fn as_bytes(&self) -> &[u8] {
        self.digits.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A `response` or `rspauth` value. `==` takes the same time wherever two of equal length differ.
#[derive(Clone, Copy)]
pub struct Digest(Hex);

impl Digest {
    /// Parses 32 (MD5) or 64 (SHA-256) lower-case hexadecimal digits.
    ///
    /// # Errors
    /// [`GrammarError::Digest`].
    pub fn parse(text: &[u8]) -> Result<Self, GrammarError> {
        Hex::parse(text).map(Self)
    }

    /// The hexadecimal digits.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The hexadecimal digits.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.0.as_bytes()).unwrap_or_default()
    }
}

impl ConstantTimeEq for Digest {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.digits.ct_eq(&other.0.digits) & self.0.len.ct_eq(&other.0.len)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Digest {}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// H(A1) in hexadecimal: all that is needed to authenticate a user in a realm, so as secret as the password. Wiped
/// when dropped.
#[derive(Clone)]
pub struct Ha1(Hex);

impl Ha1 {
    /// The hash of `user:realm:password`.
    pub fn compute(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> Self {
        Self(algorithm.hash(&[user.as_bytes(), realm.as_bytes(), password.as_bytes()]))
    }

    /// H(A1) from 32 (MD5) or 64 (SHA-256) hexadecimal digits, as an `htdigest` file holds it; upper case is taken
    /// for lower case.
    ///
    /// # Errors
    /// [`GrammarError::Digest`].
    pub fn from_hex(hex: &str) -> Result<Self, GrammarError> {
        let mut lower = hex.to_ascii_lowercase();
        let parsed = Hex::parse(lower.as_bytes()).map(Self);
        lower.zeroize();
        parsed
    }

    /// Which algorithm it belongs to, by its length.
    pub fn algorithm(&self) -> Algorithm {
        if self.0.as_bytes().len() == Algorithm::Md5.hex_len() {
            Algorithm::Md5
        } else {
            Algorithm::Sha256
        }
    }

    /// The hexadecimal digits, to store them. Secret.
    pub fn expose_hex(&self) -> &str {
        str::from_utf8(self.0.as_bytes()).unwrap_or_default()
    }
}

impl Drop for Ha1 {
    fn drop(&mut self) {
        self.0.digits.zeroize();
    }
}

impl ConstantTimeEq for Ha1 {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.digits.ct_eq(&other.0.digits) & self.0.len.ct_eq(&other.0.len)
    }
}

impl PartialEq for Ha1 {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Ha1 {}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(…)")
    }
}

/// The `response` of Authorization: `H(H(A1):nonce:nc:cnonce:qop:H(method:uri))`.
///
/// `nc` is written as 8 hexadecimal digits. `uri` is the rightmost URI of To-Path, exactly as on the wire; `method`
/// is `AUTH`. An `ha1` of another algorithm than `algorithm` gives a digest that matches nothing a peer computes.
#[expect(
    clippy::too_many_arguments,
    reason = "these are the operands RFC 2617 section 3.2.2.1 names"
)]
pub fn response(
    algorithm: Algorithm,
    ha1: &Ha1,
    nonce: &str,
    nc: u32,
    cnonce: &str,
    qop: &str,
    method: &str,
    uri: &[u8],
) -> Digest {
    let ha2 = algorithm.hash(&[method.as_bytes(), uri]);
    request_digest(algorithm, ha1, nonce, nc, cnonce, qop, &ha2)
}

/// The `response` of a challenge without `qop`, as RFC 2069 had it: `H(H(A1):nonce:H(method:uri))`. MSRP knows none, but
/// SIP servers still send them.
pub fn response_without_qop(
    algorithm: Algorithm,
    ha1: &Ha1,
    nonce: &str,
    method: &str,
    uri: &[u8],
) -> Digest {
    let ha2 = algorithm.hash(&[method.as_bytes(), uri]);
    Digest(algorithm.hash(&[ha1.0.as_bytes(), nonce.as_bytes(), ha2.as_bytes()]))
}

/// The `rspauth` of Authentication-Info: as [`response`], but with `H(:uri)` for H(A2).
pub fn rspauth(
    algorithm: Algorithm,
    ha1: &Ha1,
    nonce: &str,
    nc: u32,
    cnonce: &str,
    qop: &str,
    uri: &[u8],
) -> Digest {
    let ha2 = algorithm.hash(&[b"", uri]);
    request_digest(algorithm, ha1, nonce, nc, cnonce, qop, &ha2)
}

fn request_digest(
    algorithm: Algorithm,
    ha1: &Ha1,
    nonce: &str,
    nc: u32,
    cnonce: &str,
    qop: &str,
    ha2: &Hex,
) -> Digest {
    let nc = Hex::encode(&nc.to_be_bytes());
    Digest(algorithm.hash(&[
        ha1.0.as_bytes(),
        nonce.as_bytes(),
        nc.as_bytes(),
        cnonce.as_bytes(),
        qop.as_bytes(),
        ha2.as_bytes(),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE_AT_INTRA: &str = "msrps://alice@intra.example.com;tcp";

    // shows: 4976-X-10, 4976-9.1-13
    #[test]
    fn rfc4976_x_10_vector_of_the_first_relay() {
        let ha1 = Ha1::compute(Algorithm::Md5, "Alice", "intra.example.com", "secret");
        assert_eq!(ha1.expose_hex(), "228077dd83232f11146688d20e4810da");
        let ha2 = Algorithm::Md5.hash(&[b"AUTH", ALICE_AT_INTRA.as_bytes()]);
        assert_eq!(ha2.as_bytes(), b"99669e21bd70104bbf456960440fee4d");
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let uri = ALICE_AT_INTRA.as_bytes();
        let response = response(Algorithm::Md5, &ha1, nonce, 1, "0a4f113b", "auth", "AUTH", uri);
        assert_eq!(response.to_string(), "750e4fd73ea1221cef6d74424f4cd590");
        let rspauth = rspauth(Algorithm::Md5, &ha1, nonce, 1, "0a4f113b", "auth", uri);
        assert_eq!(rspauth.as_str(), "a962aa47b6f93658341e5a8973ff8aa9");
    }

    // shows: 4976-X-11
    #[test]
    fn rfc4976_x_11_vector_of_the_second_relay() {
        let ha1 = Ha1::compute(Algorithm::Md5, "Alice", "extra.example.com", "secret");
        let nonce = "Uumu8cAV38FGsEF31VLevIbNXj9HWO";
        let uri = b"msrps://extra.example.com;tcp";
        let response = response(Algorithm::Md5, &ha1, nonce, 1, "85a0dca8", "auth", "AUTH", uri);
        assert_eq!(response.as_str(), "4c5d833e7a35eee36c3df2bd89dbd617");
        let rspauth = rspauth(Algorithm::Md5, &ha1, nonce, 1, "85a0dca8", "auth", uri);
        assert_eq!(rspauth.as_str(), "d6ef029cfc19e60420d33d7042940caf");
    }

    #[test]
    fn rfc7616_3_9_1_sample_in_both_algorithms() {
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let samples = [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (
                Algorithm::Sha256,
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ];
        for (algorithm, expected) in samples {
            let ha1 = Ha1::compute(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
            assert_eq!(ha1.algorithm(), algorithm);
            let response = response(
                algorithm,
                &ha1,
                nonce,
                1,
                cnonce,
                "auth",
                "GET",
                b"/dir/index.html",
            );
            assert_eq!(response.as_str(), expected);
            assert_eq!(response, Digest::parse(expected.as_bytes()).unwrap());
        }
    }

    // shows: 4976-E-03
    #[test]
    fn rfc4976_e_03_printed_response_is_the_sample_of_rfc2617() {
        let ha1 = Ha1::compute(Algorithm::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let response = response(
            Algorithm::Md5,
            &ha1,
            nonce,
            1,
            "0a4f113b",
            "auth",
            "GET",
            b"/dir/index.html",
        );
        assert_eq!(response.as_str(), "6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn nonce_count_is_8_digits() {
        let ha1 = Ha1::compute(Algorithm::Md5, "u", "r", "p");
        let by_hand =
            |nc: &str| Algorithm::Md5.hash(&[ha1.0.as_bytes(), b"n", nc.as_bytes(), b"c", b"auth", &ha2()]);
        fn ha2() -> Vec<u8> {
            Algorithm::Md5.hash(&[b"AUTH", b"uri"]).as_bytes().to_vec()
        }
        for (nc, digits) in [(1, "00000001"), (0xab, "000000ab"), (u32::MAX, "ffffffff")] {
            let response = response(Algorithm::Md5, &ha1, "n", nc, "c", "auth", "AUTH", b"uri");
            assert_eq!(response.as_bytes(), by_hand(digits).as_bytes());
        }
    }

    #[test]
    fn digests_are_32_or_64_lower_case_digits() {
        for good in ["a".repeat(32), "0".repeat(64)] {
            assert_eq!(Digest::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        for bad in [
            "",
            &"a".repeat(31),
            &"a".repeat(33),
            &"a".repeat(65),
            &"A".repeat(32),
            &"g".repeat(32),
        ] {
            assert_eq!(Digest::parse(bad.as_bytes()), Err(GrammarError::Digest), "{bad}");
        }
        let digest = |text: String| Digest::parse(text.as_bytes()).unwrap();
        assert_ne!(digest("0".repeat(32)), digest("0".repeat(64)));
        assert_ne!(digest("0".repeat(32)), digest("0".repeat(31) + "1"));
    }

    #[test]
    fn ha1_from_a_file_is_the_computed_one() {
        let ha1 = Ha1::compute(Algorithm::Sha256, "u", "r", "p");
        assert_eq!(Ha1::from_hex(&ha1.expose_hex().to_uppercase()), Ok(ha1.clone()));
        assert_eq!(Ha1::from_hex("abc"), Err(GrammarError::Digest));
        assert_ne!(ha1, Ha1::compute(Algorithm::Sha256, "u", "r", "q"));
    }

    #[test]
    fn debug_hides_what_is_secret() {
        let ha1 = Ha1::compute(Algorithm::Md5, "u", "r", "p");
        let response = response(Algorithm::Md5, &ha1, "n", 1, "c", "auth", "AUTH", b"uri");
        assert_eq!(format!("{ha1:?} {response:?}"), "Ha1(…) Digest(…)");
    }

    #[test]
    fn session_algorithms_have_no_value_here() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            assert_eq!(
                Algorithm::from_name(&algorithm.name().to_lowercase()),
                Some(algorithm)
            );
        }
        for name in ["MD5-sess", "SHA-256-sess", "SHA-512-256", ""] {
            assert_eq!(Algorithm::from_name(name), None);
        }
    }
}
