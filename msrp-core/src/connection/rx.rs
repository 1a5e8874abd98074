//! Octets received and not yet pulled.

use std::collections::VecDeque;

use bytes::BytesMut;

/// Blocks below this size are copied when they have to wait, so that a few octets do not keep a large block alive.
const COPY_BELOW: usize = 16 * 1024;

/// How much of the next block is copied behind an incomplete rest of the one before: enough for most heads, and for
/// every end-line.
const STITCH: usize = 512;

/// What the end of a message counts for: a peer that sends messages of nothing is held back too.
const MESSAGE_END: usize = 64;

/// The blocks that were read, in order. Bodies stay where they were read; only the few octets around a block's border
/// are copied together.
#[derive(Debug, Default)]
pub(super) struct Rx {
    front: BytesMut,
    blocks: VecDeque<Block>,
    len: usize,
    /// The front block is ours alone, and small.
    detached: bool,
    /// How many octets at the end of the front are copies of the first octets of the next block.
    stitched: usize,
}

#[derive(Debug)]
enum Block {
    Octets(BytesMut),
    /// With message framing: the message ends here.
    MessageEnd,
}

impl Rx {
    /// Octets that wait, with a few for each end of a message.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, block: BytesMut) {
        if block.is_empty() {
            return;
        }
        self.len += block.len();
        if self.front.is_empty() && self.blocks.is_empty() {
            self.front = block;
            self.detached = false;
            return;
        }
        if let Some(Block::Octets(last)) = self.blocks.back_mut()
            && block.len() < COPY_BELOW
            && !last.is_empty()
            && last.len() + block.len() <= 2 * COPY_BELOW
        {
            last.extend_from_slice(&block);
            return;
        }
        // Octets that follow a rest are decoded at once in the usual case; they are copied only if they stay.
        self.blocks.push_back(Block::Octets(block));
    }

    pub(super) fn push_message_end(&mut self) {
        self.blocks.push_back(Block::MessageEnd);
        self.len += MESSAGE_END;
    }

    /// The octets to decode.
    pub(super) fn front(&mut self) -> &mut BytesMut {
        &mut self.front
    }

    pub(super) fn front_ref(&self) -> &BytesMut {
        &self.front
    }

    /// Tells how many octets of the front have been taken since its length was `before`.
    pub(super) fn taken(&mut self, before: usize) {
        self.len -= before - self.front.len();
        // As soon as nothing is left of the older block, decoding goes on in the newer block itself.
        if self.stitched > 0
            && self.front.len() <= self.stitched
            && let Some(Block::Octets(_)) = self.blocks.front()
            && let Some(Block::Octets(mut next)) = self.blocks.pop_front()
        {
            let _copied = next.split_to(self.stitched - self.front.len());
            self.front = next;
            self.stitched = 0;
            self.detached = false;
        }
    }

    /// The decoder needs more than the front holds: puts the next octets behind it.
    pub(super) fn advance(&mut self) -> Advance {
        match self.blocks.front_mut() {
            None => {
                self.detach();
                Advance::Dry
            }
            Some(Block::MessageEnd) => {
                self.blocks.pop_front();
                self.len -= MESSAGE_END;
                Advance::MessageEnd
            }
            Some(Block::Octets(next)) => {
                if self.front.is_empty() || self.stitched == next.len() {
                    // Either nothing is left of the front, or all of the next block stands behind it already.
                    let next = std::mem::take(next);
                    self.blocks.pop_front();
                    if self.front.is_empty() {
                        self.front = next;
                        self.detached = false;
                    }
                    self.stitched = 0;
                    return if self.front.is_empty() {
                        Advance::Dry
                    } else {
                        self.advance_again()
                    };
                }
                let until = next.len().min(self.stitched + STITCH);
                let more = &next[self.stitched..until];
                if !self.detached {
                    let mut own = BytesMut::with_capacity(self.front.len() + more.len());
                    own.extend_from_slice(&self.front);
                    self.front = own;
                    self.detached = true;
                }
                self.front.extend_from_slice(more);
                self.stitched = until;
                Advance::More
            }
        }
    }

    /// After a block has been used up by stitching, the one behind it is needed; after one has become the front, it is
    /// enough.
    fn advance_again(&mut self) -> Advance {
        if self.detached {
            self.advance()
        } else {
            Advance::More
        }
    }

    /// An incomplete rest may stay for long: it must not keep the block alive that it came in.
    fn detach(&mut self) {
        if self.front.is_empty() {
            self.front = BytesMut::new();
        } else if !self.detached {
            self.front = BytesMut::from(&self.front[..]);
            self.detached = true;
        }
    }

    /// The first octets, `most` of them at the most, copied.
    pub(super) fn peek(&self, most: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        for slice in self.slices() {
            let room = most - octets.len();
            octets.extend_from_slice(slice.get(..room).unwrap_or(slice));
        }
        octets
    }

    /// Everything that waits, in one piece.
    pub(super) fn into_octets(self) -> BytesMut {
        if self.blocks.is_empty() {
            return self.front;
        }
        let mut octets = BytesMut::with_capacity(self.len);
        for slice in self.slices() {
            octets.extend_from_slice(slice);
        }
        octets
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        // The end of the front repeats the beginning of the next block.
        let front = self
            .front
            .get(..self.front.len() - self.stitched.min(self.front.len()));
        let blocks = self.blocks.iter().filter_map(|block| match block {
            Block::Octets(octets) => Some(&octets[..]),
            Block::MessageEnd => None,
        });
        front.into_iter().chain(blocks)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The node did not take all that there is: what waits is copied where it is small.
    pub(super) fn settle(&mut self) {
        if self.front.len() < COPY_BELOW {
            self.detach();
        }
        if let Some(Block::Octets(last)) = self.blocks.back_mut()
            && last.len() < COPY_BELOW
        {
            *last = BytesMut::from(&last[..]);
        }
    }
}

/// What [`Rx::advance`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advance {
    /// There are more octets at the front.
    More,
    /// The transport's message ends here.
    MessageEnd,
    /// There are none.
    Dry,
}
