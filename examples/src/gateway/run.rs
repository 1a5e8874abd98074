//! The program from its settings to its end.

use std::{io::Write, net::TcpListener, time::Duration};

use msrp_gateway::{GatewayCommand, GatewayEvent, Outcome};
use tokio::signal::unix::{SignalKind, signal};

use super::{Settings, admin, start};
use crate::{
    failure::Failure,
    http::{self, Guard},
    runtime,
};

/// Connections of operators at the same time.
const HTTP_CONNECTIONS: usize = 64;

/// How long connections may take to be closed, after everything has its outcome.
const CLOSING: Duration = Duration::from_secs(2);

/// Runs the gateway until a signal ends it.
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
    let socket = settings
        .admin
        .map(|address| {
            TcpListener::bind(address)
                .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
                .map_err(|error| Failure::Asked(format!("--admin http://{address}: {error}")))
        })
        .transpose()?;
    let mut started = start::start(settings)?;
    if let Some(socket) = socket {
        let address = socket.local_addr().map_err(failed)?;
        let guard = Guard::new(settings.admin_token.clone(), "--admin-token");
        tokio::spawn(http::serve(
            socket,
            admin::router(started.handle.clone(), guard),
            HTTP_CONNECTIONS,
        ));
        started.urls.push(format!("http://{address}"));
    }
    announce(&started.urls)?;
    loop {
        tokio::select! {
            event = started.events.recv() => match event {
                Some(event) => log(&event),
                None => return Err(Failure::Ran("the gateway has ended".to_owned())),
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
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
    if tokio::time::timeout(settings.drain + CLOSING, ending)
        .await
        .is_err()
    {
        tracing::warn!("not everything has come to its end");
    }
    started.sip.shutdown().await;
    let closing = started.handle.shutdown(CLOSING);
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

/// Programs wait for these lines.
fn announce(urls: &[String]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    urls.iter()
        .try_for_each(|url| writeln!(out, "listening on {url}"))
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Ran(format!("standard output: {error}")))
}
