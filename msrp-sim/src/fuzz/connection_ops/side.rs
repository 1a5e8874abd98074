//! One connection, and what its node knows to have done.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use bytes::{Buf, Bytes, BytesMut};
use msrp_core::{
    codec::{Framing, HeadTemplate, SendHeaders},
    connection::{
        ApiMisuse, Connection, ConnectionConfig, Event, Outcome, OutgoingId, OutgoingRequest, RequestId,
        Responded, SendError, WriteError,
    },
    grammar::{
        ByteRange, ContinuationFlag, FailureReport, MessageId, Method, Path, StatusCode, SuccessReport,
    },
    node::PeerInfo,
};

const URIS: [&str; 2] = [
    "msrp://a.example:7654/jshA7weztas;tcp",
    "msrp://b.example:12763/kjhd37s2s20w2a;tcp",
];

/// The Message-ID of requests that carry no message.
pub(super) const NO_MESSAGE: &str = "nothing";

/// The largest slice that this harness writes, and the largest block that it reads.
const MAX_SLICE: usize = 65_535;

/// A message that was begun.
pub(super) struct Message {
    /// Positions and octets in the order in which they were written.
    pub(super) written: Vec<(u64, Bytes)>,
    /// `$` or `#`, once there is nothing more to come.
    pub(super) end: Option<ContinuationFlag>,
    /// Given up: what was written need not leave.
    pub(super) aborted: bool,
}

struct Lane {
    id: OutgoingId,
    message: String,
    position: u64,
}

/// A request of the peer as it was told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) body: Vec<u8>,
    pub(super) ended: bool,
}

pub(super) struct Side {
    pub(super) connection: Connection,
    /// All octets that left.
    pub(super) sent: Vec<u8>,
    pub(super) messages: BTreeMap<String, Message>,
    lanes: Vec<Lane>,
    /// Requests by the transaction identifier of the peer.
    pub(super) told: BTreeMap<String, Told>,
    requests: Vec<(RequestId, String)>,
    ended: BTreeSet<String>,
    /// It received octets that its peer had not sent.
    pub(super) tainted: bool,
    closed: bool,
    name: usize,
}

impl Side {
    pub(super) fn new(name: usize, config: ConnectionConfig) -> Self {
        let seed = [name as u8 + 1; 32];
        Self {
            connection: Connection::new(
                Instant::now(),
                Arc::new(config),
                PeerInfo::new(),
                Framing::Stream,
                seed,
            ),
            sent: Vec::new(),
            messages: BTreeMap::new(),
            lanes: Vec::new(),
            told: BTreeMap::new(),
            requests: Vec::new(),
            ended: BTreeSet::new(),
            tainted: false,
            closed: false,
            name,
        }
    }

    fn template(&mut self, report: FailureReport, body: bool) -> (String, HeadTemplate) {
        let message = format!("message{:04}", self.messages.len());
        let path = |uri: &'static str| Path::parse(Bytes::from_static(uri.as_bytes()), 2).expect("a path");
        let template = HeadTemplate::send(&SendHeaders {
            to_path: &path(URIS[1 - self.name]),
            from_path: &path(URIS[self.name]),
            message_id: MessageId::parse(message.as_bytes()).expect("an identifier"),
            success_report: SuccessReport::No,
            failure_report: report,
            content_type: body.then_some("text/plain"),
            extra: &[],
        });
        (message, template.expect("a sound head"))
    }

    fn begin(&mut self, message: &str) {
        let begun = Message {
            written: Vec::new(),
            end: None,
            aborted: false,
        };
        assert!(self.messages.insert(message.to_owned(), begun).is_none());
    }

    /// A lane, of those that there are or were.
    fn lane(&mut self, number: u8) -> Option<&mut Lane> {
        let count = self.lanes.len();
        let number = usize::from(number).checked_rem(count)?;
        self.lanes.get_mut(number)
    }

