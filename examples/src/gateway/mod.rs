//! The program `msrp-gateway`: options, sockets, SIP, and an operator's HTTP server around `msrp_gateway::Gateway`.

mod admin;
mod options;
mod run;
mod settings;
mod start;

pub use self::{options::Options, run::run, settings::Settings};
