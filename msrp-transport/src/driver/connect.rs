//! Connections that the node asked for: names, and addresses in their order.

use std::{
    future::Future,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Either, poll_fn, select},
    stream::FuturesUnordered,
};
use msrp_core::node::{ConnectFailure, ConnectToken, PeerInfo, Target};

use crate::{
    config::DriverConfig,
    dial::{Attempts, Interfaces},
    failure::{failure_of, unresolved},
    io::BoxedIo,
    layer::{Layer, Outgoing},
    resolve::{AsyncResolve, HostQuery, OnThreads, SystemResolver},
    runtime::Runtime,
};

/// What became of a connect: the stream, with the layer that is to stand above it.
pub(super) type Connected = (ConnectToken, Result<(BoxedIo, PeerInfo, Layer), ConnectFailure>);

/// Connects under way, and what is needed for them.
pub(super) struct Connector {
    pub(super) outgoing: Outgoing,
    pub(super) interfaces: Interfaces,
    pub(super) resolver: Option<Arc<dyn AsyncResolve>>,
    under_way: FuturesUnordered<BoxFuture<'static, Connected>>,
    waker: Waker,
    /// One of them may have come to its end.
    called: bool,
}

impl Connector {
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            outgoing: Outgoing::default(),
            interfaces: Interfaces::default(),
            resolver: None,
            under_way: FuturesUnordered::new(),
            waker,
            called: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// The waker has been called.
    pub(super) fn called(&mut self) {
        self.called = true;
    }

    /// Begins a connect; its end is told by [`next`](Self::next).
    pub(super) fn begin(
        &mut self,
        runtime: Arc<dyn Runtime>,
        config: &DriverConfig,
        token: ConnectToken,
        target: Target,
    ) {
        let prepared = if self.under_way.len() >= config.max_pending_connects {
            Err(ConnectFailure::Limit)
        } else {
            self.outgoing.layer(&target)
        };
        let query = HostQuery::from(&target);
        // A host that is written as an address needs no lookup (RFC 4975 §6.2).
        let known = query.literal();
        let resolver = match known {
            Some(_) => None,
            None => Some(self.resolver(config.max_pending_connects)),
        };
        let from = self.interfaces.of(&target);
        let (timeout, most) = (config.connect_timeout, config.max_addresses);
        let until = runtime.now() + config.connect_total;
        self.under_way.push(
            async move {
                let connecting = async {
                    let layer = prepared?;
                    let from = from?;
                    let addresses = match known {
                        Some(address) => vec![address],
                        None => {
                            let deadline = until.min(runtime.now() + timeout);
                            in_time(&*runtime, deadline, look_up(resolver, query)).await?
                        }
                    };
                    let attempts = Attempts::new(addresses, from, most, until)?;
                    let (io, peer) = first_of(&*runtime, attempts, timeout).await?;
                    Ok((io, peer, layer))
                };
                (token, connecting.await)
            }
            .boxed(),
        );
        self.called = true;
    }

    /// A connect that has come to its end.
    pub(super) fn next(&mut self) -> Option<Connected> {
        if !self.called {
            return None;
        }
        match self
            .under_way
            .poll_next_unpin(&mut Context::from_waker(&self.waker))
        {
            Poll::Ready(Some(connected)) => Some(connected),
            Poll::Ready(None) | Poll::Pending => {
                self.called = false;
                None
            }
        }
    }

    /// The resolver; the system's unless another was given.
    fn resolver(&mut self, bound: usize) -> Arc<dyn AsyncResolve> {
        self.resolver
            .get_or_insert_with(|| Arc::new(OnThreads::new(SystemResolver, bound)))
            .clone()
    }
}

/// The addresses of a host name.
async fn look_up(
    resolver: Option<Arc<dyn AsyncResolve>>,
    query: HostQuery,
) -> Result<Vec<SocketAddr>, ConnectFailure> {
    let resolver = resolver.ok_or(ConnectFailure::Unresolved)?;
    resolver.resolve(&query).await.map_err(|error| {
        tracing::debug!(%error, "host name not found");
        unresolved(&error)
    })
}

/// What comes of `attempt`, unless it takes too long.
async fn in_time<T>(
    runtime: &dyn Runtime,
    deadline: Instant,
    attempt: impl Future<Output = Result<T, ConnectFailure>>,
) -> Result<T, ConnectFailure> {
    let mut timer = runtime.sleep_until(deadline);
    let timed_out = poll_fn(move |context| timer.as_mut().poll(context));
    match select(pin!(attempt), timed_out).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(((), _)) => Err(ConnectFailure::TimedOut),
    }
}

/// Tries the addresses in their order (RFC 4975 §6.2), each for its time.
async fn first_of(
    runtime: &dyn Runtime,
    mut attempts: Attempts,
    timeout: Duration,
) -> Result<(BoxedIo, PeerInfo), ConnectFailure> {
    while let Some(address) = attempts.next(runtime.now()) {
        let attempt = runtime
            .connect(address, attempts.from)
            .map(|outcome| outcome.map_err(|error| failure_of(&error)));
        let deadline = attempts.until.min(runtime.now() + timeout);
        match in_time(runtime, deadline, attempt).await {
            Ok(connected) => return Ok(connected),
            Err(failure) => attempts.failed(address, failure),
        }
    }
    Err(attempts.outcome())
}
