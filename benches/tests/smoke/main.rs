//! The generator against a relay, the bare forwarder, and servers that do wrong. How fast anything is decides nothing.

mod programs;
mod relay;
mod wrong;
