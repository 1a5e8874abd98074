//! Clients on WebSocket (RFC 7977): known by their handshake or by AUTH, one chunk in each message.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

mod harness;

use std::sync::Arc;

use bytes::BytesMut;
use harness::*;
use msrp_core::{
    grammar::Scheme,
    node::{
        ConnectionHandle, ListenerId, Node, OpeningHandshake, PeerInfo, Security, TlsPeer, TransportKind,
    },
};
use msrp_relay::{
    MemoryAuthStore, RelayConfig, RelayEvent, RelayListener,
    policy::{Admission, Lookup, RelayPolicy},
};

/// The relay's names in the examples of RFC 7977 §8.
const HOST: &str = "a.example.com";
const WSS: &str = "msrps://alice@a.example.com:443;ws";
const ALICE_WS: &str = "msrps://df7jal23ls0d.invalid:2855/98cjs;ws";

/// Knows clients by a cookie or by their certificate, and lets in pages of one origin only.
struct Known;

impl RelayPolicy for Known {
    fn admit(&mut self, peer: &PeerInfo) -> Lookup<Admission> {
        let origin = peer.handshake.as_ref().and_then(|handshake| handshake.origin());
        Lookup::Ready(match origin {
            Some("https://evil.example.com") => Admission::Refuse,
            _ => Admission::Accept,
        })
    }

    fn identify(&mut self, peer: &PeerInfo) -> Option<String> {
        if let Security::Tls(tls) = &peer.security
            && let [name, ..] = &tls.verified_names[..]
        {
            return Some(name.clone());
        }
        let cookie = peer.handshake.as_ref()?.cookie("session")?;
        (cookie == "s3cret").then(|| "alice".to_owned())
    }
}

/// TLS on port 2855 as listener 0, plain TCP as 1, WebSocket on 443 as 2.
fn relay() -> RelayConfig {
    RelayConfig::new(HOST)
        .realm("example.com")
        .listener(ListenerId(0), Scheme::Msrps, 2855)
        .listener(ListenerId(1), Scheme::Msrp, 2856)
        .listen(RelayListener::new(ListenerId(2), Scheme::Msrps, 443).named_as(ListenerId(0)))
        .auth_store(
            MemoryAuthStore::new()
                .with_password("alice", "example.com", "secret")
                .with_password("carol", "example.com", "hidden"),
        )
        .policy(Known)
}

fn wss(headers: &[(&'static str, &'static str)]) -> PeerInfo {
    let handshake = OpeningHandshake::new("/", headers.iter().copied());
    tls()
        .with_listener(ListenerId(2))
        .with_transport(TransportKind::WebSocket)
        .with_handshake(Arc::new(handshake))
}

/// One message of the transport.
fn message(world: &mut World, handle: ConnectionHandle, octets: impl AsRef<[u8]>) {
    world
        .relay
        .handle_read(world.now, handle, BytesMut::from(octets.as_ref()));
    world.relay.handle_message_end(world.now, handle);
    world.turn();
}

fn auth(id: &str, headers: &str) -> String {
    format!("MSRP {id} AUTH\r\nTo-Path: {WSS}\r\nFrom-Path: {ALICE_WS}\r\n{headers}-------{id}$\r\n")
}

/// A client that is known by its cookie, and its Use-Path.
fn browser(world: &mut World) -> (ConnectionHandle, String) {
    let handle = world.accept(wss(&[("Cookie", "session=s3cret")]));
    message(world, handle, auth("49fi", ""));
    let frame = world.frames(handle).remove(0);
    assert_eq!(frame.start_code(), 200, "{frame:?}");
    (handle, frame.header("Use-Path").unwrap().to_owned())
}

// shows: 7977-5.3.1-02, 7977-5.3.1-03, 7977-7-01, 7977-7-02, 7977-X-02
#[test]
fn who_is_known_by_the_handshake_gets_a_use_path_without_a_challenge() {
    let mut world = World::with(relay());
    let alice = world.accept(wss(&[("Cookie", "theme=dark; session=s3cret")]));
    message(&mut world, alice, auth("49fi", ""));
    let text = world.text(alice);
    let use_path = split(text.as_bytes())[0].header("Use-Path").unwrap().to_owned();
    assert_eq!(
        text,
        format!(
            "MSRP 49fi 200 OK\r\nTo-Path: {ALICE_WS}\r\nFrom-Path: {WSS}\r\nUse-Path: {use_path}\r\nExpires: 600\r\n\
             -------49fi$\r\n"
        )
    );
    // Its peers reach the relay by TLS.
    assert!(use_path.starts_with("msrps://a.example.com:2855/") && use_path.ends_with(";tcp"));
    assert!(
        matches!(&world.events[..], [RelayEvent::Authenticated { user, .. }] if user == "alice"),
        "{:?}",
        world.events
    );
    // Mutual TLS does as well, whatever the transport.
    let mut certificate = TlsPeer::default();
    certificate.verified_names = vec!["bob.example.com".to_owned()];
    let peer = tls().with_security(Security::Tls(Arc::new(certificate)));
    let bob = world.accept(peer);
    world.feed(bob, auth("49fj", ""));
    assert_eq!(world.frames(bob)[0].start_code(), 200);
}

