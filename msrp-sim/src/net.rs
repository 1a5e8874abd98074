//! The connections between the nodes of a world.

use std::{collections::BTreeMap, time::Instant};

use msrp_core::{
    codec::Framing,
    node::{ConnectionHandle, ListenerId},
};

use crate::link::{Link, Pipe};

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) node: usize,
    /// The node's name for it; none once the node has closed it or was told of its end.
    pub(crate) handle: Option<ConnectionHandle>,
    /// What the driver believes of the node's interest in reading.
    pub(crate) interest: bool,
    /// The transport is broken, and the node has not been told.
    pub(crate) reset: bool,
    /// A slow reader waits until then.
    pub(crate) reads_from: Instant,
    /// The end of that wait is on the world's list.
    pub(crate) wait_planned: bool,
    /// There is room again after a write that would have blocked.
    pub(crate) writable: bool,
}

/// A connection: what goes from the opener to the other, and what comes back.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) ends: [End; 2],
    /// `pipes[0]` is written by `ends[0]`.
    pub(crate) pipes: [Pipe; 2],
    pub(crate) link: Link,
    pub(crate) framing: Framing,
    pub(crate) drop_after: Option<u64>,
}

/// An address at which a node can be reached.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The node.
    pub node: usize,
    /// The node's number of this listener.
    pub id: ListenerId,
    /// Whether it takes `msrps`, and nothing else.
    pub tls: bool,
    /// How chunks are delimited there.
    pub framing: Framing,
}

/// All connections, and where nodes can be reached.
#[derive(Debug, Default)]
pub(crate) struct Net {
    pub(crate) connections: Vec<Conn>,
    pub(crate) names: BTreeMap<(String, u16), Listener>,
    /// Links between two nodes (the smaller number first) that are not the usual one.
    pub(crate) links: BTreeMap<(usize, usize), Link>,
    pub(crate) refusing: Vec<usize>,
}

impl Net {
    pub(crate) fn link(&self, a: usize, b: usize, usual: &Link) -> Link {
        self.links.get(&(a.min(b), a.max(b))).unwrap_or(usual).clone()
    }
}
