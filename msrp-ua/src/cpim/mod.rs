//! message/cpim (RFC 3862): who a message is from and to, when it was sent and what it is about, around its content.
//!
//! ```text
//!   From: Alice <sip:alice@example.com>        headers: one line each, exact names, namespaces declared by NS,
//!   To: <sip:bob@example.com>                  backslash escapes; nobody may change them
//!   DateTime: 2026-11-25T21:00:00Z
//!                                              a blank line
//!   Content-Type: text/plain                   headers of the content: those of MIME
//!                                              a blank line
//!   Hello                                      the content, up to the end of the MSRP message
//! ```
//!
//! [`CpimMessage`] reads a whole one, [`CpimBuilder`] makes one, [`Wrapped`] and [`Unwrapped`] do the same for messages that
//! are too long to be held in memory. [`Wrapping`] says whether a peer wants its messages wrapped.

mod address;
mod builder;
mod error;
mod escape;
pub(crate) mod grammar;
mod head;
mod header;
mod message;
mod rules;
mod stream;
mod wrapping;

pub use self::{
    address::Address,
    builder::CpimBuilder,
    error::{AddressError, CpimError},
    escape::{escape, unescape},
    head::CpimHead,
    header::{CPIM_NAMESPACE, Header, Requirement},
    message::CpimMessage,
    rules::CpimRules,
    stream::{Unwrapped, Wrapped},
    wrapping::{Content, Envelope, Wrapping},
};

use crate::imdn::IMDN_NAMESPACE;

/// The media type.
pub const CPIM_TYPE: &str = "message/cpim";

/// Whether this crate understands a header that a message demands to be understood: those of RFC 3862 and of RFC 5438.
pub fn understands_core(namespace: &str, name: &str) -> bool {
    match namespace {
        CPIM_NAMESPACE => matches!(
            name,
            "From" | "To" | "cc" | "DateTime" | "Subject" | "NS" | "Require"
        ),
        IMDN_NAMESPACE => matches!(
            name,
            "Message-ID" | "Disposition-Notification" | "Original-To" | "IMDN-Record-Route" | "IMDN-Route"
        ),
        _ => false,
    }
}
