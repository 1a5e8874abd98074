//! AUTH: who the client is, and the URI that it gets for it (RFC 4976 §5.1, §6.3, §9.1).
//!
//! ```text
//!   AUTH ──▶ TLS? ──▶ by a relay? ──▶ credentials? ──▶ AuthStore ──▶ digest, nonce ──▶ RelayPolicy ──▶ Expires ──▶ 200
//!             403     known? 403      │   401         (may be Pending)  401, stale   ▲ 403 (Pending)     423
//!                                     └─ none, but RelayPolicy::identify ────────────┘
//! ```

pub(crate) mod lockout;
pub(crate) mod nonce;
pub(crate) mod remote;
mod reply;
pub(crate) mod store;
mod way;

use std::{borrow::Cow, sync::Arc, time::Duration};

use msrp_core::{
    codec::HeaderName,
    digest::{self, Algorithm, Digest, Ha1},
    grammar::{AuthenticationInfo, Credentials, Expires, StatusCode, UriRef},
    node::ConnectionHandle,
};

use crate::{
    auth::nonce::Freshness,
    bindings::{Holder, Owner},
    event::{AuthFailure, RelayEvent},
    forward::Reason,
    lookups::{PendingLookup, RelayAnswer, RelayQuery},
    policy::{AuthQuery, AuthRequest, Grant, Lookup},
    relay::Relay,
};

/// A client of which it is known who it is, while the policy makes up its mind.
#[derive(Debug)]
pub(crate) struct Verified {
    user: Arc<str>,
    /// None where its connection told who it is.
    proof: Option<Proof>,
}

/// A client's proof that was found right, and what shows that we know the password too.
#[derive(Debug)]
struct Proof {
    cnonce: String,
    nc: u32,
    rspauth: Digest,
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// Longest user name that is taken, in octets.
const MAX_USER: usize = 256;

impl Relay {
    /// An AUTH for this relay is complete.
    pub(crate) fn on_auth(&mut self, from: ConnectionHandle, key: u32) {
        let max_uris = self.max_uris();
        let Some(incoming) = self.incoming.get(key as usize) else {
            return;
        };
        let Some((connection, _)) = self.table.get(from) else {
            return;
        };
        let for_us = incoming
            .head
            .to_path(max_uris)
            .and_then(|path| {
                path.first()
                    .map_err(|_| msrp_core::codec::ProtocolError::PathOrder)
            })
            .is_ok_and(|uri| self.names_this_relay(&uri));
        if !for_us {
            return self.refuse(from, StatusCode::NO_SUCH_SESSION, Reason::NotOurs);
        }
        if !connection.peer().is_tls() && !self.config.allow_plain_auth {
            self.stats.auth_forbidden += 1;
            return self.end_auth(from, StatusCode::FORBIDDEN, "AUTH Needs TLS", &[], false);
        }
        if !self.comes_by_a_known_way(from, key) {
            self.stats.auth_forbidden += 1;
            self.tell_auth_failed(from, String::new(), AuthFailure::UnknownRelay);
            return self.end_auth(from, StatusCode::FORBIDDEN, "Unknown Relay", &[], false);
        }
        let (Some(incoming), Some((connection, _))) = (self.incoming.get(key as usize), self.table.get(from))
        else {
            return;
        };
        let Some(value) = incoming.head.header(HeaderName::Authorization) else {
            // RFC 7977 §5.3.1: who is known by its connection gets its URI at once. What is known of a relay's says nothing
            // of the clients behind it.
            let known = match incoming.behind {
                None => self.config.policy.identify(connection.peer()),
                Some(_) => None,
            };
            if let Some(user) = known.filter(|user| (1..=MAX_USER).contains(&user.len())) {
                return self.ask_for_grant(from, key, user, None);
            }
            self.stats.auth_challenges += 1;
            return self.challenge(from, false);
        };
        let user = match Credentials::parse(value) {
            Ok(credentials) if self.are_usable(&credentials) => credentials.username.into_owned(),
            _ => return self.fail_auth(from, String::new(), AuthFailure::Malformed),
        };
        if self.is_locked_out(&self.suspects(from, &user)) {
            self.stats.auth_locked_out += 1;
            self.tell_auth_failed(from, user, AuthFailure::LockedOut);
            self.count_auth_failure(from);
            return self.end_auth(from, StatusCode::FORBIDDEN, "Too Many Failures", &[], false);
        }
        let Some(algorithm) = self.algorithm_of(key) else {
            return;
        };
        let query = AuthQuery {
            realm: self.config.digest_realm(),
            user: &user,
            algorithm,
        };
        let realm = query.realm.to_owned();
        match self.config.auth_store.credentials(&AuthQuery {
            realm: &realm,
            user: &user,
            algorithm,
        }) {
            Lookup::Ready(ha1) => self.check_proof(from, key, ha1),
            Lookup::Pending => {
                let query = RelayQuery::Credentials {
                    realm,
                    user,
                    algorithm,
                };
                let wait = self.look_up(from, PendingLookup::Credentials, query);
                self.set_wait(from, wait);
            }
        }
    }

