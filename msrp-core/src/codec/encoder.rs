//! Heads, responses and end-lines of what we send.

use bytes::{BufMut, Bytes, BytesMut};

use super::{EncodeError, Head, HeaderName, decoder::is_header_name};
use crate::grammar::{
    ByteRange, ContinuationFlag, FailureReport, MessageId, Path, PathRef, StatusCode, SuccessReport,
    TransactId,
};

/// Appends `MSRP tid METHOD` and CRLF.
pub(crate) fn put_request_start(out: &mut BytesMut, id: &TransactId, method: &[u8]) {
    out.extend_from_slice(b"MSRP ");
    out.extend_from_slice(id.as_bytes());
    out.put_u8(b' ');
    out.extend_from_slice(method);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end-line; `after_body` puts the CRLF before it that belongs to no body.
pub(crate) fn put_end_line(out: &mut BytesMut, id: &TransactId, flag: ContinuationFlag, after_body: bool) {
    out.extend_from_slice(if after_body { b"\r\n-------" } else { b"-------" });
    out.extend_from_slice(id.as_bytes());
    out.put_u8(flag.as_byte());
    out.extend_from_slice(b"\r\n");
}

/// Appends a whole response (RFC 4975 §7.2). The phrase is never left out: deployed peers take a status line without
/// one for a request.
pub(crate) fn put_response(
    out: &mut BytesMut,
    id: &TransactId,
    code: StatusCode,
    phrase: &str,
    to_path: &[u8],
    from_path: &[u8],
    headers: &[(&str, &[u8])],
) {
    out.reserve(96 + to_path.len() + from_path.len());
    out.extend_from_slice(b"MSRP ");
    out.extend_from_slice(id.as_bytes());
    let code = code.as_u16();
    out.extend_from_slice(&[
        b' ',
        b'0' + (code / 100 % 10) as u8,
        b'0' + (code / 10 % 10) as u8,
        b'0' + (code % 10) as u8,
        b' ',
    ]);
    // A phrase with a line break would end the line early: only its first line is sent.
    let phrase = phrase.split(['\r', '\n']).next().unwrap_or_default();
    out.extend_from_slice(if phrase.is_empty() {
        b"-"
    } else {
        phrase.as_bytes()
    });
    put_paths(out, to_path, None, from_path);
    for (name, value) in headers {
        put_header(out, name, value);
    }
    put_end_line(out, id, ContinuationFlag::Complete, false);
}

/// Appends CRLF (ending the start line), To-Path and From-Path; `prefix` is put in front of the From-Path.
fn put_paths(out: &mut BytesMut, to_path: &[u8], prefix: Option<&[u8]>, from_path: &[u8]) {
    out.extend_from_slice(b"\r\nTo-Path: ");
    out.extend_from_slice(to_path);
    out.extend_from_slice(b"\r\nFrom-Path: ");
    if let Some(prefix) = prefix {
        out.extend_from_slice(prefix);
        out.put_u8(b' ');
    }
    out.extend_from_slice(from_path);
    out.extend_from_slice(b"\r\n");
}

/// Appends one header line.
pub(crate) fn put_header(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn put_byte_range(out: &mut BytesMut, range: &ByteRange) {
    out.extend_from_slice(b"Byte-Range: ");
    range.write_to(out);
    out.extend_from_slice(b"\r\n");
}

/// Checks a header that somebody wants to send: the name is a token, the value one line of text.
pub(crate) fn check_header(name: &str, value: &[u8]) -> Result<(), EncodeError> {
    if !is_header_name(name.as_bytes()) || name.len() > 255 {
        return Err(EncodeError::HeaderName);
    }
    if std::str::from_utf8(value).is_err() || value.iter().any(|&o| (o < 0x20 && o != b'\t') || o == 0x7f) {
        return Err(EncodeError::HeaderValue);
    }
    Ok(())
}

/// What writes the head of a chunk: everything of it but the transaction identifier and the Byte-Range.
///
/// Sealed: [`HeadTemplate`] for messages of our own and for forwarded messages that take several chunks, [`HeadEdit`]
/// for a chunk that is forwarded whole.
pub trait ChunkHead: sealed::Sealed {
    /// Appends start line, headers and, before a body, the blank line.
    fn put(&self, out: &mut BytesMut, id: &TransactId, range: &ByteRange);
    /// Whether a body follows the head.
    fn has_body(&self) -> bool;
    /// Upper bound of the octets that [`put`](Self::put) appends.
    fn max_len(&self) -> usize;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::HeadTemplate {}
    impl Sealed for super::HeadEdit<'_> {}
}

/// Start line, identifier, Byte-Range of four 20-digit numbers and its name.
const VARIABLE_MAX: usize = 120;

/// What all chunks of one message have in common.
#[derive(Clone, PartialEq, Eq)]
pub struct HeadTemplate {
    /// Header lines before the Byte-Range, from To-Path on.
    before: Bytes,
    /// Header lines after it, and the blank line where there is a body.
    after: Bytes,
    body: bool,
}

/// The headers of a SEND of our own.
#[derive(Clone, Copy, Debug)]
pub struct SendHeaders<'a> {
    /// The path to the peer, our relays first.
    pub to_path: &'a Path,
    /// Our own path as the peer knows it; one URI, our own, at an endpoint.
    pub from_path: &'a Path,
    /// The message's identifier.
    pub message_id: MessageId,
    /// Sent unless it is the default, `no`.
    pub success_report: SuccessReport,
    /// Sent unless it is the default, `yes`.
    pub failure_report: FailureReport,
    /// The media type; none makes a SEND without a body (which still may have an empty range, `1-0/0`).
    pub content_type: Option<&'a str>,
    /// Further headers, such as `Content-Disposition`; they stand before the Content-Type.
    pub extra: &'a [(&'a str, &'a str)],
}

impl HeadTemplate {
    /// The head of a message of our own.
    ///
    /// # Errors
    /// [`EncodeError`] for headers that are no header lines or that this function writes itself, and for MIME headers
    /// (`Content-…`) without a body (RFC 4975 §7.1).
    pub fn send(headers: &SendHeaders<'_>) -> Result<Self, EncodeError> {
        let mut before = BytesMut::with_capacity(256);
        before.extend_from_slice(b"To-Path: ");
        before.extend_from_slice(headers.to_path.as_bytes());
        before.extend_from_slice(b"\r\nFrom-Path: ");
        before.extend_from_slice(headers.from_path.as_bytes());
        before.extend_from_slice(b"\r\n");
        put_header(&mut before, "Message-ID", headers.message_id.as_bytes());
        if headers.success_report != SuccessReport::default() {
            put_header(
                &mut before,
                "Success-Report",
                headers.success_report.as_str().as_bytes(),
            );
        }
        if headers.failure_report != FailureReport::default() {
            put_header(
                &mut before,
                "Failure-Report",
                headers.failure_report.as_str().as_bytes(),
            );
        }
        let mut after = BytesMut::with_capacity(64);
        for (name, value) in headers.extra {
            check_header(name, value.as_bytes())?;
            if HeaderName::from_octets(name.as_bytes()) != HeaderName::Other
                || name.eq_ignore_ascii_case("Content-Transfer-Encoding")
            {
                return Err(EncodeError::HeaderName);
            }
            if headers.content_type.is_none()
                && name.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("Content-"))
            {
                return Err(EncodeError::ContentType);
            }
            put_header(&mut after, name, value.as_bytes());
        }
        if let Some(content_type) = headers.content_type {
            check_header("Content-Type", content_type.as_bytes())?;
            put_header(&mut after, "Content-Type", content_type.as_bytes());
            after.extend_from_slice(b"\r\n");
        }
        Ok(Self {
            before: before.freeze(),
            after: after.freeze(),
            body: headers.content_type.is_some(),
        })
    }

    /// The head of a forwarded message: what the edit makes of it, for as many chunks as it takes.
    pub fn forward(edit: &HeadEdit<'_>) -> Self {
        let mut octets = BytesMut::with_capacity(edit.max_len());
        let middle = edit.put_before(&mut octets);
        edit.put_after(&mut octets);
        let after = octets.split_off(middle).freeze();
        Self {
            before: octets.freeze(),
            after,
            body: edit.head.has_body(),
        }
    }
}

