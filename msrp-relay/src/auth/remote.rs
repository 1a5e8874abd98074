//! AUTHs that were forwarded for a client of ours and refused by a relay further on (RFC 4976 §6.3).

use std::hash::{DefaultHasher, Hash, Hasher};

use msrp_core::{
    codec::{Head, HeaderName},
    connection::CloseReason,
    grammar::{Challenge, Method, StatusCode},
    node::ConnectionHandle,
};
use smallvec::SmallVec;

use crate::{bindings::Owner, failure::RequestContext, forward::Route, relay::Relay};

/// Destinations that are told apart for one connection; further ones share the count of the worst.
const MAX_DESTINATIONS: usize = 8;

/// How often in a row each destination has refused a client.
#[derive(Debug, Default)]
pub(crate) struct RemoteFailures(SmallVec<[(u64, u8); 1]>);

impl RemoteFailures {
    /// One more; tells how many there are.
    fn failed(&mut self, destination: u64) -> u8 {
        let known = self.0.iter().position(|(other, _)| *other == destination);
        let at = match known {
            Some(at) => Some(at),
            None if self.0.len() < MAX_DESTINATIONS => {
                self.0.push((destination, 0));
                Some(self.0.len() - 1)
            }
            None => (0..self.0.len()).max_by_key(|&at| self.0.get(at).map(|(_, failures)| *failures)),
        };
        let Some((_, failures)) = at.and_then(|at| self.0.get_mut(at)) else {
            return 0;
        };
        *failures = failures.saturating_add(1);
        *failures
    }

    fn succeeded(&mut self, destination: u64) {
        self.0.retain(|(other, _)| *other != destination);
    }
}

impl Relay {
    /// Whose AUTH with credentials is being forwarded, if it is one of a client that is connected to us: then the answer
    /// will tell whether they were right.
    pub(crate) fn proves_to(&self, from: ConnectionHandle, head: &Head, route: Route) -> Option<u64> {
        if head.method() != Some(Method::Auth) || head.header(HeaderName::Authorization).is_none() {
            return None;
        }
        let owner = self.bindings.get(route.binding)?.owner;
        if owner != Owner::Client(from) {
            return None;
        }
        let to_path = head.to_path(self.max_uris()).ok()?;
        let destination = to_path.last().ok()?;
        let mut hasher = DefaultHasher::new();
        (destination.normalized_host(), destination.port()).hash(&mut hasher);
        Some(hasher.finish())
    }

    /// The relay further on has answered: several failures end the client's connection, after it has been told.
    pub(crate) fn note_remote_auth(&mut self, context: RequestContext, response: &Head) {
        let Some(destination) = context.proves_to else {
            return;
        };
        let limit = self.config.max_auth_failures;
        let Some((_, data)) = self.table.get_mut(context.from) else {
            return;
        };
        match response.status_code() {
            Some(StatusCode::UNAUTHORIZED) if !is_stale(response) => {
                self.stats.auth_remote_failures += 1;
                if data.rare().remote_failures.failed(destination) >= limit && data.peer.is_none() {
                    self.close_for(context.from, CloseReason::TooManyFailures);
                }
            }
            Some(code) if code.is_success() => {
                if let Some(rare) = &mut data.rare {
                    rare.remote_failures.succeeded(destination);
                }
            }
            _ => {}
        }
    }
}

/// Whether a challenge says that only the nonce was old.
fn is_stale(response: &Head) -> bool {
    response
        .headers()
        .filter(|(name, _)| HeaderName::from_octets(name.as_bytes()) == HeaderName::WwwAuthenticate)
        .any(|(_, value)| Challenge::parse(value).is_ok_and(|challenge| challenge.stale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_destination_counts_for_itself_and_too_many_share() {
        let mut failures = RemoteFailures::default();
        assert_eq!(
            (failures.failed(1), failures.failed(1), failures.failed(2)),
            (1, 2, 1)
        );
        failures.succeeded(1);
        assert_eq!((failures.failed(1), failures.failed(2)), (1, 2));
        for destination in 10..16 {
            assert_eq!(failures.failed(destination), 1);
        }
        // The list is full: a client that asks ever other relays is counted as if they were one.
        for (destination, count) in (20..25).zip(3..) {
            assert_eq!(failures.failed(destination), count);
        }
        assert_eq!(failures.0.len(), MAX_DESTINATIONS);
    }
}
