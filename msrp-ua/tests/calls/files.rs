//! Files over calls (RFC 5547).

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use msrp_core::grammar::StatusCode;
use msrp_ua::{
    CommandError, OutgoingMessage, UserAgentEvent,
    call::{
        CallAnswer, CallChange, CallEnd, FileOffer, FileOutcome, FileReceiver, ProposalKind, StreamAnswer,
        StreamProposal,
    },
    message::{FromBytes, MessageSink, MessageSource, Pull, SinkError, SourceError},
    sdp::{FileRange, FileSelector},
};

use crate::world::{Side, World, bob};

/// A sink that a test can look into.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Vec<u8>>>);

impl Shelf {
    fn octets(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl MessageSink for Shelf {
    fn write(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        let mut octets = self.0.lock().unwrap();
        let end = offset as usize - 1 + data.len();
        if octets.len() < end {
            octets.resize(end, 0);
        }
        octets[offset as usize - 1..end].copy_from_slice(data);
        Ok(())
    }

    fn complete(&mut self, _size: u64) -> Result<(), SinkError> {
        Ok(())
    }

    fn abort(&mut self) {}
}

/// A sink that finds at the end that it was not what was promised.
struct Wrong;

impl MessageSink for Wrong {
    fn write(&mut self, _offset: u64, _data: &Bytes) -> Result<(), SinkError> {
        Ok(())
    }

    fn complete(&mut self, _size: u64) -> Result<(), SinkError> {
        Err(SinkError)
    }

    fn abort(&mut self) {}
}

/// A source that gives a little and then nothing more for now.
struct Slow(u64, bool);

impl MessageSource for Slow {
    fn size(&self) -> Option<u64> {
        Some(self.0)
    }

    fn pull(&mut self, _most: usize) -> Result<Pull, SourceError> {
        if std::mem::replace(&mut self.1, true) {
            return Ok(Pull::Pending);
        }
        Ok(Pull::Octets(Bytes::from(vec![b'x'; 10_000])))
    }
}

/// A source that gives no more than it may, and can begin anew.
struct Halting {
    octets: Bytes,
    at: usize,
    may: Arc<Mutex<usize>>,
}

impl MessageSource for Halting {
    fn size(&self) -> Option<u64> {
        Some(self.octets.len() as u64)
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        let end = (self.at + most)
            .min(*self.may.lock().unwrap())
            .min(self.octets.len());
        if self.at == self.octets.len() {
            return Ok(Pull::End);
        }
        if self.at == end {
            return Ok(Pull::Pending);
        }
        let octets = self.octets.slice(self.at..end);
        self.at = end;
        Ok(Pull::Octets(octets))
    }

    fn rewind(&mut self) -> bool {
        self.at = 0;
        true
    }
}

fn octets(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 % 251) as u8).collect()
}

fn named(name: &str) -> FileSelector {
    let mut selector = FileSelector::default();
    selector.name = Some(name.to_owned());
    selector
}

/// What is offered in the call that has come last, or within it.
fn proposals(side: &Side) -> Vec<StreamProposal> {
    side.find(|event| match event {
        UserAgentEvent::IncomingCall(call) => Some(call.streams.clone()),
        UserAgentEvent::StreamsOffered { streams, .. } => Some(streams.clone()),
        _ => None,
    })
}

fn outcomes(side: &Side) -> Vec<FileOutcome> {
    side.events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::FileEnded { outcome, .. } => Some(outcome.clone()),
            _ => None,
        })
        .collect()
}

fn leaves_nothing(world: &World) {
    assert_eq!(world.a.agent.call_count() + world.b.agent.call_count(), 0);
    assert_eq!(world.a.agent.session_count() + world.b.agent.session_count(), 0);
    assert_eq!(world.sip.dialog_count(), 0);
}