    /// An answer to a lookup has come for the AUTH at hand, or the time for it is over.
    pub(crate) fn answer_auth(&mut self, from: ConnectionHandle, key: u32, answer: Option<RelayAnswer>) {
        match answer {
            Some(RelayAnswer::Credentials(ha1)) => self.check_proof(from, key, ha1),
            Some(RelayAnswer::Grant(grant)) => self.grant(from, key, grant),
            _ => self.end_auth(
                from,
                StatusCode::REQUEST_TIMEOUT,
                StatusCode::REQUEST_TIMEOUT.phrase(),
                &[],
                false,
            ),
        }
    }

    /// Digest by `auth` with an algorithm that we offer, for our realm.
    fn are_usable(&self, credentials: &Credentials<'_>) -> bool {
        let algorithm = match credentials.digest_algorithm() {
            Some(Algorithm::Md5) => true,
            Some(Algorithm::Sha256) => self.config.offer_sha256,
            None => false,
        };
        algorithm
            && credentials.realm == self.config.digest_realm()
            && credentials.qop.eq_ignore_ascii_case("auth")
            && !credentials.username.is_empty()
            && credentials.username.len() <= MAX_USER
    }

    fn algorithm_of(&self, key: u32) -> Option<Algorithm> {
        let incoming = self.incoming.get(key as usize)?;
        let value = incoming.head.header(HeaderName::Authorization)?;
        Credentials::parse(value).ok()?.digest_algorithm()
    }

    /// Whether a URI without session-id is this relay's, by any of its names. The scheme and port are not looked at:
    /// behind NAT or a TLS terminator they are others than ours.
    pub(crate) fn names_this_relay(&self, uri: &UriRef<'_>) -> bool {
        let host = uri.normalized_host();
        let same = |name: &str| bare(name).eq_ignore_ascii_case(bare(&host));
        same(&self.config.host)
            || self.config.aliases.iter().any(|alias| same(alias))
            || self
                .config
                .listeners
                .iter()
                .any(|listener| listener.host.as_deref().is_some_and(same))
    }

    /// Compares the proof with what the user's secret gives. A user that does not exist costs as much as a wrong
    /// password.
    fn check_proof(&mut self, from: ConnectionHandle, key: u32, ha1: Option<Ha1>) {
        let max_uris = self.max_uris();
        let now = self.now;
        let Some(incoming) = self.incoming.get(key as usize) else {
            return;
        };
        let Some(value) = incoming.head.header(HeaderName::Authorization) else {
            return;
        };
        let (Ok(credentials), Ok(to_path)) = (Credentials::parse(value), incoming.head.to_path(max_uris))
        else {
            return;
        };
        let Some(algorithm) = credentials.digest_algorithm() else {
            return;
        };
        let known = ha1.is_some();
        let ha1 = ha1
            .filter(|ha1| ha1.algorithm() == algorithm)
            .unwrap_or_else(|| self.dummy_ha1(algorithm));
        // RFC 4976 §9.1: the digest-uri is the rightmost URI of To-Path as written; some peers write another form of the
        // same URI into `uri` and compute over that.
        let written = to_path.last_raw();
        let other = credentials.uri.as_deref().filter(|uri| {
            uri.as_bytes() != written
                && match (UriRef::parse(uri.as_bytes()), UriRef::parse(written)) {
                    (Ok(a), Ok(b)) => a.same_as(&b),
                    _ => false,
                }
        });
        let proof = |uri: &[u8]| {
            digest::response(
                algorithm,
                &ha1,
                &credentials.nonce,
                credentials.nc,
                &credentials.cnonce,
                &credentials.qop,
                "AUTH",
                uri,
            )
        };
        let mut digest_uri = written;
        let mut right = proof(written) == credentials.response;
        if let Some(other) = other {
            let same = proof(other.as_bytes()) == credentials.response;
            if same {
                digest_uri = other.as_bytes();
            }
            right |= same;
        }
        let user = credentials.username.clone().into_owned();
        if !(known & right) {
            let suspects = self.suspects(from, &user);
            self.common.lockout().failed(now, &suspects, self.config.lockout);
            return self.fail_auth(from, user, AuthFailure::Credentials);
        }
        let life = self.config.nonce_life;
        let behind = incoming.behind;
        let Some((_, data)) = self.table.get_mut(from) else {
            return;
        };
        let (nonce, count) = (&*credentials.nonce, credentials.nc);
        let freshness = match behind.and_then(|relay| self.peers.nonces(relay)) {
            Some(book) => book.take(now, nonce, count, life),
            None => data.nonces.take(now, nonce, count, life),
        };
        if freshness == Freshness::Stale {
            self.stats.auth_stale += 1;
            return self.challenge(from, true);
        }
        let proof = Proof {
            cnonce: credentials.cnonce.clone().into_owned(),
            nc: credentials.nc,
            rspauth: digest::rspauth(
                algorithm,
                &ha1,
                &credentials.nonce,
                credentials.nc,
                &credentials.cnonce,
                &credentials.qop,
                digest_uri,
            ),
        };
        self.ask_for_grant(from, key, user, Some(proof));
    }

