//! How anchored sessions end, and what bounds them.

use std::time::Duration;

use msrp_relay::{AnchorConfig, AnchorEnd, AnchorError, AnchorOptions, RelayCommand, RelayEvent};

use super::*;

fn ended(world: &World) -> Vec<AnchorEnd> {
    let ends = world.events.iter().filter_map(|event| match event {
        RelayEvent::AnchorEnded { reason, .. } => Some(*reason),
        _ => None,
    });
    ends.collect()
}

#[test]
fn the_end_closes_both_sides_and_tells_what_went_through() {
    let mut world = World::new();
    let (session, a, b) = talking(&mut world);
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    world.set_room(b, Some(0));
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    let info = end(&mut world, session.id);
    assert_eq!(info.streams[0].offerer.stats.passed.octets, 10);
    assert!(world.closed(a));
    // What is queued leaves first.
    assert!(!world.closed(b));
    world.set_room(b, None);
    assert_eq!(messages(&mut world, b).len(), 2);
    assert!(world.closed(b));
    assert_eq!(ended(&world), [AnchorEnd::Ended]);
    assert_eq!(world.relay.anchor_count(), 0);
    assert_eq!(world.relay.bindings(), 0);
    let now = world.now;
    assert_eq!(world.relay.anchor_end(now, session.id), Err(AnchorError::Unknown));
    // Its URIs are worth nothing any more.
    let again = world.accept(plain());
    assert_eq!(say(&mut world, again, &session.path_of_a(), A), 481);
}

#[test]
fn a_connection_that_serves_another_session_stays() {
    let mut world = World::new();
    let (one, a, b) = talking(&mut world);
    let other_a = "msrp://10.0.0.5:7394/0th3r;tcp";
    let other_b = "msrp://bob.example.com:8493/0th3r2;tcp";
    let other = anchored_with(
        &mut world,
        &AnchorOptions::new(),
        (other_a, ""),
        (other_b, "a=setup:active\r\n"),
    );
    world.feed(a, bind(&other.path_of_a(), other_a));
    world.feed(b, bind(&other.path_of_b(), other_b));
    // A long message of the first is under way.
    let body = "x".repeat(3_000);
    let part = send("l0ng", &one.path_of_a(), A, "", "1-*/9000", &body, '+');
    world.feed(a, part);
    world.octets(a);
    world.octets(b);
    end(&mut world, one.id);
    assert!(!world.closed(a) && !world.closed(b));
    // It is over: the receiver is told, and the rest of it refused.
    assert!(world.text(b).ends_with("#\r\n"));
    let rest = send("l0nh", &one.path_of_a(), A, "", "3001-9000/9000", "rest", '$');
    world.feed(a, rest);
    assert_eq!(world.frames(a)[0].start_code(), 481);
    assert_eq!(say(&mut world, a, &other.path_of_a(), other_a), 200);
    assert_eq!(messages(&mut world, b).len(), 1);
    end(&mut world, other.id);
}

#[test]
fn a_client_that_authenticated_keeps_its_connection() {
    let mut world = World::new();
    let (alice, _) = world.client("alice", "secret");
    let a = "msrps://alice.example.com:7394/2s93i9;tcp";
    let b = "msrps://bob.example.com:8493/si438ds;tcp";
    let session = anchored_with(
        &mut world,
        &AnchorOptions::new(),
        (a, ""),
        (b, "a=setup:active\r\n"),
    );
    world.feed(alice, bind(&session.path_of_a(), a));
    end(&mut world, session.id);
    assert!(!world.closed(alice));
}

#[test]
fn what_waits_for_a_side_fails_at_the_end() {
    let mut world = World::new();
    let session = anchored(&mut world);
    let a = world.accept(plain());
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    end(&mut world, session.id);
    let report = world.frames(a).remove(0);
    assert_eq!(report.header("Status"), Some("000 408 Request Timeout"));
    assert!(world.closed(a));
    assert_eq!(world.relay.memory(), 0);
}

#[test]
fn a_session_that_nobody_uses_ends() {
    let mut world = World::with(config().anchors(AnchorConfig::new().idle_timeout(Duration::from_secs(600))));
    let (session, a, b) = talking(&mut world);
    for _ in 0..5 {
        world.advance(Duration::from_secs(500));
        assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    }
    world.advance(Duration::from_secs(599));
    assert_eq!(ended(&world), []);
    world.advance(Duration::from_secs(2));
    assert_eq!(ended(&world), [AnchorEnd::Idle]);
    assert!(world.closed(a) && world.closed(b));
}

