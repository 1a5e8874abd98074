//! The protocol on one transport connection (RFC 4975 §5.4, §7).
//!
//! ```text
//!                  ┌──────────────────────── Connection ────────────────────────┐
//!   handle_read ──▶│ rx ─▶ Decoder ─▶ requests ─────────────────▶ poll_event    │──▶ Request, Body, RequestEnd
//!                  │                  responses ─▶ transactions ─▶              │──▶ TransactionEnded
//!   respond ──────▶│ control ─┐                                                 │
//!   send_chunk ───▶│ whole ───┼─▶ staged ──────────────────────▶ poll_transmit  │──▶ octets
//!   open_send … ──▶│ lanes ───┘                                  poll_timeout   │──▶ deadline
//!                  └────────────────────────────────────────────────────────────┘
//! ```
//!
//! Not pulling events is back-pressure: octets stay in the receive buffer, [`Connection::wants_read`] turns false at
//! [`ConnectionConfig::rx_limit`], and the peer's window closes. Drive it in the order events, transmit, timeout; any
//! other order is safe as well.

mod budget;
mod config;
mod error;
mod event;
mod receive;
mod repeat;
mod request;
mod rx;
mod send;
mod stats;
mod timers;
mod transactions;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use bytes::BytesMut;

use self::{
    budget::Budget,
    request::{Incoming, ReturnPath},
    rx::Rx,
    send::Send,
    transactions::Transactions,
};
pub use self::{
    config::{ConnectionConfig, INTERRUPTIBLE_ABOVE, MAX_OTHER_BODY},
    error::{ApiMisuse, CloseReason, ConnectionError, Origin, SendError, WriteError},
    event::{Event, Outcome, OutgoingId, RequestId, Responded},
    repeat::{Repeat, RepeatPattern},
    send::{OutgoingRequest, Transmit},
    stats::ConnectionStats,
    timers::Timer,
    transactions::LostTransaction,
};
use crate::{
    codec::{Decoder, Framing},
    node::PeerInfo,
    rng::IdSource,
};

/// MSRP on one transport connection, for either side and every role.
///
/// See the [module](self) for how its parts hang together.
pub struct Connection {
    config: Arc<ConnectionConfig>,
    peer: PeerInfo,
    ids: IdSource,
    rx: Rx,
    decoder: Decoder,
    incoming: Option<Incoming>,
    request_serial: u64,
    /// The request at hand cannot be answered; its octets are skipped.
    skipping: bool,
    /// Requests that the node will answer later.
    deferred: BTreeMap<u64, ReturnPath>,
    transactions: Transactions,
    /// What the peer answered last, boxed as an idle connection has none.
    last_answer: Option<Box<repeat::LastAnswer>>,
    send: Send,
    events: VecDeque<Event>,
    budget: Budget,
    stats: ConnectionStats,
    /// The latest time that anybody told.
    now: Instant,
    /// Reads are paused because what was read waits to be pulled.
    paused: bool,
    /// Everything that was received has been pulled.
    dry: bool,
    /// The node does not pull for now.
    held: bool,
    eof: bool,
    /// Since when an unfinished head has been waiting for its rest.
    head_since: Option<Instant>,
    closing: Option<Closing>,
    /// Why it has ended. In a box, as it is long and needed once.
    close_reason: Option<Box<ConnectionError>>,
}

/// The end of a connection.
#[derive(Clone, Copy, Debug)]
struct Closing {
    since: Instant,
    /// Output cannot leave any more.
    broken: bool,
    /// `Event::Closed` has been told.
    told: bool,
}

impl Connection {
    /// A connection that the transport has just established.
    ///
    /// `seed` feeds the identifiers that this connection draws; it has to come from a cryptographic source of randomness
    /// and to be used once.
    pub fn new(
        now: Instant,
        config: Arc<ConnectionConfig>,
        peer: PeerInfo,
        framing: Framing,
        seed: [u8; 32],
    ) -> Self {
        Self {
            decoder: Decoder::new(config.limits, framing),
            budget: Budget::new(&config),
            config,
            peer,
            ids: IdSource::from_seed(seed),
            rx: Rx::default(),
            incoming: None,
            request_serial: 0,
            skipping: false,
            deferred: BTreeMap::new(),
            transactions: Transactions::new(),
            last_answer: None,
            send: Send::new(framing),
            events: VecDeque::new(),
            stats: ConnectionStats::default(),
            now,
            paused: false,
            dry: true,
            held: false,
            eof: false,
            head_since: None,
            closing: None,
            close_reason: None,
        }
    }

    /// What the transport knows of the peer.
    pub fn peer(&self) -> &PeerInfo {
        &self.peer
    }

    /// The configuration.
    pub fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    /// What has passed so far.
    pub fn stats(&self) -> &ConnectionStats {
        &self.stats
    }

