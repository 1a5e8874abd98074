//! Chat and files over SIP and MSRP; `--help` says how to use it.

use std::process::ExitCode;

use msrp_examples::{
    chat::{Options, Settings, run},
    config_file, logging,
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
            eprintln!("msrp-chat: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