// shows: 5547-4-01, 5547-5-05, 5547-8.1-01, 5547-8.1-04, 5547-8.2.1-03, 5547-8.3.1-05, 5547-8.7-03, 5547-8.7-07
#[test]
fn a_call_for_a_file_ends_with_it() {
    let mut world = World::new();
    let file = octets(300_000);
    let at_a = world
        .a
        .agent
        .call(bob().with_stream(FileOffer::push(named("a.bin"), FromBytes::new(file.clone()))))
        .unwrap();
    world.run();
    let at_b = world.b.incoming();
    let proposal = proposals(&world.b).remove(0);
    let ProposalKind::Push(offered) = &proposal.kind else {
        panic!("{proposal:?}");
    };
    assert_eq!(offered.selector.name.as_deref(), Some("a.bin"));
    assert_eq!(offered.selector.size, Some(300_000));
    assert!(offered.transfer_id.as_ref().unwrap().len() >= 32);
    let shelf = Shelf::default();
    let answer = CallAnswer::new().with_stream(
        proposal.stream,
        StreamAnswer::Receive(FileReceiver::new(shelf.clone())),
    );
    world.b.agent.answer_call(at_b, answer).unwrap();
    world.run();
    assert!(shelf.octets() == file);
    assert_eq!(outcomes(&world.a), [FileOutcome::Sent { confirmed: true }]);
    assert_eq!(outcomes(&world.b), [FileOutcome::Received { size: 300_000 }]);
    // One message, whose disposition says what SDP has said.
    let disposition = world.b.find(|event| match event {
        UserAgentEvent::Message { disposition, .. } => Some(disposition.clone()),
        _ => None,
    });
    assert_eq!(
        disposition.as_deref(),
        Some("render; filename=\"a.bin\"; size=300000")
    );
    assert_eq!(world.a.ended(at_a), [CallEnd::Finished]);
    assert_eq!(world.b.ended(at_b), [CallEnd::Peer]);
    leaves_nothing(&world);
}

// shows: 5547-8.2-01, 5547-8.2-02, 5547-8.7-02, 5547-8.7-11, 3264-8.1-01, 3264-8-04
#[test]
fn files_come_and_go_beside_a_conversation() {
    let mut world = World::new();
    let (a, b) = world.established();
    for n in 1..=3_usize {
        let file = octets(n * 1_000);
        let stream = world
            .a
            .agent
            .offer_file(a.call, FileOffer::push(named("x"), FromBytes::new(file.clone())))
            .unwrap();
        world.run();
        let proposal = proposals(&world.b).remove(0);
        let shelf = Shelf::default();
        let answer = CallAnswer::new().with_stream(
            proposal.stream,
            StreamAnswer::Receive(FileReceiver::new(shelf.clone())),
        );
        world.b.agent.answer_streams(b.call, answer).unwrap();
        world.run();
        assert_eq!(shelf.octets(), file);
        assert_eq!(outcomes(&world.a).len(), n);
        assert!(world.a.events.iter().any(|event| matches!(
            event,
            UserAgentEvent::StreamsChanged { changes, .. }
                if matches!(&changes[..], [CallChange::Ended { stream: ended, .. }] if *ended == stream)
        )));
        assert_eq!(world.a.agent.session_count(), 1);
        assert_eq!(world.b.agent.session_count(), 1);
    }
    // The conversation has not noticed.
    let ready = |event: &UserAgentEvent| matches!(event, UserAgentEvent::SessionReady { session } if *session == a.session);
    assert_eq!(world.a.count(ready), 1);
    world.a.agent.end_call(a.call).unwrap();
    world.run();
    leaves_nothing(&world);
}

// shows: 5547-8.2.2-01, 5547-8.2.2-02, 5547-8.3.2-05, 5547-8-02
#[test]
fn a_file_is_asked_for() {
    let mut world = World::new();
    let (a, b) = world.established();
    let shelf = Shelf::default();
    world
        .a
        .agent
        .offer_file(
            a.call,
            FileOffer::pull(named("minutes"), FileReceiver::new(shelf.clone())),
        )
        .unwrap();
    world.run();
    let proposal = proposals(&world.b).remove(0);
    assert!(
        matches!(&proposal.kind, ProposalKind::Pull(file) if file.selector.name.as_deref() == Some("minutes"))
    );
    let file = octets(5_000);
    let answer = CallAnswer::new().with_stream(
        proposal.stream,
        StreamAnswer::Send(Box::new(FileOffer::push(
            named("minutes"),
            FromBytes::new(file.clone()),
        ))),
    );
    world.b.agent.answer_streams(b.call, answer).unwrap();
    world.run();
    assert_eq!(shelf.octets(), file);
    assert_eq!(outcomes(&world.a), [FileOutcome::Received { size: 5_000 }]);
    assert_eq!(outcomes(&world.b), [FileOutcome::Sent { confirmed: true }]);
    assert_eq!(world.a.agent.session_count(), 1);
}