    pub(super) fn open_send(&mut self, octet: u8, report: FailureReport) {
        let (message, template) = self.template(report, true);
        let total = (octet & 1 != 0).then_some(100_000);
        match self.connection.open_send(template, 1, total, report, 1) {
            Ok(id) => {
                self.begin(&message);
                self.lanes.push(Lane {
                    id,
                    message,
                    position: 1,
                });
            }
            Err(SendError::Closed) => assert!(self.connection.is_closed()),
            Err(SendError::TooManyLanes { limit }) => assert!(limit <= self.lanes.len()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) fn write(&mut self, now: Instant, number: u8, len: usize, hostile: bool) {
        let octets = self.content(len, hostile);
        let Some(&mut Lane {
            id,
            ref message,
            position,
        }) = self.lane(number)
        else {
            return;
        };
        let message = message.clone();
        let capacity = self.connection.capacity(id);
        match self.connection.write(now, id, octets.clone()) {
            Ok(()) => {
                let known = self.messages.get_mut(&message).expect("a lane has a message");
                assert_eq!(known.end, None, "a finished message takes no octets");
                known.written.push((position, octets));
                if let Some(lane) = self.lane(number) {
                    lane.position += len as u64;
                }
            }
            Err(WriteError::Blocked(back)) => {
                assert_eq!(
                    (back, capacity),
                    (octets, 0),
                    "only a full lane blocks, and gives back what it got"
                );
            }
            Err(WriteError::Unknown(back)) => {
                assert_eq!((back, capacity), (octets, 0));
                assert!(self.messages[&message].end.is_some() || self.connection.is_closed());
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Octets to send: counted ones, or ones that look like the end-lines of chunks that have begun.
    fn content(&self, len: usize, hostile: bool) -> Bytes {
        if !hostile {
            return (0..len).map(|index| (index % 251) as u8).collect();
        }
        let start = self.sent.windows(5).rposition(|window| window == b"MSRP ");
        let id = start
            .and_then(|at| self.sent[at + 5..].split(|&octet| octet == b' ').next())
            .unwrap_or(b"abcd");
        let look_alike = [b"\r\n-------", id, b"$\r\n\r\r\n------"].concat();
        look_alike.iter().copied().cycle().take(len).collect()
    }

    pub(super) fn finish(&mut self, now: Instant, number: u8, flag: ContinuationFlag) {
        let Some(&mut Lane { id, ref message, .. }) = self.lane(number) else {
            return;
        };
        let message = message.clone();
        let known = self.messages.get_mut(&message).expect("a lane has a message");
        match self.connection.finish(now, id, flag) {
            Ok(()) => {
                assert!(known.end.is_none() && flag != ContinuationFlag::More);
                known.end = Some(flag);
            }
            Err(ApiMisuse::NotAnEnd) => assert_eq!(flag, ContinuationFlag::More),
            Err(_) => assert!(known.end.is_some() || self.connection.is_closed()),
        }
    }

    pub(super) fn abort(&mut self, now: Instant, number: u8) {
        let Some(&mut Lane { id, ref message, .. }) = self.lane(number) else {
            return;
        };
        let message = message.clone();
        let known = self.messages.get_mut(&message).expect("a lane has a message");
        match self.connection.abort(now, id) {
            Ok(_) => {
                known.end = Some(ContinuationFlag::Abort);
                known.aborted = true;
            }
            Err(_) => assert!(known.end.is_some() || self.connection.is_closed()),
        }
    }

    pub(super) fn restart_at(&mut self, number: u8, position: u64) {
        let Some(lane) = self.lane(number) else { return };
        let (id, message) = (lane.id, lane.message.clone());
        match self.connection.restart_at(id, position) {
            Ok(()) => {
                assert_eq!(
                    self.messages[&message].end, None,
                    "a finished message goes on nowhere"
                );
                if let Some(lane) = self.lane(number) {
                    lane.position = position.max(1);
                }
            }
            Err(_) => assert!(self.messages[&message].end.is_some() || self.connection.is_closed()),
        }
    }

    pub(super) fn send_chunk(
        &mut self,
        now: Instant,
        len: usize,
        flag: ContinuationFlag,
        report: FailureReport,
    ) {
        let (message, template) = self.template(report, true);
        let body = self.content(len, len.is_multiple_of(7));
        let open = len.is_multiple_of(2);
        let range = ByteRange {
            start: 1,
            end: (!open).then_some(len as u64),
            total: None,
        };
        match self
            .connection
            .send_chunk(now, &template, range, &body, flag, report, 2)
        {
            Ok(_) => {
                self.begin(&message);
                let begun = self.messages.get_mut(&message).expect("just begun");
                begun.written.push((1, body));
                begun.end = (flag != ContinuationFlag::More).then_some(flag);
            }
            Err(SendError::ChunkTooLong) => assert!(len > 2048 && !open),
            Err(SendError::Closed) => assert!(self.connection.is_closed()),
            Err(SendError::Blocked | SendError::TooManyTransactions { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) fn send_request(&mut self, now: Instant, octet: u8, len: usize, report: FailureReport) {
        let method =
            [Method::Report, Method::Auth, Method::Send, Method::Other("FOO")][usize::from(octet & 3)];
        let body = octet & 4 != 0;
        let complete: [(&str, &[u8]); 2] = [("Message-ID", NO_MESSAGE.as_bytes()), ("Status", b"000 200 OK")];
        let about: [(&str, &[u8]); 3] = [complete[0], complete[1], ("Success-Report", b"yes")];
        let request = OutgoingRequest {
            method,
            to_path: URIS[1 - self.name].as_bytes(),
            from_path: URIS[self.name].as_bytes(),
            headers: if octet & 8 == 0 { &complete } else { &about },
            body: body.then(|| ("text/plain", self.content(len, octet & 16 != 0))),
            failure_report: report,
            tag: (octet & 32 != 0).then_some(3),
        };
        match self.connection.send_request(now, &request) {
            Ok(_) => {
                assert!(!body || len <= 10_240 && method != Method::Send);
                assert!(
                    octet & 8 == 0 || method != Method::Report,
                    "no REPORT about a REPORT"
                );
            }
            Err(SendError::Closed) => assert!(self.connection.is_closed()),
            Err(_) => {}
        }
    }

    /// Answers, puts by or rejects a request, known or not any more.
    pub(super) fn answer(&mut self, number: u8, how: u8) {
        let Some(index) = usize::from(number).checked_rem(self.requests.len()) else {
            return;
        };
        let id = self.requests[index].0;
        let code =
            [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::STOP_SENDING][usize::from(how >> 4) % 3];
        match how & 3 {
            0 | 1 => {
                let given = self.connection.respond(id, code, code.phrase());
                if given == Ok(Responded::Queued) {
                    let again = self.connection.respond(id, code, code.phrase());
                    assert_eq!(again, Err(ApiMisuse::UnknownRequest), "one answer to a request");
                }
            }
            2 => {
                let _known = self.connection.defer(id);
            }
            _ => {
                let _known = self.connection.reject(id, code, code.phrase());
            }
        }
    }

    /// Pulls events; gives how many there were.
    pub(super) fn pull(&mut self, now: Instant, most: usize) -> usize {
        let mut pulled = 0;
        while pulled < most
            && let Some(event) = self.connection.poll_event(now)
        {
            pulled += 1;
            self.note(event);
        }
        pulled
    }

    pub(super) fn pull_sent(&mut self) {
        while let Some(event) = self.connection.poll_sent() {
            self.note(event);
        }
    }

    fn note(&mut self, event: Event) {
        assert!(!self.closed, "nothing follows the end: {event:?}");
        match event {
            Event::Request { id, head } => {
                let transaction = head.transact_id().as_str().to_owned();
                if !self.tainted {
                    assert!(
                        !self.told.contains_key(&transaction),
                        "identifiers are not used twice"
                    );
                }
                self.told.insert(transaction.clone(), Told::default());
                self.requests.push((id, transaction));
            }
            Event::Body { id, data, .. } => self.request(id).body.extend_from_slice(&data),
            Event::RequestEnd { id, received, .. } => {
                let told = self.request(id);
                assert_eq!(told.body.len() as u64, received);
                told.ended = true;
            }
            Event::TransactionEnded {
                transaction, outcome, ..
            } => {
                assert!(
                    self.ended.insert(transaction.as_str().to_owned()),
                    "a transaction ends once"
                );
                if let Outcome::Response { head, .. } = outcome {
                    assert_eq!(head.transact_id(), transaction);
                }
            }
            Event::Closed { .. } => self.closed = true,
            _ => {}
        }
    }

    fn request(&mut self, id: RequestId) -> &mut Told {
        let known = self.requests.iter().rev().find(|(known, _)| *known == id);
        let (_, transaction) = known.expect("a request is told before what belongs to it");
        self.told.get_mut(transaction).expect("it was noted")
    }

    /// What the driver writes: up to `most` octets.
    pub(super) fn take(&mut self, now: Instant, most: usize) -> Bytes {
        let Some(mut transmit) = self.connection.poll_transmit(now, most.max(1)) else {
            return Bytes::new();
        };
        assert!(transmit.has_remaining());
        let slices: usize = transmit.slices().map(<[u8]>::len).sum();
        assert_eq!(slices, transmit.remaining());
        let octets = transmit.copy_to_bytes(most.min(slices));
        self.sent.extend_from_slice(&octets);
        octets
    }

    /// Output for a peer that has gone still leaves.
    pub(super) fn write_to_nobody(&mut self, now: Instant, gone: bool) -> usize {
        if gone { self.take(now, 1500).len() } else { 0 }
    }

    pub(super) fn inject(&mut self, now: Instant, octets: &[u8]) {
        if self.connection.wants_read() {
            self.tainted |= !octets.is_empty();
            self.connection.handle_read(now, BytesMut::from(octets));
        }
    }

    /// Names that were never given are refused.
    pub(super) fn misuse(&mut self, now: Instant) {
        for lane in &self.lanes {
            if self.messages[&lane.message].end.is_some() {
                assert_eq!(self.connection.capacity(lane.id), 0);
                let refused = self.connection.write(now, lane.id, Bytes::from_static(b"x"));
                assert!(matches!(refused, Err(WriteError::Unknown(_))));
            }
        }
        self.connection.handle_timeout(now);
        self.connection.handle_read(now, BytesMut::new());
    }

    pub(super) fn check_bounds(&mut self) {
        let connection = &self.connection;
        assert!(
            connection.received() <= 2048 + MAX_SLICE,
            "received: {}",
            connection.received()
        );
        // The documented bounds, a slice over for each lane, and the request or response that reaches them.
        let bound = 2 * 16 * 1024 + 4 * 5000 + 11_000 + 4096;
        assert!(
            connection.buffered() <= bound,
            "buffered: {}",
            connection.buffered()
        );
        assert!(connection.open_transactions() <= 12);
        assert!(connection.timeout_reason().is_some() == connection.poll_timeout().is_some());
    }

    /// Nothing moves any more, and no time is running.
    pub(super) fn check_rest(&self) {
        let connection = &self.connection;
        assert_eq!(self.closed, connection.is_closed(), "the end is told");
        if self.closed {
            assert!(connection.is_drained());
            return;
        }
        assert_eq!(connection.buffered(), 0, "all that there was to send has left");
        assert_eq!(connection.open_transactions(), 0, "every transaction has ended");
        assert!(connection.wants_read());
    }
}
