//! Bounds, times and policies of a relay.

use std::{fmt, time::Duration};

use msrp_core::{connection::ConnectionConfig, grammar::Scheme, node::ListenerId};

use crate::{
    anchor::AnchorConfig,
    auth::{lockout::LockoutLimits, store::MemoryAuthStore},
    common::CommonCounts,
    error::ConfigError,
    limits::UserLimits,
    listener::{self, RelayListener},
    peers::names::AllowList,
    policy::{AllowAll, AuthStore, OpenRoutes, RelayPolicy, RoutePolicy},
    shards::Shard,
};

/// With less nothing could be passed on.
const LEAST_MEMORY: usize = 64 * 1024;

/// What to do with a message when the receiver's connection takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowReceiver {
    /// Stop reading from the sender's connection until there is room: nothing is lost, but every session on that
    /// connection waits.
    Pause,
    /// Keep up to `max` octets of the message, and answer 413 to more (RFC 4975 §7.3.2): other sessions on the sender's
    /// connection go on.
    Buffer {
        /// Bound in octets, for each message.
        max: usize,
    },
    /// [`Pause`](Self::Pause) while the sender's connection carries one session. On a shared one `max` octets of the message
    /// are kept while others go on; then the sender waits after all, which delays the others, as long as the receiver takes
    /// something now and then. One that has taken nothing for `patience` gets no more: 413. A connection to a peer relay counts
    /// as shared from the start.
    ///
    /// The default, as measured by `msrp-relay/tests/slow_receiver.rs`: pausing a shared connection delays the others by as
    /// long as the slow one takes; 1 MiB carries a receiver over a pause of a second at 8 Mbit/s. To refuse what exceeds it
    /// would refuse every long file whose last hop is the slowest one.
    Auto {
        /// Bound in octets, for each message.
        max: usize,
        /// How long a receiver may take nothing before others are no longer delayed for it.
        patience: Duration,
    },
}

/// Everything a [`Relay`](crate::Relay) has to be told.
///
/// # Memory
///
/// The relay holds at most [`max_connections`](Self::max_connections) connections, each within the bounds of its
/// [`ConnectionConfig`], and all together at most about [`max_memory`](Self::max_memory) octets that wait, plus one read
/// block for each connection. A connection costs about 2.5 KiB, a Use-Path URI about 200 octets.
pub struct RelayConfig {
    pub(crate) host: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) allow_address_host: bool,
    pub(crate) hide_topology: bool,
    pub(crate) listeners: Vec<RelayListener>,
    pub(crate) realm: Option<String>,
    pub(crate) allow_plain_auth: bool,
    pub(crate) offer_sha256: bool,
    pub(crate) auth_store: Box<dyn AuthStore + Send>,
    pub(crate) peer_relays: AllowList,
    pub(crate) route_policy: Box<dyn RoutePolicy + Send>,
    pub(crate) policy: Box<dyn RelayPolicy + Send>,
    pub(crate) connection: ConnectionConfig,
    pub(crate) min_expires: u32,
    pub(crate) expires: u32,
    pub(crate) max_expires: u32,
    pub(crate) nonce_life: Duration,
    pub(crate) max_auth_failures: u8,
    pub(crate) lockout: LockoutLimits,
    pub(crate) probation: Duration,
    pub(crate) probation_failures: u8,
    pub(crate) idle_timeout: Duration,
    pub(crate) lane_idle: Duration,
    pub(crate) lookup_timeout: Duration,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: Option<u32>,
    pub(crate) user_limits: Option<UserLimits>,
    pub(crate) max_memory: usize,
    pub(crate) max_bindings: usize,
    pub(crate) max_bindings_per_connection: usize,
    pub(crate) max_bindings_per_peer: usize,
    pub(crate) max_pending_connects: usize,
    pub(crate) max_open_messages: usize,
    pub(crate) event_queue: usize,
    pub(crate) forward_unknown_methods: bool,
    pub(crate) slow_receiver: SlowReceiver,
    pub(crate) anchors: AnchorConfig,
    pub(crate) shard: Shard,
    pub(crate) common: CommonCounts,
}

