//! The data of files: hashed on their way, held to their description, resumed, and carried in message/cpim.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod data;
mod ends;
#[path = "../pair/mod.rs"]
mod pair;
mod transfers;
mod wrapped;
