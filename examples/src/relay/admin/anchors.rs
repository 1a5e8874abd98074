//! `/anchors`: sessions of clients that know nothing of relays, with this relay in their path. A SIP element posts an offer
//! and gets back what to send on instead, then the answer, and deletes the session when it is over.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, Path, Query, State,
        rejection::{BytesRejection, PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use msrp_core::node::ListenerId;
use msrp_relay::{AnchorError, AnchorId, AnchorInfo, AnchorOptions, LegInfo, LegOptions, Relay, Side};
use serde::{Deserialize, Serialize};

use super::{
    Admin,
    paging::Wanted,
    sessions::{Clocks, Passed},
};
use crate::http::Refusal;

/// Octets of a request's body: an SDP body as long as the relay takes it, in JSON.
const MAX_BODY: usize = 160 * 1024;

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/anchors", get(list).post(offer))
        .route("/anchors/{id}", get(one).delete(end))
        .route("/anchors/{id}/answer", post(answer))
        .route("/anchors/{id}/offer", post(reoffer).delete(offer_refused))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// A session of one of the shards, written `0-3f9a…`: the shard, and the relay's own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    shard: usize,
    anchor: AnchorId,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.shard, self.anchor)
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (shard, anchor) = text.split_once('-').ok_or(())?;
        Ok(Self {
            shard: shard.parse().map_err(|_| ())?,
            anchor: anchor.parse().map_err(|_| ())?,
        })
    }
}

/// What is posted as JSON; `application/sdp` is an offer or answer without anything else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    sdp: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    hide_paths: bool,
    /// Seconds.
    idle: Option<u64>,
    total: Option<u64>,
    max_octets: Option<u64>,
    #[serde(default)]
    offerer: PostedLeg,
    #[serde(default)]
    answerer: PostedLeg,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PostedLeg {
    /// The place of its `--listen`, from 0.
    listener: Option<u16>,
    #[serde(default)]
    await_peer: bool,
}

impl PostedLeg {
    fn options(&self) -> LegOptions {
        let options = LegOptions::new().await_peer(self.await_peer);
        match self.listener {
            Some(listener) => options.listener(ListenerId(listener)),
            None => options,
        }
    }
}

impl Posted {
    fn options(&self) -> AnchorOptions {
        let mut options = AnchorOptions::new()
            .label(&self.label)
            .hide_paths(self.hide_paths)
            .offerer(self.offerer.options())
            .answerer(self.answerer.options());
        if let Some(seconds) = self.idle {
            options = options.idle_timeout(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.total {
            options = options.total_timeout(Duration::from_secs(seconds));
        }
        if let Some(octets) = self.max_octets {
            options = options.max_octets(octets);
        }
        options
    }

    /// Reads a body by its media type.
    fn read(
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<(Vec<u8>, AnchorOptions), Refusal> {
        let body = body?;
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(|value| value.trim().to_ascii_lowercase());
        match kind.as_deref() {
            Some("application/sdp") => Ok((body.to_vec(), AnchorOptions::new())),
            Some("application/json") => {
                let posted: Self = serde_json::from_slice(&body)
                    .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("JSON: {error}")))?;
                let options = posted.options();
                Ok((posted.sdp.into_bytes(), options))
            }
            _ => Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "an SDP body is wanted as application/sdp, or in application/json as {\"sdp\": \"…\"}",
            )),
        }
    }
}

impl From<AnchorError> for Refusal {
    fn from(error: AnchorError) -> Self {
        let status = match error {
            AnchorError::Unknown => StatusCode::NOT_FOUND,
            AnchorError::NoOffer | AnchorError::OfferPending => StatusCode::CONFLICT,
            AnchorError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            AnchorError::TooManyAnchors { .. } | AnchorError::Draining => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.to_string())
    }
}

#[derive(Debug, Serialize)]
struct Changed {
    id: String,
    /// What is to be sent on.
    sdp: String,
}

