//! The block that sockets are read into.

use bytes::BytesMut;

/// A supply of octets to read into, shared by all connections of a driver.
///
/// One block is filled by one read after the other; each takes its part as a slice that shares the block's memory, so
/// that an idle connection holds none of it. A block's memory is initialised once, not for each read.
#[derive(Debug)]
pub struct Blocks {
    block: BytesMut,
    size: usize,
}

/// With less room than this a new block is begun: short reads cost a system call each.
const MIN_ROOM: usize = 8 * 1024;

impl Default for Blocks {
    fn default() -> Self {
        Self::new(64 * 1024)
    }
}

impl Blocks {
    /// Blocks of `size` octets, at least 16 KiB.
    pub fn new(size: usize) -> Self {
        Self {
            block: BytesMut::new(),
            size: size.max(2 * MIN_ROOM),
        }
    }

    /// Room for a read.
    pub fn room(&mut self) -> &mut [u8] {
        if self.block.len() < MIN_ROOM {
            self.block = BytesMut::zeroed(self.size);
        }
        &mut self.block
    }

    /// The first `octets` of the room, which have been filled.
    ///
    /// # Panics
    /// When that is more than there was room.
    pub fn take(&mut self, octets: usize) -> BytesMut {
        self.block.split_to(octets)
    }
}
