//! Comparison of URIs (RFC 4975 section 6.1).

use std::hash::{Hash, Hasher};

use super::{Address, Uri, UriRef};
use crate::grammar::chars;

impl UriRef<'_> {
    /// Whether both URIs are equivalent by RFC 4975 section 6.1: scheme, host (name without regard to case, or the
    /// address's value), port, session-id (with regard to case) and transport; not userinfo, nor parameters.
    pub fn same_as(&self, other: &UriRef<'_>) -> bool {
        let (a, b) = (&self.parts, &other.parts);
        a.port == b.port
            && a.scheme == b.scheme
            && a.session_id.is_absent() == b.session_id.is_absent()
            && a.session_id.of(self.text) == b.session_id.of(other.text)
            && a.transport
                .of(self.text)
                .eq_ignore_ascii_case(b.transport.of(other.text))
            && self.same_host(other)
    }

    fn same_host(&self, other: &UriRef<'_>) -> bool {
        let hosts = (self.parts.host.of(self.text), other.parts.host.of(other.text));
        match (self.parts.address, other.parts.address) {
            (Address::Name, Address::Name) => hosts.0.eq_ignore_ascii_case(hosts.1),
            (Address::Name | Address::EncodedName, Address::Name | Address::EncodedName) => {
                normalized(hosts.0).eq(normalized(hosts.1))
            }
            (a, b) => a == b,
        }
    }

    /// Feeds a hasher so that equivalent URIs hash alike.
    fn hash_into<H: Hasher>(&self, state: &mut H) {
        self.parts.scheme.hash(state);
        match self.parts.address {
            Address::Name | Address::EncodedName => {
                for octet in normalized(self.parts.host.of(self.text)) {
                    state.write_u8(octet);
                }
                state.write_u8(0xFF);
            }
            Address::V4(address) => address.hash(state),
            Address::V6(address) => address.hash(state),
        }
        self.parts.port.hash(state);
        self.parts.session_id.of(self.text).hash(state);
        for octet in self.parts.transport.of(self.text) {
            state.write_u8(octet.to_ascii_lowercase());
        }
    }
}

impl PartialEq for UriRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.same_as(other)
    }
}

impl Eq for UriRef<'_> {}

impl Hash for UriRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash_into(state);
    }
}

impl PartialEq for Uri {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref().same_as(&other.as_ref())
    }
}

impl Eq for Uri {}

impl Hash for Uri {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash_into(state);
    }
}

/// Looks a [`Uri`] up in a hashbrown table without making one.
impl hashbrown::Equivalent<Uri> for UriRef<'_> {
    fn equivalent(&self, key: &Uri) -> bool {
        self.same_as(&key.as_ref())
    }
}