impl ChunkHead for HeadTemplate {
    fn put(&self, out: &mut BytesMut, id: &TransactId, range: &ByteRange) {
        put_request_start(out, id, b"SEND");
        out.extend_from_slice(&self.before);
        put_byte_range(out, range);
        out.extend_from_slice(&self.after);
    }

    fn has_body(&self) -> bool {
        self.body
    }

    fn max_len(&self) -> usize {
        VARIABLE_MAX + self.before.len() + self.after.len()
    }
}

/// Paths are secrets of the session, so only sizes are printed.
impl std::fmt::Debug for HeadTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeadTemplate")
            .field("octets", &(self.before.len() + self.after.len()))
            .field("body", &self.body)
            .finish()
    }
}

/// How many of the URIs at the front of To-Path are the relay's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// None: the relay only stands between two of its own kind that are one relay to everybody else, and the paths stay
    /// as they are.
    None,
    /// The first.
    One,
    /// The first two: both ends of the session use the same relay, which takes both steps at once.
    Two,
}

impl Own {
    fn split<'a>(self, to_path: &PathRef<'a>) -> Option<Split<'a>> {
        let first = to_path.first_raw();
        if self == Own::None {
            return Some(Split {
                first,
                moves: false,
                second: None,
                rest: to_path.raw(),
            });
        }
        let rest = to_path.after_first()?;
        if self == Own::One {
            return Some(Split {
                first,
                moves: true,
                second: None,
                rest,
            });
        }
        let space = memchr::memchr(b' ', rest)?;
        Some(Split {
            first,
            moves: true,
            second: Some(rest.get(..space)?),
            rest: rest.get(space + 1..)?,
        })
    }
}

