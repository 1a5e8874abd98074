//! Options, checked.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use msrp_core::{
    grammar::{Scheme, Uri},
    node::{Fingerprint, TransportKind},
};
use msrp_transport::{listen::ListenAddress, tls_config::parse_fingerprint};
use msrp_ua::sip::rsipstack::{SipListen, SipTransport};

use super::EndpointOptions;
use crate::failure::Failure;

/// What a user agent runs with.
#[derive(Clone)]
pub struct EndpointSettings {
    /// The address of record.
    pub aor: String,
    /// The name for people.
    pub display_name: Option<String>,
    /// Where to listen for SIP.
    pub sip: Vec<SipListen>,
    /// The outbound proxy.
    pub proxy: Option<String>,
    /// Whether to register.
    pub register: bool,
    /// User and password for SIP servers.
    pub credentials: Option<(String, String)>,
    /// Where to accept MSRP.
    pub msrp: ListenAddress,
    /// How others reach this machine.
    pub host: Option<String>,
    /// The relays, the nearest first.
    pub relays: Vec<Uri>,
    /// User and password for the relays.
    pub relay_credentials: Option<(String, String)>,
    /// How long a session that has lost its connection is tried to be had again.
    pub recovery_time: Option<Duration>,
    /// Where accepted files go.
    pub save_dir: Option<PathBuf>,
    /// The largest file that is accepted.
    pub max_file: Option<u64>,
    /// The relay's certificate.
    pub fingerprint: Option<Fingerprint>,
    /// Roots.
    pub ca: Option<PathBuf>,
    /// Trust everybody.
    pub insecure: bool,
    /// Own certificate and key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Prints no password.
impl std::fmt::Debug for EndpointSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointSettings")
            .field("aor", &self.aor)
            .field("sip", &self.sip)
            .field("msrp", &self.msrp)
            .field("relays", &self.relays)
            .finish_non_exhaustive()
    }
}

fn asked<T>(text: String) -> Result<T, Failure> {
    Err(Failure::Asked(text))
}

impl EndpointSettings {
    /// Checks what can be checked before anything is opened.
    ///
    /// # Errors
    /// [`Failure::Asked`], which names the flag.
    pub fn new(options: EndpointOptions) -> Result<Self, Failure> {
        let Some(aor) = options.aor else {
            return asked("--aor: who am I? For example --aor sip:alice@example.com".to_owned());
        };
        let user = user_of(&aor)
            .ok_or_else(|| Failure::Asked(format!("--aor {aor}: sip:USER@HOST is wanted")))?
            .to_owned();
        let sip: Vec<SipListen> = options
            .sip
            .iter()
            .map(|text| {
                text.parse()
                    .map_err(|error| Failure::Asked(format!("--sip {text}: {error}")))
            })
            .collect::<Result<_, _>>()?;
        let Some(first) = sip.first() else {
            return asked(
                "--sip: where is SIP to be listened for? For example --sip udp://127.0.0.1:5060".to_owned(),
            );
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
            return asked(format!(
                "--msrp {msrp}: others need a name or an address by which they reach this machine; --host NAME gives it"
            ));
        }
        let relays = options
            .relay
            .iter()
            .map(|text| relay(text))
            .collect::<Result<Vec<_>, _>>()?;
        let password = options
            .password
            .as_deref()
            .map(|text| secret("--password", text))
            .transpose()?;
        let relay_password = match options.relay_password.as_deref() {
            Some(text) => Some(secret("--relay-password", text)?),
            None => password.clone(),
        };
        if relay_password.is_none() && !relays.is_empty() {
            return asked(
                "--relay: the relay wants to know who I am; --relay-password (and --relay-user) tells it"
                    .to_owned(),
            );
        }
        let relay_user = options.relay_user.unwrap_or_else(|| user.clone());
        for (flag, uri) in [("--proxy", &options.proxy)] {
            if let Some(uri) = uri.as_deref().filter(|uri| !is_sip_uri(uri)) {
                return asked(format!(
                    "{flag} {uri}: a SIP URI is wanted, such as sip:proxy.example.com"
                ));
            }
        }
        let fingerprint = options.fingerprint.as_deref().map(fingerprint).transpose()?;
        let certificate = match (options.cert, options.key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return asked("--cert and --key go together; only one of them is given".to_owned()),
        };
        if let Some(folder) = &options.save_dir {
            fs::create_dir_all(folder)
                .map_err(|error| Failure::Asked(format!("--save-dir {}: {error}", folder.display())))?;
        }
        Ok(Self {
            credentials: password.map(|password| (options.user.unwrap_or(user), password)),
            aor,
            display_name: options.display_name,
            sip,
            proxy: options.proxy,
            register: options.register,
            msrp,
            host: options.host,
            relay_credentials: relay_password.map(|password| (relay_user, password)),
            relays,
            recovery_time: options
                .recovery_time
                .map(|seconds| Duration::from_secs(seconds.into())),
            save_dir: options.save_dir,
            max_file: options.max_file,
            fingerprint,
            ca: options.ca,
            insecure: options.insecure,
            certificate,
        })
    }

