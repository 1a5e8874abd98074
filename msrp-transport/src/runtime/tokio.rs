//! tokio.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use futures::future::BoxFuture;
use msrp_core::node::PeerInfo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    time::{Sleep, sleep_until},
};

use super::{Listener, Runtime, Timer, peer_info};
use crate::{
    dial::{begin_connect, end_connect},
    io::{BoxedIo, TokioIo},
};

/// A tokio runtime with its I/O and time drivers enabled.
#[derive(Clone, Debug)]
pub struct TokioRuntime(Handle);

impl TokioRuntime {
    /// The runtime that this is called in.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn current() -> Self {
        Self(Handle::current())
    }

    /// The runtime of a handle.
    pub fn new(handle: Handle) -> Self {
        Self(handle)
    }
}

impl Runtime for TokioRuntime {
    fn now(&self) -> Instant {
        // Follows tokio's clock where a test has paused it.
        tokio::time::Instant::now().into_std()
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Timer>> {
        let _entered = self.0.enter();
        Box::pin(TokioTimer(Box::pin(sleep_until(at.into()))))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        // A driver bounds its own work; tokio's budget of operations would cut its batches short.
        drop(self.0.spawn(tokio::task::unconstrained(task)));
    }

    fn connect(
        &self,
        address: SocketAddr,
        from: Option<SocketAddr>,
    ) -> BoxFuture<'static, io::Result<(BoxedIo, PeerInfo)>> {
        Box::pin(async move {
            let stream = TcpStream::from_std(begin_connect(address, from)?)?;
            stream.writable().await?;
            end_connect(stream.take_error())?;
            Ok(open(stream))
        })
    }

    fn listen(&self, socket: std::net::TcpListener) -> io::Result<Box<dyn Listener>> {
        let _entered = self.0.enter();
        Ok(Box::new(TcpListener::from_std(socket)?))
    }
}

fn open(stream: TcpStream) -> (BoxedIo, PeerInfo) {
    // Small messages should leave at once; a socket that refuses the option works all the same.
    let _best_effort = stream.set_nodelay(true);
    let peer = peer_info(stream.peer_addr(), stream.local_addr());
    (Box::new(TokioIo::new(stream)), peer)
}

impl Listener for TcpListener {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<(BoxedIo, PeerInfo)>> {
        let (stream, _) = ready!(TcpListener::poll_accept(self, context))?;
        Poll::Ready(Ok(open(stream)))
    }
}

struct TokioTimer(Pin<Box<Sleep>>);

impl Timer for TokioTimer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.0.as_mut().reset(at.into());
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}
