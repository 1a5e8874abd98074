//! Sessions and connections: bound, shared, refused, lost (RFC 4975 §5.4, §7.3).

mod pair;
mod peer;

use std::time::Duration;

use msrp_core::{
    grammar::{StatusCode, Uri},
    node::{Action, ConnectFailure, Node, PeerInfo, Security},
};
use msrp_ua::{
    CommandError, OutgoingMessage, Role, SessionLoss, SessionParams, UserAgent, UserAgentConfig,
    UserAgentEvent,
};
use pair::Pair;
use peer::{PEER, Peer, config, connect_of, peer_path};

fn texts(events: &[UserAgentEvent]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::Message { body: Some(body), .. } => Some(std::str::from_utf8(body).unwrap()),
            _ => None,
        })
        .collect()
}

fn losses(events: &[UserAgentEvent]) -> Vec<&SessionLoss> {
    events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::SessionLost { reason, .. } => Some(reason),
            _ => None,
        })
        .collect()
}

// shows: 4975-5.4-15, 4975-5.4-16
#[test]
fn the_listener_says_nothing_until_a_request_names_its_session() {
    let mut peer = Peer::connected(config(), |_| {});
    assert!(peer.read().is_empty());
    assert!(peer.advance(Duration::from_secs(29)).is_empty());
    assert!(peer.events.is_empty());
    let answer = peer.chunk("one", "1-2/2", "Hi", '$');
    assert_eq!(answer[0].start, "200 OK");
    let session = peer.session;
    assert!(matches!(peer.events[0], UserAgentEvent::SessionReady { session: it } if it == session));
    assert_eq!(texts(&peer.events), ["Hi"]);
}

// shows: 4975-5.4-18, 4975-7.3-02, 4975-7.3-03
#[test]
fn a_request_for_no_session_is_refused_and_ignored() {
    for (to, name) in [
        (None, "one URI too many"),
        (
            Some(format!("msrp://agent.example.com:7777/{};tcp", "x".repeat(20))),
            "no such session",
        ),
        (
            Some("msrp://agent.example.com:7777;tcp".to_owned()),
            "no session at all",
        ),
    ] {
        let mut peer = Peer::connected(config(), |_| {});
        // One URI too many: this is not the end of the path.
        let to = to.unwrap_or_else(|| format!("{} {PEER}", peer.to));
        let own = std::mem::replace(&mut peer.to, to);
        let answer = peer.chunk("one", "1-2/2", "Hi", '$');
        assert_eq!(
            answer[0].start,
            format!("481 {}", StatusCode::NO_SUCH_SESSION.phrase()),
            "{name}"
        );
        let quiet = peer.chunk_with("two", "1-2/2", "Failure-Report: no\r\n", "text/plain", b"Hi", '$');
        assert!(quiet.is_empty(), "{name}");
        assert!(peer.events.is_empty(), "{name}");
        // Nothing of this has bound anything.
        peer.to = own;
        assert_eq!(peer.chunk("three", "1-2/2", "Hi", '$')[0].start, "200 OK");
    }
}

// shows: 4975-5.4-19, 4975-5.4-20, 4975-E-27
#[test]
fn a_session_stays_with_the_connection_that_has_it() {
    let mut peer = Peer::bound();
    let first = peer.wire;
    peer.wire = peer.connect();
    let answer = peer.chunk("one", "1-2/2", "Hi", '$');
    assert_eq!(
        answer[0].start,
        format!("506 {}", StatusCode::WRONG_CONNECTION.phrase())
    );
    assert!(peer.events.is_empty());
    peer.wire = first;
    assert_eq!(peer.chunk("two", "1-2/2", "Ho", '$')[0].start, "200 OK");
    assert_eq!(texts(&peer.events), ["Ho"]);
}

