//! A relay from its settings to its end.

use std::{
    io::{self, Write},
    net::{IpAddr, SocketAddr, TcpListener},
    time::Instant,
};

use msrp_relay::{ConfigError, Relay, RelayCommand, RelayConfig, RelayEvent};
use msrp_transport::{
    DriverConfig,
    listen::{ListenAddress, ListenOptions, bind},
    mio_driver::{HandleError, Host, Server, ServerError},
    tls_config::{
        ClientCertificates, ClientTls, RootCertStore, ServerTls, TlsConfigError, format_fingerprint,
        roots_from_pem, server_config,
    },
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{
    Settings, SettingsError,
    admin::{self, Admin, Guard},
    listeners, settings,
    shards::Shards,
    users::Users,
};
use crate::identity::{SelfSignedError, self_signed};

/// Why the relay did not start, or did not go on.
#[derive(Debug)]
pub enum Failure {
    /// Something that was asked for cannot be had: exit code 2.
    Asked(String),
    /// Something went wrong while it ran: exit code 1.
    Ran(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Asked(text) | Self::Ran(text) => f.write_str(text),
        }
    }
}

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
            ConfigError::Realm { .. } => format!("--realm: {error}"),
            ConfigError::Expires { .. } => {
                format!("--min-expires, --expires, --max-expires: {error}")
            }
            _ => error.to_string(),
        })
    }
}

/// Listeners bound before there is a relay, since URIs carry their real ports.
struct Bound {
    address: ListenAddress,
    socket: TcpListener,
}

/// Runs a relay until a signal ends it.
///
/// # Errors
/// [`Failure`].
pub fn run(settings: &Settings) -> Result<(), Failure> {
    let bound = settings
        .listen
        .iter()
        .map(|&address| bind_one(address))
        .collect::<Result<Vec<_>, _>>()?;
    let admin = settings.admin.map(bind_admin).transpose()?;
    let users = Users::load(settings)?;
    if users.len() == 0 {
        tracing::warn!("there are no users (--users, --user): nobody can be given a URI");
    }
    let relay = relay(settings, &bound, users)?;
    let config = DriverConfig::new().max_connections(settings.max_connections);
    let mut server = Server::new(relay, config)?;
    let tls = tls(settings)?;
    let roots = match &settings.ca {
        Some(path) => roots_from_pem(settings::read(path)?.as_bytes())?,
        None => RootCertStore::empty(),
    };
    server.set_client_tls(ClientTls::new(roots, settings.identity.clone())?);
    let mut urls = Vec::new();
    for Bound { address, socket } in bound {
        let incoming = listeners::incoming(&address, tls.as_ref());
        server.listen_on(socket, address.scheme, incoming)?;
        urls.push(address.to_string());
    }
    let mut lines: Vec<_> = urls.iter().map(|url| format!("listening on {url}")).collect();
    let shards = Shards::new([server.handle()]);
    if let Some((socket, address)) = admin {
        let guard = Guard::new(settings.admin_token.clone());
        let context = Admin {
            shards: shards.clone(),
            listeners: urls.into(),
        };
        admin::serve(socket, context, guard)
            .map_err(|error| Failure::Ran(format!("admin server: {error}")))?;
        lines.push(format!("listening on http://{address}"));
    }
    obey_signals(shards, settings.clone()).map_err(|error| Failure::Ran(error.to_string()))?;
    announce(&lines).map_err(|error| Failure::Ran(format!("standard output: {error}")))?;
    server
        .run(&mut Log)
        .map_err(|error| Failure::Ran(format!("event loop: {error}")))
}

fn bind_one(address: ListenAddress) -> Result<Bound, Failure> {
    let failed = |error: io::Error| Failure::Asked(format!("--listen {address}: {error}"));
    let socket = bind(address.address, ListenOptions::default()).map_err(failed)?;
    let address = ListenAddress {
        address: socket.local_addr().map_err(failed)?,
        ..address
    };
    Ok(Bound { address, socket })
}

