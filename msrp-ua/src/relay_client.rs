//! Getting a path from a relay: AUTH with Digest, renewed before it expires (RFC 4976 §5.1, §9.1).
//!
//! ```text
//!   Connecting ─▶ AUTH ──401──▶ AUTH with credentials ──200──▶ Registered ──Expires near──▶ AUTH …
//!                  └─ other code, no answer, rspauth wrong ─▶ lost
//! ```

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use bytes::Bytes;
use msrp_core::{
    codec::{Head, HeaderName},
    connection::{Outcome, OutgoingRequest},
    digest::{Algorithm, Ha1, response, rspauth},
    grammar::{
        AuthenticationInfo, Challenge, Credentials, Expires, FailureReport, Method, Path, Scheme, StatusCode,
        Uri,
    },
    node::{ConnectionHandle, Trust},
};

use crate::{
    connect::Authority,
    error::CommandError,
    event::{RegistrationLoss, SessionLoss, UserAgentEvent},
    names::{RegistrationId, SessionId},
    timers::UaTimer,
    user_agent::{UserAgent, tag},
};

/// How often an AUTH is repeated with other values before it is given up: for a challenge, a stale nonce, the bounds of
/// a 423, and once in the other form of Authorization.
const MAX_ATTEMPTS: u32 = 5;

/// Whom to ask for a path, and as whom.
#[derive(Clone)]
#[non_exhaustive]
pub struct RelayAccount {
    /// The relay, such as `msrps://relay.example.com:2855;tcp`; without a port it is looked up.
    pub relay: Uri,
    /// The user.
    pub user: String,
    password: String,
    /// How long the path should live. Default: as the relay likes.
    pub expires: Option<Duration>,
    /// What makes the relay's certificate trustworthy. Default by name and issuer.
    pub trust: Trust,
}

impl RelayAccount {
    /// An account at a relay.
    pub fn new(relay: Uri, user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            relay,
            user: user.into(),
            password: password.into(),
            expires: None,
            trust: Trust::Pki,
        }
    }

    /// Asks for a path of this life.
    pub fn with_expires(mut self, expires: Duration) -> Self {
        self.expires = Some(expires);
        self
    }

    /// Sets what makes the relay's certificate trustworthy.
    pub fn with_trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }
}

/// Passwords are nobody's business.
impl std::fmt::Debug for RelayAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayAccount")
            .field("relay", &self.relay)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A challenge that has been received.
struct Nonce {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    named_algorithm: Option<String>,
    count: u32,
}

/// What was sent last, to check the relay's proof.
struct Proof {
    cnonce: String,
    nonce: String,
    count: u32,
    algorithm: Algorithm,
}

/// One registration.
pub(crate) struct Registration {
    account: RelayAccount,
    own: Uri,
    connection: Option<ConnectionHandle>,
    nonce: Option<Nonce>,
    proof: Option<Proof>,
    expires: Option<u32>,
    attempts: u32,
    without_uri: bool,
    pub(crate) use_path: Option<Path>,
    pub(crate) used_by: Option<SessionId>,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// The path for SDP: the relay's Use-Path, reversed, and then our own URI (RFC 4976 §5.1).
pub fn sdp_path(use_path: &Path, own: &Uri) -> Path {
    let mut uris: Vec<Uri> = use_path.uris().iter().rev().cloned().collect();
    uris.push(own.clone());
    // A path made of URIs has at least one.
    Path::from_uris(&uris).unwrap_or_else(|_| use_path.reversed())
}

/// The registrations of a user agent.
#[derive(Debug, Default)]
pub(crate) struct Registrations(pub(crate) BTreeMap<RegistrationId, Registration>);

impl UserAgent {
    /// Asks a relay for a path for one session. [`UserAgentEvent::Registered`] brings it.
    ///
    /// # Errors
    /// [`CommandError::PlainRelay`] for a relay that is not `msrps`, unless the configuration allows it.
    pub fn register(&mut self, account: RelayAccount) -> Result<RegistrationId, CommandError> {
        if account.relay.scheme() != Scheme::Msrps && !self.config.allow_plain_auth {
            return Err(CommandError::PlainRelay);
        }
        let own = self.allocate_uri();
        self.next_key += 1;
        let id = RegistrationId(self.next_key);
        let authority = Authority::of(&account.relay, &account.trust);
        let expires = account
            .expires
            .map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        self.registrations.0.insert(
            id,
            Registration {
                account,
                own,
                connection: None,
                nonce: None,
                proof: None,
                expires,
                attempts: 0,
                without_uri: false,
                use_path: None,
                used_by: None,
            },
        );
        self.connect_registration(id, authority);
        Ok(id)
    }

