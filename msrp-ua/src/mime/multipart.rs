//! Multipart bodies (RFC 2046 §5.1), taken apart without copying, and put together.

use std::fmt;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use msrp_core::grammar::MediaType;

use super::{ContentHeaders, MimeError, disposition::percent_decoded};

/// Header fields that one part may have.
const MAX_PART_HEADERS: usize = 64;

/// One part of a multipart body.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Its header fields.
    pub headers: ContentHeaders,
    /// Its body.
    pub body: Bytes,
}

/// Prints how long the body is, not what is in it.
impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("headers", &self.headers)
            .field("octets", &self.body.len())
            .finish()
    }
}

/// A multipart body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    parts: Vec<Part>,
}

impl Multipart {
    /// Takes a body apart by the boundary that its Content-Type tells. A closing boundary without its `--`, as RFC 5438 §8.3
    /// shows one, or none at all, ends the last part with the body.
    ///
    /// # Errors
    /// [`MimeError`]; a body may have `max_parts` parts.
    pub fn parse(content_type: &str, body: &Bytes, max_parts: usize) -> Result<Self, MimeError> {
        let media_type = MediaType::parse(content_type.as_bytes()).map_err(|_| MimeError::Boundary)?;
        let boundary = media_type
            .parameter("boundary")
            .filter(|boundary| is_boundary(boundary))
            .ok_or(MimeError::Boundary)?;
        let mut parts = Vec::new();
        let mut begun: Option<usize> = None;
        let delimiter = format!("--{boundary}");
        for at in memmem::find_iter(body, delimiter.as_bytes()) {
            let Some(delimiter) = delimiter_at(body, at, delimiter.len()) else {
                continue;
            };
            if let Some(start) = begun.take() {
                push_part(&mut parts, body, start, delimiter.start, max_parts)?;
            }
            if delimiter.closes {
                return Ok(Self { parts });
            }
            begun = Some(delimiter.end);
        }
        let start = begun.ok_or(MimeError::Boundary)?;
        // What follows a last boundary that should have closed.
        if body
            .get(start..)
            .unwrap_or_default()
            .iter()
            .any(|octet| !octet.is_ascii_whitespace())
        {
            push_part(&mut parts, body, start, body.len(), max_parts)?;
        }
        Ok(Self { parts })
    }

    /// A body of these parts.
    pub fn new(parts: Vec<Part>) -> Self {
        Self { parts }
    }

    /// The parts, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The parts, in order.
    pub fn into_parts(self) -> Vec<Part> {
        self.parts
    }

    /// The Content-Type of the body with this subtype and boundary. That of `related` also tells the type of the root, which
    /// is the first part (RFC 2387): the SDP where a file's icon goes with it (RFC 5547 §8.8).
    pub fn content_type(&self, subtype: &str, boundary: &str) -> String {
        let root = self
            .parts
            .first()
            .and_then(|part| part.headers.get("Content-Type"))
            .and_then(|text| text.split(';').next())
            .filter(|_| subtype.eq_ignore_ascii_case("related"));
        match root {
            Some(root) => format!(
                "multipart/{subtype};type=\"{}\";boundary=\"{boundary}\"",
                root.trim()
            ),
            None => format!("multipart/{subtype};boundary=\"{boundary}\""),
        }
    }

    /// The part that the others belong to, by the Content-Type of the body: the one that `start` names, or else the first.
    pub fn root(&self, content_type: &str) -> Option<&Part> {
        let media_type = MediaType::parse(content_type.as_bytes()).ok()?;
        match media_type.parameter("start") {
            Some(id) => self.by_id(&id),
            None => self.parts.first(),
        }
    }

    /// The part of this Content-ID, given as `<id>`, as the URL `cid:id` (RFC 2392), or bare.
    pub fn by_id(&self, id: &str) -> Option<&Part> {
        let wanted = match id.strip_prefix("cid:") {
            Some(url) => percent_decoded(url)?,
            None => bare(id).to_owned(),
        };
        self.parts
            .iter()
            .find(|part| part.headers.get("Content-ID").map(bare) == Some(&wanted))
    }

