//! What a bare node does to get messages out.

use std::time::{Duration, Instant};

use bytes::Bytes;
use msrp_core::{
    codec::{HeadTemplate, SendHeaders},
    connection::{Outcome, OutgoingId, SendError, WriteError},
    grammar::{ByteRange, ContinuationFlag, FailureReport, MessageId, StatusCode, SuccessReport},
    node::ConnectionHandle,
};

use super::node::{BareEvent, BareNode, Later};

/// How a message is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunking {
    /// Through a lane; the connection cuts it.
    Lane {
        /// Whether the total is told from the beginning.
        total: bool,
    },
    /// In whole chunks of this many octets, at most 2,048.
    Whole(usize),
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its identifier.
    pub id: MessageId,
    /// Its octets.
    pub content: Bytes,
    /// How it is cut.
    pub chunking: Chunking,
    /// Which failures are to be told.
    pub failure_report: FailureReport,
    /// Whether success is to be told.
    pub success_report: SuccessReport,
}

/// A message under way.
#[derive(Debug)]
pub(super) struct Sending {
    message: Message,
    template: HeadTemplate,
    lane: Option<OutgoingId>,
    at: usize,
    finished: bool,
    waits: bool,
    /// Tracked chunks that were sent, and transactions that have ended.
    tracked: u64,
    ended: u64,
    told: bool,
}

impl BareNode {
    /// Begins a message.
    pub(super) fn begin(&mut self, now: Instant, handle: ConnectionHandle, message: Message) {
        let tag = self.number();
        let own = self.own.clone();
        let Some((connection, peer)) = self.table.get_mut(handle) else {
            return;
        };
        let Some(path) = &peer.path else { return };
        let template = HeadTemplate::send(&SendHeaders {
            to_path: path,
            from_path: &own,
            message_id: message.id,
            success_report: message.success_report,
            failure_report: message.failure_report,
            content_type: Some("application/octet-stream"),
            extra: &[],
        });
        let Ok(template) = template else { return };
        let lane = match message.chunking {
            Chunking::Lane { total } => {
                let total = total.then_some(message.content.len() as u64);
                match connection.open_send(template.clone(), 1, total, message.failure_report, tag) {
                    Ok(lane) => Some(lane),
                    Err(_) => return,
                }
            }
            Chunking::Whole(_) => None,
        };
        let sending = Sending {
            message,
            template,
            lane,
            at: 0,
            finished: false,
            waits: false,
            tracked: 0,
            ended: 0,
            told: false,
        };
        peer.sending.insert(tag, sending);
        self.write_message(now, handle, tag);
    }

    /// Writes on for all messages of a connection.
    pub(super) fn write_all(&mut self, now: Instant, handle: ConnectionHandle) {
        let tags: Vec<u64> = match self.table.get(handle) {
            Some((_, peer)) => peer.sending.keys().copied().collect(),
            None => return,
        };
        for tag in tags {
            self.write_message(now, handle, tag);
        }
    }