    /// Gives a path up. The relay forgets it when it expires, or when the connection ends.
    ///
    /// # Errors
    /// [`CommandError::UnknownRegistration`].
    pub fn unregister(&mut self, id: RegistrationId) -> Result<(), CommandError> {
        let registration = self
            .registrations
            .0
            .remove(&id)
            .ok_or(CommandError::UnknownRegistration)?;
        self.release_registration(&registration);
        if let Some(session) = registration.used_by {
            self.lose_session(session, SessionLoss::Relay);
        }
        Ok(())
    }

    pub(crate) fn release_registration(&mut self, registration: &Registration) {
        if let Some(handle) = registration.connection {
            if let Some((_, peer)) = self.table.get_mut(handle) {
                peer.registrations = peer.registrations.saturating_sub(1);
            }
            self.note_unused(handle);
        }
    }

    /// Our URI in a registration: the session that uses it has to have it as its local URI, since the relay knows the
    /// way back by it.
    pub fn registered_uri(&self, id: RegistrationId) -> Option<&Uri> {
        self.registrations
            .0
            .get(&id)
            .map(|registration| &registration.own)
    }

    /// The path that a relay has given.
    pub fn use_path(&self, id: RegistrationId) -> Option<&Path> {
        self.registrations.0.get(&id)?.use_path.as_ref()
    }

    pub(crate) fn knows_registration(&self, id: RegistrationId) -> bool {
        self.registrations.0.contains_key(&id)
    }

    pub(crate) fn registrations_on(&self, handle: ConnectionHandle) -> Vec<RegistrationId> {
        self.registrations
            .0
            .iter()
            .filter(|(_, registration)| registration.connection == Some(handle))
            .map(|(&id, _)| id)
            .collect()
    }

    /// The connection over which a registration runs.
    pub(crate) fn relay_connection(&self, id: RegistrationId) -> Option<ConnectionHandle> {
        self.registrations.0.get(&id)?.connection
    }

    pub(crate) fn begin_registration(&mut self, id: RegistrationId, handle: ConnectionHandle) {
        let Some(registration) = self.registrations.0.get_mut(&id) else {
            return;
        };
        registration.connection = Some(handle);
        if let Some((_, peer)) = self.table.get_mut(handle) {
            peer.registrations += 1;
            peer.idle_since = None;
        }
        self.send_auth(id);
    }

    /// A path is about to expire: a new one is asked for (RFC 4976 §9.3; row 4976-E-16).
    pub(crate) fn refresh(&mut self, id: RegistrationId) {
        if let Some(registration) = self.registrations.0.get_mut(&id) {
            registration.attempts = 0;
            self.send_auth(id);
        }
    }

    fn send_auth(&mut self, id: RegistrationId) {
        let now = self.now;
        let cnonce = self.ids.session_id(128);
        let Some(registration) = self.registrations.0.get_mut(&id) else {
            return;
        };
        registration.attempts += 1;
        if registration.attempts > MAX_ATTEMPTS {
            return self.lose_registration(id, RegistrationLoss::Credentials);
        }
        let Some(handle) = registration.connection else {
            return;
        };
        let relay = registration.account.relay.as_bytes().clone();
        let own = registration.own.as_bytes().clone();
        let authorization = registration.authorize(&cnonce, &relay);
        let expires = registration.expires.map(|expires| expires.to_string());
        let mut headers: Vec<(&str, &[u8])> = Vec::new();
        if let Some(expires) = &expires {
            headers.push(("Expires", expires.as_bytes()));
        }
        if let Some(authorization) = &authorization {
            headers.push(("Authorization", authorization));
        }
        let Some((connection, _)) = self.table.get_mut(handle) else {
            return;
        };
        let sent = connection.send_request(
            now,
            &OutgoingRequest {
                method: Method::Auth,
                to_path: &relay,
                from_path: &own,
                headers: &headers,
                body: None,
                failure_report: FailureReport::Yes,
                tag: Some(tag::registration(id)),
            },
        );
        self.table.mark_ready(handle);
        self.rearm(handle);
        if sent.is_err() {
            self.lose_registration(id, RegistrationLoss::TimedOut);
        }
    }

