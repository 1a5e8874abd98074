//! Output in the order in which it leaves.

use std::{collections::VecDeque, time::Instant};

use bytes::{Buf, Bytes, BytesMut};

use super::super::{Connection, OutgoingId};
use crate::{
    codec::Framing,
    grammar::{ByteRange, ContinuationFlag},
};

/// Slices below this size are copied behind what is there: one entry of a vectored write then serves for more.
pub(super) const COPY_BELOW: usize = 4096;

/// Room for the heads and end-lines of some twenty chunks.
const BETWEEN_SLICES: usize = 8 * 1024;

/// Octets that will leave in this order, with notes on what is complete where.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    segments: VecDeque<Bytes>,
    tail: BytesMut,
    len: usize,
    /// Octets taken since the connection began.
    taken: u64,
    /// Octets put in since then.
    put: u64,
    marks: VecDeque<Mark>,
    /// The longest that the tail has been, or was asked to become, since it was last given back.
    longest: usize,
    /// The capacity of the next tail.
    high: usize,
    /// The node has lent the memory of the tail, and takes it back when all has left.
    lent: bool,
    /// The transport is a stream: nobody asks where a frame ends for whose sake nobody waits, so it gets no mark.
    stream: bool,
}

/// What is complete when an octet has left.
#[derive(Debug)]
pub(super) struct Mark {
    at: u64,
    pub(super) what: Complete,
}

/// What a [`Mark`] says.
#[derive(Debug)]
pub(in super::super) enum Complete {
    /// A chunk, request or response that nobody waits for.
    Frame,
    /// A request or a whole chunk: its transaction's time begins.
    Transaction(u32),
    /// A chunk of a lane. In a box, as it is long and rare, and every connection keeps room for a few marks.
    LaneChunk(Box<LaneChunk>),
}

/// A chunk of a lane, for [`Event::ChunkSent`](super::super::Event::ChunkSent).
#[derive(Debug)]
pub(in super::super) struct LaneChunk {
    pub(super) outgoing: OutgoingId,
    pub(super) tag: u64,
    pub(super) range: ByteRange,
    pub(super) flag: ContinuationFlag,
    pub(super) transaction: Option<u32>,
}

/// A queue beside the staged output, for what has to wait until a chunk can be cut. Few connections need one, and not for
/// long: it is made when something is put in, and gone when it has been appended.
#[derive(Debug, Default)]
pub(super) struct Aside(Option<Box<Staged>>);

