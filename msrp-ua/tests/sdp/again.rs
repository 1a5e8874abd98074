//! Offers in a session that is under way: refreshed, held, changed, ended (RFC 3264 §8, RFC 4975 §8.4).

use msrp_ua::{
    Role,
    negotiate::{Decision, LocalStream, NegotiationError, RefusalReason, StreamChange},
    sdp::Direction,
};

use crate::dialog::{
    ALICE, ALICE2, BOB, BOB2, accept, alice, answer_to, bob, body, changes, exchange, peer_body, ports,
    section, stream, talking, types, version, with,
};

// shows: 3264-4-01, 3264-4-02
#[test]
fn one_offer_at_a_time_and_a_refused_one_changes_nothing() {
    let (mut a, mut b) = talking();
    let before = a.streams().to_vec();
    let offer = a.offer(&[with(ALICE2, Direction::Inactive)]).unwrap();
    assert_eq!(a.offer(&[None]).unwrap_err(), NegotiationError::OfferPending);
    // The peer offers at the same time.
    let glare = a.on_offer(&peer_body(&[])).unwrap_err();
    assert_eq!((glare.code, glare.reason), (491, RefusalReason::Glare));
    b.on_offer(&offer).unwrap();
    assert_eq!(b.offer(&[None]).unwrap_err(), NegotiationError::OfferPending);
    let second = b.on_offer(&offer).unwrap_err();
    assert_eq!((second.code, second.reason), (500, RefusalReason::Unanswered));
    b.withdraw();
    a.withdraw();
    assert_eq!(a.streams(), before);
    // Nor does one that cannot be accepted.
    let other = stream(ALICE2);
    let html = LocalStream::new(other.path, types("text/html"));
    b.on_offer(&a.offer(&[Some(html)]).unwrap()).unwrap();
    let refused = b.answer(|_| Decision::Keep).unwrap_err();
    assert!(matches!(refused, NegotiationError::Refused(refusal) if refusal.code == 488));
    a.withdraw();
    assert!(!a.is_offering() && !b.is_asked());
    assert_eq!(a.on_answer(&offer).unwrap_err().reason, RefusalReason::NoOffer);
    assert_eq!(
        b.answer(|_| Decision::Keep).unwrap_err(),
        NegotiationError::NoOffer
    );
    let (agreed, _) = exchange(&mut a, &[Some(stream(ALICE))], &mut b, |_| Decision::Keep);
    assert_eq!(changes(&agreed), [(0, StreamChange::Unchanged)]);
}

// shows: 3264-8-02, 3264-8-03, 3264-X4975-05, 4975-8.4-01, 4975-8.4-04
#[test]
fn an_offer_that_changes_nothing_is_the_same_to_the_letter() {
    let (mut a, mut b) = (alice(), bob());
    let offer = a.offer(&[Some(stream(ALICE))]).unwrap();
    b.on_offer(&offer).unwrap();
    let (answer, _) = b.answer(accept(stream(BOB))).unwrap();
    a.on_answer(&answer).unwrap();
    // A refresh by who offered first.
    let again = a.offer(&a.local_streams()).unwrap();
    assert_eq!(again, offer);
    b.on_offer(&again).unwrap();
    assert_eq!(b.offered()[0].change, StreamChange::Unchanged);
    let (same, agreed) = b.answer(|_| Decision::Keep).unwrap();
    assert_eq!(
        (&same, changes(&agreed)),
        (&answer, vec![(0, StreamChange::Unchanged)])
    );
    assert_eq!(
        changes(&a.on_answer(&same).unwrap()),
        [(0, StreamChange::Unchanged)]
    );
    // By the other, whose a=setup is that of an offer now: a new version of his, no new session.
    let theirs = b.offer(&b.local_streams()).unwrap();
    assert_eq!(version(&theirs), 2);
    a.on_offer(&theirs).unwrap();
    let (ours, agreed) = a.answer(|_| Decision::Keep).unwrap();
    assert_eq!(changes(&agreed), [(0, StreamChange::Unchanged)]);
    assert_eq!(agreed.streams[0].role, Role::Active);
    assert_eq!(version(&ours), 2);
    assert_eq!(
        changes(&b.on_answer(&ours).unwrap()),
        [(0, StreamChange::Unchanged)]
    );
}

