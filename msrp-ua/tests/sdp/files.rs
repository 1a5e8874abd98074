//! What offers and answers say of files: RFC 5547 §8.

use msrp_ua::{
    negotiate::{Decision, LocalStream, Negotiation, NegotiationError, RefusalReason, StreamChange},
    sdp::{Direction, FileAttributes, FileHash, FileRange, FileSelector, Origin},
};

use crate::{
    dialog::{
        ALICE, BOB, accept, alice, answer_to, bob, body, exchange, lines, message, peer_body, refusal_of,
        stream, talking, types,
    },
    picture::{SHA1, about_file, offered, picture, pushed},
};

// shows: 5547-8.2.1-02, 5547-8.2.2-01, 5547-8.2.2-02, 5547-8-02, 5547-8.2.2-03
#[test]
fn what_is_offered_is_described_well_enough() {
    let offer = |local: LocalStream| {
        alice()
            .offer(&[Some(local)])
            .map(|offer| about_file(&offer).len())
    };
    let name_only = {
        let mut selector = FileSelector::default();
        selector.name = Some("a".to_owned());
        FileAttributes::new(selector, "x")
    };
    let pull = |file: FileAttributes| stream(ALICE).with_direction(Direction::RecvOnly).with_file(file);
    let push = |file: FileAttributes| pushed("x").with_file(file);
    assert_eq!(offer(push(name_only.clone())), Err(NegotiationError::File));
    assert_eq!(offer(pull(name_only.clone())), Ok(2));
    assert_eq!(
        offer(pull(FileAttributes::new(FileSelector::default(), "x"))),
        Err(NegotiationError::File)
    );
    let mut nameless = name_only.clone();
    nameless.transfer_id = None;
    assert_eq!(offer(pull(nameless)), Err(NegotiationError::File));
    assert_eq!(
        offer(stream(ALICE).with_file(FileAttributes::new(picture(), "x"))),
        Err(NegotiationError::File)
    );
    let mut part = FileAttributes::new(picture(), "x");
    part.range = Some(FileRange {
        start: 100,
        end: None,
    });
    let body = alice().offer(&[Some(pull(part))]).unwrap();
    assert_eq!(about_file(&body)[2], "file-range:100-*");
    assert!(lines(&body, "a=").contains(&"recvonly"));
}

// shows: 5547-9.1-03, 5547-8.1-04, 5547-8.3.1-04, 5547-8.3.1-05, 5547-8.3.1-06, 5547-8.3.1-08, 5547-T-01, 5547-T-02
#[test]
fn who_receives_repeats_what_the_offer_said() {
    let selector = format!("a=file-selector:name:\"p.jpg\" type:image/jpeg size:4092 hash:sha-1:{SHA1}");
    let offer = offered(
        "a=sendonly",
        &[
            &selector,
            "a=file-transfer-id:vBnG916b",
            "a=file-disposition:render",
            "a=file-date:creation:\"x\"",
            "a=file-icon:cid:x",
            "a=file-range:1-4092",
        ],
    );
    let (answer, agreed) = answer_to(&offer, stream(BOB)).unwrap();
    assert_eq!(
        about_file(&answer),
        [&selector[2..], "file-transfer-id:vBnG916b", "file-range:1-4092"]
    );
    assert_eq!(message(&answer, 0).direction, Direction::RecvOnly);
    assert_eq!(
        agreed.streams[0]
            .remote
            .file
            .as_ref()
            .unwrap()
            .disposition
            .as_deref(),
        Some("render")
    );
}

// shows: 5547-9.2-02, 5547-8.3.2-05, 5547-8.3.2-06, 5547-8.3.2-08, 5547-8.3.2-12
#[test]
fn who_sends_says_what_it_has_found() {
    let offer = offered(
        "a=recvonly",
        &[
            "a=file-selector:name:\"p\"",
            "a=file-transfer-id:aCQ",
            "a=file-range:3-*",
        ],
    );
    let mut found = FileAttributes::default();
    found.selector.media_type = Some("image/jpeg".to_owned());
    found.selector.hashes = picture().hashes;
    found.disposition = Some("attachment".to_owned());
    let (answer, agreed) = answer_to(&offer, stream(BOB).with_file(found)).unwrap();
    assert_eq!(
        about_file(&answer),
        [
            &format!("file-selector:name:\"p\" type:image/jpeg hash:sha-1:{SHA1}"),
            "file-transfer-id:aCQ",
            "file-disposition:attachment",
            "file-range:3-*"
        ]
    );
    assert_eq!(message(&answer, 0).direction, Direction::SendOnly);
    assert!(agreed.streams[0].direction.sends() && !agreed.streams[0].direction.receives());
}

