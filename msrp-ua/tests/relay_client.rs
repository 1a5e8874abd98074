//! Asking a relay for a path, and using it (RFC 4976 §5.1, §5.2).

mod registrar;

use std::time::Duration;

use msrp_core::{
    grammar::{StatusCode, Uri},
    node::Node,
};
use msrp_ua::{
    CommandError, OutgoingMessage, RegistrationLoss, RelayAccount, Role, SessionLoss, UserAgentEvent,
    relay_client::sdp_path,
};
use registrar::{BOB, Client, RELAY, USE_PATH, account};

// shows: 4976-5.1-02, 4976-5.1-04, 4976-5.1-08, 4976-5.1-11, 4976-3.1-03, 4976-3-01, 4976-X-05
#[test]
fn a_path_is_asked_for_with_digest() {
    let mut client = Client::new();
    let id = client.agent.register(account("secret")).unwrap();
    let first = client.request();
    assert_eq!(
        (&first.method[..], first.header("To-Path")),
        ("AUTH", Some(RELAY))
    );
    assert!(first.header("Authorization").is_none());
    let own = client.agent.registered_uri(id).unwrap().as_str().to_owned();
    assert_eq!(first.header("From-Path"), Some(&own[..]));
    client.challenge(&first, "dcd98b7102dd2f0e", false);
    let second = client.request();
    assert_ne!(first.id, second.id);
    assert_eq!(second.header("To-Path"), Some(RELAY));
    assert_eq!(second.header("From-Path"), Some(&own[..]));
    let credentials = second.credentials();
    assert_eq!(
        (&credentials.username[..], &credentials.realm[..]),
        ("Alice", "intra.example.com")
    );
    assert_eq!((&credentials.nonce[..], credentials.nc), ("dcd98b7102dd2f0e", 1));
    client.grant(&second, "next0", USE_PATH);
    client.turn();
    let [
        UserAgentEvent::Registered {
            registration,
            use_path,
            expires,
            renewed: false,
            ..
        },
    ] = &client.events[..]
    else {
        panic!("{:?}", client.events)
    };
    assert_eq!((*registration, expires.as_secs()), (id, 900));
    assert_eq!(use_path.first().as_str(), USE_PATH);
}

// shows: 4976-5.2-02, 4976-5.2-03, 4976-5.1-06, 4976-5.1-07, 4976-4.2-03, 4976-1-03
#[test]
fn what_is_sent_takes_the_relays_path_and_the_connection_that_is_there() {
    let mut client = Client::new();
    let id = client.registered();
    let path = client.agent.use_path(id).unwrap().clone();
    let own = client.agent.registered_uri(id).unwrap().clone();
    assert_eq!(sdp_path(&path, &own).to_string(), format!("{USE_PATH} {own}"));
    let params = client.params(id, Role::Active);
    client.agent.open_session(params).unwrap();
    let send = client.request();
    assert_eq!(send.method, "SEND");
    assert_eq!(send.header("To-Path"), Some(&format!("{USE_PATH} {BOB}")[..]));
    assert_eq!(send.header("From-Path"), Some(own.as_str()));
    assert_eq!((client.connects, client.agent.connection_count()), (1, 1));
}

// shows: 4976-3.1-04, 4976-5.1-05
#[test]
fn a_relays_path_serves_one_session() {
    let mut client = Client::new();
    let id = client.registered();
    let params = client.params(id, Role::Active);
    let session = client.agent.open_session(params.clone()).unwrap();
    assert_eq!(
        client.agent.open_session(params.clone()),
        Err(CommandError::RelayPathInUse)
    );
    client.agent.close_session(session).unwrap();
    assert_eq!(
        client.agent.open_session(params),
        Err(CommandError::UnknownRegistration)
    );
}

// shows: 4976-5.1-12, 4976-5.1-01
#[test]
fn the_second_relay_is_asked_through_the_first() {
    const EXTRA: &str = "msrps://extra.example.com;tcp";
    let mut client = Client::new();
    let inner = client.registered();
    let account = RelayAccount::new(Uri::parse(EXTRA.into()).unwrap(), "Alice", "secret").through(inner);
    let outer = client.agent.register(account).unwrap();
    let first = client.request();
    assert_eq!(first.header("To-Path"), Some(&format!("{USE_PATH} {EXTRA}")[..]));
    // The nonce of the first relay is none of the second.
    assert!(first.header("Authorization").is_none());
    assert_eq!(
        client.agent.registered_uri(inner),
        client.agent.registered_uri(outer)
    );
    assert_eq!(client.connects, 1);
}

