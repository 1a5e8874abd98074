//! Middleboxes that change where a stream is: RFC 6714.

use std::net::IpAddr;

use msrp_core::grammar::Path;
use msrp_ua::{
    Role,
    negotiate::{Agreement, LocalStream, Negotiation, RefusalReason, StreamChange},
    sdp::Setup,
};

use crate::dialog::{
    ALICE, BOB, RELAY, accept, alice, answer_to, bob, body, lines, message, parse, peer_body, refusal_of,
    stream,
};

const SBC: &str = "203.0.113.9";

fn cema(path: &str) -> LocalStream {
    stream(path).with_cema()
}

fn relayed(path: &str) -> LocalStream {
    let use_path: Path = RELAY.parse().unwrap();
    cema(path).with_relay(&use_path)
}

/// The same through a middlebox that knows nothing of paths.
fn through_sbc(body: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(body).unwrap();
    let lines: Vec<_> = text
        .split_terminator("\r\n")
        .map(|line| match line.split_once(' ') {
            Some((_, rest)) if line.starts_with("m=") => {
                let (_, rest) = rest.split_once(' ').unwrap();
                format!("m=message 40000 {rest}\r\n")
            }
            _ if line.starts_with("c=") => format!("c=IN IP4 {SBC}\r\n"),
            _ => format!("{line}\r\n"),
        })
        .collect();
    lines.concat().into_bytes()
}

/// A peer that has never heard of RFC 6714, with lines of its own; behind a relay if so wished.
fn plain(relay: bool, setup: &str) -> Vec<u8> {
    let body = String::from_utf8(peer_body(&[setup])).unwrap();
    if relay {
        body.replace("a=path:", "a=path:msrp://relay.example.org:2855/r;tcp ")
            .into_bytes()
    } else {
        body.into_bytes()
    }
}

fn sbc() -> Option<(String, u16)> {
    Some((SBC.to_owned(), 40_000))
}

fn has_cema(body: &[u8]) -> bool {
    message(body, 0).cema
}

// shows: 6714-4.2-01, 6714-4.2-02, 6714-4.2-03, 6714-4.2-04, 6714-4.2-05, 6714-5-01, 6714-5-02, 6714-4.5-01
#[test]
fn an_offer_says_that_c_may_be_followed_and_makes_it_right() {
    let offer = alice().offer(&[Some(cema(ALICE))]).unwrap();
    assert!(lines(&offer, "a=").contains(&"msrp-cema") && lines(&offer, "a=").contains(&"setup:actpass"));
    assert_eq!(
        (lines(&offer, "c="), lines(&offer, "m=")),
        (vec!["IN IP4 alice.example.com"], vec!["message 7394 TCP/MSRP *"])
    );
    // With a relay it is the relay that c= names.
    let offer = alice()
        .offer(&[Some(relayed(ALICE).with_setup(Setup::Active))])
        .unwrap();
    let section = message(&offer, 0);
    assert_eq!(
        (section.address.unwrap().host(), section.port),
        ("relay.example.net", 2855)
    );
    assert_eq!(section.path.unwrap().first().as_str(), RELAY);
    assert_eq!((section.setup, section.cema), (Some(Setup::ActPass), true));
    // Without the extension it is us.
    let offer = alice()
        .offer(&[Some(stream(ALICE).with_relay(&RELAY.parse().unwrap()))])
        .unwrap();
    assert_eq!(
        (message(&offer, 0).address.unwrap().host(), has_cema(&offer)),
        ("alice.example.com", false)
    );
}

fn agreed(local: LocalStream, answer: &[u8]) -> Result<Agreement, RefusalReason> {
    let mut a = alice();
    a.offer(&[Some(local)]).unwrap();
    a.on_answer(answer).map_err(|refusal| refusal.reason)
}

// shows: 6714-4.2-06, 6714-4.2-07, 6714-4.2-08, 6714-4.2-09, 6714-4.2-10, 6714-4.1-01, 6714-4.1-02, 6714-4.1-03
// shows: 6714-1-05, 6714-3-02
#[test]
fn an_offerer_falls_back_where_a_middlebox_would_be_missed() {
    for (local, relay, setup, falls_back) in [
        // Its answer would have us wait for a connection to the middlebox.
        (cema(ALICE), false, "a=setup:active", true),
        // Our relay only knows the path.
        (relayed(ALICE), false, "a=setup:passive", true),
        (relayed(ALICE), false, "a=x", true),
        (relayed(ALICE), false, "a=setup:active", true),
        // The peer's relay is not where c= leads.
        (cema(ALICE), true, "a=setup:passive", true),
        (cema(ALICE), true, "a=x", true),
        // We connect to the middlebox ourselves.
        (cema(ALICE), false, "a=setup:passive", false),
        (cema(ALICE), false, "a=x", false),
    ] {
        let answer = through_sbc(&plain(relay, setup));
        let agreement = agreed(local, &answer).unwrap();
        assert_eq!(
            agreement.fallback,
            if falls_back { vec![0] } else { vec![] },
            "{relay} {setup}"
        );
        assert_eq!(agreement.streams.is_empty(), falls_back);
        if let Some(stream) = agreement.streams.first() {
            assert_eq!((stream.role, stream.connect.clone()), (Role::Active, sbc()));
        }
    }
    let mut a = alice();
    let first = a.offer(&[Some(relayed(ALICE))]).unwrap();
    a.on_answer(&through_sbc(&plain(false, "a=setup:passive")))
        .unwrap();
    let second = a.fallback_offer().unwrap();
    assert!(has_cema(&first) && !has_cema(&second));
    assert_eq!(message(&second, 0).path, message(&first, 0).path);
    let agreement = a.on_answer(&plain(false, "a=setup:passive")).unwrap();
    assert_eq!(agreement.streams[0].change, StreamChange::New);
    assert_eq!(
        (agreement.streams[0].connect.clone(), agreement.fallback),
        (None, vec![])
    );
}

