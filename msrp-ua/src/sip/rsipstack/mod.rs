//! A [`SipAdapter`] on the SIP stack [rsipstack](https://crates.io/crates/rsipstack): UDP, TCP and TLS, an outbound proxy,
//! registration, digest, redirections, and INVITEs that bring the caller's location. It comes with the feature `rsipstack`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use msrp_ua::sip::{SipAdapter, SipInput, SipReply, SipAction, rsipstack::{RsipAdapter, RsipConfig}};
//!
//! let config = RsipConfig::new("sip:alice@example.com").with_listen("udp://0.0.0.0:5060".parse()?);
//! let mut adapter = RsipAdapter::start(config)?;
//! while let Some(input) = adapter.next().await {
//!     if let SipInput::Page(page) = input {
//!         let reply = SipReply::new(200);
//!         adapter.perform(SipAction::AnswerPage { page: page.page, reply }).await?;
//!     }
//! }
//! adapter.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Of rsipstack it uses the parser and the transactions with their timers. Sockets, dialogs, digest and registration are
//! its own, because rsipstack's log SDP, answer MD5 only, and have no bounds. It runs on a thread of its own with a
//! runtime of its own, so its futures can be awaited by any executor, and nothing that rsipstack logs is seen.

mod answering;
mod calls;
mod clients;
mod compose;
mod config;
mod core;
mod credentials;
mod dialog;
mod exchange;
mod fields;
mod flow;
mod frame;
mod hanging_up;
mod happening;
mod inviting;
mod pages;
mod receive;
mod redirect;
mod registration;
mod requests;
mod servers;
mod sockets;
mod start;
mod stream;
mod tls;

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

pub use self::{
    config::{
        InvalidListen, LargePages, RsipConfig, RsipLimits, RsipTimers, SipCredentials, SipListen,
        SipRegistration, SipTransport,
    },
    registration::RegistrationState,
    start::StartError,
    tls::SipTls,
};
use super::{SipAction, SipAdapter, SipError, SipInput};

/// A SIP stack for a user agent; see [the module](self).
///
/// [`shutdown`](SipAdapter::shutdown) ends calls with BYE and takes the registration back, and waits until that is done.
/// Dropped, it does the same in the background; a process that ends then may be faster.
#[derive(Debug)]
pub struct RsipAdapter {
    listening: Vec<SipListen>,
    /// None once it has been shut down.
    actions: Option<mpsc::Sender<core::Asked>>,
    inputs: mpsc::UnboundedReceiver<SipInput>,
    waiting: Arc<AtomicUsize>,
    registration: watch::Receiver<RegistrationState>,
    dropped: Arc<AtomicU64>,
    /// The thread has the other end, and drops it last.
    running: watch::Receiver<()>,
}

impl RsipAdapter {
    /// Listens, and registers if it should.
    ///
    /// # Errors
    /// [`StartError`]: an address that is taken, TLS without a certificate, a URI that is none.
    pub fn start(config: RsipConfig) -> Result<Self, StartError> {
        start::start(config)
    }

    /// Where it listens, with the real ports, in the order of the configuration.
    pub fn listening(&self) -> &[SipListen] {
        &self.listening
    }

    /// How the registration stands.
    pub fn registration(&self) -> RegistrationState {
        self.registration.borrow().clone()
    }

    /// Waits until the registrar has answered, if it was asked.
    pub async fn registered(&mut self) -> RegistrationState {
        let decided = self
            .registration
            .wait_for(|state| *state != RegistrationState::Trying)
            .await;
        match decided {
            Ok(state) => state.clone(),
            Err(_) => RegistrationState::None,
        }
    }

    /// How many messages were dropped because there were too many transactions, or refused because nothing is known of
    /// their method.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl SipAdapter for RsipAdapter {
    async fn perform(&mut self, action: SipAction) -> Result<(), SipError> {
        let ended = || SipError::Stack("it has ended".to_owned());
        let (outcome, done) = oneshot::channel();
        let actions = self.actions.as_ref().ok_or_else(ended)?;
        actions
            .send((Box::new(action), outcome))
            .await
            .map_err(|_| ended())?;
        done.await.map_err(|_| ended())?
    }

    async fn next(&mut self) -> Option<SipInput> {
        let input = self.inputs.recv().await?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(input)
    }

    async fn shutdown(&mut self) {
        self.actions = None;
        while self.running.changed().await.is_ok() {}
    }
}