    /// A relay has answered an AUTH, or has not.
    pub(crate) fn on_auth_outcome(&mut self, id: RegistrationId, outcome: Outcome) {
        let Outcome::Response { code, head } = outcome else {
            return self.lose_registration(id, RegistrationLoss::TimedOut);
        };
        let Some(registration) = self.registrations.0.get_mut(&id) else {
            return;
        };
        let lost = match code {
            StatusCode::OK => match registration.confirm(&head) {
                Ok((use_path, expires)) => return self.registered(id, use_path, expires),
                Err(loss) => loss,
            },
            StatusCode::UNAUTHORIZED => match registration.challenged(&head) {
                Ok(()) => return self.send_auth(id),
                Err(loss) => loss,
            },
            StatusCode::INTERVAL_OUT_OF_BOUNDS => match bound_of(&head) {
                Some(bound) if registration.expires != Some(bound) => {
                    registration.expires = Some(bound);
                    return self.send_auth(id);
                }
                _ => RegistrationLoss::Refused(code),
            },
            code => RegistrationLoss::Refused(code),
        };
        self.lose_registration(id, lost);
    }

    fn registered(&mut self, id: RegistrationId, use_path: Path, expires: Duration) {
        let Some(registration) = self.registrations.0.get_mut(&id) else {
            return;
        };
        let renewed = registration.use_path.is_some();
        registration.use_path = Some(use_path.clone());
        registration.attempts = 0;
        registration.without_uri = false;
        // A minute ahead, or a fifth of the time where that is less.
        let margin = Duration::from_secs(60).min(expires / 5);
        self.timers
            .insert((self.now + (expires - margin), UaTimer::Refresh(id)));
        self.push_event(UserAgentEvent::Registered {
            registration: id,
            use_path,
            expires,
            renewed,
        });
    }

    pub(crate) fn lose_registration(&mut self, id: RegistrationId, reason: RegistrationLoss) {
        let Some(registration) = self.registrations.0.remove(&id) else {
            return;
        };
        self.release_registration(&registration);
        self.push_event(UserAgentEvent::RegistrationLost {
            registration: id,
            reason,
        });
        if let Some(session) = registration.used_by {
            self.lose_session(session, SessionLoss::Relay);
        }
    }
}

impl Registration {
    /// The value of Authorization, once there is a challenge.
    fn authorize(&mut self, cnonce: &str, relay: &[u8]) -> Option<Bytes> {
        let nonce = self.nonce.as_mut()?;
        nonce.count += 1;
        let ha1 = Ha1::compute(
            nonce.algorithm,
            &self.account.user,
            &nonce.realm,
            &self.account.password,
        );
        let proof = response(
            nonce.algorithm,
            &ha1,
            &nonce.nonce,
            nonce.count,
            cnonce,
            "auth",
            "AUTH",
            relay,
        );
        let credentials = Credentials {
            username: Cow::Borrowed(&self.account.user),
            realm: Cow::Borrowed(&nonce.realm),
            nonce: Cow::Borrowed(&nonce.nonce),
            response: proof,
            algorithm: nonce.named_algorithm.as_deref().map(Cow::Borrowed),
            cnonce: Cow::Borrowed(cnonce),
            opaque: nonce.opaque.as_deref().map(Cow::Borrowed),
            qop: Cow::Borrowed("auth"),
            nc: nonce.count,
            uri: if self.without_uri {
                None
            } else {
                std::str::from_utf8(relay).ok().map(Cow::Borrowed)
            },
        };
        self.proof = Some(Proof {
            cnonce: cnonce.to_owned(),
            nonce: nonce.nonce.clone(),
            count: nonce.count,
            algorithm: nonce.algorithm,
        });
        credentials.to_bytes().ok()
    }

