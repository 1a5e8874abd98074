//! The block that sockets are read into.

#[cfg(feature = "tls")]
use std::collections::VecDeque;

use bytes::BytesMut;

/// A supply of octets to read into, shared by all connections of a driver.
///
/// One block is filled by one read after the other; each takes its part as a slice that shares the block's memory, so
/// that an idle connection holds none of it. A block's memory is initialised once, not for each read.
#[derive(Debug)]
pub struct Blocks {
    block: BytesMut,
    size: usize,
    /// What TLS reads records into.
    #[cfg(feature = "tls")]
    records: Vec<u8>,
    /// The block that their content goes into; nothing of it is there between reads.
    #[cfg(feature = "tls")]
    text: BytesMut,
    /// The blocks before it, to be filled again once all that was taken of them is gone: what was just in use is in the
    /// processor's cache.
    #[cfg(feature = "tls")]
    used: VecDeque<BytesMut>,
}

/// With less room than this a new block is begun: short reads cost a system call each.
const MIN_ROOM: usize = 8 * 1024;

/// How many blocks of records are read at a time.
#[cfg(feature = "tls")]
const RECORDS: usize = 4;

/// Blocks that are kept to be filled again: as many as one read of records fills.
#[cfg(feature = "tls")]
const USED: usize = RECORDS + 1;

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
            #[cfg(feature = "tls")]
            text: BytesMut::new(),
            #[cfg(feature = "tls")]
            used: VecDeque::new(),
        }
    }

    /// Lends the memory that records are read into; to be [given back](Self::give_back). There is none before the first
    /// TLS connection, and one for all of them.
    #[cfg(feature = "tls")]
    pub(crate) fn lend_records(&mut self) -> Vec<u8> {
        let mut records = std::mem::take(&mut self.records);
        records.resize(RECORDS * self.size, 0);
        records
    }

    #[cfg(feature = "tls")]
    pub(crate) fn give_back(&mut self, records: Vec<u8>) {
        self.records = records;
        // A read that failed half-way has left something that is nobody's.
        self.text.clear();
    }

    /// Copies the content of a record behind what was appended before. What stands there already is given back where both
    /// together are more than a block.
    #[cfg(feature = "tls")]
    pub(crate) fn append(&mut self, content: &[u8]) -> Option<BytesMut> {
        let mut full = None;
        if self.text.capacity() - self.text.len() < content.len() {
            full = self.appended();
            self.next_text(content.len());
        }
        self.text.extend_from_slice(content);
        full
    }

    /// A block with room for so many octets at least: one that was used before, if there is one of which nothing is left.
    #[cfg(feature = "tls")]
    fn next_text(&mut self, octets: usize) {
        let size = self.size.max(octets);
        if self.text.try_reclaim(size) {
            return;
        }
        let free = self.used.iter_mut().position(|block| block.try_reclaim(size));
        let next = free.and_then(|at| self.used.remove(at));
        let last = std::mem::replace(
            &mut self.text,
            next.unwrap_or_else(|| BytesMut::with_capacity(size)),
        );
        self.used.push_back(last);
        if self.used.len() > USED {
            // It is in use for longer, and is given back by whoever uses it.
            self.used.pop_front();
        }
    }

    /// What was appended and not given back yet.
    #[cfg(feature = "tls")]
    pub(crate) fn appended(&mut self) -> Option<BytesMut> {
        (!self.text.is_empty()).then(|| self.text.split())
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
