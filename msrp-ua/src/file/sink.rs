//! A sink that takes a file only if it is the one that was described.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use super::{FileHasher, HashAlgorithm};
use crate::{
    intervals::IntervalSet,
    message::{MessageSink, SinkError},
    sdp::{FileHash, FileRange, FileSelector},
};

/// Octets that may wait in memory for others in front of them where they cannot be read again.
const MAX_EARLY: usize = 1024 * 1024;

/// Octets read again at a time.
const READ_AGAIN: usize = 64 * 1024;

/// A sink from which what has been written can be read, as from a file.
pub trait ReadAgain: MessageSink {
    /// Octets that have been written at `offset` (counted from 1 as in [`MessageSink::write`]) and after: one at the least,
    /// `most` at the most.
    ///
    /// # Errors
    /// [`SinkError`].
    fn read_again(&mut self, offset: u64, most: usize) -> Result<Bytes, SinkError>;
}

/// How the receiving of a file ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FileVerdict {
    /// It is all here, and is what was described.
    Verified {
        /// Its octets.
        size: u64,
        /// Its hashes, by the functions that were asked for.
        hashes: Vec<FileHash>,
    },
    /// It has another size than was said, or more octets came than it should have.
    Size {
        /// What was said.
        described: u64,
        /// What came, up to where it was noticed.
        received: u64,
    },
    /// It has another hash than was said.
    Hash(HashAlgorithm),
    /// Too much came before what should have been in front of it.
    OutOfOrder,
    /// It could not be kept.
    Sink,
    /// It did not come to its end.
    Broken(Box<Partial>),
}

/// What there is of a file whose transfer broke off.
#[derive(Clone, Debug)]
pub struct Partial {
    hasher: FileHasher,
}

impl Partial {
    /// The octets at the front of a file that are there, which have been given to `hasher`. This is also how a file that
    /// was received in part before the program was started is resumed: hash what there is of it.
    pub fn new(hasher: FileHasher) -> Self {
        Self { hasher }
    }

    /// How many octets from the front there are. What came after a gap is not counted; the gap may be gone.
    pub fn octets(&self) -> u64 {
        self.hasher.octets()
    }

    /// What to ask for: the file-range from the first octet that is missing to the end. The transfer that it is asked for
    /// by has a file-transfer-id of its own, and the same selector (RFC 5547 §8.1).
    pub fn remainder(&self) -> FileRange {
        FileRange {
            start: self.octets().saturating_add(1),
            end: None,
        }
    }

    /// Whether nothing is missing of a file of this size.
    pub fn is_whole(&self, size: u64) -> bool {
        self.octets() == size
    }
}

/// How the receiving of a file ended, once it has. It is shared with the sink, which is out of reach by then.
#[derive(Clone, Debug, Default)]
pub struct Verdict(Arc<OnceLock<FileVerdict>>);

impl Verdict {
    /// None before the end.
    pub fn get(&self) -> Option<&FileVerdict> {
        self.0.get()
    }
}

/// Passes a file on to a sink while it is hashed, and at the end lets it pass only if its size and its hashes are what the
/// sender described; otherwise the message is refused with 413 and the sink is told that it is broken. Octets beyond the
/// described size are refused at once.
///
/// Hashing needs octets in order. Those that come early are passed on at once and hashed later: read again where the sink
/// is [`ReadAgain`], or kept in memory, up to 1 MiB of them.
///
/// It is for whole files, and for [remainders](Self::resume) that make them whole: what a description says of the whole
/// cannot be checked on a part out of the middle.
pub struct VerifyingSink {
    inner: Inner,
    /// Octets of the file before the message.
    before: u64,
    size: Option<u64>,
    hashes: Vec<FileHash>,
    hasher: FileHasher,
    verdict: Verdict,
}

enum Inner {
    /// With the octets that came early.
    Plain(Box<dyn MessageSink>, BTreeMap<u64, Bytes>, usize),
    /// With what has come.
    Again(Box<dyn ReadAgain>, IntervalSet),
}

impl VerifyingSink {
    /// Checks against the size and the hashes of a selector; hashes by functions that are not known say nothing. A selector
    /// without a hash is hashed by SHA-1 all the same.
    pub fn new(sink: impl MessageSink + 'static, described: &FileSelector) -> Self {
        Self::with(Inner::Plain(Box::new(sink), BTreeMap::new(), 0), described)
    }

    /// The same over a sink that can be read again.
    pub fn read_again(sink: impl ReadAgain + 'static, described: &FileSelector) -> Self {
        Self::with(Inner::Again(Box::new(sink), IntervalSet::new()), described)
    }