    /// The host by which others reach this machine.
    pub fn reached_at(&self) -> String {
        match (&self.host, self.msrp.address.ip()) {
            (Some(host), _) => host.clone(),
            (None, IpAddr::V4(address)) => address.to_string(),
            (None, IpAddr::V6(address)) => format!("[{address}]"),
        }
    }

    /// Whether a certificate of our own is needed.
    pub fn needs_identity(&self) -> bool {
        self.msrp.scheme == Scheme::Msrps
            || self
                .sip
                .iter()
                .any(|listen| listen.transport == SipTransport::Tls)
    }
}

fn msrp_listener(text: &str) -> Result<ListenAddress, Failure> {
    let address: ListenAddress = text
        .parse()
        .map_err(|error| Failure::Asked(format!("--msrp {text}: {error}")))?;
    match address.transport {
        TransportKind::Tcp => Ok(address),
        _ => asked(format!("--msrp {text}: msrp:// or msrps:// is wanted")),
    }
}

/// A relay's URI; `;tcp` may be left out.
fn relay(text: &str) -> Result<Uri, Failure> {
    let whole = match text.contains(';') {
        true => text.to_owned(),
        false => format!("{};tcp", text.trim_end_matches('/')),
    };
    Uri::parse(whole.into()).map_err(|error| {
        Failure::Asked(format!(
            "--relay {text}: {error}; a relay's URI is like \"msrps://relay.example.com:2855;tcp\""
        ))
    })
}

fn fingerprint(text: &str) -> Result<Fingerprint, Failure> {
    let whole = match text.trim().contains(' ') {
        true => text.to_owned(),
        false => format!("sha-256 {}", text.trim()),
    };
    parse_fingerprint(&whole).map_err(|error| Failure::Asked(format!("--fingerprint {text}: {error}")))
}

/// A secret, or what stands in the file that is named by `@FILE`.
pub(crate) fn secret(flag: &str, text: &str) -> Result<String, Failure> {
    let secret = match text.strip_prefix('@') {
        Some(path) => fs::read_to_string(Path::new(path))
            .map_err(|error| Failure::Asked(format!("{flag}: cannot read {path}: {error}")))?
            .trim_end_matches(['\r', '\n'])
            .to_owned(),
        None => text.to_owned(),
    };
    if secret.is_empty() {
        return asked(format!("{flag}: it is empty"));
    }
    Ok(secret)
}

/// Whether this may be a SIP URI: whether it is one in every detail the SIP stack finds out.
pub(crate) fn is_sip_uri(text: &str) -> bool {
    let rest = text
        .split_once(':')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips"));
    rest.is_some_and(|(_, rest)| {
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        !host.is_empty() && !rest.contains(char::is_whitespace) && !rest.contains(['<', '>', '"'])
    })
}

/// The user in a SIP URI.
pub(crate) fn user_of(uri: &str) -> Option<&str> {
    if !is_sip_uri(uri) {
        return None;
    }
    let (user, _) = uri.split_once(':')?.1.split_once('@')?;
    let user = user.split_once(':').map_or(user, |(user, _)| user);
    (!user.is_empty()).then_some(user)
}
