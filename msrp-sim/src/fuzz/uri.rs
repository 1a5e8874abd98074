//! URIs and paths: what parses can be written and read again, and comparison is an equivalence.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::Ipv4Addr,
};

use bytes::Bytes;
use msrp_core::{
    grammar::{Host, Path, PathRef, Uri, UriRef},
    redact,
};

/// Input: lines, of which each is a URI, or a path, or neither.
///
/// # Panics
/// When a round trip loses something, or comparison is no equivalence.
pub fn uri(data: &[u8]) {
    let mut parsed = Vec::new();
    for line in data.split(|&octet| octet == b'\n').take(8) {
        path(line);
        match UriRef::parse(line) {
            Ok(uri) => {
                one(line, &uri);
                parsed.push(uri);
            }
            Err(_) => assert!(Uri::parse(Bytes::copy_from_slice(line)).is_err()),
        }
    }
    for a in &parsed {
        for b in &parsed {
            assert_eq!(a.same_as(b), b.same_as(a), "comparison is symmetric");
            if a.same_as(b) {
                assert_eq!(hash(a), hash(b), "equal URIs hash alike");
                assert_eq!(a.normalized_host(), b.normalized_host());
                for c in &parsed {
                    assert_eq!(a.same_as(c), b.same_as(c), "comparison is transitive");
                }
            }
        }
    }
}

fn one(text: &[u8], uri: &UriRef<'_>) {
    assert!(uri.same_as(uri), "comparison is reflexive");
    assert_eq!(uri.to_string().as_bytes(), text, "a URI is written as it came");
    assert!(text.is_ascii());
    let owned = uri.to_uri();
    assert!(owned.same_as(uri));
    assert_eq!(hash(&owned), hash(uri));
    assert_eq!(owned.as_bytes(), text);
    assert!(uri.parameters().count() <= text.len());
    assert_eq!(uri.require_port().ok(), uri.port());
    // What comparison ignores can be left out.
    if let Some(port) = uri.port() {
        let built = Uri::build(
            uri.scheme(),
            uri.host_str().trim_matches(['[', ']']),
            port,
            uri.session_id(),
            uri.transport(),
        )
        .expect("parts of a URI make a URI");
        assert!(built.same_as(uri), "{built} is another URI than {uri}");
        let normalized = uri.normalized_host();
        // (A name that is an address once decoded stays a name: RFC 3986 decides which it is before decoding.)
        if matches!(uri.host(), Host::Name(_)) && normalized.parse::<Ipv4Addr>().is_err() {
            let built = Uri::build(uri.scheme(), &normalized, port, uri.session_id(), uri.transport())
                .expect("a normalized host is a host");
            assert!(built.same_as(uri), "{built} is another URI than {uri}");
        }
    }
    let shown = redact::Uri(uri).to_string();
    assert!(!shown.contains(char::is_control));
    // Behind the scheme, two slashes and the authority.
    if let (Some(id), Some(tail)) = (uri.session_id(), shown.splitn(4, '/').nth(3)) {
        let told = tail.split('…').next().unwrap_or_default();
        assert!(told.len() <= 2 && id.starts_with(told), "{shown} tells too much");
    }
}

fn path(text: &[u8]) {
    let lazy = PathRef::parse_lazy(text, 4);
    let strict = Path::parse(Bytes::copy_from_slice(text), 4);
    let Ok(lazy) = lazy else {
        assert!(strict.is_err());
        return;
    };
    assert!((1..=4).contains(&lazy.len()));
    assert_eq!(lazy.iter_raw().count(), lazy.len());
    assert_eq!(lazy.iter_raw().collect::<Vec<_>>().join(&b' '), text);
    assert_eq!(lazy.iter().all(|uri| uri.is_ok()), strict.is_ok());
    let Ok(path) = strict else { return };
    assert_eq!(path.as_bytes(), text);
    assert_eq!(path.reversed().reversed().as_bytes(), text);
    let again = Path::from_uris(path.uris()).expect("URIs of a path make a path");
    assert_eq!(again.as_bytes(), text);
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
