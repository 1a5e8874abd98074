//! The exchange of AUTHs with a relay (RFC 4976 §5.1).

use std::time::Duration;

use msrp_core::{
    codec::{Head, HeaderName},
    connection::{Outcome, OutgoingRequest, SendError},
    grammar::{Expires, FailureReport, Method, Path, StatusCode, Uri},
    node::ConnectionHandle,
};

use super::{Registration, UsedBy, digest::Refused, sdp_path};
use crate::{
    event::{RegistrationLoss, UserAgentEvent},
    names::RegistrationId,
    timers::UaTimer,
    user_agent::{UserAgent, tag},
};

/// How often an AUTH is repeated with other values before it is given up: for a challenge, a stale nonce, the bounds of
/// a 423, and once in the other form of Authorization.
const MAX_ATTEMPTS: u32 = 5;

/// The life of a path of which the relay says nothing.
const DEFAULT_EXPIRES: u32 = 600;

/// URIs in a Use-Path at the most.
const MAX_USE_PATH: usize = 16;

impl UserAgent {
    pub(crate) fn begin_registration(&mut self, id: RegistrationId, handle: ConnectionHandle) {
        let Some(registration) = self.registrations.0.get_mut(&id) else {
            return;
        };
        registration.connection = Some(handle);
        if let Some((_, peer)) = self.table.get_mut(handle) {
            peer.registrations.insert(id);
            peer.idle_since = None;
        }
        self.ask(id);
    }

    /// A path may be about to expire, if it has not been renewed meanwhile.
    pub(crate) fn refresh_when_due(&mut self, id: RegistrationId) {
        let due = self
            .registrations
            .0
            .get(&id)
            .and_then(|registration| registration.refresh_at);
        if due.is_some_and(|at| at <= self.now) {
            self.refresh(id);
        }
    }

    /// A path is about to expire: a new one is asked for (RFC 4976 §9.3; row 4976-E-16).
    fn refresh(&mut self, id: RegistrationId) {
        if let Some(registration) = self.registrations.0.get_mut(&id) {
            registration.attempts = 0;
            self.ask(id);
        }
    }

    /// Sends an AUTH; with an error the registration is lost, which is for the caller to do.
    pub(super) fn send_auth(&mut self, id: RegistrationId) -> Result<(), RegistrationLoss> {
        let now = self.now;
        let cnonce = self.ids.session_id(128);
        let inner = self
            .registrations
            .0
            .get(&id)
            .and_then(|registration| self.use_path(registration.through?).cloned());
        let Some(registration) = self.registrations.0.get_mut(&id) else {
            return Ok(());
        };
        let Some(handle) = registration.connection else {
            return Ok(());
        };
        let Some((connection, peer)) = self.table.get_mut(handle) else {
            return Ok(());
        };
        registration
            .digest
            .take_nonce(peer.turn.nonces(), &registration.relay);
        // Through inner relays, the way to this one is what the last of them gave (RFC 4976 §5.1).
        let mut to_path = inner.map_or_else(Vec::new, |inner| {
            let mut to_path = inner.as_bytes().to_vec();
            to_path.push(b' ');
            to_path
        });
        to_path.extend_from_slice(registration.relay.as_bytes());
        let authorization = registration
            .digest
            .authorize(&cnonce, registration.relay.as_str());
        let expires = registration.expires.map(|expires| expires.to_string());
        let mut headers: Vec<(&str, &[u8])> = Vec::new();
        if let Some(expires) = &expires {
            headers.push(("Expires", expires.as_bytes()));
        }
        if let Some(authorization) = &authorization {
            headers.push(("Authorization", authorization));
        }
        let sent = connection.send_request(
            now,
            &OutgoingRequest {
                method: Method::Auth,
                to_path: &to_path,
                from_path: registration.own.as_bytes(),
                headers: &headers,
                body: None,
                failure_report: FailureReport::Yes,
                tag: Some(tag::registration(id)),
            },
        );
        let outcome = match sent {
            Ok(_) => Ok(()),
            Err(SendError::Blocked) => {
                peer.delayed.auth.insert(id);
                Ok(())
            }
            Err(_) => Err(RegistrationLoss::Unusable),
        };
        self.table.mark_ready(handle);
        self.rearm(handle);
        outcome
    }

    /// There is room for an AUTH that found none.
    pub(crate) fn send_delayed_auth(&mut self, id: RegistrationId) {
        if let Err(loss) = self.send_auth(id) {
            self.lose_registration(id, loss);
        }
    }

    /// The same again with other values, if that has not been tried too often.
    fn repeat_auth(&mut self, id: RegistrationId, otherwise: RegistrationLoss) {
        let Some(registration) = self.registrations.0.get_mut(&id) else {
            return;
        };
        registration.attempts += 1;
        if registration.attempts >= MAX_ATTEMPTS {
            self.lose_registration(id, otherwise);
        } else {
            self.send_delayed_auth(id);
        }
    }

