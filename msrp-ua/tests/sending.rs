//! Messages that we send: what they look like, what stops them, and that they are never held whole
//! (RFC 4975 §7.1, §7.1.1, §10).

mod pair;
mod peer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use msrp_core::{
    connection::ConnectionConfig,
    grammar::{FailureReport, StatusCode},
};
use msrp_ua::{
    Accept, CommandError, OutgoingKey, OutgoingMessage, Receive, SessionLoss, UserAgentEvent,
    message::{MessageSink, MessageSource, Pull, SinkError, SourceError},
};
use pair::Pair;
use peer::{PEER, Peer, config, frames::Frame};

fn failed(peer: &Peer) -> Vec<(OutgoingKey, StatusCode)> {
    peer.events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::Failed { message, code, .. } => Some((*message, *code)),
            _ => None,
        })
        .collect()
}

fn large() -> OutgoingMessage {
    OutgoingMessage::bytes("application/x-large", vec![b'x'; 100_000])
}

// shows: 4975-7.1-09, 4975-7.1.1-25
#[test]
fn a_send_without_body_has_nothing_of_a_body() {
    let mut peer = Peer::called(config().keep_alive(Some(Duration::from_secs(20))), |_| {});
    let frames = peer.advance(Duration::from_secs(20));
    let names: Vec<_> = frames[0].headers.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(frames.len(), 1);
    assert_eq!(names, ["To-Path", "From-Path", "Message-ID", "Byte-Range"]);
    assert_eq!(
        (&frames[0].start[..], &frames[0].body, frames[0].flag),
        ("SEND", &None, '$')
    );
    assert_eq!(frames[0].header("Byte-Range"), Some("1-0/0"));
}

// shows: 4975-7.1-04, 4975-7.1-05, 4975-7.1-15, 4975-7.1-17, 4975-7.1.1-03, 4975-7.1.1-04, 4975-7.1.1-05, 4975-7.1.1-17, 4975-7.1.1-18, 4975-7.1.1-20, 4975-7.1.1-23, 4975-7.1.1-15
#[test]
fn the_chunks_of_a_message_say_what_they_are() {
    let mut peer = Peer::called(config(), |_| {});
    let body: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let message = OutgoingMessage::bytes("application/x-large", body.clone())
        .with_header("Content-Disposition", "attachment")
        .with_success_report()
        .with_failure_report(FailureReport::Partial);
    peer.agent.send(peer.session, message).unwrap();
    let other = OutgoingMessage::bytes("text/x-other", vec![b'y'; 50_000]);
    peer.agent.send(peer.session, other).unwrap();
    let frames = peer.read();
    let chunks: Vec<&Frame> = frames
        .iter()
        .filter(|frame| frame.header("Content-Type") == Some("application/x-large"))
        .collect();
    assert!(chunks.len() > 2, "the two messages take turns");
    let mut position = 0_u64;
    for (at, chunk) in chunks.iter().enumerate() {
        let names: Vec<_> = chunk.headers.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(*names.last().unwrap(), "Content-Type");
        assert_eq!(chunk.header("Message-ID"), chunks[0].header("Message-ID"));
        assert_eq!(chunk.header("Success-Report"), Some("yes"));
        assert_eq!(chunk.header("Failure-Report"), Some("partial"));
        assert_eq!(chunk.header("Content-Disposition"), Some("attachment"));
        // Longer than 2,048 octets, so it has to be interruptible.
        assert!(chunk.body.as_ref().unwrap().len() > 2048);
        assert_eq!(chunk.range(), (position + 1, None, Some(100_000)));
        position += chunk.body.as_ref().unwrap().len() as u64;
        assert_eq!(chunk.flag, if at + 1 == chunks.len() { '$' } else { '+' });
    }
    let received: Vec<u8> = chunks
        .iter()
        .flat_map(|chunk| chunk.body.clone().unwrap())
        .collect();
    assert!(received == body);
    // No two transactions share an identifier.
    let mut tids: Vec<_> = frames.iter().map(|frame| &frame.tid).collect();
    tids.sort();
    tids.dedup();
    assert_eq!(tids.len(), frames.len());
}

