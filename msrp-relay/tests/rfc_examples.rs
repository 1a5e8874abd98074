//! The examples of RFC 4976 that a relay takes part in, octet by octet. Tokens and transaction identifiers are random, so those of
//! the RFC stand in their places on both sides. Where RFC and its examples differ the text counts: an answer to a SEND has
//! no Message-ID (RFC 4975 §7.2), what is passed on keeps the order of its headers, and the range of a chunk that has come to its
//! end is told in numbers.

mod harness;

use harness::*;
use msrp_core::{
    grammar::Scheme,
    node::{ConnectionHandle, ListenerId},
};
use msrp_relay::{MemoryAuthStore, RelayConfig, RelayListener};

/// A relay as the RFC has them, with a second name to which the harness addresses its AUTHs.
fn relay(host: &str) -> World {
    let mut users = MemoryAuthStore::new();
    users.set_password("alice", "relay.example.com", "secret");
    let also = RelayListener::new(ListenerId(9), Scheme::Msrps, 2855).host("relay.example.com");
    World::with(
        RelayConfig::new(host)
            .realm("relay.example.com")
            .listener(ListenerId(0), Scheme::Msrps, 9000)
            .listen(also)
            .auth_store(users),
    )
}

/// A client of this relay, and the random part of its URI.
fn client(world: &mut World) -> (ConnectionHandle, String) {
    let (handle, uri) = world.client("alice", "secret");
    let (_, token) = uri.rsplit_once('/').unwrap();
    (handle, token.trim_end_matches(";tcp").to_owned())
}

/// What the RFC prints on several lines: it breaks long ones by a backslash.
fn example(lines: &str) -> String {
    let joined: Vec<_> = lines.lines().map(str::trim).collect();
    joined.join("\r\n").replace("\\\r\n", "") + "\r\n"
}

