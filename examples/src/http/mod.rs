//! What the HTTP servers of the programs share: who may use them, how they say no, and the loop that serves connections.

mod guard;
mod refusal;
mod site;

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::sync::Semaphore;

pub use self::{
    guard::Guard,
    refusal::Refusal,
    site::{OpenSite, Site},
};
pub(crate) use self::{
    guard::check,
    refusal::{no_such_method, no_such_path},
};

/// How long the head of a request may take, and a connection may be silent between two.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long accepting rests after the process has run out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Serves connections, so many at the same time and each in a task of its own, for as long as it is polled; more wait to be
/// accepted.
///
/// # Errors
/// When the socket cannot be used.
pub async fn serve(socket: TcpListener, router: Router, connections: usize) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(socket)?;
    let places = Arc::new(Semaphore::new(connections));
    loop {
        let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "HTTP connection not accepted");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "HTTP connection");
            }
            drop(place);
        });
    }
}
