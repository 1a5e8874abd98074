//! Other relays that speak for clients behind them (RFC 4976 §6.3, §9.2).
//!
//! ```text
//!   client ──▶ inner relay ══ TLS, both with certificates ══▶ this relay
//!                                                              AUTH: is the first URI of From-Path one of a relay that
//!                                                              the certificate names, and the configuration?
//!                                                              yes: the URI that the client gets belongs to that *relay*
//! ```
//!
//! A URI of such a client is good over every connection to its relay, and outlives them; it ends when it expires. So a
//! relay is known by its name, and its connections and URIs are kept with it as long as there are any.

pub(crate) mod names;

use std::{collections::BTreeSet, time::Instant};

use hashbrown::HashMap;
use msrp_core::{
    grammar::{Host, Scheme, UriRef},
    node::{ConnectionHandle, ListenerId, Security},
};
use slab::Slab;
use smallvec::SmallVec;

use crate::{auth::nonce::NonceBook, bindings::BindingId, event::RelayEvent, relay::Relay};

/// Names a relay for as long as it has a connection or a URI here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerId(u32);

/// Ports in the URIs of one relay that are remembered for a connection: those of its listeners.
const MAX_PORTS: usize = 4;

/// Another relay.
#[derive(Debug)]
struct Peer {
    name: Box<str>,
    connections: SmallVec<[PeerConnection; 1]>,
    /// How many URIs belong to it.
    bindings: usize,
    /// Of the clients behind it.
    nonces: Option<Box<NonceBook>>,
}

/// A connection of a relay, which ever end opened it.
#[derive(Debug)]
struct PeerConnection {
    handle: ConnectionHandle,
    /// The ports by which the relay's URIs name it.
    ports: SmallVec<[u16; MAX_PORTS]>,
}

/// The relays that are known at the time: as many as have connections or URIs.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    slots: Slab<Peer>,
    by_name: HashMap<Box<str>, u32>,
    /// When their URIs end; those of clients are looked after with the client's connection.
    expiring: BTreeSet<(Instant, BindingId)>,
}

impl Peers {
    fn get(&self, id: PeerId) -> Option<&Peer> {
        self.slots.get(id.0 as usize)
    }

    /// The relay's name.
    pub(crate) fn name(&self, id: PeerId) -> Option<&str> {
        self.get(id).map(|peer| &*peer.name)
    }

    /// The latest of a relay's connections.
    pub(crate) fn connection_of(&self, id: PeerId) -> Option<ConnectionHandle> {
        self.get(id)?.connections.last().map(|known| known.handle)
    }

    /// How many URIs belong to a relay.
    pub(crate) fn bindings_of(&self, id: PeerId) -> usize {
        self.get(id).map_or(0, |peer| peer.bindings)
    }

    /// The nonces of the clients behind a relay.
    pub(crate) fn nonces(&mut self, id: PeerId) -> Option<&mut NonceBook> {
        let peer = self.slots.get_mut(id.0 as usize)?;
        Some(peer.nonces.get_or_insert_default())
    }

    /// A URI of a relay ends then.
    pub(crate) fn add_binding(&mut self, id: PeerId, binding: BindingId, expires: Instant) {
        if let Some(peer) = self.slots.get_mut(id.0 as usize) {
            peer.bindings += 1;
            self.expiring.insert((expires, binding));
        }
    }

    /// A URI of a relay has ended.
    pub(crate) fn remove_binding(&mut self, id: PeerId, binding: BindingId, expires: Instant) {
        if self.expiring.remove(&(expires, binding))
            && let Some(peer) = self.slots.get_mut(id.0 as usize)
        {
            peer.bindings -= 1;
            self.forget_unused(id);
        }
    }