// shows: 7977-5.3.1-01, 7977-7-06, 7977-X-03
#[test]
fn others_are_challenged_as_on_every_transport() {
    let mut world = World::with(relay());
    for headers in [&[][..], &[("Cookie", "session=guess")]] {
        let alice = world.accept(wss(headers));
        message(&mut world, alice, auth("4rsxt9nz", ""));
        let frame = world.frames(alice).remove(0);
        assert_eq!(frame.start_code(), 401);
        let challenge = frame.header("WWW-Authenticate").unwrap();
        let nonce = challenge.split('"').nth(3).unwrap();
        let authorization = answer(
            "example.com",
            nonce,
            msrp_core::digest::Algorithm::Md5,
            "alice",
            "secret",
            1,
            WSS,
            Some(WSS),
        );
        message(
            &mut world,
            alice,
            auth("qy1hsow5", &format!("Authorization: {authorization}\r\n")),
        );
        let frame = world.frames(alice).remove(0);
        assert_eq!(frame.start_code(), 200, "{frame:?}");
        assert!(frame.header("Authentication-Info").is_some());
    }
    // Who is not authenticated has no URI by which it could send to others.
    let stranger = world.accept(wss(&[]));
    let foreign = "msrps://relay.example.net:2855/guess;tcp msrps://carol.example.net:1/x;tcp";
    message(
        &mut world,
        stranger,
        send("6aeg", foreign, ALICE_WS, "", "1-5/5", "hello", '$'),
    );
    assert!(world.connects.is_empty());
    assert!(world.closed(stranger), "it addresses another relay");
}

// shows: 7977-7-02
#[test]
fn a_policy_decides_by_what_the_handshake_told() {
    let mut world = World::with(relay());
    assert!(
        world
            .try_accept(wss(&[("Origin", "https://evil.example.com")]))
            .is_err()
    );
    assert!(
        world
            .try_accept(wss(&[("Origin", "https://www.example.com")]))
            .is_ok()
    );
}

// shows: 7977-5.1-03, 7977-X-05, 7977-X-06, 7977-A-02, 7977-5.2.2-04
#[test]
fn a_browser_and_a_tcp_client_talk() {
    let mut world = World::with(relay());
    let (alice, alice_path) = browser(&mut world);
    // Bob uses no relay: alice's SDP told him her path, and the relay connects to his URI.
    message(
        &mut world,
        alice,
        send(
            "6aef",
            &format!("{alice_path} {BOB}"),
            ALICE_WS,
            "Success-Report: no\r\n",
            "1-*/*",
            "Hi Bob, I'm about to send you file.mpeg",
            '$',
        ),
    );
    assert_eq!(world.frames(alice)[0].start_code(), 200);
    assert_eq!(world.connects[0].1.host, "bob.example.com");
    let bob = world.connect(Ok(tls())).unwrap();
    let frame = world.frames(bob).remove(0);
    assert_eq!(
        (frame.to_path(), frame.back_path()),
        (BOB, &format!("{alice_path} {ALICE_WS}")[..])
    );
    world.feed(
        bob,
        format!(
            "MSRP {0} 200 OK\r\nTo-Path: {alice_path}\r\nFrom-Path: {BOB}\r\n-------{0}$\r\n",
            frame.id
        ),
    );
    // And back, by the connection that alice came in by: nothing is resolved, nothing dialled.
    world.feed(
        bob,
        send(
            "xght6",
            &format!("{alice_path} {ALICE_WS}"),
            BOB,
            "",
            "1-16/16",
            "Thanks for the f",
            '$',
        ),
    );
    assert_eq!(world.frames(bob)[0].start_code(), 200);
    let frame = world.frames(alice).remove(0);
    assert_eq!(
        (frame.to_path(), frame.back_path()),
        (ALICE_WS, &format!("{alice_path} {BOB}")[..])
    );
    assert!(world.connects.is_empty());
}

