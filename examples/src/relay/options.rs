//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::logging::LogFormat;

/// An MSRP relay (RFC 4976).
///
/// Clients connect, prove who they are by AUTH, and are given a URI by which others reach them through this relay.
/// Every listener that is ready prints one line, `listening on msrp://127.0.0.1:2855`, on standard output; everything
/// else goes to standard error. SIGHUP reads users and certificates again, SIGTERM (or SIGINT) lets what is under way finish and ends.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "msrp-relay",
    version,
    after_help = "Example, for trying out on one machine:\n  msrp-relay --listen msrp://127.0.0.1:2855 --listen msrps://127.0.0.1:2856 \\\n    --user alice:secret --user bob:secret --allow-plain-auth\n\nEverything that a flag says can stand in the file given by --config (TOML), with the names of the flags; flags win:\n  listen = [\"msrps://0.0.0.0:2855\"]\n  host = \"relay.example.com\"\n  users = \"/etc/msrp/users\"\n  cert = \"/etc/msrp/cert.pem\"\n  key = \"/etc/msrp/key.pem\"\n\nThere a listener can have settings of its own:\n  [[listen]]\n  url = \"wss://0.0.0.0:443\"\n  as = \"msrps://0.0.0.0:2855\"\n  websocket-origin = [\"https://chat.example.com\"]\n\nA chain: clients of inner.example.com may go on to this relay, outer.example.com. Both relays show certificates:\n  msrp-relay --listen msrps://0.0.0.0:2855 --host outer.example.com --users outer-users \\\n    --cert outer.pem --key outer-key.pem --client-ca roots.pem --peer-relay inner.example.com\n  msrp-relay --listen msrps://0.0.0.0:2855 --host inner.example.com --users inner-users \\\n    --cert inner.pem --key inner-key.pem --ca roots.pem\n\nLogs are filtered by RUST_LOG, such as RUST_LOG=msrp_relay=debug."
)]
pub struct Options {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen: msrp://IP:PORT for TCP, msrps://IP:PORT for TLS, ws://IP:PORT and wss://IP:PORT for
    /// WebSocket (browsers) over either. May be repeated; port 0 takes a free one.
    #[arg(long, value_name = "URL")]
    pub listen: Vec<String>,
    /// Host part of the URIs that clients are given, by which they reach this machine; in the file a listener may have one of
    /// its own. Default: the address of the listener.
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Show each side of a session the name of this relay that it knows, that of the listener by which it is reached, where
    /// RFC 4976 would show both sides the same.
    #[arg(long)]
    pub hide_topology: bool,
    /// Reach next hops of this name from the address of this listener: the host of their URIs; or *.example.net for every name
    /// with one label before this domain; or *. May be repeated, the first that fits counts; default: as the operating system
    /// likes.
    #[arg(long, value_name = "NAME=URL")]
    pub interface: Vec<String>,
    /// Where WebSocket clients are served, such as /msrp; others are answered 404. May be repeated. [default: /]
    #[arg(long, value_name = "PATH")]
    pub websocket_path: Vec<String>,
    /// The origin of pages whose browsers are let in by WebSocket, such as `https://chat.example.com`; those of others are
    /// answered 403. May be repeated; default: any page.
    #[arg(long, value_name = "ORIGIN")]
    pub websocket_origin: Vec<String>,
    /// The longest message of WebSocket that is taken, that is a chunk of MSRP with its head; 1024 at least. [default: 65536]
    #[arg(long, value_name = "BYTES")]
    pub websocket_max_message: Option<u64>,
    /// How often a WebSocket client is asked for a sign of life; 0 for never. [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub websocket_ping: Option<u64>,
    /// Digest realm; default: the host.
    #[arg(long, value_name = "NAME")]
    pub realm: Option<String>,
    /// Users: htdigest lines user:realm:HA1 (MD5) or user:realm:SHA-256:HA1. Read again on SIGHUP.
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,
    /// A user, for trying out. May be repeated.
    #[arg(long, value_name = "NAME:PASSWORD")]
    pub user: Vec<String>,
    /// Certificate chain (PEM), own certificate first; read again on SIGHUP. Other relays that this one connects to are
    /// shown it, too. Without it TLS listeners sign one for themselves and print its fingerprint.
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// A relay whose clients may be given URIs here, too (RFC 4976 chains): its name, as in its certificate; or
    /// *.example.net for every name with one label before this domain; or * for every relay whose certificate is verified.
    /// May be repeated; needs --client-ca, and the other relay has to be started with a --cert that names it.
    #[arg(long, value_name = "NAME")]
    pub peer_relay: Vec<String>,
    /// Roots (PEM) that client certificates of other relays have to chain to.
    #[arg(long, value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
    /// Roots (PEM) that the certificates of the hosts we connect to have to chain to.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The address of a host that DNS does not know, as a line of /etc/hosts for this program alone. May be repeated.
    #[arg(long, value_name = "NAME=IP")]
    pub hosts: Vec<String>,
    /// Accept AUTH over unencrypted connections: for labs, or behind a TLS terminator.
    #[arg(long)]
    pub allow_plain_auth: bool,
    /// Offer SHA-256 beside MD5 in challenges.
    #[arg(long)]
    pub offer_sha256: bool,
    /// Shortest life of a URI. [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub min_expires: Option<u32>,
    /// Longest life of a URI. [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    pub max_expires: Option<u32>,
    /// Life of a URI where the client asks for none. [default: 600]
    #[arg(long, value_name = "SECONDS")]
    pub expires: Option<u32>,
    /// Connections at the same time. [default: 65536]
    #[arg(long, value_name = "N")]
    pub max_connections: Option<usize>,
    /// Octets that may wait to be sent, over all connections; at least 1048576 (1 MiB). [default: 268435456]
    #[arg(long, value_name = "BYTES")]
    pub max_memory: Option<usize>,
    /// Threads that relay, each with connections of its own, and a part of --max-connections and --max-memory; at most 32.
    /// [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// DNS server to ask where hosts are that clients send to, and where the relays of their domains are (SRV records). May
    /// be repeated; default: those of the operating system.
    #[arg(long, value_name = "IP:PORT")]
    pub dns: Vec<String>,
    /// How long SIGTERM lets what is under way go on. [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub drain: Option<u64>,
    /// Connections that one address, or one /64 network of IPv6, may have open at the same time; more are closed at once.
    /// [default: no limit]
    #[arg(long, value_name = "N")]
    pub max_address_connections: Option<u32>,
    /// URIs of one user that may be valid at the same time; AUTH for more is answered 403. [default: no limit]
    #[arg(long, value_name = "N")]
    pub max_user_sessions: Option<u32>,
    /// SEND chunks that one user may send in a second. Who sends more is read later, so nothing is lost. [default: no
    /// limit]
    #[arg(long, value_name = "N")]
    pub max_user_chunks: Option<u32>,
    /// Octets of bodies that one user may send in a second; more are read later. [default: no limit]
    #[arg(long, value_name = "BYTES")]
    pub max_user_octets: Option<u64>,
    /// For how many seconds' worth of both a user may send at once who has been silent. [default: 5]
    #[arg(long, value_name = "SECONDS")]
    pub user_burst: Option<u64>,
    /// How logs are written: text, or one JSON object a line. [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Check options, configuration and the files they name, and end: exit code 0 if the relay would start, else 2.
    #[arg(long)]
    pub check_config: bool,
    /// Where the operator's HTTP server listens, such as http://127.0.0.1:9090: /metrics, /healthz, /sessions.
    #[arg(long, value_name = "URL")]
    pub admin: Option<String>,
    /// What its clients have to show as a bearer token; @FILE reads it from a file. Needed where --admin is no loopback
    /// address.
    #[arg(long, value_name = "TOKEN")]
    pub admin_token: Option<String>,
}
