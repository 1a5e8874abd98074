//! What RFC 4975 §8 demands of `m=message` sections, and what peers that do otherwise get.

use msrp_core::grammar::{AcceptTypes, Path};
use msrp_ua::{
    Role, UserAgent, UserAgentConfig,
    negotiate::{Decision, LocalStream, NegotiationError, RefusalReason, StreamChange},
    sdp::{Protocol, Section, SectionError, Setup},
};

use crate::dialog::{
    ALICE, BOB, PEER_MEDIA, PEER_PATH, RELAY, accept, alice, answer_to, bob, body, exchange, lines, message,
    parse, peer_body, refusal_of, section, stream, talking, types,
};

fn secure(uri: &str) -> String {
    uri.replace("msrp:", "msrps:")
}

/// The attributes of the section, without what RFC 4975 does not know.
fn attributes(body: &[u8]) -> Vec<&str> {
    let later = ["setup:", "sendrecv"];
    lines(body, "a=")
        .into_iter()
        .filter(|line| !later.iter().any(|start| line.starts_with(start)))
        .collect()
}

// shows: 4975-8-01, 4975-8-02, 4975-8.1-01, 4975-8.1-02, 4975-8.1-03, 4975-8.1-04, 4975-8.1-05, 4975-8.2-01
// shows: 4975-8.2-02, 4975-8.2-05, 4975-8.3-04, 4975-8.6-01, 3264-X4975-01, 3264-X4975-02, 3264-X4975-03
#[test]
fn the_example_of_8_7() {
    let (mut a, mut b) = (alice(), bob());
    let offering = LocalStream::new(stream(ALICE).path, types("message/cpim text/plain text/html"));
    let offer = a.offer(&[Some(offering)]).unwrap();
    assert_eq!(lines(&offer, "c="), ["IN IP4 alice.example.com"]);
    assert_eq!(lines(&offer, "m="), ["message 7394 TCP/MSRP *"]);
    let path = format!("path:{ALICE}");
    assert_eq!(
        attributes(&offer),
        ["accept-types:message/cpim text/plain text/html", &path]
    );
    b.on_offer(&offer).unwrap();
    let (answer, theirs) = b
        .answer(accept(LocalStream::new(
            stream(BOB).path,
            types("message/cpim text/plain"),
        )))
        .unwrap();
    assert_eq!(lines(&answer, "c="), ["IN IP4 bob.example.com"]);
    assert_eq!(lines(&answer, "m="), ["message 8493 TCP/MSRP *"]);
    assert_eq!(
        attributes(&answer),
        ["accept-types:message/cpim text/plain", &format!("path:{BOB}")]
    );
    let session = a.on_answer(&answer).unwrap().streams[0].session_params(None);
    assert_eq!(
        (session.local.to_string(), session.remote.to_string()),
        (ALICE.into(), BOB.into())
    );
    assert_eq!(session.peer_accepts.to_string(), "message/cpim text/plain");
    assert_eq!(session.accepts.to_string(), "message/cpim text/plain text/html");
    assert_eq!(theirs.streams[0].session_params(None).remote.to_string(), ALICE);
}

// shows: 4975-8.2-03, 4975-8.2-06, 4975-8.3-03
#[test]
fn uris_of_ours_have_ports_and_serve_one_session() {
    let mut a = alice();
    for bad in [
        "msrp://alice.example.com/x;tcp",
        "msrp://alice.example.com:0/x;tcp",
        "msrp://alice.example.com:1;tcp",
    ] {
        assert_eq!(
            a.offer(&[Some(stream(bad))]).unwrap_err(),
            NegotiationError::LocalPath,
            "{bad}"
        );
    }
    let through = |own: &str| Some(stream(own).with_relay(&RELAY.parse().unwrap()));
    let upper = "msrp://ALICE.example.com:7394/2s93i93idj;tcp";
    assert_eq!(
        a.offer(&[through(ALICE), through(upper)]).unwrap_err(),
        NegotiationError::SameUri
    );
    // Two lines of an answer neither.
    let two = [&peer_body(&[])[..], &peer_body(&[])[body(&[]).len()..]].concat();
    let mut b = bob();
    b.on_offer(&two).unwrap();
    assert_eq!(
        b.answer(accept(stream(BOB))).unwrap_err(),
        NegotiationError::SameUri
    );
    // URIs that a user agent allocates are new each time.
    #[allow(clippy::disallowed_methods, reason = "tests begin at any time")]
    let now = std::time::Instant::now();
    let mut agent = UserAgent::new(now, UserAgentConfig::new("a.example", 7, false), [1; 32]);
    let (one, other) = (agent.allocate_uri(), agent.allocate_uri());
    let offered = [
        Some(LocalStream::new(one, types("*"))),
        Some(LocalStream::new(other, types("*"))),
    ];
    assert!(alice().offer(&offered).is_ok());
}

