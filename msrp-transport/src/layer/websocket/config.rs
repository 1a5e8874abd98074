//! Bounds and rules of WebSocket connections.

use std::{sync::Arc, time::Duration};

use msrp_core::node::OpeningHandshake;

use super::refusal::Refusal;

/// Decides about opening handshakes, by whatever their requests tell (RFC 7977 §7). Every function of an
/// [`OpeningHandshake`] is one. It is called on the driver's thread and should return at once.
pub trait HandshakePolicy: Send + Sync {
    /// Whether the upgrade is granted.
    ///
    /// # Errors
    /// [`Refusal`], which is what the client is answered.
    fn admit(&self, request: &OpeningHandshake) -> Result<(), Refusal>;
}

impl<F: Fn(&OpeningHandshake) -> Result<(), Refusal> + Send + Sync> HandshakePolicy for F {
    fn admit(&self, request: &OpeningHandshake) -> Result<(), Refusal> {
        self(request)
    }
}

/// Bounds and rules of WebSocket connections (RFC 7977), of a listener or of the connections that the node asks for.
///
/// During the handshake a connection holds at most [`max_handshake`](Self::max_handshake) octets; what a server has heard in
/// it stays, as the [`OpeningHandshake`] in `PeerInfo`. Afterwards it holds at most 64 KiB to be sent, and of what comes in no
/// more than one read block, as payload is handed to the node as it comes.
#[derive(Clone)]
pub struct WebSocketConfig {
    pub(crate) paths: Vec<String>,
    pub(crate) policy: Option<Arc<dyn HandshakePolicy>>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) max_handshake: usize,
    pub(crate) max_headers: usize,
    pub(crate) max_message: u64,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) max_missed_pings: u8,
}

/// The most headers that a handshake may have, whatever is configured.
pub(super) const HEADERS: usize = 128;

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self {
            paths: vec!["/".to_owned()],
            policy: None,
            headers: Vec::new(),
            max_handshake: 8 * 1024,
            max_headers: 64,
            max_message: 64 * 1024,
            ping_interval: Some(Duration::from_secs(30)),
            max_missed_pings: 2,
        }
    }
}

impl WebSocketConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// For servers: paths on which clients are served; others are answered 404. Default `/`.
    pub fn paths<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.paths = paths.into_iter().map(Into::into).collect();
        self
    }

    /// For servers: who is let in. Default everybody.
    pub fn policy(mut self, policy: impl HandshakePolicy + 'static) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// For clients: a header of the request, such as `Cookie`, `Authorization` or `Origin`. One that is none (a name that is
    /// no token, a value with control characters) is not sent.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if is_header(name, value) {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Octets that the peer's side of the handshake may have. Default 8 KiB, at most 64 KiB.
    pub fn max_handshake(mut self, octets: usize) -> Self {
        self.max_handshake = octets.clamp(256, 64 * 1024);
        self
    }

    /// Headers that the peer's side of the handshake may have. Default 64, at most 128.
    pub fn max_headers(mut self, headers: usize) -> Self {
        self.max_headers = headers.min(HEADERS);
        self
    }

    /// Octets of a message, that is of a chunk with its head, that are taken from the peer; a longer one ends the connection
    /// with the code 1009. Default 64 KiB. What is sent is bounded by
    /// [`ConnectionConfig::message_chunk`](msrp_core::connection::ConnectionConfig::message_chunk).
    pub fn max_message(mut self, octets: u64) -> Self {
        self.max_message = octets.max(1024);
        self
    }

    /// How often a Ping is sent; none switches it off (RFC 7977 §6). Default 30 s.
    pub fn ping_interval(mut self, interval: Option<Duration>) -> Self {
        self.ping_interval = interval.map(|interval| interval.max(Duration::from_millis(10)));
        self
    }

    /// Pings without any sign of life of the peer after which the connection is given up. Default 2.
    pub fn max_missed_pings(mut self, pings: u8) -> Self {
        self.max_missed_pings = pings.max(1);
        self
    }
}

/// Whether this can stand in an HTTP head.
pub(super) fn is_header(name: &str, value: &str) -> bool {
    let token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    !name.is_empty()
        && name.bytes().all(token)
        && value
            .bytes()
            .all(|octet| octet == b'\t' || !octet.is_ascii_control())
}

/// The headers of a client can hold secrets.
impl std::fmt::Debug for WebSocketConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocketConfig")
            .field("paths", &self.paths)
            .field("max_handshake", &self.max_handshake)
            .field("max_headers", &self.max_headers)
            .field("max_message", &self.max_message)
            .field("ping_interval", &self.ping_interval)
            .field("max_missed_pings", &self.max_missed_pings)
            .finish_non_exhaustive()
    }
}
