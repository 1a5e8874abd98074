//! The connections of a node.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Instant,
};

use slab::Slab;

use crate::{connection::Connection, node::ConnectionHandle};

/// The connections of a node, each with what the node keeps beside it; the queue of those that have something for the
/// driver; and their deadlines.
///
/// Deadlines are re-armed lazily: one that moves into the future stays where it is until it fires without need, so that
/// traffic costs nothing here.
#[derive(Debug)]
pub struct ConnectionTable<T> {
    slots: Slab<Slot<T>>,
    generation: u32,
    ready: VecDeque<ConnectionHandle>,
    deadlines: BTreeSet<(Instant, ConnectionHandle)>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    connection: Connection,
    data: T,
    ready: bool,
    armed: Option<Instant>,
}

impl<T> Default for ConnectionTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> ConnectionTable<T> {
    /// An empty table. How many connections it may hold is for the node to say.
    pub fn new() -> Self {
        Self {
            slots: Slab::new(),
            generation: 0,
            ready: VecDeque::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Adds a connection.
    pub fn insert(&mut self, connection: Connection, data: T) -> ConnectionHandle {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        if self.slots.len() == self.slots.capacity() {
            // To double as usual would leave half of them unused, and they are large.
            self.slots.reserve_exact((self.slots.len() / 8).max(8));
        }
        let index = self.slots.insert(Slot {
            generation,
            connection,
            data,
            ready: false,
            armed: None,
        });
        ConnectionHandle {
            index: index as u32,
            generation,
        }
    }

    fn slot(&self, handle: ConnectionHandle) -> Option<&Slot<T>> {
        self.slots
            .get(handle.index())
            .filter(|slot| slot.generation == handle.generation)
    }

    fn slot_mut(&mut self, handle: ConnectionHandle) -> Option<&mut Slot<T>> {
        self.slots
            .get_mut(handle.index())
            .filter(|slot| slot.generation == handle.generation)
    }

    /// Whether the connection is still there.
    pub fn contains(&self, handle: ConnectionHandle) -> bool {
        self.slot(handle).is_some()
    }

    /// A connection and its data.
    pub fn get(&self, handle: ConnectionHandle) -> Option<(&Connection, &T)> {
        self.slot(handle).map(|slot| (&slot.connection, &slot.data))
    }

    /// A connection and its data, to change.
    pub fn get_mut(&mut self, handle: ConnectionHandle) -> Option<(&mut Connection, &mut T)> {
        self.slot_mut(handle)
            .map(|slot| (&mut slot.connection, &mut slot.data))
    }

    /// Two different connections, to change.
    #[allow(clippy::type_complexity, reason = "two of what get_mut returns")]
    pub fn pair_mut(
        &mut self,
        one: ConnectionHandle,
        other: ConnectionHandle,
    ) -> Option<((&mut Connection, &mut T), (&mut Connection, &mut T))> {
        if one.index == other.index || !self.contains(one) || !self.contains(other) {
            return None;
        }
        let (a, b) = self.slots.get2_mut(one.index(), other.index())?;
        Some(((&mut a.connection, &mut a.data), (&mut b.connection, &mut b.data)))
    }

    /// Removes a connection.
    pub fn remove(&mut self, handle: ConnectionHandle) -> Option<(Connection, T)> {
        self.slot(handle)?;
        let slot = self.slots.try_remove(handle.index())?;
        if let Some(armed) = slot.armed {
            self.deadlines.remove(&(armed, handle));
        }
        Some((slot.connection, slot.data))
    }

    /// Puts a connection in the queue of those with output or a changed interest in reading; once only.
    pub fn mark_ready(&mut self, handle: ConnectionHandle) {
        if let Some(slot) = self.slot_mut(handle)
            && !slot.ready
        {
            slot.ready = true;
            self.ready.push_back(handle);
        }
    }

    /// The next of that queue.
    pub fn pop_ready(&mut self) -> Option<ConnectionHandle> {
        while let Some(handle) = self.ready.pop_front() {
            if let Some(slot) = self.slot_mut(handle) {
                slot.ready = false;
                return Some(handle);
            }
        }
        None
    }

    /// Arms the connection's deadline: the earlier of its own and `also`, which is the node's.
    pub fn rearm(&mut self, handle: ConnectionHandle, also: Option<Instant>) {
        let Some(slot) = self.slot_mut(handle) else { return };
        let deadline = match (slot.connection.poll_timeout(), also) {
            (Some(own), Some(also)) => own.min(also),
            (own, also) => match own.or(also) {
                Some(deadline) => deadline,
                None => return,
            },
        };
        let armed = slot.armed;
        if armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        slot.armed = Some(deadline);
        if let Some(armed) = armed {
            self.deadlines.remove(&(armed, handle));
        }
        self.deadlines.insert((deadline, handle));
    }

    /// Takes the next connection whose deadline has come; [`rearm`](Self::rearm) it afterwards.
    pub fn pop_expired(&mut self, now: Instant) -> Option<ConnectionHandle> {
        let &(at, handle) = self.deadlines.first()?;
        if at > now {
            return None;
        }
        self.deadlines.pop_first();
        if let Some(slot) = self.slot_mut(handle) {
            slot.armed = None;
        }
        Some(handle)
    }

    /// The earliest deadline.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// All connections, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionHandle, &Connection, &T)> {
        self.slots.iter().map(|(index, slot)| {
            let handle = ConnectionHandle {
                index: index as u32,
                generation: slot.generation,
            };
            (handle, &slot.connection, &slot.data)
        })
    }

    /// The handles of all connections, in the order of their slots.
    pub fn handles(&self) -> Vec<ConnectionHandle> {
        self.iter().map(|(handle, _, _)| handle).collect()
    }
}