// shows: 5547-8.3-01, 5547-8.3-02, 5547-8.3.2-03
#[test]
fn a_file_that_nobody_wants() {
    let mut world = World::new();
    let (a, b) = world.established();
    world
        .a
        .agent
        .offer_file(a.call, FileOffer::push(named("spam"), FromBytes::new(octets(10))))
        .unwrap();
    world.run();
    world.b.agent.answer_streams(b.call, CallAnswer::new()).unwrap();
    world.run();
    assert_eq!(outcomes(&world.a), [FileOutcome::Refused]);
    assert_eq!(outcomes(&world.b), []);
    assert_eq!(world.a.agent.session_count(), 1);
    assert_eq!(world.b.agent.session_count(), 1);
    assert_eq!(world.a.ended(a.call), []);
}

#[test]
fn an_offer_that_nobody_decides_on_is_refused_in_the_end() {
    let mut world = World::new();
    let (a, b) = world.established();
    world
        .a
        .agent
        .offer_file(a.call, FileOffer::push(named("late"), FromBytes::new(octets(10))))
        .unwrap();
    world.pass(std::time::Duration::from_secs(181));
    assert_eq!(outcomes(&world.a), [FileOutcome::Refused]);
    assert!(world.b.agent.answer_streams(b.call, CallAnswer::new()).is_err());
}

/// A file under way in a call with a conversation.
fn under_way(
    source: impl MessageSource + 'static,
) -> (World, [crate::world::Ends; 2], [msrp_ua::call::StreamId; 2]) {
    let mut world = World::new();
    let (a, b) = world.established();
    let at_a = world
        .a
        .agent
        .offer_file(a.call, FileOffer::push(named("slow"), source))
        .unwrap();
    world.run();
    let at_b = proposals(&world.b).remove(0).stream;
    let answer =
        CallAnswer::new().with_stream(at_b, StreamAnswer::Receive(FileReceiver::new(Shelf::default())));
    world.b.agent.answer_streams(b.call, answer).unwrap();
    world.run();
    assert_eq!(world.b.agent.incoming_count(), 1);
    (world, [a, b], [at_a, at_b])
}

// shows: 5547-8.4-02, 5547-8.4-03, 5547-8.4-12
#[test]
fn the_sender_gives_a_file_up() {
    let (mut world, [a, _], [at_a, _]) = under_way(Slow(1_000_000, false));
    world.a.agent.abort_file(a.call, at_a).unwrap();
    world.run();
    assert_eq!(outcomes(&world.a), [FileOutcome::Aborted]);
    assert_eq!(outcomes(&world.b), [FileOutcome::AbortedByPeer]);
    assert_eq!(world.a.agent.session_count(), 1);
    assert_eq!(world.b.agent.session_count(), 1);
}

// shows: 5547-8.7-01
#[test]
fn the_session_of_a_file_carries_nothing_else() {
    let (mut world, [a, _], [at_a, _]) = under_way(Slow(1_000_000, false));
    let session = world.a.find(|event| match event {
        UserAgentEvent::StreamsChanged { call, changes } if *call == a.call => {
            changes.iter().find_map(|change| match change {
                CallChange::Added(stream) if stream.stream == at_a => Some(stream.session),
                _ => None,
            })
        }
        _ => None,
    });
    let another = world.a.agent.send(session, OutgoingMessage::text("by the way"));
    assert_eq!(another, Err(CommandError::ForFile));
    // Beside it people go on talking.
    assert!(
        world
            .a
            .agent
            .send(a.session, OutgoingMessage::text("by the way"))
            .is_ok()
    );
}

