//! The program from its settings to its end.

use std::time::Duration;

use msrp_gateway::{GatewayCommand, GatewayEvent, Outcome};
use tokio::signal::unix::SignalKind;

use super::{Settings, admin, start};
use crate::{
    failure::Failure,
    http::Site,
    program::{self, EndSignals},
    runtime,
};

/// Connections of operators at the same time.
const HTTP_CONNECTIONS: usize = 64;

/// How long connections may take to be closed, after everything has its outcome.
const CLOSING: Duration = Duration::from_secs(2);

/// Runs the gateway until a signal ends it. SIGHUP has the settings read again by `reread`: routes and certificates are as
/// these say from then on.
///
/// # Errors
/// [`Failure`].
pub fn run(settings: &Settings, reread: impl Fn() -> Result<Settings, Failure>) -> Result<(), Failure> {
    runtime::run(serve(settings, reread))
}

async fn serve(settings: &Settings, reread: impl Fn() -> Result<Settings, Failure>) -> Result<(), Failure> {
    let mut end = EndSignals::heard()?;
    let mut hangup = program::heard(SignalKind::hangup())?;
    let admin = settings.admin.as_ref().map(Site::open).transpose()?;
    let mut started = start::start(settings)?;
    if let Some(site) = admin {
        started.urls.push(site.url.clone());
        let handle = started.handle.clone();
        site.serve(HTTP_CONNECTIONS, |guard| admin::router(handle, guard));
    }
    program::announce(&started.urls)?;
    loop {
        tokio::select! {
            event = started.events.recv() => match event {
                Some(event) => log(&event),
                None => return Err(Failure::Ran("the gateway has ended".to_owned())),
            },
            _ = hangup.recv() => {
                let changed = async { started.change(settings, &reread()?).await };
                match changed.await {
                    Ok(()) => tracing::info!("routes and certificates read again"),
                    Err(error) => tracing::error!(%error, "not read again; the old ones stay"),
                }
            }
            () = end.next() => break,
        }
    }
    tracing::info!("what is under way finishes");
    let ending = async {
        if started
            .handle
            .command(GatewayCommand::Drain(settings.drain))
            .await
            .is_err()
        {
            return;
        }
        while let Some(event) = started.events.recv().await {
            log(&event);
            if matches!(event, GatewayEvent::Drained) {
                return;
            }
        }
    };
    tokio::select! {
        over = tokio::time::timeout(settings.drain + CLOSING, ending) => {
            if over.is_err() {
                tracing::warn!("not everything has come to its end");
            }
        }
        () = end.next() => tracing::warn!("what is under way is given up"),
    }
    started.sip.shutdown().await;
    let closing = async {
        started.handle.shutdown(CLOSING).await;
        while let Some(event) = started.events.recv().await {
            log(&event);
        }
    };
    let _late = tokio::time::timeout(CLOSING * 2, closing).await;
    Ok(())
}

/// What happens, for whoever reads logs; what is said is not in it.
fn log(event: &GatewayEvent) {
    match event {
        GatewayEvent::Opened {
            conversation,
            outgoing,
            ..
        } => {
            tracing::info!(%conversation, outgoing, "session established");
        }
        GatewayEvent::Closed {
            conversation, reason, ..
        } => {
            tracing::info!(%conversation, reason, "session over");
        }
        GatewayEvent::SetupFailed {
            conversation,
            code,
            reason,
            messages,
            ..
        } => {
            tracing::warn!(%conversation, code, reason, messages = messages.len(), "no session");
        }
        GatewayEvent::Message {
            conversation,
            direction,
            outcome: Outcome::Failed { code, reason },
            ..
        } => {
            tracing::warn!(%conversation, ?direction, code, reason, "message not delivered");
        }
        GatewayEvent::Message {
            conversation,
            direction,
            took,
            ..
        } => {
            tracing::debug!(%conversation, ?direction, ?took, "message delivered");
        }
        _ => {}
    }
}
