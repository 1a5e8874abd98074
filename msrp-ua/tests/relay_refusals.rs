//! Relays that refuse, do not answer, cannot read, contradict themselves, or go away (RFC 4976 §5.1, §9.1).

mod registrar;

use std::time::Duration;

use msrp_core::{
    grammar::{StatusCode, Uri},
    node::{Node, PeerInfo},
};
use msrp_ua::{RegistrationLoss, RelayAccount, Role, SessionLoss, UserAgentConfig, UserAgentEvent};
use registrar::{BOB, Client, RELAY, Request, USE_PATH, account};

fn wait(client: &mut Client, time: u64) {
    client.now += Duration::from_secs(time);
    client.agent.handle_timeout(client.now);
}

#[test]
fn a_relay_that_does_not_answer_authorizations_with_uri_gets_them_without() {
    let mut client = Client::new();
    client.agent.register(account("secret")).unwrap();
    let first = client.request();
    client.challenge(&first, "n0", false);
    let with = client.request();
    assert_eq!(with.credentials().uri.as_deref(), Some(RELAY));
    wait(&mut client, 30);
    // The nonce may have been used up, so this is a new AUTH with a new count.
    let without = client.request();
    assert_eq!(without.credentials().uri, None);
    client.grant(&without, "n1", USE_PATH);
    client.turn();
    // What has been learnt is kept.
    wait(&mut client, 840);
    assert_eq!(client.request().credentials().uri, None);
}

#[test]
fn a_relay_that_never_answers_is_given_up() {
    let mut client = Client::new();
    client.agent.register(account("secret")).unwrap();
    client.request();
    wait(&mut client, 29);
    assert_eq!(client.lost(), None);
    wait(&mut client, 1);
    assert!(client.turn().is_empty());
    assert_eq!(client.lost(), Some(&RegistrationLoss::TimedOut));
}

#[test]
fn a_stale_nonce_is_no_wrong_password_but_not_for_ever() {
    let mut client = Client::new();
    client.agent.register(account("secret")).unwrap();
    let first = client.request();
    client.challenge(&first, "n0", false);
    let mut asked = 0;
    while let Some(request) = client.requests().pop() {
        // In the form of the first: nothing says that the relay could not read it.
        assert!(request.credentials().uri.is_some());
        assert_eq!(&request.credentials().nonce[..], format!("n{asked}"));
        assert_eq!(request.credentials().nc, 1);
        asked += 1;
        assert!(asked < 10);
        client.challenge(&request, &format!("n{asked}"), true);
    }
    assert_eq!(asked, 4);
    assert_eq!(client.lost(), Some(&RegistrationLoss::Credentials));
}

#[test]
fn bounds_that_exclude_each_other_are_not_followed_for_ever() {
    let mut client = Client::new();
    client.agent.register(account("secret")).unwrap();
    let mut asked = 0;
    while let Some(request) = client.requests().pop() {
        asked += 1;
        assert!(asked < 10);
        let bound = if asked % 2 == 0 {
            "Min-Expires: 900"
        } else {
            "Max-Expires: 60"
        };
        client.answer(&request, "423 Out of Bounds", &format!("{bound}\r\n"));
    }
    assert_eq!(asked, 5);
    assert_eq!(
        client.lost(),
        Some(&RegistrationLoss::Refused(StatusCode::INTERVAL_OUT_OF_BOUNDS))
    );
}

