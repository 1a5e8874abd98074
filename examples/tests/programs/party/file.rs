//! A file that is made up as it is sent, and a sink that only keeps its hash: neither side ever holds it whole.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use bytes::{Bytes, BytesMut};
use msrp_ua::message::{MessageSink, MessageSource, Pull, SinkError, SourceError};
use sha2::{Digest, Sha256};

/// How much of a file has passed, and the hash of what has.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    octets: Arc<AtomicU64>,
    hash: Arc<Mutex<Sha256>>,
}

impl Meter {
    /// Octets so far.
    pub(crate) fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    /// The hash of all of them, in hexadecimal digits.
    pub(crate) fn sha256(&self) -> String {
        let hash = match self.hash.lock() {
            Ok(hash) => hash.clone().finalize(),
            Err(_) => return "unknown".to_owned(),
        };
        hash.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    fn pass(&self, octets: &[u8]) {
        if let Ok(mut hash) = self.hash.lock() {
            hash.update(octets);
        }
        self.octets.fetch_add(octets.len() as u64, Ordering::Relaxed);
    }
}

/// A file of any size that nobody has to provide.
pub(crate) struct MadeUpFile {
    size: u64,
    next: u64,
    state: u64,
    meter: Meter,
}

impl MadeUpFile {
    /// A file of `size` octets.
    pub(crate) fn new(size: u64, meter: Meter) -> Self {
        Self {
            size,
            next: 0,
            state: 0x9e37_79b9_7f4a_7c15,
            meter,
        }
    }
}

impl MessageSource for MadeUpFile {
    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        let len = (self.size - self.next).min(most as u64).min(64 * 1024) as usize;
        if len == 0 {
            return Ok(Pull::End);
        }
        let mut octets = BytesMut::with_capacity(len + 8);
        while octets.len() < len {
            // An xorshift generator: octets that do not compress, and hold every value.
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            octets.extend_from_slice(&self.state.to_le_bytes());
        }
        octets.truncate(len);
        self.next += len as u64;
        self.meter.pass(&octets);
        Ok(Pull::Octets(octets.freeze()))
    }
}

/// Takes a file in order and keeps its hash.
pub(crate) struct Hasher {
    next: u64,
    meter: Meter,
}

impl Hasher {
    /// A sink that tells by the meter.
    pub(crate) fn new(meter: Meter) -> Self {
        Self { next: 1, meter }
    }
}

impl MessageSink for Hasher {
    fn write(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        // One relay that keeps order lies between the two; a sink for any path would write to the offset it is given.
        if offset != self.next {
            return Err(SinkError);
        }
        self.next += data.len() as u64;
        self.meter.pass(data);
        Ok(())
    }

    fn complete(&mut self, _size: u64) -> Result<(), SinkError> {
        Ok(())
    }

    fn abort(&mut self) {}
}
