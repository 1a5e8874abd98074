//! What is needed to tell a sender that a chunk did not get through, and how it is told (RFC 4976 §6.4.1, §6.4.3).

use msrp_core::{
    codec::{HeadEdit, Own},
    connection::{OutgoingRequest, RequestId, SendError},
    grammar::{ByteRange, FailureReport, MessageId, Method, Status, StatusCode, TransactId},
    node::ConnectionHandle,
};
use slab::Slab;

use crate::{bindings::BindingId, connection::Poisoned, forward::lane::Lane, relay::Relay};

/// What was sent to a next hop, as the tag of its transaction names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// A chunk that went whole, or a request: an entry of [`Contexts`].
    Context(u32),
    /// A chunk of a lane.
    Lane(u32),
}

const LANE: u64 = 1 << 32;

/// Bits of the serial that tells a lane from those that stood in its place before.
const SERIAL: u32 = u32::MAX >> 1;

impl Tag {
    /// What a tag names; whether a lane is still the one that was meant, only [`Relay::tag_of`] tells.
    pub(crate) fn of(tag: u64) -> Self {
        let index = tag as u32;
        if tag & LANE == 0 {
            Self::Context(index)
        } else {
            Self::Lane(index)
        }
    }

    /// The tag of a context; a lane's is made by [`lane_tag`].
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Context(index) => u64::from(index),
            Self::Lane(index) => lane_tag(index, 0),
        }
    }
}

/// The tag of a lane: where it stands, and which of those that stood there it is.
pub(crate) fn lane_tag(index: u32, serial: u32) -> u64 {
    u64::from(index) | LANE | u64::from(serial & SERIAL) << 33
}

/// What was sent whole to a next hop and has not come to its end.
#[derive(Debug)]
pub(crate) enum Context {
    /// A chunk of a message.
    Chunk(ChunkContext),
    /// A request that is answered end to end.
    Request(RequestContext),
    /// What we sent to tell a side of an anchored session which session its connection is for.
    Bind {
        /// The side.
        leg: u32,
        /// Its URI.
        binding: BindingId,
    },
}

/// Where chunks came from.
#[derive(Debug)]
pub(crate) struct ChunkContext {
    /// The connection they came in on.
    pub(crate) from: ConnectionHandle,
    pub(crate) binding: BindingId,
    pub(crate) message: MessageId,
    pub(crate) failure_report: FailureReport,
    /// Our own URI as the sender wrote it, then its From-Path.
    paths: Vec<u8>,
    own_len: usize,
}

/// Whom a response belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestContext {
    pub(crate) from: ConnectionHandle,
    pub(crate) id: TransactId,
    /// The request, if we answer it should its way break.
    pub(crate) request: Option<RequestId>,
    pub(crate) own: Own,
    /// The side of an anchored session that it came from, with its URI of ours.
    pub(crate) leg: Option<(u32, BindingId)>,
    /// For an AUTH with the credentials of a client of ours: whom it proves them to.
    pub(crate) proves_to: Option<u64>,
}

/// Buffers kept for reuse, so that forwarding a chunk allocates nothing.
const MAX_SPARE: usize = 256;
/// Larger ones are given back.
const MAX_SPARE_LEN: usize = 1024;

/// What is known of everything that was sent whole and has not come to its end; as many as transactions are open, which
/// are bounded for each connection.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    slots: Slab<Slot>,
    spare: Vec<Vec<u8>>,
    /// Transactions that have not come to their end; several chunks of a message share a slot.
    open: usize,
}

#[derive(Debug)]
struct Slot {
    context: Context,
    /// How many transactions name it.
    uses: u32,
}

impl Contexts {
    /// What a chunk needs to be reported.
    pub(crate) fn chunk(
        &mut self,
        from: ConnectionHandle,
        binding: BindingId,
        message: MessageId,
        failure_report: FailureReport,
        own_uri: &[u8],
        from_path: &[u8],
    ) -> ChunkContext {
        let mut paths = self.spare.pop().unwrap_or_default();
        paths.extend_from_slice(own_uri);
        paths.extend_from_slice(from_path);
        ChunkContext {
            from,
            binding,
            message,
            failure_report,
            paths,
            own_len: own_uri.len(),
        }
    }

    pub(crate) fn insert(&mut self, context: Context) -> Tag {
        self.open += 1;
        Tag::Context(self.slots.insert(Slot { context, uses: 1 }) as u32)
    }

