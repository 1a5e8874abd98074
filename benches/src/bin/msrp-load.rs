//! Drives an MSRP relay and prints what it did and what it cost. See `msrp-load --help`.

use std::process::ExitCode;

use clap::Parser;
use msrp_benches::load::{self, LoadError, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    match options.check().and_then(|()| load::run(&options)) {
        Ok(report) if options.json => match serde_json::to_string(&report) {
            Ok(json) => {
                println!("{json}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(&LoadError::Unexpected(error.to_string())),
        },
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &LoadError) -> ExitCode {
    eprintln!("msrp-load: {error}");
    ExitCode::from(if error.is_usage() { 2 } else { 1 })
}