// shows: 5547-8.1-13, 5547-8.4-04, 5547-8.4-12, 5547-8.6-01, 5547-8.3-01, 5547-8.3-02, 5547-8.2.3-01, 5547-8.2-02, 5547-4-01, 5547-8.1-07
#[test]
fn files_are_accepted_or_refused_each_on_its_line() {
    let (mut a, mut b) = talking();
    let other = "msrp://alice.example.com:7394/an0ther;tcp";
    let mut second = pushed("second");
    second.path = other.parse().unwrap();
    let mut first = pushed("first");
    first.path = "msrp://alice.example.com:7394/f1rst;tcp".parse().unwrap();
    let streams = [Some(stream(ALICE)), Some(first.clone()), Some(second)];
    let offer = a.offer(&streams).unwrap();
    b.on_offer(&offer).unwrap();
    let (answer, _) = b
        .answer(|offered| {
            match offered
                .section
                .file
                .as_ref()
                .and_then(|file| file.transfer_id.as_deref())
            {
                None => Decision::Keep,
                Some("first") => Decision::Decline,
                Some(_) => Decision::Accept(Box::new(stream("msrp://bob.example.com:8493/s3cond;tcp"))),
            }
        })
        .unwrap();
    let ports: Vec<_> = lines(&answer, "m=message ")
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(ports, ["8493", "0", "8493"]);
    let refused = message(&answer, 1).file.unwrap();
    assert_eq!(
        (refused.selector, refused.transfer_id.as_deref()),
        (picture(), Some("first"))
    );
    let agreed = a.on_answer(&answer).unwrap();
    assert_eq!(agreed.refused, [1]);
    // What ends is described as before (RFC 5547 §8.1), in later offers for other reasons too, and so it is answered.
    for size in [0, 9000] {
        let offer = a
            .offer(&[Some(stream(ALICE).with_max_size(size)), None, None])
            .unwrap();
        let ended = message(&offer, 2);
        let file = ended.file.unwrap();
        assert_eq!(
            (file.selector, file.transfer_id.as_deref()),
            (picture(), Some("second"))
        );
        assert_eq!((ended.port, ended.direction), (0, Direction::SendOnly));
        b.on_offer(&offer).unwrap();
        let (answer, agreed) = b.answer(|_| Decision::Keep).unwrap();
        let ended = message(&answer, 2);
        assert_eq!(ended.file.unwrap().transfer_id.as_deref(), Some("second"));
        assert_eq!((ended.port, ended.direction), (0, Direction::RecvOnly));
        let removed = agreed
            .streams
            .iter()
            .any(|stream| stream.change == StreamChange::Removed);
        assert_eq!(removed, size == 0);
        a.on_answer(&answer).unwrap();
    }
}

// shows: 5547-8.1-09, 5547-8.1-10, 5547-8.1-12, 5547-8.6-02, 5547-8.3.1-02, 5547-8.6-03
#[test]
fn the_identifier_tells_transfers_apart() {
    let (mut a, mut b) = (alice(), bob());
    exchange(&mut a, &[Some(pushed("one"))], &mut b, accept(stream(BOB)));
    let mut offer = |change: &dyn Fn(&mut FileAttributes)| {
        let mut local = pushed("one");
        change(local.file.as_mut().unwrap());
        b.on_offer(&a.offer(&[Some(local)]).unwrap()).unwrap();
        a.withdraw();
        let answered = b.clone().answer(|_| Decision::Keep);
        b.withdraw();
        answered.map(|(_, agreed)| agreed.streams[0].change)
    };
    assert_eq!(offer(&|_| {}), Ok(StreamChange::Unchanged));
    // More is known of the same file.
    let more = FileHash {
        algorithm: "sha-256".to_owned(),
        value: vec![7; 32],
    };
    assert_eq!(
        offer(&|file| file.selector.hashes.push(more.clone())),
        Ok(StreamChange::Updated)
    );
    // Another transfer.
    assert_eq!(
        offer(&|file| file.transfer_id = Some("two".to_owned())),
        Ok(StreamChange::Updated)
    );
    for change in [
        (&|file: &mut FileAttributes| file.selector.size = Some(1)) as &dyn Fn(&mut FileAttributes),
        &|file| file.selector.name = Some("other".to_owned()),
        &|file| file.selector.media_type = Some("image/png".to_owned()),
        &|file| file.selector.hashes[0].value[0] ^= 1,
    ] {
        let refused = offer(change).unwrap_err();
        assert!(matches!(refused, NegotiationError::Refused(it) if it.reason == RefusalReason::File));
    }
}

