//! isComposing (RFC 3994): that somebody is writing.
//!
//! ```text
//!   Composer                                      Composing, one for each who may write
//!     idle ── input ──▶ active: send "active"       idle ── "active" ──▶ active
//!     active ── refresh passed, still input ──▶ send "active" again
//!     active ── 15 s without input ──▶ idle: send "idle"
//!     active ── message sent ──▶ idle, nothing      active ── "idle", a message, or no refresh in time ──▶ idle
//! ```
//!
//! Status messages are no messages: they are not shown, not counted, not answered by notifications, and one that is lost
//! does no harm (send them with Failure-Report `no`). They go in the same session as what they announce, so that they
//! cannot overtake it, wrapped like it.

mod composer;
mod document;
mod watch;

pub use self::{
    composer::{Composer, ComposerConfig},
    document::{ComposingError, ComposingState, IsComposing},
    watch::{Composing, WatchConfig},
};

/// The media type.
pub const COMPOSING_TYPE: &str = "application/im-iscomposing+xml";
