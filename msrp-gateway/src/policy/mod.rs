//! What an operator decides: who somebody is, what may be carried and where to, and what is done with content.
//!
//! | trait | decides | provided |
//! |---|---|---|
//! | [`SenderPolicy`] | who sends, and which sessions belong together | [`Asserted`], [`TrustFrom`] |
//! | [`RoutePolicy`] | what is carried, for whom, and by which way | [`Routes`], [`DeferredRoutes`] |
//! | [`ContentPolicy`] | what is wrapped, unwrapped, converted | [`StandardContent`] |
//! | [`SplitPolicy`] | how a text is cut that is too long for a MESSAGE | [`NeverSplit`], [`SplitText`] |
//!
//! A [`RoutePolicy`] answers at once, or says [`Lookup::Pending`]: then the gateway emits
//! [`Action::Lookup`](msrp_core::node::Action::Lookup) with a [`GatewayQuery`], and goes on when
//! [`handle_answer`](msrp_core::node::Node::handle_answer) brings the [`GatewayAnswer`]. Meanwhile what comes between the
//! same two waits behind it, so that nothing is overtaken. A lookup that is not answered in time
//! ([`lookup_timeout`](crate::GatewayConfig::lookup_timeout)) ends what waits for it with 503.

mod deferred;
mod routes;
mod sender;

pub use msrp_core::lookup::Lookup;

pub use self::{
    deferred::{AsyncPolicies, AsyncRoutePolicy, DeferredRoutes},
    routes::{PatternError, Routes},
    sender::{Asserted, SenderPolicy, TrustFrom},
};
use crate::identity::{Aor, UriParts};
pub use crate::{
    pager::split::{NeverSplit, SplitPolicy, SplitText},
    translate::{
        ContentError, ContentPolicy, CpimUse, ForPage, ForSession, FromPage, FromSession, StandardContent,
    },
};
use msrp_ua::sip::SipReply;

/// Which way something wants to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// A MESSAGE, into a session.
    ToSession,
    /// An INVITE, whose messages leave as MESSAGEs.
    ToPages,
}

/// What wants to be carried. It owns its parts, because the answer may take its time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RouteQuery {
    /// Which way.
    pub direction: Direction,
    /// The Request-URI as it came.
    pub request_uri: String,
    /// Who is asked for: the Request-URI in normal form.
    pub target: Aor,
    /// Who asks, as [`SenderPolicy`] has found.
    pub sender: Aor,
}

/// How something is carried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// Where INVITEs and MESSAGEs to the target go first, as a `Route` would say; none: where the SIP stack sends them.
    pub via: Option<String>,
    /// Every hop to the target controls congestion (TCP or TLS), so that a MESSAGE may have more than 1300 octets
    /// (RFC 3428 §8).
    pub congestion_safe: bool,
}

impl Route {
    /// Where the SIP stack sends it, which is not known to be safe from congestion.
    pub fn new() -> Self {
        Self::default()
    }

    /// By way of this URI. Where it says TCP or TLS that is taken to hold for the hops behind it as well; if it does not,
    /// set [`congestion_safe`](Self::congestion_safe) otherwise.
    pub fn by(uri: impl Into<String>) -> Self {
        let uri = uri.into();
        let congestion_safe = UriParts::parse(&uri).is_ok_and(|parts| parts.is_congestion_safe());
        Self {
            via: Some(uri),
            congestion_safe,
        }
    }
}

/// The answer to a [`RouteQuery`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// It is carried.
    Carry(Route),
    /// It is not; this is the answer.
    Refuse(SipReply),
}

/// What is carried, for whom, and where to. It is asked for every MESSAGE and every INVITE, so it is also the place where
/// an operator says who may write to whom.
pub trait RoutePolicy {
    /// The way, or why not.
    fn route(&mut self, query: &RouteQuery) -> Lookup<Routing>;
}

/// What the gateway asks when a policy said [`Lookup::Pending`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GatewayQuery {
    /// [`RoutePolicy::route`]; wants [`GatewayAnswer::Routing`].
    Route(RouteQuery),
}

/// The answer to a [`GatewayQuery`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GatewayAnswer {
    /// The way, or why not.
    Routing(Routing),
}