// shows: 4976-9.1-02
#[test]
fn basic_is_never_tried() {
    let mut client = Client::new();
    client.agent.register(account("secret")).unwrap();
    let first = client.request();
    client.answer(
        &first,
        "401 Unauthorized",
        "WWW-Authenticate: Basic realm=\"intra.example.com\"\r\n",
    );
    assert!(client.turn().is_empty());
    assert_eq!(client.lost(), Some(&RegistrationLoss::Unusable));
}

// shows: 4976-9.2-06
#[test]
fn no_password_goes_over_plain_tcp() {
    let mut client = Client::new();
    let plain = Uri::parse("msrp://intra.example.com:2855;tcp".into()).unwrap();
    assert_eq!(
        client.agent.register(RelayAccount::new(plain, "Alice", "secret")),
        Err(CommandError::PlainRelay)
    );
    assert!(client.agent.poll_action().is_none());
}

/// Several sessions have their paths asked for at once: on one connection in turn, each with the nonce that the relay gave
/// to the one before. All at once would be as many failed requests in probation, and would need as many nonces.
#[test]
fn registrations_on_one_connection_ask_in_turn() {
    let mut client = Client::new();
    for _ in 0..3 {
        client.agent.register(account("secret")).unwrap();
    }
    let first = client.request();
    client.challenge(&first, "n0", false);
    let mut request = client.request();
    for next in ["n1", "n2"] {
        let own = request.header("From-Path").unwrap().to_owned();
        client.grant(&request, next, USE_PATH);
        request = client.request();
        assert_ne!(request.header("From-Path"), Some(&own[..]));
        assert_eq!(
            (&request.credentials().nonce[..], request.credentials().nc),
            (next, 1)
        );
    }
    client.grant(&request, "n3", USE_PATH);
    assert!(client.turn().is_empty());
    assert_eq!(client.events.len(), 3);
    assert_eq!(client.connects, 1);
}

#[test]
fn a_relay_need_not_honour_the_nonce_that_it_gave() {
    let mut client = Client::new();
    client.registered();
    client.agent.register(account("secret")).unwrap();
    let first = client.request();
    assert_eq!(&first.credentials().nonce[..], "next0");
    client.challenge(&first, "other", false);
    let second = client.request();
    assert_eq!(&second.credentials().nonce[..], "other");
    assert!(
        second.credentials().uri.is_some(),
        "nothing is wrong with the form of the credentials"
    );
    client.grant(&second, "n", USE_PATH);
    client.turn();
    assert_eq!(client.lost(), None);
}

#[test]
fn a_registration_that_is_given_up_lets_the_next_one_ask() {
    let mut client = Client::new();
    let first = client.agent.register(account("secret")).unwrap();
    client.agent.register(account("secret")).unwrap();
    let asked = client.request();
    client.agent.unregister(first).unwrap();
    let second = client.request();
    assert_ne!(asked.header("From-Path"), second.header("From-Path"));
    // The answer to the one that was given up is nobody's.
    client.challenge(&asked, "n0", false);
    assert!(client.turn().is_empty());
    client.challenge(&second, "n1", false);
    assert_eq!(&client.request().credentials().nonce[..], "n1");
}

// shows: 4976-E-10
#[test]
fn wrong_credentials_and_wrong_proofs_end_a_registration() {
    let mut client = Client::new();
    client.agent.register(account("guess")).unwrap();
    let first = client.request();
    client.challenge(&first, "n0", false);
    // Once in each form, as some relays read only one of them.
    for nonce in ["n1", "n2"] {
        let request = client.request();
        client.challenge(&request, nonce, false);
    }
    assert!(client.turn().is_empty());
    assert_eq!(client.lost(), Some(&RegistrationLoss::Credentials));

    let mut client = Client::new();
    client.agent.register(account("secret")).unwrap();
    let first = client.request();
    client.challenge(&first, "n0", false);
    let second = client.request();
    let cnonce = second.credentials().cnonce.into_owned();
    let proof = "0".repeat(32);
    client.answer(
        &second,
        "200 OK",
        &format!(
            "Use-Path: {USE_PATH}\r\nAuthentication-Info: nextnonce=\"n1\", qop=auth, rspauth=\"{proof}\", \
             cnonce=\"{cnonce}\", nc=00000001\r\nExpires: 900\r\n"
        ),
    );
    client.turn();
    assert_eq!(client.lost(), Some(&RegistrationLoss::NotProven));
}

