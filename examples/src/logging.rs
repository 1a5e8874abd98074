//! Logs of the programs: on standard error, filtered by `RUST_LOG`, `warn` where it is not set.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Colours are for people; files and journals get plain text.
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
