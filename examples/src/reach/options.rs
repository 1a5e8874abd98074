//! The part of the command line about it.

use std::path::PathBuf;

use clap::Args;

/// Where a program is reached by SIP and MSRP, and whom it trusts.
#[derive(Clone, Debug, Default, Args)]
pub struct ReachOptions {
    /// Where to listen for SIP: udp://IP:PORT, tcp://IP:PORT or tls://IP:PORT. May be repeated, UDP and TCP on one address;
    /// port 0 takes a free one.
    #[arg(long, value_name = "URL", help_heading = "SIP")]
    pub sip: Vec<String>,
    /// Where to accept MSRP: msrp://IP:PORT for TCP, msrps://IP:PORT for TLS. [default: msrp:// at the address of the first
    /// --sip, on a free port]
    #[arg(long, value_name = "URL", help_heading = "MSRP")]
    pub msrp: Option<String>,
    /// The name or address by which others reach this machine; needed where --msrp or --sip listens on all addresses.
    #[arg(long, value_name = "NAME", help_heading = "MSRP")]
    pub host: Option<String>,
    /// Roots (PEM) that the certificates of relays, SIP servers and peers have to chain to.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub ca: Option<PathBuf>,
    /// Own certificate chain (PEM), for tls:// and msrps://. Without it one is made that others know by its fingerprint in SDP.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub cert: Option<PathBuf>,
    /// The private key (PEM) of the certificate.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub key: Option<PathBuf>,
}
