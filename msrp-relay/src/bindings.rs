//! Use-Path URIs: minted for an owner, which is the only way to the client and the only one from it (RFC 4976 §6.3).

use std::{
    hash::BuildHasher,
    sync::Arc,
    time::{Duration, Instant},
};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use msrp_core::{grammar::UriRef, node::ConnectionHandle, rng::IdSource};
use slab::Slab;
use smallvec::SmallVec;

use crate::{
    event::RelayEvent, limits::Account, peers::PeerId, relay::Relay, session::Traffic, shards::Shard,
};

/// Bits of randomness in a token; RFC 4976 §6.3 asks for 64, RFC 4975 §14.1 for 80. Where there are several shards the first
/// character names one of them, which leaves 125.
const TOKEN_BITS: usize = 128;
/// Characters of a token, 5 bits each.
const TOKEN_LEN: usize = 26;
/// What stands behind the token.
const SUFFIX: &[u8] = b";tcp";
/// Next hops that are remembered for one URI; it belongs to one session, so one is the rule.
const MAX_PEERS: usize = 4;

/// Names a binding; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BindingId {
    index: u32,
    serial: u32,
}

impl BindingId {
    pub(crate) fn from_parts(index: u32, serial: u32) -> Self {
        Self { index, serial }
    }

    pub(crate) fn parts(self) -> (u32, u32) {
        (self.index, self.serial)
    }
}

/// Whose a URI is: what comes from there may go anywhere, and what comes from elsewhere may go only there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The client on this connection; its URIs die with it.
    Client(ConnectionHandle),
    /// A relay behind which the client is; its URIs are good over every connection to it, and outlive them.
    Relay(PeerId),
    /// A side of an anchored session, an entry of [`Anchors`](crate::anchor::table::Anchors).
    Anchored(u32),
}

impl Owner {
    pub(crate) fn is_anchored(self) -> bool {
        matches!(self, Self::Anchored(_))
    }
}

/// To whom a URI is given.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) owner: Owner,
    pub(crate) user: Arc<str>,
    /// What the user may take; none where nothing is limited.
    pub(crate) account: Option<Arc<Account>>,
}

/// One Use-Path URI.
#[derive(Debug)]
pub(crate) struct Binding {
    token: [u8; TOKEN_LEN],
    /// Which listener's name the URI was given out with.
    name: u16,
    serial: u32,
    pub(crate) owner: Owner,
    pub(crate) user: Arc<str>,
    pub(crate) expires: Instant,
    /// What its user may take; none where nothing is limited.
    pub(crate) account: Option<Arc<Account>>,
    /// For how many seconds it was given out.
    life: u32,
    /// From the client and to it; none before anything has passed.
    traffic: Option<Box<[Traffic; 2]>>,
    /// The connections behind which next hops of this session are.
    peers: SmallVec<[PeerRoute; 1]>,
}

/// Over which connection a URI that occurs in this session's paths is reached.
#[derive(Debug)]
struct PeerRoute {
    uri: Box<[u8]>,
    connection: ConnectionHandle,
}

impl BindingId {
    /// Stands for a URI of another shard; `number` tells it from others.
    pub(crate) fn elsewhere(number: u32) -> Self {
        Self {
            index: u32::MAX,
            serial: number,
        }
    }

    /// Whether it stands for a URI of another shard.
    pub(crate) fn is_elsewhere(self) -> bool {
        self.index == u32::MAX
    }
}

impl Binding {
    /// Which listener's name the URI was given out with.
    pub(crate) fn name(&self) -> u16 {
        self.name
    }

    /// The connection that leads to `uri`, if one is known.
    pub(crate) fn peer(&self, uri: &[u8]) -> Option<ConnectionHandle> {
        self.peers
            .iter()
            .find(|peer| *peer.uri == *uri)
            .map(|peer| peer.connection)
    }