/// A To-Path, seen by the relay at its front.
#[derive(Clone, Copy)]
struct Split<'a> {
    /// The relay's own URI that is visited first.
    first: &'a [u8],
    /// Whether it goes to the front of From-Path.
    moves: bool,
    /// Its second one, where it takes both steps at once.
    second: Option<&'a [u8]>,
    /// What is still to be visited after it.
    rest: &'a [u8],
}

/// The head of a request as a relay passes it on (RFC 4976 §6.4): the first URI goes from To-Path to the front of
/// From-Path; transaction identifier and Byte-Range are new; all else stays octet for octet.
#[derive(Clone, Copy, Debug)]
pub struct HeadEdit<'a> {
    head: &'a Head,
    to_path: &'a [u8],
    own_uri: &'a [u8],
    /// Whether that goes to the front of From-Path.
    moves: bool,
    second_own_uri: Option<&'a [u8]>,
    from_path: &'a [u8],
    /// The whole From-Path as the next hop is to see it, where that is not what came with our URIs in front.
    shown_from_path: Option<&'a [u8]>,
    /// Where in the raw head the Byte-Range line stands, or would stand.
    range_line: (usize, usize),
    rest: usize,
}

impl<'a> HeadEdit<'a> {
    /// An edit of `head`.
    ///
    /// # Errors
    /// [`ProtocolError`](super::ProtocolError) where its paths are not in place, or To-Path has no second URI.
    pub fn new(head: &'a Head, max_uris: usize) -> Result<Self, super::ProtocolError> {
        Self::with_own(head, max_uris, Own::One)
    }

    /// An edit of `head` that takes off as many URIs as are the relay's own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_own(head: &'a Head, max_uris: usize, own: Own) -> Result<Self, super::ProtocolError> {
        let to_path = head.to_path(max_uris)?;
        let from_path = head.from_path(max_uris)?;
        let split = own.split(&to_path).ok_or(super::ProtocolError::PathOrder)?;
        Self::from_parts(head, split, from_path.raw(), None).ok_or(super::ProtocolError::PathOrder)
    }

    /// An edit of `head` for a relay that stands between two sessions and knows the paths of both: the request leaves
    /// with these paths in place of its own, whatever they were.
    ///
    /// # Errors
    /// [`ProtocolError`](super::ProtocolError) where its paths are not in place.
    pub fn readdressed(
        head: &'a Head,
        max_uris: usize,
        to_path: &'a [u8],
        from_path: &'a [u8],
    ) -> Result<Self, super::ProtocolError> {
        let split = Split {
            first: head.to_path(max_uris)?.first_raw(),
            moves: true,
            second: None,
            rest: to_path,
        };
        let back = head.from_path(max_uris)?;
        Self::from_parts(head, split, back.raw(), Some(from_path)).ok_or(super::ProtocolError::PathOrder)
    }

    fn from_parts(
        head: &'a Head,
        to_path: Split<'a>,
        from_path: &'a [u8],
        shown_from_path: Option<&'a [u8]>,
    ) -> Option<Self> {
        let Split {
            first: own_uri,
            moves,
            second: second_own_uri,
            rest: to_path,
        } = to_path;
        let rest = head.behind_paths()?;
        let range_line = match head.line(HeaderName::ByteRange) {
            Some(line) => (usize::from(line.start), usize::from(line.end) + 2),
            None => (rest, rest),
        };
        (range_line.0 >= rest).then_some(Self {
            head,
            to_path,
            own_uri,
            moves,
            second_own_uri,
            from_path,
            shown_from_path,
            range_line,
            rest,
        })
    }

    /// Appends the headers before the Byte-Range and returns how long `out` is then.
    pub(crate) fn put_before(&self, out: &mut BytesMut) -> usize {
        out.extend_from_slice(b"To-Path: ");
        out.extend_from_slice(self.to_path);
        out.extend_from_slice(b"\r\nFrom-Path: ");
        if let Some(shown) = self.shown_from_path {
            out.extend_from_slice(shown);
        } else {
            if let Some(second) = self.second_own_uri {
                out.extend_from_slice(second);
                out.put_u8(b' ');
            }
            if self.moves {
                out.extend_from_slice(self.own_uri);
                out.put_u8(b' ');
            }
            out.extend_from_slice(self.from_path);
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(
            self.head
                .raw()
                .get(self.rest..self.range_line.0)
                .unwrap_or_default(),
        );
        out.len()
    }

    fn put_after(&self, out: &mut BytesMut) {
        out.extend_from_slice(self.head.raw().get(self.range_line.1..).unwrap_or_default());
        if self.head.has_body() {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Appends the head of a request other than SEND, with its own Byte-Range if it has one.
    pub(crate) fn put_request(&self, out: &mut BytesMut, id: &TransactId, method: &str) {
        put_request_start(out, id, method.as_bytes());
        self.put_before(out);
        out.extend_from_slice(
            self.head
                .raw()
                .get(self.range_line.0..self.range_line.1)
                .unwrap_or_default(),
        );
        self.put_after(out);
    }

    /// The relay's own URI that stood first in To-Path.
    pub fn own_uri(&self) -> &'a [u8] {
        self.own_uri
    }

    /// The From-Path as it came.
    pub fn from_path(&self) -> &'a [u8] {
        self.from_path
    }

    /// The head that is edited.
    pub fn head(&self) -> &'a Head {
        self.head
    }
}

