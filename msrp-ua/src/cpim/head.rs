//! Everything of a message/cpim that comes before its body.

use std::time::SystemTime;

use bytes::Bytes;
use msrp_core::grammar::{GrammarError, MediaType};

use super::{
    Address, CPIM_NAMESPACE, CpimError, Header, Requirement,
    grammar::{self, Line},
    header::Namespaces,
    rules::CpimRules,
};
use crate::{date, mime::ContentHeaders};

/// The headers of a message/cpim and of its content, as they came.
///
/// What a name in them claims is not proved by its being there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpimHead {
    octets: Bytes,
    headers: Vec<Header>,
    content: ContentHeaders,
    media_type: String,
    from: Option<Address>,
    to: Vec<Address>,
    cc: Vec<Address>,
    date_time: Option<Box<str>>,
    required: Vec<Requirement>,
}

impl CpimHead {
    /// From the first octet of the headers to the blank line before the body, with it, as they came.
    pub fn octets(&self) -> &Bytes {
        &self.octets
    }

    /// The message's headers, in order, known or not.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// The headers `name` of a namespace, in order.
    pub fn all<'a>(&'a self, namespace: &'a str, name: &'a str) -> impl Iterator<Item = &'a Header> {
        self.headers
            .iter()
            .filter(move |header| header.is(namespace, name))
    }

    /// Who wrote the message, as it says. Messages of MSRP have this header (RFC 4975 §13).
    pub fn from(&self) -> Option<&Address> {
        self.from.as_ref()
    }

    /// To whom it goes.
    pub fn to(&self) -> &[Address] {
        &self.to
    }

    /// To whom else it goes.
    pub fn cc(&self) -> &[Address] {
        &self.cc
    }

    /// When it was sent, as written.
    pub fn date_time(&self) -> Option<&str> {
        self.date_time.as_deref()
    }

    /// When it was sent; none where that is not told, or not in the form of RFC 3339.
    pub fn sent_at(&self) -> Option<SystemTime> {
        date::parse_rfc3339(self.date_time()?)
    }

    /// What it is about, once for each language. [`Header::text`] and [`Header::language`] tell.
    pub fn subjects(&self) -> impl Iterator<Item = &Header> {
        self.all(CPIM_NAMESPACE, "Subject")
    }

    /// What has to be understood to understand the message (RFC 3862 §3.5).
    pub fn required(&self) -> &[Requirement] {
        &self.required
    }

    /// What of that is not understood, by what `understands` says of a namespace and a name. A message for which this is
    /// not empty must not be treated as if it were understood: refuse it with 415.
    ///
    /// [`understands_core`](super::understands_core) is what this crate itself understands.
    pub fn not_understood(&self, understands: impl Fn(&str, &str) -> bool) -> Vec<&Requirement> {
        self.required
            .iter()
            .filter(|required| {
                !required
                    .namespace
                    .as_deref()
                    .is_some_and(|namespace| understands(namespace, &required.name))
            })
            .collect()
    }

    /// The headers of the content.
    pub fn content(&self) -> &ContentHeaders {
        &self.content
    }

    /// The media type of the content, as it came but unfolded.
    pub fn content_type(&self) -> &str {
        &self.media_type
    }

    /// The media type of the content, parsed.
    ///
    /// # Errors
    /// Those of [`MediaType::parse`], and so none: the head could not have been read.
    pub fn media_type(&self) -> Result<MediaType<'_>, GrammarError> {
        MediaType::parse(self.media_type.as_bytes())
    }
}

/// Where a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Message,
    /// The content's headers. They began without the blank line, so that one may come before they are complete.
    ContentAtOnce,
    Content,
    Done,
}

/// Reads a head line by line from octets of which there are more at each call. No octet is looked at twice.
#[derive(Debug)]
pub(super) struct HeadReader {
    rules: CpimRules,
    stage: Stage,
    /// Where the next line begins.
    at: usize,
    /// Up to where no end of that line was found.
    scanned: usize,
    line: usize,
    namespaces: Namespaces,
    headers: Vec<Header>,
    content: ContentHeaders,
    required: Vec<Requirement>,
}

impl HeadReader {
    pub(super) fn new(rules: CpimRules) -> Self {
        Self {
            rules,
            stage: Stage::Message,
            at: 0,
            scanned: 0,
            line: 0,
            namespaces: Namespaces::new(),
            headers: Vec::new(),
            content: ContentHeaders::new(),
            required: Vec::new(),
        }
    }

    /// Goes on as far as there are whole lines. `octets` are all there are so far, from the beginning. Answers where the
    /// body begins, once that is known.
    pub(super) fn read(&mut self, octets: &[u8]) -> Result<Option<usize>, CpimError> {
        while self.stage != Stage::Done {
            let rest = octets.get(self.scanned..).unwrap_or_default();
            let Some(found) = memchr::memchr(b'\n', rest) else {
                self.scanned = octets.len();
                if octets.len() > self.rules.max_head {
                    return Err(self.too_long());
                }
                return Ok(None);
            };
            let end = self.scanned + found;
            if end >= self.rules.max_head {
                return Err(self.too_long());
            }
            self.line += 1;
            let line = octets.get(self.at..end).unwrap_or_default();
            let line = match line.strip_suffix(b"\r") {
                Some(line) => line,
                None if self.rules.bare_line_feeds => line,
                None => return Err(CpimError::LineEnd { line: self.line }),
            };
            self.take_line(line)?;
            self.at = end + 1;
            self.scanned = self.at;
        }
        Ok(Some(self.at))
    }

