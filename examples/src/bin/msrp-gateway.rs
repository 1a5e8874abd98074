//! A gateway between SIP MESSAGE and MSRP; `--help` says how to use it.

use std::process::ExitCode;

use msrp_examples::{
    config_file,
    gateway::{Options, Settings, run},
    logging,
};

fn main() -> ExitCode {
    let outcome = config_file::options::<Options>()
        .and_then(Settings::new)
        .and_then(|settings| {
            logging::start();
            run(&settings)
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("msrp-gateway: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
