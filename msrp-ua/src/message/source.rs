//! Where the octets of an outgoing message come from.

use bytes::Bytes;

/// What a source has to give.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pull {
    /// The next octets, at least one of them.
    Octets(Bytes),
    /// Nothing now; [`UserAgent::source_ready`](crate::UserAgent::source_ready) tells when there is.
    Pending,
    /// The message ends here.
    End,
}

/// A source cannot go on; the message is given up with `#`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the source of a message has failed")]
pub struct SourceError;

/// The octets of an outgoing message, pulled slice by slice as the connection takes them, so that a message of any size
/// needs constant memory.
pub trait MessageSource: Send {
    /// How many octets the message has, where that is known beforehand.
    fn size(&self) -> Option<u64>;

    /// The next octets, `most` of them at the most.
    ///
    /// # Errors
    /// [`SourceError`] where there will be none though the message has not ended.
    fn pull(&mut self, most: usize) -> Result<Pull, SourceError>;
}

/// A message that is all there.
#[derive(Clone, Debug)]
pub struct FromBytes {
    octets: Bytes,
    size: u64,
}

impl FromBytes {
    /// These octets.
    pub fn new(octets: impl Into<Bytes>) -> Self {
        let octets = octets.into();
        Self {
            size: octets.len() as u64,
            octets,
        }
    }
}

impl MessageSource for FromBytes {
    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        if self.octets.is_empty() {
            return Ok(Pull::End);
        }
        let most = most.min(self.octets.len());
        Ok(Pull::Octets(self.octets.split_to(most)))
    }
}
