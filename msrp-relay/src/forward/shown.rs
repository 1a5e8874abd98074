//! Topology hiding: which of the relay's names each side of a session sees.
//!
//! RFC 4976 §6.4 moves the relay's URI from To-Path to From-Path as it stands. A relay between two networks has a name in
//! each, and what stands in To-Path is the name that the *previous* hop knows. With
//! [`hide_topology`](crate::RelayConfig::hide_topology) the URI goes on under the name that the *next* hop knows: the same
//! token behind another of our names. It leads back all the same, since the token counts under each of our names
//! ([`Bindings::find`](crate::bindings::Bindings::find)).
//!
//! ```text
//!   alice ── To-Path: msrps://inside.example/tok bob ──▶ relay ── From-Path: msrp://outside.example/tok alice ──▶ bob
//!   alice ◀── From-Path: msrps://inside.example/tok bob ── relay ◀── To-Path: msrp://outside.example/tok alice ── bob
//! ```

use msrp_core::{
    codec::{Head, Own},
    grammar::PathRef,
    node::ConnectionHandle,
};

use crate::{forward::Route, relay::Relay};

/// How many URIs at the front of To-Path are ours.
fn count(own: Own) -> usize {
    match own {
        Own::None => 0,
        Own::One => 1,
        Own::Two => 2,
    }
}

/// To-Path without as many URIs at its front.
pub(crate) fn rest_of<'a>(to_path: &PathRef<'a>, own: Own) -> Option<&'a [u8]> {
    let mut rest = to_path.raw();
    for _ in 0..count(own) {
        let space = memchr::memchr(b' ', rest)?;
        rest = rest.get(space + 1..)?;
    }
    Some(rest)
}

impl Relay {
    /// [`shown_from_path`](Self::shown_from_path) for the request at hand, which takes this way.
    #[inline]
    pub(crate) fn shown_to(&self, key: u32, route: Route) -> Option<Vec<u8>> {
        if !self.config.hide_topology || route.leg.is_some() {
            return None;
        }
        let incoming = self.incoming.get(key as usize)?;
        self.shown_from_path(route.out, &incoming.head, route.own)
    }

    /// The From-Path that the next hop is to see, if topology hiding makes it another one than our URIs as they came and
    /// then what came.
    pub(crate) fn shown_from_path(&self, toward: ConnectionHandle, head: &Head, own: Own) -> Option<Vec<u8>> {
        if !self.config.hide_topology {
            return None;
        }
        let max_uris = self.max_uris();
        let (to_path, from_path) = (head.to_path(max_uris).ok()?, head.from_path(max_uris).ok()?);
        let ours: Vec<_> = to_path.iter_raw().take(count(own)).collect();
        let bindings: Vec<_> = ours
            .iter()
            .map(|uri| self.bindings.find(self.now, uri))
            .collect::<Option<_>>()?;
        // A client sees the name that its own URI has; who is none, the name of the listener by which it came, or by
        // whose network we called it.
        let of_its_own = bindings.iter().find_map(|&id| {
            let binding = self.bindings.get(id)?;
            self.is_owner(binding.owner, toward).then(|| binding.name())
        });
        let side = || {
            let (_, data) = self.table.get(toward)?;
            data.on_its_network.then(|| self.bindings.name_of(data.listener))
        };
        let name = of_its_own.or_else(side)?;
        let shown: Vec<_> = bindings
            .iter()
            .map(|&id| self.bindings.uri_named(id, name))
            .collect();
        if shown.iter().zip(&ours).all(|(shown, came)| shown[..] == **came) {
            return None;
        }
        let mut path = Vec::with_capacity(from_path.raw().len() + 64 * (shown.len() + 1));
        for uri in shown.iter().rev() {
            path.extend_from_slice(uri);
            path.push(b' ');
        }
        path.extend_from_slice(from_path.raw());
        Some(path)
    }
}
