//! A program from its command line to its exit code.

use std::{io::Write, process::ExitCode};

use clap::{CommandFactory, FromArgMatches};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{config_file, failure::Failure, logging};

/// Reads options, checks them, starts logging and runs the program. `name` begins what it says when it fails.
pub fn main<O: CommandFactory + FromArgMatches, S>(
    name: &str,
    check: impl FnOnce(O) -> Result<S, Failure>,
    run: impl FnOnce(&S) -> Result<(), Failure>,
) -> ExitCode {
    let outcome = config_file::options().and_then(check).and_then(|settings| {
        logging::start();
        run(&settings)
    });
    ended(name, outcome)
}

/// Says why a program has failed, if it has.
pub fn ended(name: &str, outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{name}: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

/// Says on standard output where the program listens; other programs wait for these lines.
///
/// # Errors
/// [`Failure::Ran`].
pub fn announce<U: std::fmt::Display>(urls: impl IntoIterator<Item = U>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    urls.into_iter()
        .try_for_each(|url| writeln!(out, "listening on {url}"))
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Ran(format!("standard output: {error}")))
}

/// A signal that is heard from now on, and does not end the process by itself any more; has to be on tokio.
///
/// # Errors
/// [`Failure::Ran`].
pub fn heard(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Ran(error.to_string()))
}

/// The signals that end a program: SIGTERM and SIGINT.
#[derive(Debug)]
pub struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// They are heard from now on; has to be on tokio.
    ///
    /// # Errors
    /// [`Failure::Ran`].
    pub fn heard() -> Result<Self, Failure> {
        Ok(Self {
            terminate: heard(SignalKind::terminate())?,
            interrupt: heard(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
