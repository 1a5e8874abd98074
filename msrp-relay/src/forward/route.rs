//! Which way a request goes (RFC 4976 §6.2 to §6.4).

use msrp_core::{
    codec::Own,
    grammar::{Method, PathRef, Scheme, StatusCode, UriRef},
    node::{ConnectionHandle, Target},
};

use crate::{
    anchor::table::LegRoute,
    bindings::{Binding, BindingId, Owner},
    connection::Wait,
    forward::incoming::{Connecting, Kind},
    hops::{HopState, target_of},
    lookups::{PendingLookup, RelayQuery},
    peers::PeerId,
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
    pub(crate) leg: Option<LegRoute>,
}

/// A [`Route`] whose connection is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) binding: BindingId,
    pub(crate) own: Own,
    pub(crate) from_owner: bool,
    pub(crate) second: Option<BindingId>,
    pub(crate) leg: Option<LegRoute>,
}

impl Way {
    /// From the owner of a URI of ours to a host that is none of our clients.
    pub(crate) fn outward(binding: BindingId) -> Self {
        Self {
            binding,
            own: Own::One,
            from_owner: true,
            second: None,
            leg: None,
        }
    }

    /// Of a request about which another shard, or a host behind it, is to decide; `binding` stands for its URI.
    pub(crate) fn between_shards(binding: BindingId) -> Self {
        Self {
            own: Own::None,
            from_owner: false,
            ..Self::outward(binding)
        }
    }

    pub(crate) fn by(self, out: ConnectionHandle) -> Route {
        Route {
            out,
            binding: self.binding,
            own: self.own,
            from_owner: self.from_owner,
            second: self.second,
            leg: self.leg,
        }
    }

    /// The last URI of ours in To-Path.
    fn last(self) -> BindingId {
        self.second.unwrap_or(self.binding)
    }
}

/// What routing came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decision {
    Forward(Route),
    Wait(Wait),
    /// The next hop is being connected.
    Connect(Connecting),
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

