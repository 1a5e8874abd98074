//! Whether a message goes as it is or wrapped (RFC 4975 §8.6, §13), and what is inside of one that has come.

use bytes::Bytes;
use msrp_core::grammar::{AcceptEntry, AcceptTypes, MediaType};

use super::{CpimError, CpimHead, CpimMessage, CpimRules};

/// In what a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Envelope {
    /// As it is.
    None,
    /// In a message/cpim.
    Cpim,
}

/// What a peer takes: its accept-types and its accept-wrapped-types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrapping {
    accepts: AcceptTypes,
    wrapped: AcceptTypes,
}

impl Wrapping {
    /// By the two attributes of the peer's SDP; the second is often absent, which is an empty list.
    pub fn new(accepts: AcceptTypes, wrapped: AcceptTypes) -> Self {
        Self { accepts, wrapped }
    }

    /// Whether the peer wants all instant messages wrapped: it lists message/cpim first (RFC 4975 §13).
    pub fn prefers_cpim(&self) -> bool {
        matches!(self.accepts.entries().next(), Some(AcceptEntry::Type(first)) if first.is("message", "cpim"))
    }

    /// Whether the peer names message/cpim among what it accepts, and not only by a `*`.
    pub fn lists_cpim(&self) -> bool {
        self.accepts
            .entries()
            .any(|entry| matches!(entry, AcceptEntry::Type(listed) if listed.is("message", "cpim")))
    }

    /// Whether a message of this type may go as it is.
    pub fn takes_plain(&self, media_type: &MediaType<'_>) -> bool {
        self.accepts.accepts(media_type).is_some()
    }

    /// Whether a message of this type may go in a message/cpim: the peer takes those, and the type in one of its lists.
    pub fn takes_wrapped(&self, media_type: &MediaType<'_>) -> bool {
        let cpim = self
            .accepts
            .entries()
            .any(|entry| MediaType::parse(b"message/cpim").is_ok_and(|cpim| cpim.matches(&entry)));
        cpim && (self.wrapped.accepts(media_type).is_some() || self.takes_plain(media_type))
    }

    /// In what a message of this type goes; `None` where the peer takes it in no way, so that it must not be sent. Where
    /// there is a choice, the peer's order decides, unless `wanted`: the message needs headers that only a message/cpim
    /// has, such as a request for notifications.
    pub fn envelope(&self, media_type: &MediaType<'_>, wanted: bool) -> Option<Envelope> {
        let (plain, wrapped) = (self.takes_plain(media_type), self.takes_wrapped(media_type));
        if wrapped && (wanted || !plain || self.prefers_cpim()) {
            return Some(Envelope::Cpim);
        }
        plain.then_some(Envelope::None)
    }
}

/// What a message that has come says, taken out of its message/cpim if it was in one.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// The headers around it: who wrote it to whom and when, and what notifications are wanted.
    pub head: Option<CpimHead>,
    /// Its media type, without the wrapping.
    pub media_type: String,
    /// Its Content-Disposition.
    pub disposition: Option<String>,
    /// Its octets.
    pub body: Bytes,
}

impl Content {
    /// Opens a message of the media type and Content-Disposition that MSRP told. One that is in a message/cpim in a
    /// message/cpim is opened once: the outer one says what whoever forwarded it had to add.
    ///
    /// # Errors
    /// [`CpimError`] where it is a message/cpim and cannot be read: answer 400 or 415.
    pub fn open(
        media_type: &str,
        disposition: Option<&str>,
        octets: Bytes,
        rules: &CpimRules,
    ) -> Result<Self, CpimError> {
        if !MediaType::parse(media_type.as_bytes())?.is("message", "cpim") {
            return Ok(Self {
                head: None,
                media_type: media_type.to_owned(),
                disposition: disposition.map(str::to_owned),
                body: octets,
            });
        }
        let (head, body) = CpimMessage::parse(octets, rules)?.into_parts();
        Ok(Self {
            media_type: head.content_type().to_owned(),
            disposition: head.content().get("Content-Disposition").map(str::to_owned),
            head: Some(head),
            body,
        })
    }
}

impl std::fmt::Debug for Content {
    /// Leaves out what is said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content")
            .field("wrapped", &self.head.is_some())
            .field("media_type", &self.media_type)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}
