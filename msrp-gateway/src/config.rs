//! Bounds, times and manners of a gateway.

use std::time::Duration;

use msrp_core::grammar::{AcceptTypes, GrammarError};
use msrp_ua::{RelayAccount, sip::SipParty};

use crate::{identity::UriParts, outcome::CodeTable, pager::UDP_LIMIT, rate::Rate};

/// A hundred years: what may take longer than anything is worth waiting for takes so long.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A MESSAGE is answered before its sender has given it up (timer F, RFC 3261 §17.1.2.2).
const LONGEST_HOLD: Duration = Duration::from_secs(25);

/// What is done with a message that is too large for a MESSAGE by UDP, where the way is not known to be safe from
/// congestion (RFC 3428 §8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oversize {
    /// Its sender is told 413, unless the [split policy](crate::policy::SplitPolicy) cuts it.
    #[default]
    Refuse,
    /// It goes by TCP, which RFC 3428 allows only where all hops are known to do the same.
    OverTcp,
}

/// Bounds on what waits, in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages of one conversation, each way. Default 100.
    pub messages: usize,
    /// Octets of one conversation, each way. Default 1 MiB.
    pub octets: usize,
    /// Messages of all conversations, each way. Default 100,000.
    pub all_messages: usize,
    /// Octets of all conversations, each way. Default 64 MiB.
    pub all_octets: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            messages: 100,
            octets: 1024 * 1024,
            all_messages: 100_000,
            all_octets: 64 * 1024 * 1024,
        }
    }
}

/// Bounds, times and manners of a [`Gateway`](crate::Gateway).
///
/// Memory beyond that of its user agent: what waits, twice [`QueueLimits::all_octets`] and about 1 kB for each message;
/// about 2 kB for each of [`max_conversations`](Self::max_conversations); about 200 octets for each of
/// [`remembered`](Self::remembered) requests and as many facts about targets and rates of senders.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    pub(crate) name: Option<String>,
    pub(crate) own: Vec<String>,
    pub(crate) queue: QueueLimits,
    pub(crate) max_conversations: usize,
    pub(crate) max_devices: usize,
    pub(crate) max_events: usize,
    pub(crate) remembered: usize,
    pub(crate) repeat_window: Duration,
    pub(crate) message_timeout: Duration,
    pub(crate) session_timeout: Duration,
    pub(crate) session_life: Duration,
    pub(crate) setup_timeout: Duration,
    pub(crate) answer_hold: Duration,
    pub(crate) setup_hold: Duration,
    pub(crate) report_timeout: Duration,
    pub(crate) lookup_timeout: Duration,
    pub(crate) backoff: Duration,
    pub(crate) learned_for: Duration,
    pub(crate) max_retry_after: Duration,
    pub(crate) sender_rate: Rate,
    pub(crate) pair_rate: Rate,
    pub(crate) total_rate: Rate,
    pub(crate) stack_octets: usize,
    pub(crate) max_page: usize,
    pub(crate) oversize: Oversize,
    pub(crate) codes: CodeTable,
    pub(crate) accepted_is_success: bool,
    pub(crate) permanent_failures: u32,
    pub(crate) notices: Option<SipParty>,
    pub(crate) keep_secure: bool,
    pub(crate) relays: Vec<RelayAccount>,
    pub(crate) accept_types: AcceptTypes,
    pub(crate) accept_wrapped_types: AcceptTypes,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            name: None,
            own: Vec::new(),
            queue: QueueLimits::default(),
            max_conversations: 20_000,
            max_devices: 8,
            max_events: 1_024,
            remembered: 100_000,
            repeat_window: Duration::from_secs(64),
            message_timeout: Duration::from_secs(300),
            session_timeout: Duration::from_secs(600),
            session_life: Duration::from_secs(12 * 3600),
            setup_timeout: Duration::from_secs(60),
            answer_hold: Duration::from_millis(400),
            setup_hold: Duration::ZERO,
            report_timeout: Duration::from_secs(30),
            lookup_timeout: Duration::from_secs(10),
            backoff: Duration::from_secs(30),
            learned_for: Duration::from_secs(600),
            max_retry_after: Duration::from_secs(20),
            sender_rate: Rate::new(200, 50.0),
            pair_rate: Rate::new(100, 20.0),
            total_rate: Rate::new(10_000, 10_000.0),
            stack_octets: 400,
            max_page: 64 * 1024,
            oversize: Oversize::Refuse,
            codes: CodeTable::new(),
            accepted_is_success: true,
            permanent_failures: 3,
            notices: None,
            keep_secure: true,
            relays: Vec::new(),
            accept_types: types("message/cpim text/plain *"),
            accept_wrapped_types: types("*"),
        }
    }
}

