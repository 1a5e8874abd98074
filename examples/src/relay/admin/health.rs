//! `GET /healthz`: whether the relay serves, for load balancers and supervisors.

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};

use super::Admin;

pub(super) fn routes() -> Router<Admin> {
    Router::new().route("/healthz", get(health))
}

/// 200 while new clients are taken; 503 while draining, or when a loop does not answer.
async fn health(State(admin): State<Admin>) -> (StatusCode, Json<Value>) {
    let (code, status) = match admin
        .shards
        .ask_all(|server, _| server.node().is_draining())
        .await
    {
        Ok(draining) if draining.contains(&true) => (StatusCode::SERVICE_UNAVAILABLE, "draining".to_owned()),
        Ok(_) => (StatusCode::OK, "serving".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    };
    (code, Json(json!({ "status": status })))
}
