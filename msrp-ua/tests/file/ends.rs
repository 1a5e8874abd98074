//! Sources and sinks to try, and what a file is described by.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use msrp_ua::{
    cpim::{Address, CpimBuilder},
    file::{FileHasher, FileVerdict, HashAlgorithm, ReadAgain, VerifyingSink},
    message::{MessageSink, MessageSource, Pull, SinkError, SourceError},
    sdp::{FileHash, FileSelector},
};

/// A sink in memory.
#[derive(Clone, Default)]
pub(crate) struct Kept(pub(crate) Arc<Mutex<Inner>>);

#[derive(Default)]
pub(crate) struct Inner {
    octets: Vec<u8>,
    complete: Option<u64>,
    aborted: bool,
    pub(crate) read_again: usize,
    pub(crate) broken: bool,
}

impl Kept {
    pub(crate) fn octets(&self) -> Vec<u8> {
        self.0.lock().unwrap().octets.clone()
    }

    pub(crate) fn complete(&self) -> Option<u64> {
        self.0.lock().unwrap().complete
    }

    pub(crate) fn aborted(&self) -> bool {
        self.0.lock().unwrap().aborted
    }
}

impl MessageSink for Kept {
    fn write(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        let mut inner = self.0.lock().unwrap();
        if inner.broken {
            return Err(SinkError);
        }
        let start = offset as usize - 1;
        let end = start + data.len();
        if inner.octets.len() < end {
            inner.octets.resize(end, 0);
        }
        inner.octets[start..end].copy_from_slice(data);
        Ok(())
    }

    fn complete(&mut self, size: u64) -> Result<(), SinkError> {
        self.0.lock().unwrap().complete = Some(size);
        Ok(())
    }

    fn abort(&mut self) {
        self.0.lock().unwrap().aborted = true;
    }
}

impl ReadAgain for Kept {
    fn read_again(&mut self, offset: u64, most: usize) -> Result<Bytes, SinkError> {
        let mut inner = self.0.lock().unwrap();
        inner.read_again += 1;
        let start = offset as usize - 1;
        let end = (start + most).min(inner.octets.len());
        Ok(Bytes::copy_from_slice(&inner.octets[start..end]))
    }
}

/// A source that gives its octets in pieces, and after each waits once.
pub(crate) struct Pieces(Vec<Pull>);

impl Pieces {
    pub(crate) fn new(octets: &[u8], piece: usize) -> Self {
        let mut pulls = Vec::new();
        for chunk in octets.chunks(piece) {
            pulls.extend([Pull::Octets(Bytes::copy_from_slice(chunk)), Pull::Pending]);
        }
        pulls.reverse();
        Self(pulls)
    }
}

impl MessageSource for Pieces {
    fn size(&self) -> Option<u64> {
        None
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        match self.0.pop() {
            Some(Pull::Octets(mut octets)) if octets.len() > most => {
                self.0.push(Pull::Octets(octets.split_off(most)));
                Ok(Pull::Octets(octets))
            }
            other => Ok(other.unwrap_or(Pull::End)),
        }
    }
}

pub(crate) fn drain(source: &mut dyn MessageSource, most: usize) -> Result<Vec<u8>, SourceError> {
    let mut octets = Vec::new();
    loop {
        match source.pull(most)? {
            Pull::Octets(more) => {
                assert!(!more.is_empty() && more.len() <= most);
                octets.extend_from_slice(&more);
            }
            Pull::End => return Ok(octets),
            _ => {}
        }
    }
}

pub(crate) fn hashes_of(octets: &[u8]) -> Vec<FileHash> {
    let mut hasher = FileHasher::new([HashAlgorithm::Sha1, HashAlgorithm::Sha256]);
    hasher.update(octets);
    hasher.hashes()
}

pub(crate) fn selector(size: Option<u64>, hashes: Vec<FileHash>) -> FileSelector {
    let mut selector = FileSelector::default();
    selector.size = size;
    selector.hashes = hashes;
    selector
}

pub(crate) fn described(octets: &[u8]) -> FileSelector {
    selector(Some(octets.len() as u64), hashes_of(octets))
}

/// Gives the pieces to a sink, and says how it ended.
pub(crate) fn receive(
    mut sink: VerifyingSink,
    pieces: &[(u64, &[u8])],
    size: u64,
) -> (Result<(), SinkError>, FileVerdict) {
    let verdict = sink.verdict();
    let mut result = Ok(());
    for (offset, data) in pieces {
        result = result.and_then(|()| sink.write(*offset, &Bytes::copy_from_slice(data)));
    }
    result = result.and_then(|()| sink.complete(size));
    if result.is_err() {
        sink.abort();
    }
    (result, verdict.get().unwrap().clone())
}

pub(crate) fn address(uri: &str) -> Address {
    Address::new(uri).unwrap()
}

pub(crate) fn builder() -> CpimBuilder {
    CpimBuilder::new(address("sip:alice@example.com"), address("sip:bob@example.com"))
}

/// How often something stands in something.
pub(crate) fn memmem(octets: &[u8], what: &[u8]) -> usize {
    octets
        .windows(what.len())
        .filter(|window| *window == what)
        .count()
}
