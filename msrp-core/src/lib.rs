#![doc = include_str!("../README.md")]

pub mod codec;
pub mod connection;
pub mod digest;
pub mod grammar;
pub mod lookup;
pub mod node;
pub mod redact;
pub mod rng;
pub mod table;
