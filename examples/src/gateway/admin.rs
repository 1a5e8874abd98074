//! The operator's HTTP server: sessions, metrics, health.

mod metrics;
mod sessions;

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use msrp_gateway::Gateway;
use msrp_transport::driver::Handle;
use serde_json::{Value, json};

use crate::http::{self, Guard, Refusal};

/// All of the API.
pub(super) fn router(handle: Handle<Gateway>, guard: Guard) -> Router {
    Router::new()
        .merge(metrics::routes())
        .merge(sessions::routes())
        .fallback(http::no_such_path)
        .method_not_allowed_fallback(http::no_such_method)
        .layer(axum::middleware::from_fn_with_state(Arc::new(guard), http::check))
        // Whoever only wants to know whether the gateway lives needs no token.
        .route("/healthz", get(health))
        .with_state(handle)
}

/// Asks the gateway between two turns of its loop.
async fn ask<T: Send + 'static>(
    handle: &Handle<Gateway>,
    what: impl FnOnce(&mut Gateway) -> T + Send + 'static,
) -> Result<T, Refusal> {
    handle
        .visit(what)
        .await
        .ok_or_else(|| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the gateway has ended"))
}

async fn health(State(handle): State<Handle<Gateway>>) -> (StatusCode, Json<Value>) {
    let (code, status) = match ask(&handle, |gateway| gateway.is_draining()).await {
        Ok(false) => (StatusCode::OK, "serving"),
        Ok(true) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "ended"),
    };
    (code, Json(json!({ "status": status })))
}
