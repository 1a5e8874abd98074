//! The relay program: options and file to a running relay.

mod admin;
mod file;
mod listeners;
mod options;
mod run;
mod settings;
mod shards;
mod users;

pub use self::{
    options::Options,
    run::{Failure, run},
    settings::{Settings, SettingsError},
    shards::{NoAnswer, Shards},
};