    /// When the first URI of a relay ends.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.expiring.first().map(|(at, _)| *at)
    }

    /// A URI whose time is over.
    fn expired(&self, now: Instant) -> Option<BindingId> {
        self.expiring
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, binding)| *binding)
    }

    /// A connection is this relay's.
    fn add_connection(&mut self, name: &str, handle: ConnectionHandle, port: Option<u16>) -> PeerId {
        let index = match self.by_name.get(name) {
            Some(&index) => index,
            None => {
                let index = self.slots.insert(Peer {
                    name: name.into(),
                    connections: SmallVec::new(),
                    bindings: 0,
                    nonces: None,
                }) as u32;
                self.by_name.insert(name.into(), index);
                index
            }
        };
        if let Some(peer) = self.slots.get_mut(index as usize) {
            let at = peer.connections.iter().position(|known| known.handle == handle);
            let known = match at.and_then(|at| peer.connections.get_mut(at)) {
                Some(known) => known,
                None => {
                    peer.connections.push(PeerConnection {
                        handle,
                        ports: SmallVec::new(),
                    });
                    let last = peer.connections.len() - 1;
                    &mut peer.connections[last]
                }
            };
            if let Some(port) = port.filter(|port| !known.ports.contains(port)) {
                if known.ports.len() >= MAX_PORTS {
                    known.ports.remove(0);
                }
                known.ports.push(port);
            }
        }
        PeerId(index)
    }

    /// A connection is not this relay's any more.
    pub(crate) fn remove_connection(&mut self, id: PeerId, handle: ConnectionHandle) {
        if let Some(peer) = self.slots.get_mut(id.0 as usize) {
            peer.connections.retain(|known| known.handle != handle);
            self.forget_unused(id);
        }
    }

    fn forget_unused(&mut self, id: PeerId) {
        let unused = |peer: &Peer| peer.connections.is_empty() && peer.bindings == 0;
        if self.get(id).is_some_and(unused)
            && let Some(peer) = self.slots.try_remove(id.0 as usize)
        {
            self.by_name.remove(&peer.name);
        }
    }

    /// The connections to the relay whose URIs have this host and port, the latest first.
    pub(crate) fn ways_to(&self, host: &str, port: u16) -> impl Iterator<Item = ConnectionHandle> {
        self.by_name
            .get(host)
            .and_then(|&index| self.slots.get(index as usize))
            .map(|peer| peer.connections.as_slice())
            .unwrap_or_default()
            .iter()
            .rev()
            .filter(move |known| known.ports.contains(&port))
            .map(|known| known.handle)
    }
}

impl Relay {
    /// Whether the certificate on a connection proves this name.
    pub(crate) fn proves(&self, connection: ConnectionHandle, host: &str) -> bool {
        let Some((connection, _)) = self.table.get(connection) else {
            return false;
        };
        match &connection.peer().security {
            Security::Tls(tls) => names::covered(&tls.verified_names, host),
            _ => false,
        }
    }

    /// Sees whether a connection is that of the relay which this URI names: the certificate says so, and the
    /// configuration allows it (RFC 4976 §6.3). From then on it is one of that relay's connections.
    pub(crate) fn identify(&mut self, connection: ConnectionHandle, uri: &UriRef<'_>) -> Option<PeerId> {
        if uri.scheme() != Scheme::Msrps || !matches!(uri.host(), Host::Name(_)) {
            return None;
        }
        let port = uri.port()?;
        self.identify_as(connection, &uri.normalized_host(), Some(port))
    }

    /// As [`identify`](Self::identify); without a port where it is not known yet.
    pub(crate) fn identify_as(
        &mut self,
        connection: ConnectionHandle,
        host: &str,
        port: Option<u16>,
    ) -> Option<PeerId> {
        if !self.config.peer_relays.allows(host) || !self.proves(connection, host) {
            return None;
        }
        let id = self.peers.add_connection(host, connection, port);
        if let Some((_, data)) = self.table.get_mut(connection)
            && let Some(before) = data.peer.replace(id)
            && before != id
        {
            // Its certificate names both.
            self.peers.remove_connection(before, connection);
        }
        Some(id)
    }

    /// An open connection to the relay whose URIs have this host and port; by this interface, if one is named.
    pub(crate) fn open_peer(
        &self,
        host: &str,
        port: u16,
        interface: Option<ListenerId>,
    ) -> Option<ConnectionHandle> {
        let place = interface.map(|id| self.config.place_of(id));
        self.peers.ways_to(host, port).find(|&handle| {
            self.table.get(handle).is_some_and(|(connection, data)| {
                let leads = place.is_none_or(|place| data.on_its_network && place == Some(data.listener));
                leads && !connection.is_closed()
            })
        })
    }

    /// URIs of relays whose time is over die (RFC 4976 §6.3).
    pub(crate) fn expire_peers(&mut self) {
        while let Some(id) = self.peers.expired(self.now) {
            let Some(user) = self.bindings.get(id).map(|binding| binding.user.to_string()) else {
                // Cannot be; but what is not there must not hold this up.
                self.peers.expiring.retain(|(_, binding)| *binding != id);
                continue;
            };
            self.revoke(id);
            self.push_event(RelayEvent::BindingExpired {
                connection: None,
                session: id.into(),
                user,
            });
        }
    }
}
