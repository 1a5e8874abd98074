//! Logs of the programs: on standard error, filtered by `RUST_LOG`, `warn` where it is not set.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

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
        .with_writer(std::io::stderr)
        // Colours are for people; files and journals get plain text.
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        // The journal writes the time itself.
        LogFormat::Text if std::env::var_os("JOURNAL_STREAM").is_some() => log.without_time().init(),
        LogFormat::Text => log.init(),
    }
}
