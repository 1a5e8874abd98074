//! The relay program: options and file to a running relay.

mod file;
mod options;
mod run;
mod settings;
mod users;

pub use self::{
    options::Options,
    run::{Failure, run},
    settings::{Settings, SettingsError},
};
