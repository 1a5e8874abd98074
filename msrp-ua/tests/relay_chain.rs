//! Relays behind relays, as their client sees them (RFC 4976 §5.1, §9.3).

mod registrar;

use std::time::Duration;

use msrp_core::{
    grammar::{StatusCode, Uri},
    node::{ConnectFailure, Node},
};
use msrp_ua::{
    CommandError, RegistrationId, RegistrationLoss, RelayAccount, Role, UserAgentConfig, UserAgentEvent,
};
use registrar::{BOB, Client, RELAY, Request, USE_PATH, account};

const SECOND: &str = "msrps://second.example.org;tcp";
const THIRD: &str = "msrps://third.example.net;tcp";
const SECOND_URI: &str = "msrps://second.example.org:9000/s3c0nd;tcp";
const THIRD_URI: &str = "msrps://third.example.net:9000/th1rd;tcp";

fn at(relay: &str, password: &str) -> RelayAccount {
    RelayAccount::new(Uri::parse(relay.to_owned().into()).unwrap(), "Alice", password)
}

fn accounts() -> [RelayAccount; 3] {
    [account("secret"), at(SECOND, "other"), at(THIRD, "third")]
}

/// What each of the relays is asked, and what it grants.
fn grant_first(client: &mut Client, expires: u32) {
    let request = client.request();
    assert_eq!(request.header("To-Path"), Some(RELAY));
    client.challenge(&request, "n0", false);
    let request = client.request();
    client.grant_at(&request, ("intra.example.com", "secret"), "n1", USE_PATH, expires);
}

fn grant_second(client: &mut Client, expires: u32) {
    let request = client.request();
    assert_eq!(request.header("To-Path"), Some(&*format!("{USE_PATH} {SECOND}")));
    // Each realm has a nonce and a password of its own.
    assert!(request.header("Authorization").is_none());
    client.challenge_at(&request, "second.example.org", "s0", false);
    let request = client.request();
    let path = format!("{USE_PATH} {SECOND_URI}");
    client.grant_at(&request, ("second.example.org", "other"), "s1", &path, expires);
}

fn third_request(client: &mut Client) -> Request {
    let request = client.request();
    assert_eq!(
        request.header("To-Path"),
        Some(&*format!("{USE_PATH} {SECOND_URI} {THIRD}"))
    );
    request
}

fn grant_third(client: &mut Client, expires: u32) {
    let request = third_request(client);
    client.challenge_at(&request, "third.example.net", "t0", false);
    let request = client.request();
    let path = format!("{USE_PATH} {SECOND_URI} {THIRD_URI}");
    client.grant_at(&request, ("third.example.net", "third"), "t1", &path, expires);
}

fn chain() -> (Client, Vec<RegistrationId>) {
    let mut client = Client::new();
    let chain = client.agent.register_chain(accounts()).unwrap();
    (client, chain)
}

fn lost(client: &Client) -> Vec<(RegistrationId, String, RegistrationLoss)> {
    let lost = client.events.iter().filter_map(|event| match event {
        UserAgentEvent::RegistrationLost {
            registration,
            relay,
            reason,
        } => Some((*registration, relay.to_string(), reason.clone())),
        _ => None,
    });
    lost.collect()
}

// shows: 4976-5.1-01, 4976-5.1-04, 4976-5.1-06, 4976-5.1-07, 4976-5.1-12, 4976-5.1-14, 4976-4.2-03
#[test]
fn a_chain_of_relays_is_asked_one_through_the_other() {
    let (mut client, chain) = chain();
    grant_first(&mut client, 1200);
    grant_second(&mut client, 900);
    grant_third(&mut client, 3600);
    client.turn();
    assert_eq!((client.connects, lost(&client).len()), (1, 0));
    let Some(UserAgentEvent::Registered {
        registration,
        local,
        path,
        use_path,
        expires,
        renewed: false,
    }) = client.events.last()
    else {
        panic!("{:?}", client.events)
    };
    assert_eq!(Some(registration), chain.last());
    assert_eq!(use_path.as_str(), format!("{USE_PATH} {SECOND_URI} {THIRD_URI}"));
    assert_eq!(
        path.as_str(),
        format!("{THIRD_URI} {SECOND_URI} {USE_PATH} {local}")
    );
    // The path is worth as much as its shortest-lived part.
    assert_eq!(expires.as_secs(), 900);
    let params = client.params(chain[2], Role::Active);
    client.agent.open_session(params).unwrap();
    assert_eq!(
        client.request().header("To-Path"),
        Some(&*format!("{USE_PATH} {SECOND_URI} {THIRD_URI} {BOB}"))
    );
}

