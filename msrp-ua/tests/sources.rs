//! Where messages come from and go to bit by bit: sources that keep their promises or not, and constant memory.

mod pair;
mod peer;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use msrp_core::grammar::StatusCode;
use msrp_ua::{
    Accept, CommandError, OutgoingMessage, Receive, UserAgentEvent,
    message::{MessageSink, MessageSource, Pull, SinkError, SourceError},
};
use pair::Pair;
use peer::{Peer, config};

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
        assert!(
            !peer
                .events
                .iter()
                .any(|event| matches!(event, UserAgentEvent::Failed { .. }))
        );
        assert_eq!(peer.agent.cancel(key), Err(CommandError::UnknownMessage));
    }
}

#[test]
fn a_message_of_unknown_size_is_stopped_when_it_gets_too_large_for_the_peer() {
    let mut peer = Peer::called(config(), |params| params.peer_max_size = Some(100_000));
    let source = Made::new(None, 2_000_000);
    let key = peer
        .agent
        .send(peer.session, OutgoingMessage::new("text/plain", source))
        .unwrap();
    let frames = peer.read();
    let octets: usize = frames
        .iter()
        .map(|frame| frame.body.as_ref().map_or(0, Vec::len))
        .sum();
    assert!(octets <= 100_000, "{octets}");
    assert!(frames.iter().all(|frame| frame.flag == '#'));
    assert!(peer.events.iter().any(|event| matches!(
        event,
        UserAgentEvent::Failed { message, code: StatusCode::STOP_SENDING, .. } if *message == key
    )));
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