    /// One more chunk of the message whose chunk before has this context, if it is that message still and came the same
    /// way: a message of a thousand chunks under way needs one context.
    pub(crate) fn share(
        &mut self,
        index: u32,
        from: ConnectionHandle,
        binding: BindingId,
        message: &MessageId,
        failure_report: FailureReport,
        edit: &HeadEdit<'_>,
    ) -> Option<Tag> {
        let slot = self.slots.get_mut(index as usize)?;
        let Context::Chunk(context) = &slot.context else {
            return None;
        };
        let same = context.from == from
            && context.binding == binding
            && context.message == *message
            && context.failure_report == failure_report
            && context.own_uri() == edit.own_uri()
            && context.back() == edit.from_path();
        if !same {
            return None;
        }
        slot.uses += 1;
        self.open += 1;
        Some(Tag::Context(index))
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Context> {
        self.slots.get(index as usize).map(|slot| &slot.context)
    }

    /// Whether this names a chunk that went whole.
    pub(crate) fn is_chunk(&self, tag: Tag) -> bool {
        matches!(tag, Tag::Context(index) if matches!(self.get(index), Some(Context::Chunk(_))))
    }

    /// A transaction with this context has come to its end.
    pub(crate) fn remove(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return;
        };
        self.open -= 1;
        slot.uses -= 1;
        if slot.uses == 0
            && let Some(Slot {
                context: Context::Chunk(context),
                ..
            }) = self.slots.try_remove(index as usize)
        {
            self.keep(context);
        }
    }

    /// Keeps the buffer of a context that is over.
    pub(crate) fn keep(&mut self, context: ChunkContext) {
        let mut buffer = context.paths;
        if self.spare.len() < MAX_SPARE && buffer.capacity() <= MAX_SPARE_LEN {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// How many transactions have not come to their end.
    pub(crate) fn open(&self) -> usize {
        self.open
    }
}

impl ChunkContext {
    fn own_uri(&self) -> &[u8] {
        self.paths.get(..self.own_len).unwrap_or_default()
    }

    fn back(&self) -> &[u8] {
        self.paths.get(self.own_len..).unwrap_or_default()
    }
}

fn chunk_of<'a>(contexts: &'a Contexts, lanes: &'a Slab<Lane>, tag: Tag) -> Option<&'a ChunkContext> {
    match tag {
        Tag::Context(index) => match contexts.get(index) {
            Some(Context::Chunk(context)) => Some(context),
            _ => None,
        },
        Tag::Lane(index) => lanes.get(index as usize).map(|lane| &lane.context),
    }
}

impl Relay {
    /// What a connection's tag names; none for a lane that is gone, whose place another may have taken.
    pub(crate) fn tag_of(&self, tag: u64) -> Option<Tag> {
        match Tag::of(tag) {
            Tag::Context(index) => Some(Tag::Context(index)),
            Tag::Lane(index) => {
                let lane = self.lanes.get(index as usize)?;
                (lane_tag(index, lane.serial) == tag).then_some(Tag::Lane(index))
            }
        }
    }

    /// What the origin of a chunk wants to hear.
    pub(crate) fn failure_report_of(&self, tag: Tag) -> Option<FailureReport> {
        chunk_of(&self.contexts, &self.lanes, tag).map(|context| context.failure_report)
    }

    /// Tells the origin of a chunk by a REPORT what became of it. It goes back on the connection that the chunk came in
    /// on; where that is gone, or its peer reads nothing, there is nobody to tell.
    pub(crate) fn report_failure(&mut self, tag: Tag, range: Option<ByteRange>, code: StatusCode) {
        let Some(context) = chunk_of(&self.contexts, &self.lanes, tag) else {
            return;
        };
        if context.failure_report == FailureReport::No {
            return;
        }
        let from = context.from;
        let Some((connection, _)) = self.table.get_mut(from) else {
            self.stats.reports_dropped += 1;
            return;
        };
        let mut range = range.unwrap_or(ByteRange::WHOLE_UNKNOWN);
        if let Some(end) = range.end.filter(|end| *end > 0 && *end < range.start) {
            // A last chunk without octets says that the message ends here: its last octet stands for it.
            range.start = end;
        }
        let range = range.to_string();
        let status = Status::new(code).to_string();
        let sent = connection.send_request(
            self.now,
            &OutgoingRequest {
                method: Method::Report,
                to_path: context.back(),
                from_path: context.own_uri(),
                headers: &[
                    ("Message-ID", context.message.as_bytes()),
                    ("Byte-Range", range.as_bytes()),
                    ("Status", status.as_bytes()),
                ],
                body: None,
                failure_report: FailureReport::No,
                tag: None,
            },
        );
        match sent {
            Ok(_) => {
                self.stats.reports_sent += 1;
                self.stats.reports_sent_by_code.record_code(Some(code));
                self.touch(from);
            }
            Err(SendError::Closed | SendError::Blocked) => self.stats.reports_dropped += 1,
            Err(error) => {
                tracing::debug!(%error, "failure REPORT not sent");
                self.stats.reports_dropped += 1;
            }
        }
    }

    /// A message has failed: the rest of it is not sent any more, and what still comes is answered with the same code.
    /// `false` if it had failed before.
    pub(crate) fn poison(&mut self, tag: Tag, code: StatusCode) -> bool {
        let Some(context) = chunk_of(&self.contexts, &self.lanes, tag) else {
            return false;
        };
        let (from, binding, message) = (context.from, context.binding, context.message);
        let Some((_, data)) = self.table.get_mut(from) else {
            return true;
        };
        let first = data.set_poison(Poisoned {
            binding,
            message,
            code,
        });
        let lane = match tag {
            Tag::Lane(lane) => Some(lane),
            Tag::Context(_) => self.find_lane(from, binding, &message),
        };
        if let Some(lane) = lane {
            self.give_up_lane(lane, code);
        }
        first
    }
}