// shows: 6714-4.2-14, 6714-4.2-15, 6714-4.2-16, 6714-4.2-17, 6714-4.4-07
#[test]
fn without_a_middlebox_an_answer_that_knows_nothing_is_as_good() {
    // `c=` is that of one of the URIs.
    for relay in [false, true] {
        let agreement = agreed(cema(ALICE), &plain(relay, "a=setup:passive")).unwrap();
        let stream = &agreement.streams[0];
        assert_eq!(
            (stream.role, stream.connect.clone()),
            (Role::Active, None),
            "{relay}"
        );
        let agreement = agreed(cema(ALICE), &plain(relay, "a=setup:active")).unwrap();
        assert_eq!(agreement.streams[0].role, Role::Passive);
    }
    let agreement = agreed(relayed(ALICE), &plain(false, "a=setup:passive")).unwrap();
    assert!(agreement.fallback.is_empty());
}

// shows: 6714-1-02, 6714-1-03, 6714-4.2-15, 6714-4.3-09, 6714-4.3-10, 6714-4.3-13, 6714-4.3-14, 6714-7-04
#[test]
fn both_sides_that_know_of_middleboxes_meet_at_them() {
    for (setup, active) in [(Setup::ActPass, 0), (Setup::Active, 1)] {
        let (mut a, mut b) = (alice(), bob());
        let offer = a.offer(&[Some(cema(ALICE))]).unwrap();
        b.on_offer(&through_sbc(&offer)).unwrap();
        let (answer, theirs) = b.answer(accept(cema(BOB).with_setup(setup))).unwrap();
        assert!(has_cema(&answer));
        let ours = a.on_answer(&through_sbc(&answer)).unwrap();
        let sides = [&ours.streams[0], &theirs.streams[0]];
        for (number, side) in sides.into_iter().enumerate() {
            let connects = number == active;
            assert_eq!(side.role == Role::Active, connects);
            assert_eq!(side.connect, if connects { sbc() } else { None });
        }
        // What is said over the connection, and what a certificate has to name, is by the path.
        let session = sides[active].session_params(None);
        assert_eq!(session.remote.to_string(), [BOB, ALICE][active]);
        assert_eq!(session.connect, sides[active].connect);
    }
}

// shows: 6714-4.3-01, 6714-4.3-02
#[test]
fn an_offer_that_was_changed_by_who_does_not_know_paths_is_refused() {
    let changed = through_sbc(&plain(false, "a=setup:actpass"));
    assert_eq!(
        refusal_of(&changed, cema(BOB)),
        (488, Some(399), RefusalReason::Middlebox)
    );
    // One stream of two.
    let other = &plain(false, "a=x")[body(&[]).len()..];
    let other = String::from_utf8_lossy(other).replace("m=", "c=IN IP4 peer.example.org\r\nm=");
    let (media, rest) = other.split_once("m=").map(|(c, m)| (m, c)).unwrap();
    let (first, after) = media.split_once("\r\n").unwrap();
    let both = [&changed[..], format!("m={first}\r\n{rest}{after}").as_bytes()].concat();
    let (answer, agreement) = answer_to(&both, cema(BOB)).unwrap();
    assert_eq!(
        (parse(&answer).sections()[0].is_refused(), agreement.refused),
        (true, vec![0])
    );
    // Who does not speak of middleboxes connects by the path, whatever c= says (RFC 4975 §8.1).
    let (_, agreement) = answer_to(&through_sbc(&plain(false, "a=setup:passive")), stream(BOB)).unwrap();
    assert_eq!(agreement.streams[0].connect, None);
}

