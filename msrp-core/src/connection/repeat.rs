//! Short messages whose heads say what the one before said.
//!
//! From one SEND of a session to the next only four things change, and the body. What all the rest means (that it is
//! well formed, where it goes, how it is passed on, how it is answered) was found out for an earlier one, and holds for as
//! long as the octets are the same. So a relay may compare where it would have to read:
//!
//! ```text
//!   MSRP a786hjs2 SEND…To-Path…From-Path…Message-ID: 87652491…Byte-Range: 1-2/2…Content-Type…  Hi  …-------a786hjs2$
//!        ╰ new ─╯╰──────────── same ───────────────╯╰─ new ─╯╰─── same ──╯╰new╯╰── same ───╯   ╰ new, but for the hyphens
//! ```
//!
//! All of this is a short cut. What does not fit, for whatever reason, stays where it is, and
//! [`Connection::poll_event`] finds it there and comes to the same result.

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};

use super::{Connection, INTERRUPTIBLE_ABOVE, send::Complete};
use crate::{
    codec::{EndLine, Framing, HeadEdit, find_end_line_prefix},
    grammar::{ByteRange, ContinuationFlag, FailureReport, MessageId, PathRef, PathShape, TransactId},
    rng::TRANSACT_ID_WITH_SLOT,
};

/// What stands before every transaction identifier,
const MSRP: &[u8] = b"MSRP ";
/// and before that in an end-line.
const HYPHENS: &[u8] = b"-------";

/// What the heads of the SENDs of one session have in common, as they come, as they are passed on, and in their answers.
///
/// It holds about three times the octets of a head.
#[derive(Clone)]
pub struct RepeatPattern {
    /// From the transaction identifier to the value of Message-ID.
    to_message_id: Box<[u8]>,
    /// From there to the value of Byte-Range.
    to_range: Box<[u8]>,
    /// From there to the body.
    to_body: Box<[u8]>,
    /// What becomes of `to_message_id` when it is passed on.
    passed_on: Box<[u8]>,
    /// Between the two transaction identifiers of the answer.
    answer: Box<[u8]>,
    /// To-Path and From-Path in `to_message_id`.
    paths: [(usize, usize, PathShape); 2],
    failure_report: FailureReport,
}

