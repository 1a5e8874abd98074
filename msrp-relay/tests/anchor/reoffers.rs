//! New offers within a session, and answers that come again.

use msrp_relay::{AnchorError, AnchorOptions, LegState, Side};

use super::*;

// Rows: 4975-8.4-04, 6135-E-08
#[test]
fn an_offer_that_changes_nothing_changes_nothing() {
    let mut world = World::new();
    let (session, a, b) = talking(&mut world);
    let again = reoffer(&mut world, session.id, Side::Offerer, &sdp(A, "")).unwrap();
    assert_eq!(again, session.for_b);
    let for_a = answer(&mut world, session.id, &sdp(B, "a=setup:active\r\n")).unwrap();
    assert_eq!(for_a, session.for_a);
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    assert_eq!(messages(&mut world, b).len(), 1);
}

#[test]
fn the_answerer_may_offer_too() {
    let mut world = World::new();
    let (session, a, b) = talking(&mut world);
    let for_a = reoffer(
        &mut world,
        session.id,
        Side::Answerer,
        &sdp(B, "a=setup:actpass\r\n"),
    )
    .unwrap();
    assert_eq!(value(&for_a, "a=path:").unwrap(), session.path_of_a());
    assert!(for_a.contains("a=setup:actpass\r\n"));
    let for_b = answer(&mut world, session.id, &sdp(A, "a=setup:active\r\n")).unwrap();
    assert_eq!(value(&for_b, "a=path:").unwrap(), session.path_of_b());
    assert!(for_b.contains("a=setup:passive\r\n"));
    assert_eq!(say(&mut world, b, &session.path_of_b(), B), 200);
    assert_eq!(messages(&mut world, a).len(), 1);
}

// Rows: 4975-8.4-03
#[test]
fn a_side_that_moves_is_bound_anew() {
    let mut world = World::new();
    let (session, a, b) = talking(&mut world);
    let moved = "msrp://10.0.0.99:7394/m0ved;tcp";
    let for_b = reoffer(&mut world, session.id, Side::Offerer, &sdp(moved, "")).unwrap();
    // Until it is answered, what was agreed holds.
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    assert_eq!(messages(&mut world, b).len(), 1);
    answer(&mut world, session.id, &sdp(B, "a=setup:active\r\n")).unwrap();
    assert!(world.closed(a));
    let to_a = value(&for_b, "a=path:").unwrap().to_owned();
    assert_ne!(to_a, session.path_of_b());
    assert_eq!(say(&mut world, b, &to_a, B), 200);
    let a = world.accept(plain());
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 481);
    world.feed(a, bind(&session.path_of_a(), moved));
    assert_eq!(messages(&mut world, a)[0].to_path(), moved);
}

#[test]
fn a_refused_offer_leaves_all_as_it_was() {
    let mut world = World::new();
    let (session, a, b) = talking(&mut world);
    let moved = "msrp://10.0.0.99:7394/m0ved;tcp";
    reoffer(&mut world, session.id, Side::Offerer, &sdp(moved, "")).unwrap();
    let error = reoffer(&mut world, session.id, Side::Answerer, &sdp(B, "")).unwrap_err();
    assert_eq!(error, AnchorError::OfferPending);
    let now = world.now;
    world.relay.anchor_offer_refused(now, session.id).unwrap();
    assert_eq!(
        world.relay.anchor_offer_refused(now, session.id),
        Err(AnchorError::NoOffer)
    );
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    assert_eq!(messages(&mut world, b).len(), 1);
}

/// 183 and 200 with the same SDP, or another fork's.
#[test]
fn the_latest_answer_counts() {
    let mut world = World::new();
    let (id, for_b) = offer(&mut world, &sdp(A, ""), &AnchorOptions::new()).unwrap();
    let first = answer(&mut world, id, &sdp(B, "a=setup:active\r\n")).unwrap();
    assert_eq!(
        answer(&mut world, id, &sdp(B, "a=setup:active\r\n")).unwrap(),
        first
    );
    let fork = "msrp://phone.example.com:9000/f0rk;tcp";
    let second = answer(&mut world, id, &sdp(fork, "a=setup:active\r\n")).unwrap();
    let to_a = value(&for_b, "a=path:").unwrap();
    let b = world.accept(plain());
    assert_eq!(say(&mut world, b, to_a, B), 481);
    world.feed(b, bind(to_a, fork));
    let a = world.accept(plain());
    assert_eq!(say(&mut world, a, value(&second, "a=path:").unwrap(), A), 200);
    assert_eq!(messages(&mut world, b).len(), 1);
}

