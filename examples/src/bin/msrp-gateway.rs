//! A gateway between SIP MESSAGE and MSRP; `--help` says how to use it.

use std::process::ExitCode;

use msrp_examples::{
    config_file,
    gateway::{Settings, run},
    program,
};

fn main() -> ExitCode {
    program::main("msrp-gateway", Settings::new, |settings| {
        run(settings, || config_file::options_again().and_then(Settings::new))
    })
}
