//! What a peer may waste.

use super::ConnectionConfig;
use crate::{codec::ProtocolError, grammar::ContinuationFlag};

/// Counts what a peer does that costs us and carries nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    protocol_errors: u32,
    small_chunks: u32,
}

/// What a small chunk costs; chunks that carry as much pay for themselves.
const SMALL_CHUNK_COST: u32 = 256;

impl Budget {
    pub(super) fn new(config: &ConnectionConfig) -> Self {
        Self {
            protocol_errors: config.max_protocol_errors,
            small_chunks: config.small_chunk_credit,
        }
    }

    /// Counts a chunk of a message; `false` when the credit is used up.
    pub(super) fn chunk(&mut self, config: &ConnectionConfig, octets: u64, flag: ContinuationFlag) -> bool {
        let gain = u32::try_from(octets).unwrap_or(u32::MAX);
        self.small_chunks = self
            .small_chunks
            .saturating_add(gain)
            .min(config.small_chunk_credit);
        if flag == ContinuationFlag::More && octets < super::INTERRUPTIBLE_ABOVE {
            match self.small_chunks.checked_sub(SMALL_CHUNK_COST) {
                Some(rest) => self.small_chunks = rest,
                None => return false,
            }
        }
        true
    }

    /// Counts a broken rule; `false` when it was one too many.
    pub(super) fn protocol_error(&mut self, _error: ProtocolError) -> bool {
        self.protocol_errors = self.protocol_errors.saturating_sub(1);
        self.protocol_errors > 0
    }
}
