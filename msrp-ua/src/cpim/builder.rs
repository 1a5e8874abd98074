//! A message/cpim, header by header.

use std::{fmt::Write as _, time::SystemTime};

use bytes::Bytes;
use msrp_core::grammar::MediaType;

use super::{
    Address, CPIM_NAMESPACE, CpimError, CpimMessage,
    escape::escape,
    grammar,
    head::{CpimHead, HeadReader},
    rules::CpimRules,
};
use crate::{date, mime::ContentHeaders};

/// Puts together the headers of a message/cpim.
///
/// Whatever text it is given, it writes one header of the name that was asked for: control characters become escapes
/// (RFC 3862 §2.3.1), and names, URIs and media types that are none are errors.
///
/// ```
/// use msrp_ua::cpim::{Address, CpimBuilder};
///
/// # fn main() -> Result<(), msrp_ua::cpim::CpimError> {
/// let alice = Address::new("sip:alice@example.com")?.with_name("Alice");
/// let bob = Address::new("sip:bob@example.com")?;
/// let message = CpimBuilder::new(alice, bob)
///     .subject("Lunch?", Some("en"))
///     .content_type("text/plain;charset=UTF-8")
///     .body(b"At noon")?;
/// assert_eq!(
///     &message.octets()[..],
///     b"From: Alice <sip:alice@example.com>\r\n\
///       To: <sip:bob@example.com>\r\n\
///       Subject:;lang=en Lunch?\r\n\
///       \r\n\
///       Content-Type: text/plain;charset=UTF-8\r\n\
///       \r\n\
///       At noon"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CpimBuilder {
    text: String,
    /// Prefixes in use and what they stand for.
    prefixes: Vec<(String, String)>,
    content: ContentHeaders,
    dated: bool,
    required: Vec<String>,
    /// The first thing that went wrong.
    failed: Option<CpimError>,
}

impl CpimBuilder {
    /// A message from one to another, without anything else yet. All that MSRP endpoints send has both (RFC 4975 §13).
    pub fn new(from: Address, to: Address) -> Self {
        let mut builder = Self {
            text: String::new(),
            prefixes: Vec::new(),
            content: ContentHeaders::new(),
            dated: false,
            required: Vec::new(),
            failed: None,
        };
        builder.push(None, "From", &from.to_string());
        builder.to(to)
    }

    /// One more recipient.
    pub fn to(mut self, to: Address) -> Self {
        self.push(None, "To", &to.to_string());
        self
    }

    /// One more recipient, who is to know only.
    pub fn cc(mut self, cc: Address) -> Self {
        self.push(None, "cc", &cc.to_string());
        self
    }

    /// When it is sent. S/MIME and requests for notifications demand it (RFC 4975 §13, RFC 5438 §7.1.1.2). The first time
    /// counts.
    pub fn date_time(mut self, time: SystemTime) -> Self {
        if !std::mem::replace(&mut self.dated, true) {
            match date::rfc3339(time) {
                Some(text) => self.push(None, "DateTime", &text),
                None => self.fail(CpimError::Time),
            }
        }
        self
    }

    /// What it is about, once: MSRP has one Subject at the most (RFC 4975 §13). Empty text is none.
    pub fn subject(mut self, text: &str, language: Option<&str>) -> Self {
        if self.text.contains("\r\nSubject:") {
            self.fail(CpimError::Repeated("Subject"));
        }
        if language.is_some_and(|tag| !grammar::is_language(tag)) {
            self.fail(CpimError::Language);
        } else if !text.trim().is_empty() {
            self.push(language, "Subject", &escape(text));
        }
        self
    }

    /// A header of another namespace. The namespace is declared where it has not been, under `prefix` unless that already
    /// stands for another. `value` may be any text.
    pub fn header(mut self, namespace: &str, prefix: &str, name: &str, value: &str) -> Self {
        if let Some(prefix) = self.prefix(namespace, prefix, name) {
            self.push(None, &format!("{prefix}.{name}"), &escape(value));
        }
        self
    }

    /// A header whose value has a form of its own, in which escapes are where they have to be.
    pub(crate) fn structured_header(
        mut self,
        namespace: &str,
        prefix: &str,
        name: &str,
        value: &str,
    ) -> Self {
        if let Some(prefix) = self.prefix(namespace, prefix, name) {
            self.push(None, &format!("{prefix}.{name}"), value);
        }
        self
    }

    /// Demands that whoever reads the message understands a header, or a feature that has no header (RFC 3862 §3.5). Do
    /// not demand what the message does not use.
    pub fn require(mut self, namespace: &str, prefix: &str, name: &str) -> Self {
        if namespace == CPIM_NAMESPACE {
            self.required.push(name.to_owned());
        } else if let Some(prefix) = self.prefix(namespace, prefix, name) {
            self.required.push(format!("{prefix}.{name}"));
        }
        self
    }

    /// The content's media type.
    pub fn content_type(self, media_type: &str) -> Self {
        self.content_header("Content-Type", media_type)
    }

    /// Another header of the content, such as Content-Disposition.
    pub fn content_header(mut self, name: &str, value: &str) -> Self {
        if self.content.push(name, value).is_err() {
            self.fail(CpimError::Name);
        }
        self
    }

    /// The headers, to go before a body that comes from elsewhere.
    ///
    /// # Errors
    /// The first thing that went wrong, or [`CpimError::ContentType`] where there is not one media type.
    pub fn head(mut self) -> Result<CpimHead, CpimError> {
        if !self.required.is_empty() {
            let names = self.required.join(",");
            self.push(None, "Require", &names);
        }
        if let Some(error) = self.failed {
            return Err(error);
        }
        if let Some(media_type) = self.content.get("Content-Type") {
            MediaType::parse(media_type.as_bytes())?;
        }
        let octets = Bytes::from(format!("{}\r\n{}\r\n", self.text, self.content));
        // It is read as a peer will read it, which would find what should not be there.
        let mut reader = HeadReader::new(CpimRules::default());
        let end = reader.read(&octets)?.ok_or(CpimError::Unfinished)?;
        reader.finish(octets.slice(..end))
    }

    /// The message with a body, which is copied.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn body(self, body: &[u8]) -> Result<CpimMessage, CpimError> {
        Ok(self.head()?.with_body(body))
    }

    /// The prefix that stands for a namespace, declared if need be.
    fn prefix(&mut self, namespace: &str, wanted: &str, name: &str) -> Option<String> {
        if grammar::names(name).is_none_or(|names| !matches!(names[..], [(None, _)])) {
            self.fail(CpimError::Name);
            return None;
        }
        if let Some((prefix, _)) = self.prefixes.iter().find(|(_, uri)| uri == namespace) {
            return Some(prefix.clone());
        }
        let taken = |prefix: &str| self.prefixes.iter().any(|(known, _)| known == prefix);
        let prefix = if taken(wanted) {
            format!("{wanted}-{}", self.prefixes.len())
        } else {
            wanted.to_owned()
        };
        let declaration = format!("{prefix} <{namespace}>");
        if grammar::namespace(&declaration).is_none() {
            self.fail(CpimError::Namespace);
            return None;
        }
        self.push(None, "NS", &declaration);
        self.prefixes.push((prefix.clone(), namespace.to_owned()));
        Some(prefix)
    }

    /// One header; `value` has no control characters any more.
    fn push(&mut self, language: Option<&str>, name: &str, value: &str) {
        let value = value.trim_matches(' ');
        let language = language.map(|tag| format!(";lang={tag}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{name}:{language} {value}\r\n");
    }

    fn fail(&mut self, error: CpimError) {
        self.failed.get_or_insert(error);
    }
}
