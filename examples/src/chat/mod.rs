//! The chat program: options and file to conversations.
//!
//! ```text
//!   Endpoint ── events ──▶ Errand (what --send asks for) ──▶ Front: JSON lines, or a terminal
//!      ▲                                                       │
//!      └────────────── call, send, send_file … ◀── input ──────┘
//! ```

mod errand;
mod input;
mod lines;
mod options;
mod run;
mod script;
mod settings;
mod terminal;

pub(crate) use self::lines::content;
pub use self::{options::Options, run::run, settings::Settings};
