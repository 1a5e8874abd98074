//! What every role (relay, user agent, switch, gateway) looks like to whoever moves its octets.
//!
//! A [`Node`] owns its [`Connection`](crate::connection::Connection)s, because forwarding touches two of them in one
//! call. It is driven from outside: octets, connects, answers and the time go in by `handle_*`; octets, actions,
//! events and the next deadline come out by `poll_*`. One driver, and one simulator, serve all roles.
//!
//! ```text
//!              handle_accepted / handle_connected / handle_read / handle_eof / handle_reset
//!   sockets ───────────────────────────────────────────────────────────────────────────────▶ ┌──────┐
//!              handle_timeout / handle_command / handle_answer                               │ Node │
//!           ◀─────────────────────────────────────────────────────────────────────────────── └──────┘
//!              poll_ready + poll_transmit / poll_action / poll_event / poll_timeout
//! ```

mod fingerprint;
mod opening_handshake;

use std::{fmt, net::SocketAddr, sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};

pub use self::{fingerprint::Fingerprint, opening_handshake::OpeningHandshake};
use crate::{codec::Framing, connection::Transmit, grammar::Scheme};

/// Names one connection of one node; never reused while the node lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionHandle {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl ConnectionHandle {
    /// The slot of the connection: small, dense, reused after the connection is gone. A driver may index a table by it.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// Makes a handle from its parts; for nodes that keep their connections in a table of their own.
    pub fn from_parts(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// Tells apart the successive connections that used one slot.
    pub fn generation(self) -> u32 {
        self.generation
    }
}

/// One of the addresses on which the driver listens, in the order in which it was told of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u16);

/// Ties the outcome of a connect to the [`Action::Connect`] that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectToken(pub u64);

/// Ties an answer to the [`Action::Lookup`] that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What the transport knows of the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer's address; none in tests and on transports without one.
    pub remote: Option<SocketAddr>,
    /// Our address on this connection.
    pub local: Option<SocketAddr>,
    /// The listener that accepted the connection; none for connections that we opened.
    pub listener: Option<ListenerId>,
    /// What carries MSRP on this connection.
    pub transport: TransportKind,
    /// How chunks are delimited on this transport.
    pub framing: Framing,
    /// Whether, and how, the connection is protected.
    pub security: Security,
    /// The request that opened a WebSocket connection, seen by a server; none on other transports.
    pub handshake: Option<Arc<OpeningHandshake>>,
    /// The connection leads, inside this process, to the shard of this number ([`Action::ConnectShard`]). At the end that did
    /// not open it all else is what is known of the peer on whose behalf it was opened.
    pub shard: Option<u16>,
}

impl Default for PeerInfo {
    fn default() -> Self {
        Self {
            remote: None,
            local: None,
            listener: None,
            transport: TransportKind::Tcp,
            framing: Framing::Stream,
            security: Security::Plain,
            handshake: None,
            shard: None,
        }
    }
}

impl PeerInfo {
    /// A plain stream connection about whose addresses nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the peer's address.
    pub fn with_remote(mut self, remote: SocketAddr) -> Self {
        self.remote = Some(remote);
        self
    }

    /// Sets our own address.
    pub fn with_local(mut self, local: SocketAddr) -> Self {
        self.local = Some(local);
        self
    }

    /// Sets the listener that accepted the connection.
    pub fn with_listener(mut self, listener: ListenerId) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Sets the transport, and the framing that goes with it; TCP unless said otherwise.
    pub fn with_transport(mut self, transport: TransportKind) -> Self {
        self.transport = transport;
        self.framing = match transport {
            TransportKind::Tcp => Framing::Stream,
            TransportKind::WebSocket => Framing::Message,
        };
        self
    }

    /// Sets the request that opened a WebSocket connection.
    pub fn with_handshake(mut self, handshake: Arc<OpeningHandshake>) -> Self {
        self.handshake = Some(handshake);
        self
    }

