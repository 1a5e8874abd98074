//! Middleboxes: whether the address of a stream is that of its path (RFC 6714 §4.4).

use std::{collections::BTreeMap, net::IpAddr};

use msrp_core::grammar::{Host, Uri};

use crate::sdp::{Address, MessageSection};

/// What the names in session descriptions resolve to, as far as anybody has told.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeMap<String, Vec<IpAddr>>);

/// Names that are kept, and addresses of each: four for each section that a description may have.
const MAX_NAMES: usize = 64;
const MAX_ADDRESSES: usize = 16;

/// How two hosts compare.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Same {
    Yes,
    No,
    /// One is a name, and nobody has told what it resolves to.
    Unknown,
}

impl Names {
    pub(super) fn insert(&mut self, name: &str, addresses: &[IpAddr]) {
        if self.0.len() < MAX_NAMES || self.0.contains_key(name) {
            let addresses = addresses.iter().copied().take(MAX_ADDRESSES).collect();
            self.0.insert(name.to_ascii_lowercase(), addresses);
        }
    }

    fn compare(&self, uri: &Uri, address: &Address) -> Same {
        let name = address.host().to_ascii_lowercase();
        let of_uri = match uri.host() {
            Host::V4(address) => Some(vec![IpAddr::V4(address)]),
            Host::V6(address) => Some(vec![IpAddr::V6(address)]),
            Host::Name(_) => {
                let host = uri.normalized_host();
                if host == name {
                    return Same::Yes;
                }
                self.0.get(&host).cloned()
            }
        };
        let of_address = match address.ip() {
            Some(address) => Some(vec![address]),
            None => self.0.get(&name).cloned(),
        };
        match (of_uri, of_address) {
            (Some(a), Some(b)) if a.iter().any(|one| b.contains(one)) => Same::Yes,
            (Some(_), Some(_)) => Same::No,
            _ => Same::Unknown,
        }
    }

    /// Whether the address and the port of a section are those of one of its URIs. A name that nobody resolved is taken to
    /// match: refusing the many that mix names and literals would be worse than missing a middlebox.
    pub(super) fn match_path(&self, section: &MessageSection) -> bool {
        let (Some(path), Some(address)) = (&section.path, &section.address) else {
            return true;
        };
        // An old-style hold tells nothing of where the stream is.
        address.is_unspecified_v4()
            || path
                .uris()
                .iter()
                .any(|uri| uri.port() == Some(section.port) && self.compare(uri, address) != Same::No)
    }

    /// The names that have to be resolved before [`match_path`](Self::match_path) can tell.
    pub(super) fn unresolved(&self, section: &MessageSection) -> Vec<String> {
        let (Some(path), Some(address)) = (&section.path, &section.address) else {
            return Vec::new();
        };
        let mut names: Vec<String> = Vec::new();
        for uri in path.uris() {
            if self.compare(uri, address) != Same::Unknown {
                continue;
            }
            let of_uri = matches!(uri.host(), Host::Name(_)).then(|| uri.normalized_host());
            let of_address = address
                .ip()
                .is_none()
                .then(|| address.host().to_ascii_lowercase());
            for name in of_uri.into_iter().chain(of_address) {
                if !self.0.contains_key(&name) && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }
}
