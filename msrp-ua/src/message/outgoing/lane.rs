//! From the sources of messages into the lanes of a connection.

use msrp_core::{
    codec::{HeadTemplate, SendHeaders},
    connection::WriteError,
    grammar::{ContinuationFlag, MessageId, Path, StatusCode},
    node::ConnectionHandle,
};

use super::{OutgoingMessage, UserAgent};
use crate::{
    error::CommandError,
    event::UserAgentEvent,
    message::source::Pull,
    names::{OutgoingKey, SessionId},
    user_agent::tag,
};

/// Octets pulled from a source at a time.
const PULL: usize = 64 * 1024;

/// What came of the wish for a lane.
enum Started {
    /// One message got one.
    One,
    /// No message waits.
    Nothing,
    /// All lanes are taken.
    Full,
}

/// Why a message is not pulled any more.
enum Stop {
    /// It has ended, or waits.
    Rest,
    /// Its source broke, or its promise.
    Source,
    /// It has become larger than the peer wishes.
    TooLarge,
}

impl UserAgent {
    /// To-Path and From-Path of what we send in a session.
    pub(crate) fn paths(&self, session: SessionId) -> Option<(Path, Path)> {
        let params = &self.sessions.get(session)?.params;
        let from = Path::from(params.local.clone());
        let to = match params.relay.and_then(|relay| self.use_path(relay)) {
            Some(use_path) => {
                let uris: Vec<_> = use_path
                    .uris()
                    .iter()
                    .chain(params.remote.uris())
                    .cloned()
                    .collect();
                Path::from_uris(&uris).ok()?
            }
            None => params.remote.clone(),
        };
        Some((to, from))
    }

    pub(super) fn template(
        &self,
        session: SessionId,
        message: &OutgoingMessage,
        message_id: MessageId,
    ) -> Result<HeadTemplate, CommandError> {
        let (to_path, from_path) = self.paths(session).ok_or(CommandError::UnknownSession)?;
        let extra: Vec<(&str, &str)> = message
            .headers
            .iter()
            .map(|(name, value)| (&name[..], &value[..]))
            .collect();
        Ok(HeadTemplate::send(&SendHeaders {
            to_path: &to_path,
            from_path: &from_path,
            message_id,
            success_report: message.success_report,
            failure_report: message.failure_report,
            content_type: Some(&message.content_type),
            extra: &extra,
        })?)
    }

