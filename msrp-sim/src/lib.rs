//! A deterministic world in which tests run any [`Node`](msrp_core::node::Node).
//!
//! ```text
//!            ┌────────────────────────────── World ─────────────────────────────┐
//!            │  node + application ◀──turns──▶ sockets ◀──▶ links ◀── faults    │
//!   seed ──▶ │            one generator · one list of happenings by time        │ ──▶ Trace, Ledger
//!            └──────────────────────────────────────────────────────────────────┘        │
//!                                                             checkers, capture file ◀───┘
//! ```
//!
//! Time is virtual and jumps to the next happening. A link is a bounded queue of octets with latency, jitter, rate, a
//! send buffer and a receive window; it takes a part of what it is offered, delivers in segments of any size, in order,
//! and loses nothing: that is what TCP is like. What goes wrong are resets, half-closes, stalls, refused connects,
//! slow readers ([`Fault`]). The world calls nodes as a driver has to (see `Node`), with read sizes, write sizes and the
//! number of events pulled drawn by chance, and believes a node's notices: a node that forgets to say that it has
//! output, or that it wants to read again, stands still here as it would in production.
//!
//! What passed is recorded, and judged afterwards by [`checker`]s that look at the octets with a decoder of their own.
//!
//! `MSRP_SEEDS=a..b` runs other seeds than the fixed ones, `MSRP_PCAP=folder` writes each run as a capture file.

pub mod bare;
pub mod checker;
mod fault;
pub mod fuzz;
pub mod ledger;
mod link;
mod net;
mod node;
pub mod pcap;
pub mod roles;
mod seed;
pub mod trace;
mod world;

pub use fault::{Fault, PlannedFault};
pub use link::Link;
pub use net::Listener;
pub use node::{Adapter, Application, Ask, SimNode, Turn};
pub use seed::{Rng, run_seeds};
pub use world::World;