// shows: 3264-8-02, 3264-8.3.4-01
#[test]
fn versions_rise_by_one_with_each_change() {
    let (mut a, mut b) = talking();
    for round in 2..5 {
        let local = stream(ALICE).with_max_size(round * 1000);
        let offer = a.offer(&[Some(local)]).unwrap();
        assert_eq!(version(&offer), round);
        b.on_offer(&offer).unwrap();
        let (answer, agreed) = b.answer(|_| Decision::Keep).unwrap();
        assert_eq!(version(&answer), 1);
        assert_eq!(changes(&agreed), [(0, StreamChange::Updated)]);
        assert_eq!(
            agreed.streams[0].session_params(None).peer_max_size,
            Some(round * 1000)
        );
        a.on_answer(&answer).unwrap();
    }
    // Also after an offer that came to nothing.
    assert_eq!(version(&a.offer(&[None]).unwrap()), 5);
    a.withdraw();
    assert_eq!(version(&a.offer(&[Some(stream(ALICE))]).unwrap()), 6);
}

// shows: 3264-8-04, 3264-8.2-01, 3264-6-05, 3264-8.1-01, 3264-8.1-02, 3264-10.1-01
#[test]
fn lines_never_vanish_and_dead_ones_may_be_used_again() {
    let (mut a, mut b) = (alice(), bob());
    exchange(
        &mut a,
        &[Some(stream(ALICE)), Some(stream(ALICE2))],
        &mut b,
        |offered| Decision::Accept(Box::new(stream([BOB, BOB2][offered.index]))),
    );
    // The first ends.
    let offer = a.offer(&[None, Some(stream(ALICE2))]).unwrap();
    assert_eq!(ports(&offer), [0, 7394]);
    b.on_offer(&offer).unwrap();
    assert_eq!(b.offered().len(), 1);
    let (answer, agreed) = b.answer(|_| Decision::Keep).unwrap();
    assert_eq!(ports(&answer), [0, 8493]);
    assert_eq!(
        changes(&agreed),
        [(0, StreamChange::Removed), (1, StreamChange::Unchanged)]
    );
    assert!(agreed.refused.is_empty());
    let ours = a.on_answer(&answer).unwrap();
    assert_eq!(changes(&ours), changes(&agreed));
    assert_eq!(ours.live().count(), 1);
    // Lines that are not mentioned stay unused; a new stream comes below, or where none is any more.
    assert_eq!(ports(&a.offer(&[]).unwrap()), [0, 0]);
    a.withdraw();
    assert_eq!(
        a.offer(&[None, None, None]).unwrap_err(),
        NegotiationError::NoSuchStream { index: 2 }
    );
    let third = "msrp://alice.example.com:7394/third;tcp";
    let (_, agreed) = exchange(
        &mut a,
        &[Some(stream(third)), Some(stream(ALICE2))],
        &mut b,
        |offered| match offered.change {
            StreamChange::New => Decision::Accept(Box::new(stream(BOB))),
            _ => Decision::Keep,
        },
    );
    assert_eq!(
        changes(&agreed),
        [(0, StreamChange::New), (1, StreamChange::Unchanged)]
    );
    // Fewer lines than before are no offer, and no answer.
    let mut peer = b.clone();
    let refusal = peer.on_offer(&peer_body(&[])).unwrap_err();
    assert_eq!((refusal.code, refusal.warning.unwrap().code), (400, 399));
    a.offer(&a.local_streams()).unwrap();
    let reason = a.on_answer(&peer_body(&[])).unwrap_err().reason;
    assert_eq!(
        reason,
        RefusalReason::SectionCount {
            found: 1,
            expected: 2
        }
    );
}

