//! All of the API, and what its handlers share.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::rejection::BytesRejection,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{events, messages, ring::Ring, sessions};
use crate::{
    endpoint::{self, Endpoint},
    http::{self, Guard, Refusal},
};

/// What the handlers work with.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) endpoint: Endpoint,
    pub(super) ring: Arc<Ring>,
    /// Tells the events of this run from those of others.
    pub(super) run: Arc<str>,
    pub(super) max_upload: u64,
    pub(super) spool_dir: Arc<PathBuf>,
}

/// All of the API.
pub(super) fn router(api: Api, guard: Guard) -> Router {
    Router::new()
        .merge(sessions::routes())
        .merge(messages::routes())
        .merge(events::routes())
        .fallback(http::no_such_path)
        .method_not_allowed_fallback(http::no_such_method)
        .layer(axum::middleware::from_fn_with_state(Arc::new(guard), http::check))
        // Whoever only wants to know whether it lives needs no token.
        .merge(
            Router::new()
                .route("/healthz", get(health))
                .method_not_allowed_fallback(http::no_such_method),
        )
        .with_state(api)
}

async fn health() -> Response {
    Json(json!({"status": "serving"})).into_response()
}

impl From<endpoint::Refusal> for Refusal {
    fn from(refusal: endpoint::Refusal) -> Self {
        let status = match refusal {
            endpoint::Refusal::Unknown(_) => StatusCode::NOT_FOUND,
            endpoint::Refusal::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            endpoint::Refusal::Conflict(_) => StatusCode::CONFLICT,
            endpoint::Refusal::NotAccepted(_) => StatusCode::UNPROCESSABLE_ENTITY,
            endpoint::Refusal::TooMuch(_) => StatusCode::TOO_MANY_REQUESTS,
            endpoint::Refusal::Over => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, refusal.to_string())
    }
}

/// Reads JSON, whatever Content-Type says.
///
/// # Errors
/// [`Refusal`], which names what is wrong.
pub(super) fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    serde_json::from_slice(&body?)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("JSON: {error}")))
}
