//! Bounds and times of a connection.

use std::time::Duration;

use crate::codec::{DecoderLimits, Framing};

/// Bounds and times of a [`Connection`](super::Connection); shared by all connections of a node.
///
/// The memory that one connection can hold is bounded by [`rx_limit`](Self::rx_limit) and one read block, plus
/// [`send_high`](Self::send_high) and [`control_high`](Self::control_high) and, for each lane, one slice more than
/// its [watermark](Self::lane_watermarks); slices that have to wait are copied when they are small, so that at most eight
/// times their octets are kept alive by them. With the defaults: 256 KiB + 64 KiB received, 1.25 MiB to send.
///
/// Of each request that waits for its response there is a record besides, of about 130 octets here and 400 with what a
/// relay keeps. Of whole chunks there are at most [`unanswered_high`](Self::unanswered_high): with the default 2 MiB behind
/// a receiver who reads nothing, or reads and answers nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    pub(crate) limits: DecoderLimits,
    pub(crate) rx_limit: usize,
    pub(crate) send_high: usize,
    pub(crate) control_high: usize,
    pub(crate) lane_high: usize,
    pub(crate) lane_low: usize,
    pub(crate) max_lanes: usize,
    pub(crate) max_transactions: usize,
    pub(crate) unanswered_high: usize,
    pub(crate) max_deferred: usize,
    pub(crate) quantum: usize,
    pub(crate) max_chunk: Option<u64>,
    pub(crate) message_chunk: u64,
    pub(crate) max_protocol_errors: u32,
    pub(crate) small_chunk_credit: u32,
    pub(crate) auto_200: bool,
    pub(crate) transaction_timeout: Duration,
    pub(crate) head_timeout: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) chunk_idle_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) linger: Duration,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            limits: DecoderLimits::default(),
            rx_limit: 256 * 1024,
            send_high: 1024 * 1024,
            control_high: 256 * 1024,
            lane_high: 256 * 1024,
            lane_low: 64 * 1024,
            max_lanes: 1_024,
            max_transactions: 65_536,
            unanswered_high: 4_096,
            max_deferred: 1_024,
            quantum: 16 * 1024,
            max_chunk: None,
            message_chunk: 16 * 1024,
            max_protocol_errors: 16,
            small_chunk_credit: 1024 * 1024,
            auto_200: true,
            transaction_timeout: Duration::from_secs(30),
            head_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_millis(100),
            chunk_idle_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(60),
            linger: Duration::from_secs(2),
        }
    }
}

/// The chunk size below which a chunk may be uninterruptible, and above which it has to give way (RFC 4975 §5.1).
pub const INTERRUPTIBLE_ABOVE: u64 = 2048;

/// The most octets in the body of a request other than SEND (RFC 4975 §7.1).
pub const MAX_OTHER_BODY: u64 = 10_240;