    /// A relay has answered an AUTH, or has not.
    pub(crate) fn on_auth_outcome(&mut self, id: RegistrationId, outcome: Outcome) {
        let Some(registration) = self.registrations.0.get_mut(&id) else {
            return;
        };
        let Outcome::Response { code, head } = outcome else {
            // Some relays do not answer what they cannot read.
            if registration.digest.try_without_uri() {
                return self.repeat_auth(id, RegistrationLoss::TimedOut);
            }
            return self.lose_registration(id, RegistrationLoss::TimedOut);
        };
        let (relay, through) = (registration.relay.clone(), registration.through);
        let lost = match code {
            StatusCode::OK => match registration.confirm(&head) {
                Ok((use_path, expires)) => return self.registered(id, use_path, expires),
                Err(loss) => loss,
            },
            StatusCode::UNAUTHORIZED => match registration.digest.challenged(&head) {
                Ok(()) => return self.repeat_auth(id, RegistrationLoss::Credentials),
                Err(Refused::Credentials) => RegistrationLoss::Credentials,
                Err(Refused::Unusable) => RegistrationLoss::Unusable,
            },
            StatusCode::INTERVAL_OUT_OF_BOUNDS => match bound_of(&head) {
                Some(bound) if registration.expires != Some(bound) => {
                    registration.expires = Some(bound);
                    return self.repeat_auth(id, RegistrationLoss::Refused(code));
                }
                _ => RegistrationLoss::Refused(code),
            },
            code => RegistrationLoss::Refused(code),
        };
        let at = self.who_answered(&head, &relay, through);
        self.lose_registration_at(id, at, lost);
    }

    /// The relay that gave an answer: that which was asked, or one on the way to it, which stands last in From-Path then.
    fn who_answered(&self, head: &Head, relay: &Uri, mut through: Option<RegistrationId>) -> Uri {
        let from_path = head.from_path(MAX_USE_PATH);
        let Some(answerer) = from_path.ok().and_then(|path| path.last().ok()) else {
            return relay.clone();
        };
        while let Some(inner) = through.and_then(|id| self.registrations.0.get(&id)) {
            let own = inner.use_path.as_ref().map(Path::last);
            if own.is_some_and(|own| own.same_as(&answerer)) {
                return inner.relay.clone();
            }
            through = inner.through;
        }
        relay.clone()
    }

    fn registered(&mut self, id: RegistrationId, use_path: Path, expires: Duration) {
        let Some(registration) = self.registrations.0.get_mut(&id) else {
            return;
        };
        tracing::debug!(registration = id.0, ?expires, "registered");
        let renewed = registration.use_path.is_some();
        registration.use_path = Some(use_path.clone());
        registration.attempts = 0;
        let local = registration.own.clone();
        let used_by = registration.used_by;
        let handle = registration.connection;
        if let Some((_, peer)) = handle.and_then(|handle| self.table.get_mut(handle))
            && let Some(nonce) = registration.digest.leave_nonce(&registration.relay)
        {
            peer.turn.leave(nonce);
        }
        // A minute ahead, or a fifth of the time where that is less.
        let margin = Duration::from_secs(60).min(expires / 5);
        let refresh_at = self.now + (expires - margin);
        registration.refresh_at = Some(refresh_at);
        registration.until = Some(self.now + expires);
        self.timers.insert((refresh_at, UaTimer::Refresh(id)));
        let expires = self.life_of(id).unwrap_or(expires);
        let path = sdp_path(&use_path, &local);
        // Those that are for a call are its affair.
        if !self.on_call_registered(id, &path) {
            self.push_event(UserAgentEvent::Registered {
                registration: id,
                path,
                local,
                use_path,
                expires,
                renewed,
            });
        }
        if let Some(UsedBy::Outer(outer)) = used_by {
            // Its path begins with this one.
            match (self.relay_connection(outer), handle) {
                (None, Some(handle)) => self.begin_registration(outer, handle),
                _ => self.refresh(outer),
            }
        }
        if let Some(handle) = handle {
            self.answered(handle, id);
        }
    }
}

impl UserAgent {
    /// How long all the relays of a path stand by it from now on: each gives a time of its own (RFC 4976 §5.1).
    fn life_of(&self, id: RegistrationId) -> Option<Duration> {
        let mut life: Option<Duration> = None;
        let mut next = Some(id);
        while let Some(registration) = next.and_then(|id| self.registrations.0.get(&id)) {
            let left = registration.until?.saturating_duration_since(self.now);
            life = Some(life.map_or(left, |life| life.min(left)));
            next = registration.through;
        }
        life
    }
}

impl Registration {
    /// Takes a 200: the relay's proof, then what it gives.
    fn confirm(&mut self, head: &Head) -> Result<(Path, Duration), RegistrationLoss> {
        self.digest
            .confirm(head, self.relay.as_bytes(), self.through.is_some())?;
        let value = head
            .header(HeaderName::UsePath)
            .ok_or(RegistrationLoss::Unusable)?;
        let use_path = Path::parse(bytes::Bytes::copy_from_slice(value), MAX_USE_PATH)
            .map_err(|_| RegistrationLoss::Unusable)?;
        let expires = match head.header(HeaderName::Expires) {
            Some(value) => Expires::parse(value)
                .map_err(|_| RegistrationLoss::Unusable)?
                .as_secs(),
            None => self.expires.unwrap_or(DEFAULT_EXPIRES),
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
