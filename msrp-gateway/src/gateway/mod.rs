//! The gateway: conversations, and what they need, in one place.

mod admin;
mod answers;
mod calls;
mod composing;
pub(crate) mod conversation;
mod intake;
mod lookups;
mod node;
mod notify;
mod pages;
mod receiving;
mod reply;
mod sending;
mod setup;
mod timers;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Instant, SystemTime},
};

use hashbrown::HashMap;
use msrp_core::{
    node::{Action, Fingerprint},
    rng::IdSource,
};
use msrp_ua::{
    OutgoingKey, SessionId, UserAgent, UserAgentConfig,
    call::{CallConfig, StreamProfile},
    sip::{CallId, SipInput},
};

pub use self::{
    admin::{ConversationInfo, LegInfo},
    intake::MARK,
};
use self::{
    answers::Repeats,
    conversation::{Conversation, KnownAs, Message, Origin, Recent},
    lookups::Parked,
    timers::Due,
};
use crate::{
    clock::Clock,
    config::GatewayConfig,
    event::{ConversationId, GatewayEvent, MessageNumber},
    identity::Aor,
    memory::Memory,
    pager::Pager,
    policy::{
        Asserted, ContentPolicy, GatewayQuery, NeverSplit, RoutePolicy, Routes, SenderPolicy, SplitPolicy,
        StandardContent,
    },
    queue::Load,
    rate::Buckets,
    stats::GatewayStats,
};

/// What an operator decides, see [`policy`](crate::policy).
pub struct Policies {
    pub(crate) sender: Box<dyn SenderPolicy + Send>,
    pub(crate) routes: Box<dyn RoutePolicy + Send>,
    pub(crate) content: Box<dyn ContentPolicy + Send>,
    pub(crate) split: Box<dyn SplitPolicy + Send>,
}

impl Policies {
    /// Carries what these routes say, for senders whom the SIP stack knows.
    pub fn new(routes: impl RoutePolicy + Send + 'static) -> Self {
        Self {
            sender: Box::new(Asserted),
            routes: Box::new(routes),
            content: Box::new(StandardContent::new()),
            split: Box::new(NeverSplit),
        }
    }

    /// Sets who counts as sender.
    pub fn sender(mut self, policy: impl SenderPolicy + Send + 'static) -> Self {
        self.sender = Box::new(policy);
        self
    }

    /// Sets what is done with content.
    pub fn content(mut self, policy: impl ContentPolicy + Send + 'static) -> Self {
        self.content = Box::new(policy);
        self
    }

    /// Sets how texts are cut that are too long for a MESSAGE.
    pub fn split(mut self, policy: impl SplitPolicy + Send + 'static) -> Self {
        self.split = Box::new(policy);
        self
    }
}

impl Default for Policies {
    /// Carries nothing.
    fn default() -> Self {
        Self::new(Routes::new())
    }
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies").finish_non_exhaustive()
    }
}