    /// Writes the body with a boundary, which should be long and random.
    ///
    /// # Errors
    /// [`MimeError::Boundary`] where it is none, or stands in one of the parts.
    pub fn body(&self, boundary: &str) -> Result<Bytes, MimeError> {
        let delimiter = format!("--{boundary}");
        let finder = memmem::Finder::new(&delimiter);
        if !is_boundary(boundary) || self.parts.iter().any(|part| finder.find(&part.body).is_some()) {
            return Err(MimeError::Boundary);
        }
        let mut body = BytesMut::new();
        for part in &self.parts {
            body.extend_from_slice(format!("{delimiter}\r\n{}\r\n", part.headers).as_bytes());
            body.extend_from_slice(&part.body);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("{delimiter}--\r\n").as_bytes());
        Ok(body.freeze())
    }
}

/// A Content-ID without its brackets.
fn bare(id: &str) -> &str {
    let id = id.trim();
    id.strip_prefix('<')
        .and_then(|id| id.strip_suffix('>'))
        .unwrap_or(id)
}

fn push_part(
    parts: &mut Vec<Part>,
    body: &Bytes,
    start: usize,
    end: usize,
    max_parts: usize,
) -> Result<(), MimeError> {
    if parts.len() >= max_parts {
        return Err(MimeError::TooManyParts { limit: max_parts });
    }
    parts.push(part(body.slice(start.min(end)..end))?);
    Ok(())
}

/// `boundary` of RFC 2046: 1 to 70 of a few characters, not ending in a space.
fn is_boundary(text: &str) -> bool {
    (1..=70).contains(&text.len())
        && !text.ends_with(' ')
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&octet))
}

struct Delimiter {
    /// Where the part before it ends: the line end before the boundary belongs to the boundary.
    start: usize,
    /// Where the next part begins.
    end: usize,
    closes: bool,
}

/// The delimiter whose boundary stands at `at`, if it is a line of its own.
fn delimiter_at(body: &[u8], at: usize, len: usize) -> Option<Delimiter> {
    let start = match body.get(..at)? {
        [] => 0,
        [.., b'\r', b'\n'] => at - 2,
        [.., b'\n'] => at - 1,
        _ => return None,
    };
    let after = body.get(at + len..)?;
    let (after, closes) = match after.strip_prefix(b"--") {
        Some(after) => (after, true),
        None => (after, false),
    };
    let padding = after
        .iter()
        .take_while(|octet| matches!(octet, b' ' | b'\t'))
        .count();
    let line_end = match after.get(padding..)? {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        [] => 0,
        _ => return None,
    };
    let end = body.len() - after.len() + padding + line_end;
    Some(Delimiter { start, end, closes })
}