// shows: 4975-7.1-16
#[test]
fn a_message_that_is_cancelled_ends_by_a_hash_and_nothing_follows() {
    let mut peer = Peer::called(config(), |_| {});
    let key = peer.agent.send(peer.session, large()).unwrap();
    let begun = peer.read_octets(peer.wire, 6000);
    peer.agent.cancel(key).unwrap();
    let rest = peer.read_octets(peer.wire, usize::MAX);
    let frames = peer::frames::frames(&[begun, rest].concat());
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].flag, '#');
    assert!(frames[0].body.as_ref().unwrap().len() < 100_000);
    assert!(peer.read().is_empty());
    assert_eq!(peer.agent.cancel(key), Err(CommandError::UnknownMessage));
    // One that has not begun leaves no trace.
    let mut peer = Peer::called(config(), |_| {});
    let key = peer.agent.send(peer.session, large()).unwrap();
    peer.agent.cancel(key).unwrap();
    assert!(peer.read().is_empty());
}

// shows: 4975-10-08, 4975-10-09
#[test]
fn after_a_413_the_message_stops_and_others_go_on() {
    let mut peer = Peer::called(config(), |_| {});
    let stopped = peer.agent.send(peer.session, large()).unwrap();
    let begun = peer.read_octets(peer.wire, 6000);
    let other = peer
        .agent
        .send(
            peer.session,
            OutgoingMessage::bytes("text/x-other", vec![b'y'; 50_000]),
        )
        .unwrap();
    let tid = String::from_utf8_lossy(&begun)
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned();
    let own = peer.to.clone();
    peer.hear(&format!(
        "MSRP {tid} 413 Stop\r\nTo-Path: {own}\r\nFrom-Path: {PEER}\r\n-------{tid}$\r\n"
    ));
    let rest = peer.read_octets(peer.wire, usize::MAX);
    peer.listen();
    let frames = peer::frames::frames(&[begun, rest].concat());
    let large: Vec<_> = frames
        .iter()
        .filter(|frame| frame.header("Content-Type") == Some("application/x-large"))
        .collect();
    assert_eq!(large.len(), 1);
    assert_eq!(large[0].flag, '#');
    assert!(large[0].body.as_ref().unwrap().len() < 10_000);
    assert_eq!(failed(&peer), [(stopped, StatusCode::STOP_SENDING)]);
    for frame in frames
        .iter()
        .filter(|frame| frame.header("Content-Type") == Some("text/x-other"))
    {
        peer.answer(frame, "200 OK");
    }
    assert!(
        peer.events
            .iter()
            .any(|event| matches!(event, UserAgentEvent::Accepted { message } if *message == other))
    );
}

// shows: 4975-7.1.1-10
#[test]
fn an_error_is_told_with_partial_reports_and_silence_is_none() {
    for status in ["403 No", "415 No"] {
        let mut peer = Peer::called(config(), |_| {});
        let message = || OutgoingMessage::text("Hi").with_failure_report(FailureReport::Partial);
        let key = peer.agent.send(peer.session, message()).unwrap();
        let frame = peer.read().remove(0);
        peer.answer(&frame, status);
        assert_eq!(failed(&peer).len(), 1);
        assert_eq!(failed(&peer)[0].0, key);
        // Nobody answers this one, and that is fine.
        let quiet = Peer::called(config(), |_| {});
        let mut peer = quiet;
        peer.agent.send(peer.session, message()).unwrap();
        peer.read();
        peer.advance(Duration::from_secs(60));
        assert!(failed(&peer).is_empty());
        assert_eq!(peer.agent.session_count(), 1);
    }
}

