//! Who connects: RFC 4145 as RFC 6135 uses it.

use msrp_ua::{
    Role,
    negotiate::{LocalStream, RefusalReason, StreamChange},
    sdp::Setup,
};

use crate::dialog::{
    ALICE, BOB, RELAY, accept, alice, answer_to, bob, body, exchange, lines, message, peer_body, section,
    stream, talking,
};

const NOWHERE: &str = "msrp://192.168.1.7:9/2s93i93idj;tcp";

fn setups(body: &[u8]) -> Vec<&str> {
    lines(body, "a=setup:")
}

fn unreachable(path: &str) -> LocalStream {
    stream(path).with_setup(Setup::Active)
}

// shows: 6135-4.2.1-02, 6135-4.2.2-03, 6135-4.2.2-04, 6135-4.2.2-05, 6135-4.2.2-06, 6135-4.2.1-04, 6135-4.2.1-01
// shows: 4145-X6135-01, 4145-X6135-04, 4145-X6135-05, 4145-4.1-04, 6135-4.2.2-02
#[test]
fn offers_leave_the_choice_to_the_peer_or_say_that_nobody_can_connect_to_us() {
    let offered = |local: LocalStream| {
        let offer = alice().offer(&[Some(local)]).unwrap();
        (setups(&offer).join(","), lines(&offer, "m=message ").join(","))
    };
    assert_eq!(offered(stream(ALICE)).0, "actpass");
    assert_eq!(offered(stream(ALICE).with_setup(Setup::Passive)).0, "actpass");
    assert_eq!(
        offered(unreachable(NOWHERE)),
        ("active".into(), "9 TCP/MSRP *".into())
    );
    // A relay can be reached by all.
    assert_eq!(
        offered(unreachable(NOWHERE).with_relay(&RELAY.parse().unwrap())).0,
        "actpass"
    );
}

// shows: 6135-4.2.2-01, 4145-X6135-06, 4145-4.1-05
#[test]
fn who_can_be_connected_to_says_where() {
    let offer = alice().offer(&[Some(stream(ALICE))]).unwrap();
    let section = message(&offer, 0);
    let path = section.path.unwrap();
    assert_eq!((path.first().port(), section.port), (Some(7394), 7394));
    let (answer, _) = answer_to(&offer, stream(BOB)).unwrap();
    let section = message(&answer, 0);
    assert_eq!((section.setup, section.port), (Some(Setup::Passive), 8493));
    assert_eq!(section.path.unwrap().first().as_str(), BOB);
}

// shows: 4145-4.1-01, 6135-4.2.2-08, 6135-4.2.2-09, 6135-4.2.2-10, 6135-4.2.2-12, 4145-X6135-07, 4145-4-02
// shows: 6135-4.2.1-03, 4145-X6135-02, 4145-4.1-07, 4975-8.5-01, 6135-5-01
#[test]
fn the_answer_is_one_that_the_offer_allows() {
    for (offered, local, answered, role) in [
        ("a=setup:actpass", stream(BOB), "passive", Role::Passive),
        ("a=setup:actpass", unreachable(NOWHERE), "active", Role::Active),
        ("a=setup:active", stream(BOB), "passive", Role::Passive),
        ("a=setup:active", unreachable(NOWHERE), "passive", Role::Passive),
        // Nobody may offer this, but some do.
        ("a=setup:passive", stream(BOB), "active", Role::Active),
        ("a=x", stream(BOB), "passive", Role::Passive),
    ] {
        let (answer, agreed) = answer_to(&peer_body(&[offered]), local).unwrap();
        assert_eq!(setups(&answer), [answered], "{offered}");
        assert_eq!(agreed.streams[0].role, role, "{offered}");
    }
}

