//! A user agent that other programs drive over HTTP; `--help` says how to use it.

use std::process::ExitCode;

use msrp_examples::{
    api::{Settings, run},
    program,
};

fn main() -> ExitCode {
    program::main("msrp-api", Settings::new, run)
}