fn bind_admin(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error: io::Error| Failure::Asked(format!("--admin http://{address}: {error}"));
    let socket = bind(address, ListenOptions::default()).map_err(failed)?;
    let local = socket.local_addr().map_err(failed)?;
    Ok((socket, local))
}

fn relay(settings: &Settings, bound: &[Bound], users: Users) -> Result<Relay, Failure> {
    let (min, default, max) = settings.expires;
    let is_address = settings.host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if is_address {
        tracing::warn!(
            host = settings.host,
            "RFC 4976 wants a host name in URIs; --host gives one"
        );
    }
    let mut config = RelayConfig::new(&settings.host)
        .realm(&settings.realm)
        .allow_address_host(is_address)
        .allow_plain_auth(settings.allow_plain_auth)
        .offer_sha256(settings.offer_sha256)
        .expires(min, default, max)
        .max_connections(settings.max_connections)
        .max_memory(settings.max_memory)
        .auth_store(users);
    let addresses: Vec<_> = bound.iter().map(|bound| bound.address).collect();
    for listener in (0..addresses.len()).filter_map(|index| listeners::named(&addresses, index)) {
        config = config.listen(listener);
    }
    let seed = crate::seed().map_err(|error| Failure::Ran(format!("no randomness: {error}")))?;
    Ok(Relay::new(Instant::now(), config, seed)?)
}

fn tls(settings: &Settings) -> Result<Option<ServerTls>, Failure> {
    if !settings.needs_identity() {
        return Ok(None);
    }
    let identity = match &settings.identity {
        Some(identity) => identity.clone(),
        None => {
            let host = settings.host.trim_matches(['[', ']']).to_owned();
            let (identity, _) = self_signed(&[host])?;
            eprintln!(
                "self-signed certificate, fingerprint {}",
                format_fingerprint(&identity.fingerprint())
            );
            identity
        }
    };
    let clients = match &settings.client_ca {
        Some(path) => ClientCertificates::Verified(roots_from_pem(settings::read(path)?.as_bytes())?),
        None => ClientCertificates::Ignored,
    };
    Ok(Some(server_config(&identity, clients)?))
}

/// SIGHUP reads the users again; SIGTERM and SIGINT drain, and a second one ends at once.
fn obey_signals(shards: Shards, settings: Settings) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT])?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut ending = false;
            for signal in signals.forever() {
                let said = match signal {
                    SIGHUP => match Users::load(&settings) {
                        Ok(users) => {
                            tracing::info!(users = users.len(), "users read again");
                            shards.command(|| RelayCommand::ReplaceAuthStore(Box::new(users.clone())))
                        }
                        Err(error) => {
                            tracing::error!(%error, "users not read again; the old ones stay");
                            Ok(())
                        }
                    },
                    _ if ending => shards.shutdown(std::time::Duration::ZERO),
                    _ => {
                        ending = true;
                        tracing::info!("draining");
                        shards
                            .command(|| RelayCommand::Drain)
                            .and_then(|()| shards.shutdown(settings.drain))
                    }
                };
                match said {
                    Ok(()) => {}
                    Err(HandleError::Stopped) => return,
                    Err(error) => tracing::error!(%error, "signal not heard; send it again"),
                }
            }
        })?;
    Ok(())
}

fn announce(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// Writes what happens to the log.
struct Log;

impl Host<Relay> for Log {
    fn event(&mut self, _relay: &mut Relay, event: RelayEvent) {
        match event {
            RelayEvent::Authenticated { user, expires, .. } => {
                tracing::info!(user, expires = expires.as_secs(), "authenticated");
            }
            RelayEvent::AuthFailed { user, reason, .. } => tracing::warn!(user, ?reason, "AUTH failed"),
            RelayEvent::BindingExpired { user, .. } => tracing::info!(user, "URI expired"),
            RelayEvent::ConnectionClosed { reason, .. } => tracing::debug!(%reason, "connection closed"),
            _ => {}
        }
    }
}