// shows: 4975-7.3-01, 4975-G-01
#[test]
fn the_session_is_looked_at_before_the_method_and_the_method_before_the_type() {
    let mut peer = Peer::bound_with(config(), |params| {
        params.accepts = "text/plain".parse().unwrap();
    });
    let own = peer.to.clone();
    let ask = |to: &str, method: &str, tid: &str| {
        format!(
            "MSRP {tid} {method}\r\nTo-Path: {to}\r\nFrom-Path: {PEER}\r\nMessage-ID: mmmm\r\nByte-Range: 1-1/1\r\n\
             Content-Type: image/png\r\n\r\nx\r\n-------{tid}$\r\n"
        )
    };
    let strange = own.replace("7777/", "7777/no");
    assert!(
        peer.write(&ask(&strange, "FOO", "aaaaaaaa"))[0]
            .start
            .starts_with("481 ")
    );
    assert!(
        peer.write(&ask(&own, "FOO", "bbbbbbbb"))[0]
            .start
            .starts_with("501 ")
    );
    assert!(
        peer.write(&ask(&own, "SEND", "cccccccc"))[0]
            .start
            .starts_with("415 ")
    );
    assert!(
        peer.write(&ask("mailto:somebody", "SEND", "dddddddd"))[0]
            .start
            .starts_with("400 ")
    );
    assert!(peer.events.is_empty());
}

// shows: 4975-12-03
#[test]
fn a_method_that_is_not_known_is_answered_501_all_the_way_back() {
    let mut peer = Peer::bound();
    let own = peer.to.clone();
    let far = format!("msrp://relay.example.com:9000/between;tcp {PEER}");
    let mut ask = |headers: &str| {
        peer.write(&format!(
            "MSRP strange0 STRANGE\r\nTo-Path: {own}\r\nFrom-Path: {far}\r\n{headers}-------strange0$\r\n"
        ))
    };
    let answer = ask("Message-ID: strange\r\n");
    assert_eq!(
        answer[0].start,
        format!("501 {}", StatusCode::NOT_IMPLEMENTED.phrase())
    );
    assert_eq!(answer[0].header("To-Path"), Some(&far[..]));
    assert!(ask("Failure-Report: no\r\n").is_empty());
    assert!(peer.events.is_empty());
}

// shows: 4975-5.4-21, 4975-5.4-23
#[test]
fn all_sessions_of_a_connection_fail_with_it_and_nobody_connects_again() {
    let mut pair = Pair::new();
    for _ in 0..3 {
        pair.open(|_| {}, |_| {});
    }
    pair.drive();
    assert_eq!(pair.a.agent.connection_count(), 1);
    assert_eq!(
        (pair.a.agent.session_count(), pair.b.agent.session_count()),
        (3, 3)
    );
    pair.reset();
    for side in [&mut pair.a, &mut pair.b] {
        assert_eq!(losses(&side.events).len(), 3);
        assert!(
            losses(&side.events)
                .iter()
                .all(|loss| matches!(loss, SessionLoss::Connection(_)))
        );
        assert_eq!(
            (side.agent.session_count(), side.agent.connection_count()),
            (0, 0)
        );
        assert!(side.agent.poll_action().is_none());
    }
    pair.advance(Duration::from_secs(3600));
    assert!(pair.a.agent.poll_action().is_none());
    assert_eq!(pair.a.agent.poll_timeout(), None);
}

// shows: 4975-5.4-25, 4975-5.4-31, 4975-7.3.2-07, 4975-5.4-22, 4975-5.4-24
#[test]
fn what_was_not_confirmed_is_sent_again_under_its_identifier_in_a_new_session_only() {
    let mut peer = Peer::called(config(), |_| {});
    let message = OutgoingMessage::text("Did you get this?");
    peer.agent.send(peer.session, message).unwrap();
    let first = peer.read().remove(0);
    peer.agent.handle_reset(peer.now, peer.wire);
    peer.listen();
    let unknown = peer.events.iter().find_map(|event| match event {
        UserAgentEvent::DeliveryUnknown { message_id, .. } => Some(*message_id),
        _ => None,
    });
    assert_eq!(losses(&peer.events).len(), 1);
    // The stack itself sends nothing again: signalling comes first.
    assert!(peer.agent.poll_action().is_none());
    let answered: Uri = "msrp://elsewhere.example.com:9001/another;tcp".parse().unwrap();
    let local = peer.agent.allocate_uri();
    assert_ne!(local.to_string(), peer.to);
    let session = peer
        .agent
        .open_session(SessionParams::new(local.clone(), answered.clone(), Role::Active))
        .unwrap();
    let again = OutgoingMessage::text("Did you get this?").with_message_id(unknown.unwrap());
    peer.agent.send(session, again).unwrap();
    let Some(Action::Connect { token, target }) = peer.agent.poll_action() else {
        panic!()
    };
    assert_eq!(
        (&target.host[..], target.port),
        ("elsewhere.example.com", Some(9001))
    );
    peer.wire = peer
        .agent
        .handle_connected(peer.now, token, Ok(PeerInfo::new()))
        .unwrap();
    let second = peer.read().remove(0);
    assert_eq!(second.header("Message-ID"), first.header("Message-ID"));
    assert_eq!(second.body, first.body);
    assert_eq!(second.header("To-Path"), Some(&answered.to_string()[..]));
    assert_eq!(second.header("From-Path"), Some(&local.to_string()[..]));
}

