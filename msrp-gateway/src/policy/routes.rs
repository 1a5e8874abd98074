//! Routes by pattern: `PATTERN=SIPURI`.

use std::str::FromStr;

use msrp_ua::sip::SipReply;
use wildmatch::WildMatch;

use super::{Lookup, Route, RoutePolicy, RouteQuery, Routing};
use crate::identity::{AorError, UriParts};

/// A table of patterns on `user@host` of the Request-URI; the first that matches wins, and what matches none gets 404.
///
/// A pattern is a glob: `*` stands for any characters, `?` for one. The host is in lower case, the user as it came.
///
/// ```
/// # use msrp_gateway::policy::Routes;
/// let routes = Routes::new()
///     .with_rule("*@chat.example.com=sip:10.0.0.7:5070;transport=tcp")?
///     .with_rule("+49*@*=sip:gateway.example.net")?;
/// # Ok::<(), msrp_gateway::policy::PatternError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Routes {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: WildMatch,
    route: Route,
}

/// A rule that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// There is no `=`.
    #[error("{0:?} is no PATTERN=SIPURI")]
    NoEquals(String),
    /// Nothing stands before the `=`.
    #[error("{0:?} has no pattern")]
    NoPattern(String),
    /// What stands behind the `=` is no URI.
    #[error("{uri:?}: {error}")]
    Uri {
        /// What stands there.
        uri: String,
        /// What is wrong with it.
        error: AorError,
    },
    /// Its scheme is neither sip nor sips.
    #[error("{0:?}: the way of a route is a sip or sips URI")]
    Scheme(String),
}

impl Routes {
    /// None: everything gets 404.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule, `PATTERN=SIPURI`.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn with_rule(mut self, rule: &str) -> Result<Self, PatternError> {
        self.rules.push(rule.parse()?);
        Ok(self)
    }

    /// Adds a rule.
    pub fn with_route(mut self, pattern: &str, route: Route) -> Self {
        self.rules.push(Rule {
            pattern: WildMatch::new(pattern),
            route,
        });
        self
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl FromStr for Rule {
    type Err = PatternError;

    fn from_str(rule: &str) -> Result<Self, PatternError> {
        let (pattern, uri) = rule
            .split_once('=')
            .ok_or_else(|| PatternError::NoEquals(rule.to_owned()))?;
        let (pattern, uri) = (pattern.trim(), uri.trim());
        if pattern.is_empty() {
            return Err(PatternError::NoPattern(rule.to_owned()));
        }
        let parts = UriParts::parse(uri).map_err(|error| PatternError::Uri {
            uri: uri.to_owned(),
            error,
        })?;
        // A Route never holds an im URI (RFC 3428 §5).
        if !["sip", "sips"].contains(&&*parts.scheme) {
            return Err(PatternError::Scheme(uri.to_owned()));
        }
        Ok(Self {
            pattern: WildMatch::new(pattern),
            route: Route::by(uri),
        })
    }
}

impl RoutePolicy for Routes {
    fn route(&mut self, query: &RouteQuery) -> Lookup<Routing> {
        let address = query.target.address();
        let rule = self.rules.iter().find(|rule| rule.pattern.matches(address));
        Lookup::Ready(match rule {
            Some(rule) => Routing::Carry(rule.route.clone()),
            None => Routing::Refuse(SipReply::new(404)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Direction, *};
    use crate::identity::Aor;

    fn ask(routes: &mut Routes, uri: &str) -> Option<Route> {
        let query = RouteQuery {
            direction: Direction::ToSession,
            request_uri: uri.to_owned(),
            target: Aor::parse(uri).unwrap(),
            sender: Aor::parse("sip:a@ex.com").unwrap(),
        };
        match routes.route(&query) {
            Lookup::Ready(Routing::Carry(route)) => Some(route),
            Lookup::Ready(Routing::Refuse(reply)) => {
                assert_eq!(reply.code, 404);
                None
            }
            Lookup::Pending => unreachable!(),
        }
    }

    #[test]
    fn the_first_pattern_that_matches_wins() {
        let mut routes = Routes::new()
            .with_rule("bob@ex.com=sip:10.0.0.1")
            .unwrap()
            .with_rule("b?b@*.com = sip:10.0.0.2;transport=tcp")
            .unwrap();
        assert_eq!(
            ask(&mut routes, "sip:bob@EX.com:5060"),
            Some(Route::by("sip:10.0.0.1"))
        );
        let second = ask(&mut routes, "sip:bub@else.com").unwrap();
        assert_eq!(second.via.as_deref(), Some("sip:10.0.0.2;transport=tcp"));
        assert!(second.congestion_safe);
        assert_eq!(ask(&mut routes, "sip:carol@ex.com"), None);
    }

    // shows: 3428-5-03
    #[test]
    fn a_rule_that_is_none_says_why() {
        for (rule, error) in [
            ("bob@ex.com", "\"bob@ex.com\" is no PATTERN=SIPURI"),
            ("=sip:x", "\"=sip:x\" has no pattern"),
            ("*=im:x@y", "\"im:x@y\": the way of a route is a sip or sips URI"),
            ("*=x", "\"x\": not a sip, sips, tel or im URI"),
        ] {
            assert_eq!(Routes::new().with_rule(rule).unwrap_err().to_string(), error);
        }
    }
}
