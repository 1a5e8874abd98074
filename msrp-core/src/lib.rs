#![doc = include_str!("../README.md")]
// Nothing that a peer or a caller does may end in a panic.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo)
)]

pub mod codec;
pub mod connection;
pub mod digest;
pub mod grammar;
pub mod histogram;
pub mod lookup;
pub mod node;
pub mod redact;
pub mod rng;
pub mod table;
