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

    /// Goes back to the first octet, so that the message can be sent once more when its session has lost its connection and
    /// is set up again (RFC 4975 §5.4). False, which is what it says unless a source does it better, means that it cannot:
    /// then [`DeliveryUnknown`](crate::UserAgentEvent::DeliveryUnknown) is told of the message.
    fn rewind(&mut self) -> bool {
        false
    }
}

impl<S: MessageSource + ?Sized> MessageSource for Box<S> {
    fn size(&self) -> Option<u64> {
        (**self).size()
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        (**self).pull(most)
    }

    fn rewind(&mut self) -> bool {
        (**self).rewind()
    }
}

/// A message that is all there.
#[derive(Clone, Debug)]
pub struct FromBytes {
    octets: Bytes,
    /// Where the next octet to be pulled stands.
    at: usize,
}

impl FromBytes {
    /// These octets.
    pub fn new(octets: impl Into<Bytes>) -> Self {
        Self {
            octets: octets.into(),
            at: 0,
        }
    }
}

impl MessageSource for FromBytes {
    fn size(&self) -> Option<u64> {
        Some(self.octets.len() as u64)
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        let end = self.at.saturating_add(most).min(self.octets.len());
        if self.at == end {
            return Ok(Pull::End);
        }
        let octets = self.octets.slice(self.at..end);
        self.at = end;
        Ok(Pull::Octets(octets))
    }

    fn rewind(&mut self) -> bool {
        self.at = 0;
        true
    }
}
