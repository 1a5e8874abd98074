//! The lean driver: one thread, one node, one readiness loop.
//!
//! It adds next to nothing to the system calls. Sockets are registered once, edge-triggered; whether a socket is
//! readable or writable is remembered in user space, so that back-pressure costs no system call. All sockets of one batch
//! of readiness are read before anything is written, so that what goes to one peer leaves in one write.
//!
//! ```text
//!   wait ─▶ read all that are readable ─▶ timeouts ─▶ write all that have output ─▶ actions, events ─▶ wait
//! ```

mod accept;
mod connect;
mod exchange;
mod handle;
mod handshake;
mod host;
mod inbox;
mod lifetime;
mod pipe;
mod server;
mod shards;
mod socket;
mod stats;

pub use self::{
    handle::{Handle, HandleError, ServerCall},
    host::{Answering, Host, ServerError},
    server::Server,
    shards::{Shards, ShardsHandle},
    stats::{ListenerStats, ServerStats},
};