impl ChunkHead for HeadEdit<'_> {
    fn put(&self, out: &mut BytesMut, id: &TransactId, range: &ByteRange) {
        put_request_start(out, id, b"SEND");
        self.put_before(out);
        put_byte_range(out, range);
        self.put_after(out);
    }

    fn has_body(&self) -> bool {
        self.head.has_body()
    }

    fn max_len(&self) -> usize {
        let added = match self.shown_from_path {
            Some(shown) => self.to_path.len() + shown.len(),
            None => self.own_uri.len() + self.second_own_uri.map_or(0, <[u8]>::len),
        };
        VARIABLE_MAX + self.head.raw().len() + added
    }
}

/// How the paths of a response change on its way back.
#[derive(Clone, Copy)]
pub(crate) enum BackPaths<'a> {
    /// Our own URIs go from the front of To-Path to the front of From-Path (RFC 4976 §6.4.3).
    Shift(Own),
    /// To-Path and From-Path are these.
    Readdress(&'a [u8], &'a [u8]),
}

/// The head of a response as a relay passes it back (RFC 4976 §6.4.3).
pub(crate) fn put_forwarded_response(
    out: &mut BytesMut,
    id: &TransactId,
    head: &Head,
    max_uris: usize,
    paths: BackPaths<'_>,
) -> Option<()> {
    let code = head.status_code()?;
    let super::StartLine::Response { comment, .. } = head.start() else {
        return None;
    };
    out.extend_from_slice(b"MSRP ");
    out.extend_from_slice(id.as_bytes());
    out.put_u8(b' ');
    out.extend_from_slice(code.as_u16().to_string().as_bytes());
    out.put_u8(b' ');
    out.extend_from_slice(comment.unwrap_or("-").as_bytes());
    match paths {
        BackPaths::Readdress(to_path, from_path) => put_paths(out, to_path, None, from_path),
        BackPaths::Shift(own) => {
            let to_path = head.to_path(max_uris).ok()?;
            let from_path = head.from_path(max_uris).ok()?;
            let Split {
                first,
                moves,
                second,
                rest,
            } = own.split(&to_path)?;
            match second {
                None => put_paths(out, rest, moves.then_some(first), from_path.raw()),
                Some(second) => {
                    let both = [second, b" ", first].concat();
                    put_paths(out, rest, Some(&both), from_path.raw());
                }
            }
        }
    }
    let rest = head.behind_paths()?;
    out.extend_from_slice(head.raw().get(rest..)?);
    put_end_line(out, id, ContinuationFlag::Complete, false);
    Some(())
}

/// Appends start line and paths of a request of our own.
pub(crate) fn put_request(
    out: &mut BytesMut,
    id: &TransactId,
    method: &str,
    to_path: &[u8],
    from_path: &[u8],
) {
    out.extend_from_slice(b"MSRP ");
    out.extend_from_slice(id.as_bytes());
    out.put_u8(b' ');
    out.extend_from_slice(method.as_bytes());
    put_paths(out, to_path, None, from_path);
}
