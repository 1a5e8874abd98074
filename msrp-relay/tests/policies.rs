//! Policies that take their time: what the relay asks, and what the answers do.

mod harness;

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use harness::*;
use msrp_core::{
    digest::{Algorithm, Ha1},
    grammar::StatusCode,
    node::{ListenerId, PeerInfo, Target},
};
use msrp_relay::{
    RelayAnswer, RelayQuery,
    policy::{
        Admission, AllowAll, AsyncAuthStore, AsyncPolicies, AsyncRelayPolicy, AsyncRoutePolicy, AuthRequest,
        DeferredPolicy, ForwardQuery, Grant, Lookup, NextHop, RelayPolicy, RouteQuery, Terms, Verdict,
    },
};

/// Futures of these tests are ready at once.
fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("it waits"),
    }
}

/// Answers everything, and tells what it was asked.
#[derive(Clone, Default)]
struct Operator(Arc<Mutex<Vec<String>>>);

impl Operator {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn policies(&self) -> AsyncPolicies {
        AsyncPolicies::new()
            .auth_store(self.clone())
            .policy_with_admission(self.clone())
            .route_policy(self.clone())
    }
}

fn listener(peer: &PeerInfo) -> u16 {
    peer.listener.unwrap().0
}

#[async_trait]
impl AsyncAuthStore for Operator {
    async fn credentials(&self, realm: &str, user: &str, algorithm: Algorithm) -> Option<Ha1> {
        self.note(format!("credentials {user}"));
        (user == "alice").then(|| Ha1::compute(algorithm, user, realm, "secret"))
    }
}

#[async_trait]
impl AsyncRelayPolicy for Operator {
    async fn admit(&self, peer: &PeerInfo) -> Admission {
        self.note(format!("admit {}", peer.remote.unwrap().ip()));
        match peer.remote.unwrap().ip().is_ipv4() {
            true => Admission::Accept,
            false => Admission::Refuse,
        }
    }

    async fn authorize(&self, request: &AuthRequest<'_>) -> Grant {
        self.note(format!(
            "authorize {} on {}",
            request.user,
            listener(request.peer)
        ));
        Grant::AllowOn(Terms::new().named_as(ListenerId(1)))
    }
}

#[async_trait]
impl AsyncRoutePolicy for Operator {
    async fn next_hop(&self, query: &RouteQuery<'_>) -> NextHop {
        let host = query.next.normalized_host();
        self.note(format!(
            "route {} to {host} from {}",
            query.user,
            listener(query.from)
        ));
        match host.as_str() {
            "bob.example.com" => NextHop::Via(
                Target::new(query.next.scheme(), host, query.next.port()).with_interface(ListenerId(1)),
            ),
            _ => NextHop::Refuse(StatusCode::FORBIDDEN),
        }
    }
}

/// A driver that has policies answer.
fn settle(world: &mut World, policies: &AsyncPolicies) {
    while let Some((_, query)) = world.lookups.first() {
        let answer = done(policies.answer(query.clone()));
        world.answer(answer);
    }
}

#[test]
fn each_question_goes_to_its_policy_and_the_answer_counts() {
    let operator = Operator::default();
    let policies = operator.policies();
    let mut world = World::with(policies.configure(config()));
    let alice = world.accept(tls());
    settle(&mut world, &policies);
    world.feed(
        alice,
        format!("MSRP aut1 AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {ALICE}\r\n-------aut1$\r\n"),
    );
    let challenge = world.frames(alice).remove(0);
    let authorization = authorize(
        challenge.header("WWW-Authenticate").unwrap(),
        "alice",
        "secret",
        1,
    );
    world.feed(
        alice,
        format!(
            "MSRP aut2 AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {ALICE}\r\nAuthorization: {authorization}\r\n-------aut2$\r\n"
        ),
    );
    settle(&mut world, &policies);
    let granted = world.frames(alice).remove(0);
    let uri = granted.header("Use-Path").unwrap().to_owned();
    assert!(uri.starts_with("msrp://relay.example.com:2856/"), "{uri}");
    for (id, peer) in [("6aef", BOB), ("6aeg", "msrps://carol.example.com:8493/foo;tcp")] {
        let path = format!("{uri} {peer}");
        world.feed(alice, send(id, &path, ALICE, "", "1-5/5", "hello", '$'));
        settle(&mut world, &policies);
    }
    let refused = world.frames(alice).pop().unwrap();
    assert_eq!((refused.id.as_str(), refused.start_code()), ("6aeg", 403));
    let (_, target) = &world.connects[0];
    assert_eq!(world.connects.len(), 1);
    assert_eq!(
        (target.host.as_str(), target.interface),
        ("bob.example.com", Some(ListenerId(1)))
    );
    assert_eq!(
        operator.asked(),
        [
            "admit 192.0.2.7",
            "credentials alice",
            "authorize alice on 0",
            "route alice to bob.example.com from 0",
            "route alice to carol.example.com from 0",
        ]
    );
}