impl Changed {
    fn new(name: Name, sdp: Vec<u8>) -> Result<Self, Refusal> {
        // What came as JSON is UTF-8, and so is what we write; a body in another charset has to be told apart.
        let sdp = String::from_utf8(sdp)
            .map_err(|_| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "the SDP body is not UTF-8"))?;
        Ok(Self {
            id: name.to_string(),
            sdp,
        })
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    label: String,
    /// `offered`, or `answered`.
    state: &'static str,
    /// Seconds since 1970.
    since: u64,
    last_used: u64,
    streams: Vec<ShownStream>,
}

#[derive(Debug, Serialize)]
struct ShownStream {
    /// Its place among the `m=` lines, from 1.
    number: usize,
    offerer: ShownLeg,
    answerer: ShownLeg,
}

#[derive(Debug, Serialize)]
struct ShownLeg {
    state: &'static str,
    listener: u16,
    scheme: &'static str,
    /// Whether the relay connects to it.
    dialled: bool,
    peer: Option<String>,
    tls: bool,
    connections: u32,
    first: Option<u64>,
    last: Option<u64>,
    /// What came from it.
    sent: Passed,
}

fn show_leg(leg: &LegInfo, clocks: Clocks) -> ShownLeg {
    let time = |at: Option<Instant>| at.map(|at| clocks.unix(at));
    ShownLeg {
        state: leg.state.as_str(),
        listener: leg.listener.0,
        scheme: leg.scheme.as_str(),
        dialled: leg.dialled,
        peer: leg.remote.map(|remote| remote.to_string()),
        tls: leg.tls,
        connections: leg.stats.connections,
        first: time(leg.stats.first),
        last: time(leg.stats.last),
        sent: leg.stats.passed.into(),
    }
}

fn show(shard: usize, info: AnchorInfo, clocks: Clocks) -> Shown {
    let name = Name {
        shard,
        anchor: info.id,
    };
    Shown {
        id: name.to_string(),
        label: info.label,
        state: if info.answered { "answered" } else { "offered" },
        since: clocks.unix(info.since),
        last_used: clocks.unix(info.last_used),
        streams: info
            .streams
            .iter()
            .map(|stream| ShownStream {
                number: stream.number,
                offerer: show_leg(&stream.offerer, clocks),
                answerer: show_leg(&stream.answerer, clocks),
            })
            .collect(),
    }
}

/// `POST /anchors`.
async fn offer(
    State(admin): State<Admin>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let (sdp, options) = Posted::read(&headers, body)?;
    let shard = admin.next_shard();
    let (anchor, sdp) = admin
        .shards
        .ask(shard, move |server, now| {
            server.node_mut().anchor_offer(now, &sdp, &options)
        })
        .await?
        .ok_or(AnchorError::Unknown)??;
    let name = Name { shard, anchor };
    let changed = match Changed::new(name, sdp) {
        Ok(changed) => changed,
        Err(error) => {
            at(&admin, name, |relay, now, id| relay.anchor_end(now, id)).await?;
            return Err(error);
        }
    };
    tracing::info!(anchor = changed.id, "session anchored");
    let location = [(header::LOCATION, format!("/anchors/{}", changed.id))];
    Ok((StatusCode::CREATED, location, Json(changed)).into_response())
}

/// Does something with a session where its relay lives.
async fn at<T: Send + 'static>(
    admin: &Admin,
    name: Name,
    call: impl FnOnce(&mut Relay, Instant, AnchorId) -> Result<T, AnchorError> + Send + 'static,
) -> Result<T, Refusal> {
    let done = admin
        .shards
        .ask(name.shard, move |server, now| {
            call(server.node_mut(), now, name.anchor)
        })
        .await?;
    Ok(done.ok_or(AnchorError::Unknown)??)
}

fn named(id: Result<Path<String>, PathRejection>) -> Result<Name, Refusal> {
    let Path(id) = id?;
    Ok(id.parse().map_err(|()| AnchorError::Unknown)?)
}

