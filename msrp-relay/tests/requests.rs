//! Requests other than SEND, and their responses (RFC 4976 §6.4.2, §6.4.3).

mod harness;

use harness::*;
use msrp_core::{grammar::StatusCode, node::ConnectionHandle};
use msrp_relay::policy::{ForwardQuery, RelayPolicy, Verdict};

fn request(id: &str, method: &str, to: &str, from: &str, headers: &str) -> String {
    format!("MSRP {id} {method}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{headers}-------{id}$\r\n")
}

/// Answers what has come, back over the whole path.
fn answer_all(world: &mut World, handle: ConnectionHandle, frame: &Frame, status: &str, headers: &str) {
    let (to, from) = (frame.back_path().to_owned(), frame.to_path().to_owned());
    let id = &frame.id;
    world.feed(
        handle,
        format!("MSRP {id} {status}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{headers}-------{id}$\r\n"),
    );
}

/// AUTH for a relay further on: the answer comes back under the identifier that the client gave.
// shows: 4976-6.4.3-07, 4976-6.4.3-03, 4976-6.4.3-08, 4976-6.4.2-01, 4976-6.4.2-03, 4976-X-08, 4976-3-04
#[test]
fn an_auth_for_the_next_relay_is_passed_on_and_its_answer_back() {
    const EXTRA: &str = "msrps://extra.example.com:2855;tcp";
    let mut world = World::new();
    let (alice, uri) = world.client("alice", "secret");
    let path = format!("{uri} {EXTRA}");
    world.feed(alice, request("mnbvw", "AUTH", &path, ALICE, "Expires: 900\r\n"));
    assert_eq!(world.octets(alice), b"", "nobody but the last relay answers");
    let extra = world.connect(Ok(tls())).unwrap();
    let passed = world.frames(extra).remove(0);
    assert_ne!(passed.id, "mnbvw");
    assert_eq!(passed.start, "AUTH");
    assert_eq!(
        (passed.to_path(), passed.back_path()),
        (EXTRA, &format!("{uri} {ALICE}")[..])
    );
    assert_eq!(passed.header("Expires"), Some("900"));
    let challenge =
        "WWW-Authenticate: Digest realm=\"extra.example.com\", nonce=\"Uumu8cAV38FGsEF\", qop=\"auth\"\r\n";
    answer_all(&mut world, extra, &passed, "401 Unauthorized", challenge);
    let back = world.text(alice);
    assert_eq!(
        back,
        format!(
            "MSRP mnbvw 401 Unauthorized\r\nTo-Path: {ALICE}\r\nFrom-Path: {uri} {EXTRA}\r\n{challenge}-------mnbvw$\r\n"
        )
    );
    assert_eq!(world.relay.open_transactions(), 0);
}

// shows: 4976-6.4.2-04, 4976-6.4.2-05, 4976-E-08, 4976-6.4.2-01
#[test]
fn unknown_methods_are_passed_on_unless_the_operator_says_no() {
    let mut world = World::new();
    let ((alice, uri), (bob, bob_uri)) = world.pair();
    let path = format!("{uri} {bob_uri} {BOB}");
    world.feed(alice, request("f00f", "FOO", &path, ALICE, "X-Thing: 1\r\n"));
    let passed = world.frames(bob).remove(0);
    assert_eq!((&passed.start[..], passed.header("X-Thing")), ("FOO", Some("1")));
    answer_all(&mut world, bob, &passed, "200 OK", "X-Thing: 2\r\n");
    let back = world.frames(alice).remove(0);
    assert_eq!(
        (&back.id[..], back.start_code(), back.header("X-Thing")),
        ("f00f", 200, Some("2"))
    );

    let mut world = World::with(config().forward_unknown_methods(false));
    let ((alice, uri), (bob, bob_uri)) = world.pair();
    let path = format!("{uri} {bob_uri} {BOB}");
    world.feed(alice, request("f00f", "FOO", &path, ALICE, ""));
    assert_eq!(world.frames(alice)[0].start_code(), 501);
    assert_eq!(world.octets(bob), b"");
}

// shows: 4976-3-13, 4976-E-20
#[test]
fn a_report_is_passed_on_and_never_answered() {
    let mut world = World::new();
    let ((alice, uri), (bob, bob_uri)) = world.pair();
    let path = format!("{uri} {bob_uri} {BOB}");
    let about = "Message-ID: 87652\r\nByte-Range: 1-39/39\r\nStatus: 000 200 OK\r\n";
    world.feed(alice, request("yh67", "REPORT", &path, ALICE, about));
    let passed = world.frames(bob).remove(0);
    assert_eq!(
        (&passed.start[..], passed.header("Status")),
        ("REPORT", Some("000 200 OK"))
    );
    assert_eq!(passed.back_path(), format!("{bob_uri} {uri} {ALICE}"));
    // Some peers answer one all the same.
    answer_all(&mut world, bob, &passed, "200 OK", "");
    assert_eq!((world.octets(alice), world.octets(bob)), (Vec::new(), Vec::new()));
    assert_eq!(world.relay.open_transactions(), 0);
}

// shows: 4976-6.4.3-01, 4976-6.4.3-09
#[test]
fn a_response_that_does_not_lead_back_through_us_is_dropped() {
    let mut world = World::new();
    let ((alice, uri), (bob, bob_uri)) = world.pair();
    let path = format!("{uri} {bob_uri} {BOB}");
    for to in [
        "msrps://other.example.com:2855/s0me;tcp msrps://alice.example.com:9892/98cjs;tcp",
        ALICE,
        &format!("{uri} {bob_uri}"),
    ] {
        world.feed(alice, request("f00f", "FOO", &path, ALICE, ""));
        let id = world.frames(bob).remove(0).id;
        world.feed(
            bob,
            format!("MSRP {id} 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {BOB}\r\n-------{id}$\r\n"),
        );
        assert_eq!(world.octets(alice), b"", "{to}");
    }
    // The one who asked has gone: nobody is called to hear the answer.
    world.feed(alice, request("f00f", "FOO", &path, ALICE, ""));
    let frame = world.frames(bob).remove(0);
    world.eof(alice);
    answer_all(&mut world, bob, &frame, "200 OK", "");
    assert!(world.connects.is_empty());
    assert_eq!((world.relay.open_transactions(), world.relay.memory()), (0, 0));
}

/// Takes only what is signed.
struct Signed;

impl RelayPolicy for Signed {
    fn inspects_requests(&self) -> bool {
        true
    }

    fn forward(&mut self, query: &ForwardQuery<'_>) -> Verdict {
        match query.content_type {
            None => Verdict::Allow,
            Some(media) if media.starts_with("multipart/signed") => Verdict::Allow,
            Some(_) => Verdict::Reject(StatusCode::UNSUPPORTED_MEDIA),
        }
    }
}

// shows: 4976-9.3-07
#[test]
fn an_operator_may_insist_on_signatures() {
    let mut world = World::with(config().policy(Signed));
    let ((alice, uri), (bob, bob_uri)) = world.pair();
    let path = format!("{uri} {bob_uri} {BOB}");
    let plain = send("6aef", &path, ALICE, "", "1-5/5", "hello", '$');
    world.feed(alice, &plain);
    assert_eq!(world.frames(alice)[0].start_code(), 415);
    assert_eq!(world.octets(bob), b"");
    world.feed(alice, plain.replace("text/plain", "multipart/signed"));
    assert_eq!(world.frames(alice)[0].start_code(), 200);
    assert_eq!(world.frames(bob).len(), 1);
}
