//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::reach::ReachOptions;

/// A year, in seconds: longer than anything may take.
const LONGEST: u64 = 365 * 24 * 3600;

/// What becomes of messages that are too long for a MESSAGE by UDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Long {
    /// Their sender is told 413.
    #[default]
    Refuse,
    /// They go by TCP.
    Tcp,
    /// Texts are cut into numbered parts.
    Split,
}

/// A gateway between phones that only speak SIP MESSAGE and users of MSRP.
///
/// A MESSAGE that a route is about goes into an MSRP session, for which its target is called; an INVITE that a route is about is
/// answered, and what is said in its session leaves as MESSAGEs. Every listener that is ready prints one line, `listening on
/// udp://127.0.0.1:5060`, on standard output; everything else goes to standard error. SIGHUP reads the routes in the file given
/// by --config again, and certificates; sessions stay. SIGTERM (or SIGINT) lets what is under way finish and ends; a second one
/// ends at once.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "msrp-gateway",
    version,
    after_help = "Example, on one machine: a chat client, and a gateway that phones at 127.0.0.1:5062 use to reach it:\n  msrp-chat --aor sip:bob@127.0.0.1 --sip udp://127.0.0.1:5070 --auto-answer\n  msrp-gateway --sip udp://127.0.0.1:5060 --sip tcp://127.0.0.1:5060 --trust-from \\\n    --route 'bob@*=sip:127.0.0.1:5070' --route '*=sip:127.0.0.1:5062'\n\nEverything that a flag says can stand in the file given by --config (TOML), with the names of the flags; flags win:\n  sip = [\"udp://192.0.2.1:5060\", \"tcp://192.0.2.1:5060\"]\n  trust = [\"192.0.2.9\"]\n  route = [\"*@chat.example.com=sip:192.0.2.9;transport=tcp\", \"*=sip:192.0.2.9\"]\n\nThe operator's server (--admin): GET /sessions, DELETE /sessions/ID, GET /metrics, GET /healthz.\nExit codes: 0 after a signal, 1 for a failure while it ran, 2 for an option or a file that cannot be used. Logs are filtered by\nRUST_LOG, such as RUST_LOG=msrp_gateway=debug."
)]
pub struct Options {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where it is reached, and whom it trusts.
    #[command(flatten)]
    pub reach: ReachOptions,
    /// What is carried, and by which way: a glob on the Request-URI's user@host, and the SIP URI where requests to it go first.
    /// May be repeated, the first that matches wins; what matches none gets 404.
    #[arg(long, value_name = "PATTERN=SIPURI")]
    pub route: Vec<String>,
    /// An MSRP relay that sessions go through, such as "msrps://relay.example.com:2855;tcp". May be repeated: a chain, the
    /// nearest first.
    #[arg(long, value_name = "URI")]
    pub relay: Vec<String>,
    /// Who the gateway is at the relays.
    #[arg(long, value_name = "NAME", default_value = "gateway")]
    pub relay_user: String,
    /// The password for the relays, or @FILE in which it stands.
    #[arg(long, value_name = "PASSWORD")]
    pub relay_password: Option<String>,
    /// A SIP proxy whose P-Asserted-Identity says who sends. May be repeated. Whom nobody vouches for gets 403.
    #[arg(long, value_name = "IP")]
    pub trust: Vec<std::net::IpAddr>,
    /// Believe From where nobody says better who sends: for labs, and behind a proxy that checks it.
    #[arg(long)]
    pub trust_from: bool,
    /// The name under which other gateways, and this one, know its requests. [default: a random one]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Tell senders by a MESSAGE from this URI what could not be delivered. [default: nothing, but IMDN where asked for]
    #[arg(long, value_name = "SIPURI")]
    pub notices: Option<String>,
    /// What becomes of messages that are too long for a MESSAGE by UDP.
    #[arg(long, value_enum, default_value_t)]
    pub long: Long,
    /// How long nothing may be said in a session. [default: 600]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=LONGEST), value_name = "SECONDS")]
    pub session_timeout: Option<u64>,
    /// How long a message may wait. [default: 300]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=LONGEST), value_name = "SECONDS")]
    pub message_timeout: Option<u64>,
    /// How long a callee may take to answer. [default: 60]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=LONGEST), value_name = "SECONDS")]
    pub setup_timeout: Option<u64>,
    /// Messages of one conversation that may wait, each way. [default: 100]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub queue: Option<u32>,
    /// Requests of one sender in a second; a burst may have four times as many. [default: 50]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub sender_rate: Option<u32>,
    /// The same from one sender to one target. [default: 20]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub pair_rate: Option<u32>,
    /// The same of all. [default: 10000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub rate: Option<u32>,
    /// Where the operator's HTTP server listens, such as http://127.0.0.1:9092.
    #[arg(long, value_name = "URL")]
    pub admin: Option<String>,
    /// What its clients have to show as a bearer token, or @FILE in which it stands. Needed where --admin is no loopback
    /// address.
    #[arg(long, value_name = "TOKEN")]
    pub admin_token: Option<String>,
    /// How long SIGTERM lets what is under way go on. [default: 10]
    #[arg(long, value_parser = clap::value_parser!(u64).range(0..=LONGEST), value_name = "SECONDS")]
    pub drain: Option<u64>,
}
