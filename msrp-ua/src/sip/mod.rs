//! What a user agent needs of SIP, in terms that any stack has.
//!
//! The user agent does no SIP of its own: [`SipInput`] tells it what has come, [`SipAction`] what it wants done. A
//! [`SipAdapter`] stands between it and a SIP stack. Transactions, retransmissions, `Via`, `CSeq`, tags, digest
//! authentication and registration are the stack's; sessions, SDP and what becomes of a call are the user agent's.
//!
//! ```text
//!                SipInput ─▶ UserAgent::handle_sip          UserAgentEvent::Sip(SipAction) ─▶ perform
//!   SIP stack ◀─▶ SipAdapter                                                                    │
//!       ▲                                                                                       │
//!       └───────────────────────────────────────────────────────────────────────────────────────┘
//! ```

mod action;
mod adapter;
mod content;
mod input;
mod loopback;
mod name;
mod page;
#[cfg(feature = "rsipstack")]
pub mod rsipstack;
mod scripted;

pub use self::{
    action::{SipAction, SipInvite, SipReply},
    adapter::{Signalling, SipAdapter, SipError},
    content::{ContentError, SipContent},
    input::{IncomingInvite, SipAnswer, SipInput},
    loopback::{SipFaults, SipLoopback},
    name::{CallId, PageId, SipHeader, SipParty},
    page::SipPage,
    scripted::{ScriptedAdapter, SipScript},
};
