//! Who somebody is: SIP URIs in the one form in which they are compared.

use std::fmt;

/// An address of record in normal form, as a key.
///
/// The scheme is `sip` for `sip` and `sips` alike and stays `tel` and `im`; the host is in lower case; a default port,
/// parameters and header fields are gone; letters and digits that were escaped are not; telephone numbers have lost
/// their visual separators. The user part keeps its case (RFC 3261 §19.1.4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aor(String);

/// A URI that names nobody by SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AorError {
    /// Another scheme than sip, sips, tel and im, or none.
    #[error("not a sip, sips, tel or im URI")]
    Scheme,
    /// No host, or one with characters that cannot stand in it.
    #[error("the URI has no usable host")]
    Host,
    /// The port is no number up to 65535.
    #[error("the URI's port is no port")]
    Port,
    /// Spaces, line ends, brackets or quotation marks.
    #[error("characters that cannot stand in a URI")]
    Character,
    /// A telephone number without digits.
    #[error("a tel URI without a number")]
    Number,
}

impl Aor {
    /// Reads a URI.
    ///
    /// ```
    /// # use msrp_gateway::Aor;
    /// assert_eq!(Aor::parse("sips:a@EX.com:5061;transport=tcp"), Aor::parse("sip:a@ex.com"));
    /// assert_ne!(Aor::parse("sip:a@ex.com"), Aor::parse("sip:A@ex.com"));
    /// ```
    ///
    /// # Errors
    /// [`AorError`].
    pub fn parse(uri: &str) -> Result<Self, AorError> {
        let parts = UriParts::parse(uri)?;
        if parts.scheme == "tel" {
            let number = telephone(parts.user.unwrap_or_default()).ok_or(AorError::Number)?;
            return Ok(Self(format!("tel:{number}")));
        }
        let scheme = if parts.scheme == "im" { "im" } else { "sip" };
        let host = parts.host.to_ascii_lowercase();
        let default = if parts.scheme == "sips" { 5061 } else { 5060 };
        let mut text = format!("{scheme}:");
        if let Some(user) = parts.user {
            // A user part may carry parameters of its own, as telephone numbers do.
            let plain = unescape(user);
            match telephone(&plain).filter(|_| parts.user_is_phone || plain.starts_with('+')) {
                Some(number) => text.push_str(&number),
                None => text.push_str(&plain),
            }
            text.push('@');
        }
        text.push_str(&host);
        match parts.port {
            Some(port) if port != default => text.push_str(&format!(":{port}")),
            _ => {}
        }
        Ok(Self(text))
    }

    /// The URI in normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names nobody: the anonymous URIs of RFC 3261 §8.1.1.3 and RFC 3323.
    pub fn is_anonymous(&self) -> bool {
        self.0.ends_with("@anonymous.invalid") || self.0.starts_with("sip:anonymous@")
    }

    /// `user@host`, the form that the patterns of routes are about; without a user the host alone, for `tel` the number.
    pub fn address(&self) -> &str {
        self.0.split_once(':').map_or(&*self.0, |(_, rest)| rest)
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parts of a URI that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UriParts<'a> {
    pub(crate) scheme: String,
    pub(crate) user: Option<&'a str>,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    /// `;transport=`, in lower case.
    pub(crate) transport: Option<String>,
    user_is_phone: bool,
}

impl<'a> UriParts<'a> {
    pub(crate) fn parse(uri: &'a str) -> Result<Self, AorError> {
        if uri
            .bytes()
            .any(|octet| octet <= b' ' || octet >= 0x7f || b"<>\"".contains(&octet))
        {
            return Err(AorError::Character);
        }
        let (scheme, rest) = uri.split_once(':').ok_or(AorError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "tel" {
            let number = rest.split(';').next().unwrap_or_default();
            return Ok(Self {
                scheme,
                user: Some(number),
                host: "",
                port: None,
                transport: None,
                user_is_phone: true,
            });
        }
        if !["sip", "sips", "im"].contains(&&*scheme) {
            return Err(AorError::Scheme);
        }
        let (userinfo, rest) = match rest.rsplit_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        // A password is nobody's name.
        let user = userinfo
            .map(|info| info.split(':').next().unwrap_or_default())
            .filter(|user| !user.is_empty());
        let rest = rest.split('?').next().unwrap_or_default();
        let mut pieces = rest.split(';');
        let authority = pieces.next().unwrap_or_default();
        let (mut transport, mut user_is_phone) = (None, false);
        for piece in pieces {
            match piece.split_once('=') {
                Some((name, value)) if name.eq_ignore_ascii_case("transport") => {
                    transport = Some(value.to_ascii_lowercase());
                }
                Some((name, value)) if name.eq_ignore_ascii_case("user") => {
                    user_is_phone = value.eq_ignore_ascii_case("phone");
                }
                _ => {}
            }
        }
        let (host, port) = split_port(authority)?;
        Ok(Self {
            scheme,
            user,
            host,
            port,
            transport,
            user_is_phone,
        })
    }

    /// The port that is meant where none is said.
    pub(crate) fn port_or_default(&self) -> u16 {
        let secure = self.scheme == "sips" || self.transport.as_deref() == Some("tls");
        self.port.unwrap_or(if secure { 5061 } else { 5060 })
    }

    /// Whether every hop has to be encrypted.
    pub(crate) fn is_sips(&self) -> bool {
        self.scheme == "sips"
    }

    /// Whether the hop that it names is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.is_sips() || matches!(self.transport.as_deref(), Some("tls" | "wss"))
    }

