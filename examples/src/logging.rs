//! Logs of the programs: on standard error, filtered by `RUST_LOG`, `warn` where it is not set.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Mutex, PoisonError},
};

use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

/// Who shows logs in place of standard error, if somebody does.
static SHOWN: Mutex<Option<mpsc::Sender<String>>> = Mutex::new(None);

/// Logs go here from now on, if standard error is the terminal that the program draws on, where they would stand in the way.
/// What is not taken in time is dropped.
pub fn show(to: mpsc::Sender<String>) {
    if io::stderr().is_terminal() {
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
    }
}

/// Standard error, or who shows logs in its place.
struct Errors;

impl Write for Errors {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match shown.filter(|shown| !shown.is_closed()) {
            Some(shown) => {
                let _or_dropped = shown.try_send(String::from_utf8_lossy(octets).into_owned());
                Ok(octets.len())
            }
            None => io::stderr().write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for what collects logs.
    Json,
}

/// Starts logging, as text.
pub fn start() {
    start_as(LogFormat::Text);
}

/// Starts logging.
pub fn start_as(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Errors)
        // Colours are for people; files and journals get plain text.
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        // The journal writes the time itself.
        LogFormat::Text if std::env::var_os("JOURNAL_STREAM").is_some() => log.without_time().init(),
        LogFormat::Text => log.init(),
    }
}
