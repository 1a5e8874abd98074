//! Calls between two user agents: SIP, SDP and MSRP together.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod early;
mod files;
mod known;
mod leaving;
mod offers;
mod peer;
mod recovery;
mod setup;
mod talk;
mod world;