    /// Whether the transport to it controls congestion: anything but UDP, where it says so.
    pub(crate) fn is_congestion_safe(&self) -> bool {
        self.is_sips()
            || matches!(
                self.transport.as_deref(),
                Some("tcp" | "tls" | "ws" | "wss" | "sctp")
            )
    }

    /// `host:port` in lower case.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host.to_ascii_lowercase(), self.port_or_default())
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), AorError> {
    let (host, port) = if let Some(end) = authority.strip_prefix('[').and_then(|rest| rest.find(']')) {
        let (host, rest) = authority.split_at(end + 2);
        (host, rest.strip_prefix(':'))
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b".-_[]:".contains(&octet);
    if host.is_empty() || host == "[]" || !host.bytes().all(allowed) {
        return Err(AorError::Host);
    }
    let port = match port {
        Some(port) => Some(port.parse().map_err(|_| AorError::Port)?),
        None => None,
    };
    Ok((host, port))
}

/// A telephone number without visual separators and parameters; none where it is no number.
fn telephone(text: &str) -> Option<String> {
    let number = text.split(';').next().unwrap_or_default();
    let mut digits = String::with_capacity(number.len());
    for (at, character) in number.chars().enumerate() {
        match character {
            '0'..='9' | '*' | '#' => digits.push(character),
            '+' if at == 0 => digits.push('+'),
            '-' | '.' | '(' | ')' => {}
            _ => return None,
        }
    }
    digits
        .bytes()
        .any(|octet| octet.is_ascii_digit())
        .then_some(digits)
}

/// Undoes escapes of characters that need none, and writes the others in upper case (RFC 3261 §19.1.4).
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let code = after
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(octet) => {
                if octet.is_ascii_alphanumeric() || b"-_.!~*'()+".contains(&octet) {
                    plain.push(char::from(octet));
                } else {
                    plain.push_str(&format!("%{octet:02X}"));
                }
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                plain.push('%');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aor(uri: &str) -> String {
        Aor::parse(uri).map_or_else(|error| error.to_string(), |aor| aor.to_string())
    }

    // shows: GW-02
    #[test]
    fn one_person_has_one_key() {
        for (uri, key) in [
            ("sip:a@EX.com;transport=tcp", "sip:a@ex.com"),
            ("SIPS:a@ex.com:5061", "sip:a@ex.com"),
            ("sip:a@ex.com:5060", "sip:a@ex.com"),
            ("sip:a@ex.com:5070", "sip:a@ex.com:5070"),
            ("sip:a:secret@ex.com?subject=x", "sip:a@ex.com"),
            ("sip:%61lice%40x@ex.com", "sip:alice%40x@ex.com"),
            ("sip:+1-212-555-0100@ex.com", "sip:+12125550100@ex.com"),
            (
                "sip:1(212)5550100;ext=3@ex.com;user=phone",
                "sip:12125550100@ex.com",
            ),
            ("tel:+1-212-555.0100;phone-context=x", "tel:+12125550100"),
            ("sip:[2001:DB8::1]:5070", "sip:[2001:db8::1]:5070"),
            ("im:bob@ex.com", "im:bob@ex.com"),
        ] {
            assert_eq!(aor(uri), key, "{uri}");
        }
        assert_ne!(aor("sip:A@ex.com"), aor("sip:a@ex.com"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (uri, error) in [
            ("", AorError::Scheme),
            ("alice@ex.com", AorError::Scheme),
            ("http://ex.com", AorError::Scheme),
            ("sip:", AorError::Host),
            ("sip:a@", AorError::Host),
            ("sip:a@ex.com:99999", AorError::Port),
            ("sip:a@ex.com>", AorError::Character),
            ("sip:a@ex.com\r\nX: y", AorError::Character),
            ("tel:call-me", AorError::Number),
        ] {
            assert_eq!(Aor::parse(uri), Err(error), "{uri}");
        }
    }

    #[test]
    fn a_route_tells_its_transport() {
        let parts = |uri| UriParts::parse(uri).unwrap();
        assert!(!parts("sip:10.0.0.1").is_congestion_safe());
        assert!(parts("sip:10.0.0.1;transport=TCP").is_congestion_safe());
        assert!(parts("sips:p.example.com").is_encrypted());
        assert_eq!(
            parts("sip:P.example.com;transport=tls").authority(),
            "p.example.com:5061"
        );
    }
}