// shows: 7977-X-07
#[test]
fn two_browsers_talk() {
    let mut world = World::with(relay());
    let (alice, alice_path) = browser(&mut world);
    let (carol, carol_path) = browser(&mut world);
    let carol_ws = "msrps://jk3kll2dfs.invalid:2855/iwnslt;ws";
    message(
        &mut world,
        alice,
        send(
            "kjh6",
            &format!("{alice_path} {carol_path} {carol_ws}"),
            ALICE_WS,
            "",
            "1-5/5",
            "hello",
            '$',
        ),
    );
    assert_eq!(world.frames(alice)[0].start_code(), 200);
    let frame = world.frames(carol).remove(0);
    assert_eq!(
        (frame.to_path(), frame.back_path()),
        (carol_ws, &format!("{carol_path} {alice_path} {ALICE_WS}")[..])
    );
}

// shows: 7977-5.1-06, 7977-E-08
#[test]
fn one_large_chunk_from_tcp_becomes_several_that_fit_messages() {
    const LEN: usize = 1_000_000;
    let mut world = World::with(relay());
    let (alice, alice_path) = browser(&mut world);
    let bob = world.accept(plain());
    let body = "x".repeat(LEN);
    let range = format!("1-*/{LEN}");
    let all = send(
        "xght",
        &format!("{alice_path} {ALICE_WS}"),
        BOB,
        "",
        &range,
        &body,
        '$',
    );
    for piece in all.as_bytes().chunks(50_000) {
        world.feed(bob, piece);
    }
    let mut chunks = world.frames(alice);
    let mut next = 1;
    let mut ids = std::collections::BTreeSet::new();
    assert!(chunks.len() > LEN / (16 * 1024), "{}", chunks.len());
    let last = chunks.pop().unwrap();
    assert_eq!(last.flag, '$');
    for chunk in chunks.iter().chain([&last]) {
        assert!(chunk.body().len() <= 16 * 1024);
        let range = chunk.header("Byte-Range").unwrap();
        assert!(
            range.starts_with(&format!("{next}-")) && range.ends_with(&format!("/{LEN}")),
            "{range}"
        );
        assert!(ids.insert(chunk.id.clone()), "identifiers are used once");
        next += chunk.body().len();
    }
    assert!(chunks.iter().all(|chunk| chunk.flag == '+'));
    assert_eq!(next, LEN + 1);
}

// shows: 7977-5.1-04, 7977-5.1-05, 7977-4.1-04
#[test]
fn a_message_that_is_not_one_chunk_ends_the_connection() {
    let chunk = |path: &str| {
        send(
            "6aef",
            &format!("{path} {BOB}"),
            ALICE_WS,
            "",
            "1-5/5",
            "hello",
            '$',
        )
    };
    for case in 0..4 {
        let mut world = World::with(relay());
        let (alice, path) = browser(&mut world);
        let chunk = chunk(&path);
        match case {
            0 => message(&mut world, alice, chunk.clone() + &chunk),
            1 => {
                let (one, other) = chunk.split_at(100);
                message(&mut world, alice, one);
                message(&mut world, alice, other);
            }
            2 => message(&mut world, alice, "{\"type\": \"hello\"}"),
            _ => message(&mut world, alice, ""),
        }
        assert!(world.closed(alice), "case {case}");
    }
}

// shows: 7977-6-04
#[test]
fn a_bodiless_send_keeps_a_connection_alive_and_is_answered() {
    let mut world = World::with(relay());
    let (alice, path) = browser(&mut world);
    let (bob, bob_path) = browser(&mut world);
    let keep_alive = format!(
        "MSRP 6aeh SEND\r\nTo-Path: {path} {bob_path} {BOB}\r\nFrom-Path: {ALICE_WS}\r\nMessage-ID: 87653\r\n\
         Byte-Range: 1-0/0\r\n-------6aeh$\r\n"
    );
    message(&mut world, alice, keep_alive);
    assert_eq!(world.frames(alice)[0].start_code(), 200);
    assert!(world.frames(bob)[0].body.is_none());
}

// shows: 7977-5.1-02, 7977-9-01
#[test]
fn a_websocket_without_tls_gets_nobody_a_uri() {
    let mut world = World::with(relay());
    let mut peer = wss(&[("Cookie", "session=s3cret")]);
    peer.security = Security::Plain;
    let alice = world.accept(peer);
    message(&mut world, alice, auth("49fi", ""));
    let frame = world.frames(alice).remove(0);
    assert_eq!(
        (frame.start_code(), &frame.start[..]),
        (403, "403 AUTH Needs TLS")
    );
}
