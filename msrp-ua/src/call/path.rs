//! Paths for the streams of a call: a URI of our own, or what a chain of relays gives (RFC 4976 §5.1).

use msrp_core::grammar::{Path, Scheme, Uri};

use super::{
    Call, CallEnd, StreamId,
    stream::{NewPath, Want},
};
use crate::{
    error::CommandError,
    event::RegistrationLoss,
    names::{RegistrationId, SessionId},
    sdp::Setup,
    session::{SessionParams, SessionState},
    sip::CallId,
    user_agent::UserAgent,
};

/// The port of whoever waits for no connection (RFC 4145 §4.1).
const DISCARD: u16 = 9;

impl UserAgent {
    /// Sees to it that every stream that needs a new path gets one; true when all have theirs.
    pub(super) fn ensure_paths(&mut self, id: CallId) -> Result<bool, CommandError> {
        let Some(call) = self.calls.get(id) else {
            return Ok(false);
        };
        let missing: Vec<StreamId> = call
            .streams
            .iter()
            .filter(|stream| stream.needs_path())
            .map(|stream| stream.id)
            .collect();
        let relays = call.relays.clone();
        for &stream in &missing {
            if relays.is_empty() {
                let path = Box::new(NewPath {
                    path: self.own_uri().into(),
                    relay: None,
                });
                if let Some(stream) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) {
                    stream.path = Some(path);
                }
                continue;
            }
            let asked = self
                .calls
                .get(id)
                .and_then(|call| call.stream(stream))
                .is_none_or(|stream| !stream.chain.is_empty());
            if asked {
                continue;
            }
            let chain = self.register_chain(relays.iter().cloned())?;
            for &registration in &chain {
                self.calls.registrations.insert(registration, (id, stream));
            }
            if let Some(stream) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) {
                stream.chain = chain;
            }
        }
        Ok(missing.is_empty() || relays.is_empty())
    }

    /// A URI for a session that goes through no relay. Where nobody can connect to us its port says so (RFC 6135 §4.2.2).
    fn own_uri(&mut self) -> Uri {
        let uri = self.allocate_uri();
        if self.config.calls.setup != Setup::Active {
            return uri;
        }
        let scheme = if self.config.tls {
            Scheme::Msrps
        } else {
            Scheme::Msrp
        };
        Uri::build(scheme, uri.host_str(), DISCARD, uri.session_id(), "tcp").unwrap_or(uri)
    }

    /// A relay has given a path; true if it is for a call, whose affair that is.
    pub(crate) fn on_call_registered(&mut self, registration: RegistrationId, path: &Path) -> bool {
        let Some(&(id, id_of)) = self.calls.registrations.get(&registration) else {
            return false;
        };
        self.calls.touch(id);
        let Some(call) = self.calls.get_mut(id) else {
            return true;
        };
        let Some(stream) = call.stream_mut(id_of) else {
            return true;
        };
        if stream.chain.last() == Some(&registration) {
            stream.chain.clear();
            stream.path = Some(Box::new(NewPath {
                path: path.clone(),
                relay: Some(registration),
            }));
            return true;
        }
        // It is in use, and has been renewed, perhaps by another path: then the peer has to be told.
        let used = stream
            .session
            .and_then(|session| self.sessions.get(session))
            .is_some_and(|session| session.params.relay == Some(registration));
        if used && let Some(call) = self.calls.get_mut(id) {
            call.renew_path(id_of, registration, path);
        }
        true
    }

    /// A registration for a stream of a call has failed, or its relay has gone.
    pub(crate) fn on_call_registration_lost(
        &mut self,
        registration: RegistrationId,
        (id, stream): (CallId, StreamId),
        reason: &RegistrationLoss,
    ) {
        self.calls.touch(id);
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        let setting_up = !call.is_up();
        let Some(entry) = call.stream_mut(stream) else {
            return;
        };
        let had = entry
            .path
            .as_ref()
            .is_some_and(|path| path.relay == Some(registration));
        if !had && !entry.chain.contains(&registration) {
            // Of a session that runs, its own loss tells.
            return;
        }
        let chain = std::mem::take(&mut entry.chain);
        entry.path = None;
        for other in chain.into_iter().rev() {
            self.retire_registration(other);
        }
        if setting_up {
            self.fail_setup(id, CallEnd::Relay(reason.clone()));
        } else {
            self.on_path_failed(id, stream);
        }
    }

    /// Gives up what was had, or asked for, as the next path of a stream.
    pub(super) fn drop_paths(&mut self, id: CallId, stream: StreamId) {
        let Some(entry) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) else {
            return;
        };
        let mut relays = std::mem::take(&mut entry.chain);
        let path = entry.path.take();
        // The path of a session ends with it.
        let in_use = entry
            .session
            .and_then(|session| self.sessions.get(session)?.params.relay);
        relays.extend(
            path.and_then(|path| path.relay)
                .filter(|&relay| in_use != Some(relay)),
        );
        for relay in relays.into_iter().rev() {
            // Those before it go with it.
            self.retire_registration(relay);
        }
    }

    /// A session is that of a stream from now on.
    pub(super) fn join_session(&mut self, session: SessionId, id: CallId, stream: StreamId) {
        let for_file = self
            .calls
            .get(id)
            .and_then(|call| call.stream(stream))
            .is_some_and(|stream| stream.transfer.is_some());
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.call = Some((id, stream));
            entry.for_file = for_file;
        }
    }

    /// Has a session ready under the path that is about to be offered, because the peer may connect before its answer is
    /// here (RFC 3264 §5.1).
    pub(super) fn await_session(&mut self, id: CallId, stream: StreamId) -> Result<(), CommandError> {
        let Some((call, entry)) = self
            .calls
            .get(id)
            .and_then(|call| Some((call, call.stream(stream)?)))
        else {
            return Ok(());
        };
        let Some(path) = &entry.path else { return Ok(()) };
        let profile = entry.profile(call.profile.as_deref(), &self.config.calls);
        let local = path.path.last().clone();
        let mut params = SessionParams::new(local.clone(), local, crate::Role::Passive)
            .with_receive(profile.receive)
            .with_limits(
                profile.accept_types.clone(),
                entry.max_size(profile, &self.config.calls),
            );
        params.relay = path.relay;
        let session = entry.session;
        let relay = params.relay;
        let session = match session {
            Some(session) => {
                let state = self.sessions.get(session).map(|entry| entry.state);
                if state != Some(SessionState::Suspended) {
                    // It has been offered before, and put off.
                    return Ok(());
                }
                if !self.sessions.relink(session, params) {
                    return Err(CommandError::LocalUri);
                }
                session
            }
            None => self.enter_session(params)?,
        };
        if let Some(relay) = relay {
            self.use_registration(relay, session);
        }
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.state = SessionState::Offered;
        }
        self.join_session(session, id, stream);
        if let Some(stream) = self.calls.get_mut(id).and_then(|call| call.stream_mut(stream)) {
            stream.session = Some(session);
        }
        self.ready_transfer(id, stream);
        Ok(())
    }
}

impl Call {
    /// The relay of a session that goes on leads to it by another path now.
    fn renew_path(&mut self, stream: StreamId, relay: RegistrationId, path: &Path) {
        let Some(line) = self.streams.iter().position(|entry| entry.id == stream) else {
            return;
        };
        let said = self
            .negotiation
            .streams()
            .get(line)
            .and_then(Option::as_ref)
            .map(|agreed| &agreed.local.path);
        let entry = &mut self.streams[line];
        if said == Some(path) || !entry.live {
            return;
        }
        entry.path = Some(Box::new(NewPath {
            path: path.clone(),
            relay: Some(relay),
        }));
        if entry.want == Want::Nothing {
            entry.want = Want::Update;
        }
    }
}
