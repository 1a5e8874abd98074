//! How SDP names the relay, and what is made for that.

use std::{sync::Arc, time::Duration};

use msrp_core::grammar::{Host, UriRef};

use super::{
    config::AnchorOptions,
    info::{AnchorId, LegStats, Side},
    sdp::{Named, Setup},
    table::{Anchor, Leg, Line},
};
use crate::{
    bindings::{Holder, Owner},
    relay::Relay,
};

/// Times longer than this are as good as this.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

impl Relay {
    pub(super) fn insert_anchor(&mut self, options: &AnchorOptions) -> u32 {
        let now = self.now;
        let config = &self.config.anchors;
        let id = AnchorId(u64::from_le_bytes(self.ids.bytes()));
        let total = options.total.unwrap_or(config.total).min(LONGEST);
        let index = self.anchors.sessions.insert(Anchor {
            id,
            label: options.label.as_str().into(),
            streams: Vec::new(),
            since: now,
            exchanged: now,
            idle: options.idle.unwrap_or(config.idle).min(LONGEST),
            ends: now + total,
            offer: None,
            answered: None,
            armed: None,
            options: options.clone(),
        }) as u32;
        self.anchors.by_id.insert(id, index);
        index
    }

    pub(super) fn insert_line(&mut self, session: u32, number: usize, (offerer, answerer): (u16, u16)) {
        let Some(label) = self
            .anchors
            .sessions
            .get(session as usize)
            .map(|session| session.label.clone())
        else {
            return;
        };
        let one = self.insert_leg(session, Side::Offerer, offerer, label.clone());
        let other = self.insert_leg(session, Side::Answerer, answerer, label);
        for (leg, opposite) in [(one, other), (other, one)] {
            if let Some(leg) = self.anchors.legs.get_mut(leg as usize) {
                leg.other = opposite;
            }
        }
        if let Some(session) = self.anchors.sessions.get_mut(session as usize) {
            session.streams.push(Line {
                number,
                offerer: one,
                answerer: other,
            });
        }
    }

    fn insert_leg(&mut self, session: u32, side: Side, listener: u16, label: Arc<str>) -> u32 {
        let now = self.now;
        let max_octets = self
            .anchors
            .sessions
            .get(session as usize)
            .and_then(|session| session.options.max_octets)
            .unwrap_or(u64::MAX);
        let index = self.anchors.legs.vacant_key() as u32;
        let holder = Holder {
            owner: Owner::Anchored(index),
            user: label,
            account: None,
        };
        // It lives as long as the session.
        let life = LONGEST.as_secs() as u32;
        let binding = self.bindings.mint(&mut self.ids, listener, holder, now, life);
        self.anchors.legs.insert(Leg {
            binding,
            anchor: session,
            side,
            other: index,
            listener,
            sdp: None,
            dials: false,
            connection: None,
            arrival: None,
            answer: None,
            failed: None,
            absent: now,
            to_path: Box::default(),
            shown: Box::default(),
            edition: 0,
            max_octets,
            stats: LegStats::default(),
        }) as u32
    }

    /// The path that a leg is shown: the relay's URI for it, and behind that the other side's own.
    pub(super) fn path_for(&self, leg: u32, theirs: &[u8], hide: bool) -> Vec<u8> {
        let Some(leg) = self.anchors.legs.get(leg as usize) else {
            return Vec::new();
        };
        let mut path = self.bindings.uri(leg.binding);
        if !hide {
            path.push(b' ');
            path.extend_from_slice(theirs);
        }
        path
    }

    pub(super) fn named(&self, listener: u16, path: Vec<u8>, setup: Setup, cema: bool) -> Named {
        let fingerprints = if self.is_secure(listener) {
            let own = &self.config.anchors.fingerprints;
            own.iter().map(ToString::to_string).collect()
        } else {
            Vec::new()
        };
        Named {
            port: self.name_of(listener).map_or(0, |name| name.port),
            address: self.address_of(listener, &path),
            path,
            setup,
            cema,
            fingerprints,
        }
    }

    /// The value of `c=` for a listener.
    fn address_of(&self, listener: u16, path: &[u8]) -> String {
        let id = self.name_of(listener).map(|name| name.id);
        if let Some(address) = id.and_then(|id| self.config.anchors.addresses.get(&id)) {
            let family = if address.is_ipv4() { "IP4" } else { "IP6" };
            return format!("IN {family} {address}");
        }
        let own = path.split(|&octet| octet == b' ').next().unwrap_or_default();
        match UriRef::parse(own) {
            Ok(uri) => match uri.host() {
                Host::V6(address) => format!("IN IP6 {address}"),
                _ => format!("IN IP4 {}", uri.host_str()),
            },
            Err(_) => "IN IP4 0.0.0.0".to_owned(),
        }
    }
}
