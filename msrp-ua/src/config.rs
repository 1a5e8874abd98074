//! Bounds and times of a user agent.

use std::{sync::Arc, time::Duration};

use msrp_core::connection::ConnectionConfig;

use crate::call::CallConfig;

/// Bounds and times of a [`UserAgent`](crate::UserAgent).
///
/// Memory beyond that of its connections ([`ConnectionConfig`]): the octets of all messages that are put together,
/// [`max_buffered`](Self::max_buffered), of which unfortunate slices keep at most four times as much alive;
/// [`max_events`](Self::max_events) events, each with at most one slice of what was read; and for each session some
/// hundred octets for each of [`max_outgoing`](Self::max_outgoing), [`max_incoming`](Self::max_incoming) and
/// [`remembered`](Self::remembered) messages, and 16 for each of [`max_holes`](Self::max_holes).
#[derive(Clone, Debug)]
pub struct UserAgentConfig {
    pub(crate) connection: Arc<ConnectionConfig>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) max_connections: usize,
    pub(crate) max_sessions: usize,
    pub(crate) max_registrations: usize,
    pub(crate) max_buffered: usize,
    pub(crate) max_events: usize,
    pub(crate) max_outgoing: usize,
    pub(crate) max_incoming: usize,
    pub(crate) max_holes: usize,
    pub(crate) remembered: usize,
    pub(crate) bind_timeout: Duration,
    pub(crate) reassembly_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) match_session_id_only: bool,
    pub(crate) report_each_chunk: bool,
    pub(crate) allow_plain_auth: bool,
    pub(crate) behind_tls_terminator: bool,
    pub(crate) demand_certificates: bool,
    pub(crate) calls: CallConfig,
}

impl UserAgentConfig {
    /// A user agent that is reached at `host` and `port`, the authority of its session URIs. With `tls` their scheme is
    /// `msrps`.
    pub fn new(host: impl Into<String>, port: u16, tls: bool) -> Self {
        Self {
            connection: Arc::new(ConnectionConfig::new()),
            host: host.into(),
            port,
            tls,
            max_connections: 10_000,
            max_sessions: 20_000,
            max_registrations: 20_000,
            max_buffered: 256 * 1024 * 1024,
            max_events: 1_024,
            max_outgoing: 256,
            max_incoming: 64,
            max_holes: 256,
            remembered: 64,
            bind_timeout: Duration::from_secs(30),
            reassembly_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(300),
            keep_alive: None,
            match_session_id_only: false,
            report_each_chunk: false,
            allow_plain_auth: false,
            behind_tls_terminator: false,
            demand_certificates: false,
            calls: CallConfig::default(),
        }
    }

    /// Bounds and times of calls, and what their streams may carry.
    pub fn calls(mut self, config: CallConfig) -> Self {
        self.calls = config;
        self
    }

    /// Changes what is said of calls.
    pub fn change_calls(mut self, change: impl FnOnce(CallConfig) -> CallConfig) -> Self {
        self.calls = change(self.calls);
        self
    }

    /// Whether session URIs are `msrps`.
    pub fn uses_tls(&self) -> bool {
        self.tls
    }

    /// Bounds and times of each connection.
    pub fn connection(mut self, config: ConnectionConfig) -> Self {
        self.connection = Arc::new(config);
        self
    }

    /// Connections at which no further one is accepted; those that we open are bounded by the sessions and registrations
    /// that they are for. Default 10,000.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Sessions at the same time. Default 20,000.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions.max(1);
        self
    }

    /// Registrations at relays at the same time. Default 20,000.
    pub fn max_registrations(mut self, registrations: usize) -> Self {
        self.max_registrations = registrations.max(1);
        self
    }

    /// Octets of unfinished incoming messages that are put together in memory, in all sessions; what would exceed it is
    /// refused with 413. Messages received bit by bit or into a sink do not count. Default 256 MiB.
    pub fn max_buffered(mut self, octets: usize) -> Self {
        self.max_buffered = octets;
        self
    }

    /// Events that may wait to be pulled; with as many, connections are not read. What one incident leads to is told
    /// whole, so a few more may wait. Default 1,024.
    pub fn max_events(mut self, events: usize) -> Self {
        self.max_events = events.max(16);
        self
    }

    /// Messages of a session that may be under way, wait to be sent, or wait for a success report. Default 256.
    pub fn max_outgoing(mut self, messages: usize) -> Self {
        self.max_outgoing = messages.max(1);
        self
    }

    /// Unfinished incoming messages of a session; the next one is refused with 413. Default 64.
    pub fn max_incoming(mut self, messages: usize) -> Self {
        self.max_incoming = messages.max(1);
        self
    }

    /// Separate pieces of an unfinished incoming message; with more it is refused with 413. Default 256.
    pub fn max_holes(mut self, holes: usize) -> Self {
        self.max_holes = holes.max(1);
        self
    }

    /// How many finished messages of a session are remembered in each direction: received ones to tell duplicates and to
    /// report on them later, refused ones to refuse what still comes of them, and sent ones to understand late reports.
    /// Default 64.
    pub fn remembered(mut self, messages: usize) -> Self {
        self.remembered = messages.max(1);
        self
    }

    /// How long the passive side waits for the first request of a session, and an accepted connection for any that
    /// binds it. Default 30 s.
    pub fn bind_timeout(mut self, time: Duration) -> Self {
        self.bind_timeout = time;
        self
    }

    /// How long an unfinished incoming message waits for its next chunk. Default 5 min.
    pub fn reassembly_timeout(mut self, time: Duration) -> Self {
        self.reassembly_timeout = time;
        self
    }

    /// How long a connection without sessions stays open. Default 5 min; RFC 4976 §5.4 suggests an hour for the
    /// client's own relay.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.idle_timeout = time;
        self
    }

    /// Sends a SEND without a body in each session so often. Default never.
    pub fn keep_alive(mut self, interval: Option<Duration>) -> Self {
        self.keep_alive = interval;
        self
    }

    /// Finds sessions by their session-id alone, for paths that a middlebox has rewritten in SDP but not in messages
    /// (row 4975-E-13). Default off: the whole URI has to match (RFC 4975 §6.1).
    pub fn match_session_id_only(mut self, on: bool) -> Self {
        self.match_session_id_only = on;
        self
    }

    /// Reports success for each chunk instead of once for the whole message. Default off.
    pub fn report_each_chunk(mut self, on: bool) -> Self {
        self.report_each_chunk = on;
        self
    }

    /// Lets AUTH go to relays whose URI is `msrp`, over an unencrypted connection, which RFC 4976 §9.2 forbids: for labs.
    /// Default off.
    pub fn allow_plain_auth(mut self, on: bool) -> Self {
        self.allow_plain_auth = on;
        self
    }

    /// Lets sessions whose URI is `msrps` run over connections that reach us without TLS, because something in front of
    /// us ends it. Default off: such requests are answered 481 (RFC 4975 §6, §5.4).
    pub fn behind_tls_terminator(mut self, on: bool) -> Self {
        self.behind_tls_terminator = on;
        self
    }

    /// Refuses peers that connect over TLS without a certificate although signalling told its fingerprint (RFC 8122 §6.2);
    /// the driver has to ask them for one. A wrong certificate is always refused. Default off: the peer is known by its
    /// first request (RFC 6135 §4.3).
    pub fn demand_certificates(mut self, on: bool) -> Self {
        self.demand_certificates = on;
        self
    }
}
