//! URIs for logs: a session-id is a shared secret, so all but its first two characters is left out.
//!
//! The wrappers work on parsed URIs and paths and on raw octets that may not parse, and never write control
//! characters.

use std::fmt;

/// The longest host that is written, in octets; that of a DNS name.
const MAX_HOST: usize = 255;
/// How much of a session-id is written, in characters.
const SHOWN: usize = 2;

/// Prints an MSRP URI as `msrps://host:port/ab…;tcp`: no userinfo, two characters of the session-id, no parameters.
#[derive(Clone, Copy)]
pub struct Uri<T>(pub T);

/// Prints a path, each URI as [`Uri`] does.
#[derive(Clone, Copy)]
pub struct Path<T>(pub T);

impl<T: AsRef<[u8]>> fmt::Display for Uri<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uri(self.0.as_ref(), f)
    }
}

impl<T: AsRef<[u8]>> fmt::Debug for Uri<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T: AsRef<[u8]>> fmt::Display for Path<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, uri) in self.0.as_ref().split(|&octet| octet == b' ').enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write_uri(uri, f)?;
        }
        Ok(())
    }
}

impl<T: AsRef<[u8]>> fmt::Debug for Path<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn write_uri(uri: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let scheme_len = match uri {
        [
            b'm' | b'M',
            b's' | b'S',
            b'r' | b'R',
            b'p' | b'P',
            b':',
            b'/',
            b'/',
            ..,
        ] => 7,
        [
            b'm' | b'M',
            b's' | b'S',
            b'r' | b'R',
            b'p' | b'P',
            b's' | b'S',
            b':',
            b'/',
            b'/',
            ..,
        ] => 8,
        // Whatever this is, it may hold a secret anywhere.
        other => return write!(f, "<{} octets>", other.len()),
    };
    let (scheme, rest) = uri.split_at(scheme_len);
    let rest = match memchr::memrchr(b'@', rest) {
        Some(at) => rest.get(at + 1..).unwrap_or_default(),
        None => rest,
    };
    let (authority, rest) = rest.split_at(memchr::memchr2(b'/', b';', rest).unwrap_or(rest.len()));
    let shown = authority.get(..MAX_HOST).unwrap_or(authority);
    write!(f, "{}{}", scheme.escape_ascii(), shown.escape_ascii())?;
    let (session_id, rest) = rest.split_at(memchr::memchr(b';', rest).unwrap_or(rest.len()));
    if let Some(session_id) = session_id.strip_prefix(b"/") {
        let shown = session_id.get(..SHOWN).unwrap_or(session_id);
        write!(f, "/{}…", shown.escape_ascii())?;
    }
    if let Some(parameters) = rest.strip_prefix(b";") {
        let len = parameters
            .iter()
            .position(|octet| !octet.is_ascii_alphanumeric())
            .unwrap_or(parameters.len());
        let transport = parameters.get(..len.min(MAX_HOST)).unwrap_or_default();
        write!(f, ";{}", transport.escape_ascii())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::grammar::{PathRef, UriRef};

    fn uri(text: &str) -> String {
        let raw = Uri(text).to_string();
        if let Ok(parsed) = UriRef::parse(text.as_bytes()) {
            assert_eq!(Uri(&parsed).to_string(), raw);
            assert_eq!(Uri(parsed.to_uri()).to_string(), raw);
        }
        raw
    }

    #[test]
    fn host_port_transport_and_two_characters_remain() {
        assert_eq!(
            uri("msrps://bob@host.example:2855/abcdef;tcp;x=secret"),
            "msrps://host.example:2855/ab…;tcp"
        );
        assert_eq!(uri("MSRP://[::1]:2855/a/b;ws"), "MSRP://[::1]:2855/a/…;ws");
        assert_eq!(uri("msrps://host;tcp"), "msrps://host;tcp");
        assert_eq!(uri("msrps://host:1/a;tcp"), "msrps://host:1/a…;tcp");
    }

    #[test]
    fn octets_that_do_not_parse_are_shown_without_secrets_and_control_characters() {
        assert_eq!(uri("rubbish/s3cret"), "<14 octets>");
        assert_eq!(uri("msrps://h\r\nx/s3cret;t\u{1b}p"), r"msrps://h\r\nx/s3…;t");
        assert_eq!(uri("msrps://user:pw@h:1/s3cret"), "msrps://h:1/s3…");
        assert_eq!(uri(""), "<0 octets>");
        let long = format!("msrp://{}/s3cret;{}", "h".repeat(1000), "t".repeat(1000));
        assert!(uri(&long).len() < 600);
    }

    #[test]
    fn paths_are_shown_uri_by_uri() {
        let text = "msrp://a:1/secret1;tcp msrp://b:2/secret2;tcp";
        let shown = "msrp://a:1/se…;tcp msrp://b:2/se…;tcp";
        assert_eq!(Path(text).to_string(), shown);
        let path = PathRef::parse_lazy(text.as_bytes(), 2).unwrap();
        assert_eq!(
            (Path(&path).to_string(), Path(path.to_path().unwrap()).to_string()),
            (shown.into(), shown.into())
        );
        assert_eq!(format!("{:?}", Path(text)), shown);
    }

    proptest! {
        /// A session-id of digits never shows up beside a host without any.
        #[test]
        fn session_id_never_shows(id in "[0-9]{3,40}", user in "([a-z]{1,3}@)?", cut in 0..80_usize) {
            let text = format!("msrps://{user}host.example/{id};tcp");
            let cut = &text[..cut.min(text.len())];
            let shown = Uri(cut).to_string();
            prop_assert!(shown.starts_with('<') || shown.bytes().filter(u8::is_ascii_digit).count() <= 2, "{}", shown);
        }

        #[test]
        fn any_octets_are_shown_in_one_line(octets: Vec<u8>, tail: Vec<u8>) {
            let uri = [b"msrp://", &tail[..]].concat();
            for shown in [Uri(&octets).to_string(), Uri(&uri).to_string(), Path(&uri).to_string()] {
                prop_assert!(!shown.contains(char::is_control));
            }
        }
    }
}