/// The first URI of a path, and what stands behind it.
fn first_of(path: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b' ', path).unwrap_or(path.len());
    (
        path.get(..end).unwrap_or_default(),
        path.get(end + 1..).unwrap_or_default(),
    )
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
            if let Some((id, side)) = self.side_of(from, to_path.first_raw()) {
                return self.route_between_shards(from, id, side);
            }
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
            let known = self.knows_way_back(binding, &from_path, from);
            if !known && self.meet(from, key, id) {
                return self.route(from, key);
            }
            let way = Way {
                from_owner: false,
                ..Way::outward(id)
            };
            return match owner {
                // Only ever by the connection that it authenticated on.
                Owner::Client(connection) => self.forward_by(way.by(connection)),
                Owner::Relay(relay) => self.route_to_relay(from, key, way, relay),
                // Has been seen to.
                Owner::Anchored(_) => Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession),
            };
        }
        let next_len = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        let next = rest.get(..next_len).unwrap_or_default();
        let is_auth = incoming.kind == Kind::Other && head.method() == Some(Method::Auth);
        if let Some(second) = self.bindings.find(now, next) {
            // Both ends of the session use this relay. It stands in the path twice, with two tokens; the same token twice
            // leads nowhere (row 4976-G-01).
            return match self.bindings.get(second) {
                Some(binding) if second != id && next_len < rest.len() => {
                    let way = Way {
                        own: Own::Two,
                        second: Some(second),
                        ..Way::outward(id)
                    };
                    match binding.owner {
                        Owner::Client(connection) => self.forward_by(way.by(connection)),
                        Owner::Relay(relay) => self.route_to_relay(from, key, way, relay),
                        Owner::Anchored(_) => {
                            Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession)
                        }
                    }
                }
                _ => Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession),
            };
        }
        if let Some(shard) = self.bindings.shard_of(next) {
            // The same with the other end at another shard.
            if next_len == rest.len() {
                return Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession);
            }
            let next = next.to_vec();
            let way = Way::outward(id);
            return match self.pipe_to(from, shard) {
                HopState::Open(out) => {
                    if let Some(binding) = self.bindings.get_mut(id) {
                        binding.learn(&next, out);
                    }
                    self.forward_by(way.by(out))
                }
                HopState::Connecting(token) => Decision::Connect(Connecting { token, way }),
                HopState::Full => Decision::Refuse(StatusCode::REQUEST_TIMEOUT, Reason::NoRoom),
            };
        }
        let Ok(uri) = UriRef::parse(next) else {
            return Decision::Refuse(StatusCode::BAD_REQUEST, Reason::Malformed);
        };
        if uri.port().is_none() && !is_auth {
            // RFC 4976 §8: only the To-Path of AUTH may leave the port out.
            return Decision::Refuse(StatusCode::BAD_REQUEST, Reason::Malformed);
        }
        if self.bindings.is_our_authority(&uri) || (uri.port().is_none() && self.names_this_relay(&uri)) {
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
                            from: connection.peer().clone(),
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
        if is_auth && target.scheme != Scheme::Msrps {
            // Between relays there is TLS, always (RFC 4976 §9.2).
            return Decision::Refuse(StatusCode::FORBIDDEN, Reason::Policy);
        }
        let next = next.to_vec();
        self.route_by_hop(from, key, Way::outward(id), target, &next)
    }

    /// Towards a client behind another relay: the next hop is that relay, or the request goes nowhere (RFC 4976 §9.4).
    fn route_to_relay(&mut self, from: ConnectionHandle, key: u32, way: Way, relay: PeerId) -> Decision {
        let nowhere = Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession);
        let max_uris = self.max_uris();
        let Some(incoming) = self.incoming.get(key as usize) else {
            return nowhere;
        };
        let Ok(to_path) = incoming.head.to_path(max_uris) else {
            return nowhere;
        };
        let ours = match way.own {
            Own::None => 0,
            Own::One => 1,
            Own::Two => 2,
        };
        let Some(next) = to_path.iter_raw().nth(ours) else {
            return nowhere;
        };
        let Ok(uri) = UriRef::parse(next) else {
            return Decision::Refuse(StatusCode::BAD_REQUEST, Reason::Malformed);
        };
        let is_the_relay = uri.scheme() == Scheme::Msrps
            && uri.port().is_some()
            && self.peers.name(relay) == Some(&*uri.normalized_host());
        if !is_the_relay {
            return nowhere;
        }
        let (target, next) = (target_of(&uri), next.to_vec());
        self.route_by_hop(from, key, way, target, &next)
    }

    /// By the connection to a target, which may have to be opened.
    fn route_by_hop(
        &mut self,
        from: ConnectionHandle,
        key: u32,
        way: Way,
        target: Target,
        next: &[u8],
    ) -> Decision {
        if let Some(incoming) = self.incoming.get(key as usize)
            && let Ok(Some(message)) = incoming.head.message_id()
            && let Some((_, data)) = self.table.get(from)
            && let Some(code) = data.poison(way.binding, &message)
        {
            // Nobody is called for a message that has failed.
            return Decision::Refuse(code, Reason::Poisoned);
        }
        match self.hop_to(target, from) {
            HopState::Open(out) => {
                if let Some(binding) = self.bindings.get_mut(way.last()) {
                    binding.learn(next, out);
                }
                self.forward_by(way.by(out))
            }
            HopState::Connecting(token) => Decision::Connect(Connecting { token, way }),
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
        let Some(id) = self.bindings.find(now, to_path.first_raw()) else {
            return self.known_route_between_shards(from, to_path.first_raw());
        };
        let binding = self.bindings.get(id)?;
        if let Owner::Anchored(leg) = binding.owner {
            return self.known_leg_route(from, id, leg, to_path, from_path);
        }
        let (next, rest) = first_of(to_path.after_first()?);
        let route = if !self.is_owner(binding.owner, from) {
            if !self.knows_way_back(binding, from_path, from) {
                return None;
            }
            let way = Way {
                from_owner: false,
                ..Way::outward(id)
            };
            self.known_way_to(binding, way, next)?
        } else if let Some(out) = binding.peer(next) {
            Way::outward(id).by(out)
        } else {
            let second = self.bindings.find(now, next)?;
            if second == id || rest.is_empty() {
                return None;
            }
            let way = Way {
                own: Own::Two,
                second: Some(second),
                ..Way::outward(id)
            };
            self.known_way_to(self.bindings.get(second)?, way, first_of(rest).0)?
        };
        let (connection, _) = self.table.get(route.out)?;
        (!connection.is_closed()).then_some(route)
    }

    /// The way to the owner of a URI, if it is known. `next` stands behind the URI in To-Path.
    fn known_way_to(&self, binding: &Binding, way: Way, next: &[u8]) -> Option<Route> {
        match binding.owner {
            Owner::Client(connection) => Some(way.by(connection)),
            Owner::Relay(_) => {
                let out = binding.peer(next)?;
                self.is_owner(binding.owner, out).then(|| way.by(out))
            }
            Owner::Anchored(_) => None,
        }
    }

    /// Whether nothing is to be learned from a request about the way back to where it came from: it came by that way, or
    /// it came from a relay to which we have opened a connection. A message under way must not change to another one, by
    /// which it might overtake itself. An endpoint binds its session to a connection, so that the latest is the right one.
    fn knows_way_back(&self, binding: &Binding, from_path: &PathRef<'_>, from: ConnectionHandle) -> bool {
        binding.peer(from_path.first_raw()).is_some_and(|way| {
            way == from
                || from_path.len() > 1
                    && self.table.get(way).is_some_and(|(connection, data)| {
                        let opened = data.rare.as_ref().is_some_and(|rare| !rare.hops.is_empty());
                        opened && !connection.is_closed()
                    })
        })
    }

    /// A request for the owner of a URI comes by a way that none came before. Tells whether it turns out to be the owner
    /// itself: a relay by another connection than so far. Else the way is noted, for what goes back.
    fn meet(&mut self, from: ConnectionHandle, key: u32, id: BindingId) -> bool {
        let max_uris = self.max_uris();
        let Some(Ok(from_path)) = self
            .incoming
            .get(key as usize)
            .map(|incoming| incoming.head.from_path(max_uris))
        else {
            return false;
        };
        let previous = from_path.first_raw().to_vec();
        let is_relay = from_path.len() > 1;
        if self.config.peer_relays.is_empty() {
            if self.may_learn(id, from, &previous)
                && !(is_relay && self.is_being_called(&previous))
                && let Some(binding) = self.bindings.get_mut(id)
            {
                binding.learn(&previous, from);
            }
            return false;
        }
        let Ok(uri) = UriRef::parse(&previous) else {
            return false;
        };
        self.identify(from, &uri);
        let owner = self.bindings.get(id).map(|binding| binding.owner);
        if owner.is_some_and(|owner| self.is_owner(owner, from)) {
            return true;
        }
        // Nobody passes for a relay that is known by name and has a certificate to show.
        let host = uri.normalized_host();
        let genuine = !self.config.peer_relays.names(&host) || self.proves(from, &host);
        if genuine
            && self.may_learn(id, from, &previous)
            && !(is_relay && self.is_being_called(&previous))
            && let Some(binding) = self.bindings.get_mut(id)
        {
            binding.learn(&previous, from);
        }
        false
    }

    pub(crate) fn forward_by(&self, route: Route) -> Decision {
        match self.table.get(route.out) {
            Some((connection, _)) if !connection.is_closed() => Decision::Forward(route),
            _ => Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession),
        }
    }

    /// Whether what a peer says of itself in From-Path is taken as the way to it: it has shown that it knows the
    /// session's token, and must not draw what is meant for TLS to a connection without.
    ///
    /// For a URI of another shard only a pipe to that speaks, and of two pipes that the ends of a session have opened at the
    /// same time the first is kept, so that messages do not change from one to the other.
    fn may_learn(&self, id: BindingId, from: ConnectionHandle, uri: &[u8]) -> bool {
        if let Some(shard) = self.bindings.shard_of(uri) {
            return self.is_first_way(id, from, uri, shard);
        }
        let secure = uri
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"msrps:"));
        !secure
            || self.config.allow_plain_auth
            || self.table.get(from).is_some_and(|(c, _)| c.peer().is_tls())
    }
}
