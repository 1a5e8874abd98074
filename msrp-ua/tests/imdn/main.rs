//! Disposition notifications: the examples of RFC 5438, what may be answered, and what answers mean.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod answering;
mod asking;
mod documents;
mod examples;
mod hearing;
mod messages;
