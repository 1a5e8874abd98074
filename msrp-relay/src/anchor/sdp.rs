//! An SDP body (RFC 8866) as far as a relay in the path has to know it: lines, of which a few are replaced.
//!
//! No SDP crate stands behind this: what is not the relay's affair (other media, unknown lines, the order of attributes,
//! bare line feeds) has to leave exactly as it came, which a parser that builds a model and writes it out again cannot
//! promise.

use std::ops::Range;

use msrp_core::{
    grammar::{GrammarError, PathRef, UriRef},
    node::Fingerprint,
};

use super::error::AnchorError;

/// A line, and what ends it.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    text: &'a [u8],
    end: &'a [u8],
}

impl<'a> Line<'a> {
    /// The value of a line of this type.
    fn value(&self, kind: &[u8]) -> Option<&'a [u8]> {
        self.text.strip_prefix(kind)
    }
}

/// `a=setup` (RFC 4145 §4). `holdconn` counts as none (RFC 6135 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    Active,
    Passive,
    ActPass,
}

impl Setup {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
        }
    }
}

/// An MSRP stream, as its section says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Its place among all sections, from 0.
    pub(crate) number: usize,
    /// The line of its `m=`, from 1.
    pub(crate) line: usize,
    /// 0 refuses it.
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) setup: Option<Setup>,
    pub(crate) cema: bool,
    pub(crate) fingerprints: Vec<Fingerprint>,
    /// `c=`: the host, of the section or of the session.
    pub(crate) address: Option<String>,
    /// `a=path`, with single spaces; empty where the stream is refused.
    pub(crate) path: Box<[u8]>,
}

/// What a section is to say instead.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) number: usize,
    pub(super) tls: bool,
    /// What names the relay; none for a stream that is refused.
    pub(super) relay: Option<Named>,
}

/// What names the relay in a section.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) port: u16,
    /// The value of `c=`.
    pub(super) address: String,
    pub(super) path: Vec<u8>,
    pub(super) setup: Setup,
    pub(super) cema: bool,
    /// The relay's own, where the stream is protected.
    pub(super) fingerprints: Vec<String>,
}

/// A body, cut into lines.
#[derive(Debug)]
pub(super) struct Sdp<'a> {
    lines: Vec<Line<'a>>,
    /// The lines of each section, that of its `m=` first.
    sections: Vec<Range<usize>>,
}

