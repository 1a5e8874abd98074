//! Which way a request goes (RFC 4976 §6.2 to §6.4).

use msrp_core::{
    codec::Own,
    grammar::{PathRef, StatusCode, UriRef},
    node::{ConnectToken, ConnectionHandle},
};

use crate::{
    bindings::{BindingId, Owner},
    connection::Wait,
    hops::{HopState, target_of},
    lookups::{PendingLookup, RelayQuery},
    policy::{Lookup, NextHop, RouteQuery},
    relay::Relay,
};

/// Which way a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) out: ConnectionHandle,
    /// The URI of ours that stood first in To-Path.
    pub(crate) binding: BindingId,
    /// How many URIs of To-Path are ours.
    pub(crate) own: Own,
    /// Whether the request comes from the owner of that URI; else it goes to the owner.
    pub(crate) from_owner: bool,
    /// The second URI of ours, where both ends of the session use this relay.
    pub(crate) second: Option<BindingId>,
    /// The side of an anchored session from which it comes, which owns the URI.
    pub(crate) leg: Option<u32>,
}

impl Route {
    /// The way from the owner of a URI of ours to a host that is none of our clients.
    pub(crate) fn outward(out: ConnectionHandle, binding: BindingId) -> Self {
        Self {
            out,
            binding,
            own: Own::One,
            from_owner: true,
            second: None,
            leg: None,
        }
    }
}

/// What routing came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decision {
    Forward(Route),
    Wait(Wait),
    /// The next hop is being connected, for a session of this URI of ours.
    Connect(ConnectToken, BindingId),
    /// Refused with this code.
    Refuse(StatusCode, Reason),
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Another relay's name.
    NotOurs,
    /// No valid URI of ours, or not the way it may be used.
    NoSession,
    Malformed,
    NoRoom,
    Policy,
    Unreachable,
    Poisoned,
}

