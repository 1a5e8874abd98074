//! `/sessions`: calls out, calls in, and their ends.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, Path, State,
        rejection::{BytesRejection, PathRejection},
    },
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::routes::{Api, read};
use crate::{endpoint::SessionInfo, http::Refusal};

/// Octets of a request here.
const MAX_BODY: usize = 16 * 1024;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/sessions", get(list).post(call))
        .route("/sessions/{id}", get(one).delete(end))
        .route("/sessions/{id}/accept", post(accept))
        .route("/sessions/{id}/refuse", post(refuse))
        .route("/sessions/{id}/composing", post(composing))
        .route("/sessions/{id}/files/{file}", axum::routing::delete(cancel_file))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Calling {
    to: String,
    #[serde(default)]
    subject: Option<String>,
}

/// `POST /sessions`.
async fn call(State(api): State<Api>, body: Result<Bytes, BytesRejection>) -> Result<Response, Refusal> {
    let Calling { to, subject } = read(body)?;
    let session = api.endpoint.call(&to, subject).await?;
    let location = [(header::LOCATION, format!("/sessions/{session}"))];
    // It may be over already; then its events tell.
    let shown = match api.endpoint.session(&session) {
        Ok(info) => Json(json!(info)),
        Err(_) => Json(json!({"session": session})),
    };
    Ok((StatusCode::CREATED, location, shown).into_response())
}

#[derive(Debug, Serialize)]
struct Listed {
    sessions: Vec<SessionInfo>,
}

/// `GET /sessions`.
async fn list(State(api): State<Api>) -> Json<Listed> {
    Json(Listed {
        sessions: api.endpoint.sessions(),
    })
}

/// `GET /sessions/{id}`.
async fn one(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<SessionInfo>, Refusal> {
    let Path(id) = id?;
    Ok(Json(api.endpoint.session(&id)?))
}

/// `DELETE /sessions/{id}`.
async fn end(State(api): State<Api>, id: Result<Path<String>, PathRejection>) -> Result<StatusCode, Refusal> {
    let Path(id) = id?;
    api.endpoint.end(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /sessions/{id}/accept`.
async fn accept(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let Path(id) = id?;
    for event in api.endpoint.accept(&id).await? {
        api.ring.push(&event);
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusing {
    #[serde(default = "busy")]
    code: u16,
}

fn busy() -> u16 {
    486
}

/// `POST /sessions/{id}/refuse`.
async fn refuse(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Refusal> {
    let Path(id) = id?;
    let body = body?;
    let Refusing { code } = if body.is_empty() {
        Refusing { code: busy() }
    } else {
        read(Ok(body))?
    };
    api.endpoint.refuse(&id, code).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Writing {
    active: bool,
}

/// `POST /sessions/{id}/composing`.
async fn composing(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Refusal> {
    let Path(id) = id?;
    let Writing { active } = read(body)?;
    api.endpoint.composing(&id, active).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /sessions/{id}/files/{file}`.
async fn cancel_file(
    State(api): State<Api>,
    ids: Result<Path<(String, String)>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let Path((id, file)) = ids?;
    api.endpoint.cancel_file(&id, &file).await?;
    Ok(StatusCode::NO_CONTENT)
}