fn types(text: &str) -> AcceptTypes {
    AcceptTypes::parse(text.as_bytes()).unwrap_or_default()
}

impl GatewayConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name by which the gateway knows its own requests when they come back, and which other gateways pass on (header
    /// field `MSRP-Gateway`); a token. Default a random one.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A SIP URI at which this gateway itself is reached; what would be sent there is refused with 482.
    pub fn own_address(mut self, uri: &str) -> Self {
        if let Ok(parts) = UriParts::parse(uri) {
            self.own.push(parts.authority());
        }
        self
    }

    /// Bounds on what waits.
    pub fn queue(mut self, limits: QueueLimits) -> Self {
        self.queue = limits;
        self
    }

    /// Conversations at the same time; a further one is refused with 503. Default 20,000.
    pub fn max_conversations(mut self, conversations: usize) -> Self {
        self.max_conversations = conversations.max(1);
        self
    }

    /// Sessions of one conversation at the same time: devices of one user. Default 8.
    pub fn max_devices(mut self, sessions: usize) -> Self {
        self.max_devices = sessions.max(1);
        self
    }

    /// Events that may wait to be pulled; with as many, nothing more is read. Default 1,024.
    pub fn max_events(mut self, events: usize) -> Self {
        self.max_events = events.max(16);
        self
    }

    /// Requests that are remembered to know them again, facts about targets, and rates of senders: so many of each.
    /// Default 100,000.
    pub fn remembered(mut self, requests: usize) -> Self {
        self.remembered = requests.max(1);
        self
    }

    /// How long a MESSAGE is known again when its sender sends it once more. Default 64 s.
    pub fn repeat_window(mut self, time: Duration) -> Self {
        self.repeat_window = time.min(LONGEST);
        self
    }

    /// How long a message may wait, in either direction; an `Expires` may shorten it. Default 5 min.
    pub fn message_timeout(mut self, time: Duration) -> Self {
        self.message_timeout = time.min(LONGEST);
        self
    }

    /// How long nothing may be said in a session before it is ended. Default 10 min.
    pub fn session_timeout(mut self, time: Duration) -> Self {
        self.session_timeout = time.min(LONGEST);
        self
    }

    /// How long a session may last. Default 12 h.
    pub fn session_life(mut self, time: Duration) -> Self {
        self.session_life = time.min(LONGEST);
        self
    }

    /// How long a callee may take to answer. Default 60 s.
    pub fn setup_timeout(mut self, time: Duration) -> Self {
        self.setup_timeout = time.min(LONGEST);
        self
    }

    /// How long the answer to a MESSAGE that goes into an open session waits for what MSRP says of it; then it is 202.
    /// Zero: it is 202 at once. Default 400 ms, which is below the time after which UDP repeats a request; at most 25 s, as
    /// after 32 s nobody waits any more (RFC 3261 §17.1.2).
    pub fn answer_hold(mut self, time: Duration) -> Self {
        self.answer_hold = time.min(LONGEST_HOLD);
        self
    }

    /// The same for a MESSAGE that has to wait for its session to be set up. Default zero.
    pub fn setup_hold(mut self, time: Duration) -> Self {
        self.setup_hold = time.min(LONGEST_HOLD);
        self
    }

    /// How long the report about a message is waited for that a relay has accepted; then it counts as
    /// [accepted](crate::Outcome::Accepted). Default 30 s.
    pub fn report_timeout(mut self, time: Duration) -> Self {
        self.report_timeout = time.min(LONGEST);
        self
    }

    /// How long a policy may take to answer. Default 10 s.
    pub fn lookup_timeout(mut self, time: Duration) -> Self {
        self.lookup_timeout = time.min(LONGEST);
        self
    }

    /// How long nobody is called again who could not be reached, where the answer has no `Retry-After`. Default 30 s.
    pub fn backoff(mut self, time: Duration) -> Self {
        self.backoff = time.min(LONGEST);
        self
    }

    /// How long it is remembered that somebody takes no sessions, or not a media type. Default 10 min.
    pub fn learned_for(mut self, time: Duration) -> Self {
        self.learned_for = time.min(LONGEST);
        self
    }

    /// The longest `Retry-After` of an answer to a MESSAGE that is waited for. Default 20 s.
    pub fn max_retry_after(mut self, time: Duration) -> Self {
        self.max_retry_after = time.min(LONGEST);
        self
    }

    /// How much one sender may ask for. Default 200 requests at once, then 50 a second.
    pub fn sender_rate(mut self, rate: Rate) -> Self {
        self.sender_rate = rate;
        self
    }

    /// How much one sender may ask of one target. Default 100 requests at once, then 20 a second.
    pub fn pair_rate(mut self, rate: Rate) -> Self {
        self.pair_rate = rate;
        self
    }

    /// How much all may ask for. Default 10,000 requests a second.
    pub fn total_rate(mut self, rate: Rate) -> Self {
        self.total_rate = rate;
        self
    }

    /// Octets that the SIP stack adds to a MESSAGE: Via, tags, Call-ID, CSeq, User-Agent, credentials. Default 400.
    pub fn stack_octets(mut self, octets: usize) -> Self {
        self.stack_octets = octets.min(UDP_LIMIT);
        self
    }

    /// The largest MESSAGE where it may have more than 1300 octets. Default 64 KiB.
    pub fn max_page(mut self, octets: usize) -> Self {
        self.max_page = octets;
        self
    }

    /// What is done with messages that are too large for a MESSAGE by UDP. Default [`Oversize::Refuse`].
    pub fn oversize(mut self, oversize: Oversize) -> Self {
        self.oversize = oversize;
        self
    }

    /// How SIP codes become those of MSRP.
    pub fn codes(mut self, codes: CodeTable) -> Self {
        self.codes = codes;
        self
    }

    /// Whether 202 to a MESSAGE is reported as success, with a comment that says what it is, or not at all. Default yes:
    /// MSRP has no weaker word.
    pub fn accepted_is_success(mut self, on: bool) -> Self {
        self.accepted_is_success = on;
        self
    }

    /// How many answers in a row that say that a page-mode user does not exist, or wants nothing, end its conversation's
    /// sessions. Default 3.
    pub fn permanent_failures(mut self, answers: u32) -> Self {
        self.permanent_failures = answers.max(1);
        self
    }

    /// Tells senders of MESSAGEs by a MESSAGE of this party what could not be delivered after it was answered with 202,
    /// where they did not ask for an IMDN. Default off.
    pub fn notices(mut self, from: Option<SipParty>) -> Self {
        self.notices = from;
        self
    }

    /// Refuses what came by `sips` where the other side is not encrypted. Default on.
    pub fn keep_secure(mut self, on: bool) -> Self {
        self.keep_secure = on;
        self
    }

    /// The MSRP relays that sessions go through, the nearest first.
    pub fn relays(mut self, relays: Vec<RelayAccount>) -> Self {
        self.relays = relays;
        self
    }

    /// What is accepted from sessions, as `a=accept-types` and `a=accept-wrapped-types` say it. Put `message/cpim` first
    /// (RFC 4975 §13). Default `message/cpim text/plain *` and `*`.
    ///
    /// # Errors
    /// [`GrammarError`].
    pub fn accept_types(mut self, types: &str, wrapped: &str) -> Result<Self, GrammarError> {
        self.accept_types = AcceptTypes::parse(types.as_bytes())?;
        self.accept_wrapped_types = AcceptTypes::parse(wrapped.as_bytes())?;
        Ok(self)
    }
}
