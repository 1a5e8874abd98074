//! Octets in, heads, body slices and end-lines out.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use super::{
    DecodeError, DecodeErrorKind, DecoderLimits, EndLine, Found, Head, HeaderName,
    end_line::LineStart,
    head::{HeaderLine, Kind, Shape, Start},
};
use crate::grammar::{ContinuationFlag, GrammarError, Method, StatusCode, TransactId, chars};

/// How a transport delimits chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Framing {
    /// A stream of octets: only end-lines tell where a chunk ends (TCP, TLS).
    Stream,
    /// Each message of the transport is one whole chunk (WebSocket, RFC 7977 §5.1; data channels, RFC 8873 §5.4).
    Message,
}

/// What the decoder found.
#[derive(Clone)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "a head is handed on at once; boxing it would cost an allocation a chunk"
)]
pub enum DecodeEvent {
    /// A start line and all its headers.
    Head(Head),
    /// Some octets of the body; a slice of the input.
    Body(Bytes),
    /// The end of the chunk.
    EndLine(ContinuationFlag),
}

/// Bodies are nobody's business, so only their length is printed.
impl std::fmt::Debug for DecodeEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeEvent::Head(head) => f.debug_tuple("Head").field(head).finish(),
            DecodeEvent::Body(octets) => f.debug_tuple("Body").field(&octets.len()).finish(),
            DecodeEvent::EndLine(flag) => f.debug_tuple("EndLine").field(flag).finish(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In a start line or its headers.
    Head,
    /// In a body; `start` while none of its octets has been told.
    Body { end_line: EndLine, start: bool },
    /// The end-line has been cut off the input and is told next.
    EndLine(ContinuationFlag),
    /// With message framing: the chunk is over and the message should be too.
    MessageEnd,
    /// Framing is lost.
    Failed,
}

/// Decodes one direction of one connection.
///
/// It may be fed any split of the input and finds the same heads, the same body octets and the same end-lines; only
/// how the body is cut in slices differs. Work is linear in the input, whatever the input is: lines of an unfinished
/// head are not read again, and of a body at most 43 octets are held back.
#[derive(Debug)]
pub struct Decoder {
    limits: DecoderLimits,
    framing: Framing,
    state: State,
    /// Where the first unfinished line of the head begins.
    line_start: usize,
    /// Up to where no line feed has been found.
    searched: usize,
    /// What is known of an unfinished head, from its start line on.
    draft: Option<Box<Shape>>,
    /// Memory for the next one.
    spare: Option<Box<Shape>>,
    /// See [`body_is_plain`](Self::body_is_plain).
    plain: bool,
}

impl Decoder {
    /// A decoder at the start of a connection.
    pub fn new(limits: DecoderLimits, framing: Framing) -> Self {
        Self {
            limits,
            framing,
            state: State::Head,
            line_start: 0,
            searched: 0,
            draft: None,
            spare: None,
            plain: false,
        }
    }

