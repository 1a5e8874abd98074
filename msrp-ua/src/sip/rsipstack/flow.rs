//! Ways by which messages go.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rsipstack::transport::{SipAddr, SipConnection};
use tokio::sync::{mpsc, oneshot};

use super::config::SipTransport;

/// Names a connection: by what, and where its other end is.
pub(super) type StreamKey = (SipTransport, SocketAddr);

/// A connection by TCP or TLS.
pub(super) struct Stream {
    pub(super) key: StreamKey,
    pub(super) local: SocketAddr,
    pub(super) connection: SipConnection,
    pub(super) open: AtomicBool,
    /// Asks for a word when all that is queued has been written.
    pub(super) flush: mpsc::Sender<oneshot::Sender<()>>,
}

impl Stream {
    /// Waits until what is queued has been written, or cannot be any more.
    pub(super) async fn flush(&self) {
        let (written, done) = oneshot::channel();
        if self.flush.send(written).await.is_ok() {
            drop(done.await);
        }
    }
}

/// A way by which messages go to a peer: a datagram socket and an address, or a connection.
#[derive(Clone)]
pub(super) struct Flow {
    pub(super) transport: SipTransport,
    /// Our end: the listener's address by UDP, the connection's by others.
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) connection: SipConnection,
    pub(super) stream: Option<Arc<Stream>>,
}

impl Flow {
    pub(super) fn of_stream(stream: Arc<Stream>) -> Self {
        let (transport, remote) = stream.key;
        Self {
            transport,
            local: stream.local,
            remote,
            connection: stream.connection.clone(),
            stream: Some(stream),
        }
    }

    /// Whether it is a connection that is still there.
    pub(super) fn is_open_stream(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(|stream| stream.open.load(Ordering::Acquire))
    }

    pub(super) fn is_stream(&self, key: StreamKey) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.key == key)
    }

    /// Where the stack has to send to: nothing for a connection, which goes to one place only.
    pub(super) fn destination(&self) -> Option<SipAddr> {
        self.stream
            .is_none()
            .then(|| super::sockets::sip_addr(rsipstack::sip::Transport::Udp, self.remote))
    }
}
