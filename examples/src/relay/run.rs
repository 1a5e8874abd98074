//! A relay from its settings to its end.

use std::{
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use msrp_relay::{CommonCounts, ConfigError, Relay, RelayConfig};
use msrp_transport::{
    DriverConfig,
    dns::{DnsConfig, DnsResolver},
    mio_driver::{self, Server, ServerError},
    resolve::{HostQuery, Resolve, SystemResolver},
    tls_config::{Identity, TlsConfigError, format_fingerprint},
};

use super::{
    Settings, SettingsError,
    admin::{self, Admin},
    log::Log,
    material::Material,
    shards::Shards,
    signals,
    sockets::{Bound, Sockets},
    users::Users,
};
use crate::{
    failure::Failure,
    hosts::HostTable,
    http::Guard,
    identity::{SelfSignedError, self_signed},
};

/// The port of MSRP (RFC 4976 §8).
const DEFAULT_PORT: u16 = 2855;

macro_rules! asked {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Failure::Asked(error.to_string())
            }
        })*
    };
}

asked!(SettingsError, ServerError, TlsConfigError, SelfSignedError);

/// What the relay refuses, with the flag that said it.
impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::Asked(match &error {
            ConfigError::Host { .. } | ConfigError::HostIsAddress { .. } => format!("--host: {error}"),
            ConfigError::PeerRelay { .. } => format!("--peer-relay: {error}"),
            ConfigError::Realm { .. } => format!("--realm: {error}"),
            ConfigError::Expires { .. } => {
                format!("--min-expires, --expires, --max-expires: {error}")
            }
            _ => error.to_string(),
        })
    }
}

/// Looks hosts up in the DNS; where the operating system names no server, its own resolver has to do. All workers share it.
#[derive(Clone)]
struct Names(Option<Arc<DnsResolver>>);

impl Names {
    fn new(settings: &Settings) -> Self {
        let config = match &settings.dns[..] {
            [] => DnsConfig::system(),
            servers => Ok(DnsConfig::servers(servers)),
        };
        match config {
            Ok(config) => Self(Some(Arc::new(DnsResolver::new(config)))),
            Err(error) => {
                tracing::warn!(%error, "no DNS server is configured (--dns): SRV records are not looked for");
                Self(None)
            }
        }
    }
}

impl Resolve for Names {
    fn resolve(&self, query: &HostQuery) -> io::Result<Vec<SocketAddr>> {
        match &self.0 {
            Some(dns) => Resolve::resolve(&**dns, query),
            None => SystemResolver.resolve(query),
        }
    }
}

/// Runs a relay until a signal ends it.
///
/// # Errors
/// [`Failure`].
pub fn run(settings: &Settings) -> Result<(), Failure> {
    let mut sockets = Sockets::inherited()?;
    let bound = settings
        .listen
        .iter()
        .map(|listener| sockets.listen(listener.address, settings.workers))
        .collect::<Result<Vec<_>, _>>()?;
    let admin = settings.admin.map(|address| sockets.admin(address)).transpose()?;
    sockets.done()?;
    let users = Users::load(settings)?;
    if users.len() == 0 {
        tracing::warn!("there are no users (--users, --user): nobody can be given a URI");
    }
    let made = made_identity(settings)?;
    if let Some(identity) = &made {
        let fingerprint = format_fingerprint(&identity.fingerprint());
        eprintln!("self-signed certificate, fingerprint {fingerprint}");
    }
    let material = Material::load(settings, made.as_ref())?;
    let ports: Vec<_> = bound.iter().map(|bound| bound.address.address.port()).collect();
    let config = DriverConfig::new().max_connections(settings.max_connections.div_ceil(settings.workers));
    let names = Names::new(settings);
    let mut servers = Vec::with_capacity(settings.workers);
    let common = CommonCounts::new();
    for shard in 0..settings.workers {
        let relay = relay(settings, &ports, users.clone(), (shard, common.clone()))?;
        let hosts = settings
            .hosts
            .iter()
            .fold(HostTable::new(names.clone()), |table, (name, address)| {
                table.with(name, *address)
            });
        let mut server = Server::with_resolver(relay, config.clone(), hosts)?;
        server.set_client_tls(material.client.clone());
        material.tell(server.node_mut());
        servers.push(server);
    }
    let mut servers = mio_driver::Shards::new(servers);
    let mut urls = Vec::new();
    for (listener, Bound { address, sockets }) in settings.listen.iter().zip(bound) {
        let incoming = listener.incoming(material.server.as_ref());
        servers.listen_on(sockets, address.scheme, incoming)?;
        urls.push(address.to_string());
    }
    let mut lines: Vec<_> = urls.iter().map(|url| format!("listening on {url}")).collect();
    let shards = Shards::new(servers.handle().shards());
    if let Some((socket, address)) = admin {
        let guard = Guard::new(settings.admin_token.clone(), "--admin-token");
        let context = Admin {
            shards: shards.clone(),
            listeners: urls.into(),
            turn: Arc::default(),
        };
        admin::serve(socket, context, guard)
            .map_err(|error| Failure::Ran(format!("admin server: {error}")))?;
        lines.push(format!("listening on http://{address}"));
    }
    signals::obey(shards, settings.clone(), made).map_err(|error| Failure::Ran(error.to_string()))?;
    announce(&lines).map_err(|error| Failure::Ran(format!("standard output: {error}")))?;
    signals::ready();
    servers
        .run(|_| Log)
        .map_err(|error| Failure::Ran(format!("event loop: {error}")))
}

