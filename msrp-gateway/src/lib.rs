#![doc = include_str!("../README.md")]
// Nothing that a peer or a caller does may end in a panic.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo)
)]

mod clock;
mod command;
mod config;
mod error;
mod event;
mod gateway;
mod identity;
mod memory;
pub mod outcome;
mod pager;
pub mod policy;
mod queue;
mod rate;
mod stats;
mod translate;

pub use self::{
    command::GatewayCommand,
    config::{GatewayConfig, Oversize, QueueLimits},
    error::GatewayError,
    event::{ConversationId, GatewayEvent, MessageNumber, Outcome, Source},
    gateway::{ConversationInfo, Gateway, LegInfo, MARK, Policies},
    identity::{Aor, AorError},
    pager::{UDP_LIMIT, wire_size},
    rate::Rate,
    stats::GatewayStats,
};
