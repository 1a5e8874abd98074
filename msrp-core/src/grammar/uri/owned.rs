//! The owned form of a URI.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use bytes::Bytes;

use super::{Host, Parts, Scheme, UriRef, parse};
use crate::{
    grammar::{GrammarError, chars, text},
    redact,
};

/// An owned MSRP URI. Cloning it copies no text.
///
/// `==` and `Hash` follow the comparison rules of RFC 4975 section 6.1; `Display` prints the text as written,
/// `Debug` hides the session-id.
#[derive(Clone)]
pub struct Uri {
    pub(super) text: Bytes,
    pub(super) parts: Parts,
}

impl Uri {
    /// Parses a URI, keeping `text` as it is: nothing is copied, so a slice of a large block keeps that block alive.
    /// For a copy, use [`UriRef::to_uri`].
    ///
    /// # Errors
    /// As [`UriRef::parse`].
    pub fn parse(text: Bytes) -> Result<Self, GrammarError> {
        let parts = parse::parse(&text)?;
        Ok(Self { text, parts })
    }

    /// Builds `scheme://host:port[/session-id];transport`. An IPv6 address may come with or without its brackets.
    ///
    /// # Errors
    /// The `Uri…` variant of [`GrammarError`] for the argument that does not fit its production.
    pub fn build(
        scheme: Scheme,
        host: &str,
        port: u16,
        session_id: Option<&str>,
        transport: &str,
    ) -> Result<Self, GrammarError> {
        if session_id.is_some_and(|id| id.is_empty() || !chars::all(id.as_bytes(), chars::SESSION_ID)) {
            return Err(GrammarError::UriSessionId);
        }
        if transport.is_empty() || !chars::all(transport.as_bytes(), chars::ALPHANUM) {
            return Err(GrammarError::UriTransport);
        }
        let (open, close) = if host.parse::<Ipv6Addr>().is_ok() {
            ("[", "]")
        } else {
            ("", "")
        };
        let (slash, session_id) = session_id.map_or(("", ""), |id| ("/", id));
        let uri = format!("{scheme}://{open}{host}{close}:{port}{slash}{session_id};{transport}");
        let uri = Self::parse(uri.into())?;
        let as_given =
            uri.parts.user.is_absent() && uri.host_str().len() == open.len() + host.len() + close.len();
        if as_given {
            Ok(uri)
        } else {
            Err(GrammarError::UriHost)
        }
    }

    /// The URI, borrowed.
    #[inline]
    pub fn as_ref(&self) -> UriRef<'_> {
        UriRef {
            text: &self.text,
            parts: self.parts,
        }
    }

    /// The URI as written.
    pub fn as_str(&self) -> &str {
        text::ascii(&self.text)
    }

    /// The URI as written, without a copy.
    pub fn as_bytes(&self) -> &Bytes {
        &self.text
    }

    /// See [`UriRef::scheme`].
    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// See [`UriRef::user`].
    pub fn user(&self) -> Option<&str> {
        self.as_ref().user()
    }

    /// See [`UriRef::host`].
    pub fn host(&self) -> Host<'_> {
        self.as_ref().host()
    }

    /// See [`UriRef::host_str`].
    pub fn host_str(&self) -> &str {
        self.as_ref().host_str()
    }

    /// See [`UriRef::normalized_host`].
    pub fn normalized_host(&self) -> String {
        self.as_ref().normalized_host()
    }

    /// See [`UriRef::port`].
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// See [`UriRef::require_port`].
    ///
    /// # Errors
    /// [`GrammarError::UriPortMissing`].
    pub fn require_port(&self) -> Result<u16, GrammarError> {
        self.as_ref().require_port()
    }

    /// See [`UriRef::session_id`].
    pub fn session_id(&self) -> Option<&str> {
        self.as_ref().session_id()
    }

    /// See [`UriRef::transport`].
    pub fn transport(&self) -> &str {
        self.as_ref().transport()
    }

    /// See [`UriRef::is_tcp`].
    pub fn is_tcp(&self) -> bool {
        self.as_ref().is_tcp()
    }

    /// See [`UriRef::parameters`].
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.as_ref().parameters()
    }

    /// See [`UriRef::same_as`].
    pub fn same_as(&self, other: &UriRef<'_>) -> bool {
        self.as_ref().same_as(other)
    }
}

