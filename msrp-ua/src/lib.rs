#![doc = include_str!("../README.md")]
// Nothing that a peer or a caller does may end in a panic.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo)
)]

pub mod call;
pub mod composing;
mod config;
mod connect;
pub mod conversation;
pub mod cpim;
pub mod date;
mod error;
mod event;
pub mod file;
pub mod imdn;
pub mod intervals;
pub mod loopback;
pub mod message;
pub mod mime;
mod names;
pub mod negotiate;
pub mod relay_client;
mod report;
pub mod sdp;
mod session;
pub mod sip;
mod timers;
mod user_agent;
pub mod xml;

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
