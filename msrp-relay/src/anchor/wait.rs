//! Sides that are not there yet: who waits for them, for how long, and connecting to those that wait to be connected to
//! (RFC 6135, RFC 6714).

use std::time::Duration;

use msrp_core::{
    connection::OutgoingRequest,
    grammar::{FailureReport, Method, StatusCode, UriRef},
    node::{Action, ConnectFailure, ConnectToken, ConnectionHandle, PeerInfo, Target, Trust},
};

use super::{
    sdp::{Stream, first_of},
    table::Leg,
};
use crate::{
    bindings::BindingId,
    connection::Wait,
    event::RelayEvent,
    failure::{Context, Tag},
    forward::{Decision, Reason},
    hops::target_of,
    policy::Verdict,
    relay::Relay,
};

/// How long a side that could not be connected to is not tried again.
const REDIAL: Duration = Duration::from_secs(2);

/// Whether a side whose SDP says this can be connected to: not a client on WebSockets, nor one whose name is none
/// (RFC 7977 §5.2).
pub(super) fn is_reachable(stream: &Stream) -> bool {
    target(stream).is_some()
}

/// Where to connect to: with CEMA what `c=` and `m=` say, unless that is a URI of the path anyway (RFC 6714 §4.2); else what
/// the first URI of the path says (RFC 4975 §5.4).
fn target(stream: &Stream) -> Option<Target> {
    let first = first_of(&stream.path).ok()?;
    if !first.is_tcp() {
        return None;
    }
    let mut target = target_of(&first);
    if stream.cema
        && let Some(address) = &stream.address
    {
        let relayed = stream.path.contains(&b' ');
        if !(relayed && names_one_of(stream, address)) {
            let host = address.parse().map_or_else(
                |_| address.to_ascii_lowercase(),
                |ip: std::net::IpAddr| ip.to_string(),
            );
            target = Target::new(first.scheme(), host, Some(stream.port));
        }
    }
    if !stream.fingerprints.is_empty() {
        target = target.with_trust(Trust::Fingerprints(stream.fingerprints.clone()));
    }
    let known = !target.host.ends_with(".invalid") && target.port != Some(0);
    known.then_some(target)
}

/// Whether `c=` and `m=` are the address of one of the URIs (RFC 6714 §4.4, by text: nothing is resolved).
fn names_one_of(stream: &Stream, address: &str) -> bool {
    let address = address.parse().map_or_else(
        |_| address.to_ascii_lowercase(),
        |ip: std::net::IpAddr| ip.to_string(),
    );
    stream
        .path
        .split(|&octet| octet == b' ')
        .filter_map(|uri| UriRef::parse(uri).ok())
        .any(|uri| uri.port() == Some(stream.port) && uri.normalized_host() == address)
}

impl Leg {
    /// Whether a message for it may make us connect to it now.
    fn may_dial(&self, now: std::time::Instant) -> bool {
        self.dials
            && self
                .failed
                .is_none_or(|failed| now.saturating_duration_since(failed) >= REDIAL)
    }
}

impl Relay {
    /// What has to come before something can be sent to this leg; `None` if that is over.
    pub(super) fn await_leg(&mut self, index: u32, waiter: Option<ConnectionHandle>) -> Option<ConnectToken> {
        let now = self.now;
        let leg = self.anchors.legs.get(index as usize)?;
        if let Some((token, _)) = leg.arrival {
            self.hops.add_waiter(token, waiter);
            return Some(token);
        }
        if leg.dials {
            let may = leg.may_dial(now);
            return if may { self.dial(index, waiter) } else { None };
        }
        let until = leg.absent.checked_add(self.config.anchors.leg_wait)?;
        if until <= now {
            return None;
        }
        let token = self.hops.expect(waiter);
        self.set_arrival(index, token, Some(until));
        Some(token)
    }

    fn set_arrival(&mut self, index: u32, token: ConnectToken, until: Option<std::time::Instant>) {
        if let Some(leg) = self.anchors.legs.get_mut(index as usize) {
            leg.arrival = Some((token, until));
            let session = leg.anchor;
            if let Some(until) = until {
                self.anchors.arm(session, until);
            }
        }
    }

    /// Connects to a leg.
    pub(super) fn dial(&mut self, index: u32, waiter: Option<ConnectionHandle>) -> Option<ConnectToken> {
        let leg = self.anchors.legs.get(index as usize)?;
        let binding = leg.binding;
        let mut target = target(leg.sdp.as_ref()?)?;
        target.interface = self
            .config
            .listeners
            .get(usize::from(leg.listener))
            .map(|listener| listener.id);
        let allowed = matches!(self.config.policy.connect(&target), Verdict::Allow);
        if self.draining || !allowed || !self.hops.has_room(self.config.max_pending_connects) {
            self.fail_leg(index);
            return None;
        }
        let token = self.hops.dial(index, binding, waiter);
        self.actions.push_back(Action::Connect { token, target });
        self.set_arrival(index, token, None);
        Some(token)
    }