/// Checks everything that can be checked without opening anything: what [`run`] would refuse this refuses, but for
/// addresses that cannot be had.
///
/// # Errors
/// [`Failure::Asked`].
pub fn check(settings: &Settings) -> Result<(), Failure> {
    let users = Users::load(settings)?;
    let made = made_identity(settings)?;
    Material::load(settings, made.as_ref())?;
    let ports: Vec<_> = settings
        .listen
        .iter()
        .map(|listener| match listener.address.address.port() {
            // Any free one, as it may turn out.
            0 => DEFAULT_PORT,
            port => port,
        })
        .collect();
    relay(settings, &ports, users, (0, CommonCounts::new()))?;
    println!("the configuration is good");
    Ok(())
}

/// `ports` are the real ones of the listeners.
fn relay(
    settings: &Settings,
    ports: &[u16],
    users: Users,
    (shard, common): (usize, CommonCounts),
) -> Result<Relay, Failure> {
    let (min, default, max) = settings.expires;
    let is_address = |host: &&str| host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let address = settings.names().find(is_address);
    if let Some(host) = address
        && shard == 0
    {
        tracing::warn!(host, "RFC 4976 wants a host name in URIs; --host gives one");
    }
    let mut config = RelayConfig::new(&settings.host)
        .realm(&settings.realm)
        .allow_address_host(address.is_some())
        .hide_topology(settings.hide_topology)
        .allow_plain_auth(settings.allow_plain_auth)
        .offer_sha256(settings.offer_sha256)
        .expires(min, default, max)
        .max_connections(settings.max_connections)
        .max_memory(settings.max_memory)
        .shard(shard as u16, settings.workers as u16)
        .in_common(common)
        .auth_store(users);
    for name in &settings.peer_relays {
        config = match name.as_str() {
            "*" => config.any_peer_relay(true),
            name => config.peer_relay(name),
        };
    }
    if let Some(most) = settings.max_address_connections {
        config = config.max_connections_per_address(most);
    }
    if let Some(limits) = settings.user_limits {
        config = config.user_limits(limits);
    }
    if !settings.interfaces.is_empty() {
        config = config.route_policy(settings.interfaces.clone());
    }
    for (place, (listener, &port)) in settings.listen.iter().zip(ports).enumerate() {
        config = config.listen(listener.named(place, port));
    }
    let seed = crate::seed().map_err(|error| Failure::Ran(format!("no randomness: {error}")))?;
    Ok(Relay::new(Instant::now(), config, seed)?)
}

/// The certificate that the relay makes for itself, where it needs one and has none.
fn made_identity(settings: &Settings) -> Result<Option<Identity>, Failure> {
    if !settings.needs_identity() || settings.certificate.is_some() {
        return Ok(None);
    }
    let mut names: Vec<_> = settings
        .names()
        .map(|name| name.trim_matches(['[', ']']).to_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    let (identity, _) = self_signed(&names)?;
    Ok(Some(identity))
}

fn announce(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}
