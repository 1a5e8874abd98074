//! What a SIP message carries (RFC 5621): SDP, alone or as one part of several.

use std::fmt;

use bytes::Bytes;

use crate::mime::{ContentDisposition, ContentHeaders, MimeError, Multipart, Part};

/// Parts of one body, with those of all multiparts within it.
const MAX_PARTS: usize = 32;
/// How deep multiparts may stand within each other.
const MAX_DEPTH: u8 = 4;

const SDP: &str = "application/sdp";

/// The multipart bodies that are taken apart; each has its rules (RFC 5621 §4).
const MULTIPARTS: [&str; 3] = ["multipart/mixed", "multipart/alternative", "multipart/related"];

/// Dispositions of parts that an application can do something with; a part that does not say is to be rendered.
const DISPOSITIONS: [&str; 5] = ["render", "by-reference", "icon", "inline", "attachment"];

/// What an INVITE, its answer or an ACK carries, taken apart.
///
/// A body of several parts is how a call brings the caller's location (`application/pidf+xml`, RFC 6442) or other data for
/// emergency services (RFC 7852) with its offer.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SipContent {
    /// The description of the session.
    pub sdp: Option<Bytes>,
    /// The other parts that the application takes, in order, each with its header fields.
    pub parts: Vec<Part>,
}

/// Prints how long everything is, not what is in it.
impl fmt::Debug for SipContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SipContent")
            .field("sdp", &self.sdp.as_ref().map(Bytes::len))
            .field("parts", &self.parts)
            .finish()
    }
}

/// A body cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// Something in it that has to be understood is not: 415, with [`SipContent::accept`].
    #[error("something in the body that has to be understood is not")]
    Unsupported,
    /// Its multipart is broken, or beyond bounds: 400.
    #[error("multipart body: {0}")]
    Multipart(#[from] MimeError),
    /// Multiparts stand too deep within each other: 400.
    #[error("more than {limit} multiparts within each other")]
    TooDeep {
        /// The bound.
        limit: u8,
    },
}

impl SipContent {
    /// Takes a body apart. `message` is the body with the header fields of the SIP message that begin with `Content-`, and
    /// `accepted` names the media types beside SDP that the application takes: `application/pidf+xml`, `image/*`.
    ///
    /// What is not understood is passed over where it says `handling=optional`. Where it does not say, it is required
    /// (RFC 3261 §20.11). Of alternatives the last that is understood counts. A body may have 32 parts, and multiparts
    /// within each other four deep.
    ///
    /// # Errors
    /// [`ContentError`].
    pub fn read(message: &Part, accepted: &[String]) -> Result<Self, ContentError> {
        let mut reader = Reader {
            accepted,
            parts_left: MAX_PARTS,
            content: Self::default(),
        };
        if !message.body.is_empty() {
            reader.take(message, 0)?;
        }
        Ok(reader.content)
    }