impl RelayConfig {
    /// The defaults for a relay of this host name, which becomes the host of Use-Path URIs (where a listener has no other)
    /// and the realm. There is no user and no listener yet.
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            aliases: Vec::new(),
            allow_address_host: false,
            hide_topology: false,
            listeners: Vec::new(),
            realm: None,
            allow_plain_auth: false,
            offer_sha256: false,
            auth_store: Box::new(MemoryAuthStore::new()),
            peer_relays: AllowList::default(),
            route_policy: Box::new(OpenRoutes),
            policy: Box::new(AllowAll),
            connection: ConnectionConfig::default(),
            min_expires: 60,
            expires: 600,
            max_expires: 3_600,
            nonce_life: Duration::from_secs(300),
            max_auth_failures: 5,
            lockout: LockoutLimits {
                failures: 20,
                time: Duration::from_secs(300),
                entries: 10_000,
            },
            probation: Duration::from_secs(30),
            probation_failures: 5,
            idle_timeout: Duration::from_secs(3_600),
            lane_idle: Duration::from_secs(300),
            lookup_timeout: Duration::from_secs(10),
            max_connections: 100_000,
            max_connections_per_address: None,
            user_limits: None,
            max_memory: 256 * 1024 * 1024,
            max_bindings: 1_000_000,
            max_bindings_per_connection: 1_024,
            max_bindings_per_peer: 100_000,
            max_pending_connects: 1_024,
            max_open_messages: 64,
            event_queue: 1_024,
            forward_unknown_methods: true,
            slow_receiver: SlowReceiver::Auto {
                max: 1024 * 1024,
                patience: Duration::from_secs(2),
            },
            anchors: AnchorConfig::default(),
            shard: Shard::default(),
            common: CommonCounts::default(),
        }
    }

    /// Adds a listener: clients that come in by it get URIs with this scheme and port and the relay's host. Short for
    /// [`listen`](Self::listen).
    pub fn listener(self, id: ListenerId, scheme: Scheme, port: u16) -> Self {
        self.listen(RelayListener::new(id, scheme, port))
    }

    /// Adds a listener, with a name of its own if it has one. All names of all listeners count as this relay's.
    pub fn listen(mut self, listener: RelayListener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// In the paths that pass, calls this relay by the name that the next hop knows it by: a client sees the name that its
    /// own URI has, another peer that of the listener by which it came in, or of the one that the route policy chose as
    /// interface ([`Target::interface`](msrp_core::node::Target::interface)); where neither is known the name stays.
    /// Default off.
    ///
    /// RFC 4976 §6.4 has a relay move its URI from To-Path to From-Path as it is. With this only the name before the token
    /// changes, and the URI leads back by each name. But a peer that compares From-Path with what SDP told it finds
    /// another URI, so SDP should carry the same name, by [`Terms::named_as`](crate::policy::Terms::named_as) or rewritten
    /// on its way. Only the relay's own names are hidden; what stands behind it in a path is needed to answer.
    pub fn hide_topology(mut self, hide: bool) -> Self {
        self.hide_topology = hide;
        self
    }

    /// Another name by which clients may address their AUTH, such as the domain whose SRV record names this relay
    /// (RFC 4976 §8). Use-Path URIs never carry it: they have the host of a listener.
    pub fn alias(mut self, host: &str) -> Self {
        self.aliases.push(host.to_owned());
        self
    }

    /// Lets the host be an IP address, against RFC 4976 §4.2; for labs. Default off.
    pub fn allow_address_host(mut self, allow: bool) -> Self {
        self.allow_address_host = allow;
        self
    }

    /// The digest realm. Default: the host.
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm = Some(realm.to_owned());
        self
    }

    /// The users. Default: none.
    pub fn auth_store(mut self, store: impl AuthStore + Send + 'static) -> Self {
        self.auth_store = Box::new(store);
        self
    }

    /// A relay that may pass on the AUTHs of clients behind it, and has URIs for them (RFC 4976 §6.3): a DNS name such as
    /// `inner.example.com`, or `*.example.net` for every name with one label before this domain. May be repeated; the
    /// default is none.
    ///
    /// A relay proves its name by the certificate that it shows as a TLS client, so the listener has to ask for
    /// certificates and verify them ([`TlsPeer::verified_names`](msrp_core::node::TlsPeer::verified_names)), and by the
    /// one that it shows when this relay connects to it. Its certificate speaks for the relay only: the clients behind it
    /// prove who they are by Digest all the same. Whoever is not named here is a client, whatever its certificate.
    pub fn peer_relay(mut self, name: &str) -> Self {
        self.peer_relays.names.push(name.to_owned());
        self
    }

    /// Takes every relay whose certificate is verified for one of the [peer relays](Self::peer_relay), in an open
    /// federation. Default off.
    pub fn any_peer_relay(mut self, any: bool) -> Self {
        self.peer_relays.any = any;
        self
    }

    /// Where clients may send to. Default: [`OpenRoutes`].
    pub fn route_policy(mut self, policy: impl RoutePolicy + Send + 'static) -> Self {
        self.route_policy = Box::new(policy);
        self
    }

    /// Who and what is let in. Default: [`AllowAll`].
    pub fn policy(mut self, policy: impl RelayPolicy + Send + 'static) -> Self {
        self.policy = Box::new(policy);
        self
    }

    /// Accepts AUTH over unencrypted connections, which RFC 4976 §9.2 forbids: for labs, or behind a TLS terminator.
    /// Default off: such an AUTH is answered 403.
    pub fn allow_plain_auth(mut self, allow: bool) -> Self {
        self.allow_plain_auth = allow;
        self
    }

    /// Offers SHA-256 in a second WWW-Authenticate, to peers that are known to understand it (row 4976-E-15: RFC 4976
    /// knows MD5 only, and deployed clients fail on a second challenge). Default off.
    pub fn offer_sha256(mut self, offer: bool) -> Self {
        self.offer_sha256 = offer;
        self
    }

    /// Bounds of each connection.
    pub fn connection(mut self, config: ConnectionConfig) -> Self {
        self.connection = config;
        self
    }

    /// Bounds and default of a Use-Path URI's life, in seconds (RFC 4976 §4.6). Defaults 60, 600, 3,600.
    pub fn expires(mut self, min: u32, default: u32, max: u32) -> Self {
        (self.min_expires, self.expires, self.max_expires) = (min, default, max);
        self
    }

    /// How long a nonce can be used. Default 5 min.
    pub fn nonce_life(mut self, time: Duration) -> Self {
        self.nonce_life = time;
        self
    }

    /// Wrong credentials on one connection after which it is closed (RFC 4976 §6.3). Default 5.
    pub fn max_auth_failures(mut self, failures: u8) -> Self {
        self.max_auth_failures = failures.max(1);
        self
    }

    /// Wrong credentials for one user, or from one address, within `time` after which AUTH is refused by 403 for as long.
    /// At most `entries` users and addresses are remembered, the latest; each costs about 100 octets. Defaults 20, 5 min,
    /// 10,000.
    pub fn lockout(mut self, failures: u32, time: Duration, entries: usize) -> Self {
        self.lockout = LockoutLimits {
            failures: failures.max(1),
            time,
            entries: entries.max(1),
        };
        self
    }

    /// How long a new connection may go without a successful request (RFC 4976 §6.1), and how many unsuccessful ones it
    /// may try. Defaults 30 s, 5.
    pub fn probation(mut self, time: Duration, failures: u8) -> Self {
        (self.probation, self.probation_failures) = (time, failures.max(1));
        self
    }

    /// How long a connection without a valid URI may be unused before it is closed (RFC 4976 §6.5). Default 1 h.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.idle_timeout = time;
        self
    }

    /// How long the next chunk of an unfinished message may take before the message is given up. Default 5 min.
    pub fn message_idle_timeout(mut self, time: Duration) -> Self {
        self.lane_idle = time;
        self
    }

    /// How long a [`Lookup::Pending`](crate::policy::Lookup::Pending) may stay unanswered. Default 10 s.
    pub fn lookup_timeout(mut self, time: Duration) -> Self {
        self.lookup_timeout = time;
        self
    }

    /// Connections at the same time. Default 100,000. At the bound the least recently used connection without a valid
    /// URI makes room (RFC 4976 §6.5), if it has been silent for a minute; else the new one is refused.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Connections that one address may have open at the same time, or one /64 network of IPv6; more are refused. Default:
    /// no limit. Behind one address there may be many users, and other relays.
    pub fn max_connections_per_address(mut self, connections: u32) -> Self {
        self.max_connections_per_address = Some(connections);
        self
    }

    /// How much each user may take of the relay; [`RelayPolicy::user_limits`] may say something else for some. Default: no
    /// limits, and nothing is kept of users. With limits a user costs about 250 octets; 10,000 who have left are remembered.
    pub fn user_limits(mut self, limits: UserLimits) -> Self {
        self.user_limits = Some(limits);
        self
    }

    /// Octets that may wait to be sent or to be looked at, over all connections, together with what is remembered of
    /// chunks whose fate is open; see [`Relay::memory`](crate::Relay::memory). Default 256 MiB. Beyond it new
    /// connections are refused; from seven eighths of it on SENDs to receivers for whom more than 32 KiB waits are answered
    /// with 413, what is under way to them is given up, and they are not read, so that the others go on.
    pub fn max_memory(mut self, octets: usize) -> Self {
        self.max_memory = octets.max(LEAST_MEMORY);
        self
    }

    /// Use-Path URIs that may be valid at the same time, over all connections, and on one. Defaults 1,000,000 and 1,024.
    /// Beyond them AUTH is answered 403.
    pub fn max_bindings(mut self, total: usize, per_connection: usize) -> Self {
        (self.max_bindings, self.max_bindings_per_connection) = (total.max(1), per_connection.max(1));
        self
    }

    /// Use-Path URIs of the clients behind one peer relay that may be valid at the same time. Default 100,000. Beyond them
    /// AUTH is answered 403.
    pub fn max_bindings_per_peer(mut self, bindings: usize) -> Self {
        self.max_bindings_per_peer = bindings.max(1);
        self
    }

    /// Connects that may be under way at the same time. Default 1,024.
    pub fn max_pending_connects(mut self, connects: usize) -> Self {
        self.max_pending_connects = connects.max(1);
        self
    }

    /// Messages of one connection that may be forwarded bit by bit at the same time. Default 64. Beyond it a message is
    /// answered 413.
    pub fn max_open_messages(mut self, messages: usize) -> Self {
        self.max_open_messages = messages.max(1);
        self
    }

    /// Events that wait to be pulled. Default 1,024; the oldest give way.
    pub fn event_queue(mut self, events: usize) -> Self {
        self.event_queue = events;
        self
    }

    /// Whether methods that this relay does not know are forwarded (RFC 4976 §6.4.2) or answered 501. Default on.
    pub fn forward_unknown_methods(mut self, forward: bool) -> Self {
        self.forward_unknown_methods = forward;
        self
    }

    /// What to do about receivers that are slower than senders. Default [`SlowReceiver::Auto`] with 1 MiB and 2 s.
    pub fn slow_receiver(mut self, policy: SlowReceiver) -> Self {
        self.slow_receiver = policy;
        self
    }

    /// Bounds and times of anchored sessions ([`Relay::anchor_offer`](crate::Relay::anchor_offer)).
    pub fn anchors(mut self, config: AnchorConfig) -> Self {
        self.anchors = config;
        self
    }

    /// Makes the relay one of `count` shards that together are one relay, each with a driver and a thread of its own; it is
    /// number `index`, from 0. Each has to be given the same configuration and a seed of its own. Default: one, alone.
    /// There may be 32.
    ///
    /// What is bounded for the whole relay is divided: a shard takes one of `count` parts of `max_connections`,
    /// `max_memory` and `max_bindings`. It has at most as many connections to other shards as to peers.
    pub fn shard(mut self, index: u16, count: u16) -> Self {
        self.shard = Shard::new(index, count);
        self
    }

    /// What the shards of one relay count together: give each a clone of the same. Without it each counts for itself, so
    /// that who meets all shards gets as many times as much.
    pub fn in_common(mut self, counts: CommonCounts) -> Self {
        self.common = counts;
        self
    }

    /// What is left of the bounds for this shard.
    pub(crate) fn take_share(&mut self) {
        let count = self.shard.count();
        self.max_connections = self.max_connections.div_ceil(count);
        self.max_memory = (self.max_memory / count).max(LEAST_MEMORY);
        self.max_bindings = self.max_bindings.div_ceil(count);
    }

    /// Checks what the setters cannot.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        listener::check_host(&self.host, self.allow_address_host)?;
        listener::check(&self.listeners, self.allow_address_host)?;
        self.shard.check()?;
        let realm = self.digest_realm();
        if realm.is_empty() || realm.chars().any(char::is_control) {
            return Err(ConfigError::Realm {
                realm: realm.to_owned(),
            });
        }
        if let Some(name) = self.peer_relays.wrong_name() {
            return Err(ConfigError::PeerRelay {
                name: name.to_owned(),
            });
        }
        let (min, default, max) = (self.min_expires, self.expires, self.max_expires);
        if min == 0 || min > default || default > max {
            return Err(ConfigError::Expires { min, default, max });
        }
        Ok(())
    }

    /// Where a listener stands in the list.
    pub(crate) fn place_of(&self, id: ListenerId) -> Option<u16> {
        let place = self.listeners.iter().position(|listener| listener.id == id);
        place.map(|place| place as u16)
    }

    pub(crate) fn digest_realm(&self) -> &str {
        self.realm.as_deref().unwrap_or(&self.host)
    }
}

impl fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayConfig")
            .field("host", &self.host)
            .field("listeners", &self.listeners)
            .field("realm", &self.digest_realm())
            .field("allow_plain_auth", &self.allow_plain_auth)
            .finish_non_exhaustive()
    }
}