    /// When it was given out.
    pub(crate) fn since(&self) -> Instant {
        let life = Duration::from_secs(u64::from(self.life));
        self.expires.checked_sub(life).unwrap_or(self.expires)
    }

    pub(crate) fn count(&mut self, from_client: bool, passed: Traffic) {
        let [from, to] = &mut **self.traffic.get_or_insert_default();
        *(if from_client { from } else { to }) += passed;
    }

    /// What has passed from the client, and to it.
    pub(crate) fn traffic(&self) -> [Traffic; 2] {
        self.traffic.as_deref().copied().unwrap_or_default()
    }

    pub(crate) fn peer_connections(&self) -> impl Iterator<Item = ConnectionHandle> {
        self.peers.iter().map(|peer| peer.connection)
    }

    /// The listener with whose name the URI was given out, as an index into the configuration's list.
    pub(crate) fn name_index(&self) -> usize {
        usize::from(self.name)
    }

    /// Remembers that `uri` is behind `connection`.
    pub(crate) fn learn(&mut self, uri: &[u8], connection: ConnectionHandle) {
        if let Some(known) = self.peers.iter_mut().find(|peer| *peer.uri == *uri) {
            known.connection = connection;
            return;
        }
        if self.peers.len() >= MAX_PEERS {
            self.peers.remove(0);
        }
        self.peers.push(PeerRoute {
            uri: uri.into(),
            connection,
        });
    }
}

/// All Use-Path URIs of the relay.
#[derive(Debug)]
pub(crate) struct Bindings {
    /// `msrps://host:port/` of each listener.
    prefixes: Vec<Box<[u8]>>,
    /// Which of them stands in the URIs of each listener's clients.
    names: Vec<u16>,
    slots: Slab<Binding>,
    by_token: HashTable<u32>,
    hasher: FixedState,
    serial: u32,
    shard: Shard,
}