// shows: 6714-4.3-04, 6714-4.3-05, 6714-4.3-06, 6714-4.3-07, 6714-4.3-08, 6714-4.3-11, 6714-4.3-12, 6714-4.5-02
#[test]
fn an_answerer_falls_back_where_it_could_not_keep_its_word() {
    let offer = |relay: bool, setup: &str| {
        let text = String::from_utf8(plain(relay, setup)).unwrap();
        text.replace("a=path", "a=msrp-cema\r\na=path").into_bytes()
    };
    for (relay, setup, local, speaks) in [
        (true, "a=setup:actpass", relayed(BOB), false),
        (true, "a=setup:active", cema(BOB), false),
        (true, "a=x", cema(BOB), false),
        (false, "a=setup:passive", relayed(BOB), false),
        (true, "a=setup:actpass", cema(BOB), true),
        (
            false,
            "a=setup:actpass",
            relayed(BOB).with_setup(Setup::Active),
            true,
        ),
        (false, "a=setup:active", relayed(BOB), true),
        (false, "a=setup:passive", cema(BOB), true),
    ] {
        let (answer, agreement) = answer_to(&through_sbc(&offer(relay, setup)), local.clone()).unwrap();
        assert_eq!(has_cema(&answer), speaks, "{relay} {setup}");
        let section = message(&answer, 0);
        if speaks && local.has_relay() {
            assert_eq!(section.setup, Some(Setup::Passive));
            assert_eq!(
                (section.address.unwrap().host(), section.port),
                ("relay.example.net", 2855)
            );
            assert_eq!(section.path.unwrap().first().as_str(), RELAY);
        }
        let stream = &agreement.streams[0];
        let connect = (speaks && stream.role == Role::Active).then(sbc).flatten();
        assert_eq!(stream.connect, connect, "{relay} {setup}");
    }
}

// shows: 6714-4.4-01, 6714-4.4-02, 6714-4.4-03, 6714-4.4-04, 6714-4.4-05, 6714-4.4-06, 6714-4.3-03, 6714-4.2-11
#[test]
fn addresses_are_compared_as_addresses() {
    let offer = |host: &str, port: u16, c: &str| {
        let path = format!("a=path:msrp://{host}:9999/p33r;tcp");
        let media = format!("m=message {port} TCP/MSRP *");
        body(&[&media, &format!("c={c}"), "a=accept-types:*", &path])
    };
    let matches = |offer: &[u8], known: &[(&str, &[&str])]| {
        let mut b = bob();
        b.on_offer(offer).unwrap();
        for (name, addresses) in known {
            let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
            b.resolved(name, &addresses);
        }
        (b.names_to_resolve(), b.answer(accept(cema(BOB))).is_ok())
    };
    let plainly = |host, port, c| {
        let (names, matches) = matches(&offer(host, port, c), &[]);
        assert!(names.is_empty());
        matches
    };
    assert!(plainly("192.0.2.7", 9999, "IN IP4 192.0.2.7"));
    assert!(!plainly("192.0.2.7", 9998, "IN IP4 192.0.2.7"));
    assert!(!plainly("192.0.2.7", 9999, "IN IP4 192.0.2.8"));
    assert!(plainly("[2001:db8:0::7]", 9999, "IN IP6 2001:DB8::0:7"));
    assert!(!plainly("[2001:db8:0::7]", 9999, "IN IP6 2001:db8::8"));
    assert!(plainly("Peer.ex%61mple.org", 9999, "IN IP4 pEEr.example.org"));
    // Names need somebody who knows them, on either side.
    let named = offer("peer.example.org", 9999, "IN IP4 192.0.2.7");
    assert_eq!(matches(&named, &[]), (vec!["peer.example.org".to_owned()], true));
    let known: &[&str] = &["192.0.2.6", "192.0.2.7"];
    assert_eq!(matches(&named, &[("Peer.example.org", known)]), (vec![], true));
    assert_eq!(
        matches(&named, &[("peer.example.org", &["192.0.2.6"])]),
        (vec![], false)
    );
    let both = offer("peer.example.org", 9999, "IN IP4 other.example.org");
    let names = vec!["other.example.org".to_owned(), "peer.example.org".to_owned()];
    assert_eq!(matches(&both, &[]), (names, true));
    let known: &[(&str, &[&str])] = &[
        ("peer.example.org", &["192.0.2.7"]),
        ("other.example.org", &["192.0.2.8"]),
    ];
    assert_eq!(matches(&both, known), (vec![], false));
    let a = alice();
    assert_eq!(a.names_in_answer(&named), ["peer.example.org"]);
}

#[test]
fn a_middlebox_that_moves_makes_a_new_session_only_where_it_counts() {
    let (mut a, mut b) = (alice(), bob());
    let offer = a.offer(&[Some(cema(ALICE))]).unwrap();
    b.on_offer(&through_sbc(&offer)).unwrap();
    b.answer(accept(cema(BOB))).unwrap();
    let change = |b: &Negotiation, offer: &[u8]| {
        let mut b = b.clone();
        b.on_offer(offer).unwrap();
        b.answer(|_| msrp_ua::negotiate::Decision::Keep)
            .unwrap()
            .1
            .streams[0]
            .change
    };
    assert_eq!(change(&b, &through_sbc(&offer)), StreamChange::Unchanged);
    let moved = String::from_utf8(through_sbc(&offer))
        .unwrap()
        .replace(SBC, "203.0.113.10");
    assert_eq!(change(&b, moved.as_bytes()), StreamChange::Replaced);
    // Without the extension c= means nothing.
    let (mut a, mut b) = (alice(), bob());
    let offer = a.offer(&[Some(stream(ALICE))]).unwrap();
    b.on_offer(&offer).unwrap();
    b.answer(accept(stream(BOB))).unwrap();
    assert_eq!(change(&b, &through_sbc(&offer)), StreamChange::Unchanged);
}