impl RepeatPattern {
    /// The pattern of a SEND that has been passed on by this edit; none where its head is not of the usual kind (paths,
    /// Message-ID, Byte-Range, and a body).
    pub fn of(edit: &HeadEdit<'_>) -> Option<Self> {
        let head = edit.head();
        if !head.is_send() || !head.has_body() {
            return None;
        }
        let raw = head.raw();
        let (message_id, range) = (head.message_id_span()?, head.byte_range_span()?);
        let id_end = MSRP.len() + head.transact_id().as_bytes().len();
        // Byte-Range is written anew by the relay, so it has to be spelled as it spells it.
        let to_range = raw.get(message_id.end..range.start)?;
        if !to_range.ends_with(b"\r\nByte-Range: ") {
            return None;
        }
        let to_message_id = raw.get(id_end..message_id.start)?;
        let span = |part: &[u8]| {
            let start = (part.as_ptr() as usize).checked_sub(to_message_id.as_ptr() as usize)?;
            to_message_id.get(start..start + part.len())?;
            Some((start, start + part.len()))
        };
        let (to_path, from_path) = (head.to_path(usize::MAX).ok()?, head.from_path(usize::MAX).ok()?);
        let place = |path: PathRef<'_>| {
            let (start, end) = span(path.raw())?;
            Some((start, end, path.shape()))
        };
        let paths = [place(to_path)?, place(from_path)?];
        let mut passed_on = BytesMut::from(&b" SEND\r\n"[..]);
        edit.put_before(&mut passed_on);
        let behind = range.start - b"Byte-Range: ".len() - message_id.start;
        passed_on.truncate(passed_on.len().checked_sub(behind)?);
        let answer = [
            b" 200 OK\r\nTo-Path: ",
            from_path.first_raw(),
            b"\r\nFrom-Path: ",
            to_path.first_raw(),
            b"\r\n-------",
        ];
        Some(Self {
            to_message_id: to_message_id.into(),
            to_range: to_range.into(),
            to_body: [raw.get(range.end..)?, b"\r\n"].concat().into(),
            passed_on: passed_on[..].into(),
            answer: answer.concat().into(),
            paths,
            failure_report: head.failure_report().ok()?,
        })
    }

    /// To-Path as it comes.
    pub fn to_path(&self) -> Option<PathRef<'_>> {
        self.path(0)
    }

    /// From-Path as it comes.
    pub fn from_path(&self) -> Option<PathRef<'_>> {
        self.path(1)
    }

    fn path(&self, at: usize) -> Option<PathRef<'_>> {
        let &(start, end, shape) = self.paths.get(at)?;
        PathRef::of(self.to_message_id.get(start..end)?, shape, usize::MAX).ok()
    }

    /// What the messages say of Failure-Report.
    pub fn failure_report(&self) -> FailureReport {
        self.failure_report
    }

    /// The message at the start of `octets`, if it is of this pattern, complete in one chunk, and all there.
    fn find(&self, octets: &[u8], max_head: usize) -> Option<Repeat> {
        let rest = octets.strip_prefix(MSRP)?;
        let id = TransactId::at_start(rest)?;
        let id = id.as_bytes();
        let rest = rest.get(id.len()..)?.strip_prefix(&*self.to_message_id)?;
        let message_id_at = octets.len() - rest.len();
        let message_id = MessageId::at_start(rest)?;
        let rest = rest
            .get(message_id.as_bytes().len()..)?
            .strip_prefix(&*self.to_range)?;
        let (body_len, rest) = whole_range(rest)?;
        let rest = rest.strip_prefix(&*self.to_body)?;
        let body_at = octets.len() - rest.len();
        // The blank line is no part of the head. Hyphens at the start of a body may look like an end-line.
        if body_at - 2 > max_head || rest.starts_with(HYPHENS) {
            return None;
        }
        let (body, end_line) = rest.split_at_checked(body_len)?;
        end_line
            .strip_prefix(b"\r\n")?
            .strip_prefix(HYPHENS)?
            .strip_prefix(id)?
            .strip_prefix(b"$\r\n")?;
        // Most bodies are one line; in others an end-line could have come before.
        if memchr::memchr(b'\r', body).is_some() && find_end_line_prefix(rest) != Some(body_len) {
            return None;
        }
        Some(Repeat {
            id_len: id.len(),
            message_id,
            message_id_at,
            body_len,
            end: body_at + body_len + 2 + HYPHENS.len(),
        })
    }
}

/// The length of a body whose range stands at the start of these octets, and what follows: the range of a whole and short
/// message, written as a relay writes it.
#[inline]
fn whole_range(octets: &[u8]) -> Option<(usize, &[u8])> {
    let octets = octets.strip_prefix(b"1-")?;
    let digits = octets
        .iter()
        .take(5)
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    let (end, rest) = octets.split_at_checked(digits)?;
    let rest = rest.strip_prefix(b"/")?.strip_prefix(end)?;
    let len = end
        .iter()
        .fold(0, |len, digit| 10 * len + usize::from(digit - b'0'));
    // Zero is left to others, and with it what begins with it.
    (*end.first()? != b'0' && len <= INTERRUPTIBLE_ABOVE as usize).then_some((len, rest))
}

/// Paths are secrets of the session.
impl std::fmt::Debug for RepeatPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RepeatPattern")
            .field("octets", &self.to_message_id.len())
            .finish_non_exhaustive()
    }
}

