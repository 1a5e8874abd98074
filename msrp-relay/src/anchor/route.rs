//! Which way a request of an anchored session goes, and which connection belongs to which side.

use msrp_core::{
    grammar::{PathRef, StatusCode},
    node::{ConnectionHandle, Fingerprint, Security},
};

use super::{info::Side, sdp::session_of, table::Leg};
use crate::{
    bindings::BindingId,
    event::RelayEvent,
    forward::{Decision, Reason, Route, Way, incoming::Connecting},
    relay::Relay,
};

/// The longest path that a side may write of itself, in octets.
const MAX_SAID: usize = 4 * 1024;

impl Leg {
    /// Whether paths are what the SDP of both sides says, on the connection that is bound.
    fn is_usual(&self, from: ConnectionHandle, to_path: &PathRef<'_>, from_path: &PathRef<'_>) -> bool {
        self.connection == Some(from)
            && from_path.raw() == &*self.to_path
            && to_path.raw() == &*self.shown
            && self.sdp.is_some()
    }
}

impl Relay {
    /// A request to the URI of ours that this leg has: it comes from there and goes to the opposite one, and nowhere else.
    pub(crate) fn route_anchored(
        &mut self,
        from: ConnectionHandle,
        key: u32,
        id: BindingId,
        index: u32,
    ) -> Decision {
        let max_uris = self.max_uris();
        let refused = Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession);
        let Some(incoming) = self.incoming.get(key as usize) else {
            return refused;
        };
        let head = &incoming.head;
        let (Ok(to_path), Ok(from_path)) = (head.to_path(max_uris), head.from_path(max_uris)) else {
            return Decision::Refuse(StatusCode::BAD_REQUEST, Reason::Malformed);
        };
        let Some(leg) = self.anchors.leg(index, id) else {
            return refused;
        };
        let Some(sdp) = &leg.sdp else {
            return self.await_answer(index, id, from);
        };
        let other = leg.other;
        if !leg.is_usual(from, &to_path, &from_path) {
            // Hosts may have been rewritten on the way of SDP: what counts is who the sessions are.
            let opposite = self.anchors.legs.get(other as usize);
            let theirs = opposite
                .and_then(|leg| leg.sdp.as_ref())
                .map(|sdp| session_of(&sdp.path));
            let to = (to_path.len() > 1).then(|| session_of(to_path.raw()));
            if session_of(from_path.raw()) != session_of(&sdp.path) || to.is_some_and(|to| Some(to) != theirs)
            {
                return refused;
            }
            match leg.connection {
                Some(connection) if connection == from => {}
                Some(connection) if self.is_open(connection) => {
                    // Another relay may use several connections; a client has one.
                    if sdp.path.contains(&b' ') && self.may_bind(from, index) {
                        return self.pass_to(other, id, index, from, key);
                    }
                    return Decision::Refuse(StatusCode::WRONG_CONNECTION, Reason::NoSession);
                }
                _ => {
                    if !self.may_bind(from, index) {
                        return refused;
                    }
                    let said = from_path.raw().to_vec();
                    self.bind_leg(index, from, Some(said));
                }
            }
        }
        self.pass_to(other, id, index, from, key)
    }

    /// Where a request goes that comes from this leg as all before did, to a side that is there.
    pub(crate) fn known_leg_route(
        &self,
        from: ConnectionHandle,
        id: BindingId,
        index: u32,
        to_path: &PathRef<'_>,
        from_path: &PathRef<'_>,
    ) -> Option<Route> {
        let leg = self.anchors.leg(index, id)?;
        let out = self.anchors.legs.get(leg.other as usize)?.connection?;
        (leg.is_usual(from, to_path, from_path) && self.is_open(out)).then(|| {
            let way = Way {
                leg: Some(self.anchors.way_from(index)),
                ..Way::outward(id)
            };
            way.by(out)
        })
    }

    /// The way to a leg, or what has to be waited for.
    fn pass_to(&mut self, to: u32, id: BindingId, leg: u32, from: ConnectionHandle, key: u32) -> Decision {
        let way = Way {
            leg: Some(self.anchors.way_from(leg)),
            ..Way::outward(id)
        };
        let connection = self.anchors.legs.get(to as usize).and_then(|leg| leg.connection);
        if let Some(out) = connection
            && self.is_open(out)
        {
            return Decision::Forward(way.by(out));
        }
        let message = self
            .incoming
            .get(key as usize)
            .and_then(|incoming| incoming.head.message_id().ok().flatten());
        if let Some(message) = message
            && let Some((_, data)) = self.table.get(from)
            && let Some(code) = data.poison(id, &message)
        {
            return Decision::Refuse(code, Reason::Poisoned);
        }
        match self.await_leg(to, Some(from)) {
            Some(token) => Decision::Connect(Connecting { token, way }),
            None => Decision::Refuse(StatusCode::REQUEST_TIMEOUT, Reason::Unreachable),
        }
    }

    pub(super) fn is_open(&self, handle: ConnectionHandle) -> bool {
        self.table
            .get(handle)
            .is_some_and(|(connection, _)| !connection.is_closed())
    }

    /// Whether a connection that has shown a leg's token and session-id is one that it may have: by the listener of its
    /// URI, and with the certificate of its SDP if it presents one (RFC 8122 §6.2).
    fn may_bind(&self, from: ConnectionHandle, index: u32) -> bool {
        let (Some((connection, data)), Some(leg)) =
            (self.table.get(from), self.anchors.legs.get(index as usize))
        else {
            return false;
        };
        let peer = connection.peer();
        let way = match peer.listener {
            Some(_) => self.bindings.name_of(data.listener) == self.bindings.name_of(leg.listener),
            None => peer.is_tls() || !self.is_secure(leg.listener),
        };
        let expected = leg.sdp.as_ref().map_or(&[][..], |sdp| &sdp.fingerprints);
        let certificate = match &peer.security {
            Security::Tls(tls) => tls.certificate.as_ref(),
            _ => None,
        };
        let known = match certificate {
            Some(certificate) if !expected.is_empty() => Fingerprint::any_matches(expected, certificate),
            _ => true,
        };
        if !way || !known {
            tracing::debug!(way, known, "connection does not fit the anchored session");
        }
        way && known
    }

    /// From now on this connection is the leg's.
    pub(super) fn bind_leg(&mut self, index: u32, handle: ConnectionHandle, said: Option<Vec<u8>>) {
        let now = self.now;
        let Some(leg) = self.anchors.legs.get_mut(index as usize) else {
            return;
        };
        leg.connection = Some(handle);
        leg.failed = None;
        leg.stats.connections = leg.stats.connections.saturating_add(1);
        if let Some(said) = said
            && said.len() <= MAX_SAID
        {
            leg.to_path = said.into();
            leg.edition = leg.edition.wrapping_add(1);
        }
        let (binding, session, side) = (leg.binding, leg.anchor, leg.side);
        let arrival = leg.arrival.take();
        if let Some((_, data)) = self.table.get_mut(handle) {
            data.last_used = now;
            let legs = &mut data.rare().legs;
            if !legs.contains(&binding) {
                legs.push(binding);
            }
        }
        if let Some(session) = self.anchors.sessions.get(session as usize) {
            let anchor = session.id;
            self.push_event(RelayEvent::AnchorLegConnected {
                anchor,
                side,
                connection: handle,
            });
        }
        if let Some((token, _)) = arrival {
            self.settle_wait(token, Some(handle));
        }
    }

    /// A connection has ended that served these legs.
    pub(crate) fn lose_legs(&mut self, handle: ConnectionHandle, legs: impl IntoIterator<Item = BindingId>) {
        for id in legs {
            if let Some(leg) = self.bindings.leg_of(id) {
                self.lose_leg(leg, id, handle);
            }
        }
    }

    /// The connection of a leg has ended. The leg stays, and may come again.
    fn lose_leg(&mut self, index: u32, id: BindingId, handle: ConnectionHandle) {
        let now = self.now;
        let Some(leg) = self
            .anchors
            .legs
            .get_mut(index as usize)
            .filter(|leg| leg.binding == id && leg.connection == Some(handle))
        else {
            return;
        };
        leg.connection = None;
        leg.absent = now;
        let (session, side): (u32, Side) = (leg.anchor, leg.side);
        if let Some(session) = self.anchors.sessions.get(session as usize) {
            let anchor = session.id;
            self.push_event(RelayEvent::AnchorLegLost { anchor, side });
        }
    }
}
