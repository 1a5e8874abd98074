//! Bounds and times of anchored sessions, and what may be chosen for each.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use msrp_core::node::{Fingerprint, ListenerId};

/// Bounds and times of anchored sessions: what [`RelayConfig::anchors`](crate::RelayConfig::anchors) takes.
///
/// # Memory
///
/// A session with one stream costs about 2 KiB and its four paths (each at most 4 KiB), and what waits for a side that is
/// not connected: at most 64 KiB for each.
#[derive(Clone, Debug)]
pub struct AnchorConfig {
    pub(super) max_anchors: usize,
    pub(super) max_streams: usize,
    pub(super) max_sdp: usize,
    pub(super) answer_timeout: Duration,
    pub(super) leg_wait: Duration,
    pub(super) idle: Duration,
    pub(super) total: Duration,
    pub(super) fingerprints: Vec<Fingerprint>,
    pub(super) addresses: BTreeMap<ListenerId, IpAddr>,
}

impl Default for AnchorConfig {
    fn default() -> Self {
        Self {
            max_anchors: 10_000,
            max_streams: 8,
            max_sdp: 64 * 1024,
            answer_timeout: Duration::from_secs(180),
            leg_wait: Duration::from_secs(30),
            idle: Duration::from_secs(3_600),
            total: Duration::from_secs(24 * 3_600),
            fingerprints: Vec::new(),
            addresses: BTreeMap::new(),
        }
    }
}

impl AnchorConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sessions at the same time. Default 10,000; with 0 nothing is anchored.
    pub fn max_anchors(mut self, sessions: usize) -> Self {
        self.max_anchors = sessions;
        self
    }

    /// MSRP streams in one SDP body. Default 8.
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.max_streams = streams.max(1);
        self
    }

    /// Octets of an SDP body. Default 64 KiB.
    pub fn max_sdp(mut self, octets: usize) -> Self {
        self.max_sdp = octets;
        self
    }

    /// How long the first offer may go without an answer before the session is given up. Default 3 min.
    pub fn answer_timeout(mut self, time: Duration) -> Self {
        self.answer_timeout = time;
        self
    }

    /// How long a side that has to connect may take, first and after its connection was lost, and so how long messages
    /// for it wait. Default 30 s; what comes later is answered 408.
    pub fn leg_wait(mut self, time: Duration) -> Self {
        self.leg_wait = time;
        self
    }

    /// How long a session may be without a message before it ends. Default 1 h.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// How long a session may last. Default 24 h.
    pub fn total_timeout(mut self, time: Duration) -> Self {
        self.total = time;
        self
    }

    /// The relay's own certificate, for `a=fingerprint` in what protected sides get (RFC 8122); several where listeners
    /// have different ones. Default none: then those sides have to trust the relay by its name.
    pub fn fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprints.push(fingerprint);
        self
    }

    /// The address that `c=` names for a listener. Default: the host of the URIs, which for a name makes
    /// `c=IN IP4 relay.example.com`.
    pub fn address(mut self, listener: ListenerId, address: IpAddr) -> Self {
        self.addresses.insert(listener, address);
        self
    }
}

/// What may be chosen for one anchored session.
#[derive(Clone, Debug, Default)]
pub struct AnchorOptions {
    pub(super) label: String,
    pub(super) offerer: LegOptions,
    pub(super) answerer: LegOptions,
    pub(super) hide_paths: bool,
    pub(super) idle: Option<Duration>,
    pub(super) total: Option<Duration>,
    pub(super) max_octets: Option<u64>,
}

impl AnchorOptions {
    /// The defaults: listeners as the offer's security asks, each side sees the other's URIs behind the relay's, times as
    /// configured, any number of octets.
    pub fn new() -> Self {
        Self::default()
    }

    /// A name for lists and policies, such as the Call-ID; at most 256 octets of it are kept. Nobody's secret should be
    /// in it.
    pub fn label(mut self, label: &str) -> Self {
        self.label = label.chars().filter(|c| !c.is_control()).take(64).collect();
        self
    }

    /// How the side that offered first is served.
    pub fn offerer(mut self, options: LegOptions) -> Self {
        self.offerer = options;
        self
    }

    /// How the side that answered first is served.
    pub fn answerer(mut self, options: LegOptions) -> Self {
        self.answerer = options;
        self
    }

    /// Shows each side the relay alone: its path has one URI, and nothing of the other side's addresses is seen. Without
    /// it the path is that of a client with a relay (RFC 4976): the relay's URI, then the other side's own. Default off.
    pub fn hide_paths(mut self, hide: bool) -> Self {
        self.hide_paths = hide;
        self
    }

    /// See [`AnchorConfig::idle_timeout`].
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.idle = Some(time);
        self
    }

    /// See [`AnchorConfig::total_timeout`].
    pub fn total_timeout(mut self, time: Duration) -> Self {
        self.total = Some(time);
        self
    }

    /// Octets of bodies, both ways together, after which the session ends. Default: any number.
    pub fn max_octets(mut self, octets: u64) -> Self {
        self.max_octets = Some(octets);
        self
    }
}

/// How one side of a session is served.
#[derive(Clone, Copy, Debug, Default)]
pub struct LegOptions {
    pub(super) listener: Option<ListenerId>,
    pub(super) await_peer: bool,
}

impl LegOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The listener that this side's URI of the relay names. Default: for the side that offers, the first listener with
    /// the security of its offer (`TCP/TLS/MSRP`: one of `msrps`); for the other side, the same. For clients on WebSockets
    /// it has to be chosen, as SDP does not tell them apart.
    pub fn listener(mut self, listener: ListenerId) -> Self {
        self.listener = Some(listener);
        self
    }

    /// This side cannot be connected to, for example because it is behind NAT: it is waited for, whatever its SDP says,
    /// and offers to it say `a=setup:passive`, so that it has to be active. RFC 6135 §4.2.2 wants `actpass`; deployed
    /// peers answer `passive` to that although nobody reaches them. Default off.
    pub fn await_peer(mut self, wait: bool) -> Self {
        self.await_peer = wait;
        self
    }
}