fn two_streams(first: &str, second: &str, extra: &str) -> String {
    let more = format!(
        "m=audio 49170 RTP/AVP 0\r\na=path:none of ours\r\nm=message 7394 TCP/MSRP *\r\n\
         a=accept-types:text/plain\r\n{extra}a=path:{second}\r\n"
    );
    sdp(first, extra) + &more
}

// Rows: 4975-8.1-07, 4975-8.1-08, 6135-4.2.1-06
#[test]
fn streams_of_one_body_are_sessions_of_their_own() {
    let mut world = World::new();
    let (a2, b2) = (
        "msrp://10.0.0.5:7394/s3c0nd;tcp",
        "msrp://bob.example.com:8493/s3c0nd2;tcp",
    );
    let (id, for_b) = offer(&mut world, &two_streams(A, a2, ""), &AnchorOptions::new()).unwrap();
    let for_a = answer(&mut world, id, &two_streams(B, b2, "a=setup:active\r\n")).unwrap();
    let paths = |sdp: &str| -> Vec<String> {
        sdp.lines()
            .filter_map(|line| line.strip_prefix("a=path:"))
            .map(ToOwned::to_owned)
            .collect()
    };
    let (of_a, of_b) = (paths(&for_a), paths(&for_b));
    // The audio between them is not touched.
    assert_eq!(
        (of_b[1].as_str(), of_a[1].as_str()),
        ("none of ours", "none of ours")
    );
    let (a, b) = (world.accept(plain()), world.accept(plain()));
    world.feed(b, bind(&of_b[0], B));
    world.feed(b, bind(&of_b[2], b2));
    assert_eq!(say(&mut world, a, &of_a[2], a2), 200);
    assert_eq!(messages(&mut world, b)[0].to_path(), b2);
    assert_eq!(say(&mut world, a, &of_a[0], A), 200);
    assert_eq!(messages(&mut world, b)[0].to_path(), B);
    // The second is taken away; the first goes on.
    let without = |sdp: String| {
        let at = sdp.rfind("m=message 7394").unwrap();
        let (before, after) = sdp.split_at(at);
        format!("{before}{}", after.replace("7394 TCP/MSRP *", "0 TCP/MSRP *"))
    };
    reoffer(&mut world, id, Side::Offerer, &without(two_streams(A, a2, ""))).unwrap();
    answer(&mut world, id, &without(two_streams(B, b2, "a=setup:active\r\n"))).unwrap();
    assert_eq!(world.relay.anchor(id).unwrap().streams.len(), 1);
    assert_eq!(say(&mut world, a, &of_a[2], a2), 481);
    assert_eq!(say(&mut world, a, &of_a[0], A), 200);
    // And a third comes.
    let third = "msrp://10.0.0.5:7394/th1rd;tcp";
    let for_b = reoffer(&mut world, id, Side::Offerer, &two_streams(A, third, "")).unwrap();
    assert_ne!(paths(&for_b)[2], of_b[2]);
    answer(&mut world, id, &two_streams(B, b2, "a=setup:active\r\n")).unwrap();
    let info = world.relay.anchor(id).unwrap();
    assert_eq!(info.streams.len(), 2);
    assert_eq!(info.streams[1].number, 3);
    assert_eq!(info.streams[1].offerer.state, LegState::Awaited);
}

#[test]
fn media_lines_keep_their_places() {
    let mut world = World::new();
    let (session, ..) = talking(&mut world);
    let moved = sdp(A, "").replace("m=message", "m=audio 49170 RTP/AVP 0\r\nm=message");
    assert_eq!(
        reoffer(&mut world, session.id, Side::Offerer, &moved).unwrap_err(),
        AnchorError::StreamMissing { number: 1 }
    );
    let (id, _) = offer(&mut world, &sdp(A, ""), &AnchorOptions::new()).unwrap();
    let moved = sdp(B, "").replace("m=message", "m=audio 49170 RTP/AVP 0\r\nm=message");
    assert_eq!(
        answer(&mut world, id, &moved).unwrap_err(),
        AnchorError::StreamNotOffered { number: 2 }
    );
    let refused = moved.replace("7394 TCP", "0 TCP");
    assert_eq!(
        answer(&mut world, id, &refused).unwrap_err(),
        AnchorError::StreamMissing { number: 1 }
    );
}
