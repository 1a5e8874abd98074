#![doc = include_str!("../README.md")]
// Nothing that a peer or a caller does may end in a panic.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo)
)]

mod anchor;
mod auth;
mod bindings;
mod buffers;
mod command;
mod common;
mod config;
mod connection;
mod error;
mod event;
mod failure;
mod forward;
mod hops;
mod limits;
mod listener;
mod lookups;
mod node;
mod peers;
pub mod policy;
mod probation;
mod pump;
mod relay;
mod session;
mod shards;
mod stats;
mod tally;

pub use self::{
    anchor::{
        AnchorConfig, AnchorEnd, AnchorError, AnchorId, AnchorInfo, AnchorOptions, LegInfo, LegOptions,
        LegState, LegStats, NotAnAnchorId, Side, StreamInfo,
    },
    auth::store::{HtdigestError, HtdigestErrorKind, HtdigestFile, MemoryAuthStore},
    command::{RelayCall, RelayCommand, RelayRejected},
    common::CommonCounts,
    config::{RelayConfig, SlowReceiver},
    error::ConfigError,
    event::{AuthFailure, RelayEvent},
    limits::UserLimits,
    listener::RelayListener,
    lookups::{RelayAnswer, RelayQuery},
    relay::Relay,
    session::{Session, SessionId, SessionIdError, Traffic},
    stats::RelayStats,
    tally::{CloseCounts, StatusCounts},
};