    /// A message of a session waits for a lane; it gets one as soon as the session is bound and a lane is free.
    pub(super) fn want_lane(&mut self, session: SessionId) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let Some(handle) = entry.sends_on() else { return };
        if !std::mem::replace(&mut entry.wants_lane, true)
            && let Some((_, peer)) = self.table.get_mut(handle)
        {
            peer.want_lanes.push_back(session);
        }
        self.start_waiting(handle);
    }

    /// Opens lanes for messages that wait, one for each session in turn.
    pub(crate) fn start_waiting(&mut self, handle: ConnectionHandle) {
        loop {
            let Some((_, peer)) = self.table.get_mut(handle) else {
                return;
            };
            let Some(session) = peer.want_lanes.pop_front() else {
                return;
            };
            match self.start_next(session, handle) {
                Started::One => {
                    if let Some((_, peer)) = self.table.get_mut(handle) {
                        peer.want_lanes.push_back(session);
                    }
                }
                Started::Nothing => {}
                Started::Full => {
                    if let Some((_, peer)) = self.table.get_mut(handle) {
                        peer.want_lanes.push_front(session);
                    }
                    return;
                }
            }
        }
    }

    /// Opens a lane for the next message of a session.
    fn start_next(&mut self, session: SessionId, handle: ConnectionHandle) -> Started {
        loop {
            let Some(entry) = self.sessions.get_mut(session) else {
                return Started::Nothing;
            };
            if entry.sends_on() != Some(handle) {
                entry.wants_lane = false;
                return Started::Nothing;
            }
            let Some(&key) = entry.waiting.front() else {
                entry.wants_lane = false;
                return Started::Nothing;
            };
            let Some(outgoing) = self.outgoing.get(&key) else {
                entry.waiting.pop_front();
                continue;
            };
            let Ok(template) = self.template(session, &outgoing.message, outgoing.message_id) else {
                // It was sound when it was given to us; only a path from a relay can have changed since.
                self.give_up(key, Stop::Source);
                continue;
            };
            let (total, report) = (outgoing.total, outgoing.message.failure_report);
            let tag = tag::message(key, outgoing.attempt);
            let Some((connection, peer)) = self.table.get_mut(handle) else {
                return Started::Nothing;
            };
            let Ok(lane) = connection.open_send(template, 1, total, report, tag) else {
                return Started::Full;
            };
            peer.lanes.insert(lane, key);
            if let Some(outgoing) = self.outgoing.get_mut(&key) {
                outgoing.lane = Some((handle, lane));
            }
            if let Some(entry) = self.sessions.get_mut(session) {
                entry.waiting.pop_front();
                entry.begun = true;
            }
            self.pump_outgoing(key);
            return Started::One;
        }
    }

    /// Moves octets from a message's source into its lane until either has enough.
    pub(crate) fn pump_outgoing(&mut self, key: OutgoingKey) {
        let now = self.now;
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        let Some((handle, lane)) = outgoing.lane else {
            return;
        };
        let Some((connection, _)) = self.table.get_mut(handle) else {
            return;
        };
        let peer_max = self
            .sessions
            .get(outgoing.session)
            .and_then(|entry| entry.params.peer_max_size)
            .unwrap_or(u64::MAX);
        let mut stop = Stop::Rest;
        while !outgoing.finished {
            let octets = match outgoing.held.take() {
                Some(octets) => octets,
                None => match outgoing.message.source.pull(PULL) {
                    Ok(Pull::Octets(octets)) if octets.is_empty() => break,
                    Ok(Pull::Octets(octets)) => octets,
                    Ok(Pull::Pending) => break,
                    Ok(Pull::End) if outgoing.total.is_some_and(|total| total != outgoing.written) => {
                        stop = Stop::Source;
                        break;
                    }
                    Ok(Pull::End) => {
                        outgoing.finished = true;
                        // The lane is ours and has not been ended.
                        let _known = connection.finish(now, lane, ContinuationFlag::Complete);
                        break;
                    }
                    Err(_) => {
                        stop = Stop::Source;
                        break;
                    }
                },
            };
            let written = outgoing.written.saturating_add(octets.len() as u64);
            if outgoing.total.is_some_and(|total| written > total) {
                // What has left says how large the message is; more than that cannot be sent under its name.
                stop = Stop::Source;
                break;
            }
            if written > peer_max {
                stop = Stop::TooLarge;
                break;
            }
            match connection.write(now, lane, octets) {
                Ok(()) => outgoing.written = written,
                Err(WriteError::Blocked(octets)) => {
                    outgoing.held = Some(octets);
                    break;
                }
                // The connection has ended, and says so by itself.
                Err(_) => outgoing.finished = true,
            }
        }
        self.table.mark_ready(handle);
        self.rearm(handle);
        self.give_up(key, stop);
    }

    fn give_up(&mut self, key: OutgoingKey, why: Stop) {
        match why {
            Stop::Rest => {}
            Stop::Source => {
                self.push_event(UserAgentEvent::SourceFailed { message: key });
                self.stop_outgoing(key);
                self.forget_outgoing(key);
            }
            Stop::TooLarge => self.fail_outgoing(key, None, StatusCode::STOP_SENDING),
        }
    }

    /// Ends the lane of a message with `#`.
    pub(super) fn stop_outgoing(&mut self, key: OutgoingKey) {
        let now = self.now;
        let Some(outgoing) = self.outgoing.get_mut(&key) else {
            return;
        };
        outgoing.finished = true;
        outgoing.held = None;
        if let Some((handle, lane)) = outgoing.lane.take() {
            if let Some((connection, peer)) = self.table.get_mut(handle) {
                // A lane that has ended by itself is none any more.
                let _known = connection.abort(now, lane);
                peer.lanes.remove(&lane);
            }
            // Others may wait for the lane: they get it when the connection is looked at next.
            self.table.mark_ready(handle);
            self.rearm(handle);
        }
    }
}
