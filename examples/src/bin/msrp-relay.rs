//! An MSRP relay; `--help` says how to use it.

use std::process::ExitCode;

use clap::Parser;
use msrp_examples::{
    logging,
    relay::{Failure, Options, Settings, run},
};

fn main() -> ExitCode {
    let options = Options::parse();
    logging::start();
    let outcome = Settings::new(options)
        .map_err(Failure::from)
        .and_then(|settings| run(&settings));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("msrp-relay: {failure}");
            ExitCode::from(if matches!(failure, Failure::Asked(_)) {
                2
            } else {
                1
            })
        }
    }
}