    /// It is known who the client is: the policy is asked what it gets.
    fn ask_for_grant(&mut self, from: ConnectionHandle, key: u32, user: String, proof: Option<Proof>) {
        let Some(incoming) = self.incoming.get(key as usize) else {
            return;
        };
        let Some((connection, _)) = self.table.get(from) else {
            return;
        };
        let expires = match incoming.head.header(HeaderName::Expires).map(Expires::parse) {
            Some(Err(_)) => return self.refuse(from, StatusCode::BAD_REQUEST, Reason::Malformed),
            Some(Ok(expires)) => Some(expires.as_duration()),
            None => None,
        };
        let request = AuthRequest {
            user: &user,
            expires,
            peer: connection.peer(),
            relay: incoming.behind.and_then(|relay| self.peers.name(relay)),
        };
        let granted = self.config.policy.authorize(&request);
        // Copied only where the answer comes later.
        let asked =
            (granted == Lookup::Pending).then(|| (request.peer.clone(), request.relay.map(str::to_owned)));
        let verified = Verified {
            user: user.as_str().into(),
            proof,
        };
        if let Some(incoming) = self.incoming.get_mut(key as usize) {
            incoming.verified = Some(Box::new(verified));
        }
        if let Some((peer, relay)) = asked {
            let query = RelayQuery::Authorize {
                user,
                expires,
                peer,
                relay,
            };
            let wait = self.look_up(from, PendingLookup::Grant, query);
            self.set_wait(from, wait);
        } else if let Lookup::Ready(grant) = granted {
            self.grant(from, key, grant);
        }
    }

