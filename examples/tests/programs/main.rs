//! The programs of this package, run as a user runs them.

mod agents;
mod api;
mod bridging;
mod browser_clients;
mod chains;
mod chat_calls;
mod chat_options;
mod exposition;
mod foreign;
mod foreign_clients;
mod hostile_neighbours;
mod http;
mod memory_bound;
mod party;
mod quickstart;
mod relay_admin;
mod relay_anchor;
mod relay_limits;
mod relay_operation;
mod relay_options;
mod relay_signals;
mod relay_workers;
mod running;
mod sse;
mod websocket_wire;
