//! Options and file, merged and checked.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use msrp_core::grammar::Scheme;
use msrp_relay::UserLimits;
use msrp_transport::{
    listen::{ListenAddress, ListenAddressError},
    tls_config::TlsConfigError,
};

use super::{
    Options,
    file::{File, ListenTable},
    listeners::{Listener, listeners},
    routes::Interfaces,
    websocket::WebSocketOptions,
};
use crate::logging::LogFormat;

/// In seconds.
pub(super) const DAY: u64 = 86_400;

/// As many as a URI can name.
const MAX_WORKERS: usize = 32;

/// What is wrong with options, file or material; the text names it.
#[derive(Debug)]
pub enum SettingsError {
    /// The file of this flag could not be read.
    Read(&'static str, PathBuf, io::Error),
    /// The file of this flag is not what it has to be.
    File(&'static str, PathBuf, String),
    /// No listener.
    NoListener,
    /// A listener that is none.
    Listen(String, ListenAddressError),
    /// A listener on all addresses does not tell which of them URIs are to name.
    NoHost(ListenAddress),
    /// A user that is not NAME:PASSWORD. Only the name is told.
    User(String),
    /// TLS material of this flag that cannot be used.
    Tls(&'static str, PathBuf, TlsConfigError),
    /// Certificate without key, or the reverse.
    HalfIdentity,
    /// Other relays are known, but none could prove who it is.
    UnprovenRelays,
    /// A host that is not NAME=IP.
    Hosts(String),
    /// A DNS server that is none.
    Dns(String),
    /// A number of which there has to be one at least.
    Zero(&'static str),
    /// An address for the admin server that is none.
    Admin(String),
    /// An admin server that others can reach, for anybody.
    OpenAdmin(SocketAddr),
    /// A token that cannot be sent, or none at all.
    AdminToken,
    /// More workers than there can be.
    Workers(usize),
    /// An option that cannot be what it was given; the second text says what is wanted.
    Wanted(String, &'static str),
}

impl std::fmt::Display for SettingsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(flag, path, error) => write!(f, "{flag}: cannot read {}: {error}", path.display()),
            Self::File(flag, path, error) => write!(f, "{flag} {}: {error}", path.display()),
            Self::NoListener => f.write_str(
                "--listen: at least one listener is needed, such as --listen msrps://0.0.0.0:2855 --host relay.example.com",
            ),
            Self::NoHost(listener) => write!(
                f,
                "--listen {listener}: URIs need a name by which clients reach this host; --host NAME gives it"
            ),
            Self::Listen(text, error) => write!(f, "--listen {text}: {error}"),
            Self::User(name) => write!(f, "--user {name}: NAME:PASSWORD is wanted"),
            Self::Tls(flag, path, error) => write!(f, "{flag} {}: {error}", path.display()),
            Self::HalfIdentity => f.write_str("--cert and --key go together; only one of them is given"),
            Self::UnprovenRelays => f.write_str(
                "--peer-relay: other relays prove their names by certificates; --client-ca says whom to believe these",
            ),
            Self::Hosts(text) => write!(
                f,
                "--hosts {text}: NAME=IP is wanted, such as inner.example.com=192.0.2.7"
            ),
            Self::Dns(text) => write!(f, "--dns {text}: IP:PORT is wanted, such as 192.0.2.53:53"),
            Self::Zero(flag) => write!(f, "{flag} 0: at least 1 is wanted"),
            Self::Admin(text) => write!(
                f,
                "--admin {text}: an address is wanted, such as http://127.0.0.1:9090"
            ),
            Self::OpenAdmin(address) => write!(
                f,
                "--admin http://{address}: others can reach this address; --admin-token says what they have to show"
            ),
            Self::AdminToken => f.write_str("--admin-token: visible characters without spaces are wanted"),
            Self::Workers(workers) => write!(
                f,
                "--workers {workers}: there can be {MAX_WORKERS} at most"
            ),
            Self::Wanted(given, wanted) => write!(f, "{given}: {wanted} is wanted"),
        }
    }
}

impl std::error::Error for SettingsError {}

impl SettingsError {
    pub(super) fn wanted(option: &str, value: &str, wanted: &'static str) -> Self {
        Self::Wanted(format!("{option} {value}"), wanted)
    }
}

/// Where certificate and key are.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The chain (PEM), own certificate first.
    pub cert: PathBuf,
    /// The key (PEM).
    pub key: PathBuf,
}

/// What the relay runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: Vec<Listener>,
    /// Host of the URIs given to clients, where a listener has no other.
    pub host: String,
    /// Each side sees the name of the relay that it knows.
    pub hide_topology: bool,
    /// By which networks next hops are reached.
    pub interfaces: Interfaces,
    /// Digest realm.
    pub realm: String,
    /// The htdigest file.
    pub users: Option<PathBuf>,
    /// Users of the command line, with their passwords.
    pub user: Vec<(String, String)>,
    /// Certificate and key; none where one has to be made.
    pub certificate: Option<CertificateFiles>,
    /// Relays whose clients get URIs, by name; `*` for all that are verified.
    pub peer_relays: Vec<String>,
    /// Addresses that are known without asking.
    pub hosts: Vec<(String, IpAddr)>,
    /// Roots for client certificates.
    pub client_ca: Option<PathBuf>,
    /// Roots for the hosts we connect to.
    pub ca: Option<PathBuf>,
    /// AUTH over plain TCP.
    pub allow_plain_auth: bool,
    /// SHA-256 in challenges.
    pub offer_sha256: bool,
    /// Shortest, default and longest life of a URI, in seconds.
    pub expires: (u32, u32, u32),
    /// Connections.
    pub max_connections: usize,
    /// Octets that may wait.
    pub max_memory: usize,
    /// Connections of one address; none for no limit.
    pub max_address_connections: Option<u32>,
    /// What one user may take; none for no limits.
    pub user_limits: Option<UserLimits>,
    /// Threads that relay.
    pub workers: usize,
    /// DNS servers; none for those of the operating system.
    pub dns: Vec<SocketAddr>,
    /// How long to drain.
    pub drain: Duration,
    /// How logs are written.
    pub log_format: LogFormat,
    /// Where the admin server listens.
    pub admin: Option<SocketAddr>,
    /// What its clients have to show.
    pub admin_token: Option<String>,
}

