//! One outgoing message under way.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    codec::HeadTemplate,
    grammar::{ContinuationFlag, FailureReport},
};

/// What waits in a lane.
#[derive(Debug)]
pub(super) enum Piece {
    Octets {
        octets: Bytes,
        /// They hold nothing that an end-line begins with, except perhaps at their end.
        plain: bool,
    },
    /// The next octet stands at this position: the chunk has to end here.
    Jump(u64),
}

/// One outgoing message: its head, and the octets that wait. Lanes never reorder the octets of a message.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) serial: u32,
    pub(super) template: HeadTemplate,
    pub(super) tag: u64,
    pub(super) failure_report: FailureReport,
    pub(super) total: Option<u64>,
    /// Position of the next octet to stage.
    pub(super) next: u64,
    pub(super) pieces: VecDeque<Piece>,
    pub(super) queued: usize,
    pub(super) end: Option<ContinuationFlag>,
    /// The writer was told that the lane is full.
    pub(super) blocked: bool,
    /// A chunk of this message has begun.
    pub(super) begun: bool,
    /// The lane stands in the queue of those that have something to send.
    pub(super) ready: bool,
}

impl Lane {
    /// Whether there is something to send.
    pub(super) fn has_work(&self) -> bool {
        !self.pieces.is_empty() || self.end.is_some()
    }

    /// Whether a chunk that begins now would hold the message's end, and of how many octets.
    pub(super) fn rest(&self) -> Option<u64> {
        self.end?;
        self.pieces
            .iter()
            .all(|piece| matches!(piece, Piece::Octets { .. }))
            .then_some(self.queued as u64)
    }

    /// Takes up to `most` octets off the front, and whether they are plain; none where a jump or nothing is next.
    pub(super) fn take(&mut self, most: usize) -> Option<(Bytes, bool)> {
        let Some(Piece::Octets { octets, plain }) = self.pieces.front_mut() else {
            return None;
        };
        let plain = *plain;
        let taken = if octets.len() > most {
            octets.split_to(most)
        } else {
            std::mem::take(octets)
        };
        if octets.is_empty() {
            self.pieces.pop_front();
        }
        self.queued -= taken.len();
        Some((taken, plain))
    }

    /// Puts octets back at the front.
    pub(super) fn put_back(&mut self, octets: Bytes, plain: bool) {
        if !octets.is_empty() {
            self.queued += octets.len();
            self.pieces.push_front(Piece::Octets { octets, plain });
        }
    }
}
