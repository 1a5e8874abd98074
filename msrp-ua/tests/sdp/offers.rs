//! Offers and answers, as RFC 3264 has them.

use msrp_ua::{
    negotiate::{Decision, LocalStream, Negotiation, NegotiationError, RefusalReason, StreamChange},
    sdp::{Direction, Origin, SdpError, Section},
};

use crate::dialog::{
    ALICE, ALICE2, BOB, BOB2, accept, alice, answer_to, bob, body, changes, lines, message, parse, peer_body,
    ports, refusal_of, stream, types, version, with,
};

// shows: 3264-5-02
#[test]
fn session_ids_fit_a_signed_number_and_versions_begin_small() {
    let offer = Negotiation::new(Origin::new(u64::MAX, "h.example"))
        .offer(&[Some(stream(ALICE))])
        .unwrap();
    let origin = parse(&offer).origin().clone();
    assert!(origin.session_id().parse::<i64>().unwrap() > 0);
    assert_eq!(origin.version(), 1);
}

// shows: 3264-5-06, 3264-5.1-02
#[test]
fn there_may_be_no_lines_and_lines_that_are_not_to_be_used() {
    let (answer, agreed) = answer_to(&body(&[]), stream(BOB)).unwrap();
    assert!(ports(&answer).is_empty() && agreed.streams.is_empty());
    assert!(lines(&alice().offer(&[]).unwrap(), "m=").is_empty());
    let (answer, agreed) = answer_to(&body(&["m=message 0 TCP/MSRP *"]), stream(BOB)).unwrap();
    assert_eq!(ports(&answer), [0]);
    assert!(agreed.streams.is_empty());
}

// shows: 3264-5.1-01, 3264-6.1-02
#[test]
fn the_answer_goes_no_way_that_was_not_offered() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (offered, wanted, answered) in [
        (SendRecv, SendRecv, SendRecv),
        (SendRecv, RecvOnly, RecvOnly),
        (SendRecv, Inactive, Inactive),
        (SendOnly, SendRecv, RecvOnly),
        (SendOnly, SendOnly, Inactive),
        (RecvOnly, SendRecv, SendOnly),
        (RecvOnly, RecvOnly, Inactive),
        (Inactive, SendRecv, Inactive),
    ] {
        let (mut a, mut b) = (alice(), bob());
        let offer = a.offer(&[with(ALICE, offered)]).unwrap();
        assert_eq!(lines(&offer, "a=").last(), Some(&offered.as_str()));
        b.on_offer(&offer).unwrap();
        let (answer, theirs) = b.answer(accept(stream(BOB).with_direction(wanted))).unwrap();
        assert_eq!(message(&answer, 0).direction, answered, "{offered:?} {wanted:?}");
        let ours = a.on_answer(&answer).unwrap();
        assert_eq!(ours.streams[0].direction, answered.reversed());
        assert_eq!(theirs.streams[0].direction, answered);
    }
}

// shows: 3264-5.1-04, 3264-X4975-06, 4975-8.1-07, 4975-8.1-08
#[test]
fn several_streams_on_one_port_are_several_sessions() {
    let (mut a, mut b) = (alice(), bob());
    let offer = a.offer(&[Some(stream(ALICE)), Some(stream(ALICE2))]).unwrap();
    assert_eq!(ports(&offer), [7394, 7394]);
    b.on_offer(&offer).unwrap();
    let presented: Vec<_> = b
        .offered()
        .iter()
        .map(|stream| (stream.index, stream.change))
        .collect();
    assert_eq!(presented, [(0, StreamChange::New), (1, StreamChange::New)]);
    let paths = [BOB, BOB2];
    let (answer, _) = b
        .answer(|offered| Decision::Accept(Box::new(stream(paths[offered.index]))))
        .unwrap();
    let agreed = a.on_answer(&answer).unwrap();
    let remote: Vec<_> = agreed
        .live()
        .map(|stream| stream.remote_path.to_string())
        .collect();
    assert_eq!(remote, paths);
}

