//! Listening sockets: those that the supervisor has opened for us (`LISTEN_FDS`), and those that we open.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;
use msrp_transport::listen::{ListenAddress, ListenOptions, bind};

use super::run::Failure;

/// A listener of the relay, bound before there is a relay, since URIs carry its real port.
pub(super) struct Bound {
    pub(super) address: ListenAddress,
    pub(super) socket: TcpListener,
}

/// Sockets that were open when the process began.
pub(super) struct Sockets(Vec<(SocketAddr, TcpListener)>);

impl Sockets {
    /// Takes what the supervisor hands over, if there is one and it does.
    pub(super) fn inherited() -> Result<Self, Failure> {
        let mut handed = ListenFd::from_env();
        let mut sockets = Vec::new();
        for place in 0..handed.len() {
            let failed =
                |error: io::Error| Failure::Asked(format!("LISTEN_FDS, socket {}: {error}", place + 1));
            if let Some(socket) = handed.take_tcp_listener(place).map_err(failed)? {
                socket.set_nonblocking(true).map_err(failed)?;
                sockets.push((socket.local_addr().map_err(failed)?, socket));
            }
        }
        Ok(Self(sockets))
    }

    /// The listener of this address: one that was handed over, or a new one.
    pub(super) fn listen(&mut self, address: ListenAddress) -> Result<Bound, Failure> {
        let failed = |error: io::Error| Failure::Asked(format!("--listen {address}: {error}"));
        let socket = self.take_or_bind(address.address).map_err(failed)?;
        let address = ListenAddress {
            address: socket.local_addr().map_err(failed)?,
            ..address
        };
        Ok(Bound { address, socket })
    }

    /// The same for the admin server.
    pub(super) fn admin(&mut self, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
        let failed = |error: io::Error| Failure::Asked(format!("--admin http://{address}: {error}"));
        let socket = self.take_or_bind(address).map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        Ok((socket, local))
    }

    fn take_or_bind(&mut self, address: SocketAddr) -> io::Result<TcpListener> {
        match self.0.iter().position(|(handed, _)| *handed == address) {
            Some(place) => Ok(self.0.swap_remove(place).1),
            None => bind(address, ListenOptions::default()),
        }
    }

    /// Nothing was handed over that nobody wants: whoever configured it meant something by it.
    pub(super) fn done(self) -> Result<(), Failure> {
        match self.0.first() {
            None => Ok(()),
            Some((address, _)) => Err(Failure::Asked(format!(
                "LISTEN_FDS: a socket on {address} was handed over, and neither --listen nor --admin names it"
            ))),
        }
    }
}
