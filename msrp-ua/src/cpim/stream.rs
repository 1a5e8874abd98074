//! Messages that are wrapped and unwrapped on their way, in constant memory.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes, BytesMut};

use super::{
    CPIM_TYPE, CpimBuilder, CpimError, CpimRules,
    head::{CpimHead, HeadReader},
};
use crate::message::{MessageSink, MessageSource, OutgoingMessage, Pull, SinkError, SourceError};

/// A source that gives a head and then the octets of another source. MSRP cuts the whole into chunks only after that
/// (RFC 4975 §13).
pub struct Wrapped {
    head: Bytes,
    /// Octets of the head that have been given.
    given: usize,
    body: Box<dyn MessageSource>,
}

impl Wrapped {
    /// The octets of `head`, then those of `body`.
    pub fn new(head: &CpimHead, body: impl MessageSource + 'static) -> Self {
        Self::boxed(head, Box::new(body))
    }

    fn boxed(head: &CpimHead, body: Box<dyn MessageSource>) -> Self {
        Self {
            head: head.octets().clone(),
            given: 0,
            body,
        }
    }
}

impl MessageSource for Wrapped {
    fn size(&self) -> Option<u64> {
        self.body.size()?.checked_add(self.head.len() as u64)
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        if self.given == self.head.len() {
            return self.body.pull(most);
        }
        let end = self.given.saturating_add(most).min(self.head.len());
        let octets = self.head.slice(self.given..end);
        self.given = end;
        Ok(Pull::Octets(octets))
    }

    fn rewind(&mut self) -> bool {
        self.given = 0;
        self.body.rewind()
    }
}

impl std::fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wrapped")
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

impl CpimBuilder {
    /// Wraps a message that is to be sent: its media type and its `Content-…` headers go inside, the rest of it stays as
    /// it was asked for.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn wrap(self, mut message: OutgoingMessage) -> Result<OutgoingMessage, CpimError> {
        let mut builder = self.content_type(&message.content_type);
        let (inside, outside) = message.headers.into_iter().partition(|(name, _)| {
            name.get(..8)
                .is_some_and(|start| start.eq_ignore_ascii_case("content-"))
        });
        message.headers = outside;
        let inside: Vec<(String, String)> = inside;
        for (name, value) in &inside {
            builder = builder.content_header(name, value);
        }
        message.source = Box::new(Wrapped::boxed(&builder.head()?, message.source));
        message.content_type = CPIM_TYPE.to_owned();
        Ok(message)
    }
}

/// Makes the sink for the content, once the head is known.
type Open = Box<dyn FnOnce(&CpimHead) -> Result<Box<dyn MessageSink>, SinkError> + Send>;

/// A sink that reads the head of a message/cpim and passes the content on to another sink, which is chosen by that head.
///
/// Until the head is complete it keeps [`CpimRules::max_head`] octets of it, and as many that came out of order; with more
/// the message is refused. After that it keeps nothing.
pub struct Unwrapped {
    state: State,
}

enum State {
    Head(Box<Front>),
    Body { head: u64, sink: Box<dyn MessageSink> },
    Failed,
}

struct Front {
    reader: HeadReader,
    octets: BytesMut,
    /// Position → octets that came before those in front of them.
    early: BTreeMap<u64, Bytes>,
    early_octets: usize,
    max_head: usize,
    open: Open,
}

impl Unwrapped {
    /// Reads the head by `rules`, and lets `open` say where the content goes.
    pub fn new<S: MessageSink + 'static>(
        rules: CpimRules,
        open: impl FnOnce(&CpimHead) -> Result<S, SinkError> + Send + 'static,
    ) -> Self {
        Self {
            state: State::Head(Box::new(Front {
                max_head: rules.max_head,
                reader: HeadReader::new(rules),
                octets: BytesMut::new(),
                early: BTreeMap::new(),
                early_octets: 0,
                open: Box::new(move |head| Ok(Box::new(open(head)?))),
            })),
        }
    }
}

impl Front {
    /// Takes octets that follow those that are there. Answers the length of the head, once it is complete.
    fn take(&mut self, data: &Bytes) -> Result<Option<usize>, SinkError> {
        let room = (self.max_head + 1).saturating_sub(self.octets.len());
        self.octets
            .extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
        self.reader.read(&self.octets).map_err(|error| {
            tracing::debug!(%error, "message/cpim refused");
            SinkError
        })
    }
}

impl MessageSink for Unwrapped {
    fn write(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        if let State::Body { head, sink } = &mut self.state {
            return sink.write(offset.checked_sub(*head).ok_or(SinkError)?, data);
        }
        let State::Head(mut front) = std::mem::replace(&mut self.state, State::Failed) else {
            return Err(SinkError);
        };
        let next = front.octets.len() as u64 + 1;
        if offset != next {
            front.early_octets += data.len();
            if offset < next || front.early_octets > front.max_head {
                return Err(SinkError);
            }
            front.early.insert(offset, data.clone());
            self.state = State::Head(front);
            return Ok(());
        }
        let mut data = data.clone();
        loop {
            let before = front.octets.len();
            if let Some(len) = front.take(&data)? {
                data.advance(len.saturating_sub(before).min(data.len()));
                return self.begin_body(*front, len, data);
            }
            let Some(early) = front.early.remove(&(front.octets.len() as u64 + 1)) else {
                break;
            };
            data = early;
        }
        self.state = State::Head(front);
        Ok(())
    }

    fn complete(&mut self, size: u64) -> Result<(), SinkError> {
        match &mut self.state {
            State::Body { head, sink } => sink.complete(size.checked_sub(*head).ok_or(SinkError)?),
            State::Head(_) | State::Failed => Err(SinkError),
        }
    }

    fn abort(&mut self) {
        if let State::Body { sink, .. } = &mut self.state {
            sink.abort();
        }
        self.state = State::Failed;
    }
}

impl Unwrapped {
    /// The head has `len` octets, and `first` are those of the content that came with its end.
    fn begin_body(&mut self, mut front: Front, len: usize, first: Bytes) -> Result<(), SinkError> {
        let octets = front.octets.split_to(len).freeze();
        let head = front.reader.finish(octets).map_err(|error| {
            tracing::debug!(%error, "message/cpim refused");
            SinkError
        })?;
        let sink = (front.open)(&head)?;
        let head = len as u64;
        self.state = State::Body { head, sink };
        let rest = std::iter::once((head + 1, first)).chain(front.early);
        for (offset, data) in rest.filter(|(_, data)| !data.is_empty()) {
            self.write(offset, &data)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Unwrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unwrapped")
    }
}
