//! Policies that take their time: asked by asynchronous functions, outside of the relay.
//!
//! ```text
//!   relay ── Deferred… says Pending ──▶ Action::Lookup(RelayQuery) ──▶ driver ──▶ AsyncPolicies::answer ──▶ your policy
//!     ▲                                                                                                         │
//!     └───────────────────────── handle_answer(RelayAnswer) ◀───────────────────────────────────────────────────┘
//! ```

use std::sync::Arc;

use async_trait::async_trait;
use msrp_core::{
    digest::{Algorithm, Ha1},
    grammar::StatusCode,
    lookup::Lookup,
    node::{PeerInfo, Target},
};

use super::{
    Admission, AllowAll, AuthQuery, AuthRequest, AuthStore, ForwardQuery, Grant, NextHop, OpenRoutes,
    RelayPolicy, RoutePolicy, RouteQuery, Verdict,
};
use crate::{
    config::RelayConfig,
    lookups::{RelayAnswer, RelayQuery},
};

/// Users in a store that takes its time, such as a database.
#[async_trait]
pub trait AsyncAuthStore: Send + Sync {
    /// The H(A1) of a user, as [`AuthStore::credentials`] gives it.
    async fn credentials(&self, realm: &str, user: &str, algorithm: Algorithm) -> Option<Ha1>;
}

/// The decisions of a [`RelayPolicy`] that can take their time. Its other questions are asked for every request, or in
/// the middle of one, and have to be answered at once.
#[async_trait]
pub trait AsyncRelayPolicy: Send + Sync {
    /// As [`RelayPolicy::admit`].
    async fn admit(&self, peer: &PeerInfo) -> Admission {
        let _unused = peer;
        Admission::Accept
    }

    /// As [`RelayPolicy::authorize`].
    async fn authorize(&self, request: &AuthRequest<'_>) -> Grant {
        let _unused = request;
        Grant::Allow
    }
}

/// Which way requests of our clients leave, as [`RoutePolicy`] tells it.
#[async_trait]
pub trait AsyncRoutePolicy: Send + Sync {
    /// As [`RoutePolicy::next_hop`].
    async fn next_hop(&self, query: &RouteQuery<'_>) -> NextHop;
}

#[async_trait]
impl AsyncRelayPolicy for AllowAll {}

#[async_trait]
impl AsyncRoutePolicy for OpenRoutes {
    async fn next_hop(&self, _query: &RouteQuery<'_>) -> NextHop {
        NextHop::Direct
    }
}

/// An [`AuthStore`] that never knows the answer itself: every question becomes an
/// [`Action::Lookup`](msrp_core::node::Action::Lookup), to be answered from an [`AsyncAuthStore`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeferredAuthStore;

impl AuthStore for DeferredAuthStore {
    fn credentials(&mut self, _query: &AuthQuery<'_>) -> Lookup<Option<Ha1>> {
        Lookup::Pending
    }
}

/// A [`RoutePolicy`] that never knows the answer itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeferredRoutes;

impl RoutePolicy for DeferredRoutes {
    fn next_hop(&mut self, _query: &RouteQuery<'_>) -> Lookup<NextHop> {
        Lookup::Pending
    }
}

/// A [`RelayPolicy`] that leaves to an [`AsyncRelayPolicy`] who gets a URI, and if wanted who may connect. What cannot
/// wait is another policy's affair.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeferredPolicy<P = AllowAll> {
    at_once: P,
    admission: bool,
}

impl<P: RelayPolicy> DeferredPolicy<P> {
    /// Who gets a URI is asked for; what cannot wait, `at_once` answers.
    pub fn new(at_once: P) -> Self {
        Self {
            at_once,
            admission: false,
        }
    }

    /// Asks for every connection as well, unless `at_once` refuses it: one question each. Default off.
    pub fn with_admission(mut self) -> Self {
        self.admission = true;
        self
    }
}

impl<P: RelayPolicy> RelayPolicy for DeferredPolicy<P> {
    fn admit(&mut self, peer: &PeerInfo) -> Lookup<Admission> {
        match self.at_once.admit(peer) {
            Lookup::Ready(Admission::Accept) if self.admission => Lookup::Pending,
            admission => admission,
        }
    }

    fn identify(&mut self, peer: &PeerInfo) -> Option<String> {
        self.at_once.identify(peer)
    }

    fn authorize(&mut self, _request: &AuthRequest<'_>) -> Lookup<Grant> {
        Lookup::Pending
    }

    fn connect(&mut self, target: &Target) -> Verdict {
        self.at_once.connect(target)
    }

