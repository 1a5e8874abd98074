//! Sources of files that are to be sent: a part of one, and one that is held to what was said about it.

use bytes::Bytes;

use super::FileHasher;
use crate::{
    message::{MessageSource, Pull, SourceError},
    sdp::{FileHash, FileRange},
};

/// Some octets of a source: those of a file-range, which go as a message of their own (RFC 5547 §8.7).
///
/// What stands before them is pulled and dropped; a source that can begin anywhere is better opened there.
#[derive(Debug)]
pub struct Ranged<S> {
    source: S,
    skip: u64,
    left: Option<u64>,
    /// What both were at first.
    whole: (u64, Option<u64>),
}

impl<S: MessageSource> Ranged<S> {
    /// The octets `range` of a source, as far as it has them. `None` where it is known to end before the range begins, and
    /// for a range that is none.
    pub fn new(source: S, range: FileRange) -> Option<Self> {
        let skip = range.start.checked_sub(1)?;
        let wanted = match range.end {
            Some(end) => Some(end.checked_sub(skip).filter(|&octets| octets > 0)?),
            None => None,
        };
        let there = match source.size() {
            Some(size) => Some(size.checked_sub(skip).filter(|&octets| octets > 0)?),
            None => None,
        };
        let left = match (wanted, there) {
            (Some(wanted), Some(there)) => Some(wanted.min(there)),
            (one, other) => one.or(other),
        };
        Some(Self {
            source,
            skip,
            left,
            whole: (skip, left),
        })
    }
}

impl<S: MessageSource> MessageSource for Ranged<S> {
    fn size(&self) -> Option<u64> {
        self.source.size()?;
        self.left
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        while self.skip > 0 {
            match self.source.pull(at_most(most, self.skip))? {
                Pull::Octets(octets) => self.skip = self.skip.saturating_sub(octets.len() as u64),
                Pull::Pending => return Ok(Pull::Pending),
                // It is shorter than it was said to be.
                Pull::End => return Err(SourceError),
            }
        }
        let Some(left) = self.left else {
            return self.source.pull(most);
        };
        if left == 0 {
            return Ok(Pull::End);
        }
        let pulled = self.source.pull(at_most(most, left))?;
        if let Pull::Octets(octets) = &pulled {
            self.left = Some(left.saturating_sub(octets.len() as u64));
        }
        Ok(pulled)
    }

    fn rewind(&mut self) -> bool {
        (self.skip, self.left) = self.whole;
        self.source.rewind()
    }
}

fn at_most(most: usize, octets: u64) -> usize {
    usize::try_from(octets).map_or(most, |octets| most.min(octets))
}

/// A source that fails rather than to give a file that is not the one that was offered: one that has changed since its
/// size and hashes were taken (RFC 5547 §10).
///
/// It keeps back one slice until it knows whether it was the last one, so that the peer never has all of a file that is not
/// the right one: the message ends in `#`.
#[derive(Debug)]
pub struct CheckedSource<S> {
    source: S,
    size: u64,
    hashes: Vec<FileHash>,
    hasher: FileHasher,
    last: Option<Bytes>,
    ended: bool,
}

impl<S: MessageSource> CheckedSource<S> {
    /// A whole file of this size and these hashes.
    pub fn new(source: S, size: u64, hashes: Vec<FileHash>) -> Self {
        Self {
            source,
            size,
            hasher: FileHasher::like(&hashes),
            hashes,
            last: None,
            ended: false,
        }
    }
}

impl<S: MessageSource> MessageSource for CheckedSource<S> {
    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        while !self.ended {
            match self.source.pull(most)? {
                Pull::Octets(octets) => {
                    self.hasher.update(&octets);
                    if self.hasher.octets() > self.size {
                        return Err(SourceError);
                    }
                    if let Some(before) = self.last.replace(octets) {
                        return Ok(Pull::Octets(before));
                    }
                }
                Pull::Pending => return Ok(Pull::Pending),
                Pull::End => {
                    self.ended = true;
                    if self.hasher.octets() != self.size || self.hasher.differs(&self.hashes).is_some() {
                        self.last = None;
                        return Err(SourceError);
                    }
                }
            }
        }
        Ok(self.last.take().map_or(Pull::End, Pull::Octets))
    }

    fn rewind(&mut self) -> bool {
        self.hasher = FileHasher::like(&self.hashes);
        self.last = None;
        self.ended = false;
        self.source.rewind()
    }
}
