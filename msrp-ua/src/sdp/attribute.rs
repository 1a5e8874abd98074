//! Attributes with few values, and those that nobody here understands.

use std::fmt;

/// An attribute that is only kept: its name, and its value where it has one.
///
/// `Debug` does not show the value: it may be anything.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    name: String,
    value: Option<String>,
}

impl Attribute {
    /// An attribute; none where the name is not a token or the value would end the line (RFC 8866 §9).
    pub fn new(name: impl Into<String>, value: Option<&str>) -> Option<Self> {
        let name = name.into();
        let fits = is_token(&name) && value.is_none_or(is_line);
        fits.then(|| Self {
            name,
            value: value.map(str::to_owned),
        })
    }

    /// The name, in its case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What follows the colon.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What a peer wrote; such names are taken as they are.
    pub(super) fn from_line(line: &sdp_types::Attribute) -> Self {
        Self {
            name: line.attribute.clone(),
            value: line.value.clone(),
        }
    }

    pub(super) fn to_line(&self) -> sdp_types::Attribute {
        sdp_types::Attribute {
            attribute: self.name.clone(),
            value: self.value.clone(),
        }
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "Attribute({:?}, {} octets)", self.name, value.len()),
            None => write!(f, "Attribute({:?})", self.name),
        }
    }
}

/// `token` of RFC 8866 §9.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|octet| matches!(octet, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'~'))
}

/// Whether a text can stand in a line.
pub(super) fn is_line(text: &str) -> bool {
    !text.contains(['\0', '\r', '\n'])
}

/// Which way messages go, from the point of view of whoever says so (RFC 3264 §5.1, RFC 4975 §8.9).
///
/// It governs messages only: responses, reports and other control traffic go both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// Away from the speaker.
    SendOnly,
    /// To the speaker.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// By whether the speaker sends, and whether it receives.
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the speaker sends messages.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the speaker receives messages.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same from the other side's point of view.
    pub fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What remains where both allow it.
    pub fn and(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// What holding the other side makes of it (RFC 3264 §8.4).
    pub fn held(self) -> Self {
        self.and(Self::SendOnly)
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "sendrecv" => Self::SendRecv,
            "sendonly" => Self::SendOnly,
            "recvonly" => Self::RecvOnly,
            "inactive" => Self::Inactive,
            _ => return None,
        })
    }

    /// The name of the attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// `a=setup`: who connects (RFC 4145 §4, RFC 6135). A received `holdconn` counts as none (RFC 6135 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The speaker connects.
    Active,
    /// The speaker waits.
    Passive,
    /// The speaker does either, as the other side likes.
    ActPass,
}

impl Setup {
    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
        }
    }

    /// None where it counts as none, an error where it is nothing known.
    pub(super) fn parse(value: &str) -> Option<Option<Self>> {
        Some(match value.to_ascii_lowercase().as_str() {
            "active" => Some(Self::Active),
            "passive" => Some(Self::Passive),
            "actpass" => Some(Self::ActPass),
            "holdconn" => None,
            _ => return None,
        })
    }
}

/// What an `m=message` line says of the transport.
///
/// A client over WebSocket too says [`Tcp`](Self::Tcp) or [`Tls`](Self::Tls) (RFC 7977 §5.2.2); some deployed ones do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `TCP/MSRP`.
    Tcp,
    /// `TCP/TLS/MSRP`.
    Tls,
    /// `TCP/WS/MSRP`, which no RFC has.
    Ws,
    /// `TCP/WSS/MSRP`, which no RFC has.
    Wss,
}

impl Protocol {
    /// As written in an `m=` line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP/MSRP",
            Self::Tls => "TCP/TLS/MSRP",
            Self::Ws => "TCP/WS/MSRP",
            Self::Wss => "TCP/WSS/MSRP",
        }
    }

    /// Whether it promises encryption.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Tcp, Self::Tls, Self::Ws, Self::Wss]
            .into_iter()
            .find(|protocol| protocol.as_str().eq_ignore_ascii_case(name))
    }
}
