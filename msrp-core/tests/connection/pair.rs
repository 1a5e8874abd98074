//! Two connections back to back, in virtual time.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use msrp_core::{
    codec::{Framing, HeadTemplate, SendHeaders},
    connection::{Connection, ConnectionConfig, Event},
    grammar::{ByteRange, ContinuationFlag, FailureReport, MessageId, Path, SuccessReport},
    node::PeerInfo,
};

/// One side.
pub(crate) struct Side {
    pub(crate) connection: Connection,
    /// Everything that this side has sent.
    pub(crate) sent: Vec<u8>,
    pub(crate) events: Vec<Event>,
}

impl Side {
    /// Takes up to `most` octets of what there is to send.
    pub(crate) fn take(&mut self, now: Instant, most: usize) -> Option<Bytes> {
        let mut transmit = self.connection.poll_transmit(now, most.min(256 * 1024))?;
        let most = transmit.remaining().min(most);
        let octets = transmit.copy_to_bytes(most);
        self.sent.extend_from_slice(&octets);
        Some(octets)
    }
}

/// Both sides, and the time.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) a: Side,
    pub(crate) b: Side,
    /// How many octets travel in one read.
    pub(crate) read_size: usize,
}

pub(crate) fn connection(now: Instant, config: ConnectionConfig, seed: u8) -> Connection {
    Connection::new(
        now,
        Arc::new(config),
        PeerInfo::new(),
        Framing::Stream,
        [seed; 32],
    )
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with_config(ConnectionConfig::new())
    }

    pub(crate) fn with_config(config: ConnectionConfig) -> Self {
        let now = Instant::now();
        let side = |seed| Side {
            connection: connection(now, config.clone(), seed),
            sent: Vec::new(),
            events: Vec::new(),
        };
        Self {
            now,
            a: side(1),
            b: side(2),
            read_size: 64 * 1024,
        }
    }

    /// `a` sends a short message, with the tag 7.
    pub(crate) fn send_text(&mut self, text: &'static str, failure_report: FailureReport) {
        let template = template(failure_report, Some("text/plain"));
        let range = ByteRange::whole(text.len() as u64);
        let body = Bytes::from_static(text.as_bytes());
        let flag = ContinuationFlag::Complete;
        self.a
            .connection
            .send_chunk(self.now, &template, range, &body, flag, failure_report, 7)
            .unwrap();
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.now += time;
        self.a.connection.handle_timeout(self.now);
        self.b.connection.handle_timeout(self.now);
    }

    /// Moves octets until nothing moves any more; events gather on each side.
    pub(crate) fn drive(&mut self) {
        loop {
            let moved = step(&mut self.a, &mut self.b, self.now, self.read_size)
                + step(&mut self.b, &mut self.a, self.now, self.read_size);
            if moved == 0 {
                return;
            }
        }
    }

    /// Takes the events of `b`.
    pub(crate) fn b_events(&mut self) -> Vec<Event> {
        self.drive();
        std::mem::take(&mut self.b.events)
    }

    /// Takes the events of `a`.
    pub(crate) fn a_events(&mut self) -> Vec<Event> {
        self.drive();
        std::mem::take(&mut self.a.events)
    }
}

fn step(from: &mut Side, to: &mut Side, now: Instant, read_size: usize) -> usize {
    let mut moved = pull(from, now);
    while let Some(octets) = from.take(now, usize::MAX) {
        moved += octets.len();
        for piece in octets.chunks(read_size) {
            to.connection.handle_read(now, BytesMut::from(piece));
            moved += pull(to, now);
        }
    }
    moved + pull(from, now) + pull(to, now)
}

fn pull(side: &mut Side, now: Instant) -> usize {
    let before = side.events.len();
    while let Some(event) = side.connection.poll_event(now) {
        side.events.push(event);
    }
    side.events.len() - before
}

pub(crate) const A_URI: &str = "msrp://a.example.com:7654/jshA7weztas;tcp";
pub(crate) const B_URI: &str = "msrp://b.example.com:12763/kjhd37s2s20w2a;tcp";

pub(crate) fn path(uris: &str) -> Path {
    Path::parse(Bytes::copy_from_slice(uris.as_bytes()), 16).unwrap()
}

/// The head of a message from `a` to `b`.
pub(crate) fn template(failure_report: FailureReport, content_type: Option<&str>) -> HeadTemplate {
    any_template(SuccessReport::No, failure_report, content_type)
}

/// The head of a message with these report values.
pub(crate) fn report_template(success_report: SuccessReport, failure_report: FailureReport) -> HeadTemplate {
    any_template(success_report, failure_report, Some("application/octet-stream"))
}

fn any_template(
    success_report: SuccessReport,
    failure_report: FailureReport,
    content_type: Option<&str>,
) -> HeadTemplate {
    HeadTemplate::send(&SendHeaders {
        to_path: &path(B_URI),
        from_path: &path(A_URI),
        message_id: MessageId::parse(b"87652491").unwrap(),
        success_report,
        failure_report,
        content_type,
        extra: &[],
    })
    .unwrap()
}

/// The bodies that the events tell, joined, and whether the message's end was among them.
pub(crate) fn received(events: &[Event]) -> Vec<u8> {
    let mut octets = Vec::new();
    for event in events {
        if let Event::Body { data, .. } = event {
            octets.extend_from_slice(data);
        }
    }
    octets
}
