//! The load generator `msrp-load` and its yardstick `bare-forwarder`.
//!
//! The generator is written without the crates that it measures: its framing, its digest and its paths are its own, so that
//! it also checks them. It speaks RFC 4975 and RFC 4976 as far as a client needs that sends and receives text.

pub mod forwarder;
pub mod load;
pub mod tls_forwarder;