/// The one in the middle is renewed before it expires, and what is behind it too, once; not what is before it.
// shows: 4976-9.3-06
#[test]
fn a_chain_is_renewed_before_any_part_of_it_expires() {
    let (mut client, chain) = chain();
    grant_first(&mut client, 3600);
    grant_second(&mut client, 900);
    grant_third(&mut client, 900);
    client.turn();
    let params = client.params(chain[2], Role::Active);
    client.agent.open_session(params).unwrap();
    let send = client.request();
    client.answer(&send, "200 OK", "");
    for round in 0..3 {
        client.now += Duration::from_secs(839);
        client.agent.handle_timeout(client.now);
        assert!(client.turn().is_empty(), "round {round}");
        client.now += Duration::from_secs(1);
        client.agent.handle_timeout(client.now);
        let second = client.request();
        assert_eq!(second.header("To-Path"), Some(&*format!("{USE_PATH} {SECOND}")));
        let path = format!("{USE_PATH} {SECOND_URI}");
        client.grant_at(&second, ("second.example.org", "other"), "s", &path, 900);
        let third = third_request(&mut client);
        assert_eq!(
            &third.credentials().nonce[..],
            if round == 0 { "t1" } else { "t" }
        );
        let path = format!("{USE_PATH} {SECOND_URI} {THIRD_URI}");
        client.grant_at(&third, ("third.example.net", "third"), "t", &path, 900);
        assert!(client.turn().is_empty());
        let Some(UserAgentEvent::Registered {
            expires,
            renewed: true,
            ..
        }) = client.events.last()
        else {
            panic!("{:?}", client.events)
        };
        assert_eq!(expires.as_secs(), 900);
    }
    assert!(lost(&client).is_empty());
}

/// A relay behind others shows no certificate to us, so that it has to prove that it knows the password.
// shows: 4976-9.3-03
#[test]
fn an_outer_relay_has_to_prove_itself() {
    let use_path = format!("Use-Path: {USE_PATH} {SECOND_URI}\r\nExpires: 900\r\n");
    let wrong = format!(
        "{use_path}Authentication-Info: qop=auth, rspauth=\"{}\", cnonce=\"c\", nc=00000001\r\n",
        "0".repeat(32)
    );
    let without = format!("{use_path}Authentication-Info: nextnonce=\"n\", qop=auth\r\n");
    for (challenged, answer) in [
        (true, &wrong),
        (true, &without),
        (true, &use_path),
        (false, &use_path),
    ] {
        let (mut client, chain) = chain();
        grant_first(&mut client, 900);
        let mut request = client.request();
        if challenged {
            client.challenge_at(&request, "second.example.org", "s0", false);
            request = client.request();
        }
        client.answer(&request, "200 OK", answer);
        assert!(client.turn().is_empty());
        assert_eq!(
            lost(&client),
            [
                (chain[1], SECOND.to_owned(), RegistrationLoss::NotProven),
                (chain[2], SECOND.to_owned(), RegistrationLoss::Inner),
            ]
        );
    }
}