#[test]
fn a_session_lasts_no_longer_than_it_may() {
    let mut world = World::new();
    let options = AnchorOptions::new()
        .total_timeout(Duration::from_secs(100))
        .idle_timeout(Duration::from_secs(50));
    let session = anchored_with(&mut world, &options, (A, ""), (B, "a=setup:active\r\n"));
    let (a, b) = (world.accept(plain()), world.accept(plain()));
    world.feed(b, bind(&session.path_of_b(), B));
    for _ in 0..3 {
        assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
        world.advance(Duration::from_secs(30));
    }
    assert_eq!(ended(&world), []);
    world.advance(Duration::from_secs(11));
    assert_eq!(ended(&world), [AnchorEnd::TotalTime]);
}

#[test]
fn a_session_carries_no_more_than_it_may() {
    let mut world = World::new();
    let options = AnchorOptions::new().max_octets(12);
    let session = anchored_with(&mut world, &options, (A, ""), (B, "a=setup:active\r\n"));
    let (a, b) = (world.accept(plain()), world.accept(plain()));
    world.feed(b, bind(&session.path_of_b(), B));
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    assert_eq!(say(&mut world, b, &session.path_of_b(), B), 200);
    assert_eq!(ended(&world), []);
    assert_eq!(say(&mut world, a, &session.path_of_a(), A), 200);
    assert_eq!(ended(&world), [AnchorEnd::TotalOctets]);
    // The one that filled it has passed.
    assert_eq!(messages(&mut world, b).len(), 1);
    assert!(world.closed(a) && world.closed(b));
}

#[test]
fn an_offer_without_an_answer_ends() {
    let mut world = World::new();
    let (id, _) = offer(&mut world, &sdp(A, ""), &AnchorOptions::new()).unwrap();
    world.advance(Duration::from_secs(179));
    assert!(world.relay.anchor(id).is_some_and(|info| !info.answered));
    world.advance(Duration::from_secs(2));
    assert_eq!(ended(&world), [AnchorEnd::Unanswered]);
    assert_eq!(
        answer(&mut world, id, &sdp(B, "")).unwrap_err(),
        AnchorError::Unknown
    );
}

#[test]
fn a_stream_refused_by_port_0_ends_the_session() {
    let mut world = World::new();
    let (id, _) = offer(&mut world, &sdp(A, ""), &AnchorOptions::new()).unwrap();
    let refusal = sdp(B, "").replace("m=message 7394 TCP/MSRP", "m=message 0 TCP/TLS/MSRP");
    let for_a = answer(&mut world, id, &refusal).unwrap();
    // An answer has the protocol of its offer.
    assert!(for_a.contains("m=message 0 TCP/MSRP *\r\n"), "{for_a}");
    assert_eq!(ended(&world), [AnchorEnd::Refused]);
}

#[test]
fn there_is_a_bound_of_sessions() {
    let mut world = World::with(config().anchors(AnchorConfig::new().max_anchors(2)));
    for _ in 0..2 {
        offer(&mut world, &sdp(A, ""), &AnchorOptions::new()).unwrap();
    }
    let error = offer(&mut world, &sdp(A, ""), &AnchorOptions::new()).unwrap_err();
    assert_eq!(error, AnchorError::TooManyAnchors { limit: 2 });
    let id = world.relay.anchors(None).next().unwrap().id;
    end(&mut world, id);
    offer(&mut world, &sdp(A, ""), &AnchorOptions::new()).unwrap();
}

#[test]
fn a_draining_relay_takes_no_new_session() {
    let mut world = World::new();
    let (session, ..) = talking(&mut world);
    world.command(RelayCommand::Drain).unwrap();
    let error = offer(&mut world, &sdp(A, ""), &AnchorOptions::new()).unwrap_err();
    assert_eq!(error, AnchorError::Draining);
    end(&mut world, session.id);
    assert!(world.relay.is_drained());
}

#[test]
fn messages_for_a_side_that_is_not_there_are_kept_within_bounds() {
    let mut world = World::new();
    let session = anchored(&mut world);
    let a = world.accept(plain());
    let body = "x".repeat(2_000);
    for number in 0..100 {
        let id = format!("m{number:03}");
        let message = send(&id, &session.path_of_a(), A, "", "1-2000/2000", &body, '$')
            .replace("87652", &format!("{id}x"));
        world.feed(a, message);
    }
    assert!(!world.relay_wants_read(a));
    // What is kept, and what has not been looked at.
    assert!(world.relay.memory() < 300 * 1024, "{}", world.relay.memory());
    let b = world.accept(plain());
    world.feed(b, bind(&session.path_of_b(), B));
    assert_eq!(messages(&mut world, b).len(), 100);
}

#[test]
fn a_client_of_an_anchored_session_is_no_session_of_the_other_list() {
    let mut world = World::new();
    let (session, ..) = talking(&mut world);
    assert_eq!(world.relay.sessions(None).count(), 0);
    let listed: Vec<_> = world.relay.anchors(None).map(|info| info.id).collect();
    assert_eq!(listed, [session.id]);
    assert_eq!(world.relay.anchors(Some(session.id)).count(), 0);
    assert_eq!(session.id.to_string().parse(), Ok(session.id));
}
