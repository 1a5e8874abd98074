//! A fuzzer's input, read front to back, so that corpora can be written by hand.

/// What is left of the input. Past its end it gives zeros.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn octet(&mut self) -> u8 {
        let Some((&octet, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        octet
    }

    /// Two octets, the higher one first.
    pub(super) fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    /// The next `len` octets, or as many as there are.
    pub(super) fn octets(&mut self, len: usize) -> &'a [u8] {
        let (octets, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        octets
    }
}

/// Cuts octets into pieces of 1 to `most` octets, in a way that `seed` decides.
pub(super) fn split(octets: &[u8], seed: u16, most: usize) -> impl Iterator<Item = &[u8]> {
    let mut state = u64::from(seed) | 1 << 32;
    let mut rest = octets;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let len = ((state >> 33) as usize % most + 1).min(rest.len());
        let (piece, after) = rest.split_at(len);
        rest = after;
        Some(piece)
    })
}
