//! Chunks to messages, in any order and with overlap (RFC 4975 §7.3.1).

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use crate::intervals::IntervalSet;

/// Slices below this size are copied together: a short slice would keep the whole block alive that it was read into.
const COPY_BELOW: usize = 16 * 1024;

/// How far a piece that is copied together grows.
const PIECE: usize = 256 * 1024;

/// Whole messages in memory: exactly the octets received are kept, whatever positions a peer claims.
///
/// What keeps more memory alive than four times its octets is copied: a few octets that are left of a long slice, of
/// which the rest has been overwritten, hold all of it.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    /// Position of the first octet → octets; disjoint.
    pieces: BTreeMap<u64, Piece>,
    octets: usize,
}

/// Octets, and how many octets of memory they may keep alive.
#[derive(Debug)]
enum Piece {
    /// As it was read.
    Slice(Bytes, usize),
    /// Copied together.
    Own(BytesMut, usize),
}

impl Piece {
    fn copied(octets: &[u8]) -> Self {
        Piece::Own(BytesMut::from(octets), octets.len())
    }

    fn octets(&self) -> &[u8] {
        match self {
            Piece::Slice(octets, _) => octets,
            Piece::Own(octets, _) => octets,
        }
    }

    fn len(&self) -> usize {
        self.octets().len()
    }

    /// Cuts off and returns what stands at `at` and after. Nothing is copied by this alone, so that many small cuts into
    /// a long piece are not much work.
    fn split_off(&mut self, at: usize) -> Self {
        match self {
            Piece::Slice(octets, held) => Piece::Slice(octets.split_off(at), *held),
            Piece::Own(octets, held) => Piece::Own(octets.split_off(at), *held),
        }
    }

    /// Copies what is left, when that is little beside what it keeps alive.
    fn settle(&mut self) {
        let (Piece::Slice(_, held) | Piece::Own(_, held)) = &*self;
        if self.len() * 4 < *held {
            *self = Self::copied(self.octets());
        }
    }
}

impl Assembly {
    /// How many octets are kept.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Puts octets in their place; what stood there gives way, as the chunk received last wins.
    pub(crate) fn write(&mut self, offset: u64, data: Bytes) {
        if data.is_empty() {
            return;
        }
        let end = offset + data.len() as u64;
        self.clear_range(offset, end);
        self.octets += data.len();
        if data.len() < COPY_BELOW {
            if let Some((&start, Piece::Own(before, held))) = self.pieces.range_mut(..offset).next_back()
                && start + before.len() as u64 == offset
                && before.len() + data.len() <= PIECE
            {
                before.extend_from_slice(&data);
                *held = before.capacity().max(*held);
                return;
            }
            self.pieces.insert(offset, Piece::copied(&data));
        } else {
            let held = data.len();
            self.pieces.insert(offset, Piece::Slice(data, held));
        }
    }

    /// Removes what stands in `start..end`.
    fn clear_range(&mut self, start: u64, end: u64) {
        if let Some((&first, piece)) = self.pieces.range_mut(..start).next_back() {
            let last = first + piece.len() as u64;
            if last > start {
                let mut cut = piece.split_off((start - first) as usize);
                piece.settle();
                self.octets -= (last.min(end) - start) as usize;
                if last > end {
                    let mut after = cut.split_off((end - start) as usize);
                    after.settle();
                    self.pieces.insert(end, after);
                }
            }
        }
        while let Some((&first, _)) = self.pieces.range(start..end).next() {
            let Some(mut piece) = self.pieces.remove(&first) else {
                return;
            };
            let last = first + piece.len() as u64;
            self.octets -= (last.min(end) - first) as usize;
            if last > end {
                let mut after = piece.split_off((end - first) as usize);
                after.settle();
                self.pieces.insert(end, after);
            }
        }
    }

    /// The octets 1 to `total`, which are all there.
    pub(crate) fn take(&mut self, total: u64) -> Bytes {
        let mut pieces = std::mem::take(&mut self.pieces);
        self.octets = 0;
        if pieces.len() == 1
            && let Some((1, piece)) = pieces.pop_first()
        {
            let mut whole = match piece {
                Piece::Slice(octets, _) => octets,
                Piece::Own(octets, _) => octets.freeze(),
            };
            whole.truncate(total as usize);
            return whole;
        }
        let mut whole = BytesMut::with_capacity(total as usize);
        for (start, piece) in pieces {
            if start > total {
                break;
            }
            whole.extend_from_slice(piece.octets());
        }
        whole.truncate(total as usize);
        whole.freeze()
    }
}

/// Which octets of a message have come, and how many it has.
#[derive(Debug, Default)]
pub(crate) struct Extent {
    pub(crate) received: IntervalSet,
    /// Known from the chunk that ends in `$`.
    pub(crate) total: Option<u64>,
}

impl Extent {
    pub(crate) fn is_complete(&self) -> bool {
        self.total.is_some_and(|total| self.received.covers(total))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // shows: 4975-7.3.1-02, 4975-7.3.1-03, 4975-7.3.1-08, 4975-7.3.1-09
        #[test]
        fn the_octets_received_last_win(
            chunks in proptest::collection::vec((1_u64..60_000, 1_usize..40_000), 1..12),
        ) {
            let mut assembly = Assembly::default();
            let mut extent = IntervalSet::new();
            let mut naive = vec![None; 100_001];
            for (n, &(offset, len)) in chunks.iter().enumerate() {
                assembly.write(offset, Bytes::from(vec![n as u8; len]));
                extent.insert(offset, offset + len as u64 - 1);
                prop_assert_eq!(assembly.octets() as u64, extent.octets());
                for octet in &mut naive[offset as usize..offset as usize + len] {
                    *octet = Some(n as u8);
                }
            }
            // Fill the rest from the back, in pieces.
            let missing = extent.missing(1, 100_000);
            for &(first, last) in missing.iter().rev() {
                for start in (first..=last).step_by(7_000).collect::<Vec<_>>().into_iter().rev() {
                    let end = (start + 6_999).min(last);
                    assembly.write(start, Bytes::from(vec![0xee; (end - start + 1) as usize]));
                }
            }
            let expected: Vec<u8> = naive[1..].iter().map(|octet| octet.unwrap_or(0xee)).collect();
            prop_assert!(assembly.take(100_000) == expected);
        }
    }
    #[test]
    fn what_is_left_of_overwritten_slices_keeps_little_alive() {
        // Each slice is overwritten but for its first octet: that octet alone must not keep the slice.
        let mut assembly = Assembly::default();
        for n in 0..64_u64 {
            assembly.write(n + 1, Bytes::from(vec![n as u8; 100_000]));
        }
        let held: usize = assembly
            .pieces
            .values()
            .map(|(Piece::Slice(_, held) | Piece::Own(_, held))| *held)
            .sum();
        assert!(held <= 4 * assembly.octets(), "{held} for {}", assembly.octets());
        assert!(assembly.take(100_063)[..64].iter().copied().eq(0..64));
    }
}
