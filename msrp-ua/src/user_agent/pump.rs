//! From the events of connections to what they mean here.

use msrp_core::{
    codec::{Head, StartLine},
    connection::{Event, RequestId},
    grammar::{Method, StatusCode},
    node::{Action, ConnectionHandle},
};

use super::{UserAgent, tag};

impl UserAgent {
    pub(crate) fn rearm(&mut self, handle: ConnectionHandle) {
        self.table.rearm(handle, None);
    }

    fn events_full(&self) -> bool {
        self.events.len() >= self.config.max_events
    }

    /// Pulls a connection's events, and tells the driver to look at it.
    pub(crate) fn pump(&mut self, handle: ConnectionHandle) {
        self.pull(handle);
        self.table.mark_ready(handle);
    }

    /// Pulls a connection's events until there are none, or somebody has to act first.
    pub(super) fn pull(&mut self, handle: ConnectionHandle) {
        loop {
            let Some((_, peer)) = self.table.get(handle) else {
                return;
            };
            let current = peer.current.map(|chunk| chunk.message);
            let waits = !peer.early.is_empty() || current.is_some_and(|message| self.is_undecided(message));
            let full = self.events_full();
            let now = self.now;
            let Some((connection, peer)) = self.table.get_mut(handle) else {
                return;
            };
            let event = if full {
                if !std::mem::replace(&mut peer.stalled, true) {
                    self.stalled.push_back(handle);
                }
                None
            } else if waits {
                // What we send goes on while the application makes up its mind.
                connection.poll_sent()
            } else {
                connection.poll_event(now)
            };
            let Some(event) = event else {
                if full || waits {
                    connection.settle();
                }
                break;
            };
            self.on_event(handle, event);
        }
        // What was sent, or given up, may have freed a lane.
        self.start_waiting(handle);
        self.rearm(handle);
        let drained = self
            .table
            .get(handle)
            .is_some_and(|(connection, _)| connection.is_drained());
        if drained {
            self.table.remove(handle);
            self.actions.push_back(Action::Close { connection: handle });
        }
    }

    /// Goes on with connections that had to wait for room among our events.
    pub(super) fn resume_stalled(&mut self) {
        for _ in 0..self.stalled.len() {
            if self.events_full() {
                return;
            }
            let Some(handle) = self.stalled.pop_front() else {
                return;
            };
            if let Some((_, peer)) = self.table.get_mut(handle) {
                peer.stalled = false;
                self.pump(handle);
            }
        }
    }

    pub(super) fn on_event(&mut self, handle: ConnectionHandle, event: Event) {
        match event {
            Event::Request { id, head } => self.on_request(handle, id, &head),
            Event::Body { id, data, offset } => {
                let Some((_, peer)) = self.table.get(handle) else {
                    return;
                };
                let Some(chunk) = peer.current.filter(|chunk| chunk.request == id) else {
                    return;
                };
                if let Err(code) = self.chunk_data(chunk, offset, data) {
                    self.refuse(handle, id, code);
                }
            }
            Event::RequestEnd { id, flag, received } => {
                let Some((_, peer)) = self.table.get_mut(handle) else {
                    return;
                };
                if let Some(chunk) = peer.current.take_if(|chunk| chunk.request == id)
                    && let Err(code) = self.end_chunk(chunk, flag, received)
                {
                    self.refuse(handle, id, code);
                }
            }
            Event::RequestAborted { id } => {
                if let Some((_, peer)) = self.table.get_mut(handle) {
                    // What has come of the chunk counts; the session's end decides about the message.
                    let _ended = peer.current.take_if(|chunk| chunk.request == id);
                }
            }
            Event::ChunkSent {
                tag,
                range,
                flag,
                tracked,
                ..
            } => {
                if let tag::Tagged::Message(key, attempt) = tag::read(tag)
                    && self.is_current_attempt(key, attempt)
                {
                    self.on_chunk_sent(key, range, flag, tracked);
                }
            }
            Event::TransactionEnded {
                tag, range, outcome, ..
            } => match tag::read(tag) {
                tag::Tagged::Message(key, attempt) => {
                    if self.is_current_attempt(key, attempt) {
                        self.on_chunk_outcome(key, range, &outcome);
                    }
                }
                tag::Tagged::Registration(id) => self.on_auth_outcome(id, outcome),
                tag::Tagged::Bodiless(id, generation) => self.on_bodiless_outcome(id, generation, &outcome),
            },
            Event::Writable { outgoing } => {
                let key = self
                    .table
                    .get(handle)
                    .and_then(|(_, peer)| peer.lanes.get(&outgoing).copied());
                if let Some(key) = key {
                    self.pump_outgoing(key);
                }
            }
            Event::SendReady => self.send_delayed(handle),
            Event::Closed { reason } => self.on_closed(handle, reason),
            _ => {}
        }
    }

    /// A request has begun: the checks come in the order of RFC 4975 §7.3 (row 4975-G-01).
    fn on_request(&mut self, handle: ConnectionHandle, id: RequestId, head: &Head) {
        let StartLine::Request { method } = head.start() else {
            return;
        };
        let session = match self.session_of(handle, head) {
            Ok(session) => session,
            Err(code) => return self.refuse(handle, id, code),
        };
        match method {
            Method::Report => self.on_report_request(session, head),
            Method::Send if head.has_body() => match self.begin_chunk(session, id, head) {
                Ok(chunk) => {
                    if let Some((_, peer)) = self.table.get_mut(handle) {
                        peer.current = Some(chunk);
                    }
                }
                Err(code) => self.refuse(handle, id, code),
            },
            // Without a body it binds, or keeps alive; the connection answers it.
            Method::Send => {}
            _ => self.refuse(handle, id, StatusCode::NOT_IMPLEMENTED),
        }
    }

    fn refuse(&mut self, handle: ConnectionHandle, id: RequestId, code: StatusCode) {
        tracing::debug!(%code, "request refused");
        if let Some((connection, peer)) = self.table.get_mut(handle) {
            peer.current = None;
            // The request is the one at hand, so it is known.
            let _known = connection.reject(id, code, code.phrase());
        }
    }
}
