//! `/sessions`: the Use-Path URIs that the relay has given out, without the URIs themselves, which are secrets.

use std::{
    fmt,
    net::SocketAddr,
    str::FromStr,
    time::{Instant, SystemTime},
};

use axum::{
    Json, Router,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::StatusCode,
    routing::get,
};
use msrp_core::{
    codec::Framing,
    node::{Node, PeerInfo},
};
use msrp_relay::{RelayCommand, Session, SessionId, Traffic};
use serde::{Deserialize, Serialize, Serializer};

use super::{Admin, paging::Wanted};
use crate::http::Refusal;

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/sessions", get(list))
        .route("/sessions/{id}", get(one).delete(end))
}

/// A session of one of the shards, written `0-3-17`: the shard, and the relay's own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    shard: usize,
    session: SessionId,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.shard, self.session)
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (shard, session) = text.split_once('-').ok_or(())?;
        Ok(Self {
            shard: shard.parse().map_err(|_| ())?,
            session: session.parse().map_err(|_| ())?,
        })
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    id: Name,
    user: String,
    /// The relay behind which the client is; none for one that is connected to this one.
    relay: Option<String>,
    /// `open`, or `closing`.
    state: &'static str,
    /// Seconds since 1970.
    since: u64,
    expires: u64,
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
    /// `tcp`, `tls`, `ws` or `wss`.
    transport: Option<&'static str>,
    /// The other ends' addresses, or those of the next relays, as far as they are known.
    peers: Vec<SocketAddr>,
    buffered: usize,
    from_client: Passed,
    to_client: Passed,
}

#[derive(Debug, Serialize)]
pub(super) struct Passed {
    messages: u64,
    chunks: u64,
    octets: u64,
    reports: u64,
}

impl From<Traffic> for Passed {
    fn from(traffic: Traffic) -> Self {
        Self {
            messages: traffic.messages,
            chunks: traffic.chunks,
            octets: traffic.octets,
            reports: traffic.reports,
        }
    }
}

/// From the relay's clock to everybody's.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    pub(super) now: Instant,
    pub(super) wall: SystemTime,
}

impl Clocks {
    pub(super) fn unix(self, at: Instant) -> u64 {
        let since_1970 = self
            .wall
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let ahead = at.saturating_duration_since(self.now);
        let behind = self.now.saturating_duration_since(at);
        (since_1970 + ahead).saturating_sub(behind).as_secs()
    }
}

fn transport(peer: &PeerInfo) -> &'static str {
    match (peer.framing, peer.is_tls()) {
        (Framing::Message, false) => "ws",
        (Framing::Message, true) => "wss",
        (_, true) => "tls",
        (_, false) => "tcp",
    }
}

/// Taken on a loop's thread, so nothing is written out here.
fn show(shard: usize, session: Session<'_>, clocks: Clocks) -> Shown {
    let name = Name {
        shard,
        session: session.id,
    };
    Shown {
        id: name,
        user: session.user.to_owned(),
        relay: session.relay.map(str::to_owned),
        state: if session.closing { "closing" } else { "open" },
        since: clocks.unix(session.since),
        expires: clocks.unix(session.expires),
        peer: session.peer.and_then(|peer| peer.remote),
        local: session.peer.and_then(|peer| peer.local),
        transport: session.peer.map(transport),
        peers: session.peers,
        buffered: session.buffered,
        from_client: session.from_client.into(),
        to_client: session.to_client.into(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<usize>,
    after: Option<String>,
    user: Option<String>,
}

#[derive(Debug, Serialize)]
struct Listed {
    sessions: Vec<Shown>,
    /// Where the next page begins: the `after` to ask for; none on the last page.
    next: Option<Name>,
}

/// `GET /sessions?limit=100&after=ID&user=NAME`.
async fn list(
    State(admin): State<Admin>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Listed>, Refusal> {
    let Query(page) = page?;
    let Wanted { limit, mut after } = Wanted::<Name>::new(page.limit, page.after.as_deref())?;
    let wall = SystemTime::now();
    let mut sessions: Vec<Shown> = Vec::new();
    let mut more = false;
    for shard in after.map_or(0, |name| name.shard)..admin.shards.len() {
        let behind = after.take().map(|name| name.session);
        let user = page.user.clone();
        // One more than wanted tells whether there is another page.
        let wanted = limit + 1 - sessions.len();
        let found = admin
            .shards
            .ask(shard, move |server, now| {
                let clocks = Clocks { now, wall };
                server
                    .node()
                    .sessions(behind)
                    .filter(|session| user.as_deref().is_none_or(|user| user == session.user))
                    .take(wanted)
                    .map(|session| show(shard, session, clocks))
                    .collect::<Vec<_>>()
            })
            .await?;
        sessions.extend(found.into_iter().flatten());
        if sessions.len() > limit {
            sessions.truncate(limit);
            more = true;
            break;
        }
    }
    let next = sessions.last().filter(|_| more).map(|last| last.id);
    Ok(Json(Listed { sessions, next }))
}

fn gone(id: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("there is no session {id}"))
}

fn named(id: Result<Path<String>, PathRejection>) -> Result<(String, Name), Refusal> {
    let Path(id) = id?;
    let name = id.parse().map_err(|()| gone(&id))?;
    Ok((id, name))
}

/// `GET /sessions/{id}`.
async fn one(
    State(admin): State<Admin>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Shown>, Refusal> {
    let (id, name) = named(id)?;
    let wall = SystemTime::now();
    admin
        .shards
        .ask(name.shard, move |server, now| {
            let session = server.node().session(name.session)?;
            Some(show(name.shard, session, Clocks { now, wall }))
        })
        .await?
        .flatten()
        .map(Json)
        .ok_or_else(|| gone(&id))
}

/// `DELETE /sessions/{id}`.
async fn end(
    State(admin): State<Admin>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let (id, name) = named(id)?;
    let ended = admin
        .shards
        .ask(name.shard, move |server, now| {
            server
                .node_mut()
                .handle_command(now, RelayCommand::EndSession(name.session))
                .is_ok()
        })
        .await?;
    match ended {
        Some(true) => {
            tracing::info!(session = id, "session ended by the operator");
            Ok(StatusCode::NO_CONTENT)
        }
        _ => Err(gone(&id)),
    }
}
