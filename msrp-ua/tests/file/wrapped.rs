//! Files in message/cpim.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use msrp_core::grammar::MediaType;
use msrp_ua::{
    Accept, CommandError, OutgoingMessage, Receive, UserAgentEvent,
    cpim::{CpimMessage, CpimRules, Unwrapped, Wrapped},
    file::{FileVerdict, VerifyingSink},
    message::{FromBytes, MessageSink, MessageSource, SinkError},
    mime::ContentDisposition,
};
use proptest::prelude::*;

use crate::{
    ends::{Kept, Pieces, address, builder, described, drain, memmem},
    pair::Pair,
};

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
}
