//! An MSRP relay; `--help` says how to use it.

use std::process::ExitCode;

use clap::Parser;
use msrp_examples::{
    failure::Failure,
    logging, program,
    relay::{Options, Settings, check, run},
};

fn main() -> ExitCode {
    let options = Options::parse();
    let only_check = options.check_config;
    let outcome = Settings::new(options)
        .map_err(Failure::from)
        .and_then(|settings| {
            logging::start_as(settings.log_format);
            if only_check {
                check(&settings)
            } else {
                run(&settings)
            }
        });
    program::ended("msrp-relay", outcome)
}
