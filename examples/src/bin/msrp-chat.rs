//! Chat and files over SIP and MSRP; `--help` says how to use it.

use std::process::ExitCode;

use msrp_examples::{
    chat::{Settings, run},
    program,
};

fn main() -> ExitCode {
    program::main("msrp-chat", Settings::new, run)
}
