//! `GET /events`: what happens, as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::json;

use super::{ring::Found, routes::Api};
use crate::http::Refusal;

/// How often a comment is sent where nothing happens, so that both sides notice when the other has gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/events", get(events))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only those of this session.
    session: Option<String>,
    /// From after this one on, for clients that cannot set `Last-Event-ID`; 0 for all that are kept.
    after: Option<String>,
}

/// `GET /events`.
async fn events(
    State(api): State<Api>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let Query(Wanted { session, after }) = wanted?;
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
        .or(after);
    let after = match last {
        Some(id) => number(&id, &api.run),
        None => api.ring.newest(),
    };
    let told = stream::unfold((api, after), |(api, after)| async move {
        let found = api.ring.next(after).await;
        let after = match &found {
            Found::Event(kept) => kept.id,
            Found::Missed(last) => *last,
        };
        let run = api.run.clone();
        Some(((found, run), (api, after)))
    })
    .filter_map(move |(found, run)| {
        let event = match found {
            Found::Event(kept) => {
                let other = session.is_some() && session.as_deref() != kept.session.as_deref();
                (!other).then(|| {
                    Event::default()
                        .id(format!("{run}-{}", kept.id))
                        .event(kept.name)
                        .data(&*kept.json)
                })
            }
            Found::Missed(last) => Some(
                Event::default()
                    .id(format!("{run}-{last}"))
                    .event("missed")
                    .data(json!({"event": "missed"}).to_string()),
            ),
        };
        futures::future::ready(event.map(Ok))
    });
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// The number in the id of an event. Of another run, or unreadable: all that is kept may be news.
fn number(id: &str, run: &str) -> u64 {
    id.strip_prefix(run)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_another_run_begin_at_the_beginning() {
        assert_eq!(number("ab-7", "ab"), 7);
        for id in ["cd-7", "7", "0", "", "ab", "ab-", "ab-x"] {
            assert_eq!(number(id, "ab"), 0, "{id}");
        }
    }
}
