//! The operator's HTTP server: metrics, health, sessions, anchoring. It has a thread of its own and asks the relays between two
//! turns of their loops, so that whatever its clients do costs the relays a question now and then.
//!
//! A part of the API is a file with a `routes` function; [`router`] puts them together, with the same guard and the same
//! way of saying no.

mod anchors;
mod health;
mod metrics;
mod paging;
mod sessions;

use std::{
    io,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, http::StatusCode};

use super::shards::{NoAnswer, Shards};
use crate::http::{self, Guard, Refusal};

/// Connections at the same time.
const CONNECTIONS: usize = 64;

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
        .fallback(http::no_such_path)
        .method_not_allowed_fallback(http::no_such_method)
        .layer(axum::middleware::from_fn_with_state(Arc::new(guard), http::check))
        // Whoever only wants to know whether the relay lives needs no token.
        .merge(health::routes().method_not_allowed_fallback(http::no_such_method))
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
            if let Err(error) = runtime.block_on(http::serve(socket, router, CONNECTIONS)) {
                tracing::error!(%error, "the admin server has ended");
            }
        })?;
    Ok(())
}

impl From<NoAnswer> for Refusal {
    fn from(error: NoAnswer) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}