// shows: 4145-X6135-03, 6135-4.2.1-05, 6135-4.4-01, 6135-4.4-02, 4145-X6135-09
#[test]
fn holdconn_and_connection_are_as_if_they_were_not_there() {
    let (answer, agreed) = answer_to(
        &peer_body(&["a=setup:holdconn", "a=connection:existing"]),
        stream(BOB),
    )
    .unwrap();
    let (plain, _) = answer_to(&peer_body(&[]), stream(BOB)).unwrap();
    assert_eq!(answer, plain);
    assert_eq!(agreed.streams[0].role, Role::Passive);
    assert!(lines(&answer, "a=connection").is_empty());
    let mut a = alice();
    let offer = a.offer(&[Some(stream(ALICE))]).unwrap();
    assert!(lines(&offer, "a=connection").is_empty());
    let answer = peer_body(&["a=setup:holdconn", "a=connection:new"]);
    assert_eq!(a.on_answer(&answer).unwrap().streams[0].role, Role::Active);
}

// shows: 6135-4.2.2-12, 6135-1-01, 4145-4-02
#[test]
fn the_offerer_does_what_the_answer_leaves_to_it() {
    for (local, answered, role) in [
        (stream(ALICE), "a=setup:active", Ok(Role::Passive)),
        (stream(ALICE), "a=setup:passive", Ok(Role::Active)),
        (stream(ALICE), "a=x", Ok(Role::Active)),
        (unreachable(NOWHERE), "a=setup:passive", Ok(Role::Active)),
        // Both would connect.
        (unreachable(NOWHERE), "a=setup:active", Err(RefusalReason::Setup)),
    ] {
        let mut a = alice();
        a.offer(&[Some(local)]).unwrap();
        let agreed = a.on_answer(&peer_body(&[answered]));
        let found = agreed
            .map(|agreed| agreed.streams[0].role)
            .map_err(|refusal| refusal.reason);
        assert_eq!(found, role, "{answered}");
    }
}

// shows: 4145-7.1-01, 4145-4.1-03
#[test]
fn nobody_connects_to_the_active_side() {
    let mut a = alice();
    a.offer(&[Some(stream(ALICE))]).unwrap();
    let nine = body(&section(
        "m=message 9 TCP/MSRP *",
        "a=path:msrp://10.0.0.7:9/p33r;tcp",
        &["a=setup:active"],
    ));
    let agreed = a.on_answer(&nine).unwrap();
    assert_eq!(agreed.streams[0].session_params(None).role, Role::Passive);
}

// shows: 6135-4.5-01, 4145-X6135-10
#[test]
fn behind_a_relay_the_session_goes_through_it_whoever_is_active() {
    for setup in ["a=setup:active", "a=setup:passive"] {
        let (mut a, own) = (alice(), stream(ALICE).with_relay(&RELAY.parse().unwrap()));
        a.offer(&[Some(own)]).unwrap();
        let agreed = a.on_answer(&peer_body(&[setup])).unwrap();
        // Whether the first SEND is ours is what the role says; that of the relay is how the session is opened.
        let session = agreed.streams[0].session_params(None);
        assert_eq!(session.role == Role::Passive, setup == "a=setup:active");
        assert_eq!(
            (session.local.to_string(), session.connect),
            (ALICE.to_owned(), None)
        );
    }
}

#[test]
fn a_session_that_goes_on_keeps_its_roles() {
    let (mut a, mut b) = (alice(), bob());
    exchange(
        &mut a,
        &[Some(stream(ALICE))],
        &mut b,
        accept(unreachable(NOWHERE)),
    );
    assert_eq!(a.streams()[0].as_ref().unwrap().role, Role::Passive);
    // Bob, who could not be connected to, still cannot.
    let (ours, theirs) = exchange(&mut b, &[Some(unreachable(NOWHERE))], &mut a, |_| {
        msrp_ua::negotiate::Decision::Keep
    });
    assert_eq!(
        (ours.streams[0].role, theirs.streams[0].role),
        (Role::Active, Role::Passive)
    );
    assert_eq!(theirs.streams[0].change, StreamChange::Unchanged);
    let (mut a, mut b) = talking();
    let (ours, _) = exchange(&mut b, &[Some(stream(BOB))], &mut a, |_| {
        msrp_ua::negotiate::Decision::Keep
    });
    assert_eq!(ours.streams[0].role, Role::Passive);
}