// shows: 4975-5.4-08, 4975-6-07
#[test]
fn an_msrps_session_has_an_encrypted_connection_or_none() {
    let secure = || UserAgentConfig::new("agent.example.com", 7777, true);
    // Somebody talks to it in the clear.
    let mut peer = Peer::connected(secure(), |_| {});
    assert!(peer.to.starts_with("msrps://"));
    assert!(peer.chunk("one", "1-2/2", "Hi", '$')[0].start.starts_with("481 "));
    assert!(peer.events.is_empty());
    let encrypted = PeerInfo::new().with_security(Security::Tls(Default::default()));
    peer.wire = peer.agent.handle_accepted(peer.now, encrypted).unwrap();
    assert_eq!(peer.chunk("two", "1-2/2", "Hi", '$')[0].start, "200 OK");
    // A driver has connected without TLS.
    let mut agent = UserAgent::new(peer.now, secure(), [1; 32]);
    let (local, remote) = (agent.allocate_uri(), peer.to.parse::<Uri>().unwrap());
    agent
        .open_session(SessionParams::new(local, remote, Role::Active))
        .unwrap();
    let token = connect_of(&mut agent);
    assert!(
        agent
            .handle_connected(peer.now, token, Ok(PeerInfo::new()))
            .is_none()
    );
    assert!(matches!(
        agent.poll_event(),
        Some(UserAgentEvent::SessionLost {
            reason: SessionLoss::Connect(ConnectFailure::Tls(_)),
            ..
        })
    ));
    // Behind something that ends TLS for it, it has to be told so.
    let mut peer = Peer::connected(secure().behind_tls_terminator(true), |_| {});
    assert_eq!(peer.chunk("three", "1-2/2", "Hi", '$')[0].start, "200 OK");
}

#[test]
fn a_session_that_nobody_binds_is_lost_and_its_messages_are_accounted_for() {
    let mut peer = Peer::connected(config(), |_| {});
    let key = peer
        .agent
        .send(peer.session, OutgoingMessage::text("Hello?"))
        .unwrap();
    peer.advance(Duration::from_secs(29));
    assert!(peer.events.is_empty());
    peer.advance(Duration::from_secs(1));
    assert!(matches!(
        peer.events[..],
        [
            UserAgentEvent::DeliveryUnknown { message, .. },
            UserAgentEvent::SessionLost { reason: SessionLoss::NotBound, .. }
        ] if message == key
    ));
    // The connection has bound nothing either, and goes.
    assert!(matches!(peer.agent.poll_action(), Some(Action::Close { .. })));
    assert_eq!(peer.agent.connection_count(), 0);
}

#[test]
fn a_connect_that_fails_fails_every_session_that_waits_for_it() {
    let mut pair = Pair::new();
    pair.refuse = Some(ConnectFailure::Refused);
    for _ in 0..2 {
        pair.open(|_| {}, |_| {});
    }
    pair.drive();
    assert_eq!(
        losses(&pair.a.events),
        [&SessionLoss::Connect(ConnectFailure::Refused); 2]
    );
    assert_eq!(pair.a.agent.session_count(), 0);
}

// shows: 4975-4-04, 4975-5.4-01, 4975-5.4-32
#[test]
fn a_connection_without_sessions_is_closed_after_a_while_and_until_then_used_again() {
    let (mut pair, a, b) = Pair::connected();
    pair.a.agent.close_session(a).unwrap();
    pair.b.agent.close_session(b).unwrap();
    pair.advance(Duration::from_secs(200));
    assert_eq!(pair.a.agent.connection_count(), 1);
    let (a, b) = pair.open(|_| {}, |_| {});
    pair.drive();
    assert_eq!(
        (pair.a.agent.connection_count(), pair.b.agent.connection_count()),
        (1, 1)
    );
    pair.advance(Duration::from_secs(1000));
    assert_eq!(pair.a.agent.connection_count(), 1);
    pair.a.agent.close_session(a).unwrap();
    pair.b.agent.close_session(b).unwrap();
    pair.advance(Duration::from_secs(301));
    assert_eq!(
        (pair.a.agent.connection_count(), pair.b.agent.connection_count()),
        (0, 0)
    );
}

