//! The part of the command line that all programs with a user agent have.

use std::path::PathBuf;

use clap::Args;

use crate::reach::ReachOptions;

/// Who the user agent is, where it listens, and whom it trusts.
#[derive(Clone, Debug, Default, Args)]
pub struct EndpointOptions {
    /// Configuration file (TOML): every flag can stand in it, by its name; flags on the command line win.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Who I am: the address of record, such as sip:alice@example.com.
    #[arg(long, value_name = "SIPURI")]
    pub aor: Option<String>,
    /// My name for people.
    #[arg(long, value_name = "NAME")]
    pub display_name: Option<String>,
    /// Where it is reached, and whom it trusts.
    #[command(flatten)]
    pub reach: ReachOptions,
    /// The SIP server through which requests go, such as "sip:proxy.example.com;transport=tcp".
    #[arg(long, value_name = "SIPURI", help_heading = "SIP")]
    pub proxy: Option<String>,
    /// Register the address of record, so that calls to it come here.
    #[arg(long, help_heading = "SIP")]
    pub register: bool,
    /// The password for the SIP server, or @FILE in which it stands.
    #[arg(long, value_name = "PASSWORD", help_heading = "SIP")]
    pub password: Option<String>,
    /// The user that the password belongs to. [default: the user in --aor]
    #[arg(long, value_name = "NAME", help_heading = "SIP")]
    pub user: Option<String>,
    /// A relay to be reached through, such as "msrps://relay.example.com:2855;tcp". May be repeated: a chain, the nearest
    /// first.
    #[arg(long, value_name = "URI", help_heading = "MSRP")]
    pub relay: Vec<String>,
    /// Who I am at the relays. [default: the user in --aor]
    #[arg(long, value_name = "NAME", help_heading = "MSRP")]
    pub relay_user: Option<String>,
    /// The password for the relays, or @FILE in which it stands. [default: that of --password]
    #[arg(long, value_name = "PASSWORD", help_heading = "MSRP")]
    pub relay_password: Option<String>,
    /// How long a session that has lost its connection is tried to be had again; then what was not confirmed is told, and the
    /// session ends. 0 does not try. [default: 20]
    #[arg(long, value_name = "SECONDS", help_heading = "MSRP")]
    pub recovery_time: Option<u32>,
    /// Accept files that others offer, into this folder. Without it files are refused.
    #[arg(long, value_name = "DIR", help_heading = "Files")]
    pub save_dir: Option<PathBuf>,
    /// The largest file that is accepted. [default: no limit]
    #[arg(long, value_name = "BYTES", help_heading = "Files")]
    pub max_file: Option<u64>,
    /// Trust the relay whose certificate has this SHA-256 fingerprint, such as "AB:CD:…", as msrp-relay prints it.
    #[arg(long, value_name = "HEX", help_heading = "TLS")]
    pub fingerprint: Option<String>,
    /// Trust every certificate: for trying out. Whoever is in between can read and change everything.
    #[arg(long, help_heading = "TLS")]
    pub insecure: bool,
}