    /// Writes as much of a message as may be written.
    pub(super) fn write_message(&mut self, now: Instant, handle: ConnectionHandle, tag: u64) {
        let manners = self.manners.clone();
        loop {
            let piece = self.rng.size(1..=manners.piece.max(1));
            let (dribbles, aborts, repeats) = (
                self.rng.chance(manners.dribbles),
                self.rng.chance(manners.aborts),
                self.rng.chance(manners.repeats),
            );
            let back = self.rng.size(1..=5_000);
            let pause = self.rng.time(Duration::ZERO..manners.dribble_time);
            let Some((connection, peer)) = self.table.get_mut(handle) else {
                return;
            };
            let Some(sending) = peer.sending.get_mut(&tag) else {
                return;
            };
            if sending.finished {
                break;
            }
            if sending.waits {
                sending.waits = false;
            }
            let len = sending.message.content.len();
            match (sending.message.chunking, sending.lane) {
                (Chunking::Lane { .. }, Some(lane)) => {
                    if sending.at == len {
                        sending.finished = true;
                        if connection.finish(now, lane, ContinuationFlag::Complete).is_err() {
                            self.events
                                .push_back(BareEvent::Done(sending.message.id, Err(StatusCode::BAD_REQUEST)));
                        }
                        break;
                    }
                    if aborts {
                        sending.finished = true;
                        sending.told = true;
                        let id = sending.message.id;
                        // The lane is known as long as it has not been finished.
                        let _known = connection.abort(now, lane);
                        self.events
                            .push_back(BareEvent::Done(id, Err(StatusCode::REQUEST_TIMEOUT)));
                        break;
                    }
                    if repeats
                        && sending.at > back
                        && connection
                            .restart_at(lane, (sending.at - back) as u64 + 1)
                            .is_ok()
                    {
                        sending.at -= back;
                    }
                    let octets = sending
                        .message
                        .content
                        .slice(sending.at..len.min(sending.at + piece));
                    let taken = octets.len();
                    match connection.write(now, lane, octets) {
                        Ok(()) => sending.at += taken,
                        Err(WriteError::Blocked(_)) => break,
                        Err(_) => {
                            sending.finished = true;
                            break;
                        }
                    }
                }
                (Chunking::Whole(size), _) => {
                    let octets = sending
                        .message
                        .content
                        .slice(sending.at..len.min(sending.at + size));
                    let start = sending.at as u64 + 1;
                    let end = sending.at + octets.len();
                    let flag = if end == len {
                        ContinuationFlag::Complete
                    } else {
                        ContinuationFlag::More
                    };
                    let range = ByteRange {
                        start,
                        end: Some(end as u64),
                        total: Some(len as u64),
                    };
                    let report = sending.message.failure_report;
                    match connection.send_chunk(now, &sending.template, range, &octets, flag, report, tag) {
                        Ok(_) => {
                            sending.tracked += u64::from(report != FailureReport::No);
                            sending.at = end;
                            sending.finished = end == len;
                        }
                        Err(SendError::Blocked) => break,
                        Err(_) => {
                            sending.finished = true;
                            break;
                        }
                    }
                }
                (Chunking::Lane { .. }, None) => break,
            }
            if dribbles {
                sending.waits = true;
                self.later.insert((now + pause, Later::Write(handle, tag)));
                break;
            }
        }
        self.settle_message(handle, tag);
        self.after(handle);
    }

    pub(super) fn on_chunk_sent(&mut self, handle: ConnectionHandle, tag: u64, tracked: bool) {
        if let Some((_, peer)) = self.table.get_mut(handle)
            && let Some(sending) = peer.sending.get_mut(&tag)
        {
            sending.tracked += u64::from(tracked);
        }
    }

    pub(super) fn on_transaction_ended(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        tag: u64,
        outcome: Outcome,
    ) {
        let Some((connection, peer)) = self.table.get_mut(handle) else {
            return;
        };
        let Some(sending) = peer.sending.get_mut(&tag) else {
            return;
        };
        sending.ended += 1;
        let failure = match outcome {
            Outcome::Response { code, .. } if code.is_success() => None,
            Outcome::Response { code, .. } => Some(code),
            Outcome::TimedOut => Some(StatusCode::REQUEST_TIMEOUT),
            _ => None,
        };
        if let Some(code) = failure
            && !sending.told
        {
            sending.told = true;
            if let Some(lane) = sending.lane
                && !sending.finished
            {
                // It is unfinished, so it is known.
                let _known = connection.abort(now, lane);
            }
            sending.finished = true;
            let id = sending.message.id;
            self.events.push_back(BareEvent::Done(id, Err(code)));
        }
        self.settle_message(handle, tag);
    }

    /// Tells the end of a message, once nothing more can be heard of its chunks.
    fn settle_message(&mut self, handle: ConnectionHandle, tag: u64) {
        let Some((_, peer)) = self.table.get_mut(handle) else {
            return;
        };
        let Some(sending) = peer.sending.get_mut(&tag) else {
            return;
        };
        let silent = sending.message.failure_report == FailureReport::No;
        let whole = sending.lane.is_none();
        if sending.finished && !sending.told && (silent || whole && sending.tracked == sending.ended) {
            sending.told = true;
            let id = sending.message.id;
            self.events.push_back(BareEvent::Done(id, Ok(())));
        }
    }
}
