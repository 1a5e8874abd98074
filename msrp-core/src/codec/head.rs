//! A start line with its headers, looked into on demand.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{HeaderName, ProtocolError};
use crate::grammar::{
    ByteRange, FailureReport, GrammarError, MessageId, Method, PathRef, PathShape, Status, StatusCode,
    SuccessReport, TransactId,
};

/// Where one header line stands in the head; offsets fit 16 bits as a head has at most 65,535 octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeaderLine {
    pub(super) name: HeaderName,
    pub(super) name_len: u8,
    pub(super) start: u16,
    pub(super) value: u16,
    pub(super) end: u16,
}

pub(super) type HeaderLines = SmallVec<[HeaderLine; 10]>;

/// The position in the list of lines of each known header, plus one; zero where it is absent.
pub(super) type HeaderIndex = [u8; HeaderName::KNOWN];

/// Third token of the start line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Send,
    Report,
    Auth,
    Nickname,
    OtherMethod,
    Response(StatusCode),
}

/// The start line of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// `MSRP tid SEND`
    Request {
        /// The method.
        method: Method<'a>,
    },
    /// `MSRP tid 200 OK`
    Response {
        /// The status code.
        code: StatusCode,
        /// The comment, which may be absent.
        comment: Option<&'a str>,
    },
}

/// The start line and headers of one chunk or response (RFC 4975 §9).
///
/// The octets stay as they came; values are parsed when asked for. Cloning is cheap: the octets are shared.
#[derive(Clone)]
pub struct Head {
    raw: Bytes,
    /// In a box, as heads are handed on from layer to layer, and wait.
    shape: Box<Shape>,
}

/// What stands where in a head.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) id: TransactId,
    pub(super) kind: Kind,
    /// Method or comment in the head.
    pub(super) third: (u16, u16),
    pub(super) lines: HeaderLines,
    pub(super) index: HeaderIndex,
    /// A known header that stood more than once, the first such.
    pub(super) duplicate: Option<HeaderName>,
    pub(super) body: bool,
    /// The shapes of To-Path and From-Path of a request, where they stand in their places and are lists.
    paths: [Option<PathShape>; 2],
}

/// What a start line says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) id: TransactId,
    pub(super) kind: Kind,
    pub(super) third: (u16, u16),
}

impl Shape {
    /// A head that begins with this line, in a box that served another one before if there is one.
    pub(super) fn begin(start: Start, spare: Option<Box<Self>>) -> Box<Self> {
        let Start { id, kind, third } = start;
        match spare {
            Some(mut shape) => {
                shape.id = id;
                shape.kind = kind;
                shape.third = third;
                shape.lines.clear();
                shape.index = HeaderIndex::default();
                shape.duplicate = None;
                shape.body = false;
                shape.paths = [None, None];
                shape
            }
            None => Box::new(Self {
                id,
                kind,
                third,
                lines: HeaderLines::new(),
                index: HeaderIndex::default(),
                duplicate: None,
                body: false,
                paths: [None, None],
            }),
        }
    }
}

const PATHS: [HeaderName; 2] = [HeaderName::ToPath, HeaderName::FromPath];

impl Head {
    pub(super) fn new(raw: Bytes, mut shape: Box<Shape>) -> Self {
        // Every hop looks into the paths of a request several times, into those of a response hardly ever.
        if !matches!(shape.kind, Kind::Response(_)) {
            for (at, name) in PATHS.into_iter().enumerate() {
                shape.paths[at] = shape
                    .lines
                    .get(at)
                    .filter(|line| line.name == name)
                    .and_then(|line| raw.get(usize::from(line.value)..usize::from(line.end)))
                    .and_then(|value| PathShape::of(value).ok());
            }
        }
        Self { raw, shape }
    }

    /// The memory of a head that is not needed any more, unless it is large.
    pub(super) fn into_spare(self) -> Option<Box<Shape>> {
        (!self.shape.lines.spilled()).then_some(self.shape)
    }

    /// Where the header lines after the paths begin; none where there are no two lines.
    pub(super) fn behind_paths(&self) -> Option<usize> {
        Some(usize::from(self.shape.lines.get(1)?.end) + 2)
    }

