//! `c=`: where a stream is said to be (RFC 8866 §5.7).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use sdp_types::{AddrType, Connection, NetType};

/// The address of a `c=` line: a literal or a domain name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    /// `IP6`; for a literal it follows from the host.
    v6: bool,
}

impl Address {
    /// The address of a host, an IPv6 literal with or without brackets. A name is said to be of the family `IP4`.
    pub fn new(host: &str) -> Self {
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let v6 = matches!(host.parse(), Ok(IpAddr::V6(_)));
        Self {
            host: host.to_owned(),
            v6,
        }
    }

    /// The host, an IPv6 literal without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host, where it is a literal.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `0.0.0.0`: a stream that is held in the old way (RFC 3264 §8.4).
    pub fn is_unspecified_v4(&self) -> bool {
        self.ip() == Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// None for what is not of the internet.
    pub(super) fn from_line(line: &Connection) -> Option<Self> {
        if line.nettype != NetType::In {
            return None;
        }
        let v6 = match line.addrtype {
            AddrType::Ip4 => false,
            AddrType::Ip6 => true,
            _ => return None,
        };
        // What follows a slash is of multicast.
        let host = line.connection_address.split('/').next().unwrap_or_default();
        (!host.is_empty()).then(|| Self {
            host: host.to_owned(),
            v6,
        })
    }

    pub(super) fn addrtype(&self) -> AddrType {
        if self.v6 { AddrType::Ip6 } else { AddrType::Ip4 }
    }

    pub(super) fn to_line(&self) -> Connection {
        Connection::new(NetType::In, self.addrtype(), &self.host)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}
