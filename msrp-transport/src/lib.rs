#![doc = include_str!("../README.md")]

pub mod block;
mod config;
mod dial;
#[cfg(feature = "dns")]
pub mod dns;
pub mod driver;
mod failure;
mod handles;
pub mod io;
pub mod layer;
pub mod listen;
#[cfg(feature = "mio")]
pub mod mio_driver;
pub mod resolve;
pub mod runtime;
mod threads;
mod throttle;
#[cfg(feature = "tls")]
pub mod tls_config;

pub use config::DriverConfig;