/// The octets of a host name in the form that equal names share: percent-encoded unreserved characters decoded
/// (RFC 3986 section 6.2.2.2), all in lower case.
pub(super) fn normalized(name: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let (&octet, after) = rest.split_first()?;
        rest = after;
        if octet == b'%'
            && let [high, low, after @ ..] = after
            && let Some(decoded) = hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low)
            && chars::is(decoded, chars::UNRESERVED)
        {
            rest = after;
            return Some(decoded.to_ascii_lowercase());
        }
        Some(octet.to_ascii_lowercase())
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    use proptest::prelude::*;

    use super::*;

    /// Compares by all the ways there are, and checks that equal URIs hash alike.
    fn same(a: &str, b: &str) -> bool {
        let (a, b): (Uri, Uri) = (a.parse().unwrap(), b.parse().unwrap());
        let (a_ref, b_ref) = (a.as_ref(), b.as_ref());
        let same = a_ref.same_as(&b_ref);
        assert_eq!(b_ref.same_as(&a_ref), same);
        assert_eq!((a == b, a_ref == b_ref), (same, same));
        assert_eq!(hashbrown::Equivalent::equivalent(&a_ref, &b), same);
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        assert_eq!(hasher.hash_one(&a), hasher.hash_one(a_ref));
        if same {
            assert_eq!(hasher.hash_one(&a), hasher.hash_one(&b));
            assert_eq!(a.normalized_host(), b.normalized_host());
        }
        same
    }

    // shows: 4975-6.1-01
    #[test]
    fn rfc4975_6_1_01_scheme_matches_in_any_case() {
        assert!(same("MSRP://h:1/a;tcp", "msrp://h:1/a;tcp"));
        assert!(same("mSRPs://h:1/a;tcp", "msrps://h:1/a;tcp"));
        assert!(!same("msrp://h:1/a;tcp", "msrps://h:1/a;tcp"));
    }

    // shows: 4975-6.1-02
    #[test]
    fn rfc4975_6_1_02_addresses_and_ports_compare_by_value() {
        assert!(same(
            "msrp://[2001:DB8:0::1]:1/a;tcp",
            "msrp://[2001:db8::1]:1/a;tcp"
        ));
        assert!(same(
            "msrp://[::ffff:192.0.2.1]:1/a;tcp",
            "msrp://[::FFFF:c000:201]:1/a;tcp"
        ));
        assert!(same("msrp://h:02855/a;tcp", "msrp://h:2855/a;tcp"));
        assert!(same("msrp://192%2E0.2.%31:1/a;tcp", "msrp://192.0.2.1:1/a;tcp"));
        assert!(!same("msrp://192.0.2.1:1/a;tcp", "msrp://192.0.2.2:1/a;tcp"));
        assert!(!same(
            "msrp://[::ffff:192.0.2.1]:1/a;tcp",
            "msrp://192.0.2.1:1/a;tcp"
        ));
    }

    // shows: 4975-6.1-03
    #[test]
    fn rfc4975_6_1_03_percent_encoded_unreserved_characters_are_decoded() {
        assert!(same(
            "msrp://h%6Fst.example:1/a;tcp",
            "msrp://host.example:1/a;tcp"
        ));
        assert!(same(
            "msrp://h%4Fst%2eexample:1/a;tcp",
            "msrp://h%6fst.EXAMPLE:1/a;tcp"
        ));
        // Reserved ones are not, but their digits have no case.
        assert!(!same("msrp://a%2Bb:1/a;tcp", "msrp://a+b:1/a;tcp"));
        assert!(same("msrp://a%2Bb:1/a;tcp", "msrp://a%2bb:1/a;tcp"));
        assert!(!same("msrp://a%252D:1/a;tcp", "msrp://a%2D:1/a;tcp"));
    }

    // shows: 4975-6.1-04
    #[test]
    fn rfc4975_6_1_04_userinfo_does_not_count() {
        assert!(same("msrp://alice@h:1/a;tcp", "msrp://bob@h:1/a;tcp"));
        assert!(same("msrp://alice@h:1/a;tcp", "msrp://h:1/a;tcp"));
    }

    // shows: 4975-6.1-05
    #[test]
    fn rfc4975_6_1_05_host_names_compare_in_any_case_and_never_with_addresses() {
        assert!(same("msrp://HOST.example:1/a;tcp", "msrp://host.EXAMPLE:1/a;tcp"));
        assert!(!same(
            "msrp://host.example:1/a;tcp",
            "msrp://host.example.:1/a;tcp"
        ));
        assert!(!same("msrp://localhost:1/a;tcp", "msrp://127.0.0.1:1/a;tcp"));
    }

    // shows: 4975-6.1-06
    #[test]
    fn rfc4975_6_1_06_port_present_on_one_side_only_never_matches() {
        assert!(!same("msrp://h/a;tcp", "msrp://h:2855/a;tcp"));
        assert!(!same("msrp://h:1/a;tcp", "msrp://h:2/a;tcp"));
        assert!(same("msrp://h/a;tcp", "msrp://h/a;tcp"));
    }

    // shows: 4975-6.1-07
    #[test]
    fn rfc4975_6_1_07_session_id_has_case_and_absent_is_not_present() {
        assert!(!same("msrp://h:1/aBc;tcp", "msrp://h:1/abc;tcp"));
        assert!(!same("msrp://h:1;tcp", "msrp://h:1/a;tcp"));
        assert!(same("msrp://h:1;tcp", "msrp://h:1;tcp"));
    }

    // shows: 4975-6-06
    #[test]
    fn rfc4975_6_06_same_session_id_under_another_authority_is_another_uri() {
        assert!(!same("msrp://h:1/a;tcp", "msrp://g:1/a;tcp"));
        assert!(!same("msrp://h:1/a;tcp", "msrp://h:2/a;tcp"));
    }

    // shows: 4975-6.1-08
    #[test]
    fn rfc4975_6_1_08_transports_match_in_any_case() {
        assert!(same("msrp://h:1/a;TCP", "msrp://h:1/a;tcp"));
        assert!(!same("msrp://h:1/a;tcp", "msrp://h:1/a;ws"));
    }

    // shows: 4975-6.1-09
    #[test]
    fn rfc4975_6_1_09_paths_are_not_normalized() {
        assert!(!same("msrp://h:1/a/../b;tcp", "msrp://h:1/b;tcp"));
        assert!(!same("msrp://h:1/a//b;tcp", "msrp://h:1/a/b;tcp"));
        assert!("msrp://h:1/%61;tcp".parse::<Uri>().is_err());
    }

    #[test]
    fn parameters_do_not_count() {
        assert!(same("msrp://h:1/a;tcp;x=1", "msrp://h:1/a;tcp"));
    }

    /// URIs from so few parts that equal ones are common.
    fn uri() -> impl Strategy<Value = String> {
        let scheme = prop_oneof!["msrp", "MSRP", "msrps"];
        let user = prop_oneof!["", "a@", "b%41@"];
        let host = prop_oneof![
            "h",
            "H",
            "%68",
            "g",
            "192\\.0\\.2\\.1",
            "192%2e0\\.2\\.1",
            "\\[::1\\]",
            "\\[0:0::1\\]",
            "h%2B",
            "h%2b"
        ];
        let port = prop_oneof![":1", ":01", ":2"];
        let id = prop_oneof!["", "/a", "/A", "/a/b"];
        let transport = prop_oneof![";tcp", ";TCP", ";ws"];
        let parameters = prop_oneof!["", ";x", ";x=1"];
        (scheme, user, host, port, id, transport, parameters)
            .prop_map(|(s, u, h, p, i, t, x)| format!("{s}://{u}{h}{p}{i}{t}{x}"))
    }

    proptest! {
        #[test]
        fn comparison_is_an_equivalence(a in uri(), b in uri(), c in uri()) {
            prop_assert!(same(&a, &a));
            prop_assert_eq!(same(&a, &b), same(&b, &a));
            if same(&a, &b) {
                prop_assert_eq!(same(&a, &c), same(&b, &c));
            }
        }

        /// Spelling that comparison ignores, applied to one URI, always gives an equal one.
        #[test]
        fn respelt_uri_is_the_same(
            host in "[a-z0-9]([a-z0-9.-]{0,12}[a-z])?", port: u16, id in "[a-zA-Z0-9+=/~._-]{1,12}",
            upper: u64, encoded: u64,
        ) {
            let respelt: String = host
                .chars()
                .enumerate()
                .map(|(index, character)| {
                    let character = if upper >> index & 1 == 1 { character.to_ascii_uppercase() } else { character };
                    if encoded >> index & 1 == 1 { format!("%{:02x}", u32::from(character)) } else { character.to_string() }
                })
                .collect();
            let plain = format!("msrp://{host}:{port}/{id};tcp");
            let respelt = format!("MSRP://x@{respelt}:0{port}/{id};tCp;y");
            prop_assert!(same(&plain, &respelt));
        }
    }
}