/// Whichever relay it is that fails, the application learns which.
#[test]
fn the_relay_that_failed_is_named() {
    // The first one says that it cannot reach the second.
    let (mut client, chain) = chain();
    grant_first(&mut client, 900);
    let request = client.request();
    let own = request.header("From-Path").unwrap();
    let id = &request.id;
    client.feed(&format!(
        "MSRP {id} 408 Request Timeout\r\nTo-Path: {own}\r\nFrom-Path: {USE_PATH}\r\n-------{id}$\r\n"
    ));
    client.turn();
    let timeout = RegistrationLoss::Refused(StatusCode::REQUEST_TIMEOUT);
    assert_eq!(
        lost(&client),
        [
            (chain[1], RELAY.to_owned(), timeout.clone()),
            (chain[2], RELAY.to_owned(), RegistrationLoss::Inner),
        ]
    );
    // The second one says no to the third.
    let (mut client, chain) = self::chain();
    grant_first(&mut client, 900);
    grant_second(&mut client, 900);
    let request = third_request(&mut client);
    let (own, id) = (request.header("From-Path").unwrap(), &request.id);
    client.feed(&format!(
        "MSRP {id} 403 Forbidden\r\nTo-Path: {own}\r\nFrom-Path: {USE_PATH} {SECOND_URI}\r\n-------{id}$\r\n"
    ));
    client.turn();
    let refused = RegistrationLoss::Refused(StatusCode::FORBIDDEN);
    assert_eq!(lost(&client), [(chain[2], SECOND.to_owned(), refused)]);
    // The third one does not like the password.
    let (mut client, chain) = self::chain();
    grant_first(&mut client, 900);
    grant_second(&mut client, 900);
    for nonce in ["t0", "t1", "t2"] {
        let request = third_request(&mut client);
        client.challenge_at(&request, "third.example.net", nonce, false);
    }
    client.turn();
    assert_eq!(
        lost(&client),
        [(chain[2], THIRD.to_owned(), RegistrationLoss::Credentials)]
    );
    // The first one is not there at all.
    let mut client = Client::new();
    let chain = client.agent.register_chain(accounts()).unwrap();
    let Some(msrp_core::node::Action::Connect { token, .. }) = client.agent.poll_action() else {
        panic!()
    };
    client
        .agent
        .handle_connected(client.now, token, Err(ConnectFailure::Refused));
    client.turn();
    let unreached = RegistrationLoss::Connect(ConnectFailure::Refused);
    assert_eq!(
        lost(&client),
        [
            (chain[0], RELAY.to_owned(), unreached),
            (chain[1], RELAY.to_owned(), RegistrationLoss::Inner),
            (chain[2], RELAY.to_owned(), RegistrationLoss::Inner),
        ]
    );
}

// shows: 4976-4.6-03
#[test]
fn an_outer_relay_may_want_another_life() {
    let mut client = Client::new();
    let wish = at(SECOND, "other").with_expires(Duration::from_secs(10));
    client.agent.register_chain([account("secret"), wish]).unwrap();
    grant_first(&mut client, 900);
    let request = client.request();
    client.challenge_at(&request, "second.example.org", "s0", false);
    let request = client.request();
    assert_eq!(request.header("Expires"), Some("10"));
    client.answer(&request, "423 Interval Out Of Bounds", "Min-Expires: 60\r\n");
    let request = client.request();
    assert_eq!(request.header("Expires"), Some("60"));
    assert_eq!(request.credentials().nc, 2);
    let path = format!("{USE_PATH} {SECOND_URI}");
    client.grant_at(&request, ("second.example.org", "other"), "s1", &path, 60);
    client.turn();
    assert!(matches!(
        client.events.last(),
        Some(UserAgentEvent::Registered { expires, .. }) if expires.as_secs() == 60
    ));
}

#[test]
fn a_chain_that_cannot_be_asked_for_is_not_begun() {
    let mut client = Client::new();
    let config = UserAgentConfig::new("alice.example.com", 9892, true).max_registrations(2);
    client.agent = msrp_ua::UserAgent::new(client.now, config, [9; 32]);
    assert_eq!(
        client.agent.register_chain(accounts()),
        Err(CommandError::TooManyRegistrations { limit: 2 })
    );
    let [first, second, _] = accounts();
    let plain = at("msrp://second.example.org:2855;tcp", "other");
    assert_eq!(
        client.agent.register_chain([first, plain]),
        Err(CommandError::PlainRelay)
    );
    let mut client = Client::new();
    let chain = client.agent.register_chain([account("secret"), second]).unwrap();
    // A relay's path serves one outer relay only.
    client.agent.unregister(chain[1]).unwrap();
    let again = client
        .agent
        .register(at(SECOND, "other").through(chain[0]))
        .unwrap();
    assert_eq!(
        client.agent.register(at(THIRD, "third").through(chain[0])),
        Err(CommandError::RelayPathInUse)
    );
    grant_first(&mut client, 900);
    grant_second(&mut client, 900);
    client.turn();
    assert!(client.agent.use_path(again).is_some());
}
