//! Listening sockets: those that the supervisor has opened for us (`LISTEN_FDS`), and those that we open.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;
use msrp_transport::listen::{ListenAddress, ListenOptions, bind, bind_shared};

use crate::failure::Failure;

/// A listener of the relay, bound before there is a relay, since URIs carry its real port.
pub(super) struct Bound {
    pub(super) address: ListenAddress,
    /// One for each worker.
    pub(super) sockets: Vec<TcpListener>,
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
    pub(super) fn listen(&mut self, address: ListenAddress, workers: usize) -> Result<Bound, Failure> {
        let failed = |error: io::Error| Failure::Asked(format!("--listen {address}: {error}"));
        let sockets = match self.take(address.address) {
            // Workers share what there is one of.
            Some(handed) => (1..workers)
                .map(|_| handed.try_clone())
                .collect::<io::Result<Vec<_>>>()
                .map(|mut sockets| {
                    sockets.push(handed);
                    sockets
                }),
            None => bind_shared(address.address, ListenOptions::default(), workers),
        }
        .map_err(failed)?;
        let first = sockets
            .first()
            .map_or(Ok(address.address), TcpListener::local_addr);
        let address = ListenAddress {
            address: first.map_err(failed)?,
            ..address
        };
        Ok(Bound { address, sockets })
    }

    /// The same for the admin server.
    pub(super) fn admin(&mut self, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
        let failed = |error: io::Error| Failure::Asked(format!("--admin http://{address}: {error}"));
        let socket = match self.take(address) {
            Some(handed) => handed,
            None => bind(address, ListenOptions::default()).map_err(failed)?,
        };
        let local = socket.local_addr().map_err(failed)?;
        Ok((socket, local))
    }

    /// What was handed over for this address.
    fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let place = self.0.iter().position(|(handed, _)| *handed == address)?;
        Some(self.0.swap_remove(place).1)
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