impl<'a> Sdp<'a> {
    pub(super) fn parse(body: &'a [u8], limit: usize) -> Result<Self, AnchorError> {
        if body.len() > limit {
            let len = body.len();
            return Err(AnchorError::TooLong { len, limit });
        }
        let mut lines = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at(end);
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let end = line.get(text.len()..).unwrap_or_default();
            lines.push(Line { text, end });
            rest = after;
        }
        // An empty line at the end is what a careless writer of SIP leaves.
        let full = lines
            .iter()
            .rposition(|line| !line.text.is_empty())
            .map_or(0, |at| at + 1);
        for (index, line) in lines.iter().enumerate().take(full) {
            let first = line.text.first().is_some_and(u8::is_ascii_lowercase);
            if !first || line.text.get(1) != Some(&b'=') || memchr::memchr2(0, b'\r', line.text).is_some() {
                return Err(if index == 0 {
                    AnchorError::NotSdp
                } else {
                    AnchorError::Line { line: index + 1 }
                });
            }
        }
        if lines.first().is_none_or(|line| line.text != b"v=0") {
            return Err(AnchorError::NotSdp);
        }
        let mut sections: Vec<Range<usize>> = Vec::new();
        for (index, line) in lines.iter().enumerate().take(full) {
            if line.value(b"m=").is_some() {
                if let Some(before) = sections.last_mut() {
                    before.end = index;
                }
                sections.push(index..full);
            }
        }
        Ok(Self { lines, sections })
    }

    fn session_level(&self) -> &[Line<'a>] {
        let end = self
            .sections
            .first()
            .map_or(self.lines.len(), |first| first.start);
        self.lines.get(..end).unwrap_or_default()
    }

    fn section(&self, range: &Range<usize>) -> &[Line<'a>] {
        self.lines.get(range.clone()).unwrap_or_default()
    }

    /// Whether there is media that is none of this relay's.
    pub(super) fn has_other_media(&self, streams: &[Stream]) -> bool {
        streams.len() < self.sections.len()
    }

    /// Whether a fingerprint stands above all media.
    pub(super) fn has_session_fingerprint(&self) -> bool {
        self.session_level()
            .iter()
            .any(|line| line.value(b"a=fingerprint:").is_some())
    }

    /// The MSRP streams, refused ones too.
    pub(super) fn streams(&self, max_streams: usize, max_uris: usize) -> Result<Vec<Stream>, AnchorError> {
        let above = Found::read(self.session_level(), 0)?;
        let mut streams = Vec::new();
        for (number, range) in self.sections.iter().enumerate() {
            let Some((port, tls)) = self.media(range)? else {
                continue;
            };
            if streams.len() >= max_streams {
                return Err(AnchorError::TooManyStreams { limit: max_streams });
            }
            let line = range.start + 1;
            let mut stream = Stream {
                number,
                line,
                port,
                tls,
                setup: None,
                cema: false,
                fingerprints: Vec::new(),
                address: None,
                path: Box::default(),
            };
            if port != 0 {
                let found = Found::read(self.section(range), range.start)?;
                let [(path_line, path)] = found.paths[..] else {
                    return Err(AnchorError::PathCount {
                        line,
                        found: found.paths.len(),
                    });
                };
                stream.path = check_path(path, path_line, max_uris)?;
                stream.setup = found.setup.or(above.setup).flatten();
                stream.cema = found.cema;
                stream.fingerprints = if found.fingerprints.is_empty() {
                    above.fingerprints.clone()
                } else {
                    found.fingerprints
                };
                stream.address = found.address.or_else(|| above.address.clone());
            }
            streams.push(stream);
        }
        Ok(streams)
    }

    /// Port and protection of an MSRP section; none for other media.
    fn media(&self, range: &Range<usize>) -> Result<Option<(u16, bool)>, AnchorError> {
        let value = self.section(range).first().and_then(|line| line.value(b"m="));
        let mut words = value.unwrap_or_default().split(|&octet| octet == b' ');
        let (kind, port, protocol) = (words.next(), words.next(), words.next());
        if kind != Some(b"message") {
            return Ok(None);
        }
        let malformed = AnchorError::MediaLine {
            line: range.start + 1,
        };
        let tls = match protocol {
            Some(name) if name.eq_ignore_ascii_case(PLAIN.as_bytes()) => false,
            Some(name) if name.eq_ignore_ascii_case(PROTECTED.as_bytes()) => true,
            Some(_) => return Ok(None),
            None => return Err(malformed),
        };
        let port = port
            .and_then(|port| std::str::from_utf8(port).ok())
            .and_then(|port| port.parse().ok())
            .filter(|_| words.next().is_some_and(|format| !format.is_empty()))
            .ok_or(malformed)?;
        Ok(Some((port, tls)))
    }

    /// The body with these sections changed; every other line as it came.
    pub(super) fn rewrite(&self, changes: &[Section], drop_session_fingerprint: bool) -> Vec<u8> {
        let mut out = Writer::new(&self.lines);
        for line in self.session_level() {
            if !(drop_session_fingerprint && line.value(b"a=fingerprint:").is_some()) {
                out.put(line.text, line.end);
            }
        }
        for (number, range) in self.sections.iter().enumerate() {
            let lines = self.section(range);
            match changes.iter().find(|change| change.number == number) {
                Some(change) => out.put_section(lines, change),
                None => lines.iter().for_each(|line| out.put(line.text, line.end)),
            }
        }
        let full = self.sections.last().map_or(0, |last| last.end);
        for line in self.lines.get(full..).unwrap_or_default() {
            if !self.sections.is_empty() {
                out.put(line.text, line.end);
            }
        }
        out.octets
    }
}