/// A part: header fields, a blank line, a body.
fn part(octets: Bytes) -> Result<Part, MimeError> {
    let mut headers = ContentHeaders::new();
    let mut at = 0;
    loop {
        let rest = octets.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(Part {
                headers,
                body: Bytes::new(),
            });
        }
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |found| found + 1);
        let line = rest.get(..end).unwrap_or_default();
        at += end;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Ok(Part {
                headers,
                body: octets.slice(at..),
            });
        }
        headers.push_line(line)?;
        if headers.len() > MAX_PART_HEADERS {
            return Err(MimeError::TooManyHeaders {
                limit: MAX_PART_HEADERS,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(body: &str) -> Result<Vec<(String, String)>, MimeError> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let parts = Multipart::parse("multipart/mixed; boundary=\"b 1\"", &body, 3)?.into_parts();
        Ok(parts
            .into_iter()
            .map(|part| {
                (
                    part.headers.to_string(),
                    String::from_utf8(part.body.to_vec()).unwrap(),
                )
            })
            .collect())
    }

    #[test]
    fn parts_are_slices_between_boundaries() {
        let two = [
            ("A: b\r\n".to_owned(), "x\r\n--b 12".to_owned()),
            (String::new(), "y".to_owned()),
        ];
        assert_eq!(
            parse("preamble --b 1\r\n--b 1 \t\r\nA: b\r\n\r\nx\r\n--b 12\r\n--b 1\r\n\r\ny\r\n--b 1--\r\nepilogue").as_deref(),
            Ok(&two[..])
        );
        assert_eq!(parse("--b 1\n\ny\n--b 1\n").as_deref(), Ok(&two[1..]));
        assert_eq!(parse("--b 1\r\n\r\ny").as_deref(), Ok(&two[1..]));
        assert_eq!(parse("--b 1--").as_deref(), Ok(&[][..]));
        assert_eq!(parse("no boundary"), Err(MimeError::Boundary));
        assert_eq!(
            parse(&"--b 1\r\n\r\ny\r\n".repeat(4)),
            Err(MimeError::TooManyParts { limit: 3 })
        );
        assert_eq!(parse("--b 1\r\nno header\r\n\r\n--b 1--"), Err(MimeError::Header));
        let many = "A: b\r\n".repeat(65);
        assert_eq!(
            parse(&format!("--b 1\r\n{many}\r\n--b 1--")),
            Err(MimeError::TooManyHeaders { limit: 64 })
        );
        for bad in [
            "multipart/mixed",
            "multipart/mixed;boundary=\"\"",
            "multipart/mixed;boundary=\"a<\"",
            "x",
        ] {
            assert_eq!(
                Multipart::parse(bad, &Bytes::new(), 3),
                Err(MimeError::Boundary),
                "{bad}"
            );
        }
    }

    // shows: 5547-8.8-01, 5547-8.8-02, 5547-8.8-03
    #[test]
    fn an_icon_goes_with_the_sdp_that_names_it() {
        let part = |fields: &[(&str, &str)], body: &'static str| {
            let mut headers = ContentHeaders::new();
            for (name, value) in fields {
                headers.push(name, value).unwrap();
            }
            Part {
                headers,
                body: Bytes::from_static(body.as_bytes()),
            }
        };
        let sdp = part(
            &[("Content-Type", "application/sdp")],
            "v=0\r\na=file-icon:cid:id%201@example.com\r\n",
        );
        let icon = part(
            &[
                ("Content-Type", "image/jpeg"),
                ("Content-ID", "<id 1@example.com>"),
                ("Content-Disposition", "icon"),
            ],
            "JPEG",
        );
        let related = Multipart::new(vec![sdp.clone(), icon.clone()]);
        let content_type = related.content_type("related", "edge");
        assert_eq!(
            content_type,
            "multipart/related;type=\"application/sdp\";boundary=\"edge\""
        );
        let read = Multipart::parse(&content_type, &related.body("edge").unwrap(), 8).unwrap();
        assert_eq!(read, related);
        assert_eq!(read.root(&content_type), Some(&sdp));
        assert_eq!(read.by_id("cid:id%201@example.com"), Some(&icon));
        // The root may stand anywhere, where it is named.
        let named = part(
            &[("Content-Type", "application/sdp"), ("Content-ID", "<sdp>")],
            "v=0",
        );
        let other = Multipart::new(vec![icon, named.clone()]);
        assert_eq!(
            other.root("multipart/related;boundary=x;start=\"<sdp>\""),
            Some(&named)
        );
        assert_eq!(other.root("multipart/related;boundary=x;start=\"<none>\""), None);
        assert_eq!(other.by_id("cid:%"), None);
        assert_eq!(other.content_type("mixed", "x"), "multipart/mixed;boundary=\"x\"");
    }

    #[test]
    fn a_boundary_that_stands_in_a_part_is_refused() {
        let part = Part {
            body: Bytes::from_static(b"--edge"),
            ..Part::default()
        };
        assert_eq!(
            Multipart::new(vec![part.clone()]).body("edge"),
            Err(MimeError::Boundary)
        );
        assert_eq!(
            Multipart::new(vec![part]).body("a\r\nb"),
            Err(MimeError::Boundary)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..5)) {
            let parts: Vec<Part> = bodies
                .into_iter()
                .enumerate()
                .map(|(number, body)| {
                    let mut headers = ContentHeaders::new();
                    headers.push("Content-ID", &number.to_string()).unwrap();
                    Part { headers, body: body.into() }
                })
                .collect();
            let whole = Multipart::new(parts);
            let body = whole.body("some-edge").unwrap();
            prop_assert_eq!(Multipart::parse("multipart/related;boundary=some-edge", &body, 8), Ok(whole));
        }

        #[test]
        fn parsing_any_octets_ends(octets: Vec<u8>, text in "(--b|\r|\n|-|a:| ){0,40}") {
            let _ = Multipart::parse("multipart/mixed;boundary=b", &octets.into(), 8);
            let _ = Multipart::parse("multipart/mixed;boundary=b", &text.into_bytes().into(), 8);
        }
    }
}