impl Relay {
    /// The order of checks is that of RFC 4976 §6.2 to §6.4: the first URI is one that we made, and either the next hop
    /// is its owner, or the previous hop is.
    pub(crate) fn route(&mut self, from: ConnectionHandle, key: u32) -> Decision {
        let max_uris = self.max_uris();
        let now = self.now;
        let Some(incoming) = self.incoming.get(key as usize) else {
            return Decision::Refuse(StatusCode::BAD_REQUEST, Reason::Malformed);
        };
        if let Some(code) = incoming.unreachable {
            return Decision::Refuse(code, Reason::Unreachable);
        }
        let head = &incoming.head;
        let (Ok(to_path), Ok(from_path)) = (head.to_path(max_uris), head.from_path(max_uris)) else {
            return Decision::Refuse(StatusCode::BAD_REQUEST, Reason::Malformed);
        };
        if let Some(route) = self.known_route(from, &to_path, &from_path) {
            return Decision::Forward(route);
        }
        let Some(id) = self.bindings.find(now, to_path.first_raw()) else {
            return match to_path.first() {
                Ok(uri) if self.bindings.is_our_authority(&uri) => {
                    Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession)
                }
                Ok(_) => Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NotOurs),
                Err(_) => Decision::Refuse(StatusCode::BAD_REQUEST, Reason::Malformed),
            };
        };
        if let Some(leg) = self.bindings.leg_of(id) {
            return self.route_anchored(from, key, id, leg);
        }
        let (Some(binding), Some(rest)) = (self.bindings.get(id), to_path.after_first()) else {
            return Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession);
        };
        let owner = binding.owner;
        if !self.is_owner(owner, from) {
            // Towards the client: only ever by the connection that it authenticated on.
            let previous = from_path.first_raw();
            if binding.peer(previous) != Some(from)
                && self.may_learn(from, previous)
                && let Some(binding) = self.bindings.get_mut(id)
            {
                binding.learn(previous, from);
            }
            return self.forward_by(Route {
                from_owner: false,
                ..Route::outward(self.way_to(owner), id)
            });
        }
        let next_len = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        let next = rest.get(..next_len).unwrap_or_default();
        if let Some(second) = self.bindings.find(now, next) {
            // Both ends of the session use this relay. It stands in the path twice, with two tokens; the same token twice
            // leads nowhere (row 4976-G-01).
            return match self.bindings.get(second) {
                Some(binding)
                    if second != id
                        && next_len < rest.len()
                        && !matches!(binding.owner, Owner::Anchored(_)) =>
                {
                    self.forward_by(Route {
                        own: Own::Two,
                        second: Some(second),
                        ..Route::outward(self.way_to(binding.owner), id)
                    })
                }
                _ => Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession),
            };
        }
        let Ok(uri) = UriRef::parse(next) else {
            return Decision::Refuse(StatusCode::BAD_REQUEST, Reason::Malformed);
        };
        let is_auth = head.method() == Some(msrp_core::grammar::Method::Auth);
        if uri.port().is_none() && !is_auth {
            // RFC 4976 §8: only the To-Path of AUTH may leave the port out.
            return Decision::Refuse(StatusCode::BAD_REQUEST, Reason::Malformed);
        }
        if self.bindings.is_our_authority(&uri) {
            return Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession);
        }
        let hop = match incoming.next_hop.clone() {
            Some(hop) => hop,
            None => {
                let Some((connection, _)) = self.table.get(from) else {
                    return Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession);
                };
                let query = RouteQuery {
                    next: uri,
                    user: &binding.user,
                    from: connection.peer(),
                };
                match self.config.route_policy.next_hop(&query) {
                    Lookup::Ready(hop) => hop,
                    Lookup::Pending => {
                        let query = RelayQuery::NextHop {
                            next: uri.to_uri(),
                            user: binding.user.to_string(),
                        };
                        return Decision::Wait(self.look_up(from, PendingLookup::NextHop, query));
                    }
                }
            }
        };
        let target = match hop {
            NextHop::Direct => target_of(&uri),
            NextHop::Via(target) => target,
            NextHop::Refuse(code) => return Decision::Refuse(code, Reason::Policy),
        };
        if let Ok(Some(message)) = head.message_id()
            && let Some((_, data)) = self.table.get(from)
            && let Some(code) = data.poison(id, &message)
        {
            // Nobody is called for a message that has failed.
            return Decision::Refuse(code, Reason::Poisoned);
        }
        let next = next.to_vec();
        match self.hop_to(target, from) {
            HopState::Open(out) => {
                if let Some(binding) = self.bindings.get_mut(id) {
                    binding.learn(&next, out);
                }
                self.forward_by(Route::outward(out, id))
            }
            HopState::Connecting(token) => Decision::Connect(token, id),
            HopState::Full => Decision::Refuse(StatusCode::REQUEST_TIMEOUT, Reason::NoRoom),
        }
    }

    /// The way that a request with these paths goes, if everything about it is known and nothing is to be learned.
    pub(crate) fn known_route(
        &self,
        from: ConnectionHandle,
        to_path: &PathRef<'_>,
        from_path: &PathRef<'_>,
    ) -> Option<Route> {
        let now = self.now;
        let id = self.bindings.find(now, to_path.first_raw())?;
        let binding = self.bindings.get(id)?;
        let rest = to_path.after_first()?;
        let decision = if !self.is_owner(binding.owner, from) {
            if binding.peer(from_path.first_raw()) != Some(from) {
                return None;
            }
            self.forward_by(Route {
                from_owner: false,
                ..Route::outward(self.way_to(binding.owner), id)
            })
        } else {
            let next_len = memchr::memchr(b' ', rest).unwrap_or(rest.len());
            let next = rest.get(..next_len).unwrap_or_default();
            match binding.peer(next) {
                Some(out) => self.forward_by(Route::outward(out, id)),
                None => {
                    let second = self.bindings.find(now, next)?;
                    let binding = self.bindings.get(second)?;
                    if second == id || next_len >= rest.len() {
                        return None;
                    }
                    self.forward_by(Route {
                        own: Own::Two,
                        second: Some(second),
                        ..Route::outward(self.way_to(binding.owner), id)
                    })
                }
            }
        };
        match decision {
            Decision::Forward(route) => Some(route),
            _ => None,
        }
    }

    fn forward_by(&self, route: Route) -> Decision {
        match self.table.get(route.out) {
            Some((connection, _)) if !connection.is_closed() => Decision::Forward(route),
            _ => Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession),
        }
    }

    /// Whether what a peer says of itself in From-Path is taken as the way to it: it has shown that it knows the
    /// session's token, and must not draw what is meant for TLS to a connection without.
    fn may_learn(&self, from: ConnectionHandle, uri: &[u8]) -> bool {
        let secure = uri
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"msrps:"));
        !secure
            || self.config.allow_plain_auth
            || self.table.get(from).is_some_and(|(c, _)| c.peer().is_tls())
    }
}