// shows: 3264-6-01, 3264-6-02, 3264-6-03, 3264-6-04, 3264-6.1-01, 3264-6.1-03, 4975-8.1-06
#[test]
fn what_is_refused_stays_in_its_place_with_port_zero() {
    let chat = peer_body(&["a=sendonly"]);
    let section = &chat[body(&[]).len()..];
    let audio = b"m=audio 49170 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\nm=message 7 TCP/ODD/MSRP x y\r\n";
    let offer = [&body(&[])[..], &audio[..], section, section].concat();
    let offer = String::from_utf8(offer)
        .unwrap()
        .replace("t=0 0", "t=2873397496 2873404696");
    let mut b = bob();
    b.on_offer(offer.as_bytes()).unwrap();
    let (answer, agreed) = b
        .answer(|offered| match offered.index {
            2 => Decision::Accept(Box::new(stream(BOB))),
            _ => Decision::Decline,
        })
        .unwrap();
    assert_eq!(
        lines(&answer, "m="),
        [
            "audio 0 RTP/AVP 0 8",
            "message 0 TCP/ODD/MSRP x y",
            "message 8493 TCP/MSRP *",
            "message 0 TCP/MSRP *"
        ]
    );
    assert_eq!(lines(&answer, "t="), ["2873397496 2873404696"]);
    assert_eq!(lines(&answer, "o="), ["- 2890844530 1 IN IP4 bob.example.com"]);
    assert_eq!(agreed.refused, [0, 1, 3]);
    assert_eq!(changes(&agreed), [(2, StreamChange::New)]);
    let accepted = message(&answer, 2);
    assert_eq!((accepted.direction, accepted.port), (Direction::RecvOnly, 8493));
    assert_eq!(accepted.address.unwrap().host(), "bob.example.com");
}

// shows: 3264-6.1-04, 3264-6.1-05, 3264-X4975-07, 4975-8.6-10
#[test]
fn without_a_format_in_common_there_is_no_stream() {
    let html = |list: &str| {
        let body = String::from_utf8(peer_body(&[])).unwrap();
        body.replace("accept-types:text/plain", &format!("accept-types:{list}"))
    };
    let none = (488, Some(305), RefusalReason::NoCommonType);
    assert_eq!(
        refusal_of(html("text/html image/*").as_bytes(), stream(BOB)),
        none
    );
    assert_eq!(refusal_of(html("").as_bytes(), stream(BOB)), none);
    for list in ["*", "text/*", "text/html text/plain;charset=utf-8", "TEXT/Plain"] {
        assert!(answer_to(html(list).as_bytes(), stream(BOB)).is_ok(), "{list}");
    }
    let wild = LocalStream::new(stream(BOB).path, types("image/*"));
    assert!(answer_to(html("text/html image/*").as_bytes(), wild.clone()).is_ok());
    assert_eq!(refusal_of(&peer_body(&[]), wild.clone()), none);
    // A peer that receives nothing is sent nothing.
    assert!(answer_to(&peer_body(&["a=sendonly"]), wild).is_ok());
    // One stream of two.
    let both = [html("image/png").as_bytes(), &peer_body(&[])[body(&[]).len()..]].concat();
    let (answer, agreed) = answer_to(&both, stream(BOB)).unwrap();
    assert_eq!((ports(&answer), agreed.refused), (vec![0, 8493], vec![0]));
}

#[test]
fn refusals_say_what_was_wrong() {
    let refused = |offer: &[u8]| {
        let (code, warning, reason) = refusal_of(offer, stream(BOB));
        (code, warning, reason.to_string())
    };
    let text = |text: &str| text.to_owned();
    let audio = body(&["m=audio 1 RTP/AVP 0"]);
    assert_eq!(refused(&audio), (488, Some(304), text("there is no MSRP stream")));
    let sctp = body(&["m=message 1 SCTP/MSRP *"]);
    assert_eq!(
        refused(&sctp),
        (488, Some(302), text("the transport is none of ours"))
    );
    let pathless = body(&["m=message 1 TCP/MSRP *", "a=accept-types:*"]);
    assert_eq!(refused(&pathless), (400, Some(399), text("there is no a=path")));
    // The stream that was nearly accepted is what counts.
    let both = [&pathless[..], b"m=audio 1 RTP/AVP 0\r\n"].concat();
    assert_eq!(refused(&both).0, 400);
    assert_eq!(refused(b"rubbish").0, 400);
    let long = body(&[&format!("a=x:{}", "y".repeat(70_000))]);
    let (code, _, reason) = refusal_of(&long, stream(BOB));
    assert_eq!(code, 413);
    assert!(matches!(
        reason,
        RefusalReason::Sdp(SdpError::TooLong { limit: 65_536, .. })
    ));
    let refusal = answer_to(&audio, stream(BOB)).unwrap_err();
    let warning = refusal.warning.unwrap().header_value("bob.example.com");
    assert_eq!(warning, "304 bob.example.com \"Media type not available\"");
    assert_eq!(refusal.to_string(), "488: there is no MSRP stream");
    assert_eq!(refusal.everywhere().code, 606);
}

