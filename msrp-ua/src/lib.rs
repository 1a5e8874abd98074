#![doc = include_str!("../README.md")]
// Nothing that a peer or a caller does may end in a panic.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo)
)]

mod config;
mod connect;
mod error;
mod event;
pub mod intervals;
pub mod loopback;
pub mod message;
mod names;
pub mod negotiate;
pub mod relay_client;
mod report;
pub mod sdp;
mod session;
pub mod sip;
mod timers;
mod user_agent;

pub use self::{
    config::UserAgentConfig,
    error::CommandError,
    event::{AbortReason, RegistrationLoss, SessionLoss, UserAgentEvent},
    message::{
        OutgoingMessage,
        incoming::{Accept, SinkBox},
    },
    names::{IncomingKey, OutgoingKey, RegistrationId, SessionId},
    relay_client::RelayAccount,
    session::{Receive, Role, SessionParams},
    user_agent::{UserAgent, UserAgentCommand},
};
