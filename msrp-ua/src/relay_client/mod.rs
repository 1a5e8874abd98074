//! Getting a path from a relay: AUTH with Digest, renewed before it expires (RFC 4976 §5.1, §9.1).
//!
//! ```text
//!   Connecting ─▶ AUTH ──401──▶ AUTH with credentials ──200──▶ Registered ──Expires near──▶ AUTH …
//!                  └─ other code, no answer, rspauth wrong ─▶ lost
//! ```
//!
//! With several relays each is asked in this way through those before it, over the connection to the first; a path that
//! is renewed has those behind it renewed.

mod auth;
mod digest;
mod turn;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use msrp_core::{
    grammar::{Path, Scheme, Uri},
    node::{ConnectionHandle, Trust},
};

use self::digest::Digest;
pub(crate) use self::turn::Turn;
use crate::{
    connect::Authority,
    error::CommandError,
    event::{RegistrationLoss, SessionLoss, UserAgentEvent},
    names::{RegistrationId, SessionId},
    user_agent::UserAgent,
};

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
    /// The registration at the relay before this one. Default none: this relay is the first.
    pub through: Option<RegistrationId>,
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
            through: None,
        }
    }

    /// Asks for a path of this life.
    pub fn with_expires(mut self, expires: Duration) -> Self {
        self.expires = Some(expires);
        self
    }

    /// Asks this relay through another, as soon as `inner` is registered there: messages then go over both (RFC 4976 §5.1).
    /// The session uses this registration; the inner one serves it alone from now on. See also
    /// [`register_chain`](UserAgent::register_chain).
    pub fn through(mut self, inner: RegistrationId) -> Self {
        self.through = Some(inner);
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

/// Whom the path of a registration serves; it serves only one (RFC 4976 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UsedBy {
    Session(SessionId),
    /// The next relay was asked through it.
    Outer(RegistrationId),
}

/// One registration.
pub(crate) struct Registration {
    relay: Uri,
    through: Option<RegistrationId>,
    own: Uri,
    connection: Option<ConnectionHandle>,
    digest: Digest,
    /// The life that is asked for.
    expires: Option<u32>,
    /// AUTHs since the last success.
    attempts: u32,
    use_path: Option<Path>,
    /// When the relay forgets the path, and when it is to be asked again.
    until: Option<Instant>,
    refresh_at: Option<Instant>,
    used_by: Option<UsedBy>,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration")
            .field("relay", &self.relay)
            .field("used_by", &self.used_by)
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
    /// [`CommandError::PlainRelay`] for a relay that is not `msrps`, unless the configuration allows it;
    /// [`CommandError::TooManyRegistrations`]. For a relay [behind another](RelayAccount::through) also
    /// [`CommandError::UnknownRegistration`] and [`CommandError::RelayPathInUse`].
    pub fn register(&mut self, account: RelayAccount) -> Result<RegistrationId, CommandError> {
        self.check_running()?;
        if account.relay.scheme() != Scheme::Msrps && !self.config.allow_plain_auth {
            return Err(CommandError::PlainRelay);
        }
        let limit = self.config.max_registrations;
        if self.registrations.0.len() >= limit {
            return Err(CommandError::TooManyRegistrations { limit });
        }
        self.next_key += 1;
        let id = RegistrationId(self.next_key);
        let inner = match account.through {
            Some(inner) => {
                let inner = self
                    .registrations
                    .0
                    .get_mut(&inner)
                    .ok_or(CommandError::UnknownRegistration)?;
                if inner.used_by.is_some() {
                    return Err(CommandError::RelayPathInUse);
                }
                inner.used_by = Some(UsedBy::Outer(id));
                // Both relays lead to the same URI of ours. Without a path there is no way to the outer one yet.
                let connection = inner.connection.filter(|_| inner.use_path.is_some());
                Some((inner.own.clone(), connection))
            }
            None => None,
        };
        let (own, connection) = match &inner {
            Some((own, connection)) => (own.clone(), *connection),
            None => (self.allocate_uri(), None),
        };
        let authority = Authority::of(&account.relay, &account.trust);
        let expires = account
            .expires
            .map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        self.registrations.0.insert(
            id,
            Registration {
                relay: account.relay,
                through: account.through,
                own,
                connection: None,
                digest: Digest::new(account.user, account.password),
                expires,
                attempts: 0,
                use_path: None,
                until: None,
                refresh_at: None,
                used_by: None,
            },
        );
        match connection {
            Some(handle) => self.begin_registration(id, handle),
            None if inner.is_none() => self.connect_registration(id, authority),
            None => {}
        }
        Ok(id)
    }

