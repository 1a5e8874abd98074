//! The program from its settings to its end.

use std::{io::Write, sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    Settings,
    ring::{KEPT, KEPT_OCTETS, Ring},
    routes::{self, Api},
};
use crate::{
    endpoint::{Endpoint, Event, Policy},
    failure::Failure,
    http::{self, Guard},
    runtime,
};

/// HTTP connections at the same time; each listener to events is one.
const CONNECTIONS: usize = 1_024;
/// How long the end may take.
const ENDING: Duration = Duration::from_secs(6);

/// Runs the program until a signal ends it.
///
/// # Errors
/// [`Failure`].
pub fn run(settings: &Settings) -> Result<(), Failure> {
    runtime::run(serve(settings))
}

async fn serve(settings: &Settings) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Ran(error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let socket = std::net::TcpListener::bind(settings.http)
        .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
        .map_err(|error| Failure::Asked(format!("--http http://{}: {error}", settings.http)))?;
    let address = socket.local_addr().map_err(failed)?;
    let policy = Policy {
        auto_answer: settings.auto_answer,
        one_at_a_time: false,
    };
    let (endpoint, mut events) = Endpoint::start(&settings.endpoint, policy).await?;
    let ring = Arc::new(Ring::new(KEPT, KEPT_OCTETS));
    let run = crate::seed().map_err(|error| Failure::Ran(format!("no randomness: {error}")))?;
    let run: String = run.iter().take(4).map(|octet| format!("{octet:02x}")).collect();
    let api = Api {
        endpoint: endpoint.clone(),
        ring: ring.clone(),
        run: run.into(),
        max_upload: settings.max_upload,
        spool_dir: Arc::new(settings.spool_dir.clone()),
    };
    let guard = Guard::new(settings.token.clone(), "--token");
    let server = tokio::spawn(http::serve(socket, routes::router(api, guard), CONNECTIONS));
    announce(&Event::listening(format!("http://{address}")))?;
    let outcome = loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event @ Event::Listening { .. }) => announce(&event)?,
                Some(event) => {
                    ring.push(&event);
                }
                None => break Err(Failure::Ran("the user agent has ended".to_owned())),
            },
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
        }
    };
    let telling = async {
        while let Some(event) = events.recv().await {
            ring.push(&event);
        }
    };
    let ending = async { tokio::join!(endpoint.shut_down(ENDING / 4), telling) };
    if tokio::time::timeout(ENDING, ending).await.is_err() {
        tracing::debug!("the end takes too long");
    }
    server.abort();
    outcome
}

/// Programs wait for these lines.
fn announce(event: &Event) -> Result<(), Failure> {
    let Event::Listening { text, .. } = event else {
        return Ok(());
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Ran(format!("standard output: {error}")))
}
