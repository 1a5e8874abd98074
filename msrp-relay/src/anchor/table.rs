//! The anchored sessions of a relay, and their sides.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use msrp_core::{
    codec::{Head, HeadEdit, ProtocolError},
    node::{ConnectToken, ConnectionHandle},
};
use slab::Slab;

use super::{
    config::AnchorOptions,
    info::{AnchorId, LegStats, Side},
    sdp::Stream,
};
use crate::{bindings::BindingId, forward::Route, forward::shown::rest_of, session::Traffic};

/// All anchored sessions.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    pub(super) sessions: Slab<Anchor>,
    pub(super) by_id: BTreeMap<AnchorId, u32>,
    pub(crate) legs: Slab<Leg>,
    deadlines: BTreeSet<(Instant, u32)>,
    /// Sessions that have carried as much as they may.
    pub(super) full: Vec<u32>,
}

/// An anchored session.
#[derive(Debug)]
pub(super) struct Anchor {
    pub(super) id: AnchorId,
    pub(super) label: Arc<str>,
    pub(super) options: AnchorOptions,
    pub(super) streams: Vec<Line>,
    pub(super) since: Instant,
    /// The latest offer or answer.
    pub(super) exchanged: Instant,
    pub(super) idle: Duration,
    pub(super) ends: Instant,
    /// An offer that has not been answered.
    pub(super) offer: Option<Offer>,
    /// The latest offer that has been answered: the answer may come again, or be another fork's.
    pub(super) answered: Option<Offer>,
    pub(super) armed: Option<Instant>,
}

/// What an offer said.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) from: Side,
    pub(super) streams: Vec<Stream>,
}

/// One `m=` line and its two sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) offerer: u32,
    pub(super) answerer: u32,
}

impl Line {
    pub(super) fn leg(&self, side: Side) -> u32 {
        match side {
            Side::Offerer => self.offerer,
            Side::Answerer => self.answerer,
        }
    }
}

/// One side of a stream. Its URI of the relay, with a token of its own, is known to it alone (and to whoever read its SDP),
/// so the token tells which way a request goes.
#[derive(Debug)]
pub(crate) struct Leg {
    /// The URI; a leg whose slot was reused has another.
    pub(crate) binding: BindingId,
    /// Its session.
    pub(super) anchor: u32,
    pub(super) side: Side,
    pub(super) other: u32,
    /// The listener that the URI names, as an index into the configuration's list.
    pub(super) listener: u16,
    /// What its SDP says, once offer and answer are there.
    pub(super) sdp: Option<Stream>,
    /// Whether we connect to it.
    pub(super) dials: bool,
    pub(super) connection: Option<ConnectionHandle>,
    /// What waits for its connection; with a time limit where the peer has to connect.
    pub(super) arrival: Option<(ConnectToken, Option<Instant>)>,
    /// What waits for its SDP.
    pub(super) answer: Option<(ConnectToken, Instant)>,
    /// When connecting to it failed.
    pub(super) failed: Option<Instant>,
    /// Since when it could be there and is not.
    pub(super) absent: Instant,
    /// To-Path of what goes to it: its path as it writes it itself, else as its SDP does.
    pub(super) to_path: Box<[u8]>,
    /// From-Path of what goes to it: what its SDP shows of the other side.
    pub(super) shown: Box<[u8]>,
    /// Changes with either path.
    pub(super) edition: u32,
    pub(super) max_octets: u64,
    pub(super) stats: LegStats,
}

impl Anchors {
    pub(super) fn session(&self, id: AnchorId) -> Option<(u32, &Anchor)> {
        let index = *self.by_id.get(&id)?;
        self.sessions.get(index as usize).map(|session| (index, session))
    }

    /// The leg with this URI.
    pub(crate) fn leg(&self, index: u32, binding: BindingId) -> Option<&Leg> {
        self.legs.get(index as usize).filter(|leg| leg.binding == binding)
    }

    /// The leg opposite of the one with this URI.
    pub(crate) fn opposite(&self, index: u32, binding: BindingId) -> Option<&Leg> {
        let leg = self.leg(index, binding)?;
        self.legs.get(leg.other as usize)
    }