/// Puts random names in the places of the RFC's, or the reverse.
fn renamed(text: &str, names: &[(&str, &str)]) -> String {
    names
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

const SEND: &str = "MSRP 6aef SEND
    To-Path: msrps://a.example.org:9000/kjfjan;tcp \
 msrps://b.example.net:9000/aeiug;tcp \
 msrps://bob.example.net:8145/foo;tcp
    From-Path: msrps://alice.example.org:7965/bar;tcp
    Success-Report: yes
    Byte-Range: 1-*/*
    Message-ID: 87652
    Content-Type: text/plain

    Hi Bob, I'm about to send you file.mpeg
    -------6aef$";

const SEND_ON: &str = "MSRP juh76 SEND
    To-Path: msrps://b.example.net:9000/aeiug;tcp \
 msrps://bob.example.net:8145/foo;tcp
    From-Path: msrps://a.example.org:9000/kjfjan;tcp \
 msrps://alice.example.org:7965/bar;tcp
    Success-Report: yes
    Byte-Range: 1-39/39
    Message-ID: 87652
    Content-Type: text/plain

    Hi Bob, I'm about to send you file.mpeg
    -------juh76$";

const SEND_LAST: &str = "MSRP xght6 SEND
    To-Path: msrps://bob.example.net:8145/foo;tcp
    From-Path: msrps://b.example.net:9000/aeiug;tcp \
 msrps://a.example.org:9000/kjfjan;tcp \
 msrps://alice.example.org:7965/bar;tcp
    Success-Report: yes
    Byte-Range: 1-39/39
    Message-ID: 87652
    Content-Type: text/plain

    Hi Bob, I'm about to send you file.mpeg
    -------xght6$";

const REPORT: &str = "MSRP yh67 REPORT
    To-Path: msrps://b.example.net:9000/aeiug;tcp \
 msrps://a.example.org:9000/kjfjan;tcp \
 msrps://alice.example.org:7965/bar;tcp
    From-Path: msrps://bob.example.net:8145/foo;tcp
    Message-ID: 87652
    Byte-Range: 1-39/39
    Status: 000 200 OK
    -------yh67$";

const REPORT_ON: &str = "MSRP yh67 REPORT
    To-Path: msrps://a.example.org:9000/kjfjan;tcp \
 msrps://alice.example.org:7965/bar;tcp
    From-Path: msrps://b.example.net:9000/aeiug;tcp \
 msrps://bob.example.net:8145/foo;tcp
    Message-ID: 87652
    Byte-Range: 1-39/39
    Status: 000 200 OK
    -------yh67$";

const REPORT_LAST: &str = "MSRP yh67 REPORT
    To-Path: msrps://alice.example.org:7965/bar;tcp
    From-Path: msrps://a.example.org:9000/kjfjan;tcp \
 msrps://b.example.net:9000/aeiug;tcp \
 msrps://bob.example.net:8145/foo;tcp
    Message-ID: 87652
    Byte-Range: 1-39/39
    Status: 000 200 OK
    -------yh67$";

fn ok(id: &str, to: &str, from: &str) -> String {
    format!("MSRP {id} 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{id}$\r\n")
}

const ALICE_BAR: &str = "msrps://alice.example.org:7965/bar;tcp";
const BOB_FOO: &str = "msrps://bob.example.net:8145/foo;tcp";
const A: &str = "msrps://a.example.org:9000/kjfjan;tcp";
const B: &str = "msrps://b.example.net:9000/aeiug;tcp";

/// What the world has sent to a connection, under the RFC's names; the identifier of its last request becomes `id`.
fn sent(world: &mut World, handle: ConnectionHandle, names: &[(&str, &str)], id: &str) -> (String, String) {
    let text = world.text(handle);
    let own = split(text.as_bytes())
        .pop()
        .map(|frame| frame.id)
        .unwrap_or_default();
    (renamed(&renamed(&text, names), &[(&own, id)]), own)
}

// shows: 4976-X-01, 4976-X-02, 4976-X-03
#[test]
fn a_message_and_its_report_pass_two_relays() {
    let (mut a, mut b) = (relay("a.example.org"), relay("b.example.net"));
    // Both are seeded alike, so the first URI of each would be the same.
    client(&mut b);
    let ((alice, at_a), (bob, at_b)) = (client(&mut a), client(&mut b));
    let random = [("kjfjan", &at_a[..]), ("aeiug", &at_b[..])];
    let literal = random.map(|(literal, random)| (random, literal));

    // Alice to a.example.org.
    a.feed(alice, renamed(&example(SEND), &random));
    let to_b = a.connect(Ok(certified(&["b.example.net"]))).unwrap();
    let (answer, _) = sent(&mut a, alice, &literal, "6aef");
    assert_eq!(answer, ok("6aef", ALICE_BAR, A));
    // That one to b.example.net.
    let raw = a.text(to_b);
    let id = split(raw.as_bytes()).pop().unwrap().id;
    assert_eq!(
        renamed(&renamed(&raw, &literal), &[(&id, "juh76")]),
        example(SEND_ON)
    );
    let from_a = b.accept(tls());
    b.feed(from_a, &raw);
    let answer = b.text(from_a);
    assert_eq!(
        renamed(&renamed(&answer, &literal), &[(&id, "juh76")]),
        ok("juh76", A, B)
    );
    a.feed(to_b, &answer);
    assert_eq!(a.text(alice), "", "the answer is for the hop alone");
    // That one to Bob.
    let (last, id) = sent(&mut b, bob, &literal, "xght6");
    assert_eq!(last, example(SEND_LAST));
    b.feed(bob, renamed(&ok(&id, B, BOB_FOO), &random));
    assert_eq!(b.text(from_a), "");

    // And the report all the way back, which nobody answers.
    b.feed(bob, renamed(&example(REPORT), &random));
    assert_eq!(b.text(bob), "");
    let raw = b.text(from_a);
    let id = split(raw.as_bytes()).pop().unwrap().id;
    assert_eq!(
        renamed(&renamed(&raw, &literal), &[(&id, "yh67")]),
        example(REPORT_ON)
    );
    a.feed(to_b, &raw);
    let (last, _) = sent(&mut a, alice, &literal, "yh67");
    assert_eq!(last, example(REPORT_LAST));
    assert_eq!(a.text(to_b), "");
}

const AUTH: &str = "MSRP m3nbvx AUTH
    To-Path: msrps://intra.example.com:9000/jui787s2f;tcp \
 msrps://extra.example.com;tcp
    From-Path: msrps://alice.example.com:9892/98cjs;tcp
    Authorization: Digest username=\"Alice\", \
 realm=\"extra.example.com\", \
 nonce=\"Uumu8cAV38FGsEF31VLevIbNXj9HWO\", \
 qop=auth, nc=00000001, cnonce=\"85a0dca8\", \
 response=\"cb06c4a77cd90918cd7914432032e0e6\"
    -------m3nbvx$";

const AUTH_ON: &str = "MSRP m4nbvx AUTH
    To-Path: msrps://extra.example.com;tcp
    From-Path: msrps://intra.example.com:9000/jui787s2f;tcp \
 msrps://alice.example.com:9892/98cjs;tcp
    Authorization: Digest username=\"Alice\", \
 realm=\"extra.example.com\", \
 nonce=\"Uumu8cAV38FGsEF31VLevIbNXj9HWO\", \
 qop=auth, nc=00000001, cnonce=\"85a0dca8\", \
 response=\"cb06c4a77cd90918cd7914432032e0e6\"
    -------m4nbvx$";

/// Its Use-Path as row 4976-E-02 has it: what the RFC prints in the last response is a misprint.
const GRANTED: &str = "MSRP m4nbvx 200 OK
    To-Path: msrps://intra.example.com:9000/jui787s2f;tcp \
 msrps://alice.example.com:9892/98cjs;tcp
    From-Path: msrps://extra.example.com;tcp
    Use-Path: msrps://intra.example.com:9000/jui787s2f;tcp \
 msrps://extra.example.com:9000/mywdEe1233;tcp
    Authentication-Info: nextnonce=\"bz8V080GEA2sLyEDpITF2AZCq7gIkc\", \
 rspauth=\"72f109ed2755d7ed0d0a213ec653b3f2\", \
 cnonce=\"85a0dca8\", nc=00000001, qop=auth
    Expires: 1800
    -------m4nbvx$";

const GRANTED_BACK: &str = "MSRP m3nbvx 200 OK
    To-Path: msrps://alice.example.com:9892/98cjs;tcp
    From-Path: msrps://intra.example.com:9000/jui787s2f;tcp \
 msrps://extra.example.com;tcp
    Use-Path: msrps://intra.example.com:9000/jui787s2f;tcp \
 msrps://extra.example.com:9000/mywdEe1233;tcp
    Authentication-Info: nextnonce=\"bz8V080GEA2sLyEDpITF2AZCq7gIkc\", \
 rspauth=\"72f109ed2755d7ed0d0a213ec653b3f2\", \
 cnonce=\"85a0dca8\", nc=00000001, qop=auth
    Expires: 1800
    -------m3nbvx$";

// shows: 4976-X-09
#[test]
fn credentials_for_the_second_relay_pass_the_first() {
    let mut intra = relay("intra.example.com");
    let (alice, token) = client(&mut intra);
    let random = [("jui787s2f", &token[..])];
    let literal = [(&token[..], "jui787s2f")];
    intra.feed(alice, renamed(&example(AUTH), &random));
    let extra = intra.connect(Ok(certified(&["extra.example.com"]))).unwrap();
    let (passed, id) = sent(&mut intra, extra, &literal, "m4nbvx");
    assert_eq!(passed, example(AUTH_ON));
    assert_eq!(intra.text(alice), "");
    let granted = renamed(&example(GRANTED), &random);
    intra.feed(extra, renamed(&granted, &[("m4nbvx", &id)]));
    assert_eq!(renamed(&intra.text(alice), &literal), example(GRANTED_BACK));
}
