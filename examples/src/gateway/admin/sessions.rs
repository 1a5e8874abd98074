//! `/sessions`: the conversations that there are.

use axum::{
    Json, Router,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::StatusCode,
    routing::{delete, get},
};
use msrp_gateway::{ConversationId, ConversationInfo, Gateway, LegInfo};
use msrp_transport::driver::Handle;
use serde::{Deserialize, Serialize};

use super::ask;
use crate::http::Refusal;

/// Conversations on a page unless the caller says otherwise, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

pub(super) fn routes() -> Router<Handle<Gateway>> {
    Router::new()
        .route("/sessions", get(list))
        .route("/sessions/{id}", delete(end))
}

#[derive(Debug, Deserialize)]
struct Page {
    after: Option<u64>,
    limit: Option<usize>,
}

#[derive(Debug, Serialize)]
struct List {
    sessions: Vec<Shown>,
    /// Where the next page begins; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Shown {
    id: u64,
    key: String,
    page: String,
    session: String,
    calling: bool,
    legs: Vec<Leg>,
    to_session: usize,
    to_pages: usize,
    age: u64,
    quiet: u64,
}

#[derive(Debug, Serialize)]
struct Leg {
    call: String,
    outgoing: bool,
    ready: bool,
    age: u64,
}

impl From<&LegInfo> for Leg {
    fn from(leg: &LegInfo) -> Self {
        Self {
            call: leg.call.clone(),
            outgoing: leg.outgoing,
            ready: leg.ready,
            age: leg.age.as_secs(),
        }
    }
}

impl From<&ConversationInfo> for Shown {
    fn from(it: &ConversationInfo) -> Self {
        Self {
            id: it.conversation.number(),
            key: it.key.clone(),
            page: it.page.clone(),
            session: it.session.clone(),
            calling: it.calling,
            legs: it.legs.iter().map(Leg::from).collect(),
            to_session: it.to_session,
            to_pages: it.to_pages,
            age: it.age.as_secs(),
            quiet: it.quiet.as_secs(),
        }
    }
}

async fn list(
    State(handle): State<Handle<Gateway>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<List>, Refusal> {
    let Query(Page { after, limit }) = page?;
    let limit = limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let after = after.map(ConversationId::from_number);
    let listed = ask(&handle, move |gateway| gateway.conversations(after, limit)).await?;
    let next = listed
        .last()
        .filter(|_| listed.len() == limit)
        .map(|last| last.conversation.number());
    Ok(Json(List {
        sessions: listed.iter().map(Shown::from).collect(),
        next,
    }))
}

async fn end(
    State(handle): State<Handle<Gateway>>,
    id: Result<Path<u64>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let Path(id) = id?;
    let id = ConversationId::from_number(id);
    match ask(&handle, move |gateway| gateway.end(id)).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(Refusal::new(StatusCode::NOT_FOUND, error.to_string())),
    }
}