    fn inspects_requests(&self) -> bool {
        self.at_once.inspects_requests()
    }

    fn forward(&mut self, query: &ForwardQuery<'_>) -> Verdict {
        self.at_once.forward(query)
    }
}

/// Asynchronous policies together, with an answer to every [`RelayQuery`]. Cloning it is cheap.
///
/// ```
/// # use msrp_core::{digest::{Algorithm, Ha1}, grammar::Scheme, node::ListenerId};
/// # use msrp_relay::{RelayConfig, policy::{AsyncAuthStore, AsyncPolicies}};
/// struct Database;
///
/// #[async_trait::async_trait]
/// impl AsyncAuthStore for Database {
///     async fn credentials(&self, realm: &str, user: &str, algorithm: Algorithm) -> Option<Ha1> {
///         // SELECT ha1 FROM users WHERE realm = ? AND name = ?
/// #       let _ = (realm, user, algorithm);
///         None
///     }
/// }
///
/// let policies = AsyncPolicies::new().auth_store(Database);
/// let config = policies.configure(RelayConfig::new("relay.example.com"));
/// // driver.set_lookup(move |query| { let policies = policies.clone(); async move { policies.answer(query).await } });
/// # let _ = config;
/// ```
#[derive(Clone, Default)]
pub struct AsyncPolicies {
    auth: Option<Arc<dyn AsyncAuthStore>>,
    policy: Option<Arc<dyn AsyncRelayPolicy>>,
    routes: Option<Arc<dyn AsyncRoutePolicy>>,
    admission: bool,
}

impl AsyncPolicies {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The users.
    pub fn auth_store(mut self, store: impl AsyncAuthStore + 'static) -> Self {
        self.auth = Some(Arc::new(store));
        self
    }

    /// Who gets a URI.
    pub fn policy(mut self, policy: impl AsyncRelayPolicy + 'static) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// Who gets a URI, and who may connect at all.
    pub fn policy_with_admission(mut self, policy: impl AsyncRelayPolicy + 'static) -> Self {
        self.admission = true;
        self.policy(policy)
    }

    /// Where clients may send to, and by which interface.
    pub fn route_policy(mut self, policy: impl AsyncRoutePolicy + 'static) -> Self {
        self.routes = Some(Arc::new(policy));
        self
    }

    /// Has the relay ask for what these policies answer. What they do not answer stays as it is.
    pub fn configure(&self, mut config: RelayConfig) -> RelayConfig {
        if self.auth.is_some() {
            config = config.auth_store(DeferredAuthStore);
        }
        if self.policy.is_some() {
            let policy = DeferredPolicy::new(AllowAll);
            config = config.policy(if self.admission {
                policy.with_admission()
            } else {
                policy
            });
        }
        if self.routes.is_some() {
            config = config.route_policy(DeferredRoutes);
        }
        config
    }

    /// The answer to a question of the relay's. To what there is no policy for the answer is no.
    pub async fn answer(&self, query: RelayQuery) -> RelayAnswer {
        match query {
            RelayQuery::Credentials {
                realm,
                user,
                algorithm,
            } => RelayAnswer::Credentials(match &self.auth {
                Some(auth) => auth.credentials(&realm, &user, algorithm).await,
                None => None,
            }),
            RelayQuery::Admit { peer } => RelayAnswer::Admission(match &self.policy {
                Some(policy) => policy.admit(&peer).await,
                None => Admission::Refuse,
            }),
            RelayQuery::Authorize {
                user,
                expires,
                peer,
                relay,
            } => {
                let request = AuthRequest {
                    user: &user,
                    expires,
                    peer: &peer,
                    relay: relay.as_deref(),
                };
                RelayAnswer::Grant(match &self.policy {
                    Some(policy) => policy.authorize(&request).await,
                    None => Grant::Deny,
                })
            }
            RelayQuery::NextHop { next, user, from } => {
                let query = RouteQuery {
                    next: next.as_ref(),
                    user: &user,
                    from: &from,
                };
                RelayAnswer::NextHop(match &self.routes {
                    Some(routes) => routes.next_hop(&query).await,
                    None => NextHop::Refuse(StatusCode::FORBIDDEN),
                })
            }
        }
    }
}

impl std::fmt::Debug for AsyncPolicies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsyncPolicies")
            .field("auth_store", &self.auth.is_some())
            .field("policy", &self.policy.is_some())
            .field("admission", &self.admission)
            .field("route_policy", &self.routes.is_some())
            .finish()
    }
}
