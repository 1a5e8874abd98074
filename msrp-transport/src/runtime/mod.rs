//! What the asynchronous driver needs of a runtime: the time, timers, tasks and TCP.

#[cfg(feature = "smol")]
mod smol;
#[cfg(feature = "tokio")]
mod tokio;

use std::{
    fmt::Debug,
    io,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use futures::future::BoxFuture;
use msrp_core::node::PeerInfo;

#[cfg(feature = "smol")]
pub use self::smol::SmolRuntime;
#[cfg(feature = "tokio")]
pub use self::tokio::TokioRuntime;
use crate::io::BoxedIo;

/// A runtime. [`TokioRuntime`] and [`SmolRuntime`] are provided; one of your own may also open its connections in
/// another way than by TCP.
pub trait Runtime: Debug + Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Instant;

    /// A timer that goes off at `at`.
    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Timer>>;

    /// Runs a task beside the others.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Connects to an address, from a certain address of ours where one is given (its port is 0). What comes of it knows
    /// both addresses.
    fn connect(
        &self,
        address: SocketAddr,
        from: Option<SocketAddr>,
    ) -> BoxFuture<'static, io::Result<(BoxedIo, PeerInfo)>>;

    /// Accepts on a socket that listens and does not block.
    ///
    /// # Errors
    /// Those of the operating system.
    fn listen(&self, socket: TcpListener) -> io::Result<Box<dyn Listener>>;
}

/// A timer that can be set again.
pub trait Timer: Send {
    /// Sets it to go off at `at`, whether or not it has before. It has to be polled afterwards.
    fn reset(self: Pin<&mut Self>, at: Instant);

    /// Ready once the time has come.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()>;
}

/// A listening socket.
pub trait Listener: Send {
    /// The next connection, and its addresses.
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<(BoxedIo, PeerInfo)>>;
}

/// What the addresses of a socket tell of the peer.
#[cfg(any(feature = "tokio", feature = "smol"))]
fn peer_info(remote: io::Result<SocketAddr>, local: io::Result<SocketAddr>) -> PeerInfo {
    let mut peer = PeerInfo::new();
    if let Ok(remote) = remote {
        peer = peer.with_remote(remote);
    }
    if let Ok(local) = local {
        peer = peer.with_local(local);
    }
    peer
}
