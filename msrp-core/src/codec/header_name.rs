//! The header fields that this family knows by name.

/// A header field of RFC 4975, RFC 4976 or RFC 7701, or any other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum HeaderName {
    /// `To-Path`: what is still to be visited.
    ToPath,
    /// `From-Path`: the way back to the originator.
    FromPath,
    /// `Message-ID`.
    MessageId,
    /// `Success-Report`.
    SuccessReport,
    /// `Failure-Report`.
    FailureReport,
    /// `Byte-Range`.
    ByteRange,
    /// `Status`, of a REPORT.
    Status,
    /// `Content-Type`.
    ContentType,
    /// `Expires` (RFC 4976 §4.6).
    Expires,
    /// `Min-Expires`.
    MinExpires,
    /// `Max-Expires`.
    MaxExpires,
    /// `Use-Path` (RFC 4976 §4.2).
    UsePath,
    /// `WWW-Authenticate`.
    WwwAuthenticate,
    /// `Authorization`.
    Authorization,
    /// `Authentication-Info`.
    AuthenticationInfo,
    /// `Use-Nickname` (RFC 7701 §7).
    UseNickname,
    /// A header field that this crate gives no meaning to.
    Other,
}

impl HeaderName {
    /// How many names there are besides [`Other`](Self::Other).
    pub(crate) const KNOWN: usize = HeaderName::Other as usize;

    /// Finds the name in any case of letters (RFC 4975 §9: quoted literals ignore case).
    pub fn from_octets(name: &[u8]) -> Self {
        use HeaderName::*;
        let (candidate, text): (Self, &[u8]) = match name.len() {
            6 => (Status, b"Status"),
            7 => match name.first() {
                Some(b'T' | b't') => (ToPath, b"To-Path"),
                _ => (Expires, b"Expires"),
            },
            8 => (UsePath, b"Use-Path"),
            9 => (FromPath, b"From-Path"),
            10 => match name.first() {
                Some(b'B' | b'b') => (ByteRange, b"Byte-Range"),
                _ => (MessageId, b"Message-ID"),
            },
            11 => match name.get(1) {
                Some(b'I' | b'i') => (MinExpires, b"Min-Expires"),
                _ => (MaxExpires, b"Max-Expires"),
            },
            12 => match name.first() {
                Some(b'C' | b'c') => (ContentType, b"Content-Type"),
                _ => (UseNickname, b"Use-Nickname"),
            },
            13 => (Authorization, b"Authorization"),
            14 => match name.first() {
                Some(b'F' | b'f') => (FailureReport, b"Failure-Report"),
                _ => (SuccessReport, b"Success-Report"),
            },
            16 => (WwwAuthenticate, b"WWW-Authenticate"),
            19 => (AuthenticationInfo, b"Authentication-Info"),
            _ => return Other,
        };
        if name == text || name.eq_ignore_ascii_case(text) {
            candidate
        } else {
            Other
        }
    }

    /// The frequent names as nearly everybody writes them, with colon and space, at the start of a line; how long the
    /// name is. A shortcut: where it finds nothing, [`from_octets`](Self::from_octets) has to look.
    #[inline]
    pub(super) fn at_start(line: &[u8]) -> Option<(Self, usize)> {
        use HeaderName::*;
        // Comparing with a constant compiles to a few integer comparisons.
        macro_rules! either {
            ($($text:literal => $name:expr),+) => {{
                $(if line.starts_with(concat!($text, ": ").as_bytes()) {
                    return Some(($name, $text.len()));
                })+
                None
            }};
        }
        match line.first()? {
            b'T' => either!("To-Path" => ToPath),
            b'F' => either!("From-Path" => FromPath, "Failure-Report" => FailureReport),
            b'M' => either!("Message-ID" => MessageId),
            b'B' => either!("Byte-Range" => ByteRange),
            b'C' => either!("Content-Type" => ContentType),
            b'S' => either!("Success-Report" => SuccessReport, "Status" => Status),
            _ => None,
        }
    }

    /// The name as RFC 4975 and its companions write it; empty for [`Other`](Self::Other).
    pub fn as_str(self) -> &'static str {
        use HeaderName::*;
        match self {
            ToPath => "To-Path",
            FromPath => "From-Path",
            MessageId => "Message-ID",
            SuccessReport => "Success-Report",
            FailureReport => "Failure-Report",
            ByteRange => "Byte-Range",
            Status => "Status",
            ContentType => "Content-Type",
            Expires => "Expires",
            MinExpires => "Min-Expires",
            MaxExpires => "Max-Expires",
            UsePath => "Use-Path",
            WwwAuthenticate => "WWW-Authenticate",
            Authorization => "Authorization",
            AuthenticationInfo => "Authentication-Info",
            UseNickname => "Use-Nickname",
            Other => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // shows: 4975-E-05
    #[test]
    fn names_are_found_in_any_case() {
        use HeaderName::*;
        for name in [
            ToPath,
            FromPath,
            MessageId,
            SuccessReport,
            FailureReport,
            ByteRange,
            Status,
            ContentType,
            Expires,
            MinExpires,
            MaxExpires,
            UsePath,
            WwwAuthenticate,
            Authorization,
            AuthenticationInfo,
            UseNickname,
        ] {
            let text = name.as_str();
            assert_eq!(HeaderName::from_octets(text.as_bytes()), name);
            assert_eq!(HeaderName::from_octets(text.to_uppercase().as_bytes()), name);
            assert_eq!(HeaderName::from_octets(text.to_lowercase().as_bytes()), name);
            if let Some(found) = HeaderName::at_start(format!("{text}: x").as_bytes()) {
                assert_eq!(found, (name, text.len()));
            }
            assert_eq!(HeaderName::at_start(text.as_bytes()), None);
            let mut longer = text.to_owned();
            longer.push('x');
            assert_eq!(HeaderName::from_octets(longer.as_bytes()), Other);
        }
        assert_eq!(HeaderName::from_octets(b""), Other);
        assert_eq!(HeaderName::from_octets(b"Xo-Path"), Other);
    }
}