    /// Takes a challenge: the strongest that we can answer.
    fn challenged(&mut self, head: &Head) -> Result<(), RegistrationLoss> {
        let mut best: Option<Nonce> = None;
        let mut stale = false;
        for (name, value) in head.headers() {
            if HeaderName::from_octets(name.as_bytes()) != HeaderName::WwwAuthenticate {
                continue;
            }
            // Basic, and whatever else is no Digest, is never tried (RFC 4976 §9.1).
            let Ok(challenge) = Challenge::parse(value) else {
                continue;
            };
            let Some(algorithm) = challenge.digest_algorithm() else {
                continue;
            };
            if !challenge.offers_auth() {
                continue;
            }
            stale |= challenge.stale;
            if best
                .as_ref()
                .is_some_and(|best| best.algorithm == Algorithm::Sha256)
            {
                continue;
            }
            best = Some(Nonce {
                realm: challenge.realm.into_owned(),
                nonce: challenge.nonce.into_owned(),
                opaque: challenge.opaque.map(Cow::into_owned),
                algorithm,
                named_algorithm: challenge.algorithm.map(Cow::into_owned),
                count: 0,
            });
        }
        let best = best.ok_or(RegistrationLoss::Unusable)?;
        let answered = self.proof.take().is_some();
        if answered && !stale {
            // Some relays cannot read an Authorization with `uri`; it is tried once without.
            if self.without_uri {
                return Err(RegistrationLoss::Credentials);
            }
            self.without_uri = true;
        }
        self.nonce = Some(best);
        Ok(())
    }

    /// Takes a 200: the relay's proof, then what it gives.
    fn confirm(&mut self, head: &Head) -> Result<(Path, Duration), RegistrationLoss> {
        let proof = self.proof.take();
        let info = head
            .header(HeaderName::AuthenticationInfo)
            .map(AuthenticationInfo::parse);
        if let (Some(proof), Some(Ok(info))) = (&proof, &info) {
            let nonce = self.nonce.as_ref().ok_or(RegistrationLoss::Unusable)?;
            let ha1 = Ha1::compute(
                proof.algorithm,
                &self.account.user,
                &nonce.realm,
                &self.account.password,
            );
            let expected = rspauth(
                proof.algorithm,
                &ha1,
                &proof.nonce,
                proof.count,
                &proof.cnonce,
                "auth",
                self.account.relay.as_bytes(),
            );
            // A relay that proves nothing is taken at the word of its certificate; one that proves it wrongly is not.
            if info.rspauth.as_ref().is_some_and(|given| *given != expected) {
                return Err(RegistrationLoss::NotProven);
            }
            if let Some(next) = &info.nextnonce
                && let Some(nonce) = &mut self.nonce
            {
                nonce.nonce = next.clone().into_owned();
                nonce.count = 0;
            }
        } else if matches!(info, Some(Err(_))) {
            return Err(RegistrationLoss::Unusable);
        }
        let value = head
            .header(HeaderName::UsePath)
            .ok_or(RegistrationLoss::Unusable)?;
        let use_path =
            Path::parse(Bytes::copy_from_slice(value), 16).map_err(|_| RegistrationLoss::Unusable)?;
        let expires = match head.header(HeaderName::Expires) {
            Some(value) => Expires::parse(value)
                .map_err(|_| RegistrationLoss::Unusable)?
                .as_secs(),
            None => self.expires.unwrap_or(600),
        };
        Ok((use_path, Duration::from_secs(u64::from(expires.max(1)))))
    }
}

/// What a 423 asks for.
fn bound_of(head: &Head) -> Option<u32> {
    [HeaderName::MinExpires, HeaderName::MaxExpires]
        .into_iter()
        .find_map(|name| Expires::parse(head.header(name)?).ok())
        .map(Expires::as_secs)
}