    /// Sets the framing; a stream unless said otherwise.
    pub fn with_framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Sets what protects the connection.
    pub fn with_security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Says that the connection leads to a shard of the same process.
    pub fn with_shard(mut self, shard: u16) -> Self {
        self.shard = Some(shard);
        self
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self.security, Security::Tls(_))
    }
}

/// How a connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Security {
    /// Plain TCP, or a transport that something else protects.
    Plain,
    /// TLS, with what the handshake told.
    Tls(Arc<TlsPeer>),
}

/// What a TLS handshake told about the peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsPeer {
    /// The `dNSName` entries of the subjectAltName of a peer certificate that chained to a trusted root; empty where no
    /// certificate was presented or it was accepted by its fingerprint alone.
    pub verified_names: Vec<String>,
    /// The peer's end-entity certificate in DER.
    pub certificate: Option<Bytes>,
    /// The server name (SNI) that the client asked for, seen by a server.
    pub server_name: Option<String>,
}

/// What carries MSRP to a [`Target`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// TCP, with TLS above it for `msrps`.
    Tcp,
    /// WebSocket (RFC 7977), with TLS below it for `msrps`.
    WebSocket,
}

/// Which certificate the far end of a TLS connection has to present.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// One that chains to a trusted root and names the target's host (RFC 4975 §5.4).
    Pki,
    /// One with one of these fingerprints, whoever issued it (RFC 4975 §14.4, RFC 8122).
    Fingerprints(Vec<Fingerprint>),
}

/// Where, and how, a connection is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// `msrps` asks for TLS.
    pub scheme: Scheme,
    /// Host name or IP literal (without brackets), as the URI has it; a certificate must name it.
    pub host: String,
    /// The port; none asks for the discovery of RFC 4976 §8 (SRV, else 2855).
    pub port: Option<u16>,
    /// Another host and port to connect to, while all else is done as if it were the one above: a middlebox in front of it
    /// (RFC 6714).
    pub instead: Option<(String, u16)>,
    /// TCP or WebSocket.
    pub transport: TransportKind,
    /// With WebSocket: the path, and query, of the opening handshake; `/` where there is none.
    pub path: Option<String>,
    /// The listener whose network the connection is to leave by; none leaves it to the operating system.
    pub interface: Option<ListenerId>,
    /// What makes the far end trustworthy; unused for `msrp`.
    pub trust: Trust,
    /// Whether to present our own certificate (relay to relay, RFC 4976 §9.2).
    pub client_identity: bool,
}

impl Target {
    /// A target over TCP, with TLS by certificate where the scheme asks for it.
    pub fn new(scheme: Scheme, host: impl Into<String>, port: Option<u16>) -> Self {
        Self {
            scheme,
            host: host.into(),
            port,
            instead: None,
            transport: TransportKind::Tcp,
            path: None,
            interface: None,
            trust: Trust::Pki,
            client_identity: false,
        }
    }

    /// Connects to this host and port instead, a name or an IP literal without brackets.
    pub fn with_instead(mut self, host: impl Into<String>, port: u16) -> Self {
        self.instead = Some((host.into(), port));
        self
    }

    /// Sets what carries MSRP; TCP unless said otherwise.
    pub fn with_transport(mut self, transport: TransportKind) -> Self {
        self.transport = transport;
        self
    }

    /// Goes over WebSocket, with this path in the opening handshake.
    pub fn with_websocket(mut self, path: impl Into<String>) -> Self {
        self.transport = TransportKind::WebSocket;
        self.path = Some(path.into());
        self
    }

    /// Sets what makes the far end trustworthy.
    pub fn with_trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Leaves by the network of this listener.
    pub fn with_interface(mut self, listener: ListenerId) -> Self {
        self.interface = Some(listener);
        self
    }

    /// Presents our own certificate to the far end.
    pub fn with_client_identity(mut self) -> Self {
        self.client_identity = true;
        self
    }
}