/// Reads the file of a flag, naming both in the error.
///
/// # Errors
/// [`SettingsError::Read`].
pub(super) fn read(flag: &'static str, path: &Path) -> Result<String, SettingsError> {
    fs::read_to_string(path).map_err(|error| SettingsError::Read(flag, path.to_owned(), error))
}

impl Settings {
    /// Merges options with the file they name, and checks what can be checked before anything is opened.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(options: Options) -> Result<Self, SettingsError> {
        let file = match &options.config {
            None => File::default(),
            Some(path) => File::load(path)?,
        };
        let listen: Vec<ListenTable> = if options.listen.is_empty() {
            file.listen
        } else {
            options.listen.into_iter().map(Into::into).collect()
        };
        let list = |options: Vec<String>, file| if options.is_empty() { file } else { options };
        let websocket = WebSocketOptions {
            paths: list(options.websocket_path, file.websocket_path),
            origins: list(options.websocket_origin, file.websocket_origin),
            max_message: options.websocket_max_message.or(file.websocket_max_message),
            ping: options.websocket_ping.or(file.websocket_ping),
        };
        if listen.is_empty() {
            return Err(SettingsError::NoListener);
        }
        let (listen, host) = listeners(listen, options.host.or(file.host), &websocket)?;
        let interfaces = Interfaces::new(list(options.interface, file.interface), &listen)?;
        let user = options
            .user
            .iter()
            .chain(&file.user)
            .map(|text| match text.split_once(':') {
                Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                    Ok((name.to_owned(), password.to_owned()))
                }
                // Whatever stands behind the name could be meant as a password.
                _ => Err(SettingsError::User(
                    text.split(':').next().unwrap_or_default().to_owned(),
                )),
            })
            .collect::<Result<_, _>>()?;
        let certificate = match (options.cert.or(file.cert), options.key.or(file.key)) {
            (Some(cert), Some(key)) => Some(CertificateFiles { cert, key }),
            (None, None) => None,
            _ => return Err(SettingsError::HalfIdentity),
        };
        let (client_ca, ca) = (options.client_ca.or(file.client_ca), options.ca.or(file.ca));
        let peer_relays: Vec<String> = options.peer_relay.into_iter().chain(file.peer_relay).collect();
        if !peer_relays.is_empty() && client_ca.is_none() {
            return Err(SettingsError::UnprovenRelays);
        }
        let hosts = options
            .hosts
            .into_iter()
            .chain(file.hosts)
            .map(host_address)
            .collect::<Result<_, _>>()?;
        let at_least_one = |flag, number| match number {
            0 => Err(SettingsError::Zero(flag)),
            number => Ok(number),
        };
        let max_connections = options.max_connections.or(file.max_connections).unwrap_or(65_536);
        let max_memory = options
            .max_memory
            .or(file.max_memory)
            .unwrap_or(256 * 1024 * 1024);
        let workers = match options.workers.or(file.workers) {
            Some(workers) if workers > MAX_WORKERS => return Err(SettingsError::Workers(workers)),
            Some(workers) => at_least_one("--workers", workers)?,
            None => std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_WORKERS)),
        };
        let optional = |flag, number: Option<u32>| match number {
            Some(0) => Err(SettingsError::Zero(flag)),
            number => Ok(number),
        };
        let max_address_connections = optional(
            "--max-address-connections",
            options.max_address_connections.or(file.max_address_connections),
        )?;
        let user_limits = user_limits(
            optional(
                "--max-user-sessions",
                options.max_user_sessions.or(file.max_user_sessions),
            )?,
            optional(
                "--max-user-chunks",
                options.max_user_chunks.or(file.max_user_chunks),
            )?,
            match options.max_user_octets.or(file.max_user_octets) {
                Some(0) => return Err(SettingsError::Zero("--max-user-octets")),
                octets => octets,
            },
            options.user_burst.or(file.user_burst).unwrap_or(5),
        );
        let admin = match options.admin.or(file.admin) {
            None => None,
            Some(text) => Some(admin_address(&text).ok_or(SettingsError::Admin(text))?),
        };
        let admin_token = options
            .admin_token
            .or(file.admin_token)
            .map(admin_token)
            .transpose()?;
        if let Some(address) = admin.filter(|address| !address.ip().is_loopback())
            && admin_token.is_none()
        {
            return Err(SettingsError::OpenAdmin(address));
        }
        let dns = list(options.dns, file.dns)
            .into_iter()
            .map(|text| text.parse().map_err(|_| SettingsError::Dns(text)))
            .collect::<Result<_, _>>()?;
        let drain = match options.drain.or(file.drain).unwrap_or(10) {
            seconds @ 0..=DAY => Duration::from_secs(seconds),
            seconds => {
                let wanted = "a day at most, 86400,";
                return Err(SettingsError::wanted("--drain", &seconds.to_string(), wanted));
            }
        };
        let min_expires = options.min_expires.or(file.min_expires).unwrap_or(60);
        let max_expires = options.max_expires.or(file.max_expires).unwrap_or(3600);
        // Who sets one bound only does not have to think of the default between them.
        let expires = options
            .expires
            .or(file.expires)
            .unwrap_or_else(|| 600.min(max_expires).max(min_expires));
        Ok(Self {
            realm: options.realm.or(file.realm).unwrap_or_else(|| host.clone()),
            host,
            hide_topology: options.hide_topology || file.hide_topology,
            interfaces,
            users: options.users.or(file.users),
            user,
            certificate,
            peer_relays,
            hosts,
            client_ca,
            ca,
            allow_plain_auth: options.allow_plain_auth || file.allow_plain_auth,
            offer_sha256: options.offer_sha256 || file.offer_sha256,
            expires: (min_expires, expires, max_expires),
            max_connections: at_least_one("--max-connections", max_connections)?,
            max_memory: enough_memory(max_memory)?,
            workers,
            dns,
            drain,
            max_address_connections,
            user_limits,
            log_format: options.log_format.or(file.log_format).unwrap_or_default(),
            admin,
            admin_token,
            listen,
        })
    }

    /// Whether any listener needs a certificate.
    pub fn needs_identity(&self) -> bool {
        self.listen
            .iter()
            .any(|listener| listener.address.scheme == Scheme::Msrps)
    }

    /// All names of this machine.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let hosts = self.listen.iter().filter_map(|listener| listener.host.as_deref());
        std::iter::once(&self.host[..]).chain(hosts)
    }
}

