//! The operator's HTTP server: metrics, health, sessions, anchoring. It has a thread of its own and asks the relays between two
//! turns of their loops, so that whatever its clients do costs the relays a question now and then.
//!
//! A part of the API is a file with a `routes` function; [`router`] puts them together, with the same guard and the same
//! way of saying no.

mod anchors;
mod error;
mod guard;
mod health;
mod metrics;
mod sessions;

use std::{
    io,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::sync::Semaphore;

pub(super) use self::guard::Guard;
use super::shards::Shards;

/// Connections at the same time; more wait to be accepted.
const CONNECTIONS: usize = 64;
/// How long the head of a request may take, and a connection may be silent between two.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long accepting rests after the process has run out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What the handlers work with.
#[derive(Clone)]
pub(super) struct Admin {
    pub(super) shards: Shards,
    /// The URLs of the relay's listeners, in their order.
    pub(super) listeners: Arc<[String]>,
    /// Anchored sessions go to the shards in turn.
    pub(super) turn: Arc<AtomicUsize>,
}

impl Admin {
    fn next_shard(&self) -> usize {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        turn % self.shards.len().max(1)
    }
}

/// All of the API.
fn router(admin: Admin, guard: Guard) -> Router {
    Router::new()
        .merge(metrics::routes())
        .merge(sessions::routes())
        .merge(anchors::routes())
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(axum::middleware::from_fn_with_state(
            Arc::new(guard),
            guard::check,
        ))
        // Whoever only wants to know whether the relay lives needs no token.
        .merge(health::routes().method_not_allowed_fallback(error::no_such_method))
        .with_state(admin)
}

/// Serves the API on a thread of its own, for as long as the process lives.
///
/// # Errors
/// When the operating system has no thread, or no readiness to wait for.
pub(super) fn serve(socket: TcpListener, admin: Admin, guard: Guard) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let router = router(admin, guard);
    std::thread::Builder::new()
        .name("admin".to_owned())
        .spawn(move || {
            if let Err(error) = runtime.block_on(accept(socket, router)) {
                tracing::error!(%error, "the admin server has ended");
            }
        })?;
    Ok(())
}

async fn accept(socket: TcpListener, router: Router) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(socket)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "admin connection not accepted");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "admin connection");
            }
            drop(place);
        });
    }
}