impl Aside {
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The queue, to put something in.
    pub(super) fn queue(&mut self) -> &mut Staged {
        self.0.get_or_insert_default()
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

impl Staged {
    /// For a transport with this framing.
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            stream: framing == Framing::Stream,
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes memory to write into, if there is none.
    pub(in super::super) fn borrow(&mut self, lend: impl FnOnce() -> Option<BytesMut>) {
        if self.len == 0
            && self.tail.capacity() == 0
            && let Some(memory) = lend()
        {
            self.tail = memory;
            self.lent = true;
        }
    }

    /// Gives back what was lent, when all has left.
    pub(in super::super) fn give_back(&mut self) -> Option<BytesMut> {
        (self.lent && self.len == 0).then(|| {
            self.lent = false;
            std::mem::take(&mut self.tail)
        })
    }

    /// Appends by writing into the buffer.
    pub(in super::super) fn write(&mut self, reserve: usize, write: impl FnOnce(&mut BytesMut)) {
        if self.tail.capacity() - self.tail.len() < reserve {
            let room = match (self.segments.is_empty(), self.tail.is_empty()) {
                // What stands between slices is cut off piece by piece from one allocation.
                (false, true) => BETWEEN_SLICES,
                (true, true) => self.high,
                (_, false) => 0,
            };
            self.tail.reserve(reserve.max(room));
        }
        let before = self.tail.len();
        write(&mut self.tail);
        self.longest = self.longest.max(self.tail.len()).max(before + reserve);
        let written = self.tail.len() - before;
        self.len += written;
        self.put += written as u64;
    }

    /// Appends a slice: a large one as it is, a small one as a copy.
    pub(super) fn push(&mut self, octets: Bytes) {
        if octets.len() < COPY_BELOW {
            self.write(octets.len(), |tail| tail.extend_from_slice(&octets));
            return;
        }
        self.len += octets.len();
        self.put += octets.len() as u64;
        if !self.tail.is_empty() {
            self.segments.push_back(self.tail.split().freeze());
        }
        self.segments.push_back(octets);
    }

    /// Notes that something is complete here.
    pub(in super::super) fn mark(&mut self, what: Complete) {
        if !(self.stream && matches!(what, Complete::Frame)) {
            self.marks.push_back(Mark { at: self.put, what });
        }
    }

    /// Notes that a response, or a request that nobody waits for, is complete here.
    pub(in super::super) fn mark_frame(&mut self) {
        self.mark(Complete::Frame);
    }

    /// Appends all of `other`, which is empty then.
    pub(super) fn append(&mut self, other: &mut Aside) {
        let Some(mut other) = other.0.take() else { return };
        let shift = self.put.wrapping_sub(other.taken);
        for segment in other.segments.drain(..) {
            self.push(segment);
        }
        let tail = other.tail.split();
        self.push(tail.freeze());
        let stream = self.stream;
        let marks = other.marks.drain(..).map(|mark| Mark {
            at: mark.at.wrapping_add(shift),
            ..mark
        });
        self.marks
            .extend(marks.filter(|mark| !(stream && matches!(mark.what, Complete::Frame))));
    }

    /// Octets to the next mark.
    pub(super) fn next_mark(&self) -> Option<usize> {
        self.marks.front().map(|mark| (mark.at - self.taken) as usize)
    }

    fn first(&self) -> &[u8] {
        match self.segments.front() {
            Some(segment) => segment,
            None => &self.tail,
        }
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.segments
            .iter()
            .map(|segment| &segment[..])
            .chain(std::iter::once(&self.tail[..]))
            .filter(|slice| !slice.is_empty())
    }

    /// Takes octets off the front.
    fn take(&mut self, mut octets: usize) {
        debug_assert!(octets <= self.len);
        self.len -= octets;
        self.taken += octets as u64;
        while octets > 0 {
            match self.segments.front_mut() {
                Some(segment) if segment.len() <= octets => {
                    octets -= segment.len();
                    self.segments.pop_front();
                }
                Some(segment) => {
                    segment.advance(octets);
                    octets = 0;
                }
                None => {
                    if octets == self.tail.len() {
                        // Its memory can be written to from the start again.
                        self.tail.clear();
                    } else {
                        self.tail.advance(octets);
                    }
                    octets = 0;
                }
            }
        }
        if self.len == 0 {
            self.rest();
        }
    }

    /// Takes octets off the front as a block that nothing else shares.
    fn take_block(&mut self, most: usize) -> BytesMut {
        if self.segments.is_empty() && self.len <= most {
            // The usual case, heads and short bodies: what they were written into is given away as it is.
            let block = std::mem::take(&mut self.tail);
            self.taken += self.len as u64;
            self.len = 0;
            self.rest();
            return block;
        }
        let mut block = BytesMut::with_capacity(most.min(self.len));
        for slice in self.slices() {
            let room = most - block.len();
            block.extend_from_slice(slice.get(..room).unwrap_or(slice));
        }
        self.take(block.len());
        block
    }

    /// Empty again: an idle connection keeps no buffer.
    fn rest(&mut self) {
        let longest = std::mem::take(&mut self.longest);
        self.high = if longest < self.high / 2 {
            // A burst of long ago should not size what comes next.
            self.high - self.high / 4
        } else {
            self.high.max(longest)
        };
        if self.lent {
            self.tail.clear();
        } else {
            self.tail = BytesMut::new();
        }
        if self.segments.capacity() > 8 {
            self.segments = VecDeque::new();
        }
        if self.marks.capacity() > 64 && self.marks.len() <= 1 {
            self.marks.shrink_to(1);
        }
    }

    /// The next mark that has been passed.
    pub(super) fn pop_passed(&mut self) -> Option<Complete> {
        if self.marks.front()?.at > self.taken {
            return None;
        }
        self.marks.pop_front().map(|mark| mark.what)
    }

    pub(super) fn clear(&mut self) {
        *self = Staged {
            taken: self.put,
            put: self.put,
            stream: self.stream,
            ..Staged::default()
        };
    }
}

/// Octets that a connection lends for writing.
///
/// It is a [`Buf`]: [`chunks_vectored`](Buf::chunks_vectored) for a vectored write, [`advance`](Buf::advance) for what
/// the operating system (or the layer below) has taken. Taking the last octet of a chunk starts its transaction's time.
/// Dropping it takes nothing.
#[derive(Debug)]
pub struct Transmit<'a> {
    connection: &'a mut Connection,
    now: Instant,
}

impl<'a> Transmit<'a> {
    pub(in super::super) fn new(connection: &'a mut Connection, now: Instant) -> Self {
        Self { connection, now }
    }

    fn staged(&self) -> &Staged {
        &self.connection.send.staged
    }

    /// Octets up to the end of the current chunk or response, for transports that carry one in each message. With
    /// stream framing only chunks that somebody waits for are told apart.
    pub fn chunk_end(&self) -> Option<usize> {
        self.staged().next_mark()
    }

    /// The slices that are lent, in order.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.staged().slices()
    }

    /// Takes the next octets, `most` of them at the most, as a block that shares no memory with anything: for a driver that
    /// gives them to another thread. Bodies of 4 KiB and more are copied for it, all else usually is not.
    pub fn take_block(&mut self, most: usize) -> BytesMut {
        let block = self.connection.send.staged.take_block(most);
        self.connection.on_taken(self.now, block.len());
        block
    }
}

impl Buf for Transmit<'_> {
    fn remaining(&self) -> usize {
        self.staged().len()
    }

    fn chunk(&self) -> &[u8] {
        self.staged().first()
    }

    fn chunks_vectored<'b>(&'b self, dst: &mut [std::io::IoSlice<'b>]) -> usize {
        let mut filled = 0;
        for (slot, slice) in dst.iter_mut().zip(self.staged().slices()) {
            *slot = std::io::IoSlice::new(slice);
            filled += 1;
        }
        filled
    }

    /// # Panics
    /// As every [`Buf`], when `octets` is more than what remains.
    fn advance(&mut self, octets: usize) {
        assert!(octets <= self.remaining(), "advanced past the octets lent");
        self.connection.send.staged.take(octets);
        self.connection.on_taken(self.now, octets);
    }
}
