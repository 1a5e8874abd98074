//! A node with nothing above [`Connection`](msrp_core::connection::Connection): it sends and receives messages on
//! connections, knows no sessions, and does whatever its manners say. What it tests is `Connection`.

mod node;
mod receiving;
mod sending;
mod talker;

pub use node::{BareCommand, BareEvent, BareNode, Manners};
pub use sending::{Chunking, Message};
pub use talker::{Plan, Talker, content};
