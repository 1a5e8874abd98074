//! The data of files: hashed on their way, held to their description, resumed, and carried in message/cpim.

mod pair;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use msrp_core::grammar::{FailureReport, MediaType, StatusCode};
use msrp_ua::{
    AbortReason, Accept, CommandError, IncomingKey, OutgoingKey, OutgoingMessage, Receive, UserAgentEvent,
    cpim::{Address, CpimBuilder, CpimMessage, CpimRules, Unwrapped, Wrapped},
    file::{
        CheckedSource, FileHasher, FileVerdict, HashAlgorithm, Partial, Ranged, ReadAgain, Verdict,
        VerifyingSink, content_disposition,
    },
    message::{FromBytes, MessageSink, MessageSource, Pull, SinkError, SourceError},
    mime::ContentDisposition,
    sdp::{FileAttributes, FileHash, FileRange, FileSelector},
};
use pair::Pair;
use proptest::prelude::*;

/// A sink in memory.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    octets: Vec<u8>,
    complete: Option<u64>,
    aborted: bool,
    read_again: usize,
    broken: bool,
}

impl Kept {
    fn octets(&self) -> Vec<u8> {
        self.0.lock().unwrap().octets.clone()
    }

    fn complete(&self) -> Option<u64> {
        self.0.lock().unwrap().complete
    }

    fn aborted(&self) -> bool {
        self.0.lock().unwrap().aborted
    }
}

impl MessageSink for Kept {
    fn write(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        let mut inner = self.0.lock().unwrap();
        if inner.broken {
            return Err(SinkError);
        }
        let start = offset as usize - 1;
        let end = start + data.len();
        if inner.octets.len() < end {
            inner.octets.resize(end, 0);
        }
        inner.octets[start..end].copy_from_slice(data);
        Ok(())
    }

    fn complete(&mut self, size: u64) -> Result<(), SinkError> {
        self.0.lock().unwrap().complete = Some(size);
        Ok(())
    }

    fn abort(&mut self) {
        self.0.lock().unwrap().aborted = true;
    }
}

impl ReadAgain for Kept {
    fn read_again(&mut self, offset: u64, most: usize) -> Result<Bytes, SinkError> {
        let mut inner = self.0.lock().unwrap();
        inner.read_again += 1;
        let start = offset as usize - 1;
        let end = (start + most).min(inner.octets.len());
        Ok(Bytes::copy_from_slice(&inner.octets[start..end]))
    }
}

/// A source that gives its octets in pieces, and after each waits once.
struct Pieces(Vec<Pull>);

impl Pieces {
    fn new(octets: &[u8], piece: usize) -> Self {
        let mut pulls = Vec::new();
        for chunk in octets.chunks(piece) {
            pulls.extend([Pull::Octets(Bytes::copy_from_slice(chunk)), Pull::Pending]);
        }
        pulls.reverse();
        Self(pulls)
    }
}

impl MessageSource for Pieces {
    fn size(&self) -> Option<u64> {
        None
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        match self.0.pop() {
            Some(Pull::Octets(mut octets)) if octets.len() > most => {
                self.0.push(Pull::Octets(octets.split_off(most)));
                Ok(Pull::Octets(octets))
            }
            other => Ok(other.unwrap_or(Pull::End)),
        }
    }
}

fn drain(source: &mut dyn MessageSource, most: usize) -> Result<Vec<u8>, SourceError> {
    let mut octets = Vec::new();
    loop {
        match source.pull(most)? {
            Pull::Octets(more) => {
                assert!(!more.is_empty() && more.len() <= most);
                octets.extend_from_slice(&more);
            }
            Pull::End => return Ok(octets),
            _ => {}
        }
    }
}

fn hashes_of(octets: &[u8]) -> Vec<FileHash> {
    let mut hasher = FileHasher::new([HashAlgorithm::Sha1, HashAlgorithm::Sha256]);
    hasher.update(octets);
    hasher.hashes()
}

fn selector(size: Option<u64>, hashes: Vec<FileHash>) -> FileSelector {
    let mut selector = FileSelector::default();
    selector.size = size;
    selector.hashes = hashes;
    selector
}