// shows: 4975-8.2-04, 4975-8.3-01, 4975-8.3-02, 4975-8.1-09, 3264-X4975-04
#[test]
fn a_path_of_several_uris_is_the_target_and_its_first_is_connected_to() {
    let path = "a=path:msrps://relay.example.org:2855/r;tcp  msrps://inner.example.org:9/i;tcp msrp://10.0.0.7:9999/p33r;ws";
    let offer = body(&section(
        "m=message 4711 TCP/TLS/MSRP *",
        path,
        &["a=setup:passive"],
    ));
    let (_, agreed) = answer_to(&offer, stream(&secure(BOB))).unwrap();
    let stream = &agreed.streams[0];
    let session = stream.session_params(None);
    assert_eq!(session.remote.len(), 3);
    assert_eq!(session.remote.first().host_str(), "relay.example.org");
    assert_eq!(session.remote.last().session_id(), Some("p33r"));
    // Not what c= and the port say.
    assert_eq!((stream.role, session.connect), (Role::Active, None));
}

// shows: 4976-5.1-02, 7977-5.2.2-02, 7977-5.2.2-03, 7977-5.2.2-04
#[test]
fn a_browser_behind_a_relay_is_offered_and_understood() {
    let own = "msrps://df7jal23ls0d.invalid:2855/98cjs;ws";
    let use_path: Path = "msrps://inner.example.net:2855/1;tcp msrps://outer.example.net:2855/2;tcp"
        .parse()
        .unwrap();
    let offer = alice().offer(&[Some(stream(own).with_relay(&use_path))]).unwrap();
    assert_eq!(lines(&offer, "m="), ["message 2855 TCP/TLS/MSRP *"]);
    let path = format!("msrps://outer.example.net:2855/2;tcp msrps://inner.example.net:2855/1;tcp {own}");
    assert_eq!(lines(&offer, "a=path:"), [path]);
    // Some browsers' clients read the path only after the types.
    let place = |start: &str| {
        lines(&offer, "")
            .iter()
            .position(|line| line.starts_with(start))
            .unwrap()
    };
    assert!(place("a=accept-types") < place("a=path"));
    let (_, agreed) = answer_to(&offer, stream(&secure(BOB))).unwrap();
    assert_eq!(agreed.streams[0].remote_path.last().transport(), "ws");
}

#[test]
fn transports_of_deployed_browsers_are_answered_as_they_came() {
    for (offered, protocol) in [
        ("TCP/WS/MSRP", Protocol::Ws),
        ("TCP/WSS/MSRP", Protocol::Wss),
        ("tcp/msrp", Protocol::Tcp),
    ] {
        let media = format!("m=message 9 {offered} *");
        let path = "a=path:msrps://relay.example.org:2855/r;tcp msrps://x.invalid:9/p33r;ws";
        let offer = body(&section(&media, path, &[]));
        assert_eq!(message(&offer, 0).protocol, protocol);
        let (answer, _) = answer_to(&offer, stream(&secure(BOB))).unwrap();
        assert_eq!(message(&answer, 0).protocol, protocol);
    }
    // Nobody connects to a browser.
    let alone = body(&section(
        PEER_MEDIA,
        "a=path:msrp://x.invalid:9999/p33r;ws",
        &["a=setup:passive"],
    ));
    assert_eq!(
        refusal_of(&alone, stream(BOB)),
        (488, Some(302), RefusalReason::NotDialable)
    );
    let relayed = stream(BOB).with_relay(&RELAY.parse().unwrap());
    assert!(answer_to(&alone, relayed).is_ok());
}

#[test]
fn encryption_is_neither_dropped_nor_made_up() {
    let secure = section("m=message 9999 TCP/TLS/MSRP *", PEER_PATH, &[]);
    assert_eq!(
        refusal_of(&body(&secure), stream(BOB)).2,
        RefusalReason::Section(SectionError::Downgrade)
    );
    let path = PEER_PATH.replace("msrp:", "msrps:");
    let secure = body(&section("m=message 9999 TCP/TLS/MSRP *", &path, &[]));
    assert_eq!(
        refusal_of(&secure, stream(BOB)),
        (488, Some(302), RefusalReason::Tls)
    );
    let own = BOB.replace("msrp:", "msrps:");
    assert!(answer_to(&secure, stream(&own)).is_ok());
    assert_eq!(refusal_of(&peer_body(&[]), stream(&own)).2, RefusalReason::Tls);
    // The relay's side is a matter of its own.
    let relayed = stream(&own).with_relay(&RELAY.parse().unwrap());
    assert!(answer_to(&peer_body(&[]), relayed).is_ok());
}