    /// Takes the next event off the front of `input`; `None` when it needs more octets than there are.
    ///
    /// What is left in `input` has to be there again, at the front, in the next call.
    ///
    /// # Errors
    /// [`DecodeError`] when framing is lost. The connection has to end; every later call fails too.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<DecodeEvent>, DecodeError> {
        match self.state {
            State::Head => self.decode_head(input),
            State::Body { end_line, start } => Ok(self.decode_body(input, end_line, start)),
            State::EndLine(flag) => {
                self.state = match self.framing {
                    Framing::Stream => State::Head,
                    Framing::Message => State::MessageEnd,
                };
                Ok(Some(DecodeEvent::EndLine(flag)))
            }
            State::MessageEnd if input.is_empty() => Ok(None),
            State::MessageEnd => Err(self.fail(DecodeErrorKind::TrailingOctets, 0)),
            State::Failed => Err(self.fail(DecodeErrorKind::Failed, 0)),
        }
    }

    /// Takes back a head that is not needed any more: the next one is put into its memory. Nobody has to do this.
    pub fn recycle(&mut self, head: Head) {
        if self.spare.is_none() {
            self.spare = head.into_spare();
        }
    }

    /// With [`Framing::Message`]: says that the transport's message is over; `left` is what `decode` left of it.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TruncatedMessage`] when the chunk is not over.
    pub fn message_end(&mut self, left: &BytesMut) -> Result<(), DecodeError> {
        match self.state {
            State::MessageEnd if left.is_empty() => {
                self.state = State::Head;
                Ok(())
            }
            _ => Err(self.fail(DecodeErrorKind::TruncatedMessage, left.len())),
        }
    }

    /// How chunks are delimited.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the decoder stands between two chunks (with nothing of the next one seen).
    pub fn is_at_boundary(&self) -> bool {
        match self.state {
            State::Head => self.searched == 0,
            State::MessageEnd => true,
            _ => false,
        }
    }

    /// Whether a head has begun and is not complete, given what `decode` left in the input.
    pub(crate) fn is_in_head(&self) -> bool {
        matches!(self.state, State::Head)
    }

    /// Whether the latest [`DecodeEvent::Body`] holds no CRLF with seven hyphens, so that no end-line begins in it.
    pub(crate) fn body_is_plain(&self) -> bool {
        self.plain
    }

    fn fail(&mut self, kind: DecodeErrorKind, at: usize) -> DecodeError {
        self.state = State::Failed;
        DecodeError { kind, at }
    }

    fn decode_head(&mut self, input: &mut BytesMut) -> Result<Option<DecodeEvent>, DecodeError> {
        loop {
            let octets = &input[..];
            if self.draft.is_none() {
                // Anything else that speaks first (HTTP, TLS on a plain port) is seen at its first octets.
                let given = octets.len().min(5);
                if octets[..given] != b"MSRP "[..given] {
                    return Err(self.fail(DecodeErrorKind::NotMsrp, 0));
                }
            }
            let Some(offset) = octets.get(self.searched..).and_then(|rest| memchr(b'\n', rest)) else {
                self.searched = octets.len();
                // The end-line does not count, however its octets come.
                if octets.len() > self.limits.max_head + EndLine::MAX_LEN {
                    let limit = self.limits.max_head;
                    return Err(self.fail(DecodeErrorKind::HeadTooLong { limit }, limit));
                }
                return Ok(None);
            };
            let feed = self.searched + offset;
            let line_start = self.line_start;
            if feed + 1 > self.limits.max_head + EndLine::MAX_LEN {
                let limit = self.limits.max_head;
                return Err(self.fail(DecodeErrorKind::HeadTooLong { limit }, limit));
            }
            if feed == line_start || octets[feed - 1] != b'\r' {
                return Err(self.fail(DecodeErrorKind::BareLineFeed, feed));
            }
            let line = &octets[line_start..feed - 1];
            let Some(draft) = &mut self.draft else {
                match parse_start_line(line) {
                    Ok(start) => self.draft = Some(Shape::begin(start, self.spare.take())),
                    Err(kind) => return Err(self.fail(kind, line_start)),
                }
                self.next_line(feed);
                continue;
            };
            match line.first() {
                None => {
                    if matches!(draft.kind, Kind::Response(_)) {
                        return Err(self.fail(DecodeErrorKind::ResponseWithBody, line_start));
                    }
                    let end_line = EndLine::new(draft.id);
                    let head = self.take_head(input, line_start, true)?;
                    input.advance(2);
                    self.state = State::Body {
                        end_line,
                        start: true,
                    };
                    return Ok(Some(DecodeEvent::Head(head)));
                }
                Some(b'-') => {
                    let whole = &octets[line_start..=feed];
                    let LineStart::Yes(flag) = EndLine::new(draft.id).starts_line(whole) else {
                        return Err(self.fail(DecodeErrorKind::ForeignEndLine, line_start));
                    };
                    let line_len = whole.len();
                    let head = self.take_head(input, line_start, false)?;
                    input.advance(line_len);
                    self.state = State::EndLine(flag);
                    return Ok(Some(DecodeEvent::Head(head)));
                }
                Some(_) => {
                    if let Err(kind) = push_line(draft, line, line_start, self.limits.max_lines) {
                        return Err(self.fail(kind, line_start));
                    }
                    self.next_line(feed);
                }
            }
        }
    }

    fn next_line(&mut self, feed: usize) {
        self.line_start = feed + 1;
        self.searched = feed + 1;
    }

    /// Cuts the head off the input, which ends at `end`, and makes the decoder ready for the next one.
    fn take_head(&mut self, input: &mut BytesMut, end: usize, body: bool) -> Result<Head, DecodeError> {
        let Some(mut shape) = self.draft.take() else {
            // The caller has looked at it.
            return Err(self.fail(DecodeErrorKind::NotMsrp, 0));
        };
        if end > self.limits.max_head {
            let limit = self.limits.max_head;
            return Err(self.fail(DecodeErrorKind::HeadTooLong { limit }, limit));
        }
        let raw = input.split_to(end).freeze();
        if !is_text(&raw, 2 * (shape.lines.len() + 1)) {
            return Err(self.fail(DecodeErrorKind::HeaderText, 0));
        }
        self.line_start = 0;
        self.searched = 0;
        shape.body = body;
        Ok(Head::new(raw, shape))
    }

    fn decode_body(&mut self, input: &mut BytesMut, end_line: EndLine, start: bool) -> Option<DecodeEvent> {
        if input.is_empty() {
            return None;
        }
        if start && self.limits.empty_body_without_crlf {
            match end_line.starts_line(input) {
                LineStart::Yes(flag) => {
                    input.advance(end_line.len() - 2);
                    return self.decode_end(flag);
                }
                LineStart::Undecided => return None,
                LineStart::No => {}
            }
        }
        let (found, plain) = end_line.find(input);
        self.plain = plain;
        let body = match found {
            Found::At(at, flag) => {
                let body = input.split_to(at).freeze();
                input.advance(end_line.len());
                if body.is_empty() {
                    return self.decode_end(flag);
                }
                self.state = State::EndLine(flag);
                return Some(DecodeEvent::Body(body));
            }
            Found::Partial(0) => return None,
            Found::Partial(at) => input.split_to(at),
            Found::Nothing => input.split(),
        };
        self.state = State::Body {
            end_line,
            start: false,
        };
        Some(DecodeEvent::Body(body.freeze()))
    }

    fn decode_end(&mut self, flag: ContinuationFlag) -> Option<DecodeEvent> {
        self.state = match self.framing {
            Framing::Stream => State::Head,
            Framing::Message => State::MessageEnd,
        };
        Some(DecodeEvent::EndLine(flag))
    }
}

