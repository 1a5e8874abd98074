//! Where to listen, and as what.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    str::FromStr,
};

use msrp_core::{grammar::Scheme, node::TransportKind};

/// An address to listen on: `msrp://IP:PORT` for TCP, `msrps://IP:PORT` for TLS, `ws://IP:PORT` and `wss://IP:PORT` for
/// WebSocket over either (RFC 7977).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenAddress {
    /// `msrps` listens for TLS.
    pub scheme: Scheme,
    /// TCP or WebSocket.
    pub transport: TransportKind,
    /// IP address and port; port 0 takes any free one.
    pub address: SocketAddr,
}

/// Why a text is no [`ListenAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenAddressError {
    /// None of the four schemes.
    #[error("a listener begins with msrp://, msrps://, ws:// or wss://")]
    Scheme,
    /// No IP address with a port.
    #[error("a listener names an IP address and a port, such as msrp://127.0.0.1:2855")]
    Address,
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or(ListenAddressError::Scheme)?;
        let (scheme, transport) = match &scheme.to_ascii_lowercase()[..] {
            "msrp" => (Scheme::Msrp, TransportKind::Tcp),
            "msrps" => (Scheme::Msrps, TransportKind::Tcp),
            "ws" => (Scheme::Msrp, TransportKind::WebSocket),
            "wss" => (Scheme::Msrps, TransportKind::WebSocket),
            _ => return Err(ListenAddressError::Scheme),
        };
        let address = rest
            .trim_end_matches('/')
            .parse()
            .map_err(|_| ListenAddressError::Address)?;
        Ok(Self {
            scheme,
            transport,
            address,
        })
    }
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = match (self.transport, self.scheme) {
            (TransportKind::WebSocket, Scheme::Msrps) => "wss",
            (TransportKind::WebSocket, _) => "ws",
            (_, Scheme::Msrps) => "msrps",
            _ => "msrp",
        };
        write!(f, "{scheme}://{}", self.address)
    }
}

/// How a listening socket is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenOptions {
    backlog: i32,
    reuse_port: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 1_024,
            reuse_port: false,
        }
    }
}

impl ListenOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Connections that the operating system may hold until they are accepted. Default 1,024.
    pub fn backlog(mut self, connections: i32) -> Self {
        self.backlog = connections.max(1);
        self
    }

    /// Lets several sockets listen on the same port, so that the operating system spreads connections over several
    /// drivers, each with a node and a thread of its own. Default off. Where the system cannot, listening fails.
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }
}

/// A non-blocking listening socket, on a port that a process which has just ended may have used.
///
/// # Errors
/// Those of the operating system.
pub fn bind(address: SocketAddr, options: ListenOptions) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if options.reuse_port {
        #[cfg(unix)]
        socket.set_reuse_port(true)?;
        #[cfg(not(unix))]
        return Err(io::ErrorKind::Unsupported.into());
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(options.backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// As many sockets on one address, so that the operating system spreads connections over them; with port 0 all have the
/// same free port. An address on which somebody else listens is refused, also where that one would share it.
///
/// # Errors
/// Those of the operating system.
pub fn bind_shared(
    address: SocketAddr,
    options: ListenOptions,
    count: usize,
) -> io::Result<Vec<TcpListener>> {
    if count <= 1 {
        return Ok(vec![bind(address, options)?]);
    }
    let shared = options.reuse_port(true);
    if address.port() != 0 {
        // Sockets that share a port would share it with any of this user's: one that does not finds out whether it is free.
        drop(bind(address, options.reuse_port(false))?);
    }
    let first = bind(address, shared)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..count {
        sockets.push(bind(address, shared)?);
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_address_is_one_port_and_nobody_elses() {
        let any = "127.0.0.1:0".parse().unwrap();
        let sockets = bind_shared(any, ListenOptions::new(), 4).unwrap();
        let address = sockets[0].local_addr().unwrap();
        assert_eq!(sockets.len(), 4);
        for socket in &sockets {
            assert_eq!(socket.local_addr().unwrap(), address);
        }
        for count in [1, 2] {
            let taken = bind_shared(address, ListenOptions::new(), count);
            assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
        drop(sockets);
        assert_eq!(bind_shared(address, ListenOptions::new(), 3).unwrap().len(), 3);
    }

    #[test]
    fn addresses_are_read_and_written() {
        for text in [
            "msrp://127.0.0.1:2855",
            "msrps://[::1]:0",
            "msrp://0.0.0.0:1",
            "ws://127.0.0.1:80",
            "wss://[::]:443",
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        for (text, error) in [
            ("127.0.0.1:2855", ListenAddressError::Scheme),
            ("http://127.0.0.1:2855", ListenAddressError::Scheme),
            ("msrp://127.0.0.1", ListenAddressError::Address),
            ("msrp://localhost:2855", ListenAddressError::Address),
            ("msrps://::1:70000", ListenAddressError::Address),
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(error), "{text}");
        }
    }
}