impl ConnectionConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bounds and leniencies of the decoder.
    pub fn decoder_limits(mut self, limits: DecoderLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Octets received and not yet pulled by [`poll_event`](super::Connection::poll_event) at which
    /// [`wants_read`](super::Connection::wants_read) turns false. Default 256 KiB; at least twice the largest head.
    pub fn rx_limit(mut self, octets: usize) -> Self {
        self.rx_limit = octets.max(2 * self.limits.max_head);
        self
    }

    /// Octets waiting to be sent above which lanes and chunks are blocked. Default 1 MiB, at least 16 KiB.
    pub fn send_high(mut self, octets: usize) -> Self {
        self.send_high = octets.max(16 * 1024);
        self
    }

    /// Octets of responses and requests beyond [`send_high`](Self::send_high) at which no further request is taken from
    /// the peer. Default 256 KiB, at least 16 KiB.
    pub fn control_high(mut self, octets: usize) -> Self {
        self.control_high = octets.max(16 * 1024);
        self
    }

    /// Octets that wait in one lane above which it blocks, and below which it is writable again. Default 256 KiB and
    /// 64 KiB.
    pub fn lane_watermarks(mut self, high: usize, low: usize) -> Self {
        self.lane_high = high.max(4096);
        self.lane_low = low.min(self.lane_high / 2);
        self
    }

    /// Messages that may be under way in lanes at the same time. Default 1,024.
    pub fn max_lanes(mut self, lanes: usize) -> Self {
        self.max_lanes = lanes.max(1);
        self
    }

    /// Transactions of ours that may await their response at the same time. Default 65,536, at most 2^24. What they cost is
    /// told [above](Self); a relay counts 512 octets for each against its own bound.
    pub fn max_transactions(mut self, transactions: usize) -> Self {
        self.max_transactions = transactions.clamp(1, 1 << 24);
        self
    }

    /// Transactions of ours that await their response at which no whole chunk and no request of another's is taken any more
    /// ([`SendError::Unanswered`](super::SendError::Unanswered)), until half of them have come to their end. Default
    /// 4,096, at least 16. Chunks of lanes, which are cut when they are large, are bounded by
    /// [`max_transactions`](Self::max_transactions) only.
    pub fn unanswered_high(mut self, transactions: usize) -> Self {
        self.unanswered_high = transactions.max(16);
        self
    }

    /// Requests of the peer that may await a deferred answer at the same time. Default 1,024.
    pub fn max_deferred(mut self, requests: usize) -> Self {
        self.max_deferred = requests.max(1);
        self
    }

    /// Cuts chunks of lanes at this many octets of body, for peers that hold whole chunks in a buffer. With 2,048 or
    /// less, chunks say where they end (RFC 4975 §7.1.1 names fixed chunks of 2,048 as the simple way). Default none: a
    /// chunk ends when others wait.
    pub fn max_chunk(mut self, octets: Option<u64>) -> Self {
        self.max_chunk = octets.map(|octets| octets.max(1));
        self
    }

    /// With [`Framing::Message`](crate::codec::Framing::Message): cuts chunks of lanes at this many octets of body, as a
    /// message of the transport holds a whole chunk, and peers such as browsers hold whole messages in a buffer. A smaller
    /// [`max_chunk`](Self::max_chunk) goes first. Default 16 KiB, at least 2,048: with 2,048 chunks say where they end.
    pub fn message_chunk(mut self, octets: u64) -> Self {
        self.message_chunk = octets.max(INTERRUPTIBLE_ABOVE);
        self
    }

    /// Where chunks of lanes are cut on a transport of this framing.
    pub(crate) fn longest_chunk(&self, framing: Framing) -> Option<u64> {
        match framing {
            Framing::Stream => self.max_chunk,
            Framing::Message => Some(
                self.max_chunk
                    .map_or(self.message_chunk, |max| max.min(self.message_chunk)),
            ),
        }
    }

    /// Requests that break a rule, after which the connection is closed. Default 16.
    pub fn max_protocol_errors(mut self, errors: u32) -> Self {
        self.max_protocol_errors = errors.max(1);
        self
    }

    /// Credit for SEND chunks that are small without being a message's last. Each costs 256 and every octet of body
    /// gives one back, so only a flood of chunks below 256 octets uses it up; then the connection is closed.
    /// Default 1,048,576.
    pub fn small_chunk_credit(mut self, credit: u32) -> Self {
        self.small_chunk_credit = credit.max(1024);
        self
    }

    /// Whether a SEND that the node has neither answered nor deferred when its chunk ends is answered 200. Default on.
    pub fn auto_200(mut self, on: bool) -> Self {
        self.auto_200 = on;
        self
    }

    /// How long a head may take from its first octet to its last. Default 15 s.
    pub fn head_timeout(mut self, time: Duration) -> Self {
        self.head_timeout = time;
        self
    }

    /// How long an open chunk without data holds up others. Default 100 ms.
    pub fn stall_timeout(mut self, time: Duration) -> Self {
        self.stall_timeout = time;
        self
    }

    /// How long an open chunk without data stays open when nobody waits. Default 10 s.
    pub fn chunk_idle_timeout(mut self, time: Duration) -> Self {
        self.chunk_idle_timeout = time;
        self
    }

    /// How long the socket may take nothing while there is output, before the connection is closed. Default 60 s.
    pub fn write_timeout(mut self, time: Duration) -> Self {
        self.write_timeout = time;
        self
    }

    /// How long a closing connection waits for its output to leave. Default 2 s.
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// How long a transaction waits for its response. RFC 4975 §7.1.1 fixes it at 30 s; another value is for tests.
    pub fn danger_transaction_timeout(mut self, time: Duration) -> Self {
        self.transaction_timeout = time;
        self
    }

    /// See [`send_high`](Self::send_high).
    pub fn send_bound(&self) -> usize {
        self.send_high
    }

    /// The bounds of the decoder.
    pub fn limits(&self) -> &DecoderLimits {
        &self.limits
    }
}