// shows: 3264-8.2-01
#[test]
fn the_peer_ends_its_only_stream() {
    let (mut a, mut b) = talking();
    let (ours, theirs) = exchange(&mut a, &[None], &mut b, |_| panic!("nothing to decide"));
    assert_eq!(changes(&ours), [(0, StreamChange::Removed)]);
    assert_eq!(changes(&theirs), [(0, StreamChange::Removed)]);
    assert_eq!(a.streams(), [None]);
    // Together with an offer of what nobody here has.
    let (_, mut b) = talking();
    b.on_offer(&body(&["m=message 0 TCP/MSRP *", "m=audio 1 RTP/AVP 0"]))
        .unwrap();
    let (answer, theirs) = b.answer(|_| panic!("nothing to decide")).unwrap();
    assert_eq!(
        (ports(&answer), changes(&theirs)),
        (vec![0, 0], vec![(0, StreamChange::Removed)])
    );
}

#[test]
fn declining_ends_a_stream_in_use_and_refuses_a_new_one() {
    let (mut a, mut b) = talking();
    let (ours, theirs) = exchange(&mut a, &[Some(stream(ALICE))], &mut b, |_| Decision::Decline);
    assert_eq!(changes(&theirs), [(0, StreamChange::Removed)]);
    assert_eq!(
        (changes(&ours), ours.refused),
        (vec![(0, StreamChange::Removed)], vec![0])
    );
    let mut b = bob();
    b.on_offer(&peer_body(&[])).unwrap();
    let refused = b.answer(|_| Decision::Keep).unwrap_err();
    assert!(matches!(refused, NegotiationError::Refused(it) if it.reason == RefusalReason::Declined));
}

// shows: 3264-8.4-01, 3264-8.4-02
#[test]
fn holding_and_resuming_leaves_the_session_alone() {
    let (mut a, mut b) = talking();
    let mut hold = |held: bool| {
        let mut streams = a.local_streams();
        let local = streams[0].as_mut().unwrap();
        local.direction = if held {
            local.direction.held()
        } else {
            Direction::SendRecv
        };
        let (_, theirs) = exchange(&mut a, &streams, &mut b, |_| Decision::Keep);
        (theirs.streams[0].change, theirs.streams[0].direction)
    };
    assert_eq!(hold(true), (StreamChange::Updated, Direction::RecvOnly));
    assert_eq!(hold(false), (StreamChange::Updated, Direction::SendRecv));
    assert_eq!(Direction::RecvOnly.held(), Direction::Inactive);
    // In the old way.
    let (_, agreed) = answer_to(&peer_body(&["c=IN IP4 0.0.0.0"]), stream(BOB)).unwrap();
    assert_eq!(agreed.streams[0].direction, Direction::RecvOnly);
    // Browsers write it where they have no address.
    for (port, host) in [("9", "x.invalid"), ("9999", "0.0.0.0")] {
        let media = format!("m=message {port} TCP/MSRP *");
        let path = format!("a=path:msrp://{host}:{port}/p33r;tcp");
        let offer = body(&section(&media, &path, &["c=IN IP4 0.0.0.0"]));
        let (_, agreed) = answer_to(&offer, stream(BOB)).unwrap();
        assert_eq!(agreed.streams[0].direction, Direction::SendRecv);
    }
}

// shows: 3264-10.2-01
#[test]
fn an_inactive_stream_comes_to_life() {
    let (mut a, mut b) = (alice(), bob());
    let (_, agreed) = exchange(
        &mut a,
        &[with(ALICE, Direction::Inactive)],
        &mut b,
        accept(stream(BOB)),
    );
    assert_eq!(agreed.streams[0].direction, Direction::Inactive);
    let (_, agreed) = exchange(&mut a, &[Some(stream(ALICE))], &mut b, |_| Decision::Keep);
    assert_eq!(agreed.streams[0].direction, Direction::SendRecv);
    assert_eq!(agreed.streams[0].change, StreamChange::Updated);
}
