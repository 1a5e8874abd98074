//! The command line.

use clap::Parser;

use crate::endpoint::EndpointOptions;

/// A user agent for SIP and MSRP that other programs drive over HTTP.
///
/// Calls, messages and files are made by requests, and everything that happens is told as server-sent events (see api.md).
/// Each listener that is ready prints one line on standard output, `listening on http://127.0.0.1:8080`.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "msrp-api",
    version,
    after_help = "Example:\n  msrp-api --aor sip:desk@127.0.0.1 --sip udp://127.0.0.1:5090 --http http://127.0.0.1:8080 --auto-answer\n  curl -N http://127.0.0.1:8080/events\n  curl -d '{\"to\": \"sip:bob@127.0.0.1:5080\"}' -H 'Content-Type: application/json' http://127.0.0.1:8080/sessions\n  curl -d 'hello' -H 'Content-Type: text/plain' http://127.0.0.1:8080/sessions/out-1/messages\n\nEverything that a flag says can stand in the file given by --config (TOML), with the names of the flags; flags win.\nExit codes: 0 after a signal, 1 for a failure while it ran, 2 for an option or a file that cannot be used. Logs go to standard\nerror, filtered by RUST_LOG."
)]
pub struct Options {
    /// What all user agents have.
    #[command(flatten)]
    pub endpoint: EndpointOptions,
    /// Where the API listens. [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", help_heading = "HTTP")]
    pub http: Option<String>,
    /// What clients have to show as a bearer token, or @FILE in which it stands. Needed where --http is no loopback address.
    #[arg(long, value_name = "TOKEN", help_heading = "HTTP")]
    pub token: Option<String>,
    /// The largest file that clients may send by the API. [default: 1073741824]
    #[arg(long, value_name = "BYTES", help_heading = "HTTP")]
    pub max_upload: Option<u64>,
    /// Where files wait until they are sent. [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR", help_heading = "HTTP")]
    pub spool_dir: Option<std::path::PathBuf>,
    /// Answer calls without asking.
    #[arg(long)]
    pub auto_answer: bool,
}
