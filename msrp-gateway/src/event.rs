//! What a gateway tells.

use std::{fmt, time::Duration};

use msrp_core::grammar::MessageId;
use msrp_ua::{
    SessionId,
    sip::{PageId, SipAction},
};

use crate::policy::Direction;

/// A conversation: what one user of MESSAGE and one user of sessions say to each other. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationId(pub(crate) u64);

impl ConversationId {
    /// The number in it, as an operator sees it.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The conversation of this number.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A message that the gateway has taken. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNumber(pub(crate) u64);

impl MessageNumber {
    /// The number in it.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What a gateway tells its application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GatewayEvent {
    /// Something is to be done by SIP: for the application's [`SipAdapter`](msrp_ua::sip::SipAdapter).
    Sip(Box<SipAction>),
    /// A session of a conversation is established.
    Opened {
        /// The conversation.
        conversation: ConversationId,
        /// Its key.
        key: String,
        /// We have called; otherwise we were called.
        outgoing: bool,
    },
    /// A session of a conversation is over.
    Closed {
        /// The conversation.
        conversation: ConversationId,
        /// Its key.
        key: String,
        /// Why, in words.
        reason: String,
    },
    /// A session that was wanted for MESSAGEs could not be set up.
    SetupFailed {
        /// The conversation.
        conversation: ConversationId,
        /// Its key.
        key: String,
        /// Who wrote.
        from: String,
        /// To whom.
        to: String,
        /// The Request-URI that was called.
        request_uri: String,
        /// The SIP code.
        code: u16,
        /// Its reason phrase, or what else went wrong.
        reason: String,
        /// The messages that waited for it; each has an outcome of its own.
        messages: Vec<MessageNumber>,
    },
    /// What became of a message; once for each that was taken.
    Message {
        /// The message.
        message: MessageNumber,
        /// Its conversation.
        conversation: ConversationId,
        /// Which way it went.
        direction: Direction,
        /// What it was where it came from.
        source: Source,
        /// What became of it.
        outcome: Outcome,
        /// How long it was under way.
        took: Duration,
    },
    /// All is done that was to be done before the end; see [`Gateway::drain`](crate::Gateway::drain).
    Drained,
}

/// What a message was where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A MESSAGE.
    Page(PageId),
    /// A message of this session, under its identifier on the wire.
    Session(SessionId, MessageId),
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The other side's endpoint has it.
    Delivered,
    /// Somebody on the way has it and will see to it: a SIP server (202), an MSRP relay that sent no report.
    Accepted,
    /// It went nowhere.
    Failed {
        /// Why, as a SIP code.
        code: u16,
        /// In words.
        reason: String,
    },
}

impl Outcome {
    pub(crate) fn failed(code: u16, reason: impl Into<String>) -> Self {
        Self::Failed {
            code,
            reason: reason.into(),
        }
    }

    /// Whether it is none.
    pub fn is_success(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}
