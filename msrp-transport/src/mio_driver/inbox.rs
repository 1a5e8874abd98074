//! What one shard's loop gives to another's.
//!
//! Each loop has one inbox. What a turn has for another shard is collected and put there at the end of the turn, under one
//! lock and with at most one wake-up; none if that loop is awake, since it looks into its inbox before it sleeps.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::BytesMut;
use mio::Waker;
use msrp_core::node::PeerInfo;

use crate::layer::Layer;

/// Names a pipe: which shard opened it, and the number that it gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PipeId {
    pub(super) opener: u16,
    pub(super) number: u64,
}

/// What is said of a pipe.
#[derive(Debug)]
pub(super) enum Word {
    /// It begins.
    Open(Box<PeerInfo>),
    /// Octets pass.
    Octets(BytesMut),
    /// As many of the octets that came have been taken: more may come.
    Room(usize),
    /// Nothing more comes: closed in order.
    End,
    /// It could not be opened, or its other end is gone.
    Broken,
}

/// A connection that moves to another shard.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) stream: mio::net::TcpStream,
    pub(super) layer: Layer,
    /// What the node of the other shard was told of it.
    pub(super) peer: PeerInfo,
    /// What was read from it.
    pub(super) octets: BytesMut,
}

/// One thing that goes to another shard.
#[derive(Debug)]
pub(super) enum Parcel {
    Word(PipeId, Word),
    Moved(Box<Moved>),
}

#[derive(Debug, Default)]
struct State {
    parcels: Vec<Parcel>,
    /// The loop is asleep, or about to sleep.
    asleep: bool,
    /// The loop has ended.
    closed: bool,
}

/// The inbox of one shard.
///
/// Bounded by what its senders may have under way: each pipe its window in each direction, and connections that move, of
/// which there are no more than a driver may hold.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    waker: Arc<Waker>,
}

impl Inbox {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self {
            state: Mutex::default(),
            waker,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in what a turn has collected. `false`: the loop has ended, and nothing was taken.
    pub(super) fn put(&self, parcels: &mut Vec<Parcel>) -> bool {
        let wake = {
            let mut state = self.lock();
            if state.closed {
                return false;
            }
            state.parcels.append(parcels);
            std::mem::take(&mut state.asleep)
        };
        if wake {
            // A waker that fails belongs to a loop that has ended.
            let _ended = self.waker.wake();
        }
        true
    }

    /// Takes out everything; `into` is empty.
    pub(super) fn take(&self, into: &mut Vec<Parcel>) {
        let mut state = self.lock();
        state.asleep = false;
        std::mem::swap(&mut state.parcels, into);
    }

    /// The loop is going to sleep, unless there is something: then `false`.
    pub(super) fn may_sleep(&self) -> bool {
        let mut state = self.lock();
        state.asleep = state.parcels.is_empty();
        state.asleep
    }

    /// The loop has ended: nothing is taken any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.parcels = Vec::new();
    }
}

/// The shards of a process, as one of them sees them.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) index: u16,
    /// Of all shards, this one's too.
    pub(super) inboxes: Arc<[Inbox]>,
    /// What this turn has for each of them.
    pub(super) outboxes: Vec<Vec<Parcel>>,
    /// What was taken out of our own.
    pub(super) taken: Vec<Parcel>,
    /// The key of each pipe that is open here.
    pub(super) keys: HashMap<PipeId, usize>,
    pub(super) next: u64,
}

impl Links {
    pub(super) fn new(index: u16, inboxes: Arc<[Inbox]>) -> Self {
        let outboxes = inboxes.iter().map(|_| Vec::new()).collect();
        Self {
            index,
            inboxes,
            outboxes,
            taken: Vec::new(),
            keys: HashMap::new(),
            next: 0,
        }
    }

    /// Whether there is such a shard, other than this one.
    pub(super) fn has(&self, shard: u16) -> bool {
        shard != self.index && usize::from(shard) < self.inboxes.len()
    }

    /// Sends something at the end of this turn.
    pub(super) fn send(&mut self, shard: u16, parcel: Parcel) {
        if let Some(outbox) = self.outboxes.get_mut(usize::from(shard)) {
            outbox.push(parcel);
        }
    }

    /// Our own inbox.
    pub(super) fn inbox(&self) -> Option<&Inbox> {
        self.inboxes.get(usize::from(self.index))
    }
}
