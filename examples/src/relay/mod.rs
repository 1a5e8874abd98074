//! The relay program: options and file to a running relay.

mod admin;
mod file;
mod listeners;
mod log;
mod material;
mod options;
mod routes;
mod run;
mod settings;
mod shards;
mod signals;
mod sockets;
mod users;
mod websocket;

pub use self::{
    listeners::Listener,
    options::Options,
    routes::Interfaces,
    run::{check, run},
    settings::{CertificateFiles, Settings, SettingsError},
    shards::{NoAnswer, Shards},
};