// shows: 4975-7.3-04
#[test]
fn after_the_end_of_a_session_its_requests_find_none() {
    let mut peer = Peer::bound();
    peer.chunk("half", "1-*/4", "Hi", '+');
    peer.agent.close_session(peer.session).unwrap();
    assert!(
        peer.chunk("half", "3-4/4", "Ho", '$')[0]
            .start
            .starts_with("481 ")
    );
    assert!(matches!(
        peer.events[..],
        [UserAgentEvent::MessageAborted {
            reason: msrp_ua::AbortReason::SessionEnded,
            ..
        }]
    ));
    assert_eq!(peer.agent.buffered(), 0);
}

#[test]
fn both_sides_may_think_that_they_connect() {
    // RFC 6135 should keep them from it; where it does not, the first connection serves.
    let mut peer = Peer::connected(config(), |params| params.role = Role::Active);
    let token = connect_of(&mut peer.agent);
    assert_eq!(peer.chunk("one", "1-2/2", "Hi", '$')[0].start, "200 OK");
    let second = peer
        .agent
        .handle_connected(peer.now, token, Ok(PeerInfo::new()))
        .unwrap();
    assert!(peer.read_on(second).is_empty());
    let key = peer
        .agent
        .send(peer.session, OutgoingMessage::text("Ho"))
        .unwrap();
    let sent = peer.read().remove(0);
    peer.answer(&sent, "200 OK");
    assert!(
        peer.events
            .iter()
            .any(|event| matches!(event, UserAgentEvent::Accepted { message } if *message == key))
    );
    peer.advance(Duration::from_secs(301));
    assert_eq!(peer.agent.connection_count(), 1);
}

// shows: 4975-E-13
#[test]
fn a_session_may_be_found_by_its_identifier_alone() {
    for (alone, answer) in [(false, "481 "), (true, "200 OK")] {
        let mut peer = Peer::connected(config().match_session_id_only(alone), |_| {});
        peer.to = peer.to.replace("agent.example.com:7777", "192.0.2.7:50000");
        assert!(peer.chunk("one", "1-2/2", "Hi", '$')[0].start.starts_with(answer));
    }
}

// shows: 4975-3-01, 4975-3-02
#[test]
fn nothing_is_sent_without_a_session_and_nothing_is_new_after_the_end() {
    let mut peer = Peer::bound();
    let session = peer.session;
    // A session has a URI of ours that names it, which nobody else uses, and the peer's path.
    for local in ["msrp://agent.example.com:7777;tcp", &peer.to[..]] {
        let params = SessionParams::new(local.parse::<Uri>().unwrap(), peer_path(), Role::Active);
        assert_eq!(peer.agent.open_session(params), Err(CommandError::LocalUri));
    }
    assert!(peer.agent.poll_action().is_none());
    peer.agent.close_session(session).unwrap();
    assert_eq!(
        peer.agent.send(session, OutgoingMessage::text("Hi")),
        Err(CommandError::UnknownSession)
    );
    assert!(peer.read().is_empty());
    peer.agent.shut_down();
    let local = peer.agent.allocate_uri();
    assert_eq!(
        peer.agent
            .open_session(SessionParams::new(local, peer_path(), Role::Active)),
        Err(CommandError::ShuttingDown)
    );
    assert!(peer.agent.handle_accepted(peer.now, PeerInfo::new()).is_err());
    assert!(matches!(peer.agent.poll_action(), Some(Action::Close { .. })));
    assert!(peer.agent.poll_action().is_none());
}

#[test]
fn limits_on_sessions_and_connections_hold() {
    let mut peer = Peer::connected(config().max_sessions(2).max_connections(2), |_| {});
    let open = |agent: &mut UserAgent| {
        let local = agent.allocate_uri();
        agent.open_session(SessionParams::new(local, peer_path(), Role::Passive))
    };
    open(&mut peer.agent).unwrap();
    assert_eq!(
        open(&mut peer.agent),
        Err(CommandError::TooManySessions { limit: 2 })
    );
    peer.connect();
    assert!(peer.agent.handle_accepted(peer.now, PeerInfo::new()).is_err());
    peer.agent.close_session(peer.session).unwrap();
    open(&mut peer.agent).unwrap();
}
