//! The program from its settings to its end.

use std::{sync::Arc, time::Duration};

use super::{
    Settings,
    ring::{KEPT, KEPT_OCTETS, Ring},
    routes::{self, Api},
};
use crate::{
    endpoint::{Endpoint, Event, Policy},
    failure::Failure,
    program::{self, EndSignals},
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
    let mut end = EndSignals::heard()?;
    let site = settings.http.open()?;
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
    program::announce([&site.url])?;
    let server = site.serve(CONNECTIONS, |guard| routes::router(api, guard));
    let outcome = loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::Listening { url, .. }) => program::announce([url])?,
                Some(event) => {
                    ring.push(&event);
                }
                None => break Err(Failure::Ran("the user agent has ended".to_owned())),
            },
            () = end.next() => break Ok(()),
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
