//! smol: `async-io` and `async-executor`.

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use async_executor::Executor;
use async_io::Async;
use futures::future::BoxFuture;
use msrp_core::node::PeerInfo;

use super::{Listener, Runtime, Timer, peer_info};
use crate::{
    dial::{begin_connect, end_connect},
    io::{BoxedIo, SmolIo},
};

/// The reactor of `async-io`, with an executor for the tasks.
#[derive(Clone, Debug, Default)]
pub struct SmolRuntime(Arc<Executor<'static>>);

impl SmolRuntime {
    /// Runs tasks on `executor`, which something else has to run: as many threads as are wanted.
    pub fn new(executor: Arc<Executor<'static>>) -> Self {
        Self(executor)
    }

    /// Runs `future` on this thread until it is done, and the tasks beside it.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        async_io::block_on(self.0.run(future))
    }
}

impl Runtime for SmolRuntime {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Timer>> {
        Box::pin(SmolTimer(async_io::Timer::at(at)))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn(task).detach();
    }

    fn connect(
        &self,
        address: SocketAddr,
        from: Option<SocketAddr>,
    ) -> BoxFuture<'static, io::Result<(BoxedIo, PeerInfo)>> {
        Box::pin(async move {
            let stream = Async::new_nonblocking(begin_connect(address, from)?)?;
            stream.writable().await?;
            end_connect(stream.get_ref().take_error())?;
            Ok(open(stream))
        })
    }

    fn listen(&self, socket: TcpListener) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(Async::new(socket)?))
    }
}

fn open(stream: Async<TcpStream>) -> (BoxedIo, PeerInfo) {
    let socket = stream.get_ref();
    // Small messages should leave at once; a socket that refuses the option works all the same.
    let _best_effort = socket.set_nodelay(true);
    let peer = peer_info(socket.peer_addr(), socket.local_addr());
    (Box::new(SmolIo::new(stream)), peer)
}

impl Listener for Async<TcpListener> {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<(BoxedIo, PeerInfo)>> {
        loop {
            match self.get_ref().accept() {
                Ok((stream, _)) => return Poll::Ready(Ok(open(Async::new(stream)?))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(self.poll_readable(context))?;
        }
    }
}

struct SmolTimer(async_io::Timer);

impl Timer for SmolTimer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.0.set_at(at);
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(|_at| ())
    }
}
