//! `MSRP-URI`: who takes part in which session, and how to reach it (RFC 4975 sections 6 and 9).

mod compare;
mod owned;
mod parse;

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use bytes::Bytes;

pub use self::owned::Uri;
use super::{GrammarError, text};
use crate::redact;

/// The longest URI that parses, in octets.
pub const MAX_URI_LEN: usize = u16::MAX as usize;

/// The scheme of an MSRP URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// `msrp`: plain TCP is allowed.
    Msrp,
    /// `msrps`: the connection must be protected by TLS.
    Msrps,
}

impl Scheme {
    /// The scheme in lower case, without `://`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Msrp => "msrp",
            Self::Msrps => "msrps",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The host of an MSRP URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host<'a> {
    /// A host name, as written: case and percent-encoding are kept.
    Name(&'a str),
    /// A numeric IPv4 address.
    V4(Ipv4Addr),
    /// A numeric IPv6 address, in brackets on the wire.
    V6(Ipv6Addr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Address {
    Name,
    /// A name with percent-encoded octets: comparison has to decode them.
    EncodedName,
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// Part of the URI's text. An absent part starts and ends at 0, where only the scheme can be.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u16,
    end: u16,
}

impl Span {
    const ABSENT: Self = Self { start: 0, end: 0 };

    fn range(self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }

    fn is_absent(self) -> bool {
        self.end == 0
    }

    fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.range()).unwrap_or_default()
    }
}

/// What parsing found out about a URI's text; at most [`MAX_URI_LEN`] octets, so offsets are `u16`.
#[derive(Debug, Clone, Copy)]
struct Parts {
    scheme: Scheme,
    address: Address,
    user: Span,
    host: Span,
    port: Option<u16>,
    session_id: Span,
    transport: Span,
}

/// A parsed MSRP URI, borrowed from the text it was parsed from.
///
/// It is compared by [`same_as`](Self::same_as), the rules of RFC 4975 section 6.1, which `==` of [`Uri`] uses too.
#[derive(Clone, Copy)]
pub struct UriRef<'a> {
    text: &'a [u8],
    parts: Parts,
}

impl<'a> UriRef<'a> {
    /// Parses `scheme "://" authority ["/" session-id] ";" transport *(";" parameter)` without allocating.
    ///
    /// A port is not demanded beside a host name, because the To-Path of AUTH may go without; see
    /// [`require_port`](Self::require_port).
    ///
    /// # Errors
    /// The `Uri…` variants of [`GrammarError`].
    pub fn parse(input: &'a [u8]) -> Result<Self, GrammarError> {
        parse::parse(input).map(|parts| Self { text: input, parts })
    }

    /// Checks that `input` begins as a URI of this family does, and nothing more.
    ///
    /// # Errors
    /// [`GrammarError::UriScheme`].
    pub(crate) fn check_scheme(input: &[u8]) -> Result<(), GrammarError> {
        parse::scheme(input).map(|_| ())
    }

    /// The URI as written.
    pub fn as_str(&self) -> &'a str {
        text::ascii(self.text)
    }

    /// The URI as written.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.text
    }

    /// The scheme.
    #[inline]
    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The userinfo as written, without `@`; possibly empty. Not part of comparison.
    pub fn user(&self) -> Option<&'a str> {
        (!self.parts.user.is_absent()).then(|| text::ascii(self.parts.user.of(self.text)))
    }

    /// The host.
    pub fn host(&self) -> Host<'a> {
        match self.parts.address {
            Address::Name | Address::EncodedName => Host::Name(self.host_str()),
            Address::V4(address) => Host::V4(address),
            Address::V6(address) => Host::V6(address),
        }
    }

    /// The host as written, an IPv6 address with its brackets.
    pub fn host_str(&self) -> &'a str {
        text::ascii(self.parts.host.of(self.text))
    }

    /// The host in the one form that all equal hosts share: a name in lower case with percent-encoded unreserved
    /// characters decoded, an address in its canonical text, IPv6 without brackets. Fit as key and for resolvers.
    pub fn normalized_host(&self) -> String {
        match self.parts.address {
            Address::Name | Address::EncodedName => compare::normalized(self.parts.host.of(self.text))
                .map(char::from)
                .collect(),
            Address::V4(address) => address.to_string(),
            Address::V6(address) => address.to_string(),
        }
    }

    /// The port, if written.
    #[inline]
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The port, which everywhere but in the To-Path of AUTH has to be written (RFC 4976 section 8).
    ///
    /// # Errors
    /// [`GrammarError::UriPortMissing`].
    pub fn require_port(&self) -> Result<u16, GrammarError> {
        self.parts.port.ok_or(GrammarError::UriPortMissing)
    }

    /// The session-id. A shared secret: do not log it. Without it, the URI names a device only.
    pub fn session_id(&self) -> Option<&'a str> {
        (!self.parts.session_id.is_absent()).then(|| text::ascii(self.parts.session_id.of(self.text)))
    }

    /// The transport as written, e.g. `tcp` or `ws`.
    pub fn transport(&self) -> &'a str {
        text::ascii(self.parts.transport.of(self.text))
    }

    /// Whether the transport is `tcp`, in any case.
    pub fn is_tcp(&self) -> bool {
        self.parts.transport.of(self.text).eq_ignore_ascii_case(b"tcp")
    }

    /// The parameters after the transport, in order, as `(name, value)`.
    pub fn parameters(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        let mut rest = self
            .text
            .get(usize::from(self.parts.transport.end)..)
            .unwrap_or_default();
        std::iter::from_fn(move || {
            let (after, (name, value)) = parse::parameter(rest).ok()?;
            rest = after;
            Some((text::ascii(name), value.map(text::ascii)))
        })
    }

    /// An owned copy of the URI; copies its text.
    pub fn to_uri(&self) -> Uri {
        Uri {
            text: Bytes::copy_from_slice(self.text),
            parts: self.parts,
        }
    }
}

impl AsRef<[u8]> for UriRef<'_> {
    fn as_ref(&self) -> &[u8] {
        self.text
    }
}

impl fmt::Display for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UriRef({})", redact::Uri(self))
    }
}
