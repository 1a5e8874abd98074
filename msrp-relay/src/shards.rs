//! Several relays that are one: each session URI names its shard, and what comes in at another one gets there.
//!
//! A *pipe* is a connection inside the process between two shards. It is opened on behalf of one connection, its *source*,
//! ends with it (when what was taken for it has left), and carries ordinary MSRP, so that transactions, REPORTs, back-pressure and timers need nothing new.
//!
//! ```text
//!  a new connection whose first request is for a URI of shard 1 moves there before anything of it has been looked at:
//!      peer ── shard 0 ─ ─ ▶ shard 1 ── bob
//!  alice's URI is of shard 0, bob's of shard 1; the session goes through a pipe that belongs to alice's connection:
//!      alice ══ shard 0 ══ pipe ══ shard 1 ══ bob                  To-Path: tA tB bob  ─▶  tB bob
//!  a connection that serves several sessions, such as that of another relay, has a pipe to each shard they belong to:
//!      peer ══ shard 0 ══ pipe ══ shard 1 ══ bob                   To-Path: tB bob     ─▶  tB bob
//! ```

use msrp_core::{
    codec::Framing,
    connection::CloseReason,
    grammar::StatusCode,
    node::{Action, ConnectionHandle},
    rng::{character_of, number_of},
};

use crate::{
    bindings::{BindingId, Owner},
    error::ConfigError,
    forward::{Decision, Reason, Route, Way, incoming::Connecting},
    hops::{HopKey, HopState},
    relay::Relay,
};

/// As many as one character of a token can tell apart.
const MAX_SHARDS: u16 = 32;

/// Where a request goes on that no URI of this shard leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// To the connection on whose behalf the pipe was opened that it came out of.
    Source(ConnectionHandle),
    /// To that shard.
    Shard(u16),
}

/// Octets of a new connection within which its first request has to say whom it is for, else it stays where it is.
const PEEK: usize = 4 * 1024;

/// Which of several shards a relay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u16,
    count: u16,
}

impl Default for Shard {
    fn default() -> Self {
        Self::new(0, 1)
    }
}

impl Shard {
    pub(crate) fn new(index: u16, count: u16) -> Self {
        Self { index, count }
    }

    pub(crate) fn check(self) -> Result<(), ConfigError> {
        if self.index < self.count && self.count <= MAX_SHARDS {
            return Ok(());
        }
        Err(ConfigError::Shard {
            index: self.index,
            count: self.count,
            max: MAX_SHARDS,
        })
    }

    pub(crate) fn is_only(self) -> bool {
        self.count == 1
    }

    pub(crate) fn count(self) -> usize {
        usize::from(self.count)
    }

    /// The others.
    fn others(self) -> impl Iterator<Item = u16> {
        (0..self.count).filter(move |&other| other != self.index)
    }

    /// Makes a token name this shard.
    pub(crate) fn sign(self, token: &mut [u8]) {
        if !self.is_only()
            && let Some(first) = token.first_mut()
        {
            *first = character_of(self.index as u8);
        }
    }

    /// Which other shard the first character of a token names.
    pub(crate) fn other(self, first: u8) -> Option<u16> {
        number_of(first)
            .map(u16::from)
            .filter(|&shard| shard < self.count && shard != self.index)
    }
}

/// What the first octets of a connection say of whom its first request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstUri<'a> {
    /// Not yet.
    Later,
    /// This is the first URI of its To-Path.
    Is(&'a [u8]),
    /// They are no request that says.
    Never,
}

/// Looks for the first URI of To-Path, which has to be the first header (RFC 4975 §7.1).
fn first_uri(octets: &[u8]) -> FirstUri<'_> {
    const NAME: &[u8] = b"to-path:";
    let Some(end) = memchr::memchr(b'\n', octets) else {
        return FirstUri::Later;
    };
    let rest = octets.get(end + 1..).unwrap_or_default();
    let Some((name, value)) = rest.split_at_checked(NAME.len()) else {
        return FirstUri::Later;
    };
    if !octets.starts_with(b"MSRP ") || !name.eq_ignore_ascii_case(NAME) {
        return FirstUri::Never;
    }
    let start = value
        .iter()
        .position(|&octet| octet != b' ')
        .unwrap_or(value.len());
    let value = value.get(start..).unwrap_or_default();
    match memchr::memchr2(b' ', b'\r', value).and_then(|end| value.get(..end)) {
        Some(uri) => FirstUri::Is(uri),
        None => FirstUri::Later,
    }
}

