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
    /// What TLS reads records into, before their content goes into a block.
    #[cfg(feature = "tls")]
    records: Vec<u8>,
}

/// With less room than this a new block is begun: short reads cost a system call each.
const MIN_ROOM: usize = 8 * 1024;

/// More than the content of a TLS record can have.
#[cfg(feature = "tls")]
pub(crate) const MAX_RECORD: usize = 17 * 1024;

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
            #[cfg(feature = "tls")]
            records: Vec::new(),
        }
    }

    /// Lends the memory that records are read into; to be [given back](Self::give_back). There is none before the first
    /// TLS connection, and one for all of them.
    #[cfg(feature = "tls")]
    pub(crate) fn lend_records(&mut self) -> Vec<u8> {
        let mut records = std::mem::take(&mut self.records);
        records.resize(self.size.saturating_sub(MAX_RECORD).max(2 * MIN_ROOM), 0);
        records
    }

    #[cfg(feature = "tls")]
    pub(crate) fn give_back(&mut self, records: Vec<u8>) {
        self.records = records;
    }

    /// Room for at least so many octets.
    #[cfg(feature = "tls")]
    pub(crate) fn room_for(&mut self, octets: usize) -> &mut [u8] {
        if self.block.len() < octets {
            self.block = BytesMut::zeroed(self.size.max(octets));
        }
        &mut self.block
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