pub(super) const PLAIN: &str = "TCP/MSRP";
pub(super) const PROTECTED: &str = "TCP/TLS/MSRP";

/// What one level of a body says that concerns us.
#[derive(Debug, Default)]
struct Found<'a> {
    /// `Some(None)`: one that counts as none.
    setup: Option<Option<Setup>>,
    cema: bool,
    fingerprints: Vec<Fingerprint>,
    address: Option<String>,
    paths: Vec<(usize, &'a [u8])>,
}

impl<'a> Found<'a> {
    fn read(lines: &[Line<'a>], first: usize) -> Result<Self, AnchorError> {
        let mut found = Self::default();
        for (index, line) in lines.iter().enumerate() {
            let number = first + index + 1;
            if let Some(path) = line.value(b"a=path:") {
                found.paths.push((number, path));
            } else if let Some(setup) = line.value(b"a=setup:") {
                let setup = match trim(setup) {
                    b"active" => Some(Setup::Active),
                    b"passive" => Some(Setup::Passive),
                    b"actpass" => Some(Setup::ActPass),
                    b"holdconn" => None,
                    other => {
                        return Err(AnchorError::Setup {
                            line: number,
                            value: String::from_utf8_lossy(other).into_owned(),
                        });
                    }
                };
                found.setup.get_or_insert(setup);
            } else if trim(line.text) == b"a=msrp-cema" {
                found.cema = true;
            } else if let Some(value) = line.value(b"a=fingerprint:") {
                let fingerprint = fingerprint(value).ok_or(AnchorError::Fingerprint { line: number })?;
                found.fingerprints.push(fingerprint);
            } else if let Some(address) = line.value(b"c=") {
                found.address.get_or_insert_with(|| host_of(address));
            }
        }
        Ok(found)
    }
}

/// The host in the value of `c=`, without the time-to-live of multicast.
fn host_of(address: &[u8]) -> String {
    let text = String::from_utf8_lossy(address);
    let host = text.split_whitespace().nth(2).unwrap_or_default();
    host.split('/').next().unwrap_or_default().to_owned()
}

fn trim(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}

fn fingerprint(value: &[u8]) -> Option<Fingerprint> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let (hash, digits) = text.split_once(' ')?;
    let value: Option<Vec<u8>> = digits
        .trim()
        .split(':')
        .map(|pair| {
            let digits = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            digits.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        })
        .collect();
    Some(Fingerprint {
        hash: hash.to_ascii_lowercase(),
        value: value?,
    })
}

/// The longest path, in octets: each request carries two, and a head has 16 KiB.
const MAX_PATH: usize = 4 * 1024;

/// Checks a path and gives it with single spaces.
fn check_path(value: &[u8], line: usize, max_uris: usize) -> Result<Box<[u8]>, AnchorError> {
    let uris: Vec<&[u8]> = value
        .split(|&octet| octet == b' ')
        .filter(|uri| !uri.is_empty())
        .collect();
    let path = uris.join(&b' ');
    if path.len() > MAX_PATH {
        let len = path.len();
        return Err(AnchorError::PathTooLong {
            line,
            len,
            limit: MAX_PATH,
        });
    }
    let wrong = |source| AnchorError::Path { line, source };
    let shape = PathRef::parse_lazy(&path, max_uris).map_err(wrong)?;
    for uri in shape.iter() {
        uri.and_then(|uri| uri.require_port()).map_err(wrong)?;
    }
    let last = shape.last().map_err(wrong)?;
    if last.session_id().is_none() {
        return Err(AnchorError::NoSessionId { line });
    }
    Ok(path.into())
}

/// The URIs of a path that has been checked.
pub(super) fn first_of(path: &[u8]) -> Result<UriRef<'_>, GrammarError> {
    PathRef::parse_lazy(path, usize::MAX)?.first()
}

/// The session-id of the last URI of a path; empty where it has none.
pub(super) fn session_of(path: &[u8]) -> &[u8] {
    let last = path.rsplit(|&octet| octet == b' ').next().unwrap_or_default();
    UriRef::parse(last)
        .ok()
        .and_then(|uri| uri.session_id())
        .unwrap_or_default()
        .as_bytes()
}

