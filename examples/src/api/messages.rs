//! `/sessions/{id}/messages`: text, octets and files.

use std::time::Duration;

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{
        DefaultBodyLimit, Path, Query, Request, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    ring::{FileNews, Found},
    routes::{Api, read},
    spool::{SpoolError, Spooled},
};
use crate::{chat::content, endpoint::Endpoint, http::Refusal};

/// Octets of a message that is no file: what user agents take whole, and as much again for base64.
const MAX_MESSAGE: usize = 2 * 1024 * 1024;
/// How long the answer waits for the peer's word on a file.
const WORD: Duration = Duration::from_secs(30);

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/sessions/{id}/messages", post(send))
        .route("/sessions/{id}/messages/{message_id}/displayed", post(displayed))
        // Files are read as they come, and are bounded by their own limit.
        .layer(DefaultBodyLimit::disable())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sending {
    /// The name of the file that the body is.
    file: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    base64: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
}

/// `POST /sessions/{id}/messages`.
async fn send(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<Sending>, QueryRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let Path(id) = id?;
    let Query(Sending { file }) = query?;
    // Nothing is taken for a session that there is not.
    api.endpoint.session(&id)?;
    let content_type = content_type(request.headers());
    if let Some(name) = file {
        return send_file(&api, &id, name, content_type, request.into_body()).await;
    }
    let body = axum::body::to_bytes(request.into_body(), MAX_MESSAGE)
        .await
        .map_err(|_| {
            Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!(
                    "a message has at most {MAX_MESSAGE} octets here; more goes as a file, by ?file=NAME"
                ),
            )
        })?;
    let (content_type, body) = message(content_type, body)?;
    let message_id = api.endpoint.send(&id, &content_type, body).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"message_id": message_id}))).into_response())
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

/// What is to be sent.
fn message(content_type: Option<String>, body: Bytes) -> Result<(String, Vec<u8>), Refusal> {
    let main = content_type
        .as_deref()
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    match (main.as_deref(), content_type) {
        (Some("application/json"), _) => {
            let Posted {
                text,
                base64,
                content_type,
            } = read(Ok(body))?;
            content(text, base64, content_type)
                .map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error))
        }
        // What curl says of anything; nobody means to send that.
        (Some("application/x-www-form-urlencoded") | None, _) | (_, None) => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Type is wanted: application/json for {\"text\": \"…\"}, or the media type of the message, such as text/plain",
        )),
        (_, Some(content_type)) => Ok((content_type, body.to_vec())),
    }
}

/// The body is a file: it is put down, and offered.
async fn send_file(
    api: &Api,
    id: &str,
    name: String,
    content_type: Option<String>,
    body: Body,
) -> Result<Response, Refusal> {
    let spooled = Spooled::new(&api.spool_dir, body, api.max_upload)
        .await
        .map_err(|error| match error {
            SpoolError::TooLarge(most) => Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("a file has at most {most} octets here"),
            ),
            SpoolError::Body(error) => Refusal::new(StatusCode::BAD_REQUEST, error),
            SpoolError::Disk(error) => Refusal::new(
                StatusCode::INSUFFICIENT_STORAGE,
                format!("the file cannot be put down: {error}"),
            ),
        })?;
    let kind = content_type.filter(|value| !value.starts_with("application/x-www-form-urlencoded"));
    let prepared = Endpoint::prepare_file(spooled.path().to_owned(), Some(name), kind).await?;
    // It is open, and needs no name any more.
    drop(spooled);
    let info = prepared.info().clone();
    let before = api.ring.newest();
    let file = api.endpoint.send_file(id, prepared).await?;
    let mut answer = json!({"file": file, "name": info.name, "size": info.size, "hash": info.hash});
    match tokio::time::timeout(WORD, word(api, id, &file, before)).await {
        Ok(Some(Ok(message_id))) => {
            if let Some(answer) = answer.as_object_mut() {
                answer.insert("message_id".to_owned(), message_id.into());
            }
        }
        Ok(Some(Err(reason))) => {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                format!("file {file} is not sent: {reason}"),
            ));
        }
        // The peer still thinks about it.
        Ok(None) | Err(_) => {}
    }
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// The peer's word on a file: the identifier of the message in which it is sent, or why it is not.
async fn word(api: &Api, id: &str, file: &str, mut after: u64) -> Option<Result<String, String>> {
    loop {
        match api.ring.next(after).await {
            Found::Event(kept) => {
                after = kept.id;
                if let Some(FileNews { file: of, outcome }) = kept.file
                    && of == file
                    && kept.session.as_deref() == Some(id)
                {
                    return Some(outcome);
                }
                if kept.name == "ended" && kept.session.as_deref() == Some(id) {
                    return Some(Err("the session has ended".to_owned()));
                }
            }
            Found::Missed(_) => return None,
        }
    }
}

/// `POST /sessions/{id}/messages/{message_id}/displayed`.
async fn displayed(
    State(api): State<Api>,
    ids: Result<Path<(String, String)>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let Path((id, message_id)) = ids?;
    api.endpoint.displayed(&id, &message_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
