//! The API program: a user agent that other programs drive over HTTP.
//!
//! ```text
//!   HTTP requests ──▶ routes ──▶ Endpoint ──▶ SIP, MSRP
//!   HTTP listeners ◀── Ring ◀── events ◀──────┘
//! ```

mod events;
mod messages;
mod options;
mod ring;
mod routes;
mod run;
mod sessions;
mod settings;
mod spool;

pub use self::{options::Options, run::run, settings::Settings};