/// Notes where a header line stands.
fn push_line(head: &mut Shape, line: &[u8], line_start: usize, limit: usize) -> Result<(), DecodeErrorKind> {
    if head.lines.len() >= limit {
        return Err(DecodeErrorKind::TooManyLines { limit });
    }
    let (name, colon) = match HeaderName::at_start(line) {
        Some(known) => known,
        None => name_of(line)?,
    };
    let end =
        u16::try_from(line_start + line.len()).map_err(|_| DecodeErrorKind::HeadTooLong { limit: 65_535 })?;
    // Both lie before the end, so they fit too.
    let start = line_start as u16;
    let value = (line_start + colon + 2) as u16;
    head.lines.push(HeaderLine {
        name,
        name_len: colon as u8,
        start,
        value,
        end,
    });
    if let Some(slot) = head.index.get_mut(name as usize) {
        if *slot == 0 {
            // At most 250 lines, so the position fits.
            *slot = head.lines.len() as u8;
        } else if head.duplicate.is_none() {
            head.duplicate = Some(name);
        }
    }
    Ok(())
}

/// The name at the start of a header line, at most 255 octets long, and its length; a colon and a space follow.
fn name_of(line: &[u8]) -> Result<(HeaderName, usize), DecodeErrorKind> {
    let colon = line
        .iter()
        .take(256)
        .position(|&octet| octet == b':')
        .ok_or(DecodeErrorKind::HeaderLine)?;
    let name = HeaderName::from_octets(&line[..colon]);
    if name == HeaderName::Other && !is_header_name(&line[..colon]) {
        return Err(DecodeErrorKind::HeaderLine);
    }
    if line.get(colon + 1) != Some(&b' ') {
        return Err(DecodeErrorKind::HeaderLine);
    }
    Ok((name, colon))
}

