//! What passed over the connections of a world: the octets, in what order they were written, and when.

use std::time::Instant;

use msrp_core::codec::Framing;

/// A point in a run: a number that grows with every write in the world, and the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Grows with every write, read and fault of the world.
    pub sequence: u64,
    /// The virtual time.
    pub at: Instant,
}

/// One direction of a connection.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The connection's number.
    pub connection: usize,
    /// The node that wrote.
    pub from: usize,
    /// The node that read.
    pub to: usize,
    /// All that was written.
    pub octets: Vec<u8>,
    /// Up to which octet each write went, and when it was.
    pub writes: Vec<(u64, Stamp)>,
    /// Up to which octet each read went, and when it was.
    pub reads: Vec<(u64, Stamp)>,
}

impl Stream {
    /// When the octet before this offset was written.
    pub fn written_at(&self, offset: u64) -> Stamp {
        let at = self.writes.partition_point(|(end, _)| *end < offset);
        self.writes[at.min(self.writes.len() - 1)].1
    }

    /// When the octet before this offset was read; none when it was not.
    pub fn read_at(&self, offset: u64) -> Option<Stamp> {
        let at = self.reads.partition_point(|(end, _)| *end < offset);
        self.reads.get(at).map(|(_, stamp)| *stamp)
    }
}

/// A connection.
#[derive(Clone, Debug)]
pub struct Wire {
    /// The node that opened it, and the one that accepted it.
    pub nodes: [usize; 2],
    /// Stream framing, or one chunk in each message.
    pub framing: Framing,
    /// Whether it counts as protected.
    pub tls: bool,
    /// From the opener to the other, and back.
    pub streams: [Stream; 2],
    /// When it was there.
    pub opened: Stamp,
    /// When a node, or a fault, began to end it.
    pub ended: Option<Stamp>,
    /// When it broke, if it did.
    pub reset: Option<Stamp>,
}

/// All connections of a run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// In the order in which they came to be.
    pub wires: Vec<Wire>,
}

impl Trace {
    /// Both directions of all connections.
    pub fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.wires.iter().flat_map(|wire| &wire.streams)
    }
}