/// MESSAGE on one side, MSRP sessions on the other.
///
/// It is a [`Node`](msrp_core::node::Node) with a SIP side ([`Signalling`](msrp_ua::sip::Signalling)), as a [`UserAgent`] is: a driver moves its octets, an
/// adapter its SIP.
pub struct Gateway {
    pub(crate) config: GatewayConfig,
    pub(crate) policies: Policies,
    pub(crate) agent: UserAgent,
    pub(crate) now: Instant,
    pub(crate) clock: Clock,
    pub(crate) ids: IdSource,
    /// The name by which we know our own requests.
    pub(crate) name: String,
    pub(crate) conversations: BTreeMap<ConversationId, Conversation>,
    pub(crate) by_key: HashMap<String, ConversationId, foldhash::fast::RandomState>,
    pub(crate) by_call: HashMap<CallId, ConversationId, foldhash::fast::RandomState>,
    pub(crate) by_session: HashMap<SessionId, ConversationId, foldhash::fast::RandomState>,
    pub(crate) messages: BTreeMap<MessageNumber, Message>,
    pub(crate) sent: HashMap<OutgoingKey, MessageNumber, foldhash::fast::RandomState>,
    /// Long messages of which not all has left, and whose they are.
    pub(crate) long: HashMap<OutgoingKey, ConversationId, foldhash::fast::RandomState>,
    pub(crate) pager: Pager<Origin>,
    pub(crate) to_sessions: Load,
    pub(crate) to_pages: Load,
    pub(crate) repeats: Repeats,
    /// Messages of sessions that were taken of late, by the key of their conversation: what is sent again is not translated
    /// twice.
    pub(crate) taken: Memory<KnownAs, Recent>,
    /// Whom not to call for a while, and what to answer instead; some do not want to be called by one caller only.
    pub(crate) away: Memory<(Aor, Option<Aor>), u16>,
    /// Who takes no sessions.
    pub(crate) page_only: Memory<Aor, ()>,
    /// Which targets take no message/cpim, and which no word of who is writing.
    pub(crate) no_cpim: Memory<Aor, ()>,
    pub(crate) no_composing: Memory<Aor, ()>,
    pub(crate) sender_rate: Buckets<Aor>,
    pub(crate) pair_rate: Buckets<(Aor, Aor)>,
    pub(crate) total_rate: Buckets<()>,
    pub(crate) parked: Parked,
    pub(crate) due: BTreeSet<(Instant, Due)>,
    /// Conversations to be looked at.
    pub(crate) dirty: BTreeSet<ConversationId>,
    pub(crate) actions: VecDeque<Action<GatewayQuery>>,
    pub(crate) events: VecDeque<GatewayEvent>,
    pub(crate) stats: GatewayStats,
    /// Until when what is under way may still come to its end; nothing new is taken.
    pub(crate) draining: Option<Instant>,
    pub(crate) drained: bool,
    pub(crate) sweeping: bool,
    pub(crate) next: u64,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("conversations", &self.conversations.len())
            .field("messages", &self.messages.len())
            .field("paging", &self.pager.len())
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway. `agent` says where its MSRP is reached; `calendar` is what the time of day is at `now`; `seed` has to
    /// come from a cryptographic source of randomness and to be used once.
    pub fn new(
        now: Instant,
        calendar: SystemTime,
        config: GatewayConfig,
        agent: UserAgentConfig,
        policies: Policies,
        seed: [u8; 32],
    ) -> Self {
        let mut ids = IdSource::from_seed(seed);
        // Reports are owed for all that waits to be sent on, so all that must be remembered.
        let agent = agent
            .remembered(config.queue.messages.saturating_add(64))
            .change_calls(|calls| Self::calls(calls, &config));
        let limit = config.remembered;
        Self {
            agent: UserAgent::new(now, agent, ids.fork_seed()),
            now,
            clock: Clock::new(now, calendar),
            name: config.name.clone().unwrap_or_else(|| ids.session_id(64)),
            ids,
            policies,
            conversations: BTreeMap::new(),
            by_key: HashMap::default(),
            by_call: HashMap::default(),
            by_session: HashMap::default(),
            messages: BTreeMap::new(),
            sent: HashMap::default(),
            long: HashMap::default(),
            pager: Pager::new(config.max_retry_after),
            to_sessions: Load::default(),
            to_pages: Load::default(),
            repeats: Repeats::new(limit),
            taken: Memory::new(limit),
            away: Memory::new(limit),
            page_only: Memory::new(limit),
            no_cpim: Memory::new(limit),
            no_composing: Memory::new(limit),
            sender_rate: Buckets::new(config.sender_rate, limit),
            pair_rate: Buckets::new(config.pair_rate, limit),
            total_rate: Buckets::new(config.total_rate, 1),
            parked: Parked::default(),
            due: BTreeSet::new(),
            dirty: BTreeSet::new(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            stats: GatewayStats::default(),
            draining: None,
            drained: false,
            sweeping: false,
            next: 0,
            config,
        }
    }

    /// Tells the time.
    pub fn tick(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.agent.tick(self.now);
    }

    /// The user agent that does the MSRP.
    pub fn agent(&self) -> &UserAgent {
        &self.agent
    }

    /// Sets the authority of MSRP URIs from now on, once the port that we listen on is known.
    pub fn set_authority(&mut self, host: impl Into<String>, port: u16) {
        self.agent.set_authority(host, port);
    }

    /// Sets the fingerprints of our certificate, as [`UserAgent::set_fingerprints`].
    pub fn set_fingerprints(&mut self, fingerprints: Vec<Fingerprint>) {
        self.agent.set_fingerprints(fingerprints);
    }

    /// The configuration.
    pub fn config(&self) -> &GatewayConfig {
        &self.config
    }

    /// What has been counted.
    pub fn stats(&self) -> &GatewayStats {
        &self.stats
    }

    /// Tells what has come by SIP. What is to be done about it comes as [`GatewayEvent::Sip`].
    pub fn handle_sip(&mut self, now: Instant, input: SipInput) {
        self.tick(now);
        self.agent.handle_sip(self.now, input);
        self.pump();
    }

    /// Other routes, from now on. Sessions that are there stay.
    pub fn set_routes(&mut self, routes: impl RoutePolicy + Send + 'static) {
        self.policies.routes = Box::new(routes);
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// What sessions may carry to us. How much is by who is to get it, see [`page_room`](Self::page_room).
    pub(crate) fn profile(&self, max_size: usize) -> StreamProfile {
        StreamProfile::new()
            .with_limits(self.config.accept_types.clone(), max_size as u64)
            .with_wrapped_types(self.config.accept_wrapped_types.clone())
            .with_manual_reports()
            // What is wrapped goes on as it is.
            .with_conversation(false)
    }

    fn calls(calls: CallConfig, config: &GatewayConfig) -> CallConfig {
        calls
            .with_max_calls(config.max_conversations.saturating_mul(2))
            .with_setup_timeout(config.setup_timeout)
            // A session whose peer does not come back soon is given up; what it leaves goes into a new one.
            .with_recovery(2, std::time::Duration::from_secs(15))
    }

    /// Does what can be done now.
    pub(crate) fn pump(&mut self) {
        loop {
            let mut moved = false;
            while self.events.len() < self.config.max_events
                && let Some(event) = msrp_core::node::Node::poll_event(&mut self.agent)
            {
                self.on_agent_event(event);
                moved = true;
            }
            while let Some(id) = self.dirty.pop_first() {
                self.advance(id);
                moved = true;
            }
            while let Some((job, page)) = self.pager.next() {
                let page = self.agent.send_page(page);
                self.pager.sent(job, page);
                moved = true;
            }
            if !moved || self.events.len() >= self.config.max_events {
                break;
            }
        }
        self.check_drained();
    }

    pub(crate) fn push_event(&mut self, event: GatewayEvent) {
        self.events.push_back(event);
    }
}