/// Whether a head is UTF-8 text without control characters but for HTAB and the CR and LF of its lines, `breaks` in
/// number. One pass over the whole head costs less than one over each line.
fn is_text(raw: &[u8], breaks: usize) -> bool {
    let mut controls = 0;
    let mut all = 0;
    for part in raw.chunks(255) {
        // Sums of octets in octets: this is what the compiler turns into vector instructions.
        let mut count = 0_u8;
        for &octet in part {
            count += u8::from(octet < 0x20 || octet == 0x7f);
            all |= octet;
        }
        controls += usize::from(count);
    }
    if controls != breaks {
        let tabs = raw.iter().filter(|&&octet| octet == b'\t').count();
        if controls - tabs != breaks {
            return false;
        }
    }
    all.is_ascii() || std::str::from_utf8(raw).is_ok()
}

/// `hname = ALPHA *token` (RFC 4975 §9; the errata read the production as an ALPHA-led token).
pub(super) fn is_header_name(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic) && chars::all(name, chars::TOKEN)
}

/// `MSRP SP transact-id SP (method / 3DIGIT [SP comment])`
fn parse_start_line(line: &[u8]) -> Result<Start, DecodeErrorKind> {
    const AFTER_MSRP: usize = 5;
    let rest = line.get(AFTER_MSRP..).ok_or(DecodeErrorKind::NotMsrp)?;
    let space = memchr(b' ', rest).ok_or(DecodeErrorKind::NotMsrp)?;
    let id = TransactId::parse(&rest[..space]).map_err(DecodeErrorKind::StartLine)?;
    let third_start = AFTER_MSRP + space + 1;
    let third = &line[third_start..];
    let span = |start: usize, end: usize| {
        let fit = |at| u16::try_from(at).map_err(|_| DecodeErrorKind::HeadTooLong { limit: 65_535 });
        Ok::<_, DecodeErrorKind>((fit(start)?, fit(end)?))
    };
    let starts_with_digits = third.len() >= 3 && third[..3].iter().all(u8::is_ascii_digit);
    if starts_with_digits && matches!(third.get(3), None | Some(b' ')) {
        let code = StatusCode::parse(&third[..3]).map_err(DecodeErrorKind::StartLine)?;
        let comment = (third_start + 4).min(line.len());
        return Ok(Start {
            id,
            kind: Kind::Response(code),
            third: span(comment, line.len())?,
        });
    }
    let kind = match Method::parse(third).map_err(DecodeErrorKind::StartLine)? {
        Method::Send => Kind::Send,
        Method::Report => Kind::Report,
        Method::Auth => Kind::Auth,
        Method::Nickname => Kind::Nickname,
        Method::Other(_) => Kind::OtherMethod,
    };
    Ok(Start {
        id,
        kind,
        third: span(third_start, line.len())?,
    })
}

impl From<GrammarError> for DecodeErrorKind {
    fn from(error: GrammarError) -> Self {
        DecodeErrorKind::StartLine(error)
    }
}
