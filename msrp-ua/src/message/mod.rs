//! Messages: whole ones outside, chunks inside.

pub(crate) mod incoming;
pub(crate) mod outgoing;
mod reassembly;
mod sink;
mod source;

pub use self::{
    outgoing::OutgoingMessage,
    sink::{MessageSink, SinkError},
    source::{FromBytes, MessageSource, Pull, SourceError},
};