// shows: 4975-8.4-02, 4975-8.4-03, 3264-X4975-05
#[test]
fn an_answer_may_bring_another_path() {
    let (mut a, mut b) = talking();
    let moved = "msrp://bob2.example.com:8493/moved;tcp";
    let (ours, theirs) = exchange(&mut a, &[Some(stream(ALICE))], &mut b, accept(stream(moved)));
    assert_eq!(
        (ours.streams[0].change, theirs.streams[0].change),
        (StreamChange::Replaced, StreamChange::Replaced)
    );
    assert_eq!(ours.streams[0].session_params(None).remote.to_string(), moved);
    // The next answer again says what is valid then.
    let (ours, _) = exchange(&mut a, &[Some(stream(ALICE))], &mut b, |_| Decision::Keep);
    assert_eq!(ours.streams[0].change, StreamChange::Unchanged);
}

// shows: 4975-8.6-05, 4975-8.6-06, 4975-8.6-07, 4975-8.6-09, 4975-8.6-13, 8866-8.1-01
#[test]
fn types_and_sizes_reach_the_session() {
    let more = ["a=accept-wrapped-types:text/plain image/*", "a=max-size:4096"];
    let offer = String::from_utf8(peer_body(&more)).unwrap();
    let offer = offer.replace(
        "accept-types:text/plain\r\n",
        "accept-types:message/cpim multipart/mixed\r\n",
    );
    let own = LocalStream::new(stream(BOB).path, types("message/cpim *"))
        .with_wrapped_types(types("text/html"))
        .with_max_size(10_000);
    let (answer, agreed) = answer_to(offer.as_bytes(), own).unwrap();
    let session = agreed.streams[0].session_params(None);
    assert_eq!(session.peer_accepts.to_string(), "message/cpim multipart/mixed");
    assert_eq!(
        session
            .peer_accepts_wrapped
            .as_ref()
            .map(AcceptTypes::to_string)
            .as_deref(),
        Some("text/plain image/*")
    );
    assert_eq!((session.peer_max_size, session.max_size), (Some(4096), 10_000));
    assert_eq!(lines(&answer, "a=accept-types:"), ["message/cpim *"]);
    assert_eq!(lines(&answer, "a=accept-wrapped-types:"), ["text/html"]);
    assert_eq!(lines(&answer, "a=max-size:"), ["10000"]);
}

#[test]
fn malformed_sections_are_refused_by_what_is_wrong_with_them() {
    let wrong = |path: &str, more: &[&str]| {
        let offer = body(&section(PEER_MEDIA, path, more));
        match &parse(&offer).sections()[0] {
            Section::Other(other) => {
                let (code, warning, reason) = refusal_of(&offer, stream(BOB));
                assert_eq!((code, warning), (400, Some(399)));
                assert_eq!(reason, RefusalReason::Section(other.problem().clone()));
                other.problem().to_string()
            }
            section => panic!("{section:?}"),
        }
    };
    for (path, more, what) in [
        ("a=x", &[][..], "there is no a=path"),
        ("a=path", &[], "there is no a=path"),
        (PEER_PATH, &[PEER_PATH][..], "there is more than one a=path"),
        ("a=path:msrp://h:1;tcp", &[], "a=path names no session"),
        ("a=path:msrp://h/x;tcp", &[], "a=path: "),
        ("a=path:sip:h", &[], "a=path: "),
        ("a=path:", &[], "a=path: "),
        (
            PEER_PATH,
            &["a=accept-types:x/y"],
            "there is more than one a=accept-types",
        ),
        (
            PEER_PATH,
            &["a=accept-wrapped-types:x"],
            "a=accept-wrapped-types: ",
        ),
        (PEER_PATH, &["a=max-size:-1"], "a=max-size: "),
        (PEER_PATH, &["a=setup:both"], "a=setup has an unknown value"),
        (
            PEER_PATH,
            &["a=fingerprint:sha-256 AB"],
            "a=fingerprint is malformed",
        ),
    ] {
        let said = wrong(path, more);
        assert!(said.starts_with(what), "{path} {more:?}: {said}");
    }
    let untyped = body(&[PEER_MEDIA, PEER_PATH]);
    assert_eq!(
        refusal_of(&untyped, stream(BOB)).2,
        RefusalReason::Section(SectionError::NoAcceptTypes)
    );
}

#[test]
fn what_is_harmless_is_tolerated() {
    let offer = peer_body(&[
        "a=setup: ACTIVE ",
        "a=max-size: 5 ",
        "a=max-size:6",
        "a=recvonly",
        "a=sendonly",
        "a=ice2",
    ]);
    let section = message(&offer, 0);
    assert_eq!((section.setup, section.max_size), (Some(Setup::Active), Some(5)));
    assert!(section.direction.receives() && !section.direction.sends());
    assert!(answer_to(&offer, stream(BOB)).is_ok());
    // A port that is not the path's: nobody connects to it.
    let offer = String::from_utf8(peer_body(&[])).unwrap();
    let rewritten = offer
        .replace("message 9999", "message 40000")
        .replace("c=IN IP4 peer.example.org", "c=IN IP4 203.0.113.9");
    let (_, agreed) = answer_to(rewritten.as_bytes(), stream(BOB)).unwrap();
    assert_eq!(
        agreed.streams[0].session_params(None).remote.first().port(),
        Some(9999)
    );
}