// shows: 5547-8.1-02, 5547-8.1-05, 5547-8.1-06, 5547-8.3.2-01, 5547-8.3.2-02, 5547-8.7-02, 5547-8.3.1-03
#[test]
fn identifiers_are_not_used_again() {
    let (mut a, mut b) = talking();
    // A file does not take the place of a chat.
    assert_eq!(
        a.offer(&[Some(pushed("x"))]).unwrap_err(),
        NegotiationError::LineInUse { index: 0 }
    );
    let file = |id: &str, uri: &str| {
        let mut local = pushed(id);
        local.path = format!("msrp://alice.example.com:7394/{uri};tcp")
            .parse()
            .unwrap();
        Some(local)
    };
    let chat = || Some(stream(ALICE));
    let known = |b: &Negotiation| b.offered()[1].known_transfer;
    let decide = |offered: &msrp_ua::negotiate::OfferedStream| match offered.index {
        0 => Decision::Keep,
        _ => Decision::Accept(Box::new(stream("msrp://bob.example.com:8493/file;tcp"))),
    };
    b.on_offer(&a.offer(&[chat(), file("one", "f1")]).unwrap())
        .unwrap();
    assert!(!known(&b));
    a.on_answer(&b.answer(decide).unwrap().0).unwrap();
    // A refresh tells of it again: nobody is asked, and the answer says the same.
    b.on_offer(&a.offer(&[chat(), file("one", "f1")]).unwrap())
        .unwrap();
    assert!(known(&b));
    let (answer, agreed) = b.answer(|_| Decision::Keep).unwrap();
    assert_eq!(agreed.streams[1].change, StreamChange::Unchanged);
    assert_eq!(
        message(&answer, 1).file.unwrap().transfer_id.as_deref(),
        Some("one")
    );
    a.on_answer(&answer).unwrap();
    // Over: to go on with it is another transfer, here and on another line.
    exchange(&mut a, &[chat(), None], &mut b, |_| Decision::Keep);
    let again = [chat(), file("one", "f2")];
    assert_eq!(
        a.offer(&again).unwrap_err(),
        NegotiationError::TransferIdUsed { index: 1 }
    );
    let other = [chat(), None, file("one", "f2")];
    assert_eq!(
        a.offer(&other).unwrap_err(),
        NegotiationError::TransferIdUsed { index: 2 }
    );
    // One that came to nothing may be tried again.
    let _glare = a.offer(&[chat(), file("two", "f2")]).unwrap();
    a.withdraw();
    b.on_offer(&a.offer(&[chat(), file("two", "f2")]).unwrap())
        .unwrap();
    assert!(!known(&b));
    a.on_answer(&b.answer(decide).unwrap().0).unwrap();
}

// shows: 5547-8.1-11
#[test]
fn who_receives_a_file_can_refresh_the_session() {
    let (mut a, mut b) = (alice(), bob());
    exchange(&mut a, &[Some(pushed("one"))], &mut b, accept(stream(BOB)));
    let offer = b.offer(&b.local_streams()).unwrap();
    let section = message(&offer, 0);
    assert_eq!(section.direction, Direction::RecvOnly);
    assert_eq!(section.file, Some(FileAttributes::new(picture(), "one")));
    a.on_offer(&offer).unwrap();
    let (answer, theirs) = a.answer(|_| Decision::Keep).unwrap();
    assert_eq!(theirs.streams[0].change, StreamChange::Unchanged);
    assert_eq!(message(&answer, 0).direction, Direction::SendOnly);
    assert_eq!(
        b.on_answer(&answer).unwrap().streams[0].change,
        StreamChange::Unchanged
    );
}

// shows: 5547-8.5-01, 5547-8.5-02, 5547-6-13, 5547-9.3-01, 5547-5-04
#[test]
fn capabilities_tell_that_files_are_understood() {
    let local = LocalStream::new(stream(ALICE).path, types("message/cpim"))
        .with_wrapped_types(types("*"))
        .with_max_size(20_000)
        .with_file(FileAttributes::new(picture(), "x"));
    let told = Negotiation::capabilities(Origin::new(1, "bob.example.com"), &local);
    assert_eq!(
        lines(&told, "a="),
        [
            "accept-types:message/cpim",
            "accept-wrapped-types:*",
            "max-size:20000",
            "file-selector"
        ]
    );
    assert_eq!(lines(&told, "m="), ["message 0 TCP/MSRP *"]);
    assert!(message(&told, 0).file.unwrap().selector.is_empty());
}

// shows: 5547-4-03
#[test]
fn who_ignores_files_can_still_receive_one() {
    let mut a = alice();
    a.offer(&[Some(pushed("one"))]).unwrap();
    let agreed = a.on_answer(&peer_body(&["a=recvonly"])).unwrap();
    assert_eq!(agreed.streams[0].direction, Direction::SendOnly);
    assert_eq!(agreed.streams[0].remote.file, None);
}

// shows: 5547-8.3.2-03, 5547-8.3.2-04
#[test]
fn where_no_file_matches_there_is_no_stream() {
    let offer = offered(
        "a=recvonly",
        &["a=file-selector:name:\"p\"", "a=file-transfer-id:x"],
    );
    let mut b = bob();
    b.on_offer(&offer).unwrap();
    let refused = b.answer(|_| Decision::Decline).unwrap_err();
    assert!(matches!(refused, NegotiationError::Refused(it) if it.code == 488));
    let malformed = offered(
        "a=recvonly",
        &["a=file-selector:size:x", "a=file-transfer-id:kept"],
    );
    assert_eq!(refusal_of(&malformed, stream(BOB)).0, 400);
    // Beside another stream it is refused in its place, with what tells which file it is.
    let chat = peer_body(&[]);
    let both = [&malformed[..], &chat[body(&[]).len()..]].concat();
    let (answer, _) = answer_to(&both, stream(BOB)).unwrap();
    assert_eq!(
        about_file(&answer),
        ["file-selector:size:x", "file-transfer-id:kept"]
    );
}
