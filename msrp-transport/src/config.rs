//! Bounds and times of the drivers.

use std::time::Duration;

use crate::listen::ListenOptions;

/// How often at most a driver looks at the deadlines of its sockets. A look costs as much as there are sockets, so a peer
/// that makes many of them end one after the other must not cause many looks; deadlines are kept this much late at worst.
pub(crate) const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// How often at most a driver looks for open connections whose peers are to be asked for a sign of life: they may be many,
/// and a second more or less does not matter.
pub(crate) const KEEP_ALIVE_CHECK: Duration = Duration::from_secs(1);

/// Who ends later than this ends when its connections are gone, and no clock overflows.
pub(crate) const FAR_AWAY: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Bounds of a driver.
///
/// The driver's own memory is one read block of [`read_block`](Self::read_block) octets (with TLS, up to eleven times that), a few
/// hundred octets for each connection (the lean driver: at most 200), and for TLS and WebSocket connections what
/// [`Tls`](crate::layer::Tls) and [`WebSocketConfig`](crate::layer::WebSocketConfig) say.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    pub(crate) max_connections: usize,
    pub(crate) max_pending_connects: usize,
    pub(crate) max_commands: usize,
    pub(crate) read_block: usize,
    pub(crate) read_budget: usize,
    pub(crate) transmit_budget: usize,
    pub(crate) handshake_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) connect_total: Duration,
    pub(crate) max_addresses: usize,
    pub(crate) close_timeout: Duration,
    pub(crate) max_events: usize,
    pub(crate) max_lookups: usize,
    pub(crate) listen: ListenOptions,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            max_connections: 65_536,
            max_pending_connects: 256,
            max_commands: 1_024,
            read_block: 64 * 1024,
            read_budget: 1024 * 1024,
            transmit_budget: 256 * 1024,
            handshake_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            connect_total: Duration::from_secs(20),
            max_addresses: 16,
            close_timeout: Duration::from_secs(2),
            max_events: 256,
            max_lookups: 1_024,
            listen: ListenOptions::default(),
        }
    }
}

impl DriverConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sockets that may be open at the same time; more are closed as they are accepted. Default 65,536.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Connects that may be under way at the same time. Default 256.
    pub fn max_pending_connects(mut self, connects: usize) -> Self {
        self.max_pending_connects = connects.max(1);
        self
    }

    /// Commands that may wait for the loop. Default 1,024.
    pub fn max_commands(mut self, commands: usize) -> Self {
        self.max_commands = commands.max(1);
        self
    }

    /// Octets of the block that sockets are read into. Default 64 KiB. TLS reads four times as much at a time.
    pub fn read_block(mut self, octets: usize) -> Self {
        self.read_block = octets.clamp(16 * 1024, 16 * 1024 * 1024);
        self
    }

    /// Octets read from one socket before the others have their turn. Default 1 MiB, a millisecond's work or less.
    pub fn read_budget(mut self, octets: usize) -> Self {
        self.read_budget = octets.max(16 * 1024);
        self
    }

    /// Octets lent by a connection at a time. Default 256 KiB.
    pub fn transmit_budget(mut self, octets: usize) -> Self {
        self.transmit_budget = octets.max(4 * 1024);
        self
    }

    /// How long the handshakes of the layers (TLS, WebSocket) may take together. Default 10 s.
    pub fn handshake_timeout(mut self, time: Duration) -> Self {
        self.handshake_timeout = time;
        self
    }

    /// How long one address is tried, and how long the lookup of a name may take. Default 5 s.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// How long a connect may take in all: the lookup of the name, and every address that is tried; the handshakes that
    /// follow have their own time. Default 20 s.
    pub fn connect_total(mut self, time: Duration) -> Self {
        self.connect_total = time;
        self
    }

    /// Addresses of a host that are tried, the first ones. Default 16.
    pub fn max_addresses(mut self, addresses: usize) -> Self {
        self.max_addresses = addresses.max(1);
        self
    }

    /// How long a closing socket may take to take its last octets. Default 2 s.
    pub fn close_timeout(mut self, time: Duration) -> Self {
        self.close_timeout = time;
        self
    }

    /// Events that may wait for the application where the driver has a task of its own; then the node is not asked for
    /// more, which is back-pressure. Default 256. Without meaning for the lean driver, which calls its application.
    pub fn max_events(mut self, events: usize) -> Self {
        self.max_events = events.max(1);
        self
    }

    /// Lookups of the node that may be under way at the same time; what exceeds it is dropped, and times out in the
    /// node. Default 1,024. Without meaning for the lean driver, which hands lookups to its application: see
    /// `mio_driver::Answering`.
    pub fn max_lookups(mut self, lookups: usize) -> Self {
        self.max_lookups = lookups.max(1);
        self
    }

    /// How listening sockets are made.
    pub fn listen_options(mut self, options: ListenOptions) -> Self {
        self.listen = options;
        self
    }
}