// shows: 4975-10-06
#[test]
fn a_408_is_what_no_answer_is() {
    let outcome = |late: bool| {
        let mut peer = Peer::called(config(), |_| {});
        let key = peer
            .agent
            .send(peer.session, OutgoingMessage::text("Hi"))
            .unwrap();
        let frame = peer.read().remove(0);
        if late {
            peer.advance(Duration::from_secs(29));
            assert!(failed(&peer).is_empty());
            peer.advance(Duration::from_secs(1));
        } else {
            peer.answer(&frame, "408 Timeout");
        }
        assert_eq!(failed(&peer), [(key, StatusCode::REQUEST_TIMEOUT)]);
        peer.events
            .iter()
            .map(|event| format!("{event:?}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(outcome(true), outcome(false));
}

// shows: 4975-7.1.1-07, 4975-G-05
#[test]
fn at_the_end_of_a_session_it_is_told_of_what_nothing_is_known() {
    let mut peer = Peer::called(config(), |_| {});
    let session = peer.session;
    let mut send = |message: OutgoingMessage, answered: bool| {
        let key = peer.agent.send(session, message).unwrap();
        let frame = peer.read().remove(0);
        if answered {
            peer.answer(&frame, "200 OK");
        }
        (key, frame.header("Message-ID").unwrap().to_owned())
    };
    let unreported = send(OutgoingMessage::text("Hi").with_success_report(), true);
    let unanswered = send(OutgoingMessage::text("Hi"), false);
    send(OutgoingMessage::text("Hi"), true);
    let (_, reported) = send(OutgoingMessage::text("Hi").with_success_report(), true);
    peer.report(&reported, "1-2/2", "000 200 OK");
    peer.events.clear();
    peer.agent.close_session(session).unwrap();
    // No farewell stands on the wire.
    assert!(peer.read().is_empty());
    let unknown: Vec<_> = peer
        .events
        .iter()
        .map(|event| match event {
            UserAgentEvent::DeliveryUnknown { message, message_id } => (*message, message_id.to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(unknown, [unreported, unanswered]);
    assert!(
        peer.chunk("late", "1-2/2", "Hi", '$')[0]
            .start
            .starts_with("481 ")
    );
    peer.advance(Duration::from_secs(300));
    assert_eq!(peer.agent.connection_count(), 0);
}

#[test]
fn an_answer_that_overtakes_its_chunk_counts() {
    let mut peer = Peer::called(config(), |_| {});
    let key = peer.agent.send(peer.session, large()).unwrap();
    let begun = peer.read_octets(peer.wire, 6000);
    let tid = String::from_utf8_lossy(&begun)
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned();
    let own = peer.to.clone();
    peer.hear(&format!(
        "MSRP {tid} 200 OK\r\nTo-Path: {own}\r\nFrom-Path: {PEER}\r\n-------{tid}$\r\n"
    ));
    let rest = peer.read_octets(peer.wire, usize::MAX);
    peer.listen();
    let frames = peer::frames::frames(&[begun, rest].concat());
    assert_eq!(frames.len(), 1);
    assert!(
        peer.events
            .iter()
            .any(|event| matches!(event, UserAgentEvent::Accepted { message } if *message == key))
    );
}

// shows: 4975-8.6-11, 4975-8.6-12
#[test]
fn what_the_peer_does_not_want_is_not_sent() {
    let mut peer = Peer::called(config(), |params| {
        *params = params
            .clone()
            .with_peer_limits("text/plain text/x-image".parse().unwrap(), Some(1000));
    });
    let session = peer.session;
    assert_eq!(
        peer.agent.send(session, OutgoingMessage::bytes("image/png", "x")),
        Err(CommandError::NotAccepted("image/png".to_owned()))
    );
    assert_eq!(
        peer.agent.send(session, OutgoingMessage::text("x".repeat(1001))),
        Err(CommandError::TooLarge {
            size: 1001,
            limit: 1000
        })
    );
    assert!(peer.read().is_empty());
    // One whose size is not known is stopped when it gets too large.
    let key = peer
        .agent
        .send(
            session,
            OutgoingMessage::new("text/plain", Made::new(None, 2_000_000)),
        )
        .unwrap();
    let frames = peer.read();
    assert!(frames.iter().all(|frame| frame.flag == '#'));
    assert_eq!(failed(&peer), [(key, StatusCode::STOP_SENDING)]);
    // What it has refused once it is not asked for again.
    peer.agent
        .send(session, OutgoingMessage::bytes("text/x-image", "x"))
        .unwrap();
    let frame = peer.read().remove(0);
    peer.answer(&frame, "415 No");
    assert_eq!(
        peer.agent
            .send(session, OutgoingMessage::bytes("TEXT/X-Image", "x")),
        Err(CommandError::NotAccepted("text/x-image".to_owned()))
    );
    assert!(peer.agent.send(session, OutgoingMessage::text("Hi")).is_ok());
}

/// A source that promises, and gives.
struct Made {
    promised: Option<u64>,
    left: u64,
    breaks: bool,
    held: Arc<Held>,
}

/// How many octets of one side's making exist, and how many have at the most.
#[derive(Default)]
struct Held {
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Counted(Vec<u8>, Arc<Held>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.now.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

impl Made {
    fn new(promised: Option<u64>, gives: u64) -> Self {
        Self {
            promised,
            left: gives,
            breaks: false,
            held: Arc::default(),
        }
    }

    fn endless() -> Self {
        Self::new(None, u64::MAX)
    }
}

impl MessageSource for Made {
    fn size(&self) -> Option<u64> {
        self.promised
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        if self.left == 0 {
            return if self.breaks {
                Err(SourceError)
            } else {
                Ok(Pull::End)
            };
        }
        let len = self.left.min(most as u64);
        self.left -= len;
        let now = self.held.now.fetch_add(len as usize, Ordering::Relaxed) + len as usize;
        self.held.most.fetch_max(now, Ordering::Relaxed);
        let octets = Counted(vec![b'z'; len as usize], self.held.clone());
        Ok(Pull::Octets(Bytes::from_owner(octets)))
    }
}

#[test]
fn a_source_that_breaks_its_promise_ends_the_message() {
    for (promised, gives, breaks) in [
        (Some(30_000), 20_000, false),
        (Some(30_000), 40_000, false),
        (Some(30_000), 2_000_000, false),
        (None, 20_000, true),
        (Some(10), 0, true),
    ] {
        let mut peer = Peer::called(config(), |_| {});
        let mut source = Made::new(promised, gives);
        source.breaks = breaks;
        let key = peer
            .agent
            .send(peer.session, OutgoingMessage::new("text/plain", source))
            .unwrap();
        let frames = peer.read();
        assert!(frames.iter().all(|frame| frame.flag != '$'));
        assert!(frames.last().is_none_or(|frame| frame.flag == '#'));
        let octets: usize = frames
            .iter()
            .map(|frame| frame.body.as_ref().map_or(0, Vec::len))
            .sum();
        assert!(
            octets as u64 <= promised.unwrap_or(gives),
            "{octets} of {promised:?}"
        );
        assert!(
            peer.events
                .iter()
                .any(|event| matches!(event, UserAgentEvent::SourceFailed { message } if *message == key))
        );
        assert!(failed(&peer).is_empty());
        assert_eq!(peer.agent.cancel(key), Err(CommandError::UnknownMessage));
    }
}

/// A source that has nothing at first.
struct Late(Arc<AtomicUsize>);

impl MessageSource for Late {
    fn size(&self) -> Option<u64> {
        None
    }

    fn pull(&mut self, _most: usize) -> Result<Pull, SourceError> {
        Ok(match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Pull::Pending,
            1 => Pull::Octets(Bytes::from_static(b"at last")),
            _ => Pull::End,
        })
    }
}

#[test]
fn a_source_may_be_waited_for() {
    let mut peer = Peer::called(config(), |_| {});
    let key = peer
        .agent
        .send(
            peer.session,
            OutgoingMessage::new("text/plain", Late(Arc::default())),
        )
        .unwrap();
    assert!(peer.read().is_empty());
    let other = OutgoingMessage::text("meanwhile");
    peer.agent.send(peer.session, other).unwrap();
    assert_eq!(peer.read()[0].body.as_deref(), Some(&b"meanwhile"[..]));
    peer.agent.source_ready(key);
    assert_eq!(peer.read()[0].body.as_deref(), Some(&b"at last"[..]));
}

#[test]
fn sessions_that_share_a_connection_share_its_lanes() {
    let narrow = config().connection(ConnectionConfig::new().max_lanes(1));
    let mut pair = Pair::with_configs(narrow, pair::config("b.example.com"));
    let sessions: Vec<_> = (0..3).map(|_| pair.open(|_| {}, |_| {}).0).collect();
    pair.drive();
    let first = pair
        .a
        .agent
        .send(sessions[0], OutgoingMessage::new("text/plain", Made::endless()))
        .unwrap();
    for _ in 0..2 {
        for &session in &sessions {
            pair.a.agent.send(session, OutgoingMessage::text("Hi")).unwrap();
        }
    }
    // The lane is taken: all others wait, and go when the first is given up.
    pair.a.agent.cancel(first).unwrap();
    pair.drive();
    let heard = pair
        .b
        .events
        .iter()
        .filter(|event| matches!(event, UserAgentEvent::Message { .. }))
        .count();
    assert_eq!(heard, 6);
}

#[test]
fn messages_under_way_are_bounded_and_finished_ones_do_not_count() {
    let mut peer = Peer::called(config().max_outgoing(3), |_| {});
    let session = peer.session;
    for _ in 0..10 {
        peer.agent.send(session, OutgoingMessage::text("Hi")).unwrap();
        let frame = peer.read().remove(0);
        peer.answer(&frame, "200 OK");
    }
    for _ in 0..3 {
        peer.agent.send(session, OutgoingMessage::text("Hi")).unwrap();
    }
    assert_eq!(
        peer.agent.send(session, OutgoingMessage::text("Hi")),
        Err(CommandError::TooManyMessages { limit: 3 })
    );
}

// shows: 4975-G-06
#[test]
fn a_peer_that_answers_no_keep_alive_is_gone() {
    let mut peer = Peer::called(config().keep_alive(Some(Duration::from_secs(20))), |_| {});
    for _ in 0..3 {
        let frames = peer.advance(Duration::from_secs(20));
        peer.answer(&frames[0], "200 OK");
    }
    peer.advance(Duration::from_secs(20));
    peer.advance(Duration::from_secs(29));
    assert!(peer.events.is_empty());
    peer.advance(Duration::from_secs(1));
    assert!(matches!(
        peer.events[..],
        [UserAgentEvent::SessionLost {
            reason: SessionLoss::Refused(StatusCode::REQUEST_TIMEOUT),
            ..
        }]
    ));
    // Keep-alives end with their session.
    assert!(peer.advance(Duration::from_secs(600)).is_empty());
}

/// Counts what it gets and keeps nothing.
struct Counting(Arc<AtomicUsize>);

impl MessageSink for Counting {
    fn write(&mut self, _offset: u64, data: &Bytes) -> Result<(), SinkError> {
        self.0.fetch_add(data.len(), Ordering::Relaxed);
        Ok(())
    }

    fn complete(&mut self, _size: u64) -> Result<(), SinkError> {
        Ok(())
    }

    fn abort(&mut self) {}
}

#[test]
fn a_message_of_64_mib_is_never_held_whole() {
    const SIZE: u64 = 64 << 20;
    let mut pair = Pair::new();
    let (a, _) = pair.open(
        |_| {},
        |params| {
            params.max_size = SIZE;
            params.receive = Receive::Ask;
        },
    );
    pair.drive();
    let source = Made::new(Some(SIZE), SIZE);
    let held = source.held.clone();
    let message = OutgoingMessage::new("application/octet-stream", source).with_success_report();
    let key = pair.a.agent.send(a, message).unwrap();
    let counted = Arc::new(AtomicUsize::new(0));
    let mut delivered = false;
    for _ in 0..100_000 {
        pair.drive();
        if delivered {
            break;
        }
        for event in std::mem::take(&mut pair.b.events) {
            if let UserAgentEvent::IncomingMessage { message, .. } = event {
                pair.b
                    .agent
                    .accept(message, Accept::sink(Counting(counted.clone())))
                    .unwrap();
            }
        }
        for event in std::mem::take(&mut pair.a.events) {
            delivered |=
                matches!(event, UserAgentEvent::Delivered { message, complete: true, .. } if message == key);
            assert!(!matches!(
                event,
                UserAgentEvent::Failed { .. } | UserAgentEvent::SourceFailed { .. }
            ));
        }
        pair.a.sent.clear();
        pair.b.sent.clear();
        assert_eq!(pair.b.agent.buffered(), 0);
    }
    assert!(delivered);
    assert_eq!(counted.load(Ordering::Relaxed) as u64, SIZE);
    // A lane takes 256 KiB and one slice more, one slice is held back, and 256 KiB are lent to the transport.
    let most = held.most.load(Ordering::Relaxed);
    assert!(
        (64 * 1024..=(256 + 64 + 64 + 256) * 1024).contains(&most),
        "{most}"
    );
    assert_eq!(held.now.load(Ordering::Relaxed), 0);
}
