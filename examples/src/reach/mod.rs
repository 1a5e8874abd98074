//! Where a program is reached by SIP and MSRP, and whom it trusts: the part of the command line about it, checked, and the
//! sockets and certificates that come of it.

mod open;
mod options;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use msrp_core::{
    grammar::{Scheme, Uri},
    node::TransportKind,
};
use msrp_transport::listen::ListenAddress;
use msrp_ua::sip::rsipstack::{SipListen, SipTransport};

pub use self::{open::Material, options::ReachOptions};
use crate::failure::Failure;

/// Where a program is reached, and whom it trusts.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Where to listen for SIP; at least one.
    pub sip: Vec<SipListen>,
    /// Where to accept MSRP.
    pub msrp: ListenAddress,
    /// How others reach this machine.
    pub host: Option<String>,
    /// Own certificate and key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Roots.
    pub ca: Option<PathBuf>,
    /// Trust everybody.
    pub insecure: bool,
}

impl Reach {
    /// Checks what can be checked before anything is opened.
    ///
    /// # Errors
    /// [`Failure::Asked`], which names the flag.
    pub fn new(options: ReachOptions) -> Result<Self, Failure> {
        let sip: Vec<SipListen> = options
            .sip
            .iter()
            .map(|text| {
                text.parse()
                    .map_err(|error| Failure::asked(&format!("--sip {text}"), error))
            })
            .collect::<Result<_, _>>()?;
        let Some(first) = sip.first() else {
            return Err(Failure::asked(
                "--sip",
                "where is SIP to be listened for? For example --sip udp://127.0.0.1:5060",
            ));
        };
        let msrp = match &options.msrp {
            Some(text) => msrp_listener(text)?,
            None => ListenAddress {
                scheme: Scheme::Msrp,
                transport: TransportKind::Tcp,
                address: SocketAddr::new(first.address.ip(), 0),
            },
        };
        if msrp.address.ip().is_unspecified() && options.host.is_none() {
            return Err(Failure::asked(
                &format!("--msrp {msrp}"),
                "others need a name or an address by which they reach this machine; --host NAME gives it",
            ));
        }
        let certificate = match (options.cert, options.key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => {
                return Err(Failure::asked(
                    "--cert, --key",
                    "they go together; only one of them is given",
                ));
            }
        };
        Ok(Self {
            sip,
            msrp,
            host: options.host,
            certificate,
            ca: options.ca,
            insecure: false,
        })
    }

    /// The host by which others reach this machine.
    pub fn name(&self) -> String {
        match (&self.host, self.msrp.address.ip()) {
            (Some(host), _) => host.clone(),
            (None, IpAddr::V4(address)) => address.to_string(),
            (None, IpAddr::V6(address)) => format!("[{address}]"),
        }
    }

    /// Whether MSRP is accepted by TLS.
    pub fn accepts_tls(&self) -> bool {
        self.msrp.scheme == Scheme::Msrps
    }

    /// Whether a certificate of our own is needed.
    pub fn needs_identity(&self) -> bool {
        self.accepts_tls()
            || self
                .sip
                .iter()
                .any(|listen| listen.transport == SipTransport::Tls)
    }
}

fn msrp_listener(text: &str) -> Result<ListenAddress, Failure> {
    let flag = format!("--msrp {text}");
    let address: ListenAddress = text.parse().map_err(|error| Failure::asked(&flag, error))?;
    match address.transport {
        TransportKind::Tcp => Ok(address),
        _ => Err(Failure::asked(&flag, "msrp:// or msrps:// is wanted")),
    }
}

/// The URI of a relay (`--relay`); `;tcp` may be left out.
///
/// # Errors
/// [`Failure::Asked`].
pub fn relay(text: &str) -> Result<Uri, Failure> {
    let whole = match text.contains(';') {
        true => text.to_owned(),
        false => format!("{};tcp", text.trim_end_matches('/')),
    };
    Uri::parse(whole.into()).map_err(|error| {
        Failure::asked(
            &format!("--relay {text}"),
            format!("{error}; a relay's URI is like \"msrps://relay.example.com:2855;tcp\""),
        )
    })
}