#[test]
fn nothing_is_read_from_a_connection_until_it_is_admitted() {
    let policies = Operator::default().policies();
    for (peer, admitted) in [
        ("192.0.2.7:1", Some(true)),
        ("[2001:db8::1]:1", Some(false)),
        ("192.0.2.7:1", None),
    ] {
        let mut world = World::with(policies.configure(config()));
        let alice = world.accept(tls().with_remote(peer.parse().unwrap()));
        assert!(!world.relay_wants_read(alice));
        // What the driver had read already waits, too.
        world.feed(
            alice,
            format!("MSRP aut1 AUTH\r\nTo-Path: {RELAY}\r\nFrom-Path: {ALICE}\r\n-------aut1$\r\n"),
        );
        assert_eq!(world.octets(alice), b"");
        match admitted {
            Some(_) => settle(&mut world, &policies),
            // Whoever should answer does not: the question has its time.
            None => world.advance(Duration::from_secs(11)),
        }
        assert_eq!(world.closed(alice), admitted != Some(true), "{peer}");
        assert_eq!(world.frames(alice).len(), usize::from(admitted == Some(true)));
        assert_eq!(world.relay.open_lookups(), 0);
        let refused = u64::from(admitted != Some(true));
        assert_eq!(world.relay.stats().refused, refused);
    }
}

#[test]
fn a_connection_that_ends_before_it_is_admitted_leaves_nothing_behind() {
    let policies = Operator::default().policies();
    let mut world = World::with(policies.configure(config()));
    let alice = world.accept(tls());
    world.reset(alice);
    assert_eq!((world.relay.open_lookups(), world.relay.connections()), (0, 0));
    settle(&mut world, &policies);
    let bob = world.accept(tls());
    world.eof(bob);
    settle(&mut world, &policies);
    world.advance(Duration::from_secs(11));
    assert!(world.closed(bob));
    assert_eq!((world.relay.open_lookups(), world.relay.connections()), (0, 0));
}

/// An answer to another question counts as none.
#[test]
fn an_answer_of_another_kind_does_not_admit() {
    let policies = Operator::default().policies();
    let mut world = World::with(policies.configure(config()));
    let alice = world.accept(tls());
    world.answer(RelayAnswer::Grant(Grant::Allow));
    assert!(world.closed(alice));
}

/// Refuses what is not text, and one address.
struct AtOnce;

impl RelayPolicy for AtOnce {
    fn admit(&mut self, peer: &PeerInfo) -> Lookup<Admission> {
        let banned = peer.remote.unwrap().port() == 666;
        Lookup::Ready(if banned {
            Admission::Refuse
        } else {
            Admission::Accept
        })
    }

    fn inspects_requests(&self) -> bool {
        true
    }

    fn forward(&mut self, query: &ForwardQuery<'_>) -> Verdict {
        match query.content_type {
            Some("text/plain") => Verdict::Allow,
            _ => Verdict::Reject(StatusCode::UNSUPPORTED_MEDIA),
        }
    }
}

#[test]
fn what_cannot_wait_is_answered_by_another_policy() {
    let mut world = World::with(config().policy(DeferredPolicy::new(AtOnce).with_admission()));
    assert!(
        world
            .try_accept(tls().with_remote("192.0.2.7:666".parse().unwrap()))
            .is_err()
    );
    assert_eq!(world.lookups.len(), 0);
    world.try_accept(tls()).unwrap();
    assert!(matches!(world.lookups[0].1, RelayQuery::Admit { .. }));
    let mut policy = DeferredPolicy::new(AtOnce);
    assert!(policy.inspects_requests());
    assert_eq!(policy.admit(&tls()), Lookup::Ready(Admission::Accept));
    assert_eq!(
        DeferredPolicy::new(AllowAll).with_admission().admit(&tls()),
        Lookup::Pending
    );
}

#[test]
fn to_what_there_is_no_policy_for_the_answer_is_no() {
    let nobody = AsyncPolicies::new();
    // And the relay does not ask.
    let mut world = World::with(nobody.configure(config()));
    world.pair();
    assert!(world.lookups.is_empty());
    let peer = tls();
    let queries = [
        RelayQuery::Credentials {
            realm: REALM.to_owned(),
            user: "alice".to_owned(),
            algorithm: Algorithm::Md5,
        },
        RelayQuery::Admit { peer: peer.clone() },
        RelayQuery::Authorize {
            user: "alice".to_owned(),
            expires: None,
            peer: peer.clone(),
            relay: None,
        },
        RelayQuery::NextHop {
            next: BOB.parse().unwrap(),
            user: "alice".to_owned(),
            from: peer,
        },
    ];
    for query in queries {
        let answer = done(nobody.answer(query));
        let no = match &answer {
            RelayAnswer::Credentials(ha1) => ha1.is_none(),
            RelayAnswer::Admission(admission) => *admission == Admission::Refuse,
            RelayAnswer::Grant(grant) => *grant == Grant::Deny,
            RelayAnswer::NextHop(hop) => *hop == NextHop::Refuse(StatusCode::FORBIDDEN),
            _ => false,
        };
        assert!(no, "{answer:?}");
    }
}
