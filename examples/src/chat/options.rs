//! The command line.

use clap::Parser;

use crate::endpoint::EndpointOptions;

/// Chat and files over SIP and MSRP, for a terminal and for scripts.
///
/// On a terminal lines that are typed are sent, and lines that come are shown; /help lists the commands. With --json
/// everything that happens is a JSON object on a line of standard output, and commands are JSON objects on lines of standard
/// input (see chat.md). Each listener that is ready prints one line, `listening on udp://127.0.0.1:5060`.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "msrp-chat",
    version,
    after_help = "Example: two of them on one machine, the first waits, the second calls, says something and sends a file:\n  msrp-chat --aor sip:bob@127.0.0.1 --sip udp://127.0.0.1:5080 --auto-answer --save-dir ./in\n  msrp-chat --aor sip:alice@127.0.0.1 --sip udp://127.0.0.1:5070 --call sip:bob@127.0.0.1:5080 \\\n    --send \"hello\" --send-file photo.jpg\n\nThrough a relay, and registered at a SIP server:\n  msrp-chat --aor sip:alice@example.com --sip udp://0.0.0.0:5060 --host 192.0.2.1 \\\n    --proxy sip:proxy.example.com --register --password @password \\\n    --relay \"msrps://relay.example.com:2855;tcp\" --relay-password @relay-password\n\nEverything that a flag says can stand in the file given by --config (TOML), with the names of the flags; flags win:\n  aor = \"sip:alice@example.com\"\n  sip = [\"udp://0.0.0.0:5060\", \"tcp://0.0.0.0:5060\"]\n\nExit codes: 0 when all went well, 1 when a call failed, was lost, or something was not delivered, 2 for an option or a file\nthat cannot be used. Logs go to standard error, filtered by RUST_LOG."
)]
pub struct Options {
    /// What all user agents have.
    #[command(flatten)]
    pub endpoint: EndpointOptions,
    /// Call somebody; without it a call is waited for.
    #[arg(long, value_name = "SIPURI", help_heading = "What to do")]
    pub call: Option<String>,
    /// Answer calls without asking.
    #[arg(long, help_heading = "What to do")]
    pub auto_answer: bool,
    /// Say something as soon as there is a session. May be repeated.
    #[arg(long, value_name = "TEXT", help_heading = "What to do")]
    pub send: Vec<String>,
    /// Send a file. May be repeated; files go after what is said.
    #[arg(long, value_name = "PATH", help_heading = "What to do")]
    pub send_file: Vec<std::path::PathBuf>,
    /// Stay when all is delivered; otherwise --send and --send-file end the program then.
    #[arg(long, help_heading = "What to do")]
    pub stay: bool,
    /// One JSON object a line on standard output for everything that happens, and JSON commands on standard input.
    #[arg(long)]
    pub json: bool,
}