/// Puts lines together; a line that had no end gets one when another follows.
struct Writer {
    octets: Vec<u8>,
    usual_end: Vec<u8>,
    open: bool,
}

impl Writer {
    fn new(lines: &[Line<'_>]) -> Self {
        let usual_end = match lines.first() {
            Some(line) if line.end.ends_with(b"\n") => line.end.to_vec(),
            _ => b"\r\n".to_vec(),
        };
        Self {
            octets: Vec::with_capacity(1024),
            usual_end,
            open: false,
        }
    }

    fn put(&mut self, text: &[u8], end: &[u8]) {
        if self.open {
            let missing: &[u8] = match self.octets.last() {
                Some(b'\r') => b"\n",
                _ => &self.usual_end,
            };
            self.octets.extend_from_slice(missing);
        }
        self.octets.extend_from_slice(text);
        self.octets.extend_from_slice(end);
        self.open = !end.ends_with(b"\n");
    }

    fn put_own(&mut self, parts: &[&[u8]], end: &[u8]) {
        self.put(&parts.concat(), end);
    }

    fn put_section(&mut self, lines: &[Line<'_>], change: &Section) {
        let protocol = if change.tls { PROTECTED } else { PLAIN }.as_bytes();
        let Some(relay) = &change.relay else {
            for line in lines {
                match line.value(b"m=") {
                    Some(_) => self.put_media(line, b"0", protocol),
                    None => self.put(line.text, line.end),
                }
            }
            return;
        };
        let end = self.usual_end.clone();
        let (mut address, mut setup, mut cema, mut certificate) = (false, false, false, false);
        for line in lines {
            let end = line.end;
            let is = |kind: &[u8]| line.value(kind).is_some();
            // c= comes after m= and i=, before all else.
            if !address && !is(b"m=") && !is(b"i=") {
                address = true;
                let end = if is(b"c=") { end } else { &self.usual_end.clone() };
                self.put_own(&[b"c=", relay.address.as_bytes()], end);
            }
            if is(b"m=") {
                self.put_media(line, relay.port.to_string().as_bytes(), protocol);
            } else if is(b"c=") || is(b"a=connection:") {
                // The address has been written; a=connection is not for MSRP (RFC 6135 §4.4).
            } else if is(b"a=path:") {
                self.put_own(&[b"a=path:", &relay.path], end);
            } else if is(b"a=setup:") {
                if !std::mem::replace(&mut setup, true) {
                    self.put_own(&[b"a=setup:", relay.setup.as_str().as_bytes()], end);
                }
            } else if trim(line.text) == b"a=msrp-cema" {
                if relay.cema && !std::mem::replace(&mut cema, true) {
                    self.put(line.text, end);
                }
            } else if is(b"a=fingerprint:") {
                if !std::mem::replace(&mut certificate, true) {
                    for fingerprint in &relay.fingerprints {
                        self.put_own(&[b"a=fingerprint:", fingerprint.as_bytes()], end);
                    }
                }
            } else {
                self.put(line.text, end);
            }
        }
        if !address {
            self.put_own(&[b"c=", relay.address.as_bytes()], &end);
        }
        if !setup {
            self.put_own(&[b"a=setup:", relay.setup.as_str().as_bytes()], &end);
        }
        if relay.cema && !cema {
            self.put(b"a=msrp-cema", &end);
        }
        if !certificate {
            for fingerprint in &relay.fingerprints {
                self.put_own(&[b"a=fingerprint:", fingerprint.as_bytes()], &end);
            }
        }
    }

    /// The `m=` line with another port and protocol; the formats stay.
    fn put_media(&mut self, line: &Line<'_>, port: &[u8], protocol: &[u8]) {
        let formats = line.text.splitn(4, |&octet| octet == b' ').nth(3).unwrap_or(b"*");
        self.put_own(&[b"m=message ", port, b" ", protocol, b" ", formats], line.end);
    }
}
