//! What an operator decides: who the users are, who may do what, and where messages may go.
//!
//! Policies answer at once, or say [`Lookup::Pending`]: then the relay emits
//! [`Action::Lookup`](msrp_core::node::Action::Lookup) with a [`RelayQuery`](crate::RelayQuery), leaves what the peer
//! sends in its receive buffer, and goes on when [`handle_answer`](msrp_core::node::Node::handle_answer) brings the
//! [`RelayAnswer`](crate::RelayAnswer). A lookup that is not answered in time
//! ([`lookup_timeout`](crate::RelayConfig::lookup_timeout)) ends the request with 408.
//!
//! Each trait has an asynchronous form, and [`AsyncPolicies`] answers the questions from those.

mod deferred;

use std::time::Duration;

pub use msrp_core::lookup::Lookup;
use msrp_core::{
    digest::{Algorithm, Ha1},
    grammar::{Method, StatusCode, UriRef},
    node::{ListenerId, PeerInfo, Target},
};

pub use self::deferred::{
    AsyncAuthStore, AsyncPolicies, AsyncRelayPolicy, AsyncRoutePolicy, DeferredAuthStore, DeferredPolicy,
    DeferredRoutes,
};
use crate::limits::UserLimits;

/// Whose credentials are wanted.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AuthQuery<'a> {
    /// The relay's realm.
    pub realm: &'a str,
    /// The user, as the peer wrote it: any text.
    pub user: &'a str,
    /// For which hash function.
    pub algorithm: Algorithm,
}

/// The users and their secrets (RFC 4976 §9.1).
///
/// Provided: [`MemoryAuthStore`](crate::MemoryAuthStore) and [`HtdigestFile`](crate::HtdigestFile). For a database that
/// is asked asynchronously there is [`AsyncAuthStore`].
pub trait AuthStore {
    /// The H(A1) of a user; `None` for a user that does not exist (or has none for this algorithm). The relay takes the
    /// same time to refuse either.
    fn credentials(&mut self, query: &AuthQuery<'_>) -> Lookup<Option<Ha1>>;
}

/// Where a request from one of our clients is to go next.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RouteQuery<'a> {
    /// The URI that stands behind ours in To-Path.
    pub next: UriRef<'a>,
    /// The user who authenticated for the URI over which this goes.
    pub user: &'a str,
    /// The client's connection.
    pub from: &'a PeerInfo,
}

/// How to reach the next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextHop {
    /// By an open connection to the URI's authority, else by a new one (RFC 4976 §6.4.2).
    Direct,
    /// By an open connection to this target, else by a new one.
    Via(Target),
    /// Not at all; the sender is told this code.
    Refuse(StatusCode),
}

/// Which way requests of our clients leave. Asked once for each session and next hop; what leads *to* a client always
/// takes the connection that the client authenticated on.
pub trait RoutePolicy {
    /// The way to a next hop.
    fn next_hop(&mut self, query: &RouteQuery<'_>) -> Lookup<NextHop>;
}

/// Lets authenticated clients reach whatever their To-Path names. A relay that stands where it can reach hosts which its
/// users should not reach wants a [`RoutePolicy`] of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenRoutes;

impl RoutePolicy for OpenRoutes {
    fn next_hop(&mut self, _query: &RouteQuery<'_>) -> Lookup<NextHop> {
        Lookup::Ready(NextHop::Direct)
    }
}

/// Whether a connection is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// Yes.
    Accept,
    /// No: it is closed at once.
    Refuse,
}

/// A client that has proven who it is and wants a URI.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AuthRequest<'a> {
    /// Who it is.
    pub user: &'a str,
    /// The life of the URI that it asks for, if it does.
    pub expires: Option<Duration>,
    /// Its connection, or that of the relay behind which it is.
    pub peer: &'a PeerInfo,
    /// The relay behind which it is, by the name that its certificate proves; none for a client that is connected to this
    /// relay.
    pub relay: Option<&'a str>,
}

/// What a client that has proven who it is gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// A URI, with a life within the relay's own bounds.
    Allow,
    /// A URI, on terms of the policy's.
    AllowOn(Terms),
    /// 403.
    Deny,
}

/// What a policy says of a URI that it grants; where it says nothing the relay's configuration decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    pub(crate) life: Option<Duration>,
    pub(crate) named_as: Option<ListenerId>,
}

