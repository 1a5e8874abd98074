//! What a bare node does with requests.

use std::time::{Duration, Instant};

use msrp_core::{
    codec::{Head, HeaderName},
    connection::{OutgoingRequest, RequestId},
    grammar::{ContinuationFlag, FailureReport, MessageId, Method, StatusCode, SuccessReport},
    node::ConnectionHandle,
};

use super::node::{BareEvent, BareNode, Later};

/// The request whose octets come in.
#[derive(Debug)]
pub(super) struct Incoming {
    id: RequestId,
    message: Option<MessageId>,
    success_report: bool,
    from_path: Vec<u8>,
    refuse_at: Option<u64>,
}

impl BareNode {
    pub(super) fn on_request(&mut self, now: Instant, handle: ConnectionHandle, id: RequestId, head: &Head) {
        let refuses = self.rng.chance(self.manners.rejects);
        let defers = self.rng.chance(self.manners.defers);
        let refuse_at = refuses.then(|| self.rng.size(1..=100_000) as u64);
        let Some((connection, peer)) = self.table.get_mut(handle) else {
            return;
        };
        let max_uris = connection.config().limits().max_uris;
        if head.is_report() {
            self.on_report(head);
            return;
        }
        let from_path = head
            .from_path(max_uris)
            .map(|path| path.raw().to_vec())
            .unwrap_or_default();
        if peer.path.is_none() {
            peer.path = head.from_path(max_uris).ok().and_then(|path| path.to_path().ok());
        }
        if defers && connection.defer(id).is_ok() {
            let time = self.rng.time(Duration::ZERO..self.manners.defer_time);
            self.later.insert((now + time, Later::Answer(handle, id)));
        }
        peer.incoming = Some(Incoming {
            id,
            message: head.message_id().ok().flatten(),
            success_report: head.success_report() == Ok(SuccessReport::Yes),
            from_path,
            refuse_at,
        });
    }

    fn on_report(&mut self, head: &Head) {
        let range = head.byte_range().ok().flatten();
        if let (Ok(Some(message)), Ok(Some(status)), Some(range)) = (head.message_id(), head.status(), range)
        {
            self.events.push_back(BareEvent::Report(
                message,
                status.code,
                range.end.unwrap_or(range.start),
            ));
        }
    }

    pub(super) fn on_body(&mut self, handle: ConnectionHandle, id: RequestId, data: &[u8], offset: u64) {
        let Some((connection, peer)) = self.table.get_mut(handle) else {
            return;
        };
        let Some(incoming) = peer.incoming.as_ref().filter(|incoming| incoming.id == id) else {
            return;
        };
        let Some(message) = incoming.message.filter(|message| !peer.refused.contains(message)) else {
            return;
        };
        let end = offset - 1 + data.len() as u64;
        if incoming.refuse_at.is_some_and(|at| end >= at) {
            // The request is the one at hand, so it is known.
            let _known = connection.reject(id, StatusCode::STOP_SENDING, "Enough");
            peer.incoming = None;
            peer.messages.remove(&message);
            peer.refused.insert(message);
            return;
        }
        let content = peer.messages.entry(message).or_default();
        let from = (offset - 1) as usize;
        if content.len() < from + data.len() {
            content.resize(from + data.len(), 0);
        }
        content[from..from + data.len()].copy_from_slice(data);
    }

    pub(super) fn on_request_end(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        id: RequestId,
        flag: ContinuationFlag,
        _received: u64,
    ) {
        let answers = self.rng.chance(self.manners.answers);
        let Some((connection, peer)) = self.table.get_mut(handle) else {
            return;
        };
        let Some(incoming) = peer.incoming.take_if(|incoming| incoming.id == id) else {
            return;
        };
        if answers {
            // It may have been deferred, and then this is the answer, or have been answered.
            let _known = connection.respond(id, StatusCode::OK, "Fine");
        }
        let Some(message) = incoming.message.filter(|message| !peer.refused.contains(message)) else {
            return;
        };
        match flag {
            ContinuationFlag::More => {}
            ContinuationFlag::Abort => {
                peer.messages.remove(&message);
                self.events.push_back(BareEvent::GivenUp(handle, message));
            }
            ContinuationFlag::Complete => {
                let content = peer.messages.remove(&message).unwrap_or_default();
                let len = content.len();
                self.events
                    .push_back(BareEvent::Received(handle, message, content.into()));
                if incoming.success_report {
                    let range = format!("1-{len}/{len}");
                    let request = OutgoingRequest {
                        method: Method::Report,
                        to_path: &incoming.from_path,
                        from_path: self.own.as_bytes(),
                        headers: &[
                            (HeaderName::MessageId.as_str(), message.as_bytes()),
                            (HeaderName::ByteRange.as_str(), range.as_bytes()),
                            (HeaderName::Status.as_str(), b"000 200 OK"),
                        ],
                        body: None,
                        failure_report: FailureReport::No,
                        tag: None,
                    };
                    // Where there is no room for it, the sender of the message goes without.
                    let _sent = connection.send_request(now, &request);
                }
            }
        }
    }
}