/// What a node asks of its driver. Output and read-interest have their own, cheaper, ways
/// ([`Node::poll_ready`], [`Node::poll_transmit`], [`Node::wants_read`]).
#[derive(Debug)]
#[non_exhaustive]
pub enum Action<Q> {
    /// Open a connection and tell the outcome by [`Node::handle_connected`], with the same token, within the driver's
    /// own time limit.
    Connect {
        /// Comes back with the outcome.
        token: ConnectToken,
        /// Where to.
        target: Target,
    },
    /// Open a connection inside the process to another shard: another node of the same kind, with a driver and a thread of
    /// its own, which together are one to everybody else. The outcome is told as that of a [`Connect`](Self::Connect), with
    /// nothing in it but [`PeerInfo::shard`]; the other shard hears of it by [`Node::handle_accepted`], with `peer`. A driver
    /// that has no other shards answers that it failed.
    ConnectShard {
        /// Comes back with the outcome.
        token: ConnectToken,
        /// Which shard.
        shard: u16,
        /// On whose behalf, and of which shard, this one.
        peer: PeerInfo,
    },
    /// This connection belongs to another shard, as its first octets show: give it to that one's driver, which tells its
    /// own node of it by [`Node::handle_accepted`] with `peer`, then of `octets`. A driver that has no other shards closes
    /// it.
    HandOver {
        /// The connection; its handle means nothing to the node any more.
        connection: ConnectionHandle,
        /// Which shard.
        shard: u16,
        /// What this node was told of it.
        peer: PeerInfo,
        /// What was read from it; none of it has been answered.
        octets: BytesMut,
    },
    /// Close this connection in an orderly way. All that the node had to send has been taken by
    /// [`Node::poll_transmit`]; the driver flushes what its layers hold, closes, and forgets the handle.
    Close {
        /// The connection; its handle means nothing to the node any more.
        connection: ConnectionHandle,
    },
    /// Find something out, and tell it by [`Node::handle_answer`].
    Lookup {
        /// Comes back with the answer.
        ticket: Ticket,
        /// The question, in the terms of the role.
        query: Q,
    },
}

/// Why a connect came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// Every address refused.
    #[error("connection refused")]
    Refused,
    /// No address answered in time.
    #[error("connecting timed out")]
    TimedOut,
    /// The name has no address.
    #[error("host name not found")]
    Unresolved,
    /// No route, no network.
    #[error("host unreachable")]
    Unreachable,
    /// The handshake failed; the text says how, and holds no secret.
    #[error("TLS: {0}")]
    Tls(String),
    /// The opening handshake of WebSocket failed; the text says how, and holds no secret.
    #[error("WebSocket: {0}")]
    WebSocket(String),
    /// The host has several addresses and all failed: which were tried, in their order, and what became of each.
    #[error("{}", EachAddress(.0))]
    Addresses(Vec<(SocketAddr, ConnectFailure)>),
    /// There is no listener by whose network ([`Target::interface`]) the connection could leave.
    #[error("no such interface to connect from")]
    NoInterface,
    /// The network by which the connection is to leave ([`Target::interface`]) is of another family (IPv4, IPv6) than all
    /// addresses of the host.
    #[error("no address of the host is of the interface's family")]
    WrongFamily,
    /// A limit of ours forbids another connection.
    #[error("limit on connections reached")]
    Limit,
    /// Something else; the text says what.
    #[error("{0}")]
    Other(String),
}

struct EachAddress<'a>(&'a [(SocketAddr, ConnectFailure)]);

impl fmt::Display for EachAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address could be reached")?;
        for (index, (address, failure)) in self.0.iter().enumerate() {
            let separator = if index == 0 { ": " } else { ", " };
            write!(f, "{separator}{address} {failure}")?;
        }
        Ok(())
    }
}

/// A node's refusal of an incoming connection; the driver closes it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The node holds as many connections as it may.
    #[error("the limit of {limit} connections is reached")]
    TooManyConnections {
        /// The bound.
        limit: usize,
    },
    /// The node's policy wants nothing from this peer.
    #[error("refused by policy")]
    Policy,
    /// The node is draining and takes nothing new.
    #[error("shutting down")]
    Draining,
}