impl Terms {
    /// None but those of the configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// The URI lives no longer than this (and no shorter than the relay's minimum).
    pub fn at_most(mut self, life: Duration) -> Self {
        self.life = Some(life);
        self
    }

    /// The URI has the name of this listener, whichever the client came in by: that of the network where its peers are.
    pub fn named_as(mut self, listener: ListenerId) -> Self {
        self.named_as = Some(listener);
        self
    }
}

/// A request that is about to be passed on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ForwardQuery<'a> {
    /// Its method.
    pub method: Method<'a>,
    /// Its Content-Type, if it has a body.
    pub content_type: Option<&'a str>,
    /// The length of the whole message in octets, where its Byte-Range says so.
    pub total: Option<u64>,
    /// The user to whom the URI belongs over which it goes.
    pub user: &'a str,
    /// Whether it comes from that user (else it goes to that user).
    pub from_client: bool,
}

/// Whether a request is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Yes.
    Allow,
    /// No: it is answered with this code, as far as Failure-Report lets.
    Reject(StatusCode),
}

/// The other decisions of an operator (RFC 4976 §6.3: "local policy"). The defaults allow everything.
pub trait RelayPolicy {
    /// Whether a new connection is taken at all. If the answer takes its time
    /// ([`Lookup::Pending`]) the connection is taken, nothing is read from it meanwhile, and it is closed when the answer
    /// is no or does not come.
    fn admit(&mut self, peer: &PeerInfo) -> Lookup<Admission> {
        let _unused = peer;
        Lookup::Ready(Admission::Accept)
    }

    /// Who the client at the other end is, where its connection tells: by a cookie or HTTP credentials in the handshake of a
    /// WebSocket, or by a client certificate ([`PeerInfo::handshake`], [`PeerInfo::security`]). Its AUTH then needs no
    /// credentials: it gets 200 and a Use-Path without a challenge (RFC 7977 §5.3.1), as far as
    /// [`authorize`](Self::authorize) lets. None: the client is challenged. Asked for each AUTH without credentials.
    ///
    /// What is compared here are secrets; a comparison in constant time keeps them from being guessed bit by bit.
    ///
    /// ```
    /// # use msrp_core::node::PeerInfo;
    /// # use msrp_relay::policy::RelayPolicy;
    /// /// The web server at the same host sets a cookie, and tells which of them are valid.
    /// struct Cookies(Box<dyn Fn(&str) -> Option<String> + Send>);
    ///
    /// impl RelayPolicy for Cookies {
    ///     fn identify(&mut self, peer: &PeerInfo) -> Option<String> {
    ///         self.0(peer.handshake.as_ref()?.cookie("session")?)
    ///     }
    /// }
    /// ```
    fn identify(&mut self, peer: &PeerInfo) -> Option<String> {
        let _unused = peer;
        None
    }

    /// Whether a client that has proven who it is may use this relay (RFC 4976 §6.3: 403 if not).
    fn authorize(&mut self, request: &AuthRequest<'_>) -> Lookup<Grant> {
        let _unused = request;
        Lookup::Ready(Grant::Allow)
    }

    /// Whether the relay may connect to this target because the SDP of an anchored session names it. A relay that can
    /// reach hosts which the authors of SDP should not reach refuses those here.
    fn connect(&mut self, target: &Target) -> Verdict {
        let _unused = target;
        Verdict::Allow
    }

    /// How much this user may take of the relay, where [`user_limits`](crate::RelayConfig::user_limits) are set, which are
    /// `usual`. Asked when a user comes who was not here of late.
    fn user_limits(&mut self, user: &str, usual: UserLimits) -> UserLimits {
        let _unused = user;
        usual
    }

    /// Whether [`forward`](Self::forward) is to be asked for every request; without it nothing is spent on the question.
    fn inspects_requests(&self) -> bool {
        false
    }

    /// Whether a request goes on, for example by its media type (RFC 4976 §9.4: 415 for what is not signed). It is asked in
    /// the middle of the way, and has to know at once.
    fn forward(&mut self, query: &ForwardQuery<'_>) -> Verdict {
        let _unused = query;
        Verdict::Allow
    }
}

/// The [`RelayPolicy`] that allows everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllowAll;

impl RelayPolicy for AllowAll {}