impl Relay {
    /// Whether a connection that has just come in may turn out to belong to another shard. With message framing the borders
    /// of messages would be lost on the way, so these stay, and use pipes.
    pub(crate) fn may_move(&self, framing: Framing) -> bool {
        !self.config.shard.is_only() && framing == Framing::Stream
    }

    /// Octets have come on a connection of which nothing has been looked at: gives it to the shard that its first request
    /// is for.
    pub(crate) fn find_home(&mut self, handle: ConnectionHandle) {
        let Some((connection, data)) = self.table.get_mut(handle) else {
            return;
        };
        let octets = connection.peek_received(PEEK);
        let shard = match first_uri(&octets) {
            FirstUri::Later => {
                data.fresh = octets.len() < PEEK;
                return;
            }
            FirstUri::Is(uri) => self.bindings.shard_of(uri),
            FirstUri::Never => None,
        };
        data.fresh = false;
        let Some(shard) = shard else { return };
        if let Some(connection) = self.forget(handle) {
            self.stats.handed_over += 1;
            self.actions.push_back(Action::HandOver {
                connection: handle,
                shard,
                peer: connection.peer().clone(),
                octets: connection.into_received(),
            });
        }
    }

    /// On which side of a pipe a request goes on whose first URI is none of this shard's: one that came out of a pipe goes
    /// to the connection on whose behalf that was opened, one for a URI of another shard goes there.
    pub(crate) fn side_of(&self, from: ConnectionHandle, uri: &[u8]) -> Option<(BindingId, Side)> {
        if self.config.shard.is_only() {
            return None;
        }
        let (connection, data) = self.table.get(from)?;
        let side = match connection.peer().shard {
            Some(_) => Side::Source(data.source()?),
            None => Side::Shard(self.bindings.shard_of(uri)?),
        };
        Some((self.bindings.elsewhere(uri), side))
    }

    /// The way of such a request, which passes as it is.
    pub(crate) fn route_between_shards(
        &mut self,
        from: ConnectionHandle,
        id: BindingId,
        side: Side,
    ) -> Decision {
        let way = Way::between_shards(id);
        let shard = match side {
            Side::Source(source) => return self.forward_by(way.by(source)),
            Side::Shard(shard) => shard,
        };
        match self.pipe_to(from, shard) {
            HopState::Open(out) => self.forward_by(way.by(out)),
            HopState::Connecting(token) => Decision::Connect(Connecting { token, way }),
            HopState::Full => Decision::Refuse(StatusCode::REQUEST_TIMEOUT, Reason::NoRoom),
        }
    }

    /// The way of such a request, if it is open.
    pub(crate) fn known_route_between_shards(&self, from: ConnectionHandle, uri: &[u8]) -> Option<Route> {
        let (id, side) = self.side_of(from, uri)?;
        let out = match side {
            Side::Source(source) => source,
            Side::Shard(shard) => self.hops.open_hop(&HopKey::Shard { source: from, shard })?,
        };
        match self.forward_by(Way::between_shards(id).by(out)) {
            Decision::Forward(route) => Some(route),
            _ => None,
        }
    }

    /// The pipe of a connection to a shard, or the connect that will make it.
    pub(crate) fn pipe_to(&mut self, source: ConnectionHandle, shard: u16) -> HopState {
        let Some((connection, _)) = self.table.get(source) else {
            return HopState::Full;
        };
        if let Some(pipe) = self.hops.open_hop(&HopKey::Shard { source, shard })
            && self.table.get(pipe).is_some_and(|(c, _)| !c.is_closed())
        {
            return HopState::Open(pipe);
        }
        let peer = connection
            .peer()
            .clone()
            .with_framing(Framing::Stream)
            .with_shard(self.config.shard.index);
        let key = HopKey::Shard { source, shard };
        self.await_hop_to(key, source, |token| Action::ConnectShard { token, shard, peer })
    }

    /// Whether another end of a pipe may be held.
    pub(crate) fn has_room_for_pipe(&self) -> bool {
        self.pipes < self.config.max_connections
    }

    /// Whether `from` is, for the session of a binding, the way to a URI of another shard: it leads to that shard, and there
    /// is no other way yet.
    pub(crate) fn is_first_way(&self, id: BindingId, from: ConnectionHandle, uri: &[u8], shard: u16) -> bool {
        let Some(binding) = self.bindings.get(id) else {
            return false;
        };
        let leads = |handle| self.table.get(handle).filter(|(c, _)| !c.is_closed());
        let has_own = match binding.owner {
            Owner::Client(source) => self.hops.is_known(&HopKey::Shard { source, shard }),
            Owner::Relay(_) | Owner::Anchored(_) => false,
        };
        leads(from).is_some_and(|(connection, _)| connection.peer().shard == Some(shard))
            && binding.peer(uri).and_then(leads).is_none()
            && !has_own
    }

