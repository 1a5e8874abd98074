//! Moves octets between connections, joined in the order in which they come: what the socket calls of a relay cost.

use std::{net::SocketAddr, process::ExitCode};

use clap::Parser;
use msrp_benches::forwarder::Forwarder;

/// Moves octets between connections, the first with the second and so on.
///
/// For `msrp-load --mode bare`, and with `--answer` for `--mode yardstick`. Prints `listening on IP:PORT` once it is ready.
#[derive(Debug, Parser)]
#[command(name = "bare-forwarder", version)]
struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:2899")]
    listen: SocketAddr,
    /// Answer senders as a relay does, and drop what receivers answer.
    #[arg(long)]
    answer: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut forwarder = match Forwarder::bind(options.listen) {
        Ok(forwarder) => forwarder.answering(options.answer),
        Err(error) => {
            eprintln!("bare-forwarder: --listen {}: {error}", options.listen);
            return ExitCode::from(2);
        }
    };
    if let Ok(address) = forwarder.local_addr() {
        println!("listening on {address}");
    }
    match forwarder.run_while(|| true) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bare-forwarder: {error}");
            ExitCode::FAILURE
        }
    }
}
