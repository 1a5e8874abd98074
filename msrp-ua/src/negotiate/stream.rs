//! What both sides have agreed on for one stream.

use msrp_core::{grammar::Path, node::Trust};

use super::LocalStream;
use crate::{
    names::RegistrationId,
    sdp::{Direction, MessageSection, Protocol},
    session::{Role, SessionParams},
};

/// What an exchange of offer and answer does to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamChange {
    /// It begins.
    New,
    /// Nothing: its MSRP session goes on untouched.
    Unchanged,
    /// Its MSRP session goes on; direction, media types, sizes or what is said of its file have changed.
    Updated,
    /// Its MSRP session ends and another begins: a path, a certificate or, with a middlebox, an address has changed.
    Replaced,
    /// It ends.
    Removed,
}

/// A stream of an offer of the peer, to be decided on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OfferedStream {
    /// Which `m=` line, from 0.
    pub index: usize,
    /// What accepting it would do; never [`Removed`](StreamChange::Removed).
    pub change: StreamChange,
    /// What the peer says of it.
    pub section: MessageSection,
    /// It is for a file whose file-transfer-id this dialog has seen: nothing is to be transferred, or asked of anybody, again
    /// (RFC 5547 §8.3).
    pub known_transfer: bool,
}

/// What becomes of an offered stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Decision {
    /// It is accepted.
    Accept(Box<LocalStream>),
    /// It goes on as before; one that is new is declined.
    Keep,
    /// It is declined.
    Decline,
}

/// A stream that both sides have agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegotiatedStream {
    /// Which `m=` line, from 0; it names the stream for as long as the dialog lasts.
    pub index: usize,
    /// What the exchange did to it.
    pub change: StreamChange,
    /// Who connects. In a session that goes on it only matters when its connection has to be made anew.
    pub role: Role,
    /// Which way messages go from our point of view: whether we may send, and whether the peer may.
    pub direction: Direction,
    /// What we said.
    pub local: LocalStream,
    /// What the peer said.
    pub remote: MessageSection,
    /// The peer's path.
    pub remote_path: Path,
    /// Where to connect instead of to the first URI of the path: the address of a middlebox (RFC 6714). What a certificate
    /// has to name is still the URI's host.
    pub connect: Option<(String, u16)>,
    /// The transport, as its offer had it.
    pub(super) protocol: Protocol,
    /// `c=` and `m=` are those of a middlebox.
    pub(super) cema: bool,
    /// A middlebox stands in the way: another exchange has to follow before it can be used.
    pub(super) unsettled: bool,
}

impl NegotiatedStream {
    /// What makes the peer's certificate trustworthy: its fingerprints, unless there are relays, which do not see SDP
    /// (RFC 6135 §4.3).
    pub fn trust(&self) -> Trust {
        if self.remote_path.len() > 1 || self.local.has_relay() {
            return Trust::Pki;
        }
        let proving: Vec<_> = self
            .remote
            .fingerprints
            .iter()
            .filter(|one| one.is_strong())
            .cloned()
            .collect();
        if proving.is_empty() {
            Trust::Pki
        } else {
            Trust::Fingerprints(proving)
        }
    }

    /// What [`UserAgent::open_session`](crate::UserAgent::open_session) needs; `relay` is the registration that our path
    /// came from.
    pub fn session_params(&self, relay: Option<RegistrationId>) -> SessionParams {
        let own = self.local.path.last().clone();
        let mut params = SessionParams::new(own, self.remote_path.clone(), self.role)
            .with_peer_limits(self.remote.accept_types.clone(), self.remote.max_size)
            .with_trust(self.trust());
        params.accepts = self.local.accept_types.clone();
        params
            .peer_accepts_wrapped
            .clone_from(&self.remote.accept_wrapped_types);
        if let Some(octets) = self.local.max_size {
            params.max_size = octets;
        }
        params.relay = relay;
        params.client_identity = !self.local.fingerprints.is_empty();
        params.connect = self.connect.clone();
        params
    }

    /// Our section that ends the stream.
    pub(super) fn to_ended(&self) -> MessageSection {
        let mut section = self.local.section();
        section.protocol = self.protocol;
        section.to_ended()
    }

    /// What the exchange did to the stream, compared with what it was.
    pub(super) fn change_from(&self, before: Option<&Self>) -> StreamChange {
        let Some(before) = before.filter(|before| !before.unsettled) else {
            return StreamChange::New;
        };
        let moved = (self.cema || before.cema)
            && (&self.remote.address, self.remote.port) != (&before.remote.address, before.remote.port);
        let replaced = self.remote_path != before.remote_path
            || self.local.path != before.local.path
            || self.remote.fingerprints != before.remote.fingerprints
            || moved;
        if replaced {
            StreamChange::Replaced
        } else if self.direction == before.direction
            && says_the_same(&self.remote, &before.remote)
            && self.local == before.local
        {
            StreamChange::Unchanged
        } else {
            StreamChange::Updated
        }
    }
}

/// Whether two sections differ only in who would connect, which a running session does not care about.
pub(super) fn says_the_same(a: &MessageSection, b: &MessageSection) -> bool {
    let mut a = a.clone();
    a.setup = b.setup;
    a.cema = b.cema;
    a.port = b.port;
    a.address.clone_from(&b.address);
    a == *b
}
