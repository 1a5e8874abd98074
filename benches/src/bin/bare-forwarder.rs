//! Moves octets between connections, joined in the order in which they come: what the socket calls of a relay cost.

use std::{io, net::SocketAddr, process::ExitCode};

use clap::Parser;
use msrp_benches::{
    forwarder::Forwarder,
    tls_forwarder::{TlsForwarder, self_signed},
};

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
    /// Speak TLS on both sides, with a certificate of its own.
    #[arg(long, conflicts_with = "answer")]
    tls: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = if options.tls {
        run_tls(options.listen)
    } else {
        run(options.listen, options.answer)
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => {
            eprintln!("bare-forwarder: {error}");
            ExitCode::from(code)
        }
    }
}

fn run(listen: SocketAddr, answer: bool) -> Result<(), (u8, io::Error)> {
    let mut forwarder = Forwarder::bind(listen)
        .map_err(|error| (2, error))?
        .answering(answer);
    ready(forwarder.local_addr());
    forwarder.run_while(|| true).map_err(|error| (1, error))
}

fn run_tls(listen: SocketAddr) -> Result<(), (u8, io::Error)> {
    let config = self_signed().map_err(|error| (1, error))?;
    let mut forwarder = TlsForwarder::bind(listen, config).map_err(|error| (2, error))?;
    ready(forwarder.local_addr());
    forwarder.run().map_err(|error| (1, error))
}

fn ready(address: io::Result<SocketAddr>) {
    if let Ok(address) = address {
        println!("listening on {address}");
    }
}
