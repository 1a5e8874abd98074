//! Calls between two user agents: SIP, SDP and MSRP together.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod files;
mod offers;
mod peer;
mod recovery;
mod setup;
mod talk;
mod world;