/// `POST /anchors/{id}/answer`.
async fn answer(
    State(admin): State<Admin>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Changed>, Refusal> {
    let name = named(id)?;
    let (sdp, _) = Posted::read(&headers, body)?;
    let sdp = at(&admin, name, move |relay, now, id| {
        relay.anchor_answer(now, id, &sdp)
    })
    .await?;
    Changed::new(name, sdp).map(Json)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Offering {
    /// Which side offers.
    from: Option<String>,
}

/// `POST /anchors/{id}/offer?from=offerer`: a new offer within a session.
async fn reoffer(
    State(admin): State<Admin>,
    id: Result<Path<String>, PathRejection>,
    from: Result<Query<Offering>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Changed>, Refusal> {
    let name = named(id)?;
    let Query(offering) = from?;
    let side = match offering.from.as_deref() {
        Some("offerer") => Side::Offerer,
        Some("answerer") => Side::Answerer,
        other => {
            let error = format!(
                "from={}: offerer or answerer is wanted, the side that offers now",
                other.unwrap_or_default()
            );
            return Err(Refusal::new(StatusCode::BAD_REQUEST, error));
        }
    };
    let (sdp, _) = Posted::read(&headers, body)?;
    let sdp = at(&admin, name, move |relay, now, id| {
        relay.anchor_reoffer(now, id, side, &sdp)
    })
    .await?;
    Changed::new(name, sdp).map(Json)
}

/// `DELETE /anchors/{id}/offer`: the new offer was refused.
async fn offer_refused(
    State(admin): State<Admin>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let name = named(id)?;
    at(&admin, name, |relay, now, id| relay.anchor_offer_refused(now, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<usize>,
    after: Option<String>,
}

#[derive(Debug, Serialize)]
struct Listed {
    anchors: Vec<Shown>,
    /// Where the next page begins: the `after` to ask for; none on the last page.
    next: Option<String>,
}

/// `GET /anchors?limit=100&after=ID`.
async fn list(
    State(admin): State<Admin>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Listed>, Refusal> {
    let Query(page) = page?;
    let Wanted { limit, mut after } = Wanted::<Name>::new(page.limit, page.after.as_deref())?;
    let wall = SystemTime::now();
    let mut anchors: Vec<Shown> = Vec::new();
    for shard in after.map_or(0, |name| name.shard)..admin.shards.len() {
        let behind = after.take().map(|name| name.anchor);
        // One more than wanted tells whether there is another page.
        let wanted = (limit + 1).saturating_sub(anchors.len());
        let found = admin
            .shards
            .ask(shard, move |server, now| {
                let clocks = Clocks { now, wall };
                let anchors = server.node().anchors(behind).take(wanted);
                anchors.map(|info| show(shard, info, clocks)).collect::<Vec<_>>()
            })
            .await?;
        anchors.extend(found.into_iter().flatten());
    }
    let more = anchors.len() > limit;
    anchors.truncate(limit);
    let next = anchors.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Json(Listed { anchors, next }))
}

/// `GET /anchors/{id}`.
async fn one(
    State(admin): State<Admin>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Shown>, Refusal> {
    let name = named(id)?;
    let wall = SystemTime::now();
    at(&admin, name, move |relay, now, id| {
        let info = relay.anchor(id).ok_or(AnchorError::Unknown)?;
        Ok(show(name.shard, info, Clocks { now, wall }))
    })
    .await
    .map(Json)
}

/// `DELETE /anchors/{id}`: both sides are let go; tells what went through.
async fn end(
    State(admin): State<Admin>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Shown>, Refusal> {
    let name = named(id)?;
    let wall = SystemTime::now();
    let shown = at(&admin, name, move |relay, now, id| {
        let info = relay.anchor_end(now, id)?;
        Ok(show(name.shard, info, Clocks { now, wall }))
    })
    .await?;
    tracing::info!(anchor = shown.id, "anchored session ended");
    Ok(Json(shown))
}
