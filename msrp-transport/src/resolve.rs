//! Host names to addresses (RFC 4975 §6.2).

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use async_trait::async_trait;
use futures::channel::oneshot;

use crate::threads::Threads;

/// The registered port, which RFC 4976 §8 names for AUTH to a host without a port and without SRV records.
pub const DEFAULT_PORT: u16 = 2855;

/// Finds the addresses of a host, in the order in which they are to be tried. It may take its time: drivers call it on
/// threads made for it, so that names which take long do not hold up others.
pub trait Resolve: Send + Sync + 'static {
    /// Looks a host up. A name with a port needs address records only; without one, RFC 4976 §8 asks for SRV records
    /// first.
    ///
    /// # Errors
    /// When the name cannot be looked up.
    fn resolve(&self, host: &str, port: Option<u16>) -> io::Result<Vec<SocketAddr>>;
}

/// Finds the addresses of a host without holding up the task that asks. The asynchronous driver uses it.
#[async_trait]
pub trait AsyncResolve: Send + Sync + 'static {
    /// As [`Resolve::resolve`].
    ///
    /// # Errors
    /// When the name cannot be looked up.
    async fn resolve(&self, host: &str, port: Option<u16>) -> io::Result<Vec<SocketAddr>>;
}

/// The operating system's resolver: address records only, and [`DEFAULT_PORT`] where no port is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: Option<u16>) -> io::Result<Vec<SocketAddr>> {
        Ok((host, port.unwrap_or(DEFAULT_PORT)).to_socket_addrs()?.collect())
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
    async fn resolve(&self, host: &str, port: Option<u16>) -> io::Result<Vec<SocketAddr>> {
        let (answer, answered) = oneshot::channel();
        let (resolver, host) = (self.resolver.clone(), host.to_owned());
        self.threads.run(move || {
            if !answer.is_canceled() {
                // Whoever asked may have given up meanwhile.
                let _nobody_waits = answer.send(resolver.resolve(&host, port));
            }
        })?;
        answered
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the resolver has ended")))
    }
}

/// The address of a host that is written as one, which needs no lookup (RFC 4975 §6.2).
pub fn literal(host: &str, port: Option<u16>) -> Option<SocketAddr> {
    let ip: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    Some(SocketAddr::new(ip, port.unwrap_or(DEFAULT_PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // shows: 4975-6.2-01
    #[test]
    fn literals_need_no_lookup() {
        assert_eq!(
            literal("192.0.2.1", Some(7777)),
            Some("192.0.2.1:7777".parse().unwrap())
        );
        assert_eq!(
            literal("2001:db8::1", Some(1)),
            Some("[2001:db8::1]:1".parse().unwrap())
        );
        assert_eq!(
            literal("[2001:db8::1]", None),
            Some("[2001:db8::1]:2855".parse().unwrap())
        );
        assert_eq!(literal("host.example", Some(1)), None);
    }
}
