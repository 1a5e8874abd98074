//! Messages that come in: checked, put together or passed on, acknowledged.

mod chunk;
mod ending;

use std::time::Instant;

use bytes::Bytes;
use msrp_core::{
    connection::RequestId,
    grammar::{ByteRange, FailureReport, MessageId, StatusCode, SuccessReport},
    node::ConnectionHandle,
};

use super::{
    reassembly::{Assembly, Extent},
    sink::MessageSink,
};
use crate::{
    error::CommandError,
    event::AbortReason,
    names::{IncomingKey, SessionId},
    user_agent::UserAgent,
};

/// Where the octets of a message go.
enum Destination {
    /// Nobody has decided yet.
    Undecided,
    Whole(Assembly),
    Stream,
    Sink(Box<dyn MessageSink>),
    /// It has come before, and goes nowhere.
    Nowhere,
}

/// A message that is coming in.
pub(crate) struct Incoming {
    session: SessionId,
    message_id: MessageId,
    content_type: String,
    disposition: Option<String>,
    destination: Destination,
    extent: Extent,
    duplicate: bool,
    /// When something of it came last.
    pub(crate) touched: Instant,
    /// What a REPORT about it needs: the path back.
    pub(crate) back: Bytes,
    failure_report: FailureReport,
    success_report: SuccessReport,
    /// The last chunk that came to its end, as it really was.
    last_chunk: Option<ByteRange>,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// A message that was received, remembered to tell duplicates and for late reports.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) message: IncomingKey,
    pub(crate) message_id: MessageId,
    pub(crate) back: Bytes,
    pub(crate) size: u64,
    pub(crate) failure_report: FailureReport,
    /// A success report was asked for and is the application's to send.
    pub(crate) success_due: bool,
}

/// A message of which no more is wanted, or expected.
#[derive(Debug)]
pub(crate) struct RefusedMessage {
    message_id: MessageId,
    code: StatusCode,
    /// Its sender gave it up and may begin anew.
    may_restart: bool,
}

/// How a message is to be received, see [`UserAgent::accept`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Accept {
    /// Put together in memory, told whole.
    Whole,
    /// Told bit by bit.
    Stream,
    /// Into a sink.
    Sink(SinkBox),
}

impl Accept {
    /// Into this sink.
    pub fn sink(sink: impl MessageSink + 'static) -> Self {
        Accept::Sink(SinkBox(Box::new(sink)))
    }
}

/// A sink in a box.
pub struct SinkBox(pub Box<dyn MessageSink>);

impl std::fmt::Debug for SinkBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SinkBox")
    }
}

/// The chunk that is coming in on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CurrentChunk {
    pub(crate) request: RequestId,
    pub(crate) message: IncomingKey,
    start: u64,
    /// What the chunk says of the message's size; only ever repeated, never believed.
    total: Option<u64>,
}

impl UserAgent {
    /// Whether nothing more can be read of a message before the application has decided.
    pub(crate) fn is_undecided(&self, message: IncomingKey) -> bool {
        self.incoming
            .get(&message)
            .is_some_and(|incoming| matches!(incoming.destination, Destination::Undecided))
    }

    /// Takes a message that was told by [`UserAgentEvent::IncomingMessage`](crate::UserAgentEvent::IncomingMessage) in a
    /// session with [`Receive::Ask`](crate::Receive::Ask).
    ///
    /// # Errors
    /// [`CommandError::UnknownMessage`], also for a message that was decided on before.
    pub fn accept(&mut self, message: IncomingKey, how: Accept) -> Result<(), CommandError> {
        let incoming = self
            .incoming
            .get_mut(&message)
            .ok_or(CommandError::UnknownMessage)?;
        if !matches!(incoming.destination, Destination::Undecided) {
            return Err(CommandError::UnknownMessage);
        }
        incoming.destination = match how {
            Accept::Whole => Destination::Whole(Assembly::default()),
            Accept::Stream => Destination::Stream,
            Accept::Sink(SinkBox(sink)) => Destination::Sink(sink),
        };
        let session = incoming.session;
        if let Some(handle) = self.connection_of(session) {
            self.pump(handle);
        }
        Ok(())
    }

    /// Refuses a message that is coming in: with 413 (too much), 415 (not understood) or 403 (not wanted).
    ///
    /// The chunk at hand is answered with it; between chunks a failure report says so, unless the sender wants none. Later
    /// chunks of the message are refused with the same code.
    ///
    /// # Errors
    /// [`CommandError::UnknownMessage`].
    pub fn reject(&mut self, message: IncomingKey, code: StatusCode) -> Result<(), CommandError> {
        let session = self
            .incoming
            .get(&message)
            .ok_or(CommandError::UnknownMessage)?
            .session;
        let handle = self.connection_of(session);
        let answered = handle.is_some_and(|handle| self.reject_current(handle, message, code));
        let range = self
            .incoming
            .get(&message)
            .and_then(|incoming| incoming.last_chunk);
        if !answered && let Some(range) = range {
            self.report_on(message, code, range);
        }
        self.abort_incoming(message, AbortReason::Rejected(code));
        if let Some(handle) = handle {
            self.pump(handle);
        }
        Ok(())
    }

    /// Answers the chunk of a message that is coming in on a connection, if there is one.
    fn reject_current(&mut self, handle: ConnectionHandle, message: IncomingKey, code: StatusCode) -> bool {
        if let Some((connection, peer)) = self.table.get_mut(handle)
            && let Some(chunk) = peer.current.take_if(|chunk| chunk.message == message)
        {
            return connection.reject(chunk.request, code, code.phrase()).is_ok();
        }
        false
    }
}