    /// The client is who it says; the policy has spoken.
    fn grant(&mut self, from: ConnectionHandle, key: u32, grant: Grant) {
        let now = self.now;
        let Some(incoming) = self.incoming.get_mut(key as usize) else {
            return;
        };
        let Some(verified) = incoming.verified.take() else {
            return;
        };
        let asked = match incoming.head.header(HeaderName::Expires).map(Expires::parse) {
            Some(Ok(expires)) => Some(expires.as_secs()),
            _ => None,
        };
        let Some((_, data)) = self.table.get_mut(from) else {
            return;
        };
        let mut listener = data.listener;
        let (min, mut max) = (self.config.min_expires, self.config.max_expires);
        match grant {
            Grant::Allow => {}
            Grant::AllowOn(terms) => {
                if let Some(most) = terms.life {
                    max = max
                        .min(u32::try_from(most.as_secs()).unwrap_or(u32::MAX))
                        .max(min);
                }
                if let Some(id) = terms.named_as {
                    match self.config.listeners.iter().position(|other| other.id == id) {
                        Some(place) => listener = place as u16,
                        None => tracing::warn!(listener = id.0, "policy names a listener that is not there"),
                    }
                }
            }
            Grant::Deny => {
                self.stats.auth_forbidden += 1;
                let user = verified.user.to_string();
                self.tell_auth_failed(from, user, AuthFailure::Denied);
                let code = StatusCode::FORBIDDEN;
                return self.end_auth(from, code, code.phrase(), &[], false);
            }
        }
        let out_of_bounds = match asked {
            Some(asked) if asked < min => Some(("Min-Expires", min)),
            Some(asked) if asked > max => Some(("Max-Expires", max)),
            _ => None,
        };
        if let Some((name, bound)) = out_of_bounds {
            self.stats.auth_out_of_bounds += 1;
            let bound = bound.to_string();
            let code = StatusCode::INTERVAL_OUT_OF_BOUNDS;
            return self.end_auth(from, code, code.phrase(), &[(name, bound.as_bytes())], false);
        }
        let behind = incoming.behind;
        let full = match behind {
            None => data.bindings.len() >= self.config.max_bindings_per_connection,
            Some(relay) => self.peers.bindings_of(relay) >= self.config.max_bindings_per_peer,
        };
        if full || self.bindings.len() >= self.config.max_bindings {
            self.stats.auth_forbidden += 1;
            return self.end_auth(from, StatusCode::FORBIDDEN, "Too Many Sessions", &[], false);
        }
        // RFC 4976 §5.1: the way is what From-Path says, from the client on, and then we.
        let mut use_path = Vec::new();
        if let Ok(from_path) = incoming.head.from_path(self.connection_config.limits().max_uris) {
            for uri in from_path.iter_raw().rev().skip(1) {
                use_path.extend_from_slice(uri);
                use_path.push(b' ');
            }
        }
        let account = match self.config.user_limits {
            None => None,
            Some(usual) => {
                let policy = &mut self.config.policy;
                let limits = || policy.user_limits(&verified.user, usual);
                let entered = self.common.users().enter(now, &verified.user, limits);
                match entered {
                    Some(account) => Some(account),
                    None => {
                        self.stats.auth_too_many_sessions += 1;
                        let user = verified.user.to_string();
                        self.tell_auth_failed(from, user, AuthFailure::TooManySessions);
                        return self.end_auth(from, StatusCode::FORBIDDEN, "Too Many Sessions", &[], false);
                    }
                }
            }
        };
        let seconds = asked.unwrap_or(self.config.expires.min(max));
        let life = Duration::from_secs(u64::from(seconds));
        let user = verified.user.to_string();
        let nextnonce = match verified.proof {
            Some(_) => self.give_nonce(from, behind),
            None => None,
        };
        let holder = Holder {
            owner: behind.map_or(Owner::Client(from), Owner::Relay),
            user: verified.user,
            account,
        };
        let binding = self.bindings.mint(&mut self.ids, listener, holder, now, seconds);
        match behind {
            None => {
                if let Some((_, data)) = self.table.get_mut(from) {
                    data.bindings.push(binding);
                }
            }
            Some(relay) => self.peers.add_binding(relay, binding, now + life),
        }
        use_path.extend_from_slice(&self.bindings.uri(binding));
        let info = verified.proof.and_then(|proof| {
            let info = AuthenticationInfo {
                nextnonce: nextnonce.map(Cow::Owned),
                qop: Some(Cow::Borrowed("auth")),
                rspauth: Some(proof.rspauth),
                cnonce: Some(Cow::Owned(proof.cnonce)),
                nc: Some(proof.nc),
            };
            // The client's nonce came in a quoted string, so it can be written as one.
            info.to_bytes().ok()
        });
        let seconds = seconds.to_string();
        let relay = behind.and_then(|relay| self.peers.name(relay)).map(str::to_owned);
        let suspects = self.suspects(from, &user);
        self.common.lockout().succeeded(&suspects);
        self.stats.auth_granted += 1;
        if let Some((_, data)) = self.table.get_mut(from) {
            data.auth_failures = 0;
        }
        let mut headers = vec![("Use-Path", &use_path[..])];
        headers.extend(info.as_deref().map(|info| ("Authentication-Info", info)));
        headers.push(("Expires", seconds.as_bytes()));
        self.end_auth(from, StatusCode::OK, "OK", &headers, true);
        self.push_event(RelayEvent::Authenticated {
            connection: from,
            peer: self.remote_of(from),
            session: binding.into(),
            user,
            relay,
            expires: life,
        });
    }

    fn dummy_ha1(&self, algorithm: Algorithm) -> Ha1 {
        match algorithm {
            Algorithm::Md5 => self.dummy[0].clone(),
            Algorithm::Sha256 => self.dummy[1].clone(),
        }
    }
}
