//! Policies that take their time: asked by asynchronous functions, outside of the gateway.

use std::sync::Arc;

use async_trait::async_trait;
use msrp_ua::sip::SipReply;

use super::{GatewayAnswer, GatewayQuery, Lookup, RoutePolicy, RouteQuery, Routing};

/// A [`RoutePolicy`] that takes its time, such as one that asks a database.
#[async_trait]
pub trait AsyncRoutePolicy: Send + Sync {
    /// As [`RoutePolicy::route`].
    async fn route(&self, query: &RouteQuery) -> Routing;
}

/// A [`RoutePolicy`] that never knows the answer itself: every question becomes an
/// [`Action::Lookup`](msrp_core::node::Action::Lookup), to be answered from an [`AsyncRoutePolicy`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeferredRoutes;

impl RoutePolicy for DeferredRoutes {
    fn route(&mut self, _query: &RouteQuery) -> Lookup<Routing> {
        Lookup::Pending
    }
}

/// Asynchronous policies, with an answer to every [`GatewayQuery`]. Cloning it is cheap.
///
/// ```
/// # use msrp_gateway::policy::{AsyncPolicies, AsyncRoutePolicy, Route, RouteQuery, Routing};
/// struct Database;
///
/// #[async_trait::async_trait]
/// impl AsyncRoutePolicy for Database {
///     async fn route(&self, query: &RouteQuery) -> Routing {
///         // SELECT way FROM subscribers WHERE address = ?
/// #       let _ = query;
///         Routing::Carry(Route::by("sip:proxy.example.com;transport=tcp"))
///     }
/// }
///
/// let policies = AsyncPolicies::new().routes(Database);
/// // With DeferredRoutes in the gateway's policies:
/// // driver.set_lookup(move |query| { let policies = policies.clone(); async move { policies.answer(query).await } });
/// # let _ = policies;
/// ```
#[derive(Clone, Default)]
pub struct AsyncPolicies {
    routes: Option<Arc<dyn AsyncRoutePolicy>>,
}

impl AsyncPolicies {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is carried, for whom, and where to.
    pub fn routes(mut self, policy: impl AsyncRoutePolicy + 'static) -> Self {
        self.routes = Some(Arc::new(policy));
        self
    }

    /// The answer to a question of the gateway's. To what there is no policy for the answer is no.
    pub async fn answer(&self, query: GatewayQuery) -> GatewayAnswer {
        match query {
            GatewayQuery::Route(query) => GatewayAnswer::Routing(match &self.routes {
                Some(routes) => routes.route(&query).await,
                None => Routing::Refuse(SipReply::new(404)),
            }),
        }
    }
}

impl std::fmt::Debug for AsyncPolicies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsyncPolicies")
            .field("routes", &self.routes.is_some())
            .finish()
    }
}
