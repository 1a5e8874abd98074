//! Host names to addresses (RFC 4975 §6.2).

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::mpsc::{SyncSender, sync_channel},
};

use async_trait::async_trait;
use futures::channel::oneshot;

/// The registered port, which RFC 4976 §8 names for AUTH to a host without a port and without SRV records.
pub const DEFAULT_PORT: u16 = 2855;

/// Finds the addresses of a host, in the order in which they are to be tried. It may take its time: drivers call it on
/// a thread of its own.
pub trait Resolve: Send + 'static {
    /// Looks a host up. A name with a port needs address records only; without one, RFC 4976 §8 asks for SRV records
    /// first.
    ///
    /// # Errors
    /// When the name cannot be looked up.
    fn resolve(&mut self, host: &str, port: Option<u16>) -> io::Result<Vec<SocketAddr>>;
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
    fn resolve(&mut self, host: &str, port: Option<u16>) -> io::Result<Vec<SocketAddr>> {
        Ok((host, port.unwrap_or(DEFAULT_PORT)).to_socket_addrs()?.collect())
    }
}

struct Question {
    host: String,
    port: Option<u16>,
    answer: oneshot::Sender<io::Result<Vec<SocketAddr>>>,
}

/// Makes a blocking resolver an asynchronous one, by a thread that ends with it.
#[derive(Debug)]
pub struct OnThread {
    questions: SyncSender<Question>,
}

impl OnThread {
    /// Starts the thread. At most `bound` names wait for it.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn new(mut resolver: impl Resolve, bound: usize) -> io::Result<Self> {
        let (questions, asked) = sync_channel::<Question>(bound);
        std::thread::Builder::new()
            .name("msrp-resolver".to_owned())
            .spawn(move || {
                for question in asked {
                    if !question.answer.is_canceled() {
                        let addresses = resolver.resolve(&question.host, question.port);
                        // Whoever asked may have given up meanwhile.
                        let _nobody_waits = question.answer.send(addresses);
                    }
                }
            })?;
        Ok(Self { questions })
    }
}

#[async_trait]
impl AsyncResolve for OnThread {
    async fn resolve(&self, host: &str, port: Option<u16>) -> io::Result<Vec<SocketAddr>> {
        let (answer, answered) = oneshot::channel();
        let question = Question {
            host: host.to_owned(),
            port,
            answer,
        };
        self.questions
            .try_send(question)
            .map_err(|_| io::Error::other("too many names wait to be looked up"))?;
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