    /// Whether a connection leads to another shard.
    pub(crate) fn is_pipe(&self, handle: ConnectionHandle) -> bool {
        self.table
            .get(handle)
            .is_some_and(|(connection, _)| connection.peer().shard.is_some())
    }

    /// The pipes of a connection end with it, as soon as what was taken for them has left.
    pub(crate) fn close_pipes(&mut self, source: ConnectionHandle) {
        for shard in self.config.shard.others() {
            if let Some(pipe) = self.hops.open_hop(&HopKey::Shard { source, shard }) {
                self.end_orphan(pipe);
            }
        }
    }

    /// Whether a connection is the opener's end of a pipe whose source has ended.
    fn is_orphan(&self, handle: ConnectionHandle) -> bool {
        let source = self.table.get(handle).and_then(|(_, data)| data.source());
        source.is_some_and(|source| self.table.get(source).is_none_or(|(c, _)| c.is_closed()))
    }

    /// Closes a pipe whose source has ended and that has nothing left to carry; whether it did.
    pub(crate) fn end_orphan(&mut self, handle: ConnectionHandle) -> bool {
        if self.pipes == 0 || !self.is_orphan(handle) {
            return false;
        }
        let now = self.now;
        let Some((connection, data)) = self.table.get_mut(handle) else {
            return false;
        };
        let lanes = data.rare.as_ref().map_or(&[][..], |rare| &rare.lanes_out);
        let waits = lanes
            .iter()
            .filter_map(|&lane| self.lanes.get(lane as usize))
            .any(|lane| lane.has_backlog());
        let ends = connection.buffered() == 0 && !waits && !connection.is_closed();
        if ends {
            connection.close(now, CloseReason::Idle);
            self.enqueue(handle);
        }
        ends
    }

    /// A request succeeded, or failed, at another shard: that is what its connection is judged by.
    pub(crate) fn judge_source(&mut self, pipe: ConnectionHandle, success: bool) {
        if self.pipes == 0 {
            return;
        }
        let Some(source) = self.table.get(pipe).and_then(|(_, data)| data.source()) else {
            return;
        };
        if success {
            self.note_success(source);
        } else {
            self.note_failure(source);
        }
    }

    /// A request has been passed on. What goes over a URI of another shard is not known to be right before that says so.
    pub(crate) fn note_passed_on(&mut self, from: ConnectionHandle, binding: BindingId) {
        if !binding.is_elsewhere() {
            self.note_success(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_uri_is_found_as_soon_as_it_is_there() {
        let request = b"MSRP a1 SEND\r\nTo-Path: msrp://r:1/aaa;tcp msrp://b:2/b;tcp\r\nFrom-Path: x\r\n";
        let uri = &b"msrp://r:1/aaa;tcp"[..];
        let known = 23 + uri.len() + 1;
        for len in 0..request.len() {
            let found = first_uri(&request[..len]);
            if len < known {
                assert_eq!(found, FirstUri::Later, "{len}");
            } else {
                assert_eq!(found, FirstUri::Is(uri), "{len}");
            }
        }
        for other in [
            &b"GET / HTTP/1.1\r\nHost: example.com\r\n"[..],
            b"MSRP a1 SEND\r\nFrom-Path: msrp://r:1/aaa;tcp\r\n",
            b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
        ] {
            assert_eq!(first_uri(other), FirstUri::Never);
        }
        let bare = b"MSRP a1 SEND\r\nto-path:msrp://r:1/aaa;tcp\r\n";
        assert_eq!(first_uri(bare), FirstUri::Is(uri));
    }

    #[test]
    fn the_first_character_names_the_shard() {
        for count in [2, 5, 32] {
            for index in 0..count {
                let mut token = *b"zzzz";
                Shard::new(index, count).sign(&mut token);
                assert_eq!(&token[1..], b"zzz");
                for reader in 0..count {
                    let other = Shard::new(reader, count).other(token[0]);
                    assert_eq!(other, (reader != index).then_some(index));
                }
            }
        }
        assert_eq!(Shard::new(0, 2).other(b'!'), None);
        assert!(Shard::new(0, 33).check().is_err());
        assert!(Shard::new(2, 2).check().is_err());
        assert!(Shard::new(0, 0).check().is_err());
        let mut token = *b"zzzz";
        Shard::default().sign(&mut token);
        assert_eq!(&token, b"zzzz");
    }
}
