//! What a message is, as far as that decides how it is treated.

use bytes::Bytes;
use msrp_ua::cpim::{CpimMessage, CpimRules};

use super::bare;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Somebody says something.
    Content,
    /// Somebody is writing, or no longer (RFC 3994).
    Composing,
    /// What became of a message (RFC 5438).
    Notification,
}

impl Kind {
    /// Of a message of this type, wrapped or not.
    pub(crate) fn of(content_type: &str, body: &Bytes) -> Self {
        let outer = bare(content_type);
        if outer != "message/cpim" {
            return Self::of_type(&outer);
        }
        match CpimMessage::parse(body.clone(), &CpimRules::tolerant()) {
            Ok(message) => Self::of_type(&bare(message.head().content_type())),
            Err(_) => Self::Content,
        }
    }

    fn of_type(bare: &str) -> Self {
        match bare {
            "application/im-iscomposing+xml" => Self::Composing,
            "message/imdn+xml" => Self::Notification,
            _ => Self::Content,
        }
    }
}