    /// To-Path and From-Path for what goes to the leg with this URI.
    pub(crate) fn paths_to(&self, index: u32, binding: BindingId) -> Option<(&[u8], &[u8])> {
        self.leg(index, binding).map(|leg| (&*leg.to_path, &*leg.shown))
    }

    /// Something has passed that came from the leg with this URI.
    pub(crate) fn count(&mut self, index: u32, binding: BindingId, now: Instant, passed: Traffic) {
        let Some(leg) = self
            .legs
            .get_mut(index as usize)
            .filter(|leg| leg.binding == binding)
        else {
            return;
        };
        let stats = &mut leg.stats;
        stats.first.get_or_insert(now);
        stats.last = Some(now);
        stats.passed += passed;
        let (octets, max, anchor, other) = (stats.passed.octets, leg.max_octets, leg.anchor, leg.other);
        if max < u64::MAX {
            let both = octets
                + self
                    .legs
                    .get(other as usize)
                    .map_or(0, |leg| leg.stats.passed.octets);
            if both >= max && !self.full.contains(&anchor) {
                self.full.push(anchor);
            }
        }
    }

    /// The connection that leads to a leg.
    pub(crate) fn way_to(&self, index: u32) -> Option<ConnectionHandle> {
        self.legs.get(index as usize)?.connection
    }

    /// The way from a leg to its opposite.
    pub(crate) fn way_from(&self, index: u32) -> LegRoute {
        let opposite = self
            .legs
            .get(index as usize)
            .and_then(|leg| self.legs.get(leg.other as usize));
        LegRoute {
            index,
            edition: opposite.map_or(0, |leg| leg.edition),
        }
    }

    /// When a session was last used.
    pub(super) fn last_used(&self, session: &Anchor) -> Instant {
        session
            .streams
            .iter()
            .flat_map(|line| [line.offerer, line.answerer])
            .filter_map(|leg| self.legs.get(leg as usize)?.stats.last)
            .fold(session.exchanged, Instant::max)
    }

    /// Arms the deadline of a session; one that moves into the future stays where it is until it fires without need.
    pub(super) fn arm(&mut self, index: u32, deadline: Instant) {
        let Some(session) = self.sessions.get_mut(index as usize) else {
            return;
        };
        if session.armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        if let Some(armed) = session.armed.replace(deadline) {
            self.deadlines.remove(&(armed, index));
        }
        self.deadlines.insert((deadline, index));
    }

    pub(super) fn disarm(&mut self, index: u32) {
        if let Some(session) = self.sessions.get_mut(index as usize)
            && let Some(armed) = session.armed.take()
        {
            self.deadlines.remove(&(armed, index));
        }
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let &(at, index) = self.deadlines.first()?;
        if at > now {
            return None;
        }
        self.deadlines.pop_first();
        if let Some(session) = self.sessions.get_mut(index as usize) {
            session.armed = None;
        }
        Some(index)
    }

    pub(crate) fn is_within_limits(&self) -> bool {
        self.full.is_empty()
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(at, _)| at)
    }
}

/// The way of what comes from a leg: which leg it is, and how the paths of its opposite are at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LegRoute {
    pub(crate) index: u32,
    edition: u32,
}

/// How the head of a request changes that takes this way; `shown` is the From-Path that the next hop is to see, where
/// that is another one than usual.
pub(crate) fn edit<'a>(
    anchors: &'a Anchors,
    head: &'a Head,
    max_uris: usize,
    route: Route,
    shown: Option<&'a [u8]>,
) -> Result<HeadEdit<'a>, ProtocolError> {
    let Some(leg) = route.leg else {
        let Some(shown) = shown else {
            return HeadEdit::with_own(head, max_uris, route.own);
        };
        let rest = rest_of(&head.to_path(max_uris)?, route.own).ok_or(ProtocolError::PathOrder)?;
        return HeadEdit::readdressed(head, max_uris, rest, shown);
    };
    let to = anchors
        .opposite(leg.index, route.binding)
        .ok_or(ProtocolError::PathOrder)?;
    HeadEdit::readdressed(head, max_uris, &to.to_path, &to.shown)
}