    /// The start line.
    pub fn start(&self) -> StartLine<'_> {
        match self.shape.kind {
            Kind::Response(code) => {
                let comment = self.text(self.shape.third);
                StartLine::Response {
                    code,
                    comment: (!comment.is_empty()).then_some(comment),
                }
            }
            _ => StartLine::Request {
                method: self.method().unwrap_or(Method::Other("")),
            },
        }
    }

    /// The method; none in a response.
    pub fn method(&self) -> Option<Method<'_>> {
        Some(match self.shape.kind {
            Kind::Send => Method::Send,
            Kind::Report => Method::Report,
            Kind::Auth => Method::Auth,
            Kind::Nickname => Method::Nickname,
            Kind::OtherMethod => Method::Other(self.text(self.shape.third)),
            Kind::Response(_) => return None,
        })
    }

    /// The status code; none in a request.
    pub fn status_code(&self) -> Option<StatusCode> {
        match self.shape.kind {
            Kind::Response(code) => Some(code),
            _ => None,
        }
    }

    /// Whether this begins a request.
    pub fn is_request(&self) -> bool {
        !matches!(self.shape.kind, Kind::Response(_))
    }

    /// Whether this begins a SEND.
    pub fn is_send(&self) -> bool {
        self.shape.kind == Kind::Send
    }

    /// Whether this begins a REPORT.
    pub fn is_report(&self) -> bool {
        self.shape.kind == Kind::Report
    }

    /// The transaction identifier.
    pub fn transact_id(&self) -> TransactId {
        self.shape.id
    }

    /// Whether a body follows (it may be empty).
    pub fn has_body(&self) -> bool {
        self.shape.body
    }

    /// The octets of the start line and all header lines, each with its CRLF.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Copies the octets, so that this head no longer keeps the block alive that it came in. For heads that have to
    /// wait.
    pub fn detach(&mut self) {
        self.raw = Bytes::copy_from_slice(&self.raw);
    }

    /// The value of a known header as it came; the first one where there are several.
    pub fn header(&self, name: HeaderName) -> Option<&[u8]> {
        self.line(name).map(|line| self.slice(line.value, line.end))
    }

    /// The value of the first header of this name, in any case of letters.
    pub fn header_named(&self, name: &str) -> Option<&[u8]> {
        self.headers()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All headers in their order, as they came.
    pub fn headers(&self) -> Headers<'_> {
        Headers {
            head: self,
            lines: self.shape.lines.iter(),
        }
    }

    /// The `To-Path`, which has to be the first header.
    ///
    /// # Errors
    /// [`ProtocolError::PathOrder`] where it is not, [`ProtocolError::Path`] where it is no list of at most `max_uris`.
    pub fn to_path(&self, max_uris: usize) -> Result<PathRef<'_>, ProtocolError> {
        self.path(0, max_uris)
    }

    /// The `From-Path`, which has to be the second header.
    ///
    /// # Errors
    /// As [`to_path`](Self::to_path).
    pub fn from_path(&self, max_uris: usize) -> Result<PathRef<'_>, ProtocolError> {
        self.path(1, max_uris)
    }

    /// The `Message-ID`.
    ///
    /// # Errors
    /// [`ProtocolError::Value`] where it is no ident of 4 to 32 characters.
    pub fn message_id(&self) -> Result<Option<MessageId>, ProtocolError> {
        self.value(HeaderName::MessageId, MessageId::parse)
    }

    /// The `Byte-Range`.
    ///
    /// # Errors
    /// [`ProtocolError::Value`] where it is none.
    pub fn byte_range(&self) -> Result<Option<ByteRange>, ProtocolError> {
        self.value(HeaderName::ByteRange, ByteRange::parse)
    }

    /// The `Failure-Report`; absent means `yes` (RFC 4975 §7.1.1).
    ///
    /// # Errors
    /// [`ProtocolError::Value`] where it is none of `yes`, `no`, `partial`.
    pub fn failure_report(&self) -> Result<FailureReport, ProtocolError> {
        Ok(self
            .value(HeaderName::FailureReport, FailureReport::parse)?
            .unwrap_or_default())
    }

    /// The `Success-Report`; absent means `no` (RFC 4975 §7.1.1).
    ///
    /// # Errors
    /// [`ProtocolError::Value`] where it is neither `yes` nor `no`.
    pub fn success_report(&self) -> Result<SuccessReport, ProtocolError> {
        Ok(self
            .value(HeaderName::SuccessReport, SuccessReport::parse)?
            .unwrap_or_default())
    }

    /// The `Status` of a REPORT.
    ///
    /// # Errors
    /// [`ProtocolError::Value`] where it is no namespace, code and comment.
    pub fn status(&self) -> Result<Option<Status<'_>>, ProtocolError> {
        match self.header(HeaderName::Status) {
            None => Ok(None),
            Some(value) => Status::parse(value)
                .map(Some)
                .map_err(|source| ProtocolError::Value {
                    header: "Status",
                    source,
                }),
        }
    }

    /// The `Content-Type` as it came.
    pub fn content_type(&self) -> Option<&str> {
        self.header(HeaderName::ContentType)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The known header that stands more than once, if any does.
    pub fn duplicate(&self) -> Option<HeaderName> {
        self.shape.duplicate
    }

    /// The line of a known header.
    pub(super) fn line(&self, name: HeaderName) -> Option<HeaderLine> {
        let position = *self.shape.index.get(name as usize)?;
        self.shape
            .lines
            .get(usize::from(position).checked_sub(1)?)
            .copied()
    }

    /// Where the value of the Message-ID stands.
    pub(crate) fn message_id_span(&self) -> Option<std::ops::Range<usize>> {
        self.value_span(HeaderName::MessageId)
    }

    /// Where the value of the Byte-Range stands.
    pub(crate) fn byte_range_span(&self) -> Option<std::ops::Range<usize>> {
        self.value_span(HeaderName::ByteRange)
    }

    fn value_span(&self, name: HeaderName) -> Option<std::ops::Range<usize>> {
        let line = self.line(name)?;
        Some(usize::from(line.value)..usize::from(line.end))
    }

    pub(super) fn slice(&self, start: u16, end: u16) -> &[u8] {
        self.raw
            .get(usize::from(start)..usize::from(end))
            .unwrap_or_default()
    }

    fn text(&self, (start, end): (u16, u16)) -> &str {
        std::str::from_utf8(self.slice(start, end)).unwrap_or_default()
    }

    fn path(&self, at: usize, max_uris: usize) -> Result<PathRef<'_>, ProtocolError> {
        let name = PATHS[at];
        let line = self
            .shape
            .lines
            .get(at)
            .filter(|line| line.name == name)
            .ok_or(ProtocolError::PathOrder)?;
        let value = self.slice(line.value, line.end);
        match self.shape.paths[at] {
            Some(shape) => PathRef::of(value, shape, max_uris),
            None => PathRef::parse_lazy(value, max_uris),
        }
        .map_err(|source| ProtocolError::Path {
            header: name.as_str(),
            source,
        })
    }

    fn value<T>(
        &self,
        name: HeaderName,
        parse: impl FnOnce(&[u8]) -> Result<T, GrammarError>,
    ) -> Result<Option<T>, ProtocolError> {
        match self.header(name) {
            None => Ok(None),
            Some(value) => parse(value).map(Some).map_err(|source| ProtocolError::Value {
                header: name.as_str(),
                source,
            }),
        }
    }
}

/// Prints what kind of head it is; paths and header values are secrets of the session.
impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Head")
            .field("start", &self.start())
            .field("transact_id", &self.shape.id)
            .field("lines", &self.shape.lines.len())
            .field("body", &self.shape.body)
            .finish()
    }
}

/// The headers of a [`Head`] in their order: names and values as they came.
#[derive(Clone)]
pub struct Headers<'a> {
    head: &'a Head,
    lines: std::slice::Iter<'a, HeaderLine>,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?;
        let name = self
            .head
            .text((line.start, line.start + u16::from(line.name_len)));
        Some((name, self.head.slice(line.value, line.end)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.lines.size_hint()
    }
}

impl ExactSizeIterator for Headers<'_> {}
