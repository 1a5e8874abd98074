//! Host names to addresses (RFC 4975 §6.2).

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use async_trait::async_trait;
use futures::channel::oneshot;

use msrp_core::{
    grammar::Scheme,
    node::{Target, TransportKind},
};

use crate::threads::Threads;

/// The registered port, which RFC 4976 §8 names for AUTH to a host without a port and without SRV records.
pub const DEFAULT_PORT: u16 = 2855;

/// A host whose addresses are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct HostQuery {
    /// The host name, as the URI has it.
    pub host: String,
    /// The port. A name with one needs address records only.
    pub port: Option<u16>,
    /// Of what URI: RFC 4976 §8 knows SRV records for `msrps` only.
    pub scheme: Scheme,
    /// What carries MSRP there: SRV records tell of relays over TCP.
    pub transport: TransportKind,
}

impl HostQuery {
    /// A host over TCP.
    pub fn new(scheme: Scheme, host: impl Into<String>, port: Option<u16>) -> Self {
        Self {
            host: host.into(),
            port,
            scheme,
            transport: TransportKind::Tcp,
        }
    }

    /// Whether SRV records are to be asked for first (RFC 4976 §8).
    pub fn wants_srv(&self) -> bool {
        self.port.is_none() && self.scheme == Scheme::Msrps && self.transport == TransportKind::Tcp
    }

    /// The port to connect to where nothing else tells: the one asked for, or the default.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(match (self.transport, self.scheme) {
            (TransportKind::WebSocket, Scheme::Msrps) => 443,
            (TransportKind::WebSocket, _) => 80,
            _ => DEFAULT_PORT,
        })
    }

    /// The address of a host that is written as one, which needs no lookup (RFC 4975 §6.2).
    pub fn literal(&self) -> Option<SocketAddr> {
        let host = &self.host;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let ip: IpAddr = bare.unwrap_or(host).parse().ok()?;
        Some(SocketAddr::new(ip, self.port_or_default()))
    }
}

impl From<&Target> for HostQuery {
    fn from(target: &Target) -> Self {
        let (host, port) = match &target.instead {
            Some((host, port)) => (host, Some(*port)),
            None => (&target.host, target.port),
        };
        Self {
            host: host.clone(),
            port,
            scheme: target.scheme,
            transport: target.transport,
        }
    }
}

/// Finds the addresses of a host, in the order in which they are to be tried. It may take its time: drivers call it on
/// threads made for it, so that names which take long do not hold up others.
pub trait Resolve: Send + Sync + 'static {
    /// Looks a host up.
    ///
    /// # Errors
    /// When the name cannot be looked up.
    fn resolve(&self, query: &HostQuery) -> io::Result<Vec<SocketAddr>>;
}

/// Finds the addresses of a host without holding up the task that asks. The asynchronous driver uses it.
#[async_trait]
pub trait AsyncResolve: Send + Sync + 'static {
    /// As [`Resolve::resolve`].
    ///
    /// # Errors
    /// When the name cannot be looked up.
    async fn resolve(&self, query: &HostQuery) -> io::Result<Vec<SocketAddr>>;
}

/// The operating system's resolver: address records only, no SRV records.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, query: &HostQuery) -> io::Result<Vec<SocketAddr>> {
        let port = query.port_or_default();
        Ok((query.host.as_str(), port).to_socket_addrs()?.collect())
    }
}

/// Makes a blocking resolver an asynchronous one, by a few threads that begin when they are needed.
#[derive(Debug)]
pub struct OnThreads<R> {
    resolver: Arc<R>,
    threads: Threads,
}

impl<R: Resolve> OnThreads<R> {
    /// At most `bound` names wait for a thread; what exceeds it fails.
    pub fn new(resolver: R, bound: usize) -> Self {
        Self {
            resolver: Arc::new(resolver),
            threads: Threads::new(bound),
        }
    }
}

#[async_trait]
impl<R: Resolve> AsyncResolve for OnThreads<R> {
    async fn resolve(&self, query: &HostQuery) -> io::Result<Vec<SocketAddr>> {
        let (answer, answered) = oneshot::channel();
        let (resolver, query) = (self.resolver.clone(), query.clone());
        self.threads.run(move || {
            if !answer.is_canceled() {
                // Whoever asked may have given up meanwhile.
                let _nobody_waits = answer.send(resolver.resolve(&query));
            }
        })?;
        answered
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the resolver has ended")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // shows: 4975-6.2-01
    #[test]
    fn literals_need_no_lookup() {
        let literal = |host, port| HostQuery::new(Scheme::Msrps, host, port).literal();
        for (host, port, address) in [
            ("192.0.2.1", Some(7777), "192.0.2.1:7777"),
            ("2001:db8::1", Some(1), "[2001:db8::1]:1"),
            ("[2001:db8::1]", None, "[2001:db8::1]:2855"),
        ] {
            assert_eq!(literal(host, port), Some(address.parse().unwrap()));
        }
        assert_eq!(literal("host.example", Some(1)), None);
    }

    // shows: 4976-8-01, 4976-8-07
    #[test]
    fn only_a_relay_without_port_is_looked_for_by_srv() {
        let query = |scheme, port| HostQuery::new(scheme, "example.com", port);
        assert!(query(Scheme::Msrps, None).wants_srv());
        assert!(!query(Scheme::Msrps, Some(2855)).wants_srv());
        assert!(!query(Scheme::Msrp, None).wants_srv());
        let browser = HostQuery {
            transport: TransportKind::WebSocket,
            ..query(Scheme::Msrps, None)
        };
        assert!(!browser.wants_srv());
        assert_eq!(browser.port_or_default(), 443);
    }
}
