//! Memory for output that connections use in turn.

use bytes::BytesMut;

/// The most octets that are kept, in all and in one piece.
const MAX_OCTETS: usize = 512 * 1024;
const MAX_PIECE: usize = 64 * 1024;

/// Memory that was used for output and will be again: idle connections hold none, and busy ones need not ask the allocator
/// for each read. At most 512 KiB are kept.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    spare: Vec<BytesMut>,
    octets: usize,
}

impl Buffers {
    /// What was used last, as it is in the processor's cache.
    pub(crate) fn take(&mut self) -> Option<BytesMut> {
        let memory = self.spare.pop()?;
        self.octets -= memory.capacity();
        Some(memory)
    }

    /// The same, or memory to begin with where there is none.
    pub(crate) fn take_or_make(&mut self) -> BytesMut {
        self.take().unwrap_or_else(|| BytesMut::with_capacity(1024))
    }

    pub(crate) fn keep(&mut self, mut memory: BytesMut) {
        memory.clear();
        let octets = memory.capacity();
        if (1..=MAX_PIECE).contains(&octets) && self.octets + octets <= MAX_OCTETS {
            self.octets += octets;
            self.spare.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let mut buffers = Buffers::default();
        assert!(buffers.take().is_none());
        buffers.keep(BytesMut::new());
        buffers.keep(BytesMut::with_capacity(MAX_PIECE + 1));
        assert!(buffers.take().is_none());
        for _ in 0..100 {
            buffers.keep(BytesMut::zeroed(MAX_PIECE));
        }
        let kept = std::iter::from_fn(|| buffers.take()).collect::<Vec<_>>();
        assert_eq!(kept.len(), MAX_OCTETS / MAX_PIECE);
        assert!(kept.iter().all(BytesMut::is_empty));
        assert_eq!(buffers.octets, 0);
    }
}
