//! A node with its sockets and a SIP stack, joined.

use futures::FutureExt;
use msrp_core::node::Node;
use msrp_transport::driver::{Driver, Events, Handle};
use msrp_ua::sip::{Signalling, SipAction, SipAdapter, SipInput};
use tokio::sync::{mpsc, oneshot};

/// Events that wait for whoever runs the program at the most; beyond these the node comes to a halt.
const WAITING: usize = 256;

/// The SIP side of a node that runs.
#[derive(Clone, Debug)]
pub struct SipSide {
    asked: mpsc::Sender<oneshot::Sender<()>>,
}

impl SipSide {
    /// Ends what is open by SIP, calls with BYE, and waits until peers have answered to that, or for as long as the adapter
    /// does. To come before the node's shutdown: a connection that closes before the BYE is there looks like one that is lost.
    pub async fn shutdown(&self) {
        let (done, over) = oneshot::channel();
        if self.asked.send(done).await.is_ok() {
            // Without a word it has ended by itself.
            let _word = over.await;
        }
    }
}

/// Drives a node ([`UserAgent`](msrp_ua::UserAgent), or what is built on it) over its sockets, and has done by SIP what it wants
/// done there, both in tasks of their own: they have to be on tokio. The node is spoken to by the handle, and heard by the
/// receiver, which tells all that is not about SIP; the SIP side is there to be shut down.
///
/// They end after a shutdown of the driver, or when the receiver and the handles have been dropped.
pub fn join<N, A>(driver: Driver<N>, adapter: A) -> (Handle<N>, mpsc::Receiver<N::Event>, SipSide)
where
    N: Signalling + Send + 'static,
    N::Event: Send,
    N::Command: Send,
    N::Rejected: std::fmt::Display + Send,
    N::Query: Send,
    N::Answer: Send,
    A: SipAdapter + 'static,
{
    let (handle, events) = driver.spawn();
    let (told, heard) = mpsc::channel(WAITING);
    let (asked, asks) = mpsc::channel(1);
    tokio::spawn(carry(handle.clone(), events, adapter, told, asks));
    (handle, heard, SipSide { asked })
}

/// Carries what is about SIP to the adapter and back, the rest to whoever runs the program.
async fn carry<N: Signalling, A: SipAdapter>(
    handle: Handle<N>,
    mut events: Events<N>,
    mut adapter: A,
    told: mpsc::Sender<N::Event>,
    mut asks: mpsc::Receiver<oneshot::Sender<()>>,
) where
    N::Rejected: std::fmt::Display,
{
    let mut signalling = true;
    loop {
        // Without room for an event none is taken, so that the node notices; what comes by SIP is told it all the same.
        let event = async {
            let room = told.reserve().await.ok();
            (events.next_event().await, room)
        };
        tokio::select! {
            (event, room) = event => match event.map(N::action) {
                Some(Ok(action)) => perform(&handle, &mut adapter, action).await,
                Some(Err(event)) => match room {
                    Some(room) => room.send(event),
                    None => return,
                },
                None => return,
            },
            input = adapter.next(), if signalling => match input {
                Some(input) => tell(&handle, input).await,
                None => signalling = false,
            },
            Some(done) = asks.recv() => {
                // What the node has said before is done first, as far as it is to be had without waiting.
                while let Ok(room) = told.try_reserve()
                    && let Some(Some(event)) = events.next_event().now_or_never()
                {
                    match N::action(event) {
                        Ok(action) => perform(&handle, &mut adapter, action).await,
                        Err(event) => room.send(event),
                    }
                }
                adapter.shutdown().await;
                // Whoever asked may have gone.
                let _nobody_waits = done.send(());
            }
        }
    }
}

async fn perform<N: Signalling>(handle: &Handle<N>, adapter: &mut impl SipAdapter, action: SipAction)
where
    N::Rejected: std::fmt::Display,
{
    let failed = action.failed();
    if let Err(error) = adapter.perform(action).await {
        tracing::debug!(%error, "not done by SIP");
        if let Some(failure) = failed(&error) {
            // The call may have ended by a BYE that has come before: then that is why, and it is to be heard first.
            while let Some(Some(input)) = adapter.next().now_or_never() {
                tell(handle, input).await;
            }
            tell(handle, failure).await;
        }
    }
}

async fn tell<N: Node + Signalling>(handle: &Handle<N>, input: SipInput)
where
    N::Rejected: std::fmt::Display,
{
    if let Err(error) = handle.command(N::input(input)).await {
        tracing::debug!(%error, "what came by SIP was not taken");
    }
}
