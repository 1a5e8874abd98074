//! Character classes of the grammar, as one table look-up per octet.

/// ALPHA / DIGIT.
pub(crate) const ALPHANUM: u8 = 1;
/// `ident-char`: ALPHANUM and `. - + % =`.
pub(crate) const IDENT: u8 = 1 << 1;
/// `session-id`: RFC 3986 `unreserved` and `+ = /`.
pub(crate) const SESSION_ID: u8 = 1 << 2;
/// `reg-name` without `pct-encoded` and without `;`, which ends the authority of an MSRP URI.
pub(crate) const HOST: u8 = 1 << 3;
/// `userinfo` without `pct-encoded` and without `:`, which starts a password.
pub(crate) const USER: u8 = 1 << 4;
/// `token`.
pub(crate) const TOKEN: u8 = 1 << 5;
/// RFC 3986 `unreserved`.
pub(crate) const UNRESERVED: u8 = 1 << 6;
/// A-Z and `_`: what a method consists of.
pub(crate) const METHOD: u8 = 1 << 7;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let octet = index as u8;
        let alphanum = octet.is_ascii_alphanumeric();
        let unreserved = alphanum || matches!(octet, b'-' | b'.' | b'_' | b'~');
        let sub_delims = matches!(
            octet,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'='
        );
        let token = matches!(octet,
            0x21 | 0x23..=0x27 | 0x2A..=0x2B | 0x2D..=0x2E | 0x30..=0x39 | 0x41..=0x5A | 0x5E..=0x7E);
        let mut class = 0;
        if alphanum {
            class |= ALPHANUM;
        }
        if alphanum || matches!(octet, b'.' | b'-' | b'+' | b'%' | b'=') {
            class |= IDENT;
        }
        if unreserved || matches!(octet, b'+' | b'=' | b'/') {
            class |= SESSION_ID;
        }
        if unreserved || sub_delims {
            class |= HOST;
        }
        if unreserved || sub_delims || octet == b';' {
            class |= USER;
        }
        if token {
            class |= TOKEN;
        }
        if unreserved {
            class |= UNRESERVED;
        }
        if octet.is_ascii_uppercase() || octet == b'_' {
            class |= METHOD;
        }
        table[index] = class;
        index += 1;
    }
    table
}

/// Whether `octet` belongs to the class `mask`, which is one of the above.
#[inline]
pub(crate) fn is(octet: u8, mask: u8) -> bool {
    CLASSES[usize::from(octet)] & mask != 0
}

/// How many leading octets belong to the class `mask`, which is one of the above.
#[inline]
pub(crate) fn span(octets: &[u8], mask: u8) -> usize {
    octets
        .iter()
        .position(|&octet| !is(octet, mask))
        .unwrap_or(octets.len())
}

/// Whether every octet belongs to the class `mask`, which is one of the above.
#[inline]
pub(crate) fn all(octets: &[u8], mask: u8) -> bool {
    octets
        .iter()
        .fold(mask, |class, &octet| class & CLASSES[usize::from(octet)])
        != 0
}
