//! The data of files: hashed on their way, held to their description, resumed.

use bytes::Bytes;
use msrp_ua::{
    file::{
        CheckedSource, FileHasher, FileVerdict, HashAlgorithm, Partial, Ranged, VerifyingSink,
        content_disposition,
    },
    message::{FromBytes, MessageSink, MessageSource, Pull, SinkError, SourceError},
    mime::ContentDisposition,
    sdp::{FileAttributes, FileHash, FileRange, FileSelector},
};
use proptest::prelude::*;

use crate::ends::{Kept, Pieces, described, drain, hashes_of, receive, selector};

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

proptest! {
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