impl Bindings {
    pub(crate) fn new(prefixes: Vec<Box<[u8]>>, names: Vec<u16>, shard: Shard, seed: u64) -> Self {
        Self {
            prefixes,
            names,
            shard,
            slots: Slab::new(),
            by_token: HashTable::new(),
            hasher: FixedState::with_seed(seed),
            serial: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The listener whose name stands in the URIs of this one's clients.
    pub(crate) fn name_of(&self, listener: u16) -> u16 {
        self.names.get(usize::from(listener)).copied().unwrap_or(listener)
    }

    /// Makes a URI, with the name that belongs to a listener.
    pub(crate) fn mint(
        &mut self,
        ids: &mut IdSource,
        listener: u16,
        holder: Holder,
        now: Instant,
        life: u32,
    ) -> BindingId {
        let Holder { owner, user, account } = holder;
        let name = self.name_of(listener);
        let mut token = [0; TOKEN_LEN];
        for (to, from) in token.iter_mut().zip(ids.session_id(TOKEN_BITS).bytes()) {
            *to = from;
        }
        self.shard.sign(&mut token);
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        let index = self.slots.insert(Binding {
            token,
            name,
            serial,
            owner,
            user,
            account,
            expires: now + Duration::from_secs(u64::from(life)),
            life,
            traffic: None,
            peers: SmallVec::new(),
        }) as u32;
        let Self {
            slots,
            hasher,
            by_token,
            ..
        } = self;
        by_token.insert_unique(hasher.hash_one(&token[..]), index, |&index| {
            let token = slots.get(index as usize).map(|binding| binding.token);
            hasher.hash_one(&token.unwrap_or_default()[..])
        });
        BindingId { index, serial }
    }

    pub(crate) fn get(&self, id: BindingId) -> Option<&Binding> {
        self.slots
            .get(id.index as usize)
            .filter(|binding| binding.serial == id.serial)
    }

    /// The side of an anchored session whose URI this is, if it is one's.
    pub(crate) fn leg_of(&self, id: BindingId) -> Option<u32> {
        match self.get(id)?.owner {
            Owner::Anchored(leg) => Some(leg),
            Owner::Client(_) | Owner::Relay(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, id: BindingId) -> Option<&mut Binding> {
        self.slots
            .get_mut(id.index as usize)
            .filter(|binding| binding.serial == id.serial)
    }

    /// The URI as it was given out.
    pub(crate) fn uri(&self, id: BindingId) -> Vec<u8> {
        self.get(id)
            .map(|binding| self.uri_named(id, binding.name))
            .unwrap_or_default()
    }

    /// The same URI under the name of another listener.
    pub(crate) fn uri_named(&self, id: BindingId, name: u16) -> Vec<u8> {
        let Some(binding) = self.get(id) else {
            return Vec::new();
        };
        [self.prefix(name), &binding.token, SUFFIX].concat()
    }

    fn prefix(&self, name: u16) -> &[u8] {
        self.prefixes
            .get(usize::from(name))
            .map(|prefix| &**prefix)
            .unwrap_or_default()
    }

    /// The binding whose URI this is, if it is a valid one of ours. The token tells which; the name before it may be any
    /// of ours, as a peer on another network may have been told another one.
    pub(crate) fn find(&self, now: Instant, uri: &[u8]) -> Option<BindingId> {
        let (prefix, token) = uri.split_at_checked(token_start(uri)?)?;
        let (token, suffix) = token.split_at_checked(TOKEN_LEN)?;
        let hash = self.hasher.hash_one(token);
        let index = *self.by_token.find(hash, |&index| {
            self.slots
                .get(index as usize)
                .is_some_and(|binding| binding.token == token)
        })?;
        let binding = self.slots.get(index as usize)?;
        if binding.expires <= now {
            return None;
        }
        let same = (prefix == self.prefix(binding.name) && suffix == SUFFIX) || self.is_ours(uri, binding);
        same.then_some(BindingId {
            index,
            serial: binding.serial,
        })
    }

    /// Whether a URI that is not written as we gave it out is, by RFC 4975 §6.1, the same under one of our names.
    fn is_ours(&self, uri: &[u8], binding: &Binding) -> bool {
        let Ok(theirs) = UriRef::parse(uri) else {
            return false;
        };
        self.prefixes.iter().any(|prefix| {
            let ours = [prefix, &binding.token[..], SUFFIX].concat();
            UriRef::parse(&ours).is_ok_and(|ours| theirs.same_as(&ours))
        })
    }

    /// Whether the URI has the scheme, host and port of one of our listeners, whatever its token.
    pub(crate) fn is_our_authority(&self, uri: &UriRef<'_>) -> bool {
        self.prefixes.iter().any(|prefix| {
            let ours = [&**prefix, b"x;tcp"].concat();
            UriRef::parse(&ours).is_ok_and(|ours| {
                ours.port() == uri.port() && ours.normalized_host() == uri.normalized_host()
            })
        })
    }

    /// Which other shard a URI belongs to, if it looks like one of ours.
    pub(crate) fn shard_of(&self, uri: &[u8]) -> Option<u16> {
        if self.shard.is_only() {
            return None;
        }
        let written_as_ours = token_start(uri)
            .and_then(|start| uri.split_at_checked(start))
            .filter(|(prefix, _)| self.prefixes.iter().any(|ours| **ours == **prefix))
            .and_then(|(_, token)| token.strip_suffix(SUFFIX));
        let token = match written_as_ours {
            Some(token) => token,
            None => {
                let uri = UriRef::parse(uri).ok().filter(|uri| self.is_our_authority(uri))?;
                uri.session_id()?.as_bytes()
            }
        };
        let first = token.first().filter(|_| token.len() == TOKEN_LEN)?;
        self.shard.other(*first)
    }

    /// A number for a URI of another shard.
    pub(crate) fn elsewhere(&self, uri: &[u8]) -> BindingId {
        BindingId::elsewhere(self.hasher.hash_one(uri) as u32)
    }

    pub(crate) fn remove(&mut self, id: BindingId) -> Option<Binding> {
        self.get(id)?;
        let binding = self.slots.try_remove(id.index as usize)?;
        let hash = self.hasher.hash_one(&binding.token[..]);
        if let Ok(entry) = self.by_token.find_entry(hash, |&index| index == id.index) {
            entry.remove();
        }
        Some(binding)
    }

    /// The bindings in the order of their slots, from behind this slot on.
    pub(crate) fn iter_after(&self, after: Option<u32>) -> impl Iterator<Item = (BindingId, &Binding)> {
        let start = after.map_or(0, |index| index as usize + 1);
        (start..self.slots.capacity()).filter_map(|index| {
            let binding = self.slots.get(index)?;
            let id = BindingId::from_parts(index as u32, binding.serial);
            Some((id, binding))
        })
    }

    /// The bindings of a user, in the order of their slots.
    pub(crate) fn of_user(&self, user: &str) -> Vec<BindingId> {
        self.slots
            .iter()
            .filter(|(_, binding)| &*binding.user == user && !binding.owner.is_anchored())
            .map(|(index, binding)| BindingId {
                index: index as u32,
                serial: binding.serial,
            })
            .collect()
    }
}

/// Where the token begins in a URI that may be one of ours.
fn token_start(uri: &[u8]) -> Option<usize> {
    let usual = uri.len().checked_sub(TOKEN_LEN + SUFFIX.len())?;
    if usual.checked_sub(1).and_then(|at| uri.get(at)) == Some(&b'/') {
        return Some(usual);
    }
    // Other parameters may follow, or another case of letters.
    memchr::memrchr(b'/', uri).map(|at| at + 1)
}

impl Relay {
    /// Whether what comes in on this connection comes from the owner of a URI.
    pub(crate) fn is_owner(&self, owner: Owner, from: ConnectionHandle) -> bool {
        match owner {
            Owner::Client(connection) => connection == from,
            Owner::Relay(relay) => self
                .table
                .get(from)
                .is_some_and(|(_, data)| data.peer == Some(relay)),
            Owner::Anchored(_) => true,
        }
    }

    /// Takes a URI out of the table.
    pub(crate) fn take_binding(&mut self, id: BindingId) -> Option<Binding> {
        let binding = self.bindings.remove(id)?;
        if let Some(account) = &binding.account {
            self.common.users().leave(account);
        }
        Some(binding)
    }

    /// Takes a URI back before its time.
    pub(crate) fn revoke(&mut self, id: BindingId) {
        let Some(binding) = self.take_binding(id) else {
            return;
        };
        match binding.owner {
            Owner::Anchored(_) => {}
            Owner::Client(connection) => {
                if let Some((_, data)) = self.table.get_mut(connection) {
                    data.bindings.retain(|other| *other != id);
                    self.touch(connection);
                }
            }
            Owner::Relay(relay) => self.peers.remove_binding(relay, id, binding.expires),
        }
    }

    /// URIs whose time is over die (RFC 4976 §6.3).
    pub(crate) fn expire_bindings(&mut self, handle: ConnectionHandle) {
        let now = self.now;
        let Some((_, data)) = self.table.get(handle) else {
            return;
        };
        let over: Vec<_> = data
            .bindings
            .iter()
            .copied()
            .filter(|&id| self.bindings.get(id).is_none_or(|binding| binding.expires <= now))
            .collect();
        for id in over {
            if let Some((_, data)) = self.table.get_mut(handle) {
                data.bindings.retain(|other| *other != id);
            }
            if let Some(binding) = self.take_binding(id) {
                self.push_event(RelayEvent::BindingExpired {
                    connection: Some(handle),
                    session: id.into(),
                    user: binding.user.to_string(),
                });
            }
        }
    }
}