// shows: 4976-4.6-01, 4976-4.6-04, 4976-5.1-13
#[test]
fn a_423_is_followed_by_what_the_relay_allows() {
    let mut client = Client::new();
    let wish = account("secret").with_expires(Duration::from_secs(1_000_000));
    client.agent.register(wish).unwrap();
    let first = client.request();
    assert_eq!(first.header("Expires"), Some("1000000"));
    client.challenge(&first, "n0", false);
    let second = client.request();
    client.answer(&second, "423 Interval Out-of-Bounds", "Max-Expires: 3600\r\n");
    let third = client.request();
    assert_eq!(third.header("Expires"), Some("3600"));
    client.answer(&third, "423 Interval Out-of-Bounds", "Max-Expires: 3600\r\n");
    client.turn();
    let code = StatusCode::INTERVAL_OUT_OF_BOUNDS;
    assert_eq!(client.lost(), Some(&RegistrationLoss::Refused(code)));
}

// shows: 4976-4.6-02, 4976-E-16
#[test]
fn a_path_is_renewed_before_it_expires() {
    let mut client = Client::new();
    let id = client.registered();
    let params = client.params(id, Role::Active);
    client.agent.open_session(params).unwrap();
    let send = client.request();
    client.answer(&send, "200 OK", "");
    client.now += Duration::from_secs(839);
    client.agent.handle_timeout(client.now);
    assert!(client.turn().is_empty());
    client.now += Duration::from_secs(2);
    client.agent.handle_timeout(client.now);
    let again = client.request();
    assert_eq!(
        (&again.method[..], &again.credentials().nonce[..]),
        ("AUTH", "next0")
    );
    let other = "msrps://intra.example.com:9000/0ther0ther;tcp";
    client.grant(&again, "n", other);
    client.turn();
    assert!(matches!(
        client.events.last(),
        Some(UserAgentEvent::Registered { renewed: true, use_path, .. }) if use_path.to_string() == other
    ));
}

/// The relay of the passive side may learn only from the peer's first request how to reach the peer.
// shows: 4975-5.4-06
#[test]
fn the_passive_side_behind_a_relay_is_bound_by_the_first_request() {
    let mut client = Client::new();
    let id = client.registered();
    let params = client.params(id, Role::Passive);
    let own = params.local.as_str().to_owned();
    let session = client.agent.open_session(params).unwrap();
    client.agent.send(session, OutgoingMessage::text("Hi")).unwrap();
    assert!(client.turn().is_empty());
    client.feed(&format!(
        "MSRP b0b1 SEND\r\nTo-Path: {own}\r\nFrom-Path: {USE_PATH} {BOB}\r\nMessage-ID: 1234\r\nByte-Range: 1-0/0\r\n-------b0b1$\r\n"
    ));
    let written = client.turn();
    assert!(
        written.contains("MSRP b0b1 200 OK") && written.contains("\r\n\r\nHi\r\n"),
        "{written}"
    );
}

#[test]
fn a_peer_that_does_not_bind_is_spoken_to_all_the_same() {
    let mut client = Client::new();
    let id = client.registered();
    let params = client.params(id, Role::Passive);
    let session = client.agent.open_session(params).unwrap();
    client.agent.send(session, OutgoingMessage::text("Hi")).unwrap();
    client.now += Duration::from_secs(30);
    client.agent.handle_timeout(client.now);
    assert!(client.turn().contains("\r\n\r\nHi\r\n"));
    assert!(matches!(
        client.events.last(),
        Some(UserAgentEvent::Progress { .. })
    ));
}

#[test]
fn a_session_dies_with_its_relay() {
    let mut client = Client::new();
    let id = client.registered();
    let params = client.params(id, Role::Passive);
    let session = client.agent.open_session(params).unwrap();
    client.agent.handle_eof(client.now, client.relay.unwrap());
    client.turn();
    assert!(client.closed);
    assert!(client.events.iter().any(
        |event| matches!(event, UserAgentEvent::SessionLost { session: lost, reason: SessionLoss::Relay } if *lost == session)
    ));
}