    fn with(inner: Inner, described: &FileSelector) -> Self {
        let mut hasher = FileHasher::like(&described.hashes);
        if hasher.hashes().is_empty() {
            hasher = FileHasher::new([HashAlgorithm::Sha1]);
        }
        Self {
            inner,
            before: 0,
            size: described.size,
            hashes: described.hashes.clone(),
            hasher,
            verdict: Verdict::default(),
        }
    }

    /// The message begins behind these octets, which are there already: the remainder of a transfer that broke off. The
    /// sink is given positions from 1, as in every message.
    pub fn resume(mut self, partial: Partial) -> Self {
        self.before = partial.octets();
        self.hasher = partial.hasher;
        self
    }

    /// Where the verdict will be found.
    pub fn verdict(&self) -> Verdict {
        self.verdict.clone()
    }

    fn end(&self, verdict: FileVerdict) -> SinkError {
        // The first thing that went wrong counts.
        let _ = self.verdict.0.set(verdict);
        SinkError
    }

    /// Position in the message of the next octet to be hashed.
    fn next(&self) -> u64 {
        self.hasher.octets().saturating_sub(self.before).saturating_add(1)
    }

    fn pass_on(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        match &mut self.inner {
            Inner::Plain(sink, ..) => sink.write(offset, data),
            Inner::Again(sink, _) => sink.write(offset, data),
        }
        .map_err(|_| self.end(FileVerdict::Sink))
    }

    /// Hashes what can be: `data`, if it is next, and what came early behind it.
    fn hash(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        let next = self.next();
        if offset == next {
            self.hasher.update(data);
        }
        let last = offset.saturating_add(data.len() as u64).saturating_sub(1);
        let too_early = match &mut self.inner {
            Inner::Plain(_, early, octets) if offset > next => {
                *octets += data.len();
                early.insert(offset, data.clone());
                *octets > MAX_EARLY
            }
            Inner::Plain(..) => false,
            Inner::Again(_, received) => {
                received.insert(offset, last);
                false
            }
        };
        if too_early {
            return Err(self.end(FileVerdict::OutOfOrder));
        }
        while let Some(octets) = self.next_early().map_err(|_| self.end(FileVerdict::Sink))? {
            self.hasher.update(&octets);
        }
        Ok(())
    }

    /// Octets that came early and are next to be hashed.
    fn next_early(&mut self) -> Result<Option<Bytes>, SinkError> {
        let next = self.next();
        match &mut self.inner {
            Inner::Plain(_, early, octets) => {
                let found = early.remove(&next);
                *octets -= found.as_ref().map_or(0, Bytes::len);
                Ok(found)
            }
            Inner::Again(sink, received) => {
                let Some((_, last)) = received
                    .iter()
                    .find(|&(first, last)| first <= next && next <= last)
                else {
                    return Ok(None);
                };
                let there = usize::try_from(last - next + 1).unwrap_or(usize::MAX);
                let octets = sink.read_again(next, there.min(READ_AGAIN))?;
                if octets.is_empty() || octets.len() > there {
                    return Err(SinkError);
                }
                Ok(Some(octets))
            }
        }
    }

    fn check(&mut self, size: u64) -> Result<(), SinkError> {
        let received = self.before.saturating_add(size);
        if let Some(described) = self.size.filter(|&described| described != received) {
            return Err(self.end(FileVerdict::Size { described, received }));
        }
        if self.hasher.octets() != received {
            return Err(self.end(FileVerdict::OutOfOrder));
        }
        if let Some(algorithm) = self.hasher.differs(&self.hashes) {
            return Err(self.end(FileVerdict::Hash(algorithm)));
        }
        Ok(())
    }
}

impl MessageSink for VerifyingSink {
    fn write(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        let end = offset.saturating_add(data.len() as u64).saturating_sub(1);
        let received = self.before.saturating_add(end);
        if let Some(described) = self.size.filter(|&described| received > described) {
            return Err(self.end(FileVerdict::Size { described, received }));
        }
        self.pass_on(offset, data)?;
        self.hash(offset, data)
    }

    fn complete(&mut self, size: u64) -> Result<(), SinkError> {
        self.check(size)?;
        match &mut self.inner {
            Inner::Plain(sink, ..) => sink.complete(size),
            Inner::Again(sink, _) => sink.complete(size),
        }
        .map_err(|_| self.end(FileVerdict::Sink))?;
        self.end(FileVerdict::Verified {
            size: self.hasher.octets(),
            hashes: self.hasher.hashes(),
        });
        Ok(())
    }

    fn abort(&mut self) {
        self.end(FileVerdict::Broken(Box::new(Partial::new(self.hasher.clone()))));
        match &mut self.inner {
            Inner::Plain(sink, ..) => sink.abort(),
            Inner::Again(sink, _) => sink.abort(),
        }
    }
}

impl std::fmt::Debug for VerifyingSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyingSink")
            .field("hashed", &self.hasher.octets())
            .finish_non_exhaustive()
    }
}
