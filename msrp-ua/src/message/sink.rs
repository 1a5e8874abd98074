//! Where the octets of an incoming message go.

use bytes::Bytes;

/// A sink cannot take what it is given; the message is refused with 413.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sink of a message has failed")]
pub struct SinkError;

/// Takes the octets of an incoming message as they come, so that a message of any size needs constant memory.
///
/// Each octet is given once; of octets that are sent twice the first count (RFC 4975 §7.3.1 prefers the last, which a
/// sink that has passed them on cannot honour).
pub trait MessageSink: Send {
    /// Octets that stand at `offset` (counted from 1) and after. They need not come in order.
    ///
    /// # Errors
    /// [`SinkError`].
    fn write(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError>;

    /// All `size` octets have been given.
    ///
    /// # Errors
    /// [`SinkError`], when what was given cannot be kept after all.
    fn complete(&mut self, size: u64) -> Result<(), SinkError>;

    /// No more will come, and not all has been given.
    fn abort(&mut self);
}

impl<S: MessageSink + ?Sized> MessageSink for Box<S> {
    fn write(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        (**self).write(offset, data)
    }

    fn complete(&mut self, size: u64) -> Result<(), SinkError> {
        (**self).complete(size)
    }

    fn abort(&mut self) {
        (**self).abort();
    }
}