/// A whole message that was received, and not taken yet: what of it is not in its [`RepeatPattern`].
#[derive(Clone, Copy, Debug)]
pub struct Repeat {
    id_len: usize,
    message_id: MessageId,
    message_id_at: usize,
    body_len: usize,
    /// Where the identifier stands in the end-line.
    end: usize,
}

impl Repeat {
    /// Its Message-ID.
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// Octets of its body.
    pub fn body_len(&self) -> usize {
        self.body_len
    }

    fn len(&self) -> usize {
        self.end + self.id_len + b"$\r\n".len()
    }
}

/// The answers that a peer gave last, between the transaction identifiers.
#[derive(Debug, Default)]
pub(super) struct LastAnswer {
    octets: Vec<u8>,
}

/// Longer answers are not remembered.
const MAX_ANSWER: usize = 1024;

impl Connection {
    /// The next thing that was received, if it is a message of this pattern and nothing else has to be told before;
    /// it stays where it is. [`pass_on_repeat`](Self::pass_on_repeat) and [`take_repeat`](Self::take_repeat) follow.
    pub fn peek_repeat(&mut self, now: Instant, pattern: &RepeatPattern) -> Option<Repeat> {
        if self.rx.front_ref().is_empty() || !self.is_between_requests(now) {
            return None;
        }
        pattern.find(self.rx.front_ref(), self.config.limits.max_head)
    }

    /// Sends what [`peek_repeat`](Self::peek_repeat) of another connection gave, as the relay that its pattern was made
    /// for; with a tag the transaction is tracked. `false` where [`send_chunk`](Self::send_chunk) has to see whether that
    /// can be.
    pub fn pass_on_repeat(
        &mut self,
        now: Instant,
        pattern: &RepeatPattern,
        from: &Connection,
        repeat: &Repeat,
        tag: Option<u64>,
    ) -> bool {
        let now = self.clock(now);
        let Some(octets) = from.rx.front_ref().get(repeat.message_id_at..repeat.end) else {
            return false;
        };
        if self.closing.is_some()
            || !self.is_stream()
            || !self.send.takes_at_once(&self.config)
            || self.is_unanswered()
        {
            return false;
        }
        let range = ByteRange::whole(repeat.body_len as u64);
        // The body has no CRLF and hyphens in it, and does not begin with hyphens, so no identifier can make an end-line of
        // it.
        let (slot, id) = match tag {
            None => (None, self.ids.transact_id()),
            Some(_) if self.transactions.len() >= self.config.max_transactions => return false,
            Some(tag) => {
                let (slot, id) =
                    self.transactions
                        .open(&mut self.ids, tag, Some(range), pattern.failure_report);
                (Some(slot), id)
            }
        };
        self.send.note_output(now);
        let queue = &mut self.send.staged;
        let reserve = MSRP.len() + pattern.passed_on.len() + octets.len() + 2 * EndLine::MAX_LEN;
        queue.write(reserve, |out| {
            out.extend_from_slice(MSRP);
            out.extend_from_slice(id.as_bytes());
            out.extend_from_slice(&pattern.passed_on);
            out.extend_from_slice(octets);
            out.extend_from_slice(id.as_bytes());
            out.extend_from_slice(b"$\r\n");
        });
        if let Some(slot) = slot {
            queue.mark(Complete::Transaction(slot));
        }
        self.stats.requests_out += 1;
        true
    }

    /// Takes memory for output from the node, if the connection has none now; what it holds is of no account. When all output
    /// has left, [`give_back`](Self::give_back) has it again: a node that serves many connections in turn needs to
    /// allocate nothing for them.
    pub fn borrow(&mut self, lend: impl FnOnce() -> Option<BytesMut>) {
        self.send.staged.borrow(|| {
            lend().map(|mut memory| {
                memory.clear();
                memory
            })
        });
    }

    /// The memory that was lent for output, once all of that has left.
    pub fn give_back(&mut self) -> Option<BytesMut> {
        self.send.staged.give_back()
    }

