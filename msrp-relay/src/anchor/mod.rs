//! Anchored sessions: the relay in the path of clients that know nothing of relays (an SBC's part).
//!
//! ```text
//!                 SIP element (B2BUA, proxy)
//!        offer of A │  ▲ for B    answer of B │  ▲ for A
//!                   ▼  │                      ▼  │
//!                 anchor_offer              anchor_answer
//!                          one Line for each m=message
//!   A ══▶ uri of A's leg ─▶ Leg ◀──── opposite ────▶ Leg ◀─ uri of B's leg ◀══ B
//!          token, listener   │ session-id, connection  │
//!                            └── readdressed: To-Path and From-Path as the other side's SDP has them
//! ```

mod config;
mod end;
mod error;
mod info;
mod list;
mod naming;
mod negotiate;
mod route;
mod sdp;
pub(crate) mod table;
mod wait;

pub use self::{
    config::{AnchorConfig, AnchorOptions, LegOptions},
    error::AnchorError,
    info::{AnchorEnd, AnchorId, AnchorInfo, LegInfo, LegState, LegStats, NotAnAnchorId, Side, StreamInfo},
};
