//! `o=`: who speaks, and the how manieth version of a description it is (RFC 8866 §5.2).

use sdp_types::NetType;

use super::{Address, attribute::is_token};

/// The origin of a session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    line: sdp_types::Origin,
}

impl Origin {
    /// The origin of our own descriptions, of version 1. `id` has to tell sessions apart: random is best. Of it 62 bits are
    /// used, as it has to fit a signed number (RFC 3264 §5). `host` is ours, a name or a literal; what cannot stand there
    /// becomes `invalid.invalid`.
    pub fn new(id: u64, host: &str) -> Self {
        let address = Address::new(host);
        let fits = address.ip().is_some() || is_token(address.host());
        let address = if fits {
            address
        } else {
            Address::new("invalid.invalid")
        };
        Self {
            line: sdp_types::Origin::new(
                id & (u64::MAX >> 2),
                1,
                NetType::In,
                address.addrtype(),
                address.host(),
            ),
        }
    }

    /// The session's number, as written.
    pub fn session_id(&self) -> &str {
        &self.line.sess_id
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.line.sess_version
    }

    /// The address.
    pub fn host(&self) -> &str {
        &self.line.unicast_address
    }

    /// Whether both tell of the same session, in whatever version.
    pub fn same_session(&self, other: &Self) -> bool {
        let (a, b) = (&self.line, &other.line);
        (
            &a.username,
            &a.sess_id,
            &a.nettype,
            &a.addrtype,
            &a.unicast_address,
        ) == (
            &b.username,
            &b.sess_id,
            &b.nettype,
            &b.addrtype,
            &b.unicast_address,
        )
    }

    pub(crate) fn next_version(&self) -> Self {
        let mut next = self.clone();
        next.line.sess_version = next.line.sess_version.saturating_add(1);
        next
    }

    pub(super) fn from_line(line: &sdp_types::Origin) -> Self {
        Self { line: line.clone() }
    }

    pub(super) fn to_line(&self) -> sdp_types::Origin {
        self.line.clone()
    }
}
