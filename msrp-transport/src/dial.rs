//! Addresses in their order, each for its time, from the interface that was asked for.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use msrp_core::node::{ConnectFailure, Target};
use socket2::{Domain, Protocol, Socket, Type};

/// Our addresses on the networks of the listeners, by the listeners' ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interfaces(Vec<SocketAddr>);

impl Interfaces {
    /// The next listener's address. It stays known when nothing is accepted there any more.
    pub(crate) fn add(&mut self, listener: SocketAddr) {
        let mut address = listener;
        address.set_port(0);
        self.0.push(address);
    }

    /// From where a target is to be reached, if that was said.
    pub(crate) fn of(&self, target: &Target) -> Result<Option<SocketAddr>, ConnectFailure> {
        match target.interface {
            None => Ok(None),
            Some(id) => match self.0.get(usize::from(id.0)) {
                Some(&address) => Ok(Some(address)),
                None => Err(ConnectFailure::NoInterface),
            },
        }
    }
}

/// The addresses of a host, and what became of those that were tried.
#[derive(Debug)]
pub(crate) struct Attempts {
    rest: std::vec::IntoIter<SocketAddr>,
    first: SocketAddr,
    pub(crate) from: Option<SocketAddr>,
    /// When the whole connect has taken too long.
    pub(crate) until: Instant,
    failed: Vec<(SocketAddr, ConnectFailure)>,
}

impl Attempts {
    /// The first `most` of these addresses, without those that `from` cannot reach.
    pub(crate) fn new(
        mut addresses: Vec<SocketAddr>,
        from: Option<SocketAddr>,
        most: usize,
        until: Instant,
    ) -> Result<Self, ConnectFailure> {
        if addresses.is_empty() {
            return Err(ConnectFailure::Unresolved);
        }
        if let Some(from) = from {
            addresses.retain(|address| address.is_ipv4() == from.is_ipv4());
        }
        addresses.truncate(most);
        let first = *addresses.first().ok_or(ConnectFailure::WrongFamily)?;
        Ok(Self {
            rest: addresses.into_iter(),
            first,
            from,
            until,
            failed: Vec::new(),
        })
    }

    pub(crate) fn first(&self) -> SocketAddr {
        self.first
    }

    /// The next address to try; none when there is no other, or no time.
    pub(crate) fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        if now >= self.until {
            return None;
        }
        self.rest.next()
    }

    /// This address could not be reached.
    pub(crate) fn failed(&mut self, address: SocketAddr, failure: ConnectFailure) {
        tracing::debug!(%address, %failure, "an address failed");
        self.failed.push((address, failure));
    }

    /// What all came to.
    pub(crate) fn outcome(mut self) -> ConnectFailure {
        match self.failed.len() {
            // There was no time for any.
            0 => ConnectFailure::TimedOut,
            1 => self.failed.remove(0).1,
            _ => ConnectFailure::Addresses(self.failed),
        }
    }
}

/// Begins to connect; the socket becomes writable when that is over, one way or the other.
pub(crate) fn begin_connect(address: SocketAddr, from: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A listener on all addresses leaves it to the operating system which of them is used.
    if let Some(from) = from.filter(|from| !from.ip().is_unspecified()) {
        socket.bind(&from.into())?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if is_under_way(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

fn is_under_way(error: &io::Error) -> bool {
    if error.kind() == io::ErrorKind::WouldBlock {
        return true;
    }
    // The standard library has no stable name for this one.
    #[cfg(unix)]
    let under_way = error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    let under_way = false;
    under_way
}

/// Whether a connect that is over has succeeded; for asynchronous sockets that have become writable.
#[cfg(any(feature = "tokio", feature = "smol"))]
pub(crate) fn end_connect(error: io::Result<Option<io::Error>>) -> io::Result<()> {
    match error? {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