// shows: 3264-9-01, 3264-9-02
#[test]
fn capabilities_are_a_line_without_port_or_path() {
    let local = stream(ALICE).with_wrapped_types(types("*")).with_max_size(20_000);
    let told = Negotiation::capabilities(Origin::new(5, "alice.example.com"), &local);
    let section = message(&told, 0);
    assert_eq!((section.port, section.path), (0, None));
    assert_eq!(
        (section.max_size, lines(&told, "t=")),
        (Some(20_000), vec!["0 0"])
    );
    assert_eq!(
        lines(&told, "a="),
        [
            "accept-types:text/plain",
            "accept-wrapped-types:*",
            "max-size:20000"
        ]
    );
    assert_eq!(lines(&told, "o="), ["- 5 1 IN IP4 alice.example.com"]);
}

#[test]
fn answers_that_do_not_fit_the_offer_are_no_answers() {
    let mut a = alice();
    a.offer(&[Some(stream(ALICE))]).unwrap();
    let answered = |answer: &[u8]| {
        a.clone()
            .on_answer(answer)
            .map(|agreed| agreed.refused)
            .map_err(|it| it.reason)
    };
    assert_eq!(answered(&body(&["m=message 0 TCP/MSRP *"])), Ok(vec![0]));
    assert_eq!(answered(&body(&["m=audio 0 RTP/AVP 0"])), Ok(vec![0]));
    assert_eq!(
        answered(&body(&["m=audio 1 RTP/AVP 0"])),
        Err(RefusalReason::Mismatch { index: 0 })
    );
    let two = body(&["m=message 0 TCP/MSRP *", "m=message 0 TCP/MSRP *"]);
    assert_eq!(
        answered(&two),
        Err(RefusalReason::SectionCount {
            found: 2,
            expected: 1
        })
    );
    assert!(matches!(
        answered(&body(&["m=message 1 TCP/MSRP *"])),
        Err(RefusalReason::Section(_))
    ));
    assert!(matches!(answered(b""), Err(RefusalReason::Sdp(_))));
}

#[test]
fn offers_of_ours_are_checked() {
    let mut a = alice();
    let twice = [Some(stream(ALICE)), Some(stream(ALICE))];
    assert_eq!(a.offer(&twice).unwrap_err(), NegotiationError::SameUri);
    let wrong = stream("msrp://alice.example.com:7394;tcp");
    assert_eq!(a.offer(&[Some(wrong)]).unwrap_err(), NegotiationError::LocalPath);
    let deaf = LocalStream::new(stream(ALICE).path, types(""));
    assert_eq!(
        a.offer(&[Some(deaf)]).unwrap_err(),
        NegotiationError::NoAcceptTypes
    );
    let many = vec![Some(stream(ALICE)); 17];
    assert_eq!(
        a.offer(&many).unwrap_err(),
        NegotiationError::TooManySections { limit: 16 }
    );
    // None of them counts as said.
    let offer = a.offer(&[Some(stream(ALICE))]).unwrap();
    assert_eq!(version(&offer), 1);
    assert!(matches!(parse(&offer).sections(), [Section::Message(_)]));
}

#[test]
fn forked_answers_are_answered_each_for_itself() {
    let mut a = alice();
    let offer = a.offer(&[Some(stream(ALICE))]).unwrap();
    let forks = [BOB, BOB2].map(|path| {
        let mut fork = a.clone();
        fork.on_answer(&answer_to(&offer, stream(path)).unwrap().0)
            .unwrap();
        fork.streams()[0].as_ref().unwrap().remote_path.to_string()
    });
    assert_eq!(forks, [BOB, BOB2]);
}
