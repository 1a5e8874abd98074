//! What the programs of this package share.

pub mod api;
pub mod chat;
pub mod config_file;
pub mod endpoint;
pub mod failure;
pub mod gateway;
pub mod hosts;
pub mod http;
pub mod identity;
pub mod logging;
pub mod program;
pub mod quickstart;
pub mod reach;
pub mod relay;
pub mod runtime;
pub mod signalling;
pub mod trust;

/// 32 octets from the operating system's source of randomness, for the seed of a node.
///
/// # Errors
/// When the operating system has none to give.
pub fn seed() -> Result<[u8; 32], getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}
