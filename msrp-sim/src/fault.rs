//! What goes wrong in a world.

use std::time::Duration;

/// Something that happens to a connection, or to what would become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The transport breaks; both ends are told, and what is under way is lost.
    Reset,
    /// The node at this end of the connection seems to the other to have ended its stream, without having closed.
    HalfClose,
    /// Nothing moves, in either direction, for this long.
    Stall(Duration),
    /// The transport breaks when this many octets have been written, counted from the connection's beginning, in the
    /// direction from the node that opened it.
    DropAfter(u64),
    /// Segments and reads of this many octets from now on.
    SplitEvery(usize),
    /// Both ends read only this often from now on.
    SlowReader(Duration),
    /// Connects to this node are refused from now on.
    RefuseConnect,
    /// Connects to this node are accepted again.
    AcceptConnect,
}

/// A fault with its time and place.
#[derive(Clone, Debug)]
pub struct PlannedFault {
    /// When, from the start of the world.
    pub at: Duration,
    /// One node; for [`Fault::RefuseConnect`] the only one that matters.
    pub node: usize,
    /// Which of its connections, in the order in which they came to be, modulo their number.
    pub connection: usize,
    /// What happens.
    pub fault: Fault,
}