fn described(octets: &[u8]) -> FileSelector {
    selector(Some(octets.len() as u64), hashes_of(octets))
}

/// Gives the pieces to a sink, and says how it ended.
fn receive(
    mut sink: VerifyingSink,
    pieces: &[(u64, &[u8])],
    size: u64,
) -> (Result<(), SinkError>, FileVerdict) {
    let verdict = sink.verdict();
    let mut result = Ok(());
    for (offset, data) in pieces {
        result = result.and_then(|()| sink.write(*offset, &Bytes::copy_from_slice(data)));
    }
    result = result.and_then(|()| sink.complete(size));
    if result.is_err() {
        sink.abort();
    }
    (result, verdict.get().unwrap().clone())
}

// shows: 5547-6-21, 5547-6-22, 5547-6-23
#[test]
fn hashes_are_those_of_the_standards() {
    let hashes = hashes_of(b"abc");
    let hex = |at: usize| -> String {
        hashes[at]
            .value
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect()
    };
    assert_eq!(
        (&*hashes[0].algorithm, &*hashes[1].algorithm),
        ("sha-1", "sha-256")
    );
    assert_eq!(hex(0), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_eq!(
        hex(1),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(HashAlgorithm::from_name("SHA-256"), Some(HashAlgorithm::Sha256));
    assert_eq!(HashAlgorithm::from_name("md5"), None);
    let mut all = FileHasher::new([HashAlgorithm::Sha1, HashAlgorithm::Sha256]);
    all.read_all(&mut FromBytes::new("abc")).unwrap();
    assert_eq!((all.hashes(), all.octets()), (hashes.clone(), 3));
    assert_eq!(all.differs(&hashes), None);
    let other = hashes_of(b"abd");
    assert_eq!(all.differs(&other[1..]), Some(HashAlgorithm::Sha256));
    let unknown = FileHash {
        algorithm: "md5".to_owned(),
        value: vec![0; 16],
    };
    assert_eq!(all.differs(&[unknown]), None);
}

// shows: 5547-8.7-07, 5547-8.7-08, 5547-6-26, 5547-6-27
#[test]
fn a_range_is_cut_out_exactly() {
    let file: Vec<u8> = (0..100).collect();
    let range = |start, end| FileRange { start, end };
    for (start, end, expected) in [
        (1, None, 0..100),
        (1, Some(100), 0..100),
        (1, Some(1), 0..1),
        (51, Some(60), 50..60),
        (100, None, 99..100),
        (91, Some(500), 90..100),
    ] {
        for most in [1, 7, 1000] {
            let mut whole = Ranged::new(FromBytes::new(file.clone()), range(start, end)).unwrap();
            assert_eq!(whole.size(), Some(expected.len() as u64));
            assert_eq!(
                drain(&mut whole, most).unwrap(),
                file[expected.clone()],
                "{start}-{end:?} by {most}"
            );
            let mut pieces = Ranged::new(Pieces::new(&file, 9), range(start, end)).unwrap();
            assert_eq!(pieces.size(), None);
            assert_eq!(drain(&mut pieces, most).unwrap(), file[expected.clone()]);
        }
    }
    for (start, end) in [(0, None), (101, None), (5, Some(4))] {
        assert!(
            Ranged::new(FromBytes::new(file.clone()), range(start, end)).is_none(),
            "{start}-{end:?}"
        );
    }
    assert_eq!(
        drain(
            &mut Ranged::new(Pieces::new(&file, 9), range(200, None)).unwrap(),
            10
        ),
        Err(SourceError)
    );
}

// shows: 5547-10-02
#[test]
fn a_file_that_changed_since_it_was_offered_is_not_sent_whole() {
    let file: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let hashes = hashes_of(&file);
    let mut good = CheckedSource::new(Pieces::new(&file, 300), 1000, hashes.clone());
    assert_eq!(good.size(), Some(1000));
    assert_eq!(drain(&mut good, 128).unwrap(), file);
    assert_eq!(good.pull(10), Ok(Pull::End));
    let mut changed = file.clone();
    changed[999] ^= 1;
    for (now, size) in [(&changed[..], 1000), (&file[..999], 1000), (&file[..], 999)] {
        let mut source = CheckedSource::new(Pieces::new(now, 300), size, hashes.clone());
        let mut given = 0;
        let end = loop {
            match source.pull(128) {
                Ok(Pull::Octets(octets)) => given += octets.len() as u64,
                Ok(Pull::Pending) => {}
                other => break other,
            }
        };
        assert_eq!(end, Err(SourceError));
        assert!(given < size, "the peer has all of it");
    }
    let mut empty = CheckedSource::new(FromBytes::new(Bytes::new()), 0, hashes_of(b""));
    assert_eq!(empty.pull(1), Ok(Pull::End));
}

// shows: 5547-8.2.2-05, 5547-8.2.2-06, 5547-8.2.2-07, 5547-8.3.1-10, 5547-6-20
#[test]
fn a_file_is_kept_only_if_it_is_the_one_that_was_described() {
    let file = b"the file as it was described";
    let len = file.len() as u64;
    let kept = Kept::default();
    let (result, verdict) = receive(
        VerifyingSink::new(kept.clone(), &described(file)),
        &[(1, file)],
        len,
    );
    assert_eq!(result, Ok(()));
    let FileVerdict::Verified { size, hashes } = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!((size, hashes), (len, hashes_of(file)));
    assert_eq!((kept.complete(), kept.aborted()), (Some(len), false));

    // Another content of the same size.
    let mut other = *file;
    other[3] ^= 1;
    let kept = Kept::default();
    let (result, verdict) = receive(
        VerifyingSink::new(kept.clone(), &described(file)),
        &[(1, &other)],
        len,
    );
    assert_eq!(result, Err(SinkError));
    assert!(
        matches!(verdict, FileVerdict::Hash(HashAlgorithm::Sha1)),
        "{verdict:?}"
    );
    assert_eq!((kept.complete(), kept.aborted()), (None, true));
    let second_only = selector(Some(len), hashes_of(file)[1..].to_vec());
    let (_, verdict) = receive(
        VerifyingSink::new(Kept::default(), &second_only),
        &[(1, &other)],
        len,
    );
    assert!(
        matches!(verdict, FileVerdict::Hash(HashAlgorithm::Sha256)),
        "{verdict:?}"
    );

    // Less, and more: the octet that is too much is not even written.
    let (result, verdict) = receive(
        VerifyingSink::new(Kept::default(), &described(file)),
        &[(1, &file[1..])],
        len - 1,
    );
    assert_eq!(result, Err(SinkError));
    assert!(
        matches!(verdict, FileVerdict::Size { described, received } if (described, received) == (len, len - 1))
    );
    let kept = Kept::default();
    let (result, verdict) = receive(
        VerifyingSink::new(kept.clone(), &described(file)),
        &[(1, file), (len + 1, b"x")],
        len + 1,
    );
    assert_eq!(result, Err(SinkError));
    assert!(
        matches!(verdict, FileVerdict::Size { described, received } if (described, received) == (len, len + 1))
    );
    assert_eq!(kept.octets(), file);
    for offset in [u64::MAX, u64::MAX - 1] {
        let (result, _) = receive(
            VerifyingSink::new(Kept::default(), &described(file)),
            &[(offset, b"xyz")],
            len,
        );
        assert_eq!(result, Err(SinkError));
    }

    // Nothing described: everything is taken, and hashed all the same.
    let (result, verdict) = receive(
        VerifyingSink::new(Kept::default(), &FileSelector::default()),
        &[(1, file)],
        len,
    );
    assert_eq!(result, Ok(()));
    assert!(matches!(verdict, FileVerdict::Verified { hashes, .. } if hashes == hashes_of(file)[..1]));

    // A disk that is full is no fault of the sender's.
    let kept = Kept::default();
    kept.0.lock().unwrap().broken = true;
    let (_, verdict) = receive(VerifyingSink::new(kept, &described(file)), &[(1, file)], len);
    assert!(matches!(verdict, FileVerdict::Sink));
}

#[test]
fn octets_that_come_early_wait_or_are_read_again() {
    let file: Vec<u8> = (0..=255).cycle().take(3 * 1024 * 1024).collect();
    let len = file.len() as u64;
    let third = 1024 * 1024;
    let backwards = [
        (2 * third as u64 + 1, &file[2 * third..]),
        (third as u64 + 1, &file[third..2 * third]),
        (1, &file[..third]),
    ];
    // Two MiB would have to wait.
    let (result, verdict) = receive(
        VerifyingSink::new(Kept::default(), &described(&file)),
        &backwards,
        len,
    );
    assert_eq!(result, Err(SinkError));
    assert!(matches!(verdict, FileVerdict::OutOfOrder), "{verdict:?}");
    // One waits.
    let (result, _) = receive(
        VerifyingSink::new(Kept::default(), &described(&file)),
        &[backwards[1], backwards[2], backwards[0]],
        len,
    );
    assert_eq!(result, Ok(()));
    // Or all of it is read again.
    let kept = Kept::default();
    let (result, _) = receive(
        VerifyingSink::read_again(kept.clone(), &described(&file)),
        &backwards,
        len,
    );
    assert_eq!(result, Ok(()));
    assert_eq!(kept.0.lock().unwrap().read_again, 2 * third / (64 * 1024));
}

// shows: 5547-6-28, 5547-8.1-06
#[test]
fn a_transfer_that_broke_off_goes_on_where_it_was() {
    let file: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let kept = Kept::default();
    let mut sink = VerifyingSink::read_again(kept.clone(), &described(&file));
    let verdict = sink.verdict();
    sink.write(1, &Bytes::copy_from_slice(&file[..400])).unwrap();
    sink.write(501, &Bytes::copy_from_slice(&file[500..600])).unwrap();
    assert!(verdict.get().is_none());
    sink.abort();
    let Some(FileVerdict::Broken(partial)) = verdict.get() else {
        panic!()
    };
    assert_eq!((partial.octets(), partial.is_whole(1000)), (400, false));
    let range = partial.remainder();
    assert_eq!(
        range,
        FileRange {
            start: 401,
            end: None
        }
    );
    // The message with the remainder counts from 1 again.
    let mut remainder = Ranged::new(FromBytes::new(file.clone()), range).unwrap();
    let rest = drain(&mut remainder, 1000).unwrap();
    let end = Kept::default();
    let sink = VerifyingSink::new(end.clone(), &described(&file)).resume(Partial::clone(partial));
    let (result, verdict) = receive(sink, &[(1, &rest)], 600);
    assert_eq!(result, Ok(()));
    assert!(matches!(verdict, FileVerdict::Verified { size: 1000, .. }));
    assert_eq!(end.octets(), file[400..]);
    // What was kept by another run of the program is hashed first.
    let mut hasher = FileHasher::like(&described(&file).hashes);
    hasher.update(&file[..400]);
    let sink = VerifyingSink::new(Kept::default(), &described(&file)).resume(Partial::new(hasher));
    assert_eq!(receive(sink, &[(1, &rest)], 600).0, Ok(()));
    // If that was something else the whole is wrong.
    let mut wrong = FileHasher::like(&described(&file).hashes);
    wrong.update(&file[1..401]);
    let sink = VerifyingSink::new(Kept::default(), &described(&file)).resume(Partial::new(wrong));
    assert!(matches!(
        receive(sink, &[(1, &rest)], 600).1,
        FileVerdict::Hash(_)
    ));
}

// shows: 5547-6-16, 5547-7-01, 5547-8.7-10, 5547-6-15
#[test]
fn a_message_says_of_a_file_what_sdp_says() {
    let mut file = FileAttributes::default();
    assert_eq!(content_disposition(&file).to_string(), "render");
    file.selector.name = Some("Grüße \"1\".jpg".to_owned());
    file.selector.size = Some(4092);
    file.disposition = Some("attachment".to_owned());
    file.dates.creation = Some("Mon, 15 May 2006 15:01:31 +0300".to_owned());
    let read = ContentDisposition::parse(&content_disposition(&file).to_string()).unwrap();
    assert!(read.is("attachment"));
    assert_eq!(read.file_name().as_deref(), file.selector.name.as_deref());
    assert_eq!(read.size(), Some(4092));
    assert_eq!(read.parameter("creation-date"), file.dates.creation.as_deref());
}

fn address(uri: &str) -> Address {
    Address::new(uri).unwrap()
}

fn builder() -> CpimBuilder {
    CpimBuilder::new(address("sip:alice@example.com"), address("sip:bob@example.com"))
}

// shows: 4975-13-07, 3862-X4975-06, 5547-8.7-03, 5547-8.7-09, 5547-8.7-04, 5547-9.1-01
#[test]
fn a_wrapped_file_goes_as_one_message_in_chunks_and_comes_out_verified() {
    let file: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut pair = Pair::new();
    let (session, _) = pair.open(|_| {}, |params| params.receive = Receive::Ask);
    pair.drive();
    let message = OutgoingMessage::new("image/jpeg", FromBytes::new(file.clone())).with_header(
        "Content-Disposition",
        "attachment; filename=\"../x.jpg\"; size=300000",
    );
    pair.a
        .agent
        .send(session, builder().wrap(message).unwrap())
        .unwrap();
    pair.drive();
    let (key, content_type) = pair
        .b
        .events
        .iter()
        .find_map(|event| match event {
            UserAgentEvent::IncomingMessage {
                message,
                content_type,
                ..
            } => Some((*message, content_type.clone())),
            _ => None,
        })
        .unwrap();
    assert!(
        MediaType::parse(content_type.as_bytes())
            .unwrap()
            .is("message", "cpim")
    );
    let kept = Kept::default();
    let (place, selector) = (kept.clone(), described(&file));
    let seen = Arc::new(Mutex::new(None));
    let verdict = Arc::clone(&seen);
    let sink = Unwrapped::new(CpimRules::default(), move |head| {
        let disposition = head.content().get("Content-Disposition").ok_or(SinkError)?;
        let name = ContentDisposition::parse(disposition).map_err(|_| SinkError)?;
        let sink = VerifyingSink::read_again(place, &selector);
        *verdict.lock().unwrap() = Some((
            sink.verdict(),
            head.from().unwrap().clone(),
            head.content_type().to_owned(),
            name.file_name().unwrap().into_owned(),
        ));
        Ok(sink)
    });
    pair.b.agent.accept(key, Accept::sink(sink)).unwrap();
    pair.drive();
    assert_eq!((kept.octets() == file, kept.complete()), (true, Some(300_000)));
    let (verdict, from, media_type, name) = seen.lock().unwrap().take().unwrap();
    assert!(matches!(verdict.get(), Some(FileVerdict::Verified { .. })));
    assert_eq!(
        (from, &*media_type, &*name),
        (address("sip:alice@example.com"), "image/jpeg", "../x.jpg")
    );
    let heads = memmem(&pair.a.sent, b"From: <sip:alice@example.com>");
    assert_eq!(heads, 1, "the wrapping is before the chunking");
    let ids = memmem(&pair.a.sent, b"Message-ID: ");
    assert!(ids > 1, "in more than one chunk");
}

fn memmem(octets: &[u8], what: &[u8]) -> usize {
    octets
        .windows(what.len())
        .filter(|window| *window == what)
        .count()
}

#[test]
fn a_file_that_lies_is_refused() {
    let file = vec![7_u8; 100_000];
    let mut pair = Pair::new();
    let (session, _) = pair.open(|_| {}, |params| params.receive = Receive::Ask);
    pair.drive();
    pair.a
        .agent
        .send(session, OutgoingMessage::bytes("a/b", file.clone()))
        .unwrap();
    pair.drive();
    let key = pair
        .b
        .events
        .iter()
        .find_map(|event| match event {
            UserAgentEvent::IncomingMessage { message, .. } => Some(*message),
            _ => None,
        })
        .unwrap();
    let sink = VerifyingSink::new(Kept::default(), &described(&[8; 100_000]));
    let verdict = sink.verdict();
    pair.b.agent.accept(key, Accept::sink(sink)).unwrap();
    pair.drive();
    assert!(matches!(
        verdict.get(),
        Some(FileVerdict::Hash(HashAlgorithm::Sha1))
    ));
    assert!(pair.b.events.iter().any(|event| matches!(
        event,
        UserAgentEvent::MessageAborted {
            reason: AbortReason::Sink,
            ..
        }
    )));
    assert!(
        pair.a
            .events
            .iter()
            .any(|event| matches!(event, UserAgentEvent::Failed { .. }))
    );
}

/// A source that gives its octets at once and then has nothing for ever.
struct Stuck(Option<Bytes>, u64);

impl MessageSource for Stuck {
    fn size(&self) -> Option<u64> {
        Some(self.1)
    }

    fn pull(&mut self, _most: usize) -> Result<Pull, SourceError> {
        Ok(self.0.take().map_or(Pull::Pending, Pull::Octets))
    }
}

/// A transfer of 1000 octets that stands still after 400, and the verdict on it.
fn half_way(failure_report: FailureReport) -> (Pair, OutgoingKey, IncomingKey, Verdict) {
    let file: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let mut pair = Pair::new();
    let (session, _) = pair.open(|_| {}, |params| params.receive = Receive::Ask);
    pair.drive();
    let source = Stuck(Some(Bytes::copy_from_slice(&file[..400])), 1000);
    let message = OutgoingMessage::new("a/b", source).with_failure_report(failure_report);
    let sent = pair.a.agent.send(session, message).unwrap();
    pair.drive();
    let key = asked(&pair);
    let sink = VerifyingSink::new(Kept::default(), &described(&file));
    let verdict = sink.verdict();
    pair.b.agent.accept(key, Accept::sink(sink)).unwrap();
    pair.drive();
    (pair, sent, key, verdict)
}

fn asked(pair: &Pair) -> IncomingKey {
    let key = pair.b.events.iter().find_map(|event| match event {
        UserAgentEvent::IncomingMessage { message, .. } => Some(*message),
        _ => None,
    });
    key.unwrap()
}

fn broken_at(verdict: &Verdict) -> Option<u64> {
    match verdict.get() {
        Some(FileVerdict::Broken(partial)) => Some(partial.octets()),
        _ => None,
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

// shows: 5547-8.4-02
#[test]
fn a_sender_who_gives_up_says_so_and_the_part_is_known() {
    let (mut pair, sent, _, verdict) = half_way(FailureReport::Yes);
    assert!(verdict.get().is_none());
    pair.a.agent.cancel(sent).unwrap();
    pair.drive();
    assert!(text(&pair.a.sent).trim_end().ends_with('#'));
    assert!(text(&pair.b.sent).contains(" 200 "), "{}", text(&pair.b.sent));
    assert_eq!(broken_at(&verdict), Some(400));
    assert!(pair.b.events.iter().any(|event| matches!(
        event,
        UserAgentEvent::MessageAborted {
            reason: AbortReason::Sender,
            ..
        }
    )));
}

// shows: 5547-8.4-06, 5547-8.4-10
#[test]
fn a_receiver_who_gives_up_answers_413_and_no_more_comes() {
    let (mut pair, _, key, verdict) = half_way(FailureReport::Yes);
    pair.b.agent.reject(key, StatusCode::STOP_SENDING).unwrap();
    pair.drive();
    assert!(text(&pair.b.sent).contains(" 413 "), "{}", text(&pair.b.sent));
    assert_eq!(broken_at(&verdict), Some(400));
    assert!(pair.a.events.iter().any(
        |event| matches!(event, UserAgentEvent::Failed { code, .. } if *code == StatusCode::STOP_SENDING)
    ));
    let so_far = memmem(&pair.a.sent, b" SEND\r\n");
    pair.advance(Duration::from_secs(1));
    assert_eq!(memmem(&pair.a.sent, b" SEND\r\n"), so_far);

    // Who wants no failure reports gets none.
    let (mut pair, _, key, verdict) = half_way(FailureReport::No);
    pair.b.agent.reject(key, StatusCode::STOP_SENDING).unwrap();
    pair.drive();
    assert!(!text(&pair.b.sent).contains("413"), "{}", text(&pair.b.sent));
    assert_eq!(broken_at(&verdict), Some(400));
}

// shows: 5547-8.4-05
#[test]
fn a_sender_who_vanishes_is_not_waited_for_for_ever() {
    let (mut pair, _, _, verdict) = half_way(FailureReport::No);
    pair.advance(Duration::from_secs(299));
    assert!(verdict.get().is_none());
    pair.advance(Duration::from_secs(2));
    assert_eq!(broken_at(&verdict), Some(400));
    assert!(pair.b.events.iter().any(|event| matches!(
        event,
        UserAgentEvent::MessageAborted {
            reason: AbortReason::TimedOut,
            ..
        }
    )));
    let (mut pair, _, _, verdict) = half_way(FailureReport::Yes);
    pair.reset();
    pair.drive();
    assert_eq!(broken_at(&verdict), Some(400));
}

// shows: 5547-8.7-06
#[test]
fn the_peers_bound_is_on_file_and_wrapping_together() {
    let file = vec![7; 1000];
    let mut pair = Pair::new();
    let (session, _) = pair.open(|params| params.peer_max_size = Some(1000), |_| {});
    pair.drive();
    let message = || OutgoingMessage::bytes("a/b", file.clone());
    let wrapped = builder().wrap(message()).unwrap();
    let head = builder().content_type("a/b").head().unwrap().octets().len() as u64;
    assert_eq!(
        pair.a.agent.send(session, wrapped),
        Err(CommandError::TooLarge {
            size: 1000 + head,
            limit: 1000
        })
    );
    assert!(pair.a.agent.send(session, message()).is_ok());
}

// shows: 5547-8.7-12, 5547-8.2.3-02
#[test]
fn files_share_a_connection_that_outlives_each_of_them() {
    let mut pair = Pair::new();
    let (first, _) = pair.open(|_| {}, |_| {});
    let (second, _) = pair.open(|_| {}, |_| {});
    pair.drive();
    for (session, body) in [(first, "one"), (second, "two")] {
        pair.a
            .agent
            .send(session, OutgoingMessage::bytes("a/b", body))
            .unwrap();
        pair.drive();
        pair.a.agent.close_session(session).unwrap();
        pair.drive();
    }
    let bodies: Vec<_> = pair
        .b
        .events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::Message { body, .. } => body.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(bodies, ["one", "two"]);
    assert_eq!(pair.b.agent.connection_count(), 1);
}

#[test]
fn a_wrapped_source_gives_the_message_that_would_be_built_at_once() {
    let head = builder().content_type("a/b").head().unwrap();
    let whole = head.clone().with_body(b"some content");
    for most in [1, 5, 1000] {
        let mut source = Wrapped::new(&head, FromBytes::new("some content"));
        assert_eq!(source.size(), Some(whole.octets().len() as u64));
        assert_eq!(drain(&mut source, most).unwrap(), whole.octets()[..]);
    }
    assert_eq!(Wrapped::new(&head, Pieces::new(b"x", 1)).size(), None);
}

fn unwrap_in(octets: &[u8], order: &[(usize, usize)], rules: CpimRules) -> (Result<(), SinkError>, Kept) {
    let kept = Kept::default();
    let place = kept.clone();
    let mut sink = Unwrapped::new(rules, move |_| Ok(place));
    let mut result = Ok(());
    for &(start, end) in order {
        result =
            result.and_then(|()| sink.write(start as u64 + 1, &Bytes::copy_from_slice(&octets[start..end])));
    }
    result = result.and_then(|()| sink.complete(octets.len() as u64));
    if result.is_err() {
        sink.abort();
    }
    (result, kept)
}

#[test]
fn an_unwrapping_sink_keeps_within_its_bounds() {
    let message = builder().content_type("a/b").body(&[7; 5000]).unwrap();
    let octets = message.octets();
    let len = octets.len();
    let head = message.head().octets().len();
    let (result, kept) = unwrap_in(octets, &[(0, len)], CpimRules::default().max_head(head));
    assert_eq!(
        (result, kept.octets().len(), kept.complete()),
        (Ok(()), 5000, Some(5000))
    );
    assert_eq!(
        unwrap_in(octets, &[(0, len)], CpimRules::default().max_head(head - 1)).0,
        Err(SinkError)
    );
    // As many octets may come early as a head may have.
    let early = |end| {
        unwrap_in(
            octets,
            &[(end, len), (0, end)],
            CpimRules::default().max_head(1000),
        )
        .0
    };
    assert_eq!((early(len - 1000), early(len - 1001)), (Ok(()), Err(SinkError)));
    // A message that ends in its head, one that is no message/cpim, and one whose head is not wanted.
    assert_eq!(
        unwrap_in(&octets[..head - 2], &[(0, head - 2)], CpimRules::default()).0,
        Err(SinkError)
    );
    assert_eq!(
        unwrap_in(b"hello\r\n\r\n", &[(0, 9)], CpimRules::default()).0,
        Err(SinkError)
    );
    let mut unwanted = Unwrapped::new(CpimRules::default(), |_| Err::<Kept, _>(SinkError));
    assert_eq!(unwanted.write(1, octets), Err(SinkError));
    assert_eq!(unwanted.write(1, octets), Err(SinkError));
    // What the inner sink cannot keep is told, and it hears that it is over.
    let kept = Kept::default();
    kept.0.lock().unwrap().broken = true;
    let place = kept.clone();
    let mut sink = Unwrapped::new(CpimRules::default(), move |_| Ok(place));
    assert_eq!(sink.write(1, octets), Err(SinkError));
    sink.abort();
    assert!(kept.aborted());
}

proptest! {
    #[test]
    fn unwrapping_in_any_pieces_is_parsing(
        body: Vec<u8>,
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        swap in any::<proptest::sample::Index>(),
    ) {
        let message = builder().subject("x", None).content_type("a/b").body(&body).unwrap();
        let octets = message.octets();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len())).collect();
        at.extend([0, octets.len()]);
        at.sort_unstable();
        at.dedup();
        let mut order: Vec<(usize, usize)> = at.windows(2).map(|pair| (pair[0], pair[1])).collect();
        let len = order.len();
        order.swap(swap.index(len), len - 1);
        let (result, kept) = unwrap_in(octets, &order, CpimRules::default());
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(kept.octets(), body.clone());
        prop_assert_eq!(kept.complete(), Some(body.len() as u64));
        let again = CpimMessage::parse(octets.clone(), &CpimRules::default()).unwrap();
        prop_assert_eq!(&again.body()[..], &body[..]);
    }

    #[test]
    fn verifying_in_any_order_is_verifying(
        len in 1_usize..3000,
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        seed in any::<proptest::sample::Index>(),
        again: bool,
        broken in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let file: Vec<u8> = (0..len).map(|n| (n * 31 % 251) as u8).collect();
        let mut sent = file.clone();
        if let Some(broken) = broken {
            sent[broken.index(len)] ^= 0x10;
        }
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(len)).collect();
        at.extend([0, len]);
        at.sort_unstable();
        at.dedup();
        let mut pieces: Vec<(u64, &[u8])> =
            at.windows(2).map(|pair| (pair[0] as u64 + 1, &sent[pair[0]..pair[1]])).collect();
        let count = pieces.len();
        pieces.rotate_left(seed.index(count));
        let kept = Kept::default();
        let sink = if again {
            VerifyingSink::read_again(kept.clone(), &described(&file))
        } else {
            VerifyingSink::new(kept.clone(), &described(&file))
        };
        let (result, verdict) = receive(sink, &pieces, len as u64);
        prop_assert_eq!(result.is_ok(), broken.is_none());
        let verified = matches!(verdict, FileVerdict::Verified { .. });
        prop_assert_eq!(verified, broken.is_none());
        prop_assert_eq!(kept.octets(), sent);
    }
}
