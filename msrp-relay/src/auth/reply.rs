//! How an AUTH ends when it is not granted, and what is remembered of that.

use std::borrow::Cow;

use bytes::Bytes;
use msrp_core::{
    connection::CloseReason,
    grammar::{Challenge, StatusCode},
    node::ConnectionHandle,
};

use crate::{
    auth::lockout::Suspect,
    event::{AuthFailure, RelayEvent},
    peers::PeerId,
    relay::Relay,
};

/// Challenges of a connection in probation that are no failures: a client may ask for the URIs of several sessions at
/// once, each by an AUTH without credentials.
const FREE_CHALLENGES: u8 = 32;

impl Relay {
    /// 401 with a fresh nonce (RFC 4976 §10.3: no, wrong or outdated credentials).
    pub(super) fn challenge(&mut self, from: ConnectionHandle, stale: bool) {
        let behind = self.behind(from);
        let Some(nonce) = self.give_nonce(from, behind) else {
            return;
        };
        let algorithms: &[Option<&str>] = if self.config.offer_sha256 {
            &[Some("SHA-256"), None]
        } else {
            &[None]
        };
        let values: Vec<Bytes> = algorithms
            .iter()
            .filter_map(|algorithm| {
                let challenge = Challenge {
                    realm: Cow::Borrowed(self.config.digest_realm()),
                    nonce: Cow::Borrowed(&nonce),
                    // Some clients fail without it (row 4976-E-11); what they send back is not looked at.
                    opaque: Some(Cow::Borrowed("msrp")),
                    stale,
                    algorithm: algorithm.map(Cow::Borrowed),
                    qop: Some(Cow::Borrowed("auth")),
                };
                challenge.to_bytes().ok()
            })
            .collect();
        let headers: Vec<(&str, &[u8])> = values
            .iter()
            .rev()
            .map(|value| ("WWW-Authenticate", &value[..]))
            .collect();
        let code = StatusCode::UNAUTHORIZED;
        self.answer_auth_with(from, code, code.phrase(), &headers);
        self.note_challenge(from);
    }

    /// The relay behind which the client of the AUTH at hand is.
    fn behind(&self, from: ConnectionHandle) -> Option<PeerId> {
        let (_, data) = self.table.get(from)?;
        self.incoming.get(data.incoming? as usize)?.behind
    }

    /// A new nonce for a client.
    pub(super) fn give_nonce(&mut self, from: ConnectionHandle, behind: Option<PeerId>) -> Option<String> {
        let (now, life) = (self.now, self.config.nonce_life);
        if let Some(book) = behind.and_then(|relay| self.peers.nonces(relay)) {
            return Some(book.give(now, &mut self.ids, life));
        }
        let (_, data) = self.table.get_mut(from)?;
        Some(data.nonces.give(now, &mut self.ids))
    }

    fn note_challenge(&mut self, from: ConnectionHandle) {
        if let Some((_, data)) = self.table.get_mut(from) {
            data.challenges = data.challenges.saturating_add(1);
            if data.challenges > FREE_CHALLENGES {
                self.note_failure(from);
            }
        }
    }

    /// Refuses credentials, and counts that.
    pub(super) fn fail_auth(&mut self, from: ConnectionHandle, user: String, reason: AuthFailure) {
        self.stats.auth_failures += 1;
        self.tell_auth_failed(from, user, reason);
        self.challenge(from, false);
        self.note_failure(from);
        self.count_auth_failure(from);
    }

    /// RFC 4976 §6.3: several failures end the client's connection, after it has been answered; never one of another
    /// relay.
    pub(super) fn count_auth_failure(&mut self, from: ConnectionHandle) {
        let limit = self.config.max_auth_failures;
        let Some((_, data)) = self.table.get_mut(from) else {
            return;
        };
        if data.peer.is_some() {
            return;
        }
        data.auth_failures = data.auth_failures.saturating_add(1);
        if data.auth_failures >= limit {
            self.close_for(from, CloseReason::TooManyFailures);
        }
    }

    pub(super) fn end_auth(
        &mut self,
        from: ConnectionHandle,
        code: StatusCode,
        phrase: &str,
        headers: &[(&str, &[u8])],
        success: bool,
    ) {
        self.answer_auth_with(from, code, phrase, headers);
        if success {
            self.note_success(from);
        } else {
            self.note_failure(from);
        }
    }

    fn answer_auth_with(
        &mut self,
        from: ConnectionHandle,
        code: StatusCode,
        phrase: &str,
        headers: &[(&str, &[u8])],
    ) {
        let Some(incoming) = self.take_incoming(from) else {
            return;
        };
        if let Some((connection, data)) = self.table.get_mut(from) {
            data.wait = None;
            let _answered = connection.respond_with(incoming.id, code, phrase, headers);
        }
    }

    pub(super) fn tell_auth_failed(
        &mut self,
        connection: ConnectionHandle,
        user: String,
        reason: AuthFailure,
    ) {
        self.push_event(RelayEvent::AuthFailed {
            connection,
            peer: self.remote_of(connection),
            user,
            reason,
        });
    }

    /// Whether any of these has failed too often.
    pub(super) fn is_locked_out(&self, suspects: &[Suspect]) -> bool {
        let lockout = self.common.lockout();
        lockout.is_locked(self.now, suspects, self.config.lockout)
    }

    /// Who may be locked out for a failure: behind the address of another relay there are many.
    pub(super) fn suspects(&self, from: ConnectionHandle, user: &str) -> Vec<Suspect> {
        let address = self
            .table
            .get(from)
            .filter(|(_, data)| data.peer.is_none())
            .and_then(|(connection, _)| connection.peer().remote)
            .map(|remote| Suspect::Address(remote.ip()));
        [Some(Suspect::user(user)), address]
            .into_iter()
            .flatten()
            .collect()
    }
}
