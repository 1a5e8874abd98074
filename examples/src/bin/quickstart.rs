//! MSRP in a minute: a TLS relay, people who call each other by SIP, chat and send a file through it, over real sockets.

use std::process::ExitCode;

use msrp_examples::{logging, quickstart};

fn main() -> ExitCode {
    logging::start();
    match quickstart::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("quickstart: {trouble}");
            ExitCode::FAILURE
        }
    }
}
