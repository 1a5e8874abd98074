//! What the recipient of a message may say about it (RFC 5438 §7.2).

use bytes::Bytes;

use super::{
    DeliveryStatus, DisplayStatus, Disposition, IMDN_TYPE, ImdnHeaders, Notification, Subject,
    request::DispositionRequests,
};
use crate::{
    cpim::{Address, Content, CpimBuilder, CpimError, CpimMessage},
    mime::ContentDisposition,
};

/// Whether the user lets the sender know. To ask before the first answer is what RFC 5438 §14.2 recommends; to say nothing
/// is always allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consent {
    /// The sender may know.
    Given,
    /// Nothing is said, as if nobody had asked.
    Withheld,
    /// The sender is told that the question is not answered: status `forbidden`.
    Refused,
}

/// A message that we received and that asks for notifications: at most one about its delivery, and one about its display.
///
/// ```text
///             delivered ─▶ "delivered", if positive-delivery was asked
///   received ─┤                                                        ── then nothing about delivery any more
///             failed ────▶ "failed", if negative-delivery was asked
///             displayed ─▶ "displayed", if display was asked           ── then nothing about display any more
/// ```
///
/// With [`Consent::Withheld`] nothing is said, and what the user allows later can still be said then. There are no
/// notifications about processing: these are for intermediaries (RFC 5438 §8.1).
#[derive(Clone, Debug)]
pub struct Answerable {
    requests: DispositionRequests,
    delivery_told: bool,
    display_told: bool,
    me: Address,
    sender: Address,
    route: Vec<Address>,
    /// All of a notification but the disposition.
    about: Notification,
}

impl Answerable {
    /// What can be said about a message that `me` has received. `None` where nothing is asked for, where it is a
    /// notification itself, and where it lacks what an answer needs: From (one that is not anonymous), DateTime and
    /// Message-ID.
    pub fn of(content: &Content, me: &Address) -> Option<Self> {
        let head = content.head.as_ref()?;
        let headers = ImdnHeaders::of(head);
        let marked = content.disposition.as_deref().is_some_and(|disposition| {
            ContentDisposition::parse(disposition).is_ok_and(|disposition| disposition.is("notification"))
        });
        let media_type = head.media_type().ok()?;
        if headers.requests.is_empty() || marked || media_type.is("message", "imdn+xml") {
            return None;
        }
        let sender = head.from().filter(|from| !from.is_anonymous())?.clone();
        let addressed = head.to().iter().find(|to| to.uri() == me.uri());
        let recipient = addressed.or_else(|| head.to().first()).unwrap_or(me);
        // The schema has no place for a subject's language: one that has none can be repeated as it was.
        let subject = head
            .subjects()
            .find(|subject| subject.language().is_none())
            .map(|subject| Subject {
                text: subject.text().into_owned(),
                language: None,
            });
        Some(Self {
            requests: headers.requests,
            delivery_told: false,
            display_told: false,
            me: me.clone(),
            route: headers.record_route,
            about: Notification {
                message_id: headers.message_id?,
                date_time: head.date_time()?.to_owned(),
                recipient_uri: Some(recipient.uri().to_owned()),
                original_recipient_uri: headers.original_to.map(|original| original.uri().to_owned()),
                subject,
                disposition: None,
            },
            sender,
        })
    }

    /// Which notifications the sender wishes to get.
    pub fn requests(&self) -> DispositionRequests {
        self.requests
    }

    /// The message has been handed to the user or the application.
    pub fn delivered(&mut self, consent: Consent) -> Option<Notice> {
        let asked = self.requests.positive_delivery;
        self.delivery(asked, DeliveryStatus::Delivered, consent)
    }

    /// The message was accepted, and could not be handed over after all. Where it was refused in the protocol that brought
    /// it, say nothing (RFC 5438 §12.1.3.1).
    pub fn failed(&mut self, consent: Consent) -> Option<Notice> {
        let asked = self.requests.negative_delivery;
        self.delivery(asked, DeliveryStatus::Failed, consent)
    }

    /// The message has begun to be shown or played.
    pub fn displayed(&mut self, consent: Consent) -> Option<Notice> {
        self.display(DisplayStatus::Displayed, consent)
    }

    /// Nobody can know whether the message has been displayed.
    pub fn display_unknown(&mut self, consent: Consent) -> Option<Notice> {
        self.display(DisplayStatus::Error, consent)
    }

    fn delivery(&mut self, asked: bool, status: DeliveryStatus, consent: Consent) -> Option<Notice> {
        if self.delivery_told {
            return None;
        }
        let status = match consent {
            Consent::Given => status,
            Consent::Refused => DeliveryStatus::Forbidden,
            Consent::Withheld => return None,
        };
        // What was not asked for is settled too: a message that was delivered does not fail later.
        self.delivery_told = true;
        asked.then(|| self.notice(Disposition::Delivery(status)))
    }

    fn display(&mut self, status: DisplayStatus, consent: Consent) -> Option<Notice> {
        if self.display_told || !self.requests.display {
            return None;
        }
        let status = match consent {
            Consent::Given => status,
            Consent::Refused => DisplayStatus::Forbidden,
            Consent::Withheld => return None,
        };
        self.display_told = true;
        Some(self.notice(Disposition::Display(status)))
    }

    fn notice(&self, disposition: Disposition) -> Notice {
        Notice {
            from: self.me.clone(),
            to: self.sender.clone(),
            route: self.route.clone(),
            notification: Notification {
                disposition: Some(disposition),
                ..self.about.clone()
            },
        }
    }
}

/// A notification, and the way that it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Who says it.
    pub from: Address,
    /// Who sent the message that it is about.
    pub to: Address,
    /// The intermediaries on the way back, the next one first.
    pub route: Vec<Address>,
    /// What it says.
    pub notification: Notification,
}

impl Notice {
    /// Where it is sent: to the first intermediary, or else to who sent the message. In an MSRP session it goes to the
    /// peer in either case.
    pub fn next_hop(&self) -> &Address {
        self.route.first().unwrap_or(&self.to)
    }

    /// The message/cpim that carries it, under an identifier of its own; see [`message_id`](super::message_id). It asks for
    /// no notification.
    ///
    /// # Errors
    /// [`CpimError`].
    pub fn message(&self, message_id: &str) -> Result<CpimMessage, CpimError> {
        let mut builder =
            CpimBuilder::new(self.from.clone(), self.to.clone()).imdn_header("Message-ID", message_id);
        for hop in &self.route {
            builder = builder.imdn_address("IMDN-Route", hop);
        }
        let document = Bytes::from(self.notification.document());
        builder
            .content_type(IMDN_TYPE)
            .content_header("Content-Disposition", "notification")
            .body(&document)
    }
}