impl FromStr for Uri {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        UriRef::parse(text.as_bytes()).map(|uri| uri.to_uri())
    }
}

impl From<UriRef<'_>> for Uri {
    fn from(uri: UriRef<'_>) -> Self {
        uri.to_uri()
    }
}

impl AsRef<[u8]> for Uri {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({})", redact::Uri(self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn build_writes_every_part() {
        let built = |host, session_id| {
            Uri::build(Scheme::Msrps, host, 2855, session_id, "tcp")
                .unwrap()
                .to_string()
        };
        assert_eq!(
            built("relay.example.com", Some("a/b+c=")),
            "msrps://relay.example.com:2855/a/b+c=;tcp"
        );
        assert_eq!(built("192.0.2.1", None), "msrps://192.0.2.1:2855;tcp");
        assert_eq!(
            built("2001:db8::1", Some("x")),
            "msrps://[2001:db8::1]:2855/x;tcp"
        );
        assert_eq!(
            built("[2001:db8::1]", Some("x")),
            "msrps://[2001:db8::1]:2855/x;tcp"
        );
    }

    // shows: 4975-6-10
    #[test]
    fn rfc4975_6_10_build_refuses_what_would_become_another_part() {
        let build = |host, id, transport| {
            Uri::build(Scheme::Msrp, host, 1, id, transport)
                .map(|_| ())
                .unwrap_err()
        };
        assert_eq!(build("user:pw@h", None, "tcp"), GrammarError::UriPassword);
        for host in [
            "", "user@h", "h:2", "h/x", "h;ws", "h x", "h\r\nX", "[::1", "::1]",
        ] {
            let error = Uri::build(Scheme::Msrp, host, 1, None, "tcp");
            assert!(error.is_err(), "{host}");
        }
        for id in ["", "a;ws", "a b", "a@b", "ü"] {
            assert_eq!(build("h", Some(id), "tcp"), GrammarError::UriSessionId, "{id}");
        }
        for transport in ["", "tcp;x", "t p", "t=c"] {
            assert_eq!(
                build("h", None, transport),
                GrammarError::UriTransport,
                "{transport}"
            );
        }
    }

    #[test]
    fn owned_and_borrowed_uris_have_the_same_parts() {
        let text = "msrps://bob@[::1]:9/s3cret;ws;x=y";
        let uri = Uri::parse(Bytes::from_static(text.as_bytes())).unwrap();
        let borrowed = uri.as_ref();
        assert_eq!((uri.as_str(), uri.as_bytes().as_ref()), (text, text.as_bytes()));
        assert_eq!(
            (uri.scheme(), uri.user(), uri.host()),
            (borrowed.scheme(), borrowed.user(), borrowed.host())
        );
        assert_eq!(
            (uri.host_str(), uri.port(), uri.require_port()),
            ("[::1]", Some(9), Ok(9))
        );
        assert_eq!(
            (uri.session_id(), uri.transport(), uri.is_tcp()),
            (Some("s3cret"), "ws", false)
        );
        assert_eq!(
            uri.parameters().collect::<Vec<_>>(),
            borrowed.parameters().collect::<Vec<_>>()
        );
        assert_eq!(uri.normalized_host(), "::1");
        assert_eq!((uri.to_string(), Uri::from(borrowed)), (text.to_owned(), uri));
    }

    #[test]
    fn debug_hides_the_session_id() {
        let uri: Uri = "msrps://bob@h:9/s3cret;tcp".parse().unwrap();
        for text in [format!("{uri:?}"), format!("{:?}", uri.as_ref())] {
            assert!(
                text.contains("msrps://h:9/s3…;tcp") && !text.contains("cret"),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn built_uri_has_the_parts_it_was_built_from(
            host in "[a-zA-Z0-9._~-]{1,20}", port: u16, id in proptest::option::of("[a-zA-Z0-9._~+=/-]{1,40}"),
            transport in "[a-zA-Z0-9]{1,5}",
        ) {
            let uri = Uri::build(Scheme::Msrp, &host, port, id.as_deref(), &transport).unwrap();
            let again: Uri = uri.to_string().parse().unwrap();
            for uri in [&uri, &again] {
                prop_assert_eq!(uri.host_str(), &host);
                prop_assert_eq!((uri.port(), uri.session_id()), (Some(port), id.as_deref()));
                prop_assert_eq!(uri.transport(), &transport);
            }
            prop_assert_eq!(uri, again);
        }
    }
}
