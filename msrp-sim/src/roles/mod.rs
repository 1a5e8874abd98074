//! The real roles as inhabitants of a world: user agents with somebody who uses them, relays with somebody who runs
//! them, and peers that keep no rule.
//!
//! ```text
//!   Phone ── UserAgent ──┐                    ┌── UserAgent ── Phone
//!     └────────────┐     ├── Relay ── Relay ──┤     ┌────────────┘
//!                  │     │   Operator         │     │
//!                  └── Switchboard (paths, as SDP would carry them) ──┘
//! ```

mod operator;
mod phone;
mod rogue;
mod switchboard;

pub use operator::{Measure, Operator, RelayState};
pub use phone::{Account, CallSide, Deed, Phone, PhoneState, Reception, Utterance};
pub use rogue::{Rogue, Siege};
pub use switchboard::Switchboard;