    /// Takes what [`peek_repeat`](Self::peek_repeat) gave: answers it 200, as far as its sender wants that, and goes on
    /// behind it.
    pub fn take_repeat(&mut self, now: Instant, pattern: &RepeatPattern, repeat: &Repeat) {
        let now = self.clock(now);
        if pattern.failure_report == FailureReport::Yes {
            let octets = self.rx.front_ref();
            // `MSRP` with the identifier, and the identifier with the rest of the end-line, stand there already.
            let start = octets.get(..MSRP.len() + repeat.id_len).unwrap_or_default();
            let end = octets.get(repeat.end..repeat.len()).unwrap_or_default();
            let reserve = MSRP.len() + pattern.answer.len() + 2 * EndLine::MAX_LEN;
            self.send.control_queue(now).write(reserve, |out| {
                out.extend_from_slice(start);
                out.extend_from_slice(&pattern.answer);
                out.extend_from_slice(end);
            });
            self.stats.responses_out += 1;
        }
        let body = repeat.body_len as u64;
        self.stats.requests_in += 1;
        self.stats.body_octets_in += body;
        // A message in one chunk only earns.
        let _credit = self.budget.chunk(&self.config, body, ContinuationFlag::Complete);
        self.skip(now, repeat.len());
    }

    /// Takes the next thing that was received, if it is a 200 as the one before, to a transaction whose tag `wanted`
    /// knows: the tag of the transaction that is over, and how long the answer took (as `after` in
    /// [`TransactionEnded`](super::Event::TransactionEnded)).
    pub fn next_repeated_answer(
        &mut self,
        now: Instant,
        wanted: impl FnOnce(u64) -> bool,
    ) -> Option<(u64, Option<Duration>)> {
        let last = self.last_answer.as_ref()?;
        let octets = self.rx.front_ref();
        let rest = octets.strip_prefix(MSRP)?;
        let (id, rest) = rest.split_at_checked(TRANSACT_ID_WITH_SLOT)?;
        let rest = rest
            .strip_prefix(&*last.octets)?
            .strip_prefix(id)?
            .strip_prefix(b"$\r\n")?;
        let len = octets.len() - rest.len();
        if !self.is_between_requests(now) {
            return None;
        }
        let id = self
            .rx
            .front_ref()
            .get(MSRP.len()..MSRP.len() + TRANSACT_ID_WITH_SLOT)?;
        let timeout = self.config.transaction_timeout;
        let (tag, after) = self.transactions.complete_if(self.now, id, timeout, wanted)?;
        self.tell_answered();
        self.stats.responses_in += 1;
        self.skip(now, len);
        Some((tag, after))
    }

    /// Remembers what a 200 to a request of ours looked like.
    pub(super) fn note_answer(&mut self, head: &crate::codec::Head) {
        let octets = head
            .raw()
            .get(MSRP.len() + head.transact_id().as_bytes().len()..)
            .unwrap_or_default();
        if octets.len() <= MAX_ANSWER {
            let last = self.last_answer.get_or_insert_default();
            last.octets.clear();
            last.octets.extend_from_slice(octets);
            last.octets.extend_from_slice(HYPHENS);
        }
    }

    /// Whether the next octet received begins a chunk, and there is nothing to tell or to do before it.
    fn is_between_requests(&mut self, now: Instant) -> bool {
        let now = self.clock(now);
        self.unhold(now);
        self.settle_incoming();
        self.incoming.is_none()
            && self.events.is_empty()
            && self.closing.is_none()
            && self.decoder.is_at_boundary()
            && self.is_stream()
            && !self.send.control_full(&self.config)
    }

    fn is_stream(&self) -> bool {
        self.decoder.framing() == Framing::Stream
    }

    /// A chunk has been taken without the decoder.
    fn skip(&mut self, now: Instant, len: usize) {
        let before = self.rx.front_ref().len();
        self.rx.front().advance(len.min(before));
        self.rx.taken(before);
        self.head_since = None;
        self.read_on(now);
    }
}