    /// Asks several relays for one path that leads over all of them, the nearest first: each is asked
    /// [through](RelayAccount::through) those before it. The last of the registrations is the session's.
    ///
    /// # Errors
    /// As [`register`](Self::register); then none of them is asked.
    pub fn register_chain(
        &mut self,
        accounts: impl IntoIterator<Item = RelayAccount>,
    ) -> Result<Vec<RegistrationId>, CommandError> {
        let mut chain: Vec<RegistrationId> = Vec::new();
        for mut account in accounts {
            if let Some(&inner) = chain.last() {
                account = account.through(inner);
            }
            match self.register(account) {
                Ok(id) => chain.push(id),
                Err(error) => {
                    for id in chain.into_iter().rev() {
                        self.take_registration(id);
                    }
                    return Err(error);
                }
            }
        }
        Ok(chain)
    }

    /// Gives a path up, and with it the session that uses it. The relay forgets it when it expires, or when the connection
    /// ends.
    ///
    /// # Errors
    /// [`CommandError::UnknownRegistration`].
    pub fn unregister(&mut self, id: RegistrationId) -> Result<(), CommandError> {
        let registration = self
            .take_registration(id)
            .ok_or(CommandError::UnknownRegistration)?;
        self.lose_user(registration.used_by);
        Ok(())
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

    /// The connection over which a registration runs.
    pub(crate) fn relay_connection(&self, id: RegistrationId) -> Option<ConnectionHandle> {
        self.registrations.0.get(&id)?.connection
    }

    /// The connection for a session that wants to use a registration.
    pub(crate) fn relay_for(
        &self,
        id: RegistrationId,
        local: &Uri,
    ) -> Result<ConnectionHandle, CommandError> {
        let registration = self
            .registrations
            .0
            .get(&id)
            .ok_or(CommandError::UnknownRegistration)?;
        let connection = registration.free()?;
        if registration.own != *local {
            return Err(CommandError::LocalUri);
        }
        Ok(connection)
    }

    pub(crate) fn use_registration(&mut self, id: RegistrationId, session: SessionId) {
        if let Some(registration) = self.registrations.0.get_mut(&id) {
            registration.used_by = Some(UsedBy::Session(session));
        }
    }

    /// The session that a registration was for has ended, and with it the path; those of inner relays too.
    pub(crate) fn retire_registration(&mut self, id: RegistrationId) {
        let mut next = Some(id);
        while let Some(registration) = next.and_then(|id| self.take_registration(id)) {
            next = registration.through;
        }
    }

    /// Removes a registration; its connection has one user less.
    fn take_registration(&mut self, id: RegistrationId) -> Option<Registration> {
        let registration = self.registrations.0.remove(&id)?;
        self.calls.forget_registration(id);
        if let Some(handle) = registration.connection {
            if let Some((_, peer)) = self.table.get_mut(handle) {
                peer.registrations.remove(&id);
            }
            self.answered(handle, id);
            self.note_unused(handle);
        }
        if let Some(inner) = registration.through
            && let Some(inner) = self.registrations.0.get_mut(&inner)
        {
            inner.used_by = None;
        }
        Some(registration)
    }

    pub(crate) fn lose_registration(&mut self, id: RegistrationId, reason: RegistrationLoss) {
        if let Some(registration) = self.registrations.0.get(&id) {
            let relay = registration.relay.clone();
            self.lose_registration_at(id, relay, reason);
        }
    }

    /// A registration has failed at this relay.
    fn lose_registration_at(&mut self, id: RegistrationId, relay: Uri, reason: RegistrationLoss) {
        let owner = self.calls.owner_of(id);
        let Some(registration) = self.take_registration(id) else {
            return;
        };
        tracing::debug!(
            registration = id.0,
            relay = relay.host_str(),
            ?reason,
            "registration lost"
        );
        match owner {
            Some(owner) => self.on_call_registration_lost(id, owner, &reason),
            None => self.push_event(UserAgentEvent::RegistrationLost {
                registration: id,
                relay: relay.clone(),
                reason,
            }),
        }
        match registration.used_by {
            Some(UsedBy::Outer(outer)) => self.lose_registration_at(outer, relay, RegistrationLoss::Inner),
            used_by => self.lose_user(used_by),
        }
    }

    fn lose_user(&mut self, used_by: Option<UsedBy>) {
        match used_by {
            Some(UsedBy::Session(session)) => self.lose_session(session, SessionLoss::Relay),
            Some(UsedBy::Outer(outer)) => self.lose_registration(outer, RegistrationLoss::Inner),
            None => {}
        }
    }
}

impl Registration {
    /// The connection, if the registration has a path that nobody uses yet.
    fn free(&self) -> Result<ConnectionHandle, CommandError> {
        match (&self.use_path, self.used_by, self.connection) {
            (None, ..) | (.., None) => Err(CommandError::NotRegistered),
            (_, Some(_), _) => Err(CommandError::RelayPathInUse),
            (Some(_), None, Some(connection)) => Ok(connection),
        }
    }
}