/// One role of MSRP, as a state machine that does no input or output of its own.
///
/// # Driving it
///
/// One turn: for each socket that is readable, read a block and call [`handle_read`](Node::handle_read); do so for
/// *all* sockets of one batch of readiness, so that their output is written together. Then drain
/// [`poll_ready`](Node::poll_ready): for each handle write what [`poll_transmit`](Node::poll_transmit) lends until it
/// lends nothing or the socket would block, and look at [`wants_read`](Node::wants_read) again. Then drain
/// [`poll_action`](Node::poll_action) and [`poll_event`](Node::poll_event), and arm a timer for
/// [`poll_timeout`](Node::poll_timeout). Any other order is safe too; this one is fast.
///
/// A call with a handle that is gone does nothing. Time never goes backwards: an earlier `now` counts as the latest one.
pub trait Node {
    /// What the application hears.
    type Event;
    /// What the application says.
    type Command;
    /// Why a command was not taken.
    type Rejected;
    /// A question of this role to the outside, see [`Action::Lookup`].
    type Query;
    /// The answer to it.
    type Answer;

    /// A peer connected to us (and finished its handshakes).
    ///
    /// # Errors
    /// [`Refused`], when the node wants no such connection; the driver drops it.
    fn handle_accepted(&mut self, now: Instant, peer: PeerInfo) -> Result<ConnectionHandle, Refused>;

    /// The outcome of an [`Action::Connect`]. `None`: not wanted any more, the driver drops the connection.
    fn handle_connected(
        &mut self,
        now: Instant,
        token: ConnectToken,
        outcome: Result<PeerInfo, ConnectFailure>,
    ) -> Option<ConnectionHandle>;

    /// Octets have come. The block may be a part of a larger one; the node gives small rests back early.
    fn handle_read(&mut self, now: Instant, connection: ConnectionHandle, block: BytesMut);

    /// On a connection with [`Framing::Message`]: the message whose octets came last is complete.
    fn handle_message_end(&mut self, now: Instant, connection: ConnectionHandle);

    /// The peer has ended its stream in an orderly way.
    fn handle_eof(&mut self, now: Instant, connection: ConnectionHandle);

    /// The transport broke. The handle is dead when this returns; no [`Action::Close`] follows.
    fn handle_reset(&mut self, now: Instant, connection: ConnectionHandle);

    /// The application wants something.
    ///
    /// # Errors
    /// The role's own reason for not doing it.
    fn handle_command(&mut self, now: Instant, command: Self::Command) -> Result<(), Self::Rejected>;

    /// The answer to an [`Action::Lookup`]. One that comes too late is ignored.
    fn handle_answer(&mut self, now: Instant, ticket: Ticket, answer: Self::Answer);

    /// The driver has no room for one more connection: it is out of file descriptors, or at a bound of its own. The node
    /// may close one that nobody will miss; whether it does. Default: it does not.
    fn make_room(&mut self, now: Instant) -> bool {
        let _unused = now;
        false
    }

    /// The time is `now`. Calls without need do nothing.
    fn handle_timeout(&mut self, now: Instant);

    /// Whether the driver should read from this connection. While it is `false` the driver leaves octets in the
    /// socket, and the peer's sending window closes.
    fn wants_read(&self, connection: ConnectionHandle) -> bool;

    /// Lends octets to write, about `budget` of them at the most; `None` when there are none.
    fn poll_transmit(
        &mut self,
        now: Instant,
        connection: ConnectionHandle,
        budget: usize,
    ) -> Option<Transmit<'_>>;

    /// The next connection whose output or read-interest has changed; each stands in this queue at most once.
    fn poll_ready(&mut self) -> Option<ConnectionHandle>;

    /// The next thing the driver has to do.
    fn poll_action(&mut self) -> Option<Action<Self::Query>>;

    /// The next thing the application should hear. A node whose events are not pulled comes to a halt, within bounds.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When [`handle_timeout`](Node::handle_timeout) is due; may be earlier than needed, never later.
    fn poll_timeout(&self) -> Option<Instant>;
}