#[test]
fn answers_that_make_no_sense_end_the_registration_and_nothing_else() {
    let sound = format!("Use-Path: {USE_PATH}\r\n");
    for (status, headers, loss) in [
        ("200 OK", String::new(), RegistrationLoss::Unusable),
        ("200 OK", "Use-Path: \r\n".to_owned(), RegistrationLoss::Unusable),
        (
            "200 OK",
            "Use-Path: mailto:somebody\r\n".to_owned(),
            RegistrationLoss::Unusable,
        ),
        (
            "200 OK",
            format!("Use-Path: {}\r\n", vec![USE_PATH; 17].join(" ")),
            RegistrationLoss::Unusable,
        ),
        (
            "200 OK",
            format!("{sound}Expires: soon\r\n"),
            RegistrationLoss::Unusable,
        ),
        (
            "200 OK",
            format!("{sound}Authentication-Info: =\r\n"),
            RegistrationLoss::Unusable,
        ),
        ("401 Unauthorized", String::new(), RegistrationLoss::Unusable),
        (
            "401 Unauthorized",
            "WWW-Authenticate: Digest realm=\"x\"\r\n".to_owned(),
            RegistrationLoss::Unusable,
        ),
        (
            "423 Out of Bounds",
            String::new(),
            RegistrationLoss::Refused(StatusCode::INTERVAL_OUT_OF_BOUNDS),
        ),
        (
            "403 Forbidden",
            String::new(),
            RegistrationLoss::Refused(StatusCode::FORBIDDEN),
        ),
    ] {
        let mut client = Client::new();
        client.agent.register(account("secret")).unwrap();
        let request = client.request();
        client.answer(&request, status, &headers);
        assert!(client.turn().is_empty());
        assert_eq!(client.lost(), Some(&loss), "{status} {headers}");
        // The connection serves the next attempt.
        client.agent.register(account("secret")).unwrap();
        assert_eq!(client.requests().len(), 1);
        assert_eq!(client.connects, 1);
    }
}

#[test]
fn the_stronger_of_two_challenges_is_answered() {
    for order in [["MD5", "SHA-256"], ["SHA-256", "MD5"]] {
        let mut client = Client::new();
        client.agent.register(account("secret")).unwrap();
        let request = client.request();
        let challenges: String = order
            .iter()
            .map(|name| {
                format!("WWW-Authenticate: Digest realm=\"r\", nonce=\"of-{name}\", qop=\"auth\", algorithm={name}, opaque=\"o\"\r\n")
            })
            .collect();
        client.answer(
            &request,
            "401 Unauthorized",
            &format!("WWW-Authenticate: Basic realm=\"r\"\r\n{challenges}"),
        );
        let answer = client.request();
        let credentials = answer.credentials();
        assert_eq!(&credentials.nonce[..], "of-SHA-256");
        assert_eq!(credentials.opaque.as_deref(), Some("o"));
        assert_eq!(credentials.response.as_str().len(), 64);
    }
}

/// Two relays, one behind the other; both have given their paths.
fn chain() -> (Client, msrp_ua::RegistrationId, msrp_ua::RegistrationId) {
    let mut client = Client::new();
    let inner = client.registered();
    let extra: Uri = "msrps://extra.example.com;tcp".parse().unwrap();
    let outer = client
        .agent
        .register(RelayAccount::new(extra, "Alice", "other").through(inner))
        .unwrap();
    let request = client.request();
    grant_outer(&mut client, &request);
    (client, inner, outer)
}

fn grant_outer(client: &mut Client, request: &Request) {
    const REALM: &str = "extra.example.com";
    let path = request
        .header("To-Path")
        .unwrap()
        .replace("extra.example.com;", "extra.example.com/0uter;");
    let request = if request.header("Authorization").is_none() {
        client.challenge_at(request, REALM, "e0", false);
        client.request()
    } else {
        Request {
            id: request.id.clone(),
            method: request.method.clone(),
            headers: request.headers.clone(),
        }
    };
    client.grant_at(&request, (REALM, "other"), "e1", &path, 3600);
    client.turn();
}

#[test]
fn a_relay_behind_another_gives_a_path_over_both() {
    let (mut client, inner, outer) = chain();
    let expected = format!("{USE_PATH} msrps://extra.example.com/0uter;tcp");
    assert_eq!(client.agent.use_path(outer).unwrap().as_str(), expected);
    // Our URI is the same at both, and stands at the end of the path for SDP.
    let own = client.agent.registered_uri(inner).unwrap().to_string();
    let Some(UserAgentEvent::Registered { path, local, .. }) = client.events.last() else {
        panic!()
    };
    assert_eq!(local.to_string(), own);
    assert_eq!(
        path.as_str(),
        format!("msrps://extra.example.com/0uter;tcp {USE_PATH} {own}")
    );
    // The inner path is part of it, and serves nobody else.
    let params = client.params(inner, Role::Active);
    assert!(client.agent.open_session(params).is_err());
    let params = client.params(outer, Role::Active);
    client.agent.open_session(params).unwrap();
    assert_eq!(
        client.request().header("To-Path"),
        Some(&format!("{expected} {BOB}")[..])
    );
}