    /// The outcome of connecting to a leg.
    pub(crate) fn leg_dialled(
        &mut self,
        token: ConnectToken,
        index: u32,
        id: BindingId,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle> {
        let leg = self
            .anchors
            .leg(index, id)
            .filter(|leg| leg.arrival.is_some_and(|(waits, _)| waits == token))?;
        let listener = leg.listener;
        match outcome {
            Ok(peer) => {
                self.stats.connected += 1;
                let handle = self.insert_connection(peer, listener, true);
                // The first message binds the session to the connection at the peer (RFC 4975 §5.4); where none waits,
                // one without content does.
                if !self.hops.has_parked(token) {
                    self.send_binding(index, handle);
                }
                self.bind_leg(index, handle, None);
                Some(handle)
            }
            Err(error) => {
                tracing::debug!(%error, "side of an anchored session not reached");
                self.stats.connect_failures += 1;
                self.fail_leg(index);
                self.settle_wait(token, None);
                None
            }
        }
    }

    /// A leg could not be connected to, or refused its session.
    pub(super) fn fail_leg(&mut self, index: u32) {
        let now = self.now;
        let Some(leg) = self.anchors.legs.get_mut(index as usize) else {
            return;
        };
        leg.failed = Some(now);
        leg.arrival = None;
        let (session, side) = (leg.anchor, leg.side);
        if let Some(session) = self.anchors.sessions.get(session as usize) {
            let anchor = session.id;
            self.push_event(RelayEvent::AnchorLegFailed { anchor, side });
        }
    }

    /// Tells the peer which session the connection is for.
    fn send_binding(&mut self, index: u32, handle: ConnectionHandle) {
        let Some(leg) = self.anchors.legs.get(index as usize) else {
            return;
        };
        let message = self.ids.message_id();
        let tag = self.contexts.insert(Context::Bind {
            leg: index,
            binding: leg.binding,
        });
        let Some((connection, _)) = self.table.get_mut(handle) else {
            return;
        };
        let sent = connection.send_request(
            self.now,
            &OutgoingRequest {
                method: Method::Send,
                to_path: &leg.to_path,
                from_path: &leg.shown,
                headers: &[("Message-ID", message.as_bytes()), ("Byte-Range", b"1-0/0")],
                body: None,
                failure_report: FailureReport::Yes,
                tag: Some(tag.number()),
            },
        );
        match (sent, tag) {
            (Ok(_), _) => self.touch(handle),
            (Err(error), Tag::Context(context)) => {
                tracing::debug!(%error, "binding SEND not sent");
                self.contexts.remove(context);
            }
            (Err(_), Tag::Lane(_)) => {}
        }
    }

    /// The peer's answer to [`send_binding`](Self::send_binding).
    pub(crate) fn leg_answered(
        &mut self,
        index: u32,
        id: BindingId,
        handle: ConnectionHandle,
        code: StatusCode,
    ) {
        if code.is_success() || self.anchors.leg(index, id).is_none() {
            return;
        }
        tracing::debug!(%code, "side of an anchored session refused it");
        self.fail_leg(index);
        self.release(handle, id);
        if let Some(leg) = self.anchors.legs.get_mut(index as usize)
            && leg.connection == Some(handle)
        {
            leg.connection = None;
        }
    }

    /// A side has connected and sent something before its answer came: that is not looked at before
    /// (RFC 8122 §6.2).
    pub(super) fn await_answer(&mut self, index: u32, id: BindingId, from: ConnectionHandle) -> Decision {
        let until = self.now + self.config.anchors.leg_wait;
        let Some(leg) = self.anchors.leg(index, id) else {
            return Decision::Refuse(StatusCode::NO_SUCH_SESSION, Reason::NoSession);
        };
        let (session, waits) = (leg.anchor, leg.answer);
        let token = match waits {
            Some((token, _)) => {
                self.hops.add_waiter(token, Some(from));
                token
            }
            None => {
                let token = self.hops.expect(Some(from));
                if let Some(leg) = self.anchors.legs.get_mut(index as usize) {
                    leg.answer = Some((token, until));
                }
                self.anchors.arm(session, until);
                token
            }
        };
        Decision::Wait(Wait::Connect(token))
    }
}
