//! Instant Message Disposition Notifications (RFC 5438): was a message delivered, was it displayed?
//!
//! ```text
//!   who asks                                            who answers
//!   CpimBuilder::notifications ── message/cpim ──▶ Answerable::of: what may be answered, once each
//!   SentRequests::sent                                  │ delivered, failed, displayed, with consent
//!   SentRequests::heard ◀── message/imdn+xml in a message/cpim ── Notice::message
//! ```
//!
//! MSRP's own reports tell that octets have arrived; these tell what became of a message as a person would put it, across
//! systems that keep and forward messages. They are advice, not proof: anybody who knows a Message-ID can send one, and
//! silence means nothing.

mod answerable;
mod error;
mod notification;
mod received;
mod request;
mod route;
mod sent;

pub use self::{
    answerable::{Answerable, Consent, Notice},
    error::ImdnError,
    notification::{
        DeliveryStatus, DisplayStatus, Disposition, DispositionType, Notification, ProcessingStatus, Subject,
    },
    received::notifications,
    request::{DispositionRequests, ImdnHeaders, message_id},
    route::pop_route,
    sent::{Heard, SentRequests},
};

/// The namespace of the headers, which messages bind to a prefix of their choice.
pub const IMDN_NAMESPACE: &str = "urn:ietf:params:imdn";

/// The media type of notifications.
pub const IMDN_TYPE: &str = "message/imdn+xml";

/// The prefix under which the namespace is declared in messages that we write.
const PREFIX: &str = "imdn";