#[test]
fn a_new_path_at_the_inner_relay_brings_a_new_one_at_the_outer() {
    let (mut client, _, outer) = chain();
    wait(&mut client, 840);
    // The outer path would live longer by itself.
    let again = client.request();
    assert_eq!(again.header("To-Path"), Some(RELAY));
    let other = "msrps://intra.example.com:9000/an0ther;tcp";
    client.grant(&again, "n9", other);
    let to = format!("{other} msrps://extra.example.com;tcp");
    let request = client
        .requests()
        .into_iter()
        .find(|request| request.header("To-Path") == Some(&to))
        .unwrap();
    grant_outer(&mut client, &request);
    assert!(client.agent.use_path(outer).unwrap().as_str().starts_with(other));
}

#[test]
fn a_session_dies_with_the_inner_relay_too() {
    let (mut client, inner, outer) = chain();
    let params = client.params(outer, Role::Active);
    client.agent.open_session(params).unwrap();
    client.turn();
    client.agent.unregister(inner).unwrap();
    client.turn();
    assert!(client.events.iter().any(|event| matches!(
        event,
        UserAgentEvent::RegistrationLost { registration, reason: RegistrationLoss::Inner, .. } if *registration == outer
    )));
    assert!(client.events.iter().any(|event| matches!(
        event,
        UserAgentEvent::SessionLost {
            reason: SessionLoss::Relay,
            ..
        }
    )));
    assert_eq!(client.agent.session_count(), 0);
}

#[test]
fn when_a_session_ends_its_path_is_gone_and_the_connection_after_a_while() {
    let (mut client, inner, outer) = chain();
    let params = client.params(outer, Role::Active);
    let session = client.agent.open_session(params).unwrap();
    let send = client.request();
    client.answer(&send, "200 OK", "");
    client.agent.close_session(session).unwrap();
    assert!(client.agent.use_path(outer).is_none() && client.agent.use_path(inner).is_none());
    wait(&mut client, 299);
    client.turn();
    assert!(!client.closed);
    wait(&mut client, 1);
    client.turn();
    assert!(client.closed);
    assert!(client.agent.poll_timeout().is_none_or(|at| at > client.now));
}

#[test]
fn registrations_are_bounded_and_end_with_their_connection() {
    let mut client = Client::new();
    let config = UserAgentConfig::new("alice.example.com", 9892, true).max_registrations(2);
    client.agent = msrp_ua::UserAgent::new(client.now, config, [9; 32]);
    client.agent.register(account("secret")).unwrap();
    client.agent.register(account("secret")).unwrap();
    assert!(client.agent.register(account("secret")).is_err());
    client.turn();
    client.agent.handle_reset(client.now, client.relay.unwrap());
    client.turn();
    let lost = client.events.iter().filter(|event| {
        matches!(
            event,
            UserAgentEvent::RegistrationLost {
                reason: RegistrationLoss::Connection(_),
                ..
            }
        )
    });
    assert_eq!(lost.count(), 2);
    // Nobody connects again by itself.
    assert_eq!(client.connects, 1);
    // A driver that comes without TLS gets no password.
    client.agent.register(account("secret")).unwrap();
    let Some(msrp_core::node::Action::Connect { token, .. }) = client.agent.poll_action() else {
        panic!()
    };
    assert!(
        client
            .agent
            .handle_connected(client.now, token, Ok(PeerInfo::new()))
            .is_none()
    );
    client.turn();
    assert!(matches!(
        client.events.last(),
        Some(UserAgentEvent::RegistrationLost {
            reason: RegistrationLoss::Connect(_),
            ..
        })
    ));
}