    /// Whether the driver should read from the transport: false while as much waits to be pulled as may, and after the
    /// end.
    pub fn wants_read(&self) -> bool {
        !self.paused && !self.eof && self.closing.is_none()
    }

    /// Octets that wait to be sent.
    pub fn buffered(&self) -> usize {
        self.send.buffered()
    }

    /// Octets that were received and wait to be pulled.
    pub fn received(&self) -> usize {
        self.rx.len()
    }

    /// The first of the octets that were received and wait to be pulled, `most` of them at the most.
    pub fn peek_received(&self, most: usize) -> Vec<u8> {
        self.rx.peek(most)
    }

    /// Gives up the connection and hands back the octets that were received and have not been pulled. For one of which
    /// nothing has been pulled yet these are all that ever came; with [`Framing::Message`] the borders are lost.
    pub fn into_received(self) -> BytesMut {
        self.rx.into_octets()
    }

    /// Whether the connection has ended, or is ending: nothing more can be sent.
    pub fn is_closed(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether the connection has ended and all output has left, or never will: the transport can be closed.
    pub fn is_drained(&self) -> bool {
        self.closing.is_some_and(|closing| {
            closing.told
                && (closing.broken
                    || self.send.is_empty()
                    || self.now.saturating_duration_since(closing.since) >= self.config.linger)
        })
    }

    /// Transactions of ours that await their response.
    pub fn open_transactions(&self) -> usize {
        self.transactions.len()
    }

    /// After the connection has ended: the tracked transactions that had not come to their end by then. What became of the
    /// octets that had left cannot be known. Each is given once.
    pub fn drain_lost(&mut self) -> impl Iterator<Item = LostTransaction> {
        self.closing
            .is_some()
            .then(|| self.transactions.drain_lost())
            .into_iter()
            .flatten()
    }

    /// Appends octets that were read. Nothing is parsed here; [`poll_event`](Self::poll_event) does.
    pub fn handle_read(&mut self, now: Instant, block: BytesMut) {
        let now = self.clock(now);
        if self.closing.is_some() || self.eof {
            return;
        }
        self.stats.octets_in += block.len() as u64;
        self.dry &= block.is_empty();
        self.rx.push(block);
        self.pause_when_full(now);
    }

    fn pause_when_full(&mut self, now: Instant) {
        if self.rx.len() >= self.config.rx_limit && !self.paused {
            self.paused = true;
            self.transactions.pause(now);
        }
    }

    /// With [`Framing::Message`]: the transport's message whose octets came last is complete.
    pub fn handle_message_end(&mut self, now: Instant) {
        let now = self.clock(now);
        if self.closing.is_none() && !self.eof {
            self.dry = false;
            self.rx.push_message_end();
            self.pause_when_full(now);
        }
    }

    /// The peer has ended its stream. What was received is still told, and what is queued still sent.
    pub fn handle_read_eof(&mut self, now: Instant) {
        self.clock(now);
        self.eof = true;
        self.dry = false;
    }

    /// The transport is broken: nothing more comes or goes.
    pub fn handle_reset(&mut self, now: Instant) {
        self.clock(now);
        self.fail_broken(ConnectionError {
            origin: Origin::Transport,
            kind: CloseReason::Reset,
        });
    }

    /// Ends the connection. Output that is queued still leaves, for at most [`ConnectionConfig::linger`].
    pub fn close(&mut self, now: Instant, reason: CloseReason) {
        self.clock(now);
        self.end(ConnectionError {
            origin: Origin::Local,
            kind: reason,
        });
    }

    /// Ends the connection for something that the peer, or the transport, did; what is queued still leaves.
    fn fail(&mut self, reason: ConnectionError) {
        tracing::debug!(%reason, "connection fails");
        self.end(reason);
    }

    fn fail_broken(&mut self, reason: ConnectionError) {
        self.end(reason);
        if let Some(closing) = &mut self.closing {
            closing.broken = true;
        }
        self.send.clear();
    }

    fn end(&mut self, reason: ConnectionError) {
        if self.closing.is_some() {
            return;
        }
        self.close_reason = Some(Box::new(reason));
        self.closing = Some(Closing {
            since: self.now,
            broken: false,
            told: false,
        });
        self.rx.clear();
        self.deferred.clear();
        self.head_since = None;
        // Messages under way have nowhere to go; what is staged of them is ended in form.
        let now = self.now;
        self.close_chunk(now, crate::grammar::ContinuationFlag::Abort);
        self.send.drop_lanes();
        self.transactions.stop();
    }

    fn is_broken(&self) -> bool {
        self.closing.is_some_and(|closing| closing.broken)
    }

    /// Time never goes backwards here.
    fn clock(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }
}

/// Prints how it stands, and nothing of what it carries.
impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .field("received", &self.received())
            .field("buffered", &self.buffered())
            .field("open_transactions", &self.open_transactions())
            .field("timer", &self.timeout_reason())
            .field("closing", &self.closing)
            .field("close_reason", &self.close_reason)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
