//! A gateway between a phone and a chat.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]
mod content;
mod ending;
mod into_sessions;
mod no_loss;
mod out_of_sessions;
mod random;
mod setup;
mod trust;
mod wire;
mod world;