// shows: 5547-8.4-06, 5547-8.4-07, 5547-8.4-10
#[test]
fn the_receiver_gives_a_file_up() {
    let (mut world, [_, b], [_, at_b]) = under_way(Slow(1_000_000, false));
    world.b.agent.abort_file(b.call, at_b).unwrap();
    world.run();
    assert_eq!(outcomes(&world.b), [FileOutcome::Aborted]);
    assert!(
        matches!(
            outcomes(&world.a)[..],
            [FileOutcome::Failed(StatusCode::STOP_SENDING) | FileOutcome::Ended]
        ),
        "{:?}",
        outcomes(&world.a)
    );
    assert_eq!(world.a.agent.session_count(), 1);
    assert_eq!(world.b.agent.session_count(), 1);
    assert_eq!(world.b.agent.incoming_count(), 0);
}

// shows: 5547-8.3.1-10
#[test]
fn a_file_that_is_not_what_was_promised() {
    let mut world = World::new();
    let (a, b) = world.established();
    world
        .a
        .agent
        .offer_file(a.call, FileOffer::push(named("lie"), FromBytes::new(octets(100))))
        .unwrap();
    world.run();
    let proposal = proposals(&world.b).remove(0);
    let answer =
        CallAnswer::new().with_stream(proposal.stream, StreamAnswer::Receive(FileReceiver::new(Wrong)));
    world.b.agent.answer_streams(b.call, answer).unwrap();
    world.run();
    assert_eq!(outcomes(&world.b), [FileOutcome::Sink]);
    assert_eq!(
        outcomes(&world.a),
        [FileOutcome::Failed(StatusCode::STOP_SENDING)]
    );
    assert_eq!(world.a.agent.session_count(), 1);
}

// shows: 4975-5.4-25
#[test]
fn a_file_goes_on_over_another_connection() {
    let mut world = World::new();
    let (a, b) = world.established();
    let file = octets(3_000_000);
    let may = Arc::new(Mutex::new(1_000_000));
    let source = Halting {
        octets: file.clone().into(),
        at: 0,
        may: may.clone(),
    };
    world
        .a
        .agent
        .offer_file(a.call, FileOffer::push(named("long"), source))
        .unwrap();
    world.run();
    let proposal = proposals(&world.b).remove(0);
    let shelf = Shelf::default();
    let answer = CallAnswer::new().with_stream(
        proposal.stream,
        StreamAnswer::Receive(FileReceiver::new(shelf.clone())),
    );
    world.b.agent.answer_streams(b.call, answer).unwrap();
    world.run();
    assert!((900_000..=1_000_000).contains(&shelf.octets().len()));
    *may.lock().unwrap() = usize::MAX;
    world.break_connections();
    world.pass(std::time::Duration::from_secs(10));
    assert!(shelf.octets() == file);
    assert_eq!(outcomes(&world.a), [FileOutcome::Sent { confirmed: true }]);
    assert_eq!(outcomes(&world.b), [FileOutcome::Received { size: 3_000_000 }]);
}

// shows: 5547-8.1-06, 5547-8.3.1-08, 5547-8.7-08
#[test]
fn the_rest_of_a_file() {
    let mut world = World::new();
    let (a, b) = world.established();
    let file = octets(10_000);
    let mut selector = named("rest");
    selector.size = Some(10_000);
    let range = FileRange {
        start: 4_001,
        end: Some(10_000),
    };
    world
        .a
        .agent
        .offer_file(
            a.call,
            FileOffer::push(selector, FromBytes::new(file[4_000..].to_vec())).with_range(range),
        )
        .unwrap();
    world.run();
    let proposal = proposals(&world.b).remove(0);
    assert!(matches!(&proposal.kind, ProposalKind::Push(file) if file.range == Some(range)));
    let shelf = Shelf::default();
    let answer = CallAnswer::new().with_stream(
        proposal.stream,
        StreamAnswer::Receive(FileReceiver::new(shelf.clone())),
    );
    world.b.agent.answer_streams(b.call, answer).unwrap();
    world.run();
    assert_eq!(shelf.octets(), file[4_000..]);
    assert_eq!(outcomes(&world.b), [FileOutcome::Received { size: 6_000 }]);
}
