//! Pulling what a connection has to tell, and what the relay makes of it.

use msrp_core::{
    connection::{ConnectionError, Event},
    node::ConnectionHandle,
};

use crate::{connection::Wait, event::RelayEvent, failure::Tag, forward::incoming::Kind, relay::Relay};

impl Relay {
    /// Pulls one connection.
    pub(crate) fn pump(&mut self, handle: ConnectionHandle) {
        let now = self.now;
        loop {
            let Some((_, data)) = self.table.get_mut(handle) else {
                return;
            };
            if data.retry {
                data.retry = false;
                if data.wait.is_none() {
                    self.retry(handle);
                    continue;
                }
            }
            if self.pass_repeats(handle) {
                continue;
            }
            let Some((connection, data)) = self.table.get_mut(handle) else {
                return;
            };
            let event = if data.wait.is_some() && !connection.is_closed() {
                connection.poll_sent()
            } else {
                connection.poll_event(now)
            };
            match event {
                Some(event) => self.on_event(handle, event),
                None => break,
            }
        }
        self.on_pause(handle);
        self.review(handle);
    }

    /// All that can be pulled for now has been.
    fn on_pause(&mut self, handle: ConnectionHandle) {
        let Some((connection, data)) = self.table.get_mut(handle) else {
            return;
        };
        if data.wait.is_some() {
            connection.settle();
        }
        let Some(key) = data.incoming else { return };
        let waiting = data.wait.is_some();
        let Some(incoming) = self.incoming.get_mut(key as usize) else {
            return;
        };
        if incoming.kind == Kind::Send && !waiting {
            self.on_send_pause(handle, key);
        } else {
            incoming.detach();
        }
    }

    pub(crate) fn on_event(&mut self, handle: ConnectionHandle, event: Event) {
        match event {
            Event::Request { id, head } => self.on_request(handle, id, head),
            Event::Body { data: octets, .. } => {
                let Some(key) = self.incoming_of(handle) else {
                    return;
                };
                match self.incoming.get_mut(key as usize) {
                    Some(incoming) if incoming.kind == Kind::Send => {
                        let plain = self
                            .table
                            .get(handle)
                            .is_some_and(|(connection, _)| connection.body_is_plain());
                        self.on_send_body(handle, key, octets, plain);
                    }
                    // Bounded by the connection: 10,240 octets.
                    Some(incoming) => incoming.held.push(octets),
                    None => {}
                }
            }
            Event::RequestEnd { flag, .. } => {
                let Some(key) = self.incoming_of(handle) else {
                    return;
                };
                let Some(incoming) = self.incoming.get_mut(key as usize) else {
                    return;
                };
                incoming.ended = Some(flag);
                match incoming.kind {
                    Kind::Send => self.on_send_end(handle, key),
                    Kind::Auth => self.on_auth(handle, key),
                    Kind::Other => self.finish_request(handle, key),
                }
            }
            Event::RequestAborted { .. } => self.abort_incoming(handle),
            Event::ChunkSent {
                tag,
                range,
                flag,
                tracked,
                ..
            } => {
                if let Some(Tag::Lane(lane)) = self.tag_of(tag) {
                    self.on_chunk_sent(lane, range, flag, tracked);
                }
            }
            Event::TransactionEnded {
                tag,
                range,
                outcome,
                after,
                ..
            } => {
                if let Some(tag) = self.tag_of(tag) {
                    self.on_transaction_ended(handle, tag, range, outcome, after);
                }
            }
            Event::Writable { .. } | Event::SendReady => {
                self.flush_lanes(handle);
                self.wake_waiters(handle);
                self.enqueue(handle);
            }
            Event::Closed { reason } => self.on_closed(handle, reason),
            _ => {}
        }
    }

    fn incoming_of(&self, handle: ConnectionHandle) -> Option<u32> {
        self.table.get(handle).and_then(|(_, data)| data.incoming)
    }

    /// The request at hand will not be completed.
    fn abort_incoming(&mut self, handle: ConnectionHandle) {
        if let Some(incoming) = self.take_incoming(handle)
            && let Some(lane) = incoming.lane
        {
            self.abort_lane(lane);
        }
        self.stop_waiting(handle);
    }

    /// What the connection waited for is not wanted any more; nor is the answer to a question about it.
    fn stop_waiting(&mut self, handle: ConnectionHandle) {
        let Some((_, data)) = self.table.get_mut(handle) else {
            return;
        };
        if let Some(Wait::Lookup { ticket, .. }) = data.wait.take() {
            self.lookups.remove(&ticket);
        }
    }

    /// A connection has ended; what is queued on it may still be leaving.
    fn on_closed(&mut self, handle: ConnectionHandle, reason: ConnectionError) {
        let Some((_, data)) = self.table.get_mut(handle) else {
            return;
        };
        if std::mem::replace(&mut data.ended, true) {
            return;
        }
        // RFC 4976 §6.3: a client's URIs live as long as its connection.
        let bindings = std::mem::take(&mut data.bindings);
        let peer = data.peer.take();
        let (lanes, legs, hops) = data
            .rare
            .as_mut()
            .map(|rare| {
                let (lanes, legs) = (&mut rare.lanes_in, &mut rare.legs);
                (
                    std::mem::take(lanes),
                    std::mem::take(legs),
                    std::mem::take(&mut rare.hops),
                )
            })
            .unwrap_or_default();
        for binding in bindings {
            self.take_binding(binding);
        }
        self.lose_legs(handle, legs);
        if let Some(peer) = peer {
            self.peers.remove_connection(peer, handle);
        }
        for hop in hops {
            self.hops.forget(&hop, handle);
        }
        self.abort_incoming(handle);
        for lane in lanes {
            self.abort_lane(lane);
        }
        self.lose_transactions(handle);
        self.wake_waiters(handle);
        if self.is_pipe(handle) {
            return;
        }
        self.close_pipes(handle);
        self.stats.closed += 1;
        self.stats.closed_by.record_close(&reason.kind);
        self.push_event(RelayEvent::ConnectionClosed {
            connection: handle,
            peer: self.remote_of(handle),
            reason,
        });
    }
}
