//! Listeners, and how the URIs that are given out by them name the relay.

use msrp_core::{
    grammar::{Host, Scheme, Uri},
    node::ListenerId,
};

use crate::error::ConfigError;

/// A listener of the relay: what stands in the URIs of clients that come in by it.
///
/// ```
/// # use msrp_core::{grammar::Scheme, node::ListenerId};
/// # use msrp_relay::{RelayConfig, RelayListener};
/// let config = RelayConfig::new("relay.example.com")
///     // The public side.
///     .listen(RelayListener::new(ListenerId(0), Scheme::Msrps, 2855))
///     // The office's network knows this machine by another name.
///     .listen(RelayListener::new(ListenerId(1), Scheme::Msrps, 2855).host("relay.office.example"))
///     // Browsers come in here; their URIs name the public side, where others reach the relay (RFC 7977).
///     .listen(RelayListener::new(ListenerId(2), Scheme::Msrps, 443).named_as(ListenerId(0)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayListener {
    pub(crate) id: ListenerId,
    pub(crate) scheme: Scheme,
    pub(crate) port: u16,
    pub(crate) host: Option<String>,
    pub(crate) named_as: Option<ListenerId>,
}

impl RelayListener {
    /// A listener whose URIs have this scheme and port, and the host of the relay. The port is the one that peers connect
    /// to; behind a TLS terminator the scheme is `msrps` although the relay itself sees plain TCP.
    pub fn new(id: ListenerId, scheme: Scheme, port: u16) -> Self {
        Self {
            id,
            scheme,
            port,
            host: None,
            named_as: None,
        }
    }

    /// The name of this machine on the listener's network. Default: the relay's host.
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// Clients that come in here get URIs that name another listener: those of a WebSocket listener, as such URIs always
    /// say `tcp` (RFC 7977 §5.3), or those of a network that their peers do not reach. That listener must have a name of
    /// its own.
    pub fn named_as(mut self, other: ListenerId) -> Self {
        self.named_as = Some(other);
        self
    }

    /// The URI `scheme://host:port/`.
    pub(crate) fn prefix(&self, relay_host: &str) -> Result<Box<[u8]>, ConfigError> {
        let host = self.host.as_deref().unwrap_or(relay_host);
        let uri =
            Uri::build(self.scheme, host, self.port, Some("x"), "tcp").map_err(|_| ConfigError::Host {
                host: host.to_owned(),
            })?;
        let text = uri.as_str();
        Ok(text.strip_suffix("x;tcp").unwrap_or(text).as_bytes().into())
    }
}

/// Whether a text is the host of a URI, and no address unless that is allowed.
pub(crate) fn check_host(host: &str, allow_address: bool) -> Result<(), ConfigError> {
    let uri = Uri::build(Scheme::Msrps, host, 2855, None, "tcp").map_err(|_| ConfigError::Host {
        host: host.to_owned(),
    })?;
    if !matches!(uri.host(), Host::Name(_)) && !allow_address {
        return Err(ConfigError::HostIsAddress {
            host: host.to_owned(),
        });
    }
    Ok(())
}

/// Checks listeners against each other.
pub(crate) fn check(listeners: &[RelayListener], allow_address: bool) -> Result<(), ConfigError> {
    if listeners.is_empty() {
        return Err(ConfigError::NoListener);
    }
    for (index, listener) in listeners.iter().enumerate() {
        let id = listener.id.0;
        if listener.port == 0 {
            return Err(ConfigError::Port { id });
        }
        if listeners.iter().take(index).any(|other| other.id == listener.id) {
            return Err(ConfigError::DuplicateListener { id });
        }
        if let Some(host) = &listener.host {
            check_host(host, allow_address)?;
        }
        if let Some(named_as) = listener.named_as
            && !listeners
                .iter()
                .any(|other| other.id == named_as && other.named_as.is_none())
        {
            return Err(ConfigError::NamedAs {
                id,
                named_as: named_as.0,
            });
        }
    }
    Ok(())
}

/// Which listener's name stands in the URIs of each, by their places in the list.
pub(crate) fn names(listeners: &[RelayListener]) -> Vec<u16> {
    listeners
        .iter()
        .enumerate()
        .map(|(own, listener)| {
            let place = listener
                .named_as
                .and_then(|id| listeners.iter().position(|other| other.id == id));
            place.unwrap_or(own) as u16
        })
        .collect()
}