    /// What `Accept` has to say to somebody whose body was not taken.
    pub fn accept(accepted: &[String]) -> String {
        [SDP]
            .into_iter()
            .chain(MULTIPARTS)
            .chain(accepted.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

struct Reader<'a> {
    accepted: &'a [String],
    parts_left: usize,
    content: SipContent,
}

impl Reader<'_> {
    /// Takes a part, or passes it over where that may be.
    fn take(&mut self, part: &Part, depth: u8) -> Result<(), ContentError> {
        let (had_sdp, had_parts) = (self.content.sdp.is_some(), self.content.parts.len());
        let taken = self.understand(part, depth);
        if taken.is_err() {
            // Of a multipart that is not understood as a whole nothing stays.
            self.content.parts.truncate(had_parts);
            if !had_sdp {
                self.content.sdp = None;
            }
        }
        match taken {
            Err(ContentError::Unsupported) if is_optional(&part.headers) => Ok(()),
            taken => taken,
        }
    }

    fn understand(&mut self, part: &Part, depth: u8) -> Result<(), ContentError> {
        // RFC 2046 §5.1: a part without a type is text.
        let content_type = part.headers.get("Content-Type").unwrap_or("text/plain");
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let is = |name: &str| media_type.eq_ignore_ascii_case(name);
        if MULTIPARTS.iter().any(|multipart| is(multipart)) {
            if is_encoded(&part.headers) {
                return Err(ContentError::Unsupported);
            }
            return self.multipart(content_type, part, depth, is("multipart/alternative"));
        }
        let disposition = part
            .headers
            .get("Content-Disposition")
            .map(ContentDisposition::parse)
            .transpose()?;
        let disposition = disposition.as_ref().map(ContentDisposition::kind);
        let is_for = |kind: &str| disposition.is_some_and(|known| known.eq_ignore_ascii_case(kind));
        if is(SDP) {
            let ours = disposition.is_none() || is_for("session");
            if !ours || is_encoded(&part.headers) || self.content.sdp.is_some() {
                return Err(ContentError::Unsupported);
            }
            self.content.sdp = Some(part.body.clone());
            return Ok(());
        }
        let wanted = self.accepted.iter().any(|range| matches(range, media_type));
        let known = disposition.is_none() || DISPOSITIONS.iter().any(|kind| is_for(kind));
        if !wanted || !known {
            return Err(ContentError::Unsupported);
        }
        self.content.parts.push(part.clone());
        Ok(())
    }

    fn multipart(
        &mut self,
        content_type: &str,
        part: &Part,
        depth: u8,
        alternative: bool,
    ) -> Result<(), ContentError> {
        if depth >= MAX_DEPTH {
            return Err(ContentError::TooDeep { limit: MAX_DEPTH });
        }
        let parts = Multipart::parse(content_type, &part.body, self.parts_left)
            .map_err(|fault| match fault {
                MimeError::TooManyParts { .. } => MimeError::TooManyParts { limit: MAX_PARTS },
                fault => fault,
            })?
            .into_parts();
        self.parts_left -= parts.len();
        if !alternative {
            return parts.iter().try_for_each(|part| self.take(part, depth + 1));
        }
        // The sender likes the last most (RFC 2046 §5.1.4).
        for part in parts.iter().rev() {
            let had = self.content.clone();
            match self.understand(part, depth + 1) {
                Err(ContentError::Unsupported) => self.content = had,
                taken => return taken,
            }
        }
        Err(ContentError::Unsupported)
    }
}

/// Whether a part may be passed over.
fn is_optional(headers: &ContentHeaders) -> bool {
    headers
        .get("Content-Disposition")
        .and_then(|value| ContentDisposition::parse(value).ok())
        .and_then(|disposition| {
            disposition
                .parameter("handling")
                .map(|handling| handling.eq_ignore_ascii_case("optional"))
        })
        .unwrap_or(false)
}

/// Whether a body is not there as it is.
fn is_encoded(headers: &ContentHeaders) -> bool {
    let transfer = headers.get("Content-Transfer-Encoding").is_some_and(|value| {
        !["7bit", "8bit", "binary"]
            .iter()
            .any(|as_it_is| value.eq_ignore_ascii_case(as_it_is))
    });
    transfer
        || headers
            .get("Content-Encoding")
            .is_some_and(|value| !value.eq_ignore_ascii_case("identity"))
}

/// Whether a media type is in a range such as `image/*`.
fn matches(range: &str, media_type: &str) -> bool {
    match range.strip_suffix("/*") {
        Some("*") => true,
        Some(kind) => media_type
            .split('/')
            .next()
            .is_some_and(|known| known.eq_ignore_ascii_case(kind)),
        None => range.eq_ignore_ascii_case(media_type),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOCATION: &str =
        "Content-Type: application/pidf+xml\r\nContent-ID: <here@example.com>\r\n\r\n<presence/>";
    const OFFER: &str = "Content-Type: application/sdp\r\n\r\nv=0";

    fn accepted() -> Vec<String> {
        vec!["Application/PIDF+xml".to_owned(), "image/*".to_owned()]
    }

    fn part(content_type: &str, body: impl Into<Bytes>) -> Part {
        let mut headers = ContentHeaders::new();
        headers.push("Content-Type", content_type).unwrap();
        Part {
            headers,
            body: body.into(),
        }
    }

    fn with(mut part: Part, name: &str, value: &str) -> Part {
        part.headers.push(name, value).unwrap();
        part
    }

    fn of(parts: &[&str], boundary: &str) -> String {
        let mut body = String::new();
        for part in parts {
            body += &format!("--{boundary}\r\n{part}\r\n");
        }
        body + &format!("--{boundary}--\r\n")
    }

    /// A body of these parts: whether there is SDP, and the types of the others.
    fn read(subtype: &str, parts: &[&str]) -> Result<(bool, Vec<String>), ContentError> {
        let message = part(&format!("multipart/{subtype};boundary=b"), of(parts, "b"));
        let content = SipContent::read(&message, &accepted())?;
        Ok((
            content.sdp.as_deref() == Some(b"v=0"),
            content
                .parts
                .iter()
                .map(|part| part.headers.get("Content-Type").unwrap_or("-").to_owned())
                .collect(),
        ))
    }

    fn location() -> Vec<String> {
        vec!["application/pidf+xml".to_owned()]
    }

    #[test]
    fn a_body_alone_is_sdp_or_what_the_application_takes() {
        let sdp = part("Application/SDP; x=y", "v=0");
        let read = |part: &Part| SipContent::read(part, &accepted());
        assert_eq!(read(&sdp).unwrap().sdp.as_deref(), Some(&b"v=0"[..]));
        assert_eq!(read(&Part::default()), Ok(SipContent::default()));
        let icon = part("image/png", "PNG");
        assert_eq!(read(&icon).unwrap().parts, std::slice::from_ref(&icon));
        let isup = part("application/isup", "x");
        assert_eq!(read(&isup), Err(ContentError::Unsupported));
        let optional = with(isup.clone(), "Content-Disposition", "signal; Handling=Optional");
        assert_eq!(read(&optional), Ok(SipContent::default()));
        for (name, value) in [
            ("Content-Disposition", "signal;handling=required"),
            ("Content-Disposition", "signal;handling=x"),
        ] {
            assert_eq!(
                read(&with(isup.clone(), name, value)),
                Err(ContentError::Unsupported)
            );
        }
        for (name, value) in [
            ("Content-Encoding", "gzip"),
            ("Content-Transfer-Encoding", "base64"),
            ("Content-Disposition", "early-session"),
        ] {
            assert_eq!(
                read(&with(sdp.clone(), name, value)),
                Err(ContentError::Unsupported),
                "{value}"
            );
        }
        assert!(
            read(&with(sdp, "Content-Disposition", "session"))
                .unwrap()
                .sdp
                .is_some()
        );
    }

    #[test]
    fn sdp_and_a_location_come_in_one_body() {
        assert_eq!(read("mixed", &[OFFER, LOCATION]), Ok((true, location())));
        assert_eq!(read("related", &[LOCATION, OFFER]), Ok((true, location())));
        assert_eq!(read("MIXED", &[LOCATION]), Ok((false, location())));
        assert_eq!(read("digest", &[OFFER]), Err(ContentError::Unsupported));
    }

    #[test]
    fn what_has_to_be_understood_and_is_not_refuses_the_whole() {
        let unknown = |handling: &str| format!("Content-Type: application/x\r\n{handling}\r\nx");
        for required in [
            "",
            "Content-Disposition: render;handling=required\r\n",
            "Content-Disposition: render\r\n",
        ] {
            assert_eq!(
                read("mixed", &[OFFER, &unknown(required)]),
                Err(ContentError::Unsupported),
                "{required:?}"
            );
        }
        let optional = unknown("Content-Disposition: render;handling=optional\r\n");
        assert_eq!(
            read("mixed", &[&optional, OFFER, LOCATION]),
            Ok((true, location()))
        );
        // A recipient list is an order to do something (RFC 5366), whatever its type.
        let list = LOCATION.replacen("\r\n\r\n", "\r\nContent-Disposition: recipient-list\r\n\r\n", 1);
        assert_eq!(read("mixed", &[OFFER, &list]), Err(ContentError::Unsupported));
        // A second description of the session would contradict the first.
        assert_eq!(read("mixed", &[OFFER, OFFER]), Err(ContentError::Unsupported));
        let early = "Content-Type: application/sdp\r\nContent-Disposition: early-session;handling=optional\r\n\r\nv=1";
        assert_eq!(read("mixed", &[early, OFFER]), Ok((true, vec![])));
    }

    #[test]
    fn of_alternatives_the_last_that_is_understood_counts() {
        let other = "Content-Type: application/x\r\n\r\nx";
        let worse = "Content-Type: application/sdp\r\n\r\nv=9";
        assert_eq!(read("alternative", &[worse, OFFER, other]), Ok((true, vec![])));
        assert_eq!(read("alternative", &[other]), Err(ContentError::Unsupported));
        // One of the alternatives may be a multipart, which is taken as a whole or not at all.
        let broken = format!(
            "Content-Type: multipart/mixed;boundary=c\r\n\r\n{}",
            of(&[worse, LOCATION, other], "c")
        );
        assert_eq!(read("alternative", &[OFFER, &broken]), Ok((true, vec![])));
        let whole = format!(
            "Content-Type: multipart/mixed;boundary=c\r\n\r\n{}",
            of(&[OFFER, LOCATION], "c")
        );
        assert_eq!(read("alternative", &[worse, &whole]), Ok((true, location())));
        let optional = broken.replacen("\r\n", "\r\nContent-Disposition: render;handling=optional\r\n", 1);
        assert_eq!(read("mixed", &[&optional, OFFER]), Ok((true, vec![])));
    }

    #[test]
    fn what_is_broken_or_too_much_is_told() {
        assert_eq!(
            read("mixed", &vec![LOCATION; 32]).map(|read| read.1.len()),
            Ok(32)
        );
        let limit = Err(ContentError::Multipart(MimeError::TooManyParts { limit: 32 }));
        assert_eq!(read("mixed", &vec![LOCATION; 33]), limit);
        // Those within count too.
        let inner = format!(
            "Content-Type: multipart/mixed;boundary=c\r\n\r\n{}",
            of(&[LOCATION; 20], "c")
        );
        assert_eq!(read("mixed", &[&inner, &inner]), limit);
        let mut deep = OFFER.to_owned();
        for level in 0..3 {
            let boundary = format!("c{level}");
            deep = format!(
                "Content-Type: multipart/mixed;boundary={boundary}\r\n\r\n{}",
                of(&[&deep], &boundary)
            );
        }
        assert_eq!(read("mixed", &[&deep]), Ok((true, vec![])));
        let deeper = format!(
            "Content-Type: multipart/mixed;boundary=d\r\n\r\n{}",
            of(&[&deep], "d")
        );
        assert_eq!(read("mixed", &[&deeper]), Err(ContentError::TooDeep { limit: 4 }));
        let of_type = |content_type| SipContent::read(&part(content_type, "--b--"), &accepted());
        assert_eq!(
            of_type("multipart/mixed"),
            Err(ContentError::Multipart(MimeError::Boundary))
        );
        assert_eq!(
            read(
                "mixed",
                &["Content-Type: application/sdp\r\nContent-Disposition: ;\r\n\r\nv=0"]
            ),
            Err(ContentError::Multipart(MimeError::Disposition))
        );
    }

    proptest! {
        #[test]
        fn reading_any_octets_ends(octets: Vec<u8>, text in "(--b|\r\n|--|Content-Type: |multipart/mixed;boundary=b|application/sdp|:){0,60}") {
            for body in [octets, text.into_bytes()] {
                let _ = SipContent::read(&part("multipart/mixed;boundary=b", body), &accepted());
            }
        }
    }
}