    fn too_long(&self) -> CpimError {
        CpimError::HeadTooLong {
            limit: self.rules.max_head,
        }
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), CpimError> {
        match self.stage {
            Stage::Message if line.is_empty() => self.stage = Stage::Content,
            Stage::Message => return self.take_header(line),
            Stage::ContentAtOnce if line.is_empty() => {
                // Headers of the message that only look like those of content: the true ones are still to come.
                self.stage = if self.content.get("Content-Type").is_some() {
                    Stage::Done
                } else {
                    Stage::Content
                };
            }
            Stage::Content if line.is_empty() => self.stage = Stage::Done,
            Stage::ContentAtOnce | Stage::Content => return self.take_content_header(line),
            Stage::Done => {}
        }
        Ok(())
    }

    fn take_content_header(&mut self, line: &[u8]) -> Result<(), CpimError> {
        self.content
            .push_line(line)
            .map_err(|_| CpimError::ContentHeader { line: self.line })?;
        self.count()
    }

    fn count(&self) -> Result<(), CpimError> {
        if self.headers.len() + self.content.len() > self.rules.max_headers {
            return Err(CpimError::TooManyHeaders {
                limit: self.rules.max_headers,
            });
        }
        Ok(())
    }

    fn take_header(&mut self, line: &[u8]) -> Result<(), CpimError> {
        let text = str::from_utf8(line)
            .ok()
            .filter(|text| is_clean(text, self.rules.loose_spaces))
            .ok_or(CpimError::Text { line: self.line })?;
        if self.rules.missing_blank_line && is_content_header(text) {
            self.stage = Stage::ContentAtOnce;
            return self.take_content_header(line);
        }
        let header =
            grammar::header(text, self.rules.loose_spaces).ok_or(CpimError::Header { line: self.line })?;
        let namespace = self.namespaces.resolve(header.prefix);
        let of_cpim = namespace.as_deref() == Some(CPIM_NAMESPACE);
        // NS without a prefix declares whatever the default namespace is, or nobody could change that back.
        if header.name == "NS" && (of_cpim || header.prefix.is_none()) {
            let (prefix, uri) = grammar::namespace(header.value).ok_or(CpimError::Namespace)?;
            self.namespaces.declare(prefix, uri);
        }
        if header.name == "Require" && of_cpim {
            self.take_required(&header)?;
        }
        self.headers.push(Header::new(&header, namespace));
        self.count()
    }

    fn take_required(&mut self, header: &Line<'_>) -> Result<(), CpimError> {
        for (prefix, name) in grammar::names(header.value).ok_or(CpimError::Require)? {
            self.required.push(Requirement {
                namespace: self.namespaces.resolve(prefix),
                name: name.into(),
            });
        }
        Ok(())
    }

    /// The head, once [`read`](Self::read) has found its end; `octets` are those up to there.
    pub(super) fn finish(self, octets: Bytes) -> Result<CpimHead, CpimError> {
        let mut types = self.content.all("Content-Type");
        let (Some(media_type), None) = (types.next(), types.next()) else {
            return Err(CpimError::ContentType);
        };
        MediaType::parse(media_type.as_bytes())?;
        let media_type = media_type.to_owned();
        drop(types);
        let loose = self.rules.loose_spaces;
        let addresses = |name: &'static str| {
            self.headers
                .iter()
                .filter(move |header| header.is(CPIM_NAMESPACE, name))
                .map(move |header| {
                    if loose {
                        Address::parse_loose(header.value())
                    } else {
                        Address::parse(header.value())
                    }
                })
        };
        let mut from = addresses("From");
        let writer = from.next().transpose()?;
        if from.next().is_some() {
            return Err(CpimError::Repeated("From"));
        }
        drop(from);
        let to = addresses("To").collect::<Result<_, _>>()?;
        let cc = addresses("cc").collect::<Result<_, _>>()?;
        let mut dates = self
            .headers
            .iter()
            .filter(|header| header.is(CPIM_NAMESPACE, "DateTime"));
        let date_time = dates.next().map(|header| header.value().into());
        if dates.next().is_some() {
            return Err(CpimError::Repeated("DateTime"));
        }
        drop(dates);
        Ok(CpimHead {
            octets,
            headers: self.headers,
            content: self.content,
            media_type,
            from: writer,
            to,
            cc,
            date_time,
            required: self.required,
        })
    }
}

/// No control character (RFC 3862 §2.2), unless tabs are let pass.
fn is_clean(text: &str, tabs: bool) -> bool {
    text.bytes()
        .all(|octet| (octet >= b' ' && octet != 0x7f) || (tabs && octet == b'\t'))
}

/// Whether a line looks like a header of content: `Content-…`, in any case.
fn is_content_header(line: &str) -> bool {
    line.get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case("content-"))
}