/// Less than a few messages for each worker lets nobody do anything; most likely MiB were meant.
fn enough_memory(octets: usize) -> Result<usize, SettingsError> {
    match octets < 1024 * 1024 {
        true => Err(SettingsError::Wanted(
            format!("--max-memory {octets}"),
            "a number of octets, at least 1048576 (1 MiB),",
        )),
        false => Ok(octets),
    }
}

/// What one user may take, if anything is limited.
fn user_limits(
    sessions: Option<u32>,
    chunks: Option<u32>,
    octets: Option<u64>,
    burst: u64,
) -> Option<UserLimits> {
    if sessions.is_none() && chunks.is_none() && octets.is_none() {
        return None;
    }
    let mut limits = UserLimits::new().burst(Duration::from_secs(burst));
    (limits.sessions, limits.chunks, limits.octets) = (sessions, chunks, octets);
    Some(limits)
}

/// A name and its address.
fn host_address(text: String) -> Result<(String, IpAddr), SettingsError> {
    let parsed = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .and_then(|(name, address)| Some((name.to_owned(), address.parse().ok()?)));
    parsed.ok_or(SettingsError::Hosts(text))
}

/// The address in `http://IP:PORT`.
fn admin_address(text: &str) -> Option<SocketAddr> {
    let rest = text.strip_prefix("http://")?;
    rest.strip_suffix('/').unwrap_or(rest).parse().ok()
}

/// The token, or what stands in the file that is named by `@FILE`.
fn admin_token(text: String) -> Result<String, SettingsError> {
    let token = match text.strip_prefix('@') {
        Some(path) => read("--admin-token", Path::new(path))?.trim().to_owned(),
        None => text,
    };
    if token.is_empty() || !token.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(SettingsError::AdminToken);
    }
    Ok(token)
}
